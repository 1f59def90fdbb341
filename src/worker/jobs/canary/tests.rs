//! The canary's readings of the kernel's tables and of DNS, and a walk on loopback.

use std::io::{Error, ErrorKind};
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::{
    Route, canary, connection, default_routes, has_answer, ipv6_addresses, knock, nameservers, neighbours, query,
};
use crate::worker::job::JobControl;

const ROUTES: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
    eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
    eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";

fn route(via: &str) -> Route {
    Route { via: via.parse().unwrap(), interface: "eth0".into() }
}

#[test]
fn default_routes_are_found() {
    assert_eq!(default_routes(ROUTES, ""), [route("172.17.0.1")]);
    let zero = "0".repeat(32);
    let v6 = format!("{zero} 00 {zero} 00 fe80{}1 00000400 00000001 00000000 00000003     eth0\n", "0".repeat(27));
    assert_eq!(default_routes("", &v6), [route("fe80::1")]);
}

#[test]
fn barred_routes_and_routes_to_a_network_are_no_default_routes() {
    let v4: String = ROUTES.lines().filter(|line| !line.contains("010011AC")).map(|line| format!("{line}\n")).collect();
    let zero = "0".repeat(32);
    let v6 = format!(
        "{zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200       lo\n\
         fe80{} 40 {zero} 00 {zero} 00000100 00000001 00000000 00000001     eth0\n",
        "0".repeat(28)
    );
    assert!(default_routes(&v4, &v6).is_empty());
}

#[test]
fn a_refusal_is_an_answer_and_silence_is_none() {
    let to = "10.0.0.1:22".parse().unwrap();
    assert_eq!(connection(to, &Ok(())).unwrap(), "10.0.0.1:22 took a connection");
    let outcome = |kind: ErrorKind| connection(to, &Err(Error::from(kind)));
    assert_eq!(outcome(ErrorKind::ConnectionRefused).unwrap(), "10.0.0.1:22 refused a connection");
    assert!(outcome(ErrorKind::ConnectionReset).is_some());
    for silent in [ErrorKind::HostUnreachable, ErrorKind::NetworkUnreachable, ErrorKind::TimedOut] {
        assert_eq!(outcome(silent), None);
    }
}

#[test]
fn only_complete_neighbours_count() {
    let arp = "IP address       HW type     Flags       HW address            Mask     Device\n\
        172.17.0.1       0x1         0x2         02:42:2e:62:3b:2f     *        eth0\n\
        172.17.0.9       0x1         0x0         00:00:00:00:00:00     *        eth0\n";
    assert_eq!(neighbours(arp), ["172.17.0.1".parse::<IpAddr>().unwrap()]);
}

#[test]
fn a_question_is_asked_as_dns_wants_it() {
    let packet = query("a.example.");
    assert_eq!(&packet[4..6], [0, 1]);
    assert_eq!(&packet[12..], b"\x01a\x07example\x00\x00\x01\x00\x01");
}

#[test]
fn only_a_reply_with_records_is_an_answer() {
    let mut reply = query("a.example");
    assert!(!has_answer(&reply), "a question is no answer");
    reply[2] |= 0x80;
    assert!(!has_answer(&reply), "NXDOMAIN, REFUSED and the like bring no record");
    reply[7] = 1;
    assert!(has_answer(&reply));
    assert!(!has_answer(b"RH"));
}

#[test]
fn nameservers_are_read() {
    let file = "# made by Docker\nsearch lan\nnameserver 127.0.0.11\nnameserver fd00::1\noptions ndots:0\n";
    assert_eq!(nameservers(file), ["127.0.0.11".parse::<IpAddr>().unwrap(), "fd00::1".parse().unwrap()]);
}

#[tokio::test]
async fn a_host_that_is_there_is_met_at_once() {
    let deadline = Instant::now() + Duration::from_secs(20);
    let answered = knock(&["127.0.0.1".parse().unwrap()], &[], deadline, deadline, || true).await;
    assert_eq!(answered.len(), super::PORTS.len(), "loopback takes or refuses each: {answered:?}");
    assert!(Instant::now() < deadline);
}

#[test]
fn own_addresses_are_left_alone_and_names_refused() {
    let control = JobControl::default();
    let met = canary(&["127.0.0.1".into(), "::1".into()], "x.invalid", Duration::ZERO, &control).unwrap();
    assert!(!met.iter().any(|answer| answer.contains("127.0.0.1:") || answer.contains("[::1]")), "{met:?}");
    assert!(canary(&["example.org".into()], "x.invalid", Duration::ZERO, &control).is_err());
}

#[test]
fn an_ipv6_address_counts_wherever_it_leads_out() {
    let table = "fe800000000000000042acfffe1e0002 2c 40 20 80     eth0\n\
        00000000000000000000000000000001 01 80 10 80       lo\n";
    assert_eq!(ipv6_addresses(table), [("fe80::42:acff:fe1e:2".parse().unwrap(), "eth0".to_owned())]);
    assert!(ipv6_addresses("").is_empty());
}
