//! Reads one archive of a repository.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStringExt;

use super::listing::Items;
use super::meaning::Told;
use super::repository::Repository;
use crate::archive::Entry;
use crate::source::access::SnapshotReader;
use crate::source::error::SourceError;
use crate::source::tool::ToolEnd;

/// Bytes that are passed on at a time.
const PIECE: usize = 256 * 1024;
/// Longest line of a listing, in bytes: two paths of 4 KiB whose bytes are all escaped, and the rest.
const LONGEST_LINE: u64 = 128 * 1024;

/// An archive that is opened.
pub struct ArchiveReader<'a> {
    pub repository: &'a Repository,
    /// The archive's name.
    pub name: String,
}

impl SnapshotReader for ArchiveReader<'_> {
    fn list(&self, max_entries: u64, see: &mut dyn FnMut(&Entry)) -> Result<(), SourceError> {
        self.repository.still_there()?;
        let action = format!("listing the archive {}", self.name);
        let archive = self.repository.archive(&self.name);
        // In JSON the format only says which keys are wanted beside the usual ones.
        let list = ["list", "--json-lines", "--format", "{size}{mtime}", archive.as_str()];
        let mut running = self.repository.call().args(list).start()?;
        let (mut items, mut count, mut odd) = (Items::default(), 0, None);
        {
            let mut lines = BufReader::with_capacity(PIECE, &mut running);
            let mut line = Vec::new();
            // A read that fails is explained by the end of the program.
            while (&mut lines).take(LONGEST_LINE).read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                match items.read(&line) {
                    Ok(entry) => see(&entry),
                    Err(error) => {
                        odd = Some(error);
                        break;
                    }
                }
                line.clear();
                count += 1;
                if max_entries > 0 && count > max_entries {
                    return Err(SourceError::TooMany(max_entries));
                }
            }
        }
        let end = running.finish()?;
        if !end.success() {
            return Err(self.repository.failed(&end, &action));
        }
        if let Some(error) = odd {
            return Err(SourceError::ToolFailed(format!("{action}: borg printed what is no entry: {error}")));
        }
        if items.broken.is_empty() {
            return Ok(());
        }
        Err(SourceError::Broken(format!(
            "the archive {} has files with zeros in the place of lost data, since the repository was repaired \
             (`borg check --repair`): {}",
            self.name, items.broken
        )))
    }

    fn stream(&self, wanted: &[Vec<u8>], out: &mut dyn Write) -> Result<(), SourceError> {
        self.repository.still_there()?;
        let archive = self.repository.archive(&self.name);
        let mut call = self.repository.call().args(["export-tar", archive.as_str(), "-"]);
        if !wanted.iter().any(Vec::is_empty) {
            // The path itself, and what is below it.
            call = call.args(wanted.iter().map(|path| OsString::from_vec([b"pp:", path.as_slice()].concat())));
        }
        let mut running = call.start()?;
        let mut piece = vec![0; PIECE];
        // A read that fails is explained by the end of the program.
        while let Ok(count @ 1..) = running.read(&mut piece) {
            out.write_all(&piece[..count]).map_err(SourceError::Unheard)?;
        }
        let end = running.finish()?;
        if end.success() || is_only_unmatched(&end) {
            return Ok(());
        }
        Err(self.repository.failed(&end, &format!("reading the archive {}", self.name)))
    }
}

/// Whether the program warns of nothing but wanted paths that the archive does not have.
fn is_only_unmatched(end: &ToolEnd) -> bool {
    // 1, and since Borg 1.4 a code for each warning.
    end.code().is_some_and(|code| matches!(code, 1 | 100..=127)) && Told::read(&end.words).only_unmatched()
}
