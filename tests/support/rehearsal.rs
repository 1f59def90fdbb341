//! A complete rehearsal by the program, and its JSON report.

use std::process::Command;

use serde_json::Value;

use super::{api, rehearsa, text};

/// What rehearsa did.
pub struct Rehearsal {
    /// The exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// The JSON report.
    pub report: Value,
}

/// Rehearses the services of exactly these names, without a time to settle unless the arguments say otherwise.
pub fn rehearse(names: &[&str], args: &[&str]) -> Rehearsal {
    rehearse_by(rehearsa(&[]), names, args)
}

/// The same by a command that leads to rehearsa: with an environment of its own, or in another place.
pub fn rehearse_by(mut command: Command, names: &[&str], args: &[&str]) -> Rehearsal {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let json = dir.path().join("report.json");
    let output = command
        .args(["test", "--exact", "--json"])
        .arg(&json)
        .args(if args.contains(&"--settle") { &[][..] } else { &["--settle", "0s"] })
        .args(args)
        .args(names)
        .output()
        .expect("rehearsa starts");
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let report = std::fs::read(&json).unwrap_or_else(|error| panic!("no report: {error}\n{stdout}\n{stderr}"));
    let report = serde_json::from_slice(&report).expect("the report is JSON");
    Rehearsal { code: output.status.code(), stdout, stderr, report }
}

impl Rehearsal {
    /// The cases of the report.
    pub fn cases(&self) -> &[Value] {
        self.report["cases"].as_array().expect("a report has cases")
    }

    /// The only case of the report.
    pub fn case(&self) -> &Value {
        let cases = self.cases();
        assert_eq!(cases.len(), 1, "{self}");
        &cases[0]
    }

    /// The case's diagnosis.
    pub fn diagnosis(&self) -> &Value {
        &self.case()["diagnosis"]
    }

    /// The diagnosis's message.
    pub fn message(&self) -> &str {
        self.diagnosis()["message"].as_str().unwrap_or("")
    }

    /// The bytes that were brought into the sandbox.
    pub fn bytes(&self) -> u64 {
        self.case()["restored"]["bytes"].as_u64().expect("a case says what was restored")
    }

    /// The case's only restore step.
    pub fn restore(&self) -> &Value {
        let mut found = self.steps("restore");
        assert_eq!(found.len(), 1, "{self}");
        found.remove(0)
    }

    /// The case's steps of a kind.
    pub fn steps(&self, kind: &str) -> Vec<&Value> {
        let steps = self.case()["steps"].as_array().expect("a case has steps");
        steps.iter().filter(|step| step["step"] == kind).collect()
    }

    /// Everything was green, by this proof, and nothing is left.
    #[track_caller]
    pub fn is_green(&self, proof: &str) {
        assert_eq!(self.code, Some(0), "{self}");
        assert_eq!(self.case()["verdict"], "passed", "{self}");
        assert_eq!(self.case()["proof"], proof, "{self}");
        self.nothing_is_left();
    }

    /// The only case failed for this reason, and nothing is left.
    #[track_caller]
    pub fn failed(&self, code: &str) {
        self.ended(101, "failed", code);
    }

    /// The only case could not be rehearsed for this reason, and nothing is left.
    #[track_caller]
    pub fn errored(&self, code: &str) {
        self.ended(102, "errored", code);
    }

    #[track_caller]
    fn ended(&self, exit: i32, verdict: &str, code: &str) {
        assert_eq!(self.diagnosis()["code"], code, "{self}");
        assert_eq!(self.case()["verdict"], verdict, "{self}");
        assert_eq!(self.code, Some(exit), "{self}");
        self.nothing_is_left();
    }

    /// No container, volume or network of this run is on the host.
    #[track_caller]
    pub fn nothing_is_left(&self) {
        let session = self.report["session"].as_str().expect("a report names its session");
        assert!(!session.is_empty(), "{self}");
        let listed = api::labelled(&format!("io.rehearsa.session={session}"));
        // An engine under load lists a container that it has removed, and does not know it when it is asked for it.
        let is_there = |(kind, id): &(&str, String)| *kind != "container" || api::container(id).is_ok();
        let left: Vec<_> = listed.into_iter().filter(is_there).collect();
        assert_eq!(left, Vec::new(), "something is left\n{self}");
    }
}

impl std::fmt::Display for Rehearsal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit code {:?}\n{}\n{}\n{:#}", self.code, self.stdout, self.stderr, self.report["cases"])
    }
}
