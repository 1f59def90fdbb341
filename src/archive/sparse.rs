//! The map of a sparse file: offset and length of each piece of data.

use tar::{GnuExtSparseHeader, GnuSparseHeader, Header};

use super::header::{self, Block};

/// Most pieces of one file; their list is the only part of a file that is kept in memory.
const MAX_SEGMENTS: usize = 1_000_000;

/// A piece of data in a sparse file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
}

/// Adds a piece, which must lie behind the last one.
pub fn push_segment(segments: &mut Vec<Segment>, segment: Segment) -> Result<(), String> {
    let free = segments.last().map_or(0, |last| last.offset + last.length);
    if segment.offset < free || segment.offset.checked_add(segment.length).is_none() {
        return Err("the pieces of a sparse file overlap".to_owned());
    }
    if segments.len() == MAX_SEGMENTS {
        return Err(format!("a sparse file has more than {MAX_SEGMENTS} pieces"));
    }
    if segment.length > 0 {
        segments.push(segment);
    }
    Ok(())
}

/// Checks that the pieces fit a file of `size` bytes, `stored` of which are in the archive.
pub fn check_segments(segments: &[Segment], size: u64, stored: u64) -> Result<(), String> {
    let end = segments.last().map_or(0, |last| last.offset + last.length);
    let sum = segments.iter().map(|segment| segment.length).sum::<u64>();
    if end > size || sum != stored {
        return Err(format!(
            "a sparse file of {size} bytes has pieces of {sum} bytes that end at {end}, and the archive holds {stored} \
             bytes of it"
        ));
    }
    Ok(())
}

/// Reads the header of the old GNU format: adds its pieces, and returns the real size and whether a block with more
/// pieces follows.
pub fn read_old_header(block: &Block, segments: &mut Vec<Segment>) -> Result<(u64, bool), String> {
    let header = Header::from_byte_slice(block);
    let gnu = header.as_gnu().ok_or("a sparse file in a form that is not known")?;
    read_old_pieces(&gnu.sparse, segments)?;
    let size = header::parse_size(&gnu.realsize).ok_or("the size of a sparse file is no valid number")?;
    Ok((size, gnu.isextended[0] != 0))
}

/// Reads a further block of the old GNU format: adds its pieces, and returns whether yet another block follows.
pub fn read_old_extension(block: &Block, segments: &mut Vec<Segment>) -> Result<bool, String> {
    let mut more = GnuExtSparseHeader::new();
    more.as_mut_bytes().copy_from_slice(block);
    read_old_pieces(more.sparse(), segments)?;
    Ok(more.is_extended())
}

fn read_old_pieces(pieces: &[GnuSparseHeader], segments: &mut Vec<Segment>) -> Result<(), String> {
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        let numbers = header::parse_size(&piece.offset).zip(header::parse_size(&piece.numbytes));
        let (offset, length) = numbers.ok_or("a piece of a sparse file has no valid offset or length")?;
        push_segment(segments, Segment { offset, length })?;
    }
    Ok(())
}

/// Reads the map of version 1.0, which precedes the data: decimal numbers, one in each line.
#[derive(Debug, Default)]
pub struct MapReader {
    number: Option<u64>,
    /// Numbers still to come; `None` before the first number, which is the number of pieces.
    left: Option<u64>,
    offset: Option<u64>,
}

impl MapReader {
    /// Reads one block; returns whether the map is complete.
    pub fn read_block(&mut self, block: &Block, segments: &mut Vec<Segment>) -> Result<bool, String> {
        let wrong = || "the map of a sparse file is not made of numbers".to_owned();
        for byte in block {
            match byte {
                b'0'..=b'9' => {
                    let digit = u64::from(byte - b'0');
                    let number = self.number.unwrap_or(0).checked_mul(10).and_then(|n| n.checked_add(digit));
                    self.number = Some(number.ok_or_else(wrong)?);
                }
                b'\n' => {
                    let number = self.number.take().ok_or_else(wrong)?;
                    if self.take_number(number, segments)? {
                        return Ok(true);
                    }
                }
                _ => return Err(wrong()),
            }
        }
        Ok(false)
    }

    fn take_number(&mut self, number: u64, segments: &mut Vec<Segment>) -> Result<bool, String> {
        let Some(left) = &mut self.left else {
            if number > MAX_SEGMENTS as u64 {
                return Err(format!("a sparse file has more than {MAX_SEGMENTS} pieces"));
            }
            self.left = Some(number * 2);
            return Ok(number == 0);
        };
        *left -= 1;
        let done = *left == 0;
        match self.offset.take() {
            None => self.offset = Some(number),
            Some(offset) => push_segment(segments, Segment { offset, length: number })?,
        }
        Ok(done)
    }
}
