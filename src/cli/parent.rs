//! The process that started this one. In a CI job it is the job's shell, or the runner if the shell has become this
//! process by `exec`.
//!
//! CI systems send the signal of a cancelled job to the shell alone and then kill it. A rehearsal that the shell has
//! started without `exec` would go on with nobody to read its result, so in a CI job the end of the parent ends the
//! run. Anywhere else somebody may have closed a shell on purpose, and the run goes on.

use std::os::fd::OwnedFd;
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, getppid, pidfd_open};
use tokio::sync::oneshot;
use tracing::debug;

use crate::config::Environment;

/// Variables that show a CI job. Most systems set `CI`; the others set one of the rest.
const SHOWS_CI: [&str; 8] = [
    "CI",
    "GITHUB_ACTIONS",
    "GITEA_ACTIONS",
    "FORGEJO_ACTIONS",
    "GITLAB_CI",
    "JENKINS_URL",
    "TEAMCITY_VERSION",
    "TF_BUILD",
];

/// The parent of this process, in a CI job.
#[derive(Debug)]
pub struct JobParent {
    /// Is told when the parent has ended.
    end: oneshot::Receiver<()>,
}

impl JobParent {
    /// Finds the parent. `None`: this is no CI job, or the parent cannot be watched: a process that an engine starts in
    /// a container has none there, and kernels before 5.3 cannot watch.
    pub fn find(env: &Environment) -> Option<Self> {
        if !is_ci_job(env) {
            return None;
        }
        let parent = getppid()?;
        let opened = pidfd_open(parent, PidfdFlags::empty());
        let (sender, end) = oneshot::channel();
        // The id may be that of another process already if the parent has ended before the line above.
        if getppid() != Some(parent) {
            // The receiver is here.
            let _ = sender.send(());
            return Some(Self { end });
        }
        match opened {
            Ok(process) => thread::spawn(move || watch(&process, sender)),
            Err(error) => {
                debug!("the parent process {parent:?} cannot be watched: {error}");
                return None;
            }
        };
        Some(Self { end })
    }

    /// Ends when the parent has ended.
    pub async fn gone(self) {
        if self.end.await.is_err() {
            // It could not be watched to its end.
            std::future::pending::<()>().await;
        }
    }
}

/// Waits for the end of the process, or of this one. The thread is never joined.
fn watch(process: &OwnedFd, ended: oneshot::Sender<()>) {
    loop {
        match poll(&mut [PollFd::new(process, PollFlags::IN)], None) {
            // Nobody listens any more once the run is over.
            Ok(_) => return ended.send(()).unwrap_or(()),
            Err(Errno::INTR) => {}
            Err(error) => return debug!("the parent process is watched no more: {error}"),
        }
    }
}

fn is_ci_job(env: &Environment) -> bool {
    SHOWS_CI.iter().any(|name| env.get(name).is_some_and(|value| value != "false"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ci_job_is_known_by_its_environment() {
        let is_job = |name: &str, value: &str| is_ci_job(&[(name, value)].into_iter().collect());
        assert!(is_job("CI", "true") && is_job("CI", "woodpecker") && is_job("JENKINS_URL", "http://ci"));
        assert!(!is_job("CI", "false") && !is_job("CI", "") && !is_job("HOME", "/root"));
    }

    #[tokio::test]
    async fn a_parent_that_lives_is_not_gone() {
        let env = |value: &'static str| [("CI", value)].into_iter().collect();
        assert!(JobParent::find(&env("false")).is_none());
        // The parent of the tests is cargo or a shell.
        let parent = JobParent::find(&env("true")).expect("it can be watched");
        let is_gone = tokio::select! {
            biased;
            () = parent.gone() => true,
            () = tokio::task::yield_now() => false,
        };
        assert!(!is_gone);
        let (sender, end) = oneshot::channel();
        sender.send(()).expect("the receiver is here");
        JobParent { end }.gone().await;
    }
}
