//! What sources are given in these tests: an empty environment, and an engine's host that is this machine.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use rehearsa::archive::Entry;
use rehearsa::archive::survey::Survey;
use rehearsa::archive::write;
use rehearsa::model::environment::Environment;
use rehearsa::model::host_tree::{FolderId, HostEntry, HostList, HostLook, HostMount, HostSeen, HostTree, joined};
use rehearsa::model::program::ProgramPaths;
use rehearsa::model::source::MountQuery;
use rehearsa::source::{DecodeBounds, EngineHost, HostFolder, SourceContext, SourceError};

/// The engine's host, which in these tests is this machine, with a table of mounts of its own.
#[derive(Default)]
pub struct LocalHost {
    pub mounts: Vec<HostMount>,
}

fn id_of(path: impl AsRef<Path>) -> FolderId {
    let metadata = fs::metadata(path).expect("it is there");
    FolderId { device: Some(metadata.dev()), inode: metadata.ino() }
}

impl EngineHost for LocalHost {
    fn survey(&self, tree: &HostTree, queries: &[MountQuery]) -> Result<HostFolder, SourceError> {
        let metadata = fs::metadata(&tree.path).map_err(|error| SourceError::NotThere(error.to_string()))?;
        let modified = metadata.modified().ok().and_then(|time| jiff::Timestamp::try_from(time).ok());
        let mut survey = Survey::new(queries);
        write::list(Path::new(&tree.path), &mut |entry| survey.see(entry)).expect("it can be looked through");
        for (at, data) in &tree.inside {
            let mut see = |entry: &Entry| {
                let path = joined(at, &String::from_utf8_lossy(&entry.path)).into_bytes();
                survey.see(&Entry { path, ..entry.clone() });
            };
            write::list(Path::new(data), &mut see).expect("it can be looked through");
        }
        let known = vec![(String::new(), id_of(&tree.path))];
        Ok(HostFolder { contents: survey.finish(), modified, inode: metadata.ino(), mounts: Vec::new(), known })
    }

    fn look(&self, look: &HostLook) -> Result<HostSeen, SourceError> {
        let mut seen = HostSeen { mounts: self.mounts.clone(), ..HostSeen::default() };
        if let Some(HostList { path, inside }) = &look.list {
            for entry in fs::read_dir(path).map_err(|error| SourceError::NotThere(format!("{path}: {error}")))? {
                let entry = entry.expect("it is listed");
                let inside = inside.iter().find(|inside| entry.path().join(inside).is_dir());
                let Some(inside) = inside else {
                    seen.others += 1;
                    continue;
                };
                let modified = entry.metadata().expect("it is there").mtime();
                let name = entry.file_name().into_string().expect("text");
                let id = id_of(entry.path().join(inside));
                seen.entries.push(HostEntry { name, inside: inside.clone(), modified, id, dated: None });
            }
        }
        seen.folders = look.folders.iter().map(|(base, path)| Path::new(base).join(path).is_dir()).collect();
        Ok(seen)
    }
}

/// What sources are given in these tests.
pub fn context() -> SourceContext {
    context_of(LocalHost::default())
}

/// What sources are given whose host has these mounts.
pub fn context_of(host: LocalHost) -> SourceContext {
    SourceContext {
        environment: Environment::default(),
        programs: ProgramPaths::default(),
        decoding: DecodeBounds::default(),
        executable: env!("CARGO_BIN_EXE_rehearsa").into(),
        host_name: None,
        now: jiff::Timestamp::now(),
        host: Arc::new(host),
    }
}
