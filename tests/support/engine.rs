//! A second Docker engine for one test, with its data on a small disk of its own; damage to it harms no other test.

#![allow(dead_code, reason = "each test program uses a part")]

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::support::{PATIENCE, shown};

/// Starts the engine and ends it when standard input closes, so the engine ends with the test however the test ends.
/// The engine has a network of its own: it would remove the host engine's `docker0` when it starts, and then not
/// start where it sees one. It has mounts of its own: its disk, its folder of plugins, and no containerd of the host,
/// which could not see that disk.
const SCRIPT: &str = r#"
set -e
if ip link show docker0 >/dev/null 2>&1; then exit 1; fi
ip link set lo up
dir=$1
shift
cd "$dir"
mount -o loop disk data
mkdir -p /run/docker/plugins
mount --bind plugins /run/docker/plugins
if [ -d /run/containerd ]; then mount -t tmpfs none /run/containerd; fi
sock=unix://$dir/docker.sock
serve() {
  touch again
  while [ -e again ]; do
    rm again
    # A containerd whose engine was killed ends, and stays known by its number until somebody asks for its end.
    if [ -e exec/containerd/containerd.pid ]; then
      kill -9 "$(cat exec/containerd/containerd.pid)"
      rm exec/containerd/containerd.pid
    fi
    dockerd --config-file "$dir/daemon.json" --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/pid" \
      --bridge=none --iptables=false -H "$sock" "$@"
  done
}
(set +e; serve "$@") >log 2>&1 &
cat >/dev/null
set +e
timeout 30 docker -H "$sock" ps --all --quiet | xargs -r timeout 30 docker -H "$sock" rm --force
kill "$(cat pid)"
wait
umount data
"#;

/// A running engine; gone when dropped.
pub struct Engine {
    process: Child,
    dir: tempfile::TempDir,
}

impl Engine {
    /// With this much room, for so many files, and these fixture images.
    pub fn start(mib: u64, files: u64, images: &[&str]) -> Self {
        Self::start_with(&[], mib, files, images)
    }

    /// The same with more flags of `dockerd`.
    pub fn start_with(flags: &[&str], mib: u64, files: u64, images: &[&str]) -> Self {
        assert!(rustix::process::geteuid().is_root(), "needs root: it mounts a disk and starts an engine on it");
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path();
        for folder in ["data", "plugins", "plugin-data", "exec"] {
            std::fs::create_dir(path.join(folder)).expect("a folder");
        }
        std::fs::write(path.join("daemon.json"), "{}").expect("written");
        let disk = std::fs::File::create(path.join("disk")).expect("a file");
        disk.set_len(mib << 20).expect("as large as this");
        run(Command::new("mkfs.ext4").args(["-q", "-m", "0", "-N", &files.to_string()]).arg(path.join("disk")));
        let process = Command::new("unshare")
            .args(["--mount", "--net", "sh", "-c", SCRIPT, "engine", &shown(path)])
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("unshare is installed");
        let mut engine = Self { process, dir };
        let started = Instant::now();
        while !engine.command(&["version"]).output().is_ok_and(|output| output.status.success()) {
            let ended = engine.process.try_wait().expect("it can be asked");
            assert!(ended.is_none() && started.elapsed() < PATIENCE, "no engine: {ended:?}\n{}", engine.log());
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        for image in images {
            let mut save = Command::new("docker")
                .args(["save", image])
                .stdout(Stdio::piped())
                .spawn()
                .expect("the Docker CLI is installed");
            let tar = save.stdout.take().expect("it is piped");
            run(engine.command(&["load", "--quiet"]).stdin(tar));
            assert!(save.wait().expect("it ended").success(), "docker save {image}");
        }
        engine
    }

    /// Ends it by this signal and starts it again; it may take a moment to answer then.
    pub fn restart(&self, signal: &str) {
        std::fs::write(self.path().join("again"), "").expect("written");
        let pid = std::fs::read_to_string(self.path().join("pid")).expect("it runs");
        run(Command::new("kill").args(["-s", signal, pid.trim()]));
    }

    fn log(&self) -> String {
        let mut log = String::new();
        // Where there is none, the test's own message stands alone.
        let _ = std::fs::File::open(self.path().join("log")).and_then(|mut file| file.read_to_string(&mut log));
        log
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Its disk, which is mounted for it alone, as this machine sees it.
    pub fn disk(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{}/data", self.process.id(), shown(self.path())))
    }

    /// Where it looks for plugins.
    pub fn plugins(&self) -> PathBuf {
        self.path().join("plugins")
    }

    /// As `--host` takes it.
    pub fn host(&self) -> String {
        format!("unix://{}", shown(&self.path().join("docker.sock")))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.args(["--host", &self.host()]).args(args).stdin(Stdio::null());
        command
    }

    /// The command as one that runs in the engine's own network, where its `127.0.0.1` is.
    pub fn beside(&self, command: &Command) -> Command {
        let mut beside = Command::new("nsenter");
        beside.arg(format!("--net=/proc/{}/ns/net", self.process.id()));
        beside.arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => beside.env(key, value),
                None => beside.env_remove(key),
            };
        }
        beside
    }

    /// What the docker client prints; it has to succeed.
    pub fn docker(&self, args: &[&str]) -> String {
        run(&mut self.command(args))
    }

    /// Nothing of rehearsa's is on it, by label, but the worker image.
    #[track_caller]
    pub fn has_nothing_left(&self) {
        for list in [&["ps", "--all"][..], &["volume", "ls"], &["network", "ls"]] {
            let left = self.docker(&[list, &["--quiet", "--filter", "label=io.rehearsa.session"]].concat());
            assert_eq!(left, "", "docker {}", list.join(" "));
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // Its folder cannot be removed while it runs; a failure here must not hide the test's own.
        let _ = self.process.wait();
    }
}

#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
