//! The keys of Compose's schema, each in one table with what becomes of it.

use super::error::ComposeError;
use super::node::Node;

/// What becomes of a key.
pub(super) enum Reading<T> {
    /// The value is read.
    Used(fn(&mut T, &Node<'_>) -> Result<(), ComposeError>),
    /// The sandbox leaves the setting out, and the report shows it.
    LeftOut,
    /// The setting has no effect in a rehearsal, for this reason, and nobody needs to know.
    NoEffect(&'static str),
    /// No sandbox can provide it, so the project is not rehearsed; the text says why.
    Refused(&'static str),
}

/// A table of keys.
pub(super) type Table<T> = &'static [(&'static str, Reading<T>)];

/// Takes note of a setting that is left out.
pub(super) trait Notes {
    fn left_out(&mut self, key: &str, value: &Node<'_>);
}

/// Reads a mapping by its table. A key that the table does not have is an error.
pub(super) fn read_keys<T: Notes>(target: &mut T, node: &Node<'_>, table: Table<T>) -> Result<(), ComposeError> {
    for (key, value) in node.entries()? {
        if key.starts_with("x-") {
            continue;
        }
        let Some((_, reading)) = table.iter().find(|(known, _)| *known == key) else {
            return Err(ComposeError::Unknown(format!(
                "Compose gives {}, a setting that this version of Rehearsa does not know",
                value.place()
            )));
        };
        if value.is_null() {
            continue;
        }
        match reading {
            Reading::Used(read) => read(target, &value)?,
            Reading::LeftOut => target.left_out(&key, &value),
            Reading::NoEffect(why) => tracing::trace!(key, why, "has no effect in a rehearsal"),
            Reading::Refused(why) => {
                return Err(ComposeError::Unknown(format!("{} cannot be rehearsed: {why}", value.place())));
            }
        }
    }
    Ok(())
}

/// Refuses keys that are not in a small table.
pub(super) fn refuse_unknown(node: &Node<'_>, known: &[&str]) -> Result<(), ComposeError> {
    match node.entries()?.iter().find(|(key, _)| !known.contains(&key.as_str()) && !key.starts_with("x-")) {
        None => Ok(()),
        Some((_, value)) => Err(ComposeError::Unknown(format!(
            "Compose gives {}, a setting that this version of Rehearsa does not know",
            value.place()
        ))),
    }
}
