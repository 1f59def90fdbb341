//! The command line as typed. What it means is resolved elsewhere ([`crate::config::resolve`]).

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use super::choices::{ColorChoice, TestFormat};
use crate::config::resolve::Flags;
use crate::model::event::NoTests;

mod backup;
mod init;
mod records;
mod reports;

pub use backup::BackupArgs;
pub use init::InitArgs;
pub use records::{ExplainArgs, MergeArgs, RecordArgs, SchemaArgs, SchemaOf};
pub use reports::ReportArgs;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "rehearsa",
    version,
    about = "Rehearse restores: boot a Docker service from its data in an isolated sandbox, and see whether it works",
    long_about = "Backups are hope. Rehearsa is proof.\n\n\
        Rehearsa takes a service that runs on this Docker host, brings its data into new volumes, boots it from them in a \
        sandbox that reaches nothing live, checks that it works, reports, and removes every trace.",
    arg_required_else_help = true,
    subcommand_required = true,
    disable_help_subcommand = true,
    max_term_width = 110,
    after_help = "\
Examples:
  rehearsa demo                       see all of it at work, on a service of its own
  rehearsa test                       rehearse every running service of this host
  rehearsa test jellyfin              only those with `jellyfin` in their name
  rehearsa plan                       what would be done; nothing is created
  rehearsa test --junit report.xml    with a report for CI

Exit codes: 0 all passed or were skipped with a reason, 101 a service failed, 102 something could not be found out, \
2 wrong usage, 4 the filters selected nothing, 130 and 143 interrupted."
)]
pub struct Cli {
    /// Flags of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// `rehearsa::harness::main()` of a `harness = false` test target: `rehearsa test` without its name.
#[derive(Debug, Parser)]
#[command(
    about = "Rehearse the services of this Docker host, one test each",
    disable_version_flag = true,
    max_term_width = 110
)]
pub struct HarnessArgs {
    /// Flags of every command.
    #[command(flatten)]
    pub global: Global,
    /// As `rehearsa test`.
    #[command(flatten)]
    pub test: TestArgs,
}

/// Flags of every command.
#[derive(Debug, Clone, Default, Args)]
pub struct Global {
    /// Where the engine is.
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Say more on standard error (`-vv`: much more). REHEARSA_LOG filters by part, as in `rehearsa::docker=debug`
    #[arg(short = 'v', long = "verbose", action = ArgAction::Count, global = true, help_heading = "Output")]
    pub verbose: u8,
}

/// Where the engine is.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Connection")]
pub struct ConnectionArgs {
    /// The Docker engine: unix:///path, tcp://host:2375, ssh://user@host [default: DOCKER_HOST, else the Docker CLI's
    /// context]
    #[arg(short = 'H', long, global = true, value_name = "ADDRESS")]
    pub host: Option<String>,
    /// Wait this long for an engine that is still starting, as in `60s` [env: REHEARSA_DOCKER_WAIT]
    #[arg(long, global = true, value_name = "DURATION")]
    pub docker_wait: Option<String>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Rehearse services: clone their data, boot them in a sandbox, check them
    Test(Box<TestArgs>),
    /// Show what `test` would do, service by service; nothing is created
    Plan(Box<PlanArgs>),
    /// Write a plan file, rehearsa.toml, for what runs on this host
    Init(InitArgs),
    /// Show a service's configuration as read from its live container
    Inspect(InspectArgs),
    /// Remove what crashed runs left
    Clean(CleanArgs),
    /// See a rehearsal from end to end on a small service that rehearsa brings along
    Demo(DemoArgs),
    /// Make the reports of a run again from its recorded events
    ///
    /// The same verdicts, the same exit code, in any form. Nothing is rehearsed, and no Docker is needed.
    Report(Box<RecordArgs>),
    /// Join the records of parallel jobs into one result
    ///
    /// One table, one exit code, and any report of the whole. No Docker is needed.
    Merge(Box<MergeArgs>),
    /// Say what a code such as `boot/exited` means and what to do
    Explain(ExplainArgs),
    /// Print the JSON Schema of the JSON report or of the plan file
    Schema(SchemaArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
}

/// Which services.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Selection")]
pub struct SelectionArgs {
    /// Only services with any of these in their name (`stack::service`) [default: all that run]
    #[arg(value_name = "FILTER", display_order = 0)]
    pub filters: Vec<String>,
    /// A FILTER must be the whole name; `test` refuses to begin when one of them finds nothing
    #[arg(long)]
    pub exact: bool,
    /// Leave out services with this in their name (may be repeated)
    // As libtest takes it: whatever follows is the value, also when it begins with a hyphen.
    #[arg(long, value_name = "FILTER", allow_hyphen_values = true)]
    pub skip: Vec<String>,
    /// Only those that are ignored, by the label rehearsa.skip or because they cannot be rehearsed
    #[arg(long)]
    pub ignored: bool,
    /// The ignored ones too
    #[arg(long)]
    pub include_ignored: bool,
}

/// How each service is rehearsed.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Rehearsal")]
pub struct RehearsalArgs {
    /// The plan file [default: rehearsa.toml in the working directory, when there is one] [env: REHEARSA_PLAN]
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Time a service has to become ready [default: 2m, or what its healthcheck allows] [env: REHEARSA_TIMEOUT]
    #[arg(long, value_name = "DURATION")]
    pub timeout: Option<String>,
    /// Time it must then stay well [default: 3s] [env: REHEARSA_SETTLE]
    #[arg(long, value_name = "DURATION")]
    pub settle: Option<String>,
    /// The most that is copied of a mount; 0 for no bound [default: 20GiB] [env: REHEARSA_MAX_COPY]
    #[arg(long, value_name = "SIZE")]
    pub max_copy: Option<String>,
    /// How a mount gets its data: copy, readonly, overlay, empty or omit (may be repeated; the last match wins). MOUNT is a
    /// path in the container, a volume or a path of the host: `/media=readonly`, `media::jellyfin:/cache=empty`
    /// [env: REHEARSA_STRATEGY]
    #[arg(long, value_name = "[SERVICE:]MOUNT=STRATEGY")]
    pub strategy: Vec<String>,
    /// Memory for services that have no limit of their own, as in `2GiB`; 6MiB at least [env: REHEARSA_MEMORY]
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// Keep the sandbox of a failed rehearsal, and say how to look into it and how to remove it
    #[arg(long)]
    pub keep: bool,
    /// Boot each green service once more on empty mounts, to see whether its checks notice [env: REHEARSA_CONTROL]
    #[arg(long)]
    pub control: bool,
    /// Compare the content of every file that came back with the backup's, too: reads all of it once more
    /// [env: REHEARSA_VERIFY_CONTENT]
    #[arg(long)]
    pub verify_content: bool,
    /// From which backup.
    #[command(flatten)]
    pub backup: BackupArgs,
    /// Rehearsals at a time [default: 2] [env: REHEARSA_TEST_THREADS, RUST_TEST_THREADS]
    #[arg(long, value_name = "N")]
    pub test_threads: Option<String>,
}

/// How the run as a whole goes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Run")]
pub struct RunArgs {
    /// Start no more rehearsals after the first that is not green
    #[arg(long, conflicts_with = "max_fail")]
    pub fail_fast: bool,
    /// Start no more rehearsals after N that are not green
    #[arg(long, value_name = "N")]
    pub max_fail: Option<String>,
    /// Try a rehearsal that could not be concluded (errored) up to N times more, each in a new sandbox [env: REHEARSA_RETRIES]
    #[arg(long, value_name = "N")]
    pub retries: Option<String>,
    /// Try failed rehearsals again too; one that then passes is reported as flaky
    #[arg(long, requires = "retries")]
    pub retry_failures: bool,
    /// Take only a part of the selected services: `slice:1/3` deals them out in turn, `hash:1/3` by name [env:
    /// REHEARSA_PARTITION; default: CI_NODE_INDEX and CI_NODE_TOTAL]
    #[arg(long, value_name = "KIND:PART/PARTS")]
    pub partition: Option<String>,
    /// Take only what was not green in an earlier run, by its record, its JSON report or the folder of its reports
    #[arg(long, value_name = "REPORT")]
    pub rerun_failed: Option<PathBuf>,
    /// What it means when no service is selected, or none by one of several exact names
    #[arg(long, value_enum, value_name = "MEANING", default_value_t = NoTestsArg::Fail)]
    pub no_tests: NoTestsArg,
    /// End the run after this time; what is not done by then could not be found out [env: REHEARSA_GLOBAL_TIMEOUT]
    #[arg(long, value_name = "DURATION")]
    pub global_timeout: Option<String>,
    /// Say so when a rehearsal takes longer than this [default: 60s] [env: REHEARSA_SLOW_AFTER]
    #[arg(long, value_name = "DURATION")]
    pub slow_after: Option<String>,
}

/// `--no-tests`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum NoTestsArg {
    /// Exit code 0.
    Pass,
    /// A warning, and exit code 0.
    Warn,
    /// Exit code 4.
    #[default]
    Fail,
}

/// What is seen of a run. The flags are those of `cargo test`.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// List the services, and rehearse nothing
    #[arg(long)]
    pub list: bool,
    /// How results are written to standard output
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<TestFormat>,
    /// One character a service; the same as --format terse
    #[arg(short, long, conflicts_with = "format")]
    pub quiet: bool,
    /// Colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    pub color: ColorChoice,
    /// Taken for the sake of `cargo test`; nothing is captured here, and a failure shows the service's log
    #[arg(long, visible_alias = "no-capture")]
    pub nocapture: bool,
    /// Taken for the sake of `cargo test`; changes nothing
    #[arg(long, hide = true)]
    pub show_output: bool,
    /// Taken for the sake of `cargo test`; changes nothing
    #[arg(short = 'Z', hide = true, value_enum, value_name = "FLAG")]
    pub unstable: Option<UnstableFlag>,
    /// Taken for the sake of `cargo test`; changes nothing
    #[arg(long = "test", hide = true, conflicts_with = "bench")]
    pub test: bool,
    /// Taken for the sake of `cargo bench`: there are no benchmarks, so nothing is run
    #[arg(long, hide = true)]
    pub bench: bool,
}

/// What libtest takes after `-Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UnstableFlag {
    /// `unstable-options`.
    UnstableOptions,
}

/// `rehearsa test`.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = "\
Examples:
  rehearsa test                                  every running service
  rehearsa test jellyfin immich                  those with one of these in their name
  rehearsa test --exact media::jellyfin          this one
  rehearsa test --skip media --test-threads 4    all but a stack, four at a time
  rehearsa test plex --strategy /media=readonly  without copying its films
  rehearsa test --report-dir reports             with all reports

Labels on a container say the same for that one service: rehearsa.ignore=true, rehearsa.skip=REASON, rehearsa.timeout, \
rehearsa.settle, rehearsa.max-copy, rehearsa.memory, rehearsa.mounts=/media=readonly,/cache=empty, rehearsa.source, \
rehearsa.map=/config=backup/config, rehearsa.allow-empty=/cache, rehearsa.max-entries, rehearsa.max-age, rehearsa.max-rto, \
rehearsa.depends_on=db:service_healthy. The plan file, rehearsa.toml, says it for all services, a stack or one. A flag is heard \
before the environment, that before a label, and that before the plan file.")]
pub struct TestArgs {
    /// Which services.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// How.
    #[command(flatten)]
    pub rehearsal: RehearsalArgs,
    /// How all of them.
    #[command(flatten)]
    pub run: RunArgs,
    /// Report files.
    #[command(flatten)]
    pub reports: ReportArgs,
    /// What is seen.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `rehearsa plan`.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = "\
Examples:
  rehearsa plan                    every running service
  rehearsa plan media --no-sizes   a stack, without measuring its volumes
  rehearsa plan --check            whether rehearsa.toml holds: what it names is there, and can be read
  rehearsa plan --format json      for a program")]
pub struct PlanArgs {
    /// Only see whether the plan file holds: its keys, its services, mounts and sources, and where its secrets are found
    #[arg(long, conflicts_with_all = ["filters", "format", "no_sizes"])]
    pub check: bool,
    /// Which services.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// How they would be rehearsed.
    #[command(flatten)]
    pub rehearsal: RehearsalArgs,
    /// How it is shown.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = TextOrJson::Text, help_heading = "Output")]
    pub format: TextOrJson,
    /// Do not measure what the mounts hold; otherwise a worker is started that reads them
    #[arg(long, help_heading = "Output")]
    pub no_sizes: bool,
}

/// For people or for programs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum TextOrJson {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// `rehearsa inspect`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Values of environment variables are never shown: they may be secrets.")]
pub struct InspectArgs {
    /// The service: `stack::service`, a container's name or the start of its id
    #[arg(value_name = "SERVICE")]
    pub service: String,
    /// How it is shown
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = TextOrJson::Text, help_heading = "Output")]
    pub format: TextOrJson,
}

/// `rehearsa clean`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
What a run creates bears labels that say whose it is. Removed is what belongs to a process of this host that is gone, and \
what has expired. Runs that are still alive are left alone.

A --session of which nothing is there, for it was removed or never was, is told and is no error (exit code 0).")]
pub struct CleanArgs {
    /// The worker images too; the next run makes one again
    #[arg(long)]
    pub all: bool,
    /// Only what belongs to this session, as the run that kept it says
    #[arg(long, value_name = "ID", conflicts_with = "all")]
    pub session: Option<String>,
    /// Say what would be removed, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How it is shown
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = TextOrJson::Text, help_heading = "Output")]
    pub format: TextOrJson,
}

/// `rehearsa demo`.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = "\
Nothing is pulled and nothing of the host is touched: the demo service is rehearsa's own executable.")]
pub struct DemoArgs {
    /// Where the reports go [default: a new folder for temporary files]
    #[arg(long, value_name = "DIR", help_heading = "Reports")]
    pub report_dir: Option<PathBuf>,
    /// Colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = ColorChoice::Auto, help_heading = "Output")]
    pub color: ColorChoice,
}

/// `rehearsa completions`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  rehearsa completions bash > ~/.local/share/bash-completion/completions/rehearsa
  rehearsa completions zsh > \"${fpath[1]}/_rehearsa\"
  rehearsa completions fish > ~/.config/fish/completions/rehearsa.fish")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

impl TestArgs {
    /// What settings are resolved from.
    pub fn flags(&self) -> Flags {
        let mut flags = flags(&self.selection, &self.rehearsal);
        let run = &self.run;
        flags.fail_fast = run.fail_fast;
        flags.max_fail.clone_from(&run.max_fail);
        flags.retries.clone_from(&run.retries);
        flags.retry_failures = run.retry_failures;
        flags.partition.clone_from(&run.partition);
        flags.no_tests = run.no_tests.into();
        flags.global_timeout.clone_from(&run.global_timeout);
        flags.slow_after.clone_from(&run.slow_after);
        self.reports.add_to(&mut flags);
        flags
    }
}

impl From<NoTestsArg> for NoTests {
    fn from(arg: NoTestsArg) -> Self {
        match arg {
            NoTestsArg::Pass => NoTests::Pass,
            NoTestsArg::Warn => NoTests::Warn,
            NoTestsArg::Fail => NoTests::Fail,
        }
    }
}

impl RehearsalArgs {
    /// The flags of [`ServiceValues`](crate::config::declared::ServiceValues), by the keys of the plan file.
    fn values(&self) -> BTreeMap<&'static str, String> {
        let switch = |is_on: bool| is_on.then(|| "true".to_owned());
        let typed = [
            ("timeout", self.timeout.clone()),
            ("settle", self.settle.clone()),
            ("max_copy", self.max_copy.clone()),
            ("max_entries", self.backup.max_entries.clone()),
            ("memory", self.memory.clone()),
            ("max_age", self.backup.max_age.clone()),
            ("max_rto", self.backup.max_rto.clone()),
            ("control", switch(self.control)),
            ("verify_content", switch(self.verify_content)),
        ];
        typed.into_iter().filter_map(|(key, text)| Some((key, text?))).collect()
    }
}

impl PlanArgs {
    /// What settings are resolved from.
    pub fn flags(&self) -> Flags {
        flags(&self.selection, &self.rehearsal)
    }
}

fn flags(selection: &SelectionArgs, rehearsal: &RehearsalArgs) -> Flags {
    let mut flags = Flags {
        filters: selection.filters.clone(),
        skip: selection.skip.clone(),
        exact: selection.exact,
        ignored: selection.ignored,
        include_ignored: selection.include_ignored,
        threads: rehearsal.test_threads.clone(),
        values: rehearsal.values(),
        keep: rehearsal.keep,
        strategies: rehearsal.strategy.clone(),
        ..Flags::default()
    };
    rehearsal.backup.fill(&mut flags);
    flags
}

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;
