//! Archives and dumps in a store that rclone reaches: a folder by a name of rclone's configuration, and a WebDAV server
//! that rclone itself is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::local_host::context;
use crate::support::backup::sh;
use crate::support::served::Served;
use crate::support::trees::read;
use rehearsa::model::diagnosis::Code;
use rehearsa::model::program::Program;
use rehearsa::model::source::{Keys, SecretPlace, SourceLocation, SourcePlace, SourceSpec};
use rehearsa::model::source_kind::SourceKind;
use rehearsa::source::{Backup, SourceContext, SourceError};

/// A folder `store` of backups, and a configuration of rclone that calls it `shelf:`.
struct Store {
    folder: tempfile::TempDir,
}

/// Two archives, the second one newer, and things beside them.
const TWO: &str = "mkdir -p store/b data/app_data; echo one >data/app_data/note; \
    tar -czf store/b/app-2026-11-01.tar.gz -C data .; \
    echo two >data/app_data/note; head -c 300000 /dev/urandom >data/app_data/a; \
    tar -czf store/b/app-2026-11-02.tar.gz -C data .; echo sum >store/b/app-2026-11-02.tar.gz.sha256; \
    mkdir store/b/app-2026-11-03.tar.gz; touch -d 2026-11-05 store/b/app-2026-11-01.tar.gz; ";

impl Store {
    fn new(script: &str) -> Store {
        let store = Store { folder: tempfile::tempdir().unwrap() };
        let config = format!("[shelf]\ntype = alias\nremote = {}\n", store.at("store").display());
        fs::write(store.at("rclone.conf"), config).unwrap();
        store.sh(script);
        store
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn sh(&self, script: &str) {
        sh(self.folder.path(), script, &[]);
    }

    fn context(&self, more: &[(&str, &str)]) -> SourceContext {
        let path = std::env::var("PATH").unwrap();
        let config = self.at("rclone.conf").display().to_string();
        let usual = [("PATH", path.as_str()), ("RCLONE_CONFIG", &config), ("HOME", "/nonexistent")];
        SourceContext { environment: usual.into_iter().chain(more.iter().copied()).collect(), ..context() }
    }

    fn open(&self, address: &str) -> Result<Backup, SourceError> {
        Backup::open(&spec(SourceKind::Tar, address), &self.context(&[]))
    }

    #[track_caller]
    fn refused(&self, address: &str, code: Code, words: &[&str]) {
        refused(self.open(address).and_then(|backup| note(&backup)), address, code, words);
    }
}

#[track_caller]
fn refused(result: Result<String, SourceError>, address: &str, code: Code, words: &[&str]) {
    let error = result.expect_err("it is refused");
    let diagnosis = error.diagnosis(&spec(SourceKind::Tar, address).place);
    assert_eq!(diagnosis.code, code, "{diagnosis}");
    for word in words {
        assert!(diagnosis.to_string().contains(word), "{word}: {diagnosis}");
    }
}

fn spec(kind: SourceKind, address: &str) -> SourceSpec {
    let location = SourceLocation::Address(format!("rclone:{address}"));
    SourceSpec { place: SourcePlace { kind, location }, snapshot: None, keys: Keys::default() }
}

/// Surveys the archive and reads its note.
fn note(backup: &Backup) -> Result<String, SourceError> {
    backup.survey(&[], 0)?;
    let mut stream = Vec::new();
    backup.stream(&[], &mut stream)?;
    let entries = read(stream.as_slice()).unwrap();
    let (_, note) = entries.into_iter().find(|(entry, _)| entry.path == b"app_data/note").unwrap();
    Ok(String::from_utf8(note).unwrap().trim().to_owned())
}

#[test]
fn the_newest_archive_of_a_pattern_or_a_folder_is_taken() {
    let store = Store::new(TWO);
    for address in ["shelf:b/app-*.tar.gz", "shelf:b", "shelf:b/app-*"] {
        let backup = store.open(address).unwrap();
        assert_eq!(backup.snapshot.id, "app-2026-11-02.tar.gz", "{address}");
        assert_eq!(note(&backup).unwrap(), "two", "{address}");
    }
    let whole = format!(":local:{}/app-2026-11-01.tar.gz", store.at("store/b").display());
    let backup = store.open(&whole).unwrap();
    assert_eq!((backup.snapshot.id.as_str(), note(&backup).unwrap().as_str()), ("app-2026-11-01.tar.gz", "one"));
    let older =
        SourceSpec { snapshot: Some("app-2026-11-01.tar.gz".to_owned()), ..spec(SourceKind::Tar, "shelf:b/app-*") };
    assert_eq!(note(&Backup::open(&older, &store.context(&[])).unwrap()).unwrap(), "one");
}

#[test]
fn settings_of_rclones_hide_nothing() {
    let store = Store::new(TWO);
    let more =
        [("RCLONE_EXCLUDE", "*-02*"), ("RCLONE_MAX_SIZE", "1k"), ("RCLONE_HEAD", "5"), ("RCLONE_DRY_RUN", "true")];
    let backup = Backup::open(&spec(SourceKind::Tar, "shelf:b/app-*"), &store.context(&more)).unwrap();
    assert_eq!(note(&backup).unwrap(), "two");
}

#[test]
fn a_damaged_archive_is_told_from_one_that_cannot_be_read() {
    let store = Store::new(TWO);
    store.refused("nowhere:b", Code::SourceUnreachable, &["didn't find section in config file", "nowhere:b"]);
    store.refused("shelf:none/app-*", Code::SourceUnreachable, &["directory not found"]);
    store.refused("shelf:b/none.tar.gz", Code::SourceUnreachable, &["there is no file rclone:shelf:b/none.tar.gz"]);
    store.refused("shelf:b/none-*", Code::SourceNoSnapshot, &["no file fits rclone:shelf:b/none-* (3 other files"]);
    let backup = store.open("shelf:b/app-*").unwrap();
    // It was cut off before it is read.
    let before = fs::read(store.at("store/b/app-2026-11-02.tar.gz")).unwrap();
    store.sh("truncate -s 100000 store/b/app-2026-11-02.tar.gz");
    refused(note(&backup), "shelf:b/app-*", Code::SourceCorrupt, &["the archive is cut off"]);
    fs::write(store.at("store/b/app-2026-11-02.tar.gz"), before).unwrap();
    assert_eq!(note(&backup).unwrap(), "two");
    store.sh("rm store/b/app-2026-11-02.tar.gz");
    refused(note(&backup), "shelf:b/app-*", Code::SourceUnreachable, &["not there any more"]);
    store.sh("cd store/b; rm -r *; tar -czf - -C ../../data . | split -b 100k - app.tar.gz.part");
    store.refused("shelf:b/app*", Code::SourceUnreachable, &["is cut into parts", "rclone copy"]);
}

/// Half of an archive is no damage if rclone says why the rest is missing.
#[test]
fn an_archive_that_breaks_off_with_an_error_of_rclones_is_not_judged() {
    let store = Store::new(TWO);
    fs::create_dir(store.at("bin")).unwrap();
    let program = |name: &str, end: &str| {
        let real = "case \"$*\" in *' cat '*) ;; *) exec rclone \"$@\";; esac";
        let text = format!("#!/bin/sh\n{real}\nrclone \"$@\" | head -c 100000\n{end}\n");
        fs::write(store.at("bin").join(name), text).unwrap();
        fs::set_permissions(store.at("bin").join(name), fs::Permissions::from_mode(0o755)).unwrap();
        let programs = [(Program::Rclone, store.at("bin").join(name))].into_iter().collect();
        let context = SourceContext { programs, ..store.context(&[]) };
        Backup::open(&spec(SourceKind::Tar, "shelf:b/app-*"), &context).and_then(|backup| note(&backup))
    };
    let address = "shelf:b/app-*";
    let broken = program("broken", "echo 'Failed to cat: connection reset by peer' >&2; exit 1");
    refused(broken, address, Code::SourceUnreachable, &["connection reset by peer"]);
    refused(program("short", "exit 0"), address, Code::SourceUnreachable, &["ended well after 100000 of"]);
    let old = Store::new("mkdir bin; printf '#!/bin/sh\\necho rclone v1.53.3\\n' >bin/old; chmod 755 bin/old");
    let programs = [(Program::Rclone, old.at("bin/old"))].into_iter().collect();
    let error = Backup::open(&spec(SourceKind::Tar, address), &SourceContext { programs, ..old.context(&[]) });
    let error = error.unwrap_err().to_string();
    assert!(error.contains("bin/old is rclone 1.53.3; version 1.56 or newer is needed"), "{error}");
}

#[test]
fn an_encrypted_archive_and_an_encrypted_store_are_opened_with_their_keys_only() {
    let store = Store::new(TWO);
    store.sh("age-keygen -o key 2>/dev/null; \
         tar -cz -C data . | age -r \"$(age-keygen -y key)\" >store/b/app-2026-11-04.tar.gz.age");
    let with = |identity: Option<PathBuf>| {
        let encrypted = spec(SourceKind::Tar, "shelf:b/app-2026-11-04.tar.gz.age");
        let spec = SourceSpec { keys: Keys { passphrase: None, identity }, ..encrypted };
        Backup::open(&spec, &store.context(&[])).and_then(|backup| note(&backup))
    };
    assert_eq!(with(Some(store.at("key"))).unwrap(), "two");
    assert!(matches!(with(None), Err(SourceError::NoKey(_))));
    // Rclone's own encryption: the password is in its configuration.
    let crypt = |password: &str| {
        let obscured = Command::new("rclone").args(["obscure", password]).output().unwrap().stdout;
        format!(
            "[hidden]\ntype = crypt\nremote = {}\nfilename_encryption = off\npassword = {}\n",
            store.at("hidden").display(),
            String::from_utf8(obscured).unwrap().trim()
        )
    };
    fs::write(store.at("rclone.conf"), crypt("fixture-right")).unwrap();
    store.sh("export RCLONE_CONFIG=$PWD/rclone.conf; rclone -q copyto store/b/app-2026-11-02.tar.gz hidden:app.tar.gz");
    assert_eq!(note(&store.open("hidden:app.tar.gz").unwrap()).unwrap(), "two");
    fs::write(store.at("rclone.conf"), crypt("fixture-wrong")).unwrap();
    store.refused("hidden:app.tar.gz", Code::SourceLockedOut, &["bad password"]);
}

#[test]
fn a_dump_in_a_store_is_a_dump() {
    let store = Store::new("mkdir -p store/d");
    fs::write(store.at("store/d/app-2026-11-01.sql"), crate::support::dumps::SQL).unwrap();
    store.sh("cd store/d; gzip -k app-2026-11-01.sql; tar -cf all.tar app-2026-11-01.sql; rm app-2026-11-01.sql");
    for address in ["shelf:d/app-*.sql.gz", "shelf:d/all.tar#app-2026-11-01.sql"] {
        let backup = Backup::open(&spec(SourceKind::Dump, address), &store.context(&[])).expect(address);
        let survey = backup.survey(&[], 0).expect(address);
        assert_eq!(survey.contents.whole.amount.files, 1, "{address}");
    }
}

#[test]
fn archives_on_a_webdav_server_are_read_and_a_dead_server_is_not_judged() {
    let store = Store::new(TWO);
    let options = ["--user", "me", "--pass", "fixture-webdav"];
    let server = Served::start("webdav", &options, &store.at("store"));
    let configure = |password: &str| {
        let obscured = Command::new("rclone").args(["obscure", password]).output().unwrap().stdout;
        let password = String::from_utf8(obscured).unwrap();
        let url = &server.url;
        let config = format!("[nas]\ntype = webdav\nurl = {url}\nvendor = other\nuser = me\npass = {password}");
        fs::write(store.at("rclone.conf"), config).unwrap();
    };
    configure("fixture-webdav");
    let backup = store.open("nas:b/app-*").unwrap();
    assert_eq!((backup.snapshot.id.as_str(), note(&backup).unwrap().as_str()), ("app-2026-11-02.tar.gz", "two"));
    configure("fixture-wrong");
    store.refused("nas:b/app-*", Code::SourceUnreachable, &["401"]);
    configure("fixture-webdav");
    drop(server);
    refused(note(&backup), "nas:b/app-*", Code::SourceUnreachable, &["connection refused"]);
    let keys = Keys { passphrase: Some(SecretPlace::Env("NONE".to_owned())), identity: None };
    let spec = SourceSpec { keys, ..spec(SourceKind::Tar, "nas:b/app-*") };
    assert!(Backup::open(&spec, &store.context(&[])).is_err());
}
