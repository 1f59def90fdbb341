//! Tests of the reader with archives of real tools, archives made by hand, and damaged ones.

use super::*;
use crate::archive::header::HeaderFields;

mod bombs;
mod by_hand;

/// A header block with a right checksum.
fn head(flag: u8, name: &[u8], size: u64) -> Block {
    let mut header = tar::Header::new_ustar();
    let old = header.as_old_mut();
    old.name[..name.len()].copy_from_slice(name);
    old.linkflag[0] = flag;
    header.set_mode(0o644);
    header.set_uid(1);
    header.set_gid(2);
    header.set_mtime(3);
    header.set_size(size);
    let mut block = *header.as_bytes();
    sum(&mut block);
    block
}

/// Sets a block's checksum.
fn sum(block: &mut Block) {
    let mut header = tar::Header::new_old();
    header.as_mut_bytes().copy_from_slice(block);
    header.set_cksum();
    *block = *header.as_bytes();
}

/// A header with its content.
fn part(flag: u8, name: &[u8], content: &[u8]) -> Vec<u8> {
    let mut part = head(flag, name, content.len() as u64).to_vec();
    part.extend_from_slice(content);
    part.resize(part.len().next_multiple_of(BLOCK), 0);
    part
}

/// A pax header with these records.
fn pax(flag: u8, records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let mut length = rest;
        while length != rest + length.to_string().len() {
            length = rest + length.to_string().len();
        }
        body.extend_from_slice(format!("{length} {key}=").as_bytes());
        body.extend_from_slice(value);
        body.push(b'\n');
    }
    part(flag, b"pax", &body)
}

/// An archive of these parts, with its end mark.
fn whole(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut archive = parts.concat();
    archive.resize(archive.len() + 2 * BLOCK, 0);
    archive
}

/// The entries of an archive.
fn entries(archive: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>, ArchiveError> {
    crate::archive::trees::read_all(Reader::new(archive, ReadLimits::NONE))
}

/// The only entry of an archive of these parts.
fn only(parts: &[Vec<u8>]) -> (Entry, Vec<u8>) {
    let mut found = entries(&whole(parts)).expect("it is whole");
    assert_eq!(found.len(), 1);
    found.remove(0)
}

/// The error of reading a damaged archive.
fn fault(archive: &[u8]) -> ArchiveError {
    entries(archive).expect_err("it is broken")
}

#[test]
fn fields_of_a_header_are_read() {
    let fields = HeaderFields::parse(&head(b'0', b"name", 7)).expect("it is fine");
    assert_eq!((fields.flag, fields.name.as_slice(), fields.size), (b'0', &b"name"[..], 7));
    assert_eq!((fields.mode, fields.uid, fields.gid, fields.mtime), (0o644, 1, 2, 3));
}
