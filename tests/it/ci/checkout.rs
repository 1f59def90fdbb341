//! The workspace of a CI job: a checkout with a Compose file and with Rehearsa's repository as a submodule, a
//! repository of restic as the backup, and programs in PATH that install nothing.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::objects::{objects_of, objects_of_session};
use crate::support::{PATIENCE, ci_files, restic, shown, text, unique};

/// What is the matter with the service or its backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// It comes back.
    Good,
    /// The backup lacks its volume.
    Bad,
    /// The only service is ignored.
    Empty,
    /// It never becomes healthy, and has long time for that.
    Hangs,
}

/// The workspace.
pub struct Checkout {
    dir: tempfile::TempDir,
    name: String,
    /// The environment of every script.
    pub environment: BTreeMap<String, String>,
}

impl Checkout {
    pub fn new(case: Case) -> Self {
        let checkout = Self {
            dir: tempfile::tempdir().expect("a temporary folder"),
            name: unique("checkout"),
            environment: BTreeMap::new(),
        };
        checkout.write_files(case);
        checkout.back_up(case);
        checkout.with_environment()
    }

    fn write_files(&self, case: Case) {
        let label = if case == Case::Empty { "    labels: {rehearsa.ignore: 'true'}\n" } else { "" };
        let probe = if case == Case::Hangs { "/data/never" } else { "/data/note" };
        let compose = format!(
            "services:\n  notes:\n    image: rehearsa-fixture/tiny\n    volumes: [data:/data]\n{label}    \
             healthcheck: {{test: [CMD, test, -s, {probe}], interval: 1s, start_period: 150s}}\nvolumes: {{data: }}\n"
        );
        self.write("compose.yaml", &compose);
        // The submodule has the real scripts, and a source that a stub of cargo builds.
        for file in ["Cargo.toml", "Cargo.lock", "src/main.rs"] {
            self.write(&format!("rehearsa/{file}"), file);
        }
        self.script("rehearsa/ci/get", &ci_files::read("ci/get"));
        let program = env!("CARGO_BIN_EXE_rehearsa");
        let cargo = format!(
            "#!/bin/sh\n[ \"$*\" = \"install --locked --path $PWD/rehearsa --root $6\" ] || exit 1\n\
             mkdir -p \"$6/bin\"\n\
             printf '#!/bin/sh\\nexec {program} \"$@\"\\n' >\"$6/bin/rehearsa\"\nchmod +x \"$6/bin/rehearsa\"\n"
        );
        self.script("../bin/cargo", &cargo);
        self.script("../bin/apt-get", "#!/bin/sh\nexit 0\n");
        self.script("../bin/sudo", "#!/bin/sh\nexec \"$@\"\n");
        fs::create_dir(self.beside("home")).expect("made");
    }

    fn back_up(&self, case: Case) {
        let volume = if case == Case::Bad { "other_data".to_owned() } else { format!("{}_data", self.name) };
        let data = self.beside("tree").join(format!("var/lib/docker/volumes/{volume}/_data"));
        fs::create_dir_all(&data).expect("made");
        fs::write(data.join("note"), "Backups are hope.").expect("written");
        restic::keep(self.dir.path(), "repository", &self.beside("tree"), &[]);
    }

    fn with_environment(mut self) -> Self {
        let path = format!("{}:{}", shown(&self.beside("bin")), std::env::var("PATH").unwrap_or_default());
        let own_home = std::env::var("HOME").unwrap_or_default();
        let docker = std::env::var("DOCKER_CONFIG").unwrap_or_else(|_| format!("{own_home}/.docker"));
        for (name, value) in [
            ("PATH", path),
            ("HOME", shown(&self.beside("home"))),
            ("DOCKER_CONFIG", docker),
            ("CI", "true".to_owned()),
            // The default of 3 s would only take time.
            ("REHEARSA_SETTLE", "0s".to_owned()),
        ] {
            self.environment.insert(name.to_owned(), value);
        }
        for name in ["DOCKER_HOST", "TMPDIR"] {
            if let Ok(value) = std::env::var(name) {
                self.environment.insert(name.to_owned(), value);
            }
        }
        self
    }

    /// The secrets of the job.
    pub fn secrets(&self) -> [(&'static str, String); 2] {
        let repository = shown(&self.beside("repository"));
        [("RESTIC_REPOSITORY", repository), ("RESTIC_PASSWORD", restic::PASSWORD.to_owned())]
    }

    /// The secrets as variables of every script.
    pub fn with_secrets(mut self) -> Self {
        let secrets = self.secrets().map(|(name, value)| (name.to_owned(), value));
        self.environment.extend(secrets);
        self
    }

    /// With these variables.
    pub fn with(mut self, variables: &[(&str, &str)]) -> Self {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.environment.extend(variables);
        self
    }

    /// The working directory.
    pub fn folder(&self) -> PathBuf {
        self.beside(&self.name)
    }

    pub fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.folder().join(file);
        fs::create_dir_all(self.folder()).expect("made");
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }

    fn script(&self, file: &str, text: &str) {
        self.write(file, text);
        fs::set_permissions(self.folder().join(file), fs::Permissions::from_mode(0o755)).expect("may be run");
    }

    /// A command in the working directory with the environment of the job and these variables.
    pub fn command(&self, words: &[&str], variables: &BTreeMap<String, String>) -> Command {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(self.folder()).env_clear().stdin(Stdio::null());
        command.envs(&self.environment).envs(variables);
        command
    }

    /// The report of a run in this folder.
    pub fn report(&self, folder: &str) -> Value {
        let path = self.folder().join(folder).join("report.json");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str(&text).expect("JSON")
    }

    /// The reports in this folder are those of a green run from the backup, and nothing is left on the engine.
    pub fn is_green(&self, folder: &str, told: &str) {
        let report = self.report(folder);
        assert_eq!(report["exit_code"], 0, "{told}");
        assert_eq!(report["cases"][0]["proof"], "healthy", "{told}\n{report:#}");
        assert_eq!(report["cases"][0]["data_from"], "backup", "{told}\n{report:#}");
        for file in ["junit.xml", "report.html", "events.jsonl"] {
            assert!(self.folder().join(folder).join(file).is_file(), "{file}: {told}");
        }
        self.nothing_is_left(folder);
    }

    /// No object of the run whose reports are in this folder is on the engine.
    pub fn nothing_is_left(&self, folder: &str) {
        let session = self.report(folder)["session"].as_str().expect("a session").to_owned();
        assert_eq!(objects_of_session(&session), Vec::<String>::new());
    }
}

/// Both streams of a script.
pub fn told(output: &Output) -> String {
    format!("{:?}\n{}{}", output.status.code(), text(&output.stderr), text(&output.stdout))
}

/// Starts a script, waits until its rehearsal has objects on the engine, lets the CI system cancel it, and waits for
/// its end.
pub fn cancel_by(mut command: Command, cancel: impl Fn(&[Pid])) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the shell starts");
    let started = Instant::now();
    loop {
        let processes = tree(&child);
        if processes.iter().any(|pid| !objects_of(pid.as_raw_nonzero().get().unsigned_abs()).is_empty()) {
            cancel(&processes);
            break;
        }
        assert!(started.elapsed() < PATIENCE, "the rehearsal never began");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    child.wait_with_output().expect("it ends")
}

/// Sends the signal; a process that has just ended needs none.
pub fn send(pid: Pid, signal: Signal) {
    let _ = kill_process(pid, signal);
}

/// The process and all that it started, parents before their children.
fn tree(child: &Child) -> Vec<Pid> {
    let parents: Vec<(Pid, Pid)> = fs::read_dir("/proc")
        .expect("processes are listed")
        .filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse().ok().and_then(Pid::from_raw)?;
            Some((pid, parent_of(pid)?))
        })
        .collect();
    let mut found = vec![Pid::from_child(child)];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        found.extend(parents.iter().filter(|(_, its)| *its == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found
}

fn parent_of(pid: Pid) -> Option<Pid> {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.as_raw_nonzero().to_string()).join("stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(") ")?;
    Pid::from_raw(after_name.split(' ').nth(1)?.parse().ok()?)
}
