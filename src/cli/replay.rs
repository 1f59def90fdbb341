//! Recorded events through the real reporters: what `report` and `merge` share.

use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use super::args::ReportArgs;
use super::exit::Failure;
use super::presentation::ColorChoice;
use super::reporters;
use crate::config::Environment;
use crate::config::resolve::Flags;
use crate::config::settings::ReportTargets;
use crate::config::values::report_spec::Form;
use crate::model::event::Event;
use crate::model::outcome::Outcome;
use crate::report;
use crate::report::human::HumanStyle;

/// A recorded run.
pub struct Recorded {
    /// Its events; without an end when it was killed.
    pub events: Vec<Event>,
    /// Show people every step, and not only the results.
    pub steps: bool,
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
        quiet: !recorded.steps,
        verbose: false,
    };
    let reporters = reporters::of(report::open_for_recorded(targets, Box::new(io::stdout())), targets, style)?;
    let outcome = report::show_recorded(reporters, recorded.events);
    reporters::tell_of_lost(&outcome);
    Ok(outcome)
}

/// Where the reports go. None may overwrite what they are made of; the log that a folder of reports holds already is left there.
pub fn targets(args: &ReportArgs, sources: &[PathBuf], env: &Environment) -> Result<ReportTargets, Failure> {
    let mut flags = Flags::default();
    args.add_to(&mut flags);
    let mut targets = ReportTargets::resolve(&flags, env)?;
    let is_source = |path: &Path| sources.iter().any(|source| is_same(source, path));
    // Standard output may be asked for beside the folder; only a file that was named itself is meant to be written.
    if args.events.as_deref().is_none_or(|path| path == Path::new("-")) {
        targets.files.retain(|(form, path)| *form != Form::Events || !is_source(path));
    }
    match targets.files.iter().find(|(_, path)| is_source(path)) {
        Some((form, path)) => Err(Failure::usage(format!(
            "the {} report would overwrite {}, which it is made of",
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

/// The whole file at `path`; `-` is standard input.
pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    let result = if path == Path::new("-") {
        io::stdin().lock().read_to_end(&mut text).map(drop)
    } else {
        std::fs::read(path).map(|read| text = read)
    };
    result.map_err(|error| Failure::usage(format!("cannot read {}: {error}", called(path))))?;
    Ok(text)
}

/// What people call a source.
pub fn called(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::outcome::ExitCode;

    #[test]
    fn no_report_overwrites_what_it_is_made_of() {
        let dir = tempfile::tempdir().expect("a folder");
        let log = dir.path().join("events.jsonl");
        std::fs::write(&log, "").expect("written");
        let sources = [log.clone()];
        let env = Environment::default();
        let onto = ReportArgs { json: Some(dir.path().join(".").join("events.jsonl")), ..ReportArgs::default() };
        let refusal = targets(&onto, &sources, &env).expect_err("refused");
        assert_eq!(refusal.exit, ExitCode::Usage);
        assert!(refusal.render(false).contains("the JSON report would overwrite "), "{}", refusal.render(false));
        let events = ReportArgs { events: Some(log), ..ReportArgs::default() };
        assert!(targets(&events, &sources, &env).is_err());
        // All reports into the folder of the log: the log is there already.
        let all = ReportArgs { report_dir: Some(dir.path().to_owned()), ..ReportArgs::default() };
        let targets = targets(&all, &sources, &env).expect("fine");
        assert_eq!(targets.files.len(), Form::ALL.len() - 1);
        assert!(targets.files.iter().all(|(form, _)| *form != Form::Events));
    }

    #[test]
    fn standard_input_and_output_are_not_one_place() {
        assert!(!is_same(Path::new("-"), Path::new("-")));
        assert_eq!(called(Path::new("-")), "standard input");
    }
}
