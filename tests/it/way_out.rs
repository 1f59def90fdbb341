//! Ways out of a sandbox for a program that looks for one: any socket that a service may open, with the rights and the
//! kernel settings that people give their services. Each test does the same from the live container, from where the
//! packets arrive. Needs root, a Docker engine on this machine and the fixture images (`ci/fixtures`).

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::objects::{Objects, objects_of_session};
use crate::support::run::Run;
use crate::support::{PATIENCE, docker, inspect, unique};

/// Sends a datagram `WAY ADDRESS` in every way to each address of the host, again and again. After the first round it
/// writes down which ways were open, and answers on `::1` only.
const LOOKS_FOR_A_WAY_OUT: &str = r#"
import fcntl, os, socket, struct, sys, threading, time
port, port6, hosts = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].split(",")
index = socket.if_nametoindex("eth0")
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own = socket.inet_ntoa(fcntl.ioctl(asking, 0x8915, struct.pack("256s", b"eth0"))[20:24])

def udp(way, to, *options, source=None):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for option in options:
        s.setsockopt(*option)
    if source:
        s.bind((source, 0))
    s.sendto(f"{way} {own}".encode(), (to, port))

def packet_info(way, to):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    info = struct.pack("=i4s4s", index, bytes(4), bytes(4))
    s.sendmsg([f"{way} {own}".encode()], [(socket.IPPROTO_IP, 8, info)], 0, (to, port))

def all_nodes(way):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.sendto(f"{way} {own}".encode(), ("ff02::1", port6, 0, index))

def frame(way, to):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x800))
    text = f"{way} {own}".encode()
    head = [0x45, 0, 28 + len(text), 0, 0, 64, 17, 0, socket.inet_aton(own), socket.inet_aton(to)]
    words = struct.unpack("!10H", struct.pack("!BBHHHBBH4s4s", *head))
    total = sum(words)
    total = (total & 0xffff) + (total >> 16)
    head[7] = ~((total & 0xffff) + (total >> 16)) & 0xffff
    datagram = struct.pack("!HHHH", port, port, 8 + len(text), 0) + text
    everybody = bytes([255] * 6)
    s.sendto(struct.pack("!BBHHHBBH4s4s", *head) + datagram, ("eth0", 0x800, 0, 0, everybody))

to_device = (socket.SOL_SOCKET, 25, b"eth0\0")
to_interface = (socket.IPPROTO_IP, 50, struct.pack("!I", index))
to_everybody = (socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
ways = {}
def attempt(way, does, *args, **more):
    try:
        does(way, *args, **more)
        ways[way] = "open"
    except OSError:
        ways.setdefault(way, "closed")

def round():
    for host in hosts:
        attempt("plain", udp, host)
        attempt("device", udp, host, to_device)
        attempt("interface", udp, host, to_interface)
        attempt("packet-info", packet_info, host)
        attempt("frame", frame, host)
    attempt("broadcast", udp, "255.255.255.255", to_everybody, source=own)
    attempt("multicast", udp, "224.0.0.1", source=own)
    attempt("all-nodes", all_nodes)

def serve():
    server = socket.socket(socket.AF_INET6)
    server.bind(("::1", 8080))
    server.listen()
    while True:
        server.accept()[0].close()

round()
threading.Thread(target=serve, daemon=True).start()
with open("/tmp/ways.new", "w") as file:
    file.writelines(f"{way} {how}\n" for way, how in ways.items())
os.rename("/tmp/ways.new", "/tmp/ways")
while True:
    time.sleep(0.2)
    round()
"#;

/// Passes in the sandbox only: the ways that need a right or IPv6 are closed, `::1` is there, and a ping comes back.
const HEALTH: &str = r#"
import socket, sys
ways = dict(line.split() for line in open("/tmp/ways"))
assert ways["frame"] == "closed" and ways["all-nodes"] == "closed" and ways["broadcast"] == "open", ways
socket.create_connection(("::1", 8080), 5).close()
ping = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
ping.settimeout(5)
ping.sendto(b"\x08\0\0\0\0\1\0\1", ("127.0.0.1", 0))
assert ping.recv(64)[0] == 0
assert not [line for line in open("/proc/net/if_inet6") if not line.split()[5] == "lo"]
"#;

/// A socket on every IPv4 address of this host and one on every IPv6 address, which write down what comes.
struct Ear {
    ports: [String; 2],
    heard: Arc<Mutex<BTreeSet<String>>>,
}

impl Ear {
    fn open() -> Self {
        let heard = Arc::<Mutex<BTreeSet<String>>>::default();
        let ports = ["0.0.0.0:0", "[::]:0"].map(|every| {
            let socket = UdpSocket::bind(every).expect("a port is free");
            let port = socket.local_addr().expect("it is bound").port();
            let noted = Arc::clone(&heard);
            std::thread::spawn(move || {
                let mut buffer = [0; 512];
                while let Ok((count, _)) = socket.recv_from(&mut buffer) {
                    noted.lock().expect("no panic").insert(String::from_utf8_lossy(&buffer[..count]).into_owned());
                }
            });
            port.to_string()
        });
        Self { ports, heard }
    }

    fn heard(&self) -> BTreeSet<String> {
        self.heard.lock().expect("no panic").clone()
    }

    /// Waits until something came in each of these ways from this address.
    fn wait_for(&self, ways: &[&str], from: &str) {
        let started = Instant::now();
        let missing = || ways.iter().find(|way| !self.heard().contains(&format!("{way} {from}")));
        while let Some(way) = missing() {
            assert!(started.elapsed() < PATIENCE, "nothing comes as {way} from {from}: {:?}", self.heard());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Whatever came from another address than this.
    fn of_others(&self, than: &str) -> Vec<String> {
        self.heard().into_iter().filter(|told| !told.ends_with(&format!(" {than}"))).collect()
    }
}

/// The IPv4 addresses of this host that a container may know.
fn host_addresses() -> Vec<String> {
    let listed = std::process::Command::new("ip").args(["-4", "-o", "addr", "show", "scope", "global"]).output();
    let listed = String::from_utf8(listed.expect("ip is installed").stdout).expect("text");
    let ip = |line: &str| Some(line.split_whitespace().nth(3)?.split('/').next()?.to_owned());
    let mut all: Vec<String> = listed.lines().filter_map(ip).collect();
    all.truncate(4);
    assert!(!all.is_empty());
    all
}

/// Rehearses a service that looks for a way out, with these arguments of `docker run`, and returns its case.
fn nothing_gets_out(hint: &str, rights: &[&str], ways_of_live: &[&str]) -> Value {
    let ear = Ear::open();
    let (name, hosts) = (unique(hint), host_addresses().join(","));
    let [port, port6] = &ear.ports;
    let mut live = Objects::new();
    let health = format!("python3 -c '{}'", HEALTH.replace('\'', "\""));
    let health = ["--health-cmd", &health, "--health-interval", "1h", "--health-retries", "1"];
    let run = ["--user", "0", "--entrypoint", "python3", "rehearsa-fixture/notes", "-c", LOOKS_FOR_A_WAY_OUT];
    live.run(&name, &[&health[..], rights, &run, &[port, port6, &hosts]].concat());
    let address = &inspect("container", &name)["NetworkSettings"]["IPAddress"];
    let address = address.as_str().expect("it has an address").to_owned();
    ear.wait_for(ways_of_live, &address);

    let ended = Run::start(&name, &["--settle", "2s"]).end();
    let case = ended.case();
    assert_eq!(ear.of_others(&address), Vec::<String>::new(), "something came out of the sandbox");
    assert_eq!(ended.code(), Some(0), "{case:#}\n{}", ended.stderr);
    assert_eq!(case["proof"], "healthy", "{case:#}");
    assert_eq!(objects_of_session(&ended.session()), Vec::<String>::new());
    case
}

fn change(case: &Value, field: &str) -> Value {
    let changes = case["changes"].as_array().expect("a list");
    let found = changes.iter().find(|change| change["field"] == field);
    found.unwrap_or_else(|| panic!("no word of {field}: {changes:#?}")).clone()
}

/// The kernel setting with which people give their services IPv6.
const IPV6: [&str; 2] = ["--sysctl", "net.ipv6.conf.all.disable_ipv6=0"];
const WAYS: [&str; 8] = ["plain", "device", "interface", "packet-info", "broadcast", "multicast", "frame", "all-nodes"];

#[test]
fn a_service_with_the_engines_own_rights_and_ipv6_sends_nothing_out() {
    let case = nothing_gets_out("default", &IPV6, &WAYS);
    let ipv6 = change(&case, "sysctl net.ipv6.conf.all.disable_ipv6");
    assert_eq!((&ipv6["live"], &ipv6["notable"]), (&"0".into(), &true.into()), "{ipv6:#}");
    let raw = change(&case, "capability");
    assert_eq!((&raw["live"], &raw["notable"]), (&"NET_RAW".into(), &false.into()), "{raw:#}");
}

#[test]
fn a_service_that_is_given_raw_frames_sends_nothing_out() {
    let rights = ["--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW"];
    let case = nothing_gets_out("raw", &[&IPV6[..], &rights].concat(), &WAYS);
    let left_out = case["changes"].as_array().expect("a list").iter().filter(|change| change["field"] == "cap_add");
    let left_out: Vec<_> = left_out.map(|change| (&change["live"], &change["notable"])).collect();
    assert_eq!(left_out, [(&"NET_ADMIN".into(), &true.into()), (&"NET_RAW".into(), &true.into())]);
}

/// The starts of containers, as the engine tells them. They are followed, since an engine remembers only its last 256
/// events.
struct Starts(Child);

impl Starts {
    fn begin() -> Starts {
        let since = docker(&["info", "--format", "{{.SystemTime}}"]);
        let follow = ["events", "--since", &since, "--filter", "event=start", "--format", "{{.Actor.Attributes.name}}"];
        Starts(Command::new("docker").args(follow).stdout(Stdio::piped()).spawn().expect("docker starts"))
    }

    /// The names of the containers that were started until now. One more is started, whose name ends the list.
    fn end(mut self, objects: &mut Objects) -> Vec<String> {
        let last = unique("last-start");
        objects.run(&last, &["rehearsa-fixture/tiny"]);
        let lines = BufReader::new(self.0.stdout.take().expect("it is piped")).lines();
        let names = lines.map(|line| line.expect("text")).take_while(|name| *name != last).collect();
        self.0.kill().and_then(|()| self.0.wait()).expect("it ends");
        names
    }
}

/// Every service of a stack that has network settings of its own has a canary with these settings.
#[test]
fn the_canary_asks_with_the_network_settings_of_each_service() {
    let mut live = Objects::new();
    let project = format!("com.docker.compose.project={}", unique("settings"));
    let names = [("1024", unique("one")), ("2048", unique("two")), ("2048", unique("three"))];
    for (backlog, name) in &names {
        let (service, setting) =
            (format!("com.docker.compose.service={name}"), format!("net.core.somaxconn={backlog}"));
        let labels = ["--label", &project, "--label", &service];
        live.run(name, &[&labels[..], &["--sysctl", &setting, "rehearsa-fixture/broken", "healthy"]].concat());
    }
    let project = project.split_once('=').expect("a label").1;
    let starts = Starts::begin();
    let output = crate::support::rehearsa(&["test", project, "--settle", "0s"]).output().expect("rehearsa starts");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let started = starts.end(&mut live);
    let canaries = started.iter().filter(|name| name.contains(project) && name.contains("-canary")).count();
    assert_eq!(canaries, 2, "one for each set of settings: {started:?}");
}
