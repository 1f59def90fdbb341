//! Differences between the sandbox and the live service that a log tells of. A service that fails because of one says
//! nothing about its data.

use crate::model::event::Change;

/// Words of a program that cannot bind an address, in lower case.
const NO_SUCH_ADDRESS: [&str; 2] = ["cannot assign requested address", "address not available"];
/// Words of a program that lacks a right.
const NOT_PERMITTED: &str = "not permitted";

/// The differences that these log lines name. `changes` are the service's own; `addresses` are the fixed addresses of
/// its stack, which the sandbox does not have.
pub fn named(changes: &[Change], addresses: &[&str], log: &[String]) -> Vec<String> {
    let log: Vec<String> = log.iter().map(|line| line.to_lowercase()).collect();
    let says = |words: &str| log.iter().any(|line| contains_whole(line, &words.to_lowercase()));
    let cannot_bind = NO_SUCH_ADDRESS.iter().any(|words| says(words));
    let own = |change: &&Change| match change.field.split([' ', '[']).next().unwrap_or_default() {
        "Networks" => addresses.contains(&change.live.as_str()) && (cannot_bind || says(&change.live)),
        "extra_hosts" => change.live.split(':').next().is_some_and(&says),
        "env" => change.field.split(' ').nth(1).is_some_and(&says),
        "sysctl" => {
            let key = change.field.split(' ').nth(1).unwrap_or_default();
            says(key) || says(&key.replace('.', "/"))
        }
        "Dns" => change.live.split(", ").any(&says),
        "cap_add" => says(NOT_PERMITTED),
        "capability" => log.iter().any(|line| line.contains(NOT_PERMITTED) && is_about_raw_frames(line)),
        _ => false,
    };
    let mut named: Vec<String> = changes.iter().filter(own).map(in_words).collect();
    let is_told = |address: &str| changes.iter().any(|change| change.live == address);
    let of_neighbours = addresses.iter().filter(|address| !is_told(address) && says(address));
    named.extend(of_neighbours.map(|address| format!("the address {address} of another service (left out)")));
    named
}

fn in_words(change: &Change) -> String {
    let Change { field, live, sandbox, .. } = change;
    let sandbox = sandbox.split(':').next().unwrap_or(sandbox);
    format!("{field} {live} ({sandbox})")
}

/// Debian's ping has the right on its file, and is not even started without it.
fn is_about_raw_frames(line: &str) -> bool {
    ["ping", "raw", "icmp", "arp"].iter().any(|word| contains_whole(line, word))
}

/// Whether the words stand in the line and are no part of longer ones: `10.0.0.1` is not in `10.0.0.12`.
fn contains_whole(line: &str, words: &str) -> bool {
    let is_part = |character: Option<char>| character.is_some_and(|c| c.is_alphanumeric() || c == '_');
    !words.is_empty()
        && line.match_indices(words).any(|(at, _)| {
            !is_part(line[..at].chars().next_back()) && !is_part(line[at + words.len()..].chars().next())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(field: &str, live: &str) -> Change {
        Change { field: field.into(), live: live.into(), sandbox: "left out: why".into(), notable: true }
    }

    fn told(change: Change, line: &str) -> Vec<String> {
        named(&[change], &["172.31.77.10"], &[line.to_owned()])
    }

    #[test]
    fn a_fixed_address_is_named_when_it_cannot_be_bound_or_stands_in_the_log() {
        let fixed = || change("Networks[lan].IPv4Address", "172.31.77.10");
        let words = "Networks[lan].IPv4Address 172.31.77.10 (left out)";
        assert_eq!(told(fixed(), "bind() to 172.31.77.10:80 failed"), [words]);
        assert_eq!(told(fixed(), "OSError: [Errno 99] Cannot assign requested address"), [words]);
        assert!(told(fixed(), "connect to 172.31.77.101 failed").is_empty(), "another address");
        assert!(told(fixed(), "database files are incompatible").is_empty());
        let of_neighbour = named(&[], &["172.31.77.10"], &["dial tcp 172.31.77.10:5432: no route to host".into()]);
        assert_eq!(of_neighbour, ["the address 172.31.77.10 of another service (left out)"]);
    }

    #[test]
    fn names_settings_and_rights_are_named_where_the_log_names_them() {
        for (field, live, line) in [
            ("extra_hosts", "host.docker.internal:host-gateway", "cannot resolve host.docker.internal"),
            ("env VIRTUAL_HOST", "set", "VIRTUAL_HOST: unbound variable"),
            ("sysctl net.ipv6.conf.all.forwarding", "1", "net/ipv6/conf/all/forwarding is 0, must be 1"),
            ("cap_add", "NET_ADMIN", "ip: RTNETLINK answers: Operation not permitted"),
            ("capability", "NET_RAW", "sh: 1: ping: Operation not permitted"),
            ("Dns", "9.9.9.9, 1.1.1.1", "no answer from 1.1.1.1:53"),
        ] {
            assert_eq!(told(change(field, live), line).len(), 1, "{field}");
            assert!(told(change(field, live), "FATAL: could not open the store").is_empty(), "{field}");
        }
        assert!(told(change("capability", "NET_RAW"), "chown: Operation not permitted").is_empty());
    }
}
