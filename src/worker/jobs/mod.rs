//! The worker's jobs: one file a job.

#[cfg(target_os = "linux")]
pub mod canary;
#[cfg(target_os = "linux")]
pub mod clear;
#[cfg(target_os = "linux")]
pub mod copy;
pub mod demo_service;
#[cfg(target_os = "linux")]
pub mod empty;
pub(super) mod http;
pub(super) mod identify;
pub mod inspect;
#[cfg(target_os = "linux")]
pub mod listen;
pub(super) mod look;
pub mod overlay;
pub(super) mod survey;
#[cfg(target_os = "linux")]
pub mod unpack;
#[cfg(target_os = "linux")]
pub(super) mod watch_space;
