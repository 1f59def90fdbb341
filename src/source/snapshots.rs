//! The snapshots of a path with a pattern: every matching file or folder is one.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::error::SourceError;
use super::other_kind;
use super::parts::part_name;
use super::timestamp_from_name::{time_in_name, timestamp_in_name};
use crate::model::event::Snapshot;
use crate::model::source::{SnapshotTraits, is_sidecar};
use crate::model::source_kind::{SourceKind, is_archive_name, is_dump_name};
use crate::model::witness::{BackupClock, DEFAULT_SLACK};

/// Things of a folder that a message names if what was looked for is not among them.
const OTHERS: usize = 5;
/// Greatest difference at which the file's own time replaces the time in its name: names have local times, and a file
/// may be finished some hours after the time in its name.
const NEAR: SignedDuration = SignedDuration::from_hours(26);

/// The folders of a path, oldest first: the path itself, or the folders that match a pattern in the last component.
pub fn folders(path: &Path) -> Result<Vec<(Snapshot, PathBuf)>, SourceError> {
    find_snapshots(path, SnapshotForm::Folder, |_| true)
}

/// The archives of a path, oldest first: the path itself, the files that match a pattern in the last component, or the
/// archives in the folder at the path.
pub fn archives(path: &Path) -> Result<Vec<(Snapshot, PathBuf)>, SourceError> {
    if path.is_dir() {
        let fits = |name: &str| is_archive_name(whole_name(name));
        return match find_snapshots(&path.join("*"), SnapshotForm::Archive, fits) {
            Err(SourceError::NoSnapshot(why)) => {
                other_kind::refuse(path, SourceKind::Tar)?;
                let shown = path.display();
                let words =
                    format!("{shown} is a folder without an archive; write `dir:{shown}` for the folder itself");
                Err(SourceError::NoSnapshot(format!("{words}: {why}")))
            }
            found => found,
        };
    }
    find_snapshots(path, SnapshotForm::Archive, |_| true)
}

/// The dumps of a path, oldest first: the path itself (a file or a folder of `pg_dump -Fd`), the dumps that match a
/// pattern in the last component, or the dumps in the folder at the path.
pub fn dumps(path: &Path) -> Result<Vec<(Snapshot, PathBuf)>, SourceError> {
    if path.is_dir() && !is_dump_folder(path) {
        let fits = |name: &str| is_dump_name(whole_name(name));
        return match find_snapshots(&path.join("*"), SnapshotForm::Dump, fits) {
            Err(SourceError::NoSnapshot(_)) => {
                other_kind::refuse(path, SourceKind::Dump)?;
                Err(SourceError::NoSnapshot(format!(
                    "{} is a folder without a dump in it (such as app.sql.gz), and no folder of pg_dump -Fd",
                    path.display()
                )))
            }
            found => found,
        };
    }
    find_snapshots(path, SnapshotForm::Dump, |_| true)
}

/// The name of the file that this one is a part of; else its own.
fn whole_name(name: &str) -> &str {
    part_name(name).map_or(name, |part| part.whole)
}

fn is_dump_folder(path: &Path) -> bool {
    path.join("toc.dat").exists()
}

/// The kind of thing that is a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SnapshotForm {
    Folder,
    Archive,
    Dump,
}

impl SnapshotForm {
    fn fits(self, path: &Path, metadata: &Metadata) -> bool {
        match self {
            SnapshotForm::Folder => metadata.is_dir(),
            SnapshotForm::Archive => !metadata.is_dir(),
            SnapshotForm::Dump => !metadata.is_dir() || is_dump_folder(path),
        }
    }

    fn noun(self) -> &'static str {
        match self {
            SnapshotForm::Folder => "folder",
            SnapshotForm::Archive | SnapshotForm::Dump => "file",
        }
    }

    /// The message about a path that has a thing of another kind.
    fn mismatch(self, path: &Path) -> String {
        let shown = path.display();
        match self {
            SnapshotForm::Folder => format!("{shown} is no folder; write `tar:{shown}` for an archive"),
            SnapshotForm::Archive => format!("{shown} is a folder and no archive; write `dir:{shown}` for it"),
            SnapshotForm::Dump => format!("{shown} is a folder, and no folder of pg_dump -Fd"),
        }
    }
}

fn find_snapshots(
    path: &Path,
    kind: SnapshotForm,
    fits: impl Fn(&str) -> bool,
) -> Result<Vec<(Snapshot, PathBuf)>, SourceError> {
    let cannot = |kind: SnapshotForm, path: &Path, error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => SourceError::NotThere(format!("there is no {} {}", kind.noun(), path.display())),
        _ => SourceError::Unreachable { path: path.to_owned(), error },
    };
    let named = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !named.contains(['*', '?', '[']) || std::fs::symlink_metadata(path).is_ok() {
        let metadata = std::fs::metadata(path).map_err(|error| cannot(kind, path, error))?;
        if !kind.fits(path, &metadata) {
            return Err(SourceError::NotThere(kind.mismatch(path)));
        }
        let named = if named.is_empty() { path.display().to_string() } else { named };
        return Ok(vec![(Snapshot { time: snapshot_time(&named, &metadata), id: named }, path.to_owned())]);
    }
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let pattern =
        glob::Pattern::new(&named).map_err(|error| SourceError::NotThere(format!("{named} is no pattern: {error}")))?;
    let (mut found, mut other, mut seen) = (Vec::new(), None, Names::default());
    for entry in std::fs::read_dir(folder).map_err(|error| cannot(SnapshotForm::Folder, folder, error))? {
        let entry = entry.map_err(|error| cannot(SnapshotForm::Folder, folder, error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        seen.add(&name);
        // A link such as `backup-latest.tar.gz` is a second name of another snapshot.
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        let Ok(metadata) = entry.metadata() else { continue };
        if is_link || !pattern.matches(&name) || !fits(&name) {
            continue;
        }
        if kind.fits(&entry.path(), &metadata) {
            found.push((Snapshot { time: snapshot_time(&name, &metadata), id: name }, entry.path()));
        } else {
            other = Some(kind.mismatch(&entry.path()));
        }
    }
    if found.is_empty() {
        return Err(SourceError::NoSnapshot(
            other.unwrap_or_else(|| format!("no {} fits {} ({seen})", kind.noun(), path.display())),
        ));
    }
    leave_out_companions(&mut found);
    sort(&mut found);
    Ok(found)
}

/// The first names of a folder, and how many there are. A folder may have a million.
#[derive(Default)]
struct Names {
    first: BTreeSet<String>,
    count: usize,
}

impl Names {
    fn add(&mut self, name: &str) {
        self.count += 1;
        self.first.insert(name.to_owned());
        if self.first.len() > OTHERS {
            self.first.pop_last();
        }
    }
}

impl std::fmt::Display for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named = self.first.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        match (self.count, self.count - self.first.len()) {
            (0, _) => f.write_str("the folder is empty"),
            (_, 0) => write!(f, "there is {named}"),
            (_, more) => write!(f, "there is {named} and {more} more"),
        }
    }
}

/// Sorts snapshots, oldest first. If all names have times, these order the snapshots: copied files have the times of
/// the copy.
pub fn sort<T>(found: &mut [(Snapshot, T)]) {
    if found.iter().all(|(snapshot, _)| timestamp_in_name(&snapshot.id).is_some()) {
        found.sort_by(|(a, _), (b, _)| (timestamp_in_name(&a.id), &a.id).cmp(&(timestamp_in_name(&b.id), &b.id)));
    } else {
        found.sort_by(|(a, _), (b, _)| (a.time, &a.id).cmp(&(b.time, &b.id)));
    }
}

/// Leaves out files that lie beside backups and are none: checksums, signatures, lists, logs, and files that a job is
/// still writing. They stay if there is nothing else.
pub fn leave_out_companions<T>(found: &mut Vec<(Snapshot, T)>) {
    const ENDINGS: [&str; 24] = [
        "md5",
        "sha1",
        "sha224",
        "sha256",
        "sha384",
        "sha512",
        "b2",
        "b3",
        "crc",
        "sfv",
        "sum",
        "sig",
        "minisig",
        "ots",
        "tmp",
        "temp",
        "part",
        "partial",
        "inprogress",
        "log",
        "json",
        "txt",
        "lock",
        "list",
    ];
    let names: BTreeSet<String> = found.iter().map(|(snapshot, _)| snapshot.id.clone()).collect();
    let is_companion = |name: &str| {
        if is_sidecar(name.as_bytes()) {
            return true;
        }
        let Some((of, ending)) = name.rsplit_once('.') else { return name.to_uppercase().ends_with("SUMS") };
        ENDINGS.contains(&ending.to_lowercase().as_str())
            // A signature as text has the ending of an encrypted file.
            || ending == "asc" && names.contains(of)
    };
    if names.iter().any(|name| !is_companion(name)) {
        found.retain(|(snapshot, _)| !is_companion(&snapshot.id));
    }
}

/// How it is known whether snapshots are of one thing, so that the newest of them is the newest backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kinship {
    /// Their names differ in nothing but their times.
    ByName,
    /// Their names differ in nothing but their times and how often they are made: `daily`, `monthly`.
    ByNameWithoutPolicy,
    /// Their place says that they are of one thing.
    OneThing,
}

/// The names of the things that the backups are of: the ids without numbers, days, months and file endings. With more
/// than one name, time does not say which backup is wanted.
pub fn stems<'a>(ids: impl Iterator<Item = &'a str>, kinship: Kinship) -> BTreeSet<String> {
    match kinship {
        Kinship::ByName => ids.map(|id| stem(id, &[])).collect(),
        Kinship::ByNameWithoutPolicy => ids.map(|id| stem(id, &POLICIES)).collect(),
        Kinship::OneThing => BTreeSet::new(),
    }
}

/// What the name of a snapshot tells about it.
pub fn traits_of_name(snapshot: &Snapshot) -> SnapshotTraits {
    traits_among(snapshot, Kinship::ByName)
}

/// What the name of a snapshot tells about it, and the group of its kin.
pub fn traits_among(snapshot: &Snapshot, kinship: Kinship) -> SnapshotTraits {
    let id = snapshot.id.as_str();
    let group = stems(std::iter::once(id), kinship).pop_first().unwrap_or_default();
    SnapshotTraits {
        time_told: timestamp_in_name(id).is_some(),
        clock: clock_by_name(snapshot),
        group,
        ..Default::default()
    }
}

/// Hours by which local time may be ahead of UTC.
const AHEAD: SignedDuration = SignedDuration::from_hours(14);

/// When a snapshot began, if its name tells. A name without a zone has the local time of an unknown machine, so the
/// earliest moment of that time anywhere counts.
fn clock_by_name(snapshot: &Snapshot) -> BackupClock {
    let Some((named, has_zone)) = time_in_name(&snapshot.id) else { return BackupClock::Unknown };
    let earliest = if has_zone { named } else { named.saturating_sub(AHEAD).unwrap_or(named) };
    // A file that was last written to before that did not begin after it.
    let slack = SignedDuration::try_from(DEFAULT_SLACK).unwrap_or_default();
    let written = snapshot.time.filter(|time| *time < earliest).and_then(|time| time.saturating_sub(slack).ok());
    BackupClock::Began(written.unwrap_or(earliest).as_second())
}

/// What is known of an archive: its name, else the time at which its file was last written to.
pub fn traits_of_file(snapshot: &Snapshot) -> SnapshotTraits {
    let traits = traits_of_name(snapshot);
    match (traits.clock, snapshot.time) {
        (BackupClock::Unknown, Some(time)) => {
            SnapshotTraits { clock: BackupClock::Written(time.as_second()), ..traits }
        }
        _ => traits,
    }
}

/// Words by which the names of snapshots say how often they are made.
const POLICIES: [&str; 13] = [
    "frequent",
    "frequently",
    "minutely",
    "hourly",
    "daily",
    "weekly",
    "monthly",
    "quarterly",
    "yearly",
    "annual",
    "annually",
    "ondemand",
    "boot",
];

/// The words of a name that are neither of its time nor in `policies`.
fn stem(id: &str, policies: &[&str]) -> String {
    const OF_TIME: [&str; 19] = [
        "mon", "tue", "wed", "thu", "fri", "sat", "sun", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep",
        "oct", "nov", "dec",
    ];
    const ENDINGS: [&str; 19] = [
        "sql", "dump", "rdb", "tar", "tgz", "tbz", "txz", "tzst", "gz", "zst", "zstd", "xz", "bz", "age", "gpg", "pgp",
        "asc", "t", "z",
    ];
    let lower = id.to_lowercase();
    let tokens = lower.split(|c: char| !c.is_alphanumeric()).filter(|token| !is_random(token));
    let words = tokens.flat_map(|token| token.split(|c: char| !c.is_alphabetic())).filter(|word| !word.is_empty());
    let is_of_name = |word: &&str| {
        let day_or_month = OF_TIME.iter().any(|time| word.starts_with(time) && word.len() <= 9);
        !day_or_month && !ENDINGS.contains(word) && !policies.contains(word)
    };
    words.filter(is_of_name).collect::<Vec<_>>().join(" ")
}

/// Whether a token of a name looks like a random or hashed one (`a8f3c2`, `x7k2q9`): digits and letters take turns, or
/// it is a long hexadecimal number.
fn is_random(token: &str) -> bool {
    let has_digit = token.bytes().any(|byte| byte.is_ascii_digit());
    let is_hex = token.len() >= 6 && has_digit && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    let letters = token.bytes().map(|byte| byte.is_ascii_alphabetic());
    let turns = letters.clone().zip(letters.skip(1)).filter(|(one, next)| one != next).count();
    // `20261101t0315z` is a time, and tells nothing either.
    has_digit && (is_hex || turns >= 3)
}

fn snapshot_time(name: &str, metadata: &Metadata) -> Option<Timestamp> {
    closest_time(name, metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok()))
}

/// The time in a name, or the time of the last change where that is near or the name has none.
pub fn closest_time(name: &str, modified: Option<Timestamp>) -> Option<Timestamp> {
    match (timestamp_in_name(name), modified) {
        (Some(named), Some(modified)) if modified.duration_since(named).abs() <= NEAR => Some(modified),
        (Some(named), _) => Some(named),
        (None, modified) => modified,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(path: &Path, unix: u64) {
        let file = std::fs::File::create(path).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(unix)).unwrap();
    }

    fn ids(path: &Path) -> Vec<String> {
        archives(path).unwrap().into_iter().map(|(snapshot, _)| snapshot.id).collect()
    }

    #[test]
    fn the_time_in_the_name_orders_before_the_files_own() {
        let dir = tempfile::tempdir().unwrap();
        // The files were copied here together, so they have the time of the copy; the older one even a later time.
        touch(&dir.path().join("app-2026-11-01.tar"), 1_790_000_500);
        touch(&dir.path().join("app-2026-11-03.tar"), 1_790_000_000);
        touch(&dir.path().join("other-2026-12-01.tar"), 1_790_000_000);
        std::os::unix::fs::symlink("app-2026-11-03.tar", dir.path().join("app-latest.tar")).unwrap();
        std::fs::create_dir(dir.path().join("app-2026-11-09.tar")).unwrap();
        assert_eq!(ids(&dir.path().join("app-*.tar")), ["app-2026-11-01.tar", "app-2026-11-03.tar"]);
    }

    #[test]
    fn without_a_time_in_the_name_the_files_own_counts() {
        let dir = tempfile::tempdir().unwrap();
        touch(&dir.path().join("a.tar"), 2_000);
        touch(&dir.path().join("b.tar"), 1_000);
        assert_eq!(ids(&dir.path().join("*.tar")), ["b.tar", "a.tar"]);
        let (snapshot, _) = archives(&dir.path().join("a.tar")).unwrap().remove(0);
        assert_eq!(snapshot.time.unwrap().as_second(), 2_000);
    }

    #[test]
    fn a_pattern_that_fits_nothing_says_where_it_looked() {
        let dir = tempfile::tempdir().unwrap();
        touch(&dir.path().join("a.zip"), 1_000);
        let error = archives(&dir.path().join("*.tar")).unwrap_err();
        assert!(matches!(error, SourceError::NoSnapshot(_)), "{error}");
        let words = error.to_string();
        assert!(words.contains(&dir.path().display().to_string()) && words.contains("there is a.zip"), "{words}");
    }

    #[test]
    fn names_that_differ_in_more_than_their_times_are_of_different_things() {
        let count = |ids: &[&str]| stems(ids.iter().copied(), Kinship::ByName).len();
        assert_eq!(count(&["app-2026-11-01.tar.gz", "app-2026-11-02T03-00.tar.zst", "app_20261103.tgz.age"]), 1);
        assert_eq!(count(&["backup-mon.tar", "backup-Tuesday.tar", "backup-nov.tar"]), 1);
        assert_eq!(count(&["2026-11-01", "2026-11-02"]), 1);
        assert_eq!(count(&["app_data-2026-11-01.tar", "app_config-2026-11-01.tar"]), 2);
    }

    #[test]
    fn how_often_snapshots_are_made_does_not_tell_them_apart() {
        let count = |ids: &[&str], kinship| stems(ids.iter().copied(), kinship).len();
        let of_one = ["autosnap_2026-11-01_00:00:01_daily", "autosnap_2026-11-01_00:00:01_monthly"];
        assert_eq!(count(&of_one, Kinship::ByName), 2);
        assert_eq!(count(&of_one, Kinship::ByNameWithoutPolicy), 1);
        let of_two = ["app.20261101", "db.20261101"];
        assert_eq!(count(&of_two, Kinship::ByNameWithoutPolicy), 2);
        assert_eq!(count(&of_two, Kinship::OneThing), 0);
    }

    #[test]
    fn a_random_end_is_no_name_of_another_thing() {
        let count = |ids: &[&str]| stems(ids.iter().copied(), Kinship::ByName).len();
        assert_eq!(count(&["app-2026-11-01-a8f3c2.tar.gz", "app-2026-11-02-09ab41.tar.gz"]), 1);
        assert_eq!(count(&["app-20261101T0315Z-x7k2q9.tar", "app-20261102T0315Z-p0m4zz.tar"]), 1);
        assert_eq!(count(&["app_6f1e2c34-5b6a-4c7d-8e9f-0a1b2c3d4e5f.tgz", "app_deadbee1.tgz"]), 1);
        assert_eq!(count(&["db1-2026-11-01.sql", "web1-2026-11-01.sql"]), 2);
        assert_eq!(count(&["2026-11-01-app.tar", "2026-11-01-cafe.tar"]), 2);
    }

    #[test]
    fn what_lies_beside_backups_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let name = "app-2026-11-01.tar.gz";
        for end in ["", ".md5", ".sha256", ".asc", ".sig", ".log", ".json"] {
            touch(&dir.path().join(format!("{name}{end}")), 1_000);
        }
        touch(&dir.path().join("._app-2026-11-02.tar.gz"), 2_000);
        touch(&dir.path().join("app-2026-11-02.tar.gz.part"), 2_000);
        touch(&dir.path().join("app-2026-11-02.tar.gz.tmp"), 2_000);
        touch(&dir.path().join("app-2026-10-31.tar.gz.asc"), 500);
        let mut found = ids(&dir.path().join("*app-*"));
        assert_eq!(found.pop().as_deref(), Some(name));
        // A file without its own plain text is encrypted, not a signature.
        assert_eq!(found, ["app-2026-10-31.tar.gz.asc"]);
        let alone = tempfile::tempdir().unwrap();
        touch(&alone.path().join("app.log"), 1_000);
        assert_eq!(ids(&alone.path().join("app.*")), ["app.log"]);
    }

    #[test]
    fn parts_are_found_in_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        touch(&dir.path().join("app.tar.gz.partaa"), 1_000);
        touch(&dir.path().join("app.tar.gz.partab"), 1_000);
        touch(&dir.path().join("notes.partaa"), 1_000);
        assert_eq!(ids(dir.path()), ["app.tar.gz.partaa", "app.tar.gz.partab"]);
    }

    #[test]
    fn names_that_all_tell_a_time_tell_the_order() {
        let dir = tempfile::tempdir().unwrap();
        // Times of the copy in the wrong order, about an hour off the times in the names.
        touch(&dir.path().join("app-2026-11-25T13-00.tar"), 1_795_610_000);
        touch(&dir.path().join("app-2026-11-25T08-00.tar"), 1_795_610_009);
        assert_eq!(ids(&dir.path().join("app-*.tar")), ["app-2026-11-25T08-00.tar", "app-2026-11-25T13-00.tar"]);
    }

    #[test]
    fn the_earliest_beginning_that_a_name_allows_counts() {
        let began = |id: &str, time: Option<&str>| {
            let time = time.map(|time| time.parse().unwrap());
            let clock = traits_of_file(&Snapshot { id: id.to_owned(), time }).clock;
            let shown = |time| Timestamp::from_second(time).unwrap().to_string();
            match clock {
                BackupClock::Began(time) => format!("began {}", shown(time)),
                BackupClock::Written(time) => format!("written {}", shown(time)),
                BackupClock::Unknown => "unknown".to_owned(),
            }
        };
        let at = "2026-11-22T03:30:00Z";
        assert_eq!(began("app-2026-11-22T03-00.tar", Some(at)), "began 2026-11-21T13:00:00Z");
        assert_eq!(began("app-20261122T0300Z.tar", Some(at)), "began 2026-11-22T03:00:00Z");
        assert_eq!(
            began("app-2026-11-23.tar", Some("2026-11-22T04:00:00Z")),
            "began 2026-11-22T03:00:00Z",
            "an hour before its end"
        );
        assert_eq!(began("app.tar", Some(at)), "written 2026-11-22T03:30:00Z");
        assert_eq!(began("-", None), "unknown");
        let folder = Snapshot { id: "current".to_owned(), time: Some(at.parse().unwrap()) };
        assert_eq!(traits_of_name(&folder).clock, BackupClock::Unknown, "a folder has the time of its last new name");
    }

    #[test]
    fn a_file_whose_name_has_brackets_is_itself() {
        let dir = tempfile::tempdir().unwrap();
        touch(&dir.path().join("a[1].tar"), 1_000);
        assert_eq!(ids(&dir.path().join("a[1].tar")), ["a[1].tar"]);
    }
}
