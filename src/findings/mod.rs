//! What a restore on a new host would stumble over, found in the files of a Compose project before anything boots.
//!
//! Everything is told at once, each with the place in its file, what it does in a real restore, and the line or the
//! command that mends it. What the files mean is said by Compose; [`crate::compose_places`] says where it is written.

mod changed;
mod files;
mod host;
mod notes;
mod values;
mod variables;

use self::notes::Notes;

pub use notes::{Checkout, Finding, InBackup, OnDisk, SourceFile, extended, normal};
pub use variables::unset_variables;

/// Every finding, by file and place.
pub fn find(checkout: &Checkout<'_>) -> Vec<Finding> {
    let mut notes = Notes { checkout, found: Vec::new() };
    variables::find(&mut notes);
    values::find(&mut notes);
    files::find(&mut notes);
    host::find(&mut notes);
    changed::find(&mut notes);
    notes.found.sort_by_key(|(at, _)| *at);
    notes.found.into_iter().map(|(_, finding)| finding).collect()
}

#[cfg(test)]
mod tests;
