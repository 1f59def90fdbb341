//! What the end of a call of restic means: a damaged backup, one that is locked, or one that could not be looked at.
//!
//! Exit codes tell few of these apart before version 0.17, so the words decide, too.

use crate::source::error::SourceError;
use crate::source::tool::ToolEnd;

/// Exit codes since version 0.17.
const NO_REPOSITORY: i32 = 10;
const LOCKED: i32 = 11;
const WRONG_PASSWORD: i32 = 12;

/// Words for each meaning. The first row that fits counts.
const NO_REPOSITORY_WORDS: &[&str] =
    &["Is there a repository at the following location", "unable to open config file", "repository does not exist"];
const WRONG_PASSWORD_WORDS: &[&str] = &["wrong password or no key found", "no key found"];
const LOCKED_WORDS: &[&str] = &["repository is already locked", "unable to create lock"];
const NO_PASSWORD_WORDS: &[&str] =
    &["empty password is not", "Resolving password failed", "reading password", "unable to read password"];
const TOO_OLD_WORDS: &[&str] = &["unsupported repository version", "unsupported version"];
/// The disk or the network, not the backup.
const UNREACHABLE_WORDS: &[&str] = &[
    "dial tcp",
    "connection refused",
    "Connection refused",
    "connection reset",
    "no such host",
    "no route to host",
    "i/o timeout",
    "TLS handshake",
    "x509:",
    "permission denied",
    "Permission denied",
    "Access Denied",
    "AccessDenied",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "401 Unauthorized",
    "403 Forbidden",
    "500 Internal",
    "502 Bad",
    "503 Service",
    "input/output error",
    "Host key verification failed",
    "unable to start the sftp session",
    "executable file not found",
];
const DAMAGE_WORDS: &[&str] = &[
    "ciphertext verification failed",
    "invalid data returned",
    "not found in repository",
    "not found in index",
    "does not match id",
    "hash mismatch",
    "wrong hash",
    "load <snapshot/",
    "load <index/",
    "load <data/",
    "LoadTree",
    "unexpected EOF",
    "invalid character",
    "nil pointer",
    "decrypting blob",
];
/// Words in a line about a pack that cannot be loaded: the pack is not there, or is cut off.
const PACK_IS_GONE: &[&str] = &["no such file", "does not exist", "404", "NoSuchKey", "EOF", "key not found"];

/// The error of a call that was no success. `action` says what restic was asked for.
pub fn error(end: &ToolEnd, action: &str) -> SourceError {
    let says = |words: &[&str]| words.iter().any(|words| end.says(words));
    let message = format!("{action}: restic: {}", end.told());
    match end.code() {
        Some(NO_REPOSITORY) => return SourceError::NotThere(message),
        Some(LOCKED) => return SourceError::Busy(message),
        Some(WRONG_PASSWORD) => return SourceError::LockedOut(message),
        _ => {}
    }
    if says(NO_REPOSITORY_WORDS) && !says(UNREACHABLE_WORDS) {
        SourceError::NotThere(message)
    } else if says(WRONG_PASSWORD_WORDS) {
        SourceError::LockedOut(message)
    } else if says(NO_PASSWORD_WORDS) {
        SourceError::NoKey(message)
    } else if says(TOO_OLD_WORDS) {
        SourceError::ToolTooOld(message)
    } else if says(LOCKED_WORDS) {
        SourceError::Busy(message)
    } else if says(UNREACHABLE_WORDS) {
        SourceError::NoAnswer(message)
    } else if says(DAMAGE_WORDS) || end.words.iter().any(|line| is_of_lost_pack(line)) {
        SourceError::Broken(message)
    } else {
        SourceError::ToolFailed(message)
    }
}

/// Restic tries again and again to load a pack that is not there. Our clock ends that, and the words tell what it was.
pub fn of_overdue(error: SourceError) -> SourceError {
    match error {
        SourceError::NoAnswer(words) if is_of_lost_pack(&words) => SourceError::Broken(words),
        other => other,
    }
}

/// Whether the text says that a file of the repository is gone or cut off.
fn is_of_lost_pack(text: &str) -> bool {
    let lost = |line: &str| {
        ["Load(<", "load <"].iter().any(|load| line.contains(load))
            && PACK_IS_GONE.iter().any(|gone| line.contains(gone))
    };
    text.split("; ").any(lost) && !UNREACHABLE_WORDS.iter().any(|words| text.contains(words))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;
    use crate::model::diagnosis::Code;
    use crate::model::source::SourcePlace;
    use crate::model::source_kind::SourceKind;

    fn code(code: i32, words: &str) -> Code {
        let end = ToolEnd { status: ExitStatus::from_raw(code << 8), words: vec![words.to_owned()] };
        error(&end, "listing").diagnosis(&SourcePlace::at_path(SourceKind::Restic, "/r")).code
    }

    /// Words of the versions 0.14 and 0.18.
    #[test]
    fn a_bad_backup_is_told_from_one_that_could_not_be_looked_at() {
        for (exit, words, expected) in [
            (
                1,
                "Fatal: unable to open config file: stat /r/config: no such file or directory",
                Code::SourceUnreachable,
            ),
            (10, "Fatal: repository does not exist", Code::SourceUnreachable),
            (1, "Fatal: wrong password or no key found", Code::SourceLockedOut),
            (12, "Fatal: wrong password or no key found", Code::SourceLockedOut),
            (11, "Fatal: repo already locked", Code::SourceUnreachable),
            (1, "unable to create lock in backend: repository is already locked exclusively", Code::SourceUnreachable),
            (
                1,
                "Fatal: unable to open config file: Head \"http://127.0.0.1:9/\": dial tcp 127.0.0.1:9: connect: \
                 connection refused",
                Code::SourceUnreachable,
            ),
            (1, "decrypting blob 4c3a failed: ciphertext verification failed", Code::SourceCorrupt),
            (1, "id 23c7 not found in repository", Code::SourceCorrupt),
            (
                2,
                "loading snapshot \"5f\" failed: load <snapshot/5fc24d17f3>: invalid data returned",
                Code::SourceCorrupt,
            ),
            (1, "Fatal: config cannot be loaded: unsupported repository version", Code::SourceToolMissing),
            (1, "Fatal: an empty password is not a password", Code::SourceUnreachable),
            (1, "Fatal: something else", Code::SourceUnreachable),
            (1, "Load(<data/b1>, 249, 54) failed: open /r/data/b1/b1fb: permission denied", Code::SourceUnreachable),
            (
                1,
                "Load(<data/b1>, 249, 54) failed: open /r/data/b1/b1fb: no such file or directory",
                Code::SourceCorrupt,
            ),
        ] {
            assert_eq!(code(exit, words), expected, "{words}");
        }
    }

    #[test]
    fn a_lost_pack_that_restic_asks_for_again_and_again_is_damage() {
        let overdue = |words: &str| of_overdue(SourceError::NoAnswer(words.to_owned()));
        let lost = "restic has tried again for 5 s; its words: Load(<data/b1>, 249, 54) returned error, retrying after \
             1s: open /r/data/b1/b1fb: no such file or directory";
        assert!(matches!(overdue(lost), SourceError::Broken(_)));
        let down = "Load(<key/b1>, 0, 0) returned error, retrying after 1s: Get \"http://nas\": dial tcp: EOF";
        assert!(matches!(overdue(down), SourceError::NoAnswer(_)));
        assert!(matches!(overdue("restic has said nothing for 900 s"), SourceError::NoAnswer(_)));
    }
}
