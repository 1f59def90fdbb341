//! How repositories of Borg are read: what is damaged, locked, moved or far away, and what the owner's next backup
//! finds afterwards. All repositories are made by Borg.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::local_host::context;
use crate::support::backup::sh;
use crate::support::borg::{PASSPHRASE, TOOLS, largest_segment};
use crate::support::dumps::{SQL, streamed_entries};
use crate::support::trees::read;
use rehearsa::model::dump_inside::learn_servers;
use rehearsa::model::event::Snapshot;
use rehearsa::model::program::Program;
use rehearsa::model::source::{Keys, SecretPlace, SourceLocation, SourcePlace, SourceSpec};
use rehearsa::model::source_kind::SourceKind;
use rehearsa::source::{Access, Backup, Source, SourceContext, SourceError, choose_snapshot, open};

/// Two archives of a folder with a note, the first with the time 03:00 of 1 November 2026, and each in segments of its
/// own. `$1` is a further option of `borg init`.
const TWO: &str = "mkdir -p data/app_data; echo one >data/app_data/note; head -c 300000 /dev/urandom >data/app_data/a; \
    borg init -e \"$1\" repository 2>/dev/null; cd data; \
    borg create --timestamp 2026-11-01T03:00:00 ../repository::app-2026-11-01 .; echo two >app_data/note; \
    borg create --timestamp 2026-11-02T03:00:00 ../repository::app-2026-11-02 .; cd ..";

/// A repository, and the owner's home.
struct Shelf {
    folder: tempfile::TempDir,
}

impl Shelf {
    fn new(encryption: &str) -> Shelf {
        let shelf = Shelf { folder: tempfile::tempdir().unwrap() };
        shelf.sh(TWO, &[encryption]);
        shelf
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a script with the functions of [`TOOLS`].
    fn sh(&self, script: &str, args: &[&str]) {
        sh(self.folder.path(), &format!("{TOOLS}{script}"), args);
    }

    /// The owner's environment, and what a test adds.
    fn context(&self, more: &[(&str, &str)]) -> SourceContext {
        let temporary = self.at("tmp").display().to_string();
        fs::create_dir_all(&temporary).unwrap();
        let base = self.at("base").display().to_string();
        // Without a folder that is named Borg remembers things in the home.
        let usual = [("HOME", base.as_str()), ("BORG_BASE_DIR", &base), ("TMPDIR", &temporary)];
        let path = std::env::var("PATH").unwrap();
        let environment = usual.into_iter().chain([("PATH", path.as_str())]).chain(more.iter().copied()).collect();
        SourceContext { environment, ..context() }
    }

    fn spec(&self, passphrase: Option<&str>) -> SourceSpec {
        let passphrase = passphrase.map(|text| {
            fs::write(self.at("passphrase"), format!("{text}\n")).unwrap();
            SecretPlace::File(self.at("passphrase"))
        });
        let place = SourcePlace::at_path(SourceKind::Borg, self.at("repository"));
        SourceSpec { place, snapshot: None, keys: Keys { passphrase, identity: None } }
    }

    fn open(&self) -> Result<Box<dyn Source>, SourceError> {
        open(&self.spec(Some(PASSPHRASE)), &self.context(&[]))
    }

    /// The note of the newest archive, or of the one that is wanted.
    fn note(&self, wanted: Option<&str>) -> Result<String, SourceError> {
        let source = self.open()?;
        note_of(&*source, &choose_snapshot(source.snapshots()?, wanted)?)
    }

    /// All files of the repository and their contents.
    fn files(&self, of: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        collect(&self.at(of), &mut found);
        found.sort();
        found
    }
}

fn collect(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else {
            let bytes = fs::read(&path).unwrap();
            found.push((path, bytes));
        }
    }
}

/// Lists the archive and reads it whole; the listing and the stream hold the same.
fn note_of(source: &dyn Source, snapshot: &Snapshot) -> Result<String, SourceError> {
    let Access::Stream(reader) = source.open(snapshot)? else { panic!("an archive is streamed") };
    let mut listed = 0;
    reader.list(0, &mut |_| listed += 1)?;
    let mut stream = Vec::new();
    reader.stream(&[], &mut stream)?;
    let entries = read(stream.as_slice()).unwrap();
    assert_eq!(entries.len(), listed);
    let (_, note) = entries.into_iter().find(|(entry, _)| entry.path == b"app_data/note").unwrap();
    Ok(String::from_utf8(note).unwrap().trim().to_owned())
}

fn broken(result: Result<String, SourceError>, words: &str) {
    match result {
        Err(SourceError::Broken(told)) => assert!(told.contains(words), "{told}"),
        other => panic!("it is damaged: {other:?}"),
    }
}

#[test]
#[ignore = "nightly: starts restic or Borg many times"]
fn archives_are_snapshots_by_their_times_and_patterns_choose_among_several_things() {
    let shelf = Shelf::new("repokey");
    let source = shelf.open().unwrap();
    let found: Vec<(String, String)> =
        source.snapshots().unwrap().into_iter().map(|one| (one.id, one.time.unwrap().to_string())).collect();
    let expected = [("app-2026-11-01", "2026-11-01T03:00:00Z"), ("app-2026-11-02", "2026-11-02T03:00:00Z")];
    assert_eq!(found, expected.map(|(id, time)| (id.to_owned(), time.to_owned())));
    // A time is the same wherever somebody asks for it, and so is a name with odd letters.
    shelf.sh(
        "mv data/app_data/note kept; echo three >data/app_data/note; cd data; \
         borg create --timestamp 2026-11-03T03:00:00 '../repository::db {{now}} ä' .; \
         borg create --timestamp 2026-11-04T03:00:00 ../repository::app-2026-11-04.checkpoint .",
        &[],
    );
    let context = shelf.context(&[("TZ", "America/Lima")]);
    let source = open(&shelf.spec(Some(PASSPHRASE)), &context).unwrap();
    let snapshots = source.snapshots().unwrap();
    let newest = snapshots.last().unwrap();
    assert_eq!((newest.id.as_str(), newest.time.unwrap().to_string().as_str()), ("db {now} ä", "2026-11-03T03:00:00Z"));
    assert_eq!(note_of(&*source, newest).unwrap(), "three");
    let choose = |wanted: Option<&str>| choose_snapshot(source.snapshots().unwrap(), wanted);
    assert!(matches!(choose(None), Err(SourceError::Several(_))));
    assert!(matches!(choose(Some("*")), Err(SourceError::Several(_))));
    assert!(matches!(choose(Some("app")), Err(SourceError::UnknownSnapshot(_))));
    assert!(matches!(choose(Some("web-*")), Err(SourceError::UnknownSnapshot(_))));
    for (wanted, id) in [("app-*", "app-2026-11-02"), ("app-2026-11-01", "app-2026-11-01"), ("db *", "db {now} ä")] {
        assert_eq!(choose(Some(wanted)).unwrap().id, id);
    }
}

#[test]
fn a_part_is_read_without_the_others() {
    let shelf = Shelf::new("none");
    shelf.sh("mkdir -p data/other; echo x >data/other/x; cd data; borg create ../repository::app-2026-11-03 .", &[]);
    let backup = Backup::open(&shelf.spec(None), &shelf.context(&[])).unwrap();
    let mut stream = Vec::new();
    backup.stream(&[b"other".to_vec()], &mut stream).unwrap();
    let paths: Vec<Vec<u8>> = read(stream.as_slice()).unwrap().into_iter().map(|(entry, _)| entry.path).collect();
    assert_eq!(paths, [b"other".to_vec(), b"other/x".to_vec()]);
}

#[test]
#[ignore = "nightly: the fault table has a trial of it"]
fn damage_that_no_listing_shows_is_found() {
    let shelf = Shelf::new("repokey");
    let segment = largest_segment(&shelf.at("repository"));
    let whole = fs::read(&segment).unwrap();
    let mut flipped = whole.clone();
    // In the data of the file, and not in the listing.
    flipped[100_000] ^= 16;
    fs::write(&segment, flipped).unwrap();
    broken(shelf.note(None), "checksum mismatch");
    fs::remove_file(&segment).unwrap();
    broken(shelf.note(None), "No such file or directory");
    // Borg's words name the repository, and no temporary folder.
    broken(shelf.note(None), &shelf.at("repository/data").display().to_string());
    fs::write(&segment, &whole[..whole.len() / 2]).unwrap();
    broken(shelf.note(None), "segment");
    fs::write(&segment, &whole).unwrap();
    assert_eq!(shelf.note(None).unwrap(), "two");
    // Afterwards every exit code of Borg's is 0.
    shelf.sh(
        "truncate -s 200000 \"$(largest repository)\"; borg check --repair repository >/dev/null 2>&1; \
         borg list repository::app-2026-11-02 >/dev/null; borg export-tar repository::app-2026-11-02 /dev/null; \
         borg check --verify-data repository >/dev/null 2>&1",
        &[],
    );
    broken(shelf.note(None), "borg check --repair`): app_data/a");
}

/// Borg goes back to an older state without a word.
#[test]
fn the_newest_archive_does_not_vanish_with_the_last_segments() {
    let shelf = Shelf::new("repokey");
    for damage in ["all repository | tail -3 | xargs rm", "truncate -s -3 \"$(all repository | tail -1)\""] {
        shelf.sh("rm -rf kept; cp -a repository kept", &[]);
        shelf.sh(damage, &[]);
        broken(shelf.note(None), "the last segments of the repository are missing or cut off");
        shelf.sh("rm -r repository; mv kept repository", &[]);
        assert_eq!(shelf.note(None).unwrap(), "two");
    }
}

#[test]
fn a_repository_that_is_read_is_not_written_to() {
    let shelf = Shelf::new("repokey");
    // A job of the owner's is running, or was killed.
    shelf.sh("mkdir -p repository/lock.exclusive/other@1.2-3; echo '{}' >repository/lock.roster", &[]);
    for damage in ["", "echo x >\"$(ls repository/index.*)\"", "rm repository/index.*", "rm repository/hints.*"] {
        shelf.sh(damage, &[]);
        let before = shelf.files("repository");
        assert_eq!(shelf.note(None).unwrap(), "two", "{damage}");
        assert!(shelf.files("repository") == before, "{damage}");
        assert!(shelf.at("repository/lock.exclusive/other@1.2-3").exists());
    }
    let left: Vec<_> = fs::read_dir(shelf.at("tmp")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
#[ignore = "nightly: starts restic or Borg many times"]
fn the_owners_next_backup_finds_everything_as_it_was() {
    let shelf = Shelf::new("keyfile");
    let remembered = shelf.files("base");
    assert_eq!(shelf.note(None).unwrap(), "two");
    // A copy of the repository, as it comes from another site.
    shelf.sh("cp -a repository copy", &[]);
    let place = SourcePlace::at_path(SourceKind::Borg, shelf.at("copy"));
    let of_copy = SourceSpec { place, ..shelf.spec(Some(PASSPHRASE)) };
    let source = open(&of_copy, &shelf.context(&[])).unwrap();
    assert_eq!(source.snapshots().unwrap().len(), 2);
    assert!(shelf.files("base") == remembered);
    shelf.sh(
        "unset BORG_RELOCATED_REPO_ACCESS_IS_OK; borg create repository::app-2026-11-05 data 2>words </dev/null; \
         ! grep -q 'previously located' words",
        &[],
    );
}

#[test]
#[ignore = "nightly: starts restic or Borg many times"]
fn a_passphrase_and_a_key_file_are_found_where_the_owner_keeps_them() {
    let shelf = Shelf::new("keyfile");
    let with = |passphrase: Option<&str>, more: &[(&str, &str)]| {
        let source = open(&shelf.spec(passphrase), &shelf.context(more))?;
        let newest = choose_snapshot(source.snapshots()?, None)?;
        note_of(&*source, &newest)
    };
    assert_eq!(with(None, &[("BORG_PASSPHRASE", PASSPHRASE)]).unwrap(), "two");
    let command = format!("echo {PASSPHRASE}");
    assert_eq!(with(None, &[("BORG_PASSCOMMAND", &command)]).unwrap(), "two");
    // What the user names for this run comes first.
    assert_eq!(with(Some(PASSPHRASE), &[("BORG_PASSPHRASE", "another")]).unwrap(), "two");
    let wrong = with(Some("another"), &[]).expect_err("it is the wrong one");
    assert!(matches!(&wrong, SourceError::LockedOut(words) if !words.contains("another")), "{wrong}");
    let none = with(None, &[]).expect_err("it needs one");
    assert!(matches!(&none, SourceError::NoKey(words) if words.contains("--passphrase-file")), "{none}");
    // Nothing is known about a backup whose key is elsewhere.
    shelf.sh("mv base/.config/borg/keys keys", &[]);
    let lost = with(Some(PASSPHRASE), &[]).expect_err("the key is elsewhere");
    assert!(matches!(&lost, SourceError::NoKey(words) if words.contains("BORG_KEYS_DIR")), "{lost}");
    let keys = shelf.at("keys").display().to_string();
    assert_eq!(with(Some(PASSPHRASE), &[("BORG_KEYS_DIR", &keys)]).unwrap(), "two");
}

#[test]
fn a_repository_whose_key_is_lost_is_locked() {
    let shelf = Shelf::new("repokey");
    shelf.sh("sed -i '/^key = /,$d' repository/config", &[]);
    let error = shelf.note(None).expect_err("nobody can open it");
    assert!(matches!(error, SourceError::LockedOut(_)), "{error}");
}

#[test]
#[ignore = "nightly: starts restic or Borg many times"]
fn a_far_repository_is_read_like_a_near_one() {
    let shelf = Shelf::new("repokey");
    // What ssh would do: the host is left out.
    let shell = shelf.at("shell");
    fs::write(
        &shell,
        "#!/bin/sh\necho \"$*\" >>\"${0%/*}/calls\"\nenv >>\"${0%/*}/environment\"\nshift\nexec sh -c \"$*\"\n",
    )
    .unwrap();
    fs::set_permissions(&shell, fs::Permissions::from_mode(0o755)).unwrap();
    let address = format!("ssh://nas{}", shelf.at("repository").display());
    let far = |address: &str, more: &[(&str, &str)]| {
        let location = SourceLocation::Address(address.to_owned());
        let place = SourcePlace { kind: SourceKind::Borg, location };
        let spec = SourceSpec { place, ..shelf.spec(Some(PASSPHRASE)) };
        let source = open(&spec, &shelf.context(more))?;
        let newest = choose_snapshot(source.snapshots()?, None)?;
        note_of(&*source, &newest)
    };
    let shown = shell.display().to_string();
    let by_shell = [("BORG_RSH", shown.as_str())];
    assert_eq!(far(&address, &by_shell).unwrap(), "two");
    assert!(fs::read_to_string(shelf.at("calls")).unwrap().starts_with("nas borg serve"));
    // The passphrase is Borg's alone.
    let environment = fs::read_to_string(shelf.at("environment")).unwrap();
    assert!(environment.contains("BORG_PASSPHRASE_FD=0") && !environment.contains(PASSPHRASE), "{environment}");
    let location = SourceLocation::Address(address.clone());
    let place = SourcePlace { kind: SourceKind::Borg, location };
    let source = open(&SourceSpec { place, ..shelf.spec(Some(PASSPHRASE)) }, &shelf.context(&by_shell)).unwrap();
    let newest = source.snapshots().unwrap().pop().unwrap();
    fs::remove_file(largest_segment(&shelf.at("repository"))).unwrap();
    broken(far(&address, &by_shell), "No such file or directory");
    broken(note_of(&*source, &newest), "No such file or directory");
    // What a job has changed since then may be no damage.
    shelf.sh("borg create repository::app-2026-11-03 data", &[]);
    let error = note_of(&*source, &newest).expect_err("a segment is missing");
    assert!(matches!(&error, SourceError::Changing(words) if words.contains("No such file")), "{error}");
    let error = far(&format!("{address}-none"), &by_shell).expect_err("there is none");
    assert!(matches!(error, SourceError::NotThere(_)), "{error}");
    let error = far("ssh://127.0.0.1:9/./repository", &[]).expect_err("nobody listens");
    assert!(matches!(&error, SourceError::NoAnswer(_)), "{error}");
}

#[test]
fn a_program_that_is_missing_or_another_one_is_told() {
    let shelf = Shelf::new("none");
    let with = |path: &str| open(&shelf.spec(None), &shelf.context(&[("PATH", path)])).expect_err("no such program");
    let missing = with("/none");
    assert!(matches!(&missing, SourceError::ToolMissing(words) if words.contains("borg")), "{missing}");
    let bin = shelf.at("bin");
    fs::create_dir(&bin).unwrap();
    for (version, expected) in [("2.0.0b14", "Borg 1.2 or 1.4 is needed"), ("1.1.18", "version 1.2 or newer")] {
        fs::write(bin.join("borg"), format!("#!/bin/sh\necho borg {version}\n")).unwrap();
        fs::set_permissions(bin.join("borg"), fs::Permissions::from_mode(0o755)).unwrap();
        let other = with(&bin.display().to_string());
        assert!(matches!(&other, SourceError::ToolTooOld(words) if words.contains(expected)), "{other}");
    }
    // The one that is named counts, whatever PATH has.
    let path = std::env::var_os("PATH").unwrap();
    let borg = std::env::split_paths(&path).map(|folder| folder.join("borg")).find(|file| file.exists()).unwrap();
    let named = |program: PathBuf| {
        let programs = [(Program::Borg, program)].into_iter().collect();
        let other = bin.display().to_string();
        open(&shelf.spec(None), &SourceContext { programs, ..shelf.context(&[("PATH", &other)]) }).map(drop)
    };
    assert!(named(borg).is_ok());
    let error = named(bin.join("none")).expect_err("it is not there").to_string();
    assert!(error.contains(&bin.join("none").display().to_string()) && error.contains("No such file"), "{error}");
}

/// borgmatic puts its dumps among the files of the archive, and a list beside them says which server each is of.
#[test]
#[ignore = "nightly: starts restic or Borg many times"]
fn dumps_of_borgmatics_beside_files_are_found_and_read() {
    let shelf = Shelf::new("repokey");
    let folder = "borgmatic/postgresql_databases";
    let dump = format!("{folder}/db:5432/app");
    fs::create_dir_all(shelf.at("data").join(folder).join("db:5432")).unwrap();
    fs::write(shelf.at("data").join(&dump), SQL).unwrap();
    let list =
        r#"{"dumps": [{"hook": "postgresql_databases", "label": "db", "container": "shop-db-1", "name": "app"}]}"#;
    fs::write(shelf.at("data").join(folder).join("dumps.json"), list).unwrap();
    shelf.sh("cd data; borg create --timestamp 2026-11-03T03:00:00 ../repository::app-2026-11-03 .", &[]);
    let backup = Backup::open(&shelf.spec(Some(PASSPHRASE)), &shelf.context(&[])).unwrap();
    let mut found = backup.survey(&[], 0).unwrap().contents;
    let paths: Vec<String> = found.dumps.iter().map(|dump| dump.shown()).collect();
    assert_eq!(paths, [dump.as_str()]);
    assert_eq!(found.dump_lists, [format!("{folder}/dumps.json").into_bytes()]);
    let read = backup.read_small_file(&found.dump_lists[0], 4096).unwrap();
    learn_servers(&mut found.dumps, format!("{folder}/").as_bytes(), &read);
    let label = found.dumps[0].label.clone().unwrap();
    assert_eq!(
        (label.servers, label.database.as_deref()),
        (vec!["db".to_owned(), "shop-db-1".to_owned()], Some("app"))
    );
    let opened = backup.open_dump(dump.as_bytes(), false).unwrap();
    assert_eq!((opened.dump.rows, opened.dump.bytes, opened.holds.amount.files), (Some(1), SQL.len() as u64, 1));
    assert_eq!(streamed_entries(&opened.backup), [("dump.sql".to_owned(), SQL.as_bytes().to_vec())]);
    // A dump that was cut off in the backup fails.
    fs::write(shelf.at("data").join(&dump), &SQL[..30]).unwrap();
    shelf.sh("cd data; borg create --timestamp 2026-11-04T03:00:00 ../repository::app-2026-11-04 .", &[]);
    let backup = Backup::open(&shelf.spec(Some(PASSPHRASE)), &shelf.context(&[])).unwrap();
    assert!(matches!(backup.open_dump(dump.as_bytes(), false), Err(SourceError::Incomplete(_))));
}
