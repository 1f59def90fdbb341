//! Database dumps among the files of a snapshot, as their paths show them. Nothing of their content is known yet.

use serde::{Deserialize, Serialize};

use super::dump::DumpProgram;

/// A file or folder of a snapshot that looks like a database dump by its name or place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpInside {
    /// Path in the snapshot.
    pub path: Vec<u8>,
    /// It is a folder of `pg_dump -Fd`.
    pub is_folder: bool,
    /// What the program that made the backup says about it by its place; `None`: no known program put it there.
    pub label: Option<DumpLabel>,
}

/// What the place of a dump says about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpLabel {
    /// Names of the database server, without a port: a container, a host or a service.
    pub servers: Vec<String>,
    /// The stack of the server, where the program that made the backup writes it.
    pub stack: Option<String>,
    /// The database; `None`: all of the server's, or not known.
    pub database: Option<String>,
    /// The database server's program; `None`: not known.
    pub program: Option<DumpProgram>,
    /// The database server's program, if its dumps cannot be loaded.
    pub unsupported: Option<String>,
}

/// Adds to the labels of dumps what borgmatic says about them in its list `dumps.json`, which lies in the folder
/// `folder` beside them: its user may give a server a label, and the list has the container and the host behind it.
pub fn learn_servers(dumps: &mut [DumpInside], folder: &[u8], list: &[u8]) {
    let Ok(list) = serde_json::from_slice::<serde_json::Value>(list) else { return };
    let text = |entry: &serde_json::Value, key: &str| entry[key].as_str().map(str::to_owned);
    let entries = list.as_array().or_else(|| list["dumps"].as_array());
    for entry in entries.into_iter().flatten() {
        let Some(given) = text(entry, "label") else { continue };
        let names = [text(entry, "container"), text(entry, "hostname")];
        for dump in dumps.iter_mut().filter(|dump| dump.path.starts_with(folder)) {
            if let Some(label) = dump.label.as_mut().filter(|label| label.servers.first() == Some(&given)) {
                let unknown: Vec<String> =
                    names.iter().flatten().filter(|name| !label.servers.contains(name)).cloned().collect();
                label.servers.extend(unknown);
            }
        }
    }
}

impl DumpInside {
    /// The path, for people.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.path).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_borgmatics_says_which_container_a_label_means() {
        let dump = |path: &str, server: &str| {
            let label = DumpLabel {
                servers: vec![server.to_owned()],
                stack: None,
                database: None,
                program: None,
                unsupported: None,
            };
            DumpInside { path: path.as_bytes().to_vec(), is_folder: false, label: Some(label) }
        };
        let mut dumps = vec![dump("borgmatic/p/main/app", "main"), dump("borgmatic/q/main/app", "main")];
        let list = r#"{"dumps": [{"name": "app", "label": "main", "container": "shop-db-1", "hostname": null}]}"#;
        learn_servers(&mut dumps, b"borgmatic/p/", list.as_bytes());
        let servers = |at: usize| dumps[at].label.as_ref().expect("it has one").servers.clone();
        assert_eq!(
            (servers(0), servers(1)),
            (vec!["main".to_owned(), "shop-db-1".to_owned()], vec!["main".to_owned()])
        );
        learn_servers(&mut dumps, b"", b"no list");
    }
}
