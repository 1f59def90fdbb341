//! Decryption: age by its library, OpenPGP by the `gpg` program, which has the keys.

mod identity;

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use age::armor::ArmoredReader;
use age::secrecy::SecretString;

use super::error::SourceError;
use super::parts::PartsReader;
use super::secrets;
use crate::archive::compression::{Encryption, detect_encryption};
use crate::model::environment::Environment;
use crate::model::lock::lock;
use crate::model::secret::Secret;
use crate::model::source::Keys;
pub(super) use identity::MAX_IDENTITIES;

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

/// The first error behind a failed read of a stream: an error of input and output has no room for its meaning.
#[derive(Clone, Default)]
pub struct StreamTrouble(Arc<Mutex<Option<SourceError>>>);

impl StreamTrouble {
    /// Keeps the error, unless there is one already.
    pub(super) fn set(&self, error: SourceError) {
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
    /// The file is not encrypted and comes in parts.
    Parts(Box<dyn Read + Send>),
    /// The file is encrypted, or comes from a program. Any read may fail; then the second value has the error.
    Stream(Box<dyn Read + Send>, StreamTrouble),
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
            Ok(PlainText::Stream(open_age(file, path, keys)?, StreamTrouble::default()))
        }
        Some(Encryption::OpenPgp) => {
            let trouble = StreamTrouble::default();
            let reader = open_gpg(Command::new("gpg"), Stdio::from(file), path, keys, trouble.clone())?;
            Ok(PlainText::Stream(Box::new(reader), trouble))
        }
    }
}

/// Opens a file that comes in parts and decrypts it if necessary. Errors name the file by `path`.
pub fn open_parts(parts: PartsReader, path: &Path, keys: &UnlockedKeys) -> Result<PlainText, SourceError> {
    Ok(match open_stream(parts, StreamTrouble::default(), path, keys)? {
        (encryption, reader, trouble) if encryption.is_some() => PlainText::Stream(reader, trouble),
        (_, reader, _) => PlainText::Parts(reader),
    })
}

/// Opens the output of a program and decrypts it if necessary. The program's reader puts its errors into `trouble`.
pub fn open_output(
    output: impl Read + Send + 'static,
    trouble: StreamTrouble,
    path: &Path,
    keys: &UnlockedKeys,
) -> Result<PlainText, SourceError> {
    let opened = open_stream(output, trouble.clone(), path, keys);
    // The program's own error explains why nothing came.
    let (_, reader, trouble) = opened.map_err(|error| trouble.take().unwrap_or(error))?;
    Ok(PlainText::Stream(reader, trouble))
}

/// The plain text of a stream, and the encryption that it had.
type OpenedStream = (Option<Encryption>, Box<dyn Read + Send>, StreamTrouble);

fn open_stream(
    mut input: impl Read + Send + 'static,
    trouble: StreamTrouble,
    path: &Path,
    keys: &UnlockedKeys,
) -> Result<OpenedStream, SourceError> {
    let unreachable = |error| SourceError::Unreachable { path: path.to_owned(), error };
    let mut head = Vec::with_capacity(HEAD);
    (&mut input).take(HEAD as u64).read_to_end(&mut head).map_err(unreachable)?;
    let encryption = detect_encryption(&head);
    let mut whole = Cursor::new(head).chain(input);
    let plain: Box<dyn Read + Send> = match encryption {
        None => Box::new(whole),
        Some(Encryption::Age | Encryption::AgeArmored) => open_age(whole, path, keys)?,
        Some(Encryption::OpenPgp) => {
            let (reader, mut writer) = io::pipe().map_err(unreachable)?;
            // The thread ends when gpg ends: nobody reads the pipe then. gpg tells a part that could not be read as an
            // end that came early.
            std::thread::spawn(move || io::copy(&mut whole, &mut writer));
            Box::new(open_gpg(Command::new("gpg"), Stdio::from(reader), path, keys, trouble.clone())?)
        }
    };
    Ok((encryption, plain, trouble))
}

fn open_age(
    input: impl Read + Send + 'static,
    path: &Path,
    keys: &UnlockedKeys,
) -> Result<Box<dyn Read + Send>, SourceError> {
    let shown = path.display();
    let locked_out = |words: String| SourceError::LockedOut(format!("{shown} is encrypted by age: {words}"));
    let no_key = |words: &str| SourceError::NoKey(format!("{shown} is encrypted by age {words}"));
    let decryptor = age::Decryptor::new_buffered(ArmoredReader::new(BufReader::new(input)))
        .map_err(|error| SourceError::Broken(format!("the head of {shown}: {error}")))?;
    let wants_passphrase = decryptor.is_scrypt();
    match (wants_passphrase, &keys.passphrase, &keys.identity) {
        (true, None, None) => {
            return Err(no_key("with a passphrase, and none was given (--passphrase-file)"));
        }
        (false, None, None) => return Err(no_key("to a key, and no private key was given (--identity)")),
        (true, None, Some(_)) => {
            return Err(no_key("with a passphrase, and only a private key was given; it wants --passphrase-file"));
        }
        (false, Some(_), None) => {
            return Err(no_key("to a key, and only a passphrase was given; it wants the private key (--identity)"));
        }
        _ => {}
    }
    let mut identities: Vec<Box<dyn age::Identity>> = Vec::new();
    if let Some(passphrase) = &keys.passphrase {
        let mut key = age::scrypt::Identity::new(SecretString::from(passphrase.reveal()));
        key.set_max_work_factor(identity::MAX_WORK_FACTOR);
        identities.push(Box::new(key));
    }
    if let Some(identity) = &keys.identity {
        identities.extend(identity::read(identity, keys.passphrase.as_ref())?);
    }
    match decryptor.decrypt(identities.iter().map(AsRef::as_ref)) {
        Ok(reader) => Ok(Box::new(reader)),
        Err(error @ (age::DecryptError::InvalidHeader | age::DecryptError::InvalidMac | age::DecryptError::Io(_))) => {
            Err(SourceError::Broken(format!("the head of {shown}: {error}")))
        }
        Err(error) => Err(locked_out(error.to_string())),
    }
}

/// Decrypts a file with the program that `command` starts.
pub fn open_gpg(
    mut command: Command,
    input: impl Into<Stdio>,
    path: &Path,
    keys: &UnlockedKeys,
    trouble: StreamTrouble,
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
    // The passphrase goes through a pipe that only the two processes see. A thread writes it, since nobody may ever
    // read it; the thread ends with the pipe's other end.
    let pipe = match &keys.passphrase {
        Some(passphrase) => {
            let (reader, mut writer) = io::pipe().map_err(failed)?;
            let passphrase = passphrase.clone();
            std::thread::spawn(move || {
                writer.write_all(passphrase.reveal().as_bytes()).and_then(|()| writer.write_all(b"\n"))
            });
            let name = format!("/proc/{}/fd/{}", std::process::id(), reader.as_raw_fd());
            command.args(["--pinentry-mode", "loopback", "--passphrase-file", &name]);
            Some(reader)
        }
        None => None,
    };
    let mut child =
        command.arg("--decrypt").stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(failed)?;
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
    trouble: StreamTrouble,
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
        } else if words.contains("No secret key") && with_passphrase {
            SourceError::LockedOut(format!(
                "{message} (it is encrypted to a key, which must be in gpg's keyring; a passphrase alone opens only \
                 what was encrypted with one)"
            ))
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
