//! Live services for tests, made and removed with the Docker CLI, and runs of the real executable against them.
//! Everything has a name of its own; other tests may use the same engine at the same time.
#![allow(dead_code, reason = "each test target uses a part of it")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Longer than anything here takes on a slow and busy machine.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// A name that nothing else on the engine has.
pub fn unique(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("rt{}-{}-{what}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// What a `docker` command prints on standard output.
pub fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().expect("the Docker CLI is installed");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {args:?}: {error}");
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// What a container has logged so far, both streams.
pub fn logs(container: &str) -> String {
    let output = Command::new("docker").args(["logs", "--timestamps", container]).output().expect("docker runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What `docker inspect` says of an object, all of it.
pub fn inspect(kind: &str, name: &str) -> Value {
    let json = docker(&["inspect", "--type", kind, name]);
    let mut all: Vec<Value> = serde_json::from_str(&json).expect("docker prints JSON");
    assert_eq!(all.len(), 1, "{name}");
    all.remove(0)
}

/// Objects of a test's own; removed at its end, a panic included.
#[derive(Default)]
pub struct Live {
    made: Vec<(&'static str, String)>,
}

impl Live {
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a container from a fixture; `args` are those of `docker run`, the image and its command at their end.
    pub fn run(&mut self, name: &str, args: &[&str]) {
        self.made.push(("container", name.to_owned()));
        docker(&[&["run", "--detach", "--name", name], args].concat());
    }

    pub fn volume(&mut self, name: &str) {
        self.made.push(("volume", name.to_owned()));
        docker(&["volume", "create", name]);
    }

    pub fn network(&mut self, name: &str) {
        self.made.push(("network", name.to_owned()));
        docker(&["network", "create", name]);
    }

    /// Builds an image from a fixture with these labels on it.
    pub fn image(&mut self, name: &str, base: &str, labels: &[&str]) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let labels: String = labels.iter().map(|label| format!("LABEL {label}\n")).collect();
        std::fs::write(dir.path().join("Dockerfile"), format!("FROM {base}\n{labels}")).expect("it can be written");
        self.made.push(("image", name.to_owned()));
        docker(&["build", "--quiet", "--tag", name, &dir.path().display().to_string()]);
    }

    /// A session of rehearsa that is removed at the end, whatever became of it.
    pub fn session(&mut self, id: &str) {
        self.made.push(("session", id.to_owned()));
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // At the end of a failed test too: a failure here must not hide the first one.
        for (kind, name) in self.made.iter().rev() {
            let mut command = match *kind {
                "session" => rehearsa(&["clean", "--session", name]),
                _ => Command::new("docker"),
            };
            match *kind {
                "session" => &mut command,
                "container" => command.args(["rm", "--force", "--volumes", name]),
                "image" => command.args(["image", "rm", "--force", name]),
                kind => command.args([kind, "rm", name]),
            };
            let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
    }
}

/// The executable under test.
pub fn rehearsa(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rehearsa"));
    command.args(args).stdin(Stdio::null());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("REHEARSA_")) {
        command.env_remove(name);
    }
    command
}

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
    lines: Receiver<String>,
    seen: Vec<String>,
    reports: tempfile::TempDir,
}

/// How it ended.
pub struct Ended {
    pub status: ExitStatus,
    /// Standard error, the debug lines among it.
    pub stderr: String,
    reports: tempfile::TempDir,
}

impl Run {
    /// Starts to rehearse the service of this very name.
    pub fn start(service: &str, args: &[&str]) -> Self {
        let reports = tempfile::tempdir().expect("a temporary folder");
        let mut child = rehearsa(&["test", "--exact", service, "-vv", "--timeout", "60s", "--report-dir"])
            .arg(reports.path())
            .args(args)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("rehearsa starts");
        let stderr = child.stderr.take().expect("it is piped");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                // Nobody listens any more once the test is over.
                let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
            }
        });
        Self { child: Process(child), lines, seen: Vec::new(), reports }
    }

    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child.0), signal).expect("it still runs");
    }

    /// Waits for the debug line that says that a step begins.
    pub fn wait_for_step(&mut self, step: &str) {
        let ends = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(ends.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let begins = line.contains("step started") && line.contains(&format!("step={step}"));
                    self.seen.push(line);
                    if begins {
                        return;
                    }
                }
                Err(error) => panic!("the step {step} never came ({error}):\n{}", self.seen.join("\n")),
            }
        }
    }

    /// Waits for the end.
    pub fn end(mut self) -> Ended {
        let ends = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(ends.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("it never ended:\n{}", self.seen.join("\n"));
                }
            }
        }
        let status = self.child.0.wait().expect("it ended");
        Ended { status, stderr: self.seen.join("\n"), reports: self.reports }
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

const LISTS: [(&str, &[&str], &str); 3] = [
    ("container", &["ps", "--all"], "Names"),
    ("network", &["network", "ls"], "Name"),
    ("volume", &["volume", "ls"], "Name"),
];

/// What carries a label of ours and fulfils `own`, which is given the label's value: `container NAME`.
fn labelled(label: &str, own: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (kind, list, name) in LISTS {
        let (filter, format) = (format!("label={label}"), format!("{{{{.Label \"{label}\"}}}} {{{{.{name}}}}}"));
        let lines = docker(&[list, &["--filter", &filter, "--format", &format]].concat());
        let objects = lines.lines().filter_map(|line| line.split_once(' '));
        found.extend(objects.filter(|(value, _)| own(value)).map(|(_, name)| format!("{kind} {name}")));
    }
    found
}

/// What a process made that is still there.
pub fn objects_of(pid: u32) -> Vec<String> {
    labelled("io.rehearsa.pid", |value| value.split('.').next() == Some(pid.to_string().as_str()))
}

/// The sessions of a process of which something is still there.
pub fn sessions_of(pid: u32) -> BTreeSet<String> {
    let format = "{{.Label \"io.rehearsa.pid\"}} {{.Label \"io.rehearsa.session\"}}";
    let list = |list: &[&str]| docker(&[list, &["--filter", "label=io.rehearsa.pid", "--format", format]].concat());
    let lines: String = LISTS.map(|(_, args, _)| list(args) + "\n").concat();
    let own = lines.lines().filter_map(|line| line.strip_prefix(&format!("{pid}."))?.split_once(' '));
    own.map(|(_, session)| session.to_owned()).collect()
}

/// What belongs to a session and is still there.
pub fn objects_of_session(session: &str) -> Vec<String> {
    labelled("io.rehearsa.session", |value| value == session)
}

/// Names, kinds, owners, modes, all times, sizes, links and contents of a volume.
pub fn tree(volume: &str) -> String {
    let mount = format!("{volume}:/tree:ro");
    let script = r#"cd /tree
        find . -printf '%p %y %U:%G %m %s %n %l mtime=%T@ ctime=%C@ atime=%A@\n' | sort
        find . -type f -exec sha256sum {} + | sort"#;
    let run = ["run", "--rm", "--network", "none", "--user", "0", "--entrypoint", "sh", "--volume", &mount];
    docker(&[&run[..], &["rehearsa-fixture/notes", "-c", script]].concat())
}

/// Waits until a container has logged this.
pub fn wait_for_log(container: &str, words: &str) {
    let ends = Instant::now() + PATIENCE;
    while !logs(container).contains(words) {
        assert!(Instant::now() < ends, "{container} never said {words:?}: {}", logs(container));
        std::thread::sleep(Duration::from_millis(20));
    }
}
