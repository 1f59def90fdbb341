//! Runs the scripts of GitLab, Woodpecker and Jenkins as these systems do.

use std::collections::BTreeMap;
use std::process::{Command, Output};

use rustix::process::{Pid, Signal};
use serde_json::Value;

use super::checkout::{Case, Checkout, cancel_by, send, told};
use crate::support::ci_files::{self, filled, lines};

/// The names of what a script may use, and their values.
type Names = BTreeMap<String, String>;

/// A job of a CI system: its main script, and what it runs after that in any case.
struct Job {
    script: fn(&Checkout) -> Command,
    after: fn(&Checkout) -> Command,
    /// How the system cancels the script. The processes are those of the script, parents first.
    cancel: fn(&[Pid]),
    reports: &'static str,
    variables: &'static [(&'static str, &'static str)],
}

const GITLAB: Job = Job {
    script: |checkout| gitlab(checkout, &["before_script", "script"]),
    after: |checkout| gitlab(checkout, &["after_script"]),
    // All processes of the job's container, children before their parents.
    cancel: |processes| processes.iter().rev().for_each(|pid| send(*pid, Signal::TERM)),
    reports: "reports/1",
    variables: &[("GITLAB_CI", "true"), ("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "1")],
};

const WOODPECKER: Job = Job {
    script: |checkout| woodpecker(checkout, "rehearse"),
    after: |checkout| woodpecker(checkout, "clean"),
    cancel: |processes| send(processes[0], Signal::TERM),
    reports: "reports",
    variables: &[("CI", "woodpecker")],
};

const JENKINS: Job = Job {
    script: |checkout| jenkins(checkout, 1),
    after: |checkout| jenkins(checkout, 2),
    // All processes of the build.
    cancel: |processes| processes.iter().for_each(|pid| send(*pid, Signal::TERM)),
    reports: "reports/1",
    variables: &[("JENKINS_URL", "https://jenkins.invalid/"), ("PART", "1")],
};

/// The inputs of the template: their defaults, and those of the example.
fn gitlab_inputs(template: &Value, checkout: &Checkout) -> Names {
    let example = ci_files::document("ci/gitlab/example.yml");
    let include = &example["include"][0];
    assert_eq!(include["local"], "ci/rehearse.yml", "the copy of the template");
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut names = Names::new();
    for (name, input) in template["spec"]["inputs"].as_object().expect("it has inputs") {
        let given = &include["inputs"][name];
        let value = if given.is_null() { &input["default"] } else { given };
        assert!(!value.is_null(), "{name} has no value");
        names.insert(format!("inputs.{name}"), text(value));
    }
    assert!(checkout.environment.contains_key("RESTIC_REPOSITORY"), "the example names it");
    names
}

/// GitLab joins the lines, and a shell runs them as one text at the end of a pipe.
fn gitlab(checkout: &Checkout, parts: &[&str]) -> Command {
    let mut documents = ci_files::yaml("ci/gitlab/rehearse.yml");
    let job = documents.remove(1);
    let names = gitlab_inputs(&documents[0], checkout);
    let script: Vec<String> = parts.iter().flat_map(|part| lines(&job["rehearse"][*part])).collect();
    let script = filled(&script.join("\n"), ("$[[", "]]"), &names);
    let variables = BTreeMap::from([("SCRIPT".to_owned(), script)]);
    checkout.command(&["bash", "-c", "set -eo pipefail; set +o noclobber; : | eval \"$SCRIPT\"; exit 0"], &variables)
}

/// A shell reads the commands from its standard input.
fn woodpecker(checkout: &Checkout, step: &str) -> Command {
    let pipeline = ci_files::document("ci/woodpecker/rehearse.yaml");
    let steps = pipeline["steps"].as_array().expect("it has steps");
    let step = steps.iter().find(|found| found["name"] == step).expect("the step");
    let names = Names::from([("PART".to_owned(), "1".to_owned())]);
    let script = filled(&lines(&step["commands"]).join("\n"), ("${", "}"), &names);
    // The cache is a volume there.
    let cache = crate::support::shown(&checkout.beside("cache"));
    let script = script.replace("/cache", &cache).replace("slice:1/3", "slice:1/1");
    let variables = BTreeMap::from([("CI_SCRIPT".to_owned(), script)]);
    checkout.command(&["sh", "-c", "printf '%s' \"$CI_SCRIPT\" | exec /bin/sh -e"], &variables)
}

/// Jenkins runs each script as a file; the one before the main script gets Rehearsa.
fn jenkins(checkout: &Checkout, nth: usize) -> Command {
    let scripts = ci_files::jenkins_scripts("ci/jenkins/Jenkinsfile");
    assert_eq!(scripts.len(), 3, "get, rehearse and clean: {scripts:?}");
    if nth == 1 {
        let file = write(checkout, &scripts[0]);
        let output = checkout.command(&["sh", "-xe", &file], &Names::new()).output().expect("sh starts");
        assert!(output.status.success(), "{}", told(&output));
    }
    let file = write(checkout, &scripts[nth].replace("slice:$PART/3", "slice:$PART/1"));
    checkout.command(&["sh", "-xe", &file], &Names::new())
}

fn write(checkout: &Checkout, script: &str) -> String {
    let file = checkout.beside("script.sh");
    std::fs::write(&file, script).expect("written");
    crate::support::shown(&file)
}

fn run(mut command: Command) -> Output {
    command.output().expect("a shell starts")
}

impl Job {
    fn checkout(&self, case: Case) -> Checkout {
        Checkout::new(case).with_secrets().with(self.variables)
    }

    fn is_green_for_a_good_backup(&self) {
        let checkout = self.checkout(Case::Good);
        let output = run((self.script)(&checkout));
        assert!(output.status.success(), "{}", told(&output));
        checkout.is_green(self.reports, &told(&output));
        let after = run((self.after)(&checkout));
        assert!(after.status.success(), "{}", told(&after));
    }

    fn is_red_for_all_else(&self) {
        for (case, code) in [(Case::Bad, 101), (Case::Empty, 4)] {
            let checkout = self.checkout(case);
            let output = run((self.script)(&checkout));
            assert_eq!(output.status.code(), Some(code), "{case:?}: {}", told(&output));
        }
        let checkout = self.checkout(Case::Good).with(&[("RESTIC_REPOSITORY", "")]);
        let output = run((self.script)(&checkout));
        assert_eq!(output.status.code(), Some(2), "no secret: {}", told(&output));
    }

    fn leaves_nothing_when_it_is_cancelled(&self) {
        let checkout = self.checkout(Case::Hangs);
        let output = cancel_by((self.script)(&checkout), self.cancel);
        assert!(!output.status.success(), "{}", told(&output));
        assert_eq!(checkout.report(self.reports)["exit_code"], 143, "{}", told(&output));
        let after = run((self.after)(&checkout));
        assert!(after.status.success(), "{}", told(&after));
        checkout.nothing_is_left(self.reports);
    }
}

macro_rules! jobs {
    ($($name:ident: $job:expr;)*) => {
        $(mod $name {
            #[test]
            #[ignore = "nightly: the action of GitHub is run by the tests of every push"]
            fn is_green_for_a_good_backup() {
                $job.is_green_for_a_good_backup();
            }

            #[test]
            #[ignore = "nightly: the action of GitHub is run by the tests of every push"]
            fn is_red_for_a_bad_backup_an_empty_selection_and_a_missing_secret() {
                $job.is_red_for_all_else();
            }

            #[test]
            #[ignore = "nightly: the action of GitHub is run by the tests of every push"]
            fn leaves_nothing_when_it_is_cancelled() {
                $job.leaves_nothing_when_it_is_cancelled();
            }
        })*
    };
}

jobs! {
    the_job_of_gitlab: super::GITLAB;
    the_step_of_woodpecker: super::WOODPECKER;
    the_stage_of_jenkins: super::JENKINS;
}
