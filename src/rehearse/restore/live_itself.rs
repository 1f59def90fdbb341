//! Refuses a backup that is the live data itself: the same folder, by whatever path. It would be whole, and tell
//! nothing about what is left when the live data is lost.

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::plan::DataSource;
use crate::rehearse::shared_task::Diagnosed;
use crate::worker::protocol::IdentifyJob;

use super::failure::mount_diagnosis;
use super::place::PlaceRestore;

/// An error if the place would be filled from its live mount, although a backup was asked for.
pub(in crate::rehearse) async fn refuse(place: &PlaceRestore<'_>) -> Diagnosed<()> {
    let PlaceRestore { cx, plan, prepared, worker, .. } = place;
    let Some(live) = &prepared.live else { return Ok(()) };
    let opened = match (&plan.supply, &plan.ask) {
        (DataSource::Archive { source, .. }, _) => &cx.run.sources[*source],
        (DataSource::HostTree(_), Some(ask)) => &cx.run.sources[ask.source],
        (DataSource::HostTree(_), None) | (DataSource::Live, _) => return Ok(()),
    };
    let (mut paths, here) = match &plan.supply {
        DataSource::Archive { path, .. } => {
            // An archive, a repository or a dump is no folder of this machine.
            let Some(here) = opened.backup.as_ref().and_then(|backup| backup.identity(path)) else { return Ok(()) };
            (Vec::new(), Some(here))
        }
        DataSource::HostTree(_) | DataSource::Live => (prepared.from.clone().into_iter().collect(), None),
    };
    paths.push(live.clone());
    let doing = || format!("comparing the backup's folder with {}", plan.mount.title());
    let mut ids =
        worker.run(IdentifyJob { paths }).await.map_err(|error| mount_diagnosis(&error, &plan.mount, &doing()))?;
    let live = ids.pop().flatten();
    let backup = here.or_else(|| ids.pop().flatten());
    if live.is_none() || live != backup {
        return Ok(());
    }
    let message = format!(
        "what {} has for {} (mounted at {}) is the live data itself: both paths lead to the same folder or file",
        opened.place,
        plan.mount.title(),
        plan.mount.target
    );
    Err(Diagnosis::new(Code::SourceLive, message))
}
