//! Finds the services, stacks and mounts of a plan file that the host does not have.

use super::{PlanFile, ServiceEntry};
use crate::config::error::{ConfigError, ConfigErrors, SettingOrigin};
use crate::config::values::place;
use crate::config::values::suggest::suggestion;
use crate::model::service::Service;

impl PlanFile {
    /// A mistake for each mount in the file that its service does not have. The service is there, so the setting would
    /// change nothing, and nobody would notice.
    pub fn missing_mounts(&self, services: &[Service]) -> Vec<ConfigError> {
        let of = |name: &String| -> Vec<&Service> {
            services.iter().filter(|service| service.name.to_string() == *name).collect()
        };
        let there = self.services.iter().map(|(name, entry)| (name, entry, of(name)));
        let there = there.filter(|(_, _, own)| !own.is_empty());
        there.flat_map(|(name, entry, own)| mounts(entry, &own, &format!("{name} has no mount"))).collect()
    }

    /// A remark for each name in the file that these services of the host do not have, in the order of the file.
    pub fn remarks(&self, services: &[Service]) -> Vec<ConfigError> {
        let mut found = Vec::new();
        for (name, entry) in &self.services {
            let own: Vec<&Service> = services.iter().filter(|service| service.name.to_string() == *name).collect();
            if own.is_empty() {
                let known: Vec<String> = services.iter().map(|service| service.name.to_string()).collect();
                let what = format!("no service of this host is called `{name}`");
                found.push(remark(&entry.origin, what, name, &known));
            } else {
                found.extend(mounts(entry, &own, &format!("{name} has no mount")));
            }
        }
        for (name, entry) in &self.stacks {
            let own: Vec<&Service> = services.iter().filter(|s| s.name.stack.as_deref() == Some(name)).collect();
            if own.is_empty() {
                let known: Vec<String> = services.iter().filter_map(|service| service.name.stack.clone()).collect();
                let what = format!("no stack of this host is called `{name}`");
                found.push(remark(&entry.origin, what, name, &known));
            } else {
                found.extend(mounts(entry, &own, &format!("no service of the stack {name} has a mount")));
            }
        }
        ConfigErrors::of(found).map(|errors| errors.0).unwrap_or_default()
    }
}

/// A remark for each mount of an entry that none of its services has.
fn mounts(entry: &ServiceEntry, services: &[&Service], nobody: &str) -> Vec<ConfigError> {
    let is_there = |named: &str| {
        services.iter().any(|service| service.mounts.iter().any(|mount| place::is_mount(named, &service.name, mount)))
    };
    let names = place::names(services.iter().flat_map(|service| &service.mounts));
    let missing = entry.mounts.iter().filter(|(named, _)| !is_there(named));
    missing.map(|(named, origin)| remark(origin, format!("{nobody} `{named}`"), named, &names)).collect()
}

fn remark(origin: &SettingOrigin, what: String, wanted: &str, known: &[String]) -> ConfigError {
    let what = match suggestion(wanted, known.iter().map(String::as_str)) {
        Some(hint) => format!("{what}; {hint}"),
        None => what,
    };
    ConfigError::Entry { origin: origin.clone(), what }
}
