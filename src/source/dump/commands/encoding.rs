//! Encodings of the client: psql reads a dump in the encoding that the dump sets, and the scan of its commands reads
//! bytes. In some encodings a later byte of a character may be that of a quote or a backslash, and the two would part.

/// Beginnings of the names of encodings whose characters beyond ASCII consist of bytes beyond ASCII, without signs and
/// in lower case, as PostgreSQL compares them. All others (SJIS, BIG5, GBK, UHC, GB18030, JOHAB) are not accepted.
const KEEP_ASCII: [&str; 15] = [
    "utf8",
    "unicode",
    "sqlascii",
    "latin",
    "iso8859",
    "euc",
    "win125",
    "windows125",
    "win866",
    "windows866",
    "win874",
    "windows874",
    "koi8",
    "tcvn",
    "mule",
];

/// Whether each byte of ASCII is the character that it looks like.
pub(super) fn keeps_ascii(encoding: &str) -> bool {
    let name: String = encoding.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    KEEP_ASCII.iter().any(|known| name.starts_with(known)) || name == "default"
}

/// The encodings that a statement sets, from its words in upper case. A name may have been taken for several words, and
/// words may follow it.
pub(super) fn set_by(words: &[&str]) -> Vec<String> {
    let joined = |words: &[&str]| words.iter().filter(|word| **word != "TO").copied().collect::<String>();
    if let ["SET", "NAMES", name @ ..] = words {
        return vec![joined(name)];
    }
    let values = words.split(|word| *word == "CLIENT_ENCODING").skip(1).map(joined);
    values.filter(|value| !value.is_empty()).collect()
}
