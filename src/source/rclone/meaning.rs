//! What the end of a call of rclone means. Rclone only carries bytes: whatever goes wrong there says nothing about the
//! backup, except that a key of rclone's does not open it.

use crate::source::error::SourceError;
use crate::source::tool::ToolEnd;

/// Exit codes for a folder and a file that are not there.
const NO_FOLDER: i32 = 3;
const NO_FILE: i32 = 4;

const NO_KEY_WORDS: &[&str] = &["unable to decrypt configuration", "not allowed to ask for password"];
/// Of a remote that rclone itself encrypts.
const LOCKED_OUT_WORDS: &[&str] = &["failed to authenticate decrypted block", "bad password", "not an encrypted file"];
const NO_ANSWER_WORDS: &[&str] = &[
    "dial tcp",
    "connection refused",
    "connection reset",
    "no such host",
    "no route to host",
    "i/o timeout",
    "TLS handshake",
    "x509:",
    "unexpected EOF",
    "couldn't connect",
    "Internal Server Error",
    "Bad Gateway",
    "Service Unavailable",
];

/// Whether the call has found nothing at the path.
pub fn is_not_there(end: &ToolEnd) -> bool {
    matches!(end.code(), Some(NO_FOLDER | NO_FILE))
}

/// The error of a call that was no success. `action` says what rclone was asked for.
pub fn error(end: &ToolEnd, action: &str) -> SourceError {
    let says = |words: &[&str]| words.iter().any(|words| end.says(words));
    let message = format!("{action}: rclone: {}", end.told());
    if is_not_there(end) || end.says("didn't find section in config file") {
        SourceError::NotThere(message)
    } else if says(NO_KEY_WORDS) {
        SourceError::NoKey(format!("{message} (RCLONE_CONFIG_PASS, or RCLONE_PASSWORD_COMMAND)"))
    } else if says(LOCKED_OUT_WORDS) {
        SourceError::LockedOut(message)
    } else if says(NO_ANSWER_WORDS) {
        SourceError::NoAnswer(message)
    } else {
        SourceError::ToolFailed(message)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;
    use crate::model::diagnosis::Code;
    use crate::model::source::SourcePlace;
    use crate::model::source_kind::SourceKind;

    #[test]
    fn only_a_key_that_does_not_fit_says_something_about_the_backup() {
        for (code, words, expected) in [
            (3, "Failed to lsjson: directory not found", Code::SourceUnreachable),
            (1, "Failed to create file system: didn't find section in config file", Code::SourceUnreachable),
            (1, "Failed to cat: couldn't connect: dial tcp 127.0.0.1:9: connection refused", Code::SourceUnreachable),
            (1, "unable to decrypt configuration and not allowed to ask for password", Code::SourceUnreachable),
            (1, "Failed to cat: failed to authenticate decrypted block - bad password?", Code::SourceLockedOut),
            (1, "Failed to cat: 401 Unauthorized", Code::SourceUnreachable),
            (1, "Failed to cat: input/output error", Code::SourceUnreachable),
        ] {
            let end = ToolEnd { status: ExitStatus::from_raw(code << 8), words: vec![words.to_owned()] };
            let diagnosis = error(&end, "reading").diagnosis(&SourcePlace::at_path(SourceKind::Tar, "x"));
            assert_eq!(diagnosis.code, expected, "{words}");
            assert!(diagnosis.message.contains(words), "{diagnosis}");
        }
    }
}
