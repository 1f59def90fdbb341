//! Sends the facts of the engine; a step has a beginning and an end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::model::diagnosis::Diagnosis;
use crate::model::event::{Amount, Compared, Fact, Step, StepResult, WitnessSummary};
use crate::model::service::ServiceName;

use super::sandbox::stop::StopSignal;

/// The sender of the engine's facts.
#[derive(Clone)]
pub struct Notify {
    send: Arc<dyn Fn(Fact) + Send + Sync>,
    is_green: Arc<dyn Fn(&ServiceName) -> bool + Send + Sync>,
    next: Arc<AtomicU64>,
    halted: Arc<AtomicBool>,
    stop: StopSignal,
}

impl Notify {
    /// Sends facts to `send`, in order. After a `stop`, a step that breaks counts as stopped, since its sandbox is
    /// being removed.
    pub fn new(stop: StopSignal, send: impl Fn(Fact) + Send + Sync + 'static) -> Self {
        let (send, is_green) = (Arc::new(send), Arc::new(|_: &ServiceName| true));
        Self { send, is_green, next: Arc::new(AtomicU64::new(1)), halted: Arc::default(), stop }
    }

    /// Asks `is_green` whether the facts so far make a case green. It may wait for the reports.
    pub fn judged_by(self, is_green: impl Fn(&ServiceName) -> bool + Send + Sync + 'static) -> Self {
        Self { is_green: Arc::new(is_green), ..self }
    }

    /// Whether the facts so far make a case green: it may have shown less than is required of it.
    pub async fn is_green(&self, case: &ServiceName) -> bool {
        let (is_green, case) = (Arc::clone(&self.is_green), case.clone());
        tokio::task::spawn_blocking(move || is_green(&case)).await.unwrap_or(true)
    }

    /// Sends a fact.
    pub fn send(&self, fact: Fact) {
        (self.send)(fact);
    }

    /// A sink for a second boot: `overhear` gets all facts, and only those about objects left behind go on to the
    /// reports, because the others are no findings about the data.
    pub fn silenced(&self, overhear: impl Fn(&Fact) + Send + Sync + 'static) -> Notify {
        let send = Arc::clone(&self.send);
        let only_left = move |fact| {
            overhear(&fact);
            if matches!(fact, Fact::LeftBehind { .. }) {
                send(fact);
            }
        };
        Notify { send: Arc::new(only_left), ..self.clone() }
    }

    /// Records that all work is being stopped for a reason other than a signal: steps that break now count as
    /// stopped.
    pub fn halt(&self) {
        self.halted.store(true, Ordering::SeqCst);
    }

    /// Begins a step.
    pub fn begin(&self, cases: Vec<ServiceName>, step: Step) -> OpenStep {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(id, ?step, "step started");
        self.send(Fact::StepStarted { id, cases, step });
        OpenStep { id, notify: self.clone(), open: true }
    }
}

/// A step that has begun. If it is dropped, it counts as stopped.
pub struct OpenStep {
    id: u64,
    notify: Notify,
    open: bool,
}

impl OpenStep {
    /// Reports progress.
    pub fn progress(&self, amount: Amount, total: Option<Amount>) {
        self.notify.send(Fact::StepProgress { id: self.id, amount, total });
    }

    /// Ends the step well.
    pub fn done(self) {
        self.end(StepResult::done());
    }

    /// Ends the step well, with an amount or a note for the report.
    pub fn done_with(self, amount: Option<Amount>, note: Option<String>) {
        self.end(StepResult::Done { amount, note, compared: None, witness: None });
    }

    /// Ends the step well, with the counts of the comparisons with the backup and with live, and a note for the report.
    pub fn done_comparing(self, compared: Option<Compared>, witness: Option<WitnessSummary>, note: Option<String>) {
        let witness = witness.map(Box::new);
        self.end(StepResult::Done { amount: None, note, compared, witness });
    }

    /// Ends the step with a diagnosis, and returns that.
    pub fn broke(self, diagnosis: Diagnosis) -> Diagnosis {
        let stopped = self.notify.stop.is_cancelled() || self.notify.halted.load(Ordering::SeqCst);
        self.end(if stopped { StepResult::Stopped } else { StepResult::Broke { diagnosis: diagnosis.clone() } });
        diagnosis
    }

    fn end(mut self, result: StepResult) {
        self.open = false;
        tracing::debug!(id = self.id, ?result, "step finished");
        self.notify.send(Fact::StepFinished { id: self.id, result });
    }
}

impl Drop for OpenStep {
    fn drop(&mut self) {
        if self.open {
            self.notify.send(Fact::StepFinished { id: self.id, result: StepResult::Stopped });
        }
    }
}
