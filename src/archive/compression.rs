//! Recognises the compression and encryption of an archive by its first bytes, never by its name, and decompresses.
//!
//! A compressed stream may have several members, one after the other (`cat a.gz b.gz`, pigz, pzstd, pbzip2, appended
//! logs); all of them are read. Zeros may follow the last one, as tapes pad; anything else there is damage, and so is a
//! member that ends early or does not match its checksum.

mod ahead;
mod kind;
pub mod window;

use std::fmt;
use std::io::{self, BufRead, BufReader, Chain, Cursor, ErrorKind, Read};

use bzip2::bufread::BzDecoder;
use flate2::bufread::GzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::Stream;

use ahead::Ahead;
pub use kind::Compression;
use window::{DEFAULT_WINDOW, DecodeBounds, HEADERS, LargeTurn, WindowTooLong, XZ_BESIDE};

/// Bytes that are read from the input at a time.
const BUFFER: usize = 128 * 1024;
/// Bytes that are enough to recognise a stream.
pub const MAGIC: usize = 64;
/// The shortest and longest windows of zstd, as powers of two: `zstd --long=31` makes the longest.
const ZSTD_WINDOW_LOGS: (u32, u32) = (10, 31);

/// The encryption of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// age, binary.
    Age,
    /// age, as text.
    AgeArmored,
    /// OpenPGP (GnuPG), binary or as text.
    OpenPgp,
}

impl fmt::Display for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Encryption::Age | Encryption::AgeArmored => "age",
            Encryption::OpenPgp => "OpenPGP",
        })
    }
}

/// Recognises the encryption by the first bytes of a stream ([`MAGIC`] of them are enough); `None`: not encrypted.
pub fn detect_encryption(start: &[u8]) -> Option<Encryption> {
    let text = start.trim_ascii_start();
    if start.starts_with(b"age-encryption.org/v1") {
        Some(Encryption::Age)
    } else if text.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----") {
        Some(Encryption::AgeArmored)
    } else if text.starts_with(b"-----BEGIN PGP MESSAGE-----") || is_pgp_packet(start) {
        Some(Encryption::OpenPgp)
    } else {
        None
    }
}

/// Whether these bytes are the first packet of an encrypted OpenPGP message: a session key for a public key or a
/// passphrase, or the encrypted data itself. One byte says little, so the packet's length and version must be
/// plausible, too.
fn is_pgp_packet(start: &[u8]) -> bool {
    const PUBLIC_KEY_SESSION: u8 = 1;
    const PASSPHRASE_SESSION: u8 = 3;
    const ENCRYPTED_DATA: u8 = 18;
    let (tag, length, body) = match start {
        // Old format: two bits give the size of the length.
        [first @ 0x80..=0xbf, length, body @ ..] if first & 3 == 0 => ((first >> 2) & 15, usize::from(*length), body),
        [first @ 0x80..=0xbf, high, low, body @ ..] if first & 3 == 1 => {
            ((first >> 2) & 15, usize::from(u16::from_be_bytes([*high, *low])), body)
        }
        [first @ 0xc0..=0xff, length @ 0..=191, body @ ..] => (first & 63, usize::from(*length), body),
        [first @ 0xc0..=0xff, high @ 192..=223, low, body @ ..] => {
            (first & 63, ((usize::from(*high) - 192) << 8) + usize::from(*low) + 192, body)
        }
        // A partial length: the packet comes in pieces, the first of at least 512 bytes.
        [first @ 0xc0..=0xff, power @ 233..=254, body @ ..] => (first & 63, 1 << (power & 31), body),
        [first @ 0xc0..=0xff, 255, a, b, c, d, body @ ..] => {
            (first & 63, u32::from_be_bytes([*a, *b, *c, *d]) as usize, body)
        }
        _ => return false,
    };
    match (tag, body.first()) {
        (PUBLIC_KEY_SESSION, Some(3 | 6)) => (16..=2100).contains(&length),
        (PASSPHRASE_SESSION, Some(4..=6)) => (4..=200).contains(&length),
        (ENCRYPTED_DATA, Some(1 | 2)) => length >= 20,
        _ => false,
    }
}

/// An error of the input itself on its way through a decoder. Tells it from errors of the content.
#[derive(Debug)]
struct InputFailed(io::Error);

impl fmt::Display for InputFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for InputFailed {}

/// Marks the errors of the input as [`InputFailed`].
struct MarkedInput<R>(R);

impl<R: Read> Read for MarkedInput<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf).map_err(|error| io::Error::new(error.kind(), InputFailed(error)))
    }
}

type MemberInput<R> = Ahead<Chain<Cursor<Vec<u8>>, MarkedInput<R>>>;

/// Decompresses `input`; an uncompressed stream passes unchanged. A window may be as long as [`DEFAULT_WINDOW`].
///
/// A damaged stream fails with `InvalidData` or `UnexpectedEof`, a too long window with [`WindowTooLong`]; other errors
/// are the input's own.
pub fn open<'a>(input: impl Read + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    open_within(input, DecodeBounds::default())
}

/// Decompresses like [`open`], with windows as long as `bounds` allow.
pub fn open_within<'a>(
    mut input: impl Read + Send + 'a,
    bounds: DecodeBounds,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    let mut start = Vec::with_capacity(MAGIC);
    (&mut input).take(MAGIC as u64).read_to_end(&mut start)?;
    let compression = Compression::detect(&start);
    if compression == Compression::None {
        return Ok(Box::new(BufReader::with_capacity(BUFFER, Cursor::new(start).chain(input))));
    }
    let source = Ahead::with_capacity(BUFFER, Cursor::new(start).chain(MarkedInput(input)));
    let mut members = Members { compression, bounds, turn: None, empty: 0, state: MembersState::Done };
    let first = members.begin_member(source).map_err(|error| members.explain_error(error))?;
    members.state = MembersState::Member(first);
    Ok(Box::new(members))
}

/// Most members without content that follow each other. Programs write one at the end of a stream, if any; and each
/// takes as long as a member with content.
const MOST_EMPTY: u32 = 10_000;

/// Decoder of a compressed stream with all its members.
struct Members<R: Read> {
    compression: Compression,
    bounds: DecodeBounds,
    /// Held from the first long window on.
    turn: Option<LargeTurn>,
    /// Members without content that were last.
    empty: u32,
    state: MembersState<R>,
}

#[expect(clippy::large_enum_variant, reason = "there is one of it")]
enum MembersState<R: Read> {
    Member(Member<R>),
    Done,
    /// The stream is damaged and the error was returned. Later reads fail, too, and do not look like the end.
    Broken,
}

enum Member<R: Read> {
    Gzip(GzDecoder<MemberInput<R>>),
    Zstd(zstd::stream::read::Decoder<'static, MemberInput<R>>),
    Xz(XzDecoder<MemberInput<R>>),
    Bzip2(BzDecoder<MemberInput<R>>),
}

impl<R: Read> Member<R> {
    fn new(compression: Compression, longest: u64, source: MemberInput<R>) -> io::Result<Member<R>> {
        Ok(match compression {
            Compression::None => return Err(io::Error::other("the stream is not compressed")),
            Compression::Gzip => Member::Gzip(GzDecoder::new(source)),
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(source)?.single_frame();
                let (shortest, of_zstd) = ZSTD_WINDOW_LOGS;
                decoder.window_log_max(longest.next_power_of_two().ilog2().clamp(shortest, of_zstd))?;
                Member::Zstd(decoder)
            }
            Compression::Xz => {
                Member::Xz(XzDecoder::new_stream(source, Stream::new_stream_decoder(longest + XZ_BESIDE, 0)?))
            }
            Compression::Bzip2 => Member::Bzip2(BzDecoder::new(source)),
        })
    }

    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Member::Gzip(decoder) => decoder.read(buf),
            Member::Zstd(decoder) => decoder.read(buf),
            Member::Xz(decoder) => decoder.read(buf),
            Member::Bzip2(decoder) => decoder.read(buf),
        }
    }

    fn into_source(self) -> MemberInput<R> {
        match self {
            Member::Gzip(decoder) => decoder.into_inner(),
            Member::Zstd(decoder) => decoder.finish(),
            Member::Xz(decoder) => decoder.into_inner(),
            Member::Bzip2(decoder) => decoder.into_inner(),
        }
    }
}

impl<R: Read> Members<R> {
    /// A decoder for the member that `source` begins with, if its window is no longer than allowed.
    fn begin_member(&mut self, mut source: MemberInput<R>) -> io::Result<Member<R>> {
        let window = window::check(self.compression, source.peek(HEADERS)?, self.bounds)?;
        if window > DEFAULT_WINDOW && self.bounds.one_large_at_a_time && self.turn.is_none() {
            self.turn = Some(LargeTurn::wait());
        }
        Member::new(self.compression, self.bounds.longest(), source)
    }

    /// The state after a member's end: another member, or the end of the stream.
    fn state_after_member(&mut self, mut source: MemberInput<R>) -> io::Result<MembersState<R>> {
        loop {
            let ahead = match source.fill_buf() {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other?,
            };
            let zeros = ahead.iter().take_while(|&&byte| byte == 0).count();
            match ahead.get(zeros).copied() {
                None if zeros == 0 => return Ok(MembersState::Done),
                None => source.consume(zeros),
                Some(first) if self.compression.can_begin_member(first) => {
                    source.consume(zeros);
                    return Ok(MembersState::Member(self.begin_member(source)?));
                }
                Some(_) => {
                    return Err(io::Error::new(ErrorKind::InvalidData, "something else follows the compressed data"));
                }
            }
        }
    }

    /// Words an error of the decoder; returns an error of the input as it was.
    fn explain_error(&self, error: io::Error) -> io::Error {
        if error.get_ref().is_some_and(|inner| inner.is::<InputFailed>()) {
            let inner = error.into_inner().and_then(|inner| inner.downcast::<InputFailed>().ok());
            return inner.map_or_else(|| ErrorKind::Other.into(), |inner| inner.0);
        }
        if WindowTooLong::of(&error).is_some() {
            return error;
        }
        if let Some(too_long) = window::of_decoder(self.compression, &error, self.bounds) {
            return io::Error::other(too_long);
        }
        if error.kind() == ErrorKind::UnexpectedEof {
            return io::Error::new(error.kind(), format!("the {} stream ends in the middle", self.compression));
        }
        io::Error::new(ErrorKind::InvalidData, format!("the {} stream is damaged: {error}", self.compression))
    }
}

impl<R: Read> Read for Members<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            let member = match &mut self.state {
                MembersState::Member(member) => member,
                MembersState::Done => return Ok(0),
                MembersState::Broken => {
                    let words = format!("the {} stream is damaged", self.compression);
                    return Err(io::Error::new(ErrorKind::InvalidData, words));
                }
            };
            let result = match member.read(buf) {
                Ok(0) => {
                    let MembersState::Member(member) = std::mem::replace(&mut self.state, MembersState::Broken) else {
                        continue;
                    };
                    self.empty += 1;
                    self.state_after_member(member.into_source()).map(|state| {
                        self.state = state;
                        0
                    })
                }
                other => other,
            };
            match result {
                Ok(0) if self.empty > MOST_EMPTY => {
                    self.state = MembersState::Broken;
                    let words = format!(
                        "the {} stream has more than {MOST_EMPTY} members without content, one after the other",
                        self.compression
                    );
                    return Err(io::Error::new(ErrorKind::InvalidData, words));
                }
                Ok(0) => {}
                Ok(read) => {
                    self.empty = 0;
                    return Ok(read);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.state = MembersState::Broken;
                    return Err(self.explain_error(error));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
