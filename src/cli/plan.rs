//! `rehearsa plan`: what `test` would do, for people or for programs. To measure sizes it starts a worker that only
//! reads; it creates nothing else.

use super::args::{Global, PlanArgs};
use super::choices::TextOrJson;
use super::connection::Endpoint;
use super::exit::Failure;
use super::from_files::{self, PreparedFiles};
use super::prepare::{Host, Prepared, find_services, prepare, with_settings};
use super::signals::interrupted;
use super::{console, identity, no_match, plan_text, plan_view, runtime, signals, unused_flags};
use crate::config::settings::Settings;
use crate::config::{Environment, PlanFile};
use crate::discover::StoppedContainer;
use crate::docker::Daemon;
use crate::model::diagnosis::Severity;
use crate::model::event::NoTests;
use crate::model::outcome::ExitCode;
use crate::model::plan::Plan;
use crate::rehearse::sandbox::stop::StopSignal;
use crate::rehearse::survey::sizes::{self, Sizes};

/// The command.
pub fn run(args: &PlanArgs, global: &Global, env: &Environment) -> Result<ExitCode, Failure> {
    let settings = Settings::resolve(&args.flags(), env)?.with_file(PlanFile::find(
        args.rehearsal.plan.as_deref(),
        env,
        identity::user(env),
    )?);
    let runtime = runtime::start()?;
    let from_files = runtime.block_on(async {
        let stop = signals::listen();
        let Some(project) = from_files::read(&args.compose, &settings, env, &stop).await? else { return Ok(None) };
        from_files::prepare(project, None, (&settings, &args.rehearsal), env, &stop).await.map(Some)
    })?;
    if let Some(PreparedFiles { prepared, folder: _folder }) = from_files {
        let sizes = sizes::unknown(&prepared.plan);
        return show(prepared, &[], &sizes, &settings, args, env);
    }
    let endpoint = Endpoint::resolve(&global.connection, env)?;
    let (prepared, stopped, sizes) = runtime.block_on(async {
        let stop = signals::listen();
        let Host { daemon, services, stopped } = find_services(&endpoint, &stop).await?;
        let services = with_settings(services, &settings)?;
        unused_flags::refuse(&services, &settings.selection, &args.rehearsal)?;
        let prepared = prepare(&daemon, services, &settings, env, &stop).await?;
        let plan = &prepared.plan;
        let sizes = if args.no_sizes { sizes::unknown(plan) } else { measure(&daemon, plan, &stop).await? };
        Ok::<_, Failure>((prepared, stopped, sizes))
    })?;
    show(prepared, &stopped, &sizes, &settings, args, env)
}

/// Prints the plan, and what its flags miss.
fn show(
    Prepared { selection, plan, .. }: Prepared,
    stopped: &[StoppedContainer],
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
        let missed = no_match::missed_filters(&selection, stopped, &settings.selection);
        let idle = no_match::idle_skips(&selection, &settings.selection);
        missed.iter().chain(&idle).for_each(|words| console::note(words));
        return Ok(exit_code(&plan));
    }
    console::note(&no_match::reason(&selection, stopped, &settings.selection));
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
