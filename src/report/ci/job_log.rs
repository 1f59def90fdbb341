//! The log of a CI job. CI systems execute commands that they find in it.

use std::io::{self, Write};

use crate::report::target::has_no_reader;

/// Writes to the job's log. A closed log is no error: its reader has gone.
pub(super) fn write_log(out: &mut dyn Write, text: &str) -> io::Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if has_no_reader(&error) => Ok(()),
        other => other,
    }
}
