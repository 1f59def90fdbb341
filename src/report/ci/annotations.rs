//! Annotations for GitHub Actions (`::error file=,line=,title=::message`), written at the end of the run, so that the
//! few that GitHub shows are the important ones.
//!
//! Failed services come first, then errored ones, then problems of the run. Services that a signal cancelled share one
//! warning, because GitHub reports the cancelled job itself. Logs of services are not repeated here.

use std::io::{self, Write};

use super::job_log::write_log;
use crate::model::diagnosis::Diagnosis;
use crate::model::event::{Event, Fact, NoTests};
use crate::model::location::Location;
use crate::model::outcome::{CaseRecord, Outcome, Verdict, is_cancelled};
use crate::report::problem::{ProblemKind, RunProblem, run_problems};
use crate::report::{Reporter, text, units, wording};

/// Annotations of one level; GitHub shows ten for a step, and the tenth says how many more there are.
const MOST: usize = 9;

/// UTF-16 code units of a message that GitHub shows; it cuts off the rest.
const MESSAGE: usize = 4096;

/// Writes annotations.
pub struct AnnotationReporter {
    log: Box<dyn Write + Send>,
}

impl AnnotationReporter {
    /// Writes to the log of the job.
    pub fn new(log: Box<dyn Write + Send>) -> Self {
        Self { log }
    }
}

impl Reporter for AnnotationReporter {
    fn name(&self) -> &str {
        "annotations"
    }

    fn event(&mut self, event: &Event, outcome: &Outcome) -> io::Result<()> {
        match event.fact {
            Fact::RunFinished => write_log(&mut *self.log, &lines(outcome)),
            _ => Ok(()),
        }
    }
}

/// One annotation, not yet escaped.
struct Annotation {
    place: Option<Location>,
    title: String,
    message: String,
}

fn lines(outcome: &Outcome) -> String {
    let mut text = level("error", errors(outcome));
    text.push_str(&level("warning", warnings(outcome)));
    text
}

fn level(level: &str, annotations: Vec<Annotation>) -> String {
    let left = annotations.len().saturating_sub(MOST);
    let mut text: String = annotations.iter().take(MOST).map(|annotation| command(level, annotation)).collect();
    if left > 0 {
        let plural = if left == 1 { "" } else { "s" };
        let message = format!("and {left} more {level}{plural}; the log and the reports list all of them");
        text.push_str(&command(level, &Annotation { place: None, title: "rehearsa".to_owned(), message }));
    }
    text
}

fn errors(outcome: &Outcome) -> Vec<Annotation> {
    let of = |verdict| outcome.cases.iter().filter(move |case| case.verdict() == verdict && !is_cancelled(case));
    let mut errors: Vec<Annotation> = of(Verdict::Failed).chain(of(Verdict::Errored)).map(not_green).collect();
    errors.extend(run_problems(outcome).iter().flat_map(|problem| of_problem(problem, outcome)));
    errors
}

/// Errors for a problem of the run. A signal gets a warning instead, because GitHub reports the cancelled job itself.
fn of_problem(problem: &RunProblem<'_>, outcome: &Outcome) -> Vec<Annotation> {
    let all = |title: &str, told: fn(&Diagnosis) -> String| {
        problem.diagnoses().map(|diagnosis| of_run(title, told(diagnosis))).collect::<Vec<_>>()
    };
    match problem.kind {
        ProblemKind::Interrupted => Vec::new(),
        ProblemKind::Unfinished => all("Unfinished", |told| text::clean(&told.message)),
        ProblemKind::LeftBehind => all("Left behind", |left| told(left).join("\n")),
        ProblemKind::PartMissing => all("A part is missing", |missing| told(missing).join("\n")),
        ProblemKind::TimedOut => {
            let time = units::short_seconds(outcome.timed_out.unwrap_or_default() as f64);
            vec![of_run("Timed out", format!("The run did not end within its time of {time}."))]
        }
        ProblemKind::ReportLost => all("A report is lost", |lost| text::clean(&lost.message)),
        ProblemKind::NothingSelected => vec![nothing()],
    }
}

fn nothing() -> Annotation {
    of_run("Nothing was selected", "No service was selected, so nothing was rehearsed.".to_owned())
}

fn warnings(outcome: &Outcome) -> Vec<Annotation> {
    let mut warnings = Vec::new();
    if let Some(signal) = outcome.interrupted {
        let count = outcome.cases.iter().filter(|case| is_cancelled(case)).count();
        let signal = wording::signal_name(signal);
        warnings
            .push(of_run("Interrupted", format!("{signal} ended the run; rehearsals that were cancelled: {count}.")));
    }
    if outcome.cases.is_empty() && outcome.no_tests == NoTests::Warn {
        warnings.push(nothing());
    }
    for warning in &outcome.warnings {
        warnings.push(of_run(warning.code.title(), text::clean(&warning.message)));
    }
    for case in outcome.cases.iter().filter(|case| case.is_flaky()) {
        let why = case.earlier.iter().filter_map(|attempt| attempt.diagnosis()).map(wording::summary);
        let attempt = case.earlier.len() + 1;
        let message = std::iter::once(format!("It passed only at attempt {attempt}. Before that:")).chain(why);
        warnings.push(of_case(case, "flaky", message.collect::<Vec<_>>().join("\n")));
    }
    for case in outcome.cases.iter().filter(|case| !is_cancelled(case)) {
        warnings.extend(case.warnings.iter().map(|warning| {
            of_case(case, warning.code.as_str(), format!("{}\n{}", wording::warning(warning), warning.remedy()))
        }));
    }
    warnings
}

fn not_green(case: &CaseRecord) -> Annotation {
    let deciding = wording::deciding(case);
    let mut lines = told(&deciding);
    let others = case.diagnoses.iter().filter(|other| **other != *deciding);
    lines.extend(others.map(|other| format!("Also: {}", wording::summary(other))));
    let notable = case.info.changes.iter().filter(|change| change.notable);
    lines.extend(notable.map(|change| format!("Changed in the sandbox: {}", wording::change(change))));
    of_case(case, &format!("{}, {}", case.verdict().name(), deciding.code), lines.join("\n"))
}

/// The lines of a diagnosis, without the log.
fn told(diagnosis: &Diagnosis) -> Vec<String> {
    wording::explain(&Diagnosis { log_tail: Vec::new(), ..diagnosis.clone() })
}

fn of_case(case: &CaseRecord, what: &str, message: String) -> Annotation {
    let title = text::one_line(&format!("{}: {what}", case.info.name));
    Annotation { place: case.info.declared.clone(), title, message }
}

fn of_run(title: &str, message: String) -> Annotation {
    Annotation { place: None, title: title.to_owned(), message }
}

/// The line that GitHub reads.
fn command(level: &str, annotation: &Annotation) -> String {
    let mut properties = Vec::new();
    if let Some(place) = &annotation.place {
        properties.push(format!("file={}", property(&text::one_line(&place.file))));
        properties.push(format!("line={}", place.line));
    }
    properties.push(format!("title={}", property(&annotation.title)));
    let message: Vec<String> = text::clean(&annotation.message).lines().map(text::without_commands).collect();
    format!("::{level} {}::{}\n", properties.join(","), data(&cut(&message.join("\n"))))
}

/// `message` as long as GitHub shows it, with an ellipsis where it was cut.
fn cut(message: &str) -> String {
    if message.encode_utf16().count() <= MESSAGE {
        return message.to_owned();
    }
    let mut room = MESSAGE - 1;
    let fits = |c: &char| {
        let rest = room.checked_sub(c.len_utf16());
        room = rest.unwrap_or(0);
        rest.is_some()
    };
    message.chars().take_while(fits).chain(['…']).collect()
}

fn data(value: &str) -> String {
    value.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(value: &str) -> String {
    data(&text::without_commands(value)).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests;
