//! `rehearsa plan`: what `test` would do, for people or for programs. To measure sizes it starts a worker that only
//! reads; it creates nothing else.

use super::args::{Global, PlanArgs};
use super::choices::TextOrJson;
use super::connection::Endpoint;
use super::exit::Failure;
use super::from_files::{self, PreparedFiles};
use super::no_match::ServiceOrigin;
use super::prepare::{Host, Prepared, find_services, prepare, with_settings};
use super::project_images::ImageEngine;
use super::signals::{interrupted, unless_stopped};
use super::stopped_project::StoppedProject;
use super::{
    as_new_host, console, identity, no_match, plan_text, plan_view, read_project, runtime, signals, unused_flags,
};
use crate::config::settings::Settings;
use crate::config::{Environment, PlanFile};
use crate::docker::Daemon;
use crate::model::diagnosis::Severity;
use crate::model::event::NoTests;
use crate::model::outcome::ExitCode;
use crate::model::plan::Plan;
use crate::rehearse::sandbox::stop::StopSignal;
use crate::rehearse::survey::sizes::{self, Sizes};

/// The command.
pub fn run(args: &PlanArgs, global: &Global, env: &Environment) -> Result<ExitCode, Failure> {
    let mut settings = Settings::resolve(&args.flags(), env)?.with_file(PlanFile::find(
        args.rehearsal.plan.as_deref(),
        env,
        identity::user(env),
    )?);
    let runtime = runtime::start()?;
    let (compose, live, read) = runtime.block_on(async {
        let stop = signals::listen(env);
        let running = as_new_host::find(&args.compose, global, &settings, env, &stop).await?;
        let (compose, live) = match running {
            Some(running) => (running.args, Some(running.live)),
            None => (args.compose.clone(), None),
        };
        let read = read_project::read(&compose, &mut settings, env, &stop).await?.map(|read| (read, stop));
        Ok::<_, Failure>((compose, live, read))
    })?;
    let typed = compose.typed();
    let from_files = match read {
        None => None,
        Some((stacks, _)) if stacks.projects.is_empty() => {
            let failure = stacks.stopped.first().map(StoppedProject::failure);
            let prepared = StoppedProject::plan(stacks.stopped, &settings)?;
            let sizes = sizes::unknown(&prepared.plan);
            let exit = show(prepared, ServiceOrigin::Files(&typed), &sizes, &settings, args, env)?;
            return failure.map_or(Ok(exit), Err);
        }
        Some((mut stacks, stop)) => Some(runtime.block_on(async {
            stacks.read_locks()?;
            let asked = (&settings, &args.rehearsal);
            let Some(live) = live else { return from_files::prepare(stacks, None, asked, env, &stop).await };
            // What runs was made of images that only the engine knows.
            let endpoint = Endpoint::resolve(&global.connection, env)?;
            let daemon = unless_stopped(&stop, endpoint.connect()).await?;
            let host = global.connection.host.as_deref();
            let engine = ImageEngine { daemon: &daemon, logins: &endpoint.logins, host };
            from_files::prepare(stacks.compared_with(&live), Some(engine), asked, env, &stop).await
        })?),
    };
    if let Some(PreparedFiles { prepared, folder: _folder, .. }) = from_files {
        let sizes = sizes::unknown(&prepared.plan);
        return show(prepared, ServiceOrigin::Files(&typed), &sizes, &settings, args, env);
    }
    let endpoint = Endpoint::resolve(&global.connection, env)?;
    let (prepared, stopped, sizes) = runtime.block_on(async {
        let stop = signals::listen(env);
        let Host { daemon, services, stopped } = find_services(&endpoint, &stop).await?;
        let services = with_settings(services, &settings)?;
        unused_flags::refuse(&services, &settings.selection, &args.rehearsal)?;
        let prepared = prepare(&daemon, services, &settings, env, &stop).await?;
        let plan = &prepared.plan;
        let sizes = if args.no_sizes { sizes::unknown(plan) } else { measure(&daemon, plan, &stop).await? };
        Ok::<_, Failure>((prepared, stopped, sizes))
    })?;
    show(prepared, ServiceOrigin::Host(&stopped), &sizes, &settings, args, env)
}

/// Prints the plan, and what its flags miss.
fn show(
    Prepared { selection, plan, .. }: Prepared,
    origin: ServiceOrigin<'_>,
    sizes: &Sizes,
    settings: &Settings,
    args: &PlanArgs,
    env: &Environment,
) -> Result<ExitCode, Failure> {
    match args.format {
        TextOrJson::Text => console::print_text(&plan_text::render(&plan, sizes, settings.threads))?,
        TextOrJson::Json => {
            let view = plan_view::view(&plan, sizes, settings.threads);
            let json = serde_json::to_string_pretty(&view).expect("a view has string keys only, so it serializes");
            console::print(&format!("{json}\n"))?;
        }
    }
    unused_flags::note(&plan, &args.rehearsal);
    unused_flags::note_misspelled_variables(env);
    if plan.cases().next().is_some() {
        let missed = no_match::missed_filters(&selection, origin, &settings.selection);
        let idle = no_match::idle_skips(&selection, origin, &settings.selection);
        missed.iter().chain(&idle).for_each(|words| console::note(words));
        return Ok(exit_code(&plan));
    }
    console::note(&no_match::reason(&selection, origin, &settings.selection));
    let is_mistake = no_match::meaning(&selection, settings) == NoTests::Fail;
    Ok(if is_mistake { ExitCode::NothingSelected } else { ExitCode::Passed })
}

/// The exit code that a run of the plan has at least: that of the worst service that cannot be rehearsed.
fn exit_code(plan: &Plan) -> ExitCode {
    let rehearsed = plan.cases().filter(|case| case.ignored.is_none());
    let blocked: Vec<Severity> = rehearsed.filter_map(|case| Some(case.blocked.as_ref()?.severity())).collect();
    if blocked.contains(&Severity::Failed) {
        ExitCode::Failed
    } else if blocked.contains(&Severity::Errored) {
        ExitCode::Errored
    } else {
        ExitCode::Passed
    }
}

async fn measure(daemon: &Daemon, plan: &Plan, stop: &StopSignal) -> Result<Sizes, Failure> {
    let sizes = sizes::measure(daemon, &identity::session("plan-"), plan, stop).await?;
    if stop.is_cancelled() { Err(interrupted(stop)) } else { Ok(sizes) }
}
