//! Objects of an engine by kind: those that a test makes, and those that a run of rehearsa left.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use super::{docker, rehearsa};

/// Objects of a test's own; removed at its end, a panic included.
#[derive(Default)]
pub struct Objects {
    made: Vec<(&'static str, String)>,
}

impl Objects {
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

    /// A volume that the test has made itself.
    pub fn made_volume(&mut self, name: &str) {
        self.made.push(("volume", name.to_owned()));
    }

    pub fn network(&mut self, name: &str) {
        self.made.push(("network", name.to_owned()));
        docker(&["network", "create", name]);
    }

    /// A network whose containers may have fixed addresses.
    pub fn network_of(&mut self, name: &str, subnet: &str) {
        self.made.push(("network", name.to_owned()));
        docker(&["network", "create", "--subnet", subnet, name]);
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

impl Drop for Objects {
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
