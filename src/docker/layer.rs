//! What a running container has written into its own layer, beside its mounts, and which programs it runs.

use std::io::{Cursor, Read as _};

use bollard::Docker;
use bollard::models::{ChangeType, FilesystemChange};
use bollard::query_parameters::{DownloadFromContainerOptionsBuilder, TopOptionsBuilder};
use futures_util::TryStreamExt;
use hyper::body::Bytes;

use super::client::Daemon;
use super::connection::in_path;
use super::errors::Result;

/// Bytes of an archive that are read for the beginning of the one file in it: its headers and a few pages.
const HEAD: usize = 16 * 1024;
/// Most changes of a layer that are looked at.
const MOST_CHANGES: usize = 1_000_000;
/// Longest entry in the engine's list of changes: a path, each byte of which may be escaped.
const LONGEST_CHANGE: usize = 64 * 1024;

/// The paths that somebody asked for among those that a container has made or changed in its own layer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LayerChanges {
    /// The paths.
    pub paths: Vec<String>,
    /// How many changes were looked at, where the list has more than that.
    pub cut_after: Option<usize>,
}

/// A running container that is looked into.
#[derive(Clone, Copy)]
pub struct ContainerInsides<'a> {
    pub daemon: &'a Daemon,
    pub id: &'a str,
}

impl ContainerInsides<'_> {
    /// The paths that are `wanted` among those that the container has made or changed in its own layer, folders
    /// included; what it wrote into its mounts is not among them. A service can make millions of files: the engine's
    /// list is read piece by piece, only what is wanted is kept, and the list is left after [`MOST_CHANGES`].
    pub async fn layer_changes(&self, wanted: impl Fn(&str) -> bool) -> Result<LayerChanges> {
        const LOOK: &str = "list what changed in container";
        let id = in_path(LOOK, self.id)?;
        let docker = self.daemon.connection.changes_client();
        let read = async |_: &Docker| {
            let mut list = ChangeList::new(&wanted, MOST_CHANGES);
            let mut stream = std::pin::pin!(docker.export_container(id));
            while let Some(piece) = stream.try_next().await? {
                // Dropping the stream ends the request.
                if !list.take(&piece) {
                    break;
                }
            }
            Ok(list.found)
        };
        self.daemon.connection.call(LOOK, id, read).await
    }

    /// The names of the programs that run in the container, as the kernel has them.
    pub async fn programs(&self) -> Result<Vec<String>> {
        const LOOK: &str = "list the processes of container";
        let id = in_path(LOOK, self.id)?;
        let options = TopOptionsBuilder::default().ps_args("-eo pid,comm").build();
        let top = self.daemon.connection.call(LOOK, id, |docker| docker.top_processes(id, Some(options))).await?;
        Ok(top.processes.unwrap_or_default().into_iter().filter_map(|mut process| process.pop()).collect())
    }

    /// The first bytes of a file of the container, at most so many; empty for anything but a regular file.
    pub async fn file_head(&self, path: &str, bytes: usize) -> Result<Vec<u8>> {
        const READ: &str = "read a file of container";
        let id = in_path(READ, self.id)?;
        let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
        // The rest of the archive is not read: dropping the stream ends the request.
        let read = async |docker: &Docker| {
            let mut head = Vec::new();
            let mut stream = std::pin::pin!(docker.download_from_container(id, Some(options)));
            while head.len() < HEAD
                && let Some(piece) = stream.try_next().await?
            {
                head.extend_from_slice(&piece);
            }
            Ok(head)
        };
        Ok(first_file(&self.daemon.connection.call(READ, id, read).await?, bytes).unwrap_or_default())
    }
}

/// Reads the engine's list of changes, an array of objects, as its bytes come.
struct ChangeList<'w, W> {
    wanted: &'w W,
    most: usize,
    seen: usize,
    found: LayerChanges,
    /// The object that has begun; empty between two of them.
    object: Vec<u8>,
    in_text: bool,
    is_escaped: bool,
}

impl<'w, W: Fn(&str) -> bool> ChangeList<'w, W> {
    fn new(wanted: &'w W, most: usize) -> Self {
        let (object, found) = (Vec::new(), LayerChanges::default());
        ChangeList { wanted, most, seen: 0, found, object, in_text: false, is_escaped: false }
    }

    /// Takes the next bytes; false: no more are wanted.
    fn take(&mut self, piece: &Bytes) -> bool {
        piece.iter().all(|byte| self.take_byte(*byte))
    }

    fn take_byte(&mut self, byte: u8) -> bool {
        // The objects have nothing but a text and a number, so no object lies in another one.
        if self.object.is_empty() && byte != b'{' {
            return true;
        }
        self.object.push(byte);
        match byte {
            _ if self.is_escaped => self.is_escaped = false,
            b'\\' if self.in_text => self.is_escaped = true,
            b'"' => self.in_text = !self.in_text,
            b'}' if !self.in_text => return self.end_object(),
            _ => {}
        }
        if self.object.len() <= LONGEST_CHANGE {
            return true;
        }
        self.found.cut_after = Some(self.seen);
        false
    }

    fn end_object(&mut self) -> bool {
        if self.seen == self.most {
            self.found.cut_after = Some(self.seen);
            return false;
        }
        self.seen += 1;
        // A kind that is not known is no file that is there.
        if let Ok(FilesystemChange { path, kind: ChangeType::_0 | ChangeType::_1 }) =
            serde_json::from_slice(&self.object)
            && (self.wanted)(&path)
        {
            self.found.paths.push(path);
        }
        self.object.clear();
        true
    }
}

/// The beginning of the first file of an archive; `None`: the archive does not begin with a regular file.
fn first_file(archive: &[u8], bytes: usize) -> Option<Vec<u8>> {
    let mut archive = tar::Archive::new(Cursor::new(archive));
    let entry = archive.entries().ok()?.next()?.ok()?;
    let mut head = Vec::new();
    let is_file = entry.header().entry_type().is_file();
    // The archive may be cut off behind what is wanted.
    let _ = entry.take(bytes as u64).read_to_end(&mut head);
    is_file.then_some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(kind: tar::EntryType, content: &[u8]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append_data(&mut header, "app.db", content).expect("it fits");
        builder.into_inner().expect("it is whole")
    }

    #[test]
    fn a_list_of_changes_is_read_in_pieces_and_left_after_the_most() {
        let text = r#"[{"Path":"/data/a}\"{b.db","Kind":1}, {"Path":"/gone.db","Kind":2},{"Kind":0,"Path":"/b\\"},
            {"Path":"/c.db","Kind":0}]"#;
        let read = |most: usize, pieces: usize| {
            let wanted = |path: &str| path.ends_with(".db");
            let mut list = ChangeList::new(&wanted, most);
            let all = text.as_bytes().chunks(pieces).all(|piece| list.take(&Bytes::copy_from_slice(piece)));
            (list.found, all)
        };
        let paths: Vec<String> = ["/data/a}\"{b.db", "/c.db"].map(str::to_owned).into();
        for pieces in [1, 7, 1000] {
            let whole = LayerChanges { paths: paths.clone(), cut_after: None };
            assert_eq!(read(4, pieces), (whole, true), "pieces of {pieces}");
            let cut = LayerChanges { paths: paths[..1].to_vec(), cut_after: Some(3) };
            assert_eq!(read(3, pieces), (cut, false), "pieces of {pieces}");
        }
        let wanted = |_: &str| true;
        let mut endless = ChangeList::new(&wanted, 10);
        let begin = Bytes::from_static(b"[{\"Path\":\"/");
        assert!(endless.take(&begin), "it has begun");
        assert!(!endless.take(&Bytes::from(vec![b'x'; LONGEST_CHANGE])), "no path is that long");
        assert!(endless.object.len() <= LONGEST_CHANGE + 1);
        assert_eq!(endless.found.cut_after, Some(0));
    }

    #[test]
    fn the_beginning_of_a_file_is_read_from_a_cut_archive() {
        let whole = archive(tar::EntryType::Regular, b"SQLite format 3\0and more");
        assert_eq!(first_file(&whole, 16).as_deref(), Some(&b"SQLite format 3\0"[..]));
        assert_eq!(first_file(&whole[..520], 16).as_deref(), Some(&b"SQLite f"[..]));
        assert_eq!(first_file(&archive(tar::EntryType::Directory, b""), 16), None);
        assert_eq!(first_file(b"", 16), None);
    }
}
