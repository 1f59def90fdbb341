//! Files of private keys: age's own (also encrypted with a passphrase), and SSH keys.

use std::io::{self, BufReader, Read};
use std::path::Path;

use age::armor::ArmoredReader;
use age::secrecy::SecretString;
use age::{DecryptError, Identity, ssh};

use crate::local_file::{self, Accept};
use crate::model::secret::Secret;
use crate::source::error::SourceError;

/// Highest work factor of a passphrase, as a power of two; the program `age` has the same limit. The library's default
/// depends on the speed of this machine and would refuse a good backup while the machine is busy.
pub const MAX_WORK_FACTOR: u8 = 22;
/// Most bytes of a file of keys.
pub const MAX_IDENTITIES: u64 = 1024 * 1024;

/// Reads the private keys of a file. `passphrase` opens a protected file.
pub fn read(path: &Path, passphrase: Option<&Secret>) -> Result<Vec<Box<dyn Identity>>, SourceError> {
    let shown = path.display();
    let no_key = |words: String| SourceError::NoKey(format!("the identity {shown}: {words}"));
    let bytes = local_file::read_from(path, Accept::Regular, MAX_IDENTITIES);
    let mut bytes = bytes.map_err(|error| no_key(format!("the file cannot be read: {error}")))?;
    let is_encrypted = bytes.starts_with(b"age-encryption.org/v1")
        || bytes.trim_ascii_start().starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----");
    if is_encrypted {
        bytes = opened(&bytes, passphrase).map_err(no_key)?;
    }
    let text = String::from_utf8(bytes).map_err(|_| no_key("it is no text, and no file of keys".to_owned()))?;
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    let first = first.unwrap_or_default();
    if ["ssh-", "ecdsa-", "sk-", "age1"].iter().any(|public| first.starts_with(public)) {
        let words = "it is a public key, which only encrypts; name the private key (of SSH: the file without `.pub`)";
        return Err(no_key(words.to_owned()));
    }
    if first.starts_with("-----BEGIN ") {
        return ssh_key(&text, passphrase).map(|key| vec![key]).map_err(no_key);
    }
    let file = age::IdentityFile::from_buffer(BufReader::new(text.as_bytes()));
    let file = file.map_err(|error| no_key(error.to_string()))?;
    file.into_identities().map_err(|error| no_key(error.to_string()))
}

/// Opens a file of keys that is encrypted with a passphrase.
fn opened(bytes: &[u8], passphrase: Option<&Secret>) -> Result<Vec<u8>, String> {
    let passphrase = passphrase.ok_or("it is protected by a passphrase, and none was given (--passphrase-file)")?;
    let mut key = age::scrypt::Identity::new(SecretString::from(passphrase.reveal()));
    key.set_max_work_factor(MAX_WORK_FACTOR);
    let decryptor = age::Decryptor::new_buffered(ArmoredReader::new(BufReader::new(bytes)));
    let opened = decryptor.and_then(|decryptor| decryptor.decrypt(std::iter::once(&key as &dyn Identity)));
    let mut plain = Vec::new();
    let read = opened.map_err(|error| error.to_string())?.take(MAX_IDENTITIES).read_to_end(&mut plain);
    read.map_err(|error| error.to_string())?;
    Ok(plain)
}

/// The private key of SSH in a text.
fn ssh_key(text: &str, passphrase: Option<&Secret>) -> Result<Box<dyn Identity>, String> {
    let key = ssh::Identity::from_buffer(text.as_bytes(), None).map_err(|error: io::Error| match error.kind() {
        io::ErrorKind::Interrupted => "the SSH key in it is cut off".to_owned(),
        _ => "it is no SSH key that is known".to_owned(),
    })?;
    match key {
        ssh::Identity::Unencrypted(_) => Ok(Box::new(key)),
        ssh::Identity::Encrypted(protected) => {
            let passphrase =
                passphrase.ok_or("the SSH key is protected by a passphrase, and none was given (--passphrase-file)")?;
            match protected.decrypt(SecretString::from(passphrase.reveal())) {
                Ok(key) => Ok(Box::new(ssh::Identity::from(key))),
                Err(DecryptError::KeyDecryptionFailed) => Err("the passphrase does not open the SSH key".to_owned()),
                Err(error) => Err(error.to_string()),
            }
        }
        ssh::Identity::Unsupported(_) => {
            Err("age decrypts with SSH keys of the types ed25519 and RSA only, and this is none".to_owned())
        }
    }
}
