//! `--notify` and `--baseline`: who is told of a run, and the earlier run that it is compared with.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use super::exit::Failure;
use super::{console, identity, replay};
use crate::config::Environment;
use crate::config::settings::Settings;
use crate::config::values::notify::NotifyWhen;
use crate::model::baseline::Baseline;
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::Fact;
use crate::model::outcome::{ExitCode, Outcome};
use crate::notifications::{Beginning, DEFAULT_LIMIT, MailEnvironment, Message, Notifier};
use crate::report::{RunFacts, earlier_run};

/// Tells of one run.
#[derive(Default)]
pub struct RunNotices {
    /// `None`: nobody is to be told.
    notifier: Option<Notifier>,
    beginning: Beginning,
    baseline: Option<Baseline>,
}

/// Tells of the begin of a run, and reads the run that it is compared with, which may lie where the reports go.
pub fn begin(settings: &Settings, env: &Environment) -> Result<RunNotices, Failure> {
    let asked = settings.notify();
    let when = asked.when.unwrap_or_default();
    if !asked.targets.is_empty() && when == NotifyWhen::Change && settings.baseline.is_none() {
        return Err(Failure::usage("notifying of a change needs the last run to compare with, and none is named")
            .hint(
                "name its record or its reports: --baseline reports; with `--report-dir reports` that is the last run",
            ));
    }
    let baseline = settings.baseline.as_deref().and_then(read_baseline);
    let notifier = (!asked.targets.is_empty()).then(|| Notifier {
        targets: asked.targets,
        when,
        limit: asked.limit.unwrap_or(DEFAULT_LIMIT),
        mail: MailEnvironment {
            path: env.get("PATH").unwrap_or_default().to_owned(),
            home: env.get("HOME").map(str::to_owned),
        },
    });
    let begun = Message::begun(&identity::host());
    let beginning = notifier.as_ref().map(|notifier| notifier.begin(begun)).unwrap_or_default();
    Ok(RunNotices { notifier, beginning, baseline })
}

/// The result of the earlier run; `None`, with a note: there is none that can be read. That is no error: a first night
/// has no earlier one.
fn read_baseline(path: &Path) -> Option<Baseline> {
    let path = replay::record_file(path);
    if !path.exists() {
        console::note(&format!("--baseline: there is no {} yet, so this run is compared with none", path.display()));
        return None;
    }
    let read = replay::read(&path).map_err(|failure| failure.error.to_string());
    match read.and_then(|text| earlier_run::read(&replay::called(&path), &text)) {
        Ok(baseline) => Some(baseline),
        Err(why) => {
            console::note(&format!("--baseline: {why}; this run is compared with none"));
            None
        }
    }
}

/// What a run sends at its end, once.
pub struct EndNotice {
    notifier: Option<Notifier>,
    /// The exit code that was told.
    told: Arc<OnceLock<ExitCode>>,
}

impl RunNotices {
    /// What becomes of the notices in a run that begins: the facts for its events, and what is left for its end.
    pub fn into_run(self) -> (RunFacts, EndNotice) {
        let RunNotices { notifier, beginning, baseline } = self;
        let baseline = baseline.map(|read| Fact::BaselineRead { baseline: Box::new(read) });
        let told = Arc::new(OnceLock::new());
        let end = EndNotice { notifier: notifier.clone(), told: Arc::clone(&told) };
        let tell = move |outcome: &Outcome| {
            let mut failed = beginning.wait();
            if let Some(notifier) = notifier {
                failed.extend(notifier.tell(&Message::ended(&identity::host(), outcome)));
            }
            // It is told once.
            let _ = told.set(outcome.exit_code());
            failed.into_iter().map(not_notified).collect()
        };
        (RunFacts { after_begin: baseline.into_iter().collect(), before_end: Some(Box::new(tell)) }, end)
    }

    /// Tells that no run began.
    pub fn never_began(self, failure: &Failure) {
        let mut failed = self.beginning.wait();
        if let Some(notifier) = self.notifier {
            let reason = failure.error.to_string();
            failed.extend(notifier.tell(&Message::never_began(&identity::host(), failure.exit, &reason)));
        }
        failed.iter().for_each(|words| console::note(&format!("Not notified: {words}")));
    }
}

impl EndNotice {
    /// Tells again if the run ended otherwise than was told: a report was lost while its end was written.
    pub fn correct(self, outcome: &Outcome) {
        let is_other = self.told.get().is_some_and(|told| *told != outcome.exit_code());
        let Some(notifier) = self.notifier.filter(|_| is_other) else { return };
        for words in notifier.tell(&Message::ended(&identity::host(), outcome)) {
            console::note(&format!("Not notified: {words}"));
        }
    }
}

fn not_notified(words: String) -> Fact {
    Fact::Warned { cases: Vec::new(), diagnosis: Diagnosis::new(Code::RunNotNotified, words) }
}
