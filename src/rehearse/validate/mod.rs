//! Validates a booted service: waits until it is ready, runs the user's checks, watches that it stays well, and asks a
//! database server for its data.

pub(super) mod checks;
pub(super) mod control;
pub(super) mod counts;
pub(super) mod databases;
pub(super) mod differences;
pub(super) mod failure;
pub(super) mod keys;
mod live_ports;
pub(super) mod losses;
pub(super) mod readable;
pub(super) mod ready;
mod script;
pub(super) mod settle;
pub(super) mod stores;
pub(super) mod tables;
