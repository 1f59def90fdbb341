//! The library's entry point for `cargo test` users.
//!
//! A test target with `harness = false` and [`main`] as its whole `main` offers every service of the Docker host as a
//! test:
//!
//! ```no_run
//! // tests/restores.rs, with `[[test]] name = "restores"` and `harness = false` in Cargo.toml
//! fn main() -> std::process::ExitCode {
//!     rehearsa::harness::main()
//! }
//! ```
//!
//! `cargo test --test restores jellyfin` and `cargo nextest run` then rehearse the same as `rehearsa test jellyfin`,
//! with the same flags. A filter that matches no service is no failure, as with every other target of
//! `cargo test FILTER`. The test executable itself is the worker that runs in the engine, so nothing else needs to be
//! installed.

#![warn(missing_docs)]

use std::process::ExitCode;

/// Runs `rehearsa test` with the arguments of this process and returns its exit code.
pub fn main() -> ExitCode {
    crate::cli::harness()
}
