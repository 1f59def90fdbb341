//! The profile of a green service: what its data held, and whether that is less than in the last green run.
//!
//! A backup can be whole by its own list and yet lack half of the pictures: somebody deleted them, or the backup left
//! them out from some day on. The live data lacks them, too, or is not to be seen; only an earlier run has seen them.

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::dump::DumpProgram;
use crate::model::event::Fact;
use crate::model::mask::Mask;
use crate::model::mount::Strategy;
use crate::model::plan::ServicePlan;
use crate::model::profile::losses::{Losses, Terms, Tolerance, losses};
use crate::model::profile::{EarlierProfile, EarlierRun, MountProfile, Profile};
use crate::model::units;

use super::running::RunningService;
use super::shared_task::Diagnosed;
use super::validate::counts::{count_keys, count_rows};

/// Most losses that a message names.
const NAMED: usize = 6;

/// Takes the profile of a green service, reports it, and compares it with the last green run's. Nothing is taken of a
/// copy of live data: it is no backup.
pub(super) async fn take_and_compare(running: RunningService<'_>) -> Diagnosed<()> {
    if running.plan.source.is_none() {
        return Ok(());
    }
    let run = &running.cx.run;
    let profile = take(running, run.history.is_some()).await;
    let earlier = run.history.as_ref().and_then(|history| history.get(running.name()));
    if profile.is_empty() && earlier.is_none() {
        return Ok(());
    }
    let found = earlier.map(|earlier| compare(running.plan, earlier, &profile)).unwrap_or_default();
    run.notify.send(Fact::CaseProfiled {
        case: running.name().clone(),
        profile: Box::new(profile),
        earlier: earlier.map(|earlier| earlier.run.clone()),
        not_compared: found.not_compared.clone(),
        has_history: run.history.is_some(),
    });
    earlier.map_or(Ok(()), |earlier| judge(running, &earlier.run, &found))
}

/// `servers`: ask the servers, too, which costs several calls of their clients. Only a history uses the answers.
async fn take(running: RunningService<'_>, servers: bool) -> Profile {
    let RunningService { cx, plan, booted } = running;
    let of_mount = |mounted: &super::state::MountedPlace| {
        let profile = mounted.place.inspected.profile.as_ref()?;
        Some(masked(MountProfile { mount: mounted.mount.mount.target.clone(), ..profile.clone() }, &cx.mask))
    };
    let mounts: Vec<MountProfile> = booted.mounts.iter().filter_map(of_mount).collect();
    let has = |kind: &str| mounts.iter().flat_map(|mount| &mount.stores).any(|store| store.kind == kind);
    let loads = |program| {
        plan.load.as_ref().is_some_and(|load| load.dump.format.program().is_none_or(|of_dump| of_dump == program))
    };
    let (mut databases, mut server_asked) = (Vec::new(), false);
    for (program, kind) in [(DumpProgram::Postgres, "postgres"), (DumpProgram::MySql, "mysql")] {
        if !servers || !has(kind) && !loads(program) {
            continue;
        }
        if let Some(counted) = count_rows(running, program).await {
            databases.extend(counted);
            server_asked = true;
        }
    }
    for database in &mut databases {
        database.database = cx.mask.apply(&database.database);
        database.tables.iter_mut().for_each(|table| table.table = cx.mask.apply(&table.table));
    }
    let is_redis = servers && (has("redis") || loads(DumpProgram::Redis));
    let keys = if is_redis { count_keys(running).await } else { None };
    let mut profile = Profile { mounts, databases, server_asked, keys };
    profile.sort();
    profile
}

/// Without secrets in its names.
fn masked(mut mount: MountProfile, mask: &Mask) -> MountProfile {
    mount.folders.iter_mut().for_each(|folder| folder.folder = mask.apply(&folder.folder));
    mount.exclude.iter_mut().for_each(|pattern| *pattern = mask.apply(pattern));
    for store in &mut mount.stores {
        store.file = mask.apply(&store.file);
        store.tables.iter_mut().for_each(|table| table.table = mask.apply(&table.table));
    }
    mount
}

fn compare(plan: &ServicePlan, earlier: &EarlierProfile, now: &Profile) -> Losses {
    let is_left_out = |strategy| matches!(strategy, Strategy::Empty | Strategy::Omit);
    let left_out = plan.mounts.iter().filter(|mount| is_left_out(mount.strategy)).map(|mount| &mount.mount.target);
    let left_empty: Vec<String> = left_out.chain(&plan.settings.allow_empty).cloned().collect();
    let terms = Terms {
        tolerance: plan.settings.tolerance,
        same_image: plan.service.image.id == earlier.image,
        from_dump: plan.load.is_some(),
        left_empty: &left_empty,
    };
    losses(&earlier.profile, now, terms)
}

/// Fails for losses, and warns of what is of another kind than then.
fn judge(running: RunningService<'_>, earlier: &EarlierRun, found: &Losses) -> Diagnosed<()> {
    let name = running.name();
    if !found.unlike.is_empty() {
        let message = format!("{name}: {}; it was not so in {}", listed(&found.unlike), told(earlier));
        running.cx.warn(vec![name.clone()], Diagnosis::new(Code::DataUnlikeEarlier, message));
    }
    match found.needed {
        Some(needed) => Err(shrunk(&name.to_string(), earlier, &found.lost, needed)),
        None => Ok(()),
    }
}

fn shrunk(name: &str, earlier: &EarlierRun, lost: &[String], needed: Tolerance) -> Diagnosis {
    let message = format!("{name} is well, but its backup holds less than in {}: {}", told(earlier), listed(lost));
    let needed = needed.text();
    let remedy = format!(
        "Compare the named folders and tables with live and with the older snapshot, and keep that snapshot until you \
         know. If the loss is meant, run once with --tolerance '{needed}': the next runs are compared with that one. \
         To allow as much every time: tolerance = \"{needed}\" for this service in rehearsa.toml, or the label \
         rehearsa.tolerance."
    );
    Diagnosis { remedy: Some(remedy), ..Diagnosis::new(Code::DataShrunk, message) }
}

/// The first of these, and how many more there are.
fn listed(all: &[String]) -> String {
    let named = all.len().min(NAMED);
    let more = if all.len() > named { format!("; and {} more", all.len() - named) } else { String::new() };
    format!("{}{more}", all[..named].join("; "))
}

fn told(run: &EarlierRun) -> String {
    let at = units::minute(run.at);
    match &run.snapshot {
        Some(snapshot) => format!("the green run of {at} (snapshot {snapshot})"),
        None => format!("the green run of {at}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_told_with_the_run_that_had_more() {
        let at = "2026-11-29T04:30:12Z".parse().expect("a time");
        let run = EarlierRun { at, snapshot: Some("nightly.tar".to_owned()), snapshot_time: None };
        let lost: Vec<String> = (0..8).map(|number| format!("loss {number}")).collect();
        let diagnosis = shrunk("app", &run, &lost, Tolerance { files: 75, ..Tolerance::default() });
        assert_eq!(diagnosis.code, Code::DataShrunk);
        let expected = "app is well, but its backup holds less than in the green run of 2026-11-29 04:30 UTC (snapshot \
            nightly.tar): loss 0; loss 1; loss 2; loss 3; loss 4; loss 5; and 2 more";
        assert_eq!(diagnosis.message, expected);
        let remedy = diagnosis.remedy();
        assert!(remedy.contains("--tolerance 'files=75%'") && remedy.contains("tolerance = \"files=75%\""), "{remedy}");
    }
}
