//! Recognises database dumps among the entries of a backup, by their names and by the places where backup programs put
//! them. Contents are not read.

use std::collections::BTreeMap;

use crate::archive::{Entry, Kind};
use crate::model::dump::DumpProgram;
use crate::model::dump_inside::{DumpInside, DumpLabel};
use crate::model::source::is_sidecar;
use crate::model::source_kind::is_dump_name;

/// Most dumps that are remembered.
pub const MAX_DUMPS: usize = 500;
/// Table of contents of a folder that `pg_dump -Fd` writes.
const TOC: &[u8] = b"toc.dat";
/// Name of the files in which borgmatic lists its dumps.
const BORGMATIC_LIST: &[u8] = b"dumps.json";

/// The folders of borgmatic's dumps, each with its program. SQLite has no server, so its dumps are not loaded.
const BORGMATIC_HOOKS: [(&str, Option<DumpProgram>, Option<&str>); 4] = [
    ("postgresql_databases", Some(DumpProgram::Postgres), None),
    ("mysql_databases", Some(DumpProgram::MySql), None),
    ("mariadb_databases", Some(DumpProgram::MySql), None),
    ("mongodb_databases", None, Some("MongoDB")),
];

/// Collects the dumps, entry by entry.
#[derive(Debug, Default)]
pub struct DumpScan {
    found: BTreeMap<Vec<u8>, DumpInside>,
    lists: Vec<Vec<u8>>,
    more: bool,
}

/// The dumps of a backup.
#[derive(Debug, Default)]
pub struct FoundDumps {
    /// The dumps, by path.
    pub dumps: Vec<DumpInside>,
    /// There are more of them.
    pub more: bool,
    /// Paths of the files in which borgmatic says which container each of its dumps is from.
    pub lists: Vec<Vec<u8>>,
}

impl DumpScan {
    /// Looks at one entry.
    pub fn see(&mut self, entry: &Entry) {
        let path = entry.path.as_slice();
        if entry.kind != Kind::File || is_sidecar(path) {
            return;
        }
        let mut names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        let last = names.last().copied().unwrap_or_default();
        let is_folder = last == TOC;
        if is_folder {
            names.pop();
        }
        if last == BORGMATIC_LIST && names.len() > 1 && hook_of(names[names.len() - 2]).is_some() {
            self.lists.push(path.to_owned());
        }
        let label = borgmatic(&names).or_else(|| restic_compose_backup(&names));
        if label.is_none() && !is_folder && !is_dump_file(last) {
            return;
        }
        let dump = DumpInside { path: names.join(&b'/'), is_folder, label };
        if self.found.len() < MAX_DUMPS || self.found.contains_key(&dump.path) {
            self.found.insert(dump.path.clone(), dump);
        } else {
            self.more = true;
        }
    }

    /// Returns the dumps.
    pub fn finish(self) -> FoundDumps {
        FoundDumps { dumps: self.found.into_values().collect(), more: self.more, lists: self.lists }
    }
}

/// Whether the name of a file is a dump's. A dump of Redis is one of its data files and says nothing here.
fn is_dump_file(name: &[u8]) -> bool {
    let name = String::from_utf8_lossy(name);
    is_dump_name(&name) && !name.to_lowercase().split('.').any(|part| part == "rdb")
}

fn hook_of(name: &[u8]) -> Option<(Option<DumpProgram>, Option<&'static str>)> {
    let found = BORGMATIC_HOOKS.iter().find(|(hook, _, _)| hook.as_bytes() == name);
    found.map(|(_, program, unsupported)| (*program, *unsupported))
}

/// The label of `[…/]borgmatic/HOOK/SERVER[:PORT]/DATABASE`, which older versions keep in `.borgmatic`.
fn borgmatic(names: &[&[u8]]) -> Option<DumpLabel> {
    let [.., root, hook, server, database] = names else { return None };
    if !matches!(*root, b"borgmatic" | b".borgmatic") {
        return None;
    }
    let (program, unsupported) = hook_of(hook)?;
    let server = String::from_utf8_lossy(server);
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let host = server.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(&*server, |(host, _)| host);
    let database = String::from_utf8_lossy(database).into_owned();
    Some(DumpLabel {
        servers: vec![host.to_owned()],
        stack: None,
        database: Some(database).filter(|name| name != "all"),
        program,
        unsupported: unsupported.map(str::to_owned),
    })
}

/// The label of `databases/[STACK/]SERVICE/FILE.sql` at the top, as restic-compose-backup writes them.
fn restic_compose_backup(names: &[&[u8]]) -> Option<DumpLabel> {
    let (stack, service, file) = match names {
        [b"databases", service, file] => (None, service, file),
        [b"databases", stack, service, file] => (Some(stack), service, file),
        _ => return None,
    };
    if !is_dump_file(file) {
        return None;
    }
    let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    let database = text(file).split('.').next().unwrap_or_default().to_owned();
    Some(DumpLabel {
        servers: vec![text(service)],
        stack: stack.map(|stack| text(stack)),
        database: Some(database).filter(|name| name != "all_databases"),
        program: None,
        unsupported: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(paths: &[&str]) -> FoundDumps {
        let mut scan = DumpScan::default();
        for path in paths {
            let path = path.as_bytes().to_vec();
            let xattrs = Vec::new();
            scan.see(&Entry {
                path,
                kind: Kind::File,
                mode: 0,
                uid: 0,
                gid: 0,
                mtime: (0, 0),
                xattrs,
                size: 9,
                stored: 9,
            });
        }
        scan.finish()
    }

    fn only(path: &str) -> DumpInside {
        let found = found(&[path]);
        let [dump] = found.dumps.as_slice() else { panic!("{path}: {found:?}") };
        dump.clone()
    }

    #[test]
    fn borgmatic_names_the_server_the_database_and_the_program_by_the_place() {
        for (path, server, database, program) in [
            ("borgmatic/postgresql_databases/shop-db-1/app", "shop-db-1", Some("app"), Some(DumpProgram::Postgres)),
            ("borgmatic/postgresql_databases/db:5432/all", "db", None, Some(DumpProgram::Postgres)),
            ("run/user/0/borgmatic/mariadb_databases/db/app", "db", Some("app"), Some(DumpProgram::MySql)),
            ("tmp/borgmatic-x1/borgmatic/mysql_databases/db:3306/app", "db", Some("app"), Some(DumpProgram::MySql)),
            ("root/.borgmatic/mongodb_databases/mongo/app", "mongo", Some("app"), None),
        ] {
            let dump = only(path);
            let label = dump.label.expect("it has a label");
            assert_eq!((dump.path.as_slice(), dump.is_folder), (path.as_bytes(), false));
            assert_eq!((label.servers, label.database.as_deref()), (vec![server.to_owned()], database), "{path}");
            assert_eq!((label.program, label.unsupported.is_some()), (program, path.contains("mongo")), "{path}");
        }
        let folder = only("borgmatic/postgresql_databases/db/app/toc.dat");
        assert_eq!(folder.path, b"borgmatic/postgresql_databases/db/app");
        assert!(folder.is_folder && folder.label.is_some(), "{folder:?}");
        let others = ["borgmatic/postgresql_databases/db/app/3350.dat", "borgmatic/sqlite_databases/localhost/app"];
        assert_eq!(found(&others).dumps, []);
        assert_eq!(found(&["borgmatic/postgresql_databases/dumps.json", "app/dumps.json"]).lists.len(), 1);
    }

    #[test]
    fn restic_compose_backup_names_the_service_and_perhaps_the_stack() {
        let label = |path| only(path).label.expect("it has a label");
        assert_eq!(label("databases/db/all_databases.sql").servers, ["db"]);
        assert_eq!(label("databases/db/all_databases.sql").database, None);
        let with_stack = label("databases/shop/db/app.sql");
        assert_eq!((with_stack.stack.as_deref(), with_stack.database.as_deref()), (Some("shop"), Some("app")));
        assert_eq!(only("srv/databases/db/app.sql").label, None);
    }

    #[test]
    fn what_applications_write_beside_their_data_has_no_label() {
        for path in ["app/backup/db.sql.gz", "dump.pgdump", "a/b/c/d/x.dump.zst"] {
            assert_eq!(only(path).label, None, "{path}");
        }
        assert_eq!(found(&["redis/dump.rdb", "app/readme.txt", "app/._db.sql", "dumps/x.rdb.gz"]).dumps, []);
    }
}
