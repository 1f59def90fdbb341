//! Formats that are no tar archive, recognised by their first bytes.

use super::compression::detect_encryption;
use super::header::Block;

/// Names the format that begins like this block; `None`: not known.
pub fn recognize_other_format(start: &Block) -> Option<String> {
    const KNOWN: [(&[u8], &str); 12] = [
        (b"PK\x03\x04", "a zip file"),
        (b"7z\xbc\xaf\x27\x1c", "a 7-Zip file"),
        (b"Rar!", "a RAR file"),
        (b"\x04\x22\x4d\x18", "something packed with lz4"),
        (b"LZIP", "something packed with lzip"),
        (b"\x1f\x9d", "something packed with compress"),
        (b"PGDMP", "a dump of PostgreSQL (which `dump:FILE` loads)"),
        (b"--\n-- PostgreSQL database", "a dump of PostgreSQL (which `dump:FILE` loads)"),
        (b"-- M", "a dump of MariaDB or MySQL (which `dump:FILE` loads)"),
        (b"/*M!999999", "a dump of MariaDB (which `dump:FILE` loads)"),
        (b"SQLite format 3\0", "a database of SQLite"),
        (b"07070", "a cpio archive"),
    ];
    if let Some(encryption) = detect_encryption(start) {
        return Some(format!("it is encrypted ({encryption})"));
    }
    let known = KNOWN.iter().find(|(magic, _)| start.starts_with(magic));
    known.map(|(_, what)| format!("it looks like {what}"))
}
