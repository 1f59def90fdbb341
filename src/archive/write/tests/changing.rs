//! Tests of sources that change or cannot be read, and of outputs that fail.

use super::*;

/// Packs a folder; at each moment calls `act` with the moment and the entry's path.
fn packed_while(root: &Path, mut act: impl FnMut(Moment, &str)) -> (PackSummary, Vec<u8>) {
    let mut archive = Vec::new();
    let watch = &mut |moment, path: &[u8]| act(moment, std::str::from_utf8(path).unwrap());
    let packed = pack_watched(root, &PackOptions::default(), &mut archive, watch).expect("it can be packed");
    (packed, archive)
}

#[test]
fn files_that_change_are_named_and_the_archive_stays_whole() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["grows", "shrinks", "changes", "stays", "sparse shrinks", "vanishes inside"];
    for name in names {
        fs::write(dir.path().join(name), [b'a'; 5000]).unwrap();
    }
    let sparse = File::create(dir.path().join("sparse shrinks")).unwrap();
    for at in [0, 1_000_000] {
        sparse.write_all_at(&[b's'; 4096], at).unwrap();
    }
    let (packed, archive) = packed_while(dir.path(), |moment, name| {
        if moment != Moment::Announced {
            return;
        }
        let path = dir.path().join(name);
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        match name {
            "grows" => file.write_all_at(b"more", 5000).unwrap(),
            "shrinks" => file.set_len(700).unwrap(),
            "changes" => {
                file.write_all_at(b"b", 2500).unwrap();
                set_mtime(&path, 1, 2);
            }
            "sparse shrinks" => file.set_len(3).unwrap(),
            "vanishes inside" => fs::remove_file(path).unwrap(),
            _ => {}
        }
    });
    let mut torn = packed.torn.first.clone();
    torn.sort();
    assert_eq!(torn, ["changes", "grows", "shrinks", "sparse shrinks"]);
    assert_eq!(packed.torn.count, 4);
    let contents: BTreeMap<_, _> = read(archive.as_slice())
        .expect("it is whole")
        .into_iter()
        .map(|(entry, content)| (entry.path, content))
        .collect();
    assert_eq!(contents.len(), names.len() + 1);
    assert_eq!(contents[&b"grows"[..]], [b'a'; 5000]);
    assert_eq!(contents[&b"shrinks"[..]], [[b'a'; 700].as_slice(), &[0; 4300]].concat());
    assert_eq!(contents[&b"stays"[..]], [b'a'; 5000]);
    assert_eq!(contents[&b"vanishes inside"[..]], [b'a'; 5000]);
    let sparse = &contents[&b"sparse shrinks"[..]];
    assert!(sparse.len() == 1_004_096 && sparse.starts_with(b"sss\0") && sparse.ends_with(b"\0"));
}

#[test]
fn what_vanishes_or_becomes_something_else_is_torn_and_nothing_outside_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    let names = ["vanishes", "to symlink", "to folder", "to socket", "to fifo"];
    for name in names {
        fs::write(dir.path().join(name), "x").unwrap();
    }
    for name in ["folder vanishes", "folder to symlink"] {
        fs::create_dir(dir.path().join(name)).unwrap();
        fs::write(dir.path().join(name).join("inner"), "x").unwrap();
    }
    let mut seen = 0;
    let (packed, archive) = packed_while(dir.path(), |moment, name| {
        assert_eq!(moment, Moment::Listed, "{name} is not packed");
        let path = dir.path().join(name);
        fs::remove_file(&path).unwrap();
        match name {
            "to symlink" => symlink(outside.path().join("secret"), &path).unwrap(),
            "to folder" => fs::create_dir(&path).unwrap(),
            "to socket" => drop(std::os::unix::net::UnixListener::bind(&path).unwrap()),
            "to fifo" => rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR, 0).unwrap(),
            _ => {}
        }
        seen += 1;
        if seen == names.len() {
            for name in ["folder vanishes", "folder to symlink"] {
                fs::remove_dir_all(dir.path().join(name)).unwrap();
            }
            symlink(outside.path(), dir.path().join("folder to symlink")).unwrap();
        }
    });
    let mut torn = packed.torn.first.clone();
    torn.sort();
    assert_eq!(
        torn,
        ["folder to symlink", "folder vanishes", "to fifo", "to folder", "to socket", "to symlink", "vanishes"]
    );
    assert_eq!(super::names(&archive), [""]);
}

#[test]
fn only_the_first_names_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    for at in 0..30 {
        fs::write(dir.path().join(at.to_string()), "x").unwrap();
    }
    let (packed, _) = packed_while(dir.path(), |_, name| fs::remove_file(dir.path().join(name)).unwrap());
    assert_eq!((packed.torn.first.len(), packed.torn.count), (20, 30));
}

#[test]
fn a_folder_that_is_another_one_by_now_is_not_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let mut deep = dir.path().join("top");
    fs::create_dir(&deep).unwrap();
    fs::create_dir(deep.join("beside")).unwrap();
    for _ in 0..MAX_OPEN + 5 {
        deep = deep.join("d");
        fs::create_dir(&deep).unwrap();
    }
    fs::write(deep.join("end"), "x").unwrap();
    // Either folder may be packed first. When `beside` is, the test shows nothing, so both orders are tried.
    let mut other = dir.path().join("top/beside");
    for _ in 0..MAX_OPEN + 5 {
        other = other.join("d");
        fs::create_dir(&other).unwrap();
    }
    fs::write(other.join("end"), "x").unwrap();
    let mut seen = 0;
    let (packed, archive) = packed_while(dir.path(), |moment, _| {
        seen += usize::from(moment == Moment::Listed);
        if seen == 1 && moment == Moment::Listed {
            fs::rename(dir.path().join("top"), dir.path().join("moved")).unwrap();
            fs::create_dir_all(dir.path().join("top/d")).unwrap();
            fs::create_dir_all(dir.path().join("top/beside")).unwrap();
            fs::write(dir.path().join("top/d/new"), "new").unwrap();
            fs::write(dir.path().join("top/beside/new"), "new").unwrap();
        }
    });
    assert_eq!(seen, 1);
    assert_eq!(packed.torn.count, 1, "{:?}", packed.torn);
    assert!(!super::names(&archive).iter().any(|name| name.ends_with("new")));
}

#[test]
fn what_may_not_be_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("inner");
    fs::create_dir(&inner).unwrap();
    fs::write(inner.join("secret"), "x").unwrap();
    let mode =
        |path: &Path, mode| fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    mode(dir.path(), 0o755);
    mode(&inner, 0o755);
    for (path, name) in [(inner.join("secret"), "inner/secret"), (inner.clone(), "inner")] {
        mode(&path, 0o000);
        let root = dir.path().to_owned();
        let packing = std::thread::spawn(move || {
            if is_root() {
                // Only this thread becomes nobody.
                rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(65_534)).unwrap();
            }
            pack(&root, &PackOptions::default(), io::sink())
        });
        match packing.join().unwrap() {
            Err(PackError::Unreadable { path, error }) => {
                assert_eq!((path.as_str(), error.kind()), (name, io::ErrorKind::PermissionDenied));
            }
            other => panic!("{other:?}"),
        }
        mode(&path, 0o755);
    }
}

/// Takes so many bytes, then fails.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_archive_that_nobody_takes_is_an_error_of_that_side() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("large"), vec![1; 3 << 20]).unwrap();
    for room in [0, 1 << 20, 3 << 20] {
        let error = pack(dir.path(), &PackOptions::default(), Full(room)).expect_err("there is no room");
        assert!(matches!(&error, PackError::Output(inner) if inner.kind() == io::ErrorKind::BrokenPipe), "{error}");
    }
}
