//! Bad backups, each with its own diagnosis. No rehearsal leaves anything behind.

use std::fs;
use std::path::Path;

use crate::support::backup::{folder, keeper, kept, sh, tar};
use crate::support::{Live, Rehearsal, rehearse, shown};

fn from(live: &Live, path: &Path, args: &[&str]) -> Rehearsal {
    rehearse(&[&live.name], &[&["--from", &tar(path.to_owned())], args].concat())
}

/// Two files that no compression makes smaller.
const NOISE: &str =
    "head -c 50000 /dev/urandom >\"$1/noise1\"; head -c 50000 /dev/urandom >\"$1/noise2\"; tar -C \"$1\" -cf x.tar .";

#[test]
#[ignore = "nightly: the fault table has a trial of it"]
fn an_archive_that_is_cut_off_is_damaged_wherever_the_cut_is() {
    let (live, dir) = keeper(NOISE);
    let whole = fs::read(dir.path().join("x.tar")).unwrap();
    let end = whole.chunks(512).rposition(|block| block.iter().any(|byte| *byte != 0)).unwrap() * 512 + 512;
    // In the first header; between the first entry and the next; in a file; before the two blocks of the end.
    for cut in [100, 512, whole.len() / 2, end] {
        let path = dir.path().join(format!("cut-{cut}.tar"));
        fs::write(&path, &whole[..cut]).unwrap();
        from(&live, &path, &[]).failed("source/corrupt");
    }
}

#[test]
#[ignore = "nightly: the fault table has a trial of it"]
fn a_compressed_archive_that_is_cut_off_or_has_another_byte_is_damaged() {
    let (live, dir) =
        keeper(&format!("{NOISE}; gzip -k x.tar; zstd -q x.tar; head -c 512 x.tar | gzip >between.tar.gz"));
    for name in ["x.tar.gz", "x.tar.zst"] {
        let whole = fs::read(dir.path().join(name)).unwrap();
        let path = dir.path().join(format!("cut-{name}"));
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        from(&live, &path, &[]).failed("source/corrupt");
    }
    // The compression is intact, and its content is not.
    from(&live, &dir.path().join("between.tar.gz"), &[]).failed("source/corrupt");
    let mut flipped = fs::read(dir.path().join("x.tar.gz")).unwrap();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    let path = dir.path().join("flipped.tar.gz");
    fs::write(&path, flipped).unwrap();
    from(&live, &path, &[]).failed("source/corrupt");
}

#[test]
fn what_is_no_archive_or_not_there_is_told() {
    let (live, dir) = (kept().start(), folder());
    let at = |name: &str| dir.path().join(name);
    fs::write(at("dump.sql"), "-- a dump, and no archive\n".repeat(100)).unwrap();
    fs::write(at("nothing.tar"), "").unwrap();
    from(&live, &at("dump.sql"), &[]).failed("source/corrupt");
    from(&live, &at("nothing.tar"), &[]).failed("source/corrupt");
    // A format that is not read: nothing is known about the backup.
    fs::write(at("app.lz4"), [&b"\x04\x22\x4d\x18"[..], &[b'x'; 600]].concat()).unwrap();
    from(&live, &at("app.lz4"), &[]).errored("source/other-format");
    from(&live, &at("none.tar"), &[]).errored("source/unreachable");
    let none = from(&live, &at("none-*.tar"), &[]);
    none.failed("source/no-snapshot");
    assert!(none.message().contains("none-*.tar"), "{none}");
}

#[test]
#[ignore = "nightly: takes many rehearsals"]
fn what_is_too_old_too_slow_or_too_large_is_told() {
    let (live, dir) = keeper(
        "tar -C \"$1\" -cf app-2020-01-01.tar .; touch -d 2020-01-01 app-2020-01-01.tar; tar -C \"$1\" -cf now.tar .",
    );
    let (old, now) = (dir.path().join("app-2020-01-01.tar"), dir.path().join("now.tar"));
    let stale = from(&live, &old, &["--max-age", "26h"]);
    stale.failed("source/stale");
    assert!(stale.message().contains("2020-01-01"), "{stale}");
    from(&live, &now, &["--max-age", "26h"]).is_green("healthy");
    from(&live, &now, &["--max-rto", "1ms"]).failed("restore/too-slow");
    // The note has four bytes.
    from(&live, &now, &["--max-copy", "3B"]).errored("restore/too-large");
    from(&live, &now, &["--max-entries", "1"]).errored("restore/too-large");
}

/// Entries that would be written outside the volume, or that no backup of data holds.
#[test]
fn a_hostile_archive_writes_nothing_anywhere() {
    let (live, dir) = (kept().start(), folder());
    let canaries = folder();
    fs::write(canaries.path().join("canary"), "sings").unwrap();
    let make = r#"
import io, sys, tarfile
target = sys.argv[1]
def archive(name, *entries):
    with tarfile.open(name, "w") as out:
        for path, kind, link in (("./note", tarfile.REGTYPE, ""),) + entries:
            entry = tarfile.TarInfo(path)
            entry.type, entry.linkname, entry.size = kind, link, 4 if kind == tarfile.REGTYPE else 0
            out.addfile(entry, io.BytesIO(b"kept"))
up = "./" + "../" * 12
archive("up.tar", (up + target + "/canary", tarfile.REGTYPE, ""))
archive("inside.tar", ("./a/../../canary", tarfile.REGTYPE, ""))
archive("link.tar", ("./way", tarfile.SYMTYPE, target), ("./way/canary", tarfile.REGTYPE, ""))
archive("hard.tar", ("./hard", tarfile.LNKTYPE, up + target + "/canary"))
archive("device.tar", ("./device", tarfile.BLKTYPE, ""))
"#;
    let script = dir.path().join("make.py");
    fs::write(&script, make).unwrap();
    sh(dir.path(), "python3 make.py \"$1\"", &[&shown(canaries.path())]);
    for name in ["up", "inside", "link", "hard", "device"] {
        let rehearsal = from(&live, &dir.path().join(format!("{name}.tar")), &[]);
        assert_eq!(rehearsal.diagnosis()["code"], "restore/unsafe-entry", "{name}: {rehearsal}");
        rehearsal.failed("restore/unsafe-entry");
    }
    let left: Vec<_> = fs::read_dir(canaries.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["canary"]);
    assert_eq!(fs::read_to_string(canaries.path().join("canary")).unwrap(), "sings");
}

#[test]
fn a_file_is_no_folder_on_either_side() {
    let (live, dir) = keeper("tar -C \"$1\" -cf x.tar .");
    let path = shown(&dir.path().join("x.tar"));
    for kind in ["dir", "daemon"] {
        rehearse(&[&live.name], &["--from", &format!("{kind}:{path}")]).errored("source/unreachable");
    }
}

/// A symlink stands where the folder of the volume is looked for: what it leads to is not in the backup.
#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn a_symlink_is_no_volume() {
    let (live, dir) =
        keeper("mkdir -p volumes; cp -a \"$1\" real; ln -s ../real volumes/\"$2\"; mkdir other; touch other/a");
    for kind in ["dir", "daemon"] {
        let rehearsal = rehearse(&[&live.name], &["--from", &format!("{kind}:{}", shown(dir.path()))]);
        rehearsal.failed("restore/mount-missing");
    }
}

/// What comes after it would be lost without a word, if zeros were taken for the end.
#[test]
#[ignore = "nightly: the fault table has a trial of it"]
fn zeros_in_the_middle_are_damage() {
    let (live, dir) = keeper(NOISE);
    let whole = fs::read(dir.path().join("x.tar")).unwrap();
    let name = whole.chunks(512).position(|block| block.starts_with(b"./noise2")).unwrap();
    for blocks in [1, 4] {
        let mut zeroed = whole.clone();
        zeroed[name * 512..(name + blocks) * 512].fill(0);
        let path = dir.path().join(format!("zeroed-{blocks}.tar"));
        fs::write(&path, zeroed).unwrap();
        from(&live, &path, &[]).failed("source/corrupt");
    }
}

#[test]
fn the_folder_of_another_volume_is_not_taken() {
    let (other, live) = (kept().start(), kept().start());
    let dir = folder();
    let name = other.first_volume();
    sh(dir.path(), "cp -a \"$1\" \"$2\"; tar -czf alone.tgz \"$2\"", &[&crate::support::backup::data_of(name), name]);
    from(&live, &dir.path().join("alone.tgz"), &[]).failed("restore/mount-missing");
}

/// A service would begin anew beside it, and be healthy.
#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn what_is_alone_in_a_backup_and_looks_like_nothing_live_is_not_taken() {
    let live = kept().start();
    let dir = folder();
    sh(dir.path(), "mkdir app; echo services: >app/compose.yml; echo x >app/README; tar -czf alone.tgz app", &[]);
    let path = dir.path().join("alone.tgz");
    let rehearsal = from(&live, &path, &[]);
    rehearsal.errored("restore/ambiguous");
    let message = rehearsal.diagnosis()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("compose.yml") && message.contains("note"), "{message}");
    // With `--map` the part is used, with a warning.
    let said = from(&live, &path, &["--map", "/mounted=app"]);
    assert!(said.case()["warnings"].to_string().contains("data/unlike-live"), "{said}");
}

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn archives_of_different_things_have_no_newest() {
    let (live, dir) = keeper("mkdir many; for of in app other; do tar -C \"$1\" -czf many/$of-2026-11-25.tgz .; done");
    let many = dir.path().join("many");
    from(&live, &many, &[]).errored("source/several");
    from(&live, &many.join("app-*.tgz"), &[]).is_green("healthy");
}
