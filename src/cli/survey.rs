//! Opens the sources of a draft and looks through each of them once, before the plan is made.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::exit::Failure;
use super::identity;
use super::signals::unless_stopped;
use crate::docker::Daemon;
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::Snapshot;
use crate::model::source::{Shape, SourcePlace};
use crate::plan::{SourceRequest, Survey};
use crate::rehearse::OpenedSource;
use crate::rehearse::sandbox::stop::StopSignal;
use crate::rehearse::survey::live_files;
use crate::source::Backup;

/// The sources that were opened, and what was found in each; both in the order of the requests.
pub type Surveyed = (Vec<OpenedSource>, Vec<Result<Survey, Diagnosis>>);

/// Looks through every source that is asked for. A source that cannot be had is no failure here: the plan tells the
/// services that need it.
pub async fn survey(requests: &[SourceRequest], daemon: &Daemon, stop: &StopSignal) -> Result<Surveyed, Failure> {
    let (mut sources, mut surveys) = (Vec::new(), Vec::new());
    for request in requests {
        let place = request.spec.place.clone();
        let (survey, backup) = match &request.spec.place {
            SourcePlace::DaemonDir(path) => (on_the_engines_host(request, path, daemon, stop).await?, None),
            SourcePlace::Dir(_)
            | SourcePlace::Tar(_)
            | SourcePlace::TarStdin
            | SourcePlace::Dump(_)
            | SourcePlace::DumpStdin => {
                match unless_stopped(stop, async { Ok(on_this_host(request.clone()).await) }).await? {
                    Ok((survey, backup)) => (Ok(survey), Some(backup)),
                    Err(diagnosis) => (Err(diagnosis), None),
                }
            }
        };
        sources.push(OpenedSource { place, backup });
        surveys.push(survey);
    }
    Ok((sources, surveys))
}

/// Reading may wait for a disk or a program for long, so it is done on a thread that nobody waits for when the run is
/// over.
async fn on_this_host(request: SourceRequest) -> Result<(Survey, Arc<Backup>), Diagnosis> {
    let (tell, told) = oneshot::channel();
    let place = request.spec.place.clone();
    std::thread::spawn(move || {
        let SourceRequest { spec, queries, max_entries } = request;
        let result =
            Backup::open(&spec).and_then(|backup| Ok((backup.survey(&queries, max_entries)?, backup.dump()?, backup)));
        // Nobody listens when the run was interrupted.
        let _ = tell.send(result);
    });
    match told.await {
        Ok(Ok((found, dump, backup))) => {
            let snapshot = backup.snapshot.clone();
            Ok((Survey { snapshot, found, tree: None, dump }, Arc::new(backup)))
        }
        Ok(Err(error)) => Err(error.diagnosis(&place)),
        Err(_) => Err(Diagnosis::new(Code::RunPanicked, format!("looking through {place} broke off"))),
    }
}

async fn on_the_engines_host(
    request: &SourceRequest,
    path: &str,
    daemon: &Daemon,
    stop: &StopSignal,
) -> Result<Result<Survey, Diagnosis>, Failure> {
    let SourceRequest { spec, queries, .. } = request;
    let session = identity::session("plan-");
    let unusable = |code, why: String| Err(Diagnosis::new(code, format!("{}: {why}", spec.place)));
    let (found, time) = match live_files::look(daemon, &session, path, queries.clone(), stop).await? {
        Ok(found) => found,
        Err(why) => return Ok(unusable(Code::SourceUnreachable, why)),
    };
    if found.whole.root == Some(Shape::File) {
        let why = "it is a file, and a backup that lies on the engine's host is a folder".to_owned();
        return Ok(unusable(Code::SourceUnreachable, why));
    }
    let id = path.trim_end_matches('/').rsplit('/').next().unwrap_or(path).to_owned();
    Ok(match &spec.snapshot {
        Some(wanted) if *wanted != id => {
            unusable(Code::SourceNoSnapshot, format!("its only snapshot is called {id}, not {wanted}"))
        }
        _ => Ok(Survey { snapshot: Snapshot { id, time }, found, tree: Some(path.to_owned()), dump: None }),
    })
}
