//! The requirements on every source of backups. Needs the programs that make backups (`ci/setup` installs them), and
//! no Docker.

#![allow(clippy::unwrap_used, reason = "what a test takes for granted may be unwrapped")]

mod borg;
mod conformance;
mod dumps;
mod kinds;
mod local_host;
mod odd;
mod rclone;
mod restic;
mod restic_far;
mod snapshots;
#[path = "../support/mod.rs"]
mod support;
mod tool;
