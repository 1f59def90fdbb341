//! `rehearsa plan --check`: whether the plan file holds: in itself, with the sources and secrets that it names, and on this host.

use super::args::{Global, PlanArgs};
use super::connection::Endpoint;
use super::exit::Failure;
use super::test::unless_stopped;
use super::{console, runtime, signals};
use crate::config::plan_file::{NAME, Source};
use crate::config::settings::Settings;
use crate::config::{ConfigError, ConfigErrors, Environment, Origin, PlanFile};
use crate::discover;
use crate::model::outcome::ExitCode;
use crate::model::service::Service;
use crate::source::there::{self, Found};

/// The command.
pub fn run(args: &PlanArgs, global: &Global, env: &Environment) -> Result<ExitCode, Failure> {
    let file = PlanFile::find(args.rehearsal.plan.as_deref(), env)?;
    let Some(path) = file.path.clone() else {
        let message = format!("there is no plan file to check: no {NAME} in the working directory");
        return Err(Failure::usage(message).hint("`rehearsa init` writes one, and --plan names another"));
    };
    let endpoint = Endpoint::resolve(&global.connection, env)?;
    let settings = Settings::resolve(&args.flags(), env)?.with_file(file);
    let mut wrong = Vec::new();
    let mut not_looked = Vec::new();
    for source in settings.file.sources.values().chain(&settings.file.written_out) {
        look(source, env, &mut wrong, &mut not_looked);
    }
    let held = match services(&endpoint) {
        Ok(services) => {
            wrong.extend(settings.file.remarks(&services));
            // Labels may name sources of the file.
            wrong.extend(services.iter().filter_map(|service| settings.for_service(service).err()));
            String::new()
        }
        Err(failure) if failure.exit == ExitCode::Errored => {
            console::note(&format!("{}, so the file is not held against the host", failure.error));
            ", as far as it can be told without the host".to_owned()
        }
        Err(failure) => return Err(failure),
    };
    if let Some(errors) = ConfigErrors::of(wrong) {
        return Err(errors.into());
    }
    let PlanFile { sources, stacks, services, .. } = &settings.file;
    console::print(&format!(
        "{} holds{held}: {}, {}, {}\n{}",
        path.display(),
        count(sources.len(), "source"),
        count(stacks.len(), "stack"),
        count(services.len(), "service"),
        not_looked.concat(),
    ))?;
    Ok(ExitCode::Passed)
}

fn services(endpoint: &Endpoint) -> Result<Vec<Service>, Failure> {
    runtime()?.block_on(async {
        let stop = signals::listen();
        unless_stopped(&stop, async { Ok(discover::live(&endpoint.connect().await?).await?) }).await
    })
}

/// Looks for a source and for what opens it.
fn look(source: &Source, env: &Environment, wrong: &mut Vec<ConfigError>, not_looked: &mut Vec<String>) {
    let entry = |origin: &Origin, what: String| ConfigError::Entry { origin: origin.clone(), what };
    match there::source(&source.spec.place) {
        Ok(Found::There) => {}
        Ok(Found::NotLooked(why)) => {
            not_looked.push(format!("not looked into: {}, for {why}\n", source.spec.place));
        }
        Err(what) => wrong.push(entry(&source.origin, what)),
    }
    if let (Some(place), Some(origin)) = (&source.spec.keys.passphrase, &source.passphrase)
        && let Err(what) = there::secret(place, |name| env.get(name).map(str::to_owned))
    {
        wrong.push(entry(origin, what));
    }
    if let (Some(path), Some(origin)) = (&source.spec.keys.identity, &source.identity)
        && let Err(what) = there::identity(path)
    {
        wrong.push(entry(origin, what));
    }
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
