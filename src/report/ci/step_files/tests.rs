//! What is in the files of a step, with what others wrote there.

use super::*;
use crate::model::service::ServiceName;
use crate::report::sample;

/// The summary after `events`, in a file that held `before`.
fn summary(before: &str, events: &[Event]) -> String {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("summary");
    fs::write(&path, before).expect("written");
    sample::play(events, &mut SummaryReporter::new(path.clone()));
    fs::read_to_string(&path).expect("there")
}

#[test]
fn the_summary_is_added_once_to_what_is_there() {
    for events in
        [sample::one_passed(), sample::everything(), sample::interrupted(), sample::hostile(), sample::nothing()]
    {
        let page = markdown::summary(&sample::outcome(&events), markdown::CAP);
        assert_eq!(summary("", &events), page);
        assert_eq!(
            summary("# Before", &events),
            format!("# Before\n\n{page}"),
            "also when it was written at the signal"
        );
    }
}

#[test]
fn a_run_that_is_killed_after_the_signal_has_a_summary() {
    let mut events = sample::interrupted();
    let signal = events.iter().position(|event| matches!(event.fact, Fact::Interrupted { .. })).expect("there");
    events.truncate(signal + 1);
    let text = summary("", &events);
    assert!(text.starts_with("## ⏳ Restore Simulation: unfinished\n"), "{text}");
    assert!(text.contains("- **Interrupted** by SIGINT.\n"), "{text}");
    assert_eq!(summary("x", &sample::killed()), "x", "without a signal there was no time");
}

#[test]
fn what_others_write_meanwhile_stays() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("summary");
    let mut reporter = SummaryReporter::new(path.clone());
    let mut outcome = Outcome::new();
    for event in sample::interrupted() {
        outcome.apply(&event);
        reporter.event(&event, &outcome).expect("written");
        if matches!(event.fact, Fact::Interrupted { .. }) {
            appending(&path).expect("opens").write_all(b"theirs\n").expect("written");
        }
    }
    let text = fs::read_to_string(&path).expect("there");
    assert!(text.contains("theirs\n\n\n## "), "{text}");
    assert!(text.ends_with(&markdown::summary(&outcome, markdown::CAP)), "{text}");
}

#[test]
fn the_step_has_one_megabyte_for_all_of_its_commands() {
    let long = "x".repeat(markdown::CAP - 3_000);
    let text = summary(&long, &sample::everything());
    assert!(text.len() <= markdown::CAP, "{}", text.len());
    assert!(text.contains("**2 passed, 2 failed, 2 errored, 2 skipped**"));

    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("summary");
    let full = "x".repeat(markdown::CAP - 10);
    fs::write(&path, &full).expect("written");
    let mut reporter = SummaryReporter::new(path.clone());
    let events = sample::one_passed();
    let outcome = sample::outcome(&events);
    let end = events.last().expect("an end");
    let error = reporter.event(end, &outcome).expect_err("no room");
    assert_eq!(error.to_string(), "the step's summary has no room left");
    assert_eq!(fs::read_to_string(&path).expect("there"), full, "what is there is not harmed");
}

#[test]
fn a_file_that_cannot_be_written_is_a_lost_report_from_the_start() {
    let path = PathBuf::from("/nowhere/summary");
    let events = sample::one_passed();
    let outcome = Outcome::new();
    assert!(SummaryReporter::new(path.clone()).event(&events[0], &outcome).is_err());
    assert!(OutputReporter::new(path).event(&events[0], &outcome).is_err());
    sample::play(&events, &mut SummaryReporter::new("/dev/null".into()));
}

/// The file as the runner reads it.
fn read(text: &str) -> Vec<(String, String)> {
    let mut lines = text.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        if let Some((name, end)) = line.split_once("<<").filter(|(name, _)| !name.contains('=')) {
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
            found.push((name.to_owned(), body.join("\n")));
        } else {
            let (name, value) = line.split_once('=').expect("an output");
            found.push((name.to_owned(), value.to_owned()));
        }
    }
    found
}

#[test]
fn the_outputs_are_the_outcome() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("output");
    fs::write(&path, "before=1\n").expect("written");
    sample::play(&sample::mixed(), &mut OutputReporter::new(path.clone()));
    assert_eq!(
        fs::read_to_string(&path).expect("there"),
        "before=1\npassed=1\nfailed=1\nerrored=1\nskipped=1\nflaky=0\nwithout-backup=1\nexit-code=101\nverdict=failed\n\
         not-green<<rehearsa_k3x9\nmedia::sonarr\npaperless::web\nrehearsa_k3x9\n"
    );
    for (events, word) in [
        (sample::one_passed(), "passed"),
        (sample::left_behind(), "failed"),
        (sample::interrupted(), "interrupted"),
        (sample::nothing(), "nothing-selected"),
        (sample::hostile(), "failed"),
    ] {
        let told = read(&outputs(&sample::outcome(&events)));
        assert_eq!(told.len(), 9, "{told:?}");
        assert_eq!(told[7], ("verdict".to_owned(), word.to_owned()));
    }
}

#[test]
fn no_name_ends_its_output_early() {
    let evil = ServiceName::lone("rehearsa_k3x9");
    let mut script =
        sample::Script::run(vec![sample::info(&evil), sample::info(&ServiceName::lone("x\nverdict=passed"))]);
    let told = read(&outputs(&sample::outcome(&script.over())));
    assert_eq!(told.last().expect("there").1, "rehearsa_k3x9\nx verdict=passed");
    assert_eq!(told.iter().filter(|(name, _)| name == "verdict").count(), 1);
}
