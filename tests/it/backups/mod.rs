//! Backups made by real tools, restored into real services; a bad backup gets the diagnosis that names its fault.
//! Needs root, a Docker engine on this machine and the fixture images.
//!
//! Every backup is made of a live service whose data changes afterwards. Its healthcheck passes only with the
//! backup's data, so no test is green by the live data.

mod bad;
mod encrypted;
mod reports;
mod services;
mod snapshots;
mod tools;
mod windows;
