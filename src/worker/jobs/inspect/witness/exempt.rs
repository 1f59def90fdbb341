//! Live entries that nobody expects in a backup: caches and logs, what the settings exclude, and folders with a tag by
//! which backup programs leave them out.

use std::ffi::CStr;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, OFlags, statat};

use super::super::sample::{is_remade, read_at};
use crate::worker::fs::open::open_quietly;

/// Folders that file systems and their tools keep beside the data.
const OF_FILE_SYSTEMS: [&[u8]; 6] = [b"lost+found", b".snapshot", b".snapshots", b".zfs", b"@eaDir", b".stfolder"];
/// The tag of a cache, by its specification: a file of this name that begins so.
const CACHE_TAG: (&CStr, &[u8]) = (c"CACHEDIR.TAG", b"Signature: 8a477f597d28d172789f06886806bc55");
/// The names by which people have backup programs leave out a folder.
const NO_BACKUP: [&CStr; 2] = [c".nobackup", c".nobak"];

/// What is exempt.
pub struct Exemptions(Vec<Pattern>);

impl Exemptions {
    /// With these patterns of the settings, beside the well-known names.
    pub fn new(patterns: &[String]) -> Self {
        Self(patterns.iter().filter_map(|pattern| Pattern::read(pattern)).collect())
    }

    /// Whether nobody expects the entry of this path in a backup.
    pub fn has(&self, path: &[u8]) -> bool {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        OF_FILE_SYSTEMS.contains(&name)
            || is_remade(path)
            || DISPOSABLE.iter().any(|folder| name.eq_ignore_ascii_case(folder.as_bytes()))
            || self.0.iter().any(|pattern| pattern.fits(path))
    }
}

impl Exemptions {
    /// As [`Exemptions::has`], for a folder with all that is in it.
    pub fn has_folder(&self, path: &[u8]) -> bool {
        self.has(path) || is_remade(&[path, b"/-"].concat())
    }

    /// Whether nobody expects the file of this path in a backup, or a folder above it.
    pub fn has_any(&self, path: &[u8]) -> bool {
        let folders = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(end, _)| &path[..end]);
        self.has(path) || folders.into_iter().any(|folder| self.has_folder(folder))
    }
}

/// Whether a folder has a tag by which backup programs leave it out.
pub fn is_tagged(folder: &OwnedFd) -> bool {
    let (tag, beginning) = CACHE_TAG;
    let is_there = |name: &CStr| statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
    let is_cache = || {
        let head = open_quietly(folder, tag, OFlags::empty()).ok().and_then(|file| read_at(&file, beginning.len(), 0));
        head.is_some_and(|head| head == beginning)
    };
    is_there(tag) && is_cache() || NO_BACKUP.into_iter().any(is_there)
}

/// Whether a file is a part of an SQLite database that is only there while the database is in use. SQLite's own check
/// judges whether the backup may lack it.
pub fn is_in_passing(name: &[u8]) -> bool {
    [&b"-wal"[..], b"-shm", b"-journal"].iter().any(|end| name.ends_with(end))
}

/// A pattern of the settings, by components. `**` is any number of folders; `*` and `?` stand within a name.
struct Pattern {
    /// It begins at the mount; else its name may be at any depth.
    anchored: bool,
    parts: Vec<Vec<u8>>,
}

impl Pattern {
    /// Reads a pattern; `None`: it names nothing.
    fn read(text: &str) -> Option<Self> {
        let trimmed = text.trim_matches('/').trim_end_matches("/**");
        let parts: Vec<Vec<u8>> = trimmed.split('/').filter(|part| !part.is_empty()).map(Into::into).collect();
        (!parts.is_empty()).then(|| Self { anchored: text.trim_end_matches('/').contains('/'), parts })
    }

    /// Whether the pattern names this path, or a folder above it.
    fn fits(&self, path: &[u8]) -> bool {
        let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        let starts = if self.anchored { 1 } else { names.len() };
        (0..starts).any(|start| leads_to(&self.parts, &names[start..]))
    }
}

/// Whether the parts name these names or a beginning of them. Of several `**` only the last is tried again: what the
/// ones before it have taken makes no difference for what is behind.
fn leads_to(parts: &[Vec<u8>], names: &[&[u8]]) -> bool {
    // The place after the last `**`, and how many of the names it has taken.
    let (mut at, mut seen, mut any) = (0, 0, None);
    while let Some(part) = parts.get(at) {
        if part == b"**" {
            at += 1;
            any = Some((at, seen));
        } else if names.get(seen).is_some_and(|name| is_match(part, name)) {
            (at, seen) = (at + 1, seen + 1);
        } else {
            match &mut any {
                Some((after, taken)) if *taken < names.len() => {
                    *taken += 1;
                    (at, seen) = (*after, *taken);
                }
                _ => return false,
            }
        }
    }
    true
}

/// Whether a name fits a part with `*` and `?`.
fn is_match(part: &[u8], name: &[u8]) -> bool {
    // The place after the last star, and how much of the name the star takes there.
    let (mut at, mut seen, mut star) = (0, 0, None);
    while seen < name.len() {
        match part.get(at) {
            Some(b'*') => {
                star = Some((at + 1, seen));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[seen] => (at, seen) = (at + 1, seen + 1),
            _ => match &mut star {
                Some((after, taken)) => {
                    *taken += 1;
                    (at, seen) = (*after, *taken);
                }
                None => return false,
            },
        }
    }
    part[at..].iter().all(|byte| *byte == b'*')
}

/// Names of folders whose content programs make anew, beside [`is_remade`]'s.
const DISPOSABLE: [&str; 5] = ["__pycache__", "node_modules", ".Trash", ".Trash-1000", ".stversions"];

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// With a try for each part of the path at each `**` this would not end.
    #[test]
    fn a_pattern_of_many_folders_at_any_depth_is_read_in_time() {
        let (pattern, path) = (format!("{}b", "**/a/".repeat(30)), "a/".repeat(1_000));
        let pattern = Pattern::read(&pattern).expect("a pattern");
        assert!(!pattern.fits(path.as_bytes()));
        assert!(pattern.fits(format!("{path}b/below").as_bytes()));
    }

    #[test]
    fn a_pattern_names_a_path_and_what_lies_below_it() {
        let fits = |pattern: &str, path: &str| {
            Exemptions::new(&[pattern.to_owned()]).0.iter().any(|pattern| pattern.fits(path.as_bytes()))
        };
        for (pattern, path) in [
            ("thumbs/**", "thumbs/a/b"),
            ("thumbs", "thumbs"),
            ("thumbs", "deep/thumbs/a"),
            ("thumbs/", "deep/thumbs/a"),
            ("/thumbs", "thumbs/a"),
            ("data/*/thumbs", "data/user/thumbs/1.jpg"),
            ("data/**/thumbs", "data/thumbs/1.jpg"),
            ("data/**/thumbs", "data/a/b/thumbs/1.jpg"),
            ("*.iso", "images/a.iso"),
            ("**/*.iso", "a.iso"),
            ("a?c*e", "abcde"),
            ("**", "a"),
            ("**", "a/b"),
        ] {
            assert!(fits(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("/thumbs", "deep/thumbs/a"),
            ("thumbs/**", "deep/thumbs/a"),
            ("data/thumbs", "other/data/thumbs"),
            ("thumb", "thumbs"),
            ("*.iso", "a.iso.txt"),
            ("data/*/thumbs", "data/thumbs"),
            ("", "a"),
            ("/", "a"),
        ] {
            assert!(!fits(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn a_tag_exempts_a_folder_only_if_it_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let opened = || OwnedFd::from(fs::File::open(dir.path()).unwrap());
        assert!(!is_tagged(&opened()));
        fs::write(dir.path().join("CACHEDIR.TAG"), "something else").unwrap();
        assert!(!is_tagged(&opened()));
        fs::write(dir.path().join("CACHEDIR.TAG"), [CACHE_TAG.1, b"\n# made by a program"].concat()).unwrap();
        assert!(is_tagged(&opened()));
        fs::remove_file(dir.path().join("CACHEDIR.TAG")).unwrap();
        fs::write(dir.path().join(".nobackup"), "").unwrap();
        assert!(is_tagged(&opened()));
    }
}
