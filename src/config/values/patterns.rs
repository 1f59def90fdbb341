//! Patterns of paths: a list in the plan file, else a text with commas between them.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// Paths that a backup leaves out on purpose, as patterns relative to a mount.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patterns(pub Vec<String>);

/// The pattern that names everything.
const EVERYTHING: &str = "**";

/// Most patterns of a service.
const MOST: usize = 1000;

/// Reads one pattern. The error is a sentence about it.
fn read(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text != EVERYTHING && text.trim_matches(['/', '*']).is_empty() {
        return Err(format!("`{text}` is no pattern of paths; write `cache/**` or `*.iso`, or `**` for everything"));
    }
    if text.split('/').any(|part| part == "..") {
        return Err(format!("`{text}` is no pattern of paths: it leads out of the mount"));
    }
    Ok(text.to_owned())
}

impl<'de> Deserialize<'de> for Patterns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PatternsVisitor;

        impl<'de> Visitor<'de> for PatternsVisitor {
            type Value = Patterns;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of patterns: [\"cache/**\"]")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Patterns, E> {
                let parts = text.split(',').filter(|part| !part.trim().is_empty());
                parts.map(read).collect::<Result<_, _>>().map(Patterns).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Patterns, A::Error> {
                let mut patterns = Vec::new();
                while let Some(text) = list.next_element::<String>()? {
                    if patterns.len() == MOST {
                        return Err(A::Error::custom(format!("more than {MOST} patterns")));
                    }
                    patterns.push(read(&text).map_err(A::Error::custom)?);
                }
                Ok(Patterns(patterns))
            }
        }

        deserializer.deserialize_any(PatternsVisitor)
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Patterns {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Patterns".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["array", "string"], "items": { "type": "string" }, "maxItems": MOST })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(json: serde_json::Value) -> Result<Vec<String>, String> {
        serde_json::from_value(json).map(|Patterns(all)| all).map_err(|error| error.to_string())
    }

    #[test]
    fn a_list_or_a_text_with_commas_is_read() {
        let expected = Ok(vec!["cache/**".to_owned(), "*.iso".to_owned()]);
        assert_eq!(patterns(serde_json::json!(["cache/**", "*.iso"])), expected);
        assert_eq!(patterns(serde_json::json!("cache/**, *.iso,")), expected);
        assert_eq!(patterns(serde_json::json!([])), Ok(Vec::new()));
    }

    #[test]
    fn what_names_nothing_or_leads_out_is_refused() {
        assert_eq!(patterns(serde_json::json!("**")), Ok(vec!["**".to_owned()]));
        for wrong in ["/", "*", "/**/", "../other", "a/../../b"] {
            let told = patterns(serde_json::json!([wrong])).expect_err(wrong);
            assert!(told.contains(&format!("`{wrong}` is no pattern")), "{told}");
        }
    }
}
