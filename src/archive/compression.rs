//! Recognises the compression and encryption of an archive by its first bytes, never by its name, and decompresses.
//!
//! A compressed stream may have several members, one after the other (`cat a.gz b.gz`, pigz, pzstd, pbzip2, appended
//! logs); all of them are read. Zeros may follow the last one, as tapes pad; anything else there is damage, and so is a
//! member that ends early or does not match its checksum.

use std::fmt;
use std::io::{self, BufRead, BufReader, Chain, Cursor, ErrorKind, Read};

use bzip2::bufread::BzDecoder;
use flate2::bufread::GzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::Stream;

/// Bytes that are read from the input at a time.
const BUFFER: usize = 128 * 1024;
/// Bytes that are enough to recognise a stream.
pub const MAGIC: usize = 64;
/// Window size of the longest windows in zstd, as a power of two: `zstd --long=31` makes such streams.
const ZSTD_WINDOW_LOG: u32 = 31;
/// Most memory, in bytes, that an xz stream may need: dictionaries as long as zstd's longest window.
const XZ_MEMORY: u64 = (1 << 31) + (64 << 20);

/// The compression of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not compressed, or in an unknown way.
    None,
    Gzip,
    Zstd,
    Xz,
    Bzip2,
}

impl Compression {
    /// Recognises the compression by the first bytes of a stream; [`MAGIC`] of them are enough.
    pub fn detect(start: &[u8]) -> Compression {
        match start {
            [0x1f, 0x8b, 8, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Compression::Xz,
            // A block of data, or the end mark of a stream without data.
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90, ..] => Compression::Bzip2,
            _ => Compression::None,
        }
    }

    /// Whether another member can begin with this byte.
    fn can_begin_member(self, first: u8) -> bool {
        match self {
            Compression::None => false,
            Compression::Gzip => first == 0x1f,
            Compression::Zstd => first == 0x28 || (0x50..=0x5f).contains(&first),
            Compression::Xz => first == 0xfd,
            Compression::Bzip2 => first == b'B',
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Compression::None => "uncompressed",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
            Compression::Xz => "xz",
            Compression::Bzip2 => "bzip2",
        })
    }
}

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

type MemberInput<R> = BufReader<Chain<Cursor<Vec<u8>>, MarkedInput<R>>>;

/// Decompresses `input`; an uncompressed stream passes unchanged.
///
/// A damaged stream fails with `InvalidData` or `UnexpectedEof`; other errors are the input's own.
pub fn open<'a>(input: impl Read + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    Ok(open_known(input)?.1)
}

/// Decompresses like [`open`], and returns the compression that was found.
pub fn open_known<'a>(mut input: impl Read + Send + 'a) -> io::Result<(Compression, Box<dyn Read + Send + 'a>)> {
    let mut start = Vec::with_capacity(MAGIC);
    (&mut input).take(MAGIC as u64).read_to_end(&mut start)?;
    let compression = Compression::detect(&start);
    if compression == Compression::None {
        return Ok((compression, Box::new(BufReader::with_capacity(BUFFER, Cursor::new(start).chain(input)))));
    }
    let source = BufReader::with_capacity(BUFFER, Cursor::new(start).chain(MarkedInput(input)));
    Ok((compression, Box::new(Members { compression, state: MembersState::Member(Member::new(compression, source)?) })))
}

/// Decoder of a compressed stream with all its members.
struct Members<R: Read> {
    compression: Compression,
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
    fn new(compression: Compression, source: MemberInput<R>) -> io::Result<Member<R>> {
        Ok(match compression {
            Compression::None => return Err(io::Error::other("the stream is not compressed")),
            Compression::Gzip => Member::Gzip(GzDecoder::new(source)),
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(source)?.single_frame();
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Member::Zstd(decoder)
            }
            Compression::Xz => Member::Xz(XzDecoder::new_stream(source, Stream::new_stream_decoder(XZ_MEMORY, 0)?)),
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
    /// The state after a member's end: another member, or the end of the stream.
    fn state_after_member(&self, mut source: MemberInput<R>) -> io::Result<MembersState<R>> {
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
                    return Ok(MembersState::Member(Member::new(self.compression, source)?));
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
                    self.state_after_member(member.into_source()).map(|state| {
                        self.state = state;
                        0
                    })
                }
                other => other,
            };
            match result {
                Ok(0) => {}
                Ok(read) => return Ok(read),
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
