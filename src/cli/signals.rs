//! Signals: the first asks the run to stop and clean up within the grace, a second shortens the grace, a third ends the
//! process at once.
//!
//! CI systems give little time: GitHub 7.5 s between SIGINT and SIGTERM, GitLab about 10 s.

use std::future::Future;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use super::console;
use super::exit::Failure;
use crate::model::outcome::ExitCode;
use crate::rehearse::sandbox::stop::StopSignal;

/// Time to clean up after the first signal.
pub const GRACE: Duration = Duration::from_secs(5);
/// Time to clean up after a second signal.
pub const SHORT_GRACE: Duration = Duration::from_secs(1);
/// Time after the grace to report what is left behind. A run that has not ended by then never will.
const LAST_WORDS: Duration = Duration::from_secs(3);

const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;

/// Listens from now on. Must be called inside the runtime. The process no longer dies of these signals by itself.
pub fn listen() -> StopSignal {
    let stop = StopSignal::new();
    match Listener::new() {
        Ok(listener) => {
            tokio::spawn(listener.run(stop.clone()));
        }
        // Signals then end the process at once, and the next run's sweep cleans up.
        Err(error) => warn!("cannot listen for signals: {error}"),
    }
    stop
}

/// Does the work, or fails as soon as a signal comes. Only for work that can be dropped without leaving anything
/// behind.
pub async fn unless_stopped<T>(
    stop: &StopSignal,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        result = work => result,
        () = stop.cancelled() => Err(interrupted(stop)),
    }
}

/// The failure of a command that was asked to stop.
pub fn interrupted(stop: &StopSignal) -> Failure {
    let exit = if stop.signal() == Some(2) { ExitCode::Interrupted } else { ExitCode::Terminated };
    Failure { exit, ..Failure::errored("interrupted") }
}

struct Listener {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
}

impl Listener {
    fn new() -> std::io::Result<Self> {
        // Under `nohup` the hangup is ignored, and must stay so.
        let hangup = if hangup_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())?, hangup })
    }

    async fn next(&mut self) -> i32 {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => SIGINT,
            _ = self.terminate.recv() => SIGTERM,
            _ = hangup => SIGHUP,
        }
    }

    async fn run(mut self, stop: StopSignal) {
        let first = self.next().await;
        debug!(signal = first, "asked to stop");
        stop.cancel(first);
        console::note(&format!("Stopping and cleaning up (at most {} s; interrupt again to hurry) …", GRACE.as_secs()));
        let mut end = Instant::now() + GRACE;
        let mut signals = 1;
        loop {
            tokio::select! {
                _ = self.next() => {
                    signals += 1;
                    if signals > 2 {
                        leave(first);
                    }
                    end = end.min(Instant::now() + SHORT_GRACE);
                }
                () = sleep_until(end) => break,
            }
        }
        stop.end_grace();
        tokio::select! {
            _ = self.next() => {}
            () = sleep_until(end + LAST_WORDS) => {}
        }
        leave(first);
    }
}

fn leave(signal: i32) -> ! {
    console::note("Not everything could be cleaned up: run `rehearsa clean`.");
    std::process::exit(128 + signal)
}

/// Bit 0 of the mask of ignored signals is SIGHUP's.
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored_mask(&status).is_some_and(|mask| mask & 1 == 1)
}

fn ignored_mask(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_hangup_is_seen_in_the_process_status() {
        assert_eq!(ignored_mask("Name:\tx\nSigIgn:\t0000000000001001\n"), Some(0x1001));
        assert_eq!(ignored_mask("Name:\tx\n"), None);
    }

    #[tokio::test]
    async fn work_that_is_stopped_ends_with_the_signals_code() {
        for (signal, exit) in [(2, 130), (15, 143)] {
            let stop = StopSignal::new();
            stop.cancel(signal);
            let never = std::future::pending::<Result<(), Failure>>();
            let failure = unless_stopped(&stop, never).await.expect_err("it was stopped");
            assert_eq!(failure.exit.number(), exit);
        }
    }
}
