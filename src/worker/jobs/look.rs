//! Looks at what the engine's host has: its mounts, and the snapshots in a folder.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{CWD, OFlags};

use super::identify::folder_id;
use crate::model::host_tree::{HostEntry, HostSeen};
use crate::worker::fs::mounts;
use crate::worker::fs::open::open_quietly;
use crate::worker::job::{JobControl, JobStop};
use crate::worker::protocol::{Failure, LookJob};

/// Longest `info.xml` that is read.
const MAX_INFO: u64 = 64 * 1024;

/// Looks at what the job names.
pub fn look(job: &LookJob, control: &JobControl) -> Result<HostSeen, JobStop> {
    let mut seen = HostSeen::default();
    if let Some(path) = &job.mounts {
        let text = fs::read_to_string(path).map_err(|error| unreadable("the host's table of mounts", &error))?;
        seen.mounts = mounts::with_files(&text);
    }
    if let Some((path, inside)) = &job.list {
        list(Path::new(path), inside, &mut seen, control)?;
    }
    for path in &job.folders {
        seen.folders.push(fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()));
    }
    Ok(seen)
}

/// Lists the folders of `path` that have one of `inside`. A link such as `latest` is a second name of another
/// snapshot, and counts as another thing.
fn list(path: &Path, inside: &[String], seen: &mut HostSeen, control: &JobControl) -> Result<(), JobStop> {
    for entry in fs::read_dir(path).map_err(|error| unreadable("", &error))? {
        control.beat()?;
        let entry = entry.map_err(|error| unreadable("", &error))?;
        let folder = entry.path();
        let found = inside.iter().find_map(|inside| {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let data = if inside.is_empty() { folder.clone() } else { folder.join(inside) };
            let metadata = fs::symlink_metadata(&data).ok().filter(|data| is_folder && data.is_dir())?;
            Some((inside, folder_id(&data)?, metadata))
        });
        let (Some((inside, id, metadata)), Ok(name)) = (found, entry.file_name().into_string()) else {
            seen.others += 1;
            continue;
        };
        let dated = if inside == "snapshot" { date_of(&folder.join("info.xml")) } else { None };
        let modified = metadata.mtime();
        seen.entries.push(HostEntry { name, inside: inside.clone(), modified, id, dated });
    }
    Ok(())
}

/// The text of `<date>` in snapper's description of a snapshot.
fn date_of(path: &Path) -> Option<String> {
    // Whoever writes to the folder of snapshots may have made a pipe of it, whose opening would wait.
    let file = fs::File::from(open_quietly(CWD, path, OFlags::empty()).ok()?);
    let mut text = String::new();
    file.metadata().ok().filter(fs::Metadata::is_file)?;
    file.take(MAX_INFO).read_to_string(&mut text).ok()?;
    let (_, rest) = text.split_once("<date>")?;
    Some(rest.split_once("</date>")?.0.trim().to_owned())
}

fn unreadable(path: &str, error: &io::Error) -> JobStop {
    Failure::Unreadable { path: path.to_owned(), error: error.to_string() }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(path: &Path, inside: &[&str]) -> LookJob {
        let inside = inside.iter().map(|inside| (*inside).to_owned()).collect();
        LookJob { mounts: None, list: Some((path.to_str().unwrap().to_owned(), inside)), folders: Vec::new() }
    }

    #[test]
    fn snapshots_are_listed_with_the_place_of_their_data() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["1/snapshot", "2/snapshot", "3", "2026-10-09_15-11-23/@"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        let info =
            "<?xml version=\"1.0\"?>\n<snapshot>\n  <num>1</num>\n  <date>2026-11-01 20:11:05</date>\n</snapshot>";
        fs::write(dir.path().join("1/info.xml"), info).unwrap();
        rustix::fs::mknodat(CWD, dir.path().join("2/info.xml"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
            .unwrap();
        fs::write(dir.path().join("notes.txt"), "").unwrap();
        std::os::unix::fs::symlink("1", dir.path().join("latest")).unwrap();
        let seen = look(&job(dir.path(), &["snapshot", "@"]), &JobControl::default()).unwrap();
        let mut entries: Vec<_> =
            seen.entries.iter().map(|e| (e.name.as_str(), e.inside.as_str(), e.dated.as_deref())).collect();
        entries.sort_unstable();
        let expected = [
            ("1", "snapshot", Some("2026-11-01 20:11:05")),
            ("2", "snapshot", None),
            ("2026-10-09_15-11-23", "@", None),
        ];
        assert_eq!(entries, expected);
        assert_eq!(seen.others, 3);
        let of = |name: &str| seen.entries.iter().find(|entry| entry.name == name).unwrap().id;
        assert_eq!(Some(of("1")), folder_id(&dir.path().join("1/snapshot")), "of the data, and not of what is around");
        assert_ne!(of("1"), of("2"));
    }

    #[test]
    fn a_folder_that_is_not_there_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let stop = look(&job(&dir.path().join("none"), &[""]), &JobControl::default()).unwrap_err();
        assert!(matches!(stop, JobStop::Failed(Failure::Unreadable { .. })), "{stop:?}");
        let path = dir.path().to_str().unwrap().to_owned();
        let folders = LookJob { mounts: None, list: None, folders: vec![path.clone(), format!("{path}/none")] };
        assert_eq!(look(&folders, &JobControl::default()).unwrap().folders, [true, false]);
    }
}
