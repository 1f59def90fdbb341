//! Takes an archive apart into volumes, whatever a stranger may have written into it: nothing is ever written outside of them.
//!
//! An entry goes by its path to the route of the longest prefix; the others are read and forgotten. Of what was unpacked only
//! the folders above the current entry are remembered, and what should be there now: see [`super::inspect::inventory`].

mod chain;
mod place;
mod room;

use std::io::Read;

use super::inspect::inventory::manifest::Manifest;
use crate::archive::error::{ArchiveError, ArchiveFault};
use crate::archive::read::{ReadLimits, Reader};
use crate::archive::{Entry, below, compression};
use crate::worker::job::{JobControl, JobStop, short};
use crate::worker::protocol::{Failure, Route, Unpacked};
use place::RouteVolume;

/// Content is read and written in pieces of this size; most files are one.
const PIECE: usize = 256 * 1024;

/// What an archive may ask for; 0 is no bound.
#[derive(Debug, Clone, Copy, Default)]
pub struct UnpackBounds {
    /// Bytes of content for a route.
    pub max_bytes: u64,
    /// Entries, the ones that are not wanted included.
    pub max_entries: u64,
    /// Bytes to be left free on the file system of a route.
    pub keep_free: u64,
}

/// Unpacks the archive that `stream` is into the volumes of the routes, which are empty. All of the stream is read before this
/// is a success: a checksum may be at its end.
pub fn unpack(
    routes: &[Route],
    bounds: UnpackBounds,
    stream: impl Read + Send,
    ticket: &JobControl,
) -> Result<Vec<Unpacked>, JobStop> {
    Ok(unpack_and_note(routes, bounds, stream, ticket)?.into_iter().map(|(unpacked, _)| unpacked).collect())
}

/// The same, with what should be in each volume now.
pub fn unpack_and_note(
    routes: &[Route],
    bounds: UnpackBounds,
    stream: impl Read + Send,
    ticket: &JobControl,
) -> Result<Vec<(Unpacked, Manifest)>, JobStop> {
    for (index, route) in routes.iter().enumerate() {
        if routes[..index].iter().any(|other| other.prefix == route.prefix) {
            let prefix = String::from_utf8_lossy(&route.prefix);
            return Err(Failure::BadRequest { error: format!("two routes for {prefix}") }.into());
        }
    }
    let mut places = routes
        .iter()
        .map(|route| RouteVolume::open(route, routes.len(), bounds, ticket))
        .collect::<Result<Vec<RouteVolume<'_>>, JobStop>>()?;
    let stream = compression::open(stream).map_err(|error| {
        let (entry, error) = (String::new(), error.to_string());
        stopped(ticket).unwrap_or(Failure::Corrupt { entry, at: 0, error }.into())
    })?;
    let limits =
        if bounds.max_entries == 0 { ReadLimits::NONE } else { ReadLimits { max_entries: bounds.max_entries } };
    let mut archive = Archive {
        reader: Reader::new(Watched { stream, ticket }, limits),
        buffer: vec![0; PIECE],
        max_entries: bounds.max_entries,
        ticket,
    };
    while let Some(entry) = archive.next()? {
        let Some((index, rest)) = destination(routes, &entry.path) else { continue };
        let rest = rest.to_vec();
        let link = match &entry.kind {
            crate::archive::Kind::HardLink(first) => Some(same_place(routes, index, &entry, first)?.to_vec()),
            _ => None,
        };
        places[index].put(&entry, &rest, link.as_deref(), &mut archive)?;
    }
    places.into_iter().map(RouteVolume::finish).collect()
}

/// Where a path of the archive goes: the route, and the path in its volume.
fn destination<'a>(routes: &[Route], path: &'a [u8]) -> Option<(usize, &'a [u8])> {
    let fitting = routes.iter().enumerate().filter_map(|(index, route)| Some((index, below(path, &route.prefix)?)));
    fitting.min_by_key(|(_, rest)| rest.len())
}

/// Where in its volume the file is that `entry` is another name of; it must be the same volume.
fn same_place<'a>(routes: &[Route], index: usize, entry: &Entry, first: &'a [u8]) -> Result<&'a [u8], JobStop> {
    let leads = match destination(routes, first) {
        _ if crate::archive::escapes(first) => "which leads out of the archive",
        Some((other, rest)) if other == index => return Ok(rest),
        Some(_) => "which belongs to another mount",
        None => "which belongs to no mount that is restored",
    };
    Err(dangerous(&entry.path, format!("is another name of {}, {leads}", named(first))))
}

/// The failure of an entry that would do harm; `what` it would do is said with a verb.
fn dangerous(path: &[u8], what: String) -> JobStop {
    Failure::Unsafe { path: named(path), error: what }.into()
}

/// A path for people, and not too long for a reply.
fn named(path: &[u8]) -> String {
    short(crate::worker::job::shown(path))
}

/// Why a job's stream broke, if it is that the job was stopped.
fn stopped(ticket: &JobControl) -> Option<JobStop> {
    ticket.beat().err()
}

/// The archive, as far as it was read.
struct Archive<'a, R: Read> {
    reader: Reader<R>,
    buffer: Vec<u8>,
    max_entries: u64,
    ticket: &'a JobControl,
}

impl<R: Read> Archive<'_, R> {
    fn next(&mut self) -> Result<Option<Entry>, JobStop> {
        self.reader.next().map_err(|error| broken(error, self.max_entries, self.ticket))
    }

    /// The next piece of the current file's content and where in the file it belongs; `None` at its end.
    fn piece(&mut self) -> Result<Option<(u64, &[u8])>, JobStop> {
        let piece = self.reader.read_piece(&mut self.buffer);
        let piece = piece.map_err(|error| broken(error, self.max_entries, self.ticket))?;
        Ok(piece.map(|(offset, length)| (offset, &self.buffer[..length])))
    }

    /// How far it was read.
    fn position(&self) -> u64 {
        self.reader.position()
    }
}

fn broken(error: ArchiveError, max_entries: u64, ticket: &JobControl) -> JobStop {
    let ArchiveError { kind, entry, at, detail } = error;
    let error = match kind {
        ArchiveFault::TooMany => return Failure::TooMany { max_entries }.into(),
        ArchiveFault::Io => {
            if let Some(stop) = stopped(ticket) {
                return stop;
            }
            format!("it could not be read: {detail}")
        }
        ArchiveFault::Truncated => format!("it is cut off: {detail}"),
        ArchiveFault::NotAnArchive | ArchiveFault::OtherFormat => format!("this is not a tar archive: {detail}"),
        ArchiveFault::Corrupt | ArchiveFault::Partial => detail,
    };
    Failure::Corrupt { entry: short(entry.unwrap_or_default()), at, error: short(error) }.into()
}

/// Shows that the job lives while an archive is read that nothing is wanted of: a small piece of it can be unpacked to a lot.
struct Watched<'a, R> {
    stream: R,
    ticket: &'a JobControl,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.ticket.beat().map_err(|_| std::io::Error::other("the job was stopped"))?;
        self.stream.read(buffer)
    }
}
