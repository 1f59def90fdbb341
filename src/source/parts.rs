//! Archives that were split: `split -b 4G - app.tar.gz.part`, `app.tar.gz.001`. The parts are read one after the other
//! as one file. A part that is missing before the last one is known by the names of the others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::SourceError;
use crate::local_file;
use crate::model::event::Snapshot;
use crate::model::source_kind::{is_archive_name, is_dump_name};

/// A file name that is one of several parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartName<'a> {
    /// The name without the mark: that of the whole.
    pub whole: &'a str,
    /// Everything before the mark.
    before: &'a str,
    mark: &'a str,
}

/// A file of a source: its parts in their order, mostly one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    pub snapshot: Snapshot,
    pub parts: Vec<PathBuf>,
}

/// Recognises the name of a part by its end: letters (`aa`, `ab`) or digits (`001`, `part2`).
pub fn part_name(name: &str) -> Option<PartName<'_>> {
    const SIGNS: [char; 3] = ['.', '-', '_'];
    let digits = name.bytes().rev().take_while(u8::is_ascii_digit).count();
    let letters = name.bytes().rev().take_while(u8::is_ascii_lowercase).count();
    let split = |count: usize| (&name[..name.len() - count], &name[name.len() - count..]);
    let part = |(before, mark)| PartName { whole: trimmed(before), before, mark };
    let is_of_backup = |before: &str| {
        let before = before.trim_end_matches(SIGNS);
        is_archive_name(before) || is_dump_name(before)
    };
    if digits > 0 {
        let (before, mark) = split(digits);
        let is_said = before.trim_end_matches(SIGNS).ends_with("part");
        // One or two digits are more often the number of a rotated log.
        let is_volume = digits >= 3 && before.ends_with('.') && is_of_backup(before);
        return (digits <= 6 && (is_said || is_volume)).then(|| part((before, mark)));
    }
    // `partaa`, and the letters that `split` puts behind a name.
    for count in (2..=letters.min(4)).rev() {
        let (before, mark) = split(count);
        let is_ending = is_archive_name(name) || is_dump_name(name);
        let is_default = before == "x" && count < 4;
        if !is_ending && (is_default || before.ends_with("part") || is_of_backup(before)) {
            return Some(part((before, mark)));
        }
    }
    None
}

/// The name of the whole: without `part` and the signs before the mark.
fn trimmed(before: &str) -> &str {
    let signs = ['.', '-', '_'];
    let without = before.trim_end_matches(signs);
    without.strip_suffix("part").unwrap_or(without).trim_end_matches(signs)
}

/// Joins the parts of each split archive among these files, which are ordered, oldest first. A single file is joined
/// with the parts beside it.
pub fn join(found: Vec<(Snapshot, PathBuf)>) -> Result<Vec<StoredFile>, SourceError> {
    let found = match <[_; 1]>::try_from(found) {
        Ok([(snapshot, path)]) => return join_single(snapshot, path).map(|file| vec![file]),
        Err(several) => several,
    };
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, (snapshot, path)) in found.iter().enumerate() {
        if let Some(part) = part_name(&snapshot.id).filter(|_| path.is_file()) {
            groups.entry(part.before.to_owned()).or_default().push(at);
        }
    }
    groups.retain(|before_mark, parts| is_split(parts.iter().map(|at| mark_of(before_mark, &found[*at].0.id))));
    for (before_mark, group) in &mut groups {
        add_endings(before_mark, group, &found);
    }
    let mut files = Vec::new();
    for (at, (snapshot, path)) in found.iter().enumerate() {
        match groups.iter().find(|(_, group)| group.contains(&at)) {
            None => files.push(StoredFile { snapshot: snapshot.clone(), parts: vec![path.clone()] }),
            // The newest part stands for all.
            Some((before_mark, group)) if group.last() == Some(&at) => {
                let parts = group.iter().map(|at| found[*at].clone()).collect();
                files.push(whole(before_mark, snapshot, parts)?);
            }
            Some(_) => {}
        }
    }
    Ok(files)
}

/// Adds parts whose name looks like another ending: `app.tar.gz` between `app.tar.gy` and `app.tar.ha`.
fn add_endings(before_mark: &str, group: &mut Vec<usize>, found: &[(Snapshot, PathBuf)]) {
    let marks: BTreeSet<&str> = group.iter().map(|at| mark_of(before_mark, &found[*at].0.id)).collect();
    let is_between = |id: &str| {
        let Some(mark) = id.strip_prefix(before_mark).filter(|mark| mark.len() == 2) else { return false };
        mark.bytes().all(|byte| byte.is_ascii_lowercase())
            && before(mark).is_some_and(|before| marks.contains(before.as_str()))
            && marks.contains(after(mark).as_str())
    };
    let more: Vec<usize> = (0..found.len()).filter(|at| !group.contains(at) && is_between(&found[*at].0.id)).collect();
    group.extend(more);
    group.sort_unstable();
}

/// Joins a file that was named by itself with the parts beside it.
fn join_single(snapshot: Snapshot, path: PathBuf) -> Result<StoredFile, SourceError> {
    let alone = StoredFile { snapshot: snapshot.clone(), parts: vec![path.clone()] };
    let Some(part) = part_name(&snapshot.id).filter(|_| path.is_file()) else { return Ok(alone) };
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(beside) = std::fs::read_dir(folder) else { return Ok(alone) };
    let is_other_part = |name: &str| part_name(name).is_some_and(|other| other.before == part.before);
    let names = beside.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()));
    let names: Vec<String> = names.filter(|name| is_other_part(name)).collect();
    if !is_split(names.iter().map(|name| mark_of(part.before, name))) {
        return Ok(alone);
    }
    if !is_first(part.mark) {
        return Err(SourceError::NotThere(format!(
            "{} is one part of several, and not the first; name the first one, or all of them with a pattern: \
             {}*",
            path.display(),
            folder.join(part.before).display()
        )));
    }
    let parts = names.into_iter().map(|name| (Snapshot { id: name.clone(), time: None }, folder.join(name))).collect();
    whole(part.before, &snapshot, parts)
}

fn mark_of<'a>(before_mark: &str, name: &'a str) -> &'a str {
    name.strip_prefix(before_mark).unwrap_or_default()
}

/// Whether these are the marks of one split file: several, and the first or the second one is there.
fn is_split<'a>(marks: impl Iterator<Item = &'a str>) -> bool {
    let mut marks: Vec<&str> = marks.collect();
    marks.sort_by_key(|mark| order(mark));
    let [first, _, ..] = marks.as_slice() else { return false };
    let is_near = |mark: &str| is_first(mark) || before(mark).is_some_and(|before| is_first(&before));
    is_near(first)
}

fn order(mark: &str) -> (usize, String) {
    match mark.parse::<u64>() {
        Ok(number) => (0, format!("{number:020}")),
        Err(_) => (mark.len(), mark.to_owned()),
    }
}

fn is_first(mark: &str) -> bool {
    matches!(mark.parse::<u64>(), Ok(0 | 1)) || (!mark.is_empty() && mark.bytes().all(|letter| letter == b'a'))
}

/// The mark before this one.
fn before(mark: &str) -> Option<String> {
    if let Ok(number) = mark.parse::<u64>() {
        return Some(format!("{:0width$}", number.checked_sub(1)?, width = mark.len()));
    }
    let mut letters = mark.as_bytes().to_vec();
    for letter in letters.iter_mut().rev() {
        if *letter > b'a' {
            *letter -= 1;
            return String::from_utf8(letters).ok();
        }
        *letter = b'z';
    }
    None
}

/// The mark after this one.
fn after(mark: &str) -> String {
    if let Ok(number) = mark.parse::<u64>() {
        return format!("{:0width$}", number + 1, width = mark.len());
    }
    // `split` makes its marks longer before the last two letters are used up.
    if mark == "yz" {
        return "zaaa".to_owned();
    }
    let mut letters = mark.as_bytes().to_vec();
    for letter in letters.iter_mut().rev() {
        if *letter < b'z' {
            *letter += 1;
            break;
        }
        *letter = b'a';
    }
    String::from_utf8(letters).unwrap_or_default()
}

/// The whole of these parts, whose names begin alike. `newest` gives the time.
fn whole(before_mark: &str, newest: &Snapshot, mut parts: Vec<(Snapshot, PathBuf)>) -> Result<StoredFile, SourceError> {
    parts.sort_by_key(|(part, _)| order(mark_of(before_mark, &part.id)));
    let id = Some(trimmed(before_mark)).filter(|whole| !whole.is_empty()).unwrap_or(&newest.id).to_owned();
    let count = parts.len();
    let missing = |mark: &str| {
        let words = format!("the part {before_mark}{mark} of {id} is missing; there are {count} other parts");
        SourceError::PartMissing(words)
    };
    let mut wanted: Option<String> = None;
    for (part, _) in &parts {
        let mark = mark_of(before_mark, &part.id);
        match wanted.replace(after(mark)) {
            None if !is_first(mark) => return Err(missing(&before(mark).unwrap_or_default())),
            Some(wanted) if order(&wanted) != order(mark) => return Err(missing(&wanted)),
            _ => {}
        }
    }
    let parts = parts.into_iter().map(|(_, path)| path).collect();
    Ok(StoredFile { snapshot: Snapshot { id, time: newest.time }, parts })
}

/// Reads files one after the other.
#[derive(Debug)]
pub struct PartsReader {
    /// The files that were not opened yet, the last one first.
    left: Vec<PathBuf>,
    current: Option<File>,
}

impl PartsReader {
    /// Reads these files in their order.
    pub fn new(parts: &[PathBuf]) -> PartsReader {
        PartsReader { left: parts.iter().rev().cloned().collect(), current: None }
    }
}

impl Read for PartsReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(current) = &mut self.current {
                let count = current.read(buffer)?;
                if count > 0 || buffer.is_empty() {
                    return Ok(count);
                }
            }
            let Some(next) = self.left.pop() else { return Ok(0) };
            self.current = Some(local_file::open_regular(&next)?);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(names: &[&str]) -> Result<Vec<(String, Vec<String>)>, String> {
        let dir = tempfile::tempdir().expect("a folder");
        let found = names.iter().map(|name| {
            std::fs::write(dir.path().join(name), name).expect("written");
            (Snapshot { id: (*name).to_owned(), time: None }, dir.path().join(name))
        });
        let files = join(found.collect()).map_err(|error| error.to_string())?;
        let name = |path: &PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
        Ok(files.into_iter().map(|file| (file.snapshot.id, file.parts.iter().map(name).collect())).collect())
    }

    #[test]
    fn parts_are_joined_in_their_order() {
        for (names, whole) in [
            (&["app.tar.gz.partab", "app.tar.gz.partaa"][..], "app.tar.gz"),
            (&["app.tar.gz.aa", "app.tar.gz.ab", "app.tar.gz.ac"], "app.tar.gz"),
            (&["app.tar.zstaa", "app.tar.zstab"], "app.tar.zst"),
            (&["app.sql.gz.001", "app.sql.gz.002"], "app.sql.gz"),
            (&["app.tar-part-1", "app.tar-part-2"], "app.tar"),
            (&["xaa", "xab"], "x"),
        ] {
            let mut sorted: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            sorted.sort();
            assert_eq!(joined(names), Ok(vec![(whole.to_owned(), sorted)]));
        }
        let numbers: Vec<String> = (1..=12).map(|number| format!("app.tar.part{number}")).collect();
        let files = joined(&numbers.iter().map(String::as_str).collect::<Vec<_>>()).expect("no gap");
        assert_eq!(files, [("app.tar".to_owned(), numbers)]);
        let mut letters = vec!["app.tar.yz".to_owned(), "app.tar.zaaa".to_owned()];
        let mut mark = "aa".to_owned();
        while mark != "yz" {
            letters.push(format!("app.tar.{mark}"));
            mark = after(&mark);
        }
        let files = joined(&letters.iter().map(String::as_str).collect::<Vec<_>>()).expect("no gap");
        assert_eq!((files.len(), files[0].1.len()), (1, letters.len()));
    }

    #[test]
    fn a_missing_part_is_named() {
        for (names, missing) in [
            (&["app.tar.partaa", "app.tar.partac"][..], "app.tar.partab"),
            (&["app.tar.partab", "app.tar.partac"], "app.tar.partaa"),
            (&["app.tar.001", "app.tar.002", "app.tar.004"], "app.tar.003"),
            (&["app.tar.002", "app.tar.003"], "app.tar.001"),
        ] {
            let error = joined(names).expect_err("a part is missing");
            assert!(error.contains(&format!("the part {missing} of app.tar is missing")), "{error}");
        }
    }

    #[test]
    fn archives_that_are_whole_are_left_alone() {
        for names in [
            &["app-2026-11-01.tar.gz", "app-2026-11-02.tar.gz"][..],
            &["app.tar.gz.1", "app.tar.gz.2"],
            &["app.tar.gz", "app.tar.xz", "app.tar.age", "app.sql"],
            &["monday.tar", "tuesday.tar"],
        ] {
            let files = joined(names).expect("they are whole");
            assert!(files.len() == names.len() && files.iter().all(|(_, parts)| parts.len() == 1), "{files:?}");
        }
    }

    #[test]
    fn a_part_that_is_named_alone_brings_the_others() {
        let dir = tempfile::tempdir().expect("a folder");
        for (name, content) in [("app.tar.partaa", "one "), ("app.tar.partab", "two"), ("other.tar.partaa", "")] {
            std::fs::write(dir.path().join(name), content).expect("written");
        }
        let alone = |name: &str| join(vec![(Snapshot { id: name.to_owned(), time: None }, dir.path().join(name))]);
        let files = alone("app.tar.partaa").expect("both are there");
        let mut text = String::new();
        PartsReader::new(&files[0].parts).read_to_string(&mut text).expect("read");
        assert_eq!(text, "one two");
        let error = alone("app.tar.partab").expect_err("not the first").to_string();
        assert!(error.contains("not the first") && error.ends_with("app.tar.part*"), "{error}");
        assert_eq!(alone("other.tar.partaa").expect("one").len(), 1);
    }
}
