//! Fetches secrets from where the user keeps them. Neither a secret nor the output of a command that fetches it is ever
//! shown: the output may be the secret, too.

use std::io;
use std::process::{Command, Stdio};

use crate::local_file::{self, Accept};
use crate::model::secret::Secret;
use crate::model::source::SecretPlace;

/// Longest line, in bytes, that is a secret. It fits into a pipe, through which programs get it.
const LONGEST: usize = 8 * 1024;

/// Largest file, in bytes, whose first line is read.
const LARGEST: u64 = 1024 * 1024;

/// Fetches a secret. `variable` reads an environment variable. The error continues a sentence that begins with the name
/// of the secret.
pub fn fetch(place: &SecretPlace, variable: impl Fn(&str) -> Option<String>) -> Result<Secret, String> {
    match place {
        SecretPlace::File(path) => {
            let shown = path.display();
            let text = local_file::read_from(path, Accept::Piped, LARGEST);
            let line = text.and_then(|text| first_line(&text));
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
    match first_line(&output.stdout) {
        Ok(line) if !line.trim().is_empty() => Ok(Secret::new(line)),
        _ => Err("its command printed nothing".to_owned()),
    }
}

fn first_line(text: &[u8]) -> io::Result<String> {
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if line.len() > LONGEST {
        return Err(io::Error::other(format!("its first line is longer than {LONGEST} bytes, so it is no secret")));
    }
    let line = std::str::from_utf8(line).map_err(|_| io::Error::other("it is no text"))?;
    Ok(line.trim_end_matches('\r').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_the_first_line_and_no_whole_file() {
        assert_eq!(first_line(b"one\r\ntwo\n").expect("a line"), "one");
        assert_eq!(first_line(b"").expect("nothing"), "");
        let longest = vec![b'x'; LONGEST];
        assert_eq!(first_line(&longest).expect("just so").len(), LONGEST);
        let error = first_line(&[&longest[..], b"x"].concat()).expect_err("too long").to_string();
        assert!(error.contains("longer than 8192 bytes") && !error.contains('x'.to_string().repeat(9).as_str()));
        assert!(first_line(b"\xff\n").is_err());
    }
}
