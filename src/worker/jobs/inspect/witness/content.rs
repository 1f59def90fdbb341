//! Compares the content of a live file with that of the restored file, or samples of it: small files whole as long as
//! there is a budget, of large ones the head, the tail and blocks whose places the path decides.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::fstat;

use super::super::manifest::contents::{Unread, same_content};
use super::super::sample::read_at;
use crate::worker::job::{JobControl, JobStop};

/// Files up to this many bytes are read whole.
const SMALL: u64 = 64 * 1024;
/// Bytes of small files that are read of a mount.
const BUDGET: u64 = 128 * 1024 * 1024;
/// Bytes at either end of a large file.
const END: u64 = 16 * 1024;
/// Bytes of each block in between, and how many of them there are.
const BLOCK: u64 = 4 * 1024;
const BLOCKS: usize = 4;

/// How the contents compare.
#[derive(Debug, PartialEq, Eq)]
pub enum Compared {
    /// What was read is the same: so many bytes.
    Same(u64),
    /// They differ. `zeros`: the restored file is nothing but zeros there.
    Differ { zeros: bool },
    /// One of them could not be read.
    Unread,
}

/// Compares contents within a budget.
pub struct ContentComparison {
    /// Every file is read whole.
    whole: bool,
    left: AtomicU64,
}

impl ContentComparison {
    pub fn new(whole: bool) -> Self {
        Self { whole, left: AtomicU64::new(BUDGET) }
    }

    /// Compares two files of this size.
    pub fn compare(
        &self,
        [live, came]: [&OwnedFd; 2],
        path: &[u8],
        size: u64,
        control: &JobControl,
    ) -> Result<Compared, JobStop> {
        if self.whole && size > SMALL {
            let (Ok(of_live), Ok(of_came)) = (fstat(live), fstat(came)) else { return Ok(Compared::Unread) };
            let progress = |bytes| {
                control.add(0, bytes);
                control.beat()
            };
            return match same_content([came, live], [&of_came, &of_live], &progress) {
                Ok(true) => Ok(Compared::Same(size)),
                Ok(false) => Ok(Compared::Differ { zeros: starts_with_zeros(came) }),
                Err(Unread::Stop(stop)) => Err(stop),
                Err(_) => Ok(Compared::Unread),
            };
        }
        let mut read = 0;
        for (from, length) in self.places(path, size) {
            control.beat()?;
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let (Some(own), Some(other)) = (read_at(live, length, from), read_at(came, length, from)) else {
                return Ok(Compared::Unread);
            };
            if own != other {
                return Ok(Compared::Differ { zeros: other.iter().all(|byte| *byte == 0) });
            }
            read += own.len() as u64;
        }
        Ok(Compared::Same(read))
    }

    /// The pieces that are read: offset and length of each.
    fn places(&self, path: &[u8], size: u64) -> Vec<(u64, u64)> {
        let take = |left: u64| left.checked_sub(size);
        let is_whole = size <= 2 * END
            || size <= SMALL
                && (self.whole || self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok());
        if is_whole {
            return vec![(0, size)];
        }
        let mut bytes = [0; 8 * BLOCKS];
        blake3::Hasher::new().update(path).finalize_xof().fill(&mut bytes);
        let seeds = bytes.chunks_exact(8).map(|seed| u64::from_le_bytes(seed.try_into().unwrap_or_default()));
        let between = size - 2 * END;
        let blocks = seeds.map(|seed| (END + seed % between / BLOCK * BLOCK, BLOCK));
        [(0, END)].into_iter().chain(blocks).chain([(size - END, END)]).collect()
    }
}

fn starts_with_zeros(file: &OwnedFd) -> bool {
    let head = usize::try_from(BLOCK).unwrap_or_default();
    read_at(file, head, 0).is_some_and(|head| head.iter().all(|byte| *byte == 0))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::*;

    fn file(content: &[u8]) -> OwnedFd {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        OwnedFd::from(file)
    }

    fn compared(whole: bool, live: &[u8], came: &[u8]) -> Compared {
        let [live, came] = [live, came].map(file);
        let size = File::from(live.try_clone().unwrap()).metadata().unwrap().len();
        ContentComparison::new(whole).compare([&live, &came], b"a/b", size, &JobControl::default()).unwrap()
    }

    #[test]
    fn small_files_are_compared_whole() {
        let content = vec![b'x'; SMALL as usize];
        let mut other = content.clone();
        other[30_000] = b'y';
        assert_eq!(compared(false, &content, &content), Compared::Same(SMALL));
        assert_eq!(compared(false, &content, &other), Compared::Differ { zeros: false });
        assert_eq!(compared(false, &content, &vec![0; content.len()]), Compared::Differ { zeros: true });
    }

    #[test]
    fn of_large_files_the_ends_and_some_blocks_are_compared_and_all_on_request() {
        let content = vec![b'x'; 3_000_000];
        let at = |place: usize| {
            let mut other = content.clone();
            other[place] = b'y';
            other
        };
        for place in [0, content.len() - 1] {
            assert_eq!(compared(false, &content, &at(place)), Compared::Differ { zeros: false }, "{place}");
        }
        assert_eq!(compared(false, &content, &content), Compared::Same(2 * END + BLOCKS as u64 * BLOCK));
        let places = ContentComparison::new(false).places(b"a/b", content.len() as u64);
        let unread = (END..content.len() as u64 - END)
            .step_by(BLOCK as usize)
            .find(|block| places.iter().all(|(from, length)| *block + BLOCK <= *from || from + length <= *block));
        let unread = at(unread.unwrap() as usize);
        assert_eq!(compared(false, &content, &unread), Compared::Same(2 * END + BLOCKS as u64 * BLOCK));
        assert_eq!(compared(true, &content, &unread), Compared::Differ { zeros: false });
        assert_eq!(compared(true, &content, &content), Compared::Same(3_000_000));
    }

    #[test]
    fn beyond_the_budget_only_samples_are_read() {
        let content = vec![b'x'; SMALL as usize];
        let comparison = ContentComparison { whole: false, left: AtomicU64::new(SMALL + 1) };
        let [live, came] = [&content, &content].map(|content| file(content));
        let read = || comparison.compare([&live, &came], b"a", SMALL, &JobControl::default()).unwrap();
        assert_eq!([read(), read()], [Compared::Same(SMALL), Compared::Same(2 * END + BLOCKS as u64 * BLOCK)]);
    }
}
