//! Profiles for people: what the newest run found, and how many files, rows and keys the runs before it found.

use unicode_width::UnicodeWidthStr;

use crate::history::KeptProfile;
use crate::model::pluralize::pluralize;
use crate::model::profile::{DatabaseProfile, MountProfile, StoreProfile, TOP, TableProfile};
use crate::report::{text, units};

/// Folders and tables of a place that are listed; the others are counted.
const LISTED: usize = 20;

/// The runs of a service, the newest first.
pub fn render(kept: &[KeptProfile]) -> String {
    let Some((newest, earlier)) = kept.split_first() else { return String::new() };
    let snapshot = newest.snapshot.as_ref().map_or_else(String::new, |id| format!(", snapshot {}", text::one_line(id)));
    let service = text::one_line(&newest.service);
    let mut lines = vec![format!("{service}: green on {} from {}{snapshot}", units::minute(newest.at), newest.source)];
    for mount in &newest.profile.mounts {
        lines.extend(of_mount(mount));
    }
    for DatabaseProfile { database, tables, .. } in &newest.profile.databases {
        lines.push(format!("  database {}: {}", text::one_line(database), pluralize(tables.len(), "table")));
        lines.extend(of_tables(tables));
    }
    lines.extend(newest.profile.keys.map(|keys| format!("  {}", pluralize(keys, "key"))));
    if !earlier.is_empty() {
        lines.push(format!("Before, {}:", pluralize(earlier.len(), "green run")));
        lines.extend(earlier.iter().take(LISTED).map(|kept| format!("  {}  {}", units::minute(kept.at), sums(kept))));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn of_mount(mount: &MountProfile) -> Vec<String> {
    let MountProfile { mount: target, files, bytes, empty, zeros, folders, stores, .. } = mount;
    let blank = match (empty, zeros) {
        (0, 0) => String::new(),
        _ => format!(" ({empty} empty, {zeros} of zeros)"),
    };
    let target = text::one_line(target);
    let mut lines = vec![format!("  {target}: {}, {}{blank}", units::files(*files), units::bytes(*bytes))];
    let rows: Vec<(String, String)> = folders
        .iter()
        .map(|folder| {
            let name =
                if folder.folder == TOP { "files at the top".to_owned() } else { text::one_line(&folder.folder) };
            (name, format!("{}, {}", units::files(folder.files), units::bytes(folder.bytes)))
        })
        .collect();
    lines.extend(listed(&rows, "folder"));
    for StoreProfile { kind, file, identity, tables, .. } in stores {
        let identity = identity.as_ref().map_or_else(String::new, |identity| format!(", identity {identity}"));
        let tables_of =
            if kind == "sqlite" { format!(", {}", pluralize(tables.len(), "table")) } else { String::new() };
        lines.push(format!("    {kind} {}{identity}{tables_of}", text::one_line(file)));
        lines.extend(of_tables(tables).into_iter().map(|line| format!("  {line}")));
    }
    lines
}

fn of_tables(tables: &[TableProfile]) -> Vec<String> {
    let row = |table: &TableProfile| {
        let rows = table.rows.map_or_else(|| "not counted".to_owned(), |rows| pluralize(rows, "row"));
        (text::one_line(&table.table), rows)
    };
    listed(&tables.iter().map(row).collect::<Vec<_>>(), "table")
}

/// Names and what each has, in two columns.
fn listed(rows: &[(String, String)], what: &str) -> Vec<String> {
    let shown = &rows[..rows.len().min(LISTED)];
    let width = shown.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
    let line = |(name, held): &(String, String)| format!("    {name}{}  {held}", " ".repeat(width - name.width()));
    let mut lines: Vec<String> = shown.iter().map(line).collect();
    if rows.len() > LISTED {
        lines.push(format!("    and {} more", pluralize(rows.len() - LISTED, what)));
    }
    lines
}

/// What a run found in all.
fn sums(kept: &KeptProfile) -> String {
    let profile = &kept.profile;
    let files: u64 = profile.mounts.iter().map(|mount| mount.files).sum();
    let bytes: u64 = profile.mounts.iter().map(|mount| mount.bytes).sum();
    let of_stores = profile.mounts.iter().flat_map(|mount| &mount.stores).flat_map(|store| &store.tables);
    let tables: Vec<&TableProfile> =
        profile.databases.iter().flat_map(|database| &database.tables).chain(of_stores).collect();
    let mut parts = vec![format!("{}, {}", units::files(files), units::bytes(bytes))];
    if !tables.is_empty() {
        let rows: u64 = tables.iter().filter_map(|table| table.rows).sum();
        parts.push(format!("{} in {}", pluralize(rows, "row"), pluralize(tables.len(), "table")));
    }
    parts.extend(profile.keys.map(|keys| pluralize(keys, "key")));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::profile::{FolderProfile, Profile};

    fn kept(at: &str, rows: u64) -> KeptProfile {
        let folder =
            |folder: &str, files, bytes| FolderProfile { folder: folder.to_owned(), files, bytes, empty: 0, zeros: 0 };
        let table = |table: &str, rows| TableProfile { table: table.to_owned(), rows };
        let store = StoreProfile {
            kind: "sqlite".to_owned(),
            file: "app.db".to_owned(),
            identity: None,
            tables: vec![table("notes", Some(rows)), table("large", None)],
            tables_known: true,
        };
        let mount = MountProfile {
            mount: "/data".to_owned(),
            files: 401,
            bytes: 1_600_010,
            empty: 2,
            zeros: 0,
            zeros_known: true,
            folders: vec![folder(".", 1, 10), folder("pictures", 400, 1_600_000)],
            stores: vec![store],
            exclude: Vec::new(),
        };
        let tables = vec![table("orders", Some(1))];
        let database = DatabaseProfile { database: "shop".to_owned(), tables, tables_known: true };
        KeptProfile {
            profile_version: KeptProfile::VERSION,
            service: "shop::web".to_owned(),
            at: at.parse().expect("a time"),
            session: "1".to_owned(),
            source: "tar".to_owned(),
            snapshot: Some("nightly.tar".to_owned()),
            snapshot_time: None,
            image: String::new(),
            profile: Profile { mounts: vec![mount], databases: vec![database], server_asked: true, keys: Some(3) },
        }
    }

    #[test]
    fn the_newest_run_is_shown_in_full_and_the_others_in_a_line() {
        let expected = "\
shop::web: green on 2026-11-29 04:30 UTC from tar, snapshot nightly.tar
  /data: 401 files, 1.6 MB (2 empty, 0 of zeros)
    files at the top  1 file, 10 B
    pictures          400 files, 1.6 MB
    sqlite app.db, 2 tables
      notes  9 rows
      large  not counted
  database shop: 1 table
    orders  1 row
  3 keys
Before, 1 green run:
  2026-11-28 04:30 UTC  401 files, 1.6 MB, 8 rows in 3 tables, 3 keys
";
        assert_eq!(render(&[kept("2026-11-29T04:30:00Z", 9), kept("2026-11-28T04:30:00Z", 7)]), expected);
        assert_eq!(render(&[]), "");
    }
}
