//! A recorded run as an HTML page, and a run with text that is hostile to HTML.

use rehearsa::model::event::Event;
use rehearsa::report::html::Html;
use rehearsa::report::snapshot_file::Render;
use serde_json::Value;

use super::HOSTILE;

/// Text that breaks naive pages.
const EVIL: &str = "</title></style></pre><script>console.error(1)</script>]]>\"onload=\"alert(1)\" '>\
    <img src=x onerror=alert(1)> &lt; {{7*7}} javascript:alert(1) <!-- \u{202e}\u{1b}[31m";

/// The page at the end of `events`, or at their last word.
pub fn page(events: &[Event]) -> String {
    let mut html = Html::default();
    events.iter().for_each(|event| html.hear(&event.fact));
    super::rendered(&super::outcome(events), events.last().expect("some").at, &html)
}

/// [`super::hostile`], hostile to HTML.
pub fn hostile_to_html() -> Vec<Event> {
    fn replace(value: &mut Value) {
        match value {
            Value::String(text) => {
                for harmless in [HOSTILE, "3proxy", "b\\ck", "nas", "sha256:0123456789abcdef"] {
                    *text = text.replace(harmless, EVIL);
                }
            }
            Value::Array(values) => values.iter_mut().for_each(replace),
            Value::Object(fields) => fields.values_mut().for_each(replace),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(super::hostile()).expect("events serialize");
    replace(&mut value);
    serde_json::from_value(value).expect("still events")
}
