//! Reads from an ELF file what it needs to run: its loader, its own name as a library, and the libraries that it
//! names.

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

/// Bytes with the layout of their class and byte order.
struct File<'a> {
    bytes: &'a [u8],
    wide: bool,
    big_endian: bool,
}

struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    size: u64,
}

impl File<'_> {
    fn number(&self, at: u64, width: usize) -> Option<u64> {
        let at = usize::try_from(at).ok()?;
        let bytes = self.bytes.get(at..at.checked_add(width)?)?;
        let fold = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.big_endian { bytes.iter().fold(0, fold) } else { bytes.iter().rev().fold(0, fold) })
    }

    /// A number as wide as an address.
    fn word(&self, at: u64) -> Option<u64> {
        self.number(at, if self.wide { 8 } else { 4 })
    }

    fn text(&self, at: u64) -> Option<String> {
        let rest = self.bytes.get(usize::try_from(at).ok()?..)?;
        let end = rest.iter().position(|&byte| byte == 0)?;
        String::from_utf8(rest[..end].to_vec()).ok()
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
pub fn parse(bytes: &[u8]) -> Option<Elf> {
    if !bytes.starts_with(b"\x7fELF") {
        return None;
    }
    let file = File { bytes, wide: *bytes.get(4)? == 2, big_endian: *bytes.get(5)? == 2 };
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
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"#!/bin/sh\n"), None);
        assert_eq!(parse(b"\x7fELF"), None);
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
            let _ = parse(&wild);
        }
    }
}
