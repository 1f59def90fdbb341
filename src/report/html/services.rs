//! The table of all services, one row each, and the filter above it.

use maud::{Markup, html};

use super::view::{Row, View, pluralize, short, time};
use crate::model::check::Proof;
use crate::model::outcome::Verdict;
use crate::report::score;
use crate::report::text;
use crate::report::units;
use crate::report::wording::{self, Progress};

/// The section with the table.
pub(super) fn section(view: &View<'_>) -> Markup {
    html! {
        section #services aria-labelledby="services-title" tabindex="-1" {
            h2 #services-title { "Services" }
            @if view.rows.is_empty() {
                p.empty { (why_empty(view)) }
            } @else {
                (choice(view))
                div.scroll tabindex="0" role="group" aria-label="Table of services" {
                    table.services {
                        caption { "All services with their results" }
                        thead {
                            tr {
                                th scope="col" { "Service" }
                                th scope="col" { "Result" }
                                th scope="col" { "Proof" }
                                th.number scope="col" { "Score" }
                                th.number scope="col" { "Time" }
                                th.number scope="col" { "Restored" }
                                th scope="col" { "Data from" }
                            }
                        }
                        tbody {
                            @for row in &view.rows {
                                (self::row(view, row))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn why_empty(view: &View<'_>) -> String {
    match view.outcome.filtered_out {
        0 => "There was no service to rehearse.".to_owned(),
        count => format!("The filters left out {}; none was left to rehearse.", pluralize(count, "service")),
    }
}

/// The filter for the cases. It hides cases by style alone, so that no script is needed.
fn choice(view: &View<'_>) -> Markup {
    let tally = &view.tally;
    let choices: Vec<(&str, &str, usize)> = tally
        .standings()
        .map(|(name, count)| (name, name, count))
        .into_iter()
        .chain([("flaky", "passed at a later attempt", tally.flaky), ("warned", "with warnings", tally.warned)])
        .filter(|(_, _, count)| *count > 0)
        .collect();
    html! {
        @if view.rows.len() > 1 && choices.len() > 1 {
            fieldset.choice {
                legend { "Show" }
                label { input type="radio" name="show" id="show-all" checked; span { "all " b { (view.rows.len()) } } }
                @for (class, words, count) in choices {
                    label {
                        input type="radio" name="show" id={"show-" (class)};
                        span class=(class) { (words) " " b { (count) } }
                    }
                }
            }
        }
    }
}

fn row(view: &View<'_>, row: &Row<'_>) -> Markup {
    let restored = row.case.restored();
    html! {
        tr class=(row.classes()) {
            th scope="row" {
                a href={"#c" (row.number)} { (row.name()) }
                @if let Some(why) = why(row) {
                    span.why { (text::shortened(&why, wording::QUOTED_CHARS)) }
                }
            }
            td { (row.badge()) }
            td { (proof_name(row)) }
            td.number { (score_cell(row)) }
            td.number {
                @if row.case.started.is_some() { (units::seconds(view.case_seconds(row))) } @else { (nothing()) }
            }
            td.number {
                @if restored.files == 0 && restored.bytes == 0 {
                    (nothing())
                } @else {
                    (units::amount(restored))
                }
            }
            td.from { (from(row)) }
        }
    }
}

/// The source of the data, and its snapshot.
pub(super) fn from(row: &Row<'_>) -> Markup {
    html! {
        (short(&row.case.info.source))
        @if let Some(snapshot) = &row.case.info.snapshot {
            " " code { (short(&snapshot.id)) }
            @if let Some(at) = snapshot.time { " " span.faint { (time(at)) } }
        }
    }
}

/// Marks and the first words of the diagnosis, for readers who have not opened the details.
fn why(row: &Row<'_>) -> Option<String> {
    match row.standing {
        Progress::Ended(Verdict::Failed | Verdict::Errored) => Some(wording::summary(&wording::deciding(row.case))),
        Progress::Ended(Verdict::Skipped) => Some(wording::skip_reason(row.case)),
        Progress::Ended(Verdict::Passed) if row.is_flaky() => {
            Some(format!("only at attempt {}", row.case.earlier.len() + 1))
        }
        Progress::Running if !row.case.earlier.is_empty() => {
            Some(format!("at attempt {} now", row.case.earlier.len() + 1))
        }
        Progress::Ended(Verdict::Passed) | Progress::Running | Progress::Waiting => None,
    }
}

fn proof_name(row: &Row<'_>) -> Markup {
    match (row.standing, row.case.proof) {
        (Progress::Ended(Verdict::Passed), Some(_)) => html! { (wording::proof_name(row.case).unwrap_or_default()) },
        _ => nothing(),
    }
}

/// `52/60`; nothing without a score.
fn score_cell(row: &Row<'_>) -> Markup {
    let cell = Some(score::cell(row.case)).filter(|cell| cell != "-" && matches!(row.standing, Progress::Ended(_)));
    cell.map_or_else(nothing, |cell| html! { (cell) })
}

/// The meaning of a proof, for people.
pub(super) fn proof_words(proof: Proof) -> &'static str {
    match proof {
        Proof::DataProven => "your own checks asked for its data, and got the right answers",
        Proof::Healthy => "its healthcheck passed and kept passing",
        Proof::Listening => "it listened on a port that its image exposes; it has no healthcheck",
        Proof::Running => {
            "it started and kept running; it has neither a healthcheck nor exposed ports, so nothing was asked of it"
        }
    }
}

/// An empty cell, for eyes and screen readers.
fn nothing() -> Markup {
    html! { span.faint aria-hidden="true" { "–" } span.unseen { "none" } }
}
