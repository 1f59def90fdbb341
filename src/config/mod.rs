//! Settings: what the user wants, resolved from flags, environment, labels and defaults.
//!
//! Precedence is written once, in [`resolve`]: flag, environment, label, plan file, default. The other modules read one kind of
//! value each, and say in their errors who wrote it.

pub mod error;
pub mod labels;
pub mod overrides;
pub mod plan_file;
pub mod resolve;
pub mod settings;
pub mod values;

pub use crate::model::environment::Environment;
pub use error::{ConfigError, ConfigErrors, SettingOrigin};
pub use plan_file::PlanFile;
