//! Stacks from their Compose files on an engine that is reached by tcp and has never seen them. Needs root, Docker
//! Compose and the fixture images.

use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;

use crate::support::compose::Shop;
use crate::support::engine::Engine;
use crate::support::{Rehearsal, docker, rehearsa, rehearse_by, shown};

/// Passes connections of a port of this machine on to an engine's socket; returns the engine's address.
fn by_tcp(engine: &Engine) -> String {
    let socket = PathBuf::from(engine.host().trim_start_matches("unix://"));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let Ok(far) = UnixStream::connect(&socket) else { continue };
            let (near_too, far_too) = (near.try_clone().expect("a socket"), far.try_clone().expect("a socket"));
            std::thread::spawn(move || pass(near, far));
            std::thread::spawn(move || pass_back(far_too, near_too));
        }
    });
    format!("tcp://{address}")
}

fn pass(mut near: TcpStream, mut far: UnixStream) {
    // The end of a connection is no failure.
    let _ = io::copy(&mut near, &mut far);
    let _ = far.shutdown(std::net::Shutdown::Write);
}

fn pass_back(mut far: UnixStream, mut near: TcpStream) {
    // As above.
    let _ = io::copy(&mut far, &mut near);
    let _ = near.shutdown(std::net::Shutdown::Write);
}

/// Rehearses on the engine at this address.
fn rehearse_at(host: &str, args: &[&str]) -> Rehearsal {
    let mut command = rehearsa(&[]);
    command.env("DOCKER_HOST", host);
    rehearse_by(command, &[], args)
}

const IMAGES: [&str; 3] = ["rehearsa-fixture/postgres", "rehearsa-fixture/redis", "rehearsa-fixture/notes"];

#[test]
#[ignore = "nightly: starts an engine and loads images into it"]
fn a_shop_comes_back_on_an_empty_engine_that_is_reached_by_tcp() {
    let (shop, archive) = Shop::running().dead();
    let from = format!("tar:{}", shown(&archive));
    let engine = Engine::start(4096, 400_000, &IMAGES);
    let host = by_tcp(&engine);
    let rehearsal = rehearse_at(&host, &["-f", &shop.file(), "-p", &shop.name, "--from", &from, "--pull", "never"]);
    assert_eq!(rehearsal.code, Some(0), "{rehearsal}");
    assert_eq!(rehearsal.cases().len(), 3, "{rehearsal}");
    // Nothing but the backup.
    let folder = format!("/opt/stacks/{}", shop.name);
    fs::remove_dir_all(shop.folder()).expect("removed");
    fs::create_dir(shop.folder()).expect("made");
    let rehearsal = rehearse_at(&host, &["--stack", &folder, "--from", &from, "--pull", "never"]);
    assert_eq!(rehearsal.code, Some(0), "{rehearsal}");
    let left = Command::new("docker").args(["--host", &host, "ps", "--all", "--quiet"]).output().expect("docker");
    assert!(left.status.success() && left.stdout.is_empty(), "{left:?}");
}

/// Together they have no room; one after the other they have.
#[test]
#[ignore = "nightly: starts an engine and restores much data"]
fn stacks_that_have_no_room_together_are_restored_one_after_the_other() {
    const MIB: usize = 300;
    let dir = tempfile::tempdir().expect("a folder");
    for name in ["one", "two"] {
        let text = "services:\n  web:\n    image: rehearsa-fixture/busybox:latest\n    init: true\n    \
                    entrypoint: [sh, -c, 'sleep 1000']\n    volumes: ['data:/data']\nvolumes: {data: }\n";
        let (stack, data) =
            (dir.path().join("stacks").join(name), dir.path().join(format!("b/volumes/{name}_data/_data")));
        fs::create_dir_all(&stack).expect("made");
        fs::create_dir_all(&data).expect("made");
        fs::write(stack.join("compose.yaml"), text).expect("written");
        // No disk packs these bytes.
        let bytes: Vec<u8> = (0..MIB << 20).map(|n: usize| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        fs::write(data.join("large"), bytes).expect("written");
    }
    let tar = Command::new("tar").args(["-cf", "b.tar", "-C", "b", "."]).current_dir(dir.path()).status();
    assert!(tar.expect("tar is there").success());
    // 512 MiB stay free for others, and some are the engine's own.
    let engine = Engine::start(512 + 2 * MIB as u64, 100_000, &["rehearsa-fixture/busybox"]);
    let (files, from) = (shown(&dir.path().join("stacks/*")), format!("tar:{}", shown(&dir.path().join("b.tar"))));
    let args = ["-f", &files, "--from", &from, "--pull", "never", "--test-threads", "2", "--retries", "0"];
    let rehearsal = rehearse_at(&engine.host(), &args);
    assert_eq!(rehearsal.code, Some(0), "{rehearsal}");
}

/// What is compared with the running stack comes from the engine, and nothing is created on it.
#[test]
fn a_plan_of_a_running_stack_as_a_new_host_names_what_was_changed() {
    let shop = Shop::files();
    shop.compose_one("cache");
    let changed = shop.read("compose.yaml").replace("- cache:/data", "- cache2:/data");
    let changed = changed.replace("\n  cache:\n\nsecrets", "\n  cache:\n  cache2:\n\nsecrets");
    fs::write(shop.folder().join("compose.yaml"), changed).expect("written");
    let volumes = || docker(&["volume", "ls", "--quiet", "--filter", &format!("name={}", shop.name)]);
    let before = volumes();
    let cache = format!("{}::cache", shop.name);
    let output = rehearsa(&["plan", &cache, "--as-new-host"]).output().expect("rehearsa starts");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("config/changed-since-up") && said.contains(&cache), "{said}");
    assert!(said.contains(&format!("/data is volume {}_cache in the container", shop.name)), "{said}");
    assert_eq!(volumes(), before, "a plan creates nothing");
    let output = rehearsa(&["plan", "no-such-stack::", "--as-new-host"]).output().expect("rehearsa starts");
    assert_eq!(output.status.code(), Some(4), "{output:?}");
}
