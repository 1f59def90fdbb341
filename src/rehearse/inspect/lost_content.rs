//! Judges live content that did not come back although files of the same paths did. A service that finds an unreadable
//! data store may begin a new one, and is healthy.

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::pluralize::pluralize;
use crate::worker::protocol::LostContent;

/// Most files that a message names.
const NAMED: usize = 5;
/// Files that came back empty are told from this number on, or if all are empty.
const MANY: u64 = 3;
/// Files of zeros are told if they are one of so many: a service makes empty files, but hardly ever files of zeros.
const ONE_OF: u64 = 10;

/// The data store that is lost; `None` if there is none.
pub(super) fn failure(title: &str, lost: &LostContent) -> Option<Diagnosis> {
    let LostContent { databases, servers, .. } = lost;
    if databases.count > 0 {
        let count = pluralize(databases.count, "live SQLite database");
        let message = format!("{title}: {count} came back as a file that is no database: {databases}");
        let remedy = "Find out when the file lost its content: look into older snapshots, and restore the newest in \
            which it is a database. Back it up with `sqlite3 FILE \".backup COPY\"` or with the service stopped.";
        return Some(Diagnosis { remedy: Some(remedy.to_owned()), ..Diagnosis::new(Code::DataSqliteCorrupt, message) });
    }
    (servers.count > 0).then(|| {
        let message = format!("{title}: the data of a database server came back without its content: {servers}");
        Diagnosis::new(Code::RestoreIncomplete, message)
    })
}

/// The warnings about content that is not as live and may be right.
pub(super) fn warnings(title: &str, lost: &LostContent) -> Vec<Diagnosis> {
    let LostContent { foreign, clusters, .. } = lost;
    let foreign = (foreign.count > 0).then(|| {
        let count = pluralize(foreign.count, "SQLite database");
        let message = format!("{title}: {count} without a table of the live one, as of another program: {foreign}");
        Diagnosis::new(Code::DataUnlikeLive, message)
    });
    let cluster = (clusters.count > 0).then(|| {
        let message = format!(
            "{title}: the restored PostgreSQL cluster is not the live one, as of another server, or of the time before \
             the live one was made anew: {clusters}"
        );
        Diagnosis::new(Code::DataUnlikeLive, message)
    });
    foreign.into_iter().chain(cluster).chain(emptied_warning(title, lost)).collect()
}

/// The warning about files that came back empty; `None`: they are few, and may have been empty at the time.
fn emptied_warning(title: &str, LostContent { compared, emptied, zeros, .. }: &LostContent) -> Option<Diagnosis> {
    let many = emptied.count >= MANY || emptied.count == *compared;
    let are_most = emptied.count * 2 > *compared && many;
    let are_zeros = *zeros >= MANY && zeros * ONE_OF >= *compared;
    (are_most || are_zeros).then(|| {
        let named = emptied.first.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = emptied.count.saturating_sub(NAMED as u64);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let message = format!(
            "{title}: of {} that have content live, {} came back empty or as zeros: {named}{more}",
            pluralize(*compared, "restored file"),
            emptied.count
        );
        Diagnosis::new(Code::DataUnlikeLive, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sampled::Sampled;
    use crate::worker::protocol::DatabaseFinding;

    fn emptied(count: u64, compared: u64) -> LostContent {
        let names = (0..count).map(|number| format!("page{number}")).collect();
        LostContent { compared, emptied: Sampled { first: names, count }, ..LostContent::default() }
    }

    #[test]
    fn most_files_must_be_empty_for_a_warning() {
        for (count, compared, told) in
            [(0, 0, false), (1, 1, true), (1, 2, false), (2, 2, true), (2, 3, false), (15, 30, false), (29, 30, true)]
        {
            let warning = emptied_warning("volume v", &emptied(count, compared));
            assert_eq!(warning.is_some(), told, "{count} of {compared}: {warning:?}");
        }
        for (zeros, compared, told) in [(2, 20, false), (3, 30, true), (3, 31, false), (10, 25, true)] {
            let warning = emptied_warning("volume v", &LostContent { zeros, ..emptied(zeros, compared) });
            assert_eq!(warning.is_some(), told, "{zeros} of zeros of {compared}: {warning:?}");
        }
        let message = emptied_warning("volume v", &emptied(7, 8)).expect("most of them").message;
        let end = "of 8 restored files that have content live, 7 came back empty or as zeros: page0, page1, page2, \
            page3, page4 and 2 more";
        assert_eq!(message, format!("volume v: {end}"));
    }

    #[test]
    fn a_lost_store_fails() {
        let finding = |path: &str| DatabaseFinding { path: path.to_owned(), words: vec!["it is empty".to_owned()] };
        let of = |path: &str| Sampled { first: vec![finding(path)], count: 1 };
        let lost = LostContent { databases: of("a.db"), servers: of("ibdata1"), ..LostContent::default() };
        let diagnosis = failure("volume v", &lost).expect("a loss");
        assert_eq!(diagnosis.code, Code::DataSqliteCorrupt);
        assert!(diagnosis.message.ends_with("no database: a.db (it is empty)"), "{}", diagnosis.message);
        let lost = LostContent { servers: of("ibdata1"), ..LostContent::default() };
        assert_eq!(failure("volume v", &lost).map(|diagnosis| diagnosis.code), Some(Code::RestoreIncomplete));
        assert_eq!(failure("volume v", &emptied(9, 9)), None);
    }
}
