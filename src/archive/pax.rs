//! Extension headers, which describe the entry that follows: pax records, and GNU's long names.

use std::collections::BTreeMap;

use super::acl::{self, AccessList};
use super::header;
use super::sparse::Segment;

/// Values from extension headers. `None`: the entry's own header has the value.
#[derive(Debug, Default, Clone)]
pub struct ExtendedHeader {
    /// Path as written.
    pub path: Option<Vec<u8>>,
    /// Target of the link, as written.
    pub link: Option<Vec<u8>>,
    /// Size of the content in the archive, in bytes.
    pub size: Option<u64>,
    /// User id.
    pub uid: Option<u32>,
    /// Group id.
    pub gid: Option<u32>,
    /// Time of the last change: seconds since the epoch, and nanoseconds.
    pub mtime: Option<(i64, u32)>,
    /// Extended attributes by name.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Records about a sparse file.
    pub sparse: SparseRecords,
    /// The entry continues a file that begins in another volume.
    pub continued: bool,
}

/// GNU tar's pax records about a sparse file.
#[derive(Debug, Default, Clone)]
pub struct SparseRecords {
    /// Format version; from 1.0 on.
    pub version: Option<(u64, u64)>,
    /// Path of the file; the header has a made-up one.
    pub name: Option<Vec<u8>>,
    /// Size with holes, in bytes.
    pub real_size: Option<u64>,
    /// Pieces of data (before 1.0).
    pub map: Option<Vec<Segment>>,
    /// Offset of the next piece, until the record with its length comes (0.0).
    offset: Option<u64>,
}

impl SparseRecords {
    /// Whether any record is about a sparse file.
    pub fn is_sparse(&self) -> bool {
        self.version.is_some() || self.map.is_some() || self.real_size.is_some()
    }
}

impl ExtendedHeader {
    /// Reads the records of one pax header; the error says what is wrong with them.
    pub fn read_records(&mut self, mut body: &[u8]) -> Result<(), String> {
        while let Some((record, rest)) = split_record(body)? {
            let equals = record.iter().position(|&byte| byte == b'=');
            let (key, value) = record.split_at(equals.ok_or("a pax record has no value")?);
            self.set_value(key, &value[1..])?;
            body = rest;
        }
        Ok(())
    }

    fn set_value(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let wrong = || format!("the pax record {} has the invalid value {}", lossy(key), lossy(value));
        // An empty value takes back a record of a global header.
        let filled = (!value.is_empty()).then_some(value);
        match key {
            b"path" => self.path = filled.map(<[u8]>::to_vec),
            b"linkpath" => self.link = filled.map(<[u8]>::to_vec),
            b"size" => self.size = filled.map(|value| parse_decimal(value).ok_or_else(wrong)).transpose()?,
            b"uid" => self.uid = filled.map(|value| parse_id(value).ok_or_else(wrong)).transpose()?,
            b"gid" => self.gid = filled.map(|value| parse_id(value).ok_or_else(wrong)).transpose()?,
            b"mtime" => self.mtime = filled.map(|value| parse_time(value).ok_or_else(wrong)).transpose()?,
            b"GNU.sparse.major" => {
                self.sparse.version.get_or_insert_default().0 = parse_decimal(value).ok_or_else(wrong)?;
            }
            b"GNU.sparse.minor" => {
                self.sparse.version.get_or_insert_default().1 = parse_decimal(value).ok_or_else(wrong)?;
            }
            b"GNU.sparse.name" => self.sparse.name = filled.map(<[u8]>::to_vec),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => {
                self.sparse.real_size = Some(parse_decimal(value).ok_or_else(wrong)?);
            }
            b"GNU.sparse.map" => self.sparse.map = Some(parse_map(value).ok_or_else(wrong)?),
            b"GNU.sparse.offset" => self.sparse.offset = Some(parse_decimal(value).ok_or_else(wrong)?),
            b"GNU.sparse.numbytes" => {
                let offset = self.sparse.offset.take().ok_or_else(wrong)?;
                let length = parse_decimal(value).ok_or_else(wrong)?;
                self.sparse.map.get_or_insert_default().push(Segment { offset, length });
            }
            b"GNU.volume.offset" => self.continued = true,
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.add_xattr(decode_percent(name, |code| matches!(code, b"3D" | b"3d" | b"25")), value.to_vec())?;
                } else if let Some(name) = key.strip_prefix(b"LIBARCHIVE.xattr.") {
                    self.add_xattr(decode_percent(name, |_| true), decode_base64(value).ok_or_else(wrong)?)?;
                } else if let Some(which) = acl::record(key) {
                    self.set_access_list(key, which, value);
                }
            }
        }
        Ok(())
    }

    fn add_xattr(&mut self, name: Vec<u8>, value: Vec<u8>) -> Result<(), String> {
        if name.is_empty() || name.contains(&0) {
            return Err(format!("an extended attribute has the invalid name {:?}", lossy(&name)));
        }
        self.xattrs.insert(name, value);
        Ok(())
    }

    /// Takes a list as text over. The attribute itself, if it is there too, counts.
    fn set_access_list(&mut self, key: &[u8], which: &[u8], text: &[u8]) {
        self.xattrs.remove(key);
        let (name, value) = match acl::read(which, text) {
            // An empty value takes back a record of a global header.
            _ if text.is_empty() => {
                self.xattrs.remove(&acl::attribute(which));
                return;
            }
            AccessList::Mode => return,
            AccessList::Attribute(name, value) => (name, value),
            AccessList::Unread => (key.to_vec(), text.to_vec()),
        };
        self.xattrs.entry(name).or_insert(value);
    }

    /// Memory that the values need, in bytes; an estimate.
    pub fn memory(&self) -> usize {
        let text = |text: &Option<Vec<u8>>| text.as_ref().map_or(0, Vec::len);
        let xattrs = self.xattrs.iter().map(|(name, value)| name.len() + value.len() + 64).sum::<usize>();
        let map = self.sparse.map.as_ref().map_or(0, |map| map.len() * size_of::<Segment>());
        text(&self.path) + text(&self.link) + text(&self.sparse.name) + xattrs + map
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(100)]).into_owned()
}

/// A record, and the bytes after it.
type SplitRecord<'a> = (&'a [u8], &'a [u8]);

/// Splits off the first record, without its length and its newline; `None`: no more records.
fn split_record(body: &[u8]) -> Result<Option<SplitRecord<'_>>, String> {
    // Some writers pad the block with zeros and include them in the size.
    if body.first().is_none_or(|&byte| byte == 0) {
        return Ok(None);
    }
    let cut = || {
        let space = body.iter().take(21).position(|&byte| byte == b' ')?;
        let length = usize::try_from(parse_decimal(&body[..space])?).ok()?;
        let record = body.get(space + 1..length)?.strip_suffix(b"\n")?;
        Some((record, &body[length..]))
    };
    cut().map(Some).ok_or_else(|| "a pax record does not have the length it says".to_owned())
}

/// Parses a decimal number; `None`: no number, or too large.
pub fn parse_decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |value, digit| match digit {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

fn parse_id(text: &[u8]) -> Option<u32> {
    let value = match text.strip_prefix(b"-") {
        Some(digits) => i64::try_from(parse_decimal(digits)?).ok()?.checked_neg()?,
        None => i64::try_from(parse_decimal(text)?).ok()?,
    };
    header::to_id(value)
}

/// Parses seconds with a fraction; rounds down to the nanosecond.
fn parse_time(text: &[u8]) -> Option<(i64, u32)> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(text) => (true, text),
        None => (false, text),
    };
    let point = text.iter().position(|&byte| byte == b'.').unwrap_or(text.len());
    let fraction = text.get(point + 1..).unwrap_or_default();
    let seconds = i64::try_from(if point == 0 { 0 } else { parse_decimal(&text[..point])? }).ok()?;
    if point == 0 && fraction.is_empty() || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |at: usize| fraction.get(at).map_or(0, |digit| u32::from(digit - b'0'));
    let nanos = (0..9).fold(0, |nanos, at| nanos * 10 + digit(at));
    let finer = fraction.iter().skip(9).any(|&digit| digit != b'0');
    if !negative {
        return Some((seconds, nanos));
    }
    match nanos + u32::from(finer) {
        0 => Some((-seconds, 0)),
        below => Some((-seconds - 1, 1_000_000_000 - below)),
    }
}

/// Parses a map: `offset,length,offset,length`.
fn parse_map(text: &[u8]) -> Option<Vec<Segment>> {
    let mut map = Vec::new();
    let mut numbers = text.split(|&byte| byte == b',');
    while let Some(offset) = numbers.next() {
        if offset.is_empty() && map.is_empty() {
            break;
        }
        map.push(Segment { offset: parse_decimal(offset)?, length: parse_decimal(numbers.next()?)? });
    }
    Some(map)
}

/// Decodes `%3D`; codes that are not `wanted` stay as they are.
fn decode_percent(text: &[u8], wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        let code = after.get(..2).filter(|code| first == b'%' && wanted(code));
        match code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok()) {
            Some(byte) => {
                plain.push(byte);
                rest = &after[2..];
            }
            None => plain.push(first),
        }
    }
    plain
}

/// Decodes base64, with or without padding.
fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii_end();
    let end = text.iter().rposition(|&byte| byte != b'=').map_or(0, |last| last + 1);
    let mut plain = Vec::with_capacity(end / 4 * 3 + 3);
    for group in text[..end].chunks(4) {
        let mut bits = 0_u32;
        for at in 0..4 {
            let six = match group.get(at) {
                None => 0,
                Some(byte @ b'A'..=b'Z') => byte - b'A',
                Some(byte @ b'a'..=b'z') => byte - b'a' + 26,
                Some(byte @ b'0'..=b'9') => byte - b'0' + 52,
                Some(b'+') => 62,
                Some(b'/') => 63,
                Some(_) => return None,
            };
            bits = bits << 6 | u32::from(six);
        }
        let bytes = bits.to_be_bytes();
        plain.extend_from_slice(match group.len() {
            4 => &bytes[1..4],
            3 => &bytes[1..3],
            2 => &bytes[1..2],
            _ => return None,
        });
    }
    Some(plain)
}
