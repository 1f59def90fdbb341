//! The engine: carries a plan out, one service at a time as it is asked, one sandbox a stack.
//!
//! The engine has no writer, no colour and no format: it sends facts as events and does not know who receives them.

mod attempt;
mod boot;
mod breach;
mod case;
mod client_scripts;
mod context;
mod diagnose;
mod engine;
pub mod images;
mod inspect;
mod interference;
mod log_tail;
mod profile;
mod restore;
mod running;
pub mod sandbox;
mod shared_task;
mod stack;
mod stack_context;
mod state;
mod steps;
pub mod survey;
mod teardown;
mod usage;
mod validate;

pub use context::{OpenedSource, RunContext, RunResources};
pub use engine::Engine;
pub use steps::Notify;
