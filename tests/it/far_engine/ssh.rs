//! Over SSH: the test's own OpenSSH server in front of this machine's engine.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rehearsa::docker::{Daemon, Target};

use super::{again, far, itself, refused, talks};
use crate::support::{PATIENCE, rehearsa, rehearse_by, service, shown};

/// A server that lets one key in. It listens on this machine only, and is gone when dropped.
struct Server {
    process: Child,
    dir: tempfile::TempDir,
    port: u16,
}

impl Server {
    /// With these lines in its configuration, besides what it needs.
    fn start(more: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for key in ["host_key", "user_key"] {
            make_key(&dir.path().join(key));
        }
        fs::copy(dir.path().join("user_key.pub"), dir.path().join("authorized_keys")).expect("copied");
        let started = Instant::now();
        loop {
            assert!(started.elapsed() < PATIENCE, "no sshd: {}", log(dir.path()));
            // Free now; should it be taken by the time that sshd wants it, another one is.
            let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
            if let Some(process) = listening(dir.path(), free.port(), more) {
                let server = Self { process, dir, port: free.port() };
                server.write_client_files();
                return server;
            }
        }
    }

    fn write_client_files(&self) {
        let host_key = fs::read_to_string(self.file("host_key.pub")).expect("a key");
        fs::write(self.file("known_hosts"), format!("[127.0.0.1]:{} {host_key}", self.port)).expect("written");
        let config = format!(
            "IdentityFile {}\nIdentitiesOnly yes\nIdentityAgent none\nUserKnownHostsFile {}\n\
             GlobalKnownHostsFile none\nStrictHostKeyChecking yes\n",
            shown(&self.file("user_key")),
            shown(&self.file("known_hosts"))
        );
        fs::write(self.file("client_config"), config).expect("written");
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// As `--host` takes it.
    fn host(&self) -> String {
        let user = Command::new("id").arg("-un").output().expect("id is installed").stdout;
        format!("ssh://{}@127.0.0.1:{}", String::from_utf8_lossy(&user).trim(), self.port)
    }

    /// Makes `ssh` use this server's key and know this server.
    fn known_to(&self, mut command: Command) -> Command {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/far_engine/bin:").to_owned();
        command
            .env("PATH", path + &std::env::var("PATH").expect("a PATH"))
            .env("SSH_CONFIG_OF_TEST", self.file("client_config"));
        command
    }

    /// What a rehearsal says that does not get to the engine by this server.
    #[track_caller]
    fn refuses(&self) -> String {
        refused(self.known_to(rehearsa(&[])), &["--host", &self.host()])
    }

    /// Waits until nobody is connected: each connection is a child of the server.
    #[track_caller]
    fn is_left_alone(&self) {
        let id = self.process.id();
        let started = Instant::now();
        loop {
            let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).expect("it runs");
            if children.is_empty() {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "still connected: {children}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Connections end with those who made them. A failure here must not hide the test's own.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A running server that has said that it listens on this port; `None` when it could not.
fn listening(dir: &Path, port: u16, more: &str) -> Option<Child> {
    let file = |name: &str| shown(&dir.join(name));
    let Target::Unix(socket) = crate::support::bench::target() else {
        panic!("this test wants an engine behind a Unix socket")
    };
    let config = format!(
        "ListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\nSetEnv DOCKER_HOST=unix://{}\n{more}\n",
        file("host_key"),
        file("authorized_keys"),
        shown(&socket)
    );
    fs::write(file("server_config"), config).expect("written");
    let _ = fs::remove_file(file("log"));
    // It wants to be called by its whole path, and ends with the thread that started it, however that ends.
    let mut process = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "sh", "-c", "exec \"$(command -v sshd)\" \"$@\"", "sshd", "-D"])
        .args(["-E", &file("log"), "-f", &file("server_config")])
        .env("PATH", std::env::var("PATH").expect("a PATH") + ":/usr/sbin:/sbin")
        .stdin(Stdio::null())
        .spawn()
        .expect("setpriv is installed");
    let started = Instant::now();
    while !log(dir).contains("Server listening on") {
        if process.try_wait().expect("it can be asked").is_some() {
            assert!(log(dir).contains("Address already in use"), "sshd does not start: {}", log(dir));
            return None;
        }
        assert!(started.elapsed() < PATIENCE, "sshd does not listen: {}", log(dir));
        std::thread::sleep(Duration::from_millis(20));
    }
    Some(process)
}

/// What the server said; empty before it said anything.
fn log(dir: &Path) -> String {
    fs::read_to_string(dir.join("log")).unwrap_or_default()
}

fn make_key(path: &Path) {
    let output = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &shown(path)]).output();
    assert!(output.expect("ssh-keygen is installed").status.success(), "{}", path.display());
}

#[tokio::test]
async fn a_container_is_talked_to() {
    if let Some(engine) = far() {
        return talks(&engine).await;
    }
    let server = Server::start("");
    again(server.known_to(Command::new(itself())), "ssh::a_container_is_talked_to", &server.host());
    server.is_left_alone();
}

#[test]
#[ignore = "nightly: starts an engine or a server of its own, and the code behind it rarely changes"]
fn a_service_is_rehearsed() {
    let live = service("no-ports").volume("/data").file("/data/note", "remembered").start();
    let server = Server::start("");
    let Target::Unix(socket) = crate::support::bench::target() else {
        panic!("this test wants an engine behind a Unix socket")
    };
    let host = server.host() + &shown(&socket);
    let rehearsal = rehearse_by(server.known_to(rehearsa(&[])), &[&live.name], &["--host", &host]);
    rehearsal.is_green("running");
    assert!(rehearsal.bytes() > 0, "{rehearsal}");
    server.is_left_alone();
}

#[tokio::test]
async fn calls_at_once_are_not_more_than_the_server_lets_log_in() {
    if let Some(engine) = far() {
        let daemon = Daemon::connect(&engine, None).await.expect("it answers");
        let calls = (0..20).map(|_| daemon.image_id(crate::support::bench::IMAGE));
        let answers = futures_util::future::join_all(calls).await;
        assert!(answers.iter().all(|answer| matches!(answer, Ok(Some(_)))), "{answers:?}");
        return;
    }
    // sshd's own setting is 10:30:100, by which the eleventh may be dropped.
    let server = Server::start("MaxStartups 5");
    let name = "ssh::calls_at_once_are_not_more_than_the_server_lets_log_in";
    again(server.known_to(Command::new(itself())), name, &server.host());
}

#[test]
#[ignore = "nightly: starts an engine or a server of its own, and the code behind it rarely changes"]
fn who_is_not_let_in_is_told_so() {
    let server = Server::start("");
    make_key(&server.file("other_key"));
    fs::copy(server.file("other_key.pub"), server.file("authorized_keys")).expect("copied");
    let said = server.refuses();
    assert!(said.contains("Permission denied (publickey)"), "{said}");
    assert!(said.contains("check that `ssh` to that host works without a prompt"), "{said}");
}

#[test]
#[ignore = "nightly: starts an engine or a server of its own, and the code behind it rarely changes"]
fn a_server_that_is_not_the_known_one_is_not_talked_to() {
    let server = Server::start("");
    make_key(&server.file("other_key"));
    let other = fs::read_to_string(server.file("other_key.pub")).expect("a key");
    fs::write(server.file("known_hosts"), format!("[127.0.0.1]:{} {other}", server.port)).expect("written");
    let said = server.refuses();
    assert!(said.contains("Host key verification failed"), "{said}");
    assert!(!log(server.dir.path()).contains("Accepted"), "{}", log(server.dir.path()));
}

#[test]
#[ignore = "nightly: starts an engine or a server of its own, and the code behind it rarely changes"]
fn a_host_without_docker_is_told_from_one_that_lets_nobody_in() {
    let server = Server::start("ForceCommand PATH=/nonexistent; eval \"$SSH_ORIGINAL_COMMAND\"");
    let said = server.refuses();
    assert!(said.contains("docker: ") && said.contains("not found"), "{said}");
    assert!(said.contains("that Docker runs there"), "{said}");
}

#[test]
#[ignore = "nightly: starts an engine or a server of its own, and the code behind it rarely changes"]
fn an_engine_that_does_not_run_over_there_is_named() {
    let server = Server::start("");
    let host = server.host() + "/nonexistent/docker.sock";
    let said = refused(server.known_to(rehearsa(&[])), &["--host", &host]);
    assert!(said.contains("dial unix /nonexistent/docker.sock: connect: no such file"), "{said}");
}
