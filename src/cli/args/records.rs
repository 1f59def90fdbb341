//! The command lines that need no engine: `report`, `merge`, `explain` and `schema`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::reports::ReportArgs;
use crate::cli::choices::{ColorChoice, TextOrJson};

/// `rehearsa report`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  rehearsa test --events events.jsonl                   records a run
  rehearsa report --from events.jsonl                   shows the run again, on standard error
  rehearsa report --from events.jsonl --html run.html   writes another report of the run
  rehearsa report --from reports --junit junit.xml      reads the folder of an earlier --report-dir
  rehearsa report --from events.jsonl --report-dir out  writes all reports
  zcat events.jsonl.gz | rehearsa report --from -       reads standard input

The exit code is that of the recorded run; for the record of a killed run it is 102. A damaged record is refused with \
exit code 2, and nothing is written.")]
pub struct RecordArgs {
    /// Read the record of the run (events.jsonl), or the folder of its reports; `-` is standard input
    #[arg(long, value_name = "RECORD")]
    pub from: PathBuf,
    /// Report files.
    #[command(flatten)]
    pub reports: ReportArgs,
    /// Use colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = ColorChoice::Auto, help_heading = "Output")]
    pub color: ColorChoice,
}

/// `rehearsa merge`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  rehearsa test --partition slice:1/2 --events 1.jsonl   runs in one job
  rehearsa test --partition slice:2/2 --events 2.jsonl   runs in another job at the same time
  rehearsa merge 1.jsonl 2.jsonl --junit junit.xml       runs in a third job when both are over
  rehearsa merge jobs/* --report-dir all                 reads the report folders of the jobs

The exit code is that of all rehearsals together. A missing part, and a rehearsal that a killed job did not finish, \
are errors: exit code 102. A part or a service that is there twice is refused with exit code 2.")]
pub struct MergeArgs {
    /// The records of the jobs (events.jsonl), or the report folders that hold them
    #[arg(value_name = "RECORD", required = true)]
    pub records: Vec<PathBuf>,
    /// Report files.
    #[command(flatten)]
    pub reports: ReportArgs,
    /// Use colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = ColorChoice::Auto, help_heading = "Output")]
    pub color: ColorChoice,
}

/// `rehearsa explain`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  rehearsa explain boot/exited            says what the code means, why it happens and what to do
  rehearsa explain --list                 lists all codes
  rehearsa explain --list --format json   lists all codes for a program

Every report has codes, and a code keeps its meaning from version to version.")]
pub struct ExplainArgs {
    /// A code, as in a report
    #[arg(value_name = "CODE", required_unless_present = "list")]
    pub code: Option<String>,
    /// List all codes, one a line
    #[arg(long, conflicts_with = "code")]
    pub list: bool,
    /// Print in this format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = TextOrJson::Text, help_heading = "Output")]
    pub format: TextOrJson,
}

/// `rehearsa schema`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  rehearsa schema > report.schema.json          writes the schema of the JSON report
  rehearsa schema events > events.schema.json   writes the schema of the record of a run
  rehearsa schema plan > rehearsa.schema.json   writes the schema of rehearsa.toml: an editor then completes its keys
  check-jsonschema --schemafile report.schema.json report.json

Readers ignore unknown fields: a version of a schema gains fields and loses none.")]
pub struct SchemaArgs {
    /// What the schema describes
    #[arg(value_enum, default_value_t = SchemaOf::Report)]
    pub of: SchemaOf,
}

/// What there is a schema of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// The JSON report (`rehearsa test --json`).
    #[default]
    Report,
    /// The plan file (`rehearsa.toml`).
    Plan,
    /// A line of the record of a run (`rehearsa test --events`).
    Events,
}
