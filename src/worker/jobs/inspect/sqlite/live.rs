//! Counts rows of live databases, to be compared with those of the restored ones. Most of a live database may be
//! younger than the backup, so only two kinds of rows say anything:
//!
//! - all rows of a database that has not been touched since the backup began;
//! - rows whose ids a table with `AUTOINCREMENT` had given when the backup was made. Such a table never gives an id
//!   twice, so they are older than the backup.
//!
//! The live mount is read as in [`super::running`]: nothing of it is written or locked.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::FileType;

use super::check::connect;
use super::files::Files;
use super::path_below;
use super::rows;
use super::running::{Unlocked, read_unlocked};
use super::view::ViewOf;
use crate::model::units;
use crate::worker::fs::open::open_folder;
use crate::worker::fs::root::{open_root, stat_root};
use crate::worker::job::{JobControl, JobStop};
use crate::worker::jobs::inspect::witness::{Facts, FolderPast, LiveExemptions, Start};
use crate::worker::protocol::{CountLiveJob, LiveDatabase, LiveQuestion, RootKind};

/// Bytes of a live database, with its log, up to which its rows are counted, and of all of a mount.
const LARGEST: u64 = 256 * 1024 * 1024;
const LARGEST_TOGETHER: u64 = 1024 * 1024 * 1024;

/// Counts rows of the live databases of these paths.
pub fn count_live(job: &CountLiveJob, control: &Arc<JobControl>) -> Result<Vec<LiveDatabase>, JobStop> {
    let (kind, _) = stat_root(&job.live)?;
    if kind != RootKind::Folder {
        return Ok(Vec::new());
    }
    let root = open_root(&job.live, kind)?;
    let exempt = LiveExemptions::new(&job.exclude);
    let (mut counted, mut left) = (Vec::new(), LARGEST_TOGETHER);
    for database in job.databases.iter().filter(|database| !exempt.has_any(database.path.as_bytes())) {
        control.beat()?;
        counted.extend(count(job, &root, database, &mut left, control)?);
    }
    Ok(counted)
}

/// What a live database says; `None`: nothing.
fn count(
    job: &CountLiveJob,
    root: &OwnedFd,
    database: &LiveQuestion,
    left: &mut u64,
    control: &Arc<JobControl>,
) -> Result<Option<LiveDatabase>, JobStop> {
    let start = job.start.map(|start| Start { at: start.at, newest: start.newest, hides_mapped: false });
    let Some(is_untouched) = find(root, &database.path, start) else { return Ok(None) };
    if !is_untouched && database.sequences.is_empty() {
        return Ok(None);
    }
    let [path, came] = [&job.live, &job.restored].map(|root| path_below(root, database.path.as_bytes()));
    let (files, came) = (Files::of(&path), Files::of(&came));
    let Some(main) = files.main else { return Ok(None) };
    // The very copy of it has the same rows.
    if files == came {
        return Ok(None);
    }
    let of = LiveDatabase { path: database.path.clone(), ..LiveDatabase::default() };
    let bytes = main.size + files.wal.map_or(0, |wal| wal.size);
    if bytes > LARGEST || bytes > *left {
        return Ok(Some(LiveDatabase { why: Some(format!("it has {}", units::bytes(bytes))), ..of }));
    }
    *left -= bytes;
    let view = ViewOf { path: &path, name: database.path.as_bytes(), recover: false, own: false };
    let ids = &database.sequences;
    let read = |path: &Path, how| {
        let counted = connect(path, how, control).and_then(|connection| {
            // A table that cannot be read at all is an error; one that cannot be counted is left out.
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
            let all = if is_untouched { rows::count(&connection) } else { None };
            Ok((all, if is_untouched { Vec::new() } else { rows::count_up_to(&connection, ids) }))
        });
        control.beat()?;
        Ok(counted)
    };
    Ok(match read_unlocked(view, &job.scratch, job.keep_free, control, read)? {
        // It may be encrypted, or made by another program.
        Unlocked::Answer(Err(_)) => None,
        // Whoever touched it meanwhile has made it say less.
        Unlocked::Answer(Ok(_)) if is_untouched && find(root, &database.path, start) != Some(true) => None,
        Unlocked::Answer(Ok((untouched, earlier))) => Some(LiveDatabase { untouched, earlier, ..of }),
        Unlocked::Never(why) | Unlocked::Busy(why) => Some(LiveDatabase { why: Some(why), ..of }),
    })
}

/// Whether a live database, with its log, has not been touched since the backup began; `None`: it is not there. No link
/// is followed.
fn find(root: &OwnedFd, path: &str, start: Option<Start>) -> Option<bool> {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let facts = |folder: &OwnedFd, name: &str| Facts::of(folder, CString::new(name).ok()?.as_c_str()).ok().flatten();
    let of_folder = |folder: &OwnedFd, parent: &FolderPast| {
        let facts = facts(folder, "")?;
        Some(start.map_or_else(FolderPast::default, |start| start.folder(&facts, parent)))
    };
    let mut folder = rustix::io::dup(root).ok()?;
    let mut past = of_folder(&folder, &FolderPast::default())?;
    for part in folders.split('/').filter(|part| !part.is_empty()) {
        folder = open_folder(&folder, CString::new(part).ok()?.as_c_str()).ok()?;
        past = of_folder(&folder, &past)?;
    }
    let main = facts(&folder, name).filter(|main| main.kind == FileType::RegularFile)?;
    let Some(start) = start else { return Some(false) };
    // SQLite writes databases and logs by system calls, which renew the time at once.
    let is_whole = |facts: &Facts| start.file(facts, &past, None).whole;
    let is_filled = |end: &str| facts(&folder, &format!("{name}{end}")).filter(|beside| beside.size > 0);
    let log = is_filled("-wal").is_none_or(|log| is_whole(&log));
    Some(is_whole(&main) && log && is_filled("-journal").is_none())
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
