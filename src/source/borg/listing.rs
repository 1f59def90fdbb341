//! Reads what `borg list` prints: the archives of a repository, and the entries of an archive.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::archive::{Entry, Kind};
use crate::model::event::Snapshot;
use crate::model::sampled::Sampled;

/// Reads `borg list --json REPOSITORY`: the archives, oldest first. Borg leaves out the checkpoints of broken runs.
pub fn archives(json: &[u8]) -> Result<Vec<Snapshot>, String> {
    #[derive(Deserialize)]
    struct Repository {
        archives: Vec<Archive>,
    }
    #[derive(Deserialize)]
    struct Archive {
        name: String,
        time: String,
    }
    let Repository { archives } = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let read = |Archive { name, time }: Archive| match timestamp(&time) {
        Some(time) => Ok(Snapshot { id: name, time: Some(time) }),
        None => Err(format!("the archive {name} is of the time {time:?}, which is none")),
    };
    let mut snapshots = archives.into_iter().map(read).collect::<Result<Vec<Snapshot>, String>>()?;
    // The sort is stable: archives of one second stay in Borg's order.
    snapshots.sort_by_key(|snapshot| snapshot.time);
    Ok(snapshots)
}

/// Reads a time. Borg 1 writes local times without an offset, and it runs in UTC here.
fn timestamp(text: &str) -> Option<Timestamp> {
    let local = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp());
    text.parse().ok().or_else(local)
}

/// A line of `borg list --json-lines REPOSITORY::ARCHIVE`.
#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    mode: Cow<'a, str>,
    uid: u32,
    gid: u32,
    #[serde(borrow)]
    path: Cow<'a, str>,
    healthy: bool,
    #[serde(borrow)]
    linktarget: Cow<'a, str>,
    size: u64,
    #[serde(borrow)]
    mtime: Cow<'a, str>,
}

/// The entries of an archive, line by line, as `borg export-tar` will write them.
#[derive(Default)]
pub struct Items {
    /// Sizes of the files by a hash of their paths: Borg tells no size of a file's further names.
    sizes: HashMap<u64, u64>,
    hasher: RandomState,
    /// Files of which Borg has replaced lost pieces by zeros.
    pub broken: Sampled<String>,
}

impl Items {
    /// Reads a line. Names that are not UTF-8 have question marks, and times have no fractions.
    pub fn read(&mut self, line: &[u8]) -> Result<Entry, String> {
        let item: Item<'_> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let path = normalized(&item.path);
        let mode = mode(&item.mode).ok_or_else(|| format!("{} has the mode {:?}", item.path, item.mode))?;
        if !item.healthy {
            self.broken.add(|| item.path.to_string());
        }
        let target = || item.linktarget.as_bytes();
        let kind = match (item.kind.as_ref(), item.linktarget.is_empty()) {
            ("-", true) => Kind::File,
            ("-", false) => Kind::HardLink(normalized(&item.linktarget)),
            ("d", _) => Kind::Folder,
            ("l", _) => Kind::Symlink(target().to_vec()),
            ("p", _) => Kind::Fifo,
            ("b" | "c", _) => Kind::Device,
            (other, _) => return Err(format!("{} is of the unknown type {other:?}", item.path)),
        };
        let (size, stored) = match &kind {
            Kind::File => {
                self.sizes.insert(self.hasher.hash_one(&path), item.size);
                (item.size, item.size)
            }
            Kind::HardLink(first) => (self.sizes.get(&self.hasher.hash_one(first)).copied().unwrap_or(0), 0),
            _ => (0, 0),
        };
        // Nothing depends on a time that cannot be represented.
        let seconds = timestamp(&item.mtime).map_or(0, |time| time.as_second());
        let (uid, gid) = (item.uid, item.gid);
        Ok(Entry { path, kind, mode, uid, gid, mtime: (seconds, 0), xattrs: Vec::new(), size, stored })
    }
}

/// A path in the form of [`Entry::path`].
fn normalized(path: &str) -> Vec<u8> {
    let components: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    components.join("/").into_bytes()
}

/// Reads a mode as `ls -l` writes it; `None`: it is none.
fn mode(text: &str) -> Option<u32> {
    let letters: &[u8; 10] = text.as_bytes().try_into().ok()?;
    let mut mode = 0;
    for (who, (set, special)) in [(0o4000, b's'), (0o2000, b's'), (0o1000, b't')].into_iter().enumerate() {
        let shift = 6 - 3 * who;
        let [read, write, run] = [letters[1 + 3 * who], letters[2 + 3 * who], letters[3 + 3 * who]];
        let may_run = match run {
            b'x' => 1,
            b'-' => 0,
            lower if lower == special => {
                mode |= set;
                1
            }
            upper if upper == special.to_ascii_uppercase() => {
                mode |= set;
                0
            }
            _ => return None,
        };
        let (may_read, may_write) = (u32::from(read == b'r'), u32::from(write == b'w'));
        mode |= (may_read << 2 | may_write << 1 | may_run) << shift;
    }
    Some(mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARCHIVES: &str = include_str!("../../../fixtures/borg/archives.json");
    const ITEMS: &str = include_str!("../../../fixtures/borg/items.jsonl");

    #[test]
    fn archives_are_ordered_by_their_times_in_utc() {
        let found = archives(ARCHIVES.as_bytes()).expect("read");
        let found: Vec<(&str, String)> =
            found.iter().map(|one| (one.id.as_str(), one.time.expect("told").to_string())).collect();
        assert_eq!(
            found,
            [
                ("odd name", "2026-11-30T09:14:00.5Z".to_owned()),
                ("app-2026-11-01T03:00:00", "2026-11-30T09:14:01Z".to_owned())
            ]
        );
        // A newer Borg may write the offset.
        let offset = ARCHIVES.replace("09:14:01.000000\"\n        },", "09:14:01.000000+02:00\"\n        },");
        assert_eq!(archives(offset.as_bytes()).expect("read")[0].id, "app-2026-11-01T03:00:00");
        assert!(archives(ARCHIVES.replace("09:14:01.0", "99:14:01.0").as_bytes()).is_err());
        assert!(archives(&ARCHIVES.as_bytes()[..200]).is_err());
        assert!(archives(b"{}").is_err());
    }

    #[test]
    fn entries_are_as_they_will_come() {
        let mut items = Items::default();
        let entries: Vec<Entry> = ITEMS.lines().map(|line| items.read(line.as_bytes()).expect(line)).collect();
        let shown: Vec<String> = entries
            .iter()
            .map(|Entry { path, kind, mode, uid, gid, mtime, size, stored, .. }| {
                let path = String::from_utf8_lossy(path);
                format!("{path} {kind:?} {mode:o} {uid}:{gid} {} {size}/{stored}", mtime.0)
            })
            .collect();
        let twin = format!("{:?}", Kind::HardLink(b"vol/twin".to_vec()));
        let link = format!("{:?}", Kind::Symlink(b"./note".to_vec()));
        assert_eq!(
            shown,
            [
                " Folder 3775 0:0 1796030039 0/0".to_owned(),
                "vol/twin File 644 7:3000000000 1796030039 5/5".to_owned(),
                format!("vol/note {twin} 644 7:3000000000 1796030039 5/0"),
                format!("vol/link {link} 777 0:0 1796030039 0/0"),
                "vol/pipe Fifo 644 0:0 1796030039 0/0".to_owned(),
                "vol/new\nline File 644 0:0 -2 9/9".to_owned(),
                "vol/?? x File 4655 0:0 1796030039 0/0".to_owned(),
                "vol/null Device 644 0:0 1796030039 0/0".to_owned(),
            ]
        );
        assert_eq!((items.broken.count, items.broken.first.as_slice()), (1, &["vol/new\nline".to_owned()][..]));
    }

    #[test]
    fn what_is_no_listing_is_an_error() {
        let line = ITEMS.lines().nth(1).expect("a file");
        let mut items = Items::default();
        for wrong in [
            &line[..60],
            "",
            &line.replace("\"healthy\": true, ", ""),
            &line.replace("-rw-r--r--", "-rw-r--r-"),
            &line.replace("-rw-r--r--", "-rw-r--r-q"),
            &line.replace("\"type\": \"-\"", "\"type\": \"?\""),
        ] {
            assert!(items.read(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
