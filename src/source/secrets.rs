//! Fetches secrets from where the user keeps them. Neither a secret nor the output of a command that fetches it is ever
//! shown: the output may be the secret, too.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use crate::model::secret::Secret;
use crate::model::source::SecretPlace;

/// Longest line, in bytes, that is read as a secret.
const LONGEST: u64 = 64 * 1024;

/// Fetches a secret. `variable` reads an environment variable. The error continues a sentence that begins with the name
/// of the secret.
pub fn fetch(place: &SecretPlace, variable: impl Fn(&str) -> Option<String>) -> Result<Secret, String> {
    match place {
        SecretPlace::File(path) => {
            let shown = path.display();
            let line = File::open(path).and_then(first_line);
            match line.map_err(|error| format!("the file {shown} cannot be read: {error}"))? {
                line if line.trim().is_empty() => Err(format!("the file {shown} has nothing in its first line")),
                line => Ok(Secret::new(line)),
            }
        }
        SecretPlace::Env(name) => match variable(name) {
            None => Err(format!("the environment variable {name} is not set")),
            Some(value) if value.trim().is_empty() => Err(format!("the environment variable {name} is empty")),
            Some(value) => Ok(Secret::new(value)),
        },
        SecretPlace::Command(command) => run_for_secret(command),
    }
}

/// Runs a command and takes the first line of its output.
fn run_for_secret(command: &str) -> Result<Secret, String> {
    let mut shell = Command::new("sh");
    let output = shell.args(["-c", command]).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let output = output.map_err(|error| format!("the shell for its command cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("its command ended with {}; try it by hand", output.status));
    }
    match first_line(output.stdout.as_slice()) {
        Ok(line) if !line.trim().is_empty() => Ok(Secret::new(line)),
        _ => Err("its command printed nothing".to_owned()),
    }
}

fn first_line(from: impl Read) -> io::Result<String> {
    let mut line = Vec::new();
    BufReader::new(from).take(LONGEST).read_until(b'\n', &mut line)?;
    let line = String::from_utf8(line).map_err(|_| io::Error::other("it is no text"))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
