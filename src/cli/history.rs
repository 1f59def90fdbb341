//! The history that `--history` names: the profiles of green runs that a run is compared with.

use std::collections::BTreeMap;
use std::path::Path;

use super::args::RehearsalArgs;
use super::exit::Failure;
use super::{console, identity};
use crate::config::Environment;
use crate::history::{ProfileHistory, ReadHistory};
use crate::model::plan::Plan;
use crate::model::profile::EarlierProfile;
use crate::model::service::ServiceName;

/// The history in a folder, as the user who runs this may use it.
pub fn open_history(folder: &Path, env: &Environment) -> ProfileHistory {
    ProfileHistory::in_folder(folder, identity::user(env).behind_sudo.as_slice())
}

/// The profiles that the services of a plan are compared with. The folder is made if it is not there.
pub fn earlier(history: &ProfileHistory, plan: &Plan) -> Result<BTreeMap<ServiceName, EarlierProfile>, Failure> {
    history.prepare().map_err(|error| {
        Failure::usage(format!("cannot use {}, the folder of --history: {error}", history.folder().display()))
            .hint("choose a folder of your own that nobody else writes to; nothing was rehearsed")
    })?;
    let mut earlier = BTreeMap::new();
    for case in plan.cases().filter(|case| case.source.is_some()) {
        let snapshot = case.snapshot.as_ref().and_then(|snapshot| snapshot.time);
        let ReadHistory { found, unusable } = history.last_before(&case.service.name, snapshot);
        tell_unusable(&unusable);
        earlier.extend(found.map(|kept| (case.service.name.clone(), kept.into_earlier())));
    }
    Ok(earlier)
}

/// Prints a note for a flag about profiles that has no effect in this run.
pub fn note_unused_flags(history: Option<&ProfileHistory>, plan: &Plan, args: &RehearsalArgs) {
    let restores = plan.cases().any(|case| case.source.is_some());
    if plan.cases().next().is_some() {
        let given = (args.history.is_some(), args.tolerance.is_some());
        unused_flag(given, history.is_some(), restores).iter().for_each(|words| console::note(words));
    }
}

/// `given`: whether `--history` and `--tolerance` are on the command line.
fn unused_flag(given: (bool, bool), has_history: bool, restores: bool) -> Option<&'static str> {
    match given {
        (_, true) if !has_history => {
            Some("--tolerance has no effect without --history FOLDER, which has the profiles to compare backups with")
        }
        (true, _) if !restores => {
            Some("--history has no effect, as no service of this run restores from a backup; --from names the backup")
        }
        _ => None,
    }
}

/// Tells which files could not be used.
pub fn tell_unusable(unusable: &[String]) {
    for words in unusable {
        console::note(&format!("A profile of the history is left out: {words}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_without_effect_is_told() {
        assert!(
            unused_flag((false, true), false, true).is_some_and(|told| told.starts_with("--tolerance has no effect"))
        );
        assert!(unused_flag((true, true), true, false).is_some_and(|told| told.starts_with("--history has no effect")));
        for (given, has_history, restores) in
            [((true, true), true, true), ((false, true), true, true), ((false, false), false, false)]
        {
            assert_eq!(unused_flag(given, has_history, restores), None);
        }
    }
}
