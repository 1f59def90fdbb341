//! Repositories of restic: several snapshots as one source, damage of all kinds, locks, and what is left behind.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::local_host::context;
use crate::support::backup::sh;
use crate::support::restic::{PASSWORD, TOOLS, newest_id, packs};
use crate::support::trees::{archived, listing, read};
use rehearsa::model::diagnosis::Code;
use rehearsa::model::environment::Environment;
use rehearsa::model::event::Snapshot;
use rehearsa::model::program::Program;
use rehearsa::model::source::{
    BackupSurvey, Keys, MatchRule, MountQuery, Pattern, SecretPlace, SourceLocation, SourcePlace, SourceSpec,
};
use rehearsa::model::source_kind::SourceKind;
use rehearsa::source::{Backup, SourceContext, SourceError};

/// A repository `repo` in a folder of its own, beside what it was made of.
struct Field {
    folder: tempfile::TempDir,
}

impl Field {
    /// Runs a script that makes the repository.
    fn new(script: &str) -> Field {
        let field = Field { folder: tempfile::tempdir().unwrap() };
        field.sh("restic init -r repo");
        field.sh(script);
        fs::write(field.at("password"), format!("{PASSWORD}\n")).unwrap();
        fs::create_dir(field.at("tmp")).unwrap();
        field
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn sh(&self, script: &str) {
        sh(self.folder.path(), &format!("{TOOLS}{script}"), &[]);
    }

    /// The path of a file of this folder in a snapshot.
    fn inside(&self, name: &str) -> String {
        self.at(name).to_str().unwrap().trim_start_matches('/').to_owned()
    }

    fn context(&self) -> SourceContext {
        let path = std::env::var("PATH").unwrap();
        let temporary = self.at("tmp").to_str().unwrap().to_owned();
        let environment: Environment =
            [("PATH".to_owned(), path), ("TMPDIR".to_owned(), temporary)].into_iter().collect();
        SourceContext { environment, ..context() }
    }

    fn spec(&self, snapshot: Option<&str>) -> SourceSpec {
        SourceSpec {
            place: SourcePlace::at_path(SourceKind::Restic, self.at("repo")),
            snapshot: snapshot.map(str::to_owned),
            keys: Keys { passphrase: Some(SecretPlace::File(self.at("password"))), identity: None },
        }
    }

    fn open(&self, snapshot: Option<&str>) -> Result<Backup, SourceError> {
        Backup::open(&self.spec(snapshot), &self.context())
    }

    fn survey(&self, snapshot: Option<&str>, parts: &[&str]) -> Result<BackupSurvey, SourceError> {
        let query = |part: &&str| MountQuery {
            patterns: vec![(MatchRule::Name, Pattern::Top(self.inside(part).into_bytes()))],
        };
        self.open(snapshot)?.survey(&parts.iter().map(query).collect::<Vec<_>>(), 0)
    }

    /// Names and contents of what comes of a part, without the folder's own path.
    fn came(&self, snapshot: Option<&str>, part: &str) -> Vec<(String, String)> {
        let mut archive = Vec::new();
        let part = self.inside(part);
        self.open(snapshot).unwrap().stream(&[part.clone().into_bytes()], &mut archive).unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let entries = read(archive.as_slice()).unwrap().into_iter();
        let mut came: Vec<_> =
            entries.map(|(entry, content)| (text(&entry.path).replace(&self.inside(""), ""), text(&content))).collect();
        came.sort();
        came
    }

    #[track_caller]
    fn refused(&self, snapshot: Option<&str>, part: &str, code: Code, words: &[&str]) {
        let result = self.survey(snapshot, &[part]).and_then(|_| {
            let backup = self.open(snapshot)?;
            backup.stream(&[self.inside(part).into_bytes()], &mut std::io::sink())
        });
        let error = result.expect_err("it is refused");
        let diagnosis = error.diagnosis(&self.spec(None).place);
        assert_eq!(diagnosis.code, code, "{diagnosis}");
        let told = format!("{diagnosis} {}", diagnosis.remedy.clone().unwrap_or_default());
        for word in words {
            assert!(told.contains(word), "{word}: {told}");
        }
        self.nothing_is_left();
    }

    /// No cache, no temporary folder, no lock.
    #[track_caller]
    fn nothing_is_left(&self) {
        assert_eq!(fs::read_dir(self.at("tmp")).unwrap().count(), 0, "the folder for temporary files is empty");
    }
}

/// Two folders, each with a file.
const TWO: &str = "mkdir -p app web; echo one >app/a; echo two >web/b; head -c 300000 /dev/urandom >app/big; ";

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, content)| ((*name).to_owned(), (*content).to_owned())).collect()
}

#[test]
fn the_newest_snapshots_of_all_groups_are_one_source() {
    let field = Field::new(concat!(
        "mkdir -p srv/app srv/web dumps; echo old >srv/app/a; echo two >srv/web/b; echo sql >dumps/d; ",
        "restic -r repo backup --time '2026-11-01 03:00:00' $PWD/srv; echo new >srv/app/a; echo more >srv/app/c; ",
        "restic -r repo backup --time '2026-11-03 03:00:00' $PWD/srv/app; ",
        "restic -r repo backup --time '2026-11-02 03:00:00' --tag dumps $PWD/dumps",
    ));
    assert_eq!(field.came(None, "srv/app"), pairs(&[("srv/app", ""), ("srv/app/a", "new\n"), ("srv/app/c", "more\n")]));
    // What the newer snapshot holds is left out of the older one.
    let came = field.came(None, "srv");
    let expected = [
        ("srv", ""),
        ("srv/app", ""),
        ("srv/app/a", "new\n"),
        ("srv/app/c", "more\n"),
        ("srv/web", ""),
        ("srv/web/b", "two\n"),
    ];
    assert_eq!(came, pairs(&expected));
    assert_eq!(field.came(None, "dumps"), pairs(&[("dumps", ""), ("dumps/d", "sql\n")]));
    let survey = field.survey(None, &["srv", "dumps"]).unwrap();
    let found: Vec<u64> = survey.contents.candidates.iter().map(|found| found[0].tally.amount.files).collect();
    assert_eq!(found, [3, 1], "what is counted is what comes");
    let ids = survey.snapshot.id.split('+').count();
    assert_eq!((ids, survey.snapshot.time.unwrap().to_string().as_str()), (3, "2026-11-01T03:00:00Z"));
    // The age is that of what is used.
    // A dump that is loaded counts, too.
    let app = MountQuery { patterns: vec![(MatchRule::Name, Pattern::Top(field.inside("srv/app").into_bytes()))] };
    let dump = field.inside("dumps/d").into_bytes();
    let survey = field.open(None).unwrap().survey_with(&[app], 0, |_| vec![dump]).unwrap();
    assert_eq!(survey.snapshot.time.unwrap().to_string(), "2026-11-02T03:00:00Z");
    // One that is chosen holds what it holds.
    let survey = field.survey(Some("before=2026-11-02,path=/"), &["srv/app"]).unwrap();
    assert_eq!(survey.snapshot.time.unwrap().to_string(), "2026-11-01T03:00:00Z");
    assert_eq!(field.came(Some("before=2026-11-02"), "srv/app"), pairs(&[("srv/app", ""), ("srv/app/a", "old\n")]));
    field.nothing_is_left();
}

#[test]
#[ignore = "nightly: starts restic or Borg many times"]
fn each_group_of_a_nights_snapshots_has_its_own_earlier_ones() {
    let field = Field::new(concat!(
        "mkdir -p volumes databases/db; echo data >volumes/a; echo sql >databases/db/all.sql; ",
        "night() { for path in volumes databases/db/all.sql; do ",
        "restic -r repo backup --host 00000000000$1 --time \"2026-11-0$1 03:00:00\" $PWD/$path; done; }; ",
        "restic -r repo backup --host 00000000000a --time '2026-11-01 03:00:00' $PWD/volumes; ",
        "night 2; : >databases/db/all.sql; night 3; ",
        "restic -r repo backup --host nas --time '2026-11-03 04:00:00' $PWD/repo/config",
    ));
    let survey = field.survey(None, &["volumes", "databases/db/all.sql"]).unwrap();
    let groups = ["volumes", "databases/db/all.sql"].map(|part| format!("{}", field.at(part).display()));
    let of_part = |survey: &BackupSurvey, part: &str| survey.groups.of_path[field.inside(part).as_bytes()].clone();
    assert_eq!(of_part(&survey, "volumes"), [groups[0].clone()]);
    assert_eq!(of_part(&survey, "databases/db/all.sql"), [groups[1].clone()]);
    let backup = field.open(None).unwrap();
    // Only the groups that something comes from.
    let earlier = backup.earlier(&survey.snapshot, 10).unwrap();
    let sizes: Vec<usize> = earlier.iter().map(|set| set.id.split('+').count()).collect();
    assert_eq!(sizes, [2, 1], "{earlier:?}");
    assert_eq!(backup.earlier(&survey.snapshot, 1).unwrap(), earlier[..1]);
    let queries = ["volumes", "databases/db/all.sql"]
        .map(|part| MountQuery { patterns: vec![(MatchRule::Name, Pattern::Top(field.inside(part).into_bytes()))] });
    let bytes = |snapshot: &Snapshot| -> Vec<u64> {
        let survey = backup.at(snapshot.clone()).survey(&queries, 0).unwrap();
        let found = survey.contents.candidates.iter();
        found.map(|found| found.first().map_or(0, |found| found.tally.amount.bytes)).collect()
    };
    assert_eq!([bytes(&survey.snapshot), bytes(&earlier[0]), bytes(&earlier[1])], [[5, 0], [5, 4], [5, 0]]);
    let one = field.survey(None, &["volumes"]).unwrap();
    let sizes: Vec<usize> =
        backup.earlier(&one.snapshot, 10).unwrap().iter().map(|set| set.id.split('+').count()).collect();
    assert_eq!(sizes, [1, 1]);
    drop(backup);
    field.nothing_is_left();
}

#[test]
#[ignore = "nightly: starts restic or Borg many times"]
fn backups_of_two_hosts_are_not_mixed() {
    let field = Field::new(&format!(
        "{TWO}restic -r repo backup --host nas $PWD/app; echo other >app/a; \
         restic -r repo backup --host web-1 $PWD/app; \
         restic -r repo backup --host 0123456789ab $PWD/web"
    ));
    field.refused(None, "app", Code::SourceSeveral, &["host nas", "host web-1", "--snapshot host=web-1"]);
    // It is no obstacle to what only one of them holds.
    assert!(field.survey(None, &["web"]).is_ok());
    assert_eq!(field.came(Some("host=nas"), "app/a"), pairs(&[("app/a", "one\n")]));
    // That of the engine's own host is meant.
    let here = SourceContext { host_name: Some("nas".to_owned()), ..field.context() };
    let backup = Backup::open(&field.spec(None), &here).unwrap();
    let mut archive = Vec::new();
    backup.stream(&[field.inside("app/a").into_bytes()], &mut archive).unwrap();
    assert_eq!(read(archive.as_slice()).unwrap()[0].1, b"one\n");
    drop(backup);
    // Jobs of one host that backup programs have marked.
    field.sh("restic -r repo backup --tag ar:location:x $PWD/web; restic -r repo backup --tag ar:location:y $PWD/web");
    field.refused(None, "web", Code::SourceSeveral, &["--snapshot tag=ar:location:y"]);
}

#[test]
#[ignore = "nightly: starts restic or Borg many times"]
fn a_snapshot_is_chosen_by_id_or_by_chance() {
    let field =
        Field::new(&format!("{TWO}restic -r repo backup $PWD/app; echo 2 >app/a; restic -r repo backup $PWD/app"));
    let newest = newest_id(field.folder.path(), "repo");
    let backup = field.open(None).unwrap();
    assert_eq!(backup.snapshot.id, newest);
    // The version of the system's restic decides whether there is a note.
    assert!(backup.notes().iter().all(|note| note.contains("entries were listed first")), "{:?}", backup.notes());
    drop(backup);
    assert_eq!(field.open(Some(&newest[..5])).unwrap().snapshot.id, newest);
    let by_chance = |seed: &str| field.open(Some(seed)).unwrap().snapshot.id;
    assert_eq!(by_chance("random=5"), by_chance("random=5"));
    let seeds: std::collections::BTreeSet<String> = (0..20).map(|seed| by_chance(&format!("random={seed}"))).collect();
    assert_eq!(seeds.len(), 2);
    field.refused(Some("ffffffff"), "app", Code::SourceNoSnapshot, &["none of its snapshots is ffffffff", &newest]);
    field.refused(Some("host=other"), "app", Code::SourceNoSnapshot, &["host=other"]);
    field.refused(Some("app-1"), "app", Code::SourceNoSnapshot, &["neither the id of a snapshot", &newest]);
}

#[test]
fn the_folder_itself_comes_with_its_owner_and_mode() {
    let field = Field::new(concat!(
        "mkdir -p app/sub; chown 33:44 app; chmod 3770 app; mkfifo app/pipe app/sub/pipe; echo x >app/sub/f; ",
        "restic -r repo backup $PWD/app",
    ));
    let mut archive = Vec::new();
    let part = field.inside("app");
    field.open(None).unwrap().stream(&[part.clone().into_bytes()], &mut archive).unwrap();
    let found = archived(read(archive.as_slice()).unwrap());
    let root = &found[part.as_bytes()];
    assert_eq!((root.owner, root.mode), ((33, 44), 0o3770));
    let names: Vec<String> = found.keys().map(|path| String::from_utf8_lossy(path).replace(&part, "")).collect();
    assert_eq!(names, ["", "/sub", "/sub/f"], "pipes are left out, and no empty file is in their place");
}

#[test]
fn access_lists_and_attributes_come_back() {
    let field = Field::new(concat!(
        "mkdir -p app/sub; echo x >app/f; echo y >app/sub/g; ",
        "setfacl -m u:1234:rw,g:77:r app/f; setfacl -m d:u:99:rwx,d:o::- app/sub; ",
        "setfattr -n user.note -v kept app/f; ",
        "restic -r repo backup $PWD/app",
    ));
    let mut archive = Vec::new();
    let part = field.inside("app");
    field.open(None).unwrap().stream(&[part.clone().into_bytes()], &mut archive).unwrap();
    let found = archived(read(archive.as_slice()).unwrap());
    let expected = listing(&field.at("app"));
    for name in ["f", "sub", "sub/g"] {
        assert_eq!(found[format!("{part}/{name}").as_bytes()].xattrs, expected[name.as_bytes()].xattrs, "{name}");
    }
    assert_eq!((expected[&b"f"[..]].xattrs.len(), expected[&b"sub"[..]].xattrs.len()), (2, 1), "there are such");
}

#[test]
#[ignore = "nightly: the fault table has a trial of it"]
fn damage_is_told_before_anything_is_green() {
    let damaged = |script: &str, words: &[&str]| {
        let field = Field::new(&format!("{TWO}mkdir -p app/x/y; echo deep >app/x/y/z; restic -r repo backup $PWD/app"));
        field.sh("chmod -R u+w repo");
        assert_eq!(field.came(None, "app/a"), pairs(&[("app/a", "one\n")]), "undamaged it is read");
        field.sh(script);
        field.refused(None, "app", Code::SourceCorrupt, words);
    };
    let flip = "flip() { printf '\\377\\376\\375' | dd of=\"$1\" bs=1 seek=$2 conv=notrunc status=none; }; ";
    damaged(&format!("{flip}for f in $(datas repo); do flip $f 1000; done"), &["ciphertext verification failed"]);
    damaged(&format!("{flip}for f in $(trees repo); do flip $f 100; done"), &["ciphertext verification failed"]);
    damaged("rm -f $(datas repo)", &["no such file or directory"]);
    damaged("rm -f $(trees repo)", &["no such file or directory"]);
    damaged("rm -f repo/index/*", &["not found in repository"]);
    damaged("rm -f repo/config", &["has lost its file config"]);
}

#[test]
fn a_damaged_newest_snapshot_is_not_passed_over() {
    let field =
        Field::new(&format!("{TWO}restic -r repo backup $PWD/app; echo 2 >app/a; restic -r repo backup $PWD/app"));
    let older = field.open(Some("before=2100-01-01")).unwrap();
    drop(older);
    let newest = newest_id(field.folder.path(), "repo");
    field.sh(&format!("chmod u+w repo/snapshots/*; for f in repo/snapshots/{newest}*; do : >$f; done"));
    field.refused(None, "app", Code::SourceCorrupt, &[&newest, "one of them may be the newest"]);
    // Who names another one gets that.
    let other = fs::read_dir(field.at("repo/snapshots")).unwrap().map(|entry| entry.unwrap().file_name());
    let other = other.map(|name| name.to_string_lossy()[..8].to_owned()).find(|id| *id != newest).unwrap();
    assert_eq!(field.came(Some(&other), "app/a"), pairs(&[("app/a", "one\n")]));
}

#[test]
fn a_repository_that_cannot_be_opened_is_told_from_a_damaged_one() {
    let field = Field::new(&format!("{TWO}restic -r repo backup $PWD/app"));
    fs::write(field.at("password"), "another\n").unwrap();
    field.refused(None, "app", Code::SourceLockedOut, &["wrong password or no key found"]);
    fs::write(field.at("password"), format!("{PASSWORD}\n")).unwrap();
    field.sh("mv repo/keys keys; mkdir repo/keys");
    field.refused(None, "app", Code::SourceLockedOut, &["wrong password or no key found"]);
    field.sh("rmdir repo/keys; mv keys repo/keys");
    let spec = SourceSpec { keys: Keys::default(), ..field.spec(None) };
    let error = Backup::open(&spec, &field.context()).unwrap_err();
    assert!(matches!(&error, SourceError::NoKey(words) if words.contains("--passphrase-file")), "{error}");
    // The user's own variables open it.
    let path = std::env::var("PATH").unwrap();
    let environment =
        [("PATH", path.as_str()), ("RESTIC_PASSWORD_COMMAND", "echo fixture-restic-password"), ("RESTIC_HOST", "x")];
    let own = SourceContext { environment: environment.into_iter().collect(), ..context() };
    assert!(Backup::open(&spec, &own).is_ok());
    let nowhere = SourceContext { environment: [("PATH", "/none")].into_iter().collect(), ..context() };
    let error = Backup::open(&field.spec(None), &nowhere).unwrap_err();
    assert!(matches!(&error, SourceError::ToolMissing(words) if words.contains("restic")), "{error}");
    let place =
        |address: &str| SourcePlace { kind: SourceKind::Restic, location: SourceLocation::Address(address.to_owned()) };
    let dead = SourceSpec { place: place("rest:http://me:fixture-secret@127.0.0.1:9/"), ..field.spec(None) };
    let error = Backup::open(&dead, &field.context()).unwrap_err();
    let diagnosis = error.diagnosis(&dead.place);
    assert_eq!(diagnosis.code, Code::SourceUnreachable, "{diagnosis}");
    assert!(diagnosis.message.contains("connection refused"), "{diagnosis}");
    assert!(!diagnosis.to_string().contains("fixture-secret"), "{diagnosis}");
    field.sh("mv repo elsewhere");
    field.refused(None, "app", Code::SourceUnreachable, &["repo"]);
    field.sh("mkdir repo; echo x >repo/x");
    field.refused(None, "app", Code::SourceUnreachable, &["is no repository of restic"]);
    field.sh("rm -r repo; restic init -r repo");
    field.refused(None, "app", Code::SourceNoSnapshot, &["no snapshots"]);
}

/// Leaves an exclusive lock, as a killed `restic prune` does.
fn lock(field: &Field) {
    field.sh("command restic --no-cache -r repo check --read-data >/dev/null 2>&1 & pid=$!; \
         until ls repo/locks | grep -qE '^[0-9a-f]{64}$'; do kill -0 $pid 2>/dev/null || break; done; \
         kill -KILL $pid; wait $pid || true");
}

#[test]
fn a_lock_is_no_obstacle_and_none_is_left() {
    let field = Field::new(&format!("{TWO}restic -r repo backup $PWD/app"));
    let count = || fs::read_dir(field.at("repo/locks")).unwrap().count();
    assert_eq!(field.came(None, "app/a"), pairs(&[("app/a", "one\n")]));
    assert_eq!(count(), 0);
    // A repository that nobody may write to is read.
    let before: Vec<_> = packs(&field.at("repo")).iter().map(|pack| pack.metadata().unwrap().mtime()).collect();
    field.sh("chmod -R a-w repo");
    assert_eq!(field.came(None, "app/a"), pairs(&[("app/a", "one\n")]));
    field.sh("chmod -R u+w repo");
    let after: Vec<_> = packs(&field.at("repo")).iter().map(|pack| pack.metadata().unwrap().mtime()).collect();
    assert_eq!(before, after);
    assert!(fs::metadata(field.at("repo")).unwrap().permissions().mode() & 0o200 != 0);
}

#[test]
#[ignore = "nightly: starts restic or Borg many times"]
fn damage_under_an_exclusive_lock_is_a_job_that_still_runs() {
    let field = Field::new(&format!(
        "{TWO}restic -r repo backup $PWD/app; head -c 60000000 /dev/urandom >web/big; \
         restic -r repo backup $PWD/web"
    ));
    lock(&field);
    assert_ne!(fs::read_dir(field.at("repo/locks")).unwrap().count(), 0, "the killed job has left its lock");
    assert_eq!(field.came(None, "app/a"), pairs(&[("app/a", "one\n")]));
    field.sh("rm -f $(trees repo)");
    field.refused(None, "app", Code::SourceUnreachable, &["exclusive lock", "restic unlock"]);
    // A dead job's lock does not make damage harmless for ever.
    let later = SourceContext { now: context().now + jiff::SignedDuration::from_hours(2), ..field.context() };
    let error = Backup::open(&field.spec(None), &later).and_then(|backup| backup.survey(&[], 0)).unwrap_err();
    assert!(matches!(error, SourceError::Broken(_)), "{error}");
}

#[test]
fn a_program_that_is_named_reads_the_repository_whatever_path_has() {
    let field = Field::new(&format!("{TWO}restic -r repo backup $PWD/app"));
    let bin = field.at("own");
    fs::create_dir(&bin).unwrap();
    field.sh(concat!(
        "unset -f restic; real=$(command -v restic); ",
        "printf '#!/bin/sh\\ntouch \"%s\"\\nexec %s \"$@\"\\n' $PWD/was-run $real >own/mine; ",
        "printf '#!/bin/sh\\nexit 9\\n' >own/restic; chmod 755 own/*",
    ));
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let with = |named: Option<&Path>| {
        let programs = named.map(|path| (Program::Restic, path.to_owned())).into_iter().collect();
        let environment = [("PATH", path.as_str())].into_iter().collect();
        Backup::open(&field.spec(None), &SourceContext { environment, programs, ..context() })
    };
    assert!(with(None).is_err(), "PATH has a program that cannot read it");
    assert!(with(Some(&bin.join("mine"))).is_ok() && field.at("was-run").exists());
    for (name, words) in [("none", "No such file"), ("", "is a folder"), ("../password", "no program that this user")] {
        let error = with(Some(&bin.join(name))).expect_err("it is no program");
        let diagnosis = error.diagnosis(&field.spec(None).place);
        assert_eq!(diagnosis.code, Code::SourceToolMissing, "{diagnosis}");
        let told = diagnosis.to_string();
        assert!(told.contains(bin.join(name).to_str().unwrap()) && told.contains(words), "{told}");
    }
}

/// Restic before 0.19 ends well although it has left something out. Here it reads an older snapshot, which has less.
#[test]
fn entries_that_are_left_out_without_an_error_are_missed() {
    let field =
        Field::new(&format!("{TWO}restic -r repo backup $PWD/app; echo 3 >app/c; restic -r repo backup $PWD/app"));
    let newest = newest_id(field.folder.path(), "repo");
    field.sh(&format!(
        "mkdir bin; older=$(ls repo/snapshots | grep -v ^{newest}); unset -f restic; real=$(command -v restic); \
         cat >bin/restic <<END\n\
         #!/bin/sh\n\
         [ \"\\$2\" = dump ] || exec $real \"\\$@\"\n\
         exec $real \"\\$1\" dump $older \"\\$4\"\n\
         END\n\
         chmod 755 bin/restic"
    ));
    let backup = |program: Option<PathBuf>| {
        let programs = program.map(|path| (Program::Restic, path)).into_iter().collect();
        let backup = Backup::open(&field.spec(None), &SourceContext { programs, ..field.context() }).unwrap();
        backup.stream(&[field.inside("app").into_bytes()], &mut std::io::sink())
    };
    assert!(backup(None).is_ok());
    match backup(Some(field.at("bin/restic"))) {
        Err(SourceError::Broken(words)) => assert!(words.contains("restic listed 3 files"), "{words}"),
        other => panic!("something is missing: {other:?}"),
    }
}

#[test]
fn the_owners_own_settings_of_restic_do_not_get_in_the_way() {
    let field = Field::new(&format!("{TWO}restic -r repo backup $PWD/app"));
    let path = std::env::var("PATH").unwrap();
    let own = [
        ("PATH", path.as_str()),
        ("RESTIC_REPOSITORY_FILE", "/none"),
        ("RESTIC_HOST", "elsewhere"),
        // The password that is named for this run comes first.
        ("RESTIC_PASSWORD_COMMAND", "echo another"),
        ("RESTIC_PASSWORD", "another"),
    ];
    let own = SourceContext { environment: own.into_iter().collect(), ..context() };
    assert!(Backup::open(&field.spec(None), &own).is_ok());
}

#[test]
fn an_old_version_is_refused_and_named() {
    let field = Field::new("");
    let bin = field.at("bin");
    fs::create_dir(&bin).unwrap();
    let restic = |path: &Path, says: &str| {
        fs::write(path, format!("#!/bin/sh\necho '{says}'\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let with = || SourceContext { environment: [("PATH", path.as_str())].into_iter().collect(), ..context() };
    restic(&bin.join("restic"), "restic 0.11.0 compiled with go1.15.9 on linux/amd64");
    let error = Backup::open(&field.spec(None), &with()).unwrap_err();
    assert!(error.to_string().contains("restic 0.11.0; version 0.14 or newer is needed"), "{error}");
    assert_eq!(error.diagnosis(&field.spec(None).place).code, Code::SourceToolMissing);
}
