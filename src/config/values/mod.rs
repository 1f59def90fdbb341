//! The values of settings: one file a kind of value, each read from its text.
//!
//! Functions called `read` return an error without its origin; [`text`] makes types of them that serde reads.

pub mod check;
pub mod count;
pub mod duration;
pub mod flag;
pub mod map;
pub mod notify;
pub mod partition;
pub mod patterns;
pub mod place;
pub mod points;
pub mod proof;
pub mod pull;
pub mod report_spec;
pub mod size;
pub mod source;
pub mod strategy;
pub mod suggest;
pub mod text;
pub mod tolerance;
