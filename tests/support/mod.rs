//! What tests share: live services, objects of an engine, the program under test, and the output and remains of its
//! runs.
//!
//! Whatever a test starts is removed with the test, also when it fails. Each test finds only its own objects: every
//! name is unique, and rehearsa is asked for exact names.
#![allow(dead_code, unused_imports, reason = "each test program uses a part")]

pub mod api;
pub mod archives;
pub mod backup;
pub mod bench;
pub mod borg;
pub mod ci_files;
pub mod compare;
pub mod compose;
pub mod cuts;
pub mod dumps;
pub mod encrypted;
pub mod engine;
mod live;
pub mod loops;
pub mod objects;
pub mod proxy;
pub mod recorded;
mod rehearsal;
pub mod restic;
pub mod run;
pub mod served;
pub mod trees;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

pub use live::{Live, Stack, Wanted, service};
pub use rehearsal::{Rehearsal, rehearse, rehearse_by};

/// Longer than any step takes on a slow and busy machine.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// A name that nothing else on the engine has, and that is part of no other name.
pub fn unique(hint: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("trial-{hint}-{}x{:04}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// Output of a program as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs the docker client, where a failure is expected or does not matter.
pub fn run_docker<S: AsRef<str>>(args: &[S]) -> Output {
    let args: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
    Command::new("docker").args(&args).output().expect("the docker client starts")
}

/// What the docker client prints; it has to succeed.
#[track_caller]
pub fn docker<S: AsRef<str>>(args: &[S]) -> String {
    let output = run_docker(args);
    let shown: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
    assert!(output.status.success(), "docker {}: {}", shown.join(" "), text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

/// What `docker inspect` says of an object, all of it.
pub fn inspect(kind: &str, name: &str) -> Value {
    let json = docker(&["inspect", "--type", kind, name]);
    let mut all: Vec<Value> = serde_json::from_str(&json).expect("docker prints JSON");
    assert_eq!(all.len(), 1, "{name}");
    all.remove(0)
}

/// What a container has logged so far, both streams.
pub fn logs(container: &str) -> String {
    let output = run_docker(&["logs", "--timestamps", container]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    format!("{}\n{}", text(&output.stdout), text(&output.stderr))
}

/// Waits until a container has logged this.
pub fn wait_for_log(container: &str, words: &str) {
    wait_for(&format!("{words:?} in the log of {container}"), || {
        let logged = logs(container);
        if logged.contains(words) { Ok(()) } else { Err(logged) }
    });
}

/// A path as an argument.
pub fn shown(path: &Path) -> String {
    path.to_str().expect("temporary paths are UTF-8").to_owned()
}

/// The number of trials that run at once, for programs with their own runner: the value that libtest would use, else
/// three for each processor, as a rehearsal mostly waits.
pub fn threads() -> Option<usize> {
    let said = std::env::var("RUST_TEST_THREADS").ok().and_then(|said| said.parse().ok());
    said.or_else(|| std::thread::available_parallelism().ok().map(|processors| processors.get() * 3))
}

/// Does this for all of them, a few at once: a rehearsal mostly waits.
pub fn side_by_side<T: Sync>(all: &[T], does: impl Fn(&T) + Sync) {
    let does = &does;
    for some in all.chunks(3) {
        std::thread::scope(|scope| {
            for one in some {
                scope.spawn(move || does(one));
            }
        });
    }
}

/// Waits until this holds. Each look costs something, so looks become rarer: others use the processors meanwhile.
fn wait_for(what: &str, holds: impl Fn() -> Result<(), String>) {
    let (started, mut pause) = (Instant::now(), Duration::from_millis(50));
    while let Err(found) = holds() {
        assert!(started.elapsed() < PATIENCE, "{what} never came to be: {found}");
        std::thread::sleep(pause);
        pause = (pause * 3 / 2).min(Duration::from_millis(400));
    }
}

/// The executable under test with these arguments and no input, without the caller's settings.
pub fn rehearsa(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rehearsa"));
    for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("REHEARSA_")) {
        command.env_remove(key);
    }
    command.args(args).stdin(Stdio::null());
    command
}
