//! Runs jobs and composite actions as the runners of GitHub and Gitea do: each step in a shell of its own, with the
//! files for its outputs and its summary, and with `${{ … }}` filled in before the shell sees the script.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

use super::checkout::{Checkout, cancel_by, told};
use crate::support::{ci_files, shown};
use rustix::process::Pid;

/// How GitHub writes an expression.
const EXPRESSION: (&str, &str) = ("${{", "}}");

/// Names that expressions may use, and their values.
pub type Names = BTreeMap<String, String>;

/// The outputs of a step that rehearses.
const UNWRITTEN: [&str; 9] =
    ["verdict", "exit-code", "passed", "failed", "errored", "skipped", "flaky", "without-backup", "not-green"];

/// What became of a job or an action.
#[derive(Debug, Default)]
pub struct Ended {
    /// No step failed.
    pub green: bool,
    /// What all steps printed.
    pub told: String,
    /// The outputs of the action.
    pub outputs: Names,
    /// The exit codes of the steps that ran, by name.
    pub codes: Vec<(String, Option<i32>)>,
}

impl Ended {
    pub fn code_of(&self, step: &str) -> Option<i32> {
        let found = self.codes.iter().find(|(name, _)| name == step);
        found.unwrap_or_else(|| panic!("{step} did not run: {self:?}")).1
    }
}

/// How a CI system cancels the processes of a step, which are parents before their children.
type Cancel = fn(&[Pid]);

/// A runner with a job.
pub struct Runner<'a> {
    checkout: &'a Checkout,
    /// What the expressions of the job may name.
    names: Names,
    /// Cancels the step of this name, once its rehearsal has begun.
    cancels: Option<(&'a str, Cancel)>,
}

impl<'a> Runner<'a> {
    pub fn new(checkout: &'a Checkout) -> Self {
        let mut names: Names = BTreeMap::new();
        let known =
            [("runner.os", "Linux"), ("runner.arch", "X64"), ("matrix.part", "1"), ("github.action_repository", "")];
        names.extend(known.map(|(name, value)| (name.to_owned(), value.to_owned())));
        names.insert("github.action_path".to_owned(), shown(&checkout.folder().join("rehearsa")));
        names.insert("github.server_url".to_owned(), "https://forge.invalid".to_owned());
        names.extend(checkout.secrets().map(|(name, value)| (format!("secrets.{name}"), value)));
        Self { checkout, names, cancels: None }
    }

    /// Without this secret, which an expression then finds empty.
    pub fn without_secret(mut self, name: &str) -> Self {
        self.names.insert(format!("secrets.{name}"), String::new());
        self
    }

    pub fn cancelling(mut self, step: &'a str, cancel: Cancel) -> Self {
        self.cancels = Some((step, cancel));
        self
    }

    /// Runs the composite action of this repository with these inputs; the others have their defaults.
    pub fn action(&self, inputs: &[(&str, &str)], variables: &Names) -> Ended {
        let action = ci_files::document("action.yml");
        assert_eq!(action["runs"]["using"], "composite");
        let declared = action["inputs"].as_object().expect("it has inputs");
        let mut names = self.names.clone();
        names.retain(|name, _| !name.starts_with("secrets.") && !name.starts_with("matrix."));
        for (name, input) in declared {
            names.insert(format!("inputs.{name}"), input["default"].as_str().expect("a default").to_owned());
        }
        for (name, value) in inputs {
            let known = names.insert(format!("inputs.{name}"), (*value).to_owned());
            assert!(known.is_some(), "the action has no input {name}");
        }
        // An output that is not written is empty.
        for output in UNWRITTEN {
            names.insert(format!("steps.rehearse.outputs.{output}"), String::new());
        }
        names.insert("steps.get.outputs.program".to_owned(), String::new());
        let mut ended = self.steps(&action["runs"]["steps"], &mut names, variables);
        let outputs = action["outputs"].as_object().expect("it has outputs");
        for (name, output) in outputs {
            let value = ci_files::filled(output["value"].as_str().expect("a value"), EXPRESSION, &names);
            ended.outputs.insert(name.clone(), value);
        }
        ended
    }

    /// Runs a job of a workflow.
    pub fn job(&self, workflow: &str, job: &str) -> Ended {
        let workflow = ci_files::document(workflow);
        self.steps(&workflow["jobs"][job]["steps"], &mut self.names.clone(), &Names::new())
    }

    fn steps(&self, steps: &Value, names: &mut Names, variables: &Names) -> Ended {
        let mut ended = Ended { green: true, ..Ended::default() };
        for (nth, step) in steps.as_array().expect("it has steps").iter().enumerate() {
            match step["if"].as_str() {
                None if !ended.green => continue,
                None | Some("always()") => {}
                Some(other) => panic!("nothing is known of the condition {other}"),
            }
            let mut variables = variables.clone();
            for (name, value) in step["env"].as_object().into_iter().flatten() {
                variables.insert(name.clone(), self.evaluated(value, names));
            }
            if let Some(uses) = step["uses"].as_str() {
                self.used(uses, step, names, &variables, &mut ended);
                continue;
            }
            let id = step["id"].as_str().map_or_else(|| format!("step-{nth}"), str::to_owned);
            let name = step["name"].as_str().unwrap_or(&id);
            let script = self.evaluated(&step["run"], names);
            let (output, outputs) = self.run(&id, name, &script, variables);
            ended.green &= output.status.success();
            ended.told.push_str(&told(&output));
            ended.codes.push((name.to_owned(), output.status.code()));
            names.extend(outputs.into_iter().map(|(name, value)| (format!("steps.{id}.outputs.{name}"), value)));
        }
        ended
    }

    fn evaluated(&self, value: &Value, names: &Names) -> String {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        ci_files::filled(&text, EXPRESSION, names)
    }

    /// Other people's actions are not run; the artefacts of a job become the parts of the merge.
    fn used(&self, uses: &str, step: &Value, names: &Names, variables: &Names, ended: &mut Ended) {
        if uses.starts_with("actions/download-artifact@") {
            let to = self.checkout.folder().join(step["with"]["path"].as_str().expect("a path"));
            fs::create_dir_all(&to).expect("made");
            fs::rename(self.checkout.folder().join("reports"), to.join("reports-1")).expect("moved");
        }
        if uses != "./rehearsa" {
            assert!(uses.starts_with("actions/"), "nothing is known of {uses}");
            return;
        }
        let with = step["with"].as_object().into_iter().flatten();
        let inputs: Vec<(String, String)> =
            with.map(|(name, value)| (name.clone(), self.evaluated(value, names))).collect();
        let inputs: Vec<(&str, &str)> = inputs.iter().map(|(name, value)| (&**name, &**value)).collect();
        let action = self.action(&inputs, variables);
        ended.green &= action.green;
        ended.told.push_str(&action.told);
        ended.codes.extend(action.codes);
        ended.outputs.extend(action.outputs);
    }

    fn run(&self, id: &str, name: &str, script: &str, mut variables: Names) -> (Output, Names) {
        let file = |what: &str| self.checkout.beside(&format!("{id}.{what}"));
        let (program, outputs) = (file("sh"), file("output"));
        fs::write(&program, script).expect("written");
        fs::write(&outputs, "").expect("written");
        variables.insert("GITHUB_OUTPUT".to_owned(), shown(&outputs));
        variables.insert("GITHUB_STEP_SUMMARY".to_owned(), shown(&file("summary")));
        variables.insert("GITHUB_ACTIONS".to_owned(), "true".to_owned());
        let program = shown(&program);
        let words = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", &program];
        let mut command: Command = self.checkout.command(&words, &variables);
        let output = match self.cancels {
            Some((step, cancel)) if step == name => cancel_by(command, cancel),
            _ => command.output().expect("bash starts"),
        };
        (output, written(&outputs))
    }

    /// The summary that a step has written.
    pub fn summary(&self, id: &str) -> String {
        let path: PathBuf = self.checkout.beside(&format!("{id}.summary"));
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

/// The outputs in the file of a step: `name=value`, or `name<<END` with lines up to END.
fn written(path: &std::path::Path) -> Names {
    let text = fs::read_to_string(path).expect("it is there");
    let mut outputs = Names::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some((name, end)) = line.split_once("<<") {
            let value: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
            outputs.insert(name.to_owned(), value.join("\n"));
        } else {
            let (name, value) = line.split_once('=').expect("a line of an output");
            outputs.insert(name.to_owned(), value.to_owned());
        }
    }
    outputs
}
