//! Encrypted backups with the right key, a wrong one and none. The passphrase appears in no output.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::backup::{keeper, sh, tar};
use crate::support::{rehearsa, rehearse_by, shown};

const PASSPHRASE: &str = "fixture-backup-passphrase";

/// rehearsa with the test's own keyring.
fn with_home(home: &Path) -> Command {
    let mut command = rehearsa(&[]);
    command.env("GNUPGHOME", home);
    command
}

const GPG: &str = "printf '%s\\n' fixture-backup-passphrase >right; echo fixture-wrong-passphrase >wrong; \
    mkdir -m 700 home; tar -C \"$1\" -czf x.tgz .; \
    GNUPGHOME=$PWD/home gpg --batch --quiet --pinentry-mode loopback --passphrase-file right --symmetric \
    -o x.tgz.gpg x.tgz";

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn gpg_opens_with_the_passphrase_and_with_nothing_else() {
    let (live, dir) = keeper(GPG);
    let (from, home) = (tar(dir.path().join("x.tgz.gpg")), dir.path().join("home"));
    let (right, wrong) = (shown(&dir.path().join("right")), shown(&dir.path().join("wrong")));
    let run =
        |command: Command, args: &[&str]| rehearse_by(command, &[&live.name], &[&["--from", &from], args].concat());
    run(with_home(&home), &["--passphrase-file", &right]).is_green("healthy");
    let mut command = with_home(&home);
    command.env("REHEARSA_PASSPHRASE", PASSPHRASE);
    run(command, &[]).is_green("healthy");
    // Also after the right passphrase was used: no agent may remember it.
    run(with_home(&home), &["--passphrase-file", &wrong]).failed("source/locked-out");
    run(with_home(&home), &[]).errored("source/unreachable");
    // gpg's messages are in the caller's language.
    let bin = dir.path().join("bin");
    sh(
        dir.path(),
        "mkdir bin; printf '#!/bin/sh\\n[ \"$LC_ALL\" = C ] && exec %s \"$@\"; echo Kein Schluessel >&2; exit 2' \
         \"$(command -v gpg)\" >bin/gpg; chmod +x bin/gpg",
        &[],
    );
    let mut command = with_home(&home);
    command.env("PATH", format!("{}:/usr/bin:/bin", shown(&bin))).env("LC_ALL", "de_DE.UTF-8");
    run(command, &["--passphrase-file", &wrong]).failed("source/locked-out");
    let mut command = with_home(&home);
    command.env("PATH", dir.path());
    run(command, &["--passphrase-file", &right]).errored("source/tool-missing");
    let whole = fs::read(dir.path().join("x.tgz.gpg")).unwrap();
    fs::write(dir.path().join("x.tgz.gpg"), &whole[..whole.len() - 20]).unwrap();
    run(with_home(&home), &["--passphrase-file", &right]).failed("source/corrupt");
}

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn age_opens_with_the_identity_and_with_nothing_else() {
    let (live, dir) = keeper(
        "age-keygen -o right 2>/dev/null; age-keygen -o wrong 2>/dev/null; \
         tar -C \"$1\" -cz . | age -r \"$(age-keygen -y right)\" >x.tgz.age; \
         tar -C \"$1\" -cz . | age -a -r \"$(age-keygen -y right)\" >armoured.tgz.age",
    );
    let run = |file: &str, args: &[&str]| {
        rehearse_by(rehearsa(&[]), &[&live.name], &[&["--from", &tar(dir.path().join(file))], args].concat())
    };
    let (right, wrong) = (shown(&dir.path().join("right")), shown(&dir.path().join("wrong")));
    run("x.tgz.age", &["--identity", &right]).is_green("healthy");
    run("armoured.tgz.age", &["--identity", &right]).is_green("healthy");
    run("x.tgz.age", &["--identity", &wrong]).failed("source/locked-out");
    run("x.tgz.age", &[]).errored("source/unreachable");
    run("x.tgz.age", &["--identity", &shown(&dir.path().join("none"))]).errored("source/unreachable");
}

/// age asks for a passphrase on a terminal only.
#[test]
#[ignore = "nightly: takes many rehearsals"]
fn age_opens_with_the_passphrase_and_with_nothing_else() {
    let (live, dir) = keeper(
        "printf '%s\\n' fixture-backup-passphrase >right; echo fixture-wrong-passphrase >wrong; \
         tar -C \"$1\" -czf x.tgz .; cat right right | script -qec 'age -p -o x.tgz.age x.tgz' /dev/null >/dev/null; \
         test -s x.tgz.age",
    );
    let run = |args: &[&str]| {
        rehearse_by(rehearsa(&[]), &[&live.name], &[&["--from", &tar(dir.path().join("x.tgz.age"))], args].concat())
    };
    run(&["--passphrase-file", &shown(&dir.path().join("right"))]).is_green("healthy");
    run(&["--passphrase-file", &shown(&dir.path().join("wrong"))]).failed("source/locked-out");
}

#[test]
fn no_passphrase_is_in_anything_that_is_said() {
    let (live, dir) = keeper(GPG);
    let from = tar(dir.path().join("x.tgz.gpg"));
    for (key, secret) in [("right", PASSPHRASE), ("wrong", "fixture-wrong-passphrase")] {
        let reports = dir.path().join(format!("reports-{key}"));
        let file = shown(&dir.path().join(key));
        let mut command = with_home(&dir.path().join("home"));
        command.env("REHEARSA_LOG", "trace").args(["test", "--exact", "--settle", "1s", "-vv", "--report-dir"]);
        command.arg(&reports).args(["--from", &from, "--passphrase-file", &file, &live.name]);
        let output = command.output().expect("rehearsa starts");
        let mut said = vec![output.stdout, output.stderr];
        for entry in fs::read_dir(&reports).expect("there are reports") {
            said.push(fs::read(entry.unwrap().path()).unwrap());
        }
        assert_eq!(
            output.status.code(),
            Some(if key == "right" { 0 } else { 101 }),
            "{}",
            String::from_utf8_lossy(&said[1])
        );
        assert!(String::from_utf8_lossy(&said[1]).contains("TRACE"), "{}", String::from_utf8_lossy(&said[1]));
        assert!(said.len() > 5, "only {} places", said.len());
        for text in said {
            let text = String::from_utf8_lossy(&text);
            assert!(!text.contains(secret), "{text}");
        }
    }
}
