//! Finds the parts of a backup that belong to mounts, in one pass over the entries. Memory does not grow with the
//! number of entries, except for files with several names in several parts.

mod dumps;
mod layout;
mod logs;

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Entry, Kind, below};
use crate::model::source::{
    BackupContents, Candidate, ContentTally, MatchRule, MountQuery, Pattern, Shape, is_sidecar,
};
use dumps::{DumpScan, FoundDumps};
use layout::LayoutScan;
use logs::LogScan;

/// Most parts that are listed by name.
const MAX_PARTS: usize = 500;

/// A query for the end of a path.
struct SuffixQuery {
    end: Vec<u8>,
    /// Index of the query.
    index: usize,
    rule: MatchRule,
}

/// Collects the findings, entry by entry.
pub struct Survey {
    /// Queries for paths from the top: index of the query and rule, by path.
    top: HashMap<Vec<u8>, Vec<(usize, MatchRule)>>,
    /// Queries for volumes at any depth: index of the query and rule, by the volume's name.
    volumes: HashMap<Vec<u8>, Vec<(usize, MatchRule)>>,
    /// Queries for the ends of paths, by the last name of the path.
    suffixes: HashMap<Vec<u8>, Vec<SuffixQuery>>,
    /// Index into `tallies` of each part that was found, by path.
    known: HashMap<Vec<u8>, usize>,
    tallies: Vec<(Vec<u8>, ContentTally)>,
    /// Files that were counted in a part (index into `tallies`) under a second name, because their first name is
    /// outside of it.
    linked: HashSet<(usize, Vec<u8>)>,
    parts: BTreeMap<Vec<u8>, ContentTally>,
    more_parts: bool,
    whole: ContentTally,
    layout: LayoutScan,
    dumps: DumpScan,
    logs: LogScan,
    wants: usize,
}

impl Survey {
    /// A survey for these queries.
    pub fn new(wants: &[MountQuery]) -> Survey {
        let (mut top, mut volumes) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        let mut suffixes = HashMap::<_, Vec<_>>::new();
        for (index, want) in wants.iter().enumerate() {
            for (rule, pattern) in &want.patterns {
                match pattern {
                    Pattern::Top(path) => top.entry(path.clone()).or_default().push((index, *rule)),
                    Pattern::VolumeData(name) => volumes.entry(name.clone()).or_default().push((index, *rule)),
                    Pattern::Suffix(end) => {
                        let of_name = suffixes.entry(last_name(end).to_owned()).or_default();
                        of_name.push(SuffixQuery { end: end.clone(), index, rule: *rule });
                    }
                }
            }
        }
        Survey {
            top,
            volumes,
            suffixes,
            known: HashMap::new(),
            tallies: Vec::new(),
            linked: HashSet::new(),
            parts: BTreeMap::new(),
            more_parts: false,
            whole: ContentTally::default(),
            layout: LayoutScan::default(),
            dumps: DumpScan::default(),
            logs: LogScan::default(),
            wants: wants.len(),
        }
    }

    /// Counts one entry.
    pub fn see(&mut self, entry: &Entry) {
        let path = entry.path.as_slice();
        add_to_tally(&mut self.whole, entry, path.is_empty());
        self.layout.see(path, entry.kind == Kind::Folder);
        self.dumps.see(entry);
        if entry.kind == Kind::File {
            self.logs.see(path, entry.size);
        }
        // The entry's folders may all be wanted parts, and so may the entry itself.
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        let ends = std::iter::once(0).chain(ends).chain((!path.is_empty()).then_some(path.len()));
        for (depth, end) in ends.enumerate() {
            let (prefix, itself) = (&path[..end], end == path.len());
            if self.known.contains_key(prefix) || self.is_looked_for(prefix) {
                let index = *self.known.entry(prefix.to_owned()).or_insert_with(|| {
                    self.tallies.push((prefix.to_owned(), ContentTally::default()));
                    self.tallies.len() - 1
                });
                add_to_tally(&mut self.tallies[index].1, entry, itself);
                self.add_linked(index, prefix, entry);
            }
            if end > 0 && (depth <= 2 || volume_of(prefix).is_some()) {
                self.count_in_part(prefix, entry, itself);
            }
        }
    }

    fn is_looked_for(&self, path: &[u8]) -> bool {
        self.top.contains_key(path)
            || self.volumes.contains_key(volume_of(path).unwrap_or_default())
            || self.with_suffix(path).next().is_some()
    }

    /// The queries for the end of a path.
    fn with_suffix<'a>(&'a self, path: &'a [u8]) -> impl Iterator<Item = (usize, MatchRule)> + 'a {
        let of_name = self.suffixes.get(last_name(path)).into_iter().flatten();
        let fitting = of_name.filter(|query| Pattern::is_suffix_of(&query.end, path));
        fitting.map(|query| (query.index, query.rule))
    }

    /// Counts a file that has a name in a part while its first name is outside of the part. Its content belongs to the
    /// part, and counts once.
    fn add_linked(&mut self, index: usize, prefix: &[u8], entry: &Entry) {
        let Kind::HardLink(first) = &entry.kind else { return };
        if below(first, prefix).is_none() && self.linked.insert((index, first.clone())) {
            let amount = &mut self.tallies[index].1.amount;
            amount.bytes = amount.bytes.saturating_add(entry.size);
        }
    }

    fn count_in_part(&mut self, prefix: &[u8], entry: &Entry, itself: bool) {
        if let Some(tally) = self.parts.get_mut(prefix) {
            add_to_tally(tally, entry, itself);
        } else if self.parts.len() < MAX_PARTS {
            let mut tally = ContentTally::default();
            add_to_tally(&mut tally, entry, itself);
            self.parts.insert(prefix.to_owned(), tally);
        } else {
            self.more_parts = true;
        }
    }

    /// Returns the findings.
    pub fn finish(self) -> BackupContents {
        let mut candidates: Vec<Vec<Candidate>> = vec![Vec::new(); self.wants];
        for (path, tally) in &self.tallies {
            let at_top = self.top.get(path).into_iter().flatten().copied();
            let as_volume = volume_of(path).and_then(|name| self.volumes.get(name)).into_iter().flatten().copied();
            for (want, rule) in at_top.chain(as_volume).chain(self.with_suffix(path)) {
                let of_want = &mut candidates[want];
                match of_want.iter_mut().find(|candidate| candidate.path == *path) {
                    Some(candidate) => candidate.rule = candidate.rule.min(rule),
                    None => of_want.push(Candidate { rule, path: path.clone(), tally: tally.clone() }),
                }
            }
        }
        for of_want in &mut candidates {
            of_want.sort_by(|a, b| (a.rule, &a.path).cmp(&(b.rule, &b.path)));
        }
        let FoundDumps { dumps, more: more_dumps, lists: dump_lists } = self.dumps.finish();
        BackupContents {
            candidates,
            parts: self.parts.into_iter().collect(),
            more_parts: self.more_parts,
            whole: self.whole,
            layout: self.layout.finish(),
            dumps,
            more_dumps,
            dump_lists,
            lost_logs: self.logs.finish(),
            holes: Vec::new(),
        }
    }
}

fn last_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// The name of the volume that an engine keeps at this path: `…/volumes/NAME/_data`.
pub fn volume_of(path: &[u8]) -> Option<&[u8]> {
    let mut components = path.rsplit(|byte| *byte == b'/');
    if components.next() != Some(b"_data") {
        return None;
    }
    let name = components.next()?;
    (components.next() == Some(b"volumes")).then_some(name)
}

fn shape_of(kind: &Kind) -> Shape {
    match kind {
        Kind::Folder => Shape::Folder,
        Kind::File | Kind::HardLink(_) => Shape::File,
        Kind::Symlink(_) | Kind::Fifo | Kind::Device => Shape::Other,
    }
}

fn add_to_tally(tally: &mut ContentTally, entry: &Entry, itself: bool) {
    let is_folder = entry.kind == Kind::Folder;
    if itself {
        tally.root = Some(shape_of(&entry.kind));
    }
    match (is_folder, itself) {
        (true, true) => {}
        (true, false) => tally.folders += 1,
        (false, _) => {
            tally.sidecars += u64::from(is_sidecar(&entry.path));
            tally.amount.files += 1;
            tally.empty_files += u64::from(entry.kind == Kind::File && entry.size == 0);
            tally.amount.bytes = tally.amount.bytes.saturating_add(entry.stored);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::Amount;

    fn entry(path: &str, kind: Kind, stored: u64) -> Entry {
        let path = path.as_bytes().to_vec();
        Entry { path, kind, mode: 0o644, uid: 0, gid: 0, mtime: (0, 0), xattrs: Vec::new(), size: stored, stored }
    }

    fn survey(patterns: Vec<(MatchRule, Pattern)>, paths: &[&str]) -> BackupContents {
        let mut survey = Survey::new(&[MountQuery { patterns }]);
        for path in paths {
            match path.strip_suffix('/') {
                Some(folder) => survey.see(&entry(folder, Kind::Folder, 0)),
                None => survey.see(&entry(path, Kind::File, 10)),
            }
        }
        survey.finish()
    }

    #[test]
    fn a_volume_is_found_at_any_depth_and_only_whole() {
        let wanted = vec![(MatchRule::Name, Pattern::VolumeData(b"app_data".to_vec()))];
        let found = survey(
            wanted,
            &[
                "var/lib/docker/volumes/app_data/_data/",
                "var/lib/docker/volumes/app_data/_data/a",
                "var/lib/docker/volumes/app_data/_data/sub/",
                "var/lib/docker/volumes/app_data/_data/sub/b",
                "var/lib/docker/volumes/app_data2/_data/c",
                "x/volumes/app_data/other/d",
            ],
        );
        let [candidate] = found.candidates[0].as_slice() else { panic!("{found:?}") };
        assert_eq!(candidate.path, b"var/lib/docker/volumes/app_data/_data");
        assert_eq!(candidate.tally.amount, Amount { files: 2, bytes: 20 });
        assert_eq!((candidate.tally.folders, candidate.tally.root), (1, Some(Shape::Folder)));
        assert_eq!(found.whole.amount.files, 4);
        assert!(found.parts.iter().any(|(path, _)| path == b"var/lib/docker/volumes/app_data2/_data"));
    }

    #[test]
    fn the_end_of_a_path_is_found_below_any_folder_and_not_at_the_top() {
        let wanted = vec![(MatchRule::Suffix, Pattern::Suffix(b"app/data".to_vec()))];
        let paths = ["app/data/a", "x/app/data/b", "y/z/app/data/", "xapp/data/c", "x/app/data2/d", "x/app/database"];
        let found = survey(wanted, &paths);
        let found: Vec<_> =
            found.candidates[0].iter().map(|part| (part.path.clone(), part.tally.amount.files)).collect();
        assert_eq!(found, [(b"x/app/data".to_vec(), 1), (b"y/z/app/data".to_vec(), 0)]);
    }

    #[test]
    fn a_path_from_the_top_may_be_a_file() {
        let wanted = vec![(MatchRule::Name, Pattern::Top(b"srv/app/config.yml".to_vec()))];
        let found = survey(wanted, &["srv/app/config.yml", "srv/app/config.yml.bak"]);
        let [candidate] = found.candidates[0].as_slice() else { panic!("{found:?}") };
        assert_eq!((candidate.tally.amount.files, candidate.tally.root), (1, Some(Shape::File)));
    }

    #[test]
    fn what_macos_writes_beside_files_is_counted_apart() {
        let names = ["._data", "data/a", "data/._a", "data/.DS_Store", "__MACOSX/data/._a", "data/._", "data/x._y"];
        let found = survey(vec![(MatchRule::Name, Pattern::Top(b"data".to_vec()))], &names);
        let part = &found.candidates[0][0].tally;
        assert_eq!((part.amount.files, part.sidecars, part.own_files()), (5, 2, 3));
        assert_eq!((found.whole.amount.files, found.whole.own_files()), (7, 3));
    }

    #[test]
    fn the_stronger_rule_names_a_part_that_two_rules_find() {
        let part = Pattern::Top(b"data".to_vec());
        let found = survey(vec![(MatchRule::Target, part.clone()), (MatchRule::Name, part)], &["data/a"]);
        assert_eq!(found.candidates[0].len(), 1);
        assert_eq!(found.candidates[0][0].rule, MatchRule::Name);
    }

    #[test]
    fn what_is_kept_does_not_grow_with_the_entries() {
        let mut survey = Survey::new(&[]);
        for i in 0..10_000 {
            survey.see(&entry(&format!("d{i}/f"), Kind::File, 1));
        }
        let found = survey.finish();
        assert_eq!(found.parts.len(), MAX_PARTS);
        assert!(found.more_parts);
        assert_eq!(found.whole.amount, Amount { files: 10_000, bytes: 10_000 });
    }
}
