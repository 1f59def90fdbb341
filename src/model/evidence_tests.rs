//! Tests of the evidence that the steps of a rehearsal give.

use jiff::Timestamp;

use super::*;
use crate::model::check::CheckKind;
use crate::model::diagnosis::Diagnosis;
use crate::model::event::{CaseInfo, Compared, Event, Fact, NoTests};
use crate::model::outcome::Outcome;
use crate::model::profile::EarlierRun;
use crate::model::sample::case_info;
use crate::model::service::ServiceName;

fn case() -> ServiceName {
    ServiceName::lone("app")
}

/// A step that succeeded: the step, what was restored, a note, what was compared.
type Done<'a> = (Step, Option<Amount>, Option<&'a str>, Option<Compared>);

/// The outcome of a rehearsal with these steps, each a second long and successful, and this proof.
fn outcome_of(steps: Vec<Done<'_>>, warned: Option<Code>, proof: Proof) -> Outcome {
    run(steps, warned, proof, None, &[])
}

/// The same, with what the settings require, and the checks that passed without the data.
fn run(
    steps: Vec<Done<'_>>,
    warned: Option<Code>,
    proof: Proof,
    required: Option<EvidenceLevel>,
    blind: &[&str],
) -> Outcome {
    let info = CaseInfo { source: "tar:b.tar".to_owned(), required, ..case_info(case()) };
    let text = String::new;
    let mut facts = vec![
        Fact::RunStarted {
            session: text(),
            version: text(),
            engine: text(),
            cases: vec![info],
            filtered_out: 0,
            threads: 1,
            partition: None,
            no_tests: NoTests::Fail,
        },
        Fact::CaseStarted { case: case() },
    ];
    for (id, (step, amount, note, compared)) in (1..).zip(steps) {
        let result = StepResult::Done { amount, note: note.map(str::to_owned), compared, witness: None };
        facts.push(Fact::StepStarted { id, cases: vec![case()], step });
        facts.push(Fact::StepFinished { id, result });
    }
    facts.extend(warned.map(|code| Fact::Warned { cases: vec![case()], diagnosis: Diagnosis::new(code, "why") }));
    if !blind.is_empty() {
        let checks = blind.iter().map(|&check| check.to_owned()).collect();
        facts.push(Fact::PassedWithoutData { case: case(), checks });
    }
    facts.push(Fact::CaseProven { case: case(), proof, log_tail: Vec::new() });
    let mut outcome = Outcome::new();
    for (second, fact) in (0..).zip(facts) {
        let at = Timestamp::from_second(1_767_323_045 + second).expect("a time");
        outcome.apply(&Event { at, fact });
    }
    outcome
}

fn shown_evidence(outcome: &Outcome) -> Vec<(&'static str, bool, String)> {
    let all = evidence(&outcome.cases[0]);
    all.into_iter().map(|one| (one.level.name(), one.shown, one.by)).collect()
}

fn restore(strategy: Strategy) -> Step {
    Step::Restore { mount: "volume v".to_owned(), strategy, source: "tar:b.tar".to_owned() }
}

fn own(name: &str, of_data: bool) -> Step {
    let check = CheckSummary::Own { name: name.to_owned(), how: CheckKind::Sqlite, asks: "asks".to_owned(), of_data };
    Step::Check { service: case(), check }
}

fn check(check: CheckSummary) -> Step {
    Step::Check { service: case(), check }
}

fn witness() -> WitnessSummary {
    let (live, unchanged) = (Amount { files: 1310, bytes: 9_000 }, Amount { files: 1204, bytes: 8_000 });
    WitnessSummary { live, unchanged, ..WitnessSummary::default() }
}

/// Gives the inspections of an outcome this comparison with live data.
fn testify(outcome: &mut Outcome, told: WitnessSummary) {
    for record in &mut outcome.cases[0].steps {
        if let (Step::Verify { .. }, Some(StepResult::Done { witness, .. })) = (&record.step, &mut record.result) {
            *witness = Some(Box::new(told.clone()));
        }
    }
}

const BROUGHT: Option<Amount> = Some(Amount { files: 412, bytes: 38_000_000 });

#[test]
fn each_level_says_by_what_it_was_shown() {
    let verify = Step::Verify { mount: "volume v".to_owned() };
    let archive = Some(Compared { entries: 420, against: Against::Archive, contents: false });
    let mut outcome = outcome_of(
        vec![
            (restore(Strategy::Copy), BROUGHT, None, None),
            (verify, None, Some("1 SQLite database sound"), archive),
            (Step::Boot { service: case() }, None, None, None),
            (check(CheckSummary::Health), None, Some("after it exited and was started again 1 time"), None),
            (own("the note", true), None, None, None),
            (own("the log", false), None, None, None),
            (Step::Settle { service: case() }, None, None, None),
            (Step::Control { service: case() }, None, Some("it is noticed: a check failed"), None),
        ],
        None,
        Proof::DataProven,
    );
    testify(&mut outcome, witness());
    let expected = [
        ("restored", "412 files, 38 MB from tar:b.tar"),
        ("complete", "420 entries as in the archive; 1 SQLite database sound"),
        ("matches-live", "1204 of 1310 files (8.0 kB of 9.0 kB) unchanged since the backup began: all are there"),
        ("booted", "it started, and was ready after it exited and was started again 1 time"),
        ("healthy", "its healthcheck passed and stayed well for 1s"),
        ("data-proven", "the check the note; booted once more without the data: it is noticed: a check failed"),
    ];
    assert_eq!(shown_evidence(&outcome), expected.map(|(level, by)| (level, true, by.to_owned())));
    assert_eq!(raised_by(&outcome.cases[0]), None);
}

#[test]
fn what_was_not_shown_says_why() {
    let outcome = outcome_of(
        vec![
            (restore(Strategy::Empty), None, None, None),
            (Step::Boot { service: ServiceName::lone("db") }, None, None, None),
            (check(CheckSummary::Tcp { ports: vec![80, 443] }), None, None, None),
        ],
        None,
        Proof::Listening,
    );
    let expected = [
        ("restored", "no file was restored"),
        ("complete", "nothing was inspected"),
        ("matches-live", "no data of a backup was compared with live data"),
        ("booted", "no start was recorded"),
        ("healthy", "it has no healthcheck; it listened on one of 80, 443"),
        ("data-proven", "no data came into the sandbox that a check could ask"),
    ];
    assert_eq!(
        shown_evidence(&outcome),
        expected.map(|(level, by)| (level, false, by.to_owned())),
        "a dependency's start is not its own"
    );
    assert_eq!(raised_by(&outcome.cases[0]), Some("a backup that holds something for its mounts"));
    assert!(shown_evidence(&outcome_of(Vec::new(), None, Proof::Running))[0].2.contains("no mount"));
}

#[test]
fn what_is_warned_of_takes_a_level_away() {
    let steps = || vec![(restore(Strategy::Copy), BROUGHT, None, None), (own("the note", true), None, None, None)];
    let outcome = outcome_of(steps(), Some(Code::CheckNotDataSensitive), Proof::Healthy);
    assert_eq!(
        shown_evidence(&outcome)[5],
        ("data-proven", false, "all its checks pass without the data, too".to_owned())
    );
    assert_eq!(raised_by(&outcome.cases[0]), Proof::Healthy.raised_by());
    let outcome = outcome_of(steps(), Some(Code::DataNothingRestored), Proof::DataProven);
    assert_eq!(shown_evidence(&outcome)[0], ("restored", false, "no file of its data was restored".to_owned()));
    assert!(!shown_evidence(&outcome)[1].1);
    assert!(raised_by(&outcome.cases[0]).is_some());
}

#[test]
fn a_start_that_read_nothing_of_a_mount_says_so() {
    let steps = vec![(Step::Boot { service: case() }, None, None, None)];
    let outcome = outcome_of(steps, Some(Code::DataNotUsed), Proof::Healthy);
    let by = "it started; not all that was restored was read";
    assert_eq!(shown_evidence(&outcome)[3], ("booted", true, by.to_owned()));
}

#[test]
fn what_lies_elsewhere_is_shown_and_not_compared() {
    let outcome = outcome_of(vec![(restore(Strategy::Readonly), None, None, None)], None, Proof::Running);
    assert_eq!(shown_evidence(&outcome)[0], ("restored", true, "1 mount used in place".to_owned()));
    assert!(!shown_evidence(&outcome)[1].1);
    let both = vec![(restore(Strategy::Overlay), None, None, None), (restore(Strategy::Copy), BROUGHT, None, None)];
    let outcome = outcome_of(both, None, Proof::DataProven);
    let by = "412 files, 38 MB from tar:b.tar, 1 mount used in place";
    assert_eq!(shown_evidence(&outcome)[0], ("restored", true, by.to_owned()));
    assert_eq!(shown_evidence(&outcome)[1].2, "no comparison with the expected data was recorded");
    assert_eq!(shown_evidence(&outcome)[5].2, "checks of the user's", "an older record does not name them");
}

fn live() -> Step {
    Step::Restore { mount: "volume v".to_owned(), strategy: Strategy::Copy, source: "live".to_owned() }
}

#[test]
fn a_live_copy_is_no_backup() {
    let verify = Step::Verify { mount: "volume v".to_owned() };
    let compared = Some(Compared { entries: 420, against: Against::Live, contents: false });
    let steps = vec![
        (live(), BROUGHT, None, None),
        (verify, None, None, compared),
        (Step::Boot { service: case() }, None, None, None),
        (check(CheckSummary::Health), None, None, None),
    ];
    let outcome = outcome_of(steps, None, Proof::Healthy);
    let shown = shown_evidence(&outcome);
    assert_eq!(
        (&shown[0].2, &shown[1].2),
        (
            &"a copy of the live service (412 files, 38 MB); no backup was read".to_owned(),
            &"a live copy of 420 entries was compared with the live mount, and no backup was read".to_owned()
        )
    );
    assert_eq!(shown.iter().map(|(_, shown, _)| *shown).collect::<Vec<_>>(), [false, false, false, true, true, false]);
    let case = &outcome.cases[0];
    assert_eq!((case.data_origin(), outcome.counts().without_backup), (DataOrigin::Live, 1));
    assert!(raised_by(case).is_some_and(|more| more.contains("--from")), "the first hint");
}

#[test]
fn a_backup_for_one_mount_is_a_backup_and_a_live_copy_for_the_others_does_not_hide_it() {
    let steps = vec![(live(), BROUGHT, None, None), (restore(Strategy::Copy), BROUGHT, None, None)];
    let outcome = outcome_of(steps, None, Proof::Running);
    assert_eq!((outcome.cases[0].data_origin(), outcome.counts().without_backup), (DataOrigin::Backup, 0));
    assert!(shown_evidence(&outcome)[0].1);
}

#[test]
fn no_check_proves_data_that_did_not_come() {
    let empty = || (restore(Strategy::Empty), None, None, None);
    let own = || (own("anything", true), None, None, None);
    let config = (restore(Strategy::Readonly), None, None, None);
    for (steps, warned, proof) in [
        (vec![empty(), own()], None, Proof::Running),
        (vec![empty(), (check(CheckSummary::Health), None, None, None), own()], None, Proof::Healthy),
        (vec![own()], None, Proof::Running),
        // A configuration that it only reads is not its data.
        (vec![config, empty(), own()], Some(Code::DataNothingRestored), Proof::Running),
    ] {
        let outcome = outcome_of(steps, warned, Proof::DataProven);
        let case = &outcome.cases[0];
        assert_eq!(
            (case.proof, case.data_origin(), case.verdict()),
            (Some(proof), DataOrigin::Nothing, Verdict::Passed)
        );
        assert!(!shown_evidence(&outcome)[5].1);
    }
    // The data of the database that it depends on has come.
    let other = vec![(restore(Strategy::Copy), BROUGHT, None, None), own()];
    let outcome = outcome_of(other, Some(Code::DataNothingRestored), Proof::DataProven);
    assert_eq!(outcome.cases[0].proof, Some(Proof::DataProven));
}

#[test]
fn a_check_that_passes_without_the_data_is_no_proof() {
    let steps = || {
        vec![
            (restore(Strategy::Copy), BROUGHT, None, None),
            (check(CheckSummary::Tcp { ports: vec![80] }), None, None, None),
            (own("the note", true), None, None, None),
            (own("anything", true), None, None, None),
        ]
    };
    let outcome = run(steps(), None, Proof::DataProven, None, &["anything"]);
    assert_eq!(outcome.cases[0].proof, Some(Proof::DataProven));
    assert_eq!(shown_evidence(&outcome)[5].2, "the check the note");
    let outcome = run(steps(), None, Proof::DataProven, None, &["anything", "the note"]);
    assert_eq!(outcome.cases[0].proof, Some(Proof::Listening));
    let words = "the checks the note, anything pass without the data, too";
    assert_eq!(shown_evidence(&outcome)[5], ("data-proven", false, words.to_owned()));
}

#[test]
fn what_stays_below_the_required_level_fails() {
    use EvidenceLevel::{Complete, DataProven, Healthy, Restored};
    let archive = Some(Compared { entries: 420, against: Against::Archive, contents: false });
    let copied = || vec![(restore(Strategy::Copy), BROUGHT, None, None)];
    let compared = || {
        let mut steps = copied();
        steps.push((Step::Verify { mount: "volume v".to_owned() }, None, None, archive));
        steps.push((Step::Boot { service: case() }, None, None, None));
        steps
    };
    let with = |mut steps: Vec<Done<'static>>, more: Step| {
        steps.push((more, None, None, None));
        steps
    };
    let healthy = || with(compared(), check(CheckSummary::Health));
    let asked = || with(compared(), own("the note", true));
    let load = Step::Load { service: case(), dump: "all.sql".to_owned() };
    let loaded = || with(with(copied(), load.clone()), Step::Boot { service: case() });
    let cloned = || vec![(live(), BROUGHT, None, None)];
    for (steps, proof, required, enough) in [
        (cloned(), Proof::Running, Restored, false),
        (copied(), Proof::Running, Restored, true),
        (copied(), Proof::Running, Complete, false),
        (compared(), Proof::Running, Complete, true),
        (loaded(), Proof::Running, Complete, true),
        (compared(), Proof::Running, Healthy, false),
        (healthy(), Proof::Healthy, Healthy, true),
        (healthy(), Proof::Healthy, DataProven, false),
        // A service without a healthcheck whose data was asked.
        (asked(), Proof::DataProven, Healthy, true),
        (asked(), Proof::DataProven, DataProven, true),
        (with(copied(), own("the note", true)), Proof::DataProven, DataProven, false),
    ] {
        let outcome = run(steps.clone(), None, proof, Some(required), &[]);
        let case = &outcome.cases[0];
        let expected = if enough { Verdict::Passed } else { Verdict::Failed };
        assert_eq!(case.verdict(), expected, "{required:?} of {steps:?}: {:?}", case.diagnoses);
        if let Some(diagnosis) = case.diagnosis() {
            assert_eq!(diagnosis.code, Code::ProofBelowRequired);
            let asked = format!("--require-proof {}", required.name());
            assert!(diagnosis.message.contains(&asked) && diagnosis.remedy.is_some(), "{diagnosis}");
        }
        assert_eq!(run(steps, None, proof, None, &[]).cases[0].verdict(), Verdict::Passed, "nothing is required");
    }
}

#[test]
fn what_the_live_service_could_not_tell_says_why() {
    let told = |witness: WitnessSummary| {
        let verify = Step::Verify { mount: "volume v".to_owned() };
        let steps = vec![(restore(Strategy::Copy), BROUGHT, None, None), (verify, None, None, None)];
        let mut outcome = outcome_of(steps, None, Proof::Running);
        testify(&mut outcome, witness);
        let (level, shown, by) = shown_evidence(&outcome)[2].clone();
        assert_eq!(level, "matches-live");
        (shown, by)
    };
    assert!(told(witness()).0);
    let young = WitnessSummary { unchanged: Amount::default(), ..witness() };
    let words = "none of 1310 files of the live service is surely older than the backup";
    assert_eq!(told(young), (false, words.to_owned()));
    assert_eq!(told(WitnessSummary::silent("why")), (false, "why".to_owned()));
    let differing = WitnessSummary { differs: Some("1 came back with another owner".to_owned()), ..witness() };
    assert_eq!(told(differing), (false, "not all is as it is live: 1 came back with another owner".to_owned()));
    assert_eq!(told(WitnessSummary::default()), (false, "the live mounts hold no files to compare".to_owned()));
}

/// The levels after it do not need a live service that was left alone.
#[test]
fn a_match_with_live_counts_where_it_is_required() {
    let archive = Some(Compared { entries: 420, against: Against::Archive, contents: false });
    let steps = || {
        vec![
            (restore(Strategy::Copy), BROUGHT, None, None),
            (Step::Verify { mount: "volume v".to_owned() }, None, None, archive),
            (Step::Boot { service: case() }, None, None, None),
            (check(CheckSummary::Health), None, None, None),
        ]
    };
    let required = |level| run(steps(), None, Proof::Healthy, Some(level), &[]);
    assert_eq!(required(EvidenceLevel::Healthy).cases[0].verdict(), Verdict::Passed);
    let outcome = required(EvidenceLevel::MatchesLive);
    assert!(outcome.cases[0].diagnosis().is_some_and(|of| of.message.contains("not shown to be matches-live")));
    let mut outcome = outcome_of(steps(), None, Proof::Healthy);
    testify(&mut outcome, WitnessSummary { differs: Some("1 has another owner".to_owned()), ..witness() });
    outcome.cases[0].info.required = Some(EvidenceLevel::MatchesLive);
    let below = below_required(&outcome.cases[0]).and_then(|of| of.remedy);
    assert!(below.is_some_and(|remedy| remedy.contains("owners and modes")));
    testify(&mut outcome, witness());
    outcome.cases[0].info.required = Some(EvidenceLevel::MatchesLive);
    assert_eq!(below_required(&outcome.cases[0]), None);
}

#[test]
fn only_a_green_case_has_evidence() {
    let mut outcome = outcome_of(vec![(restore(Strategy::Copy), BROUGHT, None, None)], None, Proof::Healthy);
    let diagnosis = Diagnosis::new(Code::BootExited, "why");
    outcome.apply(&Event { at: Timestamp::UNIX_EPOCH, fact: Fact::CaseAborted { case: case(), diagnosis } });
    assert_eq!(evidence(&outcome.cases[0]), []);
}

#[test]
fn a_green_case_says_what_it_was_compared_with_where_live_is_silent() {
    let told = |earlier: Option<&str>, not_compared: &[&str], has_history| {
        let mut outcome = outcome_of(vec![(restore(Strategy::Copy), BROUGHT, None, None)], None, Proof::Healthy);
        let earlier =
            earlier.map(|at| EarlierRun { at: at.parse().expect("a time"), snapshot: None, snapshot_time: None });
        let not_compared = not_compared.iter().map(|&what| what.to_owned()).collect();
        let fact = Fact::CaseProfiled { case: case(), profile: Box::default(), earlier, not_compared, has_history };
        outcome.apply(&Event { at: Timestamp::UNIX_EPOCH, fact });
        let (level, shown, by) = shown_evidence(&outcome).swap_remove(2);
        assert_eq!((level, shown), ("matches-live", false));
        by.replace("no data of a backup was compared with live data", "-")
    };
    assert_eq!(told(None, &[], false), "-");
    assert_eq!(
        told(None, &[], true),
        "-; the history has no green run of this snapshot or an older one to compare with"
    );
    let compared = "-; no more is gone than may be since the green run of 2026-11-29 04:30 UTC";
    let at = Some("2026-11-29T04:30:00Z");
    assert_eq!(told(at, &[], true), compared);
    assert_eq!(told(at, &["the keys"], true), format!("{compared}; not compared: the keys"));
    assert_eq!(told(at, &["the keys", "x", "y"], true), format!("{compared}; not compared: the keys, and 2 more"));
}
