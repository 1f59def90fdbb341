//! Tests of the labels of a container.

use std::time::Duration;

use super::*;
use crate::config::declared::ServiceValues;
use crate::config::values::text::{Bytes, Count, Memory, Processes, TimeSpan, Timeout};
use crate::model::dump::LoadOptions;

const FLAG: SettingOrigin = SettingOrigin::Flag("--flag");

#[test]
fn every_declared_label_is_known() {
    for key in labels() {
        let labels = Labels::read("c", [(key, "0")]);
        assert!(labels.is_err() || labels.is_ok_and(|labels| labels.unknown.is_empty()), "{key}");
    }
}

#[test]
fn every_known_label_is_understood() {
    let labels = Labels::read(
        "web_1",
        [
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
            ("rehearsa.max-age", "26h"),
            ("rehearsa.max-rto", "10m"),
            ("rehearsa.control", "true"),
            ("rehearsa.load.database", "app"),
            ("rehearsa.load.command", "psql -f \"$DUMP\""),
            ("rehearsa.verify-content", "yes"),
            ("rehearsa.depends_on", "db"),
        ],
    )
    .expect("all are right");
    assert!(labels.ignore);
    let values = ServiceValues {
        timeout: Some(Timeout(Duration::from_secs(300))),
        settle: Some(TimeSpan(Duration::ZERO)),
        max_copy: Some(Bytes(1 << 30)),
        memory: Some(Memory(512 << 20)),
        pids: Some(Processes(100)),
        max_entries: Some(Count(1000)),
        max_age: Some(TimeSpan(Duration::from_secs(26 * 3600))),
        max_rto: Some(TimeSpan(Duration::from_secs(600))),
        control: Some(true),
        verify_content: Some(true),
    };
    let overrides = Overrides {
        values,
        snapshot: None,
        keys: Default::default(),
        skip: Some(Skip::Because("the label rehearsa.skip says: too large for now".to_owned())),
        source: Some(SourceRef::Named {
            origin: SettingOrigin::Label { container: "web_1".to_owned(), key: SOURCE.to_owned() },
            name: "nightly".to_owned(),
        }),
        load: LoadOptions { database: Some("app".to_owned()), command: Some("psql -f \"$DUMP\"".to_owned()) },
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
    let labels = Labels::read("web_1", [("rehearsa.time-out", "5m")]).expect("no error");
    assert_eq!(labels.unknown.len(), 1);
    assert!(labels.unknown[0].starts_with("container web_1 has the unknown label rehearsa.time-out"), "{labels:?}");
    assert!(labels.unknown[0].contains("did you mean `rehearsa.timeout`"), "{labels:?}");
}

#[test]
fn a_label_that_is_like_none_is_met_with_all_there_are() {
    let labels = Labels::read("web_1", [("rehearsa.zebra", "1")]).expect("no error");
    assert!(labels.unknown[0].contains("there are rehearsa.timeout, rehearsa.settle, "), "{labels:?}");
}

#[test]
fn a_bad_value_is_an_error_that_names_container_label_and_value() {
    let error = Labels::read("web_1", [("rehearsa.settle", "abit")]).expect_err("no duration").to_string();
    assert!(error.starts_with("label rehearsa.settle of container web_1: `abit` is not a duration"), "{error}");
    let error = Labels::read("web_1", [("rehearsa.memory", "4m")]).expect_err("too little").to_string();
    assert!(error.starts_with("label rehearsa.memory of container web_1: `4m` is not enough"), "{error}");
    let error = Labels::read("web_1", [("rehearsa.ignore", "perhaps")]).expect_err("no flag").to_string();
    assert_eq!(error, "label rehearsa.ignore of container web_1: `perhaps` is not `true` or `false`");
}

#[test]
fn a_skip_can_be_taken_back_and_needs_no_reason() {
    let skip = |value| Labels::read("c", [("rehearsa.skip", value)]).expect("fine").overrides.skip;
    assert_eq!(skip("false"), Some(Skip::No));
    for value in ["", "true"] {
        let told = "the label rehearsa.skip says: no reason given";
        assert_eq!(skip(value), Some(Skip::Because(told.to_owned())), "{value}");
    }
}

#[test]
fn a_label_names_only_sources_that_everybody_finds() {
    let read = |value| Labels::read("c", [("rehearsa.source", value)]);
    assert_eq!(read("live").expect("live").overrides.source, Some(SourceRef::Live));
    assert!(matches!(read("tar:/b/*.tar").expect("a path").overrides.source, Some(SourceRef::Backup(_))));
    for (value, expected) in
        [("tar:b/a.tar", "must begin with a slash"), ("dir:b", "must begin with a slash"), ("tar:-", "standard input")]
    {
        let error = read(value).expect_err(value).to_string();
        assert!(error.starts_with("label rehearsa.source of container c: ") && error.contains(expected), "{error}");
    }
}
