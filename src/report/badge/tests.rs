//! What the badge shows.

use super::*;
use crate::report::sample::{self, Paper};

fn badge(events: &[Event]) -> String {
    let paper = Paper::default();
    sample::play(
        events,
        &mut BadgeReporter::new("badge".to_owned(), AtomicFile::stream(Box::new(paper.clone())), BadgeSubject::Result),
    );
    paper.text()
}

#[test]
fn it_says_how_many_passed_and_when_in_the_colour_of_the_verdict() {
    for (events, text, color) in [
        (sample::of_backup(sample::one_passed()), "1/1 · 2026-01-02", GREEN),
        (sample::one_passed(), "live 1/1 · 2026-01-02", BLUE),
        (sample::of_backup(sample::mixed()), "1/3 · 2026-01-02", RED),
        (sample::mixed(), "live 1/3 · 2026-01-02", RED),
        (sample::interrupted(), "live 1/3 · 2026-01-02", AMBER),
        (sample::nothing(), "none · 2026-01-02", GREY),
    ] {
        let svg = badge(&events);
        assert!(svg.contains(&format!(">{text}</text>")), "{text} in {svg}");
        assert!(svg.contains(&format!("fill=\"{color}\"")), "{color} in {svg}");
    }
}

#[test]
fn green_is_only_a_run_without_any_trouble() {
    let mut outcome = sample::outcome(&sample::of_backup(sample::one_passed()));
    assert_eq!(message(&outcome).color, GREEN);
    outcome.timed_out = Some(1);
    assert_eq!(message(&outcome).color, AMBER);
    let mut skipped = sample::outcome(&sample::mixed());
    skipped.cases.retain(|case| case.skipped.is_some());
    assert_eq!((message(&skipped).color, message(&skipped).text.as_str()), (GREY, "none · 2026-01-02"));
}

#[test]
fn it_is_told_to_those_who_do_not_see_it() {
    let svg = badge(&sample::of_backup(sample::mixed()));
    let spoken = "restores: 1 of 3 rehearsals passed on 2026-01-02 (UTC), 1 failed, of a part of the services";
    assert!(svg.contains(&format!("role=\"img\" aria-label=\"{spoken}\">")), "{svg}");
    assert!(svg.contains(&format!("<title>{spoken}</title>")), "{svg}");
    let svg = badge(&sample::mixed());
    assert!(svg.contains(&format!("<title>{spoken}. Started again from a live copy; no backup was read</title>")));
}

#[test]
fn the_texts_fit_in_their_boxes() {
    assert_eq!(width("restores"), 46);
    assert_eq!(width("12/12 · 2026-11-22"), 111);
    assert!(width("1000/1000 · 2026-11-22") > width("1/1 · 2026-11-22"));
}

#[test]
fn a_run_that_was_killed_has_no_badge() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("badge.svg");
    std::fs::write(&path, "green").expect("written");
    sample::play(
        &sample::killed(),
        &mut BadgeReporter::new(
            "badge".to_owned(),
            AtomicFile::file(&path, crate::report::target::Naming::User).expect("opens"),
            BadgeSubject::Result,
        ),
    );
    assert!(!path.exists());
}
