//! Archives that are cut off or changed, at every place.

use std::io::{self, ErrorKind, Read};
use std::process::Command;

use rehearsa::archive::Kind;
use rehearsa::archive::compression::open;
use rehearsa::archive::compression::window::WindowTooLong;
use rehearsa::archive::error::{ArchiveError, ArchiveFault};
use rehearsa::archive::read::{MAX_EXTENSIONS, MAX_PATH, ReadLimits, Reader};

use crate::support::cuts::{all, blocks, few};
use crate::support::trees::run;

const BLOCK: usize = 512;

/// Makes a header's checksum right.
fn sum(block: &mut [u8; BLOCK]) {
    let mut header = tar::Header::new_old();
    header.as_mut_bytes().copy_from_slice(block);
    header.set_cksum();
    *block = *header.as_bytes();
}

/// Small archives with something of everything, one of each format, and without what tools fill up the last block with.
fn samples() -> Vec<(String, Vec<u8>)> {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    std::fs::create_dir(root.join("folder")).unwrap();
    std::fs::write(root.join("folder/file"), [b'f'; 600]).unwrap();
    std::fs::write(root.join("folder/nothing"), "").unwrap();
    std::fs::hard_link(root.join("folder/file"), root.join("folder/same")).unwrap();
    std::os::unix::fs::symlink("folder", root.join("link")).unwrap();
    let formats = ["v7", "ustar", "gnu", "oldgnu", "pax"];
    let mut samples = Vec::new();
    for format in formats {
        if format == "gnu" {
            std::fs::write(root.join("n".repeat(120)), "long").unwrap();
            let holes = std::fs::File::create(root.join("holes")).unwrap();
            for at in 0..6 {
                std::os::unix::fs::FileExt::write_all_at(&holes, b"x", at * 65_536).unwrap();
            }
            holes.set_len(500_000).unwrap();
            std::fs::File::create(root.join("hole")).unwrap().set_len(100_000).unwrap();
            let value = [7; 30];
            rustix::fs::setxattr(
                root.join("link").parent().unwrap(),
                "user.x",
                &value,
                rustix::fs::XattrFlags::empty(),
            )
            .unwrap();
        }
        let sparse = if formats[..2].contains(&format) { "--no-acls" } else { "--sparse" };
        let mut tar = Command::new("tar");
        tar.arg("-C").arg(root).args(["-b1", "-cf", "-", sparse, &format!("--format={format}"), "."]);
        if format == "pax" {
            tar.arg("--xattrs");
        }
        samples.push((format.to_owned(), run(&mut tar, b"")));
    }
    samples
}

/// The same, packed.
fn packed() -> Vec<(String, Vec<u8>)> {
    let samples = samples();
    let (_, archive) = samples.last().expect("there are some");
    let tools = [("gzip", &["-n"][..]), ("zstd", &["--check"]), ("xz", &["--check=crc32"]), ("bzip2", &[])];
    tools.map(|(tool, args)| (tool.to_owned(), run(Command::new(tool).args(args), archive))).to_vec()
}

/// Reads all of an archive without holding it; `None` when it is whole. Every bound that is promised is checked.
fn outcome(archive: &[u8]) -> Option<ArchiveError> {
    let input = match open(archive) {
        Ok(input) => input,
        Err(error) if WindowTooLong::of(&error).is_some() => {
            let (kind, detail) = (ArchiveFault::Window, error.to_string());
            return Some(ArchiveError { kind, entry: None, at: 0, detail });
        }
        // The header of the first member is read already, and may be one that no program writes.
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            let (kind, detail) = (ArchiveFault::Corrupt, error.to_string());
            return Some(ArchiveError { kind, entry: None, at: 0, detail });
        }
        Err(error) => panic!("reading from memory does not fail: {error}"),
    };
    let limits = ReadLimits { max_entries: 1000 };
    // What comes out of a packed archive is larger than it is, but not without end.
    let mut reader = Reader::new(input.take(64 << 20), limits);
    let mut buf = [0; 4096];
    let (mut entries, mut bytes) = (0, 0);
    loop {
        let entry = match reader.next() {
            Ok(Some(entry)) => entry,
            Ok(None) => return None,
            Err(error) => {
                assert_eq!(reader.next(), Err(error.clone()));
                return Some(error);
            }
        };
        entries += 1;
        assert!(entries <= 1000);
        assert!(entry.path.len() <= MAX_PATH && entry.stored <= entry.size.max(entry.stored));
        let xattrs: usize = entry.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum();
        assert!(xattrs as u64 <= MAX_EXTENSIONS);
        assert!(entry.kind == Kind::File || entry.size == 0);
        let mut last = 0;
        loop {
            match reader.read_piece(&mut buf) {
                Ok(Some((offset, length))) => {
                    assert!(length > 0 && offset >= last, "pieces come in order");
                    last = offset + length as u64;
                    assert!(last <= entry.size);
                    bytes += length;
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(reader.next(), Err(error.clone()));
                    return Some(error);
                }
            }
        }
        assert!(bytes <= 64 << 20);
    }
}

#[test]
fn an_archive_cut_at_any_byte_is_never_whole() {
    a_cut_archive_is_never_whole(blocks);
}

#[test]
#[ignore = "nightly: every byte, where every 61st and all edges of blocks show the same"]
fn an_archive_cut_at_any_byte_is_never_whole_all_of_them() {
    a_cut_archive_is_never_whole(all);
}

/// `cuts` are those among so many bytes.
fn a_cut_archive_is_never_whole(cuts: fn(usize) -> Vec<usize>) {
    for (format, archive) in samples() {
        assert_eq!(outcome(&archive), None, "{format}");
        let end = archive.len() - archive.iter().rev().take_while(|byte| **byte == 0).count();
        let end_mark = end.next_multiple_of(BLOCK) + BLOCK;
        assert!(end_mark + BLOCK <= archive.len());
        for length in cuts(archive.len() + 1) {
            match outcome(&archive[..length]) {
                None => assert!(length >= end_mark, "{format}, {length} of {} bytes", archive.len()),
                Some(error) => {
                    assert!(length < end_mark, "{format}, {length}: {error}");
                    let expected = if length < BLOCK { ArchiveFault::NotAnArchive } else { ArchiveFault::Truncated };
                    assert_eq!(error.kind, expected, "{format}, {length}: {error}");
                    assert!(error.at <= length as u64);
                }
            }
        }
    }
}

#[test]
fn an_archive_in_a_file_that_was_cut_at_any_byte_is_never_whole() {
    a_cut_file_is_never_whole(blocks);
}

#[test]
#[ignore = "nightly: every byte, where every 61st and all edges of blocks show the same"]
fn an_archive_in_a_file_that_was_cut_at_any_byte_is_never_whole_all_of_them() {
    a_cut_file_is_never_whole(all);
}

fn a_cut_file_is_never_whole(cuts: fn(usize) -> Vec<usize>) {
    for (format, archive) in samples() {
        let end = archive.len() - archive.iter().rev().take_while(|byte| **byte == 0).count();
        let end_mark = end.next_multiple_of(BLOCK) + BLOCK;
        for length in cuts(end_mark) {
            let mut reader = Reader::seekable(io::Cursor::new(&archive[..length]), ReadLimits::NONE).unwrap();
            let error = loop {
                match reader.next() {
                    Ok(entry) => assert!(entry.is_some(), "{format}, {length}"),
                    Err(error) => break error,
                }
            };
            let expected = if length < BLOCK { ArchiveFault::NotAnArchive } else { ArchiveFault::Truncated };
            assert_eq!(error.kind, expected, "{format}, {length}: {error}");
        }
    }
}

#[test]
fn a_packed_archive_cut_at_any_byte_is_never_whole() {
    a_cut_packed_archive_is_never_whole(few);
}

#[test]
#[ignore = "nightly: every byte, where every 61st and all edges of blocks show the same"]
fn a_packed_archive_cut_at_any_byte_is_never_whole_all_of_them() {
    a_cut_packed_archive_is_never_whole(all);
}

fn a_cut_packed_archive_is_never_whole(cuts: fn(usize) -> Vec<usize>) {
    for (packing, archive) in packed() {
        assert_eq!(outcome(&archive), None, "{packing}");
        for length in cuts(archive.len()) {
            let error = outcome(&archive[..length]).unwrap_or_else(|| panic!("{packing}, {length}"));
            assert_ne!(error.kind, ArchiveFault::Io, "{packing}, {length}: {error}");
            if length > 16 {
                assert_eq!(error.kind, ArchiveFault::Truncated, "{packing}, {length}: {error}");
            }
        }
    }
}

#[test]
fn a_packed_archive_with_a_changed_byte_is_damaged_or_the_same() {
    a_changed_packed_archive_is_damaged_or_the_same(few);
}

#[test]
#[ignore = "nightly: every byte, where every 61st and all edges of blocks show the same"]
fn a_packed_archive_with_a_changed_byte_is_damaged_or_the_same_all_of_them() {
    a_changed_packed_archive_is_damaged_or_the_same(all);
}

fn a_changed_packed_archive_is_damaged_or_the_same(cuts: fn(usize) -> Vec<usize>) {
    for (packing, archive) in packed() {
        let whole = {
            let mut bytes = Vec::new();
            open(archive.as_slice()).unwrap().read_to_end(&mut bytes).unwrap();
            bytes
        };
        for at in cuts(archive.len()) {
            let mut changed = archive.clone();
            changed[at] ^= 0x10;
            let mut bytes = Vec::new();
            // Bytes that mean nothing (a gzip's time, its system) may change; content may not.
            match open(changed.as_slice()).and_then(|mut plain| plain.read_to_end(&mut bytes)) {
                Ok(_) => assert!(bytes == whole || outcome(&changed).is_some(), "{packing}, {at}"),
                Err(error) => {
                    let kinds = [ErrorKind::InvalidData, ErrorKind::UnexpectedEof];
                    assert!(kinds.contains(&error.kind()), "{packing}, {at}: {error:?}");
                }
            }
        }
    }
}

/// Numbers that look random and are the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

/// Changes an archive in one of the ways that break readers.
fn mutate(archive: &mut Vec<u8>, random: &mut Random) {
    let blocks = archive.len() / BLOCK;
    if blocks < 2 {
        archive.push(0);
        return;
    }
    let block = random.below(blocks) * BLOCK;
    match random.below(8) {
        0 => archive[block + random.below(BLOCK)] = u8::try_from(random.below(256)).unwrap(),
        1 => archive[block + random.below(BLOCK)] ^= 1 << random.below(8),
        2 => {
            // A number field: name, mode, uid, gid, size, mtime, sparse offsets, real size.
            let (start, length) =
                [(100, 8), (108, 8), (116, 8), (124, 12), (136, 12), (386, 12), (398, 12), (483, 12)][random.below(8)];
            let fill = [0x00, 0xff, 0x80, b'7', b'0', b' ', 0x7f][random.below(7)];
            archive[block + start..block + start + length].fill(fill);
        }
        3 => archive[block + 156] = b"01234567LKxgSVMDNXA\0"[random.below(20)],
        4 => {
            let from = random.below(blocks) * BLOCK;
            archive.copy_within(from..from + BLOCK, block);
        }
        5 => drop(archive.drain(block..block + BLOCK)),
        6 => {
            let copy = archive[block..block + BLOCK].to_vec();
            archive.splice(block..block, copy);
        }
        _ => {
            // A digit of a pax record or a sparse map.
            if let Some(at) = (block..block + BLOCK).find(|at| archive[*at].is_ascii_digit()) {
                archive[at] = b"0123456789-\n= "[random.below(14)];
            }
        }
    }
    // Without a right checksum nothing behind it would be looked at.
    if random.below(4) > 0
        && let Some(header) = archive.get_mut(block..block + BLOCK)
        && header[156] != 0
    {
        let mut copy = [0; BLOCK];
        copy.copy_from_slice(header);
        sum(&mut copy);
        header.copy_from_slice(&copy);
    }
}

#[test]
fn archives_changed_at_random_are_read_within_bounds() {
    let rounds = std::env::var("REHEARSA_MUTANTS").map_or(1500, |count| count.parse().expect("a number"));
    let mut random = Random(0x5eed_cafe_f00d_0001);
    let mut kinds = std::collections::BTreeMap::<String, u32>::new();
    for (format, sample) in samples() {
        for round in 0..rounds {
            let seed = random.0;
            let mut archive = sample.clone();
            for _ in 0..=random.below(4) {
                mutate(&mut archive, &mut random);
            }
            let result = std::panic::catch_unwind(|| outcome(&archive));
            let Ok(outcome) = result else { panic!("{format}, round {round}, seed {seed:#x}") };
            *kinds.entry(outcome.map_or("whole".to_owned(), |error| format!("{:?}", error.kind))).or_default() += 1;
        }
    }
    for (packing, sample) in packed() {
        for round in 0..rounds / 4 {
            let mut archive = sample.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(archive.len());
                archive[at] = u8::try_from(random.below(256)).unwrap();
            }
            assert!(std::panic::catch_unwind(|| outcome(&archive)).is_ok(), "{packing}, round {round}");
        }
    }
    // The changes reach what they are meant for.
    for kind in ["whole", "Truncated", "Corrupt", "NotAnArchive"] {
        assert!(kinds.get(kind).is_some_and(|count| *count > 10), "{kinds:?}");
    }
}

#[test]
fn no_program_ends_an_archive_with_megabytes_of_zeros() {
    let (_, archive) = samples().remove(0);
    for (zeros, whole) in [(512 << 10, true), (3 << 20, false)] {
        let longer = [archive.as_slice(), &vec![0; zeros]].concat();
        assert_eq!(outcome(&longer).is_none(), whole, "{zeros}");
    }
}

#[test]
fn zeros_in_the_place_of_a_header_are_not_the_end() {
    for (format, archive) in samples() {
        let is_header = |at: &usize| archive.get(at + 257..at + 262) == Some(b"ustar");
        for at in (0..archive.len()).step_by(BLOCK).filter(is_header) {
            for blocks in [1, 2, 4] {
                let mut zeroed = archive.clone();
                let end = (at + blocks * BLOCK).min(zeroed.len());
                zeroed[at..end].fill(0);
                if zeroed[end..].iter().all(|byte| *byte == 0) {
                    continue;
                }
                assert!(outcome(&zeroed).is_some(), "{format}: {blocks} blocks at {at}");
                let mut reader = Reader::seekable(io::Cursor::new(&zeroed), ReadLimits::NONE).unwrap();
                let told = std::iter::repeat_with(|| reader.next()).find(|entry| !matches!(entry, Ok(Some(_))));
                assert!(matches!(told, Some(Err(_))), "{format}, a file: {blocks} blocks at {at}");
            }
        }
    }
}
