//! Each point and each cap, and the fold over a recorded run.

use super::basis::{FoundBy, RequiredMount};
use super::facts::RehearsalFacts;
use super::history::{GroupHistory, History, MountTally, SnapshotTally};
use super::*;
use crate::model::check::{CheckKind, CheckSummary, Proof};
use crate::model::event::{Against, Amount, CaseInfo, Compared, Event, Fact, NoTests, Step, StepResult};
use crate::model::mount::Strategy;
use crate::model::outcome::Outcome;
use crate::model::sample::case_info;
use crate::model::service::ServiceName;

const HOUR: u64 = 3600;

fn mount(found: Option<FoundBy>) -> RequiredMount {
    RequiredMount { mount: "volume data".to_owned(), found }
}

fn basis() -> ScoreBasis {
    ScoreBasis {
        listed: true,
        age: Some(HOUR),
        time_told: true,
        max_age: Some(24 * HOUR),
        max_rto: Some(600),
        mounts: vec![mount(Some(FoundBy::Name))],
        has_data_check: true,
        control: true,
        ..ScoreBasis::default()
    }
}

/// A run that has seen everything that can be seen.
fn best() -> ScoreFacts {
    let group =
        GroupHistory { earlier: 3, files: 10, usual_files: 10, bytes: 90, usual_bytes: 80, ..Default::default() };
    let history = History { groups: vec![group], first: Vec::new() };
    let rehearsal = RehearsalFacts {
        restored: 1,
        copied: 1,
        compared: 1,
        contents: 1,
        entries: 10,
        inspected: 1,
        stayed_up: true,
        healthy: true,
        data_checks: vec!["the note is there".to_owned()],
        data_proven: true,
        control: ControlFact::Noticed,
        ready_after: Some(5.0),
        ..RehearsalFacts::default()
    };
    ScoreFacts { basis: ScoreBasis { history: Some(history), ..basis() }, failed: None, rehearsal: Some(rehearsal) }
}

fn seen(facts: &mut ScoreFacts) -> &mut RehearsalFacts {
    facts.rehearsal.as_mut().expect("there is a rehearsal")
}

fn history(facts: &mut ScoreFacts) -> &mut GroupHistory {
    &mut facts.basis.history.as_mut().expect("there are earlier snapshots").groups[0]
}

#[test]
fn the_table_adds_up() {
    assert_eq!(Measure::ALL.iter().map(|measure| measure.most()).sum::<u8>(), 100);
    assert_eq!(Measure::ALL.map(Measure::most), [10, 15, 15, 10, 10, 10, 25, 5]);
    assert_eq!((most_of(ScoredBy::Test), most_of(ScoredBy::Score)), (92, Cap::NotBooted.at()));
    assert!(Cap::ALL.is_sorted_by_key(|cap| cap.at()), "the first cap that holds is the lowest");
}

#[test]
fn everything_seen_gives_all_points() {
    let score = Score::of(&best());
    assert_eq!((score.points, score.caps.as_slice()), (100, [].as_slice()));
    assert!(score.parts.iter().flat_map(|part| &part.awards).all(|award| award.raised_by().is_none()));
}

/// What is taken away from a run that has seen everything.
type Taken = fn(&mut ScoreFacts);

#[test]
fn each_point_is_given_for_what_was_seen_and_for_nothing_else() {
    let table: &[(Point, u8, Taken)] = &[
        (Point::TimeTold, 0, |facts| facts.basis.time_told = false),
        (Point::Age, 8, |facts| facts.basis.age = Some(24 * HOUR)),
        (Point::Age, 4, |facts| facts.basis.age = Some(36 * HOUR)),
        (Point::Age, 0, |facts| facts.basis.age = Some(48 * HOUR)),
        (Point::Age, 0, |facts| facts.basis.max_age = None),
        (Point::Read, 2, |facts| seen(facts).copied = 0),
        (Point::Read, 5, |facts| {
            // The other two mounts are used in place and compared.
            let seen = seen(facts);
            (seen.restored, seen.compared, seen.contents, seen.copied) = (2, 2, 2, 1);
        }),
        (Point::Covered, 12, |facts| facts.basis.mounts = vec![mount(Some(FoundBy::Target))]),
        (Point::Covered, 9, |facts| facts.basis.mounts = vec![mount(Some(FoundBy::Only))]),
        (Point::Covered, 15, |facts| facts.basis.mounts = vec![mount(Some(FoundBy::Dump))]),
        (Point::Covered, 7, |facts| facts.basis.mounts.push(mount(None))),
        (Point::Contents, 0, |facts| seen(facts).contents = 0),
        (Point::Metadata, 0, |facts| seen(facts).lost_metadata = true),
        (Point::Files, 0, |facts| history(facts).files = 16),
        (Point::Bytes, 0, |facts| history(facts).bytes = 121),
        (Point::Sqlite, 0, |facts| facts.basis.lost_logs = vec!["data/app.db".to_owned()]),
        (Point::Sqlite, 0, |facts| seen(facts).sqlite_warning = Some(Code::DataSqliteWalAbsent)),
        (Point::Sqlite, 0, |facts| seen(facts).inspected = 0),
        (Point::Up, 0, |facts| seen(facts).stayed_up = false),
        (Point::Healthy, 0, |facts| seen(facts).healthy = false),
        (Point::Healthy, 2, |facts| (seen(facts).healthy, seen(facts).listened) = (false, true)),
        (Point::Check, 0, |facts| seen(facts).data_proven = false),
        (Point::Control, 0, |facts| seen(facts).control = ControlFact::NotAsked),
        (Point::Control, 0, |facts| seen(facts).control = ControlFact::Unknown),
        (Point::Control, 0, |facts| seen(facts).control = ControlFact::Unnoticed),
        (Point::WithinRto, 0, |facts| facts.basis.max_rto = None),
        (Point::WithinRto, 0, |facts| facts.basis.max_rto = Some(4)),
    ];
    for (row, (point, expected, take)) in table.iter().enumerate() {
        let mut facts = best();
        take(&mut facts);
        let score = Score::of(&facts);
        for award in score.parts.iter().flat_map(|part| &part.awards) {
            let most = if award.point == *point { *expected } else { award.point.most() };
            assert_eq!(award.points, most, "row {row}, {:?}: {}", award.point, award.by);
            assert_eq!(award.raised_by().is_some(), most < award.point.most());
        }
    }
}

/// What takes several points at once.
#[test]
fn points_that_depend_on_others_fall_with_them() {
    let lost = |take: Taken| {
        let mut facts = best();
        take(&mut facts);
        let parts = Score::of(&facts).parts;
        let missed = parts.into_iter().flat_map(|part| part.awards).filter(|award| award.raised_by().is_some());
        missed.map(|award| award.point).collect::<Vec<_>>()
    };
    assert_eq!(lost(|facts| facts.basis.listed = false), [Point::Opened, Point::Listed, Point::Read, Point::Sqlite]);
    assert_eq!(lost(|facts| facts.basis.age = None), [Point::TimeTold, Point::Age]);
    assert_eq!(lost(|facts| facts.basis.history = None), [Point::Files, Point::Bytes, Point::Filled]);
    let beside_a_loss = [Point::Files, Point::Bytes, Point::Filled];
    assert_eq!(lost(|facts| history(facts).files = 4), beside_a_loss);
    assert_eq!(lost(|facts| history(facts).bytes = 39), beside_a_loss);
    assert_eq!(lost(|facts| history(facts).empty_percent = 11), beside_a_loss);
    assert_eq!(lost(|facts| history(facts).emptied = vec!["volume data".to_owned()]), beside_a_loss);
    let nothing_compared = [Point::Entries, Point::Contents, Point::Metadata];
    assert_eq!(lost(|facts| (seen(facts).compared, seen(facts).contents) = (0, 0)), nothing_compared);
    assert_eq!(lost(|facts| seen(facts).ready_after = None), [Point::Measured, Point::WithinRto]);
    assert_eq!(
        lost(|facts| {
            (seen(facts).compared, seen(facts).contents) = (0, 0);
            seen(facts).loaded = Some("app.sql".to_owned());
        }),
        [],
        "a dump that was loaded to its end is complete"
    );
}

#[test]
fn each_cap_bounds_the_score_and_is_named() {
    let table: &[(Cap, Taken)] = &[
        (Cap::Failed, |facts| facts.failed = Some(Code::BootExited)),
        (Cap::NotFromBackup, |facts| facts.basis.mounts.push(mount(None))),
        (Cap::Stale, |facts| facts.basis.age = Some(49 * HOUR)),
        (Cap::LostData, |facts| history(facts).files = 4),
        (Cap::LostData, |facts| history(facts).bytes = 39),
        (Cap::LostData, |facts| history(facts).empty_percent = 11),
        (Cap::Repaired, |facts| {
            facts.basis.rewritten = true;
            history(facts).bytes = 79;
        }),
        (Cap::NotBooted, |facts| seen(facts).stayed_up = false),
        (Cap::NoDataCheck, |facts| seen(facts).data_proven = false),
        (Cap::NoControl, |facts| seen(facts).control = ControlFact::NotAsked),
    ];
    assert!(Cap::ALL.iter().all(|cap| table.iter().any(|(of_table, _)| of_table == cap)));
    for (cap, take) in table {
        let mut facts = best();
        take(&mut facts);
        let score = Score::of(&facts);
        assert_eq!((score.points, score.caps.as_slice()), (cap.at(), [*cap].as_slice()), "{cap:?}");
    }
    let mut facts = best();
    facts.basis.rewritten = true;
    assert_eq!(Score::of(&facts).caps, [], "a rewritten snapshot that lost nothing is no repaired one");
}

/// A snapshot with these mounts, each of its own group: its name, its files, its bytes, and its files without content.
fn tally(mounts: &[(&str, u64, u64, u64)]) -> SnapshotTally {
    let of = |&(mount, files, bytes, empty_files): &(&str, u64, u64, u64)| MountTally {
        mount: mount.to_owned(),
        groups: vec![mount.to_owned()],
        files,
        bytes,
        empty_files,
    };
    let groups = mounts.iter().map(|(group, ..)| (*group).to_owned()).collect();
    SnapshotTally { mounts: mounts.iter().map(of).collect(), groups }
}

/// The look at a snapshot beside the ones before it.
fn looked_at(snapshot: &SnapshotTally, earlier: &[SnapshotTally], age: u64) -> Score {
    let basis = ScoreBasis { history: History::of(snapshot, earlier), age: Some(age), ..basis() };
    Score::of(&ScoreFacts { basis, failed: None, rehearsal: None })
}

#[test]
fn a_snapshot_that_lost_data_never_scores_above_the_good_one_before_it() {
    let good = tally(&[("volumes", 1000, 1_000_000, 10), ("dump", 1, 50_000, 0)]);
    let losses: &[&[(&str, u64, u64, u64)]] = &[
        &[("volumes", 400, 1_000_000, 10), ("dump", 1, 50_000, 0)],
        &[("volumes", 1000, 300_000, 10), ("dump", 1, 50_000, 0)],
        &[("volumes", 1000, 900_000, 200), ("dump", 1, 50_000, 0)],
        &[("volumes", 1000, 1_000_000, 10), ("dump", 1, 100, 0)],
        &[("volumes", 1000, 1_000_000, 10), ("dump", 0, 0, 0)],
        &[("volumes", 0, 0, 0), ("dump", 1, 50_000, 0)],
    ];
    for loss in losses {
        for before in 0..4 {
            let older = vec![good.clone(); before];
            let of_good = looked_at(&good, &older, 23 * HOUR);
            let with_good = vec![good.clone(); before + 1];
            let lost = tally(loss);
            let of_lost = looked_at(&lost, &with_good, HOUR);
            assert!(of_lost.points <= of_good.points, "{loss:?} after {before}: {of_lost:?}");
            // Nor does one more of them, as long as the good ones are as many.
            let again = looked_at(&lost, &[vec![lost.clone()], with_good].concat(), HOUR);
            assert!(again.points <= of_good.points, "{loss:?} again after {before}: {again:?}");
        }
    }
}

#[test]
fn the_group_that_differs_is_named_and_one_without_earlier_snapshots_gives_nothing() {
    let good = tally(&[("/volumes", 1000, 1_000_000, 10), ("/databases/db", 1, 50_000, 0)]);
    let words = |score: &Score, point| {
        let award = score.parts.iter().flat_map(|part| &part.awards).find(|award| award.point == point).expect("one");
        (award.points, award.by.clone())
    };
    let score = looked_at(&tally(&[("/volumes", 1000, 1_000_000, 10), ("/databases/db", 1, 100, 0)]), &[good], HOUR);
    let bytes = "100 B; 50 kB usual in 1 earlier snapshot of /databases/db";
    assert_eq!(words(&score, Point::Bytes), (0, bytes.to_owned()));
    let (points, by) = words(&score, Point::Files);
    assert!(points == 0 && by.ends_with("; no points beside a loss in /databases/db"), "{by}");
    let known = tally(&[("/volumes", 1000, 1_000_000, 10)]);
    let new = tally(&[("/volumes", 1000, 1_000_000, 10), ("/databases/new", 1, 100, 0)]);
    let score = looked_at(&new, &[known], HOUR);
    let (points, by) = words(&score, Point::Bytes);
    assert!(points == 0 && by.ends_with("no earlier snapshot of /databases/new to compare with"), "{by}");
    assert_eq!(score.caps, [Cap::NotBooted, Cap::NoDataCheck, Cap::NoControl]);
}

#[test]
fn the_lowest_of_several_caps_counts() {
    let mut facts = best();
    facts.failed = Some(Code::SourceStale);
    facts.basis.age = Some(49 * HOUR);
    seen(&mut facts).control = ControlFact::NotAsked;
    let score = Score::of(&facts);
    assert_eq!((score.points, score.cap()), (20, Some(Cap::Failed)));
    assert_eq!(score.caps, [Cap::Failed, Cap::Stale, Cap::NoControl]);
}

#[test]
fn a_look_without_a_boot_is_held_against_what_it_can_see() {
    let mut facts = ScoreFacts { rehearsal: None, ..best() };
    facts.basis.content_read = true;
    let score = Score::of(&facts);
    assert_eq!(score.words(), "50 of 50 that can be had without booting");
    assert_eq!(score.cap(), None, "the ceiling itself is no cap");
    assert!(score.opened_by().is_some_and(|more| more.starts_with("42 more would be opened by a boot")));
    facts.basis.has_data_check = false;
    assert!(Score::of(&facts).opened_by().is_some_and(|more| more.starts_with("10 more would")));
    facts.basis.content_read = false;
    assert_eq!(Score::of(&facts).points, 44);
}

#[test]
fn the_ceiling_of_a_rehearsal_follows_from_its_settings() {
    let of = |change: fn(&mut ScoreBasis)| {
        let mut basis = basis();
        change(&mut basis);
        let Ceiling { points, cap, next } = Ceiling::of(&basis, ScoredBy::Test);
        (points, cap, next)
    };
    assert_eq!(of(|_| ()), (92, None, 100));
    assert_eq!(of(|basis| basis.control = false), (80, Some(Cap::NoControl), 92));
    assert_eq!(of(|basis| basis.has_data_check = false), (60, Some(Cap::NoDataCheck), 92));
    assert_eq!(of(|basis| (basis.has_data_check, basis.control) = (false, false)), (60, Some(Cap::NoDataCheck), 80));
    assert_eq!(of(|basis| basis.mounts[0].found = None), (20, Some(Cap::NotFromBackup), 92));
}

/// A rehearsal of `app` with this basis, from its steps and further facts.
fn rehearsed(name: &ServiceName, basis: Option<ScoreBasis>, after_checks: Vec<Fact>) -> Outcome {
    let own = |step: fn(ServiceName) -> Step| step(name.clone());
    let amount = Some(Amount { files: 9, bytes: 90 });
    let compared = Some(Compared { entries: 10, against: Against::Archive, contents: true });
    let done = |amount, compared| StepResult::Done { amount, note: None, compared, witness: None };
    let check = |check| Step::Check { service: name.clone(), check };
    let asks_data = CheckSummary::Own {
        name: "note".to_owned(),
        how: CheckKind::File,
        asks: "file /data/note".to_owned(),
        of_data: true,
    };
    let restore =
        Step::Restore { mount: "volume data".to_owned(), strategy: Strategy::Copy, source: "tar:app.tar".to_owned() };
    let steps = [
        (restore, done(amount, None)),
        (Step::Verify { mount: "volume data".to_owned() }, done(None, compared)),
        (own(|service| Step::Boot { service }), StepResult::done()),
        (check(CheckSummary::Health), StepResult::done()),
        (check(asks_data), StepResult::done()),
        (own(|service| Step::Settle { service }), StepResult::done()),
    ];
    let info = CaseInfo { source: "tar".to_owned(), score_basis: basis.map(Box::new), ..case_info(name.clone()) };
    let mut facts = vec![
        Fact::RunStarted {
            session: String::new(),
            version: String::new(),
            engine: String::new(),
            cases: vec![info],
            filtered_out: 0,
            threads: 1,
            partition: None,
            no_tests: NoTests::Fail,
        },
        Fact::CaseStarted { case: name.clone() },
    ];
    for (id, (step, result)) in (1..).zip(steps) {
        facts.push(Fact::StepStarted { id, cases: vec![name.clone()], step });
        facts.push(Fact::StepFinished { id, result });
    }
    facts.extend(after_checks);
    facts.push(Fact::CaseFinished { case: name.clone() });
    let mut outcome = Outcome::new();
    for (second, fact) in facts.into_iter().enumerate() {
        let at = jiff::Timestamp::from_second(second as i64).expect("a time");
        outcome.apply(&Event { at, fact });
    }
    outcome
}

fn proven(name: &ServiceName) -> Fact {
    Fact::CaseProven { case: name.clone(), proof: Proof::DataProven, log_tail: Vec::new() }
}

#[test]
fn the_score_is_a_fold_over_the_events() {
    let name = ServiceName::lone("app");
    let control = vec![
        Fact::StepStarted { id: 99, cases: vec![name.clone()], step: Step::Control { service: name.clone() } },
        Fact::StepFinished { id: 99, result: StepResult::done() },
        Fact::MissingDataNoticed { case: name.clone() },
        proven(&name),
    ];
    let score = Score::of_case(&rehearsed(&name, Some(basis()), control).cases[0]).expect("a score");
    assert_eq!(score.points, 92, "{:?}", score.missed(ScoredBy::Test));
    let without_control = rehearsed(&name, Some(basis()), vec![proven(&name)]);
    let score = Score::of_case(&without_control.cases[0]).expect("a score");
    assert_eq!((score.points, score.caps.as_slice()), (80, [Cap::NoControl].as_slice()));
}

#[test]
fn a_control_that_notices_nothing_takes_the_data_check_away() {
    let name = ServiceName::lone("app");
    let blind = Diagnosis::new(Code::CheckNotDataSensitive, "its checks pass without the data, too");
    let facts = vec![
        Fact::StepStarted { id: 99, cases: vec![name.clone()], step: Step::Control { service: name.clone() } },
        Fact::PassedWithoutData { case: name.clone(), checks: vec!["note".to_owned()] },
        Fact::StepFinished { id: 99, result: StepResult::done() },
        Fact::Warned { cases: vec![name.clone()], diagnosis: blind },
        proven(&name),
    ];
    let score = Score::of_case(&rehearsed(&name, Some(basis()), facts).cases[0]).expect("a score");
    assert_eq!(score.caps, [Cap::NoDataCheck, Cap::NoControl]);
}

#[test]
fn what_errored_or_was_skipped_or_keeps_no_data_has_no_number() {
    let name = ServiceName::lone("app");
    let why = |outcome: &Outcome| Score::of_case(&outcome.cases[0]).expect_err("no score");
    let errored = Diagnosis::new(Code::WorkerFailed, "gone");
    let aborted = vec![Fact::CaseAborted { case: name.clone(), diagnosis: errored }];
    assert_eq!(why(&rehearsed(&name, Some(basis()), aborted)), NoScore::Unknown);
    let skipped = vec![Fact::CaseSkipped { case: name.clone(), reason: "x".to_owned() }];
    assert_eq!(why(&rehearsed(&name, Some(basis()), skipped)), NoScore::Skipped);
    assert_eq!(why(&rehearsed(&name, None, vec![proven(&name)])), NoScore::OldRecord);
    let nothing = ScoreBasis { mounts: Vec::new(), ..basis() };
    assert_eq!(why(&rehearsed(&name, Some(nothing), vec![proven(&name)])), NoScore::NoData);
}

#[test]
fn a_score_below_the_required_one_fails_the_service_and_keeps_the_score() {
    let name = ServiceName::lone("app");
    let with = |min_score| {
        let basis = ScoreBasis { min_score: Some(min_score), ..basis() };
        rehearsed(&name, Some(basis), vec![proven(&name)]).cases.remove(0)
    };
    assert_eq!(with(80).verdict(), Verdict::Passed);
    let failed = with(81);
    assert_eq!(failed.diagnosis().map(|of| of.code), Some(Code::ScoreBelowRequired));
    let message = &failed.diagnosis().expect("it failed").message;
    assert_eq!(message, "the score of app is 80 of 92 that can be had in one rehearsal, and min_score requires 81");
    assert_eq!(Score::of_case(&failed).expect("a score").points, 80, "the demand itself is no finding");
}

#[test]
fn a_stack_has_the_score_of_its_lowest_service() {
    let (one, two) = (ServiceName::of_stack("shop", "db"), ServiceName::of_stack("shop", "web"));
    let mut outcome = rehearsed(&one, Some(basis()), vec![proven(&one)]);
    let low = ScoreBasis { mounts: vec![mount(None)], ..basis() };
    outcome.cases.extend(rehearsed(&two, Some(low), vec![proven(&two)]).cases);
    let nothing = ScoreBasis { mounts: Vec::new(), ..basis() };
    let three = ServiceName::of_stack("shop", "proxy");
    outcome.cases.extend(rehearsed(&three, Some(nothing), vec![proven(&three)]).cases);
    let stacks = stacks(&outcome.cases);
    let [(stack, cases)] = stacks.as_slice() else { panic!("one stack: {stacks:?}") };
    let (case, score) = lowest(cases.iter().copied()).expect("a score");
    assert_eq!((*stack, case.info.name.service.as_str(), score.points), ("shop", "web", 20));
    let errored = Fact::CaseAborted { case: one.clone(), diagnosis: Diagnosis::new(Code::WorkerFailed, "gone") };
    outcome.cases[0] = rehearsed(&one, Some(basis()), vec![errored]).cases.remove(0);
    assert_eq!(lowest(outcome.cases.iter()), None, "unknown is no number");
}
