//! `rehearsa plan`: what `test` would do, for people or for programs. To measure sizes it starts a worker that only
//! reads; it creates nothing else.

use super::args::{Global, PlanArgs};
use super::choices::TextOrJson;
use super::connection::Endpoint;
use super::exit::Failure;
use super::prepare::{Host, Prepared, find_services, prepare, with_settings};
use super::signals::interrupted;
use super::{console, identity, no_match, plan_text, plan_view, runtime, signals, unused_flags};
use crate::config::settings::Settings;
use crate::config::{Environment, PlanFile};
use crate::docker::Daemon;
use crate::model::event::NoTests;
use crate::model::outcome::ExitCode;
use crate::model::plan::Plan;
use crate::rehearse::sandbox::stop::StopSignal;
use crate::rehearse::survey::sizes::{self, Sizes};

/// The command.
pub fn run(args: &PlanArgs, global: &Global, env: &Environment) -> Result<ExitCode, Failure> {
    let settings =
        Settings::resolve(&args.flags(), env)?.with_file(PlanFile::find(args.rehearsal.plan.as_deref(), env)?);
    let endpoint = Endpoint::resolve(&global.connection, env)?;
    let (Prepared { selection, plan, .. }, sizes) = runtime::start()?.block_on(async {
        let stop = signals::listen();
        let Host { daemon, services } = find_services(&endpoint, &stop).await?;
        let services = with_settings(services, &settings)?;
        let prepared = prepare(&daemon, services, &settings.selection, env, &stop).await?;
        let plan = &prepared.plan;
        let sizes = if args.no_sizes { sizes::unknown(plan) } else { measure(&daemon, plan, &stop).await? };
        Ok::<_, Failure>((prepared, sizes))
    })?;
    match args.format {
        TextOrJson::Text => console::print(&plan_text::render(&plan, &sizes, settings.threads))?,
        TextOrJson::Json => {
            let view = plan_view::view(&plan, &sizes, settings.threads);
            let json = serde_json::to_string_pretty(&view).expect("a view has string keys only, so it serializes");
            console::print(&format!("{json}\n"))?;
        }
    }
    unused_flags::note(&plan, &args.rehearsal);
    if plan.cases().next().is_some() {
        no_match::missed_filters(&selection, &settings.selection).iter().for_each(|missed| console::note(missed));
        return Ok(ExitCode::Passed);
    }
    console::note(&no_match::reason(&selection, &settings.selection));
    let is_mistake = no_match::meaning(&selection, &settings) == NoTests::Fail;
    Ok(if is_mistake { ExitCode::NothingSelected } else { ExitCode::Passed })
}

async fn measure(daemon: &Daemon, plan: &Plan, stop: &StopSignal) -> Result<Sizes, Failure> {
    let sizes = sizes::measure(daemon, &identity::session("plan-"), plan, stop).await?;
    if stop.is_cancelled() { Err(interrupted(stop)) } else { Ok(sizes) }
}
