//! File systems in files, mounted on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::backup::sh;
use super::shown;

/// A mounted file system; unmounted at the end of the test.
pub struct LoopMount(PathBuf);

impl LoopMount {
    /// Makes a file system by this command (`mkfs.btrfs -q`) and mounts it at `point`, a folder that is made.
    #[track_caller]
    pub fn new(mkfs: &str, point: &Path) -> LoopMount {
        let folder = point.parent().expect("a folder below another");
        let disk = format!("{}.disk", shown(point));
        let script = format!("mkdir -p \"$2\"; truncate -s 128M \"$1\"; {mkfs} \"$1\"; mount -o loop \"$1\" \"$2\"");
        sh(folder, &script, &[&disk, &shown(point)]);
        LoopMount(point.to_owned())
    }
}

impl Drop for LoopMount {
    fn drop(&mut self) {
        // A failure shows when the folder around it is removed.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
