//! All tests that talk to an engine, in one program: they share the machine's processors, and no program waits for
//! the last test of another. Needs root, a Docker engine on this machine and the fixture images (`ci/fixtures`).
//!
//! Other tests use the same engine at the same time. A test makes objects with names of its own and looks at no
//! others. A run beside it may sweep away what a dead run of its own has left.

#![allow(clippy::unwrap_used, reason = "what a test takes for granted may be unwrapped")]

mod backups;
mod bad_host;
mod broken;
mod checks;
mod ci;
mod closed_output;
mod compose;
mod conduct;
mod control;
mod demo;
mod docker_room;
mod dumps;
mod far_engine;
mod harness_target;
mod history;
mod images;
mod interrupted;
mod isolation;
mod leftovers;
mod many_stacks;
mod neighbours;
mod notify;
mod plan_file;
mod proof_complete;
mod proof_required;
mod proof_retained;
mod ready;
mod redaction;
mod score;
mod services;
mod side_by_side;
mod stacks;
#[path = "../support/mod.rs"]
mod support;
mod trust;
mod usage;
mod way_out;
mod worker_room;
mod zero_impact;
