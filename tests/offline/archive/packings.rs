//! Compressed archives, made by the real tools.

use std::io::{self, ErrorKind, Read};
use std::process::Command;

use rehearsa::archive::compression::window::DecodeBounds;
use rehearsa::archive::compression::{Compression, Encryption, MAGIC, detect_encryption, open, open_within};

use crate::support::trees::run;

const TOOLS: [(&str, Compression); 4] =
    [("gzip", Compression::Gzip), ("zstd", Compression::Zstd), ("xz", Compression::Xz), ("bzip2", Compression::Bzip2)];

fn pack(tool: &str, content: &[u8]) -> Vec<u8> {
    run(&mut Command::new(tool), content)
}

fn unpack(packed: &[u8]) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    open(packed)?.read_to_end(&mut plain)?;
    Ok(plain)
}

fn text() -> Vec<u8> {
    (0..50_000_u32).flat_map(|at| (at * at).to_le_bytes()).collect()
}

#[test]
fn each_packing_is_told_and_undone() {
    let text = text();
    for (tool, compression) in TOOLS {
        let packed = pack(tool, &text);
        let (found, mut plain) = (Compression::detect(&packed), open(packed.as_slice()).unwrap());
        assert_eq!((found, found.to_string().as_str()), (compression, tool));
        let mut bytes = Vec::new();
        plain.read_to_end(&mut bytes).unwrap();
        assert!(bytes == text, "{tool}");
        assert_eq!(unpack(&pack(tool, b"")).unwrap(), b"", "{tool}");
    }
    for plain in [&b""[..], b"B", b"BZh9 is how this begins", b"\x1f\x8b", b"words"] {
        assert_eq!(unpack(plain).unwrap(), plain);
    }
}

#[test]
fn members_follow_each_other_with_zeros_between_and_behind() {
    let text = text();
    for (tool, _) in TOOLS {
        let (one, two, empty) = (pack(tool, &text[..70_001]), pack(tool, &text[70_001..]), pack(tool, b""));
        let joined = [one.as_slice(), &empty, &two].concat();
        assert!(unpack(&joined).unwrap() == text, "{tool}");
        let padded = [one.as_slice(), &[0; 4], &two, &[0; 200_000]].concat();
        assert!(unpack(&padded).unwrap() == text, "{tool}");
        // The second one counts like the first.
        let cut = unpack(&joined[..joined.len() - 1]).expect_err("it is cut");
        assert_eq!(cut.kind(), ErrorKind::UnexpectedEof, "{tool}: {cut}");
        assert!(cut.to_string().contains(tool), "{cut}");
        let more = unpack(&[one.as_slice(), b"more"].concat()).expect_err("something follows");
        assert_eq!(more.kind(), ErrorKind::InvalidData, "{tool}: {more}");
    }
}

#[test]
fn a_broken_stream_stays_broken() {
    let mut packed = pack("gzip", &text());
    let last = packed.len() - 6;
    packed[last] ^= 1;
    let mut input = open(packed.as_slice()).unwrap();
    let error = io::copy(&mut input, &mut io::sink()).expect_err("its checksum is wrong");
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().contains("gzip stream is damaged"), "{error}");
    assert_eq!(input.read(&mut [0; 10]).expect_err("it stays so").kind(), ErrorKind::InvalidData);
}

#[test]
fn zstd_skippable_frames_and_long_windows() {
    let text = text();
    let skippable = [&[0x53, 0x2a, 0x4d, 0x18, 5, 0, 0, 0][..], b"notes"].concat();
    let packed = [skippable.as_slice(), &pack("zstd", &text), &skippable].concat();
    assert!(unpack(&packed).unwrap() == text);
    // A stream of unknown size, so that the window is as long as it was asked to be.
    let mut zstd = Command::new("zstd");
    zstd.args(["--long=31", "--ultra", "-1"]);
    let long = run(&mut zstd, &text);
    let error = unpack(&long).expect_err("nobody wished for it");
    assert!(error.to_string().contains("--max-window 2GiB"), "{error}");
    let bounds = DecodeBounds { max_window: 2 << 30, ..DecodeBounds::default() };
    let mut plain = Vec::new();
    open_within(&long[..], bounds).unwrap().read_to_end(&mut plain).unwrap();
    assert!(plain == text);
}

/// Gives what it has, then fails.
struct Failing<'a>(&'a [u8]);

impl Read for Failing<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buf)? {
            0 => Err(io::Error::other("the disk is on fire")),
            read => Ok(read),
        }
    }
}

#[test]
fn an_error_of_the_input_is_no_damage() {
    for (tool, _) in TOOLS {
        let packed = pack(tool, &text());
        let mut input = open(Failing(&packed[..packed.len() / 2])).unwrap();
        let error = io::copy(&mut input, &mut io::sink()).expect_err("its input fails");
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Other, "the disk is on fire"), "{tool}");
    }
}

#[test]
fn what_gpg_has_encrypted_is_told_from_its_first_bytes() {
    let home = tempfile::tempdir().unwrap();
    let gpg = |more: &[&str]| {
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir").arg(home.path()).args(["--batch", "--quiet", "--passphrase", "secret", "--pinentry-mode"]);
        gpg.arg("loopback").args(more);
        gpg
    };
    for more in [&["-c"][..], &["-c", "--armor"], &["-c", "--rfc2440"]] {
        let packed = run(&mut gpg(more), b"words");
        assert_eq!(detect_encryption(&packed[..packed.len().min(MAGIC)]), Some(Encryption::OpenPgp), "{more:?}");
    }
    let _ = Command::new("gpgconf").arg("--homedir").arg(home.path()).args(["--kill", "gpg-agent"]).status();
}
