//! Reads the mounts of a service.

use super::draft::{DeclaredVolume, DraftService};
use super::error::ComposeError;
use super::keys::refuse_unknown;
use super::node::Node;
use crate::model::mount::{IN_MEMORY, Mount, MountOrigin};

/// `/run`, `/tmp:size=10m`.
pub(super) fn tmpfs(draft: &mut DraftService, node: &Node<'_>) -> Result<(), ComposeError> {
    let entries = if node.is_list() { node.texts()? } else { vec![node.text()?] };
    for entry in entries {
        let (target, options) = entry.split_once(':').unwrap_or((&entry, ""));
        let read_only = options.split(',').any(|option| option == "ro");
        let origin = MountOrigin::Tmpfs { options: options.to_owned() };
        draft.mount(Mount { target: plain(target), origin, read_only });
    }
    Ok(())
}

pub(super) fn volumes(draft: &mut DraftService, node: &Node<'_>) -> Result<(), ComposeError> {
    const KNOWN: [&str; 9] =
        ["type", "source", "target", "read_only", "consistency", "bind", "volume", "tmpfs", "image"];
    for mount in node.list()? {
        refuse_unknown(&mount, &KNOWN)?;
        let text = |key: &str| mount.get(key).map(|value| value.text()).transpose();
        let target = plain(&text("target")?.ok_or_else(|| mount.unexpected("a mount with a target"))?);
        let read_only = mount.get("read_only").map_or(Ok(false), |flag| flag.flag())?;
        let kind = text("type")?.unwrap_or_default();
        let origin = match kind.as_str() {
            "volume" => volume(draft, &mount, text("source")?, &target)?,
            "bind" => {
                let propagation = mount.get("bind").and_then(|bind| bind.get("propagation"));
                if let Some(propagation) = propagation {
                    let propagation = propagation.text()?;
                    if !matches!(propagation.as_str(), "rprivate" | "private") {
                        draft.note(&format!("volumes[{target}].propagation"), propagation);
                    }
                }
                MountOrigin::Bind { source: text("source")?.ok_or_else(|| mount.unexpected("a mount with a source"))? }
            }
            "tmpfs" => MountOrigin::Tmpfs { options: tmpfs_options(&mount)? },
            _ => MountOrigin::Other { kind_name: kind },
        };
        draft.mount(Mount { target, origin, read_only });
    }
    Ok(())
}

fn volume(
    draft: &mut DraftService,
    mount: &Node<'_>,
    source: Option<String>,
    target: &str,
) -> Result<MountOrigin, ComposeError> {
    let subpath = mount.get("volume").and_then(|volume| volume.get("subpath"));
    if let Some(subpath) = subpath {
        let subpath = subpath.text()?;
        draft.note(&format!("volumes[{target}].subpath"), subpath);
        return Ok(MountOrigin::Other { kind_name: "volume-subpath".to_owned() });
    }
    let Some(source) = source else { return Ok(anonymous(&draft.service.name.to_string(), target)) };
    let declared = draft.declared.volumes.get(&source).cloned();
    let DeclaredVolume { name, driver, in_memory, .. } = declared.ok_or_else(|| mount.unexpected("a known volume"))?;
    let driver = match (in_memory, driver.is_empty()) {
        (true, _) => IN_MEMORY.to_owned(),
        (false, true) => "local".to_owned(),
        (false, false) => driver,
    };
    Ok(MountOrigin::Volume { name, driver })
}

/// A volume without a name. The engine would make one up of 64 hexadecimal digits; this one is the same in every run.
pub(super) fn anonymous(service: &str, target: &str) -> MountOrigin {
    let name = blake3::hash(format!("{service}\0{target}").as_bytes()).to_hex().to_string();
    MountOrigin::Volume { name, driver: "local".to_owned() }
}

fn tmpfs_options(mount: &Node<'_>) -> Result<String, ComposeError> {
    let Some(of) = mount.get("tmpfs") else { return Ok(String::new()) };
    let size = of.get("size").map(|size| size.number()).transpose()?.filter(|size| *size > 0);
    let mode = of.get("mode").map(|mode| mode.number()).transpose()?.filter(|mode| *mode > 0);
    let options = [size.map(|size| format!("size={size}")), mode.map(|mode| format!("mode={mode:o}"))];
    Ok(options.into_iter().flatten().collect::<Vec<_>>().join(","))
}

/// The path without a slash at its end.
pub(super) fn plain(target: &str) -> String {
    match target.trim_end_matches('/') {
        "" => "/".to_owned(),
        target => target.to_owned(),
    }
}
