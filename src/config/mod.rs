//! Settings: what the user wants, resolved from flags, environment, labels and defaults.
//!
//! Precedence is written once, in [`resolve`]: flag, environment, label, plan file, default. The other modules read one kind of
//! value each, and say in their errors who wrote it.

pub mod check;
pub mod count;
pub mod duration;
pub mod environment;
pub mod error;
pub mod flag;
pub mod forms;
pub mod labels;
pub mod map;
pub mod nearest;
pub mod partition;
pub mod place;
pub mod plan_file;
pub mod resolve;
pub mod settings;
pub mod size;
pub mod source;
pub mod strategy;
pub mod wishes;

pub use environment::Environment;
pub use error::{ConfigError, ConfigErrors, Origin};
pub use plan_file::PlanFile;
