//! From a plan to a run and its exit code: what `test` and `demo` share.

use std::io::{self, IsTerminal};

use super::choices::TestFormat;
use super::exit::Failure;
use super::notify::{EndNotice, RunNotices};
use super::presentation::{Presentation, Stream};
use super::{identity, reporters};
use crate::config::settings::Settings;
use crate::history::ProfileHistory;
use crate::model::outcome::ExitCode;
use crate::model::plan::Plan;
use crate::rehearse::sandbox::stop::StopSignal;
use crate::rehearse::{Notify, RunContext};
use crate::report::human::HumanStyle;
use crate::report::profiles::ProfileKeeper;
use crate::report::{self, Dispatcher, EventSink, Reporter};
use crate::trials::{self, LibtestDisplay, LibtestFormat, RunPolicy};

/// Lists the selected services on standard output, as libtest does.
pub fn list(plan: &Plan, presentation: &Presentation) -> Result<(), Failure> {
    let listed = trials::list(plan, &display(presentation, false));
    listed.map_err(|error| Failure::errored(format!("cannot write the list to standard output: {error}")))
}

/// The events of a run, on their way to its reports.
pub struct RunEvents {
    sink: EventSink,
    dispatcher: Dispatcher,
    end: EndNotice,
}

impl RunEvents {
    /// Opens the reports, which show every event from now on.
    /// `history`: where the profiles of green services are kept.
    pub fn start(
        settings: &Settings,
        presentation: &Presentation,
        history: Option<ProfileHistory>,
        notices: RunNotices,
    ) -> Result<Self, Failure> {
        let opened = report::open(&settings.reports, Box::new(io::stdout()));
        let mut reporters = reporters::of(opened, &settings.reports, Some(style(presentation)))?;
        reporters.extend(history.map(|history| Box::new(ProfileKeeper::new(history)) as Box<dyn Reporter>));
        let (facts, end) = notices.into_run();
        let (sink, dispatcher) = Dispatcher::start_with(reporters, identity::timestamp, facts);
        Ok(Self { sink, dispatcher, end })
    }

    /// Hands the facts of the engine to the reports.
    pub fn notify(&self, stop: &StopSignal) -> Notify {
        let (sink, judge) = (self.sink.clone(), self.sink.clone());
        Notify::new(stop.clone(), move |fact| sink.send(fact)).judged_by(move |case| {
            // A case that the reports do not know is none that could be kept.
            judge.record(case).is_none_or(|record| record.diagnoses.is_empty())
        })
    }
}

/// Rehearses, and returns the exit code of the outcome. `context` sends its facts to `events`.
pub fn rehearse(
    context: RunContext,
    plan: Plan,
    settings: &Settings,
    presentation: &Presentation,
    events: RunEvents,
) -> ExitCode {
    let RunEvents { sink, dispatcher, end: notice } = events;
    let single = plan.cases().count() == 1;
    let printed = trials::run(context, plan, policy(settings), sink, &display(presentation, single));
    end(dispatcher, notice, printed)
}

/// Reports a plan of which nothing can be rehearsed, and returns the exit code of the outcome.
pub fn refuse(plan: &Plan, settings: &Settings, presentation: &Presentation, events: RunEvents) -> ExitCode {
    let RunEvents { sink, dispatcher, end: notice } = events;
    let session = identity::session("").id;
    let single = plan.cases().count() == 1;
    let printed = trials::refuse(&session, plan, &policy(settings), &sink, &display(presentation, single));
    drop(sink);
    end(dispatcher, notice, printed)
}

/// Waits until the reports are written.
fn end(dispatcher: Dispatcher, notice: EndNotice, printed: io::Result<()>) -> ExitCode {
    let mut outcome = dispatcher.finish();
    if let Err(error) = printed {
        outcome.lost_reports.push(format!("the lines on standard output: {error}"));
    }
    reporters::tell_of_lost(&outcome);
    notice.correct(&outcome);
    outcome.exit_code()
}

fn policy(settings: &Settings) -> RunPolicy {
    RunPolicy {
        threads: settings.threads,
        max_fail: settings.max_fail,
        retries: settings.retries.count,
        retry_failures: settings.retries.failures,
        partition: settings.selection.partition,
        no_tests: settings.no_tests,
        global_timeout: settings.global_timeout,
        slow_after: settings.slow_after,
    }
}

fn style(presentation: &Presentation) -> HumanStyle {
    let terminal = io::stderr().is_terminal();
    HumanStyle {
        color: presentation.color.applies(terminal),
        progress: terminal && presentation.steps,
        width: None,
        quiet: !presentation.steps,
        verbose: presentation.verbose,
    }
}

/// How libtest's own lines are shown. They are dropped where a report takes standard output, and for a single service
/// at a terminal, where the steps say the same.
fn display(presentation: &Presentation, single: bool) -> LibtestDisplay {
    let told_twice =
        single && presentation.format == TestFormat::Pretty && io::stdout().is_terminal() && io::stderr().is_terminal();
    let silent = told_twice || presentation.libtest_to == Stream::Stderr;
    LibtestDisplay {
        format: match presentation.format {
            TestFormat::Pretty => LibtestFormat::Pretty,
            TestFormat::Terse => LibtestFormat::Terse,
            TestFormat::Json => LibtestFormat::Json,
        },
        color: Some(presentation.color.applies(io::stdout().is_terminal())),
        to_file: silent.then(|| "/dev/null".to_owned()),
    }
}
