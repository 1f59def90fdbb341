//! Archives and dumps in a store that the owner's own program `rclone` reaches: S3, WebDAV, SFTP and many more.
//!
//! Rclone lists the files of a folder (`rclone lsjson`) and writes a file (`rclone cat`). Nothing is written to the
//! store. What rclone has in its configuration gives access; its other settings are left out, since they may hide
//! files.

mod listing;
mod meaning;

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use self::listing::Item;
use super::access::SourceContext;
use super::decrypt::StreamTrouble;
use super::error::SourceError;
use super::parts::part_name;
use super::snapshots::{closest_time, leave_out_companions, sort};
use super::tool::{Patience, RunningTool, Tool, ToolCall, ToolKind, Version};
use crate::model::event::Snapshot;
use crate::model::lock::lock;
use crate::model::program::Program;
use crate::model::remote_path::{self, RemotePath};
use crate::model::source_kind::SourceKind;

/// The program. Its own variables are settings of all its flags and of all remotes.
static RCLONE: ToolKind = ToolKind {
    name: Program::Rclone.name(),
    own: &["RCLONE_*"],
    kept: &[
        "RCLONE_CONFIG",
        "RCLONE_CONFIG_*",
        "RCLONE_PASSWORD_COMMAND",
        "RCLONE_CA_CERT",
        "RCLONE_CLIENT_CERT",
        "RCLONE_CLIENT_KEY",
        "RCLONE_AZUREBLOB_*",
        "RCLONE_B2_*",
        "RCLONE_CRYPT_*",
        "RCLONE_DRIVE_*",
        "RCLONE_DROPBOX_*",
        "RCLONE_FTP_*",
        "RCLONE_GCS_*",
        "RCLONE_HTTP_*",
        "RCLONE_ONEDRIVE_*",
        "RCLONE_S3_*",
        "RCLONE_SFTP_*",
        "RCLONE_SWIFT_*",
        "RCLONE_WEBDAV_*",
    ],
    patience: Patience { silence: Duration::from_secs(300), retries: Duration::from_secs(60) },
    is_retry: |line| line.contains("low level retry") || line.contains("Attempt "),
};

/// The oldest version that is read: the first one with `lsjson --stat`.
const OLDEST: Version = Version(1, 56, 0);

/// Longest list of files, in bytes.
const LONGEST_LIST: u64 = 256 * 1024 * 1024;

/// Options of every call: a host that does not answer is given up soon, and our own caller tries again if it wants to.
const OPTIONS: [&str; 8] = ["--retries", "1", "--low-level-retries", "3", "--contimeout", "20s", "--timeout", "60s"];

/// The files of a store, oldest first.
#[derive(Debug)]
pub struct RemoteFiles {
    tool: Tool,
    files: Vec<(Snapshot, RemoteFile)>,
    /// Each file as it was when it was opened last, by the snapshot's id.
    opened: Mutex<HashMap<String, Item>>,
}

/// A file of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RemoteFile {
    /// The path as rclone takes it.
    path: String,
    /// The path as people see it.
    shown: String,
}

impl RemoteFiles {
    /// Finds the program and the files at an address: the file, the files that match a pattern in the last part of the
    /// path, or those in the folder whose names are usual for the kind.
    pub fn find(address: &str, kind: SourceKind, context: &SourceContext) -> Result<RemoteFiles, SourceError> {
        let shown = remote_path::shown(address);
        let at = RemotePath::of_address(address)
            .ok_or_else(|| SourceError::NotThere(format!("{shown} names no remote of rclone")))?;
        let tool = Tool::find(&RCLONE, context.programs.of(Program::Rclone), context)?;
        check_version(&tool)?;
        let mut source = RemoteFiles { tool, files: Vec::new(), opened: Mutex::default() };
        let (folder, name) = at.folder_and_name();
        let whole = format!("{}{}", at.remote, at.path);
        let in_folder = |folder: &str, item: &Item| {
            let sign = if folder.ends_with([':', '/']) { "" } else { "/" };
            RemoteFile { path: format!("{folder}{sign}{}", item.name), shown: item.name.clone() }
        };
        let mut found = if name.contains(['*', '?', '[']) {
            let pattern = glob::Pattern::new(name)
                .map_err(|error| SourceError::NotThere(format!("{name} is no pattern: {error}")))?;
            let items = source.list(&folder, &shown)?;
            let others = items.len();
            let items: Vec<Item> = items.into_iter().filter(|item| pattern.matches(&item.name)).collect();
            if items.is_empty() {
                return Err(SourceError::NoSnapshot(format!("no file fits {shown} ({others} other files are there)")));
            }
            items.into_iter().map(|item| (item.clone(), in_folder(&folder, &item))).collect()
        } else {
            match source.stat(&whole, &shown)? {
                None => return Err(SourceError::NotThere(format!("there is no file {shown}"))),
                Some(item) if item.is_folder => {
                    let usual = kind.row().is_usual_name;
                    let is_usual = |name: &str| usual(part_name(name).map_or(name, |part| part.whole));
                    let items: Vec<Item> =
                        source.list(&whole, &shown)?.into_iter().filter(|item| is_usual(&item.name)).collect();
                    if items.is_empty() {
                        let words = format!("{shown} is a folder, and no file in it has the name of a backup");
                        return Err(SourceError::NoSnapshot(words));
                    }
                    items.into_iter().map(|item| (item.clone(), in_folder(&whole, &item))).collect()
                }
                Some(item) => vec![(item, RemoteFile { path: whole, shown: shown.clone() })],
            }
        };
        refuse_parts(&found, &shown)?;
        source.files = found.drain(..).map(|(item, file)| (snapshot_of(&item), file)).collect();
        leave_out_companions(&mut source.files);
        sort(&mut source.files);
        Ok(source)
    }

    /// The snapshots, oldest first.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        self.files.iter().map(|(snapshot, _)| snapshot.clone()).collect()
    }

    /// Opens a snapshot at its beginning. When a read fails, `trouble` gets the error.
    pub fn open(&self, snapshot: &Snapshot, trouble: StreamTrouble) -> Result<RemoteReader, SourceError> {
        let file = self.file(snapshot)?;
        let gone = |words: &str| SourceError::Unreachable {
            path: PathBuf::from(&file.shown),
            error: io::Error::new(io::ErrorKind::NotFound, words),
        };
        let item = self.stat(&file.path, &file.shown)?.ok_or_else(|| gone("the file is not there any more"))?;
        if item.is_folder {
            return Err(gone("a folder is in the place of the file"));
        }
        lock(&self.opened).insert(snapshot.id.clone(), item.clone());
        let running = self.call().args(["cat", "--"]).args([&file.path]).start()?;
        let action = format!("reading {}", file.shown);
        Ok(RemoteReader { running: Some(running), action, size: item.size(), came: 0, trouble })
    }

    /// An error of the content of a file that somebody has written to since it was opened says nothing about the file.
    pub fn unless_changed<T>(&self, snapshot: &Snapshot, result: Result<T, SourceError>) -> Result<T, SourceError> {
        let is_of_content = |error: &SourceError| {
            matches!(error, SourceError::Corrupt(_) | SourceError::Broken(_) | SourceError::Incomplete(_))
        };
        let Some(error) = result.as_ref().err().filter(|error| is_of_content(error)) else { return result };
        let before = lock(&self.opened).get(&snapshot.id).cloned();
        let now = self.file(snapshot).and_then(|file| self.stat(&file.path, &file.shown)).ok().flatten();
        match (before, now) {
            (Some(before), Some(now)) if before != now => Err(SourceError::Changing(format!(
                "{} was changed while it was read, so this may be no damage: {error}",
                snapshot.id
            ))),
            _ => result,
        }
    }

    fn file(&self, snapshot: &Snapshot) -> Result<&RemoteFile, SourceError> {
        let found = self.files.iter().find(|(known, _)| known.id == snapshot.id);
        found.map(|(_, file)| file).ok_or_else(|| SourceError::no_such_snapshot(snapshot))
    }

    fn call(&self) -> ToolCall<'_> {
        ToolCall::new(&self.tool).args(OPTIONS).variable("RCLONE_ASK_PASSWORD", "false")
    }

    /// The files in a folder.
    fn list(&self, folder: &str, shown: &str) -> Result<Vec<Item>, SourceError> {
        let args = ["lsjson", "--files-only", "--no-mimetype", "--", folder];
        let (output, end) = self.call().args(args).output(LONGEST_LIST)?;
        let action = format!("listing {shown}");
        if !end.success() {
            return Err(meaning::error(&end, &action));
        }
        listing::items(&output).map_err(|error| {
            SourceError::ToolFailed(format!("{action}: rclone printed what is no list: {error}; {}", end.told()))
        })
    }

    /// The file or folder at a path; `None`: nothing is there.
    fn stat(&self, path: &str, shown: &str) -> Result<Option<Item>, SourceError> {
        let (output, end) = self.call().args(["lsjson", "--stat", "--no-mimetype", "--", path]).output(LONGEST_LIST)?;
        let action = format!("looking for {shown}");
        if meaning::is_not_there(&end) {
            return Ok(None);
        }
        if !end.success() {
            return Err(meaning::error(&end, &action));
        }
        listing::item(&output).map_err(|error| {
            SourceError::ToolFailed(format!("{action}: rclone printed what is no file: {error}; {}", end.told()))
        })
    }
}

fn check_version(tool: &Tool) -> Result<(), SourceError> {
    let (output, end) = ToolCall::new(tool).args(["version"]).output(16 * 1024)?;
    let shown = tool.program.display();
    match Version::find(&String::from_utf8_lossy(&output)) {
        Some(version) if version >= OLDEST => Ok(()),
        Some(version) => {
            Err(SourceError::ToolTooOld(format!("{shown} is rclone {version}; version 1.56 or newer is needed")))
        }
        None => Err(SourceError::ToolFailed(format!("{shown} does not tell its version: {}", end.told()))),
    }
}

fn snapshot_of(item: &Item) -> Snapshot {
    Snapshot { time: closest_time(&item.name, item.modified), id: item.name.clone() }
}

/// Refuses a split archive: its parts are no backups, and only those of this machine are joined.
fn refuse_parts(found: &[(Item, RemoteFile)], shown: &str) -> Result<(), SourceError> {
    let mut wholes: Vec<&str> = found.iter().filter_map(|(item, _)| Some(part_name(&item.name)?.whole)).collect();
    wholes.sort_unstable();
    match wholes.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(SourceError::NotThere(format!(
            "{shown}: {} is cut into parts, and parts are only joined on this machine; copy them (`rclone copy`) and \
             name the folder: tar:FOLDER",
            pair[0]
        ))),
        None => Ok(()),
    }
}

/// A file of a store, as rclone writes it.
pub struct RemoteReader {
    /// `None`: it has ended.
    running: Option<RunningTool>,
    action: String,
    /// Bytes that have to come; `None`: the store does not tell.
    size: Option<u64>,
    came: u64,
    trouble: StreamTrouble,
}

impl RemoteReader {
    /// The error of the end, if it is one.
    fn verdict(&mut self) -> Result<(), SourceError> {
        let Some(running) = self.running.take() else { return Ok(()) };
        let end = running.finish()?;
        if !end.success() {
            return Err(meaning::error(&end, &self.action));
        }
        match self.size {
            Some(size) if size != self.came => Err(SourceError::Changing(format!(
                "{}: rclone ended well after {} of {size} bytes, so the file was changed meanwhile, or its store tells \
                 a wrong size",
                self.action, self.came
            ))),
            _ => Ok(()),
        }
    }
}

impl Read for RemoteReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(running) = &mut self.running else { return Ok(0) };
        match running.read(buffer) {
            Ok(count) if count > 0 || buffer.is_empty() => {
                self.came += count as u64;
                return Ok(count);
            }
            // The end explains a failed read.
            Ok(_) | Err(_) => {}
        }
        self.verdict().map(|()| 0).map_err(|error| {
            let words = error.to_string();
            self.trouble.set(error);
            io::Error::other(words)
        })
    }
}
