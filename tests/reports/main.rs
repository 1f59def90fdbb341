//! The reports as their readers see them: all formats of a run agree, and the usual programs (a browser, xmllint,
//! `prove`, GitHub's converter, Prometheus' library, Python readers; `ci/setup` installs them) accept and understand
//! them. A missing reader fails its test. Needs no Docker.

#![allow(clippy::unwrap_used, reason = "what a test takes for granted may be unwrapped")]

mod agreement;
mod badge;
mod browser;
mod consumers;
mod junit;
mod looks;
mod markdown;
mod prometheus;
mod replay;
mod scores;
#[path = "../support/mod.rs"]
mod support;
mod tap;
mod valid;
