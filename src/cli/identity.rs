//! The identity of this process: host, process, user and time, for labels and for the sweep. Read only here.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs, UdpSocket};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::config::Environment;
use crate::config::plan_file::CurrentUser;
use crate::docker::Target;
use crate::rehearse::sandbox::session::{LIFETIME, Session};

/// This very program, also if its file was replaced meanwhile.
pub const EXECUTABLE: &str = "/proc/self/exe";

/// Where processes can be looked at.
const PROC: &str = "/proc";

/// Seconds since 1970.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// The time of an event.
pub fn timestamp() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// The working directory, which reports make paths relative to. Empty if it no longer exists: paths then stay
/// absolute.
pub fn working_dir() -> PathBuf {
    std::env::current_dir().unwrap_or_default()
}

/// Addresses of the engine's host that this client knows; no sandbox may reach them. The engine's own networks add
/// more.
pub fn host_addresses(target: &Target) -> Vec<String> {
    let named = match target {
        // The engine runs on this host.
        Target::Unix(_) => return own_addresses(),
        Target::Tcp(address) | Target::Tls { address, .. } => address.clone(),
        Target::Ssh(address) => {
            let host = address.rsplit('@').next().unwrap_or(address);
            if host.contains(':') { host.to_owned() } else { format!("{host}:22") }
        }
    };
    let resolved = named.to_socket_addrs().map(|found| found.map(|found| found.ip()).collect::<Vec<_>>());
    let mut addresses: Vec<_> = resolved.unwrap_or_default().into_iter().filter(|ip| !ip.is_loopback()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.iter().map(ToString::to_string).collect()
}

/// The user who runs this process. Who became root by `sudo` still trusts their own files.
pub fn user(env: &Environment) -> CurrentUser {
    let id = rustix::process::geteuid().as_raw();
    let behind_sudo = env.get("SUDO_UID").and_then(|text| text.parse().ok()).filter(|_| id == 0);
    CurrentUser { id, behind_sudo }
}

/// Every address of this host that others may reach: from the kernel's tables, and the addresses that would be used to
/// reach others, for systems without such tables. No packet is sent for that.
fn own_addresses() -> Vec<String> {
    let read = |path: &str| std::fs::read_to_string(format!("{PROC}/net/{path}")).unwrap_or_default();
    let used = [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")].into_iter().filter_map(|(own, far)| {
        let socket = UdpSocket::bind(own).ok()?;
        socket.connect(far).ok()?;
        Some(socket.local_addr().ok()?.ip())
    });
    let mut addresses: Vec<IpAddr> = used.collect();
    addresses.extend(local_ipv4(&read("fib_trie")).into_iter().map(IpAddr::V4));
    addresses.extend(global_ipv6(&read("if_inet6")).into_iter().map(IpAddr::V6));
    addresses.sort_unstable();
    addresses.dedup();
    addresses.iter().map(ToString::to_string).collect()
}

/// The addresses of this host in the kernel's table of routes: each stands in a line before `/32 host LOCAL`.
fn local_ipv4(fib_trie: &str) -> Vec<Ipv4Addr> {
    let lines = fib_trie.lines().zip(fib_trie.lines().skip(1));
    let local = lines.filter(|(_, kind)| kind.trim() == "/32 host LOCAL");
    let addresses = local.filter_map(|(address, _)| address.trim().trim_start_matches("|-- ").parse().ok());
    addresses.filter(|address: &Ipv4Addr| !address.is_loopback()).collect()
}

/// The addresses in the kernel's table of IPv6 addresses, but for those of one link.
fn global_ipv6(if_inet6: &str) -> Vec<Ipv6Addr> {
    let bits = if_inet6.lines().filter_map(|line| u128::from_str_radix(line.split_ascii_whitespace().next()?, 16).ok());
    bits.map(Ipv6Addr::from).filter(|address| !address.is_loopback() && !address.is_unicast_link_local()).collect()
}

/// A new session of this process; `prefix` is the start of its id.
pub fn session(prefix: &str) -> Session {
    let lifetime = i64::try_from(LIFETIME.as_secs()).unwrap_or(i64::MAX);
    let began = now();
    Session {
        id: format!("{prefix}{:08x}", random()),
        host: host(),
        process: process(std::process::id()),
        began,
        expires: began.saturating_add(lifetime),
    }
}

/// Whether the process `pid.starttime` of this host still runs. True if processes cannot be inspected here: then only
/// the expiry time decides.
pub fn is_alive(process: &str) -> bool {
    let Some((pid, started)) = process.split_once('.') else { return false };
    let Ok(pid) = pid.parse::<u32>() else { return false };
    match start_time(std::process::id()) {
        None => true,
        Some(_) => start_time(pid).is_some_and(|time| time.to_string() == started),
    }
}

/// This client's host: its name, and a mark of the machine and of the process namespace. Two CI containers may share a
/// name, and process ids of one say nothing in the other.
pub fn host() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let machine = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let namespace = std::fs::read_link(format!("{PROC}/self/ns/pid")).unwrap_or_default();
    let mark = blake3::hash(format!("{}\n{}", machine.trim(), namespace.display()).as_bytes());
    format!("{name}/{}", &mark.to_hex()[..8])
}

fn process(pid: u32) -> String {
    format!("{pid}.{}", start_time(pid).unwrap_or(0))
}

/// When a process started, in clock ticks since boot: a process id is used again, the pair is not.
fn start_time(pid: u32) -> Option<u64> {
    parse_start_time(&std::fs::read_to_string(format!("{PROC}/{pid}/stat")).ok()?)
}

/// Field 22; the second is the program's name in parentheses, which may hold blanks and parentheses itself.
fn parse_start_time(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(") ")?;
    after_name.split(' ').nth(19)?.parse().ok()
}

/// Enough to tell sessions apart; not for secrets.
fn random() -> u32 {
    let bits = RandomState::new().build_hasher().finish();
    u32::try_from(bits >> 32).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_the_host_is_read_from_the_kernels_tables() {
        let trie = "Local:\n  +-- 0.0.0.0/0 3 0 5\n        |-- 127.0.0.1\n           /32 host LOCAL\n        \
             |-- 172.17.0.1\n           /32 host LOCAL\n        |-- 172.17.255.255\n           /32 link BROADCAST\n";
        assert_eq!(local_ipv4(trie), [Ipv4Addr::new(172, 17, 0, 1)]);
        let table = "fd000000000000000000000000000002 02 40 00 80     eth0\n\
             fe8000000000000000fc00fffe000001 02 40 20 80     eth0\n\
             00000000000000000000000000000001 01 80 10 80       lo\n";
        assert_eq!(global_ipv6(table), ["fd00::2".parse::<Ipv6Addr>().expect("an address")]);
        assert!(local_ipv4("").is_empty() && global_ipv6("").is_empty());
    }

    #[test]
    fn the_start_time_is_found_behind_any_name() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20 21";
        for name in ["sh", "a) b", "(x) (y", ") "] {
            assert_eq!(parse_start_time(&format!("7 ({name}) {rest}")), Some(4242), "{name}");
        }
        assert_eq!(parse_start_time("garbage"), None);
    }

    #[test]
    fn this_process_is_alive_and_an_earlier_one_with_its_id_is_not() {
        let session = session("t");
        assert!(is_alive(&session.process), "{session:?}");
        assert!(!is_alive(&format!("{}.1", std::process::id())));
        assert!(!is_alive("nonsense"));
    }

    #[test]
    fn sessions_differ_and_expire_in_the_future() {
        let (a, b) = (session("t"), session("t"));
        assert_ne!(a.id, b.id);
        assert_eq!(a.host, b.host);
        assert!(a.expires > now());
    }
}
