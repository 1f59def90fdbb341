//! `ci/release` packs an executable, and `ci/release-check` tries what it made. The build for a release takes too long
//! here, so the executable under test is packed.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::support::{ci_files, text};

fn run(script: &str, argument: &str, dist: &Path) {
    let mut command = Command::new(ci_files::path(script));
    command.arg(argument).env("DIST", dist).env("SOURCE_DATE_EPOCH", "1700000000");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{script}: {}{}", text(&output.stderr), text(&output.stdout));
}

/// The checksums of the files of a release, by name.
fn sums(dist: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(dist.join("SHA256SUMS")).unwrap();
    let lines = text.lines().map(|line| line.split_once("  ").unwrap());
    lines.map(|(sum, name)| (name.to_owned(), sum.to_owned())).collect()
}

#[test]
#[ignore = "nightly: the executable of the tests is large, and is packed four times"]
fn a_release_holds_what_it_promises_and_packed_twice_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let [first, second] = ["first", "second"].map(|name| dir.path().join(name));
    run("ci/release", env!("CARGO_BIN_EXE_rehearsa"), &first);
    run("ci/release-check", "--no-demo", &first);
    run("ci/release", env!("CARGO_BIN_EXE_rehearsa"), &second);
    let sums = [sums(&first), sums(&second)];
    assert_eq!(sums[0], sums[1]);
    let endings = [".cdx.json", ".deb", ".tar.gz"];
    assert_eq!(sums[0].len(), endings.len());
    for ending in endings {
        assert!(sums[0].keys().any(|name| name.ends_with(ending)), "{ending}: {sums:?}");
    }
    // A file that was changed after it was made is found.
    let archive = sums[0].keys().find(|name| name.ends_with(".deb")).unwrap();
    std::fs::write(first.join(archive), "other").unwrap();
    let mut check = Command::new(ci_files::path("ci/release-check"));
    assert!(!check.arg("--no-demo").env("DIST", &first).output().unwrap().status.success());
}
