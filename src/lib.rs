//! Rehearsa rehearses restores: it boots a Docker service from its restored data in a sandbox that reaches nothing
//! live, checks that the service works, reports, and removes every trace.
//!
//! The library's interface is [`harness`]. All other modules belong to the program and its tests, and change without
//! notice.

// Unit tests share recorded runs and odd trees with the programs in tests/, where this library has a name.
#[cfg(test)]
extern crate self as rehearsa;

#[doc(hidden)]
pub mod archive;
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod compose;
#[doc(hidden)]
pub mod compose_places;
#[doc(hidden)]
pub mod config;
#[doc(hidden)]
pub mod discover;
#[doc(hidden)]
pub mod docker;
#[doc(hidden)]
pub mod findings;
pub mod harness;
#[doc(hidden)]
pub mod history;
#[doc(hidden)]
pub mod local_file;
#[doc(hidden)]
pub mod model;
#[doc(hidden)]
pub mod notifications;
#[doc(hidden)]
pub mod plan;
#[doc(hidden)]
pub mod rehearse;
#[doc(hidden)]
pub mod report;
#[doc(hidden)]
pub mod source;
#[doc(hidden)]
pub mod trials;
#[doc(hidden)]
pub mod worker;
