//! Header blocks: numbers, names and the checksum, in all dialects of tar.

use std::ops::Range;

use tar::Header;

/// Size of a block in bytes.
pub const BLOCK: usize = 512;

/// The field in which POSIX keeps the beginning of a long name.
const PREFIX: Range<usize> = 345..500;

pub type Block = [u8; BLOCK];

/// Whether a block has a right checksum. Some old writers added the bytes as signed numbers; both sums are accepted.
pub fn is_header(block: &Block) -> bool {
    let Some(expected) = parse_number(&Header::from_byte_slice(block).as_old().cksum) else { return false };
    let (mut unsigned, mut signed) = (0_i64, 0_i64);
    for (at, &byte) in block.iter().enumerate() {
        // The bytes of the checksum itself count as spaces.
        let byte = if (148..156).contains(&at) { b' ' } else { byte };
        unsigned += i64::from(byte);
        signed += i64::from(i8::from_ne_bytes([byte]));
    }
    expected == unsigned || expected == signed
}

/// Parses a number field: octal digits, or binary when its first bit is set. An empty field is 0; `None`: no number.
pub fn parse_number(field: &[u8]) -> Option<i64> {
    let (&first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        // The second bit is the sign; the rest is in two's complement.
        let mut value = i64::from(first & 0x3f) - if first & 0x40 != 0 { 0x40 } else { 0 };
        for &byte in rest {
            value = value.checked_mul(256)?.checked_add(i64::from(byte))?;
        }
        return Some(value);
    }
    let start = field.iter().position(|byte| !matches!(byte, b' ' | 0)).unwrap_or(field.len());
    let digits = &field[start..];
    let end = digits.iter().position(|byte| matches!(byte, b' ' | 0)).unwrap_or(digits.len());
    digits[..end].iter().try_fold(0_i64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

/// Parses a size; `None`: no number, or a negative one.
pub fn parse_size(field: &[u8]) -> Option<u64> {
    parse_number(field).and_then(|size| u64::try_from(size).ok())
}

/// Turns a number field into a user or group id. Old systems wrote `nobody` as -2.
pub fn to_id(value: i64) -> Option<u32> {
    u32::try_from(value).ok().or_else(|| i32::try_from(value).ok().map(i32::cast_unsigned))
}

/// The text of a field, up to its first NUL.
pub fn text_before_nul(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    &field[..end]
}

/// The fields of one header.
#[derive(Debug)]
pub struct HeaderFields {
    /// Type of the entry.
    pub flag: u8,
    /// Name as written, with the prefix.
    pub name: Vec<u8>,
    /// Target of the link, as written.
    pub link: Vec<u8>,
    /// Size of the content that follows, in bytes.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Time of the last change, in seconds since the epoch.
    pub mtime: i64,
}

impl HeaderFields {
    /// Parses a header block; the error names the invalid field.
    pub fn parse(block: &Block) -> Result<HeaderFields, String> {
        let header = Header::from_byte_slice(block);
        let old = header.as_old();
        let wrong = |what: &str| format!("a header's {what} is no valid number");
        let mut name = Vec::new();
        // GNU's dialect has times in the place of the prefix, V7 has nothing there. Writers do not agree on the version
        // after the magic.
        if block[257..263] == *b"ustar\0" && block[PREFIX.start] != 0 {
            name.extend_from_slice(text_before_nul(&block[PREFIX]));
            name.push(b'/');
        }
        name.extend_from_slice(text_before_nul(&old.name));
        let owner = |field: &[u8]| parse_number(field).and_then(to_id);
        Ok(HeaderFields {
            flag: old.linkflag[0],
            name,
            link: text_before_nul(&old.linkname).to_vec(),
            size: parse_size(&old.size).ok_or_else(|| wrong("size"))?,
            mode: parse_number(&old.mode)
                .and_then(|mode| u32::try_from(mode & 0o7777).ok())
                .ok_or_else(|| wrong("mode"))?,
            uid: owner(&old.uid).ok_or_else(|| wrong("owner"))?,
            gid: owner(&old.gid).ok_or_else(|| wrong("group"))?,
            mtime: parse_number(&old.mtime).ok_or_else(|| wrong("time"))?,
        })
    }
}
