//! Packs a stream of a known length as an archive of one file.

use std::ffi::CString;
use std::io::{self, ErrorKind, Read, Write};

use super::error::PackError;
use super::headers::HeaderValues;
use crate::archive::header::BLOCK;
use crate::archive::xattrs::Xattrs;
use crate::archive::{Entry, Kind};

/// Bytes that are passed on at a time.
const PIECE: usize = 256 * 1024;

/// The entry of a file that root owns and everybody may read.
pub fn plain_file(path: &[u8], size: u64) -> Entry {
    Entry {
        path: path.to_vec(),
        kind: Kind::File,
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtime: (0, 0),
        xattrs: Vec::new(),
        size,
        stored: size,
    }
}

/// The entry of a folder that everybody may list.
pub fn plain_folder(path: &[u8]) -> Entry {
    Entry { kind: Kind::Folder, mode: 0o755, ..plain_file(path, 0) }
}

/// Writes an archive of one file with the content of `input`. `UnexpectedEof`: the content's length is not the entry's
/// size.
pub fn pack_stream(entry: &Entry, input: &mut dyn Read, out: &mut dyn Write) -> Result<(), PackError> {
    add_file(entry, input, out)?;
    write_end(out)?;
    Ok(())
}

/// Writes the entry of a folder.
pub fn begin_folder(entry: &Entry, out: &mut dyn Write) -> Result<(), PackError> {
    write_header(entry, b'5', out)
}

/// Writes the headers of an entry of any kind but a device. The content of a file has to follow, and then
/// [`fill_block`].
pub fn begin_entry(entry: &Entry, out: &mut dyn Write) -> Result<(), PackError> {
    let (flag, target): (u8, &[u8]) = match &entry.kind {
        Kind::File => (b'0', b""),
        Kind::HardLink(first) => (b'1', first),
        Kind::Symlink(target) => (b'2', target),
        Kind::Folder => (b'5', b""),
        Kind::Fifo => (b'6', b""),
        Kind::Device => return Err(unreadable(entry, io::Error::other("it is a device"))),
    };
    let name = |(name, value): &(Vec<u8>, Vec<u8>)| Some((CString::new(name.as_slice()).ok()?, value.clone()));
    let xattrs: Xattrs = entry.xattrs.iter().filter_map(name).collect();
    let size = if entry.kind == Kind::File { entry.size } else { 0 };
    write_headers(&HeaderValues { flag, target, size, xattrs: &xattrs, ..values(entry) }, entry, out)
}

/// Fills the last block after the content of a file.
pub fn fill_block(entry: &Entry, out: &mut dyn Write) -> io::Result<()> {
    let size = if entry.kind == Kind::File { entry.size } else { 0 };
    let padding = size.next_multiple_of(BLOCK as u64) - size;
    out.write_all(&[0; BLOCK][..usize::try_from(padding).unwrap_or_default()])
}

/// Writes the end of an archive.
pub fn write_end(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&[0; 2 * BLOCK])?;
    out.flush()
}

fn write_header(entry: &Entry, flag: u8, out: &mut dyn Write) -> Result<(), PackError> {
    write_headers(&HeaderValues { flag, ..values(entry) }, entry, out)
}

/// Attributes of entries that have none.
static NO_XATTRS: Xattrs = Xattrs::new();

/// The values of an entry's header without those that depend on its kind.
fn values(entry: &Entry) -> HeaderValues<'_> {
    HeaderValues {
        path: &entry.path,
        flag: b'0',
        target: b"",
        size: entry.size,
        real_size: None,
        mode: entry.mode,
        owner: (entry.uid, entry.gid),
        mtime: entry.mtime,
        device: None,
        xattrs: &NO_XATTRS,
    }
}

fn write_headers(values: &HeaderValues<'_>, entry: &Entry, out: &mut dyn Write) -> Result<(), PackError> {
    let header = values.to_blocks().map_err(|_| unreadable(entry, io::Error::other("its name is too long")))?;
    out.write_all(&header)?;
    Ok(())
}

fn unreadable(entry: &Entry, error: io::Error) -> PackError {
    PackError::Unreadable { path: String::from_utf8_lossy(&entry.path).into_owned(), error }
}

/// Writes a file with the content of `input`. `UnexpectedEof`: the content's length is not the entry's size.
pub fn add_file(entry: &Entry, input: &mut dyn Read, out: &mut dyn Write) -> Result<(), PackError> {
    write_header(entry, b'0', out)?;
    let mut piece = vec![0; PIECE];
    let mut written = 0;
    loop {
        let count = match input.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(entry, error)),
        };
        written += count as u64;
        if written > entry.size {
            break;
        }
        out.write_all(&piece[..count])?;
    }
    if written != entry.size {
        let words = format!("it had {} bytes when it was first read, and has changed since", entry.size);
        return Err(unreadable(entry, io::Error::new(ErrorKind::UnexpectedEof, words)));
    }
    fill_block(entry, out)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::read::{ReadLimits, Reader};

    #[test]
    fn what_is_written_is_read_again() {
        for size in [0, 1, 511, 512, 513, 300_000] {
            let content = vec![7; size];
            let entry = plain_file(b"dump.sql", size as u64);
            let mut out = Vec::new();
            pack_stream(&entry, &mut content.as_slice(), &mut out).expect("it is as long as it says");
            let mut reader = Reader::new(out.as_slice(), ReadLimits::NONE);
            assert_eq!(reader.next().expect("an archive"), Some(entry));
            let mut buffer = vec![0; size + 1];
            if size > 0 {
                let (at, length) = reader.read_piece(&mut buffer).expect("its content").expect("there is some");
                assert_eq!((at, &buffer[..length]), (0, &content[..length]));
            }
            while reader.read_piece(&mut buffer).expect("its content").is_some() {}
            assert_eq!(reader.next().expect("an archive"), None);
        }
    }

    #[test]
    fn a_stream_of_another_length_is_no_whole_file() {
        for content in ["", "123", "12345"] {
            let error = pack_stream(&plain_file(b"f", 4), &mut content.as_bytes(), &mut Vec::new()).expect_err(content);
            assert!(matches!(error, PackError::Unreadable { error, .. } if error.kind() == ErrorKind::UnexpectedEof));
        }
    }
}
