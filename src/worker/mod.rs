//! The worker: rehearsa itself in a throw-away container, next to the data.
//!
//! [`protocol`] is what client and worker say to each other; [`client`] starts one, [`image`] makes the image it is
//! started from; the other modules run inside it. Those are written for Linux, where every engine runs its containers.

pub mod client;
pub mod demo_service;
mod elf;
pub mod image;
pub mod protocol;

#[cfg(target_os = "linux")]
pub mod canary;
#[cfg(target_os = "linux")]
mod content;
#[cfg(target_os = "linux")]
pub mod copy;
#[cfg(target_os = "linux")]
pub mod empty;
#[cfg(target_os = "linux")]
mod feed;
#[cfg(target_os = "linux")]
pub mod held;
mod http;
#[cfg(target_os = "linux")]
pub mod inventory;
#[cfg(target_os = "linux")]
pub mod job;
#[cfg(target_os = "linux")]
pub mod listen;
#[cfg(target_os = "linux")]
pub mod marks;
#[cfg(target_os = "linux")]
mod meta;
#[cfg(target_os = "linux")]
mod mounts;
#[cfg(target_os = "linux")]
mod names;
mod open;
pub mod overlay;
#[cfg(target_os = "linux")]
mod resolve;
#[cfg(target_os = "linux")]
pub mod scan;
#[cfg(target_os = "linux")]
pub mod serve;
#[cfg(target_os = "linux")]
pub mod sqlite;
#[cfg(target_os = "linux")]
mod stores;
mod survey;
#[cfg(target_os = "linux")]
pub mod unpack;
#[cfg(target_os = "linux")]
mod walk;

use std::ffi::OsString;
use std::process::ExitCode;

/// Usage error, as everywhere in rehearsa.
const USAGE: u8 = 2;

/// `rehearsa worker <verb>`: what the executable does inside a container of ours. Never called by people.
pub fn main(args: Vec<OsString>) -> ExitCode {
    let mut args = args.into_iter();
    match args.next().as_deref().and_then(|verb| verb.to_str()) {
        #[cfg(target_os = "linux")]
        Some("run") => serve::serve(std::io::stdin().lock(), std::io::stdout()),
        Some("demo-service") => demo_service::main(args.collect()),
        Some("demo-health") => demo_service::health(args.collect()),
        Some("demo-backup") => demo_service::backup(args.collect()),
        Some("demo-note") => demo_service::note(args.collect()),
        _ => ExitCode::from(USAGE),
    }
}
