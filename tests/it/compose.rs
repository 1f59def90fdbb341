//! Stacks from their Compose files and a backup, on an engine where they do not run. Needs Docker Compose, a Docker
//! engine and the fixture images.

use std::process::Command;

use serde_json::Value;

use crate::support::compose::Shop;
use crate::support::{Rehearsal, docker, rehearse, shown, text};

/// Rehearses the whole stack.
fn rehearse_shop(shop: &Shop, file: &str, archive: &str, args: &[&str]) -> Rehearsal {
    let from = format!("tar:{archive}");
    let name = ["-f", file, "-p", &shop.name, "--from", &from];
    rehearse(&[], &[&name, args].concat())
}

fn codes(rehearsal: &Rehearsal) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of = |case: &Value| (text(&case["service"]), text(&case["diagnosis"]["code"]));
    let mut codes: Vec<_> = rehearsal.cases().iter().map(of).filter(|(_, code)| !code.is_empty()).collect();
    codes.sort();
    codes
}

fn is_warned(rehearsal: &Rehearsal, service: &str, code: &str) -> bool {
    let case = rehearsal.cases().iter().find(|case| case["service"] == service).expect("it is a case");
    case["warnings"].as_array().is_some_and(|warnings| warnings.iter().any(|warning| warning["code"] == code))
}

/// Makes a copy of an archive without the entries of these paths.
fn without(archive: &str, copy: &str, paths: &[String]) {
    let mut tar = Command::new("bsdtar");
    tar.arg("-cf").arg(copy);
    for path in paths {
        tar.args(["--exclude", path]);
    }
    let output = tar.arg(format!("@{archive}")).output().expect("bsdtar is there");
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn a_stack_that_the_engine_has_never_seen_comes_back_from_its_files_and_a_backup() {
    let (shop, archive) = Shop::running().dead();
    let (file, archive) = (shop.file(), shown(&archive));

    let rehearsal = rehearse_shop(&shop, &file, &archive, &[]);
    assert_eq!(rehearsal.code, Some(0), "{rehearsal}");
    let proofs: Vec<_> = rehearsal.cases().iter().map(|case| (&case["service"], &case["proof"])).collect();
    assert_eq!(proofs.len(), 3, "the migration is no case of its own: {rehearsal}");
    let proof = |service: &str| proofs.iter().find(|(name, _)| *name == service).map(|(_, proof)| (*proof).clone());
    assert_eq!(proof("db"), Some("data-proven".into()), "{rehearsal}");
    assert_eq!(proof("app"), Some("healthy".into()), "{rehearsal}");
    let app = rehearsal.cases().iter().find(|case| case["service"] == "app").expect("it is a case");
    let steps = app["steps"].as_array().expect("steps");
    let from = |target: &str| {
        let is_it = |step: &&Value| {
            step["step"] == "restore" && step["subject"].as_str().is_some_and(|subject| subject.contains(target))
        };
        steps.iter().find(is_it).map(|step| step["source"].clone())
    };
    let told = format!("{:#?}", steps);
    assert!(told.contains("project files"), "the secret came from the checkout: {told}");
    assert!(from("/data").is_none_or(|source| source != "project files"), "{told}");
    assert!(!rehearsal.stderr.contains("fixture-shop"), "{rehearsal}");
    assert!(!rehearsal.stderr.contains("outside of the project"), "a place in the backup is none: {rehearsal}");
    let recovery = format!("Recovery of {}: ", shop.name);
    let recovery = rehearsal.stderr.lines().find(|line| line.starts_with(&recovery)).expect("its time is told");
    assert!(recovery.contains("restoring") && recovery.contains("checking app"), "{recovery}");
    rehearsal.nothing_is_left();
    assert_eq!(docker(&["volume", "ls", "--quiet", "--filter", &format!("name={}", shop.name)]), "");

    // A part that the backup lacks is red, whatever else comes up.
    let bad = shown(&shop.beside("bad.tar"));
    without(&archive, &bad, &[format!("*volumes/{}_db*", shop.name), format!("*stacks/{}/data*", shop.name)]);
    let rehearsal = rehearse_shop(&shop, &file, &bad, &[]);
    assert_eq!(rehearsal.code, Some(101), "{rehearsal}");
    let expected = [("app", "restore/mount-missing"), ("db", "restore/mount-missing")];
    assert_eq!(codes(&rehearsal), expected.map(|(a, b)| (a.to_owned(), b.to_owned())), "{rehearsal}");

    // A file of the checkout that is gone stops a restore on a new host.
    std::fs::remove_file(shop.folder().join("token.txt")).expect("removed");
    let bad = shown(&shop.beside("no-token.tar"));
    without(&archive, &bad, &["*token.txt".to_owned()]);
    let of = |service: &str| format!("{}::{service}", shop.name);
    let rehearsal = rehearse_shop(&shop, &file, &bad, &["--skip", &of("cache"), "--skip", &of("db")]);
    assert_eq!(codes(&rehearsal), [("app".to_owned(), "config/missing-file".to_owned())], "{rehearsal}");
    std::fs::write(shop.folder().join("token.txt"), "x").expect("written");

    // An image that the engine does not have says nothing about the backup.
    let text = shop.read("compose.yaml").replace("rehearsa-fixture/redis:latest", "rehearsa-fixture/gone:1");
    std::fs::write(shop.folder().join("compose.yaml"), text).expect("written");
    let rehearsal = rehearse_shop(&shop, &file, &archive, &["--skip", &of("db"), "--skip", &of("app")]);
    assert_eq!(rehearsal.code, Some(102), "{rehearsal}");
    assert_eq!(codes(&rehearsal), [("cache".to_owned(), "config/image-unavailable".to_owned())], "{rehearsal}");
}

#[test]
fn a_running_stack_of_the_same_name_is_neither_read_nor_changed() {
    let shop = Shop::running();
    shop.compose(&["stop"]);
    let archive = shown(&shop.back_up("backup.tar", &["db", "cache"]));
    shop.compose(&["start", "db", "cache"]);
    let volume = format!("{}_cache", shop.name);
    let look = |script: &str| {
        let mount = format!("{volume}:/v");
        docker(&["run", "--rm", "--entrypoint", "sh", "--volume", &mount, "rehearsa-fixture/busybox", "-c", script])
    };
    look("echo mine >/v/live-only");
    let file = shop.file();
    let rehearsal = rehearse_shop(&shop, &file, &archive, &[&format!("{}::cache", shop.name)]);
    assert_eq!(rehearsal.code, Some(0), "{rehearsal}");
    let evidence = format!("{:#}", rehearsal.case());
    assert!(!evidence.contains("live-only"), "{evidence}");
    assert_eq!(look("cat /v/live-only"), "mine");
    rehearsal.nothing_is_left();
}

#[test]
fn a_backup_under_another_project_name_is_found_and_told() {
    let (shop, archive) = Shop::running().dead();
    let renamed = format!("{}-new", shop.name);
    let from = format!("tar:{}", shown(&archive));
    let app = format!("{renamed}::app");
    let rehearsal = rehearse(&[], &["-f", &shop.file(), "-p", &renamed, "--from", &from, "--skip", &app]);
    assert_eq!(rehearsal.code, Some(0), "{rehearsal}");
    assert!(is_warned(&rehearsal, "db", "config/project-name"), "{rehearsal}");
}

#[test]
fn a_running_stack_is_read_from_its_files_and_what_was_changed_since_is_told() {
    let shop = Shop::running();
    shop.compose(&["stop"]);
    let archive = shown(&shop.back_up("backup.tar", &["db", "cache"]));
    shop.compose(&["start", "db", "cache"]);
    let text = shop.read("compose.yaml");
    let changed = text
        .replace(
            "    command: [\"redis-server\"",
            "    environment: {FIXTURE_NEW: fixture-value}\n    command: [\"redis-server\"",
        )
        .replace("- cache:/data", "- cache2:/data")
        .replace("\n  cache:\n\nsecrets", "\n  cache: {name: unused}\n  cache2: {name: the-cache}\n\nsecrets");
    std::fs::write(shop.folder().join("compose.yaml"), changed).expect("written");
    let (cache, from) = (format!("{}::cache", shop.name), format!("tar:{archive}"));
    let map = format!("/data=var/lib/docker/volumes/{}_cache/_data", shop.name);
    let rehearsal = rehearse(&[&cache], &["--as-new-host", "--from", &from, "--map", &map]);
    assert_eq!(rehearsal.code, Some(0), "{rehearsal}");
    let warnings = rehearsal.case()["warnings"].as_array().expect("warnings").iter();
    let told: Vec<&str> = warnings
        .filter(|of| of["code"] == "config/changed-since-up")
        .map(|of| of["message"].as_str().expect("a message"))
        .collect();
    let [told] = told.as_slice() else { panic!("one warning: {rehearsal}") };
    assert!(told.contains("compose.yaml:") && told.contains("variables only in the files: FIXTURE_NEW"), "{told}");
    let volume = format!("/data is volume {}_cache in the container, and volume the-cache in the files", shop.name);
    assert!(told.contains(&volume) && !told.contains("fixture-value"), "{told}");
    rehearsal.nothing_is_left();
    // A service that was not changed is not told.
    let rehearsal = rehearse(&[&format!("{}::db", shop.name)], &["--as-new-host", "--from", &from]);
    assert_eq!(rehearsal.code, Some(0), "{rehearsal}");
    assert!(!is_warned(&rehearsal, "db", "config/changed-since-up"), "{rehearsal}");
}
