//! Checks that a bind mount is still what it was, a file or a folder. Docker creates an empty folder in place of a
//! file that it is to mount and does not find, and tells nobody.

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::mount::{Mount, MountOrigin};
use crate::model::plan::DataSource;
use crate::rehearse::restore::place::kind_word;
use crate::worker::protocol::{Inspected, RootKind};

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

/// Compares the kind (file or folder) of a restored bind mount with the live one. `None`: the same, or the live one is
/// not known.
pub(super) fn kind_mismatch(
    mount: &Mount,
    supply: &DataSource,
    came: &Inspected,
    live: Option<&Inspected>,
) -> Option<Diagnosis> {
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

fn is_empty_folder(inspected: &Inspected) -> bool {
    inspected.root == RootKind::Folder && inspected.names.as_ref().is_some_and(Vec::is_empty)
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
    use crate::model::host_tree::HostTree;

    fn inspected(root: RootKind, names: usize) -> Inspected {
        let names = (0..names).map(|number| number.to_string().into_bytes()).collect();
        Inspected { names: Some(names), ..Inspected::of(root) }
    }

    fn bind(source: &str, target: &str) -> Mount {
        let origin = MountOrigin::Bind { source: source.to_owned() };
        Mount { target: target.to_owned(), origin, read_only: false }
    }

    #[test]
    fn what_came_as_another_kind_than_live_is_told() {
        use RootKind::{File, Folder};
        let mount = bind("/srv/app", "/app");
        let of_backup = DataSource::HostTree(HostTree::at("/backup"));
        let told = |came, live| kind_mismatch(&mount, &of_backup, &came, Some(&live)).is_some();
        assert!(told(inspected(Folder, 1), inspected(File, 1)));
        assert!(told(inspected(Folder, 0), inspected(File, 1)));
        assert!(told(inspected(File, 1), inspected(Folder, 1)));
        assert!(!told(inspected(File, 1), inspected(Folder, 0)), "the live one is what is wrong");
        assert!(!told(inspected(File, 1), inspected(File, 1)));
        assert!(!told(inspected(Folder, 1), inspected(Folder, 0)));
        assert_eq!(kind_mismatch(&mount, &of_backup, &inspected(Folder, 1), None), None);
    }

    #[test]
    fn an_empty_folder_with_the_name_of_a_file_was_made_by_the_engine() {
        let told = |source, target, files| {
            kind_mismatch(&bind(source, target), &DataSource::Live, &inspected(RootKind::Folder, files), None).is_some()
        };
        assert!(told("/srv/app.conf", "/etc/app/default.conf", 0));
        assert!(told("/srv/.env", "/app/.env", 0));
        assert!(!told("/srv/app.conf", "/etc/app/default.conf", 1));
        assert!(!told("/srv/conf.d", "/etc/app/conf.d", 0));
        assert!(!told("/srv/app", "/etc/app.conf", 0));
        assert!(!told("/srv/uploads", "/app/uploads", 0));
    }
}
