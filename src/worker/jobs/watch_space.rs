//! Watches what is free on the disk while a service writes to it.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::worker::fs::open::unreadable;
use crate::worker::fs::root::open_volume;
use crate::worker::fs::space::free_space;
use crate::worker::job::{JobControl, JobStop};
use crate::worker::protocol::{FreeSpace, SpaceLimit, WatchSpaceJob};

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Looks that are remembered: they say how fast the disk fills.
const REMEMBERED: usize = 5;
/// The disk goes on to fill until the services are stopped, for so many times what is remembered. A busy engine takes
/// more than two seconds to end several containers.
const AHEAD: u64 = 6;
/// Time between two signs of life, which go over the line to the client.
const BEAT_EVERY: Duration = Duration::from_secs(10);

/// Looks once.
pub fn look(paths: &[String]) -> Result<Vec<FreeSpace>, JobStop> {
    paths.iter().map(|path| free_now(&open_volume(path)?)).collect()
}

/// Looks until there is too little somewhere; returns what is free there. With `once`, looks once.
pub fn watch(job: &WatchSpaceJob, control: &JobControl) -> Result<Option<FreeSpace>, JobStop> {
    let limits = job.limits.iter().map(|limit| Ok((open_volume(&limit.path)?, limit, <[Trend; 2]>::default())));
    let mut limits = limits.collect::<Result<Vec<_>, JobStop>>()?;
    let mut beat = Instant::now();
    loop {
        for (folder, limit, [bytes, files]) in &mut limits {
            let free = free_now(folder)?;
            let falls = (bytes.fall(free.bytes), files.fall(free.files.unwrap_or_default()));
            if is_short(&free, limit, falls) {
                return Ok(Some(free));
            }
        }
        if job.once {
            return Ok(None);
        }
        control.check()?;
        if beat.elapsed() >= BEAT_EVERY {
            control.beat()?;
            beat = Instant::now();
        }
        sleep(LOOK_EVERY);
    }
}

fn free_now(folder: &OwnedFd) -> Result<FreeSpace, JobStop> {
    free_space(folder).map_err(|error| unreadable(b"", error))
}

/// Whether too little is free, or will be before anybody can be stopped who goes on at this pace.
fn is_short(free: &FreeSpace, limit: &SpaceLimit, (bytes, files): (u64, u64)) -> bool {
    let needed = |limit: u64, fall: u64| limit.saturating_add(fall.saturating_mul(AHEAD));
    let is_short_of_files = |free: u64| limit.files > 0 && free < needed(limit.files, files);
    free.bytes < needed(limit.bytes, bytes) || free.files.is_some_and(is_short_of_files)
}

/// What was free at the last looks.
#[derive(Default)]
struct Trend(VecDeque<u64>);

impl Trend {
    /// Remembers what is free now; returns by how much that is less than it was.
    fn fall(&mut self, free: u64) -> u64 {
        let before = self.0.front().copied().unwrap_or(free);
        self.0.push_back(free);
        if self.0.len() > REMEMBERED {
            self.0.pop_front();
        }
        before.saturating_sub(free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 500;

    fn limit(files: u64) -> SpaceLimit {
        SpaceLimit { path: String::new(), bytes: LIMIT, files }
    }

    fn free(bytes: u64, files: Option<u64>) -> FreeSpace {
        FreeSpace { bytes, files, kept_files: 0 }
    }

    #[test]
    fn too_little_is_less_than_the_limit_of_bytes_or_files() {
        assert!(!is_short(&free(LIMIT, Some(10)), &limit(10), (0, 0)));
        assert!(is_short(&free(LIMIT, Some(21)), &limit(10), (0, 2)), "they fall");
        assert!(!is_short(&free(LIMIT, Some(17)), &limit(0), (0, 2)), "nothing has to stay");
        assert!(is_short(&free(LIMIT - 1, Some(10)), &limit(10), (0, 0)));
        assert!(is_short(&free(LIMIT, Some(9)), &limit(10), (0, 0)));
        assert!(!is_short(&free(LIMIT, None), &limit(10), (0, 0)), "files are not bounded there");
    }

    #[test]
    fn who_writes_fast_is_stopped_before_the_limit() {
        let mut trend = Trend::default();
        let falls: Vec<u64> = [2000, 1900, 1600, 1600, 1600, 1600, 1600, 1600].map(|free| trend.fall(free)).into();
        assert_eq!(falls, [0, 100, 400, 400, 400, 400, 300, 0], "what was written long ago is forgotten");
        assert!(is_short(&free(LIMIT + 599, None), &limit(0), (100, 0)));
        assert!(!is_short(&free(LIMIT + 600, None), &limit(0), (100, 0)));
    }

    #[test]
    fn a_look_at_a_real_disk_tells_what_is_free_and_ends() {
        let path = env!("CARGO_MANIFEST_DIR").to_owned();
        let found = look(&[path.clone(), path.clone()]).unwrap();
        assert!(found.len() == 2 && found[0].bytes > 0, "{found:?}");
        let watched = |bytes, once| {
            let limits = vec![SpaceLimit { path: path.clone(), bytes, files: 0 }];
            watch(&WatchSpaceJob { limits, once }, &JobControl::default())
        };
        assert_eq!(watched(0, true).unwrap(), None);
        assert!(watched(u64::MAX, false).unwrap().is_some(), "a watch ends when too little is free");
        let control = JobControl::default();
        control.cancel();
        let limits = vec![SpaceLimit { path: path.clone(), bytes: 0, files: 0 }];
        assert!(matches!(watch(&WatchSpaceJob { limits, once: false }, &control), Err(JobStop::Cancelled)));
    }
}
