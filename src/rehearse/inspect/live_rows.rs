//! Judges the rows of restored SQLite databases by the live ones. Live may have grown since the backup, so only rows
//! that are surely older than the backup are missed: those of a database that was not touched since, and those whose
//! ids a table with `AUTOINCREMENT` had given by then.

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::plan::RestorePlan;
use crate::model::pluralize::pluralize;
use crate::model::profile::TableProfile;
use crate::model::profile::losses::{Tolerance, table_losses};
use crate::worker::protocol::{DatabaseTables, LiveDatabase};

/// Most losses that a message names.
const NAMED: usize = 6;

/// What live databases say of the restored ones.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct LiveRows {
    /// Rows that live had before the backup are missing.
    pub failure: Option<Diagnosis>,
    /// The same, where the times of the live files are in doubt.
    pub warning: Option<Diagnosis>,
    /// What was compared, for the report.
    pub note: Option<String>,
}

/// Judges the databases of a place. `clock_doubt`: why the times of the live files may be wrong.
pub(super) fn judge_live_rows(
    plan: &RestorePlan,
    held: &[DatabaseTables],
    live: &[LiveDatabase],
    clock_doubt: Option<&str>,
) -> LiveRows {
    let title = plan.mount.title();
    let (mut untouched, mut earlier) = (Lost::default(), Lost::default());
    let (mut compared, mut uncounted) = (0, Vec::new());
    for database in live {
        let Some(own) = held.iter().find(|own| own.path == database.path) else { continue };
        let Some(has) = own.tables.as_deref() else { continue };
        if let Some(why) = &database.why {
            uncounted.push(format!("{} ({why})", database.path));
            continue;
        }
        let has: Vec<TableProfile> = has.iter().map(|(table, rows)| profile(table, *rows)).collect();
        if let Some(all) = &database.untouched {
            let must: Vec<TableProfile> = all.iter().map(|(table, rows)| profile(table, *rows)).collect();
            untouched.add(&database.path, &must, &has, plan.witness.tolerance);
            compared += 1;
        } else if !database.earlier.is_empty() {
            let must: Vec<TableProfile> =
                database.earlier.iter().map(|(table, rows)| profile(table, Some(*rows))).collect();
            earlier.add(&database.path, &must, &has, plan.witness.tolerance);
            compared += 1;
        }
    }
    let since = "which live has not touched since the backup began, holds less than the live one";
    let given = "lacks rows that live still has, whose ids were given before the backup";
    let of_untouched = untouched.diagnosis(&title, since);
    let (warning, of_untouched) = match (of_untouched, clock_doubt) {
        (Some(found), Some(doubt)) => {
            let message = format!("{}; but {doubt}, so the times of the live files may be wrong", found.message);
            (Some(Diagnosis { remedy: found.remedy, ..Diagnosis::new(Code::DataUnlikeLive, message) }), None)
        }
        (found, _) => (None, found),
    };
    let mut notes = Vec::new();
    if compared > 0 {
        notes.push(format!("rows compared with {} of the live service", pluralize(compared, "database")));
    }
    if !uncounted.is_empty() {
        notes.push(format!("rows not compared with live: {}", listed(&uncounted)));
    }
    LiveRows {
        failure: of_untouched.or_else(|| earlier.diagnosis(&title, given)),
        warning,
        note: (!notes.is_empty()).then(|| notes.join("; ")),
    }
}

fn profile(table: &str, rows: Option<u64>) -> TableProfile {
    TableProfile { table: table.to_owned(), rows }
}

/// What the databases of a place lack.
#[derive(Default)]
struct Lost {
    words: Vec<String>,
    needed: Option<Tolerance>,
}

impl Lost {
    fn add(&mut self, path: &str, must: &[TableProfile], has: &[TableProfile], tolerance: Tolerance) {
        let losses = table_losses(path, must, has, tolerance);
        self.words.extend(losses.lost);
        self.needed = match (self.needed, losses.needed) {
            (Some(one), Some(other)) => Some(one.or(other)),
            (one, other) => one.or(other),
        };
    }

    fn diagnosis(&self, title: &str, what: &str) -> Option<Diagnosis> {
        let needed = self.needed?.text();
        let message = format!("{title}: an SQLite database {what}: {}", listed(&self.words));
        let remedy = format!(
            "Compare the named tables in the backup and live, and look how the backup job copies the database: an \
             export that ended early, or a copy of another moment. If the backup leaves these rows out on purpose: \
             tolerance = \"{needed}\" for this service in rehearsa.toml, or --tolerance '{needed}'. If the live \
             service is another instance with data of its own: exclude = [\"**\"]."
        );
        Some(Diagnosis { remedy: Some(remedy), ..Diagnosis::new(Code::DataDiffersFromLive, message) })
    }
}

/// The first of these, and how many more there are.
fn listed(all: &[String]) -> String {
    let named = all.len().min(NAMED);
    let more = if all.len() > named { format!("; and {} more", all.len() - named) } else { String::new() };
    format!("{}{more}", all[..named].join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::plan::DataSource;
    use crate::model::sample;

    fn tables(rows: &[(&str, u64)]) -> Vec<(String, Option<u64>)> {
        rows.iter().map(|(table, rows)| ((*table).to_owned(), Some(*rows))).collect()
    }

    fn held(rows: &[(&str, u64)]) -> Vec<DatabaseTables> {
        vec![DatabaseTables { path: "app.db".to_owned(), tables: Some(tables(rows)), sequences: Vec::new() }]
    }

    fn untouched(rows: &[(&str, u64)]) -> Vec<LiveDatabase> {
        let untouched = Some(tables(rows));
        vec![LiveDatabase { path: "app.db".to_owned(), untouched, ..LiveDatabase::default() }]
    }

    fn earlier(rows: &[(&str, u64)]) -> Vec<LiveDatabase> {
        let earlier = rows.iter().map(|(table, rows)| ((*table).to_owned(), *rows)).collect();
        vec![LiveDatabase { path: "app.db".to_owned(), earlier, ..LiveDatabase::default() }]
    }

    fn judged(held: &[DatabaseTables], live: &[LiveDatabase], doubt: Option<&str>) -> LiveRows {
        judge_live_rows(&sample::restore(DataSource::Live), held, live, doubt)
    }

    #[test]
    fn rows_and_tables_of_an_untouched_database_are_missed() {
        let failed = judged(&held(&[("notes", 50)]), &untouched(&[("notes", 100), ("tags", 20)]), None);
        let failure = failed.failure.expect("a failure");
        assert_eq!(failure.code, Code::DataDiffersFromLive);
        assert!(failure.message.contains("table tags of app.db is gone, which had 20 rows"), "{failure}");
        assert!(failure.message.contains("table notes of app.db has 50 rows instead of 100"), "{failure}");
        assert!(failure.remedy().contains("--tolerance 'rows=50%, gone'"), "{}", failure.remedy());
        assert_eq!(failed.note.as_deref(), Some("rows compared with 1 database of the live service"));
        let doubtful = judged(&held(&[("notes", 50)]), &untouched(&[("notes", 100)]), Some("a clock was set"));
        assert_eq!(doubtful.failure, None);
        assert_eq!(doubtful.warning.expect("a warning").code, Code::DataUnlikeLive);
    }

    #[test]
    fn rows_with_earlier_ids_are_missed_whatever_the_clock_says() {
        let failed = judged(&held(&[("notes", 50)]), &earlier(&[("notes", 100)]), Some("a clock was set"));
        assert!(failed.failure.is_some_and(|failure| failure.message.contains("whose ids were given before")));
        // Live has deleted rows since, and others have come.
        assert_eq!(judged(&held(&[("notes", 50)]), &earlier(&[("notes", 40)]), None).failure, None);
    }

    #[test]
    fn what_may_be_less_is_no_failure_and_what_is_unknown_is_told() {
        for (has, must) in [(("notes", 95), ("notes", 100)), (("sessions", 1), ("sessions", 100))] {
            assert_eq!(judged(&held(&[has]), &untouched(&[must]), None).failure, None);
        }
        let why = Some("it has 300 MB".to_owned());
        let large = [LiveDatabase { path: "app.db".to_owned(), why, ..LiveDatabase::default() }];
        let note = judged(&held(&[]), &large, None).note;
        assert_eq!(note.as_deref(), Some("rows not compared with live: app.db (it has 300 MB)"));
    }
}
