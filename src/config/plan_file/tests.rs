//! Tests of what a plan file says.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use super::checks::{ExecCheck, FileCheck, HttpTable, LogCheck, LogTable, SqlCheck, SqliteCheck, TcpCheck};
use super::reader::keys_of;
use super::secret::SecretKeys;
use super::tables::{Load, Mount as MountTable, Service, Source, StackFiles as StackTable, Top};
use super::*;
use crate::config::declared::ServiceValues;
use crate::config::overrides::{EmptyRule, Skip, SourceRef};
use crate::config::values::patterns::Patterns;
use crate::config::values::points::Points;
use crate::config::values::proof::RequiredProof;
use crate::config::values::pull::PullWhen;
use crate::config::values::text::{Bytes, Count, Memory, Processes, TimeSpan, Timeout};
use crate::config::values::tolerance::Tolerated;
use crate::model::check::EvidenceLevel;
use crate::model::dump::LoadOptions;
use crate::model::mount::{Mount, MountOrigin, Strategy};
use crate::model::profile::losses::Tolerance;
use crate::model::program::Program;
use crate::model::pull::PullPolicy;
use crate::model::question::{Check, CheckSpec, HeaderValue, HttpCheck};
use crate::model::sample;
use crate::model::settings::StrategyRule;
use crate::model::source::{Keys, MapRule, SecretPlace, SourcePlace, SourceSpec};
use crate::model::source_kind::SourceKind;

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The plan files of a folder of the fixtures, with their texts.
fn fixtures(folder: &str) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(project(folder)).expect("the fixtures are there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("the fixtures are readable").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ext| ext == "toml"));
    paths.sort();
    assert!(!paths.is_empty());
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(path).expect("a fixture is text"))).collect()
}

/// The plan files in README.md and docs/. The other TOML there is a Cargo.toml.
fn of_pages() -> Vec<String> {
    let docs = fs::read_dir(project("docs")).expect("docs/ is there").map(|entry| entry.expect("an entry").path());
    let mut pages: Vec<PathBuf> = docs.filter(|path| path.extension().is_some_and(|ext| ext == "md")).collect();
    pages.push(project("README.md"));
    let mut plans = Vec::new();
    for page in pages {
        let text = fs::read_to_string(page).expect("a page is text");
        let blocks = text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or(rest).to_owned());
        plans.extend(blocks.filter(|block| !block.starts_with("[dev-dependencies]")));
    }
    assert!(plans.len() >= 3, "the pages show plan files: {plans:?}");
    plans
}

fn parse(text: &str) -> Result<PlanFile, ConfigErrors> {
    PlanFile::parse(Path::new("plans/rehearsa.toml"), text, Some(Path::new("/home/me")))
}

const ME: CurrentUser = CurrentUser { id: 0, behind_sudo: None };

#[test]
fn every_plan_that_we_show_is_read() {
    for (path, text) in fixtures("fixtures/plans") {
        parse(&text).unwrap_or_else(|errors| panic!("{}: {errors}", path.display()));
    }
    for block in of_pages() {
        parse(&block).unwrap_or_else(|errors| panic!("{errors} in\n{block}"));
    }
}

#[test]
fn whatever_is_wrong_is_told_with_line_and_column() {
    for (path, text) in fixtures("fixtures/plans/bad") {
        let name = path.file_name().expect("a file has a name");
        let errors = PlanFile::parse(Path::new(name), &text, Some(Path::new("/home/me")));
        let told = errors.expect_err(&format!("{} is wrong", path.display())).to_string();
        let expected = fs::read_to_string(path.with_extension("stderr")).unwrap_or_default();
        assert_eq!(format!("{told}\n"), expected, "{}", path.display());
        assert!(
            !told.to_lowercase().contains("plan-secret") && !told.contains("PLANSECRET"),
            "a secret is shown: {told}"
        );
    }
}

/// The keys of a plan file that the fixture of all keys has not: a new key has to come into it.
#[test]
fn the_fixture_of_every_key_has_every_key() {
    let text = fs::read_to_string(project("fixtures/plans/every-key.toml")).expect("the fixture is there");
    let words: BTreeSet<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let settings = [keys_of::<Top>(), keys_of::<ServiceValues>(), keys_of::<Service>(), keys_of::<Load>()];
    let places = [keys_of::<MountTable>(), keys_of::<Source>(), keys_of::<SecretKeys>()];
    let checks = [
        keys_of::<ExecCheck>(),
        keys_of::<FileCheck>(),
        keys_of::<LogCheck>(),
        keys_of::<LogTable>(),
        keys_of::<HttpTable>(),
        keys_of::<TcpCheck>(),
        keys_of::<SqlCheck>(),
        keys_of::<SqliteCheck>(),
    ];
    for keys in settings.iter().chain(&places).chain(&checks) {
        assert!(!keys.is_empty());
        for key in keys {
            assert!(words.contains(key), "{key}");
        }
    }
}

#[test]
fn stacks_from_files_have_settings_of_their_own() {
    let text = fs::read_to_string(project("fixtures/plans/stacks-from-files.toml")).expect("the fixture is there");
    for key in keys_of::<StackTable>() {
        assert!(text.contains(&format!("{key} = ")), "{key}");
    }
    let file = parse(&text).expect("it is right");
    let [many, one, far] = file.stack_files.as_slice() else { panic!("{:?}", file.stack_files) };
    assert_eq!(many.files, [Path::new("plans/stacks/*/compose.yaml")], "relative to the file's folder");
    assert_eq!(
        (many.env_files.as_slice(), many.profiles.as_slice()),
        (&["plans/ci.env".into()][..], &["full".into()][..])
    );
    assert!(many.settings.overrides.values.max_rto.is_some() && many.settings.overrides.source.is_some());
    assert_eq!(one.files, [Path::new("plans/shop/compose.yaml"), Path::new("plans/shop/prod.yaml")]);
    assert_eq!(far.backup_folders, ["/opt/stacks/*", "/srv/app"]);
    assert!(file.stacks.is_empty() && file.services.len() == 1);
}

/// The checks of the fixture of every key.
fn every_check() -> Vec<Check> {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let exec = |command: &[&str], stdout: Option<&str>| CheckSpec::Exec {
        command: words(command),
        exit: 0,
        stdout: stdout.map(str::to_owned),
    };
    let log = |contains: &str, not_contains: Option<&str>| CheckSpec::Log {
        contains: Some(contains.to_owned()),
        not_contains: not_contains.map(str::to_owned),
    };
    let token = SecretPlace::Env("NOTES_TOKEN".to_owned());
    let http = HttpCheck {
        method: "GET".to_owned(),
        path: "/notes?all=1".to_owned(),
        port: 8080,
        tls: true,
        headers: vec![
            ("accept".to_owned(), HeaderValue::Text("application/json".to_owned())),
            ("x-token".to_owned(), HeaderValue::Secret(token)),
        ],
        login: Some(("admin".to_owned(), SecretPlace::File("/run/secrets/notes".into()))),
        status: 200,
        contains: Some("remembered".to_owned()),
        matches: Some("id.: 1".to_owned()),
        json: vec![
            ("/0/id".to_owned(), Some(1.into())),
            ("/0/text".to_owned(), Some("remembered".into())),
            ("/0/written".to_owned(), None),
        ],
    };
    let sql = CheckSpec::Sql {
        query: "SELECT count(*) FROM notes".to_owned(),
        database: Some("app".to_owned()),
        value: Some("2".to_owned()),
        min_rows: 1,
    };
    let sqlite = CheckSpec::Sqlite {
        path: "/config/notes.db".to_owned(),
        query: "SELECT id, text FROM notes ORDER BY id".to_owned(),
        value: Some("1|remembered".to_owned()),
        min_rows: 2,
    };
    let file = CheckSpec::File {
        path: "/config/note".to_owned(),
        min_size: Some(1024),
        sha256: Some("0123456789abcdef".repeat(4)),
        newer_than: Some(Duration::from_secs(26 * 3600)),
    };
    let named = |name: &str, ask| Check::new(Some(name.to_owned()), ask);
    vec![
        named("the note is there", exec(&["test", "-s", "/config/note"], None)),
        Check::new(None, exec(&["sh", "-c", "cat /config/note | wc -l"], Some("^ *1$"))),
        Check::new(None, file),
        Check::new(None, log("ready in [0-9]+ s", None)),
        named("no panic", log("ready", Some("panic"))),
        named("the page", CheckSpec::Http(Box::new(http))),
        Check::new(None, CheckSpec::Tcp { ports: vec![8080] }),
        named("both ports", CheckSpec::Tcp { ports: vec![80, 443] }),
        Check::new(None, sql),
        named("both notes", sqlite),
    ]
}

#[test]
fn every_key_is_understood() {
    let text = fs::read_to_string(project("fixtures/plans/every-key.toml")).expect("the fixture is there");
    let file = parse(&text).expect("it is right");
    let spec = |name: &str| file.sources[name].spec.clone();
    let nightly = SourceSpec {
        place: SourcePlace::at_path(SourceKind::Tar, "plans/backups/app-*.tar.gz"),
        snapshot: None,
        keys: Keys { passphrase: Some(SecretPlace::File("/run/secrets/backup".into())), identity: None },
    };
    assert_eq!(spec("nightly"), nightly);
    let keys = Keys {
        passphrase: Some(SecretPlace::Env("BACKUP_PASSPHRASE".to_owned())),
        identity: Some("/home/me/.config/age/key.txt".into()),
    };
    let offsite = SourceSpec {
        place: SourcePlace::at_path(SourceKind::Dir, "/mnt/offsite"),
        snapshot: Some("2026-01-31".to_owned()),
        keys,
    };
    assert_eq!(spec("offsite"), offsite);
    assert_eq!(spec("host").place, SourcePlace::on_host("/srv/backup"));
    assert_eq!(spec("pipe").place, SourcePlace::stdin(SourceKind::Tar));
    assert_eq!(spec("pipe").keys.passphrase, Some(SecretPlace::Command("pass show backup".to_owned())));

    assert_eq!(file.history, Some(PathBuf::from("plans/profiles")));
    let path = |program: Program| file.programs[&program].path.clone();
    assert_eq!(path(Program::Borg), PathBuf::from("/opt/borg-1.4/borg"));
    assert_eq!(path(Program::Rclone), PathBuf::from("plans/rclone"));
    assert_eq!(path(Program::Restic), PathBuf::from("/home/me/bin/restic"));

    let all = Overrides {
        source: Some(SourceRef::Backup(nightly)),
        values: ServiceValues {
            timeout: Some(Timeout(Duration::from_secs(120))),
            settle: Some(TimeSpan(Duration::from_secs(3))),
            max_copy: Some(Bytes(20 << 30)),
            max_entries: Some(Count(20_000_000)),
            max_window: Some(Bytes(128 << 20)),
            memory: Some(Memory(2 << 30)),
            pids: Some(Processes(1000)),
            max_age: Some(TimeSpan(Duration::from_secs(26 * 3600))),
            max_rto: Some(TimeSpan(Duration::from_secs(600))),
            control: Some(true),
            require_proof: Some(RequiredProof(Some(EvidenceLevel::Restored))),
            min_score: Some(Points(40)),
            strict: Some(true),
            deep: Some(true),
            verify_content: Some(true),
            exclude: Some(Patterns(vec!["cache/**".to_owned(), "*.iso".to_owned()])),
            witness_slack: Some(TimeSpan(Duration::from_secs(7200))),
            pull: Some(PullWhen(PullPolicy::Always)),
            pull_timeout: Some(Timeout(Duration::from_secs(300))),
            tolerance: Some(Tolerated(Tolerance { files: 80, rows: 20, gone: false })),
        },
        ..Overrides::default()
    };
    assert_eq!(file.all, all);
    let stack = Overrides {
        source: Some(SourceRef::Backup(offsite)),
        skip: Some(Skip::Because("the plan file says: moved to another host".to_owned())),
        ..Overrides::default()
    };
    assert_eq!(file.stacks["media"].overrides, stack);
    let map = |mount: &str, path: &str| MapRule {
        service: None,
        mount: mount.to_owned(),
        path: path.to_owned(),
        of_lock: false,
    };
    let rule = |mount: &str, strategy| StrategyRule { service: None, mount: mount.to_owned(), strategy };
    let empty = |mount: &str, allowed| EmptyRule { service: None, mount: mount.to_owned(), allowed };
    let jellyfin = Overrides {
        values: ServiceValues {
            timeout: Some(Timeout(Duration::from_secs(300))),
            settle: Some(TimeSpan(Duration::from_secs(10))),
            max_copy: Some(Bytes(0)),
            max_entries: Some(Count(0)),
            max_window: Some(Bytes(2 << 30)),
            memory: Some(Memory(512 << 20)),
            pids: Some(Processes(0)),
            max_age: Some(TimeSpan(Duration::ZERO)),
            max_rto: Some(TimeSpan(Duration::from_secs(1800))),
            control: None,
            require_proof: None,
            min_score: Some(Points(0)),
            strict: Some(false),
            deep: Some(false),
            verify_content: Some(false),
            exclude: Some(Patterns(vec!["thumbs".to_owned()])),
            witness_slack: Some(TimeSpan(Duration::ZERO)),
            pull: Some(PullWhen(PullPolicy::Never)),
            pull_timeout: None,
            tolerance: Some(Tolerated(Tolerance::ALL)),
        },
        load: LoadOptions {
            database: Some("app".to_owned()),
            command: Some("psql -v ON_ERROR_STOP=1 -f $DUMP".to_owned()),
            from: Some("dumps/app.sql".to_owned()),
        },
        sources: Vec::new(),
        snapshot: None,
        keys: Default::default(),
        source: Some(SourceRef::Live),
        skip: Some(Skip::No),
        strategies: vec![rule("/config", Strategy::Copy)],
        maps: vec![map("/config", "backup/jellyfin_config")],
        allow_empty: vec![empty("/config", true)],
        checks: every_check(),
    };
    assert_eq!(file.services["media::jellyfin"].overrides, jellyfin);
    let gitea = Overrides {
        strategies: vec![rule("/srv/cache", Strategy::Empty)],
        maps: vec![map("gitea_data", "")],
        allow_empty: vec![empty("gitea_data", false)],
        ..Overrides::default()
    };
    assert_eq!(file.services["gitea"].overrides, gitea);
}

#[test]
fn the_home_folder_is_known_by_its_sign() {
    let text = "[sources.a]\nfrom = \"tar:~/b.tar\"\npassphrase = { file = \"~/p\" }\n";
    let spec = parse(text).expect("it is right").sources["a"].spec.clone();
    assert_eq!(spec.place, SourcePlace::at_path(SourceKind::Tar, "/home/me/b.tar"));
    assert_eq!(spec.keys.passphrase, Some(SecretPlace::File("/home/me/p".into())));
    let told = PlanFile::parse(Path::new("p.toml"), text, None).expect_err("no home").to_string();
    assert!(told.contains("p.toml:2:8: from: ") && told.contains("p.toml:3:23: file: `~` is not known here"), "{told}");
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let nothing: [(&str, &str); 0] = [];
    let told = PlanFile::find(Some(Path::new("/nonexistent/p.toml")), &nothing.into_iter().collect(), ME);
    let told = told.expect_err("it is not there").to_string();
    assert_eq!(
        told,
        "--plan: there is no file /nonexistent/p.toml; `rehearsa init --output /nonexistent/p.toml` would write one"
    );
    let env = [("REHEARSA_PLAN", "/nonexistent/q.toml")].into_iter().collect();
    let told = PlanFile::find(None, &env, ME).expect_err("it is not there").to_string();
    assert!(told.starts_with("environment variable REHEARSA_PLAN: there is no file /nonexistent/q.toml"), "{told}");
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let env = Environment::default();
    let told = PlanFile::load(folder.path(), &env).expect_err("a folder is no file").to_string();
    assert!(told.contains("directory"), "{told}");
    let path = folder.path().join("latin.toml");
    fs::write(&path, b"source = \"n\xe4chtlich\"").expect("written");
    let told = PlanFile::load(&path, &env).expect_err("no UTF-8").to_string();
    assert_eq!(told, format!("cannot read {}: it is not UTF-8 text", path.display()));
}

#[test]
fn what_is_not_on_the_host_is_told_with_the_nearest_name() {
    let volume = MountOrigin::Volume { name: "media_config".to_owned(), driver: "local".to_owned() };
    let mut jellyfin = sample::service(ServiceName::of_stack("media", "jellyfin"));
    jellyfin.mounts = vec![Mount { target: "/config".to_owned(), origin: volume, read_only: false }];
    let services = [jellyfin, sample::service(ServiceName::lone("gitea"))];
    let remarks = |text: &str| {
        let file = PlanFile::parse(Path::new("p.toml"), text, None).expect("it is right");
        file.remarks(&services).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let fits = "[services.gitea]\n[services.\"media::jellyfin\".mounts]\n\"/config\" = {}\nconfig = {}\n\
        media_config = {}\n\
        [stacks.media.mounts.\"/config/\"]\n";
    assert_eq!(remarks(fits), [""; 0]);
    let wrong = "[services.jellyfin]\n[services.zebra]\n[services.\"media::jellyfin\".mounts.\"/confg\"]\n\
        [stacks.meda]\n[stacks.media.mounts.other]\n[stacks.gitea]\n";
    assert_eq!(
        remarks(wrong),
        [
            "p.toml:1:11: no service of this host is called `jellyfin`; did you mean `media::jellyfin`?",
            "p.toml:2:11: no service of this host is called `zebra`",
            "p.toml:3:36: media::jellyfin has no mount `/confg`; did you mean `/config`?",
            "p.toml:4:9: no stack of this host is called `meda`; did you mean `media`?",
            "p.toml:5:22: no service of the stack media has a mount `other`",
            "p.toml:6:9: no stack of this host is called `gitea`",
        ]
    );
}

#[test]
fn a_list_is_never_taken_for_the_keys_of_a_table_in_their_order() {
    for entry in ["load = [\"app\", \"psql\"]", "mounts.\"/data\" = [\"x\", \"empty\", true]"] {
        let text = format!("[services.web]\n{entry}\n");
        let errors = PlanFile::parse(Path::new("rehearsa.toml"), &text, None).expect_err(entry).to_string();
        assert!(errors.starts_with("rehearsa.toml:2:") && errors.contains("this is a list; write {"), "{errors}");
    }
    let errors = PlanFile::parse(Path::new("rehearsa.toml"), "[[services.web]]\n", None).expect_err("a list");
    assert!(errors.to_string().contains("this is a list; write a table"), "{errors}");
}

#[test]
fn a_table_of_sources_in_the_singular_is_told_once_and_with_its_name() {
    let text = "source = \"nightly\"\n\n[source.nightly]\nfrom = \"tar:app.tar\"\n";
    let errors = PlanFile::parse(Path::new("rehearsa.toml"), text, None).expect_err("it is no TOML").to_string();
    assert!(errors.starts_with("rehearsa.toml:3:2: "), "{errors}");
    assert!(errors.contains("as in [sources.nightly]"), "{errors}");
    assert_eq!(errors.matches("rehearsa.toml:").count(), 1, "{errors}");
}

#[test]
fn generated_schema_is_committed() {
    crate::model::generated::check("src/config/plan_file/rehearsa.schema.json", &schema::generate());
}

#[test]
fn the_page_shows_what_is_really_said_of_its_plan() {
    let page = fs::read_to_string(project("docs/settings.md")).expect("there is a page of the settings");
    let plan = of_pages().into_iter().find(|block| block.contains("snapshot = ")).expect("a whole plan is shown");
    let wrong = plan.replace("snapshot = ", "snapshto = ").replace("timeout = \"5m\" ", "timeout = 120 ");
    let told = PlanFile::parse(Path::new(NAME), &wrong, Some(Path::new("/home/me"))).expect_err("it is wrong now");
    let told = told.to_string();
    let told: Vec<&str> = told.lines().skip(1).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    for line in told {
        assert!(page.contains(line), "{line}");
    }
}

#[test]
fn no_text_makes_the_reader_panic() {
    texts_do_not_make_the_reader_panic(13);
}

#[test]
#[ignore = "nightly: at every character, where every 13th of all plan files shows the same"]
fn no_text_makes_the_reader_panic_at_any_character() {
    texts_do_not_make_the_reader_panic(1);
}

/// What editors save meanwhile, and what people paste.
fn texts_do_not_make_the_reader_panic(stride: usize) {
    let plans = fixtures("fixtures/plans").into_iter().chain(fixtures("fixtures/plans/bad"));
    for (path, text) in plans {
        for (at, c) in text.char_indices().step_by(stride) {
            for odd in ["", "\u{feff}", "ä", "\u{1f980}\r", "\"", "[", "=\n", "\0", "'''"] {
                let _ = parse(&text[..at]);
                let _ = parse(&format!("{}{odd}{}", &text[..at], &text[at + c.len_utf8()..]));
            }
        }
        let windows = text.replace('\n', "\r\n");
        let (own, of_windows) = (parse(&text), parse(&format!("\u{feff}{windows}")));
        assert_eq!(own.is_ok(), of_windows.is_ok(), "{}", path.display());
    }
}
