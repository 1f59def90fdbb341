//! Reads the output of a database client that loaded a dump: whether the dump is whole, of another version, or lacks
//! roles.

use crate::docker::ExecOutput;
use crate::model::diagnosis::Code;
use crate::model::mask::Mask;

/// Most characters of a client's output in a message.
const QUOTED: usize = 600;
/// Most lines of a client's output in a message.
const LINES: usize = 6;

/// How a dump was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// By a client that stops at the first error and says so.
    Strict,
    /// By psql, which goes on after errors. Two kinds of errors are expected: the dump of a whole server creates what
    /// a new server already has, and a dump with DROP statements removes objects that do not exist yet.
    Tolerant,
    /// By pg_restore, which goes on after errors and reports them in its exit code.
    Archive,
    /// By a command that the user gave.
    Own,
}

/// A dump that was not loaded, or not completely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The code of the diagnosis.
    pub code: Code,
    /// The client's output, as the end of a sentence.
    pub words: String,
    /// Roles that the dump needs and that do not exist.
    pub roles: Vec<String>,
    /// Advice that is better than the code's own; `None`: there is none.
    pub remedy: Option<String>,
}

/// Judges whether a dump was loaded completely. `removals`: the numbers of the dump's lines that remove an object.
pub fn judge(manner: OnError, removals: &[u64], ran: &ExecOutput, mask: &Mask) -> Result<(), Refused> {
    let (exit, stderr) = match ran {
        ExecOutput::NotStarted(words) => {
            let words = format!("its container has no shell: {words}");
            return Err(Refused { code: Code::RestoreFailed, words, roles: Vec::new(), remedy: None });
        }
        ExecOutput::Ended { exit, stderr, .. } => (*exit, String::from_utf8_lossy(stderr)),
    };
    let errors: Vec<&str> = stderr.lines().filter(|line| is_error(line)).collect();
    let bad: Vec<&str> = match manner {
        OnError::Tolerant => {
            let is_bad = |line: &&str| !is_of_every_server(line) && !is_of_removal(line, removals);
            errors.into_iter().filter(is_bad).collect()
        }
        OnError::Strict | OnError::Archive | OnError::Own => errors,
    };
    // psql's exit code does not show the errors after which it went on.
    if exit == 0 && (bad.is_empty() || manner != OnError::Tolerant) {
        return Ok(());
    }
    let said = if bad.is_empty() { quoted(stderr.as_bytes(), mask) } else { quoted(bad.join("\n").as_bytes(), mask) };
    if matches!(exit, 126 | 127) {
        let words = format!("the command that loads it cannot be run in its container: {said}");
        return Err(Refused { code: Code::RestoreFailed, words, roles: Vec::new(), remedy: None });
    }
    let words = if exit == 0 { said } else { format!("{said} (exit code {exit})") };
    let roles = missing_roles(&stderr);
    let of_newer = [
        "unrecognized configuration parameter",
        "invalid command \\restrict",
        "unsupported version (",
        "Unknown collation",
    ];
    if of_newer.iter().any(|sign| stderr.contains(sign)) {
        let remedy = "The dump was written by a newer release than the service's image has: run the service from that \
         release, or dump with the client of the older one.";
        return Err(Refused { code: Code::DataVersionMismatch, words, roles, remedy: Some(remedy.to_owned()) });
    }
    let remedy = stderr.contains("already exists").then(|| {
        "The service creates some of these objects itself when it initialises: dump with --clean --if-exists, or \
         give the command that loads the dump: load = { command = \"…\" }."
            .to_owned()
    });
    Err(Refused { code: Code::RestoreIncomplete, words, roles, remedy })
}

fn is_error(line: &str) -> bool {
    ["ERROR:", "FATAL:", "ERROR ", "error:", "PANIC:"].iter().any(|sign| line.contains(sign))
}

/// Whether an error comes from a role or database that every new server has already.
fn is_of_every_server(line: &str) -> bool {
    (line.contains("role \"") || line.contains("database \"")) && line.ends_with("already exists")
        // The role that loads the dump cannot remove itself.
        || line.contains("current user cannot be dropped")
}

/// Whether an error is only about removing an object that does not exist, which is harmless:
/// `psql:FILE:LINE: ERROR:  table "t" does not exist`.
fn is_of_removal(line: &str, removals: &[u64]) -> bool {
    let at = line.find(": ERROR:").and_then(|end| line[..end].rsplit(':').next()?.parse().ok());
    line.ends_with("does not exist") && at.is_some_and(|at| removals.binary_search(&at).is_ok())
}

/// The names in `role "NAME" does not exist`, each once.
fn missing_roles(words: &str) -> Vec<String> {
    let mut roles: Vec<String> = Vec::new();
    for (at, _) in words.match_indices("role \"") {
        let rest = &words[at + "role \"".len()..];
        let Some((name, after)) = rest.split_once('"') else { continue };
        if after.starts_with(" does not exist") && !roles.iter().any(|known| known == name) {
            roles.push(name.to_owned());
        }
    }
    roles
}

/// The first lines of a client's output, joined into one. Secrets are hidden before anything is cut: a part of a secret
/// would not be known.
pub fn quoted(words: &[u8], mask: &Mask) -> String {
    let text = mask.apply(&String::from_utf8_lossy(words));
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let more = lines.len().saturating_sub(LINES);
    let mut said = lines.iter().take(LINES).copied().collect::<Vec<_>>().join("; ");
    if let Some((end, _)) = said.char_indices().nth(QUOTED) {
        said.truncate(end);
        said.push('…');
    }
    match (said.is_empty(), more) {
        (true, _) => "no message".to_owned(),
        (false, 0) => said,
        (false, more) => format!("{said}; and {more} more lines"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(exit: i64, stderr: &str) -> ExecOutput {
        ExecOutput::Ended { exit, stdout: Vec::new(), stderr: stderr.as_bytes().to_vec() }
    }

    fn code(manner: OnError, exit: i64, stderr: &str) -> Option<Code> {
        judge(manner, &[25], &ended(exit, stderr), &Mask::default()).err().map(|refused| refused.code)
    }

    #[test]
    fn a_client_that_stops_says_what_is_wrong() {
        let error = "psql:/rehearsa-load/dump.sql:25: ERROR:  relation \"notes\" does not exist";
        assert_eq!(code(OnError::Strict, 0, ""), None);
        assert_eq!(code(OnError::Strict, 3, error), Some(Code::RestoreIncomplete));
        assert_eq!(code(OnError::Strict, 127, "sh: psql: not found"), Some(Code::RestoreFailed));
        let newer = "psql:x:1: ERROR:  unrecognized configuration parameter \"transaction_timeout\"";
        assert_eq!(code(OnError::Strict, 3, newer), Some(Code::DataVersionMismatch));
        assert_eq!(code(OnError::Own, 1, ""), Some(Code::RestoreIncomplete));
        let known =
            judge(OnError::Strict, &[], &ended(3, "ERROR:  relation \"notes\" already exists"), &Mask::default())
                .expect_err("refused");
        assert!(known.remedy.is_some_and(|remedy| remedy.contains("--clean")));
    }

    #[test]
    fn what_every_server_has_already_is_no_error_of_the_dump_of_a_server() {
        let own =
            "psql:x:14: ERROR:  role \"postgres\" already exists\npsql:x:20: ERROR:  database \"app\" already exists\n";
        assert_eq!(code(OnError::Tolerant, 0, own), None);
        let removal = "psql:x:25: ERROR:  table \"notes\" does not exist\n";
        assert_eq!(code(OnError::Tolerant, 0, removal), None);
        let elsewhere = "psql:x:26: ERROR:  table \"notes\" does not exist\n";
        assert_eq!(code(OnError::Tolerant, 0, elsewhere), Some(Code::RestoreIncomplete));
        let other = format!("{own}psql:x:30: ERROR:  relation \"notes\" already exists\n");
        assert_eq!(code(OnError::Tolerant, 0, &other), Some(Code::RestoreIncomplete));
        assert_eq!(
            code(OnError::Tolerant, 2, "psql: error: connection to server was lost"),
            Some(Code::RestoreIncomplete)
        );
    }

    #[test]
    fn missing_roles_are_named_once() {
        let words = "pg_restore: error: could not execute query: ERROR:  role \"app\" does not exist\nCommand was: \
         ALTER …\n\
            pg_restore: error: ERROR:  role \"my reader\" does not exist\nERROR:  role \"app\" does not exist\n\
            pg_restore: warning: errors ignored on restore: 3\n";
        let refused = judge(OnError::Archive, &[], &ended(1, words), &Mask::default()).expect_err("refused");
        assert_eq!(
            (refused.code, refused.roles),
            (Code::RestoreIncomplete, vec!["app".to_owned(), "my reader".to_owned()])
        );
    }

    #[test]
    fn words_are_cut() {
        let quoted = |words: &str| quoted(words.as_bytes(), &Mask::default());
        assert_eq!(quoted(""), "no message");
        assert_eq!(quoted("a\n\n b\n"), "a; b");
        assert!(quoted(&"x\n".repeat(10)).ends_with("and 4 more lines"));
        assert!(quoted(&"x".repeat(1000)).ends_with('…'));
    }

    /// The limit lies within the secret, and so does the end of the last line that is told.
    #[test]
    fn a_secret_is_hidden_before_the_words_are_cut() {
        let secret = "fixture-of-a-dump-secret";
        let mask = Mask::of_secrets([secret]);
        let long = format!("{}{secret}", "x".repeat(QUOTED - 5));
        let lines = format!("{}fixture-of-\na-dump-secret\n", "x\n".repeat(LINES - 1));
        for words in [long, lines] {
            let told = quoted(words.as_bytes(), &mask);
            assert!(!told.contains("fixt") && !told.contains("secr"), "{told}");
        }
    }
}
