//! Reads the snapshots of a set as one.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStringExt;

use super::claims::{Claims, outermost};
use super::listing::{self, Listed};
use super::mount::{Mounted, Packed};
use super::repository::Repository;
use super::snapshots::{ResticSnapshot, ambiguous, as_one, differ};
use crate::archive::error::ArchiveFault;
use crate::archive::read::{ReadLimits, Reader};
use crate::archive::write::{self, PackError};
use crate::archive::{Entry, Kind};
use crate::model::event::{Amount, Snapshot};
use crate::model::source::SnapshotGroups;
use crate::model::units;
use crate::source::access::SnapshotReader;
use crate::source::error::SourceError;

/// Bytes that are passed on at a time.
const PIECE: usize = 256 * 1024;
/// Longest line of a listing, in bytes: a path of 4 KiB whose bytes are all escaped, its last component once more, and
/// the rest.
const LONGEST_LINE: u64 = 128 * 1024;

/// The snapshots that make up the source, opened.
pub struct SetReader<'a> {
    pub source: &'a Repository,
    pub set: Vec<ResticSnapshot>,
    pub claims: Claims,
}

/// What a part of a snapshot holds, according to the listing.
#[derive(Debug, Default, PartialEq, Eq)]
struct Content {
    /// The entry at the part's own path.
    root: Option<Entry>,
    /// Entries below it.
    folders: u64,
    amount: Amount,
    /// Pipes and the like directly in it: the stream has empty files in their place.
    specials: Vec<Vec<u8>>,
}

impl Content {
    fn count(&mut self, entry: &Entry) {
        if entry.kind == Kind::Folder {
            self.folders += 1;
        } else {
            self.amount.files += 1;
            self.amount.bytes += entry.stored;
        }
    }
}

impl SnapshotReader for SetReader<'_> {
    fn list(&self, max_entries: u64, see: &mut dyn FnMut(&Entry)) -> Result<(), SourceError> {
        let mut count = 0;
        for (index, snapshot) in self.set.iter().enumerate() {
            self.each_entry(&snapshot.id, b"", &mut |listed| {
                let Listed::Entry(entry) = listed else { return true };
                if self.claims.has(index, &entry.path) {
                    count += 1;
                    see(&entry);
                }
                max_entries == 0 || count <= max_entries
            })?;
            if max_entries > 0 && count > max_entries {
                return Err(SourceError::TooMany(max_entries));
            }
        }
        Ok(())
    }

    fn stream(&self, wanted: &[Vec<u8>], out: &mut dyn Write) -> Result<(), SourceError> {
        for (index, snapshot) in self.set.iter().enumerate() {
            for wanted in outermost(wanted) {
                for piece in self.claims.pieces(index, &wanted) {
                    self.stream_piece(index, &snapshot.id, &piece, out)?;
                }
            }
        }
        write::write_end(out).map_err(SourceError::Unheard)
    }

    fn groups(&self, paths: &[Vec<u8>]) -> SnapshotGroups {
        let of_path = |path: &Vec<u8>| {
            let holding = self.set.iter().enumerate().filter(|(index, _)| !self.claims.pieces(*index, path).is_empty());
            (path.clone(), holding.map(|(_, snapshot)| snapshot.group_name()).collect())
        };
        let all = self.set.iter().map(ResticSnapshot::group_name).collect();
        SnapshotGroups { all, of_path: paths.iter().map(of_path).collect() }
    }

    fn narrow(&self, paths: &[Vec<u8>]) -> Result<Option<Snapshot>, SourceError> {
        let paths = || paths.iter().map(Vec::as_slice);
        if !self.source.is_named_by_user() {
            for (index, newer) in self.set.iter().enumerate() {
                for (other, older) in self.set.iter().enumerate().skip(index + 1) {
                    let shared = paths().find_map(|path| self.claims.shared(index, other, path));
                    let differs = || differ(newer, older, self.source.engine_name());
                    if let Some(path) = shared
                        && let Some(condition) = differs()
                    {
                        return Err(ambiguous(path, newer, older, &condition));
                    }
                }
            }
        }
        let is_used = |index: usize| paths().any(|path| !self.claims.pieces(index, path).is_empty());
        let used: Vec<&ResticSnapshot> =
            self.set.iter().enumerate().filter(|(index, _)| is_used(*index)).map(|(_, snapshot)| snapshot).collect();
        Ok((!used.is_empty()).then(|| as_one(self.source.all(), used.into_iter())))
    }
}

impl SetReader<'_> {
    /// Lists what is at and below `path` in a snapshot. `see` returns whether to go on. The listing counts only if
    /// restic has named the snapshot and ended well.
    fn each_entry(&self, id: &str, path: &[u8], see: &mut dyn FnMut(Listed) -> bool) -> Result<(), SourceError> {
        let short = id.get(..8).unwrap_or(id);
        let action = format!("listing the snapshot {short}");
        let mut call = self.source.call()?.args(["ls", "--json", id]);
        if !path.is_empty() {
            call = call.args(["--recursive"]).args([absolute(path)]);
        }
        let mut running = call.start()?;
        let (mut is_named, mut odd) = (false, None);
        {
            let mut lines = BufReader::with_capacity(PIECE, &mut running);
            let mut line = Vec::new();
            // A read that fails is explained by the end of the program.
            while (&mut lines).take(LONGEST_LINE).read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                match listing::read(&line) {
                    Ok(Listed::Snapshot(named)) => is_named |= named == id,
                    Ok(listed) => {
                        if !see(listed) {
                            return Ok(());
                        }
                    }
                    Err(error) => {
                        odd = Some(error);
                        break;
                    }
                }
                line.clear();
            }
        }
        let end = running.finish().map_err(|error| self.source.overdue(error))?;
        if !end.success() {
            return Err(self.source.failed(&end, &action));
        }
        if let Some(error) = odd {
            return Err(SourceError::ToolFailed(format!("{action}: restic printed what is no entry: {error}")));
        }
        if !is_named {
            return Err(self.source.damaged(format!("{action}: restic left the snapshot out: {}", end.told())));
        }
        Ok(())
    }

    fn content(&self, index: usize, id: &str, path: &[u8]) -> Result<Content, SourceError> {
        let mut content = Content::default();
        let is_directly_in = |special: &[u8]| match special.iter().rposition(|byte| *byte == b'/') {
            Some(at) => &special[..at] == path,
            None => path.is_empty(),
        };
        self.each_entry(id, path, &mut |listed| {
            match listed {
                Listed::Entry(entry) if entry.path == path => content.root = Some(entry),
                Listed::Entry(entry) if self.claims.has(index, &entry.path) => content.count(&entry),
                Listed::Special(path) if is_directly_in(&path) => content.specials.push(path),
                _ => {}
            }
            true
        })?;
        Ok(content)
    }

    /// Writes the entries of a part of a snapshot, without the end of an archive.
    fn stream_piece(&self, index: usize, id: &str, path: &[u8], out: &mut dyn Write) -> Result<(), SourceError> {
        let listed = self.content(index, id, path)?;
        let action = format!("reading /{} of the snapshot {}", String::from_utf8_lossy(path), &id[..id.len().min(8)]);
        let dump = || self.source.call().map(|call| call.args(["dump", id]).args([absolute(path)]));
        match &listed.root {
            Some(root) if root.kind == Kind::File => {
                let mut running = dump()?.start()?;
                let added = write::add_file(root, &mut running, out);
                return match (added, running.finish().map_err(|error| self.source.overdue(error))) {
                    (Err(PackError::Output(error)), _) => Err(SourceError::Unheard(error)),
                    (_, Err(error)) => Err(error),
                    (_, Ok(end)) if !end.success() => Err(self.source.failed(&end, &action)),
                    (Err(error), _) => Err(self.source.damaged(format!("{action}: {error}"))),
                    (Ok(()), Ok(_)) => Ok(()),
                };
            }
            // No mount can be filled with it.
            Some(root) if root.kind != Kind::Folder => return Ok(()),
            None if !path.is_empty() => return Ok(()),
            // The stream does not have the folder itself.
            Some(root) => write::begin_entry(root, out).map_err(of_writing)?,
            None => {}
        }
        if let Some(folder) = self.source.far_folder()
            && let Some(mounted) = Mounted::start(self.source, folder, id)?
        {
            return self.stream_mounted(index, id, path, &listed, mounted, out);
        }
        let mut running = dump()?.start()?;
        let result = self.pass_on(index, path, &listed, &mut running, out);
        if let Err(error @ (SourceError::Unheard(_) | SourceError::ToolFailed(_))) = result {
            return Err(error);
        }
        let end = running.finish().map_err(|error| self.source.overdue(error))?;
        if !end.success() {
            return Err(self.source.failed(&end, &action));
        }
        let came = result.map_err(|error| self.source.damaged(format!("{action}: restic ended well, and {error}")))?;
        self.counts_are_equal(&action, &listed, &came)
    }

    /// Writes the entries of a part through a mount of the repository.
    fn stream_mounted(
        &self,
        index: usize,
        id: &str,
        path: &[u8],
        listed: &Content,
        mounted: Mounted,
        out: &mut dyn Write,
    ) -> Result<(), SourceError> {
        let short = &id[..id.len().min(8)];
        let action = format!("reading /{} of the mounted snapshot {short}", String::from_utf8_lossy(path));
        let packed = mounted.pack(path, |archive| self.pass_on(index, path, listed, archive, out));
        let Packed { summary, received } = packed.map_err(|error| self.source.overdue(error))?;
        if let Err(error @ (SourceError::Unheard(_) | SourceError::ToolFailed(_))) = received {
            return Err(error);
        }
        match summary {
            Ok(summary) if summary.torn.count == 0 => {}
            Ok(summary) => {
                let words = format!("{action}: {} changed while they were read", summary.torn.first.join(", "));
                return Err(SourceError::ToolFailed(words));
            }
            Err(error) => return Err(self.cause_of_unreadable(id, path, &error, &action)),
        }
        let came = received.map_err(|error| self.source.damaged(format!("{action}: {error}")))?;
        self.counts_are_equal(&action, listed, &came)
    }

    /// The mount says only that an entry cannot be read: `restic dump` of the same entry says why.
    fn cause_of_unreadable(&self, id: &str, path: &[u8], error: &PackError, action: &str) -> SourceError {
        let PackError::Unreadable { path: inside, .. } = error else {
            return SourceError::ToolFailed(format!("{action}: {error}"));
        };
        let inside = inside.trim_start_matches("./").as_bytes();
        let inside = if inside.starts_with(path) { inside.to_vec() } else { [path, b"/", inside].concat() };
        let dumped = || {
            let mut running = self.source.call()?.args(["dump", id]).args([absolute(&inside)]).start()?;
            // What was read so far is of no use.
            let _ = io::copy(&mut running, &mut io::sink());
            running.finish().map_err(|error| self.source.overdue(error))
        };
        match dumped() {
            Err(error) => error,
            Ok(end) if !end.success() => self.source.failed(&end, action),
            Ok(_) => SourceError::ToolFailed(format!("{action}: {error}, and restic dump reads it")),
        }
    }

    /// Compares what has come with what restic has listed.
    fn counts_are_equal(&self, action: &str, listed: &Content, came: &Content) -> Result<(), SourceError> {
        if (came.folders, came.amount) != (listed.folders, listed.amount) {
            return Err(self.source.damaged(format!(
                "{action}: restic listed {} and {} folders, and read only {} and {} folders, without an error",
                units::amount(listed.amount),
                listed.folders,
                units::amount(came.amount),
                came.folders
            )));
        }
        Ok(())
    }

    /// Passes the entries of an archive on, and counts them.
    fn pass_on(
        &self,
        index: usize,
        path: &[u8],
        listed: &Content,
        input: &mut dyn Read,
        out: &mut dyn Write,
    ) -> Result<Content, SourceError> {
        let mut reader = Reader::new(input, ReadLimits::NONE);
        let mut came = Content::default();
        let mut piece = vec![0; PIECE];
        loop {
            let entry = match reader.next() {
                Ok(Some(entry)) => entry,
                Ok(None) => return Ok(came),
                Err(error) if error.kind == ArchiveFault::Io => return Err(SourceError::Broken(error.to_string())),
                Err(error) => return Err(SourceError::Corrupt(error)),
            };
            let is_special = entry.size == 0 && listed.specials.iter().any(|path| is_named(&entry.path, path));
            // The mount has the folder itself, which was written from the listing.
            let is_root = entry.path == path && entry.kind == Kind::Folder;
            if is_special || is_root || !self.claims.has(index, &entry.path) {
                continue;
            }
            came.count(&entry);
            write::begin_entry(&entry, out).map_err(of_writing)?;
            while let Some((_, length)) = reader.read_piece(&mut piece).map_err(SourceError::Corrupt)? {
                out.write_all(&piece[..length]).map_err(SourceError::Unheard)?;
            }
            write::fill_block(&entry, out).map_err(SourceError::Unheard)?;
        }
    }
}

/// A path in the snapshot, as restic's arguments have it.
fn absolute(path: &[u8]) -> OsString {
    OsString::from_vec([b"/", path].concat())
}

/// Whether an entry's path is the one that the listing has. The listing replaces bytes that are not UTF-8.
fn is_named(path: &[u8], listed: &[u8]) -> bool {
    path == listed || String::from_utf8_lossy(path).as_bytes() == listed
}

fn of_writing(error: PackError) -> SourceError {
    match error {
        PackError::Output(error) => SourceError::Unheard(error),
        PackError::Unreadable { .. } => SourceError::ToolFailed(error.to_string()),
    }
}
