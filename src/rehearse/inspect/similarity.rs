//! Compares the top-level names of the restored data with those of the live mount. Data changes, but its top folders
//! seldom do: no name in common means probably the wrong data, or a placeholder.

use std::collections::BTreeSet;

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::pluralize::pluralize;
use crate::model::source::MatchRule;
use crate::worker::client::Worker;
use crate::worker::protocol::NamesJob;

use super::place::PlaceInspection;

/// Most names that a message lists.
const LISTED: usize = 5;

/// Refuses a part of the backup that was chosen only because there is no other, when it has no top-level name in common
/// with the live mount; warns for a part that was chosen by its name. `None` also when there is no live mount to look
/// at.
pub(super) async fn unlike_live(place: &PlaceInspection<'_>) -> Option<Diagnosis> {
    let live = place.live.as_deref()?;
    let (live, came) = tokio::join!(names(place.worker, live), names(place.worker, &place.path));
    let (live, came) = (live?, came?);
    if live.is_empty() || came.is_empty() || !live.is_disjoint(&came) {
        return None;
    }
    let title = place.plan.mount.title();
    let rule = place.plan.part.as_ref().map(|part| part.rule);
    if rule == Some(MatchRule::OnlyCandidate) {
        let source = place.plan.ask.as_ref().map(|ask| &place.cx.run.sources[ask.source].place);
        let rule_name = place.plan.ask.as_ref().map(|ask| ask.rule_name.as_str()).unwrap_or_default();
        let from = source.map(ToString::to_string).unwrap_or_default();
        let part =
            place.plan.part.as_ref().map(|part| String::from_utf8_lossy(&part.path).into_owned()).unwrap_or_default();
        let part = if part.is_empty() { ".".to_owned() } else { part };
        return Some(Diagnosis {
            remedy: Some(format!(
                "If it is the right part: --map '{rule_name}={part}'. If another part is: \
                 --map '{rule_name}=PATH/IN/THE/BACKUP'. Otherwise look for the backup that has the mount."
            )),
            ..Diagnosis::new(
                Code::RestoreAmbiguous,
                format!(
                    "{part} of {from} was taken for {title} because nothing else is there, but does not look like it: \
                     at its top there is {}, and live there is {}",
                    listed(&came),
                    listed(&live)
                ),
            )
        });
    }
    let message = format!("{title}: at the top there is {}, and live there is {}", listed(&came), listed(&live));
    place.cx.warn(place.plan.cases.clone(), Diagnosis::new(Code::DataUnlikeLive, message));
    None
}

/// The names at the top of a folder, without `lost+found`; `None` when it cannot be read.
async fn names(worker: &Worker, path: &str) -> Option<BTreeSet<Vec<u8>>> {
    // What cannot be looked at is not compared.
    let names = worker.run(NamesJob { path: path.to_owned() }).await.ok()?;
    Some(names.into_iter().filter(|name| name != b"lost+found").collect())
}

fn listed(names: &BTreeSet<Vec<u8>>) -> String {
    let shown: Vec<String> = names.iter().take(LISTED).map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    match names.len().saturating_sub(LISTED) {
        0 => shown.join(", "),
        more => format!("{} and {}", shown.join(", "), pluralize(more as u64, "more name")),
    }
}
