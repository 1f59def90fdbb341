//! The command line of what works on records and needs no engine: reports made again and joined, codes, schemas.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{ColorChoice, ReportArgs, TextOrJson};

/// `rehearsa report`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  rehearsa test --events events.jsonl                   record a run
  rehearsa report --from events.jsonl                   show it again
  rehearsa report --from events.jsonl --html run.html   a report that was not asked for then
  rehearsa report --from reports --junit junit.xml      from the folder of an earlier --report-dir
  rehearsa report --from events.jsonl --report-dir out  all reports
  zcat events.jsonl.gz | rehearsa report --from -       from standard input

The exit code is that of the recorded run. The record of a run that was killed gives the reports of a killed run and exit \
code 102. A damaged record is refused with exit code 2, and nothing is written.")]
pub struct RecordArgs {
    /// The record of the run (events.jsonl), or the folder of its reports; `-` is standard input
    #[arg(long, value_name = "RECORD")]
    pub from: PathBuf,
    /// Report files.
    #[command(flatten)]
    pub reports: ReportArgs,
    /// Colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = ColorChoice::Auto, help_heading = "Output")]
    pub color: ColorChoice,
}

/// `rehearsa merge`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  rehearsa test --partition slice:1/2 --events 1.jsonl   in one job
  rehearsa test --partition slice:2/2 --events 2.jsonl   in another, at the same time
  rehearsa merge 1.jsonl 2.jsonl --junit junit.xml       in a third, when both are over
  rehearsa merge jobs/* --report-dir all                 from the report folders of the jobs

The exit code is that of all rehearsals together. A part without a record, and a rehearsal that a killed job did not finish, \
could not be found out: exit code 102. A part or a service that is there twice is refused with exit code 2.")]
pub struct MergeArgs {
    /// The records of the jobs (events.jsonl), or the report folders that hold them
    #[arg(value_name = "RECORD", required = true)]
    pub records: Vec<PathBuf>,
    /// Report files.
    #[command(flatten)]
    pub reports: ReportArgs,
    /// Colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = ColorChoice::Auto, help_heading = "Output")]
    pub color: ColorChoice,
}

/// `rehearsa explain`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  rehearsa explain boot/exited            what it means, why it happens and what to do
  rehearsa explain --list                 all codes
  rehearsa explain --list --format json   for a program

Codes are in every report, and stay what they are from version to version.")]
pub struct ExplainArgs {
    /// A code, as in a report
    #[arg(value_name = "CODE", required_unless_present = "list")]
    pub code: Option<String>,
    /// All codes, one a line
    #[arg(long, conflicts_with = "code")]
    pub list: bool,
    /// How it is shown
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = TextOrJson::Text, help_heading = "Output")]
    pub format: TextOrJson,
}

/// `rehearsa schema`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  rehearsa schema > report.schema.json
  rehearsa schema events > events.schema.json
  check-jsonschema --schemafile report.schema.json report.json
  rehearsa schema plan > rehearsa.schema.json   for an editor, which then completes the keys of rehearsa.toml

Readers ignore fields that they do not know: within a version of a schema fields are added, and none is taken away.")]
pub struct SchemaArgs {
    /// Of what
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
    /// A line of the record of a run (`rehearsa test --events`)
    Events,
}
