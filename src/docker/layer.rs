//! What a running container has written into its own layer, beside its mounts, and which programs it runs.

use std::io::{Cursor, Read as _};

use bollard::Docker;
use bollard::models::ChangeType;
use bollard::query_parameters::{DownloadFromContainerOptionsBuilder, TopOptionsBuilder};
use futures_util::TryStreamExt;

use super::client::Daemon;
use super::connection::in_path;
use super::errors::Result;

/// Bytes of an archive that are read for the beginning of the one file in it: its headers and a few pages.
const HEAD: usize = 16 * 1024;

/// A running container that is looked into.
#[derive(Clone, Copy)]
pub struct ContainerInsides<'a> {
    pub daemon: &'a Daemon,
    pub id: &'a str,
}

impl ContainerInsides<'_> {
    /// The paths that the container has made or changed in its own layer, folders included; what it wrote into its
    /// mounts is not among them.
    pub async fn layer_changes(&self) -> Result<Vec<String>> {
        const LOOK: &str = "list what changed in container";
        let id = in_path(LOOK, self.id)?;
        let changes = self.daemon.connection.call(LOOK, id, |docker| docker.container_changes(id)).await?;
        let is_there = |kind| matches!(kind, ChangeType::_0 | ChangeType::_1);
        Ok(changes.unwrap_or_default().into_iter().filter(|change| is_there(change.kind)).map(|c| c.path).collect())
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
    fn the_beginning_of_a_file_is_read_from_a_cut_archive() {
        let whole = archive(tar::EntryType::Regular, b"SQLite format 3\0and more");
        assert_eq!(first_file(&whole, 16).as_deref(), Some(&b"SQLite format 3\0"[..]));
        assert_eq!(first_file(&whole[..520], 16).as_deref(), Some(&b"SQLite f"[..]));
        assert_eq!(first_file(&archive(tar::EntryType::Directory, b""), 16), None);
        assert_eq!(first_file(b"", 16), None);
    }
}
