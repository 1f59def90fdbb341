//! The file system as the worker sees it: walks, metadata and content, never through a symlink that leads out.

#[cfg(target_os = "linux")]
pub(super) mod content;
#[cfg(target_os = "linux")]
pub mod digest;
#[cfg(target_os = "linux")]
pub(super) mod meta;
#[cfg(target_os = "linux")]
pub(super) mod mounts;
#[cfg(target_os = "linux")]
pub(super) mod observe;
pub(super) mod open;
#[cfg(target_os = "linux")]
pub(super) mod resolve;
#[cfg(target_os = "linux")]
pub(super) mod root;
#[cfg(target_os = "linux")]
pub mod scan;
pub(super) mod space;
#[cfg(target_os = "linux")]
pub(super) mod stat;
#[cfg(target_os = "linux")]
pub(super) mod walk;
