//! Compares the tables of two profiles.

use std::collections::BTreeMap;

use super::{Comparison, LEAST_ROWS, is_exceeded, percent_gone};
use crate::model::pluralize::pluralize;
use crate::model::profile::{Profile, TableProfile};

/// Words of the names of tables whose rows pass.
const PASSING_TABLES: [&str; 17] = [
    "cache",
    "caches",
    "job",
    "jobs",
    "lock",
    "locks",
    "log",
    "logs",
    "notification",
    "notifications",
    "queue",
    "session",
    "sessions",
    "temp",
    "tmp",
    "token",
    "tokens",
];

impl Comparison<'_> {
    /// Compares the databases of a server.
    pub fn databases(&mut self, then: &Profile, now: &Profile) {
        if then.server_asked && !now.server_asked {
            self.skip("the tables of the server, which could not be asked".to_owned());
            return;
        }
        for database in &then.databases {
            let title = format!("database {}", database.database);
            match now.databases.iter().find(|other| other.database == database.database) {
                Some(other) => self.tables(&title, &database.tables, &other.tables, other.tables_known),
                None => self.tables(&title, &database.tables, &[], true),
            }
        }
    }

    /// Compares the tables of a database. `all`: there are no others now than these.
    pub fn tables(&mut self, title: &str, then: &[TableProfile], now: &[TableProfile], all: bool) {
        let now: BTreeMap<&str, &TableProfile> = now.iter().map(|table| (table.table.as_str(), table)).collect();
        let (mut gone, mut fewer) = (Vec::new(), Vec::new());
        let mut unknown = 0;
        for table in then.iter().filter(|table| !is_passing_table(&table.table)) {
            let name = format!("table {} of {title}", table.table);
            match now.get(table.table.as_str()) {
                None if table.rows == Some(0) => {}
                None if !all => unknown += 1,
                None => {
                    let rows = |rows| format!(", which had {}", pluralize(rows, "row"));
                    gone.push((table.rows, format!("{name} is gone{}", table.rows.map_or_else(String::new, rows))));
                }
                Some(other) => match (table.rows, other.rows) {
                    (Some(then), Some(now)) => {
                        let lost = then.saturating_sub(now);
                        if lost >= LEAST_ROWS && is_exceeded(self.terms.tolerance.rows, then, now) {
                            let words = format!("{name} has {} instead of {then}", pluralize(now, "row"));
                            fewer.push((lost, percent_gone(then, now), words));
                        }
                    }
                    (Some(_), None) => unknown += 1,
                    (None, _) => {}
                },
            }
        }
        gone.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
        fewer.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.2.cmp(&other.2)));
        gone.into_iter().for_each(|(_, words)| self.lose_whole(words));
        fewer.into_iter().for_each(|(_, percent, words)| self.lose_rows(percent, words));
        if unknown > 0 {
            self.skip(format!("{} of {title}, which could not be counted", pluralize(unknown, "table")));
        }
    }
}

fn is_passing_table(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| PASSING_TABLES.contains(&word))
}
