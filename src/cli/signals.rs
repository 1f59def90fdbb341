//! Signals: the first asks the run to stop and clean up within the grace, a second shortens the grace, a third ends the
//! process at once. What comes in a burst is one request, as a closing shell sends several; a hangup after the first
//! request says nothing new.
//!
//! CI systems give little time: GitHub 7.5 s between SIGINT and SIGTERM, GitLab about 10 s. In a CI job the end of the
//! parent process counts as SIGTERM ([`super::parent`]).

use std::future::Future;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use super::console;
use super::exit::Failure;
use super::parent::JobParent;
use crate::config::Environment;
use crate::model::outcome::ExitCode;
use crate::rehearse::sandbox::stop::StopSignal;

/// Time to clean up after the first signal.
pub const GRACE: Duration = Duration::from_secs(5);
/// Time to clean up after a second signal.
pub const SHORT_GRACE: Duration = Duration::from_secs(2);
/// Time after the grace to report what is left behind. A run that has not ended by then never will.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Signals that follow each other within this time are one request.
const BURST: Duration = Duration::from_millis(300);

const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;

/// Listens from now on. Must be called inside the runtime. The process no longer dies of these signals by itself.
pub fn listen(env: &Environment) -> StopSignal {
    let stop = StopSignal::new();
    match Listener::new(JobParent::find(env)) {
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
    quit: Signal,
    hangup: Option<Signal>,
    /// The process whose end ends the run.
    parent: Option<JobParent>,
}

/// The requests to stop so far.
struct Requests {
    count: u32,
    last: Instant,
}

impl Requests {
    /// The first request came now.
    fn first(now: Instant) -> Self {
        Self { count: 1, last: now }
    }

    /// Counts a signal if it is a further request.
    fn hear(&mut self, signal: i32, now: Instant) -> u32 {
        let is_burst = now.saturating_duration_since(self.last) < BURST;
        self.last = now;
        self.count += u32::from(signal != SIGHUP && !is_burst);
        self.count
    }
}

impl Listener {
    fn new(parent: Option<JobParent>) -> std::io::Result<Self> {
        // Under `nohup` the hangup is ignored, and must stay so.
        let hangup = if hangup_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate, quit: signal(SignalKind::quit())?, hangup, parent })
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
            _ = self.quit.recv() => SIGTERM,
            _ = hangup => SIGHUP,
        }
    }

    async fn run(mut self, stop: StopSignal) {
        let parent = self.parent.take();
        let gone = async {
            match parent {
                Some(parent) => parent.gone().await,
                None => std::future::pending().await,
            }
        };
        let first = tokio::select! {
            signal = self.next() => signal,
            () = gone => {
                console::note("The process that started this run has ended, so the CI job is over.");
                SIGTERM
            }
        };
        debug!(signal = first, "asked to stop");
        stop.cancel(first);
        console::note(&format!("Stopping and cleaning up (at most {} s; interrupt again to hurry) …", GRACE.as_secs()));
        let mut end = Instant::now() + GRACE;
        let mut requests = Requests::first(Instant::now());
        loop {
            tokio::select! {
                signal = self.next() => match requests.hear(signal, Instant::now()) {
                    1 => {}
                    2 => end = end.min(Instant::now() + SHORT_GRACE),
                    _ => leave(first),
                },
                () = sleep_until(end) => break,
            }
        }
        stop.end_grace();
        let before = requests.count;
        loop {
            tokio::select! {
                signal = self.next() => if requests.hear(signal, Instant::now()) > before { break },
                () = sleep_until(end + LAST_WORDS) => break,
            }
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

    #[test]
    fn a_burst_is_one_request_and_a_hangup_is_no_further_one() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut requests = Requests::first(start);
        let heard: Vec<u32> =
            [(SIGHUP, 50), (SIGINT, 100), (SIGINT, 350), (SIGHUP, 900), (SIGINT, 1300), (SIGTERM, 2000)]
                .into_iter()
                .map(|(signal, millis)| requests.hear(signal, at(millis)))
                .collect();
        assert_eq!(heard, [1, 1, 1, 1, 2, 3]);
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
