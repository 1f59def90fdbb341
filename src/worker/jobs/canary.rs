//! Tries to reach, from inside a sandbox's network, what must not be reachable, and lists what answered.
//!
//! A refused connection is an answer: the packet got to the host and back. So is a neighbour that told its hardware
//! address for an address that was tried; that does not depend on ports. A default route alone is no answer: some
//! engines give one to every container of an internal network, and what counts is whether anybody is at its other
//! end.
//!
//! Each address is tried in two ways: as the routes say, and from a socket that is bound to the interface. The second
//! asks for the address on the wire itself, and any program may do that. What needs no try is said at once: an IPv6
//! address on an interface, and the right to send raw frames.

use std::io::{Error, ErrorKind};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::time::Duration;

use rustix::net::{AddressFamily, Protocol, SocketType, ipproto};
use tokio::net::{TcpSocket, TcpStream};
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
/// How long an interface may take to come up. The kernel tells of a carrier up to a second late.
const COMES_UP: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// How long an answer to one echo request is waited for.
const LISTEN: Duration = Duration::from_millis(50);
/// All nodes of a link.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// An echo request of ICMPv6; the kernel adds the sum.
const ECHO: [u8; 8] = [128, 0, 0, 0, 0, 1, 0, 1];
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
    let interfaces = interfaces(&read("/proc/net/dev"));
    wait_for_carrier(&interfaces, control)?;
    let mut answered = raw_rights();
    let own_ipv6 = ipv6_addresses(&read("/proc/net/if_inet6"));
    answered.extend(own_ipv6.iter().map(|(address, on)| format!("{on} has the IPv6 address {address}")));
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
    // Without an address of IPv6 there is nothing to call from.
    for interface in interfaces.iter().filter(|interface| own_ipv6.iter().any(|(_, on)| *on == interface.name)) {
        answered.extend(call_all_nodes(interface, &own_ipv6, patience.min(MAX_PATIENCE)));
    }
    let begin = Instant::now();
    let deadline = begin + patience.min(MAX_PATIENCE);
    answered.extend(runtime.block_on(async {
        let asked = ask(&nameservers, name, deadline);
        let met = knock(&targets, &interfaces, begin + NEIGHBOURS_ANSWER, deadline, || {
            !neighbours(&read("/proc/net/arp")).is_empty()
        });
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
    answered.dedup();
    control.beat()?;
    Ok(answered)
}

/// Whether the address is one of this namespace: only those can be bound.
fn is_own(address: IpAddr) -> bool {
    address.is_loopback() || UdpSocket::bind((address, 0)).is_ok()
}

/// A network interface of this namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Interface {
    name: String,
    index: u32,
}

/// The interfaces but loopback, from the kernel's table of devices.
fn interfaces(devices: &str) -> Vec<Interface> {
    let interface = |line: &str| {
        let (name, _) = line.split_once(':')?;
        let name = name.trim().to_owned();
        let index = std::fs::read_to_string(format!("/sys/class/net/{name}/ifindex")).ok()?.trim().parse().ok()?;
        (name != "lo").then_some(Interface { name, index })
    };
    devices.lines().filter_map(interface).collect()
}

/// Waits until one of the interfaces has a carrier: before that nothing is sent, and silence proves nothing.
fn wait_for_carrier(interfaces: &[Interface], control: &JobControl) -> Result<(), JobStop> {
    let is_up = |Interface { name, .. }: &Interface| {
        let path = format!("/sys/class/net/{name}/carrier");
        // Reading it fails while the interface is down.
        std::fs::read_to_string(path).is_ok_and(|carrier| carrier.trim() == "1")
    };
    let begin = std::time::Instant::now();
    while !interfaces.is_empty() && !interfaces.iter().any(is_up) {
        control.beat()?;
        if begin.elapsed() > COMES_UP {
            let names: Vec<&str> = interfaces.iter().map(|interface| interface.name.as_str()).collect();
            let error = format!("{} has no carrier, so nothing can be sent", names.join(", "));
            return Err(Failure::BadRequest { error }.into());
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    Ok(())
}

/// The kinds of raw sockets that open here.
fn raw_rights() -> Vec<String> {
    let kinds: [(&str, AddressFamily, SocketType, Option<Protocol>); 3] = [
        ("raw frames", AddressFamily::PACKET, SocketType::DGRAM, None),
        ("raw IPv4 packets", AddressFamily::INET, SocketType::RAW, Some(ipproto::ICMP)),
        ("raw IPv6 packets", AddressFamily::INET6, SocketType::RAW, Some(ipproto::ICMPV6)),
    ];
    let opens = |(name, family, kind, protocol)| {
        rustix::net::socket(family, kind, protocol).is_ok().then(|| format!("a socket for {name} opens"))
    };
    kinds.into_iter().filter_map(opens).collect()
}

/// The IPv6 addresses of the interfaces but loopback, each with its interface.
fn ipv6_addresses(table: &str) -> Vec<(Ipv6Addr, String)> {
    let address = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let bits = u128::from_str_radix(fields.first()?, 16).ok()?;
        let interface = *fields.get(5)?;
        (interface != "lo").then(|| (Ipv6Addr::from(bits), interface.to_owned()))
    };
    table.lines().filter_map(address).collect()
}

/// Sends an echo request to all nodes of the interface's link; tells who answers, but for this container. A new address
/// cannot be used for a second or two, so the request is sent again and again.
fn call_all_nodes(interface: &Interface, own: &[(Ipv6Addr, String)], patience: Duration) -> Option<String> {
    let socket = rustix::net::socket(AddressFamily::INET6, SocketType::DGRAM, Some(ipproto::ICMPV6)).ok()?;
    let socket = UdpSocket::from(socket);
    socket.set_read_timeout(Some(LISTEN)).ok()?;
    let (everybody, begin) = (SocketAddrV6::new(ALL_NODES, 0, 0, interface.index), std::time::Instant::now());
    loop {
        if socket.send_to(&ECHO, everybody).is_err() {
            std::thread::sleep(LISTEN);
        }
        while let Ok((_, SocketAddr::V6(from))) = socket.recv_from(&mut [0; 64]) {
            if !own.iter().any(|(address, _)| address == from.ip()) {
                return Some(format!("{} answered to ICMPv6 on {}", from.ip(), interface.name));
            }
        }
        if begin.elapsed() > patience {
            return None;
        }
    }
}

/// The target on this port, as seen from this interface: a link-local address is one of a link.
fn destination(address: IpAddr, port: u16, interface: Option<&Interface>) -> SocketAddr {
    match (address, interface) {
        (IpAddr::V6(address), Some(interface)) => SocketAddrV6::new(address, port, 0, interface.index).into(),
        _ => SocketAddr::new(address, port),
    }
}

/// Connects from a socket that is bound to the interface. The kernel then takes any address for one on the link.
async fn connect_over(interface: &Interface, to: SocketAddr) -> std::io::Result<()> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.bind_device(Some(interface.name.as_bytes()))?;
    socket.connect(to).await.map(drop)
}

/// Connects to all targets at the same time. Returns when all have answered or failed, at the latest at `deadline`;
/// already at `quiet` if all that is still tried goes over the neighbours of IPv4 and `anybody` says that there are
/// none.
async fn knock(
    targets: &[IpAddr],
    interfaces: &[Interface],
    quiet: Instant,
    deadline: Instant,
    anybody: impl Fn() -> bool,
) -> Vec<String> {
    let (mut v4, mut v6) = (JoinSet::new(), JoinSet::new());
    for address in targets {
        let tries = if address.is_ipv4() { &mut v4 } else { &mut v6 };
        for port in PORTS {
            let to = destination(*address, port, None);
            tries.spawn(async move { connection(to, &TcpStream::connect(to).await.map(drop)) });
        }
        for interface in interfaces {
            let (to, interface) = (destination(*address, PORTS[0], Some(interface)), interface.clone());
            tries.spawn(async move { connection(to, &connect_over(&interface, to).await) });
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
