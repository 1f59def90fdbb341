//! The data of services that come from a Compose file: there is no live data that could stand in for a part that the
//! backup lacks.

use super::decisions::{PlaceDecision, StackDecisions};
use super::draft::{Draft, PlaceDraft, StackDraft};
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::mount::{Mount, MountOrigin, Strategy};
use crate::model::plan::DataSource;
use crate::model::project_files::{ProjectFiles, ProjectPart};

/// What this machine has for a mount.
fn part_of<'a>(files: &'a ProjectFiles, mount: &Mount) -> Option<&'a ProjectPart> {
    match &mount.origin {
        MountOrigin::Bind { source } => files.of(source),
        _ => None,
    }
}

/// Whether a mount is filled from this machine, whatever the backup has.
pub(super) fn is_own_file(files: &ProjectFiles, mount: &Mount) -> bool {
    part_of(files, mount).is_some_and(|part| part.is_first)
}

/// Fills the places for which no backup had anything: from the project's files on this machine, else not at all, and
/// then its services cannot be booted.
pub(super) fn fill(draft: &Draft, decisions: &mut [StackDecisions]) {
    for (stack, decided) in draft.stacks.iter().zip(decisions) {
        for (index, place) in stack.places.iter().enumerate() {
            if !is_without_live(stack, index) || decided.places[index].emptied {
                continue;
            }
            if matches!(place.strategy, Strategy::Empty | Strategy::Omit) {
                continue;
            }
            let own = part_of(&draft.project_files, &place.mount);
            let is_open = decided.places[index].supply == DataSource::Live;
            match own {
                Some(part) if part.is_first || is_open => send(draft, decided, stack, (index, place), part),
                // Without a source nothing was asked: a plan may be made before there is a backup.
                None if is_open && has_source(stack, index) => refuse(decided, stack, (index, place)),
                Some(_) | None => {}
            }
        }
    }
}

fn has_source(stack: &StackDraft, place: usize) -> bool {
    stack.services.iter().any(|service| service.shows(place) && service.source.is_some())
}

/// Whether the services that show a place come from a file.
pub(super) fn is_without_live(stack: &StackDraft, place: usize) -> bool {
    let mut showing = stack.services.iter().filter(|service| service.shows(place)).peekable();
    showing.peek().is_some() && showing.all(|service| !service.service.is_live())
}

/// Whether a place that the backup lacks is filled from this machine.
pub(super) fn may_be_sent(draft: &Draft, stack: &StackDraft, place: usize, diagnosis: &Diagnosis) -> bool {
    diagnosis.code == Code::RestoreMountMissing
        && is_without_live(stack, place)
        && part_of(&draft.project_files, &stack.places[place].mount).is_some()
}

fn send(
    draft: &Draft,
    decided: &mut StackDecisions,
    stack: &StackDraft,
    (index, place): (usize, &PlaceDraft),
    part: &ProjectPart,
) {
    let settings = stack.services.iter().find(|service| service.shows(index)).map(|service| &service.settings);
    decided.places[index] = PlaceDecision {
        supply: DataSource::Archive {
            source: draft.project_files.source,
            path: part.path.clone(),
            holds: part.holds.clone(),
            max_entries: settings.map_or(0, |settings| settings.max_entries),
            max_window: settings.map_or(0, |settings| settings.max_window),
            root_of_live: false,
        },
        ..PlaceDecision::of_live()
    };
    if part.is_first {
        return;
    }
    let message = format!(
        "{} is not in the backup; the one in the project's folder on this machine is used",
        place.mount.place()
    );
    let warning = Diagnosis::new(Code::RestoreNotInBackup, message);
    decided.showing(stack, index).for_each(|service| service.warnings.push(warning.clone()));
}

fn refuse(decided: &mut StackDecisions, stack: &StackDraft, (index, place): (usize, &PlaceDraft)) {
    let mount = &place.mount;
    let rule = place.request.as_ref().map(|request| request.rule_name.clone());
    let rule = rule.unwrap_or_else(|| mount.target.clone());
    let (code, message) = match &mount.origin {
        MountOrigin::Bind { .. } => (
            Code::ConfigMissingFile,
            format!("{} is neither in the project's folder on this machine nor in a backup", mount.place()),
        ),
        _ => (Code::RestoreMountMissing, format!("no backup has anything for {}", mount.place())),
    };
    let remedy = format!(
        "Put it where a restore finds it: beside the Compose file or into the backup. If the backup has it under \
         another name: --map '{rule}=PATH/IN/THE/BACKUP'. If a restore needs nothing of it: --strategy '{rule}=empty'."
    );
    let diagnosis = Diagnosis { remedy: Some(remedy), ..Diagnosis::new(code, message) };
    decided.showing(stack, index).for_each(|service| service.block(diagnosis.clone()));
}
