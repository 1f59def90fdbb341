//! `rehearsa test`: settings, engine, services, plan, and then the harness.

use std::future::Future;

use super::args::{Global, TestArgs};
use super::connection::Endpoint;
use super::exit::Failure;
use super::presentation::Presentation;
use super::rehearsal::{self, Run};
use super::{console, identity, runtime, signals};
use crate::config::Environment;
use crate::config::nearest::suggestion;
use crate::config::settings::Settings;
use crate::discover::{self, Scope};
use crate::docker::{Daemon, DaemonInfo};
use crate::model::outcome::ExitCode;
use crate::model::plan::Plan;
use crate::rehearse::stop::Stop;
use crate::rehearse::sweep;

/// The command; also what a test target of ours runs (`rehearsa::harness::main()`).
pub fn run(args: &TestArgs, global: &Global, env: &Environment) -> Result<ExitCode, Failure> {
    let settings = Settings::resolve(&args.flags(), env)?;
    let presentation = Presentation::new(&args.output, &settings.reports, env);
    if args.output.bench && !args.output.test {
        // `cargo bench` asks every target; there is nothing to measure here.
        return Ok(ExitCode::Passed);
    }
    let endpoint = Endpoint::resolve(&global.connection, env)?;
    let runtime = runtime()?;
    if args.output.list {
        let plan = runtime.block_on(async {
            let daemon = endpoint.connect().await?;
            let services = discover::live(&daemon).await?;
            Ok::<_, Failure>(rehearsal::plan(services, &settings)?)
        })?;
        rehearsal::list(&plan, &presentation);
        // An empty list is an answer, which nextest asks for (`--ignored`); only a filter that finds nothing is a mistake.
        let missed = !args.selection.filters.is_empty() && plan.cases().next().is_none();
        return Ok(if missed { ExitCode::NothingSelected } else { ExitCode::Passed });
    }
    let prepared = runtime.block_on(async {
        let stop = signals::listen();
        let prepared = unless_stopped(&stop, prepare(&endpoint, &settings)).await?;
        Ok::<_, Failure>((stop, prepared))
    });
    let (stop, Prepared { daemon, info, plan }) = prepared?;
    let session = identity::session("");
    let session = if settings.rehearsal.keep { session.kept() } else { session };
    let handle = runtime.handle().clone();
    let host_addresses = identity::host_addresses(&endpoint.target);
    rehearsal::rehearse(Run {
        daemon,
        info,
        plan,
        settings,
        presentation,
        session,
        host_addresses,
        stop,
        runtime: handle,
    })
}

struct Prepared {
    daemon: Daemon,
    info: DaemonInfo,
    plan: Plan,
}

async fn prepare(endpoint: &Endpoint, settings: &Settings) -> Result<Prepared, Failure> {
    let daemon = endpoint.connect().await?;
    let host = identity::host();
    let (info, services, ()) = tokio::join!(
        daemon.info(),
        discover::live_in(&daemon, Scope::Host),
        sweep::sweep(&daemon, identity::now(), &host, identity::is_alive),
    );
    let (info, services) = (info?, services?);
    let names: Vec<String> = services.iter().map(|service| service.name.to_string()).collect();
    let plan = rehearsal::plan(services, settings)?;
    if plan.cases().next().is_none() {
        console::note(&nothing_selected(&names, settings));
    }
    Ok(Prepared { info, daemon, plan })
}

/// The engine, for people.
pub fn engine_title(info: &DaemonInfo) -> String {
    format!("Docker {} on {}", info.version, info.name)
}

/// The work, or, when somebody asks to stop first, the failure that says so. Only for work that leaves nothing behind.
pub async fn unless_stopped<T>(stop: &Stop, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::select! {
        result = work => result,
        () = stop.cancelled() => Err(interrupted(stop)),
    }
}

/// The failure of a command that was asked to stop.
pub fn interrupted(stop: &Stop) -> Failure {
    let exit = if stop.signal() == Some(2) { ExitCode::Interrupted } else { ExitCode::Terminated };
    Failure { exit, ..Failure::errored("interrupted") }
}

/// Why there is nothing to do.
fn nothing_selected(names: &[String], settings: &Settings) -> String {
    let filters = &settings.selection.filters;
    if names.is_empty() {
        return "No service runs on this Docker host, so there is nothing to rehearse. `rehearsa demo` brings one along.".to_owned();
    }
    if filters.is_empty() {
        return format!(
            "None of the {} services of this host is selected; `rehearsa test --list` shows them.",
            names.len()
        );
    }
    let near = filters.iter().find_map(|filter| suggestion(filter, names.iter().map(String::as_str)));
    let hint = near.unwrap_or_else(|| "`rehearsa test --list` shows them.".to_owned());
    let how = if settings.selection.exact { "is exactly" } else { "has in its name" };
    let filters: Vec<String> = filters.iter().map(|filter| format!("`{filter}`")).collect();
    format!("None of the {} services of this host {how} {}; {hint}", names.len(), filters.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_is_stopped_ends_with_the_signals_code() {
        for (signal, exit) in [(2, 130), (15, 143)] {
            let stop = Stop::new();
            stop.cancel(signal);
            let never = std::future::pending::<Result<(), Failure>>();
            let failure = unless_stopped(&stop, never).await.expect_err("it was stopped");
            assert_eq!(failure.exit.number(), exit);
        }
    }

    #[test]
    fn an_empty_host_is_told_from_a_filter_that_finds_nothing() {
        let mut settings = Settings::default();
        settings.selection.filters = vec!["jelly".to_owned()];
        assert!(nothing_selected(&[], &settings).starts_with("No service runs on this Docker host"));
    }
}
