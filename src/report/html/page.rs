//! The page as a whole: its head, its landmarks, its order.

use std::io::{self, Write};

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::view::View;
use super::{banner, case, services};
use crate::report::text;

/// The page's content policy: it loads and runs nothing; its style is inline.
pub const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

const STYLE: &str = include_str!("style.css");

/// Placeholder for the details of the cases. Foreign text cannot contain it, because the macro escapes that.
const CASES: &str = "<!-- cases -->";

/// Writes the page, one case after another, since there may be many.
pub(super) fn write(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let frame = frame(view).into_string();
    let (before, after) = frame.split_once(CASES).unwrap_or((&frame, ""));
    out.write_all(before.as_bytes())?;
    for row in &view.rows {
        out.write_all(case::case(view, row).into_string().as_bytes())?;
    }
    out.write_all(after.as_bytes())
}

/// The page without the details of the cases.
fn frame(view: &View<'_>) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (banner::headline(view)) " · rehearsa" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#services" { "Skip to the services" }
                header.top { (banner::banner(view)) }
                main {
                    (banner::notices(view))
                    (banner::compared(view))
                    (services::section(view))
                    @if !view.rows.is_empty() {
                        section aria-labelledby="details" {
                            h2 #details { "Details" }
                            (PreEscaped(CASES))
                        }
                    }
                }
                footer {
                    p {
                        "Written by rehearsa " (text::one_line(&view.outcome.version))
                        ". All times are UTC; sizes are decimal. "
                        "This page loads nothing and runs no script."
                    }
                }
            }
        }
    }
}
