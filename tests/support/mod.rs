//! Live services for tests to rehearse, and rehearsa itself as a program. Whatever a test starts is removed with it, also
//! when it fails. Each test finds only its own: every name is unique, and rehearsa is asked for exact names.

#![allow(dead_code, reason = "each test program uses a part")]

pub mod backup;
pub mod bench;
pub mod engine;
pub mod proxy;
pub mod run;

use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longer than anything here takes on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// A file that only the live container has: its writable layer is no volume and does not come along.
const LIVE_ONLY: &str = "/only-live";

/// A name that nobody else has.
pub fn unique(hint: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("trial-{hint}-{}x{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn run_docker<S: AsRef<str>>(args: &[S]) -> Output {
    let args: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
    Command::new("docker").args(&args).output().expect("the docker client starts")
}

/// What the docker client prints; it has to succeed.
pub fn docker<S: AsRef<str>>(args: &[S]) -> String {
    let output = run_docker(args);
    let shown: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
    assert!(output.status.success(), "docker {}: {}", shown.join(" "), text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

/// A service to be started.
pub struct Wanted {
    name: String,
    image: String,
    options: Vec<String>,
    command: Vec<String>,
    files: Vec<(String, String)>,
    volumes: Vec<String>,
}

/// A service of a fixture image.
pub fn service(image: &str) -> Wanted {
    Wanted {
        name: unique(image),
        image: format!("rehearsa-fixture/{image}"),
        options: Vec::new(),
        command: Vec::new(),
        files: Vec::new(),
        volumes: Vec::new(),
    }
}

impl Wanted {
    /// Of this image instead.
    pub fn image(mut self, reference: &str) -> Self {
        reference.clone_into(&mut self.image);
        self
    }

    /// More arguments of `docker create`.
    pub fn options(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(|&option| option.to_owned()));
        self
    }

    /// With a new named volume at this path.
    pub fn volume(mut self, target: &str) -> Self {
        let volume = format!("{}-v{}", self.name, self.volumes.len());
        self.options.extend(["--volume".to_owned(), format!("{volume}:{target}")]);
        self.volumes.push(volume);
        self
    }

    /// With this healthcheck, asked every second, three times.
    pub fn healthy_when(self, command: &str) -> Self {
        self.options(&["--health-cmd", command, "--health-interval", "1s", "--health-retries", "3"])
    }

    /// With this healthcheck, which may fail for about so many seconds.
    pub fn healthy_within(self, seconds: u32, command: &str) -> Self {
        let retries = (seconds / 10).max(2).to_string();
        let times = ["--health-interval", "2s", "--health-timeout", "4s", "--health-retries", &retries];
        self.options(&["--health-cmd", command]).options(&times)
    }

    /// With this command.
    pub fn command(mut self, command: &[&str]) -> Self {
        self.command = command.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// A shell script as the only process, after `behave`'s manner.
    pub fn script(self, script: &str) -> Self {
        self.options(&["--entrypoint", "sh"]).command(&["-c", script])
    }

    /// Healthy as long as it is the live one; what is booted from its data runs this script.
    pub fn rehearsed_as(self, script: &str) -> Self {
        let script = format!("[ -e {LIVE_ONLY} ] && exec behave healthy; {script}");
        self.script(&script).file(LIVE_ONLY, "")
    }

    /// With a file in it, on a volume if there is one at that path.
    pub fn file(mut self, path: &str, content: &str) -> Self {
        self.files.push((path.to_owned(), content.to_owned()));
        self
    }

    /// A service of this stack, in its network.
    pub fn of(self, stack: &Stack, service: &str) -> Self {
        let project = format!("com.docker.compose.project={}", stack.name);
        let service_label = format!("com.docker.compose.service={service}");
        let options = ["--network", &stack.name, "--network-alias", service, "--label", &project, "--label"];
        self.options(&options).options(&[&service_label])
    }

    /// Depends on others, as compose writes it: `db:service_healthy:false`.
    pub fn depends_on(self, label: &str) -> Self {
        self.options(&["--label", &format!("com.docker.compose.depends_on={label}")])
    }

    /// Creates and starts it.
    pub fn start(self) -> Live {
        // First, so that whatever comes is removed.
        let live = Live { name: self.name, volumes: self.volumes };
        for volume in &live.volumes {
            docker(&["volume", "create", volume]);
        }
        let mut args = vec!["create".to_owned(), "--name".to_owned(), live.name.clone()];
        args.extend(self.options);
        args.push(self.image);
        args.extend(self.command);
        docker(&args);
        for (path, content) in &self.files {
            live.write(path, content);
        }
        docker(&["start", &live.name]);
        live
    }
}

/// A live service; removed with its volumes when dropped.
pub struct Live {
    /// The container's name.
    pub name: String,
    volumes: Vec<String>,
}

impl Live {
    /// Runs a command in it; it has to succeed.
    pub fn exec(&self, command: &[&str]) -> String {
        docker(&[&["exec", &self.name], command].concat())
    }

    /// Waits until a command in it succeeds.
    pub fn until(&self, command: &[&str]) {
        let args = [&["exec", self.name.as_str()], command].concat();
        wait_for(&format!("{command:?} in {}", self.name), || {
            let output = run_docker(&args);
            if output.status.success() { Ok(()) } else { Err(text(&output.stderr)) }
        });
    }

    /// Waits until a field of its state has this value.
    pub fn until_state(&self, field: &str, wanted: &str) {
        let format = format!("{{{{{field}}}}}");
        wait_for(&format!("{field} of {} being {wanted}", self.name), || {
            let found = docker(&["inspect", "--format", &format, &self.name]);
            if found == wanted { Ok(()) } else { Err(found) }
        });
    }

    /// Waits until its healthcheck passes.
    pub fn until_healthy(&self) {
        self.until_state(".State.Health.Status", "healthy");
    }

    /// Puts a file into it.
    pub fn write(&self, path: &str, content: &str) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let file = dir.path().join("file");
        std::fs::write(&file, content).expect("written");
        docker(&["cp", &shown(&file), &format!("{}:{path}", self.name)]);
    }

    /// The volume that was asked for first.
    pub fn first_volume(&self) -> &str {
        &self.volumes[0]
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        run_docker(&["rm", "--force", "--volumes", &self.name]);
        for volume in &self.volumes {
            run_docker(&["volume", "rm", "--force", volume]);
        }
    }
}

/// A stack's name and network. To be made before its services, so that it is removed after them.
pub struct Stack {
    /// The compose project.
    pub name: String,
}

impl Stack {
    /// A new one.
    pub fn new(hint: &str) -> Self {
        let stack = Self { name: unique(hint) };
        docker(&["network", "create", &stack.name]);
        stack
    }

    /// A service's whole name.
    pub fn service(&self, service: &str) -> String {
        format!("{}::{service}", self.name)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        run_docker(&["network", "rm", &self.name]);
    }
}

/// A path as an argument.
pub fn shown(path: &Path) -> String {
    path.to_str().expect("temporary paths are UTF-8").to_owned()
}

fn wait_for(what: &str, holds: impl Fn() -> Result<(), String>) {
    let started = Instant::now();
    while let Err(found) = holds() {
        assert!(started.elapsed() < PATIENCE, "{what} never came to be: {found}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

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

/// The executable under test. Settings of whoever runs the tests are not for it.
pub fn rehearsa() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rehearsa"));
    for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("REHEARSA_")) {
        command.env_remove(key);
    }
    command
}

/// Rehearses the services of exactly these names, one second of settling each unless the arguments say otherwise.
pub fn rehearse(names: &[&str], args: &[&str]) -> Rehearsal {
    rehearse_by(rehearsa(), names, args)
}

/// The same by a command that leads to rehearsa: with an environment of its own, or in another place.
pub fn rehearse_by(mut command: Command, names: &[&str], args: &[&str]) -> Rehearsal {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let json = dir.path().join("report.json");
    let output = command
        .args(["test", "--exact", "--json"])
        .arg(&json)
        .args(if args.contains(&"--settle") { &[][..] } else { &["--settle", "1s"] })
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
        let filter = format!("label=io.rehearsa.session={session}");
        for list in [&["ps", "--all"][..], &["volume", "ls"], &["network", "ls"]] {
            let listed = docker(&[list, &["--quiet", "--filter", &filter]].concat());
            // An engine under load lists a container that it has removed, and does not know it when it is asked for it.
            let is_there = |id: &&str| {
                list[0] != "ps"
                    || Command::new("docker").args(["inspect", id]).output().is_ok_and(|out| out.status.success())
            };
            let left: Vec<&str> = listed.split_whitespace().filter(is_there).collect();
            assert_eq!(left, Vec::<&str>::new(), "docker {}: something is left\n{self}", list.join(" "));
        }
    }
}

impl std::fmt::Display for Rehearsal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit code {:?}\n{}\n{}\n{:#}", self.code, self.stdout, self.stderr, self.report["cases"])
    }
}
