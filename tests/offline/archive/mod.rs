//! Archives that real tools make and read: GNU tar, bsdtar, BusyBox, Python, and the programs that pack them.

mod damaged;
mod packings;
mod tools;
mod written;
