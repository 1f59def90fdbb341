//! Tests of files that the program gpg has encrypted: what opens, what does not, and the errors.

use std::fs::File;
use std::process::{Command, Stdio};

use rehearsa::archive::compression::{Encryption, detect_encryption};
use rehearsa::model::environment::Environment;
use rehearsa::model::source::{Keys, SecretPlace};
use rehearsa::source::decrypt::{StreamTrouble, UnlockedKeys, open_gpg};

use crate::support::encrypted::{EncryptedFile, assert_refused, kind_and_text, plain_text, read_decrypted};
use crate::support::trees::run;

/// An encrypted file, with a home for gpg beside it.
struct GpgFile {
    stored: EncryptedFile,
}

impl GpgFile {
    fn new() -> GpgFile {
        GpgFile { stored: EncryptedFile::new() }
    }

    /// The decrypted content of an encrypted file, or the error, whether it shows at the opening or at a read.
    fn opened_by_gpg(&self, bytes: &[u8], keys: &UnlockedKeys) -> Result<Vec<u8>, String> {
        let path = self.stored.store(bytes);
        let trouble = StreamTrouble::default();
        let file = File::open(&path).expect("it is there");
        let mut reader =
            open_gpg(self.gpg(), file, &path, keys, trouble.clone()).map_err(|error| kind_and_text(&error))?;
        read_decrypted(&mut reader, &trouble)
    }

    fn gpg(&self) -> Command {
        use std::os::unix::fs::PermissionsExt;
        let home = self.stored.folder().join("gpg");
        std::fs::create_dir_all(&home).expect("made");
        std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).expect("private");
        let mut command = Command::new("gpg");
        command.env("GNUPGHOME", home);
        command
    }

    fn encrypted_by_gpg(&self, passphrase: &str) -> Vec<u8> {
        let mut command = self.gpg();
        command.args(["--batch", "--quiet", "--yes", "--pinentry-mode", "loopback", "--passphrase", passphrase]);
        run(command.args(["--compress-algo", "none", "--symmetric"]), &plain_text())
    }
}

impl Drop for GpgFile {
    fn drop(&mut self) {
        // An agent that gpg started ends by itself when its home is gone, so a failure does not matter.
        let _ = Command::new("gpgconf")
            .args(["--kill", "all"])
            .env("GNUPGHOME", self.stored.folder().join("gpg"))
            .stderr(Stdio::null())
            .status();
    }
}

fn by_passphrase(passphrase: &str) -> UnlockedKeys {
    let place = SecretPlace::Command(format!("echo '{passphrase}'"));
    UnlockedKeys::fetch(&Keys { passphrase: Some(place), identity: None }, &Environment::default())
        .expect("the shell knows it")
}

#[test]
fn gpg_opens_with_the_passphrase_and_no_other() {
    let file = GpgFile::new();
    let bytes = file.encrypted_by_gpg("fixture-pass one");
    assert!(matches!(detect_encryption(&bytes), Some(Encryption::OpenPgp)));
    assert!(file.opened_by_gpg(&bytes, &by_passphrase("fixture-pass one")).as_deref() == Ok(&plain_text()));
    assert_refused(file.opened_by_gpg(&bytes, &by_passphrase("fixture-pass two")), "locked out: gpg on ");
}

#[test]
fn a_damaged_or_cut_gpg_file_is_told() {
    let file = GpgFile::new();
    let keys = by_passphrase("fixture-pass");
    let bytes = file.encrypted_by_gpg("fixture-pass");
    let mut damaged = bytes.clone();
    let at = bytes.len() / 2;
    damaged[at] ^= 1;
    assert_refused(file.opened_by_gpg(&damaged, &keys), "broken: gpg on ");
    assert_refused(file.opened_by_gpg(&bytes[..at], &keys), "broken: gpg on ");
}
