//! The labels that everything we create carries, and how they are read back.
//!
//! The labels are a file format: another version of rehearsa must be able to sweep what this one left. A label that is
//! missing or garbled is read as its default, so that no object is overlooked because somebody broke one of its labels.

use std::collections::HashMap;

use crate::model::sandbox::ObjectLabels;

/// Session id.
pub const SESSION: &str = "io.rehearsa.session";
/// Stack's name.
pub const STACK: &str = "io.rehearsa.stack";
/// The client's host.
pub const HOST: &str = "io.rehearsa.host";
/// The client's process, as `pid.starttime`.
pub const PID: &str = "io.rehearsa.pid";
/// Unix seconds after which nobody needs the object.
pub const EXPIRES: &str = "io.rehearsa.expires";
/// The worker image's content hash.
pub const WORKER: &str = "io.rehearsa.worker";

/// The marks as labels.
pub(super) fn write(marks: &ObjectLabels) -> HashMap<String, String> {
    let ObjectLabels { session, stack, host, process, expires } = marks;
    [(SESSION, session.clone()), (STACK, stack.clone()), (HOST, host.clone()), (PID, process.clone())]
        .into_iter()
        .chain([(EXPIRES, expires.to_string())])
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// The labels read back. An expiry that cannot be read counts as long past.
pub(super) fn read(labels: &HashMap<String, String>) -> ObjectLabels {
    let text = |key: &str| labels.get(key).cloned().unwrap_or_default();
    ObjectLabels {
        session: text(SESSION),
        stack: text(STACK),
        host: text(HOST),
        process: text(PID),
        expires: text(EXPIRES).trim().parse().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks() -> ObjectLabels {
        ObjectLabels {
            session: "7f3a".into(),
            stack: "media".into(),
            host: "nas".into(),
            process: "4711.123456".into(),
            expires: 1_800_000_000,
        }
    }

    #[test]
    fn marks_come_back_from_the_labels_they_were_written_to() {
        assert_eq!(read(&write(&marks())), marks());
    }

    #[test]
    fn the_names_of_the_labels_never_change() {
        let mut names: Vec<_> = write(&marks()).into_iter().map(|(key, value)| format!("{key}={value}")).collect();
        names.sort();
        assert_eq!(
            names,
            [
                "io.rehearsa.expires=1800000000",
                "io.rehearsa.host=nas",
                "io.rehearsa.pid=4711.123456",
                "io.rehearsa.session=7f3a",
                "io.rehearsa.stack=media",
            ]
        );
    }

    #[test]
    fn broken_labels_are_read_as_an_object_that_nobody_needs() {
        let broken = HashMap::from([(SESSION.to_owned(), "7f3a".to_owned()), (EXPIRES.to_owned(), "soon".to_owned())]);
        let read = read(&broken);
        assert_eq!((read.session.as_str(), read.expires), ("7f3a", 0));
    }
}
