//! The wish to stop: said once by whoever hears a signal, heard by everything that takes time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use tokio_util::sync::CancellationToken;

/// Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    cancelled: CancellationToken,
    grace_over: CancellationToken,
    signal: Arc<AtomicI32>,
}

impl Stop {
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

    #[tokio::test]
    async fn the_first_signal_is_remembered_and_heard_by_all_clones() {
        let stop = Stop::new();
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
