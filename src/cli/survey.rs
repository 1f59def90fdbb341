//! Opening the sources of a plan, looking through them, and telling the plan what was found.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::exit::Failure;
use super::identity;
use crate::docker::Daemon;
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::Snapshot;
use crate::model::plan::Plan;
use crate::model::source::{MountQuery, Shape, SourcePlace, SourceSpec};
use crate::plan::mapping::{self, Surveyed};
use crate::rehearse::OpenedSource;
use crate::rehearse::sandbox::stop::StopSignal;
use crate::rehearse::survey::live_files;
use crate::source::Backup;

/// Looks through every source of the plan and decides where each place's data comes from. A source that cannot be had is told
/// with the services that need it.
pub async fn supply(plan: &mut Plan, daemon: &Daemon, stop: &StopSignal) -> Result<Vec<OpenedSource>, Failure> {
    let mut suppliers = Vec::new();
    for (index, spec) in plan.sources.clone().into_iter().enumerate() {
        let wants = mapping::wants(plan, index);
        let (surveyed, backup) = match &spec.place {
            SourcePlace::DaemonDir(path) => (on_the_engines_host(&spec, path, wants, daemon, stop).await?, None),
            SourcePlace::Dir(_)
            | SourcePlace::Tar(_)
            | SourcePlace::TarStdin
            | SourcePlace::Dump(_)
            | SourcePlace::DumpStdin => match here(spec.clone(), wants, mapping::max_entries(plan, index)).await {
                Ok((surveyed, backup)) => (Ok(surveyed), Some(backup)),
                Err(diagnosis) => (Err(diagnosis), None),
            },
        };
        mapping::supply(plan, index, surveyed, identity::timestamp());
        suppliers.push(OpenedSource { place: spec.place, backup });
    }
    Ok(suppliers)
}

/// Reading may wait for a disk or a program for long: it is done on a thread that nobody waits for when the run is over.
async fn here(
    spec: SourceSpec,
    wants: Vec<MountQuery>,
    max_entries: u64,
) -> Result<(Surveyed, Arc<Backup>), Diagnosis> {
    let (tell, told) = oneshot::channel();
    let place = spec.place.clone();
    std::thread::spawn(move || {
        let result =
            Backup::open(&spec).and_then(|backup| Ok((backup.survey(&wants, max_entries)?, backup.dump()?, backup)));
        // Nobody listens when the run was interrupted.
        let _ = tell.send(result);
    });
    match told.await {
        Ok(Ok((found, dump, backup))) => {
            Ok((Surveyed { snapshot: backup.snapshot.clone(), found, tree: None, dump }, Arc::new(backup)))
        }
        Ok(Err(error)) => Err(error.diagnosis(&place)),
        Err(_) => Err(Diagnosis::new(Code::RunPanicked, format!("looking through {place} broke off"))),
    }
}

async fn on_the_engines_host(
    spec: &SourceSpec,
    path: &str,
    wants: Vec<MountQuery>,
    daemon: &Daemon,
    stop: &StopSignal,
) -> Result<Result<Surveyed, Diagnosis>, Failure> {
    let looked = live_files::look(daemon, &identity::session("plan-"), path, wants, stop).await?;
    Ok(match looked {
        Ok((found, _)) if found.whole.root == Some(Shape::File) => Err(Diagnosis::new(
            Code::SourceUnreachable,
            format!("{}: it is a file, and a backup that lies on the engine's host is a folder", spec.place),
        )),
        Ok((found, time)) => {
            let id = path.trim_end_matches('/').rsplit('/').next().unwrap_or(path).to_owned();
            match &spec.snapshot {
                Some(wanted) if *wanted != id => Err(Diagnosis::new(
                    Code::SourceNoSnapshot,
                    format!("{}: its only snapshot is called {id}, not {wanted}", spec.place),
                )),
                _ => Ok(Surveyed { snapshot: Snapshot { id, time }, found, tree: Some(path.to_owned()), dump: None }),
            }
        }
        Err(words) => Err(Diagnosis::new(Code::SourceUnreachable, format!("{}: {words}", spec.place))),
    })
}
