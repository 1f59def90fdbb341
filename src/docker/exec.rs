//! Running a command in a container.

use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecResults};
use futures_util::TryStreamExt;
use tokio::time::sleep;

use super::client::Daemon;
use super::connection::in_path;
use super::errors::{DockerError, DockerErrorKind, Result};
use super::layer::ContainerInsides;

/// Bytes that are kept of each output.
const MOST: usize = 256 * 1024;
/// How often the exit code of a command whose output has ended is asked for, and the time between two requests.
const LOOKS: (u32, Duration) = (100, Duration::from_millis(20));

/// How a command went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecOutput {
    /// It ended.
    Ended {
        /// Its exit code.
        exit: i64,
        /// What it printed, from the beginning, as far as it was kept.
        stdout: Vec<u8>,
        /// The same of its standard error.
        stderr: Vec<u8>,
    },
    /// The engine could not start it; its words.
    NotStarted(String),
}

impl Daemon {
    /// Runs a command in a running container, with the environment and the folder of the container's own process, and
    /// without input. `user` (`UID:GID`, or a name) runs it; `None`: the container's own user. An error when the
    /// command's output goes on for longer than `limit`.
    pub async fn exec(&self, id: &str, user: Option<&str>, command: &[String], limit: Duration) -> Result<ExecOutput> {
        ContainerInsides { daemon: self, id }.exec(user, &[], command, limit).await
    }
}

impl ContainerInsides<'_> {
    /// As [`Daemon::exec`], with more variables (`NAME=value`): a secret is no argument, which everybody on the host
    /// could read.
    pub async fn exec(
        &self,
        user: Option<&str>,
        environment: &[String],
        command: &[String],
        limit: Duration,
    ) -> Result<ExecOutput> {
        const EXEC: &str = "run a command in container";
        let connection = &self.daemon.connection;
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(command.to_vec()),
            env: (!environment.is_empty()).then(|| environment.to_vec()),
            user: user.map(str::to_owned),
            ..CreateExecOptions::default()
        };
        let id = in_path(EXEC, self.id)?;
        let exec = connection.call(EXEC, id, |docker| docker.create_exec(id, options)).await?.id;
        let read = async |docker: &Docker| {
            let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
            if let StartExecResults::Attached { mut output, .. } = docker.start_exec(&exec, None).await? {
                while let Some(piece) = output.try_next().await? {
                    match piece {
                        LogOutput::StdErr { message } => keep(&mut stderr, &message),
                        LogOutput::StdOut { message } | LogOutput::Console { message } => keep(&mut stdout, &message),
                        // No container sends its input back; the protocol has the stream all the same.
                        LogOutput::StdIn { .. } => {}
                    }
                }
            }
            Ok((stdout, stderr))
        };
        let (stdout, stderr) = match connection.call_within(limit, EXEC, id, read).await {
            Ok(outputs) => outputs,
            // A newer engine refuses the request; an older one gives the runtime's words as output, with an exit code.
            Err(DockerError { kind: DockerErrorKind::Engine(words) | DockerErrorKind::NotFound(words), .. })
                if is_of_runtime(&words) =>
            {
                return Ok(ExecOutput::NotStarted(words));
            }
            Err(error) => return Err(error),
        };
        // The output may end a moment before the engine has noted the exit code.
        for _ in 0..LOOKS.0 {
            let state = connection.call(EXEC, id, |docker| docker.inspect_exec(&exec)).await?;
            if let (Some(exit), false) = (state.exit_code, state.running.unwrap_or(false)) {
                let said = [&stdout, &stderr].map(|output| String::from_utf8_lossy(output).into_owned());
                return Ok(match said.into_iter().find(|words| is_of_runtime(words)) {
                    Some(words) if matches!(exit, 126 | 127) => ExecOutput::NotStarted(words),
                    _ => ExecOutput::Ended { exit, stdout, stderr },
                });
            }
            sleep(LOOKS.1).await;
        }
        Err(DockerError::new(EXEC, id, DockerErrorKind::Engine("its output ended, but not the command".to_owned())))
    }
}

/// Whether these are the words of a runtime that could not start a command.
fn is_of_runtime(words: &str) -> bool {
    words.contains("exec failed") || words.contains("unable to start container process")
}

/// Keeps the beginning of an output. The rest is read and dropped: a command whose output nobody reads would never end.
fn keep(kept: &mut Vec<u8>, piece: &[u8]) {
    let room = MOST.saturating_sub(kept.len());
    kept.extend_from_slice(&piece[..piece.len().min(room)]);
}

#[cfg(test)]
mod tests {
    use super::{MOST, is_of_runtime, keep};

    #[test]
    fn the_beginning_of_an_output_is_kept() {
        let mut kept = vec![b'x'; MOST - 1];
        keep(&mut kept, b"yz");
        keep(&mut kept, b"z");
        assert_eq!((kept.len(), kept.last()), (MOST, Some(&b'y')));
    }

    #[test]
    fn a_runtime_that_could_not_start_a_command_is_known_by_its_words() {
        let old = "OCI runtime exec failed: exec failed: container_linux.go:380: starting container process caused: \
            exec: \"psql\": executable file not found in $PATH: unknown\r\n";
        assert!(is_of_runtime(old));
        assert!(!is_of_runtime("sh: 1: psql: not found"));
    }
}
