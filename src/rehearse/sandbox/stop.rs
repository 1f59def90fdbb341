//! The wish to stop: given once by the signal handler, and awaited by everything that takes time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use tokio_util::sync::CancellationToken;

/// Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct StopSignal {
    cancelled: CancellationToken,
    grace_over: CancellationToken,
    signal: Arc<AtomicI32>,
    out_of_time: Arc<AtomicBool>,
}

impl StopSignal {
    /// Nobody wishes to stop yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everything to stop and clean up. The first signal is the one that is remembered.
    pub fn cancel(&self, signal: i32) {
        // A later signal must not change the exit code; that the value is set already is then no failure.
        let _ = self.signal.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
        self.cancelled.cancel();
    }

    /// Asks everything to stop and clean up because the time for the run is over. A signal that came first is the
    /// reason.
    pub fn time_out(&self) {
        if !self.is_cancelled() {
            self.out_of_time.store(true, Ordering::SeqCst);
            self.cancelled.cancel();
        }
    }

    /// The time for the run was over, and nothing else had ended it by then.
    pub fn is_out_of_time(&self) -> bool {
        self.out_of_time.load(Ordering::SeqCst)
    }

    /// Says that the time for cleaning up is over.
    pub fn end_grace(&self) {
        self.grace_over.cancel();
    }

    /// Ends when somebody asks to stop.
    pub async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }

    /// Somebody asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }

    /// Ends when the time for cleaning up is over: what is not removed by then is left to `rehearsa clean`.
    pub async fn grace_over(&self) {
        self.grace_over.cancelled().await;
    }

    /// The signal that asked first.
    pub fn signal(&self) -> Option<i32> {
        Some(self.signal.load(Ordering::SeqCst)).filter(|signal| *signal != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_was_interrupted_is_not_out_of_time() {
        let stop = StopSignal::new();
        stop.cancel(2);
        stop.time_out();
        assert!(!stop.is_out_of_time());
        let stop = StopSignal::new();
        stop.time_out();
        assert_eq!((stop.is_out_of_time(), stop.is_cancelled(), stop.signal()), (true, true, None));
    }

    #[tokio::test]
    async fn the_first_signal_is_remembered_and_heard_by_all_clones() {
        let stop = StopSignal::new();
        let heard = stop.clone();
        assert_eq!((heard.is_cancelled(), heard.signal()), (false, None));
        stop.cancel(2);
        stop.cancel(15);
        heard.cancelled().await;
        assert_eq!(heard.signal(), Some(2));
        stop.end_grace();
        heard.grace_over().await;
    }
}
