//! A diagnosis with its cause, advice, and the end of the log.

use maud::{Markup, html};

use super::view::{advice, capitalized, message, pluralize, short};
use crate::model::diagnosis::Diagnosis;
use crate::report::{text, wording};

/// A diagnosis in full, under a heading of the fourth level.
pub(super) fn full(diagnosis: &Diagnosis) -> Markup {
    let code = diagnosis.code;
    html! {
        div class={"diagnosis " (wording::severity_name(diagnosis.severity()))} {
            h4 { (capitalized(code.title())) " " code { (code) } }
            (message(&diagnosis.message))
            dl {
                @if let Some(cause) = &diagnosis.cause {
                    div {
                        dt { "Known cause" }
                        dd { (short(&cause.meaning)) code.line { (short(&cause.line)) } }
                    }
                }
                div { dt { "What it means" } dd { (advice(code.cause())) } }
                div.todo { dt { "What to do" } dd { (advice(diagnosis.remedy())) } }
            }
        }
    }
}

/// A warning as an item of a list.
pub(super) fn warning(diagnosis: &Diagnosis) -> Markup {
    html! {
        li.notice.warning {
            p { strong { (capitalized(&wording::warning(diagnosis))) } " " code { (diagnosis.code) } }
            p { (advice(diagnosis.code.cause())) }
            p { strong { "What to do: " } (advice(diagnosis.remedy())) }
        }
    }
}

/// The end of a service's log; folded, unless it is `open`. `known` is the line that shows the cause.
pub(super) fn log(heading: &str, service: &str, log: &[String], cap: usize, open: bool, known: Option<&str>) -> Markup {
    let tail = text::Tail::of(log, cap);
    if tail.lines.is_empty() {
        return html! {};
    }
    let known = known.map(text::one_line).filter(|line| !line.is_empty());
    let is_known = |line: &str| known.as_deref().is_some_and(|known| known == line.trim());
    html! {
        details.log open[open] {
            summary { (heading) " " span.faint { (pluralize(tail.lines.len(), "line")) } }
            pre tabindex="0" role="group" aria-label={ (heading) " of " (service) } {
                @if let Some(notice) = tail.notice() {
                    i { (notice) } "\n"
                }
                @for line in &tail.lines {
                    @if is_known(line) { mark { (line) } } @else { (line) }
                    "\n"
                }
            }
        }
    }
}
