//! A disk of the engine's host that is too small: for the data, for its files, for what a service writes. The live
//! services keep their room. Each test has an engine with a disk of its own.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::support::archives::{Archive, file};
use crate::support::backup::{data_of, folder, kept, tar};
use crate::support::engine::Engine;
use crate::support::proxy::{Proxy, Then};
use crate::support::rehearse;

/// What stays free: bytes, and one of so many inodes.
const KEPT: u64 = 512 << 20;
const KEPT_FILES: u64 = 20;

/// The least that was free on an engine's disk.
struct Least {
    stop: Arc<AtomicBool>,
    looking: JoinHandle<(u64, u64)>,
}

impl Least {
    /// Looks from now on.
    fn on(engine: &Engine) -> Least {
        let (stop, data) = (Arc::new(AtomicBool::new(false)), engine.disk());
        let stopped = Arc::clone(&stop);
        let looking = std::thread::spawn(move || {
            let mut least = (u64::MAX, u64::MAX);
            while !stopped.load(Ordering::Relaxed) {
                let stat = rustix::fs::statvfs(&data).expect("the disk is mounted");
                least = (least.0.min(stat.f_bavail * stat.f_frsize), least.1.min(stat.f_favail));
                std::thread::sleep(Duration::from_millis(2));
            }
            least
        });
        Least { stop, looking }
    }

    /// Bytes and files.
    fn found(self) -> (u64, u64) {
        self.stop.store(true, Ordering::Relaxed);
        self.looking.join().expect("it looked")
    }
}

/// A live service `app` with a volume `notes`. What is booted from a volume with a file `misbehave` runs the script.
fn live_app(engine: &Engine, script: &str) {
    let script = format!("[ -e /data/misbehave ] || exec behave healthy; {script}");
    let run = ["run", "--detach", "--network", "none", "--name", "app", "--volume", "notes:/data"];
    engine.docker(&[&run[..], &["--entrypoint", "sh", "rehearsa-fixture/broken", "-c", &script]].concat());
}

/// The engine's disk holds the live data and its images, and then less than what the data takes and what stays free.
#[test]
#[ignore = "nightly: starts an engine or a server of its own, and the code behind it rarely changes"]
fn data_that_does_not_fit_on_the_engines_disk_is_refused_before_anything_is_written() {
    let engine = Engine::start(1536, 20_000, &["rehearsa-fixture/broken"]);
    let run = ["run", "--detach", "--network", "none", "--name", "app", "--volume", "films:/data"];
    engine.docker(&[&run[..], &["rehearsa-fixture/broken", "healthy"]].concat());
    engine.docker(&["exec", "app", "fallocate", "-l", "700M", "/data/film"]);
    let rehearsal = rehearse(&["app"], &["--host", &engine.host()]);
    rehearsal.errored("restore/no-space");
    let message = rehearsal.message();
    assert!(message.contains("volume films") && message.contains("needs 1.3 GB"), "{rehearsal}");
    assert_eq!(rehearsal.bytes(), 0, "{rehearsal}");
    engine.has_nothing_left();
}

/// There is room for every byte, but not for so many files.
#[test]
#[ignore = "nightly: starts an engine or a server of its own, and the code behind it rarely changes"]
fn more_files_than_the_disk_has_inodes_are_refused_before_anything_is_written() {
    let engine = Engine::start(2048, 2800, &["rehearsa-fixture/broken"]);
    live_app(&engine, "");
    engine.docker(&["exec", "app", "sh", "-c", "cd /data && seq 1500 | xargs touch"]);
    let rehearsal = rehearse(&["app"], &["--host", &engine.host()]);
    rehearsal.errored("restore/no-space");
    let message = rehearsal.message();
    assert!(message.contains("volume notes") && message.contains("more inodes"), "{rehearsal}");
    assert_eq!(rehearsal.bytes(), 0, "{rehearsal}");
    engine.has_nothing_left();
}

#[test]
#[ignore = "nightly: starts an engine or a server of its own, and the code behind it rarely changes"]
fn an_archive_of_more_files_than_the_disk_has_inodes_leaves_some_of_them() {
    let engine = Engine::start(2048, 20_000, &["rehearsa-fixture/broken"]);
    live_app(&engine, "");
    let dir = folder();
    let archive = Archive::of((0..20_001).map(|number| file(format!("notes/{number}"), "x")));
    fs::write(dir.path().join("many.tar"), archive.finish()).expect("written");
    let least = Least::on(&engine);
    let rehearsal = rehearse(&["app"], &["--host", &engine.host(), "--from", &tar(dir.path().join("many.tar"))]);
    let (_, files) = least.found();
    rehearsal.errored("restore/no-space");
    assert!(rehearsal.message().contains("5 % of all, stay free"), "{rehearsal}");
    assert!(files >= 20_000 / KEPT_FILES - 50, "only {files} inodes stayed free: {rehearsal}");
    engine.has_nothing_left();
}

/// A million pieces of one byte take a block each: four thousand times what the archive says.
#[test]
#[ignore = "nightly: starts an engine or a server of its own, and the code behind it rarely changes"]
fn a_file_of_tiny_pieces_is_bounded_by_what_it_takes_on_the_disk() {
    let engine = Engine::start(1536, 20_000, &["rehearsa-fixture/broken"]);
    live_app(&engine, "");
    let dir = folder();
    let pieces = 900_000;
    let mut content = format!("{pieces}\n").into_bytes();
    content.extend((0..pieces).flat_map(|piece| format!("{}\n1\n", piece * 8192).into_bytes()));
    content.resize(content.len().next_multiple_of(512), 0);
    content.resize(content.len() + pieces, b'x');
    let sparse = file("GNUSparseFile.0/sparse", content)
        .record("GNU.sparse.major", "1")
        .record("GNU.sparse.minor", "0")
        .record("GNU.sparse.name", "notes/sparse")
        .record("GNU.sparse.realsize", (pieces * 8192).to_string());
    fs::write(dir.path().join("pieces.tar"), Archive::of([sparse]).finish()).expect("written");
    let source = tar(dir.path().join("pieces.tar"));
    let least = Least::on(&engine);
    let bounded = rehearse(&["app"], &["--host", &engine.host(), "--from", &source, "--max-copy", "100MiB"]);
    bounded.errored("restore/too-large");
    assert!(bounded.message().contains("--max-copy allows 105 MB"), "{bounded}");
    let unbounded = rehearse(&["app"], &["--host", &engine.host(), "--from", &source, "--max-copy", "0"]);
    let (bytes, _) = least.found();
    unbounded.errored("restore/no-space");
    // Beside the pieces the file system writes down where they are.
    assert!(bytes > KEPT - (64 << 20), "only {bytes} bytes stayed free: {unbounded}");
    engine.has_nothing_left();
}

#[test]
#[ignore = "nightly: starts an engine or a server of its own, and the code behind it rarely changes"]
fn a_service_that_fills_the_disk_is_stopped_before_it_is_full_and_is_not_green() {
    let engine = Engine::start(1536, 20_000, &["rehearsa-fixture/broken"]);
    live_app(
        &engine,
        "touch /run/healthy; while :; do i=$((i+1)); dd if=/dev/zero of=/data/$i bs=1M count=4; sleep 0.1; done",
    );
    engine.docker(&["exec", "app", "touch", "/data/misbehave"]);
    let least = Least::on(&engine);
    // It would be kept, were the disk not full of it.
    let rehearsal = rehearse(&["app"], &["--host", &engine.host(), "--settle", "600s", "--keep"]);
    let (bytes, _) = least.found();
    rehearsal.errored("restore/no-space");
    let message = rehearsal.message();
    assert!(message.contains("while the services of app ran") && message.contains("were stopped"), "{rehearsal}");
    assert!(bytes > KEPT / 2, "only {bytes} bytes stayed free: {rehearsal}");
    engine.has_nothing_left();
}

/// It takes everything at once and is gone before anybody could have stopped it: its end says nothing of the data.
#[test]
#[ignore = "nightly: starts an engine or a server of its own, and the code behind it rarely changes"]
fn a_service_that_ends_on_a_full_disk_has_not_failed() {
    let engine = Engine::start(1536, 20_000, &["rehearsa-fixture/broken"]);
    live_app(&engine, "i=0; while fallocate -l 67108864 /data/$i; do i=$((i+1)); done; exit 1");
    engine.docker(&["exec", "app", "touch", "/data/misbehave"]);
    let rehearsal = rehearse(&["app"], &["--host", &engine.host()]);
    rehearsal.errored("restore/no-space");
    engine.has_nothing_left();
}

/// While an engine removes a volume of a million files it answers no other question about volumes.
#[test]
#[ignore = "nightly: starts an engine or a server of its own, and the code behind it rarely changes"]
fn a_volume_that_holds_much_is_empty_when_the_engine_is_asked_to_remove_it() {
    for (files, is_heavy) in [(12_000, true), (200, false)] {
        let (live, dir) = (kept().start(), folder());
        let note = file("note", "kept");
        let archive = Archive::of((0..files).map(|number| file(format!("d/{number}"), "")).chain([note]));
        fs::write(dir.path().join("x.tar"), archive.finish()).expect("written");
        let (send, seen) = channel();
        let proxy = Proxy::start(move |line| {
            if line.starts_with("DELETE ") && line.contains("/volumes/") {
                let name = line.split("/volumes/").nth(1).and_then(|rest| rest.split([' ', '?']).next());
                let data = data_of(name.expect("a name"));
                let left = fs::read_dir(data).expect("it is on this machine").count();
                // The test may have ended.
                let _ = send.send(left);
            }
            Then::Forward
        });
        let args = ["--host", &proxy.host(), "--from", &tar(dir.path().join("x.tar")), "--map", "/mounted=."];
        rehearse(&[&live.name], &args).is_green("healthy");
        let left: Vec<usize> = seen.try_iter().collect();
        assert_eq!(left, [if is_heavy { 0 } else { 2 }], "entries of a volume of {files} files");
    }
}
