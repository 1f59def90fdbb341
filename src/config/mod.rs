//! Settings: what the user wants, merged from flags, environment, labels, the plan file and defaults.
//!
//! [`declared`] declares every setting once. `plan_file`, `labels` and `text_layer` read a layer each into
//! [`overrides`], with errors that say who wrote a wrong value. [`resolve`] merges the layers; precedence is written
//! there and nowhere else.

pub mod declared;
pub mod error;
pub mod labels;
pub mod lock_file;
pub mod notify_layer;
pub mod overrides;
pub mod plan_file;
pub mod resolve;
pub mod settings;
pub mod text_layer;
pub mod values;

pub use crate::model::environment::Environment;
pub use error::{ConfigError, ConfigErrors, SettingOrigin};
pub use plan_file::PlanFile;
