//! Headers of entries, with a pax header for the values that have no room.

use tar::Header;

use crate::archive::header::BLOCK;
use crate::archive::read::MAX_EXTENSION;
use crate::archive::xattrs::Xattrs;

/// The values of a header.
pub struct HeaderValues<'a> {
    pub path: &'a [u8],
    pub flag: u8,
    /// Target of the link.
    pub target: &'a [u8],
    /// Size of the content that follows, in bytes.
    pub size: u64,
    /// Size of a file with holes. The content then begins with the map.
    pub real_size: Option<u64>,
    pub mode: u32,
    pub owner: (u32, u32),
    pub mtime: (i64, u32),
    /// Major and minor number of a device.
    pub device: Option<(u32, u32)>,
    pub xattrs: &'a Xattrs,
}

/// The headers of the entry would be larger than the reader accepts.
#[derive(Debug, PartialEq, Eq)]
pub struct HeaderTooLarge;

impl HeaderValues<'_> {
    /// The blocks of the header.
    pub fn to_blocks(&self) -> Result<Vec<u8>, HeaderTooLarge> {
        let mut path = self.path.to_vec();
        if self.flag == b'5' {
            path.extend_from_slice(if path.is_empty() { b"./" } else { b"/" });
        }
        let (mut texts, mut records) = (Vec::new(), Vec::new());
        let mut header = Header::new_ustar();
        let old = header.as_old_mut();
        old.linkflag[0] = self.flag;
        if self.real_size.is_some() {
            // Readers that do not know sparse files must not take this entry for the file.
            let start = path.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
            let name = [b"GNUSparseFile.0/", &path[start..]].concat();
            write_name(&mut old.name, &name);
        } else if !write_name(&mut old.name, &path) {
            texts.push((&b"path"[..], path.as_slice()));
        }
        if !write_name(&mut old.linkname, self.target) {
            texts.push((b"linkpath", self.target));
        }
        let mut numbers = vec![
            (&mut old.mode[..], u64::from(self.mode), "mode"),
            (&mut old.uid[..], self.owner.0.into(), "uid"),
            (&mut old.gid[..], self.owner.1.into(), "gid"),
            (&mut old.size[..], self.size, "size"),
        ];
        for (field, value, key) in &mut numbers {
            if !write_octal(field, *value) {
                push_record(&mut records, key.as_bytes(), value.to_string().as_bytes());
            }
        }
        let (seconds, nanos) = self.mtime;
        let fits = u64::try_from(seconds).is_ok_and(|seconds| write_octal(&mut old.mtime, seconds));
        if !fits || nanos > 0 {
            if !fits {
                write_octal(&mut old.mtime, 0);
            }
            push_record(&mut records, b"mtime", format_time(seconds, nanos).as_bytes());
        }
        if let Some((major, minor)) = self.device
            && let Some(ustar) = header.as_ustar_mut()
        {
            write_octal(&mut ustar.dev_major, major.into());
            write_octal(&mut ustar.dev_minor, minor.into());
        }
        if let Some(size) = self.real_size {
            push_record(&mut records, b"GNU.sparse.major", b"1");
            push_record(&mut records, b"GNU.sparse.minor", b"0");
            texts.push((b"GNU.sparse.name", &path));
            push_record(&mut records, b"GNU.sparse.realsize", size.to_string().as_bytes());
        }
        for (name, value) in self.xattrs {
            push_record(&mut records, &[b"SCHILY.xattr.".as_slice(), &escape_name(name.to_bytes())].concat(), value);
        }
        for (key, text) in &texts {
            push_record(&mut records, key, text);
        }
        if texts.iter().any(|(_, text)| std::str::from_utf8(text).is_err()) {
            let mut first = Vec::new();
            push_record(&mut first, b"hdrcharset", b"BINARY");
            records.splice(..0, first);
        }
        header.set_cksum();
        let mut blocks = extension(&records)?;
        blocks.extend_from_slice(header.as_bytes());
        Ok(blocks)
    }
}

/// The blocks of a pax header with these records; none where there are no records.
fn extension(records: &[u8]) -> Result<Vec<u8>, HeaderTooLarge> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    if records.len() as u64 > MAX_EXTENSION {
        return Err(HeaderTooLarge);
    }
    let mut header = Header::new_ustar();
    let old = header.as_old_mut();
    old.linkflag[0] = b'x';
    write_name(&mut old.name, b"pax_header");
    write_octal(&mut old.mode, 0o644);
    write_octal(&mut old.uid, 0);
    write_octal(&mut old.gid, 0);
    write_octal(&mut old.mtime, 0);
    write_octal(&mut old.size, records.len() as u64);
    header.set_cksum();
    let mut blocks = [header.as_bytes().as_slice(), records].concat();
    blocks.resize(blocks.len().next_multiple_of(BLOCK), 0);
    Ok(blocks)
}

/// Writes as much of a name as fits; returns whether all did.
fn write_name(field: &mut [u8], name: &[u8]) -> bool {
    let length = name.len().min(field.len());
    field[..length].copy_from_slice(&name[..length]);
    length == name.len()
}

/// Writes an octal number; if it does not fit, writes 0 and returns false.
fn write_octal(field: &mut [u8], value: u64) -> bool {
    let digits = field.len() - 1;
    let fits = value < 1 << (3 * digits);
    let mut left = if fits { value } else { 0 };
    for digit in field[..digits].iter_mut().rev() {
        *digit = b'0' + u8::try_from(left & 7).unwrap_or(0);
        left >>= 3;
    }
    field[digits] = 0;
    fits
}

/// Formats seconds with a fraction. Nanoseconds count forward, while the decimal number counts away from 0.
fn format_time(seconds: i64, nanos: u32) -> String {
    match (seconds, nanos) {
        (_, 0) => seconds.to_string(),
        (0.., _) => format!("{seconds}.{nanos:09}"),
        _ => format!("-{}.{:09}", -(seconds + 1), 1_000_000_000 - nanos),
    }
}

/// Adds `length key=value\n`; the length includes its own digits.
fn push_record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut digits = 1;
    while (rest + digits).to_string().len() > digits {
        digits += 1;
    }
    records.extend_from_slice(format!("{} ", rest + digits).as_bytes());
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

/// An attribute's name as GNU tar escapes it: the value begins at the first `=`.
fn escape_name(name: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(name.len());
    for &byte in name {
        match byte {
            b'%' => escaped.extend_from_slice(b"%25"),
            b'=' => escaped.extend_from_slice(b"%3D"),
            byte => escaped.push(byte),
        }
    }
    escaped
}
