//! Warns about a green service without a single restored file: its rehearsal has shown that it starts, and nothing
//! about its data.

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::mount::Strategy;
use crate::model::plan::MountPlan;
use crate::model::service::ServiceName;
use crate::plan::holds_data;

use crate::rehearse::running::RunningService;

/// Warns about a service that passed without data. `tables`: the number of tables that were loaded into the place of
/// an index. Returns whether it did.
pub(in crate::rehearse) fn warn_nothing_restored(running: RunningService<'_>, tables: impl Fn(usize) -> u64) -> bool {
    let mounts = &running.booted.mounts;
    let files = |restore: usize| {
        let mounted = mounts.iter().find(|mounted| mounted.mount.restore == Some(restore));
        tables(restore).max(mounted.map_or(0, |mounted| mounted.place.brought.files))
    };
    let diagnosis = nothing_restored(running.name(), &running.plan.mounts, files);
    let warned = diagnosis.is_some();
    if let Some(diagnosis) = diagnosis {
        running.cx.warn(vec![running.name().clone()], diagnosis);
    }
    warned
}

/// The warning if no file was restored into the mounts that the service writes to or, if it writes to none, into the
/// volumes that it reads. `None`: there are files.
fn nothing_restored(name: &ServiceName, mounts: &[MountPlan], files: impl Fn(usize) -> u64) -> Option<Diagnosis> {
    let data = || mounts.iter().filter(|mount| holds_data(&mount.mount));
    let mut places: Vec<&MountPlan> = data().filter(|mount| !mount.mount.read_only).collect();
    if places.is_empty() {
        places = data().collect();
    }
    if places.is_empty() {
        let message =
            format!("{name} has no volume and no writable bind mount; data inside its container is not restored");
        return Some(Diagnosis::new(Code::DataNothingRestored, message));
    }
    if places.iter().any(|mount| mount.restore.is_some_and(|restore| files(restore) > 0)) {
        return None;
    }
    let listed: Vec<String> = places.iter().map(|mount| without_data(mount)).collect();
    let message = format!("no file was restored into {name}: {}", listed.join(", "));
    Some(Diagnosis::new(Code::DataNothingRestored, message))
}

fn without_data(mount: &MountPlan) -> String {
    let why = match mount.strategy {
        Strategy::Copy | Strategy::Readonly | Strategy::Overlay => "holds no file",
        Strategy::Empty => "was left empty",
        Strategy::Omit => "was left out",
    };
    format!("{} {why}", mount.mount.place())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mount::{Mount, MountOrigin};

    fn volume(name: &str, target: &str, read_only: bool) -> Mount {
        let origin = MountOrigin::Volume { name: name.to_owned(), driver: "local".to_owned() };
        Mount { target: target.to_owned(), origin, read_only }
    }

    fn bind(source: &str, read_only: bool) -> Mount {
        Mount { target: source.to_owned(), origin: MountOrigin::Bind { source: source.to_owned() }, read_only }
    }

    /// What is said of a service with these mounts, each a place of its own, when the places of these numbers hold
    /// files.
    fn said(mounts: Vec<Mount>, full: &[usize]) -> Option<String> {
        let copied = |(nth, mount)| MountPlan { mount, strategy: Strategy::Copy, restore: Some(nth) };
        said_of(&mounts.into_iter().enumerate().map(copied).collect::<Vec<_>>(), full)
    }

    fn said_of(mounts: &[MountPlan], full: &[usize]) -> Option<String> {
        let diagnosis =
            nothing_restored(&ServiceName::lone("web"), mounts, |restore| u64::from(full.contains(&restore)))?;
        assert_eq!(diagnosis.code, Code::DataNothingRestored);
        Some(diagnosis.message)
    }

    #[test]
    fn a_service_with_files_needs_no_word() {
        let mounts = || vec![volume("cache", "/cache", false), volume("data", "/data", false)];
        assert_eq!(said(mounts(), &[1]), None);
        assert_eq!(
            said(mounts(), &[]).as_deref(),
            Some(
                "no file was restored into web: volume cache at /cache holds no file, volume data at /data holds \
                 no file"
            )
        );
    }

    #[test]
    fn a_service_without_a_place_for_data_is_told_so() {
        let expected = "web has no volume and no writable bind mount; data inside its container is not restored";
        assert_eq!(said(Vec::new(), &[]).as_deref(), Some(expected));
        // A configuration file that it only reads, and a socket, are no data.
        let mounts = vec![bind("/srv/app.conf", true), bind("/var/run/docker.sock", false)];
        assert_eq!(said(mounts, &[0]).as_deref(), Some(expected));
    }

    #[test]
    fn what_it_only_reads_does_not_stand_for_what_it_writes() {
        let mounts = vec![volume("code", "/app", true), volume("data", "/data", false)];
        assert_eq!(
            said(mounts, &[0]).as_deref(),
            Some("no file was restored into web: volume data at /data holds no file")
        );
        // One that writes nowhere lives from what it reads.
        assert_eq!(said(vec![volume("code", "/app", true)], &[0]), None);
        assert!(said(vec![volume("code", "/app", true)], &[]).is_some());
    }

    #[test]
    fn what_was_asked_for_is_told_as_such() {
        let mounts = [
            MountPlan { mount: volume("cache", "/cache", false), strategy: Strategy::Omit, restore: None },
            MountPlan { mount: volume("data", "/data", false), strategy: Strategy::Empty, restore: Some(0) },
        ];
        assert_eq!(
            said_of(&mounts, &[]).as_deref(),
            Some(
                "no file was restored into web: volume cache at /cache was left out, volume data at /data was \
                 left empty"
            )
        );
    }
}
