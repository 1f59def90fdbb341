//! A repository of restic on a server: it is read through a mount where FUSE is there, else by `restic dump`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::local_host::context;
use crate::support::backup::sh;
use crate::support::restic::{PASSWORD, TOOLS};
use crate::support::served::Served;
use crate::support::trees::read;
use rehearsa::archive::Entry;
use rehearsa::model::diagnosis::Code;
use rehearsa::model::environment::Environment;
use rehearsa::model::source::{Keys, SecretPlace, SourceLocation, SourcePlace, SourceSpec};
use rehearsa::model::source_kind::SourceKind;
use rehearsa::source::{Backup, SourceContext, SourceError};

/// A repository that is served, and a program `restic` that notes its calls.
struct Far {
    folder: tempfile::TempDir,
    served: Served,
}

/// Files of several sizes and kinds, with names and contents that a stream may get wrong.
const TREE: &str = "mkdir -p app/empty app/deep/er; echo one >app/a; head -c 3000000 /dev/urandom >app/deep/large; \
    : >app/deep/nothing; ln -s ../a app/deep/link; printf x >\"app/$(printf 'b\\377')\"; chmod 4750 app/a; \
    chown 1500:1600 app/deep app/deep/large; chmod 700 app/empty; \
    for n in $(seq 60); do echo $n >app/deep/er/$n; done; setfattr -n user.note -v kept app/a; ";

impl Far {
    fn new(script: &str) -> Far {
        let folder = tempfile::tempdir().unwrap();
        sh(folder.path(), &format!("{TOOLS}restic init -r repo; {script}"), &[]);
        let at = |name: &str| folder.path().join(name);
        fs::write(at("password"), format!("{PASSWORD}\n")).unwrap();
        fs::create_dir(at("tmp")).unwrap();
        fs::create_dir(at("bin")).unwrap();
        let served = Served::start("restic", &[], &at("repo"));
        Far { folder, served }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a program `restic` before the real one. It notes its arguments, and runs `first` before the real one.
    fn noting(&self, first: &str) {
        let calls = self.at("calls");
        let script =
            format!("#!/bin/sh\necho \"$@\" >>{}\n{first}\nPATH=${{PATH#*:}} exec restic \"$@\"\n", calls.display());
        fs::write(self.at("bin/restic"), script).unwrap();
        fs::set_permissions(self.at("bin/restic"), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Whether restic was called for this.
    fn has_called(&self, command: &str) -> bool {
        let calls = fs::read_to_string(self.at("calls")).unwrap();
        calls.lines().any(|call| call.split(' ').any(|word| word == command))
    }

    fn spec(&self, location: SourceLocation) -> SourceSpec {
        SourceSpec {
            place: SourcePlace { kind: SourceKind::Restic, location },
            snapshot: None,
            keys: Keys { passphrase: Some(SecretPlace::File(self.at("password"))), identity: None },
        }
    }

    /// The entries and contents of the whole snapshot.
    fn came(&self, location: SourceLocation) -> Result<Vec<(Entry, Vec<u8>)>, SourceError> {
        let path = format!("{}:{}", self.at("bin").display(), std::env::var("PATH").unwrap());
        let variables = [("PATH", path.as_str()), ("TMPDIR", self.folder.path().join("tmp").to_str().unwrap())]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let environment: Environment = variables.into_iter().collect();
        let mut archive = Vec::new();
        let backup = Backup::open(&self.spec(location), &SourceContext { environment, ..context() })?;
        backup.stream(&[Vec::new()], &mut archive)?;
        let mut entries: Vec<_> = read(archive.as_slice()).unwrap().into_iter().collect();
        entries.sort_by(|one, other| one.0.path.cmp(&other.0.path));
        Ok(entries)
    }

    fn near(&self) -> SourceLocation {
        SourceLocation::Path(self.at("repo"))
    }

    fn far(&self) -> SourceLocation {
        SourceLocation::Address(format!("rest:{}/", self.served.url))
    }

    /// No temporary folder and no mount.
    #[track_caller]
    fn nothing_is_left(&self) {
        assert_eq!(fs::read_dir(self.at("tmp")).unwrap().count(), 0, "the folder for temporary files is empty");
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        assert!(!mounts.contains(self.folder.path().to_str().unwrap()), "{mounts}");
    }
}

/// Bytes of a path, kind, mode, owner, attributes and content: what both ways must give.
fn facts(entries: Vec<(Entry, Vec<u8>)>) -> Vec<String> {
    let fact = |(entry, content): (Entry, Vec<u8>)| {
        let Entry { path, kind, mode, uid, gid, xattrs, .. } = entry;
        let path = path.escape_ascii();
        format!("{path} {kind:?} {mode:o} {uid}:{gid} {xattrs:?} {}", blake3::hash(&content))
    };
    entries.into_iter().map(fact).collect()
}

#[test]
fn a_far_repository_gives_through_a_mount_what_a_near_one_gives() {
    let far = Far::new(&format!("{TREE}(cd app && restic -r ../repo backup .)"));
    far.noting("");
    let near = facts(far.came(far.near()).unwrap());
    assert!(far.has_called("dump") && !far.has_called("mount"));
    fs::remove_file(far.at("calls")).unwrap();
    let mounted = facts(far.came(far.far()).unwrap());
    assert!(far.has_called("mount") && !far.has_called("dump"));
    assert_eq!(mounted, near);
    assert!(near.len() > 65, "{near:#?}");
    far.nothing_is_left();
}

#[test]
fn where_nothing_can_be_mounted_a_far_repository_is_dumped() {
    let far = Far::new(&format!("{TREE}(cd app && restic -r ../repo backup .)"));
    far.noting("for word; do [ \"$word\" != mount ] || { echo 'fusermount: not found' >&2; exit 1; }; done");
    let near = facts(far.came(far.near()).unwrap());
    assert_eq!(facts(far.came(far.far()).unwrap()), near);
    assert!(far.has_called("mount") && far.has_called("dump"));
    far.nothing_is_left();
}

#[test]
fn damage_that_the_mount_cannot_read_is_told_as_damage() {
    let far = Far::new(&format!("{TREE}(cd app && restic -r ../repo backup .)"));
    far.noting("");
    assert!(far.came(far.far()).is_ok());
    let damage =
        "for f in $(datas repo); do printf 'XXXXXXXX' | dd of=$f bs=1 seek=5000 conv=notrunc status=none; done";
    sh(far.folder.path(), &format!("{TOOLS}{damage}"), &[]);
    let error = far.came(far.far()).expect_err("a file cannot be read");
    let diagnosis = error.diagnosis(&far.spec(far.far()).place);
    assert_eq!(diagnosis.code, Code::SourceCorrupt, "{diagnosis}");
    far.nothing_is_left();
}

/// A killed restic leaves its mount.
#[test]
fn what_is_mounted_in_a_temporary_folder_is_unmounted_before_the_folder_is_removed() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("rehearsa-tool-test");
    let (point, outside) = (folder.join("mount"), parent.path().join("outside"));
    fs::create_dir_all(&point).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("live"), "kept").unwrap();
    sh(parent.path(), "mount --bind outside rehearsa-tool-test/mount", &[]);
    // The end of its standard input is the end of the run.
    let program = env!("CARGO_BIN_EXE_rehearsa");
    sh(parent.path(), "\"$1\" tool keep \"$2\" </dev/null", &[program, folder.to_str().unwrap()]);
    assert!(!Path::new(&folder).exists());
    assert_eq!(fs::read_to_string(outside.join("live")).unwrap(), "kept");
}
