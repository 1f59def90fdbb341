//! From a connection to a plan: the pipeline that `test`, `plan`, `init`, `check` and `demo` share.
//!
//! Daemon → services → settings of each → draft → surveys → plan. A command takes as many of the steps as it needs.

use std::collections::BTreeSet;

use super::connection::Endpoint;
use super::exit::Failure;
use super::signals::{interrupted, unless_stopped};
use super::{identity, survey};
use crate::config::settings::{Selection, Settings};
use crate::config::{ConfigError, Environment, labels::Labels};
use crate::discover;
use crate::docker::Daemon;
use crate::model::plan::Plan;
use crate::model::service::Service;
use crate::model::settings::ServiceSettings;
use crate::plan::{Draft, ServiceSelection, draft, may_be_selected, resolve};
use crate::rehearse::OpenedSource;
use crate::rehearse::sandbox::stop::StopSignal;

/// A Docker host and the services on it.
pub struct Host {
    /// The connection.
    pub daemon: Daemon,
    /// Every service of the host.
    pub services: Vec<Service>,
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
        let services = discover::live(&daemon).await?;
        Ok(Host { daemon, services })
    })
    .await
}

/// Resolves the settings of each service. Logs unknown labels, and names of the plan file that no service has.
pub fn with_settings(
    services: Vec<Service>,
    settings: &Settings,
) -> Result<Vec<(Service, ServiceSettings)>, ConfigError> {
    let working_dir = identity::working_dir();
    for remark in settings.file.remarks(&services) {
        tracing::warn!("{remark}");
    }
    // A wrong label in a stack that was not asked for is no error here.
    let concerned: BTreeSet<String> = services
        .iter()
        .filter(|service| may_be_selected(&settings.selection, &service.name))
        .map(|service| service.name.stack_name().to_owned())
        .collect();
    let mut with_settings = Vec::with_capacity(services.len());
    for mut service in services {
        service.declared = discover::declared(&service, &working_dir);
        let rehearsal = match settings_of(&service, settings) {
            Err(_) if !concerned.contains(service.name.stack_name()) => ServiceSettings::default(),
            settings => settings?,
        };
        with_settings.push((service, rehearsal));
    }
    Ok(with_settings)
}

fn settings_of(service: &Service, settings: &Settings) -> Result<ServiceSettings, ConfigError> {
    let labels = Labels::of(service)?;
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
    selection: &Selection,
    environment: &Environment,
    stop: &StopSignal,
) -> Result<Prepared, Failure> {
    survey_and_resolve(draft(services, selection), daemon, environment, stop).await
}

/// As [`prepare`], for a draft that exists already.
pub async fn survey_and_resolve(
    draft: Draft,
    daemon: &Daemon,
    environment: &Environment,
    stop: &StopSignal,
) -> Result<Prepared, Failure> {
    let surveyed = survey::survey(&draft.requests, daemon, environment, stop).await?;
    if stop.is_cancelled() { Err(interrupted(stop)) } else { Ok(finish(draft, surveyed)) }
}

fn finish(draft: Draft, (sources, surveys): survey::Surveyed) -> Prepared {
    let selection = draft.selection.clone();
    Prepared { selection, plan: resolve(draft, surveys, identity::timestamp()), sources }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample;
    use crate::model::service::ServiceName;

    #[test]
    fn a_wrong_label_concerns_who_asks_for_its_stack_and_nobody_else() {
        let mut db = sample::service(ServiceName::of_stack("shop", "db"));
        db.labels = vec![("rehearsa.settle".to_owned(), "abit".to_owned())];
        let services = || {
            let app = sample::service(ServiceName::of_stack("shop", "app"));
            vec![db.clone(), app, sample::service(ServiceName::lone("web"))]
        };
        let asked = |filters: &[&str]| {
            let mut settings = Settings::default();
            settings.selection.filters = filters.iter().map(|&filter| filter.to_owned()).collect();
            with_settings(services(), &settings)
        };
        assert_eq!(asked(&["web"]).expect("no concern of it").len(), 3);
        for filters in [&["shop::app"][..], &[]] {
            let told = asked(filters).expect_err("it may be booted with it").to_string();
            assert!(told.contains("rehearsa.settle of container shop-db-1"), "{told}");
        }
    }
}
