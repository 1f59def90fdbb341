//! The only consumer of events: orders them, folds them into the outcome and passes each to all reporters.
//!
//! Only [`Outcome`] judges. A reporter that fails or panics is dropped with one warning. If the user asked for its
//! report, it is noted in [`Outcome::lost_reports`].

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use jiff::Timestamp;

use super::Reporter;
use crate::model::event::{Event, Fact};
use crate::model::outcome::{CaseRecord, Outcome};
use crate::model::service::ServiceName;

enum Message {
    Event(Event),
    Record(ServiceName, SyncSender<Option<CaseRecord>>),
    End,
}

/// The sender of facts. Cheap to clone and to share between threads.
#[derive(Clone)]
pub struct EventSink {
    sender: Sender<Message>,
    clock: fn() -> Timestamp,
}

impl EventSink {
    /// Sends a fact, stamped with the current time. After [`Dispatcher::finish`] facts are dropped.
    pub fn send(&self, fact: Fact) {
        // The receiver is dropped only after the end of the run, when no reporter is left.
        let _ = self.sender.send(Message::Event(Event { at: (self.clock)(), fact }));
    }

    /// The record of a case after all events that were sent before this call; waits until the reporters have seen
    /// them. `None` for a case that was not selected, and after [`Dispatcher::finish`].
    pub fn record(&self, case: &ServiceName) -> Option<CaseRecord> {
        let (answer, answered) = sync_channel(1);
        self.sender.send(Message::Record(case.clone(), answer)).ok()?;
        answered.recv().ok().flatten()
    }
}

/// Makes the last facts of a run of the outcome that it will have.
pub type BeforeEnd = Box<dyn FnOnce(&Outcome) -> Vec<Fact> + Send>;

/// Facts about the run as a whole that do not come from the engine.
#[derive(Default)]
pub struct RunFacts {
    /// Sent right after the begin of the run.
    pub after_begin: Vec<Fact>,
    /// Called once before the end of the run, with the outcome that it will have; what it returns is sent before.
    pub before_end: Option<BeforeEnd>,
}

/// The thread that consumes the events.
pub struct Dispatcher {
    sender: Sender<Message>,
    thread: JoinHandle<Outcome>,
}

impl Dispatcher {
    /// Starts the thread with these reporters, in their order; `clock` stamps the events.
    ///
    /// # Panics
    ///
    /// When the system has no thread to give, as [`std::thread::spawn`] does.
    pub fn start(reporters: Vec<Box<dyn Reporter>>, clock: fn() -> Timestamp) -> (EventSink, Dispatcher) {
        Self::start_with(reporters, clock, RunFacts::default())
    }

    /// As [`Dispatcher::start`], with facts about the run.
    ///
    /// # Panics
    ///
    /// As [`Dispatcher::start`].
    pub fn start_with(
        reporters: Vec<Box<dyn Reporter>>,
        clock: fn() -> Timestamp,
        facts: RunFacts,
    ) -> (EventSink, Dispatcher) {
        let (sender, receiver) = channel();
        let thread = std::thread::Builder::new()
            .name("reports".to_owned())
            .spawn(move || EventLoop { reporters, outcome: Outcome::new(), facts }.serve(&receiver, clock))
            .expect("a thread can be started at the begin of a run");
        (EventSink { sender: sender.clone(), clock }, Dispatcher { sender, thread })
    }

    /// Ends the thread after all events that were sent, and returns the outcome. If [`Fact::RunFinished`] was never
    /// sent (the engine broke), the run is ended here, so that the reports are whole.
    pub fn finish(self) -> Outcome {
        // The thread ends only at this message, or by a panic, which `join` returns.
        let _ = self.sender.send(Message::End);
        match self.thread.join() {
            Ok(outcome) => outcome,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// Passes the events of a recorded run to `reporters`, with their own times; returns the outcome. The outcome of a
/// killed run stays unfinished. The reporters still get [`Fact::RunFinished`], at the time of the last event, so that
/// they write their files; the outcome tells them that the run had no end.
pub fn show_recorded(reporters: Vec<Box<dyn Reporter>>, events: impl IntoIterator<Item = Event>) -> Outcome {
    let mut event_loop = EventLoop { reporters, outcome: Outcome::new(), facts: RunFacts::default() };
    let mut last = Timestamp::UNIX_EPOCH;
    for event in events {
        last = event.at;
        event_loop.take(&event);
    }
    if event_loop.outcome.finished.is_none() {
        event_loop.show(&Event { at: last, fact: Fact::RunFinished });
    }
    event_loop.outcome
}

/// Folds the events and shows them to the reporters.
struct EventLoop {
    reporters: Vec<Box<dyn Reporter>>,
    outcome: Outcome,
    facts: RunFacts,
}

impl EventLoop {
    fn serve(mut self, receiver: &Receiver<Message>, clock: fn() -> Timestamp) -> Outcome {
        while let Ok(message) = receiver.recv() {
            match message {
                Message::Event(event) => self.take(&event),
                Message::Record(case, answer) => {
                    // The asking thread may have ended.
                    let _ = answer.send(self.outcome.case(&case).cloned());
                }
                Message::End => break,
            }
        }
        if self.outcome.started.is_some() && self.outcome.finished.is_none() {
            self.take(&Event { at: clock(), fact: Fact::RunFinished });
        }
        self.outcome
    }

    fn take(&mut self, event: &Event) {
        if event.fact == Fact::RunFinished
            && let Some(before_end) = self.facts.before_end.take()
        {
            let mut outcome = self.outcome.clone();
            outcome.apply(event);
            self.take_all(event.at, before_end(&outcome));
        }
        self.outcome.apply(event);
        self.show(event);
        if matches!(event.fact, Fact::RunStarted { .. }) {
            let facts = std::mem::take(&mut self.facts.after_begin);
            self.take_all(event.at, facts);
        }
    }

    fn take_all(&mut self, at: Timestamp, facts: Vec<Fact>) {
        for fact in facts {
            self.take(&Event { at, fact });
        }
    }

    fn show(&mut self, event: &Event) {
        let outcome = &self.outcome;
        let mut lost = Vec::new();
        self.reporters.retain_mut(|reporter| {
            let problem = match catch_unwind(AssertUnwindSafe(|| reporter.event(event, outcome))) {
                Ok(Ok(())) => return true,
                Ok(Err(error)) => error.to_string(),
                Err(panic) => format!("it panicked: {}", panic_text(panic.as_ref())),
            };
            let lost_report = format!("{}: {problem}", reporter.name());
            if reporter.is_asked_for() {
                tracing::warn!("lost a report, the run goes on without it: {lost_report}");
                lost.push(lost_report);
            } else {
                tracing::warn!("{lost_report}; nobody asked for it, so the run's result stays as it is");
            }
            false
        });
        self.outcome.lost_reports.append(&mut lost);
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::model::outcome::{ExitCode, Verdict};
    use crate::report::sample;

    /// Notes the events it gets; breaks at the third event in the given way.
    struct Probe {
        seen: Arc<Mutex<Vec<Event>>>,
        breaks: Option<fn() -> io::Result<()>>,
        asked_for: bool,
    }

    impl Reporter for Probe {
        fn name(&self) -> &str {
            "probe"
        }

        fn is_asked_for(&self) -> bool {
            self.asked_for
        }

        fn event(&mut self, event: &Event, _: &Outcome) -> io::Result<()> {
            let mut seen = self.seen.lock().expect("no probe panics while it holds the lock");
            seen.push(event.clone());
            let count = seen.len();
            drop(seen);
            match self.breaks {
                Some(breaks) if count == 3 => breaks(),
                _ => Ok(()),
            }
        }
    }

    type Seen = Arc<Mutex<Vec<Event>>>;

    fn probe(breaks: Option<fn() -> io::Result<()>>) -> (Box<dyn Reporter>, Seen) {
        let seen = Seen::default();
        (Box::new(Probe { seen: Arc::clone(&seen), breaks, asked_for: true }), seen)
    }

    fn clock() -> Timestamp {
        sample::at(7.0)
    }

    #[test]
    fn every_reporter_sees_every_event_in_order_and_stamped() {
        let (first, seen_first) = probe(None);
        let (second, seen_second) = probe(None);
        let (sink, dispatcher) = Dispatcher::start(vec![first, second], clock);
        let facts: Vec<Fact> = sample::mixed().into_iter().map(|event| event.fact).collect();
        facts.iter().for_each(|fact| sink.send(fact.clone()));
        let outcome = dispatcher.finish();
        let seen = seen_first.lock().expect("unpoisoned");
        assert_eq!(seen.iter().map(|event| event.fact.clone()).collect::<Vec<_>>(), facts);
        assert!(seen.iter().all(|event| event.at == clock()));
        assert_eq!(*seen, *seen_second.lock().expect("unpoisoned"));
        assert_eq!(outcome.lost_reports, Vec::<String>::new());
    }

    #[test]
    fn a_reporter_that_fails_or_panics_is_lost_and_harms_nobody() {
        let (failing, seen_failing) = probe(Some(|| Err(io::Error::other("disk full"))));
        let (panicking, seen_panicking) = probe(Some(|| panic!("out of ink")));
        let (steady, seen_steady) = probe(None);
        let (sink, dispatcher) = Dispatcher::start(vec![failing, panicking, steady], clock);
        let events = sample::one_passed();
        events.iter().for_each(|event| sink.send(event.fact.clone()));
        let outcome = dispatcher.finish();
        assert_eq!(outcome.lost_reports, ["probe: disk full", "probe: it panicked: out of ink"]);
        assert_eq!(outcome.exit_code(), ExitCode::Errored, "a lost report is noticed");
        assert_eq!(seen_failing.lock().expect("unpoisoned").len(), 3);
        assert_eq!(seen_panicking.lock().expect("unpoisoned").len(), 3);
        assert_eq!(seen_steady.lock().expect("unpoisoned").len(), events.len());
    }

    #[test]
    fn a_report_that_nobody_asked_for_may_be_lost() {
        let seen = Seen::default();
        let breaks: Option<fn() -> io::Result<()>> = Some(|| Err(io::Error::other("no such folder")));
        let unasked = Box::new(Probe { seen: Arc::clone(&seen), breaks, asked_for: false });
        let (sink, dispatcher) = Dispatcher::start(vec![unasked], clock);
        sample::one_passed().into_iter().for_each(|event| sink.send(event.fact));
        let outcome = dispatcher.finish();
        assert_eq!((outcome.exit_code(), seen.lock().expect("unpoisoned").len()), (ExitCode::Passed, 3));
    }

    #[test]
    fn a_record_is_answered_after_all_that_was_sent_before() {
        let (sink, dispatcher) = Dispatcher::start(Vec::new(), clock);
        for event in sample::mixed() {
            sink.send(event.fact);
        }
        let other = sink.clone();
        let name = sample::name("media", "jellyfin");
        let record = std::thread::spawn(move || other.record(&name)).join().expect("no panic");
        assert_eq!(record.expect("the case is known").verdict(), Verdict::Passed);
        assert_eq!(sink.record(&sample::name("media", "unknown")), None);
        dispatcher.finish();
        assert_eq!(sink.record(&sample::name("media", "jellyfin")), None, "the run is over");
        sink.send(Fact::RunFinished);
    }

    #[test]
    fn facts_about_the_run_come_after_its_begin_and_before_its_end() {
        let (reporter, seen) = probe(None);
        let baseline = crate::report::comparison::baseline_of(&sample::outcome(&sample::mixed()));
        let after_begin = vec![Fact::BaselineRead { baseline: Box::new(baseline.clone()) }];
        let warning = |outcome: &Outcome| {
            assert_eq!(outcome.exit_code(), ExitCode::Passed, "the outcome of the whole run");
            let diagnosis = crate::model::diagnosis::Diagnosis::new(crate::model::diagnosis::Code::RunNotNotified, "x");
            vec![Fact::Warned { cases: Vec::new(), diagnosis }]
        };
        let facts = RunFacts { after_begin, before_end: Some(Box::new(warning)) };
        let (sink, dispatcher) = Dispatcher::start_with(vec![reporter], clock, facts);
        sample::one_passed().into_iter().for_each(|event| sink.send(event.fact));
        let outcome = dispatcher.finish();
        assert_eq!((outcome.baseline, outcome.warnings.len()), (Some(baseline), 1));
        assert_eq!(outcome.finished, Some(clock()));
        let seen = seen.lock().expect("unpoisoned");
        assert!(matches!(seen[1].fact, Fact::BaselineRead { .. }));
        assert!(matches!(seen[seen.len() - 2].fact, Fact::Warned { .. }));
        assert_eq!(seen[seen.len() - 1].fact, Fact::RunFinished);
    }

    #[test]
    fn recorded_events_keep_their_time() {
        let (reporter, seen) = probe(None);
        assert_eq!(show_recorded(vec![reporter], sample::mixed()), sample::outcome(&sample::mixed()));
        assert_eq!(*seen.lock().expect("unpoisoned"), sample::mixed());
    }

    #[test]
    fn the_reports_of_a_killed_run_are_written_and_its_outcome_stays_open() {
        let (reporter, seen) = probe(None);
        let killed = sample::killed();
        assert_eq!(show_recorded(vec![reporter], killed.clone()), sample::outcome(&killed));
        let seen = seen.lock().expect("unpoisoned");
        let last = killed.last().expect("some").at;
        assert_eq!(seen.last(), Some(&Event { at: last, fact: Fact::RunFinished }));
        assert_eq!(seen.len(), killed.len() + 1);
    }

    #[test]
    fn a_run_whose_engine_broke_is_ended() {
        let (reporter, seen) = probe(None);
        let (sink, dispatcher) = Dispatcher::start(vec![reporter], clock);
        sink.send(sample::one_passed().remove(0).fact);
        let outcome = dispatcher.finish();
        assert_eq!(outcome.finished, Some(clock()));
        assert_eq!(outcome.exit_code(), ExitCode::Errored, "nothing was said of the case");
        assert_eq!(seen.lock().expect("unpoisoned").last().map(|event| event.fact.clone()), Some(Fact::RunFinished));
    }
}
