//! The rows of the tables of a database that SQLite has found whole.

use rusqlite::Connection;

use crate::model::profile::MOST_TABLES;
use crate::worker::job::short;

/// Bytes of a database up to which its rows are counted: counting reads about as much as the check.
const LARGEST: i64 = 1024 * 1024 * 1024;

/// The tables of a database, and the rows of each (`None`: they were not counted); `None`: there are too many tables,
/// or they cannot be listed. Tables that SQLite or one of its modules keeps for itself are left out: their rows say
/// nothing about the data.
pub fn count(connection: &Connection) -> Option<Vec<(String, Option<u64>)>> {
    let names = names(connection).ok().filter(|names| names.len() <= MOST_TABLES)?;
    let is_counted = !is_large(connection);
    let rows = |name: &str| if is_counted { count_table(connection, name) } else { None };
    Some(names.into_iter().map(|name| (rows(&name), name)).map(|(rows, name)| (short(name), rows)).collect())
}

/// The highest id that each table with `AUTOINCREMENT` has ever given to a row. There may be no such table.
pub fn sequences(connection: &Connection) -> Vec<(String, i64)> {
    let read = || -> rusqlite::Result<Vec<(String, i64)>> {
        let mut statement = connection.prepare("SELECT name, seq FROM sqlite_sequence LIMIT ?1")?;
        let most = i64::try_from(MOST_TABLES).unwrap_or(i64::MAX);
        statement.query_map([most], |row| Ok((short(row.get::<_, String>(0)?), row.get(1)?)))?.collect()
    };
    read().unwrap_or_default()
}

/// How many rows each of these tables has up to the id that is named. A table that has never given so high an id is
/// left out: it is not the one of which the ids are.
pub fn count_up_to(connection: &Connection, ids: &[(String, i64)]) -> Vec<(String, u64)> {
    let own = sequences(connection);
    let tables = names(connection).unwrap_or_default();
    let mut counted = Vec::new();
    for name in tables.into_iter().take(MOST_TABLES) {
        let (quoted, name) = (name.replace('"', "\"\""), short(name));
        let of = |all: &[(String, i64)]| all.iter().find(|(table, _)| *table == name).map(|(_, id)| *id);
        let Some(id) = of(ids).filter(|id| of(&own).is_some_and(|own| own >= *id)) else { continue };
        let query = format!("SELECT count(*) FROM \"{quoted}\" WHERE rowid <= ?1");
        let rows = connection.query_row(&query, [id], |row| row.get::<_, i64>(0));
        counted.extend(rows.ok().and_then(|rows| u64::try_from(rows).ok()).map(|rows| (name, rows)));
    }
    counted
}

fn is_large(connection: &Connection) -> bool {
    let number = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i64>(0)).unwrap_or(i64::MAX);
    number("PRAGMA page_count").saturating_mul(number("PRAGMA page_size")) > LARGEST
}

fn names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let select = |condition: &str| -> rusqlite::Result<Vec<String>> {
        // One more than the most, since a hostile file may have millions.
        let most = 2 * MOST_TABLES;
        let sql =
            format!("SELECT name FROM sqlite_schema WHERE type = 'table' AND {condition} ORDER BY name LIMIT {most}");
        let mut statement = connection.prepare(&sql)?;
        statement.query_map([], |row| row.get(0))?.collect()
    };
    let of_modules = select("rootpage = 0")?;
    let mut names = select("rootpage > 0")?;
    let is_of_module = |name: &str| {
        of_modules.iter().any(|module| name.strip_prefix(module.as_str()).is_some_and(|rest| rest.starts_with('_')))
    };
    names.retain(|name| !name.starts_with("sqlite_") && !is_of_module(name));
    Ok(names)
}

fn count_table(connection: &Connection, name: &str) -> Option<u64> {
    let query = format!("SELECT count(*) FROM \"{}\"", name.replace('"', "\"\""));
    connection.query_row(&query, [], |row| row.get::<_, i64>(0)).ok().and_then(|rows| u64::try_from(rows).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_a_programs_own_tables_are_counted() {
        let connection = Connection::open_in_memory().unwrap();
        let script = "CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT);
            INSERT INTO notes (text) VALUES ('a'), ('b');
            CREATE TABLE \"two \"\" words\" (a PRIMARY KEY) WITHOUT ROWID; INSERT INTO \"two \"\" words\" VALUES (1);
            CREATE VIRTUAL TABLE search USING fts5(text); INSERT INTO search VALUES ('a');
            CREATE TABLE empty (a)";
        connection.execute_batch(script).unwrap();
        let expected = [("empty", Some(0)), ("notes", Some(2)), ("two \" words", Some(1))];
        assert_eq!(count(&connection), Some(expected.map(|(name, rows)| (name.to_owned(), rows)).to_vec()));
    }
}
