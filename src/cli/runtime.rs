//! The runtime that asynchronous work is done on.

use tokio::runtime::{Builder, Runtime};

use super::exit::Failure;

/// The runtime of a command. Two threads: rehearsa waits for the engine most of the time, and must not be seen on the
/// host.
pub fn start() -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::errored(format!("cannot start the threads of the program: {error}")))
}
