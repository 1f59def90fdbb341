//! Values that must never be shown.

use std::fmt;

/// A value that may be a secret. It can be passed on, but neither printed nor serialized.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one place that passes it to the engine or masks it in a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•••")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::service::EnvVar;

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new("hunter2hunter2");
        assert!(!format!("{secret:?}").contains("hunter2"));
        let var = EnvVar { name: "A_KEY".to_owned(), value: Some(secret) };
        assert!(!serde_json::to_string(&var).expect("serializes").contains("hunter2"));
    }
}
