//! `rehearsa plan --check`: checks the plan file by itself, the sources and secrets that it names, and its services
//! and mounts against this host.

use super::args::{Global, PlanArgs};
use super::connection::Endpoint;
use super::exit::Failure;
use super::prepare::find_services;
use super::{console, identity, runtime, signals};
use crate::config::plan_file::{NAME, SourceEntry};
use crate::config::settings::Settings;
use crate::config::{ConfigError, ConfigErrors, Environment, PlanFile, SettingOrigin};
use crate::model::outcome::ExitCode;
use crate::model::pluralize::pluralize;
use crate::model::service::Service;
use crate::source::probe::{self, Presence};

/// The command.
pub fn run(args: &PlanArgs, global: &Global, env: &Environment) -> Result<ExitCode, Failure> {
    let file = PlanFile::find(args.rehearsal.plan.as_deref(), env, identity::user(env))?;
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
    wrong.extend(settings.file.programs.iter().filter_map(|(program, entry)| {
        let what = probe::program(*program, &entry.path).err()?;
        Some(ConfigError::Entry { origin: entry.origin.clone(), what })
    }));
    let held = match services(&endpoint, env) {
        // The services of the file are those of Compose files, and not the host's.
        _ if !settings.file.stack_files.is_empty() => {
            not_looked.push("not checked: the services of the stacks (`rehearsa plan` reads their files)\n".to_owned());
            String::new()
        }
        Ok(services) => {
            wrong.extend(on_host(&services, &settings));
            String::new()
        }
        Err(failure) if failure.exit == ExitCode::Errored => {
            console::note(&format!("{}; the file is not compared with its services", failure.error));
            ", as far as can be checked without the host".to_owned()
        }
        Err(failure) => return Err(failure),
    };
    if let Some(errors) = ConfigErrors::of(wrong) {
        return Err(errors.into());
    }
    let PlanFile { sources, stacks, stack_files, services, .. } = &settings.file;
    console::print(&format!(
        "{} is valid{held}: {}, {}, {}\n{}",
        path.display(),
        pluralize(sources.len(), "source"),
        pluralize(stacks.len() + stack_files.len(), "stack"),
        pluralize(services.len(), "service"),
        not_looked.concat(),
    ))?;
    Ok(ExitCode::Passed)
}

fn services(endpoint: &Endpoint, env: &Environment) -> Result<Vec<Service>, Failure> {
    runtime::start()?.block_on(async {
        let stop = signals::listen(env);
        Ok(find_services(endpoint, &stop).await?.services)
    })
}

/// Checks that a source exists, and its passphrase or key.
fn look(source: &SourceEntry, env: &Environment, wrong: &mut Vec<ConfigError>, not_looked: &mut Vec<String>) {
    let entry = |origin: &SettingOrigin, what: String| ConfigError::Entry { origin: origin.clone(), what };
    match probe::source(&source.spec) {
        Ok(Presence::There) => {}
        Ok(Presence::NotLooked(why)) => {
            not_looked.push(format!("not checked: {} ({why})\n", source.spec.place));
        }
        Err(what) => wrong.push(entry(&source.origin, what)),
    }
    if let (Some(place), Some(origin)) = (&source.spec.keys.passphrase, &source.passphrase)
        && let Err(what) = probe::secret(place, |name| env.get(name).map(str::to_owned))
    {
        wrong.push(entry(origin, what));
    }
    if let (Some(path), Some(origin)) = (&source.spec.keys.identity, &source.identity)
        && let Err(what) = probe::identity(path)
    {
        wrong.push(entry(origin, what));
    }
}

/// The entries of the file that match nothing among these services, and the labels that name an unknown source of the
/// file.
fn on_host(services: &[Service], settings: &Settings) -> Vec<ConfigError> {
    let mut wrong = settings.file.remarks(services);
    wrong.extend(services.iter().filter_map(|service| match settings.for_service(service) {
        Ok(settings) => settings.unusable.map(|diagnosis| ConfigError::Conflict { what: diagnosis.message }),
        Err(error) => Some(error),
    }));
    wrong
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::sample;
    use crate::model::service::ServiceName;

    #[test]
    fn the_host_is_held_against_the_file_and_the_file_against_the_labels() {
        let text = "[sources.nightly]\nfrom = 'tar:-'\n[services.web]\n";
        let file = PlanFile::parse(Path::new("p.toml"), text, None).expect("it is right");
        let settings = Settings::default().with_file(file);
        let app = |source: &str| {
            let mut app = sample::service(ServiceName::lone("app"));
            app.labels = vec![("rehearsa.source".to_owned(), source.to_owned())];
            app
        };
        let wrong =
            |service: Service| on_host(&[service], &settings).iter().map(ToString::to_string).collect::<Vec<_>>();
        let no_web = "p.toml:3:11: no service of this host is called `web`";
        assert_eq!(wrong(app("nightly")), [no_web]);
        let label = "label rehearsa.source of container app: `nigthly` is not a source of the plan file; did you \
            mean `nightly`?";
        assert_eq!(wrong(app("nigthly")), [no_web, label]);
    }
}
