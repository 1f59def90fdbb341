//! Chooses a snapshot by its name.

use super::error::SourceError;
use super::snapshots::{self, Kinship};
use crate::model::event::Snapshot;

/// Most names of snapshots that an error lists.
const NAMED: usize = 10;

/// Reads the name of a snapshot as a pattern; `None`: it is none.
fn pattern(text: &str) -> Option<glob::Pattern> {
    if text.contains(['*', '?', '[']) { glob::Pattern::new(text).ok() } else { None }
}

/// Chooses a snapshot of those that are known by their names: the one with the wanted id, the newest that a
/// wanted pattern fits, or the newest.
pub fn choose_snapshot(snapshots: Vec<Snapshot>, wanted: Option<&str>) -> Result<Snapshot, SourceError> {
    choose_related(snapshots, wanted, Kinship::ByName)
}

/// Chooses the snapshot with the wanted id, the newest that a wanted pattern fits, or the newest. `snapshots` are
/// ordered, oldest first.
pub fn choose_related(
    mut snapshots: Vec<Snapshot>,
    wanted: Option<&str>,
    kinship: Kinship,
) -> Result<Snapshot, SourceError> {
    if let Some(pattern) =
        wanted.filter(|wanted| snapshots.iter().all(|snapshot| snapshot.id != *wanted)).and_then(pattern)
        && snapshots.iter().any(|snapshot| pattern.matches(&snapshot.id))
    {
        snapshots.retain(|snapshot| pattern.matches(&snapshot.id));
        return choose_related(snapshots, None, kinship);
    }
    let Some(wanted) = wanted else {
        let stems = snapshots::stems(snapshots.iter().map(|snapshot| snapshot.id.as_str()), kinship);
        if stems.len() > 1 {
            return Err(SourceError::Several(snapshots.into_iter().map(|snapshot| snapshot.id).collect()));
        }
        return snapshots.pop().ok_or_else(|| SourceError::NoSnapshot("the source has no snapshots".to_owned()));
    };
    if let Some(at) = snapshots.iter().position(|snapshot| snapshot.id == wanted) {
        return Ok(snapshots.swap_remove(at));
    }
    let newest: Vec<&str> = snapshots.iter().rev().take(NAMED).map(|snapshot| snapshot.id.as_str()).collect();
    Err(match newest.as_slice() {
        [] => SourceError::NoSnapshot(format!("the source has no snapshots, so none is called {wanted}")),
        [only] => SourceError::UnknownSnapshot(format!("its only snapshot is called {only}, not {wanted}")),
        newest => SourceError::UnknownSnapshot(format!(
            "none of its {} snapshots is called {wanted}; the newest are {}",
            snapshots.len(),
            newest.join(", ")
        )),
    })
}
