//! Mounts as people name them: `[SERVICE:]MOUNT`.
//!
//! `/media`, `media::jellyfin:/cache`, `jellyfin_cache`, `web:/srv/data`. The service ends at the last single colon
//! (`::` belongs to the service's name); no mount is written with a colon, as Docker itself uses it to end one.

use crate::model::mount::{Mount, MountOrigin};
use crate::model::service::ServiceName;

/// Reads the service, if one is named, and the mount without a trailing slash, as Docker has it. `None`: no mount is
/// named.
pub fn parse(text: &str) -> Option<(Option<String>, String)> {
    let (service, mount) = split(text.trim());
    if mount.is_empty() || service == Some("") {
        return None;
    }
    Some((service.map(str::to_owned), bare(mount).to_owned()))
}

/// Cuts the trailing slash with which people write folders.
pub fn bare(mount: &str) -> &str {
    if mount.len() > 1 { mount.trim_end_matches('/') } else { mount }
}

/// Whether `named` is this service, with or without its stack. `None` is any service.
pub fn is_service(named: Option<&str>, service: &ServiceName) -> bool {
    named.is_none_or(|named| named == service.service || named == service.to_string())
}

/// Whether `named` is this mount of this service: by its target, its volume's name, that without the compose project,
/// or its host path.
pub fn is_mount(named: &str, service: &ServiceName, mount: &Mount) -> bool {
    if named == mount.target {
        return true;
    }
    match &mount.origin {
        MountOrigin::Volume { name, .. } => named == *name || short_name(service, name) == Some(named),
        MountOrigin::Bind { source } => named == *source,
        MountOrigin::Tmpfs { .. } | MountOrigin::Dump { .. } | MountOrigin::Other { .. } => false,
    }
}

/// Every name of these mounts: the target of each, its volume, its host path.
pub fn names<'a>(mounts: impl IntoIterator<Item = &'a Mount>) -> Vec<String> {
    let named = mounts.into_iter().flat_map(|mount| {
        let other = match &mount.origin {
            MountOrigin::Volume { name, .. } if !mount.origin.is_anonymous() => Some(name.clone()),
            MountOrigin::Bind { source } => Some(source.clone()),
            _ => None,
        };
        [Some(mount.target.clone()), other].into_iter().flatten()
    });
    named.collect()
}

/// A volume's name as its compose file has it: without the project in front.
pub fn short_name<'a>(service: &ServiceName, volume: &'a str) -> Option<&'a str> {
    volume.strip_prefix(service.stack.as_deref()?)?.strip_prefix('_')
}

fn split(text: &str) -> (Option<&str>, &str) {
    let bytes = text.as_bytes();
    let single = (0..bytes.len())
        .rev()
        .find(|&i| bytes[i] == b':' && (i == 0 || bytes[i - 1] != b':') && bytes.get(i + 1) != Some(&b':'));
    match single {
        Some(i) => (Some(&text[..i]), &text[i + 1..]),
        None => (None, text),
    }
}
