//! The window of a compressed stream: what a decoder keeps in memory of the content that came before. A file of a few
//! kilobytes can demand gigabytes, so a window is looked at before a decoder is made for it.

use std::fmt;
use std::io;
use std::sync::{Condvar, Mutex, PoisonError};

use liblzma::stream::Error as XzError;

use super::kind::Compression;

/// Longest window, in bytes, that is decoded without a wish: what `zstd` itself decodes without `--long` or `--memory`.
pub const DEFAULT_WINDOW: u64 = 128 << 20;
/// Longest window that is decoded at all: the largest dictionary of xz.
pub const LARGEST_WINDOW: u64 = 4 << 30;
/// Longest window of a zstd stream that the zstd library writes or reads (`ZSTD_WINDOWLOG_MAX_64`). A header that asks
/// for more is damaged.
const LARGEST_OF_ZSTD: u64 = 2 << 30;
/// Bytes that are enough of a stream's beginning, or of a later member's: the headers of an xz stream and of its first
/// block.
pub const HEADERS: usize = 12 + 1024;
/// Bytes that a decoder of xz needs beside its dictionary.
pub const XZ_BESIDE: u64 = 16 << 20;

/// Bounds of decoders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeBounds {
    /// Longest window in bytes; 0: [`LARGEST_WINDOW`].
    pub max_window: u64,
    /// Of all decoders of this process with this wish, one at a time has a window above [`DEFAULT_WINDOW`].
    pub one_large_at_a_time: bool,
}

impl Default for DecodeBounds {
    fn default() -> DecodeBounds {
        DecodeBounds { max_window: DEFAULT_WINDOW, one_large_at_a_time: false }
    }
}

impl DecodeBounds {
    /// Longest window, in bytes.
    pub fn longest(self) -> u64 {
        if self.max_window == 0 { LARGEST_WINDOW } else { self.max_window.min(LARGEST_WINDOW) }
    }
}

/// A stream whose window is longer than allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowTooLong {
    compression: Compression,
    /// In bytes; `None`: only the decoder knows.
    window: Option<u64>,
    longest: u64,
}

impl WindowTooLong {
    /// The error behind a failed read, if it is one.
    pub fn of(error: &io::Error) -> Option<&WindowTooLong> {
        error.get_ref()?.downcast_ref()
    }
}

impl fmt::Display for WindowTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WindowTooLong { compression, window, longest } = self;
        let (needs, longest) = (window.map(binary), binary(*longest));
        let needs_words = needs.as_ref().map_or_else(String::new, |window| format!(" of {window}"));
        write!(
            f,
            "its {compression} decoder needs a window{needs_words} in memory, and --max-window allows {longest}"
        )?;
        match needs {
            Some(needs) if *window <= Some(LARGEST_WINDOW) => write!(f, "; with --max-window {needs} it is read"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for WindowTooLong {}

/// A size as the setting takes it, rounded up to whole MiB.
fn binary(bytes: u64) -> String {
    let mib = bytes.div_ceil(1 << 20);
    if mib > 0 && mib.is_multiple_of(1024) { format!("{}GiB", mib / 1024) } else { format!("{mib}MiB") }
}

/// Checks the window that a member's headers ask for.
pub fn check(compression: Compression, headers: &[u8], bounds: DecodeBounds) -> io::Result<u64> {
    let window = match compression {
        Compression::Zstd => of_zstd(headers),
        Compression::Xz => of_xz(headers),
        Compression::None | Compression::Gzip | Compression::Bzip2 => None,
    };
    let longest = bounds.longest();
    match window {
        Some(window) if compression == Compression::Zstd && window > LARGEST_OF_ZSTD => {
            let words =
                format!("its header asks for a window of {}, and no program writes such a stream", binary(window));
            Err(io::Error::new(io::ErrorKind::InvalidData, words))
        }
        Some(window) if window > longest => {
            Err(io::Error::other(WindowTooLong { compression, window: Some(window), longest }))
        }
        // Damaged headers are the decoder's to find.
        window => Ok(window.unwrap_or(0)),
    }
}

/// The error of a decoder that its own bound ended: a later block of xz may ask for more than the first.
pub fn of_decoder(compression: Compression, error: &io::Error, bounds: DecodeBounds) -> Option<WindowTooLong> {
    let of_xz = error.get_ref().and_then(|inner| inner.downcast_ref::<XzError>()) == Some(&XzError::MemLimit);
    let of_zstd = compression == Compression::Zstd && error.to_string().contains("too much memory");
    (of_xz || of_zstd).then_some(WindowTooLong { compression, window: None, longest: bounds.longest() })
}

/// The window of a frame of zstd.
pub(super) fn of_zstd(headers: &[u8]) -> Option<u64> {
    let body = headers.strip_prefix(&[0x28, 0xb5, 0x2f, 0xfd])?;
    let (descriptor, rest) = body.split_first()?;
    let is_single_segment = descriptor & 0x20 != 0;
    if !is_single_segment {
        let window = rest.first()?;
        let base = 1_u64 << (10 + (window >> 3));
        return Some(base + base / 8 * u64::from(window & 7));
    }
    // The whole content is the window.
    let rest = rest.get([0, 1, 2, 4][usize::from(descriptor & 3)]..)?;
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    Some(match descriptor >> 6 {
        0 => number(rest.get(..1)?),
        1 => number(rest.get(..2)?) + 256,
        2 => number(rest.get(..4)?),
        _ => number(rest.get(..8)?),
    })
}

/// The dictionary of the first block of an xz stream.
pub(super) fn of_xz(headers: &[u8]) -> Option<u64> {
    const LZMA2: u64 = 0x21;
    let block = headers.get(12..)?;
    // A size of 0 is the index: the stream has no block.
    let size = block.first().filter(|size| **size > 0).map(|size| (usize::from(*size) + 1) * 4)?;
    let block = block.get(..size - 4)?;
    let flags = *block.get(1)?;
    let mut rest = block.get(2..)?;
    for flag in [0x40, 0x80] {
        if flags & flag != 0 {
            xz_number(&mut rest)?;
        }
    }
    for _ in 0..=flags & 3 {
        let (id, length) = (xz_number(&mut rest)?, usize::try_from(xz_number(&mut rest)?).ok()?);
        let properties = rest.split_off(..length)?;
        if id == LZMA2 {
            return match *properties.first()? {
                40 => Some(u64::from(u32::MAX)),
                bits @ 0..40 => Some((2 | u64::from(bits & 1)) << (bits / 2 + 11)),
                _ => None,
            };
        }
    }
    None
}

/// A number of up to nine bytes, seven bits each.
fn xz_number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for place in 0..9 {
        let byte = rest.split_off_first()?;
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Whether a large decoder is at work, and who waits for its end.
static LARGE: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

/// The turn of a large decoder; over when it is dropped.
pub struct LargeTurn(());

impl LargeTurn {
    /// Waits for the turn.
    pub fn wait() -> LargeTurn {
        let mut taken = LARGE.0.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken {
            taken = LARGE.1.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        *taken = true;
        LargeTurn(())
    }
}

impl Drop for LargeTurn {
    fn drop(&mut self) {
        *LARGE.0.lock().unwrap_or_else(PoisonError::into_inner) = false;
        LARGE.1.notify_one();
    }
}
