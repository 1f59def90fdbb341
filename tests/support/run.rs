//! A running rehearsal that a test can watch and send signals to.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{PATIENCE, rehearsa, text};

/// A process that does not outlive the test: one that panics interrupts it.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            // It may end at this very moment; the wait is for both.
            let _ = kill_process(Pid::from_child(&self.0), Signal::INT);
            let _ = self.0.wait();
        }
    }
}

/// A `rehearsa test` of one service that runs.
pub struct Run {
    child: Process,
    events: Receiver<Value>,
    seen: Vec<Value>,
    stderr: File,
    reports: tempfile::TempDir,
}

/// How it ended.
pub struct Ended {
    pub status: ExitStatus,
    /// All events, in order.
    pub events: Vec<Value>,
    /// Standard error.
    pub stderr: String,
    reports: tempfile::TempDir,
}

impl Run {
    /// Starts to rehearse the service of this very name.
    pub fn start(service: &str, args: &[&str]) -> Self {
        let reports = tempfile::tempdir().expect("a temporary folder");
        let mut command = rehearsa(&["test", "--exact", service, "--timeout", "150s", "--events", "-", "--report-dir"]);
        command.arg(reports.path()).args(args);
        Self::watch(command, reports)
    }

    /// As [`Run::start`], by a shell that waits for it. The shell is the process that gets the signals of the test.
    pub fn start_in_shell(service: &str, variables: &[(&str, &str)]) -> Self {
        let reports = tempfile::tempdir().expect("a temporary folder");
        let program = env!("CARGO_BIN_EXE_rehearsa");
        // The last command keeps the shell from becoming the program.
        let script = r#"program=$1; shift; "$program" "$@"; exit $?"#;
        let words = ["test", "--exact", service, "--timeout", "150s", "--events", "-", "--report-dir"];
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", program]).args(words).arg(reports.path()).stdin(Stdio::null());
        for name in ["GITHUB_ACTIONS", "GITEA_ACTIONS", "FORGEJO_ACTIONS", "GITLAB_CI", "JENKINS_URL", "TF_BUILD"] {
            command.env_remove(name);
        }
        command.envs(variables.iter().copied());
        Self::watch(command, reports)
    }

    fn watch(mut command: Command, reports: tempfile::TempDir) -> Self {
        let stderr = tempfile::tempfile().expect("a temporary file");
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(stderr.try_clone().expect("a second handle of the file"))
            .spawn()
            .expect("rehearsa starts");
        let stdout = child.stdout.take().expect("it is piped");
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                // What is killed may leave a piece of a line. Nobody listens any more once the test is over.
                let _ = serde_json::from_slice(&line).map(|event| sender.send(event));
            }
        });
        Self { child: Process(child), events, seen: Vec::new(), stderr, reports }
    }

    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child.0), signal).expect("it still runs");
    }

    /// Waits for the event that says that a step begins.
    pub fn wait_for_step(&mut self, step: &str) {
        while let Some(event) = self.next() {
            if event["event"] == "step-started" && event["step"]["step"] == step {
                return;
            }
        }
        panic!("it ended without the step {step}: {:#?}\n{}", self.seen, self.told());
    }

    /// Waits for the end.
    pub fn end(mut self) -> Ended {
        while self.next().is_some() {}
        let status = self.child.0.wait().expect("it ended");
        Ended { status, stderr: self.told(), events: self.seen, reports: self.reports }
    }

    /// The next event, or nothing at the end.
    fn next(&mut self) -> Option<Value> {
        match self.events.recv_timeout(PATIENCE) {
            Ok(event) => {
                self.seen.push(event.clone());
                Some(event)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("it goes on no more: {:#?}\n{}", self.seen, self.told()),
        }
    }

    /// Standard error so far. The program goes on writing where this has read to.
    fn told(&self) -> String {
        let (mut told, mut file) = (Vec::new(), &self.stderr);
        file.rewind().and_then(|()| file.read_to_end(&mut told)).expect("a file can be read");
        text(&told)
    }
}

impl Ended {
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    pub fn report_path(&self, name: &str) -> PathBuf {
        self.reports.path().join(name)
    }

    pub fn report(&self, name: &str) -> String {
        let path = self.report_path(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}\n{}", path.display(), self.stderr))
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.report("report.json")).expect("the JSON report is JSON")
    }

    /// The one service of the run, as the JSON report has it.
    pub fn case(&self) -> Value {
        let json = self.json();
        assert_eq!(json["cases"].as_array().map(Vec::len), Some(1), "{json:#}");
        json["cases"][0].clone()
    }

    pub fn session(&self) -> String {
        self.json()["session"].as_str().expect("the report names its session").to_owned()
    }
}
