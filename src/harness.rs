//! The library's entry for `cargo test` users.
//!
//! A test target with `harness = false` whose whole `main` is [`main`] offers every service of the Docker host as a test:
//!
//! ```no_run
//! // tests/restores.rs, with `[[test]] name = "restores"` and `harness = false` in Cargo.toml
//! fn main() -> std::process::ExitCode {
//!     rehearsa::harness::main()
//! }
//! ```
//!
//! `cargo test --test restores jellyfin` and `cargo nextest run` then rehearse what `rehearsa test jellyfin` does, with the same
//! flags. A filter that finds no service here is no failure, as it is with every other target of `cargo test FILTER`.
//! The test executable ships itself to the engine as its worker, so nothing else needs to be installed.

#![warn(missing_docs)]

use std::process::ExitCode;

/// Runs as `rehearsa test` with this process's arguments, and says how it ended.
pub fn main() -> ExitCode {
    crate::cli::harness()
}
