//! Tries to reach, from inside a sandbox's network, what must not be reachable, and lists what answered.
//!
//! A refused connection is an answer: the packet got to the host and back. So is a neighbour that told its hardware
//! address for an address that was tried; that does not depend on ports. A default route alone is no answer: some
//! engines give one to every container of an internal network, and what counts is whether anybody is at its other
//! end.

use std::io::{Error, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::worker::job::{JobControl, JobStop};
use crate::worker::protocol::Failure;

/// Ports that something on a host often listens on; a closed port refuses, which is an answer, too.
const PORTS: [u16; 5] = [22, 53, 80, 443, 2375];
/// Time in which an address on a bridge of this machine tells its hardware address; it takes about a millisecond. If
/// none has by then, nobody carries packets on, and no pending connection can succeed.
const NEIGHBOURS_ANSWER: Duration = Duration::from_millis(50);
/// Longest time that a canary takes, whatever is asked for.
const MAX_PATIENCE: Duration = Duration::from_secs(30);
const ROUTE_UP: u32 = 0x1;
const ROUTE_REJECT: u32 = 0x200;
const NEIGHBOUR_COMPLETE: u32 = 0x2;

/// What answered, for messages; empty when nothing did.
pub fn canary(
    addresses: &[String],
    name: &str,
    patience: Duration,
    control: &JobControl,
) -> Result<Vec<String>, JobStop> {
    let mut targets = Vec::new();
    for address in addresses {
        let parsed: IpAddr =
            address.parse().map_err(|_| Failure::BadRequest { error: format!("{address} is not an address") })?;
        if !is_own(parsed) && !targets.contains(&parsed) {
            targets.push(parsed);
        }
    }
    control.beat()?;
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let mut answered = Vec::new();
    for Route { via, interface } in default_routes(&read("/proc/net/route"), &read("/proc/net/ipv6_route")) {
        match via {
            IpAddr::V4(gateway) if !gateway.is_unspecified() => {
                if !targets.contains(&via) {
                    targets.push(via);
                }
            }
            // The route leads straight onto the wire, or is of IPv6, which no sandbox network has.
            _ => answered.push(format!("there is a default route via {via} ({interface})")),
        }
    }
    let nameservers = nameservers(&read("/etc/resolv.conf"));

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::BadRequest { error: format!("no event loop: {error}") })?;
    let begin = Instant::now();
    let deadline = begin + patience.min(MAX_PATIENCE);
    answered.extend(runtime.block_on(async {
        let asked = ask(&nameservers, name, deadline);
        let met =
            knock(&targets, begin + NEIGHBOURS_ANSWER, deadline, || !neighbours(&read("/proc/net/arp")).is_empty());
        let (mut met, asked) = tokio::join!(met, asked);
        met.extend(asked);
        met
    }));
    runtime.shutdown_background();

    let neighbours = neighbours(&read("/proc/net/arp"));
    answered.extend(
        targets.iter().filter(|target| neighbours.contains(target)).map(|target| format!("{target} answered to ARP")),
    );
    answered.sort();
    control.beat()?;
    Ok(answered)
}

/// Whether the address is one of this namespace: only those can be bound.
fn is_own(address: IpAddr) -> bool {
    address.is_loopback() || UdpSocket::bind((address, 0)).is_ok()
}

/// Connects to all targets at the same time. Returns when all have answered or failed, at the latest at `deadline`;
/// already at `quiet` if all that is still tried goes over the neighbours of IPv4 and `anybody` says that there are
/// none.
async fn knock(targets: &[IpAddr], quiet: Instant, deadline: Instant, anybody: impl Fn() -> bool) -> Vec<String> {
    let (mut v4, mut v6) = (JoinSet::new(), JoinSet::new());
    for address in targets {
        let tries = if address.is_ipv4() { &mut v4 } else { &mut v6 };
        for port in PORTS {
            let to = SocketAddr::new(*address, port);
            tries.spawn(async move { connection(to, &TcpStream::connect(to).await.map(drop)) });
        }
    }
    let (mut answered, more) = tokio::join!(all_by(&mut v4, quiet), all_by(&mut v6, deadline));
    answered.extend(more);
    if !v4.is_empty() && anybody() {
        answered.extend(all_by(&mut v4, deadline).await);
    }
    answered
}

/// Asks all nameservers at the same time; returns those that know the name.
async fn ask(nameservers: &[IpAddr], name: &str, deadline: Instant) -> Vec<String> {
    let mut tries = JoinSet::new();
    for server in nameservers {
        let (to, name) = (SocketAddr::new(*server, 53), name.to_owned());
        tries.spawn(async move {
            let resolved = resolve(to, &name).await.unwrap_or(false);
            resolved.then(|| format!("the resolver {} knows {name}", to.ip()))
        });
    }
    all_by(&mut tries, deadline).await
}

/// The results that are there by `time`; other tasks go on.
async fn all_by(tries: &mut JoinSet<Option<String>>, time: Instant) -> Vec<String> {
    let mut answered = Vec::new();
    while let Ok(Some(result)) = timeout_at(time, tries.join_next()).await {
        answered.extend(result.ok().flatten());
    }
    answered
}

/// What the result of a connection says; `None`: nobody answered.
fn connection(to: SocketAddr, outcome: &Result<(), Error>) -> Option<String> {
    match outcome {
        Ok(()) => Some(format!("{to} took a connection")),
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset) => {
            Some(format!("{to} refused a connection"))
        }
        Err(_) => None,
    }
}

/// Asks a nameserver for an address; true when it gives an answer, not only a reply.
async fn resolve(server: SocketAddr, name: &str) -> std::io::Result<bool> {
    let local: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = tokio::net::UdpSocket::bind(local).await?;
    socket.connect(server).await?;
    socket.send(&query(name)).await?;
    let mut reply = [0; 512];
    let length = socket.recv(&mut reply).await?;
    Ok(has_answer(&reply[..length]))
}

const QUERY_ID: [u8; 2] = [0x52, 0x48];

/// A DNS question for the A records of `name`.
fn query(name: &str) -> Vec<u8> {
    let mut packet = QUERY_ID.to_vec();
    // Recursion desired; one question; no answer, authority or additional record.
    packet.extend([0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.').filter(|label| !label.is_empty()) {
        let label = &label.as_bytes()[..label.len().min(63)];
        packet.push(u8::try_from(label.len()).unwrap_or(63));
        packet.extend(label);
    }
    // The root label; type A; class IN.
    packet.extend([0, 0, 1, 0, 1]);
    packet
}

/// Whether a packet is a reply to our question with at least one answer record.
fn has_answer(reply: &[u8]) -> bool {
    let is_reply = reply.len() >= 12 && reply[..2] == QUERY_ID && reply[2] & 0x80 != 0;
    is_reply && (reply[6], reply[7]) != (0, 0)
}

fn nameservers(resolv_conf: &str) -> Vec<IpAddr> {
    let address = |line: &str| line.trim().strip_prefix("nameserver")?.split_whitespace().next()?.parse().ok();
    resolv_conf.lines().filter_map(address).collect()
}

/// A default route.
#[derive(Debug, PartialEq, Eq)]
struct Route {
    via: IpAddr,
    interface: String,
}

/// The default routes in the kernel's tables that are up and not rejected.
fn default_routes(v4: &str, v6: &str) -> Vec<Route> {
    let hex = |field: Option<&&str>| field.and_then(|field| u32::from_str_radix(field, 16).ok());
    let usable = |flags: u32| flags & ROUTE_UP != 0 && flags & ROUTE_REJECT == 0;
    let mut routes = Vec::new();
    for line in v4.lines().skip(1) {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (Some(to), Some(via), Some(flags), Some(mask)) =
            (hex(fields.get(1)), hex(fields.get(2)), hex(fields.get(3)), hex(fields.get(7)))
        else {
            continue;
        };
        if to == 0 && mask == 0 && usable(flags) && fields[0] != "lo" {
            // The table shows the address as the number that its bytes in memory make.
            routes.push(Route { via: IpAddr::from(via.to_ne_bytes()), interface: fields[0].to_owned() });
        }
    }
    for line in v6.lines() {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (Some(to), Some(prefix), Some(via), Some(flags), Some(interface)) =
            (fields.first(), hex(fields.get(1)), fields.get(4), hex(fields.get(8)), fields.get(9))
        else {
            continue;
        };
        if to.bytes().all(|digit| digit == b'0') && prefix == 0 && usable(flags) && *interface != "lo" {
            let via = u128::from_str_radix(via, 16).unwrap_or(0);
            routes.push(Route { via: IpAddr::from(via.to_be_bytes()), interface: (*interface).to_owned() });
        }
    }
    routes
}

/// Neighbours that have told their hardware address.
fn neighbours(arp: &str) -> Vec<IpAddr> {
    let neighbour = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let address = fields.next()?.parse().ok()?;
        let flags = u32::from_str_radix(fields.nth(1)?.trim_start_matches("0x"), 16).ok()?;
        (flags & NEIGHBOUR_COMPLETE != 0).then_some(address)
    };
    arp.lines().skip(1).filter_map(neighbour).collect()
}

#[cfg(test)]
mod tests;
