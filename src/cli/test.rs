//! `rehearsa test`: settings, engine, services, plan, and then the harness.

use std::io;
use std::path::Path;

use super::args::{Global, RehearsalArgs, TestArgs};
use super::connection::Endpoint;
use super::exit::Failure;
use super::from_files::{self, PreparedFiles};
use super::no_match::ServiceOrigin;
use super::notify::RunNotices;
use super::prepare::{Prepared, plan_names, prepare, with_settings};
use super::presentation::Presentation;
use super::project_images::ImageEngine;
use super::read_project::{self, ReadStacks};
use super::rehearsal::{self, RunEvents};
use super::signals::{interrupted, unless_stopped};
use super::stopped_project::StoppedProject;
use super::{
    as_new_host, console, history, identity, min_score, no_match, notify, rerun, runtime, signals, unused_flags,
};
use crate::config::settings::Settings;
use crate::config::{Environment, PlanFile};
use crate::discover::{self, Discovered, StoppedContainer};
use crate::docker::{Daemon, DaemonInfo};
use crate::model::event::NoTests;
use crate::model::outcome::ExitCode;
use crate::model::score::weights::ScoredBy;
use crate::rehearse::sandbox::stop::StopSignal;
use crate::rehearse::sandbox::sweep;
use crate::rehearse::survey::leftovers;
use crate::rehearse::{RunContext, RunResources};
use crate::report;
use crate::source::tool::RunFolder;
use crate::worker::client::WorkerImage;

/// Who started the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// `rehearsa test`: filters that select nothing are a mistake.
    Command,
    /// A test target of `cargo test FILTER`, which runs every target with the same filters: most of them have no such
    /// test.
    Harness,
}

impl Caller {
    /// What it means that nothing was selected, when the filters left out this many services. A host on which nothing
    /// could be rehearsed at all is no success for anyone.
    fn of_nothing(self, asked: NoTests, filtered_out: usize) -> NoTests {
        match self {
            Caller::Harness if filtered_out > 0 => NoTests::Pass,
            Caller::Harness | Caller::Command => asked,
        }
    }
}

/// The command; also what a test target of ours runs (`rehearsa::harness::main()`).
pub fn run(args: &TestArgs, global: &Global, env: &Environment, caller: Caller) -> Result<ExitCode, Failure> {
    let mut settings = Settings::resolve(&args.flags(), env)?.with_file(PlanFile::find(
        args.rehearsal.plan.as_deref(),
        env,
        identity::user(env),
    )?);
    settings.selection.only = args.run.rerun_failed.as_deref().map(rerun::not_green).transpose()?;
    let presentation = Presentation::new(&args.output, &settings.reports, env);
    if args.output.bench && !args.output.test {
        // `cargo bench` asks every target; there is nothing to measure here.
        return Ok(ExitCode::Passed);
    }
    if args.output.list && args.flags().reports.values().any(|path| path == Path::new("-")) {
        return Err(no_report_of_a_list());
    }
    if args.output.list {
        return rehearse(args, global, env, caller, settings, &presentation, &mut None);
    }
    let mut notices = Some(notify::begin(&settings, env)?);
    let result = rehearse(args, global, env, caller, settings, &presentation, &mut notices);
    if let (Err(failure), Some(notices)) = (&result, notices) {
        notices.never_began(failure);
    }
    result
}

/// From the settings to the end of the run. `notices` is taken when the run begins.
fn rehearse(
    args: &TestArgs,
    global: &Global,
    env: &Environment,
    caller: Caller,
    mut settings: Settings,
    presentation: &Presentation,
    notices: &mut Option<RunNotices>,
) -> Result<ExitCode, Failure> {
    let runtime = runtime::start()?;
    let stop = match args.output.list {
        // A list has nothing to clean up: a signal ends it at once.
        true => StopSignal::new(),
        false => runtime.block_on(async { signals::listen(env) }),
    };
    let running = runtime.block_on(as_new_host::find(&args.compose, global, &settings, env, &stop));
    let running = running.inspect_err(|failure| never_began(&settings, &failure.error.to_string()))?;
    let compose = running.as_ref().map_or(&args.compose, |running| &running.args);
    let read = runtime.block_on(read_project::read(compose, &mut settings, env, &stop));
    let stacks = read.inspect_err(|failure| never_began(&settings, &failure.error.to_string()))?;
    let (typed, is_of_files) = (compose.typed(), stacks.is_some());
    let live = running.map(|running| running.live).unwrap_or_default();
    let mut stacks = stacks.map(|stacks| stacks.compared_with(&live));
    if let Some(stacks) = stacks.take_if(|_| args.output.list) {
        if let ([], Some(stopped)) = (stacks.projects.as_slice(), stacks.stopped.first()) {
            return Err(stopped.failure());
        }
        let services = from_files::named_services(stacks, &settings)?;
        let origin = ServiceOrigin::Files(&typed);
        return list_of(plan_names(services, &settings.selection), origin, &settings, presentation, caller);
    }
    if let Some(stacks) = stacks.take_if(|stacks| stacks.projects.is_empty()) {
        return report_stopped(stacks.stopped, &settings, presentation, notices);
    }
    if let Some(stacks) = &mut stacks {
        from_files::require_backup(stacks, &settings)?;
        stacks.read_locks()?;
    }
    let endpoint = Endpoint::resolve(&global.connection, env)?;
    if args.output.list {
        return runtime.block_on(list(&endpoint, &settings, presentation, caller));
    }
    let prepared = runtime.block_on(async {
        WorkerImage::read_ahead();
        prepare_run((&endpoint, global.connection.host.as_deref()), stacks, (&settings, &args.rehearsal), env, &stop)
            .await
    });
    // The copies of the project's files are needed until the end of the run.
    let PreparedRun { daemon, info, stopped, prepared, folder: _folder } =
        prepared.inspect_err(|failure| never_began(&settings, &failure.error.to_string()))?;
    let Prepared { selection, plan, sources } = prepared;
    let origin = if is_of_files { ServiceOrigin::Files(&typed) } else { ServiceOrigin::Host(&stopped) };
    if plan.cases().next().is_none() {
        settings.no_tests = caller.of_nothing(no_match::meaning(&selection, &settings), plan.filtered_out);
        if settings.no_tests != NoTests::Pass {
            console::note(&no_match::reason(&selection, origin, &settings.selection));
        }
    } else if caller == Caller::Command {
        no_match::idle_skips(&selection, origin, &settings.selection).iter().for_each(|idle| console::note(idle));
        let missed = no_match::missed_filters(&selection, origin, &settings.selection);
        refuse_missed(&missed, &settings).inspect_err(|failure| never_began(&settings, &failure.error.to_string()))?;
    }
    min_score::refuse(&plan, ScoredBy::Test)
        .inspect_err(|failure| never_began(&settings, &failure.error.to_string()))?;
    unused_flags::refuse_idle_demands(&plan, &args.rehearsal)
        .inspect_err(|failure| never_began(&settings, &failure.error.to_string()))?;
    unused_flags::note(&plan, &args.rehearsal);
    unused_flags::note_misspelled_variables(env);
    let session = identity::session("");
    let kept = settings.history().map(|folder| history::open_history(folder, env));
    history::note_unused_flags(kept.as_ref(), &plan, &args.rehearsal);
    let earlier = kept.as_ref().map(|kept| history::earlier(kept, &plan)).transpose()?;
    let events = RunEvents::start(&settings, presentation, kept, notices.take().unwrap_or_default())?;
    let context = RunContext {
        runtime: runtime.handle().clone(),
        daemon,
        info,
        session: if settings.keep { session.kept() } else { session },
        notify: events.notify(&stop),
        keep: settings.keep,
        sources,
        host_addresses: identity::host_addresses(&endpoint.target),
        stop,
        logins: endpoint.logins.clone(),
        history: earlier,
        environment: env.clone(),
        resources: RunResources::default(),
    };
    Ok(rehearsal::rehearse(context, plan, &settings, presentation, events))
}

/// Reports why nothing of the projects can be rehearsed, in all reports.
fn report_stopped(
    stopped: Vec<StoppedProject>,
    settings: &Settings,
    presentation: &Presentation,
    notices: &mut Option<RunNotices>,
) -> Result<ExitCode, Failure> {
    let first = stopped.first().map(StoppedProject::failure);
    let Prepared { plan, .. } = StoppedProject::plan(stopped, settings)?;
    // Filters that fit nothing do not make a run of a project that cannot be read.
    if let Some(failure) = first.filter(|_| plan.cases().next().is_none()) {
        never_began(settings, &failure.error.to_string());
        return Err(failure);
    }
    let events = RunEvents::start(settings, presentation, None, notices.take().unwrap_or_default())?;
    Ok(rehearsal::refuse(&plan, settings, presentation, events))
}

/// A list that is asked for as a report on standard output.
fn no_report_of_a_list() -> Failure {
    Failure::usage("--list rehearses nothing, so there is no report that could go to standard output").hint(
        "leave out the report to get the names of the services, one a line; `rehearsa plan --format json` prints the \
         services and what a rehearsal would do for a program",
    )
}

/// Reports filters that find nothing while others do: an error with `--exact`, else a note.
fn refuse_missed(missed: &[String], settings: &Settings) -> Result<(), Failure> {
    if missed.is_empty() || settings.no_tests == NoTests::Pass {
        return Ok(());
    }
    let missed = missed.join("\n");
    if settings.selection.exact && settings.no_tests == NoTests::Fail {
        let failure = Failure { exit: ExitCode::NothingSelected, ..Failure::errored(missed) };
        return Err(failure.hint(
            "fix or remove the name; with `--no-tests warn` the other services are rehearsed all the same. \
             Nothing was rehearsed.",
        ));
    }
    console::note(&missed);
    Ok(())
}

/// `--list`: prints the names of the selected services. An empty list is an answer, which nextest asks for
/// (`--ignored`); only a filter that finds nothing is a mistake.
async fn list(
    endpoint: &Endpoint,
    settings: &Settings,
    presentation: &Presentation,
    caller: Caller,
) -> Result<ExitCode, Failure> {
    let daemon = endpoint.connect().await?;
    let Discovered { services, stopped } = discover::live(&daemon).await?;
    let services = with_settings(services, settings)?;
    let origin = ServiceOrigin::Host(&stopped);
    list_of(plan_names(services, &settings.selection), origin, settings, presentation, caller)
}

fn list_of(
    Prepared { selection, plan, .. }: Prepared,
    origin: ServiceOrigin<'_>,
    settings: &Settings,
    presentation: &Presentation,
    caller: Caller,
) -> Result<ExitCode, Failure> {
    rehearsal::list(&plan, presentation)?;
    // Known without a look into any source: the labels of these services cannot be used.
    plan.cases().filter_map(|case| case.settings.unusable.as_ref()).for_each(|of| console::note(&of.message));
    let is_empty = plan.cases().next().is_none();
    if caller == Caller::Command && !is_empty {
        let missed = no_match::missed_filters(&selection, origin, &settings.selection);
        let idle = no_match::idle_skips(&selection, origin, &settings.selection);
        missed.iter().chain(&idle).for_each(|words| console::note(words));
    }
    let missed = is_empty && !settings.selection.filters.is_empty();
    let meaning = caller.of_nothing(no_match::meaning(&selection, settings), plan.filtered_out);
    if missed && meaning != NoTests::Pass {
        console::note(&no_match::reason(&selection, origin, &settings.selection));
    }
    Ok(if missed && meaning == NoTests::Fail { ExitCode::NothingSelected } else { ExitCode::Passed })
}

struct PreparedRun {
    daemon: Daemon,
    info: DaemonInfo,
    stopped: Vec<StoppedContainer>,
    prepared: Prepared,
    /// The copies of a project's files.
    folder: Option<RunFolder>,
}

/// Removes what earlier runs left behind, finds the services and makes the plan.
async fn prepare_run(
    (endpoint, host): (&Endpoint, Option<&str>),
    stacks: Option<ReadStacks>,
    (settings, args): (&Settings, &RehearsalArgs),
    env: &Environment,
    stop: &StopSignal,
) -> Result<PreparedRun, Failure> {
    let live = async |daemon: &Daemon| match &stacks {
        // The services come from the project's files, whatever runs on the engine.
        Some(_) => Ok(Discovered::default()),
        None => discover::live(daemon).await,
    };
    let (daemon, info, discovered, left) = unless_stopped(stop, async {
        let daemon = endpoint.connect().await?;
        let host = identity::host();
        let (info, discovered, left) = tokio::join!(
            daemon.info(),
            live(&daemon),
            sweep::find_left(&daemon, identity::now(), &host, identity::is_alive),
        );
        Ok((daemon, info?, discovered?, left))
    })
    .await?;
    // Not dropped half-way by a signal: the worker of it is removed, too.
    leftovers::remove_quietly(&daemon, &identity::session("sweep-"), left, stop).await;
    if stop.is_cancelled() {
        return Err(interrupted(stop));
    }
    let Discovered { services, stopped } = discovered;
    if let Some(stacks) = stacks {
        let engine = ImageEngine { daemon: &daemon, logins: &endpoint.logins, host };
        let from_files = from_files::prepare(stacks, Some(engine), (settings, args), env, stop).await?;
        let PreparedFiles { prepared, folder, .. } = from_files;
        return Ok(PreparedRun { daemon, info, stopped, prepared, folder: Some(folder) });
    }
    let services = with_settings(services, settings)?;
    unused_flags::refuse(&services, &settings.selection, args)?;
    let prepared = prepare(&daemon, services, settings, env, stop).await?;
    Ok(PreparedRun { daemon, info, stopped, prepared, folder: None })
}

/// Writes into the reports why there was no run. A report that cannot be written is only a note: the caller's failure
/// matters more.
fn never_began(settings: &Settings, reason: &str) {
    if let Err(error) = report::never_began(&settings.reports, Box::new(io::stdout()), reason) {
        console::note(&error.to_string());
    }
}

/// The name and version of the engine, for people.
pub fn engine_title(info: &DaemonInfo) -> String {
    format!("Docker {} on {}", info.version, info.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::Selection;

    #[test]
    fn a_filter_that_misses_is_a_mistake_of_who_types_it_but_not_of_cargo_test() {
        assert_eq!(Caller::Command.of_nothing(NoTests::Fail, 3), NoTests::Fail);
        assert_eq!(Caller::Harness.of_nothing(NoTests::Fail, 3), NoTests::Pass);
        assert_eq!(Caller::Harness.of_nothing(NoTests::Fail, 0), NoTests::Fail, "nothing is there to rehearse");
    }

    #[test]
    fn an_exact_name_that_is_not_there_is_refused_unless_that_may_be() {
        let settings = |exact, no_tests| Settings {
            selection: Selection { exact, ..Selection::default() },
            no_tests,
            ..Settings::default()
        };
        let missed = ["No service is named `x`. Did you mean `y`?".to_owned()];
        let refusal = refuse_missed(&missed, &settings(true, NoTests::Fail)).expect_err("refused");
        assert_eq!(refusal.exit.number(), 4);
        assert!(refusal.render(false).contains("is named `x`"), "{}", refusal.render(false));
        assert!(refuse_missed(&missed, &settings(true, NoTests::Warn)).is_ok());
        assert!(refuse_missed(&missed, &settings(false, NoTests::Fail)).is_ok());
        assert!(refuse_missed(&[], &settings(true, NoTests::Fail)).is_ok());
    }
}
