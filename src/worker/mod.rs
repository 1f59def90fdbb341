//! The worker: rehearsa itself in a throw-away container, next to the data.
//!
//! [`protocol`] is the protocol between client and worker, [`client`] starts a worker, [`image`] makes the image that
//! it is started from. The other modules run inside the worker; they are written for Linux, where every engine runs
//! its containers.

pub mod client;
mod elf;
mod error;
#[cfg(target_os = "linux")]
pub mod expected;
pub mod fs;
pub mod image;
pub mod jobs;
pub mod protocol;

#[cfg(target_os = "linux")]
#[doc(hidden)]
pub mod feed;
#[cfg(target_os = "linux")]
pub mod job;
#[cfg(target_os = "linux")]
pub mod serve;

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
        Some("keep") => loop {
            std::thread::park();
        },
        Some("demo-service") => jobs::demo_service::main(args.collect()),
        Some("demo-health") => jobs::demo_service::health(args.collect()),
        Some("demo-backup") => jobs::demo_service::backup(args.collect()),
        Some("demo-note") => jobs::demo_service::note(args.collect()),
        _ => ExitCode::from(USAGE),
    }
}
