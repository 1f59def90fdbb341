//! Layouts of other programs: a folder or archive with one of them holds no data that could be restored as it is.

use serde::{Deserialize, Serialize};

use super::source_kind::SourceKind;

macro_rules! layouts {
    ($($kind:ident $title:literal, $remedy:literal;)+) => {
        /// The program whose layout a backup has.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Repository {
            $(#[doc = $title] $kind,)+
        }

        impl Repository {
            /// What it is, for people.
            pub fn title(self) -> &'static str {
                match self { $(Repository::$kind => $title,)+ }
            }

            /// What the user can do instead.
            pub fn remedy(self) -> &'static str {
                match self { $(Repository::$kind => $remedy,)+ }
            }
        }
    };
}

layouts! {
    Restic "a repository of restic",
        "Name the repository itself: --from restic:REPOSITORY. One that is packed in an archive is unpacked first.";
    Borg "a repository of Borg",
        "Name the repository itself: --from borg:REPOSITORY. One that is packed in an archive is unpacked first.";
    Kopia "a repository of Kopia",
        "Restore a snapshot into a folder and name that: `kopia snapshot restore ID FOLDER`, then --from dir:FOLDER.";
    Duplicity "a backup of duplicity",
        "Restore it into a folder and name that: `duplicity restore URL FOLDER`, then --from dir:FOLDER.";
    Duplicati "a backup of Duplicati",
        "Restore it into a folder with Duplicati (keep the permissions), and name that: --from dir:FOLDER.";
    Duplicacy "a storage of Duplicacy",
        "Restore a revision into a folder and name that: `duplicacy restore -r REVISION`, then --from dir:FOLDER.";
    Bup "a repository of bup",
        "Restore it into a folder and name that: `bup restore -C FOLDER /BRANCH/latest`, then --from dir:FOLDER.";
    ProxmoxBackup "a datastore of Proxmox Backup Server",
        "Restore the archive into a folder and name that: `proxmox-backup-client restore SNAPSHOT ARCHIVE FOLDER`, \
         then --from dir:FOLDER.";
    PgBackRest "a repository of pgBackRest",
        "Restore it into a folder and name that: `pgbackrest restore --pg1-path=FOLDER`, then --from dir:FOLDER.";
    WalG "a storage of WAL-G",
        "Fetch the backup into a folder and name that: `wal-g backup-fetch FOLDER LATEST`, then --from dir:FOLDER.";
    PgBaseBackup "the archives of pg_basebackup -Ft",
        "Unpack base.tar into a folder and pg_wal.tar into its pg_wal, and name the folder: --from dir:FOLDER.";
    BackupPc "a pool of BackupPC",
        "Pipe the backup: `BackupPC_tarCreate -h HOST -n -1 -s SHARE . | rehearsa test --from tar:-`.";
    TimeMachine "a backup of Time Machine",
        "Mount it, and name the folder of one backup inside: --from dir:FOLDER.";
    Rsnapshot "a folder of rsnapshot, with several snapshots",
        "Name one of its snapshots: --from dir:FOLDER/daily.0.";
    Gocryptfs "an encrypted folder of gocryptfs",
        "Mount it and name the folder of the plain files: `gocryptfs -ro ENCRYPTED FOLDER`, then --from dir:FOLDER.";
    Cryptomator "an encrypted vault of Cryptomator",
        "Unlock the vault and name the folder of the plain files: --from dir:FOLDER.";
    EncFs "an encrypted folder of EncFS",
        "Mount it and name the folder of the plain files: `encfs ENCRYPTED FOLDER`, then --from dir:FOLDER.";
    CryFs "an encrypted folder of CryFS",
        "Mount it and name the folder of the plain files: `cryfs ENCRYPTED FOLDER`, then --from dir:FOLDER.";
    DockerSave "an image, as `docker save` writes it",
        "An image has no data of volumes. Back up the volumes: archive them from a container that \
         mounts them.";
    DockerExport "a container's own files, as `docker export` writes them",
        "An export leaves out volumes and bind mounts, which is where the data is. Back up the volumes: archive them \
         from a container that mounts them.";
}

impl Repository {
    /// The kind of source that reads it; `None`: there is none.
    pub fn kind(self) -> Option<SourceKind> {
        match self {
            Repository::Restic => Some(SourceKind::Restic),
            Repository::Borg => Some(SourceKind::Borg),
            _ => None,
        }
    }
}

/// A layout that a backup has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    pub of: Repository,
    /// The folder with the layout; empty for the whole backup.
    pub path: Vec<u8>,
}
