//! A question to a service: a script that the shell of its container runs.

use std::time::Duration;

use crate::docker::ExecOutput;
use crate::rehearse::running::RunningService;

/// A script and how it is run.
pub(super) struct Script<'a> {
    text: &'a str,
    words: &'a [&'a str],
    user: Option<&'a str>,
    environment: &'a [String],
    limit: Duration,
    unanswered: &'static str,
}

/// A script that ran to its end.
pub(super) struct ScriptEnd {
    pub exit: i64,
    pub stdout: String,
    pub stderr: String,
}

impl<'a> Script<'a> {
    /// A script that the container's own user runs with these words, for at most this time. `unanswered` is what the
    /// log says when no answer comes: `its keys cannot be asked for`.
    pub fn new(text: &'a str, words: &'a [&'a str], limit: Duration, unanswered: &'static str) -> Self {
        Self { text, words, user: None, environment: &[], limit, unanswered }
    }

    /// The same, run by this user (`UID:GID`, or a name).
    pub fn run_by(self, user: &'a str) -> Self {
        Self { user: Some(user), ..self }
    }

    /// The same with more variables (`NAME=value`).
    pub fn with(self, environment: &'a [String]) -> Self {
        Self { environment, ..self }
    }

    /// Runs it; `None`: it did not run to its end.
    pub async fn run(self, running: RunningService<'_>) -> Option<ScriptEnd> {
        let Script { text, words, user, environment, limit, unanswered } = self;
        let command: Vec<String> = ["sh", "-c", text, "sh"].iter().chain(words).map(|&word| word.to_owned()).collect();
        match running.insides().exec(user, environment, &command, limit).await {
            Ok(ExecOutput::Ended { exit, stdout, stderr }) => {
                let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
                Some(ScriptEnd { exit, stdout: text(stdout), stderr: text(stderr) })
            }
            Ok(ExecOutput::NotStarted(words)) => {
                tracing::debug!(service = %running.name(), %words, "{unanswered}");
                None
            }
            Err(error) => {
                tracing::debug!(service = %running.name(), %error, "{unanswered}");
                None
            }
        }
    }

    /// Runs it and returns what it printed; `None`: it did not run to its end, or failed.
    pub async fn output(self, running: RunningService<'_>) -> Option<String> {
        let unanswered = self.unanswered;
        let end = self.run(running).await?;
        if end.exit != 0 {
            tracing::debug!(service = %running.name(), exit = end.exit, "{unanswered}");
            return None;
        }
        Some(end.stdout)
    }
}
