//! Folders that a snapshot has without their content: a mount that needs one of them is not restored whole.

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::host_tree::{Hole, HoleCause, below};
use crate::model::mount::Mount;
use crate::model::plan::BackupRequest;

use super::patterns::is_explicit;

/// The first hole in a part of the backup, the part itself included.
pub(super) fn in_part<'h>(holes: &'h [Hole], part: &[u8]) -> Option<&'h Hole> {
    let part = String::from_utf8_lossy(part);
    holes.iter().find(|hole| below(&String::from_utf8_lossy(&hole.path), &part).is_some())
}

/// The hole in which a mount's data would lie. A mount that may have its live data is none of it.
pub(super) fn around<'h>(holes: &'h [Hole], query: usize, request: &BackupRequest) -> Option<&'h Hole> {
    let is_needed = request.required || is_explicit(&request.want);
    holes.iter().find(|hole| is_needed && hole.wanted_by.contains(&query))
}

/// The diagnosis of a mount that needs what is missing.
pub(super) fn diagnosis(hole: &Hole, mount: &Mount, what: &str) -> Diagnosis {
    let (title, target, path) = (mount.title(), &mount.target, String::from_utf8_lossy(&hole.path));
    let (message, remedy) = match &hole.cause {
        HoleCause::OtherFileSystem { name, looked_for } => {
            let own = match looked_for {
                Some(path) => format!("its own snapshot {path} is not there"),
                None => "a snapshot of its own was not looked for".to_owned(),
            };
            let message = format!(
                "{what} has nothing of {path}, which belongs to {title} (mounted at {target}): on the host, {name} is \
                 mounted there, a snapshot leaves out what is mounted inside, and {own}"
            );
            let remedy = format!(
                "Take the snapshots of all file systems at the same time: `zfs snapshot -r`, or `recursive = yes` in \
                 sanoid.conf. Until then a restore lacks {path}."
            );
            (message, remedy)
        }
        HoleCause::Subvolume => {
            let message = format!(
                "{what} has an empty folder at {path}, which belongs to {title} (mounted at {target}): a subvolume of \
                 btrfs was there, and a snapshot leaves subvolumes out"
            );
            let remedy = format!(
                "Take snapshots of the subvolume, too, or make {path} an ordinary folder. A restore lacks its content."
            );
            (message, remedy)
        }
    };
    let accept = "If a restore needs nothing of it: --allow-empty";
    let remedy = format!("{remedy} {accept} '{target}'.");
    Diagnosis { remedy: Some(remedy), ..Diagnosis::new(Code::RestoreIncomplete, message) }
}
