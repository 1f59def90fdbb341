//! What a `stat` says of an entry, in the types that the jobs count with.

use rustix::fs::{FileType, Stat};

/// What an entry is.
pub fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// User and group.
pub fn owner(stat: &Stat) -> (u32, u32) {
    (stat.st_uid, stat.st_gid)
}

/// Permission bits, with setuid, setgid and sticky.
#[allow(clippy::unnecessary_cast, reason = "the types of a stat's fields differ between architectures")]
pub fn mode(stat: &Stat) -> u32 {
    stat.st_mode as u32 & 0o7777
}

/// Size in bytes, holes included.
pub fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// Bytes that a file takes on its disk: holes take none.
pub fn allocated(stat: &Stat) -> u64 {
    u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512)
}

/// Bytes of a file's content: its size; of a sparse file the bytes that it takes on its disk.
pub fn content_bytes(stat: &Stat) -> u64 {
    size(stat).min(allocated(stat))
}

/// How many names a file has.
#[allow(clippy::useless_conversion, reason = "the types of a stat's fields differ between architectures")]
pub fn link_count(stat: &Stat) -> u64 {
    stat.st_nlink.into()
}

/// Device and inode: equal for two names of one file.
#[allow(clippy::useless_conversion, reason = "the types of a stat's fields differ between architectures")]
pub fn file_id(stat: &Stat) -> (u64, u64) {
    (stat.st_dev.into(), stat.st_ino.into())
}

/// The kind of an entry, as messages say it.
pub fn kind_word(kind: FileType) -> &'static str {
    match kind {
        FileType::Directory => "a folder",
        FileType::RegularFile => "a file",
        FileType::Symlink => "a symlink",
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        _ => "a device",
    }
}
