//! Values of JUnit XML: foreign text made fit for attributes and bodies, times and durations.

use std::time::Duration;

use jiff::Timestamp;
use quick_junit::Property;

use crate::report::text;

/// A name with a value, both fit for attributes.
pub(super) fn property(name: &str, value: &str) -> Property {
    Property::new(attribute(name), attribute(value))
}

/// Makes a text fit for an attribute: one line (a line feed in an attribute is read as a blank).
pub(super) fn attribute(value: &str) -> String {
    without_attachments(text::one_line(value))
}

/// Makes a text fit for a body: clean, and without the mark by which GitLab and Jenkins attach a file.
pub(super) fn body(value: &str) -> String {
    without_attachments(text::clean(value))
}

fn without_attachments(value: String) -> String {
    if value.contains("[[ATTACHMENT|") { value.replace("[[ATTACHMENT|", "[[ATTACHMENT |") } else { value }
}

/// The time between; zero if the clock went back.
pub(super) fn between(begin: Timestamp, end: Timestamp) -> Duration {
    Duration::try_from(end.duration_since(begin)).unwrap_or_default()
}

/// A time with milliseconds.
pub(super) fn rfc3339(at: Timestamp) -> String {
    format!("{at:.3}")
}
