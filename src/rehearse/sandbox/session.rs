//! A session: one run of rehearsa, by which everything it creates is labelled and found again.

use std::time::Duration;

use crate::docker::ownership::name_prefix;
use crate::model::sandbox::ObjectLabels;

/// After this time nobody needs a session's objects; only asked where its process cannot be looked at.
pub const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Marks a process whose failed sandboxes outlive it on purpose.
const KEPT: &str = "+kept";

/// One run of rehearsa. Who and when come in as values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id, unique on the engine.
    pub id: String,
    /// The client's host, as [`ObjectLabels::host`].
    pub host: String,
    /// The client's process, as [`ObjectLabels::process`].
    pub process: String,
    /// When it began, in Unix seconds.
    pub began: i64,
    /// Unix seconds after which nobody needs its objects.
    pub expires: i64,
}

impl Session {
    /// The labels of an object of this session.
    pub fn marks(&self, stack: &str) -> ObjectLabels {
        ObjectLabels {
            session: self.id.clone(),
            stack: stack.to_owned(),
            host: self.host.clone(),
            process: self.process.clone(),
            expires: self.expires,
        }
    }

    /// A name for an object of `stack`; both parts are made fit for the engine's rules.
    pub fn name(&self, stack: &str, what: &str) -> String {
        let fit = |text: &str| -> String {
            let fitting = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' };
            text.chars().map(fitting).take(40).collect()
        };
        // Another attempt's sandbox, whose names must differ from those of the first.
        let (stack, attempt) = match stack.split_once('@') {
            Some((stack, attempt)) => (stack, format!(".{attempt}")),
            None => (stack, String::new()),
        };
        format!("{}-{}{attempt}-{}", name_prefix(&self.id), fit(stack), fit(what))
    }

    /// The same session, with objects that only `rehearsa clean` or their expiry removes once the process is gone
    /// (`--keep`).
    #[must_use]
    pub fn kept(mut self) -> Self {
        if !self.process.ends_with(KEPT) {
            self.process.push_str(KEPT);
        }
        self
    }
}

/// The `pid.starttime` of a mark, and whether its objects are to outlive it.
pub fn split_process(process: &str) -> (&str, bool) {
    match process.strip_suffix(KEPT) {
        Some(plain) => (plain, true),
        None => (process, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_attempt_has_other_names() {
        let session = Session { id: "s".into(), host: "h".into(), process: "1.2".into(), began: 0, expires: 0 };
        assert_eq!(session.name("media", "net"), "rehearsa-s-media-net");
        assert_eq!(session.name("media@2", "net"), "rehearsa-s-media.2-net");
        assert_eq!(session.name("media.2", "net"), "rehearsa-s-media-2-net");
    }

    #[test]
    fn a_kept_session_still_names_its_process() {
        let session = Session { id: "s".into(), host: "h".into(), process: "1.2".into(), began: 0, expires: 0 };
        assert_eq!(split_process(&session.process), ("1.2", false));
        assert_eq!(split_process(&session.kept().kept().process), ("1.2", true));
    }
}
