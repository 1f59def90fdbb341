//! Hands the recorded events of a run to the reporters: what `report` and `merge` share.

use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use super::args::ReportArgs;
use super::choices::ColorChoice;
use super::exit::Failure;
use super::reporters;
use crate::config::Environment;
use crate::config::resolve::Flags;
use crate::config::settings::ReportTargets;
use crate::config::values::report_spec::Form;
use crate::local_file::{self, Accept};
use crate::model::event::Event;
use crate::model::outcome::{ExitCode, Outcome};
use crate::report;
use crate::report::events::read::{self, RecordProblem, RunRecord};
use crate::report::human::HumanStyle;

/// The largest record, in bytes. It is held in memory.
const LARGEST: u64 = 2 << 30;

/// A recorded run.
pub struct Recorded {
    /// Its events; without an end when it was killed.
    pub events: Vec<Event>,
    /// What people are shown of it.
    pub shown: Shown,
}

/// What people are shown of a recorded run, on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Every step.
    Steps,
    /// The results.
    Results,
    /// Nothing.
    Nothing,
}

/// Makes the reports and tells people; the outcome.
pub fn replay(
    recorded: Recorded,
    targets: &ReportTargets,
    color: ColorChoice,
    env: &Environment,
) -> Result<Outcome, Failure> {
    let style = HumanStyle {
        color: color.with_environment(env).applies(io::stderr().is_terminal()),
        progress: false,
        width: None,
        quiet: recorded.shown == Shown::Results,
        verbose: false,
    };
    let style = (recorded.shown != Shown::Nothing).then_some(style);
    let reporters = reporters::of(report::open_for_recorded(targets, Box::new(io::stdout())), targets, style)?;
    let outcome = report::show_recorded(reporters, recorded.events);
    reporters::tell_of_lost(&outcome);
    Ok(outcome)
}

/// How to treat a record that is read, if all reports go into its folder.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum RecordInFolder {
    /// Keep it: it is the record of the run that is shown.
    Keep,
    /// Refuse: the run that is shown has a record of its own.
    Refuse,
}

/// The places of the reports. No report may overwrite a record that it is made from (`sources`).
pub fn targets(
    args: &ReportArgs,
    sources: &[PathBuf],
    in_folder: RecordInFolder,
    env: &Environment,
) -> Result<ReportTargets, Failure> {
    let mut flags = Flags::default();
    args.add_to(&mut flags);
    let mut targets = ReportTargets::resolve(&flags, env)?;
    let is_source = |path: &Path| sources.iter().any(|source| is_same(source, path));
    // With a folder, standard output may be asked for as well; only a file that was named itself is written.
    let is_named = args.events.as_deref().is_some_and(|path| path != Path::new("-"));
    if in_folder == RecordInFolder::Keep && !is_named {
        targets.files.retain(|(form, path)| *form != Form::Events || !is_source(path));
    }
    match targets.files.iter().find(|(_, path)| is_source(path)) {
        Some((form, path)) => Err(Failure::usage(format!(
            "the {} report would overwrite {}, the record that it is made from",
            form.name(),
            path.display()
        ))
        .hint(format!("give {} another file", form.flag()))),
        None => Ok(targets),
    }
}

fn is_same(source: &Path, target: &Path) -> bool {
    if source == Path::new("-") || target == Path::new("-") {
        return false;
    }
    match (source.canonicalize(), target.canonicalize()) {
        (Ok(source), Ok(target)) => source == target,
        _ => source == target,
    }
}

/// The record's file: `path`, or its `events.jsonl` if `path` is a folder of reports.
pub fn record_file(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(Form::Events.file()) } else { path.to_owned() }
}

/// The record in the file `path`; `-` is standard input.
pub fn read_record(path: &Path) -> Result<RunRecord, Failure> {
    read::read(&called(path), &read(path)?).map_err(|error| {
        let hint = matches!(error.problem, RecordProblem::JsonReport).then(|| what_instead_of_report(path));
        Failure { exit: ExitCode::Usage, error: Box::new(error), hint }
    })
}

/// What to use instead of the JSON report `path`.
fn what_instead_of_report(path: &Path) -> String {
    let record = path.with_file_name(Form::Events.file());
    if path != Path::new("-") && record.is_file() {
        format!("give the record of that run instead: {}", record.display())
    } else {
        "give the record of that run instead: the events.jsonl that --report-dir or --events wrote".to_owned()
    }
}

/// The whole file at `path`; `-` is standard input.
pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    let result = if path == Path::new("-") {
        io::stdin().lock().read_to_end(&mut text).map(drop)
    } else {
        local_file::read_from(path, Accept::Piped, LARGEST).map(|read| text = read)
    };
    result.map_err(|error| Failure::usage(format!("cannot read {}: {error}", called(path))))?;
    Ok(text)
}

/// The name of the input for messages.
pub fn called(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_report_overwrites_what_it_is_made_of() {
        let dir = tempfile::tempdir().expect("a folder");
        let log = dir.path().join("events.jsonl");
        std::fs::write(&log, "").expect("written");
        let sources = [log.clone()];
        let env = Environment::default();
        let onto = ReportArgs { json: Some(dir.path().join(".").join("events.jsonl")), ..ReportArgs::default() };
        let targets = |args, in_folder| targets(args, &sources, in_folder, &env);
        let refusal = targets(&onto, RecordInFolder::Keep).expect_err("refused");
        assert_eq!(refusal.exit, ExitCode::Usage);
        assert!(refusal.render(false).contains("the JSON report would overwrite "), "{}", refusal.render(false));
        let events = ReportArgs { events: Some(log), ..ReportArgs::default() };
        assert!(targets(&events, RecordInFolder::Keep).is_err());
        // All reports into the folder of the record: the record is there already, unless it is one of several.
        let all = ReportArgs { report_dir: Some(dir.path().to_owned()), ..ReportArgs::default() };
        let kept = targets(&all, RecordInFolder::Keep).expect("fine");
        assert_eq!(kept.files.len(), Form::ALL.len() - 1);
        assert!(kept.files.iter().all(|(form, _)| *form != Form::Events));
        assert!(targets(&all, RecordInFolder::Refuse).is_err());
    }

    #[test]
    fn instead_of_a_report_the_record_beside_it_is_named() {
        let dir = tempfile::tempdir().expect("a folder");
        let (report, record) = (dir.path().join("report.json"), dir.path().join("events.jsonl"));
        std::fs::write(&report, "{\"schema_version\": 1, \"cases\": []}").expect("written");
        let refusal = || read_record(&report).expect_err("refused").render(false);
        let words = format!("error: {}: this is the JSON report of a run, not its record", report.display());
        assert!(refusal().starts_with(&words), "{}", refusal());
        assert!(refusal().contains("the events.jsonl that --report-dir or --events wrote"), "{}", refusal());
        std::fs::write(&record, "").expect("written");
        assert!(refusal().ends_with(&format!("instead: {}\n", record.display())), "{}", refusal());
        assert_eq!(record_file(dir.path()), record);
        assert_eq!(record_file(&report), report);
    }

    #[test]
    fn standard_input_and_output_are_not_one_place() {
        assert!(!is_same(Path::new("-"), Path::new("-")));
        assert_eq!(called(Path::new("-")), "standard input");
    }
}
