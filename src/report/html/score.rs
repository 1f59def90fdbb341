//! The score of a case: its points as a bar of groups, and what each point was given for.

use maud::{Markup, html};

use super::view::{Row, short};
use crate::model::score::points::Award;
use crate::model::score::{Part, Score};
use crate::report::score;
use crate::report::wording::Progress;

/// The bar and its groups; nothing for a case without a score.
pub(super) fn bar(row: &Row<'_>) -> Markup {
    let ended = matches!(row.standing, Progress::Ended(_));
    let Some(score) = Score::of_case(row.case).ok().filter(|_| ended) else { return html! {} };
    let (points, most) = (score.points, score.ceiling.points);
    html! {
        details.part {
            summary { h4 { "Score " (points) } " " span.faint { "of " (most) } }
            p.lead { (short(&score::line(&score))) "." @if let Some(more) = score.opened_by() { " " (more) "." } }
            div.score role="img" aria-label={"Score " (points) " of " (most)} {
                @for part in &score.parts {
                    span style={"flex-grow:" (part.measure.most())} { i style={"width:" (percent(part)) "%"} {} }
                }
            }
            ol.groups role="list" {
                @for part in &score.parts {
                    li {
                        b { (score::part_head(part)) } " " (part.measure.question())
                        ul role="list" { @for award in &part.awards { (self::award(award)) } }
                    }
                }
            }
        }
    }
}

fn award(award: &Award) -> Markup {
    html! { li { (short(&score::award_line(award))) } }
}

fn percent(part: &Part) -> u32 {
    (u32::from(part.points()) * 100).checked_div(part.measure.most().into()).unwrap_or(0)
}
