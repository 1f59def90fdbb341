//! Services come back from backups that real tools made of them, and a backup that does not hold is told for what it is.
//! Needs root, a Docker engine on this machine and the fixture images.
//!
//! Every backup is made of a live service whose data changes afterwards: only with the backup's data does its healthcheck
//! pass, so that no green line can come from the live data.

mod bad;
mod encrypted;
mod reports;
mod services;
mod tools;
