//! What a service's log says about the differences between the live host and the sandbox: a neighbour that is not
//! there, a setting that is another one.

use std::sync::LazyLock;

use regex::Regex;

use crate::model::event::Change;
use crate::model::plan::Neighbour;
use crate::plan::isolate::is_fixed_address;

/// How programs say that a name does not lead to an address.
static NO_ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)could not (resolve|translate)|cannot resolve|failed to resolve|name resolution|getaddrinfo|",
        r"name or service not known|no such host|unknown (mysql server )?host|unknownhostexception|bad address|",
        r"host not found|nodename nor servname|EAI_AGAIN|ENOTFOUND|name does not resolve|no address associated|",
        r"not known"
    ))
    .expect("the pattern is valid")
});

/// How programs say that something is wrong.
static TROUBLE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)error|fail|fatal|panic|cannot|can't|could not|couldn't|unable|refused|denied|not found|no such|",
        r"unreachable|not permitted|not available|invalid|missing|no route|timed? ?out|does not exist"
    ))
    .expect("the pattern is valid")
});

/// Words of a program that cannot bind an address, in lower case.
const NO_SUCH_ADDRESS: [&str; 2] = ["cannot assign requested address", "address not available"];
/// Words of a program that lacks a right.
const NOT_PERMITTED: &str = "not permitted";

/// Paths that every container has; a log line with one says nothing.
const EVERYWHERE: [&str; 9] = ["/dev", "/proc", "/sys", "/run", "/etc", "/var", "/tmp", "/usr", "/var/run"];

/// A log line about a neighbour that is not in the sandbox.
#[derive(Debug, PartialEq, Eq)]
pub struct Missed<'a> {
    pub neighbour: &'a Neighbour,
    /// The name by which the service looked for the neighbour.
    pub name: &'a str,
    pub line: &'a str,
}

/// The last log line that shows that the service looked for one of these neighbours in vain: a name without an address,
/// or a name with a port (`db:5432`) beside a word of trouble.
pub fn missed<'a>(neighbours: &'a [Neighbour], log: &'a [String]) -> Option<Missed<'a>> {
    log.iter().rev().find_map(|line| {
        let (no_address, trouble) = (NO_ADDRESS.is_match(line), TROUBLE.is_match(line));
        neighbours.iter().find_map(|neighbour| {
            let is_missed = |name: &&String| {
                let ends = ends_of(line, name);
                no_address && !ends.is_empty() || trouble && ends.iter().any(|end| begins_with_port(&line[*end..]))
            };
            let name = neighbour.known_as.iter().find(is_missed)?;
            Some(Missed { neighbour, name, line: line.trim() })
        })
    })
}

/// A log line that names a setting which is another one in the sandbox.
#[derive(Debug, PartialEq, Eq)]
pub struct Shown<'a> {
    pub change: &'a Change,
    pub line: &'a str,
}

/// The changes that the log names, each with the last such line.
pub fn shown<'a>(changes: &'a [Change], log: &'a [String]) -> Vec<Shown<'a>> {
    let shown = changes.iter().filter_map(|change| {
        let line = log.iter().rev().find(|line| names(line, change))?;
        Some(Shown { change, line: line.trim() })
    });
    shown.collect()
}

/// Whether a log line names what the change is about.
fn names(line: &str, change: &Change) -> bool {
    let Change { field, live, notable, .. } = change;
    let says = |words: &str| !ends_of(line, words).is_empty();
    let has = |words: &str| line.to_lowercase().contains(words);
    let (kind, name) = field.split_once(' ').unwrap_or((field, ""));
    match kind {
        "env" => says(name),
        "sysctl" => says(name) || says(&name.replace('.', "/")),
        "Dns" => live.split(", ").any(says),
        "capability" => has(NOT_PERMITTED) && is_about_raw_frames(&line.to_lowercase()),
        "cap_add" if has(NOT_PERMITTED) => true,
        _ if is_fixed_address(kind) && NO_SUCH_ADDRESS.iter().any(|words| has(words)) => true,
        _ => *notable && TROUBLE.is_match(line) && marks(change).into_iter().any(says),
    }
}

/// Debian's ping has the right on its file, and is not even started without it.
fn is_about_raw_frames(line: &str) -> bool {
    ["ping", "raw", "icmp", "arp"].iter().any(|word| !ends_of(line, word).is_empty())
}

/// The first of these addresses that a line of trouble names, with the last such line. A service of the stack had it
/// live and has another one in the sandbox.
pub fn missed_address<'a>(addresses: &[&'a str], log: &'a [String]) -> Option<(&'a str, &'a str)> {
    addresses.iter().find_map(|address| {
        let names = |line: &&String| TROUBLE.is_match(line) && !ends_of(line, address).is_empty();
        Some((*address, log.iter().rev().find(names)?.trim()))
    })
}

/// The words of a change by which a log line can name the setting: paths, addresses and names with a dot, and the names
/// of capabilities.
fn marks(change: &Change) -> Vec<&str> {
    // Of a mount whose data is another by the user's choice, the log names the data.
    if change.field.starts_with("mount ") && change.sandbox != "left out" {
        return Vec::new();
    }
    let live = change.live.split(|c: char| c.is_whitespace() || ",()'\"=".contains(c));
    // `host.docker.internal:host-gateway`, `/dev/ttyUSB0:/dev/tty`.
    let words = live.chain(change.field.split_whitespace()).flat_map(|word| word.split(':'));
    let is_mark = |word: &&str| {
        let is_path = word.starts_with('/') && !EVERYWHERE.contains(word);
        let is_address = word.contains('.') && word.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c));
        let is_capability = word.contains('_') && word.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        word.len() >= 5 && (is_path || is_address || is_capability)
    };
    words.filter(is_mark).collect()
}

/// The ends of the places where a word stands alone in a line.
fn ends_of(line: &str, word: &str) -> Vec<usize> {
    if word.is_empty() {
        return Vec::new();
    }
    let is_part = |c: char| c.is_alphanumeric() || "-_".contains(c);
    let is_alone = |at: &usize| {
        let (before, after) = (&line[..*at], &line[at + word.len()..]);
        let joins_before = before.ends_with(is_part) || before.ends_with('.') || before.ends_with('/') && is_path(word);
        // A dot ends a sentence, or goes on with the name: `db.example.org` is another host than `db`.
        let goes_on = after.strip_prefix('.').is_some_and(|rest| rest.starts_with(is_part));
        !joins_before && !after.starts_with(is_part) && !goes_on
    };
    line.match_indices(word).map(|(at, _)| at).filter(is_alone).map(|at| at + word.len()).collect()
}

fn is_path(word: &str) -> bool {
    word.starts_with('/')
}

fn begins_with_port(rest: &str) -> bool {
    rest.strip_prefix(':').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::service::ServiceName;

    fn neighbour(names: &[&str]) -> Neighbour {
        let known_as = names.iter().map(|&name| name.to_owned()).collect();
        Neighbour { service: ServiceName::lone(names[0]), met_by: "the network back".to_owned(), known_as }
    }

    fn log(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|&line| line.to_owned()).collect()
    }

    #[test]
    fn a_name_that_leads_nowhere_is_seen_in_the_words_of_many_programs() {
        let neighbours = [neighbour(&["f-pg", "db"])];
        for line in [
            "psql: error: could not translate host name \"db\" to address: Name or service not known",
            "wget: bad address 'db'",
            "wget: bad address 'f-pg:8080'",
            "ERROR 2005 (HY000): Unknown MySQL server host 'db' (-3)",
            "Error: getaddrinfo EAI_AGAIN db",
            "dial tcp: lookup db on 127.0.0.11:53: no such host",
            "redis.exceptions.ConnectionError: Error -3 connecting to db:6379. Temporary failure in name resolution.",
            "java.net.UnknownHostException: db",
            "curl: (6) Could not resolve host: db",
            "wait-for-it: timeout occurred after waiting 15 seconds for db:5432",
        ] {
            let lines = log(&["started", line, "exiting"]);
            let told = missed(&neighbours, &lines).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(told.neighbour, &neighbours[0]);
            assert_eq!(told.line, line);
        }
    }

    #[test]
    fn a_name_in_passing_is_no_cause() {
        let neighbours = [neighbour(&["db"])];
        for line in [
            "opening /data/db",
            "database disk image is malformed: /data/db:1",
            "connected to db:5432",
            "could not resolve host: db.example.org",
            "could not resolve host: my-db",
            "error: table db is damaged",
        ] {
            assert_eq!(missed(&neighbours, &log(&[line])), None, "{line}");
        }
    }

    fn change(field: &str, live: &str, sandbox: &str, notable: bool) -> Change {
        Change { field: field.to_owned(), live: live.to_owned(), sandbox: sandbox.to_owned(), notable }
    }

    #[test]
    fn a_setting_that_the_log_misses_is_found() {
        let changes = [
            change("device", "/dev/ttyUSB0", "left out", true),
            change("extra_hosts", "host.docker.internal:host-gateway", "left out", true),
            change("address", "172.31.77.10 on net", "another", true),
            change("cap_add", "SYS_ADMIN", "left out", true),
            change("mount /var/run/docker.sock", "bind mount /var/run/docker.sock", "left out", true),
            change("mount /data", "volume data", "a new, empty volume", true),
            change("ports", "172.31.77.10:80", "not published", false),
        ];
        let named = |line: &str| -> Vec<String> {
            shown(&changes, &log(&[line])).iter().map(|shown| shown.change.field.clone()).collect()
        };
        assert_eq!(named("cannot open /dev/ttyUSB0"), ["device"]);
        assert_eq!(named("dial unix /var/run/docker.sock: no such file"), ["mount /var/run/docker.sock"]);
        assert_eq!(named("bind 172.31.77.10:8080: cannot assign requested address, error 99"), ["address"]);
        assert_eq!(named("lookup host.docker.internal failed"), ["extra_hosts"]);
        assert_eq!(named("operation needs SYS_ADMIN, not permitted"), ["cap_add"]);
        for line in ["using /dev/ttyUSB0", "cannot open /data/app.db", "error in /dev/ttyUSB01", "error"] {
            assert!(named(line).is_empty(), "{line}");
        }
    }

    #[test]
    fn a_fixed_address_is_named_when_it_cannot_be_bound_or_stands_in_a_line_of_trouble() {
        let fixed = [change("Networks[lan].IPv4Address", "172.31.77.10", "left out", true)];
        let named = |line: &str| !shown(&fixed, &log(&[line])).is_empty();
        assert!(named("bind() to 172.31.77.10:80 failed"));
        assert!(named("OSError: [Errno 99] Cannot assign requested address"));
        assert!(!named("connect to 172.31.77.101 failed"), "another address");
        assert!(!named("database files are incompatible"));
        let line = "dial tcp 172.31.77.10:5432: no route to host";
        assert_eq!(missed_address(&["172.31.77.10"], &log(&[line])), Some(("172.31.77.10", line)));
        assert_eq!(missed_address(&["172.31.77.1"], &log(&[line])), None);
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
            let changes = [change(field, live, "left out: why", true)];
            assert_eq!(shown(&changes, &log(&[line])).len(), 1, "{field}");
            assert!(shown(&changes, &log(&["FATAL: could not open the store"])).is_empty(), "{field}");
        }
        let raw = [change("capability", "NET_RAW", "left out: why", false)];
        assert!(shown(&raw, &log(&["chown: Operation not permitted"])).is_empty());
    }
}
