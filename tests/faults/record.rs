//! Writes the result of each trial as a line of JSON, for `ci/faults`.

use std::fs::File;
use std::io::Write;
use std::sync::{LazyLock, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::rows::ROWS;

/// The variable that names the file.
const FILE: &str = "FAULTS_RECORD";

static OUT: LazyLock<Mutex<Option<File>>> = LazyLock::new(|| {
    let path = std::env::var_os(FILE);
    Mutex::new(path.map(|path| File::create(path).expect("the record can be written")))
});

/// The result of a trial.
pub struct Line {
    pub row: u8,
    pub what: &'static str,
    pub service: &'static str,
    pub source: &'static str,
    /// The undamaged backup of that service.
    pub twin: bool,
    /// Why the fault is not recognised yet.
    pub gap: Option<&'static str>,
    pub wanted: String,
    pub got: String,
    /// The fault does no harm, and green is right.
    pub harmless: bool,
    pub detected: bool,
    /// Whether the code, verdict and words are the expected ones.
    pub right: bool,
    /// The trial passed.
    pub ok: bool,
    pub seconds: f64,
}

/// Begins with the rows themselves.
pub fn begin() {
    for (row, title) in ROWS {
        write(&json!({ "kind": "row", "row": row, "title": title }));
    }
}

/// Appends a line.
pub fn record(line: &Line) {
    let Line { row, what, service, source, twin, gap, wanted, got, harmless, detected, right, ok, seconds } = line;
    write(&json!({
        "kind": if *twin { "twin" } else { "fault" },
        "row": row, "what": what, "service": service, "source": source, "gap": gap,
        "wanted": wanted.trim(), "got": got.trim(),
        "harmless": harmless, "detected": detected, "right": right, "ok": ok, "seconds": seconds,
    }));
}

fn write(line: &Value) {
    let mut out = OUT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(file) = out.as_mut() {
        writeln!(file, "{line}").expect("the record can be written");
    }
}
