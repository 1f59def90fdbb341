//! Types of values that are written as a text. Serde reads them from the plan file, a label, a variable or a flag.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::{Deserializer, Error, Unexpected, Visitor};

use super::{count, duration, size};

/// A value that is read from a text.
pub trait TextValue: Sized {
    /// An example, for the error about a value of another kind, such as a list.
    const EXAMPLE: &'static str;
    /// A number may stand for its text: `0` is as good as `"0"`.
    const TAKES_NUMBERS: bool;

    /// Reads the text. The error is a sentence about the value.
    fn read(text: &str) -> Result<Self, String>;
}

/// Deserializes a value from its text.
pub fn deserialize<'de, T: TextValue, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_any(TextVisitor(PhantomData))
}

struct TextVisitor<T>(PhantomData<T>);

impl<T: TextValue> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXAMPLE)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::read(text).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        if T::TAKES_NUMBERS {
            self.visit_str(&number.to_string())
        } else {
            Err(E::invalid_type(Unexpected::Signed(number), &self))
        }
    }
}

/// Makes a sentence of an error that says what the text should be.
pub fn sentence<T>(text: &str, read: Result<T, String>) -> Result<T, String> {
    read.map_err(|expected| format!("`{text}` is not {expected}"))
}

/// Declares newtypes that are [`TextValue`]s: what each holds, how its text is read, what its JSON Schema says (`text`,
/// `text_or_number`, `text_or_zero`, or `text_with_unit` where no number is right but its error is ours, with further
/// keywords), and an example.
macro_rules! text_values {
    ($($(#[doc = $doc:literal])+
    $name:ident($value:ty) = $read:expr, $kind:ident {$($keyword:tt)*}, $example:expr;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(pub $value);

        impl $crate::config::values::text::TextValue for $name {
            const EXAMPLE: &'static str = $example;
            const TAKES_NUMBERS: bool = $crate::config::values::text::text_values!(@takes_numbers $kind);

            fn read(text: &str) -> Result<Self, String> {
                let read: fn(&str) -> Result<$value, String> = $read;
                read(text).map($name)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::config::values::text::deserialize(deserializer)
            }
        }

        #[cfg(test)]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let mut schema = schemars::json_schema!({$($keyword)*});
                for (keyword, value) in $crate::config::values::text::text_values!(@schema $kind) {
                    schema.insert(keyword.to_owned(), value);
                }
                schema
            }
        }
    )+};
    (@takes_numbers text) => { false };
    (@takes_numbers $kind:ident) => { true };
    (@schema text) => { [("type", serde_json::json!("string"))] };
    (@schema text_with_unit) => { [("type", serde_json::json!("string"))] };
    (@schema text_or_zero) => {
        [
            ("type", serde_json::json!(["string", "integer"])),
            ("minimum", serde_json::json!(0)),
            ("maximum", serde_json::json!(0)),
        ]
    };
    (@schema text_or_number) => { [("type", serde_json::json!(["string", "integer"]))] };
}
pub(crate) use text_values;

text_values! {
    /// A duration; 0 is none.
    TimeSpan(Duration) = |text| sentence(text, duration::read(text)), text_or_zero {}, "\"90s\"";
    /// A duration that is longer than zero.
    Timeout(Duration) = |text| sentence(text, duration::read_positive(text)), text_with_unit {}, "\"2m\"";
    /// A size in bytes.
    Bytes(u64) = |text| sentence(text, size::read(text)), text_or_number { "minimum": 0 }, "\"50GiB\"";
    /// A limit of memory in bytes; 0 is the default.
    Memory(u64) = |text| sentence(text, size::read_memory(text)), text_or_number { "minimum": 0 }, "\"2GiB\"";
    /// A number of things.
    Count(u64) = |text| sentence(text, count::read(text)), text_or_number { "minimum": 0, "pattern": "^[ 0-9_]+$" },
        "20_000_000";
    /// A number of processes; 0 is the default.
    Processes(u64) = |text| sentence(text, count::read_processes(text)),
        text_or_number { "minimum": 0, "maximum": count::MAX_PROCESSES, "pattern": "^[ 0-9_]+$" }, "4096";
}
