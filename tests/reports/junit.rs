//! Tests of the JUnit report with foreign readers: it is well-formed at every moment, and Jenkins' flavour fits
//! Jenkins' schema.

use std::process::Command;

use rehearsa::config::values::report_spec::JunitFlavor;
use rehearsa::report::junit::Junit;

use crate::support::recorded as sample;

/// The errors that Jenkins' schema finds; `None`: the document is valid.
fn refused_by_jenkins(xml: &str) -> Option<String> {
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/reports/junit-jenkins.xsd");
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    std::io::Write::write_all(&mut file, xml.as_bytes()).expect("written");
    let output = Command::new("xmllint")
        .args(["--noout", "--schema", schema])
        .arg(file.path())
        .output()
        .expect("xmllint is installed (libxml2-utils)");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (!output.status.success()).then_some(said)
}

/// Checks a document with xmllint, the strictest reader of XML at hand.
fn assert_well_formed(path: &std::path::Path) {
    let output =
        Command::new("xmllint").arg("--noout").arg(path).output().expect("xmllint is installed (libxml2-utils)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_a_killed_run_leaves_is_well_formed_after_every_event() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("junit.xml");
    sample::play_into_file(&sample::killed(), &path, Junit(JunitFlavor::Default), || assert_well_formed(&path));
}

#[test]
fn hostile_text_and_names_are_well_formed() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("junit.xml");
    for events in [sample::hostile(), sample::hostile_names()] {
        for flavor in [JunitFlavor::Default, JunitFlavor::Jenkins] {
            let xml = sample::junit(&events, flavor);
            std::fs::write(&path, &xml).expect("written");
            assert_well_formed(&path);
            if flavor == JunitFlavor::Jenkins {
                assert_eq!(refused_by_jenkins(&xml), None);
            }
        }
    }
}

#[test]
fn jenkins_accepts_its_flavour_of_every_run_and_refuses_the_other() {
    for (name, events) in sample::ended() {
        let xml = sample::junit(&events, JunitFlavor::Jenkins);
        assert_eq!(refused_by_jenkins(&xml), None, "{name}: {xml}");
    }
    let killed = sample::outcome(&sample::killed());
    let xml = sample::rendered(&killed, sample::at(30.0), &Junit(JunitFlavor::Jenkins));
    assert_eq!(refused_by_jenkins(&xml), None);
    let said =
        refused_by_jenkins(&sample::junit(&sample::everything(), JunitFlavor::Default)).expect("the schema is strict");
    for refused in ["'testsuites', attribute 'skipped'", "'testcase', attribute 'timestamp'", "Element 'properties'"] {
        assert!(said.contains(refused), "{refused} in {said}");
    }
}
