//! The runtime for asynchronous work.

use tokio::runtime::{Builder, Runtime};

use super::exit::Failure;

/// The runtime of a command. Two threads suffice: Rehearsa mostly waits for the engine, and should not load the host.
pub fn start() -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::errored(format!("cannot start the threads of the program: {error}")))
}
