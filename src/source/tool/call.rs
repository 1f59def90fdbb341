//! One call of an owner's program.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::launch;
use super::program::Tool;
use super::running::{RunningTool, ToolEnd};
use crate::model::mask::Mask;
use crate::model::secret::Secret;
use crate::source::error::SourceError;

/// Longest secret on standard input, in bytes: less than a pipe takes without a reader.
const LONGEST_INPUT: usize = 32 * 1024;

/// A call of a program that is put together.
pub struct ToolCall<'a> {
    tool: &'a Tool,
    args: Vec<OsString>,
    variables: Vec<(String, OsString)>,
    without: Vec<&'static str>,
    secrets: Vec<Secret>,
    folder: Option<PathBuf>,
    input: Option<Secret>,
    readable: Option<Vec<PathBuf>>,
}

impl<'a> ToolCall<'a> {
    /// A call without arguments.
    pub fn new(tool: &'a Tool) -> ToolCall<'a> {
        ToolCall {
            tool,
            args: Vec::new(),
            variables: Vec::new(),
            without: Vec::new(),
            secrets: Vec::new(),
            folder: None,
            input: None,
            readable: None,
        }
    }

    /// Adds arguments. Other users of this machine see them: no argument may have a secret.
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> ToolCall<'a> {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable of the program's environment.
    pub fn variable(mut self, name: &str, value: impl Into<OsString>) -> ToolCall<'a> {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// Leaves out a variable that the program would inherit.
    pub fn without(mut self, name: &'static str) -> ToolCall<'a> {
        self.without.push(name);
        self
    }

    /// Sets a variable to a secret, which is hidden in everything that the program says.
    pub fn secret(mut self, name: &str, value: &Secret) -> ToolCall<'a> {
        self.secrets.push(value.clone());
        self.variable(name, value.reveal())
    }

    /// Gives the program a secret on standard input, and hides the secret in everything that the program says. Unlike a
    /// variable it is not handed on to programs that the program starts, and nobody reads it in the list of processes.
    pub fn secret_input(mut self, secret: &Secret) -> ToolCall<'a> {
        self.input = Some(secret.clone());
        self.hide(secret)
    }

    /// Hides a secret in everything that the program says.
    pub fn hide(mut self, secret: &Secret) -> ToolCall<'a> {
        self.secrets.push(secret.clone());
        self
    }

    /// Starts the program in this folder; without it the program gets the folder of this process.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> ToolCall<'a> {
        self.folder = Some(folder.into());
        self
    }

    /// Confines the program: of this machine it reads these files and folders, and its own libraries. It writes nothing
    /// but its output, and starts no other program. A kernel without Landlock does not confine.
    pub fn confined(mut self, readable: &[PathBuf]) -> ToolCall<'a> {
        self.readable = Some(readable.to_vec());
        self
    }

    /// Starts the program. It ends with the calling thread at the latest.
    pub fn start(self) -> Result<RunningTool, SourceError> {
        let ToolCall { tool, args, variables, without, secrets, folder, input, readable } = self;
        let name = tool.kind.name;
        if input.as_ref().is_some_and(|secret| secret.reveal().len() > LONGEST_INPUT) {
            let words = format!("the secret for {name} is longer than {LONGEST_INPUT} bytes, so it is none");
            return Err(SourceError::NoKey(words));
        }
        let mut command = Command::new(&tool.launcher);
        command.args([launch::VERB, if readable.is_some() { launch::CONFINED } else { launch::START }]);
        command.arg(std::process::id().to_string());
        if let Some(readable) = readable {
            command.arg(readable.len().to_string()).args(readable);
        }
        command.arg(&tool.program).args(args);
        let inherited = tool.variables.iter().filter(|(name, _)| !without.contains(&name.as_str()));
        command.env_clear().envs(inherited.map(|(name, value)| (name, value))).envs(variables);
        if let Some(folder) = folder {
            command.current_dir(folder);
        }
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mask = tool.mask.clone();
        mask.learn(&Mask::of_secrets(secrets.iter().map(Secret::reveal)));
        let mut child =
            command.spawn().map_err(|error| SourceError::ToolFailed(format!("{name} cannot be started: {error}")))?;
        if let (Some(secret), Some(mut pipe)) = (input, child.stdin.take()) {
            // It fits into the pipe, so nobody waits. A program that has ended by now tells why.
            let _ = pipe.write_all(secret.reveal().as_bytes());
        }
        Ok(RunningTool::new(child, tool.kind, mask))
    }

    /// Runs the program to its end and takes all of its output. More than `most` bytes are an error.
    pub fn output(self, most: u64) -> Result<(Vec<u8>, ToolEnd), SourceError> {
        let name = self.tool.kind.name;
        let mut running = self.start()?;
        let mut output = Vec::new();
        // A failed read is explained by the end.
        let read = (&mut running).take(most + 1).read_to_end(&mut output);
        if output.len() as u64 > most {
            return Err(SourceError::ToolFailed(format!("{name} printed more than {most} bytes")));
        }
        let end = running.finish()?;
        read.map_err(|error| SourceError::ToolFailed(format!("reading what {name} prints: {error}")))?;
        Ok((output, end))
    }
}
