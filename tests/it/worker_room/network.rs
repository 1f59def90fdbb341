//! The canary and the listener, in networks of the engine.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use rehearsa::docker::Device;
use rehearsa::model::sandbox::{ContainerSpec, NetworkSpec};
use rehearsa::worker::image::EXECUTABLE;
use rehearsa::worker::protocol::{CanaryJob, ListenJob, Message, Reply, Request, WorkerJob};

use super::{image, run, worker};
use crate::support::bench::{Bench, script, with_session};

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().expect("docker runs");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

/// Every address of this host and of the engine's networks, as far as they are known.
async fn live_addresses(bench: &Bench) -> Vec<String> {
    let networks = bench.daemon.networks().await.expect("networks");
    let mut addresses: Vec<String> = networks.into_iter().flat_map(|network| network.gateways).collect();
    let output = Command::new("hostname").arg("-I").output().expect("hostname runs");
    let text = String::from_utf8(output.stdout).expect("text");
    addresses.extend(text.split_whitespace().map(str::to_owned));
    addresses.retain(|address| address.parse::<std::net::IpAddr>().is_ok());
    assert!(!addresses.is_empty());
    addresses
}

async fn canary(bench: &Bench, network: &str) -> Vec<String> {
    let network = NetworkSpec::Sandbox { network: network.to_owned(), aliases: vec!["canary".into()] };
    let worker = worker(bench, "canary", vec![], network).await;
    let job = CanaryJob { addresses: live_addresses(bench).await, name: "example.com".into(), patience_ms: 300 };
    run(&worker, job).await
}

#[tokio::test]
async fn nothing_answers_in_a_sandbox() {
    with_session(async |bench| {
        let network = bench.network("net").await;
        assert_eq!(canary(bench, &network.name).await, Vec::<String>::new());
    })
    .await;
}

/// The answer of a canary in a container that the docker client starts with these arguments, so that the container may
/// have what no worker has.
async fn canary_in(bench: &Bench, what: &str, args: &[&str]) -> Vec<String> {
    let image = image(bench).await.tag;
    let name = bench.name(what);
    let job = CanaryJob { addresses: live_addresses(bench).await, name: "example.com".into(), patience_ms: 10_000 };
    let run = ["run", "--rm", "--interactive", "--name", &name, "--label", "io.rehearsa.test=canary"];
    let mut child = Command::new("docker")
        .args([&run[..], args, &[&image, EXECUTABLE, "worker", "run"]].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("docker runs");
    let mut input = child.stdin.take().expect("it is piped");
    let request = serde_json::to_string(&Request::Start { id: 1, job: job.into_job() }).expect("json");
    writeln!(input, "{request}").expect("it is taken");
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let replies = lines.map(|line| serde_json::from_str::<Reply>(&line.expect("text")).expect("a reply").message);
    let mut ends = replies.filter(|message| !matches!(message, Message::Ready | Message::Progress { .. }));
    let end = ends.next();
    drop(input);
    child.wait().expect("it ends");
    match end {
        Some(Message::Done(answer)) => CanaryJob::from_answer(answer).expect("the canary's"),
        other => panic!("no answer: {other:?}"),
    }
}

fn has(answered: &[String], words: &str) -> bool {
    answered.iter().any(|answer| answer.contains(words))
}

/// The canary can see what would let a service out, also where nothing answers yet.
#[tokio::test]
async fn rights_and_addresses_that_lead_out_are_told() {
    with_session(async |bench| {
        let network = bench.network("net").await.name;
        let none = canary_in(bench, "plain", &["--network", &network, "--cap-drop", "ALL"]).await;
        assert_eq!(none, Vec::<String>::new());
        let raw = canary_in(bench, "raw", &["--network", &network, "--cap-drop", "ALL", "--cap-add", "NET_RAW"]).await;
        assert!(has(&raw, "raw frames") && has(&raw, "raw IPv4 packets"), "{raw:?}");
        let ipv6 = ["--sysctl", "net.ipv6.conf.all.disable_ipv6=0"];
        let ipv6 = canary_in(bench, "ipv6", &[&["--network", &network, "--cap-drop", "ALL"], &ipv6[..]].concat()).await;
        assert!(has(&ipv6, "eth0 has the IPv6 address fe80::"), "{ipv6:?}");
    })
    .await;
}

/// A bridge is an interface of the host, also without an IPv4 address: it has one of IPv6.
#[tokio::test]
async fn a_bridge_without_an_address_answers_over_ipv6() {
    with_session(async |bench| {
        let bridge = bench.daemon.create_network(&bench.name("net"), &Device::Bridge, &bench.marks).await.expect("one");
        let ipv6 = ["--network", &bridge.name, "--cap-drop", "ALL", "--sysctl", "net.ipv6.conf.all.disable_ipv6=0"];
        let ipv6 = canary_in(bench, "ipv6", &ipv6).await;
        assert!(has(&ipv6, "answered to ICMPv6 on eth0"), "the bridge's own address: {ipv6:?}");
    })
    .await;
}

/// The canary can fail: in a network such as people have, it meets the host.
#[tokio::test]
async fn the_host_answers_in_an_ordinary_network() {
    with_session(async |bench| {
        let name = bench.name("open");
        docker(&["network", "create", &name]);
        let answered = std::panic::AssertUnwindSafe(canary(bench, &name));
        let answered = futures_util::FutureExt::catch_unwind(answered).await;
        docker(&["rm", "-f", &bench.name("canary")]);
        docker(&["network", "rm", &name]);
        let answered = answered.expect("the canary answers");
        assert!(answered.iter().any(|answer| answer.contains("ARP")), "{answered:?}");
        assert!(answered.iter().any(|answer| answer.contains("connection")), "{answered:?}");
    })
    .await;
}

/// `internal` alone is not isolation: the gateway is the host.
#[tokio::test]
async fn the_host_answers_in_a_network_that_is_only_internal() {
    with_session(async |bench| {
        let name = bench.name("internal");
        docker(&["network", "create", "--internal", &name]);
        let answered = std::panic::AssertUnwindSafe(canary(bench, &name));
        let answered = futures_util::FutureExt::catch_unwind(answered).await;
        docker(&["rm", "-f", &bench.name("canary")]);
        docker(&["network", "rm", &name]);
        let answered = answered.expect("the canary answers");
        assert!(answered.iter().any(|answer| answer.contains("connection")), "{answered:?}");
    })
    .await;
}

#[tokio::test]
async fn ports_are_waited_for_in_the_services_own_namespace() {
    with_session(async |bench| {
        let network =
            bench.daemon.create_network(&bench.name("net"), &Device::Bridge, &bench.marks).await.expect("a network");
        let sandbox = NetworkSpec::Sandbox { network: network.name, aliases: vec!["service".into()] };
        // Listens only once it is told to, so that the wait is one.
        let service = ContainerSpec {
            network: sandbox,
            ..script("mkfifo /tmp/go; cat /tmp/go; nc -l -p 8080 & httpd -f -p 127.0.0.1:9090 & wait")
        };
        let id = bench.started("service", &service).await;
        let worker = worker(bench, "listener", vec![], NetworkSpec::Share(id.clone())).await;
        let listen = run(&worker, ListenJob { ports: vec![8080, 9090], others_ms: None });
        tokio::pin!(listen);
        let early = tokio::time::timeout(std::time::Duration::from_millis(300), &mut listen).await;
        assert!(early.is_err(), "nothing listens yet: {early:?}");
        docker(&["exec", &id, "sh", "-c", "until [ -p /tmp/go ]; do :; done; echo > /tmp/go"]);
        listen.await;
    })
    .await;
}
