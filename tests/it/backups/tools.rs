//! One small service, with backups by every tool.

use crate::support::backup::{data_of, folder, keeper, kept, sh, tar};
use crate::support::{Live, Rehearsal, rehearsa, rehearse, rehearse_by, shown, text};

#[track_caller]
fn green(live: &Live, from: &str, args: &[&str]) -> Rehearsal {
    let rehearsal = rehearse(&[&live.name], &[&["--from", from], args].concat());
    rehearsal.is_green("healthy");
    assert!(rehearsal.bytes() > 0, "{rehearsal}");
    rehearsal
}

/// The backups that one script makes, each rehearsed.
#[track_caller]
fn all_green(script: &str, files: &[&str]) {
    let (live, dir) = keeper(script);
    for file in files {
        green(&live, &tar(dir.path().join(file)), &[]);
    }
}

#[test]
#[ignore = "nightly: takes many rehearsals"]
fn archives_of_every_compression() {
    all_green(
        "tar -C \"$1\" -c . >x.tar; zstd -q x.tar; xz -k x.tar; bzip2 -k x.tar",
        &["x.tar", "x.tar.zst", "x.tar.xz", "x.tar.bz2"],
    );
}

#[test]
#[ignore = "nightly: takes many rehearsals"]
fn archives_of_every_tar() {
    all_green(
        "busybox tar -C \"$1\" -czf busybox.tar.gz .; bsdtar -C \"$1\" -czf bsd.tar.gz .; \
         python3 -c 'import sys, tarfile; t = tarfile.open(\"python.tgz\", \"w:gz\"); \
         t.add(sys.argv[1], \"data\"); t.close()' \"$1\"; \
         tar -C / -czf engine.tgz \"${1#/}\"",
        &["busybox.tar.gz", "bsd.tar.gz", "python.tgz", "engine.tgz"],
    );
}

/// Of files alone, and with files that were appended again: the last one counts.
#[test]
#[ignore = "nightly: takes many rehearsals"]
fn archives_without_folders_and_with_what_came_later() {
    all_green(
        "(cd \"$1\"; find . -type f) | tar -C \"$1\" -czf files.tgz -T -; \
         mkdir old; echo wrong >old/note; tar -C old -cf later.tar ./note; tar -C \"$1\" -rf later.tar .",
        &["files.tgz", "later.tar"],
    );
}

#[test]
#[ignore = "nightly: takes many rehearsals"]
fn folders_of_this_machine_and_of_the_engines_host() {
    let (live, dir) = keeper("mkdir -p volumes; cp -a \"$(dirname \"$1\")\" volumes/");
    let folder = shown(dir.path());
    assert_eq!(green(&live, &format!("dir:{folder}"), &[]).case()["source"], "dir");
    green(&live, &format!("daemon:{folder}"), &[]);
    // Of the folder that has all the volumes, too.
    green(&live, &format!("dir:{folder}/volumes"), &[]);
}

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn what_comes_on_standard_input() {
    let (live, dir) = keeper("tar -C \"$1\" -czf x.tgz .");
    let mut command = rehearsa(&[]);
    command.stdin(std::fs::File::open(dir.path().join("x.tgz")).expect("it was made"));
    rehearse_by(command, &[&live.name], &["--from", "tar:-"]).is_green("healthy");
}

/// The newest by the time in its name, though the older one was copied here last; another one when it is asked for.
#[test]
#[ignore = "nightly: takes many rehearsals"]
fn the_newest_of_many_or_the_one_that_is_asked_for() {
    let (live, dir) = keeper("tar -C \"$1\" -czf app-2026-11-03.tar.gz .; touch -d 2026-11-03 app-2026-11-03.tar.gz");
    sh(dir.path(), "tar -C \"$1\" -czf app-2026-11-01.tar.gz .", &[&data_of(live.first_volume())]);
    let from = tar(dir.path().join("app-*.tar.gz"));
    let newest = green(&live, &from, &[]);
    assert_eq!(newest.case()["snapshot"]["id"], "app-2026-11-03.tar.gz", "{newest}");
    let other = rehearse(&[&live.name], &["--from", &from, "--snapshot", "app-2026-11-01.tar.gz"]);
    other.failed("health/unhealthy");
    assert_eq!(other.case()["snapshot"]["id"], "app-2026-11-01.tar.gz", "{other}");
    // A name that no snapshot has says nothing about the backup.
    let command = ["test", "--exact", &live.name, "--from", &from, "--snapshot", "app-2026-10-01.tar.gz"];
    let mistyped = rehearsa(&command).output().expect("rehearsa starts");
    let words = text(&mistyped.stderr);
    assert_eq!(mistyped.status.code(), Some(2), "{words}");
    assert!(words.contains("--snapshot app-2026-10-01.tar.gz") && words.contains("app-2026-11-03.tar.gz"), "{words}");
}

/// What the remedy says is done, and helps.
#[test]
fn a_mount_that_is_not_found_is_found_by_the_map_that_is_proposed() {
    let (live, dir) = keeper("mkdir -p backup; cp -a \"$1\" backup/odd; tar -czf x.tgz backup");
    let from = tar(dir.path().join("x.tgz"));
    let missing = rehearse(&[&live.name], &["--from", &from]);
    missing.failed("restore/mount-missing");
    assert!(missing.message().contains("backup/odd (1 file"), "{missing}");
    let remedy = missing.diagnosis()["remedy"].as_str().unwrap_or_default();
    let (_, map) = remedy.split_once("--map '").unwrap_or_else(|| panic!("{missing}"));
    let (mount, _) = map.split_once('=').unwrap_or_else(|| panic!("{missing}"));
    green(&live, &from, &["--map", &format!("{mount}=backup/odd")]);
}

#[test]
fn an_empty_part_is_refused_until_it_is_allowed() {
    let (live, dir) = (kept().healthy_when("true").start(), folder());
    sh(dir.path(), "mkdir empty; tar -C empty -czf x.tgz .", &[]);
    let from = tar(dir.path().join("x.tgz"));
    rehearse(&[&live.name], &["--from", &from]).failed("restore/empty");
    rehearse(&[&live.name], &["--from", &from, "--allow-empty", "/mounted"]).is_green("healthy");
}

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn parts_that_fit_alike_are_not_chosen_from() {
    let (live, dir) =
        keeper("mkdir backup; cp -a \"$1\" \"$2\"; cp -a \"$1\" \"backup/$2\"; tar -czf x.tgz backup \"$2\"");
    let from = tar(dir.path().join("x.tgz"));
    let ambiguous = rehearse(&[&live.name], &["--from", &from]);
    ambiguous.errored("restore/ambiguous");
    let remedy = ambiguous.diagnosis()["remedy"].as_str().unwrap_or_default();
    let map = remedy.split('\'').nth(1).unwrap_or_else(|| panic!("{ambiguous}"));
    green(&live, &from, &["--map", map]);
}
