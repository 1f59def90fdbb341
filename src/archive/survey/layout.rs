//! Recognises the layouts of other programs by the names of files and folders. Only a layout that takes up the whole
//! backup counts, at its top or in its only folder: a repository may well be the data of one service among others.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::repository::{Layout, Repository};
use crate::model::source::is_sidecar;

/// Deepest folder, in components, that may have a layout.
const DEEPEST: usize = 2;
/// Most folders that are watched.
const MOST_FOLDERS: usize = 1000;

/// The names that together make a layout; a name that ends in `/` is a folder's.
const LAYOUTS: &[(Repository, &[&str])] = &[
    (Repository::Restic, &["config", "data/", "index/", "keys/", "snapshots/"]),
    (Repository::Borg, &["config", "data/", "hints.*"]),
    (Repository::Kopia, &["kopia.repository*"]),
    (Repository::Duplicity, &["duplicity-full*"]),
    (Repository::Duplicati, &["duplicati-2*"]),
    (Repository::Duplicacy, &["config", "chunks/", "snapshots/"]),
    (Repository::Bup, &["HEAD", "objects/", "refs/", "bupindex*"]),
    (Repository::ProxmoxBackup, &[".chunks/", "vm/"]),
    (Repository::ProxmoxBackup, &[".chunks/", "ct/"]),
    (Repository::ProxmoxBackup, &[".chunks/", "host/"]),
    (Repository::ProxmoxBackup, &["index.json.blob"]),
    (Repository::PgBackRest, &["archive/*/archive.info", "backup/*/backup.info"]),
    (Repository::WalG, &["basebackups_005/", "wal_005/"]),
    (Repository::PgBaseBackup, &["base.tar*", "pg_wal.tar*"]),
    (Repository::BackupPc, &["cpool/", "pc/", "pool/"]),
    (Repository::TimeMachine, &["Backups.backupdb/"]),
    (Repository::TimeMachine, &["bands/", "Info.plist", "token"]),
    (Repository::Rsnapshot, &["daily.0/"]),
    (Repository::Rsnapshot, &["hourly.0/"]),
    (Repository::Rsnapshot, &["alpha.0/"]),
    (Repository::Gocryptfs, &["gocryptfs.conf"]),
    (Repository::Cryptomator, &["masterkey.cryptomator*"]),
    (Repository::Cryptomator, &["vault.cryptomator*"]),
    (Repository::EncFs, &[".encfs6.xml"]),
    (Repository::CryFs, &["cryfs.config"]),
    (Repository::DockerSave, &["manifest.json", "*/layer.tar"]),
    (Repository::DockerSave, &["oci-layout", "index.json", "blobs/"]),
    (Repository::DockerExport, &[".dockerenv", "etc/", "usr/"]),
];

/// Collects the names of layouts, entry by entry.
#[derive(Debug, Default)]
pub struct LayoutScan {
    /// For each folder, the names of [`LAYOUTS`] that are in it.
    seen: BTreeMap<Vec<u8>, BTreeSet<&'static str>>,
    /// The folder that has every file so far, at most [`DEEPEST`] components; `None`: nothing was seen.
    only: Option<Vec<u8>>,
}

impl LayoutScan {
    /// Looks at one entry.
    pub fn see(&mut self, path: &[u8], is_folder: bool) {
        let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect();
        if names.is_empty() || is_sidecar(path) {
            return;
        }
        if !is_folder {
            self.narrow(&names[..(names.len() - 1).min(DEEPEST)]);
        }
        for at in 0..names.len().min(DEEPEST + 1) {
            for (_, signs) in LAYOUTS {
                for sign in *signs {
                    if is_sign(sign, &names[at..], is_folder) {
                        self.note(&names[..at], sign);
                    }
                }
            }
        }
    }

    fn note(&mut self, folder: &[&[u8]], sign: &'static str) {
        let folder = folder.join(&b'/');
        if self.seen.len() < MOST_FOLDERS || self.seen.contains_key(&folder) {
            self.seen.entry(folder).or_default().insert(sign);
        }
    }

    /// Shortens the folder that has every file to what it has in common with this one.
    fn narrow(&mut self, folder: &[&[u8]]) {
        let Some(only) = &self.only else {
            self.only = Some(folder.join(&b'/'));
            return;
        };
        let known: Vec<&[u8]> = only.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect();
        let common = known.iter().zip(folder).take_while(|(known, other)| known == other).count();
        if common < known.len() {
            self.only = Some(known[..common].join(&b'/'));
        }
    }

    /// The layout of the backup; `None`: it has none that is known.
    pub fn finish(self) -> Option<Layout> {
        let only = self.only.unwrap_or_default();
        let folders = (0..=only.len()).filter(|end| *end == only.len() || only[*end] == b'/' || *end == 0);
        folders.rev().find_map(|end| {
            let path = &only[..end];
            let seen = self.seen.get(path)?;
            let of = LAYOUTS.iter().find(|(_, signs)| signs.iter().all(|sign| seen.contains(sign)))?.0;
            Some(Layout { of, path: path.to_vec() })
        })
    }
}

/// Whether the names below a folder are the sign: `name`, `name/` for a folder, `name*` for a beginning, `*` for any
/// name on the way.
fn is_sign(sign: &str, names: &[&[u8]], is_folder: bool) -> bool {
    let (sign, wants_folder) = match sign.strip_suffix('/') {
        Some(folder) => (folder, true),
        None => (sign, false),
    };
    let parts = sign.split('/');
    let count = parts.clone().count();
    if names.len() < count || (names.len() > count || is_folder) != wants_folder {
        return false;
    }
    parts.zip(names).all(|(part, name)| match part.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning.as_bytes()),
        None => part.as_bytes() == *name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(paths: &[&str]) -> Option<(Repository, String)> {
        let mut scan = LayoutScan::default();
        for path in paths {
            scan.see(path.trim_end_matches('/').as_bytes(), path.ends_with('/'));
        }
        scan.finish().map(|layout| (layout.of, String::from_utf8(layout.path).expect("text")))
    }

    const RESTIC: [&str; 6] = ["config", "data/00/00ab", "index/12", "keys/34", "snapshots/56", "locks/"];

    fn below(folder: &str, paths: &[&str]) -> Vec<String> {
        paths.iter().map(|path| format!("{folder}/{path}")).collect()
    }

    #[test]
    fn a_repository_is_known_at_the_top_and_in_the_only_folder() {
        assert_eq!(found(&RESTIC), Some((Repository::Restic, String::new())));
        for folder in ["repo", "backup/repo"] {
            let paths = below(folder, &RESTIC);
            let mut paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            let way = format!("{}/", folder.split('/').next().expect("a name"));
            paths.insert(0, &way);
            assert_eq!(found(&paths), Some((Repository::Restic, folder.to_owned())), "{folder}");
            paths.push("other/file");
            assert_eq!(found(&paths), None, "{folder}");
        }
    }

    #[test]
    fn each_layout_is_known_and_what_is_like_it_is_none() {
        for (paths, kind) in [
            (&["README", "config", "data/0/1", "hints.5", "index.5", "integrity.5"][..], Repository::Borg),
            (&["kopia.repository.f", "p/abc.f"], Repository::Kopia),
            (&["duplicity-full.20261101T000000Z.vol1.difftar.gpg"], Repository::Duplicity),
            (&["archive/main/archive.info", "backup/main/backup.info"], Repository::PgBackRest),
            (&["manifest.json", "0123ab/layer.tar", "0123ab/json"], Repository::DockerSave),
            (&["oci-layout", "index.json", "blobs/sha256/12"], Repository::DockerSave),
            (&[".dockerenv", "etc/hosts", "usr/bin/env", "bin"], Repository::DockerExport),
            (&["daily.0/", "daily.0/etc/hosts", "daily.1/"], Repository::Rsnapshot),
            (&["gocryptfs.conf", "gocryptfs.diriv", "aBc"], Repository::Gocryptfs),
        ] {
            assert_eq!(found(paths).map(|(kind, _)| kind), Some(kind), "{paths:?}");
        }
        for paths in [
            &["config", "data/a", "index.html"][..],
            &["config/", "data/", "index/", "keys/", "snapshots/"],
            &["HEAD", "objects/pack/a", "refs/heads/main", "config"],
            &["manifest.json", "layer.tar", "app/manifest.json"],
            &["etc/hosts", "usr/bin/env", "srv/.dockerenv"],
            &["a/b/c/config", "a/b/c/data/", "a/b/c/hints.1"],
        ] {
            assert_eq!(found(paths), None, "{paths:?}");
        }
    }

    #[test]
    fn what_is_kept_does_not_grow_with_the_entries() {
        let mut scan = LayoutScan::default();
        (0..10_000).for_each(|at| scan.see(format!("d{at}/config").as_bytes(), false));
        assert!(scan.seen.len() <= MOST_FOLDERS);
    }
}
