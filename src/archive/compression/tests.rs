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
