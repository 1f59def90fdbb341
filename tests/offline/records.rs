//! The commands that work on records, as programs: `report`, `merge`, `explain`, `schema`. Needs no Docker.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::support::rehearsa;

/// Runs rehearsa with this input and an empty environment.
fn run(args: &[&str], input: &[u8]) -> Output {
    let mut child = rehearsa(args)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("rehearsa starts");
    // A command that refuses its arguments does not read.
    let _ = child.stdin.take().expect("it is piped").write_all(input);
    child.wait_with_output().expect("it ends")
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/reports").join(name)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("rehearsa writes UTF-8")
}

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn log() -> Vec<u8> {
    std::fs::read(fixture("events-v1.jsonl")).expect("the fixture is there")
}

#[test]
fn a_recorded_run_gives_its_reports_and_its_exit_code_again() {
    let output = run(&["report", "--from", path(&fixture("events-v1.jsonl")), "--json", "-"], b"");
    assert_eq!(output.status.code(), Some(143));
    assert_eq!(text(&output.stdout), std::fs::read_to_string(fixture("report.json")).expect("the fixture is there"));
    assert_eq!(text(&output.stderr), "", "only the report was asked for");
    let shown = run(&["report", "--from", path(&fixture("events-v1.jsonl"))], b"");
    let told = text(&shown.stderr);
    assert!(told.contains("Restore Simulation: 2 passed, 2 failed, 2 errored, 2 skipped"), "{told}");
    let piped = run(&["report", "--from", "-", "--json", "-"], &log());
    assert_eq!((piped.status.code(), piped.stdout), (Some(143), output.stdout));
}

#[test]
fn all_reports_go_beside_the_log_that_they_are_made_of() {
    let dir = tempfile::tempdir().expect("a folder");
    let events = dir.path().join("events.jsonl");
    std::fs::write(&events, log()).expect("written");
    let output = run(&["report", "--from", path(&events), "--report-dir", path(dir.path())], b"");
    assert_eq!(output.status.code(), Some(143), "{}", text(&output.stderr));
    for form in ["junit.xml", "report.json", "report.tap", "ctrf.json"] {
        assert!(dir.path().join(form).exists(), "{form}");
    }
    assert_eq!(std::fs::read(&events).expect("there"), log(), "the log is left alone");
}

#[test]
fn a_report_tells_the_ci_system_nothing_that_it_was_not_asked_for() {
    let dir = tempfile::tempdir().expect("a folder");
    let (summary, html) = (dir.path().join("summary"), dir.path().join("run.html"));
    std::fs::write(&summary, "").expect("written");
    let report = |more: &[&str]| {
        let fixture = fixture("events-v1.jsonl");
        let args = [&["report", "--from", path(&fixture), "--html", path(&html)], more].concat();
        let env = [("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", path(&summary))];
        let output = rehearsa(&args).env_clear().envs(env).output().expect("rehearsa starts");
        assert_eq!(output.status.code(), Some(143), "{}", text(&output.stderr));
        (text(&output.stderr), std::fs::read_to_string(&summary).expect("there"))
    };
    assert_eq!(report(&[]), (String::new(), String::new()));
    let (told, written) = report(&["--ci", "github"]);
    assert!(told.contains("::error") && written.contains("Restore Simulation"), "{told}{written}");
}

#[test]
fn the_reports_of_a_run_are_for_its_user_alone_unless_a_mode_is_given() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a folder");
    let fixture = fixture("events-v1.jsonl");
    let mode = |file: &str| dir.path().join(file).metadata().expect(file).permissions().mode() & 0o777;
    let private = ["junit.xml", "report.json", "report.tap", "report.html", "summary.md", "events.jsonl", "ctrf.json"];
    let report = |more: &[&str]| {
        let args = [&["report", "--from", path(&fixture), "--report-dir", path(dir.path())], more].concat();
        run(&args, b"").status.code()
    };
    assert_eq!(report(&[]), Some(143));
    private.iter().for_each(|file| assert_eq!(mode(file), 0o600, "{file}"));
    for file in ["rehearsa.prom", "badge.svg"] {
        assert_eq!(mode(file) & !0o644, 0, "{file}");
    }
    assert_eq!(report(&["--report-mode", "0644"]), Some(143));
    private.iter().for_each(|file| assert_eq!(mode(file), 0o644, "{file}"));
    for wrong in ["rw-r--r--", "888", "7", "10644", "0755", "0610", "4600", ""] {
        assert_eq!(report(&["--report-mode", wrong]), Some(2), "{wrong}");
    }
}

#[test]
fn a_report_on_standard_output_is_beside_the_others_too() {
    let dir = tempfile::tempdir().expect("a folder");
    let events = dir.path().join("events.jsonl");
    std::fs::write(&events, log()).expect("written");
    for (flag, file) in [("--json", "report.json"), ("--tap", "report.tap"), ("--events", "events.jsonl")] {
        let args = ["report", "--from", path(&events), "--report-dir", path(dir.path()), flag, "-"];
        let output = run(&args, b"");
        assert_eq!(output.status.code(), Some(143), "{flag}: {}", text(&output.stderr));
        let written = std::fs::read(dir.path().join(file)).expect(file);
        assert!(!written.is_empty() && written == output.stdout, "{flag}: the file and standard output differ");
    }
    assert_eq!(std::fs::read(&events).expect("there"), log(), "the log is left alone");
}

#[test]
fn the_log_of_a_killed_run_gives_its_reports_and_says_so() {
    let dir = tempfile::tempdir().expect("a folder");
    let (events, json) = (dir.path().join("cut.jsonl"), dir.path().join("report.json"));
    std::fs::write(&events, &log()[..6000]).expect("written");
    let output = run(&["report", "--from", path(&events), "--json", path(&json), "--tap", "-"], b"");
    assert_eq!(output.status.code(), Some(102));
    assert!(text(&output.stderr).contains("cut.jsonl has no end: the run was killed"), "{}", text(&output.stderr));
    assert!(text(&output.stdout).ends_with("Bail out! the run was killed before its end\n"));
    let report: Value = serde_json::from_slice(&std::fs::read(&json).expect("written")).expect("JSON");
    assert_eq!((&report["exit_code"], &report["cases"][2]["verdict"]), (&Value::Null, &"running".into()));
}

#[test]
fn a_log_that_cannot_be_used_writes_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let (events, json) = (dir.path().join("bad.jsonl"), dir.path().join("report.json"));
    let mut damaged: Vec<String> = text(&log()).lines().map(str::to_owned).collect();
    damaged[6].truncate(40);
    for (content, expected) in [
        (damaged.join("\n"), "bad.jsonl, line 7: this line is damaged"),
        (String::new(), "bad.jsonl: the file is empty"),
        (
            text(&log()).replacen("\"events_version\":1", "\"events_version\":9", 1),
            "bad.jsonl: this record is of version 9",
        ),
    ] {
        std::fs::write(&events, content).expect("written");
        std::fs::write(&json, "of yesterday").expect("written");
        let output = run(&["report", "--from", path(&events), "--json", path(&json)], b"");
        assert_eq!(output.status.code(), Some(2), "{expected}");
        assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
        assert_eq!(std::fs::read_to_string(&json).expect("there"), "of yesterday", "{expected}");
    }
    let missing = run(&["report", "--from", path(&dir.path().join("none"))], b"");
    assert_eq!(missing.status.code(), Some(2));
    assert!(text(&missing.stderr).contains("cannot read "));
}

/// The record of part `part` of the same run, with one green case.
fn other_part(dir: &Path, part: u64) -> PathBuf {
    let case = serde_json::json!({"stack": "music", "service": "navidrome"});
    let mut events: Vec<Value> =
        text(&log()).lines().map(|line| serde_json::from_str(line).expect("a line is an event")).collect();
    let mut begin = events.remove(0);
    begin["partition"]["index"] = part.into();
    let mut info = begin["cases"][0].take();
    info["name"] = case.clone();
    begin["cases"] = Value::Array(vec![info]);
    let of_case =
        |event: &&Value| ["case-started", "case-proven", "case-finished"].iter().any(|e| event["event"] == *e);
    let of_first = events.iter().filter(of_case).take(3).cloned().map(|mut event| {
        event["case"] = case.clone();
        event
    });
    let end = events.last().cloned().expect("the end of the run");
    let lines: Vec<String> = [begin].into_iter().chain(of_first).chain([end]).map(|event| event.to_string()).collect();
    let path = dir.join(format!("{part}.jsonl"));
    std::fs::write(&path, lines.join("\n") + "\n").expect("written");
    path
}

#[test]
fn the_records_of_two_jobs_become_one_run() {
    let dir = tempfile::tempdir().expect("a folder");
    let (first, second) = (dir.path().join("job"), other_part(dir.path(), 2));
    std::fs::create_dir(&first).expect("made");
    std::fs::write(first.join("events.jsonl"), log()).expect("written");
    // A record is given as its file or as the folder of reports that holds it.
    let output = run(&["merge", path(&second), path(&first), "--json", "-"], b"");
    assert_eq!(output.status.code(), Some(143), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&report["counts"]["total"], &report["counts"]["passed"]), (&9.into(), &3.into()));
    assert_eq!(report["cases"][1]["name"], "music::navidrome", "slices are dealt out in turn");
    assert!(text(&output.stderr).contains("Restore Simulation: 3 passed, 2 failed, 2 errored, 2 skipped"));
}

#[test]
fn a_missing_part_is_no_success_and_is_told_in_every_report() {
    let dir = tempfile::tempdir().expect("a folder");
    let second = other_part(dir.path(), 2);
    let out = dir.path().join("out");
    let output = run(&["merge", path(&second), "--report-dir", path(&out)], b"");
    assert_eq!(output.status.code(), Some(102), "{}", text(&output.stderr));
    let words = "there is no record of part slice:1/2";
    let counted = "Restore Simulation: 1 passed, 0 failed, 0 errored, 0 skipped, and a part of the run is missing";
    assert!(text(&output.stderr).contains(counted), "{}", text(&output.stderr));
    let summary = std::fs::read_to_string(out.join("summary.md")).expect("written");
    assert!(summary.contains("0 skipped**, and a part of the run is missing"), "{summary}");
    assert!(text(&output.stderr).contains(words), "{}", text(&output.stderr));
    for form in ["junit.xml", "report.json", "report.tap", "ctrf.json", "events.jsonl"] {
        let report = std::fs::read_to_string(out.join(form)).expect("written");
        assert!(report.contains(words) && report.contains("run/part-missing"), "{form}: {report}");
    }
    let tap = std::fs::read_to_string(out.join("report.tap")).expect("written");
    assert!(tap.ends_with("\nBail out! a part of the run is missing\n"), "{tap}");
    let junit = std::fs::read_to_string(out.join("junit.xml")).expect("written");
    assert!(junit.contains("<testcase name=\"parts\" classname=\"rehearsa.parts\""), "{junit}");
    // The merged run has a record of its own.
    for record in [out.join("events.jsonl"), out] {
        let again = run(&["report", "--from", path(&record)], b"");
        assert_eq!(again.status.code(), Some(102));
    }
}

#[test]
fn records_that_do_not_belong_together_are_refused_and_nothing_is_written() {
    let dir = tempfile::tempdir().expect("a folder");
    let (first, junit) = (fixture("events-v1.jsonl"), dir.path().join("junit.xml"));
    let same_part = other_part(dir.path(), 1);
    let no_record = fixture("ctrf.schema.json");
    for (files, expected) in [
        ([path(&first), path(&same_part)], "are both of part slice:1/2"),
        ([path(&first), path(&no_record)], "ctrf.schema.json: this is not the record of a run"),
        ([path(&first), "/nonexistent.jsonl"], "cannot read /nonexistent.jsonl"),
        ([path(&first), "/"], "cannot read /events.jsonl"),
    ] {
        let output = run(&["merge", files[0], files[1], "--junit", path(&junit)], b"");
        assert_eq!(output.status.code(), Some(2), "{expected}");
        assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
        assert!(!junit.exists(), "{expected}");
    }
    assert_eq!(run(&["merge"], b"").status.code(), Some(2));
}

#[test]
fn instead_of_a_json_report_its_record_is_asked_for() {
    let report = fixture("report.json");
    for command in [&["merge"][..], &["report", "--from"]] {
        let output = run(&[command, &[path(&report)]].concat(), b"");
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()));
        let words = text(&output.stderr);
        assert!(words.contains("report.json: this is the JSON report of a run, not its record"), "{words}");
        assert!(words.contains("What to do: give the record of that run instead: the events.jsonl"), "{words}");
    }
}

#[test]
fn no_part_is_overwritten_by_the_whole() {
    let dir = tempfile::tempdir().expect("a folder");
    let record = dir.path().join("events.jsonl");
    std::fs::write(&record, log()).expect("written");
    let output = run(&["merge", path(dir.path()), "--report-dir", path(dir.path())], b"");
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("the event report would overwrite "), "{}", text(&output.stderr));
    assert_eq!(std::fs::read(&record).expect("there"), log());
    assert_eq!(std::fs::read_dir(dir.path()).expect("listed").count(), 1);
}

#[test]
fn codes_are_explained() {
    let output = run(&["explain", "restore/no-space"], b"");
    assert_eq!(output.status.code(), Some(0));
    let shown = text(&output.stdout);
    for part in ["restore/no-space: no room", "could not be found out", "What it means:", "What to do:"] {
        assert!(shown.contains(part), "{part} is missing in:\n{shown}");
    }
    let list = run(&["explain", "--list", "--format", "json"], b"");
    let list: Value = serde_json::from_slice(&list.stdout).expect("JSON");
    let codes = list["codes"].as_array().expect("a list");
    assert!(codes.iter().any(|code| code["code"] == "restore/no-space" && code["severity"] == "errored"));
    let unknown = run(&["explain", "restore/nospace"], b"");
    assert_eq!((unknown.status.code(), text(&unknown.stdout)), (Some(2), String::new()));
    assert!(text(&unknown.stderr).contains("`restore/no-space`"), "{}", text(&unknown.stderr));
    assert_eq!(run(&["explain"], b"").status.code(), Some(2));
}

#[test]
fn the_schemas_are_printed_as_they_are_committed() {
    let report = include_str!("../../src/report/json/report.schema.json");
    let events = include_str!("../../src/report/events/events.schema.json");
    let plan = include_str!("../../src/config/plan_file/rehearsa.schema.json");
    for (args, committed) in [
        (&["schema"][..], report),
        (&["schema", "report"], report),
        (&["schema", "events"], events),
        (&["schema", "plan"], plan),
    ] {
        let output = run(args, b"");
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), committed.to_owned()));
    }
}

#[test]
fn newcomers_find_examples() {
    for (command, example) in [
        ("report", "rehearsa report --from events.jsonl --html run.html"),
        ("merge", "rehearsa merge 1.jsonl 2.jsonl --junit junit.xml"),
        ("explain", "rehearsa explain boot/exited"),
        ("schema", "rehearsa schema > report.schema.json"),
    ] {
        let shown = text(&run(&[command, "--help"], b"").stdout);
        assert!(shown.contains("Examples:") && shown.contains(example), "{command}:\n{shown}");
    }
}
