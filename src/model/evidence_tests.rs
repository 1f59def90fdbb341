//! Tests of the evidence that the steps of a rehearsal give.

use jiff::Timestamp;

use super::*;
use crate::model::check::CheckKind;
use crate::model::diagnosis::Diagnosis;
use crate::model::event::{CaseInfo, Compared, Event, Fact, NoTests};
use crate::model::outcome::Outcome;
use crate::model::service::{Image, ServiceName};

fn case() -> ServiceName {
    ServiceName::lone("app")
}

/// A step that succeeded: the step, what was restored, a note, what was compared.
type Done<'a> = (Step, Option<Amount>, Option<&'a str>, Option<Compared>);

/// The outcome of a rehearsal with these steps, each a second long and successful, and this proof.
fn outcome_of(steps: Vec<Done<'_>>, warned: Option<Code>, proof: Proof) -> Outcome {
    let info = CaseInfo {
        name: case(),
        source: "tar:b.tar".to_owned(),
        snapshot: None,
        image: Image { reference: "i:1".to_owned(), id: "sha256:1".to_owned() },
        changes: Vec::new(),
        ignored: None,
        declared: None,
    };
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
        let result = StepResult::Done { amount, note: note.map(str::to_owned), compared };
        facts.push(Fact::StepStarted { id, cases: vec![case()], step });
        facts.push(Fact::StepFinished { id, result });
    }
    facts.extend(warned.map(|code| Fact::Warned { cases: vec![case()], diagnosis: Diagnosis::new(code, "why") }));
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

const BROUGHT: Option<Amount> = Some(Amount { files: 412, bytes: 38_000_000 });

#[test]
fn each_level_says_by_what_it_was_shown() {
    let verify = Step::Verify { mount: "volume v".to_owned() };
    let archive = Some(Compared { entries: 420, against: Against::Archive });
    let outcome = outcome_of(
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
    let expected = [
        ("restored", "412 files, 38 MB from tar:b.tar"),
        ("complete", "420 entries as in the archive; 1 SQLite database sound"),
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
        ("booted", "no start was recorded"),
        ("healthy", "it has no healthcheck; it listened on 80, 443"),
        ("data-proven", "no check asked its data"),
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
        shown_evidence(&outcome)[4],
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
    assert_eq!(shown_evidence(&outcome)[2], ("booted", true, by.to_owned()));
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
    assert_eq!(shown_evidence(&outcome)[4].2, "checks of the user's", "an older record does not name them");
}

#[test]
fn only_a_green_case_has_evidence() {
    let mut outcome = outcome_of(vec![(restore(Strategy::Copy), BROUGHT, None, None)], None, Proof::Healthy);
    let diagnosis = Diagnosis::new(Code::BootExited, "why");
    outcome.apply(&Event { at: Timestamp::UNIX_EPOCH, fact: Fact::CaseAborted { case: case(), diagnosis } });
    assert_eq!(evidence(&outcome.cases[0]), []);
}
