//! The engine: carries a plan out, one service at a time as it is asked, one sandbox a stack.
//!
//! It has no writer, no colour and no format: what happens is sent as events. Nothing here knows who listens.

mod backup;
mod boot;
mod breach;
mod brought;
mod cause;
mod complete;
mod control;
mod engine;
mod layered;
mod ledger;
mod load;
pub mod lookup;
mod marks;
mod mount_kind;
mod once;
mod questions;
mod restore;
mod retained;
mod sandbox;
pub mod session;
pub mod sizes;
mod stack;
mod steps;
pub mod stop;
pub mod sweep;
mod teardown;
mod unlike;
mod validate;
mod verify;
mod verify_sqlite;
mod versions;
mod watch;

pub use engine::{Engine, Setup, Supplier};
pub use steps::Notify;
