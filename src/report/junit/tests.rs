//! What is in the document.

use quick_junit::{TestCaseStatus, XmlString};

use super::*;
use crate::model::diagnosis::Code;
use crate::model::event::{Event, Fact};
use crate::report::Reporter;
use crate::report::sample::{self, HOSTILE, Paper};
use crate::report::snapshot_file::SnapshotReport;
use crate::report::target::AtomicFile;
use crate::report::text;

fn xml(events: &[Event]) -> String {
    sample::junit(events, JunitFlavor::Default)
}

fn parsed(xml: &str) -> Report {
    Report::deserialize_from_str(xml).expect("a JUnit report")
}

fn case<'a>(report: &'a Report, name: &str) -> &'a TestCase {
    let found = report.test_suites.iter().flat_map(|suite| &suite.test_cases).find(|case| case.name.as_str() == name);
    found.unwrap_or_else(|| panic!("{name} is in the report"))
}

/// Element, type, message and body of what is not a success.
fn parts(status: &TestCaseStatus) -> (&'static str, &str, &str, &str) {
    fn text(value: &Option<XmlString>) -> &str {
        value.as_ref().map_or("", XmlString::as_str)
    }
    match status {
        TestCaseStatus::Success { .. } => ("success", "", "", ""),
        TestCaseStatus::NonSuccess { kind, message, ty, description, .. } => {
            let kind = if *kind == NonSuccessKind::Failure { "failure" } else { "error" };
            (kind, text(ty), text(message), text(description))
        }
        TestCaseStatus::Skipped { message, ty, description } => ("skipped", text(ty), text(message), text(description)),
    }
}

#[test]
fn a_mixed_run_has_a_suite_a_stack_and_a_case_a_service() {
    let report = parsed(&xml(&sample::mixed()));
    let suites: Vec<_> = report.test_suites.iter().map(|suite| (suite.name.as_str(), suite.tests)).collect();
    assert_eq!(suites, [("media", 2), ("paperless", 1), ("watchtower", 1)]);
    assert_eq!((report.tests, report.failures, report.errors, report.skipped), (4, 1, 1, 1));
    let classes: Vec<_> = report
        .test_suites
        .iter()
        .flat_map(|suite| &suite.test_cases)
        .map(|case| case.classname.as_ref().expect("every case has one").as_str().to_owned())
        .collect();
    assert_eq!(classes, ["media.jellyfin", "media.sonarr", "paperless.web", "watchtower.watchtower"]);

    assert_eq!(parts(&case(&report, "media::jellyfin").status).0, "success");
    let (kind, ty, message, body) = parts(&case(&report, "media::sonarr").status);
    assert_eq!((kind, ty, message), ("failure", "boot/exited", "sonarr exited with 1 after 2.1 s"));
    for part in [
        "sonarr exited with 1 after 2.1 s",
        "Known cause: the database file is damaged",
        "What to do: Restore config.db from an older backup.",
        "  │ bye",
        "  privileged: left out (live: true)",
        "Warning: files changed while they were copied: logs.db",
    ] {
        assert!(body.lines().any(|line| line.trim_end().ends_with(part.trim_start())), "{part} in {body}");
    }
    let (kind, ty, _, body) = parts(&case(&report, "paperless::web").status);
    assert_eq!((kind, ty), ("error", "restore/no-space"));
    assert!(body.contains("holds 80 GB"));
    let reason = "it needs the Docker socket";
    assert_eq!(parts(&case(&report, "watchtower").status), ("skipped", "", reason, reason));
}

#[test]
fn a_case_has_times_a_place_properties_and_one_output() {
    let xml = xml(&sample::mixed());
    assert!(
        xml.contains(concat!(
            r#"<testcase name="media::jellyfin" classname="media.jellyfin" time="18.400" "#,
            r#"timestamp="2026-01-02T03:04:05.000Z" file="compose.yaml" line="7">"#
        )),
        "{xml}"
    );
    assert!(xml.contains(
        r#"<testcase name="media::sonarr" classname="media.sonarr" time="4.100" timestamp="2026-01-02T03:04:23.400Z">"#
    ));
    assert!(xml.contains(r#"time="23.100""#) && xml.contains(r#"timestamp="2026-01-02T03:04:05.000+00:00""#), "{xml}");
    for property in [
        r#"name="session" value="k3x9""#,
        r#"name="engine" value="Docker 20.10.24 on nas""#,
        r#"name="source" value="live""#,
        r#"name="image.reference" value="jellyfin:1""#,
        r#"name="image.id" value="sha256:0123456789abcdef""#,
        r#"name="restored.files" value="412""#,
        r#"name="restored.bytes" value="38000000""#,
        r#"name="proof" value="healthy""#,
        concat!(
            r#"name="proof.raised_by" "#,
            r#"value="a backup instead of the live copy: --from SOURCE, as in --from tar:FILE""#
        ),
        r#"name="proof.caveat" value="started again from a live copy; no backup was read""#,
        concat!(
            r#"name="evidence.restored" "#,
            r#"value="not shown: a copy of the live service (412 files, 38 MB); no backup was read""#
        ),
        r#"name="evidence.data-proven" value="not shown: no check asked its data""#,
        r#"name="step.2.Cloning volume jellyfin_config" value="12.000""#,
        r#"name="change.1" value="privileged: left out (live: true)""#,
    ] {
        assert!(xml.contains(&format!("<property {property}/>")), "{property} in {xml}");
    }
    let every = |element: &str| xml.matches(element).count();
    assert_eq!(every("<testcase "), every(" time=\"") - every("<testsuite ") - 1, "every element has a time");
    assert_eq!(every(" file=\""), 1, "no place is made up for a service that no file declares");
    let report = parsed(&xml);
    let output = case(&report, "media::jellyfin").system_out.as_ref().expect("an output").as_str();
    assert_eq!(
        output,
        "0.000s  ✔ Starting worker (0.500s)
    0.500s  ✔ Cloning volume jellyfin_config … 412 files, 38 MB (12.000s)
   12.500s  ✔ Creating sandbox network (0.200s)
   12.700s  ✔ Sandbox is isolated (0.300s)
   13.000s  ✔ Booting container (1.100s)
   14.100s  ✔ Healthcheck passed (1.300s)
   15.400s  ✔ Stayed healthy for 3s (3.000s)
Last log lines of media::jellyfin:
  │ ready"
    );
}

#[test]
fn what_is_left_behind_is_an_error_of_the_run() {
    let report = parsed(&xml(&sample::left_behind()));
    let suite = report.test_suites.last().expect("suites");
    assert_eq!((suite.name.as_str(), suite.tests, suite.errors), ("rehearsa", 1, 1));
    assert_eq!(suite.test_cases[0].name.as_str(), "teardown");
    let (kind, ty, message, _) = parts(&suite.test_cases[0].status);
    assert_eq!((kind, ty), ("error", "sandbox/left-behind"));
    assert!(message.contains("volume rehearsa-k3x9-1"), "{message}");
}

#[test]
fn a_killed_run_leaves_a_report_that_lists_every_case() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("junit.xml");
    let outcome = sample::play_into_file(&sample::killed(), &path, Junit(JunitFlavor::Default), || {
        // Never anything but a whole document.
        parsed(&std::fs::read_to_string(&path).expect("there"));
    });
    let report = parsed(&std::fs::read_to_string(&path).expect("there"));
    assert_eq!(report.tests, 4, "three services, and that the run has no end");
    assert_eq!(parts(&case(&report, "end").status).1, "run/unfinished");
    let (kind, _, message, _) = parts(&case(&report, "media::radarr").status);
    assert_eq!(kind, "skipped");
    assert!(message.starts_with("not run: "), "{message}");
    // What came after the last write that was due is in what the next would write.
    let now = sample::at(30.0);
    let page = Page::new(&outcome, now, JunitFlavor::Default).render().expect("rendered");
    let later = parsed(&String::from_utf8(page).expect("UTF-8"));
    assert_eq!(parts(&case(&later, "media::jellyfin").status).0, "success");
    let (kind, ty, message, body) = parts(&case(&later, "media::sonarr").status);
    assert_eq!((kind, ty), ("error", "unfinished"));
    assert!(!message.is_empty() && !body.is_empty());
}

#[test]
fn hostile_text_stays_text() {
    let xml = xml(&sample::hostile());
    assert!(!xml.contains(['\u{1b}', '\0', '\u{ffff}', '\r']));
    assert!(!xml.contains("[[ATTACHMENT|"), "nobody attaches a file because a log says so");
    assert!(xml.len() < 200_000, "the log is capped: {}", xml.len());
    let report = parsed(&xml);
    let failed = case(&report, "3proxy");
    let (_, _, message, body) = parts(&failed.status);
    assert!(message.contains("]]> <&\"' red nul:� ffff:� 🦀 # \\ 9") && !message.contains('\n'), "{message}");
    assert!(body.contains("\n  ::error::boom\n"), "{body}");
    let output = failed.system_out.as_ref().expect("an output").as_str();
    assert!(output.contains("cut here, only the end is kept]") && output.ends_with("::error::last"));
    let attributes_of = |element: &str| element.split('>').next().unwrap_or_default().to_owned();
    for element in xml.split('<').filter(|part| part.starts_with("property ") || part.starts_with("failure ")) {
        assert!(!attributes_of(element).contains('\n'), "{element}");
    }
    let reason = parts(&case(&report, "h#sh::b\\ck").status).2;
    assert!(reason.contains("::error::boom third"), "{reason}");
    assert!(HOSTILE.contains("::error::boom\nthird"));
}

#[test]
fn to_a_stream_it_is_written_once_at_the_end() {
    let paper = Paper::default();
    let mut junit = SnapshotReport::new(
        "JUnit".to_owned(),
        AtomicFile::stream(Box::new(paper.clone())),
        Junit(JunitFlavor::Default),
    );
    let mut events = sample::mixed();
    let end = events.pop().expect("an end");
    let mut outcome = sample::play(&events, &mut junit);
    assert_eq!(paper.text(), "");
    outcome.apply(&end);
    junit.event(&end, &outcome).expect("written");
    assert_eq!(paper.text().matches("<?xml").count(), 1);
}

#[test]
fn dots_in_names_open_no_branches() {
    let name = crate::model::service::ServiceName::of_stack("my.stack", "v1.2");
    let report = parsed(&xml(&sample::Script::run(vec![sample::info(&name)]).over()));
    let only = &report.test_suites[0].test_cases[0];
    assert_eq!(only.classname.as_ref().expect("one").as_str(), "my_stack.v1_2");
    assert_eq!(only.name.as_str(), "my.stack::v1.2");
    assert_eq!(parts(&only.status).0, "error", "nothing was said of it");
}

#[test]
fn earlier_attempts_are_flaky_in_a_green_case_and_reruns_in_a_red_one() {
    let xml = xml(&sample::everything());
    let report = parsed(&xml);
    let (flaky, stubborn) = (case(&report, "files::nextcloud"), case(&report, "files::office"));
    let TestCaseStatus::Success { flaky_runs } = &flaky.status else { panic!("{:?}", flaky.status) };
    assert_eq!((flaky_runs.len(), flaky_runs[0].kind), (1, NonSuccessKind::Error));
    let trace = flaky_runs[0].stack_trace.as_ref().expect("a stack trace").as_str();
    assert!(trace.starts_with("worker/failed: the worker failed\n"), "{trace}");
    assert!(trace.ends_with("0.000s  ✘ Starting worker … the worker failed (0.500s)"), "{trace}");
    let TestCaseStatus::NonSuccess { kind, reruns, .. } = &stubborn.status else { panic!("{:?}", stubborn.status) };
    assert_eq!((*kind, reruns.runs.len()), (NonSuccessKind::Failure, 1));
    assert_eq!(reruns.runs[0].ty.as_ref().expect("a type").as_str(), "boot/exited");
    assert!(
        xml.contains("<flakyError message=\"")
            && xml.contains("<rerunFailure message=\"")
            && !xml.contains("message=\"worker/failed:")
    );
    assert_eq!(xml.matches("<property name=\"attempts\" value=\"2\"/>").count(), 2);
    assert_eq!(xml.matches("<property name=\"flaky\" value=\"true\"/>").count(), 1, "of the one that is green");
    for element in xml.split("<testcase ").skip(1) {
        let element = element.split("</testcase>").next().expect("one");
        assert!(element.matches("<system-out>").count() <= 1, "GitLab loses the whole file on two: {element}");
    }
    // The second attempt's steps are told from its own start.
    let output = flaky.system_out.as_ref().expect("an output").as_str();
    assert!(output.trim_start().starts_with("0.000s  ✔ Starting worker (0.400s)"), "{output}");
}

#[test]
fn a_case_says_which_snapshot_it_was_restored_from() {
    let xml = xml(&sample::everything());
    for property in [
        r#"name="source" value="restic""#,
        r#"name="snapshot.id" value="4f1c09d2""#,
        r#"name="snapshot.time" value="2026-01-01T03:04:05.000Z""#,
    ] {
        assert_eq!(xml.matches(&format!("<property {property}/>")).count(), 1, "{property} in {xml}");
    }
}

#[test]
fn the_jenkins_flavour_tells_the_facts_in_the_output() {
    let xml = sample::junit(&sample::everything(), JunitFlavor::Jenkins);
    let report = parsed(&xml);
    let output = case(&report, "files::nextcloud").system_out.as_ref().expect("an output").as_str();
    for line in [
        "attempts = 2",
        "proof = listening",
        "evidence.data-proven = not shown: no check asked its data",
        "restored.bytes = 900000000",
        "image.reference = nextcloud:1",
    ] {
        assert!(output.lines().any(|found| found == line), "{line} in {output}");
    }
    assert!(output.contains("✔ Cloning volume nextcloud_data … 20000 files, 900 MB (4.000s)"), "{output}");
    assert!(
        xml.contains("<flakyError message=\"")
            && xml.contains("<rerunFailure message=\"")
            && !xml.contains("message=\"worker/failed:")
    );
    // Eight cases, the signal, and what was left behind.
    assert_eq!((report.tests, report.failures, report.errors), (10, 2, 4));
    assert_eq!(
        report.test_suites.iter().map(|suite| suite.skipped).sum::<usize>(),
        2,
        "told by the suites, not by the root"
    );
}

#[test]
fn a_run_whose_time_was_over_is_red_even_when_all_its_cases_are_green() {
    let report = parsed(&xml(&sample::timed_out()));
    assert_eq!((report.tests, report.errors), (2, 1));
    let (kind, ty, message, _) = parts(&case(&report, "global-timeout").status);
    let expected = ("error", "run/timed-out", "the run did not end within its time of 3600 s");
    assert_eq!((kind, ty, message), expected);
}

#[test]
fn names_that_look_alike_stay_apart() {
    let names = [sample::name("a", "b\u{1}"), sample::name("a", "b\u{2}"), sample::name("a", "c")];
    let report = parsed(&xml(&sample::Script::run(names.iter().map(sample::info).collect()).over()));
    let shown: Vec<_> = report.test_suites[0].test_cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(shown, ["a::b\u{fffd}", "a::b\u{fffd} (2)", "a::c"]);
}

#[test]
fn no_type_is_one_that_gitlab_refuses_a_file_for() {
    for (_, events) in sample::ended() {
        let xml = xml(&events);
        for element in xml.split('<').filter_map(|part| part.split_once('>')).map(|(tag, _)| tag) {
            let Some((_, ty)) = element.split_once(" type=\"") else { continue };
            let ty = ty.split('"').next().unwrap_or_default();
            assert!(ty == "unfinished" || Code::parse(ty).is_some(), "{element}");
        }
    }
}

#[test]
fn many_long_logs_stay_within_what_gitlab_takes() {
    let names: Vec<_> = (0..600).map(|nth| sample::name("s", &format!("n{nth}"))).collect();
    let mut script = sample::Script::run(names.iter().map(sample::info).collect());
    for name in &names {
        let log_tail = vec!["<".repeat(text::LOG_CAP)];
        script
            .begin(name)
            .fact(Fact::CaseProven { case: name.clone(), proof: crate::model::check::Proof::Running, log_tail })
            .end(name);
    }
    let xml = xml(&script.over());
    assert!(xml.len() < 30_000_000, "{}", xml.len());
    assert!(xml.contains("cut here, only the end is kept]"));
}

#[test]
fn hostile_names_stay_text() {
    let events = sample::hostile_names();
    for flavor in [JunitFlavor::Default, JunitFlavor::Jenkins] {
        let xml = sample::junit(&events, flavor);
        assert!(!xml.contains(['\u{1b}', '\0', '\u{ffff}', '\r']) && !xml.contains("[[ATTACHMENT|"), "{xml}");
        let report = parsed(&xml);
        let suite = &report.test_suites[0];
        let shown = attribute(HOSTILE);
        assert!(
            shown.starts_with("]]> <&\"' red nul:") && shown.ends_with("section_start:1:x[collapsed=true] section")
        );
        assert_eq!(suite.name.as_str(), shown);
        assert_eq!(suite.test_cases[0].name.as_str(), format!("{shown}::{shown}"));
        for tag in xml.split('<').filter_map(|part| part.split_once('>')).map(|(tag, _)| tag) {
            assert!(!tag.contains('\n'), "{tag}");
        }
    }
}
