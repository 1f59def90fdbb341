//! Is a bind mount still what it was: a file, or a folder? Docker creates an empty folder in place of a file that it is
//! to mount and does not find, and tells nobody.

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::mount::{Mount, MountOrigin};
use crate::model::plan::DataSource;
use crate::worker::client::Worker;
use crate::worker::protocol::{RootKind, Scan, ScanJob};

use super::place::PlaceInspection;
use crate::rehearse::restore::place::kind_word;

/// Extensions that files have and folders do not.
const OF_FILES: [&str; 22] = [
    "cfg",
    "cnf",
    "conf",
    "crt",
    "env",
    "htpasswd",
    "ini",
    "js",
    "json",
    "key",
    "lua",
    "pem",
    "php",
    "properties",
    "py",
    "sh",
    "sql",
    "toml",
    "txt",
    "xml",
    "yaml",
    "yml",
];

/// Compares the kind (file or folder) of a restored bind mount with the live one. `None`: the same, or one of them
/// cannot be read.
pub(super) async fn kind_mismatch(place: &PlaceInspection<'_>) -> Option<Diagnosis> {
    let MountOrigin::Bind { .. } = place.plan.mount.origin else { return None };
    let came = look(place.worker, &place.path).await?;
    let live = match &place.live {
        Some(live) => Some(look(place.worker, live).await?),
        None => None,
    };
    mismatch(&place.plan.mount, &place.plan.supply, &came, live.as_ref())
}

async fn look(worker: &Worker, path: &str) -> Option<Scan> {
    // What cannot be looked at is not compared.
    worker.run(ScanJob { path: path.to_owned(), max_entries: 1 }).await.ok()
}

fn mismatch(mount: &Mount, supply: &DataSource, came: &Scan, live: Option<&Scan>) -> Option<Diagnosis> {
    let Mount { target, .. } = mount;
    let title = mount.title();
    if *supply == DataSource::Live {
        return (is_empty_folder(came) && is_named_as_a_file(mount)).then(|| {
            let message = format!(
                "{title}, which is mounted at {target}, is an empty folder on the host and has the name of a file: \
                 Docker makes such a \
                 folder in place of a file that is not there"
            );
            Diagnosis { remedy: Some(remedy(mount)), ..Diagnosis::new(Code::ConfigMountType, message) }
        });
    }
    let live = live?;
    let (came, was) = match (came.root, live.root) {
        (RootKind::Folder, RootKind::File) => (came.root, live.root),
        // An empty live folder may be what Docker made in place of a missing file: it says nothing about the backup.
        (RootKind::File, RootKind::Folder) if !is_empty_folder(live) => (came.root, live.root),
        _ => return None,
    };
    let message = format!(
        "{title}, which is mounted at {target}, came back from the backup as {}, and is {} on the host",
        kind_word(came),
        kind_word(was)
    );
    Some(Diagnosis::new(Code::ConfigMountType, message))
}

fn remedy(mount: &Mount) -> String {
    format!(
        "Remove the empty folder, put the file in its place, and recreate the service. If {} is to be an empty \
         folder, leave it out: \
         --strategy '{0}=empty'.",
        mount.target
    )
}

fn is_empty_folder(scan: &Scan) -> bool {
    scan.root == RootKind::Folder && scan.amount.files == 0 && scan.folders == 0
}

/// Whether both names of the mount, on the host and in the container, end like a file's.
fn is_named_as_a_file(mount: &Mount) -> bool {
    let MountOrigin::Bind { source } = &mount.origin else { return false };
    [source, &mount.target].into_iter().all(|path| {
        let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        name.rsplit_once('.').is_some_and(|(_, end)| OF_FILES.contains(&end.to_ascii_lowercase().as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::Amount;
    use crate::model::sampled::Sampled;

    fn scan(root: RootKind, files: u64) -> Scan {
        Scan {
            root,
            amount: Amount { files, bytes: files },
            allocated: 0,
            folders: 0,
            special_files: Sampled::default(),
            complete: true,
            free_bytes: 0,
            file_system: "ext4".to_owned(),
            mounts_below: 0,
        }
    }

    fn bind(source: &str, target: &str) -> Mount {
        let origin = MountOrigin::Bind { source: source.to_owned() };
        Mount { target: target.to_owned(), origin, read_only: false }
    }

    #[test]
    fn what_came_as_another_kind_than_live_is_told() {
        use RootKind::{File, Folder};
        let mount = bind("/srv/app", "/app");
        let of_backup = DataSource::HostPath("/backup".to_owned());
        let told = |came, live| mismatch(&mount, &of_backup, &came, Some(&live)).is_some();
        assert!(told(scan(Folder, 1), scan(File, 1)));
        assert!(told(scan(Folder, 0), scan(File, 1)));
        assert!(told(scan(File, 1), scan(Folder, 1)));
        assert!(!told(scan(File, 1), scan(Folder, 0)), "the live one is what is wrong");
        assert!(!told(scan(File, 1), scan(File, 1)));
        assert!(!told(scan(Folder, 1), scan(Folder, 0)));
        assert_eq!(mismatch(&mount, &of_backup, &scan(Folder, 1), None), None);
    }

    #[test]
    fn an_empty_folder_with_the_name_of_a_file_was_made_by_the_engine() {
        let told = |source, target, files| {
            mismatch(&bind(source, target), &DataSource::Live, &scan(RootKind::Folder, files), None).is_some()
        };
        assert!(told("/srv/app.conf", "/etc/app/default.conf", 0));
        assert!(told("/srv/.env", "/app/.env", 0));
        assert!(!told("/srv/app.conf", "/etc/app/default.conf", 1));
        assert!(!told("/srv/conf.d", "/etc/app/conf.d", 0));
        assert!(!told("/srv/app", "/etc/app.conf", 0));
        assert!(!told("/srv/uploads", "/app/uploads", 0));
    }
}
