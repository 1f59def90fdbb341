//! The badge is an image that loads nothing.

use std::process::Command;

use rehearsa::config::values::report_spec::BadgeSubject;
use rehearsa::model::event::Event;
use rehearsa::report::badge::BadgeReporter;
use rehearsa::report::target::AtomicFile;

use crate::support::recorded::{self as sample, Paper};

fn badge(events: &[Event], subject: BadgeSubject) -> String {
    let paper = Paper::default();
    sample::play(
        events,
        &mut BadgeReporter::new("badge".to_owned(), AtomicFile::stream(Box::new(paper.clone())), subject),
    );
    paper.text()
}

#[test]
fn it_is_well_formed_and_holds_nothing_from_elsewhere() {
    let dir = tempfile::tempdir().expect("a folder");
    for events in
        [sample::one_passed(), sample::everything(), sample::hostile(), sample::nothing(), sample::interrupted()]
    {
        for svg in [BadgeSubject::Result, BadgeSubject::Score].map(|subject| badge(&events, subject)) {
            let path = dir.path().join("badge.svg");
            std::fs::write(&path, &svg).expect("written");
            let output = Command::new("xmllint").arg("--noout").arg(&path).output().expect("xmllint is installed");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(svg.matches("http").count(), 1, "only the name space: {svg}");
            assert!(!svg.contains("href") && !svg.contains("<style") && !svg.contains("<script"), "{svg}");
        }
    }
}
