//! The plan as libtest-mimic trials: each selected service is a test case.
//!
//! libtest-mimic brings the threads, the names and the lines that `cargo test` users know. It neither selects (the plan
//! has), nor judges (the outcome does), nor sets the exit code.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use libtest_mimic::{Arguments, ColorSetting, Completion, Failed, FormatSetting, Trial};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::{CaseInfo, Fact, NoTests};
use crate::model::outcome::{CaseRecord, Verdict};
use crate::model::partition::Partition;
use crate::model::plan::{Plan, ServicePlan};
use crate::model::service::ServiceName;
use crate::rehearse::sandbox::stop::StopSignal;
use crate::rehearse::{Engine, RunContext};
use crate::report::text::one_line;
use crate::report::{EventSink, wording};

mod stdout;

use stdout::LastingStdout;

/// Name of the trials that stand for the services that filters left out. No service can have this name.
const LEFT_OUT: &str = "\0left out";

/// Time for the clean-up after the run's time limit.
const GRACE: Duration = Duration::from_secs(30);

/// Output format of libtest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LibtestFormat {
    /// One line for each case.
    #[default]
    Pretty,
    /// One character for each case.
    Terse,
    /// One JSON event for each line.
    Json,
}

/// Options for libtest-mimic's output.
#[derive(Debug, Clone, Default)]
pub struct LibtestDisplay {
    pub format: LibtestFormat,
    /// Whether to use colours; `None`: libtest-mimic decides.
    pub color: Option<bool>,
    /// File for the output; `None`: standard output.
    pub to_file: Option<String>,
}

/// How many rehearsals run, and when the run ends.
#[derive(Debug, Clone)]
pub struct RunPolicy {
    /// Number of rehearsals that run at the same time.
    pub threads: usize,
    /// No more rehearsals start after so many that were not green; `None`: no limit.
    pub max_fail: Option<usize>,
    /// Attempts after the first at a rehearsal that errored.
    pub retries: u32,
    /// Failed rehearsals are repeated, too.
    pub retry_failures: bool,
    /// The part of the selected services that the plan has; `None`: all.
    pub partition: Option<Partition>,
    /// What a run without cases means.
    pub no_tests: NoTests,
    /// Time limit for the whole run.
    pub global_timeout: Option<Duration>,
    /// A rehearsal is reported as slow after this time, and again after each further such time.
    pub slow_after: Duration,
}

/// Prints the names of the selected cases as libtest does. Creates nothing.
///
/// # Errors
///
/// When standard output cannot be written to, though somebody reads it.
pub fn list(plan: &Plan, display: &LibtestDisplay) -> io::Result<()> {
    let trials = plan.cases().map(|case| make_trial(case, || Ok(Completion::Completed))).collect();
    print(Arguments { list: true, ..libtest_arguments(display, 1) }, trials)
}

/// Gives the trials to libtest-mimic. The events have the verdicts, so its result is ignored.
fn print(arguments: Arguments, trials: Vec<Trial>) -> io::Result<()> {
    let stdout = if arguments.logfile.is_none() { LastingStdout::open() } else { None };
    let logfile = arguments.logfile.clone().or(stdout.as_ref().map(LastingStdout::path));
    let _ = libtest_mimic::run(&Arguments { logfile, ..arguments }, trials);
    stdout.map_or(Ok(()), LastingStdout::finish)
}

/// Runs all selected cases. The facts go to `sink`; `context` sends its facts there, too. Returns after the teardown.
/// Blocks, so it must not be called on the runtime's own threads.
///
/// # Errors
///
/// When standard output cannot be written to, though somebody reads it. The run is over nevertheless.
pub fn run(
    context: RunContext,
    plan: Plan,
    policy: RunPolicy,
    sink: EventSink,
    display: &LibtestDisplay,
) -> io::Result<()> {
    let (runtime, stop, threads) = (context.runtime.clone(), context.stop.clone(), policy.threads);
    let engine = format!("Docker {} on {}", context.info.version, context.info.name);
    sink.send(run_started((&context.session.id, engine), &plan, &policy));
    warn_beforehand(&plan, &sink);
    let interrupts = InterruptReporter { stop: stop.clone(), sink: sink.clone(), reported: Arc::default() };
    runtime.spawn({
        let interrupts = interrupts.clone();
        async move {
            interrupts.stop.cancelled().await;
            interrupts.report();
        }
    });
    if let Some(time) = policy.global_timeout {
        runtime.spawn(end_after(time, stop.clone(), sink.clone()));
    }

    let cases: Vec<ServicePlan> = plan.cases().cloned().collect();
    let filtered_out = plan.filtered_out;
    let runner = Arc::new(TrialRunner {
        engine: Arc::new(Engine::new(context, plan)),
        runtime: runtime.clone(),
        sink,
        stop,
        turns: Semaphore::new(threads.max(1)),
        policy,
        not_green: AtomicUsize::new(0),
    });
    {
        let _context = runtime.enter();
        runner.engine.warm_up();
    }
    let trials = cases.iter().map(|case| {
        let (runner, name) = (Arc::clone(&runner), case.service.name.clone());
        make_trial(case, move || runner.rehearse(&name))
    });
    // libtest-mimic counts only what it filters out itself.
    let left_out = (0..filtered_out).map(|_| Trial::test(LEFT_OUT, || Ok(())));
    let arguments = Arguments { skip: vec![LEFT_OUT.to_owned()], ..libtest_arguments(display, threads) };
    let printed = print(arguments, trials.chain(left_out).collect());
    runtime.block_on(runner.engine.finish());
    interrupts.report();
    runner.sink.send(Fact::RunFinished);
    printed
}

/// Reports a run in which no selected case can be rehearsed, as the plan says of each. No engine is asked.
///
/// # Errors
///
/// As [`run`].
pub fn refuse(
    session: &str,
    plan: &Plan,
    policy: &RunPolicy,
    sink: &EventSink,
    display: &LibtestDisplay,
) -> io::Result<()> {
    sink.send(run_started((session, "no engine was asked".to_owned()), plan, policy));
    warn_beforehand(plan, sink);
    let trials = plan.cases().map(|case| {
        let (sink, name, blocked) = (sink.clone(), case.service.name.clone(), case.blocked.clone());
        make_trial(case, move || {
            sink.send(Fact::CaseStarted { case: name.clone() });
            if let Some(diagnosis) = blocked {
                sink.send(Fact::CaseAborted { case: name.clone(), diagnosis });
            }
            sink.send(Fact::CaseFinished { case: name.clone() });
            sink.record(&name)
                .map_or_else(|| Err("there is no record of this rehearsal".into()), |of| libtest_result(&of))
        })
    });
    let left_out = (0..plan.filtered_out).map(|_| Trial::test(LEFT_OUT, || Ok(())));
    let arguments = Arguments { skip: vec![LEFT_OUT.to_owned()], ..libtest_arguments(display, policy.threads) };
    let printed = print(arguments, trials.chain(left_out).collect());
    sink.send(Fact::RunFinished);
    printed
}

/// `session` with the engine, for people.
fn run_started((session, engine): (&str, String), plan: &Plan, policy: &RunPolicy) -> Fact {
    Fact::RunStarted {
        session: session.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        engine,
        cases: plan.cases().map(case_info).collect(),
        filtered_out: plan.filtered_out,
        threads: policy.threads,
        partition: policy.partition,
        no_tests: policy.no_tests,
    }
}

/// Ends the run after its time limit, and the clean-up after its own.
async fn end_after(time: Duration, stop: StopSignal, sink: EventSink) {
    tokio::time::sleep(time).await;
    stop.time_out();
    if stop.is_out_of_time() {
        sink.send(Fact::TimedOut { seconds: time.as_secs() });
        tokio::time::sleep(GRACE).await;
        stop.end_grace();
    }
}

/// Runs the trials, at most `policy.threads` at the same time.
struct TrialRunner {
    engine: Arc<Engine>,
    runtime: Handle,
    sink: EventSink,
    stop: StopSignal,
    turns: Semaphore,
    policy: RunPolicy,
    not_green: AtomicUsize,
}

impl TrialRunner {
    fn rehearse(self: &Arc<Self>, name: &ServiceName) -> Result<Completion, Failed> {
        self.runtime.block_on(self.take_turn(name));
        let Some(record) = self.sink.record(name) else {
            return Err("there is no record of this rehearsal".into());
        };
        libtest_result(&record)
    }

    async fn take_turn(self: &Arc<Self>, name: &ServiceName) {
        let Ok(_turn) = self.turns.acquire().await else { return };
        if self.stop.is_out_of_time() {
            let diagnosis = Diagnosis::new(Code::RunTimedOut, "not started before the time for the whole run was over");
            self.engine.abort(name, diagnosis).await;
        } else if self.stop.is_cancelled() {
            self.engine.pass_over(name, "not run: the run was interrupted").await;
        } else if self.policy.max_fail.is_some_and(|most| self.not_green.load(Ordering::Relaxed) >= most) {
            let reason = after_enough(self.not_green.load(Ordering::Relaxed));
            self.engine.pass_over(name, &reason).await;
        } else {
            self.engine.begin(name);
            tokio::select! {
                () = self.run_attempts(name) => {}
                never = self.report_slowness(name) => match never {},
            }
            let green = self.sink.record(name).is_some_and(|record| is_green(record.verdict()));
            self.not_green.fetch_add(usize::from(!green), Ordering::Relaxed);
        }
        self.engine.end(name);
    }

    /// Runs the first attempt and those that the policy allows after it.
    async fn run_attempts(&self, name: &ServiceName) {
        for attempt in 1..=self.policy.retries.saturating_add(1) {
            // Each attempt is a task of its own: if it panics, the panic is reported and the sandbox torn down.
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
            if !record.is_some_and(|record| self.policy.tries_again(&record)) || self.stop.is_cancelled() {
                return;
            }
        }
    }

    async fn report_slowness(&self, name: &ServiceName) -> Infallible {
        let mut waited = Duration::ZERO;
        loop {
            tokio::time::sleep(self.policy.slow_after).await;
            waited += self.policy.slow_after;
            self.sink.send(Fact::CaseSlow { case: name.clone(), seconds: waited.as_secs() });
        }
    }
}

fn is_green(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Passed | Verdict::Skipped)
}

impl RunPolicy {
    /// Whether the policy allows another attempt after this result.
    fn tries_again(&self, record: &CaseRecord) -> bool {
        let changes = record.diagnosis().is_none_or(|diagnosis| !diagnosis.code.is_lasting());
        match record.verdict() {
            Verdict::Passed | Verdict::Skipped => false,
            Verdict::Failed => self.retry_failures && changes,
            Verdict::Errored => changes,
        }
    }
}

/// Turns the record of a case into libtest's result.
fn libtest_result(record: &CaseRecord) -> Result<Completion, Failed> {
    match record.verdict() {
        Verdict::Passed => Ok(Completion::Completed),
        // A label chooses these words, and each case has one line.
        Verdict::Skipped => Ok(Completion::ignored_with(one_line(record.skipped.as_deref().unwrap_or("skipped")))),
        Verdict::Failed | Verdict::Errored => {
            let text = wording::failure_text(record);
            Err(text.unwrap_or_else(|| "nothing was found out about this service".to_owned()).into())
        }
    }
}

fn make_trial(case: &ServicePlan, runner: impl FnOnce() -> Result<Completion, Failed> + Send + 'static) -> Trial {
    Trial::ignorable_test(case.service.name.to_string(), runner)
        .with_kind(case.kind)
        .with_ignored_flag(case.ignored.is_some())
}

/// Arguments for libtest-mimic. With one thread it writes the beginning of a line before a case and the rest after it,
/// and the steps would come in between. With two threads it writes whole lines; `TrialRunner::turns` makes sure that
/// only one case runs.
fn libtest_arguments(display: &LibtestDisplay, threads: usize) -> Arguments {
    let LibtestDisplay { format, color, to_file } = display.clone();
    let format = match format {
        LibtestFormat::Pretty => FormatSetting::Pretty,
        LibtestFormat::Terse => FormatSetting::Terse,
        LibtestFormat::Json => FormatSetting::Json,
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

/// The reason for a rehearsal that does not start because of `max_fail`.
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
        required: case.settings.require_proof,
        score_basis: Some(Box::new(case.score_basis.clone())),
    }
}

/// Tells the warnings of the plan. What several services of a stack share, as a folder with their configuration, is
/// told once, for all of them.
fn warn_beforehand(plan: &Plan, sink: &EventSink) {
    for (diagnosis, cases) in warnings_of(plan) {
        sink.send(Fact::Warned { cases, diagnosis: diagnosis.clone() });
    }
}

fn warnings_of(plan: &Plan) -> Vec<(&Diagnosis, Vec<ServiceName>)> {
    let mut told: Vec<(&Diagnosis, Vec<ServiceName>)> = Vec::new();
    for case in plan.cases() {
        let name = &case.service.name;
        for diagnosis in &case.warnings {
            let is_shared = |(other, names): &&mut (&Diagnosis, Vec<ServiceName>)| {
                *other == diagnosis && names[0].stack_name() == name.stack_name()
            };
            match told.iter_mut().find(is_shared) {
                Some((_, names)) => names.push(name.clone()),
                None => told.push((diagnosis, vec![name.clone()])),
            }
        }
    }
    told
}

/// Reports the signal that ended the run; at most once.
#[derive(Clone)]
struct InterruptReporter {
    stop: StopSignal,
    sink: EventSink,
    reported: Arc<AtomicBool>,
}

impl InterruptReporter {
    fn report(&self) {
        if let Some(signal) = self.stop.signal()
            && !self.reported.swap(true, Ordering::AcqRel)
        {
            self.sink.send(Fact::Interrupted { signal });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::Event;
    use crate::model::outcome::Outcome;
    use crate::model::sample;
    use crate::model::settings::ServiceSettings;
    use crate::plan;

    /// A run of one case that was aborted for this reason.
    fn aborted(code: Code) -> [Fact; 2] {
        let case = ServiceName::lone("app");
        let begin = Fact::RunStarted {
            session: String::new(),
            version: String::new(),
            engine: String::new(),
            cases: vec![sample::case_info(case.clone())],
            filtered_out: 0,
            threads: 1,
            partition: None,
            no_tests: NoTests::Fail,
        };
        [begin, Fact::CaseAborted { case, diagnosis: Diagnosis::new(code, "why") }]
    }

    #[test]
    fn what_services_of_a_stack_share_is_told_once() {
        let names = [("a", "web"), ("a", "job"), ("b", "web")];
        let service = |(stack, name)| (sample::service(ServiceName::of_stack(stack, name)), ServiceSettings::default());
        let draft = plan::draft(names.map(service).to_vec(), &Default::default());
        let now = "2026-11-01T00:00:00Z".parse().expect("a time");
        let mut plan = plan::resolve(draft, Vec::new(), now);
        let warning = |message: &str| Diagnosis::new(Code::RestoreNotInBackup, message);
        for service in plan.stacks.iter_mut().flat_map(|stack| &mut stack.services) {
            service.warnings = vec![warning("conf is not in it"), warning(&service.service.name.to_string())];
        }
        let told: Vec<usize> = warnings_of(&plan).iter().map(|(_, cases)| cases.len()).collect();
        assert_eq!(told.iter().sum::<usize>(), 6, "each case has its two");
        assert_eq!(told.len(), 5, "the two of the stack a are told together");
    }

    #[test]
    fn what_cannot_change_is_not_tried_again() {
        let policy = RunPolicy {
            threads: 1,
            max_fail: None,
            retries: 3,
            retry_failures: true,
            partition: None,
            no_tests: NoTests::Fail,
            global_timeout: None,
            slow_after: Duration::from_secs(60),
        };
        let again = |code| {
            let mut outcome = Outcome::new();
            for fact in aborted(code) {
                outcome.apply(&Event { at: jiff::Timestamp::UNIX_EPOCH, fact });
            }
            policy.tries_again(&outcome.cases[0])
        };
        let lasting = [Code::RestoreTooLarge, Code::SourceCorrupt, Code::SourceOtherFormat, Code::SandboxNotIsolated];
        for code in lasting {
            assert!(!again(code), "{code}");
        }
        for code in [Code::WorkerFailed, Code::HostUnreachable, Code::BootExited, Code::RestoreNoSpace] {
            assert!(again(code), "{code}");
        }
    }

    #[test]
    fn the_reason_of_a_skip_is_one_line() {
        let mut outcome = Outcome::new();
        let [begin, _] = aborted(Code::WorkerFailed);
        let reason = "no\ntest [live] other ... ok".to_owned();
        for fact in [begin, Fact::CaseSkipped { case: ServiceName::lone("app"), reason }] {
            outcome.apply(&Event { at: jiff::Timestamp::UNIX_EPOCH, fact });
        }
        let Ok(Completion::Ignored { reason: Some(reason) }) = libtest_result(&outcome.cases[0]) else {
            panic!("it is skipped")
        };
        assert_eq!(reason, "no test [live] other ... ok");
    }

    #[test]
    fn one_that_was_not_green_is_no_plural() {
        assert_eq!(after_enough(1), "not run: 1 before it was not green");
        assert_eq!(after_enough(2), "not run: 2 before it were not green");
    }
}
