//! The JSON Schema of the plan file, derived from the types that are read. Test code only: the schema is committed.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::checks::{Header, JsonValue, LogPatterns, LogTable};
use super::reader::{Located, Pair};
use super::secret::Secret;
use super::tables::{MountStrategy, NoEgress, PlanTables, ServiceTable, SkipReason, StackTable, Stacks, Texts};
use crate::model::mount::Strategy;

/// The schema of the types in [`super::tables`].
pub fn generate() -> String {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(without_null));
    let schema = settings.into_generator().into_root_schema_for::<PlanTables>();
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema has string keys only, so it serializes");
    text.push('\n');
    text
}

/// TOML has no null: a key that may be left out is one that has no value then.
fn without_null(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            object.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
        choices.retain(|choice| choice["type"] != "null");
        if let [Value::Object(one)] = choices.as_slice() {
            let one = one.clone();
            object.remove("anyOf");
            object.extend(one);
        }
    }
}

impl<T: JsonSchema> JsonSchema for Located<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<A: JsonSchema, B: JsonSchema> JsonSchema for Pair<A, B> {
    fn schema_name() -> Cow<'static, str> {
        A::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (mut schema, part) = (A::json_schema(generator), B::json_schema(generator));
        let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
        let further = part.get("properties").and_then(Value::as_object);
        properties.expect("a table").extend(further.expect("a table").clone());
        schema
    }
}

/// Types that read a value by hand say here what they read.
macro_rules! schema {
    ($($name:ty: $generator:pat => $schema:expr;)+) => {$(
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )+};
}

schema! {
    Stacks: generator => {
        let (named, files) = (generator.subschema_for::<ServiceTable>(), generator.subschema_for::<StackTable>());
        json_schema!({ "anyOf": [
            { "type": "object", "additionalProperties": named },
            { "type": "array", "items": files },
        ] })
    };
    Texts: _ => json_schema!({ "anyOf": [
        { "type": "string", "minLength": 1 },
        { "type": "array", "items": { "type": "string", "minLength": 1 }, "minItems": 1 },
    ] });
    MountStrategy: generator => generator.subschema_for::<Strategy>();
    NoEgress: _ => json_schema!({ "const": false });
    SkipReason: _ => json_schema!({ "anyOf": [{ "type": "string", "minLength": 1 }, { "const": false }] });
    LogPatterns: generator => json_schema!({ "anyOf": [
        { "type": "string", "minLength": 1 },
        generator.subschema_for::<LogTable>(),
    ] });
    Header: generator => json_schema!({ "anyOf": [{ "type": "string" }, generator.subschema_for::<Secret>()] });
    JsonValue: _ => json_schema!({ "type": ["string", "number", "boolean"] });
}
