//! Shows places through an overlay on the live data instead of copying them.
//!
//! A read-only mount does not isolate sockets and pipes: a container can connect to a socket in it and write to a
//! pipe. In an overlay they are other sockets and pipes with nobody at the other end: a connection is refused. That
//! also holds for those that appear while the rehearsal runs. A single file cannot be below an overlay, and is copied
//! unless it is large.

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::mount::MountOrigin;
use crate::model::pluralize::pluralize;
use crate::model::sandbox::VolumeSpec;
use crate::worker::protocol::{PrepareOverlayJob, RootKind, Scan, ScanJob};

use super::copy::{copy, copy_in};
use super::failure::mount_diagnosis;
use super::place::{PlaceRestore, begin_step, kind_word};
use crate::rehearse::diagnose::docker_diagnosis;
use crate::rehearse::shared_task::Diagnosed;
use crate::rehearse::state::{BroughtData, PreparedPlace, RestoredData};
use crate::rehearse::steps::OpenStep;

/// Bound on the entries that are read to count a mount's files and to name its sockets, pipes and devices.
const MAX_ENTRIES: u64 = 200_000;
/// Largest single file, in bytes, that is copied in place of being mounted itself.
const LARGEST_COPIED: u64 = 64 * 1024 * 1024;
/// File systems with their own rules for comparing names; the kernel refuses an overlay on them.
const NO_LOWER: [&str; 5] = ["vfat", "msdos", "exfat", "cifs", "smb3"];

/// Shows a place read-only: through an overlay where one is possible, else as a copy.
pub(super) async fn show_read_only(place: &PlaceRestore<'_>) -> Diagnosed<BroughtData> {
    let PlaceRestore { cx, plan, prepared, .. } = place;
    let Some(from) = prepared.from.clone() else { return Ok(BroughtData::without_files(RestoredData::Nothing)) };
    let step = begin_step(cx, plan);
    let scan = match scan(place, from).await {
        Ok(scan) => scan,
        Err(diagnosis) => return Err(step.broke(diagnosis)),
    };
    match (scan.root, &plan.mount.origin) {
        (RootKind::Socket | RootKind::Other, _) => {
            step.done_with(None, Some(format!("left out: it is {}", kind_word(scan.root))));
            return Ok(BroughtData::without_files(RestoredData::Nothing));
        }
        // A bind mount is this very file: a program that locks it would keep the live service waiting.
        (RootKind::File, MountOrigin::Bind { .. }) if scan.amount.bytes <= LARGEST_COPIED => {
            return copy_in(place, step, Some(note(&scan))).await;
        }
        // It keeps this very file, even if another file replaces it on the host.
        (RootKind::File, MountOrigin::Bind { .. }) if prepared.source_path.is_some() => {
            step.done_with(None, Some(note(&scan)));
            let path = prepared.source_path.clone().unwrap_or_default();
            return Ok(BroughtData::of(RestoredData::HostPath(path), scan.amount.files));
        }
        (RootKind::File | RootKind::Folder, _) => {}
    }
    let withheld = (!scan.special_files.is_empty())
        .then(|| format!("what listens outside at {} in {}", scan.special_files, plan.mount.title()));
    let brought = match obstacle(prepared, &scan) {
        Some(obstacle) => {
            step.done_with(None, Some(format!("copied instead: {obstacle}")));
            copy(place).await?
        }
        None => mount_overlay(place, &scan, step).await?,
    };
    Ok(BroughtData { withheld, ..brought })
}

/// Shows a place through a writable overlay, as its strategy asks.
pub(super) async fn overlay(place: &PlaceRestore<'_>) -> Diagnosed<BroughtData> {
    let PlaceRestore { cx, plan, prepared, .. } = place;
    let step = begin_step(cx, plan);
    let cannot = |why: &str| {
        let message =
            format!("{} cannot be mounted through an overlay: {why}; use the strategy copy", plan.mount.title());
        Diagnosis::new(Code::RestoreFailed, message)
    };
    let Some(from) = prepared.from.clone() else {
        return Err(step.broke(cannot("it has no path on the engine's host")));
    };
    let scan = match scan(place, from).await {
        Ok(scan) => scan,
        Err(diagnosis) => return Err(step.broke(diagnosis)),
    };
    match obstacle(prepared, &scan) {
        Some(obstacle) => Err(step.broke(cannot(&obstacle))),
        None => mount_overlay(place, &scan, step).await,
    }
}

async fn scan(place: &PlaceRestore<'_>, path: String) -> Diagnosed<Scan> {
    let PlaceRestore { plan, worker, .. } = place;
    let doing = || format!("looking through {}", plan.mount.title());
    let scan = worker.run(ScanJob { path, max_entries: MAX_ENTRIES }).await;
    scan.map_err(|error| mount_diagnosis(&error, &plan.mount, &doing()))
}

async fn mount_overlay(place: &PlaceRestore<'_>, scan: &Scan, step: OpenStep) -> Diagnosed<BroughtData> {
    let PlaceRestore { cx, index, plan, prepared, worker } = place;
    let doing = || format!("preparing an overlay on {}", plan.mount.title());
    let from = prepared.from.clone().unwrap_or_default();
    if let Err(error) = worker.run(PrepareOverlayJob { from, to: prepared.to.clone() }).await {
        return Err(step.broke(mount_diagnosis(&error, &plan.mount, &doing())));
    }
    let base = &prepared.volume.mountpoint;
    let lower = prepared.source_path.clone().unwrap_or_default();
    let spec = VolumeSpec::Overlay { lower, upper: format!("{base}/upper"), work: format!("{base}/work") };
    match cx.client.create_volume(&format!("o{index}"), spec).await {
        Ok(volume) => {
            step.done_with(None, Some(note(scan)));
            Ok(BroughtData::of(RestoredData::Volume(volume.name), scan.amount.files))
        }
        Err(error) => Err(step.broke(docker_diagnosis(&error, Code::RestoreFailed, "creating an overlay volume"))),
    }
}

/// Why an overlay on this place is impossible, or would hide a part of it; `None`: it is possible.
fn obstacle(prepared: &PreparedPlace, scan: &Scan) -> Option<String> {
    let Some(path) = &prepared.source_path else {
        return Some("it has no path on the engine's host".to_owned());
    };
    if path.contains(',') {
        return Some(format!("its path has a comma: {path}"));
    }
    if prepared.mounted_on_use {
        return Some("it is there only while its volume driver has it mounted".to_owned());
    }
    if scan.mounts_below > 0 {
        return Some(format!("{} in it, which an overlay does not show", pluralize(scan.mounts_below, "other mount")));
    }
    NO_LOWER.contains(&scan.file_system.as_str()).then(|| format!("it lies on {}", scan.file_system))
}

fn note(scan: &Scan) -> String {
    let files = scan.amount.files;
    if scan.complete { pluralize(files, "file") } else { format!("more than {files} files") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::VolumeInfo;
    use crate::model::event::Amount;
    use crate::model::sampled::Sampled;

    fn place(path: Option<&str>) -> PreparedPlace {
        let volume = VolumeInfo {
            name: "v".to_owned(),
            driver: "local".to_owned(),
            mountpoint: "/volumes/v".to_owned(),
            options: Default::default(),
            labels: Default::default(),
        };
        PreparedPlace {
            from: Some("/from/0".to_owned()),
            to: "/to/0".to_owned(),
            volume,
            live: None,
            source_path: path.map(str::to_owned),
            mounted_on_use: false,
        }
    }

    fn scan(file_system: &str, mounts_below: u64) -> Scan {
        Scan {
            root: RootKind::Folder,
            amount: Amount::default(),
            allocated: 0,
            folders: 0,
            special_files: Sampled::default(),
            complete: true,
            free_bytes: 0,
            file_system: file_system.to_owned(),
            mounts_below,
        }
    }

    #[test]
    fn an_overlay_lies_on_what_it_would_show_whole() {
        assert_eq!(obstacle(&place(Some("/srv/media")), &scan("ext4", 0)), None);
        // As sanoid names its snapshots.
        let colons = "/tank/.zfs/snapshot/autosnap_2026-11-01_00:00:01_daily";
        assert_eq!(obstacle(&place(Some(colons)), &scan("zfs", 0)), None);
        let on_use = PreparedPlace { mounted_on_use: true, ..place(Some("/srv/media")) };
        for (place, scan) in [
            (place(None), scan("ext4", 0)),
            (place(Some("/srv/a,b")), scan("ext4", 0)),
            (place(Some("/srv/media")), scan("ext4", 1)),
            (place(Some("/srv/media")), scan("cifs", 0)),
            (on_use, scan("nfs4", 0)),
        ] {
            assert!(obstacle(&place, &scan).is_some(), "{place:?} {scan:?}");
        }
    }
}
