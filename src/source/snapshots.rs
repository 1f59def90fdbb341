//! The snapshots of a source that is a path with a pattern: every file or folder that it names is one.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::SourceError;
use super::name_time::in_name;
use crate::model::event::Snapshot;

/// A time in a name is local somewhere, and a file may be finished some hours after the time that it is named by: when both are
/// this near, the file's own is the better one.
const NEAR: SignedDuration = SignedDuration::from_hours(26);

/// What a path names, oldest first: itself, or what fits the pattern in its last component, and of these what `fits`.
pub fn at(path: &Path, fits: impl Fn(&Path, &Metadata) -> bool) -> Result<Vec<(Snapshot, PathBuf)>, SourceError> {
    let unreachable = |path: &Path, error| SourceError::Unreachable { path: path.to_owned(), error };
    let named = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !is_pattern(&named) || std::fs::symlink_metadata(path).is_ok() {
        let metadata = std::fs::metadata(path).map_err(|error| unreachable(path, error))?;
        if !fits(path, &metadata) {
            let words = if metadata.is_dir() {
                "it is a folder; write dir:"
            } else {
                "it is no folder; write tar: for an archive"
            };
            return Err(unreachable(path, std::io::Error::other(words)));
        }
        let named = if named.is_empty() { path.display().to_string() } else { named };
        return Ok(vec![(Snapshot { time: time(&named, &metadata), id: named }, path.to_owned())]);
    }
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let pattern = glob::Pattern::new(&named)
        .map_err(|error| SourceError::NoSnapshot(format!("{named} is no pattern: {error}")))?;
    let mut found = Vec::new();
    let mut seen = 0_usize;
    for entry in std::fs::read_dir(folder).map_err(|error| unreachable(folder, error))? {
        let entry = entry.map_err(|error| unreachable(folder, error))?;
        seen += 1;
        let name = entry.file_name().to_string_lossy().into_owned();
        // A link such as `backup-latest.tar.gz` is another name of what is there already.
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        let Ok(metadata) = entry.metadata() else { continue };
        if is_link || !pattern.matches(&name) || !fits(&entry.path(), &metadata) {
            continue;
        }
        found.push((Snapshot { time: time(&name, &metadata), id: name }, entry.path()));
    }
    if found.is_empty() {
        return Err(SourceError::NoSnapshot(format!(
            "nothing in {} fits {named} (there are {seen} other files and folders)",
            folder.display()
        )));
    }
    found.sort_by(|(a, _), (b, _)| (a.time, &a.id).cmp(&(b.time, &b.id)));
    Ok(found)
}

fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

fn time(name: &str, metadata: &Metadata) -> Option<Timestamp> {
    let modified = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
    match (in_name(name), modified) {
        (Some(named), Some(modified)) if modified.duration_since(named).abs() <= NEAR => Some(modified),
        (Some(named), _) => Some(named),
        (None, modified) => modified,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(path: &Path, unix: u64) {
        let file = std::fs::File::create(path).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(unix)).unwrap();
    }

    fn ids(path: &Path) -> Vec<String> {
        at(path, |_, metadata| metadata.is_file()).unwrap().into_iter().map(|(snapshot, _)| snapshot.id).collect()
    }

    #[test]
    fn the_time_in_the_name_orders_before_the_files_own() {
        let dir = tempfile::tempdir().unwrap();
        // Copied together from elsewhere, so all have the time of the copy, the older one even a later one.
        touch(&dir.path().join("app-2026-11-01.tar"), 1_790_000_500);
        touch(&dir.path().join("app-2026-11-03.tar"), 1_790_000_000);
        touch(&dir.path().join("other-2026-12-01.tar"), 1_790_000_000);
        std::os::unix::fs::symlink("app-2026-11-03.tar", dir.path().join("app-latest.tar")).unwrap();
        std::fs::create_dir(dir.path().join("app-2026-11-09.tar")).unwrap();
        assert_eq!(ids(&dir.path().join("app-*.tar")), ["app-2026-11-01.tar", "app-2026-11-03.tar"]);
    }

    #[test]
    fn without_a_time_in_the_name_the_files_own_counts() {
        let dir = tempfile::tempdir().unwrap();
        touch(&dir.path().join("a.tar"), 2_000);
        touch(&dir.path().join("b.tar"), 1_000);
        assert_eq!(ids(&dir.path().join("*.tar")), ["b.tar", "a.tar"]);
        let (snapshot, _) = at(&dir.path().join("a.tar"), |_, _| true).unwrap().remove(0);
        assert_eq!(snapshot.time.unwrap().as_second(), 2_000);
    }

    #[test]
    fn a_pattern_that_fits_nothing_says_where_it_looked() {
        let dir = tempfile::tempdir().unwrap();
        touch(&dir.path().join("a.zip"), 1_000);
        let error = at(&dir.path().join("*.tar"), |_, _| true).unwrap_err();
        assert!(matches!(error, SourceError::NoSnapshot(_)), "{error}");
        let words = error.to_string();
        assert!(words.contains(&dir.path().display().to_string()) && words.contains("1 other"), "{words}");
    }

    #[test]
    fn a_file_whose_name_has_brackets_is_itself() {
        let dir = tempfile::tempdir().unwrap();
        touch(&dir.path().join("a[1].tar"), 1_000);
        assert_eq!(ids(&dir.path().join("a[1].tar")), ["a[1].tar"]);
    }
}
