//! How each mount gets its data, and which mounts show the same place.

use crate::model::mount::{Mount, MountOrigin, Strategy};
use crate::model::plan::MountPlan;
use crate::model::service::Service;
use crate::model::settings::{ServiceSettings, StrategyRule};

use super::draft::PlaceDraft;

/// Plans the mounts of a stack's services, and the places to restore; each place is restored once for all services
/// that mount it. The flag beside a service says whether it is booted; for others nothing is restored.
pub(super) fn plan_mounts(services: &[(&Service, &ServiceSettings, bool)]) -> (Vec<Vec<MountPlan>>, Vec<PlaceDraft>) {
    let mut places: Vec<PlaceDraft> = Vec::new();
    let mut plans = Vec::new();
    for (service, settings, booted) in services {
        let mut of_service = Vec::new();
        for mount in &service.mounts {
            let (strategy, is_chosen) = strategy(service, mount, &settings.strategies);
            let is_restored = *booted && strategy != Strategy::Omit && is_kept_on_disk(mount);
            let restore = is_restored.then(|| place_of(&mut places, mount, (strategy, is_chosen)));
            of_service.push(MountPlan { mount: mount.clone(), strategy, restore });
        }
        plans.push(of_service);
    }
    // A place that any service writes to is copied for all, so that readers see the writer's changes.
    for plan in plans.iter_mut().flatten() {
        if let Some(place) = plan.restore {
            plan.strategy = places[place].strategy;
        }
    }
    (plans, places)
}

fn is_kept_on_disk(mount: &Mount) -> bool {
    match mount.origin {
        MountOrigin::Volume { .. } | MountOrigin::Bind { .. } => true,
        MountOrigin::Tmpfs { .. } | MountOrigin::Dump { .. } | MountOrigin::Other { .. } => false,
    }
}

/// The index of the place of a mount.
fn place_of(places: &mut Vec<PlaceDraft>, mount: &Mount, (strategy, is_chosen): (Strategy, bool)) -> usize {
    if let Some(index) = places.iter().position(|place| place.mount.origin == mount.origin) {
        let known = &mut places[index];
        known.is_strategy_chosen |= is_chosen;
        if known.strategy == Strategy::Readonly && strategy != Strategy::Readonly {
            known.strategy = strategy;
        }
        return index;
    }
    places.push(PlaceDraft { mount: mount.clone(), strategy, is_strategy_chosen: is_chosen, request: None });
    places.len() - 1
}

/// The strategy of a mount, and whether the user chose it.
fn strategy(service: &Service, mount: &Mount, rules: &[StrategyRule]) -> (Strategy, bool) {
    if matches!(&mount.origin, MountOrigin::Bind { source } if is_of_the_host(source)) {
        return (Strategy::Omit, false);
    }
    if matches!(&mount.origin, MountOrigin::Bind { source } if !service.is_live() && is_of_the_system(source)) {
        return (Strategy::Omit, false);
    }
    let rule = rules.iter().rev().find(|rule| rule.applies(&service.name, mount));
    let strategy = match (rule, &mount.origin) {
        (_, MountOrigin::Other { .. }) => Strategy::Omit,
        (Some(rule), _) => rule.strategy,
        (None, MountOrigin::Tmpfs { .. }) => Strategy::Empty,
        (None, origin) if origin.is_in_memory() => Strategy::Empty,
        // A new host makes such a volume anew, so no restore brings its data back.
        (None, origin) if origin.is_anonymous() && !service.is_live() => Strategy::Empty,
        (None, _) if mount.read_only => Strategy::Readonly,
        (None, _) => Strategy::Copy,
    };
    (strategy, rule.is_some())
}

/// Whether a host path belongs to the running host and is no data: sockets, devices, kernel interfaces, the root
/// folder.
pub fn is_of_the_host(source: &str) -> bool {
    let path = source.trim_end_matches('/');
    let below = |root: &str| path == root || path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'));
    path.is_empty()
        || ["/dev", "/proc", "/sys", "/run", "/var/run", "/tmp/.X11-unix", "/boot"].iter().any(|root| below(root))
        || path == "/var"
        || path == "/var/lib"
        || below("/var/lib/containerd")
        || (below("/var/lib/docker") && !path.contains("/volumes/"))
        || path.ends_with(".sock")
}

/// Whether a host path is a part of every system, which a new host has by itself.
fn is_of_the_system(source: &str) -> bool {
    let path = source.trim_end_matches('/');
    let below = |root: &str| path == root || path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'));
    ["/etc/localtime", "/etc/timezone", "/usr/share/zoneinfo", "/lib/modules"].iter().any(|root| below(root))
}

/// Whether a service has a mount with data: one that it may write to, or a volume that it reads.
pub fn has_data(service: &Service) -> bool {
    service.mounts.iter().any(holds_data)
}

/// Whether a mount may hold data of its service: a writable one, or a volume.
pub fn holds_data(mount: &Mount) -> bool {
    match &mount.origin {
        MountOrigin::Volume { .. } => !mount.origin.is_in_memory(),
        MountOrigin::Bind { source } => !is_of_the_host(source) && !mount.read_only,
        MountOrigin::Tmpfs { .. } | MountOrigin::Dump { .. } | MountOrigin::Other { .. } => false,
    }
}
