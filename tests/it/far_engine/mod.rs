//! An engine that is reached over SSH or TLS, each with a real server that the test starts. An engine that refuses
//! Rehearsa gets an error that names the reason. Needs root, a Docker engine on this machine and the fixture images.

mod ssh;
mod stacks;
mod tls;

use std::path::PathBuf;
use std::process::Command;

use rehearsa::docker::{ConnectInputs, Daemon, Target};

use crate::support::bench::{Bench, script, with_session};

/// Where the engine is: set for a test that runs itself [`again`].
const FAR: &str = "REHEARSA_TEST_FAR_ENGINE";

/// The engine that this process is to talk to, when it was started by [`again`].
fn far() -> Option<Target> {
    let inputs = ConnectInputs {
        docker_host: Some(std::env::var(FAR).ok()?),
        tls_verify: std::env::var("DOCKER_TLS_VERIFY").ok(),
        cert_path: std::env::var_os("DOCKER_CERT_PATH").map(PathBuf::from),
        ..ConnectInputs::default()
    };
    Some(Target::resolve(&inputs).expect("a test names it rightly"))
}

/// This test program.
fn itself() -> PathBuf {
    std::env::current_exe().expect("this program")
}

/// Runs one test of this program again, in a process of its own. The test needs another environment or network than
/// the other tests of this program.
#[track_caller]
fn again(mut command: Command, test: &str, host: &str) {
    // The test may be one of the nightly run.
    command.args(["--exact", "--include-ignored", &format!("far_engine::{test}")]);
    let output = command.env(FAR, host).output().expect("this program starts");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// Input and output of a container go there and back, each to its end.
async fn talks(target: &Target) {
    with_session(async |bench| {
        let daemon = Daemon::connect(target, None).await.expect("it answers");
        let there = Bench { daemon, marks: bench.marks.clone() };
        let (code, out, err) = there.run("cat", script("cat; echo end >&2"), b"hello").await;
        assert_eq!((code, out.as_str(), err.as_str()), (0, "hello", "end\n"));
    })
    .await;
}

/// What rehearsa says when it is asked for a rehearsal and does not get to an engine.
#[track_caller]
fn refused(mut command: Command, args: &[&str]) -> String {
    let output = command.args(["test", "--exact", "nobody"]).args(args).output().expect("rehearsa starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(102), "{said}");
    said
}
