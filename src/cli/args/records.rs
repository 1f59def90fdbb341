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
  rehearsa report --from events.jsonl --report-dir out  all reports
  zcat events.jsonl.gz | rehearsa report --from -       from standard input

The exit code is that of the recorded run. The log of a run that was killed gives the reports of a killed run and exit code \
102. A log that is damaged is refused with exit code 2, and nothing is written.")]
pub struct RecordArgs {
    /// The recorded events; `-` is standard input
    #[arg(long, value_name = "EVENTS.jsonl")]
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
  rehearsa test --partition slice:1/2 --json 1.json   in one job
  rehearsa test --partition slice:2/2 --json 2.json   in another, at the same time
  rehearsa merge 1.json 2.json --junit junit.xml      in a third, when both are over

The exit code is that of all rehearsals together. A part of which there is no report, and what a killed job did not end, could \
not be found out: exit code 102. A part or a service that is there twice is refused with exit code 2.")]
pub struct MergeArgs {
    /// The JSON reports, as `rehearsa test --json` wrote them
    #[arg(value_name = "REPORT.json", required = true)]
    pub files: Vec<PathBuf>,
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
    /// A line of the log of events (`rehearsa test --events`)
    Events,
}
