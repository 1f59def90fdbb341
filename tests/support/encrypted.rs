//! Encrypted files: age's are made by its library, so that no program is needed; and the results of opening them.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use age::secrecy::SecretString;
use rehearsa::source::SourceError;
use rehearsa::source::decrypt::StreamTrouble;

/// A folder for one encrypted file and its keys.
pub struct EncryptedFile {
    folder: tempfile::TempDir,
}

impl EncryptedFile {
    pub fn new() -> EncryptedFile {
        EncryptedFile { folder: tempfile::tempdir().expect("a folder") }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes the file.
    pub fn store(&self, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join("app.tar.enc");
        std::fs::write(&path, bytes).expect("stored");
        path
    }
}

/// A short plain text.
pub const PLAIN: &[u8] = b"plain words, more than once; ";

/// A long plain text.
pub fn plain_text() -> Vec<u8> {
    PLAIN.repeat(10_000)
}

/// Reads a decrypted file to its end. The error has its kind and text.
pub fn read_decrypted(reader: &mut dyn Read, trouble: &StreamTrouble) -> Result<Vec<u8>, String> {
    let mut found = Vec::new();
    match reader.read_to_end(&mut found) {
        Ok(_) => Ok(found),
        Err(error) => Err(trouble.take().map_or_else(|| format!("read: {error}"), |trouble| kind_and_text(&trouble))),
    }
}

/// Kind and text of an error.
pub fn kind_and_text(error: &SourceError) -> String {
    let name = match error {
        SourceError::Broken(_) => "broken",
        SourceError::LockedOut(_) => "locked out",
        SourceError::NoKey(_) => "no key",
        SourceError::ToolMissing(_) => "no tool",
        _ => "other",
    };
    format!("{name}: {error}")
}

/// Checks that a file did not open, that the error begins like this, and that it shows no secret.
#[track_caller]
pub fn assert_refused(result: Result<Vec<u8>, String>, expected: &str) {
    let error = result.map(|found| found.len()).expect_err("it does not open");
    assert!(error.starts_with(expected), "{error}");
    assert!(!error.contains("fixture-pass"), "the error shows no secret: {error}");
}

/// Bytes encrypted with a passphrase, with little work, since tests have no secrets.
pub fn encrypted_by_age(passphrase: &str, plain: &[u8], armored: bool) -> Vec<u8> {
    let mut recipient = age::scrypt::Recipient::new(SecretString::from(passphrase));
    recipient.set_work_factor(10);
    encrypted_for(&recipient, plain, armored)
}

/// Bytes encrypted for this recipient.
pub fn encrypted_for(recipient: &dyn age::Recipient, plain: &[u8], armored: bool) -> Vec<u8> {
    use age::armor::{ArmoredWriter, Format};
    let encryptor = age::Encryptor::with_recipients(std::iter::once(recipient)).expect("a recipient");
    let mut bytes = Vec::new();
    let format = if armored { Format::AsciiArmor } else { Format::Binary };
    let armor = ArmoredWriter::wrap_output(&mut bytes, format).expect("armor");
    let mut writer = encryptor.wrap_output(armor).expect("a head");
    writer.write_all(plain).expect("encrypted");
    writer.finish().and_then(ArmoredWriter::finish).expect("an end");
    bytes
}
