//! Rehearsa rehearses restores: it boots a Docker service from its restored data in a sandbox that reaches nothing live,
//! checks that it works, reports, and removes every trace.

// Unit tests share recorded runs and odd trees with the programs in tests/, where this library has a name.
#[cfg(test)]
extern crate self as rehearsa;

pub mod archive;
pub mod cli;
pub mod config;
pub mod discover;
pub mod docker;
pub mod harness;
pub mod model;
pub mod plan;
pub mod rehearse;
pub mod report;
pub mod source;
pub mod trials;
pub mod worker;
