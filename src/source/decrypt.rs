//! Decryption: age by its library, OpenPGP by the `gpg` program, which has the keys.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use age::armor::ArmoredReader;
use age::secrecy::SecretString;

use super::error::SourceError;
use super::secrets;
use crate::archive::compression::{Encryption, detect_encryption};
use crate::local_file::{self, Accept};
use crate::model::environment::Environment;
use crate::model::lock::lock;
use crate::model::secret::Secret;
use crate::model::source::Keys;

/// Highest work factor of a passphrase, as a power of two; the program `age` has the same limit. The library's default
/// depends on the speed of this machine and would refuse a good backup while the machine is busy.
const MAX_WORK_FACTOR: u8 = 22;
/// Most bytes of a file of identities.
pub(super) const MAX_IDENTITIES: u64 = 1024 * 1024;
/// Bytes that are enough to recognise the encryption.
const HEAD: usize = 64;
/// Most bytes that are kept of a program's standard error.
const MAX_WORDS: u64 = 64 * 1024;

/// Keys for encrypted files, fetched from where the user keeps them.
#[derive(Debug, Clone, Default)]
pub struct UnlockedKeys {
    passphrase: Option<Secret>,
    identity: Option<PathBuf>,
}

impl UnlockedKeys {
    /// Fetches the keys that `keys` names.
    pub fn fetch(keys: &Keys, environment: &Environment) -> Result<UnlockedKeys, SourceError> {
        let passphrase = keys.passphrase.as_ref().map(|place| {
            let secret = secrets::fetch(place, |name| environment.get_or_empty(name).map(str::to_owned));
            secret.map_err(|words| SourceError::NoKey(format!("the passphrase cannot be fetched: {words}")))
        });
        let passphrase = passphrase.transpose()?;
        Ok(UnlockedKeys { passphrase, identity: keys.identity.clone() })
    }
}

/// The decryption error behind a failed read of the plain text.
#[derive(Clone, Default)]
pub struct DecryptTrouble(Arc<Mutex<Option<SourceError>>>);

impl DecryptTrouble {
    fn set(&self, error: SourceError) {
        lock(&self.0).get_or_insert(error);
    }

    /// Takes the error, if there is one.
    pub fn take(&self) -> Option<SourceError> {
        lock(&self.0).take()
    }
}

/// The plain text of a file, from its beginning.
pub enum PlainText {
    /// The file is not encrypted.
    File(File),
    /// The file is encrypted. Any read may fail; then the second value has the error.
    Decrypted(Box<dyn Read + Send>, DecryptTrouble),
}

/// Opens a file and decrypts it if necessary. Errors name the file by `path`.
pub fn open(mut file: File, path: &Path, keys: &UnlockedKeys) -> Result<PlainText, SourceError> {
    let unreachable = |error| SourceError::Unreachable { path: path.to_owned(), error };
    let mut head = Vec::with_capacity(HEAD);
    (&mut file).take(HEAD as u64).read_to_end(&mut head).map_err(unreachable)?;
    file.rewind().map_err(unreachable)?;
    match detect_encryption(&head) {
        None => Ok(PlainText::File(file)),
        Some(Encryption::Age | Encryption::AgeArmored) => {
            Ok(PlainText::Decrypted(open_age(file, path, keys)?, DecryptTrouble::default()))
        }
        Some(Encryption::OpenPgp) => {
            let trouble = DecryptTrouble::default();
            let reader = open_gpg(Command::new("gpg"), file, path, keys, trouble.clone())?;
            Ok(PlainText::Decrypted(Box::new(reader), trouble))
        }
    }
}

fn open_age(file: File, path: &Path, keys: &UnlockedKeys) -> Result<Box<dyn Read + Send>, SourceError> {
    let locked_out = |words: String| SourceError::LockedOut(format!("{} is encrypted by age: {words}", path.display()));
    let decryptor = age::Decryptor::new_buffered(ArmoredReader::new(BufReader::new(file)))
        .map_err(|error| SourceError::Broken(format!("the head of {}: {error}", path.display())))?;
    let mut identities: Vec<Box<dyn age::Identity>> = Vec::new();
    if let Some(passphrase) = &keys.passphrase {
        let mut identity = age::scrypt::Identity::new(SecretString::from(passphrase.reveal()));
        identity.set_max_work_factor(MAX_WORK_FACTOR);
        identities.push(Box::new(identity));
    }
    if let Some(identity) = &keys.identity {
        let no_key = |words: String| SourceError::NoKey(format!("the identity {}: {words}", identity.display()));
        let text = local_file::read_from(identity, Accept::Regular, MAX_IDENTITIES);
        let text = text.map_err(|error| no_key(error.to_string()))?;
        let file = age::IdentityFile::from_buffer(text.as_slice()).map_err(|error| no_key(error.to_string()))?;
        identities.extend(file.into_identities().map_err(|error| no_key(error.to_string()))?);
    }
    if identities.is_empty() {
        let way = if decryptor.is_scrypt() { "--passphrase-file" } else { "--identity" };
        return Err(SourceError::NoKey(format!(
            "{} is encrypted by age, and no passphrase or key was given ({way})",
            path.display()
        )));
    }
    match decryptor.decrypt(identities.iter().map(AsRef::as_ref)) {
        Ok(reader) => Ok(Box::new(reader)),
        Err(error @ (age::DecryptError::InvalidHeader | age::DecryptError::InvalidMac | age::DecryptError::Io(_))) => {
            Err(SourceError::Broken(format!("the head of {}: {error}", path.display())))
        }
        Err(error) => Err(locked_out(error.to_string())),
    }
}

/// Decrypts a file with the program that `command` starts.
pub fn open_gpg(
    mut command: Command,
    file: File,
    path: &Path,
    keys: &UnlockedKeys,
    trouble: DecryptTrouble,
) -> Result<Gpg, SourceError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => SourceError::ToolMissing(format!(
            "{} is encrypted with OpenPGP, and the program gpg is not installed here",
            path.display()
        )),
        _ => SourceError::NoKey(format!("gpg cannot be started: {error}")),
    };
    // No `--quiet`, so that gpg says which key it needs; in English, so that the messages can be recognised.
    command.args(["--batch", "--no-tty", "--yes"]).env("LC_ALL", "C");
    // The passphrase goes through a pipe that only the two processes see. The pipe's buffer takes the whole passphrase
    // before gpg reads.
    let pipe = match &keys.passphrase {
        Some(passphrase) => {
            let (reader, mut writer) = io::pipe().map_err(failed)?;
            writer.write_all(passphrase.reveal().as_bytes()).and_then(|()| writer.write_all(b"\n")).map_err(failed)?;
            let name = format!("/proc/{}/fd/{}", std::process::id(), reader.as_raw_fd());
            command.args(["--pinentry-mode", "loopback", "--passphrase-file", &name]);
            Some(reader)
        }
        None => None,
    };
    let mut child = command
        .arg("--decrypt")
        .stdin(Stdio::from(file))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let output = child.stdout.take();
    let words = child.stderr.take().map(|stderr| {
        std::thread::spawn(move || {
            let mut words = Vec::new();
            let mut stderr = stderr;
            // If reading fails, only a message lacks words.
            let _ = (&mut stderr).take(MAX_WORDS).read_to_end(&mut words);
            let _ = io::copy(&mut stderr, &mut io::sink());
            String::from_utf8_lossy(&words).into_owned()
        })
    });
    Ok(Gpg { child, output, words, trouble, path: path.to_owned(), passphrase: pipe })
}

/// The output of gpg. The exit status decides at the end whether the output is whole.
pub struct Gpg {
    child: Child,
    output: Option<ChildStdout>,
    words: Option<JoinHandle<String>>,
    trouble: DecryptTrouble,
    path: PathBuf,
    /// Kept open until gpg has read the passphrase.
    passphrase: Option<io::PipeReader>,
}

impl Gpg {
    fn verdict(&mut self) -> io::Result<()> {
        let status = self.child.wait()?;
        let with_passphrase = self.passphrase.take().is_some();
        let words = self.words.take().and_then(|words| words.join().ok()).unwrap_or_default();
        if status.success() {
            return Ok(());
        }
        let words = words.trim().lines().collect::<Vec<_>>().join("; ");
        let message = format!("gpg on {}: {words}", self.path.display());
        let locked = ["No secret key", "Bad passphrase", "Bad session key", "no passphrase", "No passphrase"];
        self.trouble.set(if words.contains("encrypted with 1 passphrase") && !with_passphrase {
            SourceError::NoKey(format!("{message} (no passphrase was given: --passphrase-file)"))
        } else if locked.iter().any(|known| words.contains(known)) {
            SourceError::LockedOut(message.clone())
        } else {
            SourceError::Broken(message.clone())
        });
        Err(io::Error::other(message))
    }
}

impl Read for Gpg {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(output) = &mut self.output else { return Ok(0) };
        let count = output.read(buffer)?;
        if count == 0 && !buffer.is_empty() {
            self.output = None;
            self.verdict()?;
        }
        Ok(count)
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        // The rest of the output is not needed, and gpg may still be writing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests;
