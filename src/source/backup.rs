//! An opened source with the chosen snapshot.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

use super::access::{Access, EngineHost, HostSnapshot, SnapshotReader, Source, SourceContext};
use super::dump::inside::{DumpInSnapshot, SnapshotFiles};
use super::error::SourceError;
use super::small_files::{SmallFile, SmallFileBounds};
use super::{host_snapshot, kinds};
use crate::archive::below;
use crate::archive::compression::window::DecodeBounds;
use crate::archive::survey::Survey;
use crate::model::dump::Dump;
use crate::model::event::Snapshot;
use crate::model::file_id::FileId;
use crate::model::repository::Repository;
use crate::model::source::{
    BackupAccess, BackupContents, BackupSurvey, ContentTally, MatchRule, MountQuery, Pattern, Shape, SnapshotGroups,
    SnapshotTraits, SourcePlace, SourceSpec,
};

/// Inode of the root of every subvolume of btrfs.
const SUBVOLUME_ROOT: u64 = 256;

/// An opened source with the chosen snapshot.
pub struct Backup {
    /// The source that the user asked for.
    pub place: SourcePlace,
    /// The chosen snapshot.
    pub snapshot: Snapshot,
    source: Arc<dyn Source>,
    host: Arc<dyn EngineHost>,
    decoding: DecodeBounds,
}

/// A dump among the files of a snapshot, read to its end.
#[derive(Debug)]
pub struct OpenedDump {
    pub dump: Dump,
    /// The files as which the dump is streamed.
    pub holds: ContentTally,
    /// The dump as a backup of its own.
    pub backup: Backup,
}

impl Backup {
    /// Opens the source and chooses the snapshot.
    pub fn open(spec: &SourceSpec, context: &SourceContext) -> Result<Backup, SourceError> {
        let source: Arc<dyn Source> = kinds::open(spec, context)?.into();
        let snapshot = source.choose(spec.snapshot.as_deref())?;
        let (host, decoding) = (Arc::clone(&context.host), context.decoding);
        Ok(Backup { place: spec.place.clone(), snapshot, source, host, decoding })
    }

    /// What the report says of how the source is read.
    pub fn notes(&self) -> Vec<String> {
        self.source.notes()
    }

    /// Looks for the parts that `queries` ask for. Reads the snapshot to its end. A snapshot with more than
    /// `max_entries` is an error; 0 means no limit. Folders on the engine's host are not counted here: the caller
    /// applies the limit to the result.
    pub fn survey(&self, queries: &[MountQuery], max_entries: u64) -> Result<BackupSurvey, SourceError> {
        self.survey_with(queries, max_entries, |_| Vec::new())
    }

    /// As [`Backup::survey`]. `others` gives the paths of more parts that are used, such as dumps: the snapshot is as
    /// old as the oldest part that is used.
    pub fn survey_with(
        &self,
        queries: &[MountQuery],
        max_entries: u64,
        others: impl FnOnce(&mut BackupContents) -> Vec<Vec<u8>>,
    ) -> Result<BackupSurvey, SourceError> {
        let snapshot = self.snapshot.clone();
        let traits = self.source.traits(&snapshot);
        match self.source.open(&snapshot)? {
            Access::Stream(reader) => {
                let mut contents = contents(&*reader, queries, max_entries)?;
                is_data(&contents, queries)?;
                let traits = SnapshotTraits { content_read: reader.has_read_content(), ..traits };
                let candidates = contents.candidates.iter().flatten().map(|candidate| candidate.path.clone());
                let mut used: Vec<Vec<u8>> = candidates.collect();
                used.extend(others(&mut contents));
                let snapshot = reader.narrow(&used)?.unwrap_or(snapshot);
                let groups = reader.groups(&used);
                Ok(BackupSurvey { snapshot, contents, access: BackupAccess::Stream, traits, groups })
            }
            Access::Dump(dump, reader) => {
                let contents = contents(&*reader, queries, max_entries)?;
                let traits = SnapshotTraits { content_read: reader.has_read_content(), ..traits };
                let (access, groups) = (BackupAccess::Dump(dump), SnapshotGroups::default());
                Ok(BackupSurvey { snapshot, contents, access, traits, groups })
            }
            Access::HostTree(found) => {
                let mut survey = self.survey_on_host(found, queries, traits)?;
                others(&mut survey.contents);
                Ok(survey)
            }
        }
    }

    fn survey_on_host(
        &self,
        found: HostSnapshot,
        queries: &[MountQuery],
        traits: SnapshotTraits,
    ) -> Result<BackupSurvey, SourceError> {
        let HostSnapshot { mut tree, live_path, holes, is_listed } = found;
        let mut asked = match &live_path {
            Some(live_path) => host_snapshot::queries_at(live_path, queries),
            None => queries.to_vec(),
        };
        // What lies elsewhere is counted apart, to tell whether the host shows it.
        asked.extend(tree.inside.iter().map(|(at, _)| {
            let pattern = Pattern::Top(at.clone().into_bytes());
            MountQuery { patterns: vec![(MatchRule::Name, pattern)] }
        }));
        let mut folder = self.host.survey(&tree, &asked)?;
        if folder.contents.whole.root == Some(Shape::File) {
            let words = "it is a file; a backup on the engine's host must be a folder";
            return Err(SourceError::NotThere(words.to_owned()));
        }
        if let Some(path) = tree.exchanged(&folder.known) {
            return Err(SourceError::Exchanged { path });
        }
        host_snapshot::is_shown(&tree, &folder)?;
        tree.known = folder.known;
        let is_on_btrfs = folder.mounts.iter().any(|mount| mount.point.is_empty() && mount.file_system == "btrfs");
        tree.is_snapshot |= is_listed && is_on_btrfs && folder.inode == SUBVOLUME_ROOT;
        folder.contents.candidates.truncate(queries.len());
        folder.contents.holes.retain(|hole| !host_snapshot::is_snapshot_itself(hole, &tree.path));
        folder.contents.holes.extend(holes);
        host_snapshot::note_wants(&mut folder.contents.holes, live_path.as_deref(), queries);
        is_data(&folder.contents, queries)?;
        let snapshot = Snapshot { time: self.snapshot.time.or(folder.modified), ..self.snapshot.clone() };
        let (access, groups) = (BackupAccess::HostTree(tree), SnapshotGroups::default());
        Ok(BackupSurvey { snapshot, contents: folder.contents, access, traits, groups })
    }

    /// Reads the dump at a path of the snapshot to its end.
    pub fn open_dump(&self, path: &[u8], is_folder: bool) -> Result<OpenedDump, SourceError> {
        let inside = DumpInSnapshot::summarize(self.files(), path, is_folder)?;
        let (dump, snapshot) = (inside.dump().clone(), inside.snapshot().clone());
        let (place, host) = (self.place.clone(), Arc::clone(&self.host));
        let backup = Backup { place, snapshot, source: Arc::new(inside), host, decoding: self.decoding };
        let holds = backup.survey(&[], 0)?.contents.whole;
        Ok(OpenedDump { dump, holds, backup })
    }

    /// The content of a small file of the snapshot. A file of more than `most` bytes is an error.
    pub fn read_small_file(&self, path: &[u8], most: u64) -> Result<Vec<u8>, SourceError> {
        self.files().read_small_file(path, most)
    }

    /// The contents of small files of the snapshot, read in one pass; `None`: there is no such file, or it has more
    /// than `most` bytes.
    pub fn read_files(&self, paths: &[Vec<u8>], most: u64) -> Result<Vec<Option<Vec<u8>>>, SourceError> {
        self.files().read_files(paths, most)
    }

    /// The small files below each of these folders of the snapshot, read in one pass.
    pub fn read_folders(
        &self,
        folders: &[Vec<u8>],
        bounds: SmallFileBounds,
    ) -> Result<Vec<Result<Vec<SmallFile>, SourceError>>, SourceError> {
        self.files().read_folders(folders, bounds)
    }

    fn files(&self) -> SnapshotFiles {
        let (source, snapshot) = (Arc::clone(&self.source), self.snapshot.clone());
        SnapshotFiles { source, snapshot, decoding: self.decoding }
    }

    /// The snapshots of the same things that are older than `snapshot`, the newest of them first; at most `most`. Where
    /// several groups make up the snapshot, the first of them is made of the next older one of each group, and so on.
    pub fn earlier(&self, snapshot: &Snapshot, most: usize) -> Result<Vec<Snapshot>, SourceError> {
        self.source.earlier(snapshot, most)
    }

    /// The same source with another of its snapshots.
    pub fn at(&self, snapshot: Snapshot) -> Backup {
        let Backup { place, snapshot: _, source, host, decoding } = self;
        let (place, source, host) = (place.clone(), Arc::clone(source), Arc::clone(host));
        Backup { place, snapshot, source, host, decoding: *decoding }
    }

    /// Which file or folder of this machine a part of the snapshot is; `None`: none, or nobody can tell.
    pub fn identity(&self, part: &[u8]) -> Option<FileId> {
        let folder = self.source.folder(&self.snapshot)?;
        // The folder that the user named may be a link; the parts of a backup are not reached through links.
        let found = match part {
            [] => fs::metadata(folder),
            part => fs::symlink_metadata(folder.join(OsStr::from_bytes(part))),
        };
        FileId::of(&found.ok()?)
    }

    /// Reads the content of the snapshot to its end and keeps nothing; see [`SnapshotReader::stream`]. Returns whether
    /// there was content that this process can read: a folder on the engine's host is not read.
    pub fn read_content(&self) -> Result<bool, SourceError> {
        match self.source.open(&self.snapshot)? {
            Access::Stream(reader) | Access::Dump(_, reader) => {
                reader.stream(&[], &mut io::sink())?;
                Ok(true)
            }
            Access::HostTree(_) => Ok(false),
        }
    }

    /// Writes the snapshot as a tar archive; see [`SnapshotReader::stream`].
    pub fn stream(&self, wanted: &[Vec<u8>], out: &mut dyn Write) -> Result<(), SourceError> {
        match self.source.open(&self.snapshot)? {
            Access::Stream(reader) | Access::Dump(_, reader) => reader.stream(wanted, out),
            Access::HostTree(found) => Err(SourceError::Unreachable {
                path: found.tree.path.into(),
                error: io::Error::other("it lies on the engine's host, and only a worker there can read it"),
            }),
        }
    }
}

impl fmt::Debug for Backup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Backup { place, snapshot, source, host: _, decoding: _ } = self;
        f.debug_struct("Backup")
            .field("place", place)
            .field("snapshot", snapshot)
            .field("source", source)
            .finish_non_exhaustive()
    }
}

fn contents(
    reader: &dyn SnapshotReader,
    queries: &[MountQuery],
    max_entries: u64,
) -> Result<BackupContents, SourceError> {
    let mut survey = Survey::new(queries);
    reader.list(max_entries, &mut |entry| survey.see(entry))?;
    Ok(survey.finish())
}

/// Refuses a backup that has the layout of another program. It is data if the user maps all of the layout to a mount
/// (a service may keep such a repository), or if its folder has the name of a volume. What a whole container wrote may
/// look like an export and hold the data of mounts, too.
fn is_data(contents: &BackupContents, queries: &[MountQuery]) -> Result<(), SourceError> {
    let Some(layout) = &contents.layout else { return Ok(()) };
    let fitting = || contents.candidates.iter().flatten().filter(|candidate| candidate.tally.amount.bytes > 0);
    let has_all = |path: &[u8]| below(&layout.path, path).is_some();
    let is_mapped = queries
        .iter()
        .flat_map(|query| &query.patterns)
        .any(|(rule, pattern)| *rule == MatchRule::Explicit && matches!(pattern, Pattern::Top(path) if has_all(path)));
    let is_named = fitting().any(|candidate| candidate.rule == MatchRule::Name && has_all(&candidate.path));
    let is_export_with_data = layout.of == Repository::DockerExport && fitting().next().is_some();
    if is_mapped || is_named || is_export_with_data { Ok(()) } else { Err(SourceError::Layout(layout.clone())) }
}
