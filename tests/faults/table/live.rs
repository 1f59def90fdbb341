//! Backups that lack, or have otherwise, what live has not touched since. No healthcheck notices: the service answers
//! whatever its files are.
//!
//! The times of changes cannot be set, so the live files of most trials are old ones of the test machine: a folder of
//! the package `base-files`, which every Debian has, mounted into a service that leaves its mount alone.

use std::path::Path;

use Form::{Dir, Restic, Tar};
use Kind::Small;

use crate::fault::{Fault, Own, fault, rehearse_here};
use crate::form::Form;
use crate::kind::Kind;
use crate::support::backup::{data_of, sh};
use crate::support::{Rehearsal, restic, service};

/// A folder whose files are older than the tests.
const OLD: &str = "/usr/share/common-licenses";
/// An archive whose name says when it was made.
const NAMED: &str = "tar -C data -cf \"x-$(date -u +%Y%m%dT%H%M%SZ).tar\" .";

pub fn faults() -> Vec<Fault> {
    [missing(), changed(), rights(), harmless()].into_iter().flatten().collect()
}

fn differs(what: &'static str, form: Form, own: Own, words: &'static [&'static str]) -> Fault {
    fault(51, what, Small, form).own(own).failed("data/differs-from-live", words)
}

fn missing() -> Vec<Fault> {
    vec![
        differs(
            "files are missing",
            Tar,
            |dir| trial(dir, "rm data/GPL-3 data/BSD", NAMED),
            &["2 are missing", "GPL-3"],
        ),
        differs(
            "files are missing, and only the end of the backup is known",
            Tar,
            |dir| trial(dir, "rm data/GPL-3", "tar -C data -cf x.tar ."),
            &["1 is missing", "GPL-3"],
        ),
        differs("files are missing", Dir, |dir| trial(dir, "rm data/GPL-3", ""), &["1 is missing", "GPL-3"]),
        differs("files are missing", Restic, |dir| trial(dir, "rm data/GPL-3", RESTIC), &["1 is missing", "GPL-3"]),
        differs(
            "the data of something else",
            Tar,
            |dir| trial(dir, "rm data/*; echo kept >data/note; echo x >data/GPL-3", NAMED),
            &["are missing", "1 is smaller", "GPL-3 has 2 B"],
        ),
        differs(
            "names in other letters",
            Tar,
            |dir| trial(dir, "mv data/GPL-3 data/gpl-3", NAMED),
            &["1 is missing", "GPL-3"],
        ),
    ]
}

fn changed() -> Vec<Fault> {
    vec![
        differs(
            "a file is cut off",
            Tar,
            |dir| trial(dir, "truncate -s 1000 data/GPL-3", NAMED),
            &["1 is smaller", "GPL-3 has 1000 B instead of"],
        ),
        differs(
            "files are zeros",
            Tar,
            |dir| trial(dir, "s=$(stat -c %s data/GPL-3); truncate -s 0 data/GPL-3; truncate -s $s data/GPL-3", NAMED),
            &["GPL-3 holds zeros"],
        ),
        differs(
            "a file has other content",
            Tar,
            |dir| trial(dir, "printf x | dd of=data/GPL-3 bs=1 seek=9000 conv=notrunc status=none", NAMED),
            &["GPL-3 has other content"],
        ),
        differs(
            "two files are swapped",
            Dir,
            |dir| trial(dir, "mv data/GPL-3 x; mv data/GPL-2 data/GPL-3; mv x data/GPL-2", ""),
            &["GPL-2 has", "GPL-3 has"],
        ),
        differs(
            "a symlink leads elsewhere",
            Tar,
            |dir| trial(dir, "ln -sfn BSD data/GPL", NAMED),
            &["GPL leads to BSD instead of GPL-3"],
        ),
    ]
}

/// A service that cannot live with it fails with the cause; one that can is told.
fn rights() -> Vec<Fault> {
    vec![
        fault(51, "a file belongs to another user", Small, Tar)
            .own(|dir| trial(dir, "chown 12345 data/GPL-3", NAMED))
            .warned("data/metadata-lost", &["1 came back with another owner", "12345", "came up nevertheless"]),
        fault(51, "a file that is needed may not be read", Small, Tar)
            .own(|dir| needing(dir, "chown 12345 data/GPL-3; chmod 600 data/GPL-3", NAMED))
            .failed(
                "data/ownership",
                &["1 came back with another owner", "12345", "exited with code 4", "Permission denied"],
            ),
    ]
}

fn harmless() -> Vec<Fault> {
    let harmless = |what, own| fault(51, what, Small, Tar).own(own).harmless();
    vec![
        harmless("all of it is as live", |dir| trial(dir, ":", NAMED)),
        harmless("what is missing is excluded", |dir| {
            excluding(dir, "rm data/GPL-3 data/BSD", &["--exclude", "GPL-*", "--exclude", "/BSD"])
        }),
        harmless("live went on since, was restarted and handed over", going_on),
    ]
}

/// Is content with whatever it reads.
const CONTENT: &str = "find /mounted -type f -exec cat {} + >/dev/null; exec behave healthy";

/// Needs a file that its user may read.
const READS: &str = "cat /mounted/GPL-3 >/dev/null || exit 4; exec behave healthy";

/// Makes the repository and its snapshot.
const RESTIC: &str = "echo $RESTIC_PASSWORD >key; restic init -r x.restic; cd data; \
    restic -r ../x.restic backup --host fixture-host .";

/// Rehearses a service on old files from a backup of them that this script damaged, and that `make` made.
fn trial(dir: &Path, damage: &str, make: &str) -> Rehearsal {
    rehearse_old(dir, damage, make, &[], CONTENT)
}

fn excluding(dir: &Path, damage: &str, args: &[&str]) -> Rehearsal {
    rehearse_old(dir, damage, NAMED, args, CONTENT)
}

/// As [`trial`], with a service that reads a file by its owner and mode, as one that does not run as root.
fn needing(dir: &Path, damage: &str, make: &str) -> Rehearsal {
    rehearse_old(dir, damage, make, &[], READS)
}

fn rehearse_old(dir: &Path, damage: &str, make: &str, args: &[&str], script: &str) -> Rehearsal {
    let mount = format!("{OLD}:/mounted");
    // Root without this right may read what it owns, as any user.
    let options = ["--volume", &mount, "--cap-drop", "DAC_OVERRIDE"];
    let live = service("broken").options(&options).rehearsed_as(script).start();
    let script = format!("{}cp -a \"$1\" data; {damage}; {make}", restic::TOOLS);
    sh(dir, &script, &[OLD]);
    rehearse_from(dir, &live.name, make, args)
}

/// Rehearses from the backup that `make` made in this folder.
fn rehearse_from(dir: &Path, name: &str, make: &str, args: &[&str]) -> Rehearsal {
    let at = |file: &str| crate::support::shown(&dir.join(file));
    let mut all = vec!["--from".to_owned()];
    match make {
        "" => all.push(format!("dir:{}", at("data"))),
        RESTIC => {
            all.push(format!("restic:{}", at("x.restic")));
            all.extend(["--passphrase-file".to_owned(), at("key")]);
        }
        _ => all.push(format!("tar:{}", at("x*.tar"))),
    }
    all.extend(args.iter().map(|&arg| arg.to_owned()));
    rehearse_here(dir, name, None, &all, true)
}

/// A backup that was made while its service ran. Since then live has made, changed, renamed, replaced and removed files
/// and folders, was started again, and has handed all of them to its user, as many entrypoints do.
fn going_on(dir: &Path) -> Rehearsal {
    let live = service("broken").volume("/mounted").rehearsed_as(CONTENT).start();
    let data = data_of(live.first_volume());
    // The clock of the files is past the last write when the backup begins.
    let make = "cd \"$1\"; mkdir -p a/b c d/e log; for f in a/1 a/2 a/b/3 c/4 d/e/5 6 7; do echo \"$f\" >$f; done; \
        last=$(date +%s); until [ \"$(date +%s)\" -gt $((last + 3)) ]; do sleep 0.2; done; \
        tar -cf \"$OLDPWD/x.tar\" .";
    sh(dir, make, &[&data]);
    let since = "cd \"$1\"; echo changed >a/1; rm a/2; echo new >a/new; mv c renamed; mv d/e a/e; echo 8 >8.tmp; \
        mv 8.tmp 6; mkdir -p moved; echo x >moved/x; cp -a a/b a/copy; ln 7 seven";
    sh(dir, since, &[&data]);
    sh(dir, "docker restart -t 0 \"$1\" >/dev/null; chown -R 0:0 \"$2\"", &[&live.name, &data]);
    rehearse_from(dir, &live.name, "tar", &["--witness-slack", "0"])
}
