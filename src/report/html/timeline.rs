//! The steps of a case on a time axis: a list whose rows have a bar each, all to one scale.
//!
//! The bars have no fixed width: they are drawn in parts of a hundred, so that a phone shows the same as a wide
//! screen. The words and the time of the step stand beside its bar; the bar shows nothing more.

use jiff::Timestamp;
use maud::{Markup, html};

use super::view::{Row, View, seconds, short};
use crate::model::event::StepResult;
use crate::model::outcome::StepRecord;
use crate::report::units;
use crate::report::wording::{self, Progress, StepWords};

/// Seconds between two ticks of the axis: the least that gives no more than [`MOST_TICKS`].
const TICKS: [f64; 19] = [
    0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 21600.0,
    86400.0,
];

/// The number of ticks that fit on a phone.
const MOST_TICKS: f64 = 4.0;

/// The shortest bar, in percent: shorter steps get this length, so that they can be seen.
const THINNEST: f64 = 0.6;

/// The axis of a case: from its first step to its end.
struct Scale {
    start: Timestamp,
    seconds: f64,
}

impl Scale {
    fn of(row: &Row<'_>, end_of_open: Timestamp) -> Self {
        let case = row.case;
        let steps = || case.earlier.iter().flat_map(|attempt| &attempt.steps).chain(&case.steps);
        let starts = steps().map(|step| step.started).chain(case.started);
        let ends = steps().map(|step| step.finished.unwrap_or(end_of_open)).chain(case.finished);
        let start = starts.min().unwrap_or(end_of_open);
        let end = ends.max().unwrap_or(end_of_open);
        Self { start, seconds: seconds(start, end).max(0.1) }
    }

    /// The position of a time, in percent.
    fn place(&self, at: Timestamp) -> f64 {
        (seconds(self.start, at) / self.seconds * 100.0).min(100.0)
    }

    /// Seconds between two ticks.
    fn tick(&self) -> f64 {
        let most = TICKS[TICKS.len() - 1];
        let fits = |tick: &f64| self.seconds / tick <= MOST_TICKS;
        // For rehearsals of several days the ticks are whole days.
        TICKS.into_iter().find(fits).unwrap_or_else(|| (self.seconds / MOST_TICKS / most).ceil() * most)
    }
}

/// The timeline of a case with all its attempts; nothing when it has no step.
pub(super) fn timeline(view: &View<'_>, row: &Row<'_>) -> Markup {
    let case = row.case;
    if case.steps.is_empty() && case.earlier.iter().all(|attempt| attempt.steps.is_empty()) {
        return html! {};
    }
    let end_of_open = case.finished.or(view.outcome.finished).unwrap_or(view.now);
    let scale = Scale::of(row, end_of_open);
    let attempts = case.earlier.len() + 1;
    html! {
        h4 { "Timeline" }
        div.timeline style={"--tick:" (hundredths(scale.tick() / scale.seconds * 100.0)) "%"} {
            (axis(&scale))
            @for (nth, attempt) in case.earlier.iter().enumerate() {
                h5 class=(attempt.verdict().name()) {
                    span { "Attempt " (nth + 1) " of " (attempts) ": " (attempt.verdict().name()) } " "
                    span.took { (units::seconds(attempt.seconds())) }
                }
                ol role="list" {
                    @for step in &attempt.steps {
                        // An earlier attempt is over: none of its steps is running.
                        (self::step(&scale, step, &words(row, step, false), false, attempt.finished))
                    }
                }
            }
            @if attempts > 1 {
                h5 class=(row.kind()) {
                    span { "Attempt " (attempts) " of " (attempts) ": " (row.kind()) } " "
                    span.took {
                        (units::seconds(case.attempt_started.map_or(0.0, |start| seconds(start, end_of_open))))
                    }
                }
            }
            ol role="list" {
                @for step in &case.steps {
                    (self::step(&scale, step, &words(row, step, true), row.standing == Progress::Running, end_of_open))
                }
            }
        }
    }
}

fn words(row: &Row<'_>, step: &StepRecord, is_latest: bool) -> StepWords {
    if is_latest {
        StepWords::of_record(step, row.case)
    } else {
        StepWords::of(&step.step, std::slice::from_ref(&row.case.info.name), false, step.seconds())
    }
}

fn axis(scale: &Scale) -> Markup {
    let tick = scale.tick();
    let count = (scale.seconds / tick).floor() as u32;
    html! {
        div.axis {
            svg role="img" height="18" {
                title {
                    "Time axis from 0s to " (units::short_seconds(scale.seconds))
                    ", a mark every " (units::short_seconds(tick))
                }
                @for nth in 0..=count {
                    @let at = f64::from(nth) * tick;
                    @let place = at / scale.seconds * 100.0;
                    // A label at the end of the axis would overflow on the right.
                    @if nth == 0 || place <= 88.0 {
                        text x={(hundredths(place)) "%"} y="13" dx="3" { (units::short_seconds(at)) }
                    }
                }
            }
        }
    }
}

fn step(scale: &Scale, record: &StepRecord, words: &StepWords, may_run: bool, end_of_open: Timestamp) -> Markup {
    let runs = may_run && record.result.is_none();
    let kind = match &record.result {
        Some(StepResult::Done { .. }) => "done",
        Some(StepResult::Broke { diagnosis }) => wording::severity_name(diagnosis.severity()),
        Some(StepResult::Stopped) => "stopped",
        None if runs => "running",
        None => "stopped",
    };
    let line = if runs { format!("{} … running", words.doing) } else { words.line(record.result.as_ref()) };
    let line = short(&line);
    let note = match &record.result {
        Some(StepResult::Done { note: Some(note), .. }) => Some(short(note)),
        _ => None,
    };
    let end = record.finished.unwrap_or(end_of_open);
    let took = units::seconds(seconds(record.started, end));
    let width = (scale.place(end) - scale.place(record.started)).max(THINNEST);
    let left = scale.place(record.started).min(100.0 - width);
    let begins = units::seconds(seconds(scale.start, record.started));
    html! {
        li class=(kind) {
            span.what { (line) @if let Some(note) = note { span.faint { " (" (note) ")" } } }
            span.took { (took) }
            svg role="img" {
                title { "From " (begins) ", for " (took) }
                rect x={(hundredths(left)) "%"} width={(hundredths(width)) "%"} {}
            }
        }
    }
}

/// A number with at most two decimals and no trailing zeros: the page has many of these.
fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
