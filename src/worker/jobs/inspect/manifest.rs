//! Compares what is in a volume with what should be there.

pub mod contents;
pub mod copied;
pub mod differences;
pub mod unpacked;
