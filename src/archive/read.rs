//! Reads an archive entry by entry. Anybody may have written the archive: everything in it is checked, only the current
//! entry is kept in memory, and an archive that was cut off is recognised even when the cut is exactly between two
//! entries.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};

use super::compression::window::WindowTooLong;
use super::error::{ArchiveError, ArchiveFault};
use super::header::{self, BLOCK, Block, HeaderFields};
use super::other_format::recognize_other_format;
use super::pax::ExtendedHeader;
use super::sparse::{self, MapReader, Segment};
use super::{Entry, Kind};

/// Most bytes of zeros after the end mark. Programs pad an archive to whole records, usually of 10 KiB; the largest
/// records in use are those of tapes, up to 1 MiB.
const MAX_PADDING: u64 = 1024 * 1024;
/// Bytes that are read from a stream at a time.
const STREAM_BUFFER: usize = 128 * 1024;
/// Bytes that are read from a file at a time when contents are skipped: little more than the next header.
const SEEKING_BUFFER: usize = 8 * 1024;
/// Longest extension header (a pax header, a long name), in bytes.
pub const MAX_EXTENSION: u64 = 1 << 20;
/// Most bytes in all extension headers of one entry, the headers' own blocks included.
pub const MAX_EXTENSIONS: u64 = 2 << 20;
/// Most bytes in global pax records, which are copied for each entry.
const MAX_GLOBAL: usize = 64 * 1024;
/// Longest path in bytes: far longer than any system opens.
pub const MAX_PATH: usize = 64 * 1024;

/// Limits on an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// Most entries.
    pub max_entries: u64,
}

impl ReadLimits {
    /// No limit.
    pub const NONE: ReadLimits = ReadLimits { max_entries: u64::MAX };
}

/// Reads an archive entry by entry.
pub struct Reader<R: Read> {
    input: BufReader<R>,
    /// Skips so many bytes; returns how many there were.
    skip: fn(&mut BufReader<R>, u64) -> io::Result<u64>,
    /// Length of the input, if known. Otherwise the input is read to its end, since a checksum there may show damage.
    length: Option<u64>,
    limits: ReadLimits,
    position: u64,
    entries: u64,
    /// A block that was looked at and is read next.
    ahead: Option<Block>,
    /// Values of global headers, for all entries from here on.
    global: ExtendedHeader,
    last: Option<Vec<u8>>,
    /// Data of the current file that was not read yet, then the padding of its last block.
    segments: Vec<Segment>,
    segment: usize,
    unread: u64,
    padding: u64,
    ended: Option<Result<(), ArchiveError>>,
}

impl<R: Read> Reader<R> {
    /// Reads the archive in `input`, uncompressed: see [`super::compression::open`].
    pub fn new(input: R, limits: ReadLimits) -> Reader<R> {
        Reader::with_skip(BufReader::with_capacity(STREAM_BUFFER, input), limits, skip_by_reading, None)
    }

    fn with_skip(
        input: BufReader<R>,
        limits: ReadLimits,
        skip: fn(&mut BufReader<R>, u64) -> io::Result<u64>,
        length: Option<u64>,
    ) -> Reader<R> {
        Reader {
            input,
            skip,
            length,
            limits,
            position: 0,
            entries: 0,
            ahead: None,
            global: ExtendedHeader::default(),
            last: None,
            segments: Vec::new(),
            segment: 0,
            unread: 0,
            padding: 0,
            ended: None,
        }
    }

    /// Bytes of the archive that were read or skipped.
    pub fn position(&self) -> u64 {
        self.position - self.ahead.map_or(0, |_| BLOCK as u64)
    }

    /// Reads the header of the next entry; skips what was not read of the entry before. `None`: the archive has ended,
    /// and its whole input was sound.
    #[expect(clippy::should_implement_trait, reason = "an iterator could not give out the content in between")]
    pub fn next(&mut self) -> Result<Option<Entry>, ArchiveError> {
        if let Some(ended) = &self.ended {
            return ended.clone().map(|()| None);
        }
        let result = self.advance();
        match &result {
            Ok(None) => self.ended = Some(Ok(())),
            Err(error) => self.ended = Some(Err(error.clone())),
            Ok(Some(_)) => {}
        }
        result
    }

    /// Reads the next piece of the current file's data, at most as much as `buf` takes. Returns its offset in the file
    /// and its length; `None`: the file has ended.
    pub fn read_piece(&mut self, buf: &mut [u8]) -> Result<Option<(u64, usize)>, ArchiveError> {
        if let Some(Err(error)) = &self.ended {
            return Err(error.clone());
        }
        let Some(segment) = self.segments.get_mut(self.segment) else { return Ok(None) };
        let offset = segment.offset;
        let want = buf.len().min(usize::try_from(segment.length).unwrap_or(usize::MAX));
        segment.offset += want as u64;
        segment.length -= want as u64;
        if segment.length == 0 {
            self.segment += 1;
        }
        let result = self.read_exactly(&mut buf[..want], "a file's content ends in the middle");
        if let Err(error) = result {
            self.ended = Some(Err(error.clone()));
            return Err(error);
        }
        self.unread -= want as u64;
        Ok(Some((offset, want)))
    }

    fn advance(&mut self) -> Result<Option<Entry>, ArchiveError> {
        self.skip_rest()?;
        let mut extended: Option<ExtendedHeader> = None;
        let mut has_pax = false;
        let mut extensions = 0;
        loop {
            let Some(block) = self.next_header()? else {
                if extended.is_some() {
                    return Err(self.corrupt("an extension header is followed by no entry"));
                }
                return Ok(None);
            };
            let fields = HeaderFields::parse(&block).map_err(|words| self.corrupt(words))?;
            match fields.flag {
                b'x' | b'X' | b'L' | b'K' | b'g' => {
                    extensions += BLOCK as u64 + fields.size;
                    if fields.size > MAX_EXTENSION || extensions > MAX_EXTENSIONS {
                        let size = fields.size;
                        return Err(self.corrupt(format!("an extension header of {size} bytes is too long")));
                    }
                    let body = self.read_body(fields.size)?;
                    if fields.flag == b'g' {
                        self.read_global(extended.as_mut(), &body)?;
                        continue;
                    }
                    let extended = extended.get_or_insert_with(|| self.global.clone());
                    match fields.flag {
                        b'L' => extended.path = Some(header::text_before_nul(&body).to_vec()),
                        b'K' => extended.link = Some(header::text_before_nul(&body).to_vec()),
                        _ => {
                            has_pax = true;
                            extended.read_records(&body).map_err(|words| self.corrupt(words))?;
                        }
                    }
                }
                // The label of a volume.
                b'V' => {
                    extensions += BLOCK as u64;
                    if extensions > MAX_EXTENSIONS {
                        return Err(self.corrupt("it has too many volume labels"));
                    }
                    self.expect_content(fields.size)?;
                    self.skip_rest()?;
                }
                _ => {
                    let extended = extended.unwrap_or_else(|| self.global.clone());
                    return self.build_entry(&block, fields, extended, has_pax).map(Some);
                }
            }
        }
    }

    /// Reads records for all entries from here on, including the entry whose headers have begun.
    fn read_global(&mut self, extended: Option<&mut ExtendedHeader>, body: &[u8]) -> Result<(), ArchiveError> {
        self.global.read_records(body).map_err(|words| self.corrupt(words))?;
        if self.global.memory() > MAX_GLOBAL {
            return Err(self.corrupt("its global headers are too large"));
        }
        extended.map_or(Ok(()), |extended| extended.read_records(body)).map_err(|words| self.corrupt(words))
    }

    /// Makes an entry of its headers.
    fn build_entry(
        &mut self,
        block: &Block,
        fields: HeaderFields,
        extended: ExtendedHeader,
        has_pax: bool,
    ) -> Result<Entry, ArchiveError> {
        let sparse_name = extended.sparse.name.clone();
        let name = sparse_name.or(extended.path).unwrap_or(fields.name);
        if name.is_empty() {
            return Err(self.corrupt("an entry has no name"));
        }
        let path = self.normalize_path(&name)?;
        self.last = Some(path.clone());
        self.entries += 1;
        if self.entries > self.limits.max_entries {
            let max = self.limits.max_entries;
            return Err(self.fault(ArchiveFault::TooMany, format!("it has more than {max} entries")));
        }
        if extended.continued || fields.flag == b'M' {
            return Err(self.corrupt("it continues a file that begins in another volume of the archive"));
        }
        let link = extended.link.unwrap_or(fields.link);
        let stored = extended.size.unwrap_or(fields.size);
        if i64::try_from(stored).is_err() {
            return Err(self.corrupt(format!("a size of {stored} bytes is impossible")));
        }
        let mut entry = Entry {
            path,
            kind: Kind::File,
            mode: fields.mode,
            uid: extended.uid.unwrap_or(fields.uid),
            gid: extended.gid.unwrap_or(fields.gid),
            mtime: extended.mtime.unwrap_or((fields.mtime, 0)),
            xattrs: extended.xattrs.into_iter().collect(),
            size: 0,
            stored: 0,
        };
        match fields.flag {
            // V7 has no type for folders.
            b'0' | 0 | b'7' if name.ends_with(b"/") && stored == 0 && !extended.sparse.is_sparse() => {
                entry.kind = Kind::Folder
            }
            b'0' | 0 | b'7' | b'S' => {
                entry.size = self.begin_file(block, fields.flag, stored, &extended.sparse)?;
                entry.stored = self.unread;
            }
            // A folder in an incremental archive of GNU tar, with the list of its content.
            b'D' => {
                entry.kind = Kind::Folder;
                if stored > MAX_EXTENSION {
                    self.expect_content(stored)?;
                } else if let Some(name) = first_unchanged_file(&self.read_body(stored)?) {
                    let path = String::from_utf8_lossy(&entry.path).into_owned();
                    let detail = format!("it is incremental, and {name} in the folder {path} is in an earlier archive");
                    return Err(self.fault(ArchiveFault::Partial, detail));
                }
            }
            flag => {
                entry.kind = self.kind_without_content(flag, link)?;
                self.expect_surplus(stored, has_pax)?;
            }
        }
        if entry.path.is_empty() && entry.kind != Kind::Folder {
            return Err(
                self.corrupt(format!("an entry that is no folder has the name {}", String::from_utf8_lossy(&name)))
            );
        }
        Ok(entry)
    }

    /// The kind of an entry that consists of its header.
    fn kind_without_content(&self, flag: u8, link: Vec<u8>) -> Result<Kind, ArchiveError> {
        match flag {
            b'1' if link.is_empty() => Err(self.corrupt("a hard link has no target")),
            b'1' => Ok(Kind::HardLink(self.normalize_path(&link)?)),
            b'2' if link.is_empty() || link.contains(&0) || link.len() > MAX_PATH => {
                Err(self.corrupt("a symlink has no target"))
            }
            b'2' => Ok(Kind::Symlink(link)),
            b'3' | b'4' => Ok(Kind::Device),
            b'5' => Ok(Kind::Folder),
            b'6' => Ok(Kind::Fifo),
            unknown => {
                let unknown = char::from(unknown).escape_default();
                Err(self.corrupt(format!("an entry is of the type ‘{unknown}’, which is not known")))
            }
        }
    }

    /// Prepares the reading of a file's content; returns the file's size.
    fn begin_file(
        &mut self,
        block: &Block,
        flag: u8,
        stored: u64,
        records: &super::pax::SparseRecords,
    ) -> Result<u64, ArchiveError> {
        self.segments.clear();
        self.segment = 0;
        let mut map_bytes = 0;
        let size = if flag == b'S' {
            let old = sparse::read_old_header(block, &mut self.segments).map_err(|words| self.corrupt(words))?;
            let (size, mut more) = old;
            while more {
                let block = self.read_block("the map of a sparse file ends in the middle")?;
                more = sparse::read_old_extension(&block, &mut self.segments).map_err(|words| self.corrupt(words))?;
            }
            size
        } else if records.is_sparse() {
            let size = records.real_size.ok_or_else(|| self.corrupt("a sparse file has no size"))?;
            match (&records.version, &records.map) {
                (None | Some((0, _)), Some(map)) => {
                    for segment in map {
                        sparse::push_segment(&mut self.segments, *segment).map_err(|words| self.corrupt(words))?;
                    }
                }
                (Some((1, 0)), None) => map_bytes = self.read_sparse_map(stored)?,
                _ => return Err(self.corrupt("a sparse file is in a form that is not known")),
            }
            size
        } else {
            sparse::push_segment(&mut self.segments, Segment { offset: 0, length: stored })
                .map_err(|words| self.corrupt(words))?;
            stored
        };
        let data = stored - map_bytes;
        sparse::check_segments(&self.segments, size, data).map_err(|words| self.corrupt(words))?;
        self.unread = data;
        self.padding = data.next_multiple_of(BLOCK as u64) - data;
        Ok(size)
    }

    /// Reads the map in front of a sparse file's data; returns the map's length in bytes.
    fn read_sparse_map(&mut self, stored: u64) -> Result<u64, ArchiveError> {
        let mut map = MapReader::default();
        let mut bytes = 0;
        loop {
            bytes += BLOCK as u64;
            if bytes > stored {
                return Err(self.corrupt("the map of a sparse file is longer than the file"));
            }
            let block = self.read_block("the map of a sparse file ends in the middle")?;
            if map.read_block(&block, &mut self.segments).map_err(|words| self.corrupt(words))? {
                return Ok(bytes);
            }
        }
    }

    /// Notes that `size` bytes of content follow, which can only be skipped.
    fn expect_content(&mut self, size: u64) -> Result<(), ArchiveError> {
        if i64::try_from(size).is_err() {
            return Err(self.corrupt(format!("a size of {size} bytes is impossible")));
        }
        self.segments.clear();
        self.segment = 0;
        self.unread = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
        Ok(())
    }

    /// Handles the size of an entry that has no content. Writers mean different things by it: with pax, content
    /// follows; with others it is the size of the file that the entry is a second name of. Without pax, the next block
    /// shows which is meant.
    fn expect_surplus(&mut self, size: u64, has_pax: bool) -> Result<(), ArchiveError> {
        self.expect_content(size)?;
        if size == 0 || has_pax {
            return Ok(());
        }
        let block = self.read_block("the archive ends where an entry has to follow")?;
        if header::is_header(&block) || is_zero(&block) {
            self.ahead = Some(block);
            return self.expect_content(0);
        }
        let left = (self.unread + self.padding) - BLOCK as u64;
        (self.unread, self.padding) = (left, 0);
        Ok(())
    }

    /// Reads the body of an extension header, whose size was checked before.
    fn read_body(&mut self, size: u64) -> Result<Vec<u8>, ArchiveError> {
        let full = size.next_multiple_of(BLOCK as u64);
        let mut body = vec![0; usize::try_from(full).unwrap_or(usize::MAX)];
        self.read_exactly(&mut body, "an extension header ends in the middle")?;
        body.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        Ok(body)
    }

    /// Reads the next header; `None` at the end mark.
    fn next_header(&mut self) -> Result<Option<Block>, ArchiveError> {
        let is_first = self.position == 0;
        let mut block = [0; BLOCK];
        match self.ahead.take() {
            Some(ahead) => block = ahead,
            None => match self.fill_buffer(&mut block)? {
                BLOCK => {}
                0 if is_first => return Err(self.fault(ArchiveFault::NotAnArchive, "it is empty")),
                short if is_first => {
                    return Err(self.fault(ArchiveFault::NotAnArchive, format!("it is only {short} bytes long")));
                }
                _ => return Err(self.fault(ArchiveFault::Truncated, "its end mark is missing")),
            },
        }
        if is_zero(&block) {
            self.check_rest_of_input()?;
            return Ok(None);
        }
        if header::is_header(&block) {
            return Ok(Some(block));
        }
        self.position -= BLOCK as u64;
        Err(if is_first {
            match recognize_other_format(&block) {
                Some(what) => self.fault(ArchiveFault::OtherFormat, what),
                None => self.fault(ArchiveFault::NotAnArchive, "it does not begin with an entry"),
            }
        } else {
            self.corrupt("an entry should begin here, but something else does")
        })
    }

    /// Reads the input after the end mark, because only its end shows that a compressed stream is whole. Anything but
    /// zeros there belongs to the archive or to another one: then the end mark was damage in the middle.
    fn check_rest_of_input(&mut self) -> Result<(), ArchiveError> {
        let end = self.position;
        loop {
            let (read, is_zero) = match self.input.fill_buf() {
                Ok(ahead) => (ahead.len(), ahead.iter().all(|&byte| byte == 0)),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.unreadable(&error)),
            };
            if read == 0 {
                return Ok(());
            }
            if !is_zero {
                return Err(self.corrupt(
                    "it goes on behind its end mark: a part in its middle is zeroed, or two archives are one file",
                ));
            }
            self.input.consume(read);
            self.position += read as u64;
            if self.position - end > MAX_PADDING {
                return Err(self.corrupt(
                    "more zeros follow its end mark than any program pads with: its end was never written, or is lost",
                ));
            }
        }
    }

    /// Skips what was not read of the current entry.
    fn skip_rest(&mut self) -> Result<(), ArchiveError> {
        self.segments.clear();
        self.segment = 0;
        let want = self.unread + self.padding;
        (self.unread, self.padding) = (0, 0);
        let there = self.length.map_or(want, |length| want.min(length.saturating_sub(self.position)));
        let skipped = (self.skip)(&mut self.input, there).map_err(|error| self.unreadable(&error))?;
        self.position += skipped;
        if skipped < want {
            return Err(self.fault(ArchiveFault::Truncated, "a file's content ends in the middle"));
        }
        Ok(())
    }

    fn read_block(&mut self, otherwise: &str) -> Result<Block, ArchiveError> {
        let mut block = [0; BLOCK];
        self.read_exactly(&mut block, otherwise)?;
        Ok(block)
    }

    fn read_exactly(&mut self, buf: &mut [u8], otherwise: &str) -> Result<(), ArchiveError> {
        if self.fill_buffer(buf)? < buf.len() {
            return Err(self.fault(ArchiveFault::Truncated, otherwise));
        }
        Ok(())
    }

    /// Reads until `buf` is full or the input ends; returns the number of bytes.
    fn fill_buffer(&mut self, buf: &mut [u8]) -> Result<usize, ArchiveError> {
        let mut filled = 0;
        while filled < buf.len() {
            match self.input.read(&mut buf[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.unreadable(&error)),
            }
        }
        self.position += filled as u64;
        Ok(filled)
    }

    /// Brings a path into the form of [`Entry::path`].
    fn normalize_path(&self, name: &[u8]) -> Result<Vec<u8>, ArchiveError> {
        if name.len() > MAX_PATH {
            return Err(self.corrupt(format!("a path of {} bytes is too long", name.len())));
        }
        if name.contains(&0) {
            return Err(self.corrupt("a path has a NUL in it"));
        }
        let mut path = Vec::with_capacity(name.len());
        for component in name.split(|&byte| byte == b'/').filter(|part| !matches!(*part, b"" | b".")) {
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(component);
        }
        Ok(path)
    }

    fn corrupt(&self, detail: impl Into<String>) -> ArchiveError {
        self.fault(ArchiveFault::Corrupt, detail)
    }

    /// The error of a failed read: of the input, or of its content. [`super::compression::open`] tells them apart.
    fn unreadable(&self, error: &io::Error) -> ArchiveError {
        let kind = match error.kind() {
            _ if WindowTooLong::of(error).is_some() => ArchiveFault::Window,
            ErrorKind::UnexpectedEof => ArchiveFault::Truncated,
            ErrorKind::InvalidData => ArchiveFault::Corrupt,
            _ => ArchiveFault::Io,
        };
        self.fault(kind, error.to_string())
    }

    fn fault(&self, kind: ArchiveFault, detail: impl Into<String>) -> ArchiveError {
        let entry = self.last.as_ref().map(|path| match path.as_slice() {
            b"" => ".".to_owned(),
            path => String::from_utf8_lossy(path).into_owned(),
        });
        ArchiveError { kind, entry, at: self.position(), detail: detail.into() }
    }
}

impl<R: Read + Seek> Reader<R> {
    /// Reads the archive in a file and seeks over contents that are not read, at almost no cost.
    pub fn seekable(mut input: R, limits: ReadLimits) -> io::Result<Reader<R>> {
        let start = input.stream_position()?;
        let length = input.seek(SeekFrom::End(0))?.saturating_sub(start);
        input.seek(SeekFrom::Start(start))?;
        let jump = |input: &mut BufReader<R>, bytes: u64| {
            input.seek_relative(i64::try_from(bytes).map_err(io::Error::other)?)?;
            Ok(bytes)
        };
        Ok(Reader::with_skip(BufReader::with_capacity(SEEKING_BUFFER, input), limits, jump, Some(length)))
    }
}

fn is_zero(block: &Block) -> bool {
    block.iter().all(|&byte| byte == 0)
}

/// The first file that a folder's list (in an incremental archive of GNU tar) marks as unchanged since an earlier
/// archive.
fn first_unchanged_file(list: &[u8]) -> Option<String> {
    let name = list.split(|byte| *byte == 0).find_map(|record| record.strip_prefix(b"N"))?;
    Some(String::from_utf8_lossy(name).into_owned())
}

/// Skips bytes by reading them.
fn skip_by_reading<R: Read>(input: &mut BufReader<R>, bytes: u64) -> io::Result<u64> {
    let mut left = bytes;
    while left > 0 {
        let read = match input.fill_buf() {
            Ok(ahead) => ahead.len(),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if read == 0 {
            break;
        }
        let used = read.min(usize::try_from(left).unwrap_or(usize::MAX));
        input.consume(used);
        left -= used as u64;
    }
    Ok(bytes - left)
}

#[cfg(test)]
mod tests;
