//! From a connection to a plan: the pipeline that `test`, `plan`, `init`, `check` and `demo` share.
//!
//! Daemon → services → settings of each → draft → surveys → plan. A command takes as many of the steps as it needs.

use super::connection::Endpoint;
use super::exit::Failure;
use super::identity;
use super::signals::{interrupted, unless_stopped};
use super::survey::{self, SourceOptions};
use crate::config::error::SettingOrigin;
use crate::config::settings::{Selection, Settings};
use crate::config::{ConfigError, ConfigErrors, Environment, labels::Labels};
use crate::discover::{self, Discovered, StoppedContainer};
use crate::docker::Daemon;
use crate::model::plan::Plan;
use crate::model::service::Service;
use crate::model::settings::ServiceSettings;
use crate::plan::{Draft, ServiceSelection, bring_along, draft, resolve};
use crate::rehearse::OpenedSource;
use crate::rehearse::sandbox::stop::StopSignal;

/// A Docker host and the services on it.
pub struct Host {
    /// The connection.
    pub daemon: Daemon,
    /// Every service of the host.
    pub services: Vec<Service>,
    /// Containers that do not run and are no services.
    pub stopped: Vec<StoppedContainer>,
}

/// A plan, and what it was made from.
pub struct Prepared {
    /// Every service of the host, selected or left out.
    pub selection: Vec<ServiceSelection>,
    /// What will be done.
    pub plan: Plan,
    /// The sources of the plan, in its order; empty when they were not surveyed.
    pub sources: Vec<OpenedSource>,
}

/// Connects and finds the services of the host.
pub async fn find_services(endpoint: &Endpoint, stop: &StopSignal) -> Result<Host, Failure> {
    unless_stopped(stop, async {
        let daemon = endpoint.connect().await?;
        let Discovered { services, stopped } = discover::live(&daemon).await?;
        Ok(Host { daemon, services, stopped })
    })
    .await
}

/// Resolves the settings of each service. Logs unknown labels, and names of the plan file that no service has.
pub fn with_settings(
    mut services: Vec<Service>,
    settings: &Settings,
) -> Result<Vec<(Service, ServiceSettings)>, ConfigErrors> {
    bring_along(&mut services, &settings.with)
        .map_err(|(name, expected)| ConfigError::value(&SettingOrigin::Flag("--with"), &name, expected))?;
    for rule in &settings.overrides.sources {
        if !services.iter().any(|service| rule.applies(&service.name)) {
            let is_of_files = !services.is_empty() && services.iter().all(|service| !service.is_live());
            let expected = match is_of_files {
                true => "a service of the Compose files; `rehearsa test --list` with the same -f shows them",
                false => "a service that runs on this host; `rehearsa test --list` shows them",
            };
            return Err(ConfigError::value(&SettingOrigin::Flag("--from"), &rule.service, expected).into());
        }
    }
    let missing = settings.file.missing_mounts(&services);
    for remark in settings.file.remarks(&services).iter().filter(|remark| !missing.contains(remark)) {
        tracing::warn!("{remark}");
    }
    if let Some(errors) = ConfigErrors::of(missing) {
        return Err(errors);
    }
    discover::declare(&mut services, &identity::working_dir());
    let with_settings = |service: Service| settings_of(&service, settings).map(|rehearsal| (service, rehearsal));
    Ok(services.into_iter().map(with_settings).collect::<Result<Vec<_>, ConfigError>>()?)
}

fn settings_of(service: &Service, settings: &Settings) -> Result<ServiceSettings, ConfigError> {
    let labels = Labels::of(service);
    for unknown in &labels.unknown {
        tracing::warn!("{unknown}");
    }
    settings.with_labels(service, &labels)
}

/// Makes the plan without looking into any source: enough for a list of names.
pub fn plan_names(services: Vec<(Service, ServiceSettings)>, selection: &Selection) -> Prepared {
    finish(draft(services, selection), (Vec::new(), Vec::new()))
}

/// Surveys the sources of the services and makes the plan. The survey's worker is removed before this returns, also
/// after a signal.
pub async fn prepare(
    daemon: &Daemon,
    services: Vec<(Service, ServiceSettings)>,
    settings: &Settings,
    environment: &Environment,
    stop: &StopSignal,
) -> Result<Prepared, Failure> {
    let draft = draft(services, &settings.selection);
    survey_and_resolve(draft, daemon, &source_options(settings, environment), stop).await
}

/// How the sources of a run with these settings are opened.
pub fn source_options<'a>(settings: &'a Settings, environment: &'a Environment) -> SourceOptions<'a> {
    SourceOptions { snapshot: settings.overrides.snapshot.as_ref(), environment, programs: settings.programs() }
}

/// As [`prepare`], for a draft that exists already.
pub async fn survey_and_resolve(
    draft: Draft,
    daemon: &Daemon,
    options: &SourceOptions<'_>,
    stop: &StopSignal,
) -> Result<Prepared, Failure> {
    let surveyed = survey::survey(&draft.requests, Some(daemon), options, stop).await?;
    if stop.is_cancelled() { Err(interrupted(stop)) } else { Ok(finish(draft, surveyed)) }
}

/// Makes the plan of a draft and the surveys of its sources.
pub(super) fn finish(draft: Draft, (sources, surveys): survey::Surveyed) -> Prepared {
    let selection = draft.selection.clone();
    Prepared { selection, plan: resolve(draft, surveys, identity::timestamp()), sources }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::PlanFile;
    use crate::model::sample;
    use crate::model::service::ServiceName;

    #[test]
    fn a_wrong_label_is_a_matter_of_its_service_alone() {
        let mut db = sample::service(ServiceName::of_stack("shop", "db"));
        db.labels = [("rehearsa.settle", "abit"), ("rehearsa.memory", "lots"), ("rehearsa.map", "/dta=x")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        let services = vec![db, sample::service(ServiceName::lone("web"))];
        let with_settings = with_settings(services, &Settings::default()).expect("the run goes on");
        assert_eq!(with_settings[1].1, ServiceSettings::default());
        let told = with_settings[0].1.unusable.as_ref().expect("it cannot be rehearsed").message.clone();
        assert!(told.starts_with("3 labels of container shop-db-1 cannot be used:\n"), "{told}");
        for part in ["rehearsa.settle of", "rehearsa.memory of", "shop::db has no mount `/dta`"] {
            assert!(told.contains(part), "{told}");
        }
        let plan = plan_names(with_settings, &Selection::default()).plan;
        let codes: Vec<_> = plan.cases().map(|case| case.blocked.as_ref().map(|of| of.code.as_str())).collect();
        assert_eq!(codes, [Some("config/label"), None]);
    }

    #[test]
    fn a_mount_of_the_plan_file_that_its_service_lacks_ends_the_run_and_names_its_line() {
        let read = |text: &str| {
            let file = PlanFile::parse(Path::new("p.toml"), text, None).expect("it is right");
            let services = vec![sample::service(ServiceName::lone("web"))];
            with_settings(services, &Settings::default().with_file(file)).map_err(|errors| errors.to_string())
        };
        let told = read("[services.web.mounts.'/dta']\nstrategy = 'empty'\n").expect_err("it has no such mount");
        assert!(told.contains("p.toml:1:") && told.contains("web has no mount `/dta`"), "{told}");
        // A service that does not run here may have any mount.
        assert!(read("[services.db.mounts.'/dta']\nstrategy = 'empty'\n").is_ok());
    }

    /// A name that no label wrote is a mistake of the run.
    #[test]
    fn a_wrong_source_of_the_command_line_ends_the_run() {
        let flags = crate::config::resolve::Flags { from: vec!["nigthly".to_owned()], ..Default::default() };
        let settings = Settings::resolve(&flags, &Environment::default()).expect("a name");
        let services = vec![sample::service(ServiceName::lone("web"))];
        assert!(with_settings(services, &settings).is_err());
    }
}
