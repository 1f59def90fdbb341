//! A database's write-ahead log, read as SQLite recovers it: page after page, as long as the checksums hold. SQLite
//! leaves out what comes after that without a word. The end of a log is often half a write, and its header never is.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use super::files::{LogIndex, beside, open_regular};
use crate::model::pluralize::pluralize;
use crate::worker::job::{JobControl, JobStop};

/// Bytes of the header of the log, and of that of each page in it.
const HEADER: usize = 32;
const FRAME: usize = 24;
/// The first word of a log; its last bit says in which byte order the sums were made.
const MAGIC: u32 = 0x377f_0682;
const VERSION: u32 = 3_007_000;

/// What a log is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogState {
    /// SQLite reads all of it, or it is empty.
    Whole,
    /// SQLite leaves out its end: why.
    Cut(String),
    /// SQLite throws all of it away: why.
    Lost(String),
}

/// Looks at the log beside a database.
pub fn log_state(path: &Path, control: &JobControl) -> Result<LogState, JobStop> {
    let Some(file) = open_regular(&beside(path, "-wal")) else { return Ok(LogState::Whole) };
    let state = read(file, LogIndex::of(path), control)?;
    // A log that cannot be read is for SQLite to tell.
    Ok(state.unwrap_or(LogState::Whole))
}

/// Whether a file is a log with at least one page.
pub fn is_filled_log(file: &File) -> bool {
    let mut header = [0; HEADER];
    let length = file.metadata().map_or(0, |meta| meta.len());
    let mut file = file;
    length > (HEADER + FRAME) as u64 && file.read_exact(&mut header).is_ok() && Sums::begin(&header).is_some()
}

fn read(file: File, index: Option<LogIndex>, control: &JobControl) -> Result<io::Result<LogState>, JobStop> {
    let length = match file.metadata() {
        Ok(meta) => meta.len(),
        Err(error) => return Ok(Err(error)),
    };
    if length == 0 {
        return Ok(Ok(LogState::Whole));
    }
    let mut log = BufReader::with_capacity(256 * 1024, file);
    let mut header = [0; HEADER];
    if log.read_exact(&mut header).is_err() {
        return Ok(Ok(LogState::Lost("its -wal file ends in the middle of its header".to_owned())));
    }
    let Some(mut sums) = Sums::begin(&header) else {
        let words = "its -wal file does not begin as SQLite's do, so SQLite throws its writes away";
        return Ok(Ok(LogState::Lost(words.to_owned())));
    };
    let salts: [u8; 8] = header[16..24].try_into().expect("eight bytes");
    let frame_bytes = (FRAME + sums.page_size) as u64;
    let frames = (length - HEADER as u64) / frame_bytes;
    let mut frame = vec![0; FRAME + sums.page_size];
    let mut sound = 0;
    while sound < frames {
        control.beat()?;
        if let Err(error) = log.read_exact(&mut frame) {
            return Ok(Err(error));
        }
        if frame[8..16] != salts || !sums.fit(&frame) {
            break;
        }
        sound += 1;
    }
    let of_this_log = if sound < frames { later_frames(&mut log, &frame, salts, frames - sound, control)? } else { 0 };
    if of_this_log > 0 {
        let words = format!("page {} of its -wal file is damaged or torn, and {} after it left out", sound + 1, {
            let later = of_this_log.saturating_sub(1);
            if later == 1 { "1 page is".to_owned() } else { format!("{later} pages are") }
        });
        return Ok(Ok(LogState::Cut(words)));
    }
    // What follows the sound pages is left of an earlier round of the log, or is a page that was not written whole.
    let is_partial = sound == frames && !(length - HEADER as u64).is_multiple_of(frame_bytes);
    let counted = index.filter(|index| index.salts == salts).map_or(0, |index| u64::from(index.in_log));
    Ok(Ok(if counted > sound {
        let missing = pluralize(counted - sound, "page");
        LogState::Cut(format!("its -wal file lacks {missing} of the {counted} that its -shm file counts"))
    } else if is_partial {
        LogState::Cut("its -wal file ends in the middle of a page".to_owned())
    } else {
        LogState::Whole
    }))
}

/// How many pages from the broken one on bear the salts of this log, and so were written in this round.
fn later_frames(
    log: &mut BufReader<File>,
    broken: &[u8],
    salts: [u8; 8],
    frames: u64,
    control: &JobControl,
) -> Result<u64, JobStop> {
    let mut count = u64::from(broken[8..16] == salts);
    let mut head = [0; FRAME];
    let page = i64::try_from(broken.len() - FRAME).unwrap_or(i64::MAX);
    for _ in 1..frames {
        control.beat()?;
        if log.read_exact(&mut head).and_then(|()| log.seek_relative(page)).is_err() {
            break;
        }
        count += u64::from(head[8..16] == salts);
    }
    Ok(count)
}

/// The running checksum of a log.
struct Sums {
    page_size: usize,
    big_endian: bool,
    sums: (u32, u32),
}

impl Sums {
    /// Begins after the header; `None` when that is none.
    fn begin(header: &[u8; HEADER]) -> Option<Sums> {
        let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let page_size = word(8) as usize;
        if word(0) & !1 != MAGIC || word(4) != VERSION || !page_size.is_power_of_two() || page_size > 65_536 {
            return None;
        }
        let mut sums = Sums { page_size, big_endian: word(0) & 1 == 1, sums: (0, 0) };
        sums.add(&header[..24]);
        (page_size >= 512 && sums.sums == (word(24), word(28))).then_some(sums)
    }

    /// Goes on over a page with its header; whether the sums that it bears are right.
    fn fit(&mut self, frame: &[u8]) -> bool {
        let word = |at: usize| u32::from_be_bytes([frame[at], frame[at + 1], frame[at + 2], frame[at + 3]]);
        self.add(&frame[..8]);
        self.add(&frame[FRAME..]);
        word(0) > 0 && self.sums == (word(16), word(20))
    }

    fn add(&mut self, bytes: &[u8]) {
        let read = if self.big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
        let (mut first, mut second) = self.sums;
        for pair in bytes.chunks_exact(8) {
            let [a, b, c, d, e, f, g, h] = *pair else { continue };
            first = first.wrapping_add(read([a, b, c, d])).wrapping_add(second);
            second = second.wrapping_add(read([e, f, g, h])).wrapping_add(first);
        }
        self.sums = (first, second);
    }
}
