//! Reads the values of a service from texts: flags, environment variables and labels.

use serde::de::value::MapDeserializer;
use serde::de::{Deserialize, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::declared::ServiceValues;
use super::error::{ConfigError, SettingOrigin};
use super::values::{flag, text::sentence};

/// A text that sets a value, and who wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawValue<'a> {
    /// Who wrote it.
    pub origin: SettingOrigin,
    /// What was written.
    pub text: &'a str,
}

/// Reads values by their keys. The error is about the first value that is wrong.
pub fn read<'a>(written: impl IntoIterator<Item = (&'static str, RawValue<'a>)>) -> Result<ServiceValues, ConfigError> {
    ServiceValues::deserialize(MapDeserializer::new(written.into_iter()))
}

impl RawValue<'_> {
    /// Adds to an error of serde who wrote the value.
    fn blame(self, error: ConfigError) -> ConfigError {
        match error {
            ConfigError::Conflict { what } => ConfigError::Entry { origin: self.origin, what },
            error => error,
        }
    }
}

impl<'de> IntoDeserializer<'de, ConfigError> for RawValue<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for RawValue<'_> {
    type Error = ConfigError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        visitor.visit_str(self.text).map_err(|error| self.blame(error))
    }

    /// People write more than `true` and `false` where everything is a text.
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        match sentence(self.text, flag::read(self.text)) {
            Ok(flag) => visitor.visit_bool(flag),
            Err(what) => Err(ConfigError::Entry { origin: self.origin, what }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ConfigError> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}
