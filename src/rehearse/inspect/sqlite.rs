//! Judges what SQLite's own check says of the databases in restored data, before a service can repair, overwrite or
//! hide anything.

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::pluralize::pluralize;
use crate::model::sampled::Sampled;
use crate::worker::protocol::{DatabaseFinding, Databases};

/// The damage that makes the backup unusable; `None` if there is none.
pub(super) fn failure(title: &str, databases: &Databases) -> Option<Diagnosis> {
    let Databases { damaged, lacking, orphaned, .. } = databases;
    if orphaned.count > 0 && damaged.count == 0 {
        let message = format!(
            "{title}: {} missing or empty, although the -wal file with the last writes came back: {orphaned}",
            count(orphaned)
        );
        return Some(Diagnosis::new(Code::DataSqliteMissing, message));
    }
    let without_log = || {
        format!(
            "{title}: {} in WAL mode came back without the -wal file, and so without the last writes: {}",
            count(lacking),
            lacking
        )
    };
    if damaged.count > 0 {
        let of = if databases.found > 1 { format!(" (of {})", databases.found) } else { String::new() };
        let mut message = format!("{title}: SQLite finds {}{of} damaged: {}", count(damaged), damaged);
        if lacking.count > 0 {
            message.push('\n');
            message.push_str(&without_log());
        }
        return Some(Diagnosis::new(Code::DataSqliteCorrupt, message));
    }
    (lacking.count > 0).then(|| Diagnosis::new(Code::DataSqliteWalMissing, without_log()))
}

/// Warnings that do not make the backup unusable.
pub(super) fn warnings(title: &str, databases: &Databases) -> Vec<Diagnosis> {
    let Databases { torn, hot, doubtful, cut, too_large, blank, .. } = databases;
    let mut warnings = Vec::new();
    let mut warn = |code, findings: &Sampled<DatabaseFinding>, words: &str| {
        if findings.count > 0 {
            let message = format!("{title}: {} {words}: {}", count(findings), findings);
            warnings.push(Diagnosis::new(code, message));
        }
    };
    warn(
        Code::DataTornCopy,
        torn,
        "written to by the live service during the copy; SQLite finds the copy damaged (the live one need not be)",
    );
    warn(Code::DataTornCopy, hot, "in the middle of a write, which SQLite rolls back when it opens them");
    warn(
        Code::DataTornCopy,
        cut,
        "with a -wal file of which SQLite leaves out the end, as after a power cut; what was written there is lost",
    );
    warn(
        Code::DataSqliteUnchecked,
        too_large,
        "not checked, because SQLite's check needs more memory than it gets here",
    );
    warn(
        Code::DataSqliteWalAbsent,
        doubtful,
        "in WAL mode without a -wal file, which is right only if it was backed up at rest or by SQLite itself",
    );
    if blank.count > 0 {
        let files = pluralize(blank.count, "file");
        let message =
            format!("{title}: {files} with the name of a database and nothing but zeros at the beginning: {blank}");
        warnings.push(Diagnosis::new(Code::DataSqliteBlank, message));
    }
    warnings
}

/// A note for the report (`2 SQLite databases sound; …`); `None` when there is nothing to say.
pub(super) fn note(databases: &Databases) -> Option<String> {
    let mut parts = Vec::new();
    if databases.sound > 0 {
        parts.push(format!("{} sound", pluralize(databases.sound, "SQLite database")));
    }
    if databases.odd.count > 0 {
        parts.push(format!("rows that violate the rules of their tables in {}", databases.odd));
    }
    if databases.unchecked.count > 0 {
        parts.push(format!("{} not checked: {}", count(&databases.unchecked), databases.unchecked));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn count(findings: &Sampled<DatabaseFinding>) -> String {
    pluralize(findings.count, "SQLite database")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(names: &[&str], words: &str) -> Sampled<DatabaseFinding> {
        let mut findings = Sampled::default();
        for name in names {
            findings.add(|| DatabaseFinding { path: (*name).to_owned(), words: vec![words.to_owned()] });
        }
        findings
    }

    #[test]
    fn damage_is_told_before_a_missing_log_and_both_are_told() {
        let databases = Databases {
            found: 3,
            sound: 1,
            damaged: findings(&["a.db"], "page 3 is never used"),
            lacking: findings(&["b.db"], "it is a single page"),
            ..Databases::default()
        };
        let diagnosis = failure("volume v", &databases).expect("it is bad");
        assert_eq!(diagnosis.code, Code::DataSqliteCorrupt);
        assert_eq!(
            diagnosis.message,
            "volume v: SQLite finds 1 SQLite database (of 3) damaged: a.db (page 3 is never used)\nvolume v: 1 SQLite \
             database in WAL mode came back without the -wal file, and so without the last writes: b.db (it is a \
             single page)"
        );
        let databases = Databases { damaged: Sampled::default(), ..databases };
        assert_eq!(failure("volume v", &databases).expect("it is bad").code, Code::DataSqliteWalMissing);
    }

    #[test]
    fn a_log_without_its_database_is_told_by_the_databases_name() {
        let databases = Databases { found: 1, orphaned: findings(&["a.db"], "x"), ..Databases::default() };
        let diagnosis = failure("volume v", &databases).expect("it is bad");
        assert_eq!(diagnosis.code, Code::DataSqliteMissing);
        assert!(diagnosis.message.starts_with("volume v: 1 SQLite database missing or empty"), "{diagnosis}");
    }

    #[test]
    fn twenty_files_are_named_and_the_others_counted() {
        let names: Vec<String> = (0..25).map(|number| format!("{number}.db")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let databases = Databases { found: 25, damaged: findings(&names, "x"), ..Databases::default() };
        let message = failure("volume v", &databases).expect("it is bad").message;
        assert!(
            message.contains("25 SQLite databases (of 25)") && message.ends_with("19.db (x) and 5 more"),
            "{message}"
        );
    }

    #[test]
    fn what_may_be_right_only_warns() {
        let databases = Databases {
            found: 4,
            sound: 3,
            torn: findings(&["t.db"], "x"),
            hot: findings(&["h.db"], "x"),
            doubtful: findings(&["d.db"], "x"),
            unchecked: findings(&["u.db"], "no room"),
            cut: findings(&["c.db"], "x"),
            too_large: findings(&["l.db"], "out of memory"),
            blank: findings(&["z.db"], "8.2 kB"),
            ..Databases::default()
        };
        assert!(failure("volume v", &databases).is_none());
        let codes: Vec<Code> = warnings("volume v", &databases).iter().map(|warning| warning.code).collect();
        assert_eq!(
            codes,
            [
                Code::DataTornCopy,
                Code::DataTornCopy,
                Code::DataTornCopy,
                Code::DataSqliteUnchecked,
                Code::DataSqliteWalAbsent,
                Code::DataSqliteBlank,
            ]
        );
        let blank = warnings("volume v", &databases).pop().expect("the last one").message;
        let words =
            "volume v: 1 file with the name of a database and nothing but zeros at the beginning: z.db (8.2 kB)";
        assert_eq!(blank, words);
        let note = note(&databases).expect("there is something to say");
        assert_eq!(note, "3 SQLite databases sound; 1 SQLite database not checked: u.db (no room)");
    }
}
