//! What the program gpg has encrypted: what opens it, what does not, and how each is told.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

use rehearsa::archive::compression::{Encryption, detect_encryption};
use rehearsa::model::environment::Environment;
use rehearsa::model::source::{Keys, SecretPlace};
use rehearsa::source::SourceError;
use rehearsa::source::decrypt::{DecryptTrouble, Unlocked, open_gpg};

use crate::support::trees::run;

fn plain() -> Vec<u8> {
    b"plain words, more than once; ".repeat(10_000)
}

struct Field {
    folder: tempfile::TempDir,
}

impl Field {
    fn new() -> Field {
        Field { folder: tempfile::tempdir().expect("a folder") }
    }

    /// All that is in an encrypted file, or why not: at its opening or later.
    fn opened_by_gpg(&self, bytes: &[u8], keys: &Unlocked) -> Result<Vec<u8>, String> {
        let path = self.folder.path().join("app.tar.enc");
        std::fs::write(&path, bytes).expect("stored");
        let trouble = DecryptTrouble::default();
        let file = File::open(&path).expect("it is there");
        let mut reader = open_gpg(self.gpg(), file, &path, keys, trouble.clone()).map_err(|error| kind(&error))?;
        drained(&mut reader, &trouble)
    }

    fn gpg(&self) -> Command {
        use std::os::unix::fs::PermissionsExt;
        let home = self.folder.path().join("gpg");
        std::fs::create_dir_all(&home).expect("made");
        std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).expect("private");
        let mut command = Command::new("gpg");
        command.env("GNUPGHOME", home);
        command
    }

    fn encrypted_by_gpg(&self, passphrase: &str) -> Vec<u8> {
        let mut command = self.gpg();
        command.args(["--batch", "--quiet", "--yes", "--pinentry-mode", "loopback", "--passphrase", passphrase]);
        run(command.args(["--compress-algo", "none", "--symmetric"]), &plain())
    }
}

impl Drop for Field {
    fn drop(&mut self) {
        // Its agent, if it started one, goes by itself when its home is gone; there is nothing to be done if it does not.
        let _ = Command::new("gpgconf")
            .args(["--kill", "all"])
            .env("GNUPGHOME", self.folder.path().join("gpg"))
            .stderr(Stdio::null())
            .status();
    }
}

fn drained(reader: &mut dyn Read, trouble: &DecryptTrouble) -> Result<Vec<u8>, String> {
    let mut found = Vec::new();
    match reader.read_to_end(&mut found) {
        Ok(_) => Ok(found),
        Err(error) => Err(trouble.take().map_or_else(|| format!("read: {error}"), |trouble| kind(&trouble))),
    }
}

/// An error's kind and words.
fn kind(error: &SourceError) -> String {
    let name = match error {
        SourceError::Broken(_) => "broken",
        SourceError::LockedOut(_) => "locked out",
        _ => "other",
    };
    format!("{name}: {error}")
}

fn by_passphrase(passphrase: &str) -> Unlocked {
    let place = SecretPlace::Command(format!("echo '{passphrase}'"));
    Unlocked::fetch(&Keys { passphrase: Some(place), identity: None }, &Environment::default())
        .expect("the shell knows it")
}

fn is(result: Result<Vec<u8>, String>, expected: &str) {
    let error = result.map(|found| found.len()).expect_err("it does not open");
    assert!(error.starts_with(expected), "{error}");
    assert!(!error.contains("fixture-pass"), "a secret is not told: {error}");
}

#[test]
fn gpg_opens_with_the_passphrase_and_no_other() {
    let field = Field::new();
    let bytes = field.encrypted_by_gpg("fixture-pass one");
    assert!(matches!(detect_encryption(&bytes), Some(Encryption::OpenPgp)));
    assert!(field.opened_by_gpg(&bytes, &by_passphrase("fixture-pass one")).as_deref() == Ok(&plain()));
    is(field.opened_by_gpg(&bytes, &by_passphrase("fixture-pass two")), "locked out: gpg on ");
}

#[test]
fn a_damaged_or_cut_gpg_file_is_told() {
    let field = Field::new();
    let keys = by_passphrase("fixture-pass");
    let bytes = field.encrypted_by_gpg("fixture-pass");
    let mut damaged = bytes.clone();
    let at = bytes.len() / 2;
    damaged[at] ^= 1;
    is(field.opened_by_gpg(&damaged, &keys), "broken: gpg on ");
    is(field.opened_by_gpg(&bytes[..at], &keys), "broken: gpg on ");
}
