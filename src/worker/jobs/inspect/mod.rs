//! Jobs that read a restored tree and change nothing in it.

#[cfg(target_os = "linux")]
pub(in crate::worker) mod datastores;
#[cfg(target_os = "linux")]
pub mod fingerprint;
#[cfg(target_os = "linux")]
pub mod inventory;
#[cfg(target_os = "linux")]
pub mod sqlite;
#[cfg(target_os = "linux")]
pub mod versions;
