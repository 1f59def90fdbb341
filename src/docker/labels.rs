//! The labels that everything we create carries, and how they are read back.
//!
//! The labels are a file format: another version of rehearsa must be able to sweep what this one left. Labels alone do
//! not make an object ours, see [`super::ownership`].

use std::collections::{BTreeMap, HashMap};

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

/// All labels of an object.
pub const ALL: [&str; 5] = [SESSION, STACK, HOST, PID, EXPIRES];

/// The marks as labels.
pub(super) fn write(marks: &ObjectLabels) -> HashMap<String, String> {
    let ObjectLabels { session, stack, host, process, expires } = marks;
    [(SESSION, session.clone()), (STACK, stack.clone()), (HOST, host.clone()), (PID, process.clone())]
        .into_iter()
        .chain([(EXPIRES, expires.to_string())])
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// The labels read back. The error is the first label that is missing, empty or garbled.
pub(super) fn read(labels: &BTreeMap<String, String>) -> Result<ObjectLabels, &'static str> {
    let mut texts = ALL.map(|key| labels.get(key).filter(|text| !text.trim().is_empty()).ok_or(key)).into_iter();
    let mut text = || texts.next().expect("there is a text for each label").cloned();
    let (session, stack, host, process, expires) = (text()?, text()?, text()?, text()?, text()?);
    if !is_process(&process) {
        return Err(PID);
    }
    let expires = expires.trim().parse().map_err(|_| EXPIRES)?;
    Ok(ObjectLabels { session, stack, host, process, expires })
}

/// Whether the text is `pid.starttime`; a note may follow a plus sign.
fn is_process(text: &str) -> bool {
    let plain = text.split_once('+').map_or(text, |(plain, _)| plain);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.split_once('.').is_some_and(|(pid, started)| is_number(pid) && is_number(started))
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

    fn written(marks: &ObjectLabels) -> BTreeMap<String, String> {
        write(marks).into_iter().collect()
    }

    #[test]
    fn marks_come_back_from_the_labels_they_were_written_to() {
        let kept = ObjectLabels { process: "4711.123456+kept".into(), ..marks() };
        for marks in [marks(), kept] {
            assert_eq!(read(&written(&marks)), Ok(marks));
        }
    }

    #[test]
    fn the_names_of_the_labels_never_change() {
        let names: Vec<_> = written(&marks()).into_iter().map(|(key, value)| format!("{key}={value}")).collect();
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
    fn labels_that_are_missing_or_garbled_are_named() {
        for key in ALL {
            let mut labels = written(&marks());
            labels.remove(key);
            assert_eq!(read(&labels), Err(key));
            labels.insert(key.to_owned(), " ".to_owned());
            assert_eq!(read(&labels), Err(key));
        }
        for (key, text) in [(EXPIRES, "soon"), (PID, "4711"), (PID, "4711."), (PID, "me.12"), (PID, "+kept")] {
            let mut labels = written(&marks());
            labels.insert(key.to_owned(), text.to_owned());
            assert_eq!(read(&labels), Err(key), "{text}");
        }
    }
}
