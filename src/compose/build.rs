//! Lets Compose build the image of a service, as `docker compose build` does.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use super::error::ComposeError;
use super::program::{ComposeCall, ProjectFlags, arguments, expand_folders, find, known_variables, project_folder};
use crate::source::SourceError;
use crate::source::tool::{Patience, Tool, ToolCall, ToolKind};

/// A step of a build may be silent for long: a compiler, a download.
const SILENCE: Duration = Duration::from_secs(600);
/// Number of the last lines that an error quotes.
const QUOTED: usize = 12;

static BUILD: ToolKind = ToolKind {
    name: "docker-compose build",
    own: &[],
    kept: &[],
    patience: Patience { silence: SILENCE, retries: SILENCE },
    is_retry: |_| false,
};

/// Builds the image of a service on the engine that the environment of the call names, or on `host`. `see` gets each
/// line of the build, without secrets.
pub fn build(
    flags: &ProjectFlags,
    call: &ComposeCall<'_>,
    host: Option<&str>,
    service: &str,
    see: &mut dyn FnMut(&str),
) -> Result<(), ComposeError> {
    let files = expand_folders(&flags.files, call.working_dir)?;
    let mask = known_variables(flags, &project_folder(flags, &files, call.working_dir), call);
    let tool = Tool::at(&BUILD, find(call)?, call.environment, call.executable);
    let args = arguments(flags, &files);
    let mut run = ToolCall::new(&tool).args(args).args(["--progress", "plain", "build", service]);
    run = run.folder(call.working_dir);
    if let Some(host) = host {
        run = run.without("DOCKER_CONTEXT").variable("DOCKER_HOST", host);
    }
    let not_built = |words: String| ComposeError::NotBuilt(format!("building the image of {service} failed: {words}"));
    let failed = |error: SourceError| not_built(mask.apply(&error.to_string()));
    let mut running = run.start().map_err(failed)?;
    let mut last: Vec<String> = Vec::new();
    let mut lines = BufReader::new(&mut running);
    let mut line = Vec::new();
    // A failed read is explained by the end.
    while lines.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
        let text = mask.apply(String::from_utf8_lossy(&line).trim_end());
        line.clear();
        if !text.is_empty() {
            see(&text);
            last.push(text);
            last.drain(..last.len().saturating_sub(QUOTED));
        }
    }
    drop(lines);
    let end = running.finish().map_err(failed)?;
    if end.success() {
        return Ok(());
    }
    last.extend(end.words.iter().map(|line| mask.apply(line)));
    Err(not_built(last.join("\n")))
}
