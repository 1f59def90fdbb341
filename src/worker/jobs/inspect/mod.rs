//! The inspection of a tree: one walk, on which every part of the answer that is asked for observes the entries.
//!
//! A copy is compared with its source, which is another tree: that walk is separate. So is the one over all of the live
//! mount, with the restored data beside it ([`witness`]). Some jobs come at other times and are separate, too: which
//! files are left *after* a service has run ([`survivors`]), the query of one database ([`sqlite::query`]), and the
//! look for bytes in one file ([`find_bytes`]).

#[cfg(target_os = "linux")]
mod access;
#[cfg(target_os = "linux")]
mod datastores;
#[cfg(target_os = "linux")]
pub mod find_bytes;
#[cfg(target_os = "linux")]
mod fingerprint;
#[cfg(target_os = "linux")]
mod lost_content;
#[cfg(target_os = "linux")]
pub mod manifest;
#[cfg(target_os = "linux")]
mod names;
#[cfg(target_os = "linux")]
pub(in crate::worker) mod owners;
#[cfg(target_os = "linux")]
mod sample;
#[cfg(target_os = "linux")]
mod schema;
#[cfg(target_os = "linux")]
pub mod sqlite;
#[cfg(target_os = "linux")]
pub mod survivors;
#[cfg(target_os = "linux")]
mod tally;
#[cfg(target_os = "linux")]
pub mod tree;
#[cfg(target_os = "linux")]
mod versions;
#[cfg(target_os = "linux")]
pub mod witness;
