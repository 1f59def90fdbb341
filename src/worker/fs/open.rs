//! Errors of files that a service may be changing, as failures of a job.

use std::os::fd::OwnedFd;

use rustix::io::Errno;

use super::space::{free_bytes, free_files};
pub use crate::archive::open::{changed, is_gone, open_folder, open_quietly, version};
use crate::worker::job::{JobStop, shown};
use crate::worker::protocol::Failure;

/// The failure when something of the source cannot be read.
pub fn unreadable(path: &[u8], error: Errno) -> JobStop {
    JobStop::Failed(Failure::Unreadable { path: shown(path), error: error_text(error) })
}

/// The failure when something cannot be written into the volume `top`.
pub fn unwritable(top: &OwnedFd, path: &[u8], error: Errno) -> Failure {
    let (path, words) = (shown(path), error_text(error));
    match error {
        Errno::NOSPC | Errno::DQUOT => {
            let (free, free_files) = (free_bytes(top).unwrap_or(0), free_files(top));
            Failure::Full { path, error: words, free, free_files }
        }
        Errno::FBIG => Failure::FileTooLarge { path, error: words },
        _ => Failure::Unwritable { path, error: words },
    }
}

/// The system's words for an error.
pub fn error_text(error: Errno) -> String {
    std::io::Error::from(error).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_too_large_is_told_from_a_full_disk_and_from_other_errors() {
        let top = OwnedFd::from(std::fs::File::open("/").unwrap());
        let of = |error| unwritable(&top, b"a", error);
        assert!(matches!(of(Errno::FBIG), Failure::FileTooLarge { .. }));
        assert!(matches!(of(Errno::NOSPC), Failure::Full { .. }) && matches!(of(Errno::DQUOT), Failure::Full { .. }));
        assert!(matches!(of(Errno::IO), Failure::Unwritable { .. }));
    }
}
