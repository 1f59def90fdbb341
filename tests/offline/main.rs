//! Tests that need no Docker and are no unit tests: commands that work without an engine, and the rules for the
//! source tree.

#![allow(clippy::unwrap_used, reason = "what a test takes for granted may be unwrapped")]

mod architecture;
mod archive;
mod ci_files;
mod circles;
mod cli;
mod compose;
mod compose_findings;
mod gpg;
mod many_stacks;
mod records;
mod release;
#[path = "../support/mod.rs"]
mod support;
mod syntax;
mod timer;
mod worker;
