//! The snapshots of a repository, and the choice of those that make up one source.
//!
//! A repository usually holds snapshots of several hosts and folders, and several of one run. The newest snapshots of
//! all groups together are the backup. Snapshots of one host with the same paths and tags are a group. Docker's
//! containers have random names for hosts (12 hexadecimal digits), which all count as one.

use jiff::Timestamp;
use serde::Deserialize;

use super::claims::is_covered;
use crate::model::event::Snapshot;
use crate::model::moment;
use crate::model::source::SnapshotTraits;
use crate::model::witness::BackupClock;
use crate::source::error::SourceError;

/// Most groups that are read together. The newest count.
const MOST_GROUPS: usize = 32;
/// Digits of an id that people see; more where two snapshots begin alike.
const SHORT: usize = 8;
/// Length of the name that Docker gives to a container for its host name.
const CONTAINER_ID: usize = 12;

/// A snapshot, as `restic snapshots --json` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ResticSnapshot {
    pub id: String,
    pub time: Timestamp,
    #[serde(default)]
    pub hostname: String,
    #[serde(default, deserialize_with = "or_empty")]
    pub tags: Vec<String>,
    #[serde(default, deserialize_with = "or_empty")]
    pub paths: Vec<String>,
    /// What the job left out: the patterns of `--exclude`.
    #[serde(default, deserialize_with = "or_empty")]
    pub excludes: Vec<String>,
    /// The snapshot that this one was made of by `rewrite`, `repair` or `tag`.
    #[serde(default)]
    pub original: Option<String>,
}

fn or_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::<Vec<String>>::deserialize(deserializer)?.unwrap_or_default())
}

impl ResticSnapshot {
    /// The host; `None`: a container with a random name.
    fn real_host(&self) -> Option<&str> {
        let is_container = self.hostname.len() == CONTAINER_ID && self.hostname.bytes().all(|c| c.is_ascii_hexdigit());
        (!is_container).then_some(self.hostname.as_str())
    }

    fn group(&self) -> (Option<&str>, Vec<&str>, Vec<&str>) {
        // The order of paths and tags says nothing.
        let mut paths: Vec<&str> = self.paths.iter().map(String::as_str).collect();
        let mut tags: Vec<&str> = self.tags.iter().map(String::as_str).collect();
        paths.sort_unstable();
        tags.sort_unstable();
        (self.real_host(), paths, tags)
    }

    /// The name of the group, for people: `host nas, tag daily, /srv`.
    pub fn group_name(&self) -> String {
        let (host, paths, tags) = self.group();
        let host = host.filter(|host| !host.is_empty()).map(|host| format!("host {host}"));
        let tags = tags.into_iter().map(|tag| format!("tag {tag}"));
        host.into_iter().chain(tags).chain(paths.into_iter().map(str::to_owned)).collect::<Vec<_>>().join(", ")
    }

    /// For people: `1a2b3c4d (host nas, tag daily, /srv)`.
    pub fn described(&self) -> String {
        let mut about = Vec::new();
        if !self.hostname.is_empty() {
            about.push(format!("host {}", self.hostname));
        }
        about.extend(self.tags.iter().map(|tag| format!("tag {tag}")));
        about.extend(self.paths.iter().cloned());
        format!("{} ({})", self.id.get(..SHORT).unwrap_or(&self.id), about.join(", "))
    }
}

/// Reads the list of snapshots, oldest first.
pub fn read(json: &[u8]) -> Result<Vec<ResticSnapshot>, serde_json::Error> {
    // An empty repository has `null` in some versions.
    let mut snapshots = serde_json::from_slice::<Option<Vec<ResticSnapshot>>>(json)?.unwrap_or_default();
    snapshots.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
    Ok(snapshots)
}

/// The ids that people see, in the order of `snapshots`.
pub fn short_ids(snapshots: &[ResticSnapshot]) -> Vec<String> {
    let is_short_enough = |length: &usize| {
        let mut short: Vec<&str> = snapshots.iter().filter_map(|snapshot| snapshot.id.get(..*length)).collect();
        short.sort_unstable();
        short.windows(2).all(|pair| pair[0] != pair[1])
    };
    let length = (SHORT..64).find(is_short_enough).unwrap_or(64);
    snapshots.iter().map(|snapshot| snapshot.id.get(..length).unwrap_or(&snapshot.id).to_owned()).collect()
}

/// The user's choice of snapshots: `--snapshot`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// Beginnings of ids: one snapshot for each.
    pub ids: Vec<String>,
    host: Option<String>,
    tags: Vec<String>,
    path: Option<String>,
    before: Option<Timestamp>,
    /// Any snapshot, by this seed; the inner `None`: by a seed of ours.
    pub random: Option<Option<u64>>,
}

impl Selector {
    /// Reads `ID`, `ID+ID`, or conditions that all hold: `host=NAME,tag=TAG,path=/PATH,before=TIME,random`.
    pub fn read(text: &str) -> Result<Selector, String> {
        let mut selector = Selector::default();
        for part in text.split(',').map(str::trim) {
            match part.split_once('=') {
                Some(("host", name)) => selector.host = Some(name.to_owned()),
                Some(("tag", tag)) => selector.tags.push(tag.to_owned()),
                Some(("path", path)) => selector.path = Some(path.to_owned()),
                Some(("before", time)) => {
                    selector.before = Some(moment::read(time).ok_or_else(|| moment::no_moment(time))?);
                }
                Some(("random", seed)) => {
                    let seed = seed.parse().map_err(|_| format!("`{seed}` is no number; write random or random=7"))?;
                    selector.random = Some(Some(seed));
                }
                None if part == "random" => selector.random = Some(None),
                None if !part.is_empty() && part.split('+').all(is_id) => {
                    selector.ids = part.split('+').map(str::to_lowercase).collect();
                }
                _ => {
                    return Err(format!(
                        "`{part}` is neither the id of a snapshot nor one of host=NAME, tag=TAG, path=/PATH, \
                         before=TIME, random"
                    ));
                }
            }
        }
        Ok(selector)
    }

    fn fits(&self, snapshot: &ResticSnapshot) -> bool {
        self.host.as_ref().is_none_or(|host| *host == snapshot.hostname)
            && self.tags.iter().all(|tag| snapshot.tags.contains(tag))
            && self.path.as_ref().is_none_or(|path| snapshot.paths.iter().any(|known| is_at(known, path)))
            && self.before.is_none_or(|time| snapshot.time < time)
    }
}

/// Whether `text` may be the beginning of an id.
fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_hexdigit())
}

/// Whether two paths are the same, or the first is below the second.
fn is_at(path: &str, above: &str) -> bool {
    let above = above.trim_end_matches('/');
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Why no snapshot was chosen.
#[derive(Debug, PartialEq, Eq)]
pub enum NotChosen {
    /// The repository has none.
    None,
    /// It has some, and none fits the selector.
    Unknown(String),
    /// The beginning of an id fits several.
    Several(Vec<String>),
}

/// Chooses the snapshots that make up the source, the one whose paths count first at the beginning. `snapshots` are
/// ordered, oldest first. `engine` is the name of the host whose services are rehearsed.
pub fn choose<'a>(
    snapshots: &'a [ResticSnapshot],
    selector: &Selector,
    engine: Option<&str>,
    seed: u64,
) -> Result<Vec<&'a ResticSnapshot>, NotChosen> {
    if snapshots.is_empty() {
        return Err(NotChosen::None);
    }
    if !selector.ids.is_empty() {
        return selector.ids.iter().map(|id| by_id(snapshots, id)).collect();
    }
    let fitting: Vec<&ResticSnapshot> = snapshots.iter().filter(|snapshot| selector.fits(snapshot)).collect();
    if fitting.is_empty() {
        return Err(NotChosen::Unknown(first_described(snapshots)));
    }
    if selector.random.is_some() {
        let index = usize::try_from(scattered(seed) % fitting.len() as u64).unwrap_or_default();
        return Ok(vec![fitting[index]]);
    }
    let mut newest: Vec<&ResticSnapshot> = Vec::new();
    for snapshot in fitting.into_iter().rev() {
        if newest.iter().all(|known| known.group() != snapshot.group()) {
            newest.push(snapshot);
        }
    }
    // Snapshots of the engine's own host and of containers come before those of other hosts.
    let is_of_engine = |snapshot: &ResticSnapshot| engine.is_some() && snapshot.real_host() == engine;
    if newest.iter().any(|snapshot| is_of_engine(snapshot)) {
        newest.sort_by_key(|snapshot| snapshot.real_host().is_some() && !is_of_engine(snapshot));
    }
    let mut chosen: Vec<&ResticSnapshot> = Vec::new();
    for snapshot in newest {
        let covers = |newer: &&&ResticSnapshot| differ(newer, snapshot, engine).is_none();
        let covering: Vec<&str> =
            chosen.iter().filter(covers).flat_map(|newer| &newer.paths).map(String::as_str).collect();
        if chosen.len() < MOST_GROUPS && !is_covered(&snapshot.paths, &covering) {
            chosen.push(snapshot);
        }
    }
    Ok(chosen)
}

fn by_id<'a>(snapshots: &'a [ResticSnapshot], id: &str) -> Result<&'a ResticSnapshot, NotChosen> {
    let fitting: Vec<&ResticSnapshot> = snapshots.iter().filter(|snapshot| snapshot.id.starts_with(id)).collect();
    match fitting.as_slice() {
        [only] => Ok(only),
        [] => Err(NotChosen::Unknown(first_described(snapshots))),
        several => Err(NotChosen::Several(several.iter().map(|snapshot| snapshot.described()).collect())),
    }
}

/// The newest snapshots, for people.
pub fn first_described(snapshots: &[ResticSnapshot]) -> String {
    let newest: Vec<String> = snapshots.iter().rev().take(6).map(ResticSnapshot::described).collect();
    format!("the newest of its {} are {}", snapshots.len(), newest.join(", "))
}

/// Spreads a seed over all numbers (the finalizer of SplitMix64): neighbouring seeds choose different snapshots.
fn scattered(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Why two snapshots with a path in common are not of one thing, as the condition that tells them apart; `None`: the
/// newer one is the newer backup. They are of different things if their hosts differ and neither is the engine's, or if
/// a tag of the form `KEY:VALUE` has different values: backup programs write the name of a job so.
pub fn differ(a: &ResticSnapshot, b: &ResticSnapshot, engine: Option<&str>) -> Option<String> {
    if let (Some(host), Some(other)) = (a.real_host(), b.real_host())
        && host != other
        && engine.is_none_or(|engine| host != engine && other != engine)
    {
        return Some(format!("host={host}"));
    }
    let keyed = |snapshot: &ResticSnapshot| -> Vec<(String, String)> {
        let pairs = snapshot.tags.iter().filter_map(|tag| tag.rsplit_once(':'));
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    };
    let of_b = keyed(b);
    let other = keyed(a).into_iter().find(|(key, value)| {
        of_b.iter().any(|(known, _)| known == key) && !of_b.iter().any(|known| known.0 == *key && known.1 == *value)
    });
    other.map(|(key, value)| format!("tag={key}:{value}"))
}

/// The snapshot of the whole set, as reports name it. Its time is that of the oldest: no part of the backup is older.
pub fn as_one<'a>(all: &[ResticSnapshot], set: impl Iterator<Item = &'a ResticSnapshot>) -> Snapshot {
    let short = short_ids(all);
    let (mut ids, mut oldest) = (Vec::new(), None::<Timestamp>);
    for snapshot in set {
        let index = all.iter().position(|known| known.id == snapshot.id);
        ids.push(index.map_or_else(|| snapshot.id.clone(), |index| short[index].clone()));
        oldest = Some(oldest.map_or(snapshot.time, |time| time.min(snapshot.time)));
    }
    Snapshot { id: ids.join("+"), time: oldest }
}

/// The sets before this one, the newest first: the next older snapshot of each group, then the ones before these. A set
/// lacks the groups that have no older one.
pub fn earlier<'a>(all: &'a [ResticSnapshot], set: &[ResticSnapshot], most: usize) -> Vec<Vec<&'a ResticSnapshot>> {
    let mut groups: Vec<Vec<&ResticSnapshot>> = Vec::new();
    for (index, member) in set.iter().enumerate() {
        let of_group = |other: &ResticSnapshot| other.group() == member.group();
        if set[..index].iter().any(of_group) {
            continue;
        }
        let is_in_set = |snapshot: &&ResticSnapshot| set.iter().any(|member| member.id == snapshot.id);
        let older = all.iter().filter(|snapshot| of_group(snapshot)).take_while(|snapshot| !is_in_set(snapshot));
        let mut older: Vec<&ResticSnapshot> = older.collect();
        older.reverse();
        groups.push(older);
    }
    let nth = |nth: usize| groups.iter().filter_map(|older| older.get(nth).copied()).collect::<Vec<_>>();
    (0..most).map(nth).take_while(|set| !set.is_empty()).collect()
}

/// What restic knows of the snapshots of a set beside their names and times. Snapshots of the same hosts, paths and
/// tags are of the same things.
pub fn traits_of(set: &[ResticSnapshot]) -> SnapshotTraits {
    let mut groups: Vec<String> = set.iter().map(|snapshot| format!("{:?}", snapshot.group())).collect();
    groups.sort();
    let began = set.iter().map(|snapshot| snapshot.time).min();
    SnapshotTraits {
        time_told: true,
        clock: began.map_or(BackupClock::Unknown, |time| BackupClock::Began(time.as_second())),
        rewritten: set.iter().any(|snapshot| snapshot.original.is_some()),
        group: groups.join("+"),
        content_read: false,
        excludes: set.iter().flat_map(|snapshot| &snapshot.excludes).cloned().collect(),
    }
}

/// The error of a path in two snapshots that are not of one thing. `condition` chooses the first one.
pub fn ambiguous(path: &[u8], newer: &ResticSnapshot, older: &ResticSnapshot, condition: &str) -> SourceError {
    SourceError::Ambiguous {
        words: format!(
            "two snapshots hold /{} and are not of one thing, so neither can be taken as the newest: {} and {}",
            String::from_utf8_lossy(path),
            newer.described(),
            older.described()
        ),
        remedy: format!("Say which one is meant, as in --snapshot {condition} (or snapshot = \"{condition}\")."),
    }
}

/// The error of a snapshot that cannot be joined with others.
pub fn rootless(snapshot: &ResticSnapshot) -> SourceError {
    let path = snapshot.paths.first().map_or("", String::as_str);
    SourceError::Ambiguous {
        words: format!(
            "the repository holds backups of several folders, and the files of {} are in none: nobody can tell them \
             from those of other snapshots",
            snapshot.described()
        ),
        remedy: format!("Say which one is meant, as in --snapshot path={path} (or snapshot = \"path={path}\")."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(id: &str, time: &str, host: &str, tags: &[&str], paths: &[&str]) -> ResticSnapshot {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        ResticSnapshot {
            id: id.repeat(8),
            time: time.parse().unwrap(),
            hostname: host.to_owned(),
            tags: owned(tags),
            paths: owned(paths),
            excludes: Vec::new(),
            original: None,
        }
    }

    fn at(day: u32) -> String {
        format!("2026-11-{day:02}T03:00:00Z")
    }

    fn chosen(snapshots: &[ResticSnapshot], selector: &str, engine: Option<&str>) -> Vec<String> {
        let selector = Selector::read(selector).unwrap();
        let chosen = choose(snapshots, &selector, engine, 1).unwrap();
        chosen.into_iter().map(|snapshot| snapshot.id[..2].to_owned()).collect()
    }

    #[test]
    fn snapshots_of_one_host_with_the_same_paths_and_tags_are_of_the_same_things() {
        let one = snapshot("a1", &at(1), "nas", &["x", "y"], &["/srv"]);
        let next =
            ResticSnapshot { original: Some("a1".to_owned()), ..snapshot("b2", &at(2), "nas", &["y", "x"], &["/srv"]) };
        let other = snapshot("c3", &at(2), "vm", &["x", "y"], &["/srv"]);
        let [of_one, of_next, of_other] = [&one, &next, &other].map(|of| traits_of(std::slice::from_ref(of)));
        assert_eq!(of_one.group, of_next.group);
        assert_ne!(of_one.group, of_other.group);
        assert_eq!((of_one.rewritten, of_next.rewritten, of_one.time_told), (false, true, true));
    }

    #[test]
    fn the_list_of_any_version_is_read_oldest_first() {
        let json = br#"[{"time":"2026-11-30T10:42:20.332+01:00","tree":"8c","paths":["/srv/app"],"hostname":"h2",
            "username":"root","tags":["t1","t2"],"id":"c557","short_id":"c557","summary":{"files_new":1}},
            {"time":"2026-11-30T09:00:00Z","paths":null,"hostname":"vm","id":"e9ed"}]"#;
        let read = read(json).unwrap();
        assert_eq!(read.iter().map(|snapshot| snapshot.id.as_str()).collect::<Vec<_>>(), ["e9ed", "c557"]);
        assert_eq!(read[1].tags, ["t1", "t2"]);
        assert_eq!(read[1].described(), "c557 (host h2, tag t1, tag t2, /srv/app)");
        assert_eq!(super::read(b"null").unwrap(), []);
    }

    fn chosen_without_selector(snapshots: &[ResticSnapshot], engine: Option<&str>) -> Vec<String> {
        let chosen = choose(snapshots, &Selector::default(), engine, 1).unwrap();
        chosen.into_iter().map(|snapshot| snapshot.id[..2].to_owned()).collect()
    }

    #[test]
    fn the_earlier_snapshots_of_each_group_are_joined_from_the_newest_on() {
        let of = |id: &str, day: u32, path: &str| snapshot(id, &at(day), "0123456789ab", &[], &[path]);
        let all = [
            of("a1", 1, "/volumes"),
            of("a2", 2, "/volumes"),
            of("b2", 2, "/databases/db"),
            ResticSnapshot { hostname: "ba9876543210".to_owned(), ..of("a3", 3, "/volumes") },
            of("b3", 3, "/databases/db"),
            of("c3", 3, "/other"),
        ];
        let ids = |most| -> Vec<Vec<&str>> {
            let sets = earlier(&all, &[all[3].clone(), all[4].clone()], most);
            sets.iter().map(|set| set.iter().map(|of| &of.id[..2]).collect()).collect()
        };
        assert_eq!(ids(10), [vec!["a2", "b2"], vec!["a1"]]);
        assert_eq!(ids(1), [["a2", "b2"]]);
        assert_eq!(all[3].group_name(), "/volumes", "the name of a container is a random one");
        assert_eq!(snapshot("d1", &at(1), "nas", &["y", "x"], &["/srv"]).group_name(), "host nas, tag x, tag y, /srv");
    }

    #[test]
    fn the_newest_of_each_group_make_up_the_source() {
        let all = [
            snapshot("a1", &at(1), "nas", &[], &["/srv/db"]),
            snapshot("b1", &at(1), "nas", &[], &["/srv/files"]),
            snapshot("a2", &at(2), "nas", &[], &["/srv/db"]),
            snapshot("c1", &at(3), "nas", &["dumps"], &["/dumps"]),
        ];
        assert_eq!(chosen_without_selector(&all, None), ["c1", "a2", "b1"]);
    }

    #[test]
    fn a_group_that_newer_ones_cover_is_left_out() {
        let all = [
            snapshot("a1", &at(1), "nas", &[], &["/srv/db"]),
            snapshot("b1", &at(2), "nas", &[], &["/srv/db", "/srv/files"]),
            snapshot("c1", &at(3), "0123456789ab", &[], &["/data"]),
            snapshot("c2", &at(4), "ba9876543210", &[], &["/data"]),
        ];
        // Of the containers with random names only the newest counts.
        assert_eq!(chosen_without_selector(&all, None), ["c2", "b1"]);
        assert_eq!(chosen_without_selector(&all, Some("nas")), ["c2", "b1"]);
    }

    #[test]
    fn the_engines_own_host_comes_first_and_two_others_are_told_apart() {
        let all = [snapshot("a1", &at(1), "nas", &[], &["/srv"]), snapshot("b1", &at(2), "web", &[], &["/srv"])];
        assert_eq!(chosen_without_selector(&all, Some("nas")), ["a1"], "that of another host is covered");
        assert_eq!(chosen_without_selector(&all, None), ["b1", "a1"], "nobody knows which one is meant");
        assert_eq!(differ(&all[1], &all[0], None), Some("host=web".to_owned()));
        assert_eq!(differ(&all[1], &all[0], Some("web")), None);
        let of = |tag| snapshot("d1", &at(1), "nas", &[tag], &["/data"]);
        let (one, other) = (of("ar:location:one"), of("ar:location:other"));
        assert_eq!(differ(&one, &other, Some("nas")), Some("tag=ar:location:one".to_owned()));
        assert_eq!(differ(&of("daily"), &of("weekly"), None), None);
    }

    #[test]
    fn selectors_choose_by_id_host_tag_path_time_and_chance() {
        let all = [
            snapshot("a1", &at(1), "nas", &["daily"], &["/srv/db"]),
            snapshot("a2", &at(2), "web", &["daily"], &["/srv/db"]),
            snapshot("b3", &at(3), "nas", &["daily", "db"], &["/srv/db"]),
        ];
        assert_eq!(chosen(&all, "a2a2", None), ["a2"]);
        assert_eq!(chosen(&all, "a1+B3", None), ["a1", "b3"]);
        assert_eq!(chosen(&all, "host=web", None), ["a2"]);
        assert_eq!(chosen(&all, "tag=daily,tag=db", None), ["b3"]);
        assert_eq!(chosen(&all, "path=/srv,before=2026-11-02T03:00:00Z", None), ["a1"]);
        assert_eq!(chosen(&all, "before=2026-11-02", None), ["a1"]);
        assert_eq!(chosen(&all, "before=2026-11-02T12:00,host=web", None), ["a2"]);
        assert_eq!(chosen(&all, "random=3", None), chosen(&all, "random=3", None));
        let unknown = |text: &str| choose(&all, &Selector::read(text).unwrap(), None, 1).unwrap_err();
        assert!(matches!(unknown("host=other"), NotChosen::Unknown(words) if words.contains("b3b3b3b3")));
        assert!(matches!(unknown("f"), NotChosen::Unknown(_)));
        assert!(matches!(unknown("a"), NotChosen::Several(ids) if ids.len() == 2));
        for text in ["host", "before=yesterday", "random=x", "app-1", "id=a1"] {
            assert!(Selector::read(text).is_err(), "{text}");
        }
        assert_eq!(choose(&[], &Selector::default(), None, 1), Err(NotChosen::None));
    }

    #[test]
    fn a_set_is_named_by_all_its_snapshots_and_is_as_old_as_the_oldest() {
        let mut all = vec![snapshot("a1", &at(2), "nas", &[], &["/a"]), snapshot("b1", &at(1), "nas", &[], &["/b"])];
        assert_eq!(as_one(&all, all.iter()), Snapshot { id: "a1a1a1a1+b1b1b1b1".to_owned(), time: at(1).parse().ok() });
        all.push(ResticSnapshot { id: "a1a1a1a1ff".to_owned(), ..all[0].clone() });
        assert_eq!(short_ids(&all)[0], "a1a1a1a1a", "the ids that people see are different");
    }
}
