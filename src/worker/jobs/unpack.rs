//! Unpacks an archive into volumes, whatever a stranger may have written into it: nothing is ever written outside of
//! them.
//!
//! An entry goes to the route of the longest prefix of its path; an entry without a route is read and skipped. Of
//! what was unpacked, only the folders above the current entry are remembered, and what the volumes should hold: see
//! [`crate::worker::expected`].

mod archive_stream;
mod chain;
mod place;
mod room;

use std::io::Read;

use crate::archive::compression::window::{DecodeBounds, WindowTooLong};
use crate::archive::{Entry, Kind, below, compression, escapes};
use crate::worker::expected::manifest::Manifest;
use crate::worker::job::{JobControl, JobStop, short_path};
use crate::worker::protocol::{Failure, Route, Unpacked};
use archive_stream::{ArchiveStream, stopped};
use place::{RouteVolume, dangerous};
pub use room::UnpackBounds;

/// Unpacks the archive that `stream` is into the volumes of the routes, which are empty. The stream is read to its
/// end before this succeeds: a checksum may be there.
pub fn unpack(
    routes: &[Route],
    bounds: UnpackBounds,
    stream: impl Read + Send,
    control: &JobControl,
) -> Result<Vec<Unpacked>, JobStop> {
    Ok(unpack_and_note(routes, bounds, stream, control)?.into_iter().map(|(unpacked, _)| unpacked).collect())
}

/// As [`unpack`]; returns also what each volume should hold now.
pub fn unpack_and_note(
    routes: &[Route],
    bounds: UnpackBounds,
    stream: impl Read + Send,
    control: &JobControl,
) -> Result<Vec<(Unpacked, Manifest)>, JobStop> {
    for (index, route) in routes.iter().enumerate() {
        if routes[..index].iter().any(|other| other.prefix == route.prefix) {
            let prefix = String::from_utf8_lossy(&route.prefix);
            return Err(Failure::BadRequest { error: format!("two routes for {prefix}") }.into());
        }
    }
    let mut places = routes
        .iter()
        .map(|route| RouteVolume::open(route, routes.len(), bounds, control))
        .collect::<Result<Vec<RouteVolume<'_>>, JobStop>>()?;
    let decoding = DecodeBounds { max_window: bounds.max_window, ..DecodeBounds::default() };
    let stream = compression::open_within(stream, decoding).map_err(|error| {
        let failure = match WindowTooLong::of(&error) {
            Some(too_long) => Failure::Window { error: too_long.to_string() },
            None => Failure::Corrupt { entry: String::new(), at: 0, error: error.to_string() },
        };
        stopped(control).unwrap_or(failure.into())
    })?;
    let mut archive = ArchiveStream::new(stream, bounds.max_entries, control);
    while let Some(entry) = archive.next_entry()? {
        let Some((index, rest)) = destination(routes, &entry.path) else { continue };
        let rest = rest.to_vec();
        let link = match &entry.kind {
            Kind::HardLink(first) => Some(same_place(routes, index, &entry, first)?.to_vec()),
            _ => None,
        };
        places[index].put(&entry, &rest, link.as_deref(), &mut archive)?;
    }
    places.into_iter().map(RouteVolume::finish).collect()
}

/// The route of a path in the archive, and the path in its volume.
fn destination<'a>(routes: &[Route], path: &'a [u8]) -> Option<(usize, &'a [u8])> {
    let fitting = routes.iter().enumerate().filter_map(|(index, route)| Some((index, below(path, &route.prefix)?)));
    fitting.min_by_key(|(_, rest)| rest.len())
}

/// Where in its volume the file is that `entry` is another name of; both must be in the same volume.
fn same_place<'a>(routes: &[Route], index: usize, entry: &Entry, first: &'a [u8]) -> Result<&'a [u8], JobStop> {
    let leads = match destination(routes, first) {
        _ if escapes(first) => "which leads out of the archive",
        Some((other, rest)) if other == index => return Ok(rest),
        Some(_) => "which belongs to another mount",
        None => "which belongs to no mount that is restored",
    };
    Err(dangerous(&entry.path, format!("is another name of {}, {leads}", short_path(first))))
}
