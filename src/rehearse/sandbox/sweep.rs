//! Removes what dead runs left on the engine. Only [`decide`] says which runs are dead: from labels, the clock and the
//! process table. What is not ours is left alone, whatever labels it carries.

use std::collections::BTreeMap;

use tracing::{debug, warn};

use super::session::split_process;
use crate::docker::{Daemon, DockerError, ForeignObject, Object, ObjectKind, Objects, own_objects};
use crate::model::sandbox::ObjectLabels;

/// Entries and pieces of files from which on a volume is emptied by a worker. An engine that removes such a volume
/// answers no other question about volumes until it has unlinked everything.
pub const HEAVY: u64 = 10_000;

/// How far a sweep goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SweepReach {
    /// Before a run: sandboxes that were kept on request stay until they expire.
    Automatic,
    /// The user asked for it: kept sandboxes go too, once the run that kept them is over.
    Asked,
}

/// Why the objects of a session are left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpareReason {
    /// Its process runs.
    Alive,
    /// It runs on another host, where its process cannot be looked at, and has not expired.
    OtherHost,
    /// It was kept on request and has not expired.
    Kept,
}

/// A session whose objects are left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spared {
    /// What its labels say.
    pub marks: ObjectLabels,
    /// Why.
    pub why: SpareReason,
    /// How many objects it has.
    pub objects: usize,
}

/// What is to be removed and what is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SweepDecision {
    /// What no live session needs.
    pub remove: Objects,
    /// Sessions that are left alone, by id.
    pub spared: Vec<Spared>,
}

/// Whose objects may go. `now` is in Unix seconds; `host` is this client's; `is_alive` knows whether a `pid.starttime`
/// of this host still runs.
pub fn decide(
    objects: &Objects,
    now: i64,
    host: &str,
    is_alive: impl Fn(&str) -> bool,
    reach: SweepReach,
) -> SweepDecision {
    let mut spared: BTreeMap<String, Spared> = BTreeMap::new();
    let mut dead = |object: &&Object| match why_spared(&object.marks, now, host, &is_alive, reach) {
        None => true,
        Some(why) => {
            let entry = spared.entry(object.marks.session.clone());
            entry.or_insert_with(|| Spared { marks: object.marks.clone(), why, objects: 0 }).objects += 1;
            false
        }
    };
    let remove = Objects {
        containers: objects.containers.iter().filter(&mut dead).cloned().collect(),
        networks: objects.networks.iter().filter(&mut dead).cloned().collect(),
        volumes: objects.volumes.iter().filter(&mut dead).cloned().collect(),
        foreign: Vec::new(),
    };
    SweepDecision { remove, spared: spared.into_values().collect() }
}

fn why_spared(
    marks: &ObjectLabels,
    now: i64,
    host: &str,
    is_alive: impl Fn(&str) -> bool,
    reach: SweepReach,
) -> Option<SpareReason> {
    let (process, kept) = split_process(&marks.process);
    let expired = marks.expires <= now;
    if marks.host != host {
        return (!expired).then_some(SpareReason::OtherHost);
    }
    if is_alive(process) {
        return Some(SpareReason::Alive);
    }
    (kept && !expired && reach == SweepReach::Automatic).then_some(SpareReason::Kept)
}

/// The objects in the order they are removed.
pub fn in_order(objects: &Objects) -> impl Iterator<Item = (ObjectKind, &Object)> {
    let kind = |kind| move |object| (kind, object);
    let containers = objects.containers.iter().map(kind(ObjectKind::Container));
    let networks = objects.networks.iter().map(kind(ObjectKind::Network));
    let volumes = objects.volumes.iter().map(kind(ObjectKind::Volume));
    containers.chain(networks).chain(volumes)
}

/// Says that an object is not ours, and is left alone.
pub fn left_alone(foreign: &ForeignObject) -> String {
    let ForeignObject { kind, name, why } = foreign;
    format!("{} {name} carries Rehearsa's label and is not Rehearsa's ({why}); it is left alone", kind.name())
}

/// Something that could not be removed.
#[derive(Debug)]
pub struct LeftObject {
    /// What kind.
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
    /// Why.
    pub error: DockerError,
}

/// Removes these objects: containers, then networks, then volumes. `on_removed` hears of each that is gone. A failure
/// stops nothing; what is left is returned. Another client may sweep at the same time: what is not there is gone.
pub async fn remove(
    daemon: &Daemon,
    objects: &Objects,
    mut on_removed: impl FnMut(ObjectKind, &str),
) -> Vec<LeftObject> {
    let mut left = Vec::new();
    for (kind, object) in in_order(objects) {
        let removed = match kind {
            ObjectKind::Container => daemon.remove_container(&object.id).await,
            ObjectKind::Network => daemon.remove_network(&object.id).await,
            ObjectKind::Volume => daemon.remove_volume(&object.id).await,
        };
        match removed {
            Ok(()) => on_removed(kind, &object.name),
            Err(error) => left.push(LeftObject { kind, name: object.name.clone(), error }),
        }
    }
    if left.is_empty() {
        return left;
    }
    // Something else may have removed it while we failed to.
    if let Ok(now) = daemon.objects(None).await {
        left.retain(|left| in_order(&now).any(|(kind, object)| kind == left.kind && object.name == left.name));
    }
    left
}

/// Removes everything of one session of this process, and says what is left.
pub async fn remove_session(daemon: &Daemon, session: &str) -> Result<Vec<LeftObject>, DockerError> {
    let objects = own_objects(daemon, session).await?;
    Ok(remove(daemon, &objects, |kind, name| debug!("removed {} {name}", kind.name())).await)
}

/// What dead runs left, for the sweep before a run. Says what is not ours. A failure is no reason not to run.
pub async fn find_left(daemon: &Daemon, now: i64, host: &str, is_alive: impl Fn(&str) -> bool) -> Objects {
    let objects = match daemon.objects(None).await {
        Ok(objects) => objects,
        Err(error) => {
            warn!("could not look for what earlier runs left: {error}");
            return Objects::default();
        }
    };
    let decision = decide(&objects, now, host, is_alive, SweepReach::Automatic);
    for foreign in &objects.foreign {
        warn!("{}", left_alone(foreign));
    }
    for spared in &decision.spared {
        debug!(session = %spared.marks.session, why = ?spared.why, "left alone");
    }
    decision.remove
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::ownership::NotOurs;

    const NOW: i64 = 1_000;

    fn object(name: &str, host: &str, process: &str, expires: i64) -> Object {
        let marks = ObjectLabels {
            session: format!("s-{name}"),
            stack: "web".to_owned(),
            host: host.to_owned(),
            process: process.to_owned(),
            expires,
        };
        Object { id: format!("id-{name}"), name: name.to_owned(), marks }
    }

    fn decided(objects: Vec<Object>, reach: SweepReach) -> (Vec<String>, Vec<(String, SpareReason)>) {
        let objects = Objects { containers: objects, ..Objects::default() };
        let decision = decide(&objects, NOW, "here", |process| process == "1.1", reach);
        let removed = decision.remove.containers.into_iter().map(|object| object.name).collect();
        (removed, decision.spared.into_iter().map(|s| (s.marks.session, s.why)).collect())
    }

    #[test]
    fn a_live_process_of_this_host_is_spared_even_when_its_time_is_over() {
        let (removed, spared) = decided(
            vec![object("live", "here", "1.1", NOW - 1), object("dead", "here", "1.2", NOW + 99)],
            SweepReach::Asked,
        );
        assert_eq!(removed, ["dead"]);
        assert_eq!(spared, [("s-live".to_owned(), SpareReason::Alive)]);
    }

    #[test]
    fn another_host_is_spared_until_its_time_is_over() {
        // The process id says nothing there: here it would be alive.
        let (removed, spared) = decided(
            vec![object("new", "there", "1.1", NOW + 1), object("old", "there", "1.1", NOW)],
            SweepReach::Asked,
        );
        assert_eq!(removed, ["old"]);
        assert_eq!(spared, [("s-new".to_owned(), SpareReason::OtherHost)]);
    }

    #[test]
    fn kept_sandboxes_go_when_asked_for_but_not_before_a_run() {
        let objects = || {
            vec![
                object("kept", "here", "1.2+kept", NOW + 1),
                object("stale", "here", "1.2+kept", NOW),
                object("running", "here", "1.1+kept", NOW + 1),
            ]
        };
        let (removed, spared) = decided(objects(), SweepReach::Automatic);
        assert_eq!(removed, ["stale"]);
        assert_eq!(spared, [("s-kept".to_owned(), SpareReason::Kept), ("s-running".to_owned(), SpareReason::Alive)]);
        let (removed, spared) = decided(objects(), SweepReach::Asked);
        assert_eq!(removed, ["kept", "stale"]);
        assert_eq!(spared, [("s-running".to_owned(), SpareReason::Alive)]);
    }

    #[test]
    fn what_is_not_ours_is_never_removed() {
        let foreign = ForeignObject { kind: ObjectKind::Volume, name: "mine".to_owned(), why: NotOurs::Name };
        let objects = Objects { foreign: vec![foreign.clone()], ..Objects::default() };
        assert_eq!(decide(&objects, NOW, "here", |_| false, SweepReach::Asked), SweepDecision::default());
        assert_eq!(
            left_alone(&foreign),
            "volume mine carries Rehearsa's label and is not Rehearsa's (Rehearsa gives other names); it is left alone"
        );
    }

    #[test]
    fn containers_go_before_networks_before_volumes() {
        let one = |name: &str| vec![object(name, "here", "1.2", 0)];
        let objects = Objects { containers: one("c"), networks: one("n"), volumes: one("v"), foreign: Vec::new() };
        let order: Vec<&str> = in_order(&objects).map(|(_, object)| object.name.as_str()).collect();
        assert_eq!(order, ["c", "n", "v"]);
    }

    #[test]
    fn a_session_is_spared_once_with_all_its_objects() {
        let live = object("a", "here", "1.1", 0);
        let one = || vec![live.clone()];
        let objects = Objects { containers: one(), networks: one(), volumes: one(), foreign: Vec::new() };
        let decision = decide(&objects, NOW, "here", |_| true, SweepReach::Asked);
        assert_eq!(decision.spared.len(), 1);
        assert_eq!(decision.spared[0].objects, 3);
    }
}
