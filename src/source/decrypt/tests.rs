//! Tests of decryption: what opens, what does not, and the errors.

use super::*;
use crate::model::source::SecretPlace;
use encrypted::{
    EncryptedFile, PLAIN, assert_refused, encrypted_by_age, encrypted_for, kind_and_text, plain_text, read_decrypted,
};

#[path = "../../../tests/support/encrypted.rs"]
mod encrypted;

/// The decrypted content of an encrypted file, or the error, whether it shows at the opening or at a read.
fn opened(stored: &EncryptedFile, bytes: &[u8], keys: &UnlockedKeys) -> Result<Vec<u8>, String> {
    let path = stored.store(bytes);
    let opened = open(File::open(&path).expect("it is there"), &path, keys).map_err(|error| kind_and_text(&error))?;
    let PlainText::Stream(mut reader, trouble) = opened else { return Err("it is not encrypted".to_owned()) };
    read_decrypted(&mut reader, &trouble)
}

fn by_passphrase(passphrase: &str) -> UnlockedKeys {
    UnlockedKeys { passphrase: Some(Secret::new(passphrase)), identity: None }
}

#[test]
fn what_is_not_encrypted_is_left_alone_and_at_its_beginning() {
    let stored = EncryptedFile::new();
    let path = stored.store(PLAIN);
    let opened = open(File::open(&path).expect("it is there"), &path, &UnlockedKeys::default()).expect("it opens");
    let PlainText::File(mut file) = opened else { panic!("it is not encrypted") };
    let mut found = Vec::new();
    file.read_to_end(&mut found).expect("read");
    assert_eq!(found, PLAIN);
}

#[test]
fn age_opens_with_the_passphrase_and_no_other() {
    let stored = EncryptedFile::new();
    for armored in [false, true] {
        let bytes = encrypted_by_age("fixture-pass one", &plain_text(), armored);
        assert!(opened(&stored, &bytes, &by_passphrase("fixture-pass one")).as_deref() == Ok(&plain_text()));
        assert_refused(opened(&stored, &bytes, &by_passphrase("fixture-pass two")), "locked out: ");
        assert_refused(opened(&stored, &bytes, &UnlockedKeys::default()), "no key: ");
    }
    let error = opened(&stored, &encrypted_by_age("fixture-pass", PLAIN, false), &UnlockedKeys::default());
    assert!(error.expect_err("no key").contains("(--passphrase-file)"));
}

#[test]
fn age_opens_with_the_identity_and_no_other() {
    use age::secrecy::ExposeSecret;
    let stored = EncryptedFile::new();
    let identity = age::x25519::Identity::generate();
    let write = |name: &str, identity: &age::x25519::Identity| {
        let path = stored.folder().join(name);
        std::fs::write(&path, format!("# a comment\n{}\n", identity.to_string().expose_secret())).expect("written");
        UnlockedKeys { passphrase: None, identity: Some(path) }
    };
    let (right, wrong) = (write("right", &identity), write("wrong", &age::x25519::Identity::generate()));
    for armored in [false, true] {
        let bytes = encrypted_for(&identity.to_public(), &plain_text(), armored);
        assert!(opened(&stored, &bytes, &right).as_deref() == Ok(&plain_text()));
        // A passphrase beside the right identity does no harm.
        let both = UnlockedKeys { passphrase: Some(Secret::new("fixture-pass")), ..right.clone() };
        assert!(opened(&stored, &bytes, &both).as_deref() == Ok(&plain_text()));
        assert_refused(opened(&stored, &bytes, &wrong), "locked out: ");
    }
    let bytes = encrypted_for(&identity.to_public(), PLAIN, false);
    assert!(opened(&stored, &bytes, &UnlockedKeys::default()).expect_err("no key").contains("(--identity)"));
    let missing = UnlockedKeys { passphrase: None, identity: Some(stored.folder().join("none")) };
    assert_refused(opened(&stored, &bytes, &missing), "no key: the identity ");
    std::fs::write(stored.folder().join("odd"), "no identity\n").expect("written");
    let odd = UnlockedKeys { passphrase: None, identity: Some(stored.folder().join("odd")) };
    assert_refused(opened(&stored, &bytes, &odd), "no key: the identity ");
}

/// Keys made by ssh-keygen for these tests: without a passphrase, and with one.
#[test]
fn age_opens_with_an_ssh_key_and_no_other() {
    let stored = EncryptedFile::new();
    let keygen = |name: &str, passphrase: &str, kind: &str| {
        let path = stored.folder().join(name);
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", kind, "-N", passphrase, "-C", "", "-f"]).arg(&path);
        assert!(command.status().expect("ssh-keygen runs").success());
        let public = std::fs::read_to_string(path.with_extension("pub")).expect("it was made");
        (path, public.trim().parse::<age::ssh::Recipient>().ok())
    };
    let with = |path: &Path, passphrase: Option<&str>| UnlockedKeys {
        passphrase: passphrase.map(Secret::new),
        identity: Some(path.to_owned()),
    };
    let (plain, recipient) = keygen("plain", "", "ed25519");
    let bytes = encrypted_for(&recipient.expect("a recipient"), &plain_text(), false);
    assert!(opened(&stored, &bytes, &with(&plain, None)).as_deref() == Ok(&plain_text()));
    let (other, _) = keygen("other", "", "ed25519");
    assert_refused(opened(&stored, &bytes, &with(&other, None)), "locked out: ");
    let public = opened(&stored, &bytes, &with(&plain.with_extension("pub"), None)).expect_err("a public key");
    assert!(public.starts_with("no key: ") && public.contains("is a public key"), "{public}");
    let (protected, recipient) = keygen("protected", "fixture-pass", "ed25519");
    let bytes = encrypted_for(&recipient.expect("a recipient"), &plain_text(), true);
    assert!(opened(&stored, &bytes, &with(&protected, Some("fixture-pass"))).as_deref() == Ok(&plain_text()));
    for passphrase in [None, Some("fixture-pass two")] {
        assert_refused(opened(&stored, &bytes, &with(&protected, passphrase)), "no key: the identity ");
    }
    let (unknown, recipient) = keygen("unknown", "", "ecdsa");
    assert!(recipient.is_none());
    assert_refused(opened(&stored, &bytes, &with(&unknown, None)), "no key: the identity ");
    std::fs::write(stored.folder().join("cut"), &std::fs::read(&plain).expect("read")[..100]).expect("written");
    assert_refused(opened(&stored, &bytes, &with(&stored.folder().join("cut"), None)), "no key: the identity ");
}

/// `age -p` over the file of a key.
#[test]
fn a_file_of_keys_may_itself_be_encrypted() {
    use age::secrecy::ExposeSecret;
    let stored = EncryptedFile::new();
    let identity = age::x25519::Identity::generate();
    let key = encrypted_by_age("fixture-pass", identity.to_string().expose_secret().as_bytes(), true);
    std::fs::write(stored.folder().join("key"), key).expect("written");
    let bytes = encrypted_for(&identity.to_public(), &plain_text(), false);
    let with = |passphrase: Option<&str>| UnlockedKeys {
        passphrase: passphrase.map(Secret::new),
        identity: Some(stored.folder().join("key")),
    };
    assert!(opened(&stored, &bytes, &with(Some("fixture-pass"))).as_deref() == Ok(&plain_text()));
    assert_refused(opened(&stored, &bytes, &with(None)), "no key: the identity ");
}

#[test]
fn the_wrong_kind_of_secret_is_told_from_a_wrong_one() {
    let stored = EncryptedFile::new();
    let bytes = encrypted_for(&age::x25519::Identity::generate().to_public(), PLAIN, false);
    let error = opened(&stored, &bytes, &by_passphrase("fixture-pass")).expect_err("it wants a key");
    assert!(error.starts_with("no key: ") && error.contains("to a key, and only a passphrase"), "{error}");
    let only_a_key = UnlockedKeys { passphrase: None, identity: Some(stored.folder().join("key")) };
    let error = opened(&stored, &encrypted_by_age("fixture-pass", PLAIN, false), &only_a_key);
    assert!(error.expect_err("it wants a passphrase").contains("with a passphrase, and only a private key"));
}

#[test]
fn a_passphrase_as_long_as_a_file_is_a_wrong_file() {
    let stored = EncryptedFile::new();
    let path = stored.folder().join("wrong");
    for length in [9_000, 65_535, 65_536, 1 << 20] {
        std::fs::write(&path, vec![b'x'; length]).expect("written");
        let keys = Keys { passphrase: Some(SecretPlace::File(path.clone())), identity: None };
        let error = UnlockedKeys::fetch(&keys, &Environment::default()).expect_err("too long");
        assert!(kind_and_text(&error).starts_with("no key: ") && error.to_string().contains("no secret"), "{error}");
    }
}

/// gpg may end without having read the passphrase, however long it is.
#[test]
fn a_gpg_that_reads_no_passphrase_is_not_waited_for() {
    let stored = EncryptedFile::new();
    let path = stored.store(PLAIN);
    let keys = by_passphrase(&"x".repeat(200_000));
    let trouble = StreamTrouble::default();
    let file = File::open(&path).expect("it is there");
    let mut reader = open_gpg(Command::new("false"), file, &path, &keys, trouble.clone()).expect("it starts");
    assert_refused(read_decrypted(&mut reader, &trouble), "broken: gpg on ");
}

#[test]
fn a_damaged_or_cut_age_file_is_told_from_a_wrong_key() {
    let stored = EncryptedFile::new();
    let keys = by_passphrase("fixture-pass");
    let bytes = encrypted_by_age("fixture-pass", &plain_text(), false);
    let damaged = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        bytes
    };
    let head = bytes.windows(3).position(|bytes| bytes == b"---").expect("the end of its head");
    assert_refused(opened(&stored, &damaged(head + 6), &keys), "broken: the head of ");
    assert_refused(opened(&stored, &bytes[..40], &keys), "broken: the head of ");
    // Later damage shows at a read, and is never taken for the end of the file.
    assert_refused(opened(&stored, &damaged(bytes.len() - 1000), &keys), "read: ");
    assert_refused(opened(&stored, &bytes[..bytes.len() - 1000], &keys), "read: ");
    assert_refused(opened(&stored, &bytes[..bytes.len() / 2], &keys), "read: ");
}

#[test]
fn without_gpg_it_is_said_what_is_missing() {
    let stored = EncryptedFile::new();
    let path = stored.store(b"");
    let file = File::open(&path).expect("it is there");
    let command = Command::new(stored.folder().join("no-such-program"));
    let error = open_gpg(command, file, &path, &UnlockedKeys::default(), StreamTrouble::default()).map(drop);
    assert!(kind_and_text(&error.expect_err("it is not there")).starts_with("no tool: "));
}

#[test]
fn a_passphrase_is_the_first_line_of_what_is_named() {
    let stored = EncryptedFile::new();
    let environment = Environment::from_iter([("SET", "fixture-pass"), ("EMPTY", "")]);
    let fetched = |place: SecretPlace| {
        UnlockedKeys::fetch(&Keys { passphrase: Some(place), identity: None }, &environment)
            .map(|keys| keys.passphrase.map(|secret| secret.reveal().to_owned()).unwrap_or_default())
            .map_err(|error| kind_and_text(&error))
    };
    let file = |text: &str| {
        let path = stored.folder().join("passphrase");
        std::fs::write(&path, text).expect("written");
        SecretPlace::File(path)
    };
    let command = |text: &str| SecretPlace::Command(text.to_owned());
    assert_eq!(fetched(file("fixture-pass\r\nmore\n")), Ok("fixture-pass".to_owned()));
    assert_eq!(fetched(command("echo fixture-pass; echo more")), Ok("fixture-pass".to_owned()));
    for place in [file("\nfixture-pass"), file(""), command("true"), command("printf fixture-; echo pass; exit 3")] {
        assert_refused(fetched(place).map(String::into_bytes), "no key: ");
    }
    let variable = |name: &str| fetched(SecretPlace::Env(name.to_owned()));
    assert_eq!(variable("SET"), Ok("fixture-pass".to_owned()));
    for (name, expected) in [("EMPTY", "EMPTY is empty"), ("UNSET", "UNSET is not set")] {
        let error = variable(name).expect_err("it has nothing");
        assert!(error.starts_with("no key: ") && error.ends_with(expected), "{error}");
    }
}
