//! Every key of a rehearsal, said by everybody who may say it: who is heard?

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::config::plan_file::service_keys;
use crate::model::mount::{Mount, MountOrigin};
use crate::model::sample;
use crate::model::service::ServiceName;

/// Where a flag of the command line goes.
type Flag = fn(&mut Flags, String);

/// A key, how each says it, and what comes of it.
struct Key {
    /// In the plan file; `mounts` stands for all keys of a mount.
    name: &'static str,
    flag: Option<Flag>,
    variable: Option<&'static str>,
    label: &'static str,
    /// What is written: by the flag, the variable, the label, the service's table, its stack's, and at the top of the
    /// file. `-` where that cannot be.
    written: [&'static str; 6],
    /// What is heard when all of those say it, when the first is silent, when the first two are, and so on until all
    /// are.
    heard: [&'static str; 7],
    shown: fn(&ServiceSettings) -> String,
}

fn set(flags: &mut Flags, key: &'static str, text: String) {
    flags.values.insert(key, text);
}

fn text(value: impl std::fmt::Debug) -> String {
    format!("{value:?}").replace("Some(", "").replace([')', '"'], "")
}

const DURATIONS: [&str; 6] = ["1m", "2m", "3m", "'4m'", "'5m'", "'6m'"];
const SIZES: [&str; 6] = ["1kB", "2kB", "3kB", "'4kB'", "'5kB'", "'6kB'"];

const KEYS: &[Key] = &[
    Key {
        name: "timeout",
        flag: Some(|flags, text| set(flags, "timeout", text)),
        variable: Some("REHEARSA_TIMEOUT"),
        label: "rehearsa.timeout",
        written: DURATIONS,
        heard: ["60s", "120s", "180s", "240s", "300s", "360s", "None"],
        shown: |rehearsal| text(rehearsal.timeout),
    },
    Key {
        name: "settle",
        flag: Some(|flags, text| set(flags, "settle", text)),
        variable: Some("REHEARSA_SETTLE"),
        label: "rehearsa.settle",
        written: ["0", "2m", "3m", "'4m'", "'5m'", "'6m'"],
        heard: ["0ns", "120s", "180s", "240s", "300s", "360s", "3s"],
        shown: |rehearsal| text(rehearsal.settle),
    },
    Key {
        name: "max_copy",
        flag: Some(|flags, text| set(flags, "max_copy", text)),
        variable: Some("REHEARSA_MAX_COPY"),
        label: "rehearsa.max-copy",
        written: SIZES,
        heard: ["1000", "2000", "3000", "4000", "5000", "6000", "21474836480"],
        shown: |rehearsal| text(rehearsal.max_copy),
    },
    Key {
        name: "memory",
        flag: Some(|flags, text| set(flags, "memory", text)),
        variable: Some("REHEARSA_MEMORY"),
        label: "rehearsa.memory",
        // A limit is taken back with 0.
        written: ["0", "20MB", "0", "'40MB'", "0", "'60MB'"],
        heard: ["None", "20000000", "None", "40000000", "None", "60000000", "None"],
        shown: |rehearsal| text(rehearsal.memory),
    },
    Key {
        name: "pids",
        flag: Some(|flags, text| set(flags, "pids", text)),
        variable: Some("REHEARSA_PIDS"),
        label: "rehearsa.pids",
        written: ["1", "2", "3", "4", "0", "6"],
        heard: ["1", "2", "3", "4", "4096", "6", "4096"],
        shown: |rehearsal| text(rehearsal.pids),
    },
    Key {
        name: "max_entries",
        flag: Some(|flags, text| set(flags, "max_entries", text)),
        variable: Some("REHEARSA_MAX_ENTRIES"),
        label: "rehearsa.max-entries",
        written: ["1", "2", "3", "4", "0", "6"],
        heard: ["1", "2", "3", "4", "0", "6", "20000000"],
        shown: |rehearsal| text(rehearsal.max_entries),
    },
    Key {
        name: "max_window",
        flag: Some(|flags, text| set(flags, "max_window", text)),
        variable: Some("REHEARSA_MAX_WINDOW"),
        label: "rehearsa.max-window",
        written: ["1KiB", "2KiB", "3KiB", "'4KiB'", "0", "6"],
        heard: ["1024", "2048", "3072", "4096", "0", "6", "134217728"],
        shown: |rehearsal| text(rehearsal.max_window),
    },
    Key {
        name: "max_age",
        flag: Some(|flags, text| set(flags, "max_age", text)),
        variable: Some("REHEARSA_MAX_AGE"),
        label: "rehearsa.max-age",
        written: ["1m", "2m", "3m", "'0'", "'5m'", "'6m'"],
        heard: ["60s", "120s", "180s", "None", "300s", "360s", "None"],
        shown: |rehearsal| text(rehearsal.max_age),
    },
    Key {
        name: "max_rto",
        flag: Some(|flags, text| set(flags, "max_rto", text)),
        variable: Some("REHEARSA_MAX_RTO"),
        label: "rehearsa.max-rto",
        written: ["1m", "2m", "0", "'4m'", "'5m'", "'6m'"],
        heard: ["60s", "120s", "None", "240s", "300s", "360s", "None"],
        shown: |rehearsal| text(rehearsal.max_rto),
    },
    Key {
        name: "source",
        flag: Some(|flags, text| flags.from = vec![text]),
        variable: Some("REHEARSA_FROM"),
        label: "rehearsa.source",
        written: ["tar:/1", "tar:/2", "nightly", "'live'", "'dir:/5'", "'nightly'"],
        heard: ["tar:/1", "tar:/2", "tar:/n", "None", "dir:/5", "tar:/n", "None"],
        shown: |rehearsal| rehearsal.source.as_ref().map_or("None".to_owned(), |source| source.place.to_string()),
    },
    Key {
        name: "skip",
        flag: None,
        variable: None,
        label: "rehearsa.skip",
        written: ["-", "-", "false", "'four'", "false", "-"],
        heard: ["None", "None", "None", "the plan file says: four", "None", "None", "None"],
        shown: |rehearsal| text(&rehearsal.skip),
    },
    Key {
        name: "control",
        flag: Some(|flags, text| set(flags, "control", text)),
        variable: Some("REHEARSA_CONTROL"),
        label: "rehearsa.control",
        written: ["true", "false", "yes", "false", "true", "false"],
        heard: ["true", "false", "true", "false", "true", "false", "false"],
        shown: |rehearsal| rehearsal.control.to_string(),
    },
    Key {
        name: "require_proof",
        flag: Some(|flags, text| set(flags, "require_proof", text)),
        variable: Some("REHEARSA_REQUIRE_PROOF"),
        label: "rehearsa.require-proof",
        written: ["restored", "none", "healthy", "'complete'", "'data-proven'", "'restored'"],
        heard: ["Restored", "None", "Healthy", "Complete", "DataProven", "Restored", "None"],
        shown: |rehearsal| text(rehearsal.require_proof),
    },
    Key {
        name: "min_score",
        flag: Some(|flags, text| set(flags, "min_score", text)),
        variable: Some("REHEARSA_MIN_SCORE"),
        label: "rehearsa.min-score",
        written: ["10", "0", "30", "40", "'50'", "60"],
        heard: ["10", "None", "30", "40", "50", "60", "None"],
        shown: |rehearsal| text(rehearsal.min_score),
    },
    Key {
        name: "strict",
        flag: Some(|flags, text| set(flags, "strict", text)),
        variable: Some("REHEARSA_STRICT"),
        label: "rehearsa.strict",
        written: ["true", "false", "yes", "false", "true", "false"],
        heard: ["true", "false", "true", "false", "true", "false", "false"],
        shown: |rehearsal| rehearsal.strict.to_string(),
    },
    Key {
        name: "deep",
        flag: Some(|flags, text| set(flags, "deep", text)),
        variable: Some("REHEARSA_DEEP"),
        label: "rehearsa.deep",
        written: ["true", "false", "yes", "false", "true", "false"],
        heard: ["true", "false", "true", "false", "true", "false", "false"],
        shown: |rehearsal| rehearsal.deep.to_string(),
    },
    Key {
        name: "verify_content",
        flag: Some(|flags, text| set(flags, "verify_content", text)),
        variable: Some("REHEARSA_VERIFY_CONTENT"),
        label: "rehearsa.verify-content",
        written: ["true", "false", "yes", "false", "true", "false"],
        heard: ["true", "false", "true", "false", "true", "false", "false"],
        shown: |rehearsal| rehearsal.verify_content.to_string(),
    },
    Key {
        name: "exclude",
        flag: Some(|flags, text| set(flags, "exclude", text)),
        variable: Some("REHEARSA_EXCLUDE"),
        label: "rehearsa.exclude",
        written: ["one,1", "two", "three, 3", "['four', '4']", "[]", "'six,6'"],
        heard: ["one,1", "two", "three,3", "four,4", "", "six,6", ""],
        shown: |rehearsal| rehearsal.exclude.join(","),
    },
    Key {
        name: "witness_slack",
        flag: Some(|flags, text| set(flags, "witness_slack", text)),
        variable: Some("REHEARSA_WITNESS_SLACK"),
        label: "rehearsa.witness-slack",
        written: ["1m", "0", "3m", "'4m'", "'5m'", "0"],
        heard: ["60s", "0ns", "180s", "240s", "300s", "0ns", "3600s"],
        shown: |rehearsal| text(rehearsal.witness_slack),
    },
    Key {
        name: "pull",
        flag: Some(|flags, text| set(flags, "pull", text)),
        variable: Some("REHEARSA_PULL"),
        label: "rehearsa.pull",
        written: ["always", "never", "missing", "'always'", "'never'", "'missing'"],
        heard: ["Always", "Never", "Missing", "Always", "Never", "Missing", "Missing"],
        shown: |rehearsal| text(rehearsal.pull),
    },
    Key {
        name: "pull_timeout",
        flag: Some(|flags, text| set(flags, "pull_timeout", text)),
        variable: Some("REHEARSA_PULL_TIMEOUT"),
        label: "rehearsa.pull-timeout",
        written: ["1m", "2s", "3m", "'4m'", "'5m'", "'6m'"],
        heard: ["60s", "2s", "180s", "240s", "300s", "360s", "120s"],
        shown: |rehearsal| text(rehearsal.pull_timeout),
    },
    Key {
        name: "tolerance",
        flag: Some(|flags, text| set(flags, "tolerance", text)),
        variable: Some("REHEARSA_TOLERANCE"),
        label: "rehearsa.tolerance",
        written: ["files=1%", "files=2%", "files=3%", "'files=4%'", "'files=5%'", "'6%'"],
        heard: ["1", "2", "3", "4", "5", "6", "50"],
        shown: |rehearsal| rehearsal.tolerance.files.to_string(),
    },
    Key {
        name: "mounts",
        flag: Some(|flags, text| flags.strategies = vec![text]),
        variable: Some("REHEARSA_STRATEGY"),
        label: "rehearsa.mounts",
        written: [
            "/data=copy",
            "/data=omit",
            "/data=empty",
            "{ '/data' = { strategy = 'overlay' } }",
            "{ '/data' = { strategy = 'readonly' } }",
            "-",
        ],
        heard: ["Copy", "Omit", "Empty", "Overlay", "Readonly", "None", "None"],
        shown: |rehearsal| text(rehearsal.strategies.last().map(|rule| rule.strategy)),
    },
    Key {
        name: "mounts",
        flag: None,
        variable: None,
        label: "rehearsa.map",
        written: ["-", "-", "/data=3", "{ '/data' = { path = '4' } }", "{ '/data' = { path = '5' } }", "-"],
        heard: ["3", "3", "3", "4", "5", "None", "None"],
        shown: |rehearsal| text(rehearsal.maps.last().map(|rule| &rule.path)),
    },
    Key {
        name: "mounts",
        flag: None,
        variable: None,
        label: "rehearsa.allow-empty",
        // Whoever names the mount in another way means the same mount.
        written: ["-", "-", "/data", "{ data = { allow_empty = false } }", "{ '/data' = { allow_empty = true } }", "-"],
        heard: ["/data", "/data", "/data", "", "/data", "", ""],
        shown: |rehearsal| rehearsal.allow_empty.join(","),
    },
    Key {
        name: "load",
        flag: None,
        variable: None,
        label: "rehearsa.load.database",
        written: ["-", "-", "three", "{ database = 'four' }", "{ database = 'five' }", "-"],
        heard: ["three", "three", "three", "four", "five", "None", "None"],
        shown: |rehearsal| text(rehearsal.load.database.as_deref()),
    },
    Key {
        name: "load",
        flag: None,
        variable: None,
        label: "rehearsa.load.command",
        written: ["-", "-", "three", "{ command = 'four' }", "{ command = 'five' }", "-"],
        heard: ["three", "three", "three", "four", "five", "None", "None"],
        shown: |rehearsal| text(rehearsal.load.command.as_deref()),
    },
];

fn service() -> Service {
    let mut service = sample::service(ServiceName::of_stack("s", "app"));
    let origin = MountOrigin::Volume { name: "data".to_owned(), driver: "local".to_owned() };
    service.mounts = vec![Mount { target: "/data".to_owned(), origin, read_only: false }];
    service
}

/// What is heard of a key when the first `silent` of those who may say it are silent.
fn heard(key: &Key, silent: usize) -> String {
    let says = |nth: usize| Some(key.written[nth]).filter(|written| nth >= silent && *written != "-");
    let mut flags = Flags::default();
    if let (Some(set), Some(text)) = (key.flag, says(0)) {
        set(&mut flags, text.to_owned());
    }
    let variable = key.variable.zip(says(1));
    let mut service = service();
    service.labels = says(2).map(|value| (key.label.to_owned(), value.to_owned())).into_iter().collect();
    let line = |nth: usize| says(nth).map(|value| format!("{} = {value}\n", key.name)).unwrap_or_default();
    let file = format!(
        "{}[sources.nightly]\nfrom = 'tar:/n'\n[stacks.s]\n{}[stacks.other]\nskip = 'not this one'\n\
         [services.'s::app']\n{}[services.app]\nskip = 'not this one either'\n",
        line(5),
        line(4),
        line(3),
    );
    let file = PlanFile::parse(Path::new("p.toml"), &file, None).unwrap_or_else(|error| panic!("{error} in {file}"));
    let settings = Settings::resolve(&flags, &variable.into_iter().collect()).expect("they are right").with_file(file);
    (key.shown)(&settings.for_service(&service).expect("all is right"))
}

#[test]
fn whoever_is_nearest_to_the_command_line_is_heard() {
    for key in KEYS {
        for (silent, expected) in key.heard.iter().enumerate() {
            assert_eq!(heard(key, silent), *expected, "{} ({}), {silent} silent", key.name, key.label);
        }
    }
}

#[test]
fn no_key_is_forgotten_here() {
    let tried: BTreeSet<&str> = KEYS.iter().map(|key| key.name).collect();
    // The one only says what holds anyway; what everybody asks is asked.
    let known = service_keys().into_iter().filter(|key| !["egress", "checks"].contains(key));
    assert_eq!(tried, known.collect());
    let variables: BTreeSet<&str> = KEYS.iter().filter_map(|key| key.variable).collect();
    let of_rehearsals = SERVICE_VALUES.iter().flat_map(|setting| setting.variables).copied();
    let others = ["REHEARSA_STRATEGY", "REHEARSA_FROM"];
    assert_eq!(variables, of_rehearsals.chain(others).collect());
}

#[test]
fn a_source_that_a_label_names_is_one_of_the_plan_file() {
    let mut service = service();
    service.labels = vec![("rehearsa.source".to_owned(), "nigthly".to_owned())];
    let told = |settings: Settings| {
        let rehearsal = settings.for_service(&service).expect("the run goes on");
        rehearsal.unusable.expect("nobody knows it").message
    };
    let file = PlanFile::parse(Path::new("p.toml"), "[sources.nightly]\nfrom = 'tar:/n'", None).expect("it is right");
    assert_eq!(
        told(Settings::default().with_file(file)),
        "label rehearsa.source of container s-app-1: `nigthly` is not a source of the plan file; did you mean \
         `nightly`?"
    );
    let told = told(Settings::default());
    assert!(told.contains("`nigthly` is not a source, for there is no plan file that would know the name"), "{told}");
}

/// Whoever writes labels must not choose which files of this machine are read.
#[test]
fn a_label_names_no_path_unless_the_user_allows_it() {
    let of = |source: &str, settings: &Settings| {
        let mut service = service();
        service.labels = vec![("rehearsa.source".to_owned(), source.to_owned())];
        let rehearsal = settings.for_service(&service).expect("the run goes on");
        (rehearsal.unusable.map(|diagnosis| diagnosis.message), rehearsal.source.map(|spec| spec.place.to_string()))
    };
    let (closed, open) = (Settings::default(), Settings { allow_label_paths: true, ..Settings::default() });
    for path in ["tar:/etc/shadow", "dir:/root", "daemon:/root", "dump:/root/app.sql"] {
        let (told, source) = of(path, &closed);
        assert_eq!(source, None, "what is refused is not opened");
        let told = told.expect("refused");
        assert!(told.starts_with("label rehearsa.source of container s-app-1: "), "{told}");
        assert!(told.contains(path) && told.contains("--allow-label-paths"), "{told}");
        assert_eq!(of(path, &open), (None, Some(path.to_owned())));
    }
    assert_eq!(of("live", &closed), (None, None));
    let told = of("tar://bob:canary-1@nas/x?token=canary-2", &closed).0.expect("refused");
    assert!(!told.contains("canary"), "{told}");
    let flags = Flags { from: vec!["live".to_owned()], ..Flags::default() };
    let said = Settings::resolve(&flags, &Environment::default()).expect("right");
    assert_eq!(of("tar:/etc/shadow", &said), (None, None), "the flag is heard, and nothing of the label");
    let mut service = service();
    service.labels = vec![("rehearsa.source".to_owned(), "tar:/etc/shadow".to_owned())];
    let heard = said.for_service(&service).expect("the run goes on").as_dependency;
    assert_eq!(heard, DependencySource::SameIfFound, "nor for a dependency");

    let allowed = |flags: &Flags, env: &[(&str, &str)], file: &str| {
        let file = PlanFile::parse(Path::new("p.toml"), file, None).expect("it is right");
        let settings = Settings::resolve(flags, &env.iter().copied().collect()).expect("right").with_file(file);
        of("tar:/b.tar", &settings).0.is_none()
    };
    let (none, flag) = (Flags::default(), Flags { allow_label_paths: true, ..Flags::default() });
    assert!(allowed(&flag, &[], "") && allowed(&none, &[("REHEARSA_ALLOW_LABEL_PATHS", "yes")], ""));
    assert!(allowed(&none, &[], "allow_label_paths = true"));
    assert!(!allowed(&none, &[("REHEARSA_ALLOW_LABEL_PATHS", "no")], "allow_label_paths = false"));
}

#[test]
fn labels_of_the_image_set_nothing_and_are_told() {
    let mut service = service();
    let keys =
        ["rehearsa.skip", "rehearsa.ignore", "rehearsa.source", "com.docker.compose.project", "rehearsa.map", "z"];
    service.unheard = keys.iter().map(|key| ((*key).to_owned(), "true".to_owned())).collect();
    let rehearsal = Settings::default().for_service(&service).expect("the run goes on");
    assert!(
        !rehearsal.ignore && rehearsal.skip.is_none() && rehearsal.source.is_none() && rehearsal.unusable.is_none()
    );
    let [warning] = rehearsal.warnings.as_slice() else { panic!("one warning: {rehearsal:?}") };
    assert_eq!(warning.code, Code::ConfigImageLabels);
    let named = "labels of the image app:1 are not obeyed for container s-app-1: rehearsa.skip, rehearsa.ignore";
    assert!(warning.message.starts_with(named) && warning.message.ends_with("and 1 more"), "{}", warning.message);
}

#[test]
fn the_snapshot_and_the_keys_of_the_run_are_those_of_every_source() {
    let file = "[sources.nightly]\nfrom = 'tar:/n'\nsnapshot = 'old'\npassphrase = { file = '/p' }\nidentity = '/i'\n\
                [services.'s::app']\nsource = 'nightly'\n";
    let of = |flags: Flags, env: &[(&str, &str)]| {
        let file = PlanFile::parse(Path::new("p.toml"), file, None).expect("it is right");
        let settings =
            Settings::resolve(&flags, &env.iter().copied().collect()).expect("they are right").with_file(file);
        settings.for_service(&service()).expect("all is right").source.expect("it has one")
    };
    let file_secret = |path: &str| Some(SecretPlace::File(PathBuf::from(path)));
    let own = of(Flags::default(), &[]);
    assert_eq!(own.snapshot.as_deref(), Some("old"));
    assert_eq!(own.keys, Keys { passphrase: file_secret("/p"), identity: Some(PathBuf::from("/i")) });
    let flags = Flags {
        snapshot: Some("latest".to_owned()),
        passphrase_file: Some(PathBuf::from("/q")),
        identity: Some(PathBuf::from("/j")),
        ..Flags::default()
    };
    let said = of(flags, &[("REHEARSA_SNAPSHOT", "older")]);
    assert_eq!((said.snapshot, said.keys.passphrase), (None, file_secret("/q")));
    assert_eq!(said.keys.identity, Some(PathBuf::from("/j")));
    let heard = of(Flags::default(), &[("REHEARSA_SNAPSHOT", "older"), ("REHEARSA_PASSPHRASE", "fixture-pass")]);
    assert_eq!(heard.snapshot.as_deref(), Some("older"));
    assert_eq!(heard.keys.passphrase, Some(SecretPlace::Env("REHEARSA_PASSPHRASE".to_owned())));
    let of_time = of(Flags { snapshot: Some("before=2026-11-30T12:00".to_owned()), ..Flags::default() }, &[]);
    assert_eq!(of_time.snapshot.as_deref(), Some("before=2026-11-30T12:00"));
}

#[test]
fn a_name_without_a_plan_file_is_met_with_all_kinds() {
    let flags = Flags { from: vec!["repo".to_owned()], ..Flags::default() };
    let settings = Settings::resolve(&flags, &Environment::default()).expect("it is a name");
    let error = settings.for_service(&service()).expect_err("nobody knows it").to_string();
    for kind in SourceKind::names() {
        assert!(error.contains(&format!(" {kind}:")), "{kind}: {error}");
    }
}

#[test]
fn a_snapshot_before_what_is_no_time_is_a_mistake_of_the_user() {
    let flags = Flags { snapshot: Some("host=nas,before=noon".to_owned()), ..Flags::default() };
    let error = Settings::resolve(&flags, &Environment::default()).expect_err("it is wrong").to_string();
    assert!(error.contains("--snapshot") && error.contains("`noon` is no time"), "{error}");
    let file = "[sources.a]\nfrom = 'restic:/r'\nsnapshot = 'before=noon'\n";
    let error = PlanFile::parse(Path::new("p.toml"), file, None).expect_err("it is wrong").to_string();
    assert!(error.contains("p.toml:3") && error.contains("`noon` is no time"), "{error}");
}

#[test]
fn a_program_is_named_by_a_flag_a_variable_or_the_plan_file() {
    let of = |flag: Option<&str>, variable: Option<&str>, file: &str| {
        let programs = flag.map(|path| (Program::Restic, PathBuf::from(path))).into_iter().collect();
        let flags = Flags { programs, ..Flags::default() };
        let env: Environment = variable.map(|path| ("REHEARSA_RESTIC_PATH", path)).into_iter().collect();
        let file = PlanFile::parse(Path::new("/etc/p.toml"), file, None).expect("it is right");
        let programs = Settings::resolve(&flags, &env).expect("they are right").with_file(file).programs();
        [Program::Restic, Program::Borg].map(|program| programs.of(program).map(|path| path.display().to_string()))
    };
    let both = "restic_path = 'bin/restic'\nborg_path = '/opt/borg'\n";
    let some = |restic: &str, borg: &str| [Some(restic.to_owned()), Some(borg.to_owned())];
    assert_eq!(of(Some("/flag"), Some("/variable"), both), some("/flag", "/opt/borg"));
    assert_eq!(of(None, Some("/variable"), both), some("/variable", "/opt/borg"));
    assert_eq!(of(None, None, both), some("/etc/bin/restic", "/opt/borg"));
    assert_eq!(of(None, None, ""), [None, None]);
    let empty = PlanFile::parse(Path::new("p.toml"), "restic_path = ' '\n", None).expect_err("it names nothing");
    assert!(empty.to_string().contains("this names no program"), "{empty}");
}

#[test]
fn the_flag_names_the_history_before_its_variable_and_the_plan_file() {
    let file = || PlanFile::parse(Path::new("plans/p.toml"), "history = 'profiles'\n", None).expect("it is right");
    let history = |flag: Option<&str>, variable: &[(&str, &str)]| {
        let flags = Flags { history: flag.map(Into::into), ..Flags::default() };
        let env = variable.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let settings = Settings::resolve(&flags, &env).expect("it is right").with_file(file());
        settings.history().map(|folder| folder.display().to_string())
    };
    let variable = [("REHEARSA_HISTORY", "of-variable")];
    assert_eq!(history(Some("of-flag"), &variable).as_deref(), Some("of-flag"));
    assert_eq!(history(None, &variable).as_deref(), Some("of-variable"));
    assert_eq!(history(None, &[]).as_deref(), Some("plans/profiles"));
    assert_eq!(Settings::default().history(), None);
}
