//! What goes into the image, for static and for dynamic executables.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use futures_util::StreamExt;

use super::{Part, WorkerImage, hash, mapped, parts, parts_with, same_architecture, stream};
use crate::docker::ImageLine;
use crate::worker::elf;

#[test]
fn a_worker_image_is_imported_and_has_its_own_name_only() {
    let digits = "0123456789abcdef0123456789abcdef";
    let image = |tags: &[&str], parent: Option<&str>, labels: &[(&str, &str)]| ImageLine {
        id: "sha256:1".to_owned(),
        tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
        parent: parent.map(str::to_owned),
        labels: labels.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect(),
    };
    let both = [("io.rehearsa.worker", digits), ("io.rehearsa.worker.imported", "1")];
    let own = "rehearsa-worker:0123456789abcdef";
    assert!(WorkerImage::is_one(&image(&[own], None, &both)));
    assert!(WorkerImage::is_one(&image(&[], None, &both)), "another import took its name");
    for (tags, parent, labels) in [
        (&[own, "mine:1"][..], None, &both[..]),
        (&["mine:1"], None, &both),
        (&["rehearsa-worker:ffffffffffffffff"], None, &both),
        (&[], Some("sha256:0"), &both),
        (&[own], None, &both[..1]),
        (&[], None, &[("io.rehearsa.worker", "x"), both[1]]),
        (&[], None, &[("io.rehearsa.worker", "ab"), both[1]]),
    ] {
        assert!(!WorkerImage::is_one(&image(tags, parent, labels)), "{tags:?} {parent:?} {labels:?}");
    }
}

#[test]
fn only_executable_mappings_of_files_are_parts() {
    let maps = "\
        55d0c0000000-55d0c0002000 r--p 00000000 fe:00 131 /usr/bin/cat\n\
        55d0c0002000-55d0c0007000 r-xp 00002000 fe:00 131 /usr/bin/cat\n\
        7f0000000000-7f0000028000 r--p 00000000 fe:00 200 /usr/lib/x86_64-linux-gnu/libc.so.6\n\
        7f0000028000-7f00001bd000 r-xp 00028000 fe:00 200 /usr/lib/x86_64-linux-gnu/libc.so.6\n\
        7f00001bd000-7f00001be000 r-xp 00000000 fe:00 300 /opt/with space/lib.so\n\
        7f00001be000-7f00001bf000 r-xp 00000000 fe:00 301 /opt/replaced.so (deleted)\n\
        7f00001bf000-7f00001c0000 rw-p 00000000 00:00 0 [heap]\n\
        7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0 [vdso]\n";
    let expected = ["/opt/with space/lib.so", "/usr/bin/cat", "/usr/lib/x86_64-linux-gnu/libc.so.6"];
    assert_eq!(mapped(maps), expected.map(PathBuf::from).into());
}

/// A program of the system that is linked dynamically, and what it has mapped when it runs.
fn dynamic_program() -> (PathBuf, BTreeSet<PathBuf>) {
    let output = std::process::Command::new("cat").arg("/proc/self/maps").output().unwrap();
    let mapped = mapped(&String::from_utf8(output.stdout).unwrap());
    let name = |path: &&PathBuf| path.file_name().is_some_and(|name| name == "cat");
    let program = mapped.iter().find(name).expect("cat is a program of its own here").clone();
    (program, mapped)
}

#[test]
fn a_dynamic_executable_brings_its_loader_and_libraries() {
    let (program, mapped) = dynamic_program();
    let described = elf::parse(&std::fs::File::open(&program).unwrap()).unwrap();
    let interpreter = PathBuf::from(described.interpreter.expect("cat is dynamic here"));
    let parts = parts_with(&program, &mapped).unwrap();

    let at = |path: &Path| parts.iter().find(|part| part.path == path);
    assert_eq!(at(Path::new("/rehearsa")).unwrap().from, program);
    let loader = at(&interpreter).expect("the kernel looks for the loader there");
    assert!(loader.from.is_file());
    assert!(described.needed.iter().any(|name| name.starts_with("libc.")));
    for name in described.needed {
        let beside = loader.from.parent().unwrap().join(name);
        let library = at(&beside).expect("each library is beside the loader by the name it is needed by");
        assert!(library.from.is_file());
    }
}

#[test]
fn a_library_that_is_not_loaded_is_named() {
    let (program, _) = dynamic_program();
    let error = parts_with(&program, &BTreeSet::new()).unwrap_err().to_string();
    assert!(error.contains("needs lib") && error.contains("not loaded"), "{error}");
}

#[test]
fn this_executable_can_be_made_into_an_image() {
    let parts = parts(Path::new("/proc/self/exe")).unwrap();
    assert!(parts.iter().any(|part| part.path == Path::new("/rehearsa")));
    let dynamic = elf::parse(&std::fs::File::open("/proc/self/exe").unwrap()).unwrap().interpreter.is_some();
    assert_eq!(parts.len() > 1, dynamic);
}

fn sample() -> (tempfile::TempDir, Vec<Part>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), vec![7; 700_000]).unwrap();
    std::fs::write(folder.path().join("b"), "b").unwrap();
    let part = |path: &str, name: &str| Part { path: path.into(), from: folder.path().join(name) };
    let parts = vec![part("/lib/deep/b.so", "b"), part("/rehearsa", "a")];
    (folder, parts)
}

#[test]
fn the_hash_is_of_paths_and_contents() {
    let (folder, mut parts) = sample();
    let first = hash(&parts).unwrap();
    assert_eq!(first.len(), 64);
    assert_eq!(first, hash(&parts).unwrap());
    std::fs::write(folder.path().join("b"), "c").unwrap();
    let second = hash(&parts).unwrap();
    parts[0].path = "/lib/deep/c.so".into();
    let third = hash(&parts).unwrap();
    assert!(first != second && second != third && first != third);
}

#[tokio::test]
async fn the_image_is_a_tar_of_its_parts_and_their_folders() {
    let (_folder, parts) = sample();
    let collect = |parts: Vec<Part>| async {
        let pieces: Vec<Vec<u8>> = stream(parts).map(Result::unwrap).collect().await;
        assert!(pieces.len() > 2 && pieces.iter().all(|piece| piece.len() <= super::PIECE), "streamed piece by piece");
        pieces.concat()
    };
    let bytes = collect(parts.clone()).await;
    assert_eq!(bytes, collect(parts).await, "the same parts make the same bytes");
    let mut archive = tar::Archive::new(&bytes[..]);
    let entries: Vec<(String, u64, u32)> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            (entry.path().unwrap().display().to_string(), header.size().unwrap(), header.mode().unwrap())
        })
        .collect();
    let expected = [
        ("dev", 0, 0o755),
        ("etc", 0, 0o755),
        ("lib", 0, 0o755),
        ("lib/deep", 0, 0o755),
        ("proc", 0, 0o755),
        ("sys", 0, 0o755),
        ("tmp", 0, 0o1777),
        ("lib/deep/b.so", 1, 0o755),
        ("rehearsa", 700_000, 0o755),
    ];
    assert_eq!(entries, expected.map(|(path, size, mode)| (path.to_owned(), size, mode)));
}

#[tokio::test]
async fn a_part_that_cannot_be_read_breaks_the_stream() {
    let (folder, parts) = sample();
    std::fs::remove_file(folder.path().join("a")).unwrap();
    let last = stream(parts).collect::<Vec<_>>().await.pop().unwrap();
    assert_eq!(last.unwrap_err().kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn architectures_are_compared_by_what_they_are() {
    assert!(same_architecture("x86_64", "x86_64"));
    assert!(same_architecture("amd64", "x86_64"));
    assert!(same_architecture("arm64", "aarch64"));
    assert!(same_architecture("armv7l", "arm"));
    assert!(!same_architecture("aarch64", "x86_64"));
}
