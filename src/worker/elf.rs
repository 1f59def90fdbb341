//! Reads from an ELF file what it needs to run: its loader, its own name as a library, and the libraries that it
//! names.

use std::io::ErrorKind;
use std::os::unix::fs::FileExt;

/// What an executable or shared object says of itself.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Elf {
    /// The loader's path; a static executable has none.
    pub interpreter: Option<String>,
    /// The name others need it by.
    pub soname: Option<String>,
    /// Names of the libraries it needs.
    pub needed: Vec<String>,
}

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_SONAME: u64 = 14;
/// An executable has a dozen segments; more than this is not one.
const MAX_SEGMENTS: u64 = 1024;
const MAX_DYNAMIC: u64 = 65_536;

/// Longest text that is read: that of a path.
const MAX_TEXT: u64 = 4096;

/// The bytes of a file. Little of an executable is looked at, and it may have a hundred megabytes.
pub trait Bytes {
    /// The bytes from `at` on, at most `most` of them; `None`: they cannot be read.
    fn read(&self, at: u64, most: u64) -> Option<Vec<u8>>;
}

impl Bytes for [u8] {
    fn read(&self, at: u64, most: u64) -> Option<Vec<u8>> {
        let rest = self.get(usize::try_from(at).ok()?..)?;
        Some(rest[..rest.len().min(usize::try_from(most).ok()?)].to_vec())
    }
}

impl Bytes for std::fs::File {
    fn read(&self, at: u64, most: u64) -> Option<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(most).ok()?];
        let mut filled = 0;
        while filled < bytes.len() {
            match self.read_at(&mut bytes[filled..], at.checked_add(filled as u64)?) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        bytes.truncate(filled);
        Some(bytes)
    }
}

/// Bytes with the layout of their class and byte order.
struct Layout<'a, B: ?Sized> {
    bytes: &'a B,
    wide: bool,
    big_endian: bool,
}

struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    size: u64,
}

impl<B: Bytes + ?Sized> Layout<'_, B> {
    fn number(&self, at: u64, width: u64) -> Option<u64> {
        let bytes = self.bytes.read(at, width).filter(|bytes| bytes.len() as u64 == width)?;
        let fold = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.big_endian { bytes.iter().fold(0, fold) } else { bytes.iter().rev().fold(0, fold) })
    }

    /// A number as wide as an address.
    fn word(&self, at: u64) -> Option<u64> {
        self.number(at, if self.wide { 8 } else { 4 })
    }

    fn text(&self, at: u64) -> Option<String> {
        let mut text = self.bytes.read(at, MAX_TEXT)?;
        text.truncate(text.iter().position(|&byte| byte == 0)?);
        String::from_utf8(text).ok()
    }

    fn segments(&self) -> Option<Vec<Segment>> {
        let (table, size, count) = if self.wide { (32, 54, 56) } else { (28, 42, 44) };
        let (table, size, count) = (self.word(table)?, self.number(size, 2)?, self.number(count, 2)?);
        (0..count.min(MAX_SEGMENTS))
            .map(|index| {
                let at = table.checked_add(index * size)?;
                let (offset, address, length) = if self.wide { (8, 16, 32) } else { (4, 8, 16) };
                Some(Segment {
                    kind: u32::try_from(self.number(at, 4)?).ok()?,
                    offset: self.word(at.checked_add(offset)?)?,
                    address: self.word(at.checked_add(address)?)?,
                    size: self.word(at.checked_add(length)?)?,
                })
            })
            .collect()
    }
}

/// Reads an ELF file; `None` when it is none or is damaged.
pub fn parse(bytes: &(impl Bytes + ?Sized)) -> Option<Elf> {
    let head = bytes.read(0, 6)?;
    if !head.starts_with(b"\x7fELF") {
        return None;
    }
    let file = Layout { bytes, wide: *head.get(4)? == 2, big_endian: *head.get(5)? == 2 };
    let segments = file.segments()?;
    let mut elf = Elf::default();
    if let Some(segment) = segments.iter().find(|segment| segment.kind == PT_INTERP) {
        elf.interpreter = Some(file.text(segment.offset)?);
    }
    let Some(dynamic) = segments.iter().find(|segment| segment.kind == PT_DYNAMIC) else { return Some(elf) };
    let width = if file.wide { 8 } else { 4 };
    let mut entries = Vec::new();
    for index in 0..(dynamic.size / (2 * width)).min(MAX_DYNAMIC) {
        let at = dynamic.offset.checked_add(index * 2 * width)?;
        match (file.word(at)?, file.word(at.checked_add(width)?)?) {
            (0, _) => break,
            entry => entries.push(entry),
        }
    }
    let Some(&(_, strings)) = entries.iter().find(|(tag, _)| *tag == DT_STRTAB) else { return Some(elf) };
    // The string table is given by its address in memory.
    let inside = |segment: &&Segment| {
        segment.kind == PT_LOAD && strings >= segment.address && strings - segment.address < segment.size
    };
    let home = segments.iter().find(inside)?;
    let strings = strings - home.address + home.offset;
    for (tag, value) in entries {
        match tag {
            DT_NEEDED => elf.needed.push(file.text(strings.checked_add(value)?)?),
            DT_SONAME => elf.soname = Some(file.text(strings.checked_add(value)?)?),
            _ => {}
        }
    }
    Some(elf)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn what_is_no_elf_is_told_from_what_is() {
        for text in ["", "#!/bin/sh\n", "\x7fELF"] {
            assert_eq!(parse(text.as_bytes()), None);
        }
    }

    #[test]
    fn a_file_is_read_as_its_bytes_are() {
        let path = "/proc/self/exe";
        let file = std::fs::File::open(path).unwrap();
        assert_eq!(parse(&file), parse(std::fs::read(path).unwrap().as_slice()));
        assert!(parse(&file).is_some());
    }

    #[test]
    fn a_damaged_file_is_refused_without_a_panic() {
        let whole = std::fs::read("/proc/self/exe").unwrap();
        for length in [5, 20, 63, 64, 100, 500, 2000] {
            // What is cut may or may not be missed; reading on must not go beyond it.
            let _ = parse(&whole[..length]);
        }
        let mut wild = whole[..4096].to_vec();
        for at in (16..4096).step_by(7) {
            wild[at] = 0xff;
            let _ = parse(wild.as_slice());
        }
    }
}
