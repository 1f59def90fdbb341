//! What `restic ls --json` prints: a line for the snapshot, then one for each entry.

use jiff::Timestamp;
use serde::Deserialize;

use crate::archive::{Entry, Kind};

/// Bits of the mode in Go's order, and their place in that of Unix.
const MODE_BITS: [(u32, u32); 3] = [(1 << 23, 0o4000), (1 << 22, 0o2000), (1 << 20, 0o1000)];

/// A line of the listing.
#[derive(Debug, PartialEq)]
pub enum Listed {
    /// The snapshot, with its full id.
    Snapshot(String),
    /// An entry that `restic dump` writes.
    Entry(Entry),
    /// A pipe, a device or a socket, at this path: `restic dump` leaves it out, or writes an empty file.
    Special(Vec<u8>),
    /// A line of another kind.
    Other,
}

#[derive(Deserialize)]
struct Line {
    /// Since version 0.17 there is `message_type` too, with the same value.
    struct_type: Option<String>,
    message_type: Option<String>,
    id: Option<String>,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    uid: u32,
    #[serde(default)]
    gid: u32,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    mode: u32,
    mtime: Option<Timestamp>,
}

/// Reads a line.
pub fn read(line: &[u8]) -> Result<Listed, serde_json::Error> {
    let line: Line = serde_json::from_slice(line)?;
    match (line.struct_type.as_deref().or(line.message_type.as_deref()), line.id.clone()) {
        (Some("snapshot"), Some(id)) => return Ok(Listed::Snapshot(id)),
        (Some("node"), _) => {}
        _ => return Ok(Listed::Other),
    }
    let path = line.path.trim_matches('/').as_bytes().to_vec();
    let kind = match line.kind.as_str() {
        "file" => Kind::File,
        "dir" => Kind::Folder,
        // The listing has no targets.
        "symlink" => Kind::Symlink(Vec::new()),
        _ => return Ok(Listed::Special(path)),
    };
    let size = if kind == Kind::File { line.size } else { 0 };
    Ok(Listed::Entry(Entry {
        path,
        kind,
        mode: unix_mode(line.mode),
        uid: line.uid,
        gid: line.gid,
        // The stream has whole seconds, rounded to the nearest.
        mtime: line.mtime.map_or((0, 0), |time| (rounded_seconds(time), 0)),
        xattrs: Vec::new(),
        size,
        stored: size,
    }))
}

fn unix_mode(mode: u32) -> u32 {
    MODE_BITS.iter().fold(mode & 0o777, |bits, (go, unix)| if mode & go == 0 { bits } else { bits | unix })
}

fn rounded_seconds(time: Timestamp) -> i64 {
    // As a floor: the nanoseconds of an early time count forward.
    let nanoseconds = time.as_nanosecond();
    i64::try_from((nanoseconds + 500_000_000).div_euclid(1_000_000_000)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of restic 0.14 and, with `message_type` and `inode`, of 0.18.
    #[test]
    fn lines_of_all_versions_are_read() {
        let entry = |line: &str| match read(line.as_bytes()).unwrap() {
            Listed::Entry(entry) => entry,
            other => panic!("{other:?}"),
        };
        let snapshot = r#"{"time":"2026-11-30T09:42:19.597767472Z","tree":"575f","paths":["/srv"],"hostname":"vm",
            "id":"e9ed4bcc62","short_id":"e9ed4bcc","struct_type":"snapshot"}"#;
        assert_eq!(read(snapshot.as_bytes()).unwrap(), Listed::Snapshot("e9ed4bcc62".to_owned()));
        let sub = entry(
            r#"{"name":"sub","type":"dir","path":"/app/sub","uid":33,"gid":44,"mode":2151678440,
            "permissions":"dgrwxr-x---","mtime":"2026-11-30T09:42:19.51922868Z","struct_type":"node"}"#,
        );
        assert_eq!((sub.path.as_slice(), &sub.kind, sub.mode), (&b"app/sub"[..], &Kind::Folder, 0o2750));
        assert_eq!(((sub.uid, sub.gid), sub.mtime), ((33, 44), (1_796_031_740, 0)));
        let file = entry(
            r#"{"name":"a","type":"file","path":"/app/a","uid":0,"gid":0,"size":3,"mode":420,"inode":7,
            "mtime":"1969-12-31T23:59:58.4+00:00","message_type":"node","struct_type":"node"}"#,
        );
        assert_eq!((file.size, file.stored, file.mode, file.mtime), (3, 3, 0o644, (-2, 0)));
        let pipe = br#"{"name":"p","type":"fifo","path":"/app/p","mode":33554852,"struct_type":"node"}"#;
        assert_eq!(read(pipe).unwrap(), Listed::Special(b"app/p".to_vec()));
        assert_eq!(read(br#"{"message_type":"exit_error","code":1}"#).unwrap(), Listed::Other);
        assert!(read(b"no line").is_err());
    }

    #[test]
    fn the_bits_of_go_are_those_of_unix() {
        for (go, unix) in [(2_148_532_728, 0o1770), (420, 0o644), (0o755 | 1 << 23, 0o4755), (2_147_484_141, 0o755)] {
            assert_eq!(unix_mode(go), unix);
        }
    }
}
