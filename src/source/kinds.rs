//! The table of kinds: how a source of each kind is looked for and opened. The names and forms of the kinds are in
//! [`crate::model::source_kind`].

use super::access::{Presence, Source, SourceContext};
use super::error::SourceError;
use super::{borg, daemon, dir, dump, restic};
use crate::model::source::SourceSpec;
use crate::model::source_kind::SourceKind;

/// An opened source, or the error.
type Opened = Result<Box<dyn Source>, SourceError>;

/// The functions of one kind of source.
struct SourceHandler {
    /// Opens the source. Reads standard input and fetches secrets.
    open: fn(&SourceSpec, &SourceContext) -> Opened,
    /// Checks whether the source can be found, without reading a backup.
    probe: fn(&SourceSpec) -> Result<Presence, SourceError>,
}

fn handler(kind: SourceKind) -> SourceHandler {
    match kind {
        SourceKind::Tar => SourceHandler { open: super::tar::open, probe: super::tar::probe },
        SourceKind::Dir => SourceHandler { open: dir::open, probe: dir::probe },
        SourceKind::Daemon => SourceHandler { open: daemon::open, probe: daemon::probe },
        SourceKind::Btrfs => SourceHandler { open: daemon::open_btrfs, probe: daemon::probe },
        SourceKind::Zfs => SourceHandler { open: daemon::open_zfs, probe: daemon::probe },
        SourceKind::Dump => SourceHandler { open: dump::open, probe: dump::probe },
        SourceKind::Borg => SourceHandler { open: borg::open, probe: borg::probe },
        SourceKind::Restic => SourceHandler { open: restic::open, probe: restic::probe },
    }
}

pub fn open(spec: &SourceSpec, context: &SourceContext) -> Result<Box<dyn Source>, SourceError> {
    (handler(spec.place.kind).open)(spec, context)
}

/// Checks whether a source can be found.
pub fn probe(spec: &SourceSpec) -> Result<Presence, SourceError> {
    (handler(spec.place.kind).probe)(spec)
}
