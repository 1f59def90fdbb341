//! Asks the server of a service how much it holds: the rows of its tables, or its keys. The answers go into the
//! profile of a green service. A server that lets nobody in, or has no client, is not asked.

use std::collections::BTreeMap;

use super::keys;
use super::script::Script;
use super::tables::{reading_bounds, server_user};
use crate::model::dump::DumpProgram;
use crate::model::profile::{DatabaseProfile, MOST_TABLES, TableProfile};
use crate::rehearse::client_scripts;
use crate::rehearse::running::RunningService;

const UNANSWERED: &str = "its rows cannot be counted";

/// The databases of the server of this program and their tables; `None`: it cannot be asked.
pub(in crate::rehearse) async fn count_rows(
    running: RunningService<'_>,
    program: DumpProgram,
) -> Option<Vec<DatabaseProfile>> {
    let user = server_user(running, program, UNANSWERED).await?;
    let (most, limit) = reading_bounds(running);
    let most = most.to_string();
    let words = [most.as_str()];
    let script = Script::new(client_scripts::count(program), &words, limit, UNANSWERED).run_by(&user);
    Some(read(&script.output(running).await?))
}

/// The keys of the service's Redis or Valkey; `None` if it cannot be asked.
pub(in crate::rehearse) async fn count_keys(running: RunningService<'_>) -> Option<u64> {
    keys::count(running).await
}

/// Reads the lines of database, table and rows; see [`client_scripts::count`]. A later line about a table holds.
fn read(said: &str) -> Vec<DatabaseProfile> {
    let mut databases: BTreeMap<&str, (BTreeMap<&str, Option<u64>>, bool)> = BTreeMap::new();
    let mut tables_in_all = 0;
    for line in said.lines() {
        let mut parts = line.split('\t');
        let (Some(database), Some(table), Some(rows), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let (tables, is_known) = databases.entry(database).or_insert_with(|| (BTreeMap::new(), true));
        if table.is_empty() {
            *is_known &= rows.trim() != "?";
        } else if tables.contains_key(table) || tables_in_all < MOST_TABLES {
            let is_new = tables.insert(table, rows.trim().parse().ok()).is_none();
            tables_in_all += usize::from(is_new);
        } else {
            *is_known = false;
        }
    }
    let of = |(database, (tables, tables_known)): (&str, (BTreeMap<&str, Option<u64>>, bool))| {
        let table = |(table, rows): (&str, Option<u64>)| TableProfile { table: table.to_owned(), rows };
        let tables = tables.into_iter().map(table).collect();
        DatabaseProfile { database: database.to_owned(), tables, tables_known }
    };
    databases.into_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_client_become_tables_by_database() {
        let said = "app\t\t\napp\tnotes\t\napp\t\"two words\"\tNULL\napp\tnotes\t12\napp\t\"two words\"\t0\nempty\t\t\n\
            closed\t\t\nclosed\t\t?\nother\t\t\nother\tlarge\tNULL\nother\tlarger\t\nno table\n";
        let table = |table: &str, rows| TableProfile { table: table.to_owned(), rows };
        let expected = [
            ("app", vec![table("\"two words\"", Some(0)), table("notes", Some(12))], true),
            ("closed", vec![], false),
            ("empty", vec![], true),
            ("other", vec![table("large", None), table("larger", None)], true),
        ];
        let of = |(name, tables, tables_known): (&str, _, _)| DatabaseProfile {
            database: name.to_owned(),
            tables,
            tables_known,
        };
        assert_eq!(read(said), expected.map(of));
        assert_eq!(read(""), []);
    }

    #[test]
    fn more_tables_than_are_counted_are_not_all() {
        let lines = |tables: usize| {
            let said: String = (0..tables).map(|number| format!("app\tt{number}\t1\n")).collect();
            let app = read(&said).remove(0);
            (app.tables.len(), app.tables_known)
        };
        assert_eq!((lines(MOST_TABLES), lines(MOST_TABLES + 1)), ((MOST_TABLES, true), (MOST_TABLES, false)));
    }
}
