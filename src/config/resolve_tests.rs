//! Tests of who is heard first.

use super::*;
use crate::model::mount::{MountOrigin, Strategy};
use crate::model::sample;
use crate::model::service::ServiceName;

fn env(variables: &[(&str, &str)]) -> Environment {
    variables.iter().copied().collect()
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    let labels = Labels::read("c", pairs.iter().copied());
    assert_eq!(labels.mistakes, [], "the labels are right");
    labels
}

/// How a service with these labels is rehearsed.
fn rehearsal(settings: &Settings, labels: &Labels) -> ServiceSettings {
    settings.with_labels(&sample::service(ServiceName::lone("app")), labels).expect("nothing is wrong with it")
}

#[test]
fn flag_is_heard_before_environment_before_label_before_default() {
    let label = labels(&[("rehearsa.timeout", "4m")]);
    let flag = Flags { values: [("timeout", "1m".to_owned())].into(), ..Flags::default() };
    let variable = env(&[("REHEARSA_TIMEOUT", "2m")]);
    let nothing = env(&[]);

    let timeout = |flags: &Flags, env: &Environment, labels: &Labels| {
        let settings = Settings::resolve(flags, env).expect("all are right");
        rehearsal(&settings, labels).timeout.map(|d| d.as_secs())
    };
    assert_eq!(timeout(&flag, &variable, &label), Some(60));
    assert_eq!(timeout(&Flags::default(), &variable, &label), Some(120));
    assert_eq!(timeout(&Flags::default(), &nothing, &label), Some(240));
    assert_eq!(timeout(&Flags::default(), &nothing, &Labels::default()), None);
}

#[test]
fn every_value_of_a_rehearsal_obeys_the_same_order() {
    let label = labels(&[("rehearsa.settle", "9s"), ("rehearsa.max-copy", "9GiB"), ("rehearsa.memory", "9MiB")]);
    let quiet = Settings::resolve(&Flags::default(), &env(&[])).expect("defaults");
    let heard = rehearsal(&quiet, &label);
    assert_eq!((heard.settle.as_secs(), heard.max_copy, heard.memory), (9, 9 << 30, Some(9 << 20)));

    let variables = env(&[("REHEARSA_SETTLE", "0"), ("REHEARSA_MAX_COPY", "0"), ("REHEARSA_MEMORY", "0")]);
    let loud = Settings::resolve(&Flags::default(), &variables).expect("zeros are values");
    let heard = rehearsal(&loud, &label);
    assert_eq!((heard.settle.as_secs(), heard.max_copy, heard.memory), (0, 0, None));
}

#[test]
fn a_source_of_the_command_line_is_for_the_selected_and_for_single_services() {
    let read = |from: &[&str], env: &Environment| {
        let flags = Flags { from: from.iter().map(|&text| text.to_owned()).collect(), ..Flags::default() };
        Settings::resolve(&flags, env)
    };
    let nothing = env(&[]);
    let heard = |from: &[&str], labels: &Labels, name: ServiceName| {
        let settings = read(from, &nothing).expect("it is right");
        let of = settings.with_labels(&sample::service(name), labels).expect("nothing is wrong with it");
        (of.source.map(|source| source.place.to_string()), of.as_dependency)
    };
    let db = || ServiceName::of_stack("shop", "db");
    let tar = |path: &str| Some(format!("tar:{path}"));
    assert_eq!(heard(&["tar:/a"], &Labels::default(), db()), (tar("/a"), DependencySource::SameIfFound));
    let live = labels(&[("rehearsa.source", "live")]);
    assert_eq!(heard(&["tar:/a"], &live, db()), (tar("/a"), DependencySource::Other(None)));
    assert_eq!(heard(&[], &live, db()), (None, DependencySource::Same));
    for name in ["shop::db", "db"] {
        let rule = format!("{name}=tar:/b=c");
        assert_eq!(heard(&["tar:/a", &rule], &live, db()), (tar("/b=c"), DependencySource::Same));
        let other = ServiceName::of_stack("shop", "app");
        assert_eq!(heard(&[&rule, "tar:/a"], &Labels::default(), other).0, tar("/a"));
    }
    // A path may have an equals sign in it.
    assert_eq!(heard(&["tar:/day=1/x"], &Labels::default(), db()).0, tar("/day=1/x"));
    let of_env = read(&["app=tar:/b"], &env(&[("REHEARSA_FROM", "tar:/a")])).expect("both hold");
    assert!(of_env.overrides.source.is_some() && of_env.overrides.sources.len() == 1);
    let error = read(&["tar:/a", "tar:/b"], &nothing).expect_err("which of them?").to_string();
    assert!(error.contains("two sources, tar:/a and tar:/b"), "{error}");
    let error = read(&["db=backup.tar"], &nothing).expect_err("no kind").to_string();
    assert!(error.contains("write `tar:backup.tar`"), "{error}");
}

#[test]
fn memory_that_no_container_can_have_is_refused_whoever_asks_for_it() {
    let flags = Flags { values: [("memory", "4MiB".to_owned())].into(), ..Flags::default() };
    let error = Settings::resolve(&flags, &env(&[])).expect_err("too little").to_string();
    assert!(error.starts_with("--memory: `4MiB` is not enough") && error.contains("6 MiB"), "{error}");
    let error =
        Settings::resolve(&Flags::default(), &env(&[("REHEARSA_MEMORY", "1")])).expect_err("too little").to_string();
    assert!(error.starts_with("environment variable REHEARSA_MEMORY: `1` is not enough"), "{error}");
}

#[test]
fn rehearsas_own_threads_variable_is_heard_before_rusts() {
    let both = env(&[("RUST_TEST_THREADS", "7"), ("REHEARSA_TEST_THREADS", "3")]);
    assert_eq!(Settings::resolve(&Flags::default(), &both).expect("numbers").threads, 3);
    let rust = env(&[("RUST_TEST_THREADS", "7"), ("REHEARSA_TEST_THREADS", "")]);
    assert_eq!(Settings::resolve(&Flags::default(), &rust).expect("a number").threads, 7);
    assert_eq!(Settings::resolve(&Flags::default(), &env(&[])).expect("default").threads, 2);
}

#[test]
fn no_threads_at_all_is_refused() {
    let flags = Flags { threads: Some("0".to_owned()), ..Flags::default() };
    let error = Settings::resolve(&flags, &env(&[])).expect_err("none").to_string();
    assert_eq!(error, "--test-threads: `0` is not a number of 1 or more");
    let error = Settings::resolve(&Flags::default(), &env(&[("RUST_TEST_THREADS", "many")])).expect_err("no number");
    assert_eq!(error.to_string(), "environment variable RUST_TEST_THREADS: `many` is not a number of 1 or more");
}

#[test]
fn strategies_of_flags_come_last_and_so_win() {
    let flags = Flags { strategies: vec!["/a=copy".to_owned()], ..Flags::default() };
    let settings = Settings::resolve(&flags, &env(&[("REHEARSA_STRATEGY", "/a=omit")])).expect("rules");
    let rehearsal = rehearsal(&settings, &labels(&[("rehearsa.mounts", "/a=empty")]));
    let order: Vec<Strategy> = rehearsal.strategies.iter().map(|rule| rule.strategy).collect();
    assert_eq!(order, [Strategy::Empty, Strategy::Omit, Strategy::Copy]);
}

#[test]
fn a_rule_finds_its_mount_by_target_volume_or_host_path() {
    let service = ServiceName::of_stack("media", "jellyfin");
    let volume = Mount {
        target: "/cache".to_owned(),
        origin: MountOrigin::Volume { name: "media_cache".to_owned(), driver: "local".to_owned() },
        read_only: false,
    };
    let bind = Mount {
        target: "/media".to_owned(),
        origin: MountOrigin::Bind { source: "/srv/films".to_owned() },
        read_only: false,
    };
    let applies = |text: &str, mount: &Mount| {
        strategy::parse(&SettingOrigin::Flag("--strategy"), text).expect(text).applies(&service, mount)
    };
    for text in ["/cache=omit", "cache=omit", "media_cache=omit", "jellyfin:/cache=omit", "media::jellyfin:cache=omit"]
    {
        assert!(applies(text, &volume), "{text}");
    }
    for text in ["/srv/films=omit", "/media=omit", "/media/=omit"] {
        assert!(applies(text, &bind), "{text}");
    }
    for text in ["sonarr:/cache=omit", "other::jellyfin:/cache=omit", "/cache2=omit", "a_cache=omit"] {
        assert!(!applies(text, &volume), "{text}");
    }
}

#[test]
fn a_report_folder_holds_all_reports_and_single_flags_are_heard_first() {
    let flags = Flags {
        report_dir: Some(PathBuf::from("out")),
        reports: [(Form::Junit, PathBuf::from("mine.xml"))].into(),
        ..Flags::default()
    };
    let reports = Settings::resolve(&flags, &env(&[])).expect("paths").reports;
    let file = |wanted| reports.files.iter().find(|(form, _)| *form == wanted).map(|(_, path)| path.clone());
    assert_eq!(file(Form::Junit), Some(PathBuf::from("mine.xml")));
    assert_eq!(file(Form::Json), Some(PathBuf::from("out/report.json")));
    assert_eq!(file(Form::Tap), Some(PathBuf::from("out/report.tap")));
    assert!(!reports.take_stdout());
}

#[test]
fn a_report_on_standard_output_is_in_the_folder_too() {
    let flags = Flags {
        report_dir: Some(PathBuf::from("out")),
        reports: [(Form::Json, PathBuf::from("-"))].into(),
        ..Flags::default()
    };
    let reports = Settings::resolve(&flags, &env(&[])).expect("paths").reports;
    assert_eq!(reports.files.len(), Form::ALL.len() + 1);
    for path in ["-", "out/report.json"] {
        assert!(reports.files.contains(&(Form::Json, PathBuf::from(path))), "{path}: {:?}", reports.files);
    }
    assert!(reports.take_stdout());
}

#[test]
fn two_reports_on_standard_output_are_refused() {
    let flags = Flags {
        reports: [(Form::Junit, PathBuf::from("-")), (Form::Tap, PathBuf::from("-"))].into(),
        ..Flags::default()
    };
    let error = Settings::resolve(&flags, &env(&[])).expect_err("they clash").to_string();
    assert_eq!(error, "--junit and --tap both write to standard output; give one of them another file");
}

#[test]
fn a_source_without_its_flag_is_no_filter() {
    let of = |filter: &str| {
        let flags = Flags { filters: vec![filter.to_owned()], ..Flags::default() };
        Settings::resolve(&flags, &env(&[])).map(drop).map_err(|error| error.to_string())
    };
    for source in ["tar:notes.tar", "dump:-", "daemon:/tank/app"] {
        let told = of(source).expect_err("it is a source");
        assert_eq!(told, format!("`{source}` is a source of data and no name of a service; write --from before it"));
    }
    for name in ["dir::web", "media::dir", "[tar] media::web", "notes", "tar:"] {
        assert_eq!(of(name), Ok(()), "{name}");
    }
}

#[test]
fn include_ignored_is_the_wider_of_the_two() {
    let flags = Flags { ignored: true, include_ignored: true, ..Flags::default() };
    assert_eq!(Settings::resolve(&flags, &env(&[])).expect("both").selection.ignored, IgnoredMode::Include);
}

#[test]
fn everybodys_checks_are_asked_and_of_two_with_one_name_the_first_heard() {
    let plan = "[stacks.media]\nchecks = [{ name = 'a', tcp = 1 }, { name = 'b', tcp = 2 }, { name = 'c', tcp = 3 }]\n\
        [services.'media::app']\nchecks = [{ name = 'b', tcp = 4 }]\n";
    let file = PlanFile::parse(Path::new("p.toml"), plan, None).expect("the plan is right");
    let settings = Settings::resolve(&Flags::default(), &env(&[])).expect("defaults").with_file(file);
    let service = sample::service(ServiceName::of_stack("media", "app"));
    let label = labels(&[("rehearsa.check.a", "tcp 5")]);
    let asked = settings.with_labels(&service, &label).expect("nothing is wrong with it").checks;
    let words: Vec<String> =
        asked.iter().map(|question| format!("{}: {}", question.name, question.ask.words())).collect();
    assert_eq!(words, ["a: tcp 5", "b: tcp 4", "c: tcp 3"]);
}
