//! Compares the top-level names of the restored data with those of the live mount. Data changes, but its top folders
//! seldom do: no name in common means probably the wrong data, or a placeholder.

use std::collections::BTreeSet;

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::plan::RestorePlan;
use crate::model::pluralize::pluralize;
use crate::model::source::MatchRule;
use crate::model::source_kind::{is_archive_name, is_dump_name};

/// Most names that a message lists.
const LISTED: usize = 5;

/// How the restored data compares with the live mount by its top-level names.
#[derive(Debug, PartialEq)]
pub(super) enum Similarity {
    /// They have a name in common, or one of them has none.
    Alike,
    /// They have none in common, and the part of the backup was chosen by its name: only a warning.
    Doubtful(Diagnosis),
    /// They have none in common, and the part was chosen by the end of its path, or because there is no other; or the
    /// part is a folder of archives or dumps.
    Wrong(Diagnosis),
}

/// Compares the top-level names of the live mount with those that came back. `source` names the backup.
pub(super) fn judge_similarity(
    plan: &RestorePlan,
    source: Option<&str>,
    live: &[Vec<u8>],
    came: &[Vec<u8>],
) -> Similarity {
    let (live, came) = (own_names(live), own_names(came));
    if live.is_empty() || came.is_empty() || !live.is_disjoint(&came) {
        return Similarity::Alike;
    }
    let title = plan.mount.title();
    if let Some(diagnosis) = packed(plan, source.unwrap_or_default(), &live, &came) {
        return Similarity::Wrong(diagnosis);
    }
    let (came, live) = (listed(&came), listed(&live));
    let Some(part) = plan.part.as_ref().filter(|part| is_weak(part.rule)) else {
        let message = format!("{title}: at the top there is {came}, and live there is {live}");
        return Similarity::Doubtful(Diagnosis::new(Code::DataUnlikeLive, message));
    };
    let rule_name = plan.ask.as_ref().map(|ask| ask.rule_name.as_str()).unwrap_or_default();
    let from = source.unwrap_or_default();
    let rule = part.rule;
    let part = if part.path.is_empty() { ".".into() } else { String::from_utf8_lossy(&part.path) };
    let why = if rule == MatchRule::Suffix { "by the end of its path" } else { "because nothing else is there" };
    let message = format!(
        "{part} of {from} was taken for {title} {why}, but does not look like it: at its top \
         there is {came}, and live there is {live}"
    );
    let remedy = format!(
        "If it is the right part: --map '{rule_name}={part}'. If another part is: \
         --map '{rule_name}=PATH/IN/THE/BACKUP'. Otherwise look for the backup that has the mount."
    );
    Similarity::Wrong(Diagnosis { remedy: Some(remedy), ..Diagnosis::new(Code::RestoreAmbiguous, message) })
}

/// The diagnosis of a part that holds nothing but archives, or nothing but database dumps, where the live mount has
/// neither: a backup of backups, whatever rule or person chose it. `None`: it is no such part.
fn packed(plan: &RestorePlan, source: &str, live: &BTreeSet<&[u8]>, came: &BTreeSet<&[u8]>) -> Option<Diagnosis> {
    let all = |names: &BTreeSet<&[u8]>, is_it: fn(&str) -> bool| {
        names.iter().all(|name| is_it(&String::from_utf8_lossy(name)))
    };
    let any = |names: &BTreeSet<&[u8]>, is_it: fn(&str) -> bool| {
        names.iter().any(|name| is_it(&String::from_utf8_lossy(name)))
    };
    if any(live, is_dump_name) || any(live, is_archive_name) {
        return None;
    }
    let part = plan.part.as_ref().map(|part| String::from_utf8_lossy(&part.path)).unwrap_or_default();
    let first = String::from_utf8_lossy(came.first()?);
    let inside = if part.is_empty() { first.clone() } else { format!("{part}/{first}").into() };
    let (kind, path) = source.split_once(':').unwrap_or(("", source));
    let (what, remedy) = if all(came, is_unloaded_dump) {
        let remedy = format!(
            "These are database dumps, which are loaded and not unpacked: --from 'dump:{path}#{inside}' \
             (dump:FOLDER/FILE for a folder)."
        );
        ("database dumps", remedy)
    } else if all(came, is_archive_name) && kind == "dir" {
        ("archives", format!("The archives are the backup, and not their folder: --from 'tar:{path}/{inside}'."))
    } else if all(came, is_archive_name) {
        let remedy = format!(
            "A backup of archives is not unpacked twice. Unpack {path} once, and rehearse from an archive in it: \
             --from tar:FOLDER/{inside}"
        );
        ("archives", remedy)
    } else {
        return None;
    };
    let whole = if part.is_empty() { "." } else { &part };
    let message = format!(
        "{whole} of {source} holds nothing but {what} ({}), and {} has none of these live: at its top there is {}",
        listed(came),
        plan.mount.title(),
        listed(live)
    );
    Some(Diagnosis { remedy: Some(remedy), ..Diagnosis::new(Code::RestoreAmbiguous, message) })
}

/// Whether a file of this name is a database dump that a service does not read by itself. Redis reads its own.
fn is_unloaded_dump(name: &str) -> bool {
    is_dump_name(name) && !name.ends_with(".rdb")
}

/// Whether a part was chosen by less than a name.
fn is_weak(rule: MatchRule) -> bool {
    match rule {
        MatchRule::Suffix | MatchRule::OnlyCandidate => true,
        MatchRule::Explicit | MatchRule::Name | MatchRule::Target => false,
    }
}

/// The names that the data brings itself: every ext4 file system has `lost+found`.
fn own_names(names: &[Vec<u8>]) -> BTreeSet<&[u8]> {
    names.iter().map(Vec::as_slice).filter(|name| *name != b"lost+found").collect()
}

fn listed(names: &BTreeSet<&[u8]>) -> String {
    let shown: Vec<_> = names.iter().take(LISTED).map(|name| String::from_utf8_lossy(name)).collect();
    match names.len().saturating_sub(LISTED) {
        0 => shown.join(", "),
        more => format!("{} and {}", shown.join(", "), pluralize(more as u64, "more name")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::plan::{BackupPart, DataSource};
    use crate::model::sample;

    fn judged(rule: MatchRule, live: &[&str], came: &[&str]) -> Similarity {
        let part = Some(BackupPart { path: b"volumes/data".to_vec(), rule, sidecars: 0, holds: Default::default() });
        let plan = RestorePlan { part, ..sample::restore(DataSource::Live) };
        let bytes = |names: &[&str]| names.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>();
        judge_similarity(&plan, Some("tar:/b.tar"), &bytes(live), &bytes(came))
    }

    #[test]
    fn one_name_in_common_is_enough() {
        for (live, came) in [
            (&["config", "log"][..], &["config", "cache"][..]),
            (&[], &["config"]),
            (&["config"], &[]),
            (&["lost+found"], &["config"]),
        ] {
            assert_eq!(judged(MatchRule::OnlyCandidate, live, came), Similarity::Alike, "{live:?} {came:?}");
        }
        let only_the_file_systems_own = judged(MatchRule::Name, &["lost+found", "a"], &["lost+found", "b"]);
        assert!(matches!(only_the_file_systems_own, Similarity::Doubtful(_)), "{only_the_file_systems_own:?}");
    }

    #[test]
    fn a_part_that_was_found_by_its_name_is_only_doubted() {
        let Similarity::Doubtful(warning) = judged(MatchRule::Name, &["a"], &["1", "2", "3", "4", "5", "6"]) else {
            panic!("a warning")
        };
        assert_eq!(warning.code, Code::DataUnlikeLive);
        let expected = "volume data: at the top there is 1, 2, 3, 4, 5 and 1 more name, and live there is a";
        assert_eq!(warning.message, expected);
    }

    #[test]
    fn dumps_are_loaded_and_not_unpacked() {
        let Similarity::Wrong(diagnosis) = judged(MatchRule::OnlyCandidate, &["PG_VERSION"], &["a.sql.gz", "b.dump"])
        else {
            panic!("a failure")
        };
        let remedy = diagnosis.remedy.expect("a remedy");
        assert!(remedy.contains("'dump:/b.tar#volumes/data/a.sql.gz'") && !remedy.contains("--map"), "{remedy}");
    }

    #[test]
    fn a_folder_of_archives_is_no_data_whoever_chose_it() {
        for rule in [MatchRule::Explicit, MatchRule::Name, MatchRule::OnlyCandidate] {
            let Similarity::Wrong(diagnosis) = judged(rule, &["app.db"], &["app-1.tar.gz", "app-2.tar.gz"]) else {
                panic!("a failure")
            };
            assert!(diagnosis.message.contains("nothing but archives (app-1.tar.gz, app-2.tar.gz)"), "{diagnosis}");
            let remedy = diagnosis.remedy.expect("a remedy");
            assert!(remedy.contains("volumes/data/app-1.tar.gz") && !remedy.contains("--map"), "{remedy}");
        }
        // Redis with a log of its own, and a backup from before.
        let of_redis = judged(MatchRule::Name, &["appendonlydir"], &["dump.rdb"]);
        assert!(matches!(of_redis, Similarity::Doubtful(_)), "{of_redis:?}");
        // The mount of a service that makes backups.
        let of_backups = judged(MatchRule::Name, &["app-3.tar.gz"], &["app-1.tar.gz"]);
        assert!(matches!(of_backups, Similarity::Doubtful(_)), "{of_backups:?}");
        let mixed = judged(MatchRule::Explicit, &["app.db"], &["app-1.tar.gz", "readme"]);
        assert!(matches!(mixed, Similarity::Doubtful(_)), "{mixed:?}");
    }

    #[test]
    fn a_part_without_a_rival_is_refused_when_it_looks_like_something_else() {
        let Similarity::Wrong(diagnosis) = judged(MatchRule::Suffix, &["a"], &["b"]) else { panic!("it is errored") };
        assert!(diagnosis.message.contains("by the end of its path"), "{diagnosis}");
        let Similarity::Wrong(diagnosis) = judged(MatchRule::OnlyCandidate, &["a"], &["b"]) else {
            panic!("a failure")
        };
        assert_eq!(diagnosis.code, Code::RestoreAmbiguous);
        assert!(
            diagnosis.message.starts_with("volumes/data of tar:/b.tar was taken for volume data "),
            "{diagnosis:?}"
        );
        assert!(diagnosis.remedy.is_some_and(|remedy| remedy.contains("--map '=volumes/data'")));
    }
}
