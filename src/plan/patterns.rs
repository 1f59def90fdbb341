//! The paths at which backup tools put the data of a mount; a backup is searched for them.

use crate::config::values::place;
use crate::model::mount::{Mount, MountOrigin, Strategy};
use crate::model::plan::{BackupRequest, MountPlan};
use crate::model::service::Service;
use crate::model::settings::ServiceSettings;
use crate::model::source::{MatchRule, MountQuery, Pattern, SourceSpec};

use super::draft::{KnownVolume, PlaceDraft};

/// Top folders of a whole system: an archive with one of these does not hold a single mount's data.
pub(super) const SYSTEM: [&str; 12] =
    ["backup", "boot", "etc", "home", "mnt", "opt", "root", "run", "srv", "usr", "var", "volumes"];

/// Top folders of a system that are host paths themselves. A backup program that puts a folder around what it saves
/// calls that folder otherwise (`mnt`, `backup`, `userdata`).
pub(super) const HOST_PATHS: [&str; 9] = ["boot", "etc", "home", "opt", "root", "run", "srv", "usr", "var"];

/// Adds a service's requests to the places that it mounts, and its source to `sources`. Does nothing for live data.
/// `if_found`: the source need not have its data, unless the user has named the part. `all` are the services of the
/// host.
pub(super) fn add_requests(
    service: &Service,
    all: &[&Service],
    settings: &ServiceSettings,
    if_found: bool,
    mounts: &[MountPlan],
    places: &mut [PlaceDraft],
    sources: &mut Vec<SourceSpec>,
) {
    let Some(spec) = &settings.source else { return };
    let source = sources.iter().position(|known| known == spec).unwrap_or_else(|| {
        sources.push(spec.clone());
        sources.len() - 1
    });
    for MountPlan { mount, strategy, restore } in mounts {
        let Some(place) = restore.and_then(|index| places.get_mut(index)) else { continue };
        if *strategy == Strategy::Empty {
            continue;
        }
        let request = place.request.get_or_insert_with(|| BackupRequest {
            source,
            want: MountQuery::default(),
            required: false,
            allow_empty: false,
            rule_name: format!("{}:{}", service.name, mount.target),
            max_entries: settings.max_entries,
            max_window: settings.max_window,
        });
        let is_named = settings.maps.iter().any(|rule| rule.applies(&service.name, mount));
        request.required |= !mount.read_only && (!if_found || is_named);
        request.allow_empty |= settings.allow_empty.iter().any(|named| place::is_mount(named, &service.name, mount));
        add_patterns(&mut request.want, service, all, settings, mount);
    }
}

/// The largest bound; 0 means no bound.
pub fn loosest(bounds: impl Iterator<Item = u64> + Clone) -> u64 {
    if bounds.clone().any(|bound| bound == 0) { 0 } else { bounds.max().unwrap_or(0) }
}

/// The host paths that a service mounts, without slashes at their ends.
pub(super) fn bind_sources(service: &Service) -> impl Iterator<Item = String> {
    service.mounts.iter().filter_map(|mount| match &mount.origin {
        MountOrigin::Bind { source } => Some(source.trim_matches('/').to_owned()),
        _ => None,
    })
}

/// The named volumes of a service.
pub(super) fn named_volumes(service: &Service) -> impl Iterator<Item = KnownVolume> {
    service.mounts.iter().filter(|mount| !mount.origin.is_anonymous()).filter_map(|mount| match &mount.origin {
        MountOrigin::Volume { name, .. } => Some(KnownVolume {
            name: name.clone(),
            short_name: place::short_name(&service.name, name).map(str::to_owned),
            stack: service.name.stack_name().to_owned(),
        }),
        MountOrigin::Bind { .. } | MountOrigin::Tmpfs { .. } | MountOrigin::Dump { .. } | MountOrigin::Other { .. } => {
            None
        }
    })
}

/// Adds the patterns of a mount: only the user's own (`--map`) if there is one.
fn add_patterns(
    query: &mut MountQuery,
    service: &Service,
    all: &[&Service],
    settings: &ServiceSettings,
    mount: &Mount,
) {
    let is_explicit = is_explicit(query);
    let explicit = settings.maps.iter().rev().find(|rule| rule.applies(&service.name, mount));
    if let Some(rule) = explicit {
        let pattern = (MatchRule::Explicit, Pattern::Top(rule.path.as_bytes().to_vec()));
        if !is_explicit {
            query.patterns = vec![pattern];
        } else if !query.patterns.contains(&pattern) {
            query.patterns.push(pattern);
        }
        return;
    }
    if is_explicit {
        return;
    }
    match &mount.origin {
        MountOrigin::Volume { name, .. } => add_volume_patterns(query, service, mount, name),
        MountOrigin::Bind { source } => add_bind_patterns(query, source.trim_matches('/')),
        MountOrigin::Tmpfs { .. } | MountOrigin::Dump { .. } | MountOrigin::Other { .. } => {}
    }
    // The paths that `docker run --volumes-from` and `docker cp` write.
    add(query, MatchRule::Target, &mount.target);
    add(query, MatchRule::Target, last_name(&mount.target));
    // What a backup of the mount around it has.
    for outer in &service.mounts {
        let below = mount.target.strip_prefix(outer.target.trim_end_matches('/')).filter(|_| outer.target != "/");
        if let Some(rest) = below.and_then(|rest| rest.strip_prefix('/')) {
            add(query, MatchRule::Target, rest);
        }
    }
    add_service_patterns(query, service, all, mount);
    if let MountOrigin::Volume { name, .. } = &mount.origin {
        query.patterns.push((MatchRule::Name, Pattern::VolumeData(name.as_bytes().to_vec())));
    }
}

/// Adds the patterns of backups with a folder for each service, or for each stack and service, in which the paths of
/// the mounts are. Where a service of another stack has the same name and a mount at the same path, the name alone says
/// little.
fn add_service_patterns(query: &mut MountQuery, service: &Service, all: &[&Service], mount: &Mount) {
    let target = mount.target.trim_matches('/');
    let is_twin = |other: &&&Service| {
        other.name != service.name
            && other.name.service == service.name.service
            && other.mounts.iter().any(|of_other| of_other.target == mount.target)
    };
    let of_name = if all.iter().any(|other| is_twin(&other)) { MatchRule::Target } else { MatchRule::Name };
    for (name, rule) in [(&service.name.service, of_name), (&service.container_name, MatchRule::Name)] {
        let path = format!("{name}/{target}");
        add(query, rule, &format!("volumes/{path}"));
        add(query, MatchRule::Target, &path);
        if rule == MatchRule::Name {
            add_suffix(query, &format!("volumes/{path}"));
        }
    }
    if let Some(stack) = &service.name.stack {
        let path = format!("{stack}/{}/{target}", service.name.service);
        add(query, MatchRule::Name, &format!("volumes/{path}"));
        add_suffix(query, &path);
    }
}

/// Whether the user named the part of the mount.
pub(super) fn is_explicit(query: &MountQuery) -> bool {
    query.patterns.iter().any(|(rule, _)| *rule == MatchRule::Explicit)
}

fn add_volume_patterns(query: &mut MountQuery, service: &Service, mount: &Mount, volume: &str) {
    let short = place::short_name(&service.name, volume);
    for name in [Some(volume), short].into_iter().flatten() {
        let is_common = name == last_name(&mount.target) || Some(name) == short;
        // The volume itself, and its `_data` as Docker keeps it.
        for name in [name, &format!("{name}/_data")] {
            let rule = if is_common && !name.contains('/') { MatchRule::Target } else { MatchRule::Name };
            add(query, rule, name);
            add(query, MatchRule::Name, &format!("backup/{name}"));
            add(query, MatchRule::Name, &format!("volumes/{name}"));
        }
    }
    if mount.origin.is_anonymous() {
        return;
    }
    add_suffix(query, &format!("{volume}/_data"));
    // A name such as `data` is that of many folders.
    if short.is_some() || volume != last_name(&mount.target) && volume.contains(['_', '-']) {
        add_suffix(query, volume);
    }
}

fn add_bind_patterns(query: &mut MountQuery, source: &str) {
    add(query, if source.contains('/') { MatchRule::Name } else { MatchRule::Target }, source);
    add(query, MatchRule::Name, &format!("backup/{source}"));
    // `tar -C /srv -c app` keeps only the end of the path, from some folder on.
    let ends = source.match_indices('/').map(|(at, _)| &source[at + 1..]);
    for end in ends.filter(|end| end.contains('/')) {
        add(query, MatchRule::Name, end);
        add_suffix(query, end);
    }
    if source.contains('/') {
        add_suffix(query, source);
    }
    let last = last_name(source);
    if !last.is_empty() {
        add(query, MatchRule::Target, &format!("backup/{last}"));
        add(query, MatchRule::Target, last);
    }
}

fn add(query: &mut MountQuery, rule: MatchRule, path: &str) {
    let path = path.trim_matches('/');
    // Many things have a single name like this one, above all if every system has it at its top.
    if path.is_empty() || SYSTEM.contains(&path) {
        return;
    }
    let pattern = (rule, Pattern::Top(path.as_bytes().to_vec()));
    if !query.patterns.contains(&pattern) {
        query.patterns.push(pattern);
    }
}

/// Adds the pattern of a path that the backup program saw below another folder.
fn add_suffix(query: &mut MountQuery, path: &str) {
    let pattern = (MatchRule::Suffix, Pattern::Suffix(path.trim_matches('/').as_bytes().to_vec()));
    if !query.patterns.contains(&pattern) {
        query.patterns.push(pattern);
    }
}

fn last_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}
