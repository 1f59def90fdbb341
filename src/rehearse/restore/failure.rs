//! Diagnoses for a worker that could not restore a place, with advice.

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::mount::Mount;
use crate::model::pluralize::pluralize;
use crate::model::units;
use crate::rehearse::diagnose::job_diagnosis;
use crate::rehearse::stack_context::KEEP_FREE;
use crate::worker::client::JobError;
use crate::worker::protocol::Failure;

use super::place::kind_word;

/// The diagnosis of a failed job about a mount.
pub(in crate::rehearse) fn mount_diagnosis(error: &JobError, mount: &Mount, during: &str) -> Diagnosis {
    match error {
        JobError::Failed(failure) => failure_diagnosis(failure, mount),
        other => job_diagnosis(other, during),
    }
}

/// The diagnosis of a mount that the worker could not restore or inspect.
pub(in crate::rehearse) fn failure_diagnosis(failure: &Failure, mount: &Mount) -> Diagnosis {
    let title = mount.title();
    match failure {
        Failure::TooLarge { bytes, max_bytes } => Diagnosis {
            remedy: Some(format!(
                "Raise --max-copy, or give the mount another strategy: --strategy '{0}=readonly', '{0}=overlay', \
                 '{0}=empty' or '{0}=omit'.",
                mount.target
            )),
            ..Diagnosis::new(
                Code::RestoreTooLarge,
                format!(
                    "{title} (mounted at {}) holds at least {}, --max-copy allows {}; nothing was copied",
                    mount.target,
                    units::bytes(*bytes),
                    units::bytes(*max_bytes)
                ),
            )
        },
        Failure::NoSpace { bytes, free } => Diagnosis {
            remedy: Some(room_remedy(mount, SPACE)),
            ..Diagnosis::new(
                Code::RestoreNoSpace,
                format!(
                    "{title} (mounted at {}) needs {}, and {} are free where the engine keeps its volumes ({} stay \
                     free for live services)",
                    mount.target,
                    units::bytes(*bytes),
                    units::bytes(*free),
                    units::bytes(KEEP_FREE)
                ),
            )
        },
        Failure::NoFiles { files, free, kept } => Diagnosis {
            remedy: Some(room_remedy(mount, INODES)),
            ..Diagnosis::new(
                Code::RestoreNoSpace,
                format!(
                    "{title} (mounted at {}) needs at least {}, and {free} more files (inodes) are free where \
                     the engine keeps its volumes ({kept}, 5 % of all, stay free for live services)",
                    mount.target,
                    pluralize(*files, "more file"),
                ),
            )
        },
        Failure::Full { path, error, free, free_files } => {
            let missing = if *free_files == Some(0) { INODES } else { SPACE };
            // The system has the same words for a disk without bytes and for one without inodes.
            let left = match free_files {
                Some(0) => "no more files can be created there (no inode is free)".to_owned(),
                Some(files) => {
                    format!("{} and {files} more files (inodes) are free there now", units::bytes(*free))
                }
                None => format!("{} are free there now", units::bytes(*free)),
            };
            Diagnosis {
                remedy: Some(room_remedy(mount, missing)),
                ..Diagnosis::new(
                    Code::RestoreNoSpace,
                    format!(
                        "the disk where the engine keeps its volumes filled up while {title} (mounted at {}) was \
                         restored: writing {}: {error}; {left}",
                        mount.target,
                        shown(path)
                    ),
                )
            }
        }
        Failure::FileTooLarge { path, error } => Diagnosis {
            remedy: Some(format!(
                "Keep the engine's volumes on a file system that stores files of this size, or give the mount another \
                 strategy: --strategy '{0}=readonly', '{0}=overlay', '{0}=empty' or '{0}=omit'. A file that nobody has \
                 made so large on purpose has a wrong size in the backup.",
                mount.target
            )),
            ..Diagnosis::new(
                Code::RestoreTooLarge,
                format!(
                    "restoring {title}: {} is larger than any file on the file system where the engine keeps its \
                     volumes: {error}",
                    shown(path)
                ),
            )
        },
        Failure::Unreadable { path, error } => {
            Diagnosis::new(Code::RestoreUnreadable, format!("reading {} of {title}: {error}", shown(path)))
        }
        Failure::Unwritable { path, error } => {
            Diagnosis::new(Code::RestoreFailed, format!("restoring {title}: writing {}: {error}", shown(path)))
        }
        Failure::Corrupt { entry, at, error } => {
            let after = if entry.is_empty() { String::new() } else { format!(", after the entry {entry}") };
            Diagnosis::new(
                Code::SourceCorrupt,
                format!("the archive that {title} is restored from is damaged at byte {at}{after}: {error}"),
            )
        }
        Failure::Unsafe { path, error } => {
            Diagnosis::new(Code::RestoreUnsafeEntry, format!("restoring {title}: the entry {path} {error}"))
        }
        Failure::TooMany { max_entries } => Diagnosis::new(
            Code::RestoreTooLarge,
            format!("restoring {title}: the archive has more entries than --max-entries allows ({max_entries})"),
        ),
        Failure::Window { error } => {
            Diagnosis::new(Code::RestoreTooLarge, format!("the archive that {title} is restored from: {error}"))
        }
        Failure::WrongKind { root } => Diagnosis::new(Code::RestoreFailed, format!("{title} is {}", kind_word(*root))),
        Failure::BadRequest { error } => Diagnosis::new(Code::WorkerFailed, format!("restoring {title}: {error}")),
    }
}

const SPACE: &str = "some space";
const INODES: &str = "some inodes (each file takes one; `df -i` counts them)";

fn room_remedy(mount: &Mount, missing: &str) -> String {
    format!(
        "Free {missing} where the engine keeps its volumes, or give the mount another strategy: --strategy \
         '{0}=readonly', '{0}=overlay', '{0}=empty' or '{0}=omit'.",
        mount.target
    )
}

fn shown(path: &str) -> &str {
    if path.is_empty() { "the root" } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mount::MountOrigin;

    #[test]
    fn a_disk_without_inodes_is_told_from_one_without_bytes() {
        let mount = Mount {
            target: "/data".to_owned(),
            origin: MountOrigin::Volume { name: "app".to_owned(), driver: "local".to_owned() },
            read_only: false,
        };
        let full = |free, free_files| {
            let (path, error) = ("x".to_owned(), "No space left on device (os error 28)".to_owned());
            failure_diagnosis(&Failure::Full { path, error, free, free_files }, &mount)
        };
        let (none, few, uncounted) = (full(9_000_000, Some(0)), full(9_000_000, Some(2)), full(0, None));
        assert!(none.message.contains("no inode is free") && none.remedy().contains("Free some inodes"), "{none}");
        assert!(few.message.contains("9.0 MB and 2 more files (inodes) are free"), "{few}");
        assert!(!uncounted.message.contains("inode") && uncounted.remedy().contains("Free some space"), "{uncounted}");
        let short = failure_diagnosis(&Failure::NoFiles { files: 1, free: 40, kept: 50 }, &mount);
        assert!(short.message.contains("at least 1 more file, and 40 more files (inodes) are free"), "{short}");
        assert!(short.remedy().contains("Free some inodes"), "{}", short.remedy());
    }

    #[test]
    fn a_file_that_the_file_system_cannot_hold_is_too_large_for_it() {
        let origin = MountOrigin::Volume { name: "data".to_owned(), driver: "local".to_owned() };
        let mount = Mount { target: "/data".to_owned(), origin, read_only: false };
        let failure = Failure::FileTooLarge { path: "a/big".to_owned(), error: "File too large".to_owned() };
        let diagnosis = failure_diagnosis(&failure, &mount);
        assert_eq!(diagnosis.code, Code::RestoreTooLarge);
        assert!(diagnosis.message.contains("a/big is larger than any file"), "{diagnosis}");
    }
}
