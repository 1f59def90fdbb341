//! The files for CI systems, run as these systems run them, beside the local engine: a good backup is green, with
//! reports and outputs where they are promised; everything else is red; a job that is cancelled leaves nothing behind.

mod actions;
mod checkout;
mod scripts;
mod timer;

use std::collections::BTreeMap;

use rustix::process::{Pid, Signal};

use crate::support::run::Run;
use actions::{Names, Runner};
use checkout::{Case, Checkout, send};

/// The inputs of a rehearsal of the checkout.
fn inputs(from: &str) -> [(&str, &str); 3] {
    [("from", from), ("compose-file", "compose.yaml"), ("partition", "slice:1/1")]
}

fn from(checkout: &Checkout) -> String {
    format!("restic:{}", checkout.secrets()[0].1)
}

/// The password, which the job gives to the step.
fn password(checkout: &Checkout) -> Names {
    let [_, (name, value)] = checkout.secrets();
    BTreeMap::from([(name.to_owned(), value)])
}

/// As GitHub cancels a step: by signals to its shell alone.
fn by_github(processes: &[Pid]) {
    send(processes[0], Signal::INT);
}

#[test]
fn the_action_is_green_for_a_good_backup_and_fills_its_outputs() {
    let checkout = Checkout::new(Case::Good);
    let runner = Runner::new(&checkout);
    let ended = runner.action(&inputs(&from(&checkout)), &password(&checkout));
    assert!(ended.green, "{}", ended.told);
    checkout.is_green("reports", &ended.told);
    let output = |name: &str| ended.outputs[name].as_str();
    assert_eq!((output("verdict"), output("exit-code"), output("passed")), ("passed", "0", "1"), "{ended:?}");
    assert_eq!((output("report-dir"), output("not-green")), ("reports", ""), "{ended:?}");
    assert!(runner.summary("rehearse").contains("notes"), "{}", runner.summary("rehearse"));
    assert_eq!(ended.code_of("Clean up"), Some(0), "{}", ended.told);
}

#[test]
fn the_action_is_red_for_a_bad_backup_an_empty_selection_and_a_missing_secret() {
    let checkout = Checkout::new(Case::Bad);
    let runner = Runner::new(&checkout);
    let ended = runner.action(&inputs(&from(&checkout)), &password(&checkout));
    assert_eq!(ended.code_of("Rehearse"), Some(101), "{}", ended.told);
    assert!(!ended.green);
    assert_eq!((ended.outputs["verdict"].as_str(), ended.outputs["failed"].as_str()), ("failed", "1"), "{ended:?}");
    assert!(ended.outputs["not-green"].ends_with("::notes"), "{ended:?}");
    assert!(ended.told.contains("::error"), "an annotation: {}", ended.told);

    let from = from(&checkout);
    let nothing = [&inputs(&from)[..], &[("filters", "no-such-service")]].concat();
    let ended = runner.action(&nothing, &password(&checkout));
    assert_eq!(ended.code_of("Rehearse"), Some(4), "{}", ended.told);

    for (missing, words) in [("", "Neither from nor plan is given"), ("restic:", "restic:")] {
        let ended = runner.action(&inputs(missing), &password(&checkout));
        assert_eq!(ended.code_of("Rehearse"), Some(2), "{}", ended.told);
        assert!(ended.told.contains(words), "{}", ended.told);
    }
    let ended = runner.action(&[("path", "no/such/program"), ("from", "live")], &Names::new());
    assert_eq!(ended.code_of("Get Rehearsa"), Some(2), "{}", ended.told);
    assert_eq!(ended.codes.len(), 2, "nothing was rehearsed: {ended:?}");
}

#[test]
fn the_action_cleans_up_when_its_job_is_cancelled() {
    let checkout = Checkout::new(Case::Hangs);
    let runner = Runner::new(&checkout).cancelling("Rehearse", by_github);
    let ended = runner.action(&inputs(&from(&checkout)), &password(&checkout));
    assert_eq!(ended.code_of("Rehearse"), Some(130), "{}", ended.told);
    assert_eq!(ended.code_of("Clean up"), Some(0), "{}", ended.told);
    assert_eq!(ended.outputs["verdict"], "interrupted", "{ended:?}");
    checkout.nothing_is_left("reports");
}

/// Runs the job `rehearse` of a workflow in each case.
fn workflow_in_each_case(file: &str, variables: &[(&str, &str)], reports: &str) {
    for (case, green) in [(Case::Good, true), (Case::Bad, false), (Case::Empty, false)] {
        let checkout = Checkout::new(case).with(variables);
        let ended = Runner::new(&checkout).job(file, "rehearse");
        assert_eq!(ended.green, green, "{case:?}: {}", ended.told);
        if green {
            checkout.is_green(reports, &ended.told);
        }
        if case == Case::Empty {
            assert!(ended.codes.iter().any(|(_, code)| *code == Some(4)), "{}", ended.told);
        }
    }
    let checkout = Checkout::new(Case::Good).with(variables);
    let ended = Runner::new(&checkout).without_secret("RESTIC_REPOSITORY").job(file, "rehearse");
    assert!(!ended.green, "{}", ended.told);
}

#[test]
#[ignore = "nightly: the action beside it is run by the tests of every push"]
fn the_workflow_for_github_rehearses_and_joins_its_parts() {
    workflow_in_each_case("ci/github/rehearse.yml", &[], "reports");
    let checkout = Checkout::new(Case::Good);
    let ended = Runner::new(&checkout).job("ci/github/rehearse.yml", "rehearse");
    assert!(ended.green, "{}", ended.told);
    let ended = Runner::new(&checkout).job("ci/github/rehearse.yml", "merge");
    // Two of the three parts did not run here.
    assert!(!ended.green && ended.codes.iter().any(|(_, code)| *code == Some(102)), "{}", ended.told);
    assert_eq!(checkout.report("reports")["exit_code"], 102, "{}", ended.told);
}

#[test]
#[ignore = "nightly: the action of GitHub is run by the tests of every push"]
fn the_workflow_for_gitea_rehearses() {
    workflow_in_each_case("ci/gitea/rehearse.yml", &[("GITEA_ACTIONS", "true")], "reports");
}

#[test]
fn a_ci_job_whose_shell_was_killed_is_over_and_leaves_nothing() {
    let service = crate::support::service("broken").command(&["never-healthy"]).start();
    let mut run = Run::start_in_shell(&service.name, &[("CI", "true")]);
    run.wait_for_step("boot");
    run.signal(Signal::KILL);
    let ended = run.end();
    assert!(ended.stderr.contains("so the CI job is over"), "{}", ended.stderr);
    assert_eq!(ended.json()["exit_code"], 143, "{}", ended.stderr);
    assert_eq!(crate::support::objects::objects_of_session(&ended.session()), Vec::<String>::new());
}

#[test]
fn outside_of_ci_a_run_outlives_its_shell() {
    let service = crate::support::service("tiny").volume("/data").start();
    let mut run = Run::start_in_shell(&service.name, &[("CI", "")]);
    run.wait_for_step("boot");
    run.signal(Signal::KILL);
    let ended = run.end();
    assert_eq!(ended.json()["exit_code"], 0, "{}", ended.stderr);
}
