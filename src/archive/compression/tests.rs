//! Tests of what the first bytes of a stream tell.

mod windows;

use super::*;

#[test]
fn encryption_is_told_from_its_first_bytes() {
    for start in [
        &b"\xc1\xc0\x4c\x03"[..],
        b"\xc3\x0d\x04\x09",
        b"\xd2\xff\0\0\x10\0\x01",
        b"\xd2\xea\x01",
        b"\x84\x5e\x03\x12",
        b"\x85\x01\x0c\x03",
    ] {
        assert_eq!(detect_encryption(start), Some(Encryption::OpenPgp), "{start:x?}");
    }
    assert_eq!(detect_encryption(b"age-encryption.org/v1\n-> X25519 "), Some(Encryption::Age));
    assert_eq!(detect_encryption(b"\n-----BEGIN AGE ENCRYPTED FILE-----\n"), Some(Encryption::AgeArmored));
    assert_eq!(Encryption::AgeArmored.to_string(), "age");
    for other in
        [&b""[..], b"\x85", b"\x85\x01\x0c\x09", b"\xc3\xa4.txt\0\0\0", b"\xd2\x05\x01", b"\x8c\xff\x04", b"age"]
    {
        assert_eq!(detect_encryption(other), None, "{other:x?}");
    }
}

/// A file of a few megabytes would else keep a decoder busy for minutes.
#[test]
fn a_stream_of_nothing_but_empty_members_is_refused_soon() {
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0];
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()).finish().expect("in memory");
    let content = zstd::encode_all(&b"content"[..], 1).expect("in memory");
    let read = |stream: &[u8]| {
        let mut text = String::new();
        open(stream)?.read_to_string(&mut text).map(|_| text)
    };
    for member in [&skippable[..], &gzip] {
        let error = read(&member.repeat(10_002)).expect_err("refused").to_string();
        assert!(error.contains("more than 10000 members without content"), "{error}");
    }
    let some = [&content[..], &skippable.repeat(9_000), &content, &skippable.repeat(9_000), &content].concat();
    assert_eq!(read(&some).expect("an odd stream"), "contentcontentcontent");
}
