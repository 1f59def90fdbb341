//! The mounts of a live container: those that the engine lists, and the tmpfs that older engines leave out.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{self, MountPoint, MountTmpfsOptions, MountType};

use crate::model::mount::{Mount, MountOrigin};

use super::defaults::Others;

/// The mounts in the order of their targets, at most one for each target.
pub(in crate::docker) fn read(
    points: Vec<MountPoint>,
    tmpfs: HashMap<String, String>,
    wanted: Vec<models::Mount>,
    other: &mut Others,
) -> Vec<Mount> {
    let mut mounts: BTreeMap<String, Mount> = BTreeMap::new();
    let mut put = |mount: Mount| mounts.insert(mount.target.clone(), mount);
    for point in points {
        put(read_point(point, other));
    }
    for (target, options) in tmpfs {
        let read_only = options.split(',').any(|option| option == "ro");
        put(Mount { target: plain(&target), origin: MountOrigin::Tmpfs { options }, read_only });
    }
    for mount in wanted {
        if let Some(mount) = read_wanted(mount, other) {
            put(mount);
        }
    }
    mounts.into_values().collect()
}

/// The path without a slash at its end, as the engine has it among its mounts.
fn plain(target: &str) -> String {
    match target.trim_end_matches('/') {
        "" => "/".to_owned(),
        target => target.to_owned(),
    }
}

/// What the engine mounted.
fn read_point(point: MountPoint, other: &mut Others) -> Mount {
    let MountPoint {
        typ,
        name,
        source,
        destination,
        driver,
        mode: _, // `rw` again, and SELinux's relabelling
        rw,
        propagation,
    } = point;
    let target = plain(&destination.unwrap_or_default());
    let kind = typ.unwrap_or_default();
    let origin = match kind.as_str() {
        "volume" => MountOrigin::Volume {
            name: name.unwrap_or_default(),
            driver: driver.filter(|driver| !driver.is_empty()).unwrap_or_else(|| "local".to_owned()),
        },
        // Engines leave the kind out of the oldest containers' binds.
        "bind" | "" => {
            if let Some(propagation) = propagation.filter(|how| !matches!(how.as_str(), "" | "rprivate" | "private")) {
                other.note(format!("Mounts[{target}].Propagation"), propagation);
            }
            MountOrigin::Bind { source: source.unwrap_or_default() }
        }
        "tmpfs" => MountOrigin::Tmpfs { options: String::new() },
        _ => MountOrigin::Other { kind_name: kind },
    };
    Mount { target, origin, read_only: rw == Some(false) }
}

/// A mount that was asked for, where the engine's own list lacks it or says less.
fn read_wanted(mount: models::Mount, other: &mut Others) -> Option<Mount> {
    let models::Mount {
        target,
        source: _, // stands in the engine's own list
        typ,
        read_only,
        consistency: _, // macOS
        bind_options,
        volume_options,
        image_options: _, // an image mount is not rehearsed whatever its options
        tmpfs_options,
    } = mount;
    let target = plain(&target?);
    let read_only = read_only.unwrap_or_default();
    if let Some(options) = bind_options {
        let models::MountBindOptions {
            propagation: _, // stands in the engine's own list
            non_recursive,
            create_mountpoint: _, // how it came about
            read_only_non_recursive,
            read_only_force_recursive: _, // stricter than what the sandbox does
        } = options;
        other.flag(&format!("Mounts[{target}].NonRecursive"), non_recursive);
        other.flag(&format!("Mounts[{target}].ReadOnlyNonRecursive"), read_only_non_recursive);
    }
    if let Some(options) = volume_options {
        let models::MountVolumeOptions {
            no_copy: _,       // how it was filled
            labels: _,        // the volume's own
            driver_config: _, // the volume's own
            subpath,
        } = options;
        if let Some(subpath) = subpath.filter(|subpath| !subpath.is_empty()) {
            // The engine's own list shows the mount as one of the whole volume.
            other.note(format!("Mounts[{target}].Subpath"), subpath);
            return Some(Mount {
                target,
                origin: MountOrigin::Other { kind_name: "volume-subpath".to_owned() },
                read_only,
            });
        }
    }
    (typ == Some(MountType::TMPFS)).then(|| {
        let options = tmpfs_options.map(|options| tmpfs_line(options, read_only)).unwrap_or_default();
        Mount { target, origin: MountOrigin::Tmpfs { options }, read_only }
    })
}

/// The options as `--tmpfs` takes them.
fn tmpfs_line(options: MountTmpfsOptions, read_only: bool) -> String {
    let MountTmpfsOptions { size_bytes, mode, options } = options;
    let size = size_bytes.filter(|size| *size > 0).map(|size| format!("size={size}"));
    let mode = mode.filter(|mode| *mode > 0).map(|mode| format!("mode={mode:o}"));
    let more = options.unwrap_or_default().into_iter().map(|pair| pair.join("="));
    let read_only = read_only.then(|| "ro".to_owned());
    size.into_iter().chain(mode).chain(more).chain(read_only).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_a_tmpfs_mount_become_those_of_the_flag() {
        let options = MountTmpfsOptions {
            size_bytes: Some(1024),
            mode: Some(0o1777),
            options: Some(vec![vec!["noexec".into()], vec!["uid".into(), "7".into()]]),
        };
        assert_eq!(tmpfs_line(options, true), "size=1024,mode=1777,noexec,uid=7,ro");
    }

    #[test]
    fn a_part_of_a_volume_is_not_taken_for_the_whole() {
        let point = MountPoint {
            typ: Some("volume".into()),
            name: Some("v".into()),
            source: None,
            destination: Some("/d".into()),
            driver: Some("local".into()),
            mode: None,
            rw: Some(true),
            propagation: None,
        };
        let wanted = models::Mount {
            target: Some("/d".into()),
            typ: Some(MountType::VOLUME),
            volume_options: Some(models::MountVolumeOptions { subpath: Some("a/b".into()), ..Default::default() }),
            ..Default::default()
        };
        let mut other = Others::default();
        let mounts = read(vec![point], HashMap::new(), vec![wanted], &mut other);
        assert_eq!(mounts.len(), 1);
        assert_eq!(mounts[0].origin, MountOrigin::Other { kind_name: "volume-subpath".into() });
        assert_eq!(other.0[0].field, "Mounts[/d].Subpath");
    }
}
