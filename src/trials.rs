//! The plan as libtest-mimic trials: each selected service is a test case.
//!
//! libtest-mimic brings the threads, the names and the lines that `cargo test` users know. It neither selects (the plan
//! has), nor judges (the outcome does), nor sets the exit code.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use libtest_mimic::{Arguments, ColorSetting, Completion, Failed, FormatSetting, Trial};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::docker::{Daemon, DaemonInfo};
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::{CaseInfo, Fact, NoTests};
use crate::model::outcome::{CaseRecord, Outcome, Verdict};
use crate::model::partition::Partition;
use crate::model::plan::{Plan, ServicePlan};
use crate::model::service::ServiceName;
use crate::rehearse::sandbox::session::Session;
use crate::rehearse::sandbox::stop::StopSignal;
use crate::rehearse::{Engine, Notify, OpenedSource, Setup};
use crate::report::{Dispatcher, EventSink, Reporter, wording};

/// In the name of what the plan's filters left out, and in no service's.
const LEFT_OUT: &str = "\0left out";

/// Time to clean up once the time for the run is over.
const GRACE: Duration = Duration::from_secs(30);

/// libtest's output formats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// One line a case.
    #[default]
    Pretty,
    /// One character a case.
    Terse,
    /// One JSON event a line.
    Json,
}

/// How libtest-mimic shows itself.
#[derive(Debug, Clone, Default)]
pub struct Display {
    /// Its format.
    pub format: Format,
    /// With colours, without, or (`None`) as it sees fit.
    pub color: Option<bool>,
    /// Where its lines go instead of standard output.
    pub to_file: Option<String>,
}

/// How the run as a whole goes.
#[derive(Debug, Clone)]
pub struct RunPolicy {
    /// Start no more after so many that are not green.
    pub max_fail: Option<usize>,
    /// Attempts after the first at what errored.
    pub retries: u32,
    /// At what failed, too.
    pub retry_failures: bool,
    /// The part of the selected services that the plan holds.
    pub partition: Option<Partition>,
    /// What it means when there is no case.
    pub no_tests: NoTests,
    /// The time for all of it.
    pub global_timeout: Option<Duration>,
    /// A rehearsal that takes longer is worth a line.
    pub slow_after: Duration,
}

/// A run that is about to begin.
pub struct TrialRun {
    /// The runtime that the engine works on.
    pub runtime: Handle,
    /// The engine's connection.
    pub daemon: Daemon,
    /// What it says of itself.
    pub info: DaemonInfo,
    /// What is to be done.
    pub plan: Plan,
    /// Whose objects they are.
    pub session: Session,
    /// The plan's sources, in its order.
    pub sources: Vec<OpenedSource>,
    /// Addresses of the host that no sandbox may reach, as far as the client knows them.
    pub host_addresses: Vec<String>,
    /// The wish to stop.
    pub stop: StopSignal,
    /// Rehearsals at a time.
    pub threads: usize,
    /// How the run as a whole goes.
    pub conduct: RunPolicy,
    /// Keep the sandboxes of what is not green.
    pub keep: bool,
    /// Who shows the run.
    pub reporters: Vec<Box<dyn Reporter>>,
    /// The time of events.
    pub clock: fn() -> jiff::Timestamp,
    /// How libtest-mimic shows itself.
    pub display: Display,
}

/// Prints the names of the selected cases as libtest does. Creates nothing.
pub fn list(plan: &Plan, display: &Display) {
    let trials = plan.cases().map(|case| trial(case, || Ok(Completion::Completed))).collect();
    let arguments = Arguments { list: true, ..arguments(display, 1) };
    // A listing concludes nothing.
    let _ = libtest_mimic::run(&arguments, trials);
}

/// Runs every selected case and says what became of it. Everything is torn down before this returns. Blocks; must not be
/// called on the runtime's own threads.
pub fn run(run: TrialRun) -> Outcome {
    let TrialRun {
        runtime,
        daemon,
        info,
        plan,
        session,
        sources,
        host_addresses,
        stop,
        threads,
        conduct,
        keep,
        reporters,
        clock,
        display,
    } = run;
    let (sink, dispatcher) = Dispatcher::start(reporters, clock);
    sink.send(Fact::RunStarted {
        session: session.id.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        engine: format!("Docker {} on {}", info.version, info.name),
        cases: plan.cases().map(case_info).collect(),
        filtered_out: plan.filtered_out,
        threads,
        partition: conduct.partition,
        no_tests: conduct.no_tests,
    });
    warn_beforehand(&plan, &sink);
    let teller = InterruptReporter { stop: stop.clone(), sink: sink.clone(), told: Arc::default() };
    runtime.spawn({
        let teller = teller.clone();
        async move {
            teller.stop.cancelled().await;
            teller.tell();
        }
    });

    if let Some(time) = conduct.global_timeout {
        let (stop, sink) = (stop.clone(), sink.clone());
        runtime.spawn(async move {
            tokio::time::sleep(time).await;
            stop.time_out();
            if stop.is_out_of_time() {
                sink.send(Fact::TimedOut { seconds: time.as_secs() });
                tokio::time::sleep(GRACE).await;
                stop.end_grace();
            }
        });
    }

    let cases: Vec<ServicePlan> = plan.cases().cloned().collect();
    let filtered_out = plan.filtered_out;
    let notify = {
        let sink = sink.clone();
        Notify::new(stop.clone(), move |fact| sink.send(fact))
    };
    let engine =
        Engine::new(Setup { daemon, info, plan, session, notify, keep, sources, host_addresses, stop: stop.clone() });
    let desk = Arc::new(TrialRunner {
        engine: Arc::new(engine),
        runtime: runtime.clone(),
        sink,
        stop,
        turns: Semaphore::new(threads.max(1)),
        conduct,
        not_green: AtomicUsize::new(0),
    });
    {
        let _context = runtime.enter();
        desk.engine.warm_up();
    }
    let trials = cases.iter().map(|case| {
        let (desk, name) = (Arc::clone(&desk), case.service.name.clone());
        trial(case, move || desk.rehearse(&name))
    });
    // libtest-mimic counts what was filtered out by filtering it out itself.
    let left_out = (0..filtered_out).map(|_| Trial::test(LEFT_OUT, || Ok(())));
    let arguments = Arguments { skip: vec![LEFT_OUT.to_owned()], ..arguments(&display, threads) };
    // What became of the trials is in the events.
    let _ = libtest_mimic::run(&arguments, trials.chain(left_out).collect());
    runtime.block_on(desk.engine.finish());
    teller.tell();
    desk.sink.send(Fact::RunFinished);
    dispatcher.finish()
}

/// What every trial needs.
struct TrialRunner {
    engine: Arc<Engine>,
    runtime: Handle,
    sink: EventSink,
    stop: StopSignal,
    turns: Semaphore,
    conduct: RunPolicy,
    not_green: AtomicUsize,
}

impl TrialRunner {
    fn rehearse(self: &Arc<Self>, name: &ServiceName) -> Result<Completion, Failed> {
        self.runtime.block_on(self.take_turn(name));
        let Some(record) = self.sink.record(name) else {
            return Err("nothing is known of this rehearsal".into());
        };
        conclude(&record)
    }

    async fn take_turn(self: &Arc<Self>, name: &ServiceName) {
        let Ok(_turn) = self.turns.acquire().await else { return };
        if self.stop.is_out_of_time() {
            let diagnosis = Diagnosis::new(Code::RunTimedOut, "not begun when the time for the whole run was over");
            self.engine.abort(name, diagnosis).await;
        } else if self.stop.is_cancelled() {
            self.engine.pass_over(name, "not run: the run was interrupted").await;
        } else if self.conduct.max_fail.is_some_and(|most| self.not_green.load(Ordering::Relaxed) >= most) {
            let reason = after_enough(self.not_green.load(Ordering::Relaxed));
            self.engine.pass_over(name, &reason).await;
        } else {
            self.engine.begin(name);
            tokio::select! {
                () = self.attempts(name) => {}
                never = self.tell_slowness(name) => match never {},
            }
            let green = self.sink.record(name).is_some_and(|record| is_green(record.verdict()));
            self.not_green.fetch_add(usize::from(!green), Ordering::Relaxed);
        }
        self.engine.end(name);
    }

    /// The first attempt, and those after it that are allowed.
    async fn attempts(&self, name: &ServiceName) {
        for attempt in 1..=self.conduct.retries.saturating_add(1) {
            // A task of its own, so that a panic is known and what it leaves is torn down.
            let (engine, case) = (Arc::clone(&self.engine), name.clone());
            let task = self.runtime.spawn(async move {
                match attempt {
                    1 => engine.rehearse(&case).await,
                    _ => engine.rehearse_again(&case, attempt).await,
                }
            });
            if let Err(broken) = task.await {
                self.engine.abort(name, Diagnosis::new(Code::RunPanicked, broken.to_string())).await;
            }
            let record = self.sink.record(name);
            if !record.is_some_and(|record| self.conduct.tries_again(&record)) || self.stop.is_cancelled() {
                return;
            }
        }
    }

    async fn tell_slowness(&self, name: &ServiceName) -> Infallible {
        let mut waited = Duration::ZERO;
        loop {
            tokio::time::sleep(self.conduct.slow_after).await;
            waited += self.conduct.slow_after;
            self.sink.send(Fact::CaseSlow { case: name.clone(), seconds: waited.as_secs() });
        }
    }
}

fn is_green(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Passed | Verdict::Skipped)
}

impl RunPolicy {
    /// Whether what became of this attempt is worth another.
    fn tries_again(&self, record: &CaseRecord) -> bool {
        match record.verdict() {
            Verdict::Passed | Verdict::Skipped => false,
            Verdict::Failed => self.retry_failures,
            // An open sandbox is as open the next time, and nothing must be booted in it.
            Verdict::Errored => record.diagnosis().is_none_or(|diagnosis| diagnosis.code != Code::SandboxNotIsolated),
        }
    }
}

/// A record in libtest's words.
fn conclude(record: &CaseRecord) -> Result<Completion, Failed> {
    match record.verdict() {
        Verdict::Passed => Ok(Completion::Completed),
        Verdict::Skipped => Ok(Completion::ignored_with(record.skipped.as_deref().unwrap_or("skipped"))),
        Verdict::Failed | Verdict::Errored => {
            let text = wording::failure_text(record);
            Err(text.unwrap_or_else(|| "nothing was found out about this service".to_owned()).into())
        }
    }
}

fn trial(case: &ServicePlan, runner: impl FnOnce() -> Result<Completion, Failed> + Send + 'static) -> Trial {
    Trial::ignorable_test(case.service.name.to_string(), runner)
        .with_kind(case.kind)
        .with_ignored_flag(case.ignored.is_some())
}

/// libtest-mimic's own arguments. On one thread it would write the begin of a line before a case and the rest after it,
/// and the steps in between; with a second one it writes whole lines, and turns see to it that still only one case runs.
fn arguments(display: &Display, threads: usize) -> Arguments {
    let Display { format, color, to_file } = display.clone();
    let format = match format {
        Format::Pretty => FormatSetting::Pretty,
        Format::Terse => FormatSetting::Terse,
        Format::Json => FormatSetting::Json,
    };
    let color = match color {
        None => ColorSetting::Auto,
        Some(true) => ColorSetting::Always,
        Some(false) => ColorSetting::Never,
    };
    Arguments {
        test_threads: Some(threads.max(2)),
        format: Some(format),
        color: Some(color),
        logfile: to_file,
        ..Arguments::default()
    }
}

/// Why a rehearsal is not begun after so many that were not green.
fn after_enough(not_green: usize) -> String {
    let were = if not_green == 1 { "was" } else { "were" };
    format!("not run: {not_green} before it {were} not green")
}

fn case_info(case: &ServicePlan) -> CaseInfo {
    CaseInfo {
        name: case.service.name.clone(),
        source: case.kind.to_owned(),
        snapshot: case.snapshot.clone(),
        image: case.service.image.clone(),
        changes: case.changes.clone(),
        ignored: case.ignored.clone(),
        declared: case.service.declared.clone(),
    }
}

fn warn_beforehand(plan: &Plan, sink: &EventSink) {
    for case in plan.cases() {
        for diagnosis in &case.warnings {
            sink.send(Fact::Warned { cases: vec![case.service.name.clone()], diagnosis: diagnosis.clone() });
        }
    }
}

/// Tells of the signal that ended the run, once.
#[derive(Clone)]
struct InterruptReporter {
    stop: StopSignal,
    sink: EventSink,
    told: Arc<AtomicBool>,
}

impl InterruptReporter {
    fn tell(&self) {
        if let Some(signal) = self.stop.signal()
            && !self.told.swap(true, Ordering::AcqRel)
        {
            self.sink.send(Fact::Interrupted { signal });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_was_not_green_is_no_plural() {
        assert_eq!(after_enough(1), "not run: 1 before it was not green");
        assert_eq!(after_enough(2), "not run: 2 before it were not green");
    }
}
