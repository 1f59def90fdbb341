//! Tests of decryption: what opens, what does not, and the errors.

use super::*;
use crate::model::source::SecretPlace;
use encrypted::{encrypted_by_age, encrypted_for};

#[path = "../../../tests/support/encrypted.rs"]
mod encrypted;

const PLAIN: &[u8] = b"plain words, more than once; ";

fn plain() -> Vec<u8> {
    PLAIN.repeat(10_000)
}

struct Field {
    folder: tempfile::TempDir,
}

impl Field {
    fn new() -> Field {
        Field { folder: tempfile::tempdir().expect("a folder") }
    }

    fn store(&self, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join("app.tar.enc");
        std::fs::write(&path, bytes).expect("stored");
        path
    }

    /// The decrypted content of an encrypted file, or the error, whether it shows at the opening or at a read.
    fn opened(&self, bytes: &[u8], keys: &Unlocked) -> Result<Vec<u8>, String> {
        let path = self.store(bytes);
        let opened = open(File::open(&path).expect("it is there"), &path, keys).map_err(|error| kind(&error))?;
        let Plain::Decrypted(mut reader, trouble) = opened else { return Err("it is not encrypted".to_owned()) };
        drained(&mut reader, &trouble)
    }
}

fn drained(reader: &mut dyn Read, trouble: &DecryptTrouble) -> Result<Vec<u8>, String> {
    let mut found = Vec::new();
    match reader.read_to_end(&mut found) {
        Ok(_) => Ok(found),
        Err(error) => Err(trouble.take().map_or_else(|| format!("read: {error}"), |trouble| kind(&trouble))),
    }
}

/// Kind and text of an error.
fn kind(error: &SourceError) -> String {
    let name = match error {
        SourceError::Broken(_) => "broken",
        SourceError::LockedOut(_) => "locked out",
        SourceError::NoKey(_) => "no key",
        SourceError::ToolMissing(_) => "no tool",
        _ => "other",
    };
    format!("{name}: {error}")
}

fn by_passphrase(passphrase: &str) -> Unlocked {
    Unlocked { passphrase: Some(Secret::new(passphrase)), identity: None }
}

fn is(result: Result<Vec<u8>, String>, expected: &str) {
    let error = result.map(|found| found.len()).expect_err("it does not open");
    assert!(error.starts_with(expected), "{error}");
    assert!(!error.contains("fixture-pass"), "a secret is not told: {error}");
}

#[test]
fn what_is_not_encrypted_is_left_alone_and_at_its_beginning() {
    let field = Field::new();
    let path = field.store(PLAIN);
    let opened = open(File::open(&path).expect("it is there"), &path, &Unlocked::default()).expect("it opens");
    let Plain::File(mut file) = opened else { panic!("it is not encrypted") };
    let mut found = Vec::new();
    file.read_to_end(&mut found).expect("read");
    assert_eq!(found, PLAIN);
}

#[test]
fn age_opens_with_the_passphrase_and_no_other() {
    let field = Field::new();
    for armored in [false, true] {
        let bytes = encrypted_by_age("fixture-pass one", &plain(), armored);
        assert!(field.opened(&bytes, &by_passphrase("fixture-pass one")).as_deref() == Ok(&plain()));
        is(field.opened(&bytes, &by_passphrase("fixture-pass two")), "locked out: ");
        is(field.opened(&bytes, &Unlocked::default()), "no key: ");
    }
    let told = field.opened(&encrypted_by_age("fixture-pass", PLAIN, false), &Unlocked::default());
    assert!(told.expect_err("no key").contains("(--passphrase-file)"));
}

#[test]
fn age_opens_with_the_identity_and_no_other() {
    use age::secrecy::ExposeSecret;
    let field = Field::new();
    let identity = age::x25519::Identity::generate();
    let write = |name: &str, identity: &age::x25519::Identity| {
        let path = field.folder.path().join(name);
        std::fs::write(&path, format!("# a comment\n{}\n", identity.to_string().expose_secret())).expect("written");
        Unlocked { passphrase: None, identity: Some(path) }
    };
    let (right, wrong) = (write("right", &identity), write("wrong", &age::x25519::Identity::generate()));
    for armored in [false, true] {
        let bytes = encrypted_for(&identity.to_public(), &plain(), armored);
        assert!(field.opened(&bytes, &right).as_deref() == Ok(&plain()));
        // A passphrase beside the right identity does no harm.
        let both = Unlocked { passphrase: Some(Secret::new("fixture-pass")), ..right.clone() };
        assert!(field.opened(&bytes, &both).as_deref() == Ok(&plain()));
        is(field.opened(&bytes, &wrong), "locked out: ");
    }
    let bytes = encrypted_for(&identity.to_public(), PLAIN, false);
    assert!(field.opened(&bytes, &Unlocked::default()).expect_err("no key").contains("(--identity)"));
    let missing = Unlocked { passphrase: None, identity: Some(field.folder.path().join("none")) };
    is(field.opened(&bytes, &missing), "no key: the identity ");
    std::fs::write(field.folder.path().join("odd"), "no identity\n").expect("written");
    let odd = Unlocked { passphrase: None, identity: Some(field.folder.path().join("odd")) };
    is(field.opened(&bytes, &odd), "no key: the identity ");
}

#[test]
fn a_damaged_or_cut_age_file_is_told_from_a_wrong_key() {
    let field = Field::new();
    let keys = by_passphrase("fixture-pass");
    let bytes = encrypted_by_age("fixture-pass", &plain(), false);
    let damaged = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        bytes
    };
    let head = bytes.windows(3).position(|bytes| bytes == b"---").expect("the end of its head");
    is(field.opened(&damaged(head + 6), &keys), "broken: the head of ");
    is(field.opened(&bytes[..40], &keys), "broken: the head of ");
    // Later damage shows at a read, and is never taken for the end of the file.
    is(field.opened(&damaged(bytes.len() - 1000), &keys), "read: ");
    is(field.opened(&bytes[..bytes.len() - 1000], &keys), "read: ");
    is(field.opened(&bytes[..bytes.len() / 2], &keys), "read: ");
}

#[test]
fn without_gpg_it_is_said_what_is_missing() {
    let field = Field::new();
    let path = field.store(b"");
    let file = File::open(&path).expect("it is there");
    let command = Command::new(field.folder.path().join("no-such-program"));
    let error = open_gpg(command, file, &path, &Unlocked::default(), DecryptTrouble::default()).map(drop);
    assert!(kind(&error.expect_err("it is not there")).starts_with("no tool: "));
}

#[test]
fn a_passphrase_is_the_first_line_of_what_is_named() {
    let field = Field::new();
    let environment = Environment::from_iter([("SET", "fixture-pass"), ("EMPTY", "")]);
    let fetched = |place: SecretPlace| {
        Unlocked::fetch(&Keys { passphrase: Some(place), identity: None }, &environment)
            .map(|keys| keys.passphrase.map(|secret| secret.reveal().to_owned()).unwrap_or_default())
            .map_err(|error| kind(&error))
    };
    let file = |text: &str| {
        let path = field.folder.path().join("passphrase");
        std::fs::write(&path, text).expect("written");
        SecretPlace::File(path)
    };
    let command = |text: &str| SecretPlace::Command(text.to_owned());
    assert_eq!(fetched(file("fixture-pass\r\nmore\n")), Ok("fixture-pass".to_owned()));
    assert_eq!(fetched(command("echo fixture-pass; echo more")), Ok("fixture-pass".to_owned()));
    for place in [file("\nfixture-pass"), file(""), command("true"), command("printf fixture-; echo pass; exit 3")] {
        is(fetched(place).map(String::into_bytes), "no key: ");
    }
    let variable = |name: &str| fetched(SecretPlace::Env(name.to_owned()));
    assert_eq!(variable("SET"), Ok("fixture-pass".to_owned()));
    for (name, expected) in [("EMPTY", "EMPTY is empty"), ("UNSET", "UNSET is not set")] {
        let error = variable(name).expect_err("it has nothing");
        assert!(error.starts_with("no key: ") && error.ends_with(expected), "{error}");
    }
}
