//! What Borg says when something is wrong, and what that means for the restore.
//!
//! Exit codes say little: Borg 1.2 has three of them. The log as JSON (`--log-json`) names each error (`msgid`), with
//! the same names in Borg 1.2 and 1.4. An error that Borg does not expect is an exception of Python's.

use serde::Deserialize;

use crate::source::error::SourceError;
use crate::source::tool::ToolEnd;

/// What Borg said before it ended.
#[derive(Debug, Default)]
pub struct Told {
    /// Name of the error.
    id: String,
    /// The error's own words.
    error: Option<String>,
    /// The exception, as Python names it: `FileNotFoundError: [Errno 2] …`.
    exception: Option<String>,
    warnings: Vec<String>,
    /// Words of ssh, of Borg at the far end, or of a wrapper.
    others: Vec<String>,
}

/// A line of the log as JSON.
#[derive(Deserialize)]
struct LogLine {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    levelname: String,
    msgid: Option<String>,
}

impl Told {
    /// Reads the lines of standard error.
    pub fn read(lines: &[String]) -> Told {
        let mut told = Told::default();
        for line in lines {
            // A prompt has no end of line.
            let json = line.find("{\"type\"").map_or("", |at| &line[at..]);
            match serde_json::from_str(json) {
                Ok(line) => told.add(line),
                Err(_) => told.others.push(line.clone()),
            }
        }
        told
    }

    fn add(&mut self, line: LogLine) {
        let LogLine { kind, message, levelname, msgid } = line;
        // After an exception of the far end, a message of its own tells about the machines.
        let is_about_machines = message.starts_with("Borg server: Platform:");
        if kind != "log_message" || is_about_machines {
            return;
        }
        if let Some(exception) = exception_of(&message) {
            self.exception.get_or_insert(exception);
            if let (Some(id), None) = (msgid, &self.error) {
                self.id = id;
            }
        } else if let Some(words) = message.strip_prefix("Remote: ") {
            self.others.push(words.to_owned());
        } else if levelname == "WARNING" {
            self.warnings.push(message);
        } else if matches!(levelname.as_str(), "ERROR" | "CRITICAL") && self.error.is_none() {
            self.id = msgid.unwrap_or_default();
            self.error = Some(message);
        }
    }

    /// Whether all that Borg had to remark is that the archive has nothing at a wanted path.
    pub fn only_unmatched(&self) -> bool {
        self.error.is_none()
            && self.exception.is_none()
            && self
                .warnings
                .iter()
                .all(|words| words.starts_with("Include pattern ") && words.ends_with(" never matched."))
    }

    /// Borg's own words.
    fn words(&self) -> String {
        let error = match (&self.exception, &self.error) {
            (Some(exception), _) if matches!(self.error.as_deref(), None | Some("Local Exception")) => Some(exception),
            (_, error) => error.as_ref(),
        };
        let mut words: Vec<&str> = error.map(String::as_str).into_iter().collect();
        words.extend(self.others.iter().map(String::as_str));
        if words.is_empty() {
            words.extend(self.warnings.iter().map(String::as_str));
        }
        words.join("; ")
    }

    /// The error that Borg's words mean. `action` is what Borg was to do.
    pub fn error(&self, action: &str, end: &str) -> SourceError {
        let words = self.words();
        let mut message = format!("{action}: borg says: {words}");
        if words.is_empty() {
            message = format!("{action}: borg does not say what is wrong: {end}");
        }
        match self.id.as_str() {
            "NoPassphraseFailure" => {
                message = format!(
                    "{action}: the repository is encrypted, and no passphrase was given (--passphrase-file, or Borg's \
                     own BORG_PASSPHRASE or BORG_PASSCOMMAND)"
                );
            }
            "KeyfileNotFoundError" => {
                message.push_str("; BORG_KEYS_DIR names the folder of the key files, BORG_KEY_FILE a single one");
            }
            _ => {}
        }
        self.meaning()(message)
    }

    fn meaning(&self) -> fn(String) -> SourceError {
        match self.id.as_str() {
            "PassphraseWrong"
            | "RepoKeyNotFoundError"
            | "KeyfileInvalidError"
            | "KeyfileMismatchError"
            | "NotABorgKeyFile"
            | "RepoIdMismatch"
            | "UnknownKeyType" => SourceError::LockedOut,
            // The key may be elsewhere: nothing is known about the backup.
            "NoPassphraseFailure" | "PasscommandFailure" | "PasswordRetriesExceeded" | "KeyfileNotFoundError" => {
                SourceError::NoKey
            }
            "Archive.DoesNotExist" => SourceError::NoSnapshot,
            "Repository.DoesNotExist"
            | "Repository.InvalidRepository"
            | "Repository.ParentPathDoesNotExist"
            | "PathNotAllowed" => SourceError::NotThere,
            "LockTimeout" | "LockError" | "LockErrorT" | "LockFailed" => SourceError::Busy,
            "ConnectionClosed" | "ConnectionClosedWithHint" | "ConnectionBrokenWithHint" => SourceError::NoAnswer,
            "MandatoryFeatureUnsupported"
            | "RemoteRepository.RPCServerOutdated"
            | "InvalidRPCMethod"
            | "Repository.AtticRepository" => SourceError::ToolTooOld,
            "Repository.InvalidRepositoryConfig" if self.words().contains("not supported by this borg version") => {
                SourceError::ToolTooOld
            }
            "IntegrityError"
            | "DecompressionError"
            | "FileIntegrityError"
            | "NoManifestError"
            | "Repository.CheckNeeded"
            | "Repository.ObjectNotFound"
            | "Repository.InvalidRepositoryConfig"
            | "UnsupportedManifestError"
            | "UnsupportedPayloadError" => SourceError::Broken,
            // Archives and manifests that nobody with the key has written.
            id if id.starts_with("TAM") || id.starts_with("ArchiveTAM") => SourceError::Broken,
            _ if self.exception.as_deref().is_some_and(is_of_damage) => SourceError::Broken,
            _ => SourceError::ToolFailed,
        }
    }
}

/// The error of an end that was no success. `action` is what Borg was to do.
pub fn error(end: &ToolEnd, action: &str) -> SourceError {
    Told::read(&end.words).error(action, &end.told())
}

/// The exception that a traceback ends with; `None`: the text is no traceback.
fn exception_of(text: &str) -> Option<String> {
    let (_, trace) = text.split_once("Traceback (most recent call last):")?;
    // What follows is about the machine.
    let lines = trace.lines().take_while(|line| !line.starts_with("Platform:"));
    let is_exception = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default();
        let is_name =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte));
        is_name && ["Error", "error", "Exception"].iter().any(|end| name.ends_with(end))
    };
    Some(lines.filter(is_exception).last().unwrap_or("an unknown exception").to_owned())
}

/// Whether an exception is about what is in the repository. Any other one may have its cause in this machine.
fn is_of_damage(exception: &str) -> bool {
    const DECODERS: [&str; 8] = [
        "configparser.",
        "binascii.",
        "msgpack.",
        "struct.",
        "zlib.",
        "_lzma.",
        "UnicodeDecodeError",
        "borg.helpers.errors.IntegrityError",
    ];
    let is_of_segment = exception.contains("/data/") || exception.contains("/data'");
    exception.starts_with("FileNotFoundError:") && is_of_segment
        || DECODERS.iter().any(|decoder| exception.starts_with(decoder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::diagnosis::Code;
    use crate::model::source::SourcePlace;
    use crate::model::source_kind::SourceKind;

    /// What Borg 1.2.4 said about repositories that were damaged by hand.
    const RECORDED: &str = include_str!("../../../fixtures/borg/errors.jsonl");

    #[derive(Deserialize)]
    struct Recorded {
        case: String,
        lines: Vec<String>,
    }

    #[test]
    fn each_error_has_its_meaning_and_is_told_in_borgs_words() {
        use Code::{SourceCorrupt, SourceLockedOut, SourceNoSnapshot, SourceToolMissing, SourceUnreachable};
        let expected = [
            ("a flipped bit", SourceCorrupt, "Segment entry checksum mismatch [segment 2"),
            ("a missing segment", SourceCorrupt, "No such file or directory: '/srv/repo/data/0/2'"),
            ("a missing segment of a far repository", SourceCorrupt, "FileNotFoundError: [Errno 2]"),
            ("a wrong passphrase", SourceLockedOut, "is incorrect"),
            ("no passphrase", SourceUnreachable, "no passphrase was given (--passphrase-file"),
            ("no repository", SourceUnreachable, "Repository /srv/nowhere does not exist"),
            ("no repository at the far end", SourceUnreachable, "ssh://nas/srv/nowhere does not exist"),
            ("a folder that is no repository", SourceUnreachable, "not a valid repository"),
            ("no such archive", SourceNoSnapshot, "Archive nothere does not exist"),
            ("no such part", SourceUnreachable, "never matched"),
            ("a config without sense", SourceCorrupt, "configparser.MissingSectionHeaderError"),
            ("a key without sense", SourceCorrupt, "binascii.Error"),
            ("the repository's key is lost", SourceLockedOut, "No key entry found"),
            ("no commit", SourceCorrupt, "Inconsistency detected"),
            ("a host that refuses", SourceUnreachable, "connect to host 127.0.0.1 port 9: Connection refused"),
            ("no ssh", SourceUnreachable, "No such file or directory: 'nossh'"),
            ("no borg at the far end", SourceUnreachable, "Connection closed by remote host"),
            ("the key file is elsewhere", SourceUnreachable, "BORG_KEYS_DIR"),
            ("a repository of Borg 2", SourceToolMissing, "not supported by this borg version"),
            ("a lock", SourceUnreachable, "lock.exclusive"),
        ];
        let recorded: Vec<Recorded> =
            RECORDED.lines().map(|line| serde_json::from_str(line).expect("recorded")).collect();
        assert_eq!(recorded.len(), expected.len());
        let place = SourcePlace::at_path(SourceKind::Borg, "/srv/repo");
        for (Recorded { case, lines }, (name, code, words)) in recorded.iter().zip(expected) {
            assert_eq!(case, name);
            let told = Told::read(lines);
            let diagnosis = told.error("listing the archives", "exit code 2").diagnosis(&place);
            assert_eq!(diagnosis.code, code, "{case}: {diagnosis}");
            assert!(diagnosis.message.contains(words), "{case}: {diagnosis}");
            assert!(!diagnosis.message.contains("Traceback"), "{case}: {diagnosis}");
            assert_eq!(told.only_unmatched(), case == "no such part", "{case}");
        }
    }

    #[test]
    fn an_end_without_a_word_is_no_verdict_about_the_backup() {
        let error = Told::read(&[]).error("listing the archives", "ended by signal 9");
        assert!(matches!(error, SourceError::ToolFailed(_)), "{error}");
        assert_eq!(error.to_string(), "listing the archives: borg does not say what is wrong: ended by signal 9");
        let odd =
            ["Traceback (most recent call last):\n  File \"x\"\nMemoryError: no room\n\nPlatform: Linux".to_owned()];
        let line = format!(r#"{{"type": "log_message", "levelname": "ERROR", "message": {:?}}}"#, odd[0]);
        let error = Told::read(&[line]).error("listing", "exit code 2");
        assert!(matches!(error, SourceError::ToolFailed(_)), "{error}");
        assert!(error.to_string().ends_with("MemoryError: no room"), "{error}");
    }
}
