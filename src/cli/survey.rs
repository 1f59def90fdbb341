//! Opening the sources that a draft asks for, and looking through them.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::exit::Failure;
use super::identity;
use crate::config::overrides::SnapshotSelector;
use crate::docker::Daemon;
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::dump_inside::{DumpInside, learn_servers as learn};
use crate::model::environment::Environment;
use crate::model::event::Snapshot;
use crate::model::host_tree::{HostLook, HostSeen, HostTree};
use crate::model::program::ProgramPaths;
use crate::model::source::{BackupAccess, BackupContents, BackupSurvey, MountQuery};
use crate::plan::{DumpSummary, ReadDump, SourceRequest, Survey};
use crate::rehearse::OpenedSource;
use crate::rehearse::sandbox::stop::StopSignal;
use crate::rehearse::survey::live_files;
use crate::source::{Backup, DecodeBounds, EngineHost, HostFolder, OpenedDump, SourceContext, SourceError};
use crate::worker::protocol;

/// Longest list of dumps that is read, in bytes.
const LONGEST_LIST: u64 = 4 << 20;

/// Why a folder of the engine's host is not looked into.
const NO_ENGINE: &str = "it lies on the engine's host, and a plan from Compose files asks no engine";

/// The sources that were opened, and what was found in each; both in the order of the requests. The dumps among their
/// files come after the sources.
pub type Surveyed = (Vec<OpenedSource>, Vec<Result<Survey, Diagnosis>>);

/// How the sources of a run are opened.
pub struct SourceOptions<'a> {
    /// The snapshot that the user asked for in the whole run.
    pub snapshot: Option<&'a SnapshotSelector>,
    /// The environment of the process.
    pub environment: &'a Environment,
    /// Paths of programs that the user names.
    pub programs: ProgramPaths,
}

/// Surveys every source of the draft. A source that cannot be opened is no failure here: the plan reports it for the
/// services that need it. A snapshot that the user asked for and that no source has is wrong usage.
pub async fn survey(
    requests: &[SourceRequest],
    daemon: Option<&Daemon>,
    options: &SourceOptions<'_>,
    stop: &StopSignal,
) -> Result<Surveyed, Failure> {
    let (mut sources, mut surveys, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    let mut of_dumps = Vec::new();
    for request in requests {
        let place = request.spec.place.clone();
        let read = survey_source(request.clone(), daemon, options, stop, SurveyedSource::of).await?;
        let (survey, backup) = match read {
            Ok(SurveyedSource { backup, survey, dumps }) => {
                let inside = dumps.into_iter().map(|dump| read_dump(dump, requests.len(), &mut of_dumps)).collect();
                (Ok(surveyed(survey, inside)), Some(Arc::new(backup)))
            }
            Err(NotSurveyed::Unknown(diagnosis)) => {
                unknown.push(diagnosis.message.clone());
                (Err(diagnosis), None)
            }
            Err(NotSurveyed::Other(diagnosis)) => (Err(diagnosis), None),
        };
        sources.push(OpenedSource { place, backup, is_project: false });
        surveys.push(survey);
    }
    sources.extend(of_dumps);
    refuse_unknown(options.snapshot, &unknown, requests.len())?;
    Ok((sources, surveys))
}

/// A snapshot of a source, and what was found in it.
pub type SurveyedSnapshot = (Snapshot, Result<Survey, Diagnosis>);

/// How far a source is looked into.
#[derive(Debug, Clone, Copy)]
pub struct SurveyDepth {
    /// Most snapshots, the chosen one included.
    pub snapshots: usize,
    /// The content of this many of them is read too.
    pub read_content: usize,
}

/// As [`survey`], with the snapshots of the same group before the chosen one, the newest first. The results are in the
/// order of the requests.
pub async fn survey_series(
    requests: &[SourceRequest],
    daemon: Option<&Daemon>,
    options: &SourceOptions<'_>,
    stop: &StopSignal,
    depth: SurveyDepth,
) -> Result<Vec<Result<Vec<SurveyedSnapshot>, Diagnosis>>, Failure> {
    let (mut series, mut unknown) = (Vec::new(), Vec::new());
    for request in requests {
        let read = move |backup: Backup, request: &SourceRequest| read_series(&backup, request, depth);
        series.push(survey_source(request.clone(), daemon, options, stop, read).await?.map_err(|why| match why {
            NotSurveyed::Unknown(diagnosis) => {
                unknown.push(diagnosis.message.clone());
                diagnosis
            }
            NotSurveyed::Other(diagnosis) => diagnosis,
        }));
    }
    refuse_unknown(options.snapshot, &unknown, requests.len())?;
    Ok(series)
}

/// The chosen snapshot of a source and those before it, each with what was found in it.
fn read_series(
    backup: &Backup,
    request: &SourceRequest,
    depth: SurveyDepth,
) -> Result<Vec<SurveyedSnapshot>, SourceError> {
    let read = |nth: usize, snapshot: Snapshot| {
        let survey = read_one(backup.at(snapshot.clone()), request, nth < depth.read_content);
        let survey = survey.map_err(|error| error.diagnosis(&backup.place));
        // What the source does not say was found out by a look at the host.
        (survey.as_ref().map_or(snapshot, |survey| survey.snapshot.clone()), survey)
    };
    // Of several groups that make up the snapshot, only those count that something comes from.
    let newest = read(0, backup.snapshot.clone());
    let earlier = backup.earlier(&newest.0, depth.snapshots.saturating_sub(1))?.into_iter().enumerate();
    let earlier = earlier.map(|(nth, snapshot)| read(nth + 1, snapshot)).collect::<Vec<_>>();
    Ok(std::iter::once(newest).chain(earlier).collect())
}

fn read_one(backup: Backup, request: &SourceRequest, read_content: bool) -> Result<Survey, SourceError> {
    let SurveyedSource { backup, mut survey, dumps } = SurveyedSource::of(backup, request)?;
    if read_content && !survey.traits.content_read {
        survey.traits.content_read = backup.read_content()?;
    }
    // Nothing is loaded from these dumps. Their sources only tell them apart.
    let mut of_dumps = Vec::new();
    let inside = dumps.into_iter().map(|dump| read_dump(dump, 0, &mut of_dumps)).collect();
    Ok(surveyed(survey, inside))
}

/// Refuses a snapshot that the user asked for and that no source has.
fn refuse_unknown(snapshot: Option<&SnapshotSelector>, unknown: &[String], requests: usize) -> Result<(), Failure> {
    match snapshot {
        Some(SnapshotSelector::Named(name)) if unknown.len() == requests && requests > 0 => {
            let told = format!("--snapshot {name}: no source has a snapshot of this name: {}", unknown.join("; "));
            let hint = "`rehearsa plan` without --snapshot shows the newest; `latest` takes it";
            Err(Failure::usage(told).hint(hint))
        }
        _ => Ok(()),
    }
}

/// Why a source was not surveyed.
pub(super) enum NotSurveyed {
    /// It has snapshots, and not the wanted one.
    Unknown(Diagnosis),
    /// For another reason.
    Other(Diagnosis),
}

impl NotSurveyed {
    pub(super) fn diagnosis(self) -> Diagnosis {
        let (NotSurveyed::Unknown(diagnosis) | NotSurveyed::Other(diagnosis)) = self;
        diagnosis
    }
}

/// A dump among the files of a source, or why it cannot be loaded.
type DumpResult = Result<Box<OpenedDump>, Diagnosis>;

/// A source that was surveyed.
struct SurveyedSource {
    backup: Backup,
    survey: BackupSurvey,
    /// The dumps among its files that were read, by path.
    dumps: Vec<(Vec<u8>, DumpResult)>,
}

impl SurveyedSource {
    /// Looks for the parts and reads the dumps that are requested of the chosen snapshot.
    fn of(backup: Backup, request: &SourceRequest) -> Result<SurveyedSource, SourceError> {
        let survey = backup.survey_with(&request.queries, request.max_entries, |contents| {
            if !request.dumps.is_empty() {
                learn_servers(&backup, contents);
            }
            request.dumps_to_read(contents).into_iter().map(|dump| dump.path).collect()
        })?;
        let read = |dump: DumpInside| {
            let opened = backup.open_dump(&dump.path, dump.is_folder);
            (dump.path, opened.map(Box::new).map_err(|error| error.diagnosis(&backup.place)))
        };
        let dumps = match survey.access {
            BackupAccess::Stream | BackupAccess::HostTree(_) => {
                request.dumps_to_read(&survey.contents).into_iter().map(read).collect()
            }
            BackupAccess::Dump(_) => Vec::new(),
        };
        Ok(SurveyedSource { backup, survey, dumps })
    }
}

/// Adds what borgmatic's own lists say about its dumps. A list that cannot be read only leaves them less known.
fn learn_servers(backup: &Backup, contents: &mut BackupContents) {
    for path in std::mem::take(&mut contents.dump_lists) {
        let folder = path.len() - path.rsplit(|byte| *byte == b'/').next().map_or(0, <[u8]>::len);
        match backup.read_small_file(&path, LONGEST_LIST) {
            Ok(list) => learn(&mut contents.dumps, &path[..folder], &list),
            Err(error) => tracing::debug!(%error, "a list of dumps"),
        }
    }
}

/// The dump as the plan knows it. The reader of the dump goes to `of_dumps`, which come after so many sources.
fn read_dump((path, opened): (Vec<u8>, DumpResult), sources: usize, of_dumps: &mut Vec<OpenedSource>) -> ReadDump {
    let source = sources + of_dumps.len();
    match opened {
        Ok(opened) => {
            let OpenedDump { dump, holds, backup } = *opened;
            let title = backup.snapshot.id.clone();
            let place = backup.place.clone();
            of_dumps.push(OpenedSource { place, backup: Some(Arc::new(backup)), is_project: false });
            ReadDump { path, source, result: Ok(DumpSummary { title, dump, holds }) }
        }
        Err(diagnosis) => ReadDump { path, source, result: Err(diagnosis) },
    }
}

fn surveyed(survey: BackupSurvey, inside: Vec<ReadDump>) -> Survey {
    let BackupSurvey { snapshot, contents: found, access, traits, groups } = survey;
    let (tree, dump) = match access {
        BackupAccess::Stream => (None, None),
        BackupAccess::HostTree(tree) => (Some(tree), None),
        BackupAccess::Dump(dump) => (None, Some(dump)),
    };
    Survey { snapshot, found, tree, dump, inside, traits, groups }
}

/// Opens a source and reads it. Reading may wait long for a disk or a program, so it runs on a thread of its own,
/// which is abandoned when the run ends. Folders of the engine's host are surveyed by a worker, at the thread's
/// request.
pub(super) async fn survey_source<T: Send + 'static>(
    request: SourceRequest,
    daemon: Option<&Daemon>,
    options: &SourceOptions<'_>,
    stop: &StopSignal,
    read: impl FnOnce(Backup, &SourceRequest) -> Result<T, SourceError> + Send + 'static,
) -> Result<Result<T, NotSurveyed>, Failure> {
    let (ask, mut asked) = mpsc::unbounded_channel();
    let (tell, mut told) = oneshot::channel();
    let context = SourceContext {
        environment: options.environment.clone(),
        programs: options.programs.clone(),
        decoding: DecodeBounds { max_window: request.max_window, one_large_at_a_time: true },
        executable: identity::EXECUTABLE.into(),
        host_name: rustix::system::uname().nodename().to_str().ok().map(str::to_owned),
        now: jiff::Timestamp::now(),
        host: Arc::new(HostByChannel(ask)),
    };
    let place = request.spec.place.clone();
    std::thread::spawn(move || {
        // After an interruption nobody receives this.
        let _ = tell.send(Backup::open(&request.spec, &context).and_then(|backup| read(backup, &request)));
    });
    let result = loop {
        tokio::select! {
            biased;
            result = &mut told => break result,
            // The thread waits for the answer, unless it has ended.
            Some(question) = asked.recv() => match question {
                HostQuestion::Survey(tree, queries, answer) => {
                    let found = match daemon {
                        Some(daemon) => {
                            live_files::survey(daemon, &identity::session("plan-"), &tree, queries, stop).await?
                        }
                        None => Err(NO_ENGINE.to_owned()),
                    };
                    let _ = answer.send(found.map(host_folder));
                }
                HostQuestion::Look(look, answer) => {
                    let seen = match daemon {
                        Some(daemon) => live_files::look(daemon, &identity::session("plan-"), &look, stop).await?,
                        None => Err(NO_ENGINE.to_owned()),
                    };
                    let _ = answer.send(seen);
                }
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

fn host_folder(surveyed: protocol::Surveyed) -> HostFolder {
    let protocol::Surveyed { found, modified, inode, mounts, known } = surveyed;
    HostFolder { contents: found, modified: Timestamp::from_second(modified).ok(), inode, mounts, known }
}

/// Where an answer goes; its error says why the host could not be looked at.
type AnswerTo<T> = std::sync::mpsc::Sender<Result<T, String>>;

/// A question of a source about the engine's host.
enum HostQuestion {
    Survey(HostTree, Vec<MountQuery>, AnswerTo<HostFolder>),
    Look(HostLook, AnswerTo<HostSeen>),
}

/// Sends a source's questions to the owner of the engine's connection, and waits for the answers.
struct HostByChannel(mpsc::UnboundedSender<HostQuestion>);

impl HostByChannel {
    fn ask<T>(&self, question: impl FnOnce(AnswerTo<T>) -> HostQuestion) -> Result<T, SourceError> {
        let gone = || SourceError::NotThere("the connection to the engine's host was closed".to_owned());
        let (answer, answered) = std::sync::mpsc::channel();
        self.0.send(question(answer)).map_err(|_| gone())?;
        answered.recv().map_err(|_| gone())?.map_err(SourceError::NotThere)
    }
}

impl EngineHost for HostByChannel {
    fn survey(&self, tree: &HostTree, queries: &[MountQuery]) -> Result<HostFolder, SourceError> {
        self.ask(|answer| HostQuestion::Survey(tree.clone(), queries.to_vec(), answer))
    }

    fn look(&self, look: &HostLook) -> Result<HostSeen, SourceError> {
        self.ask(|answer| HostQuestion::Look(look.clone(), answer))
    }
}
