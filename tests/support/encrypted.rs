//! Files that are encrypted with age, by its library: no program is needed for them.

use std::io::Write;

use age::secrecy::SecretString;

/// Bytes encrypted with a passphrase, with little work: a test has no secrets.
pub fn encrypted_by_age(passphrase: &str, plain: &[u8], armored: bool) -> Vec<u8> {
    let mut recipient = age::scrypt::Recipient::new(SecretString::from(passphrase));
    recipient.set_work_factor(10);
    encrypted_for(&recipient, plain, armored)
}

/// Bytes encrypted for whoever this is.
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
