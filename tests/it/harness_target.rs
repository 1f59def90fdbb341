//! A test target that is `rehearsa::harness::main()`, run with the arguments of `cargo test` and `cargo nextest run`.
//! Needs a Docker engine and the fixture images (`ci/fixtures`). It rehearses only its own service.

use std::path::PathBuf;
use std::process::{Command, Output};

use crate::support::{Live, service, text};

/// The executable of `examples/restores.rs`. Cargo builds examples only when it tests all targets, so this asks cargo
/// to build it.
fn target() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args([
        "build",
        "--locked",
        "--offline",
        "--example",
        "restores",
        "--message-format=json",
    ]);
    // What cargo tells a test about its package would count as a changed environment for some build scripts, and this
    // build would make anew what the outer one has made, and the next outer one again.
    for (name, _) in std::env::vars_os() {
        let own = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_EXE_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
        if name.to_str().is_some_and(|name| own.iter().any(|prefix| name.starts_with(prefix))) {
            cargo.env_remove(name);
        }
    }
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output = cargo.output().expect("cargo starts");
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "restores")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .expect("cargo names the executable")
}

fn run(target: &PathBuf, arguments: &[&str]) -> Output {
    let mut command = Command::new(target);
    for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("REHEARSA_")) {
        command.env_remove(key);
    }
    command.args(arguments).env("REHEARSA_SETTLE", "0s").output().expect("the test target starts")
}

#[test]
#[ignore = "nightly: builds an example; the code behind it rarely changes"]
fn cargo_test_and_nextest_list_and_run_services() {
    let target = target();
    let sound = service("tiny").options(&["--network", "none"]).start();
    let broken = service("broken").options(&["--network", "none"]).command(&["never-healthy"]).start();

    // nextest: a list of all, a list of the ignored, then one process a test.
    let listed = run(&target, &["--list", "--format", "terse"]);
    let (lines, said) = (text(&listed.stdout), text(&listed.stderr));
    assert_eq!(listed.status.code(), Some(0), "{said}");
    assert!(lines.lines().all(|line| line.ends_with(": test")), "nothing but tests is listed:\n{lines}");
    let listed_name = |live: &Live| {
        let line =
            lines.lines().find(|line| line.contains(&live.name)).unwrap_or_else(|| panic!("not listed:\n{lines}"));
        line.trim_end_matches(": test").to_owned()
    };
    let (sound_name, broken_name) = (listed_name(&sound), listed_name(&broken));

    let ignored = run(&target, &["--list", "--format", "terse", "--ignored"]);
    assert_eq!(ignored.status.code(), Some(0), "{}", text(&ignored.stderr));
    assert!(!text(&ignored.stdout).contains(&sound.name), "{}", text(&ignored.stdout));

    let passed = run(&target, &[&sound_name, "--exact", "--nocapture"]);
    assert_eq!(passed.status.code(), Some(0), "{}{}", text(&passed.stdout), text(&passed.stderr));
    assert!(text(&passed.stdout).contains("test result: ok. 1 passed; 0 failed"), "{}", text(&passed.stdout));
    assert!(text(&passed.stderr).contains("Restore Simulation: SUCCESS"), "{}", text(&passed.stderr));

    let failed = run(&target, &[&broken_name, "--exact", "--nocapture"]);
    assert_eq!(failed.status.code(), Some(101), "{}{}", text(&failed.stdout), text(&failed.stderr));
    assert!(text(&failed.stdout).contains("test result: FAILED. 0 passed; 1 failed"), "{}", text(&failed.stdout));
    assert!(text(&failed.stderr).contains("health/unhealthy"), "{}", text(&failed.stderr));

    // cargo test: filters as typed, more than one, and what it passes on after `--`.
    let both =
        run(&target, &[&sound.name, &broken.name, "--skip", &broken.name, "--test-threads", "1", "--show-output"]);
    assert_eq!(both.status.code(), Some(0), "{}{}", text(&both.stdout), text(&both.stderr));
    assert!(text(&both.stdout).contains("running 1 test"), "{}", text(&both.stdout));

    // `cargo test FILTER` gives every test target the same filter: a miss is nobody's mistake there.
    for arguments in
        [&["no-service-has-this-name"][..], &[&sound.name, "--ignored"], &["no-service-has-this-name", "--list"]]
    {
        let missed = run(&target, arguments);
        let (lines, said) = (text(&missed.stdout), text(&missed.stderr));
        assert_eq!(missed.status.code(), Some(0), "{arguments:?}: {lines}{said}");
        if arguments.contains(&"--list") {
            assert!(!lines.contains(": test"), "{lines}");
        } else {
            assert!(lines.contains("running 0 tests"), "{lines}");
            assert!(lines.contains(" filtered out;") && !lines.contains(" 0 filtered out;"), "{lines}");
        }
    }
}
