//! Judges whether everything came back with the right owners: by the differences to the backup's manifest, and by the
//! owners of the live mount, since the backup itself may have been made as the wrong user.

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::{Against, Compared};
use crate::model::plan::{DataSource, RestorePlan};
use crate::model::units;
use crate::rehearse::shared_task::Diagnosed;
use crate::worker::protocol::{Inventory, Owners};

/// What the comparison of a place with its manifest found when nothing is missing.
#[derive(Debug)]
pub(super) struct Completeness {
    pub compared: Compared,
    /// A note on file contents, with `verify_content`.
    pub contents: Option<String>,
    /// What may be wrong with owners and modes if the service does not come up.
    pub suspicion: Option<Diagnosis>,
    /// Metadata that did not come back.
    pub warning: Option<Diagnosis>,
}

/// Judges the differences between a place and its manifest. `live` is whom the live mount belongs to; `None`: unknown.
pub(super) fn judge_completeness(
    plan: &RestorePlan,
    inventory: &Inventory,
    live: Option<&Owners>,
) -> Diagnosed<Completeness> {
    let Inventory { entries, changed_since, .. } = inventory;
    tracing::debug!(place = plan.mount.title(), entries, changed_since, "inventory");
    match difference(plan, inventory) {
        Some(diagnosis) => Err(diagnosis),
        None => Ok(Completeness {
            compared: Compared {
                entries: inventory.entries,
                against: against(&plan.supply),
                contents: plan.verify_content && inventory.compared.is_some(),
            },
            contents: plan.verify_content.then(|| contents_note(inventory)),
            suspicion: live.and_then(|live| suspicion(plan, &inventory.belongs, live)),
            warning: lost_metadata(plan, inventory),
        }),
    }
}

/// The warning of entries without all of their metadata; `None`: nothing was lost.
fn lost_metadata(plan: &RestorePlan, inventory: &Inventory) -> Option<Diagnosis> {
    let lost = &inventory.metadata;
    (!lost.is_empty()).then(|| {
        let (title, entries) = (plan.mount.title(), entries(lost.count));
        let message = format!("{title}: {entries} came back with other or missing attributes: {lost}");
        Diagnosis::new(Code::DataMetadataLost, message)
    })
}

/// What the restored place is compared with.
fn against(supply: &DataSource) -> Against {
    match supply {
        DataSource::Archive { .. } => Against::Archive,
        DataSource::HostTree(_) => Against::Backup,
        DataSource::Live => Against::Live,
    }
}

/// The worst difference gives the code; the message names all of them. `None`: no difference.
fn difference(plan: &RestorePlan, inventory: &Inventory) -> Option<Diagnosis> {
    let Inventory { content, owners, modes, .. } = inventory;
    let kinds = [
        (content, Code::RestoreIncomplete, "missing or not as they were"),
        (owners, Code::DataOwnership, "with another owner"),
        (modes, Code::DataPermissions, "with another mode"),
    ];
    let mut found = kinds.into_iter().filter(|(few, ..)| few.count > 0);
    let (worst, code, what) = found.next()?;
    let against = match against(&plan.supply) {
        Against::Archive => "what the backup says",
        Against::Backup => "the backup",
        Against::Live => "the live mount",
    };
    let mut message = format!(
        "{}: of {} in {against}, {} came back {what}: {}",
        plan.mount.title(),
        entries(inventory.entries),
        worst.count,
        worst
    );
    for (few, _, what) in found {
        message.push_str(&format!("; {} {what}: {}", few.count, few));
    }
    Some(Diagnosis::new(code, message))
}

/// A note on how much file content was compared.
fn contents_note(inventory: &Inventory) -> String {
    match inventory.compared {
        Some(compared) => {
            let since = match inventory.changed_since {
                0 => String::new(),
                count => format!("; {} changed at the source since", entries(count)),
            };
            format!("contents compared: {}{since}", units::amount(compared))
        }
        None => "contents were not compared: the backup has too many entries for that".to_owned(),
    }
}

fn entries(count: u64) -> String {
    if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") }
}

/// The difference in owners or modes that may keep the service from working on the restored data; `None` if there is
/// none. A backup that was made as the wrong user agrees with its own manifest, so the live mount is what tells. It is
/// only a suspicion, since many services change owners when they start.
fn suspicion(plan: &RestorePlan, restored: &Owners, live: &Owners) -> Option<Diagnosis> {
    let title = plan.mount.title();
    let restored_by = |uid: u32| restored.users.iter().any(|(user, _)| *user == uid);
    let most = live.users.first().map(|(uid, _)| *uid);
    // The folder of a new volume, or of a service that runs as root, belongs to root and tells nothing.
    let of_somebody = live.root.0 != 0;
    let same_owner = restored.root.0 == live.root.0;
    // A user that owns live data, is not root, and owns nothing of the restored data, which belongs to one other user.
    let candidates = [Some(live.root.0), most].into_iter().flatten();
    let missed = candidates.filter(|_| !(of_somebody && same_owner)).find(|&uid| uid != 0 && !restored_by(uid));
    if let (Some(missed), [(only, _)], true) = (missed, &restored.users[..], restored.complete) {
        let message = format!(
            "{title}: all that came back belongs to the user {only}, and in the live mount {}; the backup was made or \
             restored as the wrong user",
            whose(live, missed)
        );
        return Some(Diagnosis::new(Code::DataOwnership, message));
    }
    if of_somebody && !same_owner {
        let message = format!(
            "{title}: its folder itself came back as {}:{}, and the live one belongs to {}:{}",
            restored.root.0, restored.root.1, live.root.0, live.root.1
        );
        return Some(Diagnosis::new(Code::DataOwnership, message));
    }
    (same_owner && restored.root_mode != live.root_mode).then(|| {
        let message = format!(
            "{title}: its folder itself came back with the mode {:04o}, and the live one has {:04o}",
            restored.root_mode, live.root_mode
        );
        Diagnosis::new(Code::DataPermissions, message)
    })
}

fn whose(live: &Owners, uid: u32) -> String {
    let count = live.users.iter().find(|(user, _)| *user == uid).map_or(0, |(_, count)| *count);
    let (verb, root) = (
        if count == 1 { "belongs" } else { "belong" },
        if live.root.0 == uid { ", its folder among them" } else { "" },
    );
    format!("{} {verb} to the user {uid}{root}", entries(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::Amount;
    use crate::model::sample;
    use crate::model::sampled::Sampled;

    fn few(names: &[&str]) -> Sampled<String> {
        Sampled { first: names.iter().map(|&name| name.to_owned()).collect(), count: names.len() as u64 }
    }

    fn owned(root: u32, users: &[(u32, u64)]) -> Owners {
        Owners { root: (root, root), root_mode: 0o755, users: users.to_vec(), complete: true }
    }

    #[test]
    fn the_worst_difference_gives_the_code_and_the_others_are_named() {
        let clean = Inventory { entries: 9, metadata: few(&["a: lacks it"]), ..Inventory::default() };
        assert_eq!(difference(&sample::restore(DataSource::Live), &clean), None);
        let modes = Inventory { modes: few(&["a: has the mode 0600 instead of 0644"]), ..clean };
        assert_eq!(difference(&sample::restore(DataSource::Live), &modes).map(|d| d.code), Some(Code::DataPermissions));
        let owners = Inventory { owners: few(&["a: belongs to 0:0 instead of 9:9"]), ..modes };
        assert_eq!(difference(&sample::restore(DataSource::Live), &owners).map(|d| d.code), Some(Code::DataOwnership));
        let all = Inventory { content: Sampled { first: vec!["b: is missing".to_owned()], count: 3 }, ..owners };
        let diagnosis = difference(&sample::restore(DataSource::Live), &all).expect("a difference");
        assert_eq!(diagnosis.code, Code::RestoreIncomplete);
        for part in ["volume data", "9 entries", "b: is missing and 2 more", "0:0 instead of 9:9", "0600 instead"] {
            assert!(diagnosis.message.contains(part), "{part}: {}", diagnosis.message);
        }
    }

    /// Contents that could not be compared are not said to have been.
    #[test]
    fn what_was_compared_of_the_contents_is_told() {
        let told =
            |compared, changed_since| contents_note(&Inventory { compared, changed_since, ..Inventory::default() });
        let amount = || Some(Amount { files: 412, bytes: 38_000_000 });
        assert_eq!(told(amount(), 0), "contents compared: 412 files, 38 MB");
        let live = told(amount(), 2);
        assert_eq!(live, "contents compared: 412 files, 38 MB; 2 entries changed at the source since");
        assert!(told(None, 0).starts_with("contents were not compared: "));
    }

    #[test]
    fn data_that_is_all_of_one_other_user_is_suspected() {
        let code = |restored: Owners, live: Owners| {
            suspicion(&sample::restore(DataSource::Live), &restored, &live).map(|d| d.code)
        };
        let live = || owned(999, &[(999, 30), (0, 2)]);
        assert_eq!(code(owned(0, &[(0, 32)]), live()), Some(Code::DataOwnership));
        assert_eq!(code(owned(1000, &[(1000, 32)]), live()), Some(Code::DataOwnership));
        assert_eq!(code(live(), live()), None);
        // What root owns live, root may own.
        assert_eq!(code(owned(0, &[(0, 32)]), owned(0, &[(0, 9)])), None);
        // A live volume that is new, or was filled by another tool, is no measure.
        assert_eq!(code(live(), owned(0, &[(0, 1)])), None);
        assert_eq!(code(live(), Owners { root_mode: 0o700, ..owned(0, &[(0, 1)]) }), None);
        assert_eq!(code(owned(999, &[(999, 9)]), owned(999, &[(33, 8), (999, 1)])), None);
        // Only the folder itself.
        assert_eq!(code(owned(0, &[(999, 31), (0, 1)]), live()), Some(Code::DataOwnership));
        // Most of it is another's than root's, whose folder it is.
        assert_eq!(code(owned(0, &[(0, 9)]), owned(0, &[(999, 8), (0, 1)])), Some(Code::DataOwnership));
        let strict = Owners { root_mode: 0o700, ..live() };
        assert_eq!(code(live(), strict), Some(Code::DataPermissions));
        // Too many users to know.
        let unknown = Owners { complete: false, ..owned(999, &[(1, 5)]) };
        assert_eq!(code(unknown, live()), None);
    }
}
