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

    /// A name for an object of `stack`. Each part is made fit for the engine's rules, and no two stacks or objects get
    /// the same name.
    pub fn name(&self, stack: &str, what: &str) -> String {
        let stack = match stack.split_once('@') {
            // The sandbox of another attempt or of a control.
            Some((stack, attempt)) => format!("{}.{}", part(stack), part(attempt)),
            None => part(stack),
        };
        format!("{}-{stack}-{}", name_prefix(&self.id), part(what))
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

/// Most characters of a part of a name.
const PART: usize = 40;

/// A part of a name. A text that does not fit is changed, and the part then ends with a digest of the text: `a.b` and
/// `a-b` are two stacks. A part with `-s-` could run into the role of a service.
fn part(text: &str) -> String {
    let is_fitting = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let fitting: String = text.chars().map(|c| if is_fitting(c) { c } else { '-' }).collect();
    let runs_into = text.ends_with("-s") || text.trim_start_matches("s-").contains("-s-");
    if fitting == text && text.len() <= PART && !runs_into {
        return fitting;
    }
    let digest = blake3::hash(text.as_bytes()).to_hex();
    let kept: String = fitting.chars().take(PART - 9).collect();
    format!("{kept}-{}", &digest[..8])
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
        assert!(session.name("media@web.2", "net").starts_with("rehearsa-s-media.web-2-"));
    }

    #[test]
    fn no_two_stacks_or_roles_share_a_name() {
        let session = Session { id: "s".into(), host: "h".into(), process: "1.2".into(), began: 0, expires: 0 };
        let long = "a".repeat(60);
        let others = [
            ("media", "net"),
            ("media.2", "net"),
            ("media-2", "net"),
            ("media@2", "net"),
            ("media@web.2", "net"),
            ("media@web-2", "net"),
            ("media@web.control", "net"),
            ("media@web.2.control", "net"),
            (&long[..50], "net"),
            (&long[..51], "net"),
            ("x", "s-s-y"),
            ("x-s", "s-y"),
            ("x", "s-a-s-y"),
            ("x-s-a", "s-y"),
            ("media", &long[..50]),
            ("media", &long[..51]),
        ];
        let names: std::collections::BTreeSet<String> =
            others.iter().map(|(stack, what)| session.name(stack, what)).collect();
        assert_eq!(names.len(), others.len(), "{names:#?}");
        let is_plain = |name: &String| name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        assert!(names.iter().all(is_plain), "{names:#?}");
    }

    #[test]
    fn a_kept_session_still_names_its_process() {
        let session = Session { id: "s".into(), host: "h".into(), process: "1.2".into(), began: 0, expires: 0 };
        assert_eq!(split_process(&session.process), ("1.2", false));
        assert_eq!(split_process(&session.kept().kept().process), ("1.2", true));
    }
}
