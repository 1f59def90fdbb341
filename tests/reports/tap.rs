//! Whole streams, and their results in `prove`.

use std::process::{Command, Stdio};

use rehearsa::config::values::report_spec::TapVersion;
use rehearsa::model::diagnosis::{Code, Diagnosis};
use rehearsa::model::event::{Event, Fact, NoTests, StepResult};
use rehearsa::report::tap::{TapReporter, never_began};

use crate::support::recorded::{self as sample, Paper};

fn stream(events: &[Event]) -> String {
    headed(TapVersion::V13, events)
}

fn headed(version: TapVersion, events: &[Event]) -> String {
    let paper = Paper::default();
    sample::play(events, &mut TapReporter::new("TAP".to_owned(), Box::new(paper.clone()), version));
    paper.text()
}

/// Whether Perl's harness, the most common reader, calls the stream a success, and what it says.
fn prove(tap: &str) -> (bool, String) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("run.tap");
    std::fs::write(&path, tap).expect("written");
    let output = Command::new("prove")
        .args(["--verbose", "--exec", "cat"])
        .arg(&path)
        .stdin(Stdio::null())
        .output()
        .expect("prove is installed (Perl)");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

/// The evidence of the passed run, as a YAML scalar.
const EVIDENCE: &str = concat!(
    r"restored: not shown, a copy of the live service (412 files, 38 MB); no backup was read\n",
    r"complete: not shown, nothing was inspected\n",
    r"matches-live: not shown, no data of a backup was compared with live data\n",
    r"booted: it started\n",
    r"healthy: its healthcheck passed and stayed well for 3s\n",
    r"data-proven: not shown, no check asked its data"
);

#[test]
fn a_passed_run_whole() {
    let tap = stream(&sample::one_passed());
    assert_eq!(
        tap,
        r#"TAP version 13
1..1
# Subtest: media::jellyfin
    1..7
    ok 1 - Starting worker
      ---
      duration_ms: 500
      ...
    ok 2 - Cloning volume jellyfin_config
      ---
      duration_ms: 12000
      restored: "412 files, 38 MB"
      ...
    ok 3 - Creating sandbox network
      ---
      duration_ms: 200
      ...
    ok 4 - Sandbox is isolated
      ---
      duration_ms: 300
      ...
    ok 5 - Booting container
      ---
      duration_ms: 1100
      ...
    ok 6 - Healthcheck passed
      ---
      duration_ms: 1300
      ...
    ok 7 - Stayed healthy for 3s
      ---
      duration_ms: 3000
      ...
ok 1 - media::jellyfin
  ---
  duration_ms: 18400
  proof: "healthy"
  caveat: "started again from a live copy; no backup was read"
  raised_by: "a backup instead of the live copy: --from SOURCE, as in --from tar:FILE"
  evidence: "EVIDENCE"
  ...
"#
        .replace("EVIDENCE", EVIDENCE)
    );
    let (green, said) = prove(&tap);
    assert!(green, "{said}");
}

#[test]
fn a_mixed_run_has_its_diagnoses() {
    let tap = stream(&sample::mixed());
    let failed = r#"
not ok 2 - media::sonarr
  ---
  duration_ms: 4100
  message: "sonarr exited with 1 after 2.1 s"
  code: "boot/exited"
  severity: "failed"
  cause: "the database file is damaged"
  line: "sqlite3.DatabaseError: database disk image is malformed"
  remedy: "Restore config.db from an older backup."
  warnings: "files changed while they were copied: logs.db"
  changes: "privileged: left out (live: true)"
  log: "starting\nsqlite3.DatabaseError: database disk image is malformed\nbye"
  ...
"#;
    assert!(tap.contains(failed), "{tap}");
    assert!(tap.contains("\nnot ok 3 - paperless::web\n"), "{tap}");
    assert!(tap.ends_with("\nok 4 - watchtower # SKIP it needs the Docker socket\n"), "{tap}");
    let (green, said) = prove(&tap);
    assert!(!green);
    assert!(said.contains("Failed 2/4 subtests") && !said.contains("Parse errors"), "{said}");
}

#[test]
fn a_run_with_only_passed_and_skipped_cases_is_green() {
    let (first, second) = (sample::name("a", "first"), sample::name("a", "second"));
    let mut script = sample::Script::run(vec![sample::info(&first), sample::info(&second)]);
    sample::pass(&mut script, &first);
    script.fact(Fact::CaseSkipped { case: second.clone(), reason: "not #1 \\ today".to_owned() }).end(&second);
    let tap = stream(&script.over());
    assert!(tap.ends_with("ok 2 - a::second # SKIP not \\#1 \\\\ today\n"), "{tap}");
    let (green, said) = prove(&tap);
    assert!(green, "{said}");
}

#[test]
fn a_step_that_goes_on_after_its_case_makes_nothing_red() {
    let case = sample::name("a", "b");
    let mut script = sample::Script::run(vec![sample::info(&case)]);
    script.begin(&case);
    let id = script.open(&[&case], rehearsa::model::event::Step::Teardown);
    let proof = rehearsa::model::check::Proof::Running;
    script.fact(Fact::CaseProven { case: case.clone(), proof, log_tail: Vec::new() }).end(&case);
    let tap = stream(&script.close(id, StepResult::done()).over());
    assert!(tap.contains("\n    ok 1 - Removing sandbox # SKIP not ended yet\nok 1 - a::b\n"), "{tap}");
    assert!(prove(&tap).0);
}

#[test]
fn nothing_selected_is_a_skipped_stream_only_where_it_is_allowed() {
    let mut events = sample::nothing();
    let tap = stream(&events);
    assert_eq!(tap, "TAP version 13\nBail out! no service was selected (2 filtered out)\n");
    assert!(!prove(&tap).0);
    for allowed in [NoTests::Pass, NoTests::Warn] {
        let Fact::RunStarted { no_tests, .. } = &mut events[0].fact else { unreachable!("a run starts") };
        *no_tests = allowed;
        let tap = stream(&events);
        assert_eq!(tap, "TAP version 13\n1..0 # SKIP no service was selected (2 filtered out)\n");
        assert!(prove(&tap).0);
    }
}

#[test]
fn a_run_that_never_began_bails_out() {
    let tap = never_began(TapVersion::V13, "connect to unix:///x:\nthe Docker engine ##[error] does not answer");
    assert_eq!(tap, "TAP version 13\nBail out! connect to unix:///x: the Docker engine # #[error] does not answer\n");
    let (green, said) = prove(&tap);
    assert!(!green && said.contains("Bailout called"), "{said}");
}

#[test]
fn version_14_differs_in_its_head_only() {
    for events in [sample::everything(), sample::one_passed()] {
        let (old, new) = (stream(&events), headed(TapVersion::V14, &events));
        assert!(new.starts_with("TAP version 14\n1.."), "{new}");
        assert_eq!(new.replacen("version 14", "version 13", 1), old);
    }
    assert!(never_began(TapVersion::V14, "x").starts_with("TAP version 14\n"));
}

#[test]
fn attempts_are_told_in_the_block() {
    let tap = stream(&sample::everything());
    let flaky = r#"
ok 4 - files::nextcloud
  ---
  duration_ms: 5900
  proof: "listening"
  caveat: "started again from a live copy; no backup was read"
  raised_by: "a backup instead of the live copy: --from SOURCE, as in --from tar:FILE"
"#;
    assert!(tap.contains(flaky), "{tap}");
    let attempts = r#"
  flaky: true
  attempts: 2
  earlier: "errored, worker/failed: the worker's container ended with 137 (0.5s)"
  ...
"#;
    assert!(tap.contains(attempts), "{tap}");
    let stubborn = r#"
  flaky: false
  attempts: 2
  earlier: "failed, boot/exited: sonarr exited with 1 after 2.1 s (1.0s)"
  log: "#;
    assert!(tap.contains(stubborn), "{tap}");
    assert_eq!(tap.matches("  attempts: ").count(), 2, "only where there was more than one");
}

#[test]
fn a_time_that_was_over_without_a_red_case_turns_the_stream_red() {
    let tap = stream(&sample::timed_out());
    assert!(tap.ends_with("\nBail out! the time for the run was over\n"), "{tap}");
    assert!(!prove(&tap).0);
}

#[test]
fn an_interrupted_run_bails_out() {
    let tap = stream(&sample::interrupted());
    assert!(tap.ends_with("\nBail out! interrupted by SIGINT\n"), "{tap}");
    let (green, said) = prove(&tap);
    assert!(!green);
    assert!(said.contains("Bailout called"), "{said}");
}

#[test]
fn a_signal_after_the_last_case_is_red_as_the_exit_code_is() {
    let tap = stream(&sample::interrupted_late());
    assert!(tap.contains("\nok 1 - media::jellyfin\n"), "{tap}");
    assert!(tap.ends_with("\nBail out! interrupted by SIGTERM\n"), "{tap}");
    assert!(!prove(&tap).0);
}

#[test]
fn what_was_left_behind_turns_the_stream_red() {
    let mut events = sample::one_passed();
    let end = events.pop().expect("the run's end");
    let diagnosis = Diagnosis::new(Code::SandboxLeftBehind, "volume x");
    events.push(Event { at: end.at, fact: Fact::LeftBehind { diagnosis } });
    events.push(end);
    let tap = stream(&events);
    assert!(tap.contains("\n# sandbox/left-behind: something of the sandbox is left\n# volume x\n"), "{tap}");
    assert!(tap.ends_with("\nBail out! something was left behind\n"), "{tap}");
    assert!(!prove(&tap).0);
}

#[test]
fn a_killed_run_is_red_and_has_what_was_done() {
    let tap = stream(&sample::killed());
    assert!(tap.contains("\nok 1 - media::jellyfin\n"), "{tap}");
    let (green, said) = prove(&tap);
    assert!(!green);
    assert!(said.contains("planned 3 tests but ran 1"), "{said}");
}

#[test]
fn hostile_text_makes_no_lines_directives_or_commands() {
    let tap = stream(&sample::hostile());
    let points: Vec<&str> = tap.lines().filter(|line| line.starts_with("ok ") || line.starts_with("not ok ")).collect();
    assert_eq!(points.len(), 2, "{points:?}");
    assert_eq!(points[0], "not ok 1 - service 3proxy", "a description does not start with a digit");
    assert!(points[1].starts_with("ok 2 - h\\#sh::b\\\\ck # SKIP ]]> <&\"' red nul:"), "{}", points[1]);
    for line in tap.lines() {
        let known = ["TAP version 13", "1..", "ok ", "not ok ", "# ", "    ", "  "];
        assert!(known.iter().any(|start| line.starts_with(start)), "{line}");
        assert!(!line.trim_start().starts_with("::") && !line.contains("##["), "{line}");
        if line.starts_with("    ") && line.contains("ok ") {
            assert!(!line.contains(" # "), "no directive: {line}");
        }
    }
    assert!(!tap.contains(['\u{1b}', '\0', '\u{ffff}', '\r']));
    assert!(tap.len() < 200_000, "the log is capped");
    assert!(tap.contains("cut here, only the end is kept]"));
    let (green, said) = prove(&tap);
    assert!(!green);
    assert!(
        said.contains("Failed 1/2 subtests") && !said.contains("Parse errors"),
        "{}",
        &said[said.len().saturating_sub(2000)..]
    );
}

#[test]
fn a_log_of_nothing_but_escapes_is_not_too_long_for_perl() {
    let case = sample::name("a", "b");
    for filling in ["#", "\"", "\\", "a: b\n- c: d\n"] {
        let mut script = sample::Script::run(vec![sample::info(&case)]);
        let log_tail = vec![filling.repeat(100_000)];
        let diagnosis = Diagnosis { log_tail, ..Diagnosis::new(Code::BootExited, "x") };
        let step = rehearsa::model::event::Step::Boot { service: case.clone() };
        let tap = stream(&script.begin(&case).step(&case, step, 1.0, sample::broke(&diagnosis)).end(&case).over());
        let (green, said) = prove(&tap);
        assert!(!green && said.contains("Failed 1/1 subtests") && !said.contains("Parse errors"), "{filling:?}");
    }
}

#[test]
fn each_point_is_written_when_its_case_ends() {
    let paper = Paper::default();
    let mut tap = TapReporter::new("TAP".to_owned(), Box::new(paper.clone()), TapVersion::V13);
    let events = sample::mixed();
    let first_end = events.iter().position(|event| matches!(event.fact, Fact::CaseFinished { .. })).expect("one ends");
    sample::play(&events[..=first_end], &mut tap);
    assert!(paper.text().contains("\nok 1 - media::jellyfin\n"));
}

#[test]
fn hostile_names_make_no_lines_directives_or_commands() {
    let name = rehearsa::model::service::ServiceName::of_stack(sample::HOSTILE, sample::HOSTILE);
    let mut script = sample::Script::run(vec![sample::info(&name)]);
    sample::pass(&mut script, &name);
    let tap = stream(&script.over());
    let points: Vec<&str> = tap.lines().filter(|line| line.starts_with("ok ") || line.starts_with("not ok ")).collect();
    assert_eq!(points.len(), 1, "{points:?}");
    assert!(points[0].starts_with("ok 1 - ]]> <&\"' red nul:") && !points[0].contains(" # "), "{}", points[0]);
    assert!(!tap.contains("##[") && !tap.contains(['\u{1b}', '\0', '\r']), "{tap}");
    let (green, said) = prove(&tap);
    assert!(green, "{said}");
}
