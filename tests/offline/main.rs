//! What needs no Docker and is no unit test: the program's commands that work without an engine, and the rules for the source tree.

mod architecture;
mod archive;
mod cli;
mod gpg;
mod records;
#[path = "../support/mod.rs"]
mod support;
mod worker;
