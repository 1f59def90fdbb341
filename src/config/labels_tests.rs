//! Tests of the labels of a container.

use std::time::Duration;

use super::*;
use crate::config::declared::ServiceValues;
use crate::config::values::patterns::Patterns;
use crate::config::values::points::Points;
use crate::config::values::proof::RequiredProof;
use crate::config::values::pull::PullWhen;
use crate::config::values::text::{Bytes, Count, Memory, Processes, TimeSpan, Timeout};
use crate::config::values::tolerance::Tolerated;
use crate::model::check::EvidenceLevel;
use crate::model::dump::LoadOptions;
use crate::model::profile::losses::Tolerance;
use crate::model::pull::PullPolicy;

const FLAG: SettingOrigin = SettingOrigin::Flag("--flag");

/// The labels of a container, which are right.
fn right(container: &str, pairs: &[(&str, &str)]) -> Labels {
    let labels = Labels::read(container, pairs.iter().copied());
    assert_eq!(labels.mistakes, [], "all are right");
    labels
}

/// What is wrong with a label of a container.
fn wrong(container: &str, key: &str, value: &str) -> String {
    let labels = Labels::read(container, [(key, value)]);
    let [mistake] = labels.mistakes.as_slice() else { panic!("one mistake: {labels:?}") };
    mistake.to_string()
}

#[test]
fn every_declared_label_is_known() {
    for key in labels() {
        assert!(Labels::read("c", [(key, "0")]).unknown.is_empty(), "{key}");
    }
}

#[test]
fn every_known_label_is_understood() {
    let labels = right(
        "web_1",
        &[
            ("com.docker.compose.project", "web"),
            ("rehearsa.ignore", "true"),
            ("rehearsa.skip", "too large for now"),
            ("rehearsa.timeout", "5m"),
            ("rehearsa.settle", "0s"),
            ("rehearsa.max-copy", "1GiB"),
            ("rehearsa.memory", "512m"),
            ("rehearsa.pids", "100"),
            ("rehearsa.mounts", "/media=readonly,/cache=empty"),
            ("rehearsa.source", "nightly"),
            ("rehearsa.map", "/data=backup/data,/config=config"),
            ("rehearsa.allow-empty", "/cache,logs"),
            ("rehearsa.max-entries", "1000"),
            ("rehearsa.max-window", "2GiB"),
            ("rehearsa.max-age", "26h"),
            ("rehearsa.max-rto", "10m"),
            ("rehearsa.control", "true"),
            ("rehearsa.require-proof", "complete"),
            ("rehearsa.load.database", "app"),
            ("rehearsa.load.from", "/dumps/./app.sql"),
            ("rehearsa.load.command", "psql -f \"$DUMP\""),
            ("rehearsa.min-score", "70"),
            ("rehearsa.strict", "yes"),
            ("rehearsa.deep", "yes"),
            ("rehearsa.verify-content", "yes"),
            ("rehearsa.exclude", "cache/**, *.iso"),
            ("rehearsa.witness-slack", "3h"),
            ("rehearsa.pull", "always"),
            ("rehearsa.pull-timeout", "90s"),
            ("rehearsa.tolerance", "files=80%, gone"),
            ("rehearsa.depends_on", "db"),
        ],
    );
    assert!(labels.ignore);
    let values = ServiceValues {
        timeout: Some(Timeout(Duration::from_secs(300))),
        settle: Some(TimeSpan(Duration::ZERO)),
        max_copy: Some(Bytes(1 << 30)),
        memory: Some(Memory(512 << 20)),
        pids: Some(Processes(100)),
        max_entries: Some(Count(1000)),
        max_window: Some(Bytes(2 << 30)),
        max_age: Some(TimeSpan(Duration::from_secs(26 * 3600))),
        max_rto: Some(TimeSpan(Duration::from_secs(600))),
        control: Some(true),
        require_proof: Some(RequiredProof(Some(EvidenceLevel::Complete))),
        min_score: Some(Points(70)),
        strict: Some(true),
        deep: Some(true),
        verify_content: Some(true),
        exclude: Some(Patterns(vec!["cache/**".to_owned(), "*.iso".to_owned()])),
        witness_slack: Some(TimeSpan(Duration::from_secs(3 * 3600))),
        pull: Some(PullWhen(PullPolicy::Always)),
        pull_timeout: Some(Timeout(Duration::from_secs(90))),
        tolerance: Some(Tolerated(Tolerance { files: 80, rows: 10, gone: true })),
    };
    let overrides = Overrides {
        values,
        sources: Vec::new(),
        snapshot: None,
        keys: Default::default(),
        skip: Some(Skip::Because("the label rehearsa.skip says: too large for now".to_owned())),
        source: Some(SourceRef::Named {
            origin: SettingOrigin::Label { container: "web_1".to_owned(), key: SOURCE.to_owned() },
            name: "nightly".to_owned(),
        }),
        load: LoadOptions {
            database: Some("app".to_owned()),
            command: Some("psql -f \"$DUMP\"".to_owned()),
            from: Some("dumps/app.sql".to_owned()),
        },
        strategies: strategy::parse_list(&FLAG, "/media=readonly,/cache=empty").expect("rules"),
        maps: map::parse_list(&FLAG, "/data=backup/data,/config=config").expect("rules"),
        allow_empty: EmptyRule::parse_list(&FLAG, "/cache,logs").expect("mounts"),
        checks: Vec::new(),
    };
    assert_eq!(labels.overrides, overrides);
    assert!(labels.unknown.is_empty());
}

#[test]
fn an_unknown_label_is_a_warning_with_the_nearest_key() {
    let labels = right("web_1", &[("rehearsa.time-out", "5m")]);
    assert_eq!(labels.unknown.len(), 1);
    assert!(labels.unknown[0].starts_with("container web_1 has the unknown label rehearsa.time-out"), "{labels:?}");
    assert!(labels.unknown[0].contains("did you mean `rehearsa.timeout`"), "{labels:?}");
}

#[test]
fn a_label_that_is_like_none_is_met_with_all_there_are() {
    let labels = right("web_1", &[("rehearsa.zebra", "1")]);
    assert!(labels.unknown[0].contains("there are rehearsa.timeout, rehearsa.settle, "), "{labels:?}");
}

#[test]
fn a_bad_value_is_an_error_that_names_container_label_and_value() {
    let error = wrong("web_1", "rehearsa.settle", "abit");
    assert!(error.starts_with("label rehearsa.settle of container web_1: `abit` is not a duration"), "{error}");
    let error = wrong("web_1", "rehearsa.memory", "4m");
    assert!(error.starts_with("label rehearsa.memory of container web_1: `4m` is not enough"), "{error}");
    let error = wrong("web_1", "rehearsa.ignore", "perhaps");
    assert_eq!(error, "label rehearsa.ignore of container web_1: `perhaps` is not `true` or `false`");
}

#[test]
fn a_skip_can_be_taken_back_and_needs_no_reason() {
    let skip = |value| right("c", &[("rehearsa.skip", value)]).overrides.skip;
    for value in ["false", "no", "off", "0", "False", " no "] {
        assert_eq!(skip(value), Some(Skip::No), "{value}");
    }
    for value in ["true", "yes", "on", "1"] {
        let told = "the label rehearsa.skip says: no reason given";
        assert_eq!(skip(value), Some(Skip::Because(told.to_owned())), "{value}");
    }
    let told = "the label rehearsa.skip says: 0 rows in it";
    assert_eq!(skip("0 rows in it"), Some(Skip::Because(told.to_owned())));
}

/// An address takes the passwords of the environment to whatever host it names, and restic's and Borg's may name a
/// program. No setting allows one: `--allow-label-paths` decides about what is read without a mistake.
#[test]
fn a_label_names_no_address() {
    for value in [
        "restic:rest:https://nas/repo",
        "restic:sftp:nas:/repo",
        "restic:rclone:nas:repo",
        "borg:ssh://nas/./repo",
        "borg:me@nas:repo",
        "tar:rclone:nas:backups/app.tar.gz",
        "dump:rclone:nas:backups/app.sql",
    ] {
        let told = wrong("web", SOURCE, value);
        assert!(told.contains("an address takes the passwords of the environment to another host"), "{value}: {told}");
    }
}

#[test]
fn a_label_names_only_sources_that_everybody_finds() {
    let read = |value| right("c", &[("rehearsa.source", value)]).overrides.source;
    assert_eq!(read("live"), Some(SourceRef::Live));
    assert!(matches!(read("tar:/b/*.tar"), Some(SourceRef::Backup(_))));
    for (value, expected) in
        [("tar:b/a.tar", "must begin with a slash"), ("dir:b", "must begin with a slash"), ("tar:-", "standard input")]
    {
        let error = wrong("c", "rehearsa.source", value);
        assert!(error.starts_with("label rehearsa.source of container c: ") && error.contains(expected), "{error}");
    }
}

#[test]
fn a_label_that_is_empty_is_a_mistake_but_for_an_empty_list_of_dependencies() {
    for key in labels() {
        if key == DEPENDS_ON {
            right("c", &[(key, "")]);
        } else {
            let error = wrong("c", key, "  ");
            assert!(error.starts_with(&format!("label {key} of container c: it is empty")), "{error}");
        }
    }
    for key in [MOUNTS, MAP, ALLOW_EMPTY] {
        assert!(wrong("c", key, " , ").contains("it is empty"), "{key}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_and_the_right_labels_are_heard() {
    let pairs =
        [("rehearsa.settle", "abit"), ("rehearsa.check.x", "exce"), ("rehearsa.map", "x"), ("rehearsa.pids", "7")];
    let labels = Labels::read("c", pairs);
    let told: Vec<String> = labels.mistakes.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    for (told, key) in told.iter().zip(["check.x", "map", "settle"]) {
        assert!(told.starts_with(&format!("label rehearsa.{key} of container c: ")), "{told}");
    }
    assert_eq!(labels.overrides.values.pids, Some(Processes(7)));
}

#[test]
fn a_long_label_is_not_repeated_in_full() {
    let long = "x".repeat(3000);
    for key in ["rehearsa.settle", "rehearsa.memory", "rehearsa.map", "rehearsa.mounts", "rehearsa.check.a"] {
        let error = wrong("c", key, &format!("{long} {long}"));
        assert!(error.len() < 900, "{key}: {} bytes", error.len());
    }
    let many: Vec<String> = (0..100).map(|nth| format!("rehearsa.{nth}{long}")).collect();
    let unknown = Labels::read("c", many.iter().map(|key| (key.as_str(), "1"))).unknown;
    assert_eq!(unknown.len(), 6, "five and how many more");
    assert!(unknown[5].contains("95 more"), "{unknown:?}");
    assert!(unknown.iter().all(|told| told.len() < 900));
}

#[test]
fn a_rule_for_a_mount_that_is_not_there_is_a_mistake_with_the_nearest_name() {
    let volume = |name: &str, target: &str| crate::model::mount::Mount {
        target: target.to_owned(),
        origin: crate::model::mount::MountOrigin::Volume { name: name.to_owned(), driver: "local".to_owned() },
        read_only: false,
    };
    let of = |key: &str, value: &str| {
        let mut service = crate::model::sample::service(crate::model::service::ServiceName::of_stack("media", "tv"));
        service.mounts = vec![volume("media_cache", "/cache"), volume("media_config", "/config")];
        service.labels = vec![(key.to_owned(), value.to_owned())];
        Labels::of(&service).mistakes.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    for (key, value) in [
        (MOUNTS, "/cache=empty,config=omit"),
        (MAP, "/cache=a,media_config=b"),
        (ALLOW_EMPTY, "/cache,config"),
        (MOUNTS, "tv:/cache=omit"),
    ] {
        assert!(of(key, value).is_empty(), "{key} {value}");
    }
    for (key, value) in [(MOUNTS, "/cahe=empty"), (MAP, "/cahe=a"), (ALLOW_EMPTY, "/config,/cahe")] {
        let told =
            format!("label {key} of container media-tv-1: media::tv has no mount `/cahe`; did you mean `/cache`?");
        assert_eq!(of(key, value), [told]);
    }
    let told = of(MOUNTS, "web:/cache=omit");
    assert!(told[0].contains("names the service `web`"), "{told:?}");
}
