//! Tests with archives that no common tool writes.

use super::*;

fn shape(found: &(Entry, Vec<u8>)) -> (&[u8], &Kind, u64) {
    (&found.0.path, &found.0.kind, found.0.size)
}

#[test]
fn the_sum_of_signed_bytes_is_a_checksum_too() {
    let mut block = head(b'0', b"\xc3\xa4\xff", 0);
    let sum: i64 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { i64::from(byte.cast_signed()) })
        .sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert_eq!(only(&[block.to_vec()]).0.path, b"\xc3\xa4\xff");
    block[0] ^= 1;
    assert_eq!(fault(&whole(&[block.to_vec()])).kind, ArchiveFault::NotAnArchive);
}

#[test]
fn numbers_in_binary_negative_ones_and_empty_fields() {
    let mut block = head(b'0', b"n", 0);
    block[108..116].copy_from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]);
    block[116..124].fill(0);
    block[100..108].copy_from_slice(b" \0 0755\0");
    block[136..148].copy_from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfb]);
    sum(&mut block);
    let found = only(&[block.to_vec()]).0;
    assert_eq!((found.uid, found.gid, found.mtime, found.mode), (4_294_967_294, 0, (-5, 0), 0o755));
}

#[test]
fn sizes_that_cannot_be_are_damage_and_nothing_is_set_aside_for_them() {
    let binary = |bytes: [u8; 12]| {
        let mut block = head(b'0', b"liar", 0);
        block[124..136].copy_from_slice(&bytes);
        sum(&mut block);
        whole(&[part(b'0', b"before", b""), block.to_vec()])
    };
    for nonsense in [[0xff; 12], [0xbf; 12], *b"7777777777x\0"] {
        let error = fault(&binary(nonsense));
        assert_eq!((error.kind, error.entry.as_deref()), (ArchiveFault::Corrupt, Some("before")), "{error}");
    }
    // A size of 8 EiB less one byte is valid, but so many bytes do not follow.
    let huge = binary([0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(fault_quietly(&huge).kind, ArchiveFault::Truncated);
    let mut seeking = Reader::seekable(io::Cursor::new(&huge), ReadLimits::NONE).unwrap();
    seeking.next().unwrap().expect("the one before");
    assert_eq!(seeking.next().unwrap().expect("the liar").size, i64::MAX.unsigned_abs());
    assert_eq!(seeking.next().expect_err("there is not so much").kind, ArchiveFault::Truncated);
}

/// The error of reading a damaged archive without its contents.
fn fault_quietly(archive: &[u8]) -> ArchiveError {
    let mut reader = Reader::new(archive, ReadLimits::NONE);
    loop {
        match reader.next() {
            Ok(entry) => assert!(entry.is_some(), "it is broken"),
            Err(error) => {
                assert_eq!(reader.next().as_ref(), Err(&error), "it stays so");
                return error;
            }
        }
    }
}

#[test]
fn a_pax_header_that_is_too_long_is_refused_before_it_is_read() {
    for flag in [b'x', b'g', b'L', b'K'] {
        for size in [MAX_EXTENSION + 1, (1 << 33) - 1] {
            let error = fault(&[head(flag, b"x", size).to_vec(), vec![0; 1024]].concat());
            assert_eq!(error.kind, ArchiveFault::Corrupt, "{error}");
        }
        let mut huge = head(flag, b"x", 0);
        huge[124..136].copy_from_slice(&[0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        sum(&mut huge);
        assert_eq!(fault(&huge).kind, ArchiveFault::Corrupt);
    }
}

#[test]
fn extension_headers_without_end_are_refused() {
    for flag in [b'x', b'g', b'L', b'V'] {
        let archive = whole(&vec![part(flag, b"again", b""); 5000]);
        assert_eq!(fault(&archive).kind, ArchiveFault::Corrupt, "{}", char::from(flag));
    }
    // Records for all entries are limited, too.
    let globals = (0..100).map(|at| pax(b'g', &[(&format!("SCHILY.xattr.user.{at}"), &[1; 1000])]));
    let archive = whole(&globals.chain([part(b'0', b"file", b"")]).collect::<Vec<_>>());
    assert!(fault(&archive).detail.contains("global headers are too large"));
}

#[test]
fn pax_records_override_the_header_and_empty_ones_take_back() {
    let global = pax(b'g', &[("uid", b"77"), ("comment", b"x"), ("mtime", b"9")]);
    let records = pax(
        b'x',
        &[
            ("path", b"./a//b/./c/"),
            ("uid", b""),
            ("gid", b"4294967295"),
            ("mtime", b"-1.5"),
            ("size", b"3"),
            ("SCHILY.acl.access", b"user::rw-"),
            ("hdrcharset", b"BINARY"),
        ],
    );
    let file = [head(b'0', b"short", 0).to_vec(), b"abc".to_vec(), vec![0; 509]].concat();
    let found = entries(&whole(&[global, records, file, part(b'0', b"next", b"")])).expect("it is fine");
    assert_eq!(shape(&found[0]), (&b"a/b/c"[..], &Kind::File, 3));
    assert_eq!((found[0].0.uid, found[0].0.gid, found[0].0.mtime), (1, u32::MAX, (-2, 500_000_000)));
    assert_eq!(found[0].1, b"abc");
    assert_eq!((found[1].0.uid, found[1].0.mtime), (77, (9, 0)));
}

#[test]
fn pax_records_that_are_nonsense_are_damage() {
    for record in [
        ("size", &b"-1"[..]),
        ("size", b"99999999999999999999"),
        ("size", b"9223372036854775808"),
        ("uid", b"12x"),
        ("uid", b"4294967296"),
        ("mtime", b"."),
        ("mtime", b"1.2.3"),
        ("path", b"a\0b"),
        ("path", &[b'p'; MAX_PATH + 1]),
        ("SCHILY.xattr.", b"no name"),
        ("LIBARCHIVE.xattr.user.a", b"%%%"),
        ("GNU.sparse.numbytes", b"3"),
        ("GNU.sparse.map", b"0,1,2"),
    ] {
        let error = fault(&whole(&[pax(b'x', &[record]), part(b'0', b"file", b"")]));
        assert_eq!(error.kind, ArchiveFault::Corrupt, "{record:?}");
    }
    for body in [&b"5 a=b"[..], b"99 a=b\n", b"x a=b\n", b"6 ab c\n", b"0 a=b\n", b"18446744073709551621 a=b\n"] {
        let error = fault(&whole(&[part(b'x', b"pax", body), part(b'0', b"file", b"")]));
        assert_eq!(error.kind, ArchiveFault::Corrupt, "{}", body.escape_ascii());
    }
    let alone = fault(&whole(&[part(b'0', b"file", b""), pax(b'x', &[("path", b"a")])]));
    assert!(alone.detail.contains("no entry"));
}

#[test]
fn attributes_of_both_writers_in_all_spellings() {
    let records = pax(
        b'x',
        &[
            ("SCHILY.xattr.user.a%3Db%25%41", b"\0raw\n"),
            ("LIBARCHIVE.xattr.user.%C3%A4%20x", b"AAH/"),
            ("LIBARCHIVE.xattr.user.short", b"aGk"),
            ("LIBARCHIVE.xattr.user.padded", b"aA=="),
        ],
    );
    let found = only(&[records, part(b'0', b"file", b"")]).0.xattrs;
    let expected: [(&[u8], &[u8]); 4] = [
        (b"user.a=b%%41", b"\0raw\n"),
        (b"user.padded", b"h"),
        (b"user.short", b"hi"),
        (b"user.\xc3\xa4 x", b"\0\x01\xff"),
    ];
    assert_eq!(found, expected.map(|(name, value)| (name.to_vec(), value.to_vec())));
}

#[test]
fn access_lists_as_text_are_attributes_and_no_list_is_kept_as_text() {
    let list = "user::rw-\nuser:1234:rw-\ngroup::r--\nmask::rw-\nother::---\n";
    let of = |records: &[(&str, &[u8])]| only(&[pax(b'x', records), part(b'0', b"file", b"")]).0.xattrs;
    let found = of(&[("SCHILY.acl.access", list.as_bytes())]);
    let [(name, value)] = found.as_slice() else { panic!("one: {found:?}") };
    assert_eq!((name.as_slice(), value.len()), (&b"system.posix_acl_access"[..], 4 + 5 * 8));
    let names = "user::rw-\nuser:alice:rw-\ngroup::r--\nmask::rw-\nother::---\n";
    let unread = [(b"SCHILY.acl.default".to_vec(), names.as_bytes().to_vec())];
    assert_eq!(of(&[("SCHILY.acl.default", names.as_bytes())]), unread);
    // The attribute itself counts.
    let raw = ("SCHILY.xattr.system.posix_acl_access", &b"raw"[..]);
    for records in [[raw, ("SCHILY.acl.access", list.as_bytes())], [("SCHILY.acl.access", list.as_bytes()), raw]] {
        assert_eq!(of(&records), [(b"system.posix_acl_access".to_vec(), b"raw".to_vec())]);
    }
    assert_eq!(of(&[("SCHILY.acl.access", b"user::rw-\ngroup::r--\nother::---\n")]), []);
    assert_eq!(of(&[("SCHILY.acl.access", list.as_bytes()), ("SCHILY.acl.access", b"")]), []);
}

#[test]
fn folders_of_v7_end_in_a_slash() {
    for flag in [0, b'0', b'7'] {
        assert_eq!(shape(&only(&[part(flag, b"folder/", b"")])), (&b"folder"[..], &Kind::Folder, 0));
        assert_eq!(shape(&only(&[part(flag, b"file", b"x")])), (&b"file"[..], &Kind::File, 1));
        // An entry with content is a file, even if its name ends in a slash.
        assert_eq!(shape(&only(&[part(flag, b"file/", b"x")])), (&b"file"[..], &Kind::File, 1));
    }
}

#[test]
fn what_has_no_content_may_say_a_size_all_the_same() {
    let with_size = |flag| {
        let mut block = head(flag, b"thing", 700);
        block[157..163].copy_from_slice(b"target");
        sum(&mut block);
        block.to_vec()
    };
    let content = part(b'0', b"after", b"inner")[..].to_vec();
    for flag in *b"123456" {
        // The size is that of the target: no content follows.
        let found = entries(&whole(&[with_size(flag), content.clone()])).expect("it is fine");
        assert_eq!((found.len(), found[1].1.as_slice()), (2, &b"inner"[..]), "{}", char::from(flag));
        assert_eq!((found[0].0.size, found[0].0.stored), (0, 0));
        assert_eq!(entries(&whole(&[with_size(flag)])).expect("it is fine").len(), 1);
        // Content follows.
        let found = entries(&whole(&[with_size(flag), vec![b'c'; 1024], content.clone()])).expect("it is fine");
        assert_eq!((found.len(), found[1].1.as_slice()), (2, &b"inner"[..]), "{}", char::from(flag));
        // With a pax header content must follow, even where it looks like a header.
        let inner = [content.clone(), vec![]].concat();
        let pax = pax(b'x', &[("size", b"1024")]);
        let found = entries(&whole(&[pax, with_size(flag), inner, content.clone()])).expect("it is fine");
        assert_eq!(found.len(), 2, "{}", char::from(flag));
        // With one of GNU's long names it need not.
        let found =
            entries(&whole(&[part(b'L', b"long", b"name"), with_size(flag), content.clone()])).expect("it is fine");
        assert_eq!((found.len(), found[1].1.as_slice()), (2, &b"inner"[..]), "{}", char::from(flag));
    }
}

#[test]
fn links_have_to_lead_somewhere_and_entries_have_to_have_a_name() {
    for flag in *b"12" {
        assert_eq!(fault(&whole(&[part(flag, b"link", b"")])).kind, ArchiveFault::Corrupt);
    }
    assert_eq!(fault(&whole(&[part(b'0', b"", b"")])).kind, ArchiveFault::Corrupt);
    assert_eq!(fault(&whole(&[part(b'0', b"./.", b"x")])).kind, ArchiveFault::Corrupt);
    assert_eq!(shape(&only(&[part(b'5', b"./", b"")])), (&b""[..], &Kind::Folder, 0));
    let symlink = pax(b'x', &[("linkpath", b"a\0b")]);
    assert_eq!(fault(&whole(&[symlink, part(b'2', b"link", b"")])).kind, ArchiveFault::Corrupt);
    let link = pax(b'x', &[("linkpath", b"/./a//b")]);
    assert_eq!(only(&[link.clone(), part(b'1', b"link", b"")]).0.kind, Kind::HardLink(b"a/b".to_vec()));
    assert_eq!(only(&[link, part(b'2', b"link", b"")]).0.kind, Kind::Symlink(b"/./a//b".to_vec()));
}

#[test]
fn types_that_are_not_known_are_named_and_not_dropped() {
    let error = fault(&whole(&[part(b'0', b"fine", b""), part(b'Z', b"strange", b"data")]));
    assert_eq!((error.kind, error.entry.as_deref()), (ArchiveFault::Corrupt, Some("strange")));
    assert!(error.to_string().contains("type ‘Z’"), "{error}");
}

#[test]
fn what_is_no_archive_is_said_to_be_what_it_looks_like() {
    let words = |start: &[u8]| {
        let mut file = start.to_vec();
        file.resize(2000, b'x');
        let error = fault(&file);
        assert_eq!((error.entry.as_ref(), error.at), (None, 0));
        // A known other format may be whole; an unknown one is taken for a damaged archive.
        let is_known = start != b"words";
        let expected = if is_known { ArchiveFault::OtherFormat } else { ArchiveFault::NotAnArchive };
        assert_eq!(error.kind, expected);
        error.to_string()
    };
    assert_eq!(words(b"PK\x03\x04"), "this is not a tar archive: it looks like a zip file");
    assert_eq!(words(b"age-encryption.org/v1\n"), "this is not a tar archive: it is encrypted (age)");
    let dump = "this is not a tar archive: it looks like a dump of PostgreSQL (which `dump:FILE` loads)";
    assert_eq!(words(b"--\n-- PostgreSQL database dump\n"), dump);
    assert_eq!(words(b"words"), "this is not a tar archive: it does not begin with an entry");
    assert_eq!(fault(b"").to_string(), "this is not a tar archive: it is empty");
}

#[test]
fn sparse_files_whose_map_is_wrong_are_damage() {
    let one = |map: &[u8], size: &[u8], content: &[u8]| {
        let records = pax(b'x', &[("GNU.sparse.map", map), ("GNU.sparse.size", size)]);
        entries(&whole(&[records, part(b'0', b"sparse", content)]))
    };
    let fine = one(b"0,1,10,2", b"20", b"abc").expect("it is fine").remove(0);
    assert_eq!((fine.0.size, fine.0.stored), (20, 3));
    assert_eq!(fine.1, b"a\0\0\0\0\0\0\0\0\0bc\0\0\0\0\0\0\0\0");
    for (map, size, content) in [
        (&b"10,2,0,1"[..], &b"20"[..], &b"abc"[..]),
        (b"0,2,1,1", b"20", b"abc"),
        (b"0,1,10,2", b"11", b"abc"),
        (b"0,1,10,2", b"20", b"ab"),
        (b"0,1,10,2", b"20", b"abcd"),
        (b"0,1,18446744073709551615,2", b"20", b"abc"),
    ] {
        assert_eq!(one(map, size, content).expect_err("it is broken").kind, ArchiveFault::Corrupt);
    }
    let modern = [("GNU.sparse.major", &b"1"[..]), ("GNU.sparse.minor", b"0"), ("GNU.sparse.realsize", b"9")];
    for (map, wrong) in [
        (&b"1\n0\n1\n"[..], false),
        (b"1\n0\n2\n", true),
        (b"2000001\n", true),
        (b"1\n0\n", true),
        (b"1\n-1\n1\n", true),
        (b"\n", true),
        (b"99999999999999999999999\n", true),
    ] {
        let mut content = map.to_vec();
        content.resize(512, 0);
        content.push(b'x');
        let found = entries(&whole(&[pax(b'x', &modern), part(b'0', b"sparse", &content)]));
        assert_eq!(found.is_err(), wrong, "{}", map.escape_ascii());
    }
    // A map that is longer than the file.
    let map = [&b"254\n"[..], &b"0\n".repeat(254)].concat();
    let more = b"0\n".repeat(256);
    let error = fault(&whole(&[pax(b'x', &modern), part(b'0', b"sparse", &map), more]));
    assert!(error.detail.contains("longer than the file"), "{error}");
    let unknown = [("GNU.sparse.major", &b"2"[..]), ("GNU.sparse.minor", b"0"), ("GNU.sparse.realsize", b"9")];
    assert!(entries(&whole(&[pax(b'x', &unknown), part(b'0', b"sparse", b"")])).is_err());
    assert!(entries(&whole(&[part(b'S', b"not GNU's", b"x")])).is_err());
}

#[test]
fn a_map_of_very_many_pieces_is_refused() {
    let mut text = format!("{}\n", 1_000_000);
    (0..1_000_000_u64).for_each(|at| text.push_str(&format!("{}\n1\n", at * 2)));
    let records = |size: &str| {
        pax(b'x', &[("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0"), ("GNU.sparse.realsize", size.as_bytes())])
    };
    let mut content = text.into_bytes();
    content.resize(content.len().next_multiple_of(BLOCK) + 1_000_000, b'x');
    let found = only(&[records("2000000"), part(b'0', b"comb", &content)]).0;
    assert_eq!((found.size, found.stored), (2_000_000, 1_000_000));
    let error = fault(&whole(&[records("9"), part(b'0', b"comb", &[&b"1000001\n"[..], &[b'0'; 1016]].concat())]));
    assert!(error.detail.contains("more than 1000000 pieces"), "{error}");
}

#[test]
fn no_more_entries_than_allowed() {
    let archive = whole(&[part(b'0', b"a", b""), part(b'5', b"b", b""), part(b'0', b"c", b"")]);
    let count = |max_entries| {
        let mut reader = Reader::new(archive.as_slice(), ReadLimits { max_entries });
        while reader.next()?.is_some() {}
        Ok::<_, ArchiveError>(())
    };
    assert_eq!(count(3), Ok(()));
    let error = count(2).expect_err("it has three");
    assert_eq!((error.kind, error.entry.as_deref()), (ArchiveFault::TooMany, Some("c")));
}

#[test]
fn content_that_is_cut_off_is_said_to_be_whether_it_is_read_or_jumped_over() {
    let archive = whole(&[part(b'0', b"a", &[1; 1000])]);
    for error in [fault(&archive[..900]), fault_quietly(&archive[..900])] {
        let expected = (ArchiveFault::Truncated, Some("a"), "a file's content ends in the middle");
        assert_eq!((error.kind, error.entry.as_deref(), error.detail.as_str()), expected);
    }
}

#[test]
fn content_that_was_not_read_is_jumped_over_and_the_position_is_known() {
    let archive = whole(&[part(b'0', b"a", &[1; 1000]), part(b'0', b"b", &[2; 600])]);
    let mut reader = Reader::new(archive.as_slice(), ReadLimits::NONE);
    reader.next().unwrap().expect("a");
    assert_eq!(reader.position(), 512);
    let mut some = [0; 10];
    assert_eq!(reader.read_piece(&mut some), Ok(Some((0, 10))));
    assert_eq!(reader.read_piece(&mut some), Ok(Some((10, 10))));
    assert_eq!(reader.next().unwrap().expect("b").path, b"b");
    assert_eq!(reader.position(), 512 + 1024 + 512);
    let mut all = [0; 1000];
    assert_eq!(reader.read_piece(&mut all), Ok(Some((0, 600))));
    assert_eq!(all[..600], [2; 600]);
    assert_eq!(reader.read_piece(&mut all), Ok(None));
    assert_eq!(reader.next(), Ok(None));
    assert_eq!(reader.position(), archive.len() as u64);
    assert_eq!((reader.next(), reader.read_piece(&mut all)), (Ok(None), Ok(None)));
}
