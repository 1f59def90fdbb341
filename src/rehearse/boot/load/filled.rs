//! Compares what a database holds after the load of a dump with what the dump fills.

use crate::model::dump::{DumpProgram, FilledTable};

/// Databases of the server itself. What is in their tables is the server's affair.
const OF_SERVER: [&str; 4] = ["mysql", "sys", "performance_schema", "information_schema"];

/// A table of the database server.
#[derive(Debug)]
struct Table {
    database: String,
    schema: String,
    name: String,
    /// Whether it has a row; `None`: it could not be asked.
    has_row: Option<bool>,
}

/// What the server says of its tables.
#[derive(Debug, Default)]
pub struct Held {
    databases: Vec<String>,
    tables: Vec<Table>,
    /// All of the answer is there.
    is_whole: bool,
}

/// Reads the answers of the script: `DATABASE`, then for each table `DATABASE SCHEMA TABLE ?` and the same with `t` or
/// `f`, with tabs between them; `end` at last.
pub fn read(answers: &str) -> Held {
    let mut held = Held::default();
    for line in answers.lines() {
        let line = line.trim_end_matches('\r');
        match line.split('\t').collect::<Vec<_>>().as_slice() {
            ["end"] => held.is_whole = true,
            [database, "", "", ""] => held.databases.push((*database).to_owned()),
            [database, schema, name, "?"] => held.tables.push(Table {
                database: (*database).to_owned(),
                schema: (*schema).to_owned(),
                name: (*name).to_owned(),
                has_row: None,
            }),
            [database, schema, name, answer @ ("t" | "f" | "1" | "0")] => {
                let is_it = |table: &&mut Table| {
                    (table.database.as_str(), table.schema.as_str(), table.name.as_str()) == (*database, *schema, *name)
                };
                if let Some(table) = held.tables.iter_mut().rev().find(is_it) {
                    table.has_row = Some(matches!(*answer, "t" | "1"));
                }
            }
            _ => {}
        }
    }
    held
}

impl Held {
    /// Number of tables, and of those with a row.
    pub fn counts(&self) -> (usize, usize) {
        (self.tables.len(), self.tables.iter().filter(|table| table.has_row == Some(true)).count())
    }

    /// The tables that the dump fills and that have no row or are not there, for people.
    pub fn lost(&self, filled: &[FilledTable], program: DumpProgram) -> Vec<String> {
        filled.iter().filter_map(|table| self.loss(table, program)).collect()
    }

    fn loss(&self, filled: &FilledTable, program: DumpProgram) -> Option<String> {
        let is_mysql = program == DumpProgram::MySql;
        // Servers of MariaDB and MySQL may keep names in lower case.
        let same = |a: &str, b: &str| if is_mysql { a.eq_ignore_ascii_case(b) } else { a == b };
        let is_of = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| same(wanted, found));
        if let Some(database) = &filled.database
            && (is_mysql && OF_SERVER.contains(&database.as_str())
                || !self.databases.iter().any(|known| same(known, database)))
        {
            return None;
        }
        let fits = |table: &&Table| {
            same(&table.name, &filled.name)
                && is_of(&filled.schema, &table.schema)
                && is_of(&filled.database, &table.database)
        };
        let fitting: Vec<&Table> = self.tables.iter().filter(fits).collect();
        if fitting.is_empty() {
            return self.is_whole.then(|| format!("{} is not there", filled.name));
        }
        let is_empty = fitting.iter().all(|table| table.has_row == Some(false));
        is_empty.then(|| format!("{} has no row", filled.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(database: Option<&str>, schema: Option<&str>, name: &str) -> FilledTable {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        FilledTable { database: owned(database), schema: owned(schema), name: name.to_owned() }
    }

    #[test]
    fn a_table_that_the_dump_fills_and_that_is_empty_or_not_there_is_lost() {
        let answers = "app\t\t\t\napp\tpublic\ta\t?\napp\tpublic\tb\t?\napp\tpublic\tc\t?\napp\tpublic\ta\tt\n\
                       app\tpublic\tb\tf\n";
        let filled = ["a", "b", "c", "d"].map(|name| table(None, Some("public"), name));
        // An answer that was cut off does not tell what is not there.
        assert_eq!(read(answers).lost(&filled, DumpProgram::Postgres), ["b has no row"]);
        let whole = read(&format!("{answers}end\n"));
        assert_eq!(whole.lost(&filled, DumpProgram::Postgres), ["b has no row", "d is not there"]);
        assert_eq!(whole.counts(), (3, 1));
        let elsewhere = [table(Some("other"), Some("public"), "x"), table(None, Some("s"), "a")];
        assert_eq!(whole.lost(&elsewhere, DumpProgram::Postgres), ["a is not there"]);
    }

    #[test]
    fn mariadb_may_keep_names_in_lower_case_and_its_own_tables_are_left_out() {
        let held = read("shop\t\t\t\nshop\t\titems\t?\nshop\t\titems\t1\nmysql\t\t\t\nend\n");
        let filled = [table(Some("Shop"), None, "Items"), table(Some("mysql"), None, "event"), table(None, None, "E")];
        assert_eq!(held.lost(&filled, DumpProgram::MySql), ["E is not there"]);
    }
}
