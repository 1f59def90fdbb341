//! The command line as typed. [`crate::config::resolve`] reads its settings.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use super::choices::{ColorChoice, TestFormat, TextOrJson};
use crate::config::notify_layer::NotifyFlags;
use crate::config::resolve::Flags;
use crate::model::event::NoTests;

mod backup;
mod compose;
mod init;
mod lock;
mod profile;
mod records;
mod reports;
mod score;
mod selection;
mod timer;

pub use backup::BackupArgs;
pub use compose::ComposeArgs;
pub use init::InitArgs;
pub use lock::LockArgs;
pub use profile::ProfileArgs;
pub use records::{ExplainArgs, MergeArgs, RecordArgs, SchemaArgs, SchemaOf};
pub use reports::ReportArgs;
pub use score::ScoreArgs;
pub use selection::SelectionArgs;
pub use timer::{TimerAction, TimerArgs, TimerName, TimerUnits};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "rehearsa",
    version,
    about = "Rehearses restores: boots Docker services from their backups in a sandbox and checks that they work",
    long_about = "Backups are hope. Rehearsa is proof.\n\n\
        Rehearsa takes a service that runs on this Docker host, restores its data into new volumes, boots the service \
        from them in a sandbox that reaches nothing live, checks that it works, reports, and removes every trace.",
    arg_required_else_help = true,
    subcommand_required = true,
    disable_help_subcommand = true,
    max_term_width = 110,
    after_help = "\
Examples:
  rehearsa demo                       shows a rehearsal of a service that rehearsa brings along
  rehearsa test                       rehearses every running service of this host
  rehearsa test jellyfin              rehearses those with `jellyfin` in their name
  rehearsa plan                       shows what `test` would do and creates nothing
  rehearsa test --junit report.xml    writes a report for CI

Exit codes: 0 all passed or were skipped with a reason, 101 a service failed, 102 a rehearsal errored and none failed, \
2 wrong usage, 4 no service was selected, 130 and 143 interrupted."
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
    about = "Rehearses the services of this Docker host, one test each",
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
    /// Say more on standard error; `-vv` says much more. REHEARSA_LOG filters by part, as in `rehearsa::docker=debug`
    #[arg(short = 'v', long = "verbose", action = ArgAction::Count, global = true, help_heading = "Output")]
    pub verbose: u8,
}

/// Where the engine is.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Connection")]
pub struct ConnectionArgs {
    /// Connect to this Docker engine: unix:///path, tcp://host:2375 or ssh://user@host [default: the Docker CLI's
    /// context] [env: DOCKER_HOST]
    #[arg(short = 'H', long, global = true, value_name = "ADDRESS")]
    pub host: Option<String>,
    /// Wait up to this long for an engine that is still starting: `60s` [env: REHEARSA_DOCKER_WAIT]
    #[arg(long, global = true, value_name = "DURATION")]
    pub docker_wait: Option<String>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Rehearse services: restore their data, boot them in a sandbox, check them
    Test(Box<TestArgs>),
    /// Show what `test` would do, service by service; nothing is created
    Plan(Box<PlanArgs>),
    /// Show what a service held in its last green runs, as `--history` keeps it
    Profile(ProfileArgs),
    /// Score the backups of services without a boot: their age, whether they can be read and hold every mount
    Score(Box<ScoreArgs>),
    /// Write a plan file, rehearsa.toml, for the services of this host
    Init(InitArgs),
    /// Write rehearsa.lock beside a Compose file: its images, and which part of the backup belongs to which mount
    Lock(Box<LockArgs>),
    /// Show the configuration of a live service
    Inspect(InspectArgs),
    /// Remove what crashed runs left behind
    Clean(CleanArgs),
    /// Rehearse a small service that rehearsa brings along, from backup to report
    Demo(DemoArgs),
    /// Make the reports of a recorded run again
    ///
    /// The verdicts and the exit code are those of the run. Nothing is rehearsed, and no Docker is needed.
    Report(Box<RecordArgs>),
    /// Join the records of parallel jobs into one result
    ///
    /// The result has one table, one exit code and any report. No Docker is needed.
    Merge(Box<MergeArgs>),
    /// Explain a code such as `boot/exited`, and say what to do
    Explain(ExplainArgs),
    /// Print the JSON Schema of the JSON report, of the record of a run, or of the plan file
    Schema(SchemaArgs),
    /// Rehearse regularly: write a service and a timer of systemd
    Timer(TimerArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Write the manual pages into a folder
    Man(ManArgs),
}

/// How each service is rehearsed.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Rehearsal")]
pub struct RehearsalArgs {
    /// Read this plan file [default: rehearsa.toml in the working directory, if it exists] [env: REHEARSA_PLAN]
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Give a service this long to become ready [default: 2m, or what its healthcheck allows if that is longer]
    /// [env: REHEARSA_TIMEOUT]
    #[arg(long, value_name = "DURATION")]
    pub timeout: Option<String>,
    /// Watch a ready service for this long; it must stay well [default: 3s] [env: REHEARSA_SETTLE]
    #[arg(long, value_name = "DURATION")]
    pub settle: Option<String>,
    /// Restore no more than this of a mount; 0 is no limit [default: 20GiB] [env: REHEARSA_MAX_COPY]
    #[arg(long, value_name = "SIZE")]
    pub max_copy: Option<String>,
    /// Choose how a mount gets its data: copy, readonly, overlay, empty or omit. MOUNT is a path in the container, a
    /// volume or a path of the host: `/media=readonly`, `media::jellyfin:/cache=empty`. May be repeated; the last match
    /// wins [env: REHEARSA_STRATEGY]
    #[arg(long, value_name = "[SERVICE:]MOUNT=STRATEGY")]
    pub strategy: Vec<String>,
    /// Limit the memory of services without a limit of their own: `2GiB`, at least 6MiB; 0 is the default [default:
    /// half of the host's memory] [env: REHEARSA_MEMORY]
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// Limit the processes of services without a limit of their own; 0 is the default [default: 4096] [env:
    /// REHEARSA_PIDS]
    #[arg(long, value_name = "N")]
    pub pids: Option<String>,
    /// Pull images: `missing` (if the engine does not have them), `always` or `never` [default: missing] [env:
    /// REHEARSA_PULL]
    #[arg(long, value_name = "WHEN")]
    pub pull: Option<String>,
    /// Give up a pull that stands still for this long [default: 2m] [env: REHEARSA_PULL_TIMEOUT]
    #[arg(long, value_name = "DURATION")]
    pub pull_timeout: Option<String>,
    /// Boot this service too, before every service that shares a network with it or links to it; may be repeated, in
    /// the order of the boot
    #[arg(long, value_name = "SERVICE")]
    pub with: Vec<String>,
    /// Keep the sandbox of a failed rehearsal, and say how to inspect and remove it
    #[arg(long)]
    pub keep: bool,
    /// Boot each green service once more on empty mounts, to see whether its checks notice [env: REHEARSA_CONTROL]
    #[arg(long)]
    pub control: bool,
    /// Fail a green service that has shown less: restored, complete, matches-live, healthy or data-proven; `none`
    /// requires nothing [env: REHEARSA_REQUIRE_PROOF]
    #[arg(long, value_name = "LEVEL")]
    pub require_proof: Option<String>,
    /// Fail a green service whose backup has a lower score; 0 requires nothing [env: REHEARSA_MIN_SCORE]
    #[arg(long, value_name = "N")]
    pub min_score: Option<String>,
    /// Fail a service for each warning of the plan about its files or its configuration (`config/…`)
    /// [env: REHEARSA_STRICT]
    #[arg(long)]
    pub strict: bool,
    /// Let the tools that check data stores read all of the data, however much it is [env: REHEARSA_DEEP]
    #[arg(long)]
    pub deep: bool,
    /// Compare the content of every restored file with the backup, which reads all of the backup once more
    /// [env: REHEARSA_VERIFY_CONTENT]
    #[arg(long)]
    pub verify_content: bool,
    /// Keep the profile of each green service in this folder, and fail a service whose backup holds less than in its
    /// last green run [env: REHEARSA_HISTORY]
    #[arg(long, value_name = "FOLDER")]
    pub history: Option<PathBuf>,
    /// Allow this much less than in the last green run: `files=80%, rows=20%, gone`, or `100%` for all
    /// [default: files=50%, rows=10%] [env: REHEARSA_TOLERANCE]
    #[arg(long, value_name = "RULES")]
    pub tolerance: Option<String>,
    /// Run this many rehearsals at a time [default: 2] [env: REHEARSA_TEST_THREADS, RUST_TEST_THREADS]
    // Stands before the flags of backups: they begin a heading of their own.
    #[arg(long, value_name = "N")]
    pub test_threads: Option<String>,
    /// From which backup.
    #[command(flatten)]
    pub backup: BackupArgs,
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
    /// Try an errored rehearsal up to N times more, each time in a new sandbox [env: REHEARSA_RETRIES]
    #[arg(long, value_name = "N")]
    pub retries: Option<String>,
    /// Try failed rehearsals again too; a rehearsal that then passes is reported as flaky
    #[arg(long, requires = "retries")]
    pub retry_failures: bool,
    /// Take only a part of the selected services: `slice:1/3` deals them out in turn, `hash:1/3` by name
    /// [env: REHEARSA_PARTITION, CI_NODE_INDEX with CI_NODE_TOTAL]
    #[arg(long, value_name = "KIND:PART/PARTS")]
    pub partition: Option<String>,
    /// Take only services that were not green in an earlier run: its record, its JSON report, or the folder of its
    /// reports
    #[arg(long, value_name = "REPORT")]
    pub rerun_failed: Option<PathBuf>,
    /// Choose the result when no service is selected, or none by one of several exact names
    #[arg(long, value_enum, value_name = "MEANING", default_value_t = NoTestsArg::Fail)]
    pub no_tests: NoTestsArg,
    /// End the run after this time; rehearsals that are not done by then error [env: REHEARSA_GLOBAL_TIMEOUT]
    #[arg(long, value_name = "DURATION")]
    pub global_timeout: Option<String>,
    /// Compare the run with an earlier one, which changes no verdict: its record, its JSON report, or the folder of its
    /// reports [env: REHEARSA_BASELINE]
    #[arg(long, value_name = "REPORT")]
    pub baseline: Option<PathBuf>,
    /// Notify of the run; can be given several times: ntfy://HOST/TOPIC (ntfys:// for HTTPS), https://HOST/HOOK (takes
    /// JSON), ping:https://HOST/UUID (as healthchecks.io does it), mailto:ADDRESS (by sendmail)
    /// [env: REHEARSA_NOTIFY]
    #[arg(long, value_name = "ADDRESS")]
    pub notify: Vec<String>,
    /// Notify of each run (always), of one that is no success (failure), or of another verdict than in the run that
    /// --baseline names (change); a ping is told of every run [default: always] [env: REHEARSA_NOTIFY_WHEN]
    #[arg(long, value_name = "WHEN")]
    pub notify_when: Option<String>,
    /// The time for all notifications together [default: 10s] [env: REHEARSA_NOTIFY_TIMEOUT]
    #[arg(long, value_name = "DURATION")]
    pub notify_timeout: Option<String>,
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
    /// List the services and rehearse nothing
    #[arg(long)]
    pub list: bool,
    /// Print results in this format
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<TestFormat>,
    /// Print one character a service, as --format terse does
    #[arg(short, long, conflicts_with = "format")]
    pub quiet: bool,
    /// Use colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    pub color: ColorChoice,
    /// Change nothing: accepted as in `cargo test`; nothing is captured, and a failure shows the service's log
    #[arg(long, visible_alias = "no-capture")]
    pub nocapture: bool,
    /// Change nothing: accepted as in `cargo test`
    #[arg(long, hide = true)]
    pub show_output: bool,
    /// Change nothing: accepted as in `cargo test`
    #[arg(short = 'Z', hide = true, value_enum, value_name = "FLAG")]
    pub unstable: Option<UnstableFlag>,
    /// Change nothing: accepted as in `cargo test`
    #[arg(long = "test", hide = true, conflicts_with = "bench")]
    pub test: bool,
    /// Run nothing: accepted as in `cargo bench`, and there are no benchmarks
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
  rehearsa test                                  rehearses every running service
  rehearsa test jellyfin immich                  rehearses those with one of these in their name
  rehearsa test --exact media::jellyfin          rehearses this one
  rehearsa test --skip media --test-threads 4    rehearses all but a stack, four at a time
  rehearsa test plex --strategy /media=readonly  does not copy its films
  rehearsa test --report-dir reports             writes all reports
  rehearsa test -f compose.yaml --from tar:b.tar rehearses a stack that does not run here

Settings of one service can be labels of its container: rehearsa.ignore=true, rehearsa.skip=REASON, rehearsa.timeout, \
rehearsa.settle, rehearsa.max-copy, rehearsa.max-entries, rehearsa.max-window, rehearsa.memory, rehearsa.pids, \
rehearsa.max-age, rehearsa.max-rto, rehearsa.control, rehearsa.require-proof, rehearsa.min-score, \
rehearsa.strict, rehearsa.deep, rehearsa.verify-content, rehearsa.exclude, rehearsa.witness-slack, rehearsa.pull, \
rehearsa.pull-timeout, rehearsa.tolerance, rehearsa.mounts=/media=readonly,/cache=empty, rehearsa.source, \
rehearsa.map=/config=backup/config, rehearsa.allow-empty=/cache, rehearsa.load.database, rehearsa.load.command, \
rehearsa.load.from, rehearsa.check.NAME='exec test -s /data/app.db', rehearsa.depends_on=db:service_healthy. The \
plan file, rehearsa.toml, holds settings of all services, of a stack or of one service. Precedence: flag, environment, \
label, plan file.")]
pub struct TestArgs {
    /// Which services.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// How.
    #[command(flatten)]
    pub rehearsal: RehearsalArgs,
    /// Which stack, from which files.
    #[command(flatten)]
    pub compose: ComposeArgs,
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
  rehearsa plan                    shows the plan for every running service
  rehearsa plan media --no-sizes   shows a stack and does not measure its volumes
  rehearsa plan --check            checks rehearsa.toml: what it names exists and can be read
  rehearsa plan --format json      prints the plan for a program
  rehearsa plan -f compose.yaml    shows the plan for a stack from its files; no engine is asked")]
pub struct PlanArgs {
    /// Check the plan file and nothing else: its keys, services, mounts and sources, and where its secrets are found
    #[arg(long, conflicts_with_all = ["filters", "format", "no_sizes", "file", "stack", "as_new_host"])]
    pub check: bool,
    /// Which services.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// How they would be rehearsed.
    #[command(flatten)]
    pub rehearsal: RehearsalArgs,
    /// Which stack, from which files.
    #[command(flatten)]
    pub compose: ComposeArgs,
    /// Print in this format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = TextOrJson::Text, help_heading = "Output")]
    pub format: TextOrJson,
    /// Do not measure the mounts; otherwise a worker starts and reads them
    #[arg(long, help_heading = "Output")]
    pub no_sizes: bool,
}

/// `rehearsa inspect`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Values of environment variables are never shown: they may be secrets.")]
pub struct InspectArgs {
    /// The service: `stack::service`, a container's name, or the start of a container's id
    #[arg(value_name = "SERVICE")]
    pub service: String,
    /// Print in this format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = TextOrJson::Text, help_heading = "Output")]
    pub format: TextOrJson,
}

/// `rehearsa clean`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Rehearsa labels whatever it creates. `clean` removes the objects of processes of this host that are gone, and objects \
that have expired. It leaves living runs alone, and whatever carries the labels and was not created by Rehearsa.

A --session without any object is no error (exit code 0).")]
pub struct CleanArgs {
    /// Remove the worker images too; the next run makes a new one
    #[arg(long)]
    pub all: bool,
    /// Remove only the objects of this session; the run that kept them prints its ID
    #[arg(long, value_name = "ID", conflicts_with = "all")]
    pub session: Option<String>,
    /// Leave sandboxes that were kept with `--keep` until they expire; for the end of a CI job
    #[arg(long, conflicts_with = "session")]
    pub spare_kept: bool,
    /// Show what would be removed and remove nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print in this format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = TextOrJson::Text, help_heading = "Output")]
    pub format: TextOrJson,
}

/// `rehearsa demo`.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = "\
The demo pulls nothing and touches nothing of the host: its service is rehearsa's own executable.")]
pub struct DemoArgs {
    /// Remove the demo's service and its data before the rehearsal: it has to come back from its Compose file and the
    /// backup alone
    #[arg(long)]
    pub disaster: bool,
    /// Write the reports into this folder [default: a new temporary folder]
    #[arg(long, value_name = "DIR", help_heading = "Reports")]
    pub report_dir: Option<PathBuf>,
    /// Use colours
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

/// `rehearsa man`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  rehearsa man ~/.local/share/man/man1    makes `man rehearsa` and `man rehearsa-test` work")]
pub struct ManArgs {
    /// The folder; it is made if it is not there
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
}

impl TestArgs {
    /// The flags that settings are read from.
    pub fn flags(&self) -> Flags {
        let mut flags = flags(&self.selection, &self.rehearsal);
        let run = &self.run;
        flags.fail_fast = run.fail_fast;
        flags.max_fail.clone_from(&run.max_fail);
        flags.baseline.clone_from(&run.baseline);
        flags.notify = NotifyFlags {
            targets: run.notify.clone(),
            when: run.notify_when.clone(),
            timeout: run.notify_timeout.clone(),
        };
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
            ("max_window", self.backup.max_window.clone()),
            ("memory", self.memory.clone()),
            ("pids", self.pids.clone()),
            ("max_age", self.backup.max_age.clone()),
            ("max_rto", self.backup.max_rto.clone()),
            ("control", switch(self.control)),
            ("require_proof", self.require_proof.clone()),
            ("min_score", self.min_score.clone()),
            ("strict", switch(self.strict)),
            ("deep", switch(self.deep)),
            ("verify_content", switch(self.verify_content)),
            ("exclude", (!self.backup.exclude.is_empty()).then(|| self.backup.exclude.join(","))),
            ("witness_slack", self.backup.witness_slack.clone()),
            ("pull", self.pull.clone()),
            ("pull_timeout", self.pull_timeout.clone()),
            ("tolerance", self.tolerance.clone()),
        ];
        typed.into_iter().filter_map(|(key, text)| Some((key, text?))).collect()
    }
}

impl PlanArgs {
    /// The flags that settings are read from.
    pub fn flags(&self) -> Flags {
        flags(&self.selection, &self.rehearsal)
    }
}

impl LockArgs {
    /// The same flags as those of a rehearsal.
    pub fn rehearsal(&self) -> RehearsalArgs {
        let LockArgs { compose: _, pull, pull_timeout, plan, strategy, backup } = self.clone();
        RehearsalArgs { pull, pull_timeout, plan, strategy, backup, ..RehearsalArgs::default() }
    }

    /// The flags that settings are read from.
    pub fn flags(&self) -> Flags {
        flags(&SelectionArgs::default(), &self.rehearsal())
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
        with: rehearsal.with.clone(),
        keep: rehearsal.keep,
        history: rehearsal.history.clone(),
        strategies: rehearsal.strategy.clone(),
        ..Flags::default()
    };
    rehearsal.backup.fill(&mut flags);
    flags
}

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;
