//! The command line: the only room that prints outside reports, reads the real environment and clock, and exits.
//!
//! [`args`] is the command line as typed; each command has a file. `rehearsa worker …`, which this executable runs
//! inside containers, and `rehearsa tool …`, which it runs around programs that read backups, are hidden, and
//! dispatched before anything else because they must start fast.

pub mod args;
mod as_new_host;
pub mod check;
pub mod choices;
pub mod clean;
pub mod completions;
pub mod connection;
pub mod console;
pub mod demo;
mod demo_backup;
mod demo_disaster;
pub mod exit;
pub mod explain;
pub mod from_files;
mod history;
pub mod identity;
pub mod init;
mod init_text;
pub mod inspect;
mod inspect_view;
pub mod lock;
pub mod man;
pub mod merge;
mod min_score;
mod no_match;
mod notify;
pub mod parent;
mod piped_file;
pub mod plan;
mod plan_text;
mod plan_view;
pub mod prepare;
pub mod presentation;
mod profile;
mod profile_text;
mod project_backup;
pub mod project_findings;
mod project_images;
mod project_lock;
mod project_sources;
mod project_survey;
pub mod read_project;
mod rehearsal;
pub mod replay;
pub mod report;
pub mod reporters;
mod rerun;
pub mod runtime;
pub mod schema;
pub mod score;
mod score_metrics;
mod score_text;
mod score_view;
mod scored;
pub mod signals;
mod stopped_project;
pub mod survey;
pub mod test;
pub mod timer;
mod timer_units;
mod unpacked_stack;
mod unused_flags;
mod wanted_stacks;

use std::ffi::OsString;
use std::process::ExitCode as ProcessExit;

use clap::Parser;
use clap::error::{ContextKind, ContextValue};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::config::{Environment, declared};
use crate::model::outcome::ExitCode;
use crate::source::tool::launch;
use args::{Cli, Command, Global, HarnessArgs};
use exit::Failure;
use test::Caller;

/// Runs the program.
pub fn main() -> ProcessExit {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    if let Some(exit) = hidden_command(&mut args) {
        return exit;
    }
    let env = match environment() {
        Ok(env) => env,
        Err(failure) => return finish(Err(failure), &Environment::default()),
    };
    if let Err(failure) = refuse_empty(&args) {
        return finish(Err(failure), &env);
    }
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    start_logging(&cli.global, &env);
    let result = match &cli.command {
        Command::Test(args) => test::run(args, &cli.global, &env, Caller::Command),
        Command::Plan(args) if args.check => check::run(args, &cli.global, &env),
        Command::Plan(args) => plan::run(args, &cli.global, &env),
        Command::Profile(args) => profile::run(args, &env),
        Command::Score(args) => score::run(args, &cli.global, &env),
        Command::Init(args) => init::run(args, &cli.global, &env),
        Command::Lock(args) => lock::run(args, &cli.global, &env),
        Command::Inspect(args) => inspect::run(args, &cli.global, &env),
        Command::Clean(args) => clean::run(args, &cli.global, &env),
        Command::Demo(args) => demo::run(args, &cli.global, &env),
        Command::Report(args) => report::run(args, &env),
        Command::Merge(args) => merge::run(args, &env),
        Command::Explain(args) => explain::run(args).map(|()| ExitCode::Passed),
        Command::Schema(args) => schema::run(args).map(|()| ExitCode::Passed),
        Command::Timer(args) => timer::run(args, &env).map(|()| ExitCode::Passed),
        Command::Man(args) => man::run(args).map(|()| ExitCode::Passed),
        Command::Completions(args) => completions::run(args).map(|()| ExitCode::Passed),
    };
    finish(result, &env)
}

/// What `rehearsa::harness::main()` runs: `rehearsa test` without its name.
pub fn harness() -> ProcessExit {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    if let Some(exit) = hidden_command(&mut args) {
        return exit;
    }
    let env = match environment() {
        Ok(env) => env,
        Err(failure) => return finish(Err(failure), &Environment::default()),
    };
    if let Err(failure) = refuse_empty(&args) {
        return finish(Err(failure), &env);
    }
    let harness = match HarnessArgs::try_parse_from(args) {
        Ok(harness) => harness,
        Err(error) => return usage(&error),
    };
    start_logging(&harness.global, &env);
    finish(test::run(&harness.test, &harness.global, &env, Caller::Harness), &env)
}

/// Runs a command that this program calls itself with: inside of containers (`worker`), and around programs that read
/// backups (`tool`). `None`: the arguments are a user's.
fn hidden_command(args: &mut Vec<OsString>) -> Option<ProcessExit> {
    match args.get(1)?.to_str()? {
        "worker" => Some(crate::worker::main(args.split_off(2))),
        launch::VERB => Some(launch::main(&args.split_off(2))),
        _ => None,
    }
}

/// Prints the error, if there is one, and makes the exit code.
pub fn finish(result: Result<ExitCode, Failure>, env: &Environment) -> ProcessExit {
    let exit = result.unwrap_or_else(|failure| {
        console::report(&failure, env);
        failure.exit
    });
    ProcessExit::from(exit.number())
}

/// The real environment. A variable of Rehearsa's own that is not UTF-8 is an error, since a run without its value
/// would be another run than the one that was asked for; any other such variable is left out.
fn environment() -> Result<Environment, Failure> {
    read_environment(std::env::vars_os())
}

fn read_environment(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<Environment, Failure> {
    let mut read = Vec::new();
    for (name, value) in variables {
        let Ok(name) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) if value.trim().is_empty() && is_setting(&name) => {
                return Err(Failure::usage(format!(
                    "the environment variable {name} is set and empty, so nobody knows what is meant"
                ))
                .hint("unset it, or give it a value; a variable that it is made of may be missing"));
            }
            Ok(value) => read.push((name, value)),
            Err(_) if name.starts_with("REHEARSA_") => {
                return Err(Failure::usage(format!("{name} is not UTF-8 text, so its value cannot be read")));
            }
            Err(_) => {}
        }
    }
    Ok(read.into_iter().collect())
}

/// Whether the variable sets something of Rehearsa.
fn is_setting(name: &str) -> bool {
    const OTHERS: [&str; 2] = ["REHEARSA_PASSPHRASE", "REHEARSA_LOG"];
    let is_declared = || declared::all().any(|setting| setting.variables.contains(&name));
    name.starts_with("REHEARSA_") && (OTHERS.contains(&name) || is_declared())
}

/// Refuses an argument without content: `--from "$BACKUP"` without the variable would rehearse the live data, and a
/// FILTER that is empty would select everything.
fn refuse_empty(args: &[OsString]) -> Result<(), Failure> {
    let text = |arg: &OsString| arg.to_string_lossy().into_owned();
    for (index, arg) in args.iter().enumerate().skip(1) {
        let arg = text(arg);
        let what = match arg.strip_suffix('=') {
            Some(flag) if flag.starts_with("--") => flag.to_owned(),
            _ if !arg.trim().is_empty() => continue,
            _ => match args[..index].last().map(text) {
                Some(flag) if index > 1 && flag.starts_with('-') => flag,
                _ => "an argument".to_owned(),
            },
        };
        let message = format!("{what} is given and empty, so nobody knows what is meant");
        return Err(Failure::usage(message).hint("leave it out, or give it a value; a variable in it may be missing"));
    }
    Ok(())
}

/// Help and version go to standard output with code 0, errors to standard error with code 2.
pub fn usage(error: &clap::Error) -> ProcessExit {
    // A closed pipe is no reason to panic.
    let _ = error.print();
    if let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidSubcommand)
        && let Some((_, meant)) = ELSEWHERE.iter().find(|(known, _)| known == typed)
    {
        console::note(&format!("\n  tip: `rehearsa {meant}` does that"));
    }
    ProcessExit::from(if error.use_stderr() && !is_bare(error) { ExitCode::Usage.number() } else { 0 })
}

/// Commands that people try, and how they are called here.
const ELSEWHERE: [(&str, &str); 15] = [
    ("check", "plan --check"),
    ("validate", "plan --check"),
    ("lint", "plan --check"),
    ("list", "test --list"),
    ("ls", "test --list"),
    ("ps", "test --list"),
    ("run", "test"),
    ("verify", "test"),
    ("restore", "test"),
    ("rehearse", "test"),
    ("prune", "clean"),
    ("cleanup", "clean"),
    ("show", "inspect"),
    ("help", "--help"),
    ("version", "--version"),
];

/// Whether `rehearsa` was called without arguments, which prints the help.
fn is_bare(error: &clap::Error) -> bool {
    error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand && std::env::args_os().len() <= 1
}

/// Logs warnings to standard error, more with `-v`; REHEARSA_LOG sets the level module by module.
pub fn start_logging(global: &Global, env: &Environment) {
    let level = match global.verbose {
        0 => "warn",
        1 => "warn,rehearsa=info",
        2 => "warn,rehearsa=debug",
        _ => "debug,rehearsa=trace",
    };
    let by_verbosity = || level.parse::<Targets>().expect("the levels above are well-formed");
    let by_variable = env.get("REHEARSA_LOG").map(str::parse::<Targets>).transpose();
    let filter = by_variable.as_ref().ok().cloned().flatten().unwrap_or_else(by_verbosity);
    // A line that cannot be written because standard error is closed is lost; telling so there would be a panic.
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false).log_internal_errors(false);
    let lines = if global.verbose < 2 { lines.without_time().with_target(false).boxed() } else { lines.boxed() };
    // If a test harness that links us has set a logger already, that one stays.
    let _ = tracing_subscriber::registry().with(filter).with(filter_fn(may_be_shown)).with(lines).try_init();
    if let Err(error) = by_variable {
        tracing::warn!("REHEARSA_LOG is ignored: {error}; write PART=LEVEL, as in `warn,rehearsa=debug`");
    }
}

/// Leaves out the engine client's own debug log: the client logs every request and answer, and with them the
/// variables of all containers. No level and no REHEARSA_LOG shows it.
fn may_be_shown(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::INFO || !metadata.target().starts_with("bollard")
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn a_variable_that_is_not_text_is_refused_if_it_is_a_setting() {
        let variable = |name: &str| (OsString::from(name), OsString::from_vec(b"tar:/backup/caf\xe9.tar".to_vec()));
        let home = (OsString::from("HOME"), OsString::from("/home/me"));
        let env = read_environment([variable("LS_COLORS"), home].into_iter()).unwrap();
        assert_eq!((env.get("HOME"), env.get("LS_COLORS")), (Some("/home/me"), None));
        let failure = read_environment([variable("REHEARSA_FROM")].into_iter()).unwrap_err();
        assert!(failure.render(false).contains("REHEARSA_FROM is not UTF-8 text"), "{}", failure.render(false));
    }

    #[test]
    fn a_variable_of_ours_that_is_empty_is_refused_and_one_of_others_is_not() {
        let read = |name: &str, value: &str| read_environment([(name.into(), value.into())].into_iter());
        for name in ["REHEARSA_FROM", "REHEARSA_PLAN", "REHEARSA_PASSPHRASE", "REHEARSA_TIMEOUT", "REHEARSA_RETRIES"] {
            let words = read(name, " ").unwrap_err().render(false);
            assert!(words.contains(&format!("{name} is set and empty")), "{words}");
            assert!(read(name, "x").is_ok());
        }
        for name in ["RUST_TEST_THREADS", "DOCKER_HOST", "CI_NODE_INDEX", "REHEARSA_MY_OWN"] {
            assert!(read(name, "").is_ok(), "{name}");
        }
    }

    #[test]
    fn an_argument_that_is_empty_is_refused_by_its_flag() {
        let told = |args: &[&str]| {
            let args: Vec<OsString> = ["rehearsa"].iter().chain(args).map(OsString::from).collect();
            refuse_empty(&args).err().map(|failure| failure.error.to_string()).unwrap_or_default()
        };
        assert!(told(&["test", "--from", ""]).starts_with("--from is given and empty"));
        assert!(told(&["test", "--snapshot="]).starts_with("--snapshot is given and empty"));
        assert!(told(&["test", "--skip", "  "]).starts_with("--skip is given and empty"));
        assert!(told(&["test", "", "--exact"]).starts_with("an argument is given and empty"));
        assert_eq!(told(&["test", "--map", "/a=", "a=", "-q"]), "", "a rule is read by its own rules");
    }
}
