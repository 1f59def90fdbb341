//! One service in full: why it is not green, its timeline, the changes by the sandbox, and earlier attempts.

use maud::{Markup, html};

use super::diagnosis;
use super::score;
use super::services::{from, proof_words};
use super::timeline::timeline;
use super::view::{Row, View, pluralize, short, time};
use crate::model::event::Change;
use crate::model::evidence;
use crate::model::outcome::{Attempt, Verdict};
use crate::report::units;
use crate::report::wording::{self, Progress};

/// A case; folded, unless it is not green, still runs, or is the only one.
pub(super) fn case(view: &View<'_>, row: &Row<'_>) -> Markup {
    let open = row.is_bad() || row.standing == Progress::Running || view.rows.len() == 1;
    html! {
        details class=(row.classes()) open[open] {
            summary {
                h3 { (row.name()) }
                " " (row.badge())
                @if row.case.started.is_some() {
                    " " span.took { (units::seconds(view.case_seconds(row))) }
                }
            }
            // A link to something within a folded element unfolds it.
            div.inside id={"c" (row.number)} {
                (said(view, row))
                (score::bar(row))
                (warnings(row))
                (timeline(view, row))
                (earlier(view, row))
                (changes(row))
                (facts(row))
            }
        }
    }
}

/// The body of a case, by its progress.
fn said(view: &View<'_>, row: &Row<'_>) -> Markup {
    let case = row.case;
    match row.standing {
        Progress::Waiting => html! { p.lead { "It has not begun." } },
        Progress::Running => html! { p.lead { "It has begun and not ended." } },
        Progress::Ended(Verdict::Skipped) => html! { p.lead { "Skipped: " (short(&wording::skip_reason(case))) } },
        Progress::Ended(Verdict::Passed) => html! {
            @if let Some(proof) = case.proof {
                @if let Some(caveat) = wording::caveat(case) {
                    p.lead { b { "No proof of a backup: " } (caveat) "." }
                }
                p.lead { b { "Proof: " (proof.name()) } " – " (proof_words(proof)) "."
                    @if let Some(more) = evidence::raised_by(case) { " More would be shown by " (more) "." }
                }
            }
            (shown(row))
            @if row.is_flaky() {
                p.lead { "It passed only at attempt " (case.earlier.len() + 1) "." }
            }
            (diagnosis::log("Last log lines", &row.name(), &case.log_tail, view.log_cap, false, None))
        },
        Progress::Ended(Verdict::Failed | Verdict::Errored) => {
            let deciding = wording::deciding(case);
            let log = if deciding.log_tail.is_empty() { &case.log_tail } else { &deciding.log_tail };
            let known = deciding.cause.as_ref().map(|cause| cause.line.as_str());
            html! {
                (diagnosis::full(&deciding))
                (diagnosis::log("Last log lines", &row.name(), log, view.log_cap, true, known))
                @for other in case.diagnoses.iter().filter(|other| **other != *deciding) {
                    (diagnosis::full(other))
                }
            }
        }
    }
}

/// The evidence, level by level.
fn shown(row: &Row<'_>) -> Markup {
    let evidence = evidence::evidence(row.case);
    html! {
        @if !evidence.is_empty() {
            h4 { "What was shown" }
            ol.evidence role="list" {
                @for one in &evidence {
                    li class=[(!one.shown).then_some("faint")] {
                        b { (one.level.name()) } @if !one.shown { " not shown" } ": " (short(&one.by))
                    }
                }
            }
        }
    }
}

fn warnings(row: &Row<'_>) -> Markup {
    let warnings = &row.case.warnings;
    html! {
        @if !warnings.is_empty() {
            h4 { (if warnings.len() == 1 { "Warning" } else { "Warnings" }) }
            ul.notices role="list" {
                @for warning in warnings {
                    (diagnosis::warning(warning))
                }
            }
        }
    }
}

/// The earlier attempts and why they failed. Their steps are in the timeline.
fn earlier(view: &View<'_>, row: &Row<'_>) -> Markup {
    let attempts = &row.case.earlier;
    html! {
        @if !attempts.is_empty() {
            details.part {
                summary { h4 { (if attempts.len() == 1 { "Earlier attempt" } else { "Earlier attempts" }) } " "
                    span.faint { (attempts.len()) } }
                @for (nth, attempt) in attempts.iter().enumerate() {
                    (self::attempt(view, row, nth + 1, attempt))
                }
            }
        }
    }
}

fn attempt(view: &View<'_>, row: &Row<'_>, number: usize, attempt: &Attempt) -> Markup {
    let heading = format!("Last log lines of attempt {number}");
    html! {
        p.lead {
            b { "Attempt " (number) ": " (attempt.verdict().name()) } " after " (units::seconds(attempt.seconds()))
        }
        @for diagnosis in &attempt.diagnoses {
            (diagnosis::full(diagnosis))
        }
        (diagnosis::log(&heading, &row.name(), &attempt.log_tail, view.log_cap / (attempt_share(number)), false, None))
    }
}

/// Bytes of an earlier attempt's log. All earlier attempts of a case share the space of one log: each gets half of
/// the next one's.
fn attempt_share(number: usize) -> usize {
    1_usize.checked_shl(u32::try_from(number).unwrap_or(u32::MAX)).unwrap_or(usize::MAX)
}

/// Settings that differ from the live service; those that may matter come first.
fn changes(row: &Row<'_>) -> Markup {
    let changes = &row.case.info.changes;
    let (notable, plain): (Vec<&Change>, Vec<&Change>) = changes.iter().partition(|change| change.notable);
    html! {
        @if !changes.is_empty() {
            details.part open[row.is_bad() && !notable.is_empty()] {
                summary {
                    h4 { "Changed in the sandbox" } " "
                    span.faint {
                        (pluralize(changes.len(), "setting"))
                        @if !notable.is_empty() { ", " (notable.len()) " may matter" }
                    }
                }
                div.scroll tabindex="0" role="group" aria-label={"Changes to " (row.name())} {
                    table.changes {
                        caption { "Settings of " (row.name()) " that differ from the live service" }
                        thead {
                            tr {
                                th scope="col" { "Setting" }
                                th scope="col" { "Live" }
                                th scope="col" { "In the sandbox" }
                            }
                        }
                        tbody {
                            @for change in notable.into_iter().chain(plain) {
                                tr {
                                    th scope="row" {
                                        (short(&change.field))
                                        @if change.notable { " " span.matters { "may matter" } }
                                    }
                                    td { (short(&change.live)) }
                                    td { (short(&change.sandbox)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn facts(row: &Row<'_>) -> Markup {
    let info = &row.case.info;
    let restored = row.case.restored();
    html! {
        dl.facts {
            div { dt { "Image" } dd { (short(&info.image.reference)) br; code.faint { (short(&info.image.id)) } } }
            div { dt { "Data from" } dd { (from(row)) } }
            @if restored.files > 0 || restored.bytes > 0 {
                div { dt { "Restored" } dd { (units::amount(restored)) } }
            }
            @if let Some(started) = row.case.started {
                div { dt { "Started" } dd { (time(started)) } }
            }
            @if let Some(at) = &info.declared {
                div { dt { "Declared in" } dd { code { (short(&at.file)) ":" (at.line) } } }
            }
        }
    }
}
