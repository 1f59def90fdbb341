//! Summary of an archive of pg_dump: reads the head and the table of contents in the format of `pg_backup_archiver.c`
//! (versions 1.10, of PostgreSQL 8, to 1.16, of PostgreSQL 17 and later). The lengths in a file are not trusted: memory
//! grows only with bytes that were read.

use std::collections::BTreeSet;
use std::io::{self, Read};

use crate::model::dump::{Dump, DumpFormat};

/// The first bytes of every such file.
pub const MAGIC: &[u8; 5] = b"PGDMP";
/// Longest text of an entry, in bytes. Definitions may be long and are skipped.
const LONGEST: u64 = 256 * 1024 * 1024;
/// Most entries of a table of contents.
const MOST_ENTRIES: i64 = 10_000_000;
/// Most names of one kind that are kept.
const MOST_NAMES: usize = 1000;

/// The summary of an archive.
#[derive(Debug)]
pub struct ArchiveSummary {
    /// Facts for the load.
    pub dump: Dump,
    /// Files that a folder must have beside its table of contents.
    pub files: Vec<String>,
    /// Number of tables that have rows or may have some.
    pub with_rows: u64,
}

/// Reads a table of contents. `InvalidData`: the input is none; `UnexpectedEof`: it ends early.
pub fn summarize(input: impl Read) -> io::Result<ArchiveSummary> {
    let mut toc = Toc { input, int_size: 0, off_size: 0, version: 0 };
    let mut magic = [0; 5];
    toc.input.read_exact(&mut magic)?;
    if &magic != MAGIC {
        return Err(invalid("it does not begin as an archive of pg_dump does"));
    }
    let [major, minor, _revision] = toc.read_bytes()?;
    toc.version = u16::from_be_bytes([major, minor]);
    if major != 1 || minor < 10 {
        return Err(invalid(&format!("the version {major}.{minor} of the archive is not known")));
    }
    [toc.int_size, toc.off_size] = toc.read_bytes()?;
    let [format] = toc.read_bytes()?;
    if !(1..=8).contains(&toc.int_size) || !(1..=8).contains(&toc.off_size) {
        return Err(invalid("the size of its numbers is invalid"));
    }
    if toc.is_since(15) {
        toc.read_bytes::<1>()?;
    } else {
        toc.read_int()?;
    }
    for _ in 0..7 {
        toc.read_int()?; // part of the creation time
    }
    let database = toc.read_text()?;
    toc.read_text()?; // version of the server
    let version = toc.read_text()?;
    // A folder's table of contents gives the format of a tar archive (3); otherwise the two are the same.
    let is_folder = matches!(format, 3 | 5);
    let mut dump = Dump::new(if is_folder { DumpFormat::PostgresFolder } else { DumpFormat::PostgresArchive });
    dump.databases = database.into_iter().collect();
    dump.version = version.and_then(|version| version.split_whitespace().next().map(str::to_owned));
    let mut seen = ArchiveSummary { dump, files: Vec::new(), with_rows: 0 };
    let mut roles = BTreeSet::new();
    let count = toc.read_int()?;
    if !(0..=MOST_ENTRIES).contains(&count) {
        return Err(invalid("the number of its entries is invalid"));
    }
    for _ in 0..count {
        toc.read_entry(is_folder, &mut seen, &mut roles)?;
    }
    seen.dump.roles = roles.into_iter().collect();
    Ok(seen)
}

fn invalid(words: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, words)
}

struct Toc<R> {
    input: R,
    int_size: u8,
    off_size: u8,
    version: u16,
}

impl<R: Read> Toc<R> {
    fn is_since(&self, minor: u8) -> bool {
        self.version >= u16::from_be_bytes([1, minor])
    }

    fn read_bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads a number: a byte for the sign, then the number, lowest byte first.
    fn read_int(&mut self) -> io::Result<i64> {
        let [sign] = self.read_bytes()?;
        let mut value: i64 = 0;
        for place in 0..self.int_size {
            let [byte] = self.read_bytes()?;
            value |= i64::from(byte).checked_shl(8 * u32::from(place)).unwrap_or(0);
        }
        Ok(if sign == 0 { value } else { value.wrapping_neg() })
    }

    /// Reads a text; `None`: no text. Only the beginning of a long text is kept.
    fn read_text(&mut self) -> io::Result<Option<String>> {
        const KEPT: u64 = 4096;
        let length = self.read_int()?;
        let Ok(length) = u64::try_from(length) else { return Ok(None) };
        if length > LONGEST {
            return Err(invalid("a text is too long"));
        }
        let mut bytes = Vec::new();
        (&mut self.input).take(length.min(KEPT)).read_to_end(&mut bytes)?;
        let rest = length - length.min(KEPT);
        let passed = io::copy(&mut (&mut self.input).take(rest), &mut io::sink())?;
        if (bytes.len() as u64) < length.min(KEPT) || passed < rest {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn read_entry(
        &mut self,
        is_folder: bool,
        seen: &mut ArchiveSummary,
        roles: &mut BTreeSet<String>,
    ) -> io::Result<()> {
        self.read_int()?; // id of the dump
        self.read_int()?; // whether the entry has data
        self.read_text()?;
        self.read_text()?; // object id in the catalog
        self.read_text()?; // name
        let what = self.read_text()?.unwrap_or_default();
        if self.is_since(11) {
            self.read_int()?; // section
        }
        self.read_text()?; // definition
        self.read_text()?; // drop statement
        self.read_text()?; // copy statement
        self.read_text()?; // schema
        self.read_text()?; // tablespace
        if self.is_since(14) {
            self.read_text()?; // table access method
        }
        if self.is_since(16) {
            self.read_int()?; // kind of relation
        }
        let owner = self.read_text()?;
        self.read_text()?; // whether the table has object ids
        while self.read_text()?.is_some() {} // dependencies
        if is_folder {
            if let Some(file) = self.read_text()?.filter(|file| !file.is_empty() && !file.contains('/')) {
                seen.files.push(file);
            }
        } else {
            let [_state] = self.read_bytes()?;
            for _ in 0..self.off_size {
                self.read_bytes::<1>()?;
            }
        }
        match what.as_str() {
            "TABLE" => seen.dump.tables += 1,
            "TABLE DATA" => seen.with_rows += 1,
            _ => {}
        }
        if let Some(owner) = owner.filter(|owner| !owner.is_empty() && roles.len() < MOST_NAMES) {
            roles.insert(owner);
        }
        Ok(())
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A table of contents as pg_dump 15 writes it, with these entries.
    pub fn sample(format: u8, entries: &[(&str, &str)]) -> Vec<u8> {
        fn int(out: &mut Vec<u8>, value: i32) {
            out.push(u8::from(value < 0));
            out.extend(value.unsigned_abs().to_le_bytes());
        }
        fn text(out: &mut Vec<u8>, text: Option<&str>) {
            int(out, text.map_or(-1, |text| text.len() as i32));
            out.extend(text.unwrap_or_default().bytes());
        }
        let mut out = b"PGDMP\x01\x0e\x00\x04\x08".to_vec();
        out.push(format);
        int(&mut out, -1);
        (0..7).for_each(|_| int(&mut out, 1));
        for word in ["app", "15.4 (Debian)", "15.4 (Debian)"] {
            text(&mut out, Some(word));
        }
        int(&mut out, entries.len() as i32);
        for (number, (what, owner)) in entries.iter().enumerate() {
            int(&mut out, number as i32 + 1);
            int(&mut out, 1);
            for word in ["1259", "16389", "notes", what] {
                text(&mut out, Some(word));
            }
            int(&mut out, 3);
            for word in [Some("CREATE"), None, None, Some("public"), None, None, Some(owner), Some("false")] {
                text(&mut out, word);
            }
            text(&mut out, Some("1"));
            text(&mut out, None);
            if format == 3 {
                text(&mut out, (*what == "TABLE DATA").then_some("3350.dat"));
            } else {
                out.push(2);
                out.extend([0; 8]);
            }
        }
        out
    }

    #[test]
    fn a_table_of_contents_tells_its_database_tables_and_owners() {
        let bytes = sample(1, &[("TABLE", "app_owner"), ("TABLE DATA", "app_owner"), ("INDEX", "")]);
        let seen = summarize(bytes.as_slice()).expect("it is whole");
        assert_eq!(seen.dump.format, DumpFormat::PostgresArchive);
        assert_eq!((seen.dump.databases, seen.dump.roles), (vec!["app".to_owned()], vec!["app_owner".to_owned()]));
        assert_eq!((seen.dump.tables, seen.with_rows, seen.dump.version.as_deref()), (1, 1, Some("15.4")));
        let folder = summarize(sample(3, &[("TABLE DATA", "x")]).as_slice()).expect("it is whole");
        assert_eq!((folder.dump.format, folder.files), (DumpFormat::PostgresFolder, vec!["3350.dat".to_owned()]));
    }

    #[test]
    fn wherever_it_is_cut_off_or_changed_it_is_told_or_read() {
        let bytes = sample(1, &[("TABLE", "o"), ("TABLE DATA", "o")]);
        for at in 0..bytes.len() {
            assert!(summarize(&bytes[..at]).is_err(), "cut at {at}");
            let mut changed = bytes.clone();
            changed[at] ^= 0xff;
            // The changed bytes may mean anything; reading must not panic.
            drop(summarize(changed.as_slice()));
        }
    }
}
