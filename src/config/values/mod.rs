//! The values of settings: one file a kind of value, each parsed from its text with an error that says who wrote it.

pub mod check;
pub mod count;
pub mod duration;
pub mod flag;
pub mod map;
pub mod partition;
pub mod place;
pub mod report_spec;
pub mod size;
pub mod source;
pub mod strategy;
pub mod suggest;
