//! Writing to the standard streams. A reader that went away (`rehearsa plan | head`) is no reason to panic.

use std::io::{self, IsTerminal, Write};

use super::choices::ColorChoice;
use super::exit::Failure;
use crate::config::Environment;
use crate::model::plain_text::clean;
use crate::report::target::has_no_reader;

/// Writes to standard output. A closed pipe ends the output, not the command.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if !has_no_reader(&error) => {
            Err(Failure::errored(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// As [`print`], for text that quotes others: names in a backup may hold terminal codes.
pub fn print_text(text: &str) -> Result<(), Failure> {
    print(&clean(text))
}

/// A line for the person, on standard error, without terminal codes.
pub fn note(line: &str) {
    // If standard error is closed, nobody can be told.
    let _ = writeln!(io::stderr().lock(), "{}", clean(line));
}

/// Says why the command failed.
pub fn report(failure: &Failure, env: &Environment) {
    let color = ColorChoice::Auto.with_environment(env).applies(io::stderr().is_terminal());
    // As in `note`.
    let _ = io::stderr().lock().write_all(failure.render(color).as_bytes());
}
