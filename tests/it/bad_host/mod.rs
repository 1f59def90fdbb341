//! A host that breaks a rehearsal: the engine goes away, its disk is full, a volume's driver is missing, the live
//! container vanishes in the middle. Each gets its own diagnosis, and nothing is left except what cannot be removed
//! without an engine. Needs root, a Docker engine on this machine and the fixture images. Tests that would disturb
//! others use a second engine.

mod disk;
mod plugin;

use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use self::plugin::Plugin;
use crate::support::engine::Engine;
use crate::support::proxy::{Proxy, Then};
use crate::support::run::Run;
use crate::support::{PATIENCE, docker, rehearsa, rehearse, run_docker, service, unique};

/// A request that creates the container whose name ends like this.
fn creates(line: &str, container: &str) -> bool {
    line.starts_with("POST ") && line.contains("/containers/create?") && line.contains(container)
}

fn starts_a_container(line: &str) -> bool {
    line.starts_with("POST ") && line.ends_with("/start HTTP/1.1")
}

fn creates_a_network(line: &str) -> bool {
    line.starts_with("POST ") && line.contains("/networks/create")
}

fn creates_a_volume(line: &str) -> bool {
    line.starts_with("POST ") && line.contains("/volumes/create")
}

fn wait_until(seen: &AtomicBool, what: &str) {
    let started = Instant::now();
    while !seen.load(Ordering::SeqCst) {
        assert!(started.elapsed() < PATIENCE, "the engine is never asked for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The worker's container is asked for before the engine gets the request for the network: neither waits for the other.
#[test]
fn the_network_and_the_worker_of_a_sandbox_are_created_at_the_same_time() {
    let live = service("broken").volume("/data").file("/data/note", "x").command(&["healthy"]).start();
    let worker = AtomicBool::new(false);
    let proxy = Proxy::start(move |line| {
        if creates(line, "-worker0") {
            worker.store(true, Ordering::SeqCst);
        } else if creates_a_network(line) {
            wait_until(&worker, "the worker's container");
        }
        Then::Forward
    });
    let rehearsal = rehearse(&[&live.name], &["--host", &proxy.host()]);
    assert_eq!(rehearsal.code, Some(0), "{rehearsal}");
    rehearsal.nothing_is_left();
}

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn a_sandbox_of_which_one_object_cannot_be_created_leaves_none_of_the_others() {
    type IsRequest = fn(&str) -> bool;
    let creates_the_worker: IsRequest = |line| creates(line, "-worker0");
    // Which request gets no answer, and which one is on its way to the engine before that.
    let cases: [(&str, IsRequest, IsRequest); 3] = [
        ("network", creates_a_network, creates_the_worker),
        ("worker", creates_the_worker, creates_a_network),
        ("volume", creates_a_volume, creates_a_network),
    ];
    for (what, refused, other) in cases {
        let live = service("broken").volume("/data").file("/data/note", "x").command(&["healthy"]).start();
        let other_asked = AtomicBool::new(false);
        let proxy = Proxy::start(move |line| {
            if other(line) {
                other_asked.store(true, Ordering::SeqCst);
            } else if refused(line) {
                wait_until(&other_asked, "the other object");
                return Then::Refuse;
            }
            Then::Forward
        });
        let rehearsal = rehearse(&[&live.name], &["--host", &proxy.host()]);
        assert_eq!(rehearsal.code, Some(102), "{what}: {rehearsal}");
        assert_eq!(rehearsal.case()["verdict"], "errored", "{what}: {rehearsal}");
        rehearsal.nothing_is_left();
    }
}

#[test]
fn an_engine_that_goes_away_in_the_middle_is_an_error_and_clean_removes_what_is_left() {
    let live = service("broken").volume("/data").file("/data/note", "x").command(&["healthy"]).start();
    let (starts, before) = (AtomicU32::new(0), AtomicU32::new(1));
    // The service is started after the worker, and after what keeps the network up where it needs that.
    let proxy = Proxy::start(move |line| {
        if creates(line, "-wire") {
            before.store(2, Ordering::SeqCst);
        }
        let is_service =
            starts_a_container(line) && starts.fetch_add(1, Ordering::SeqCst) == before.load(Ordering::SeqCst);
        if is_service { Then::Die } else { Then::Forward }
    });
    let started = Instant::now();
    let rehearsal = rehearse(&[&live.name], &["--host", &proxy.host()]);
    assert!(started.elapsed() < Duration::from_secs(60), "it hung: {:?}\n{rehearsal}", started.elapsed());
    assert_eq!(rehearsal.code, Some(102), "{rehearsal}");
    assert_eq!(rehearsal.case()["verdict"], "errored", "{rehearsal}");
    assert_eq!(rehearsal.diagnosis()["code"], "host/unreachable", "{rehearsal}");
    assert!(rehearsal.stderr.contains("rehearsa clean"), "{rehearsal}");

    let session = rehearsal.report["session"].as_str().expect("a report names its session");
    // Somebody else's run may sweep it away at this moment, so that it is there is only known from what the run says.
    assert!(rehearsal.stderr.contains("is left: the sandbox of"), "{rehearsal}");
    let cleaned = rehearsa(&["clean", "--session", session]).output().expect("rehearsa starts");
    assert_eq!(cleaned.status.code(), Some(0), "{}", String::from_utf8_lossy(&cleaned.stderr));
    rehearsal.nothing_is_left();
}

#[test]
fn the_version_of_the_api_that_is_asked_for_is_spoken() {
    let lines = std::sync::Arc::new(Mutex::new(Vec::new()));
    let seen = std::sync::Arc::clone(&lines);
    let proxy = Proxy::start(move |line| {
        seen.lock().expect("no panic").push(line.to_owned());
        Then::Forward
    });
    let list = |version: &str| {
        let mut command = rehearsa(&["test", "--list", "--host", &proxy.host(), "--docker-wait", "60s"]);
        command.env("DOCKER_API_VERSION", version).output().expect("rehearsa starts")
    };
    let listed = list("1.40");
    assert_eq!(listed.status.code(), Some(0), "{}", String::from_utf8_lossy(&listed.stderr));
    let spoken = std::mem::take(&mut *lines.lock().expect("no panic"));
    let versioned: Vec<&String> = spoken.iter().filter(|line| !line.contains(" /version ")).collect();
    assert!(!versioned.is_empty() && versioned.iter().all(|line| line.contains(" /v1.40/")), "{spoken:?}");

    let started = Instant::now();
    let refused = list("1.999");
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(102), "{message}");
    assert!(
        message.contains("Docker API 1.999 is asked for") && message.contains("unset DOCKER_API_VERSION"),
        "{message}"
    );
    assert!(started.elapsed() < Duration::from_secs(10), "waiting changes nothing about it");
}

#[test]
fn a_live_container_that_is_removed_with_its_volume_before_the_copy_has_vanished() {
    let live = service("broken").volume("/data").file("/data/note", "x").command(&["healthy"]).start();
    let (name, volume) = (live.name.clone(), live.first_volume().to_owned());
    let gone = AtomicBool::new(false);
    // After the volume was looked at, before the engine mounts it: the engine would make an empty one in its place.
    let proxy = Proxy::start(move |line| {
        if creates(line, "-worker0") && !gone.swap(true, Ordering::SeqCst) {
            docker(&["rm", "--force", &name]);
            docker(&["volume", "rm", &volume]);
        }
        Then::Forward
    });
    let rehearsal = rehearse(&[&live.name], &["--host", &proxy.host()]);
    rehearsal.errored("host/service-vanished");
    assert!(rehearsal.message().contains(live.first_volume()), "{rehearsal}");
    assert!(!run_docker(&["volume", "inspect", live.first_volume()]).status.success(), "it was made anew and stays");
}

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn a_live_container_that_is_removed_with_its_volume_before_the_sandbox_has_vanished() {
    let live = service("broken").volume("/data").file("/data/note", "x").command(&["healthy"]).start();
    let (name, volume) = (live.name.clone(), live.first_volume().to_owned());
    let proxy = Proxy::start(move |line| {
        if line.starts_with("GET ") && line.contains("/volumes/") {
            run_docker(&["rm", "--force", &name]);
            run_docker(&["volume", "rm", &volume]);
        }
        Then::Forward
    });
    let rehearsal = rehearse(&[&live.name], &["--host", &proxy.host()]);
    rehearsal.errored("host/service-vanished");
    assert!(rehearsal.message().contains(live.first_volume()), "{rehearsal}");
    assert!(!run_docker(&["volume", "inspect", live.first_volume()]).status.success());
}

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn a_live_container_that_is_removed_during_the_copy_has_vanished() {
    let live = service("broken").volume("/data").file("/data/note", "x").command(&["healthy"]).start();
    let (name, gone) = (live.name.clone(), AtomicBool::new(false));
    // The worker holds the volume by now, so that the data stays readable to the end.
    let proxy = Proxy::start(move |line| {
        if starts_a_container(line) && !gone.swap(true, Ordering::SeqCst) {
            docker(&["rm", "--force", "--volumes", &name]);
        }
        Then::Forward
    });
    let rehearsal = rehearse(&[&live.name], &["--host", &proxy.host()]);
    rehearsal.errored("host/service-vanished");
    assert!(rehearsal.message().contains(&live.name), "{rehearsal}");
}

/// Nobody listens at this port.
const NO_REGISTRY: &str = "127.0.0.1:1";

/// A container goes on with an image that was removed by force while it stood still.
#[test]
fn a_service_whose_image_is_gone_from_engine_and_registry_cannot_be_rehearsed() {
    let tag = format!("{NO_REGISTRY}/{}:1", unique("gone"));
    let seed = service("broken").command(&["healthy"]).start();
    docker(&["commit", "--change", &format!("LABEL seed={tag}"), &seed.name, &tag]);
    let live = service("broken").image(&tag).command(&["healthy"]).start();
    docker(&["stop", "--time", "0", &live.name]);
    docker(&["rmi", "--force", &tag]);
    docker(&["start", &live.name]);
    let rehearsal = rehearse(&[&live.name], &[]);
    rehearsal.errored("config/image-unavailable");
    assert!(rehearsal.message().contains(&tag), "{rehearsal}");
    assert!(rehearsal.message().contains("connection refused"), "{rehearsal}");
    assert_eq!(rehearsal.steps("restore"), Vec::<&serde_json::Value>::new(), "nothing is restored without it");
}

#[test]
#[ignore = "nightly: starts an engine or a server of its own, and the code behind it rarely changes"]
fn a_volume_whose_driver_is_gone_is_an_error_that_names_it() {
    let engine = Engine::start(1536, 20_000, &["rehearsa-fixture/broken"]);
    let plugin = Plugin::start(&engine.plugins(), "faraway", &engine.path().join("plugin-data"));
    engine.docker(&["volume", "create", "--driver", "faraway", "notes"]);
    let create = ["run", "--detach", "--network", "none", "--name", "app", "--volume", "notes:/data"];
    engine.docker(&[&create[..], &["rehearsa-fixture/broken", "healthy"]].concat());
    plugin.vanish();
    let rehearsal = rehearse(&["app"], &["--host", &engine.host()]);
    rehearsal.errored("config/volume-driver");
    assert!(rehearsal.message().contains("volume notes"), "{rehearsal}");
    engine.has_nothing_left();
}

/// The engine is killed, or told to end, while the service is watched, and comes back. Its end ended the service.
#[test]
#[ignore = "nightly: starts an engine or a server of its own, and the code behind it rarely changes"]
fn an_engine_that_is_restarted_in_the_middle_says_nothing_about_the_data() {
    for signal in ["KILL", "TERM"] {
        let engine = Engine::start(1536, 20_000, &["rehearsa-fixture/broken"]);
        let run = ["run", "--detach", "--network", "none", "--name", "app", "--volume", "notes:/data"];
        engine.docker(&[&run[..], &["rehearsa-fixture/broken", "healthy"]].concat());
        engine.docker(&["exec", "app", "touch", "/data/note"]);
        let mut run = Run::start("app", &["--host", &engine.host(), "--settle", "150s"]);
        run.wait_for_step("settle");
        engine.restart(signal);
        let ended = run.end();
        let case = ended.case();
        assert_eq!(case["diagnosis"]["code"], "host/engine-restarted", "{signal}: {case:#}\n{}", ended.stderr);
        assert_eq!((ended.code(), &case["verdict"]), (Some(102), &"errored".into()), "{signal}: {case:#}");
        engine.has_nothing_left();
    }
}

/// Somebody stops the sandbox's container, whose end then says nothing about the data either.
#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn a_sandbox_that_somebody_stops_says_nothing_about_the_data() {
    let live = service("broken").volume("/data").file("/data/note", "x").command(&["healthy"]).start();
    let mut run = Run::start(&live.name, &["--settle", "150s"]);
    run.wait_for_step("settle");
    let booted = docker(&["ps", "--quiet", "--filter", &format!("name={0}-s-{0}", live.name)]);
    docker(&["kill", &booted]);
    let ended = run.end();
    let case = ended.case();
    assert_eq!((ended.code(), &case["diagnosis"]["code"]), (Some(102), &"sandbox/failed".into()), "{case:#}");
    let message = case["diagnosis"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("stopped by somebody else"), "{case:#}");
}

/// The host gets the address of one sandbox's gateway while another sandbox runs.
#[test]
fn a_sandbox_that_is_found_open_stops_those_that_run() {
    let running = service("broken").command(&["healthy"]).start();
    let open = service("broken").command(&["healthy"]).start();
    let (running_name, open_name, opened) = (running.name.clone(), open.name.clone(), AtomicBool::new(false));
    let proxy = Proxy::start(move |line| {
        if creates(line, &format!("{open_name}-worker0")) && !opened.swap(true, Ordering::SeqCst) {
            let booted = format!("name={running_name}-s-{running_name}");
            let started = Instant::now();
            while docker(&["ps", "--quiet", "--filter", &booted]).is_empty() {
                assert!(started.elapsed() < PATIENCE, "{running_name} is never booted");
                std::thread::sleep(Duration::from_millis(50));
            }
            open_a_way_out(&open_name);
        }
        Then::Forward
    });
    let names = [running.name.as_str(), open.name.as_str()];
    let rehearsal = rehearse(&names, &["--host", &proxy.host(), "--settle", "60s", "--test-threads", "2"]);
    assert_eq!(rehearsal.code, Some(102), "{rehearsal}");
    for case in rehearsal.cases() {
        assert_eq!(case["verdict"], "errored", "{rehearsal}");
        assert_eq!(case["diagnosis"]["code"], "sandbox/not-isolated", "{rehearsal}");
    }
    let stopped = rehearsal.cases().iter().find(|case| case["name"] == names[0]).expect("it is a case");
    let steps = stopped["steps"].as_array().expect("a case has steps");
    assert!(steps.iter().any(|step| step["step"] == "boot"), "it ran when the other was found open: {rehearsal}");
    rehearsal.nothing_is_left();
}

/// The host gets an interface on the network of `stack`'s sandbox, with the address of the gateway.
fn open_a_way_out(stack: &str) {
    let started = Instant::now();
    let network = loop {
        let network = docker(&["network", "ls", "--quiet", "--no-trunc", "--filter", &format!("name={stack}-net")]);
        if !network.is_empty() {
            break network;
        }
        assert!(started.elapsed() < PATIENCE, "the sandbox of {stack} gets no network");
        std::thread::sleep(Duration::from_millis(50));
    };
    let subnet = docker(&["network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", &network]);
    let (base, length) = subnet.split_once('/').expect("a subnet");
    let gateway = format!("{}.1/{length}", base.rsplit_once('.').expect("an IPv4 subnet").0);
    let parent = docker(&["network", "inspect", "--format", "{{index .Options \"parent\"}}", &network]);
    let parent = if parent.is_empty() { format!("dm-{}", &network[..12]) } else { parent };
    // It goes with the interface below it.
    let way = format!("out{}", &network[..8]);
    for args in [
        &["link", "add", &way, "link", &parent, "type", "macvlan", "mode", "bridge"][..],
        &["address", "add", &gateway, "dev", &way],
        &["link", "set", &way, "up"],
    ] {
        let done = Command::new("ip").args(args).output().expect("ip is installed");
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
}
