//! The top of the page: the result of the run, and problems of the run itself.

use maud::{Markup, html};

use super::view::{CaseTally, KeptSandbox, View, advice, capitalized, message, pluralize, short, time};
use crate::model::diagnosis::Diagnosis;
use crate::model::outcome::ExitCode;
use crate::report::problem::{ProblemKind, RunProblem, run_problems};
use crate::report::{comparison, units, wording};

/// The result in one sentence.
pub(super) fn headline(view: &View<'_>) -> String {
    let CaseTally { passed, failed, errored, running, waiting, .. } = view.tally;
    let total = view.rows.len();
    let of_all = |count: usize| match (count, total) {
        (1, 1) => "The service".to_owned(),
        (count, total) if count == total => format!("All {total} services"),
        (count, total) => format!("{count} of {}", pluralize(total, "service")),
    };
    let Some(exit) = view.exit() else {
        return format!("Rehearsing: {} of {} done", total - running - waiting, pluralize(total, "service"));
    };
    match exit {
        ExitCode::Interrupted | ExitCode::Terminated => {
            let signal = wording::signal_name(view.outcome.interrupted.unwrap_or_default());
            format!("Interrupted by {signal} before the end")
        }
        ExitCode::Failed if failed == total && total > 1 => format!("None of {total} services came back"),
        ExitCode::Failed => format!("{} did not come back", of_all(failed)),
        ExitCode::Errored if errored > 0 => format!("{} could not be judged", of_all(errored)),
        ExitCode::Errored => "No service failed, but the run itself had a problem".to_owned(),
        ExitCode::NothingSelected | ExitCode::Usage => "No service was selected".to_owned(),
        ExitCode::Passed if total == 0 => "No service was selected".to_owned(),
        ExitCode::Passed if passed == 0 => "Every service was skipped".to_owned(),
        ExitCode::Passed => match wording::run_caveat(view.outcome) {
            Some(caveat) => format!("{} passed. {caveat}", of_all(passed)),
            None => format!("{} came back", of_all(passed)),
        },
    }
}

/// The class of the style sheet that the result is shown in.
fn tone(view: &View<'_>) -> &'static str {
    match view.exit() {
        _ if view.tally.failed > 0 => "failed",
        None => "running",
        Some(ExitCode::Passed) if view.tally.passed == 0 => "skipped",
        Some(ExitCode::Passed) if view.outcome.counts().without_backup > 0 => "live",
        Some(ExitCode::Passed) => "passed",
        Some(_) => "errored",
    }
}

/// An exit code in words.
fn meaning(exit: ExitCode) -> &'static str {
    match exit {
        ExitCode::Passed => "every service passed, or was skipped with a reason",
        ExitCode::Usage => "wrong usage or configuration",
        ExitCode::NothingSelected => "nothing was rehearsed; `--no-tests=pass` allows that",
        ExitCode::Failed => "at least one service failed",
        ExitCode::Errored => {
            "no service failed, but something could not be found out, was left behind, or could not be written"
        }
        ExitCode::Interrupted => "the run was ended by SIGINT",
        ExitCode::Terminated => "the run was ended by SIGTERM",
    }
}

/// The result, the counts and the facts of the run.
pub(super) fn banner(view: &View<'_>) -> Markup {
    let outcome = view.outcome;
    html! {
        div class={"banner " (tone(view))} {
            p.overline { "Restore Simulation" }
            h1 { (headline(view)) }
            p.exit {
                @match view.exit() {
                    Some(exit) => { "Exit code " b { (exit.number()) } ": " (advice(meaning(exit))) "." }
                    None => { "The run goes on, or was killed; there is no exit code yet." }
                }
            }
            (counts(&view.tally))
            dl.facts {
                @if let Some(started) = outcome.started {
                    (fact("Started", &time(started)))
                }
                (fact(
                    if outcome.finished.is_some() { "Took" } else { "So far" },
                    &html! { (units::seconds(view.seconds())) },
                ))
                (fact("Engine", &html! { (short(&outcome.engine)) }))
                (fact("rehearsa", &html! { (short(&outcome.version)) }))
                (fact("Session", &html! { (short(&outcome.session)) }))
                @if outcome.threads > 1 {
                    (fact("In parallel", &html! { (outcome.threads) }))
                }
                @if let Some(partition) = outcome.partition {
                    (fact("Partition", &html! { (partition) }))
                }
                @if outcome.filtered_out > 0 {
                    (fact("Filtered out", &html! { (pluralize(outcome.filtered_out, "service")) }))
                }
            }
        }
    }
}

fn fact(term: &str, value: &Markup) -> Markup {
    html! { div { dt { (term) } dd { (value) } } }
}

/// The counts as numbers, and as a bar of their shares.
fn counts(tally: &CaseTally) -> Markup {
    let always = ["passed", "failed", "errored", "skipped"];
    let shown = || tally.standings().into_iter().filter(|(name, count)| *count > 0 || always.contains(name));
    let filled = || tally.standings().into_iter().filter(|(_, count)| *count > 0);
    html! {
        @if filled().next().is_some() {
            div.shares aria-hidden="true" {
                @for (name, count) in filled() {
                    span class=(name) style={"flex-grow:" (count)} {}
                }
            }
        }
        ul.counts role="list" {
            @for (name, count) in shown() {
                li class={(name) @if count == 0 { " none" }} {
                    b { (count) } " " (name)
                    @if name == "passed" && tally.flaky > 0 { small { " (" (tally.flaky) " only at a later attempt)" } }
                }
            }
        }
    }
}

/// A problem of the run, as a notice.
pub(super) fn notices(view: &View<'_>) -> Markup {
    let problems = run_problems(view.outcome);
    // Left out: the headline already says that nothing was selected, and the table says why.
    let told: Vec<_> = problems.iter().filter(|problem| problem.kind != ProblemKind::NothingSelected).collect();
    html! {
        @if !told.is_empty() || !view.kept.is_empty() || !view.outcome.warnings.is_empty() {
            section.notices aria-labelledby="notices" {
                h2 #notices { "About this run" }
                ul role="list" {
                    @for problem in told {
                        (self::problem(view, problem))
                    }
                    @for warning in &view.outcome.warnings {
                        (broken(warning))
                    }
                    @for kept in view.kept {
                        (self::kept(kept))
                    }
                }
            }
        }
    }
}

/// What is other than in the run that this one is compared with.
pub(super) fn compared(view: &View<'_>) -> Markup {
    let changes = comparison::changes(view.outcome).unwrap_or_default();
    html! {
        @if let Some(headline) = comparison::headline(view.outcome) {
            section.compared aria-labelledby="compared" {
                h2 #compared { "The last run" }
                p { (headline) "." }
                ul {
                    @for change in &changes {
                        li { strong { (change.kind.title()) } " " code { (short(&change.name)) } " " (change.detail) }
                    }
                }
            }
        }
    }
}

fn problem(view: &View<'_>, problem: &RunProblem<'_>) -> Markup {
    let outcome = view.outcome;
    match problem.kind {
        ProblemKind::Unfinished => notice(
            "running",
            "This report was written while the run went on.",
            &html! {
                "It shows how things stood at " (time(view.now)) ". If the run is not going on any more, it was "
                "killed before it could write the end; then " code { "rehearsa clean" } " removes what it left."
            },
        ),
        ProblemKind::Interrupted => {
            let signal = wording::signal_name(outcome.interrupted.unwrap_or_default());
            notice(
                "errored",
                &format!("{signal} ended the run."),
                &html! {
                    "What was not finished by then is errored or skipped below; that says nothing about the data."
                },
            )
        }
        ProblemKind::TimedOut => notice(
            "errored",
            "The time for the run was over before its end.",
            &html! {
                "The limit was " (units::short_seconds(outcome.timed_out.unwrap_or_default() as f64)) ". "
                "Give it more time (" code { "--global-timeout" } "), more " code { "--test-threads" }
                ", or share the work with " code { "--partition" } "."
            },
        ),
        ProblemKind::ReportLost => html! {
            @for lost in problem.diagnoses() {
                (notice("errored", "A report could not be written.", &html! { (short(&lost.message)) }))
            }
        },
        ProblemKind::PartMissing | ProblemKind::LeftBehind | ProblemKind::NothingSelected => html! {
            @for diagnosis in problem.diagnoses() {
                (broken(diagnosis))
            }
        },
    }
}

fn notice(tone: &str, title: &str, body: &Markup) -> Markup {
    html! { li class={"notice " (tone)} { p { strong { (title) } " " (body) } } }
}

/// A diagnosis that belongs to no case.
fn broken(diagnosis: &Diagnosis) -> Markup {
    html! {
        li class={"notice " (wording::severity_name(diagnosis.severity()))} {
            p { strong { (capitalized(diagnosis.code.title())) } " " code { (diagnosis.code) } }
            (message(&diagnosis.message))
            p { strong { "What to do: " } (advice(diagnosis.remedy())) }
        }
    }
}

fn kept(kept: &KeptSandbox) -> Markup {
    html! {
        li.notice.running {
            p { strong { "The sandbox of " (short(&kept.stack)) " is kept." } }
            dl.hints {
                @for (command, word) in &kept.hints {
                    div { dt { (short(word)) } dd { code { (short(command)) } } }
                }
            }
        }
    }
}
