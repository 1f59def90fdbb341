//! Opening the sources that a draft asks for, and looking through them.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::exit::Failure;
use super::identity;
use crate::config::overrides::SnapshotSelector;
use crate::docker::Daemon;
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::environment::Environment;
use crate::model::source::{BackupAccess, BackupSurvey, MountQuery};
use crate::plan::{SourceRequest, Survey};
use crate::rehearse::OpenedSource;
use crate::rehearse::sandbox::stop::StopSignal;
use crate::rehearse::survey::live_files;
use crate::source::{Backup, DecodeBounds, EngineHost, HostFolder, SourceContext, SourceError};

/// The sources that were opened, and what was found in each; both in the order of the requests.
pub type Surveyed = (Vec<OpenedSource>, Vec<Result<Survey, Diagnosis>>);

/// Surveys every source of the draft. A source that cannot be opened is no failure here: the plan reports it for the
/// services that need it. A snapshot that the user asked for and that no source has is wrong usage.
pub async fn survey(
    requests: &[SourceRequest],
    daemon: &Daemon,
    snapshot: Option<&SnapshotSelector>,
    environment: &Environment,
    stop: &StopSignal,
) -> Result<Surveyed, Failure> {
    let (mut sources, mut surveys, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for request in requests {
        let place = request.spec.place.clone();
        let (survey, backup) = match survey_source(request.clone(), daemon, environment, stop).await? {
            Ok((survey, backup)) => (Ok(surveyed(survey)), Some(Arc::new(backup))),
            Err(NotSurveyed::Unknown(diagnosis)) => {
                unknown.push(diagnosis.message.clone());
                (Err(diagnosis), None)
            }
            Err(NotSurveyed::Other(diagnosis)) => (Err(diagnosis), None),
        };
        sources.push(OpenedSource { place, backup });
        surveys.push(survey);
    }
    if let Some(SnapshotSelector::Named(name)) = snapshot
        && unknown.len() == requests.len()
        && !requests.is_empty()
    {
        let told = format!("--snapshot {name}: no source has a snapshot of this name: {}", unknown.join("; "));
        return Err(Failure::usage(told).hint("`rehearsa plan` without --snapshot shows the newest; `latest` takes it"));
    }
    Ok((sources, surveys))
}

/// Why a source was not surveyed.
enum NotSurveyed {
    /// It has snapshots, and not the wanted one.
    Unknown(Diagnosis),
    /// For another reason.
    Other(Diagnosis),
}

fn surveyed(survey: BackupSurvey) -> Survey {
    let BackupSurvey { snapshot, contents: found, access } = survey;
    let (tree, dump) = match access {
        BackupAccess::Stream => (None, None),
        BackupAccess::HostPath(path) => (Some(path), None),
        BackupAccess::Dump(dump) => (None, Some(dump)),
    };
    Survey { snapshot, found, tree, dump }
}

/// Opens a source and surveys it. Reading may wait long for a disk or a program, so it runs on a thread of its own,
/// which is abandoned when the run ends. Folders of the engine's host are surveyed by a worker, at the thread's
/// request.
async fn survey_source(
    request: SourceRequest,
    daemon: &Daemon,
    environment: &Environment,
    stop: &StopSignal,
) -> Result<Result<(BackupSurvey, Backup), NotSurveyed>, Failure> {
    let (ask, mut asked) = mpsc::unbounded_channel();
    let (tell, mut told) = oneshot::channel();
    let SourceRequest { spec, queries, max_entries, max_window } = request;
    let context = SourceContext {
        environment: environment.clone(),
        decoding: DecodeBounds { max_window, one_large_at_a_time: true },
        // This very program, also if its file was replaced meanwhile.
        executable: "/proc/self/exe".into(),
        host: Arc::new(HostByChannel(ask)),
    };
    let place = spec.place.clone();
    std::thread::spawn(move || {
        let result =
            Backup::open(&spec, &context).and_then(|backup| Ok((backup.survey(&queries, max_entries)?, backup)));
        // After an interruption nobody receives this.
        let _ = tell.send(result);
    });
    let result = loop {
        tokio::select! {
            biased;
            result = &mut told => break result,
            Some(HostQuestion { path, queries, answer }) = asked.recv() => {
                let found = live_files::look(daemon, &identity::session("plan-"), &path, queries, stop).await?;
                let found = found.map(|(contents, modified)| HostFolder { contents, modified });
                // The thread waits for this answer, unless it has ended.
                let _ = answer.send(found);
            }
        }
    };
    Ok(match result {
        Ok(result) => result.map_err(|error| match error {
            SourceError::UnknownSnapshot(_) => NotSurveyed::Unknown(error.diagnosis(&place)),
            error => NotSurveyed::Other(error.diagnosis(&place)),
        }),
        Err(_) => {
            let message = format!("reading {place} ended unexpectedly");
            Err(NotSurveyed::Other(Diagnosis::new(Code::RunPanicked, message)))
        }
    })
}

/// A question of a source about the engine's host.
struct HostQuestion {
    path: String,
    queries: Vec<MountQuery>,
    answer: std::sync::mpsc::Sender<Result<HostFolder, String>>,
}

/// Sends a source's questions to the owner of the engine's connection, and waits for the answers.
struct HostByChannel(mpsc::UnboundedSender<HostQuestion>);

impl EngineHost for HostByChannel {
    fn survey(&self, path: &str, queries: &[MountQuery]) -> Result<HostFolder, SourceError> {
        let gone = || SourceError::NotThere("the connection to the engine's host was closed".to_owned());
        let (answer, answered) = std::sync::mpsc::channel();
        let question = HostQuestion { path: path.to_owned(), queries: queries.to_vec(), answer };
        self.0.send(question).map_err(|_| gone())?;
        answered.recv().map_err(|_| gone())?.map_err(SourceError::NotThere)
    }
}
