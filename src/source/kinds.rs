//! The table of kinds: how a source of each kind is looked for and opened. What a kind is called and how it is written stands in
//! [`crate::model::source_kind`].

use super::access::{Presence, Source, SourceContext};
use super::error::SourceError;
use super::{daemon, dir, dump};
use crate::model::source::SourceSpec;
use crate::model::source_kind::SourceKind;

/// A source that was opened.
type Opened = Result<Box<dyn Source>, SourceError>;

/// What is done with sources of one kind.
struct SourceHandler {
    /// Opens the source. Standard input is read now, secrets are fetched now.
    open: fn(&SourceSpec, &SourceContext) -> Opened,
    /// Whether the source can be found at all; nothing of a backup is read.
    probe: fn(&SourceSpec) -> Result<Presence, SourceError>,
}

fn handler(kind: SourceKind) -> SourceHandler {
    match kind {
        SourceKind::Tar => SourceHandler { open: super::tar::open, probe: super::tar::probe },
        SourceKind::Dir => SourceHandler { open: dir::open, probe: dir::probe },
        SourceKind::Daemon => SourceHandler { open: daemon::open, probe: daemon::probe },
        SourceKind::Dump => SourceHandler { open: dump::open, probe: dump::probe },
    }
}

/// Opens a source.
pub fn open(spec: &SourceSpec, context: &SourceContext) -> Result<Box<dyn Source>, SourceError> {
    (handler(spec.place.kind).open)(spec, context)
}

/// Looks for a source.
pub fn probe(spec: &SourceSpec) -> Result<Presence, SourceError> {
    (handler(spec.place.kind).probe)(spec)
}
