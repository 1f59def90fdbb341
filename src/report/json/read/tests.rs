//! A report comes back as the run it tells of.

use super::super::tests::text;
use super::*;
use crate::model::outcome::Verdict;
use crate::report::sample::{self, Script};

fn again(events: &[Event]) -> (Outcome, Outcome) {
    let report = parse(text(events).as_bytes()).expect("a report");
    (sample::outcome(events), sample::outcome(&super::events(&report).expect("understood")))
}

#[test]
fn a_report_gives_the_same_run_again() {
    for (name, events) in sample::ended() {
        let (original, read) = again(&events);
        assert_eq!(fill::report(&read), fill::report(&original), "{name}");
        assert_eq!(read.exit_code(), original.exit_code(), "{name}");
        assert_eq!(read.counts(), original.counts());
        for (read, original) in read.cases.iter().zip(&original.cases) {
            assert_eq!(read.info, original.info);
            assert_eq!(read.diagnosis(), original.diagnosis());
            assert_eq!(read.is_flaky(), original.is_flaky());
        }
    }
}

#[test]
fn a_torn_run_is_as_torn_as_it_was() {
    let (original, _) = again(&sample::torn());
    let verdicts: Vec<Verdict> = original.cases.iter().map(|case| case.verdict()).collect();
    assert_eq!(verdicts, [Verdict::Failed, Verdict::Failed, Verdict::Passed], "else the test would show little");
    assert_eq!(original.cases[1].diagnoses.len(), 3);
    assert_eq!(original.left_behind.len(), 2);
    assert_eq!(original.cases[2].earlier[0].log_tail, ["fine so far"]);
}

#[test]
fn the_report_of_a_killed_run_stays_open() {
    let report = fill::report(&sample::outcome(&sample::killed()));
    let events = events(&report).expect("understood");
    assert_eq!(fill::report(&sample::outcome(&events)), report);
    let told = told(&report, &mut 0).expect("understood");
    assert_eq!(told.cases.iter().map(|case| case.ended).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!(told.finished, None);
}

#[test]
fn what_was_not_green_is_named() {
    let names = |events: &[Event]| not_green(&fill::report(&sample::outcome(events)));
    assert_eq!(names(&sample::mixed()), ["media::sonarr", "paperless::web"]);
    assert_eq!(names(&sample::killed()), ["media::sonarr", "media::radarr"]);
    assert_eq!(names(&sample::interrupted()), ["media::sonarr", "media::radarr"]);
    assert_eq!(names(&sample::one_passed()), [""; 0]);
    // The last one was never begun, which is no pass.
    let told = names(&sample::everything());
    assert_eq!(told.last().map(String::as_str), Some("vaultwarden"), "{told:?}");
    assert!(!told.contains(&"watchtower".to_owned()), "what cannot be rehearsed is not asked for again: {told:?}");
}

#[test]
fn what_was_put_off_is_known_by_a_fact_and_not_by_its_words() {
    let [late, own] = ["late", "own"].map(ServiceName::lone);
    let wish = "not run: its label says so".to_owned();
    let mut script = Script::run(vec![sample::info(&late), CaseInfo { ignored: Some(wish), ..sample::info(&own) }]);
    // The run is killed before it says that the case is over.
    let events = script.fact(Fact::CaseSkipped { case: late, reason: "another time".to_owned() }).killed();
    let report = fill::report(&sample::outcome(&events));
    assert_eq!(report.cases.iter().map(|case| case.put_off).collect::<Vec<_>>(), [true, false]);
    assert_eq!(not_green(&report), ["late"]);
    let again = sample::outcome(&super::events(&report).expect("understood"));
    assert_eq!(again.cases.iter().map(|case| case.not_started()).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn an_older_report_says_by_its_times_what_was_put_off() {
    let mut old: serde_json::Value = serde_json::from_str(&text(&sample::everything())).expect("JSON");
    for case in old["cases"].as_array_mut().expect("cases") {
        case.as_object_mut().expect("a case").remove("put_off").expect("it is written today");
    }
    let old = parse(old.to_string().as_bytes()).expect("a report");
    let new = fill::report(&sample::outcome(&sample::everything()));
    assert_eq!(not_green(&old), not_green(&new));
    assert_eq!(fill::report(&sample::outcome(&super::events(&old).expect("understood"))), new);
}

fn refusal(text: &str) -> String {
    match parse(text.as_bytes()) {
        Ok(report) => events(&report).expect_err(text).to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_is_not_understood_is_refused() {
    let whole = text(&sample::mixed());
    assert!(refusal("").starts_with("this is no JSON report of rehearsa"));
    assert!(refusal("{\"a\": 1}").starts_with("this is no JSON report of rehearsa"));
    assert!(refusal(&whole[..whole.len() / 2]).starts_with("this is no JSON report of rehearsa"));
    assert!(refusal("{\"schema_version\": 2}").starts_with("this report is of version 2"));
    for (known, what) in [
        ("\"boot/exited\"", "code"),
        ("\"canary\"", "step"),
        ("\"health\"", "check"),
        ("\"copy\"", "strategy"),
        ("\"healthy\"", "proof"),
        ("\"broke\"", "result"),
        ("\"fail\"", "meaning of no tests"),
    ] {
        let refusal = refusal(&whole.replace(known, "\"unheard\""));
        assert!(refusal.starts_with(&format!("this rehearsa does not know the {what} `unheard`")), "{refusal}");
    }
}

#[test]
fn a_verdict_that_does_not_fit_is_refused() {
    let forged = text(&sample::mixed()).replacen("\"verdict\": \"failed\"", "\"verdict\": \"passed\"", 1);
    let words = "the report says that media::sonarr was passed, and what it tells of it means failed: ";
    assert!(refusal(&forged).starts_with(words), "{}", refusal(&forged));
}

#[test]
fn checks_of_the_owners_own_come_back_with_their_names() {
    let name = sample::name("media", "notes");
    let mut script = Script::run(vec![sample::info(&name)]);
    script.begin(&name);
    for how in CheckKind::ALL {
        let check = CheckSummary::Own {
            name: format!("by {}", how.name()),
            how,
            asks: "what is asked".to_owned(),
            of_data: true,
        };
        script.step(&name, Step::Check { service: name.clone(), check }, 0.1, StepResult::done());
    }
    let proven = Fact::CaseProven { case: name.clone(), proof: Proof::DataProven, log_tail: Vec::new() };
    script.fact(proven).end(&name);
    let (original, read) = again(&script.over());
    let steps = |outcome: &Outcome| outcome.cases[0].steps.iter().map(|record| record.step.clone()).collect::<Vec<_>>();
    assert_eq!(steps(&read).len(), CheckKind::ALL.len());
    assert_eq!(steps(&read), steps(&original));
    assert_eq!(read.cases[0].proof, Some(Proof::DataProven));
}
