//! The facts of a test case besides its verdict, as names and values, and its steps with their times.

use jiff::Timestamp;

use super::values::{between, rfc3339};
use crate::model::event::StepResult;
use crate::model::evidence::{self, Evidence};
use crate::model::outcome::{CaseRecord, StepRecord};
use crate::model::score::Score;
use crate::report::score;
use crate::report::text;
use crate::report::wording::{self, StepWords};

/// The source of the data, the restored amount, the time of each step (the time of a real restore consists of these),
/// and the changes by the sandbox.
pub(super) fn facts(case: &CaseRecord) -> Vec<(String, String)> {
    let restored = case.restored();
    let mut facts: Vec<(String, String)> = Vec::new();
    let mut fact = |name: &str, value: String| facts.push((name.to_owned(), value));
    fact("source", case.info.source.clone());
    if let Some(snapshot) = &case.info.snapshot {
        fact("snapshot.id", snapshot.id.clone());
        if let Some(time) = snapshot.time {
            fact("snapshot.time", rfc3339(time));
        }
    }
    fact("image.reference", case.info.image.reference.clone());
    fact("image.id", case.info.image.id.clone());
    fact("attempts", (case.earlier.len() + 1).to_string());
    if case.is_flaky() {
        fact("flaky", "true".to_owned());
    }
    fact("restored.files", restored.files.to_string());
    fact("restored.bytes", restored.bytes.to_string());
    if let Some(proof) = case.proof {
        fact("proof", proof.name().to_owned());
    }
    if let Some(caveat) = wording::caveat(case) {
        fact("proof.caveat", caveat.to_owned());
    }
    if let Some(more) = evidence::raised_by(case) {
        fact("proof.raised_by", more.to_owned());
    }
    match Score::of_case(case) {
        Ok(score) => {
            fact("score", score.points.to_string());
            fact("score.ceiling", score.ceiling.points.to_string());
            fact("score.words", score::line(&score));
            for part in &score.parts {
                fact(&format!("score.{}", part.measure.name()), score::part_line(part));
            }
        }
        Err(why) if case.finished.is_some() => fact("score.none", why.words().to_owned()),
        Err(_) => {}
    }
    for Evidence { level, shown, by } in evidence::evidence(case) {
        fact(&format!("evidence.{}", level.name()), format!("{}: {by}", if shown { "shown" } else { "not shown" }));
    }
    for (nth, record) in case.steps.iter().enumerate() {
        let words = StepWords::of_record(record, case);
        fact(&format!("step.{}.{}", nth + 1, words.doing), format!("{:.3}", record.seconds()));
    }
    for (nth, change) in case.info.changes.iter().enumerate() {
        fact(&format!("change.{}", nth + 1), wording::change(change));
    }
    facts
}

/// The steps with their times, then the end of the log within `log_cap` bytes.
pub(super) fn text(case: &CaseRecord, log_cap: usize) -> String {
    let mut lines = timeline(&case.steps, case.attempt_started.or(case.started), case);
    lines.extend(case.warnings.iter().map(|warning| format!("            ! {}", wording::warning(warning))));
    if !case.log_tail.is_empty() {
        lines.push(text::one_line(&format!("Last log lines of {}:", case.info.name)));
        let tail = text::Tail::of(&case.log_tail, log_cap);
        lines.extend(tail.noticed().iter().map(|line| format!("{}{line}", wording::QUOTE)));
    }
    lines.join("\n")
}

/// One line a step, with the seconds since `begin`.
pub(super) fn timeline(steps: &[StepRecord], begin: Option<Timestamp>, case: &CaseRecord) -> Vec<String> {
    let begin = begin.or(steps.first().map(|record| record.started));
    let line = |record: &StepRecord| {
        let mark = match &record.result {
            Some(StepResult::Done { .. }) => "✔",
            Some(StepResult::Broke { .. }) => "✘",
            Some(StepResult::Stopped) | None => "-",
        };
        let since = begin.map_or(0.0, |begin| between(begin, record.started).as_secs_f64());
        let words = StepWords::of_record(record, case).line(record.result.as_ref());
        format!("{since:>9.3}s  {mark} {words} ({:.3}s)", record.seconds())
    };
    steps.iter().map(line).collect()
}
