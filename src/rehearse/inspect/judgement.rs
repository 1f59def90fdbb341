//! Judges what the worker found out about a restored place: the checks in their order, up to the first that fails.

use crate::model::diagnosis::Diagnosis;
use crate::model::event::{Compared, WitnessSummary};
use crate::model::mount::MountOrigin;
use crate::model::plan::RestorePlan;
use crate::rehearse::shared_task::Diagnosed;
use crate::rehearse::state::InspectedData;

use super::completeness::{Completeness, judge_completeness};
use super::facts::InspectionFacts;
use super::live_rows::{LiveRows, judge_live_rows};
use super::lost_content;
use super::mount_kind::kind_mismatch;
use super::place_profile::place_profile;
use super::similarity::{Similarity, judge_similarity};
use super::sqlite;
use super::witness::{Testimony, clock_doubt, judge_witness};

/// The result of an inspection.
pub(super) struct Judgement {
    /// What to warn of, whatever the verdict is.
    pub warnings: Vec<Diagnosis>,
    /// The first failure, or what was found where there is none.
    pub verdict: Diagnosed<Passed>,
}

/// What an inspection found when nothing is wrong.
#[derive(Debug)]
pub(super) struct Passed {
    pub data: InspectedData,
    /// What was compared with what should be there; `None` where nothing was brought to be compared.
    pub compared: Option<Compared>,
    /// Notes for the report.
    pub notes: Vec<String>,
    /// What of the live mount was compared; `None` for data that is from no backup.
    pub witness: Option<WitnessSummary>,
}

/// Judges a place. `source` names the backup that its data is from; `None`: no backup was asked for.
pub(super) fn judge(plan: &RestorePlan, source: Option<&str>, facts: InspectionFacts) -> Judgement {
    let mut warnings = Vec::new();
    let verdict = find_verdict(plan, source, facts, &mut warnings);
    Judgement { warnings, verdict }
}

fn find_verdict(
    plan: &RestorePlan,
    source: Option<&str>,
    facts: InspectionFacts,
    warnings: &mut Vec<Diagnosis>,
) -> Diagnosed<Passed> {
    let InspectionFacts { restored, live, witness, live_rows } = facts;
    let mut passed = Passed { data: InspectedData::default(), compared: None, notes: Vec::new(), witness: None };
    let Some(restored) = restored else { return Ok(passed) };
    let is_bind = matches!(plan.mount.origin, MountOrigin::Bind { .. });
    if let Some(diagnosis) = kind_mismatch(&plan.mount, &plan.supply, &restored, live.as_ref()).filter(|_| is_bind) {
        return Err(diagnosis);
    }
    let live_names = live.as_ref().and_then(|live| live.names.as_deref());
    if let (Some(live), Some(came)) = (live_names, restored.names.as_deref()) {
        match judge_similarity(plan, source, live, came) {
            Similarity::Alike => {}
            Similarity::Doubtful(warning) => warnings.push(warning),
            Similarity::Wrong(diagnosis) => return Err(diagnosis),
        }
    }
    if let Some(inventory) = &restored.inventory {
        let owners = live.as_ref().and_then(|live| live.owners.as_ref());
        let Completeness { compared, contents, suspicion, warning } = judge_completeness(plan, inventory, owners)?;
        warnings.extend(warning);
        passed.compared = Some(compared);
        passed.notes.extend(contents);
        passed.data.suspicion = suspicion;
    }
    passed.data.profile = place_profile(plan, &restored);
    passed.data.version_files = restored.version_files.unwrap_or_default();
    passed.data.fingerprint = restored.fingerprint.filter(|fingerprint| !fingerprint.sample.is_empty());
    if let Some(databases) = &restored.databases {
        let title = plan.mount.title();
        warnings.extend(sqlite::warnings(&title, databases));
        if let Some(diagnosis) = sqlite::failure(&title, databases) {
            return Err(diagnosis);
        }
        passed.notes.extend(sqlite::note(databases));
    }
    if let Some(lost) = live.as_ref().and_then(|live| live.lost.as_ref()) {
        let title = plan.mount.title();
        if let Some(diagnosis) = lost_content::failure(&title, lost) {
            return Err(diagnosis);
        }
        warnings.extend(lost_content::warnings(&title, lost));
    }
    let mut clock = None;
    match witness {
        Some(Ok(witnessed)) => {
            clock = clock_doubt(&witnessed);
            let Testimony { summary, failure, warning, suspicion } = judge_witness(&plan.mount.title(), witnessed);
            if let Some(diagnosis) = failure {
                return Err(diagnosis);
            }
            warnings.extend(warning);
            passed.witness = Some(summary);
            passed.data.suspicion = passed.data.suspicion.or(suspicion);
        }
        Some(Err(why)) => passed.witness = Some(WitnessSummary::silent(why)),
        None => {}
    }
    let held = restored.databases.map(|databases| databases.tables).unwrap_or_default();
    let LiveRows { failure, warning, note } = judge_live_rows(plan, &held, &live_rows, clock.as_deref());
    if let Some(diagnosis) = failure {
        return Err(diagnosis);
    }
    warnings.extend(warning);
    passed.notes.extend(note);
    Ok(passed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::diagnosis::Code;
    use crate::model::event::{Against, Amount};
    use crate::model::fingerprint::{AccessMark, Fingerprint, Sample};
    use crate::model::host_tree::HostTree;
    use crate::model::mount::{Mount, Strategy};
    use crate::model::plan::DataSource;
    use crate::model::sampled::Sampled;
    use crate::worker::protocol::{
        DatabaseFinding, Databases, DifferingFiles, Inspected, Inventory, LostContent, RootKind, Witnessed,
    };

    fn plan() -> RestorePlan {
        let origin = MountOrigin::Bind { source: "/srv/app".to_owned() };
        RestorePlan {
            mount: Mount { target: "/app".to_owned(), origin, read_only: false },
            strategy: Strategy::Copy,
            cases: Vec::new(),
            max_copy: 0,
            witness: Default::default(),
            verify_content: true,
            ask: None,
            part: None,
            supply: DataSource::HostTree(HostTree::at("/backup/app")),
            has_live: true,
        }
    }

    fn sampled<T>(one: T) -> Sampled<T> {
        Sampled { first: vec![one], count: 1 }
    }

    fn names(names: &[&str]) -> Option<Vec<Vec<u8>>> {
        Some(names.iter().map(|name| name.as_bytes().to_vec()).collect())
    }

    fn restored() -> Inspected {
        Inspected {
            names: names(&["data"]),
            version_files: Some(Vec::new()),
            inventory: Some(Inventory {
                entries: 3,
                compared: Some(Amount { files: 2, bytes: 10 }),
                ..Inventory::default()
            }),
            fingerprint: Some(Fingerprint {
                amount: Amount { files: 1, bytes: 1 },
                sample: vec![Sample { path: 1, size: 1, start: 0, content: 0, identity: 1 }],
                names: vec!["data/file".to_owned()],
                stores: Vec::new(),
                mark: AccessMark::default(),
            }),
            databases: Some(Databases { found: 1, sound: 1, ..Databases::default() }),
            ..Inspected::of(RootKind::Folder)
        }
    }

    fn live(top: &[&str]) -> Inspected {
        Inspected { names: names(top), ..Inspected::of(RootKind::Folder) }
    }

    fn judged(restored: Inspected, live: Inspected) -> (Vec<Code>, Result<Passed, Code>) {
        let facts = InspectionFacts { restored: Some(restored), live: Some(live), ..InspectionFacts::default() };
        let Judgement { warnings, verdict } = judge(&plan(), Some("dir:/backup"), facts);
        let codes = warnings.iter().map(|warning| warning.code).collect();
        (codes, verdict.map_err(|diagnosis| diagnosis.code))
    }

    #[test]
    fn what_was_found_goes_to_the_report_and_to_the_later_phases() {
        let (warnings, verdict) = judged(restored(), live(&["data"]));
        assert_eq!(warnings, []);
        let passed = verdict.expect("nothing is wrong");
        assert_eq!(passed.compared, Some(Compared { entries: 3, against: Against::Backup, contents: true }));
        assert_eq!(passed.notes, ["contents compared: 2 files, 10 B", "1 SQLite database sound"]);
        assert!(passed.data.fingerprint.is_some() && passed.data.suspicion.is_none());
    }

    #[test]
    fn a_place_of_which_nothing_is_known_passes() {
        let Judgement { warnings, verdict } = judge(&plan(), None, InspectionFacts::default());
        let passed = verdict.expect("nothing is wrong");
        assert_eq!((warnings.len(), passed.compared, passed.notes.len()), (0, None, 0));
        assert!(passed.data.fingerprint.is_none());
    }

    #[test]
    fn an_empty_sample_is_no_fingerprint() {
        let mut restored = restored();
        restored.fingerprint.as_mut().expect("there is one").sample.clear();
        let (_, verdict) = judged(restored, live(&["data"]));
        assert!(verdict.expect("nothing is wrong").data.fingerprint.is_none());
    }

    #[test]
    fn a_live_database_that_came_back_as_something_else_fails() {
        let finding = DatabaseFinding { path: "a.db".to_owned(), words: vec!["it is empty".to_owned()] };
        let lost = LostContent { databases: sampled(finding), ..LostContent::default() };
        let (_, verdict) = judged(restored(), Inspected { lost: Some(lost), ..live(&["data"]) });
        assert_eq!(verdict.err(), Some(Code::DataSqliteCorrupt));
        let lost = LostContent { compared: 1, emptied: sampled("data".to_owned()), ..LostContent::default() };
        let (warnings, verdict) = judged(restored(), Inspected { lost: Some(lost), ..live(&["data"]) });
        assert!(verdict.is_ok() && warnings == [Code::DataUnlikeLive], "{warnings:?}");
    }

    #[test]
    fn what_is_not_as_live_fails_and_what_could_not_be_compared_is_told() {
        let judged = |witness: Result<Witnessed, String>| {
            let witness = Some(witness);
            let facts = InspectionFacts {
                restored: Some(restored()),
                live: Some(live(&["data"])),
                witness,
                ..Default::default()
            };
            judge(&plan(), Some("dir:/backup"), facts).verdict.map_err(|diagnosis| diagnosis.code)
        };
        let files = || DifferingFiles { named: sampled("data/a".to_owned()), ..DifferingFiles::default() };
        let missing = judged(Ok(Witnessed { missing: files(), ..Witnessed::default() }));
        assert_eq!(missing.err(), Some(Code::DataDiffersFromLive));
        let passed = judged(Ok(Witnessed { owners: files(), ..Witnessed::default() })).expect("only a suspicion");
        assert_eq!(passed.data.suspicion.map(|suspicion| suspicion.code), Some(Code::DataOwnership));
        assert!(passed.witness.is_some_and(|told| told.differs.is_some_and(|why| why.contains("another owner"))));
        let silent = judged(Err("why".to_owned())).expect("no finding").witness;
        assert_eq!(silent, Some(WitnessSummary::silent("why")));
    }

    /// The worst first: a file in place of a folder says more than what is in either.
    #[test]
    fn the_first_check_that_fails_decides_and_warnings_before_it_stay() {
        let damaged = Databases {
            found: 1,
            hot: sampled(DatabaseFinding { path: "a.db".to_owned(), words: Vec::new() }),
            damaged: sampled(DatabaseFinding { path: "a.db".to_owned(), words: vec!["page 3".to_owned()] }),
            ..Databases::default()
        };
        let mut bad = Inspected { databases: Some(damaged), ..restored() };
        let (warnings, verdict) = judged(bad.clone(), live(&["other"]));
        assert_eq!(warnings, [Code::DataUnlikeLive, Code::DataTornCopy]);
        assert_eq!(verdict.err(), Some(Code::DataSqliteCorrupt));
        if let Some(inventory) = &mut bad.inventory {
            inventory.content = sampled("data: is missing".to_owned());
        }
        let (warnings, verdict) = judged(bad.clone(), live(&["other"]));
        assert_eq!((warnings, verdict.err()), (vec![Code::DataUnlikeLive], Some(Code::RestoreIncomplete)));
        let (warnings, verdict) = judged(bad, Inspected { root: RootKind::File, ..live(&[]) });
        assert_eq!((warnings, verdict.err()), (vec![], Some(Code::ConfigMountType)));
    }
}
