//! The Compose files of a project with those that they include and extend: where things stand, for people.
//!
//! Compose has the say over what the files mean. What this reader does not find, or cannot read, has no place.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::identity;
use crate::compose_places::ComposeFile;
use crate::compose_places::yaml::Node;
use crate::findings::{SourceFile, extended, normal};
use crate::local_file::{self, Accept};

/// Most files of a project, and the most bytes of one.
const MOST_FILES: usize = 200;
const LARGEST: u64 = 1 << 20;

/// The files of a project: what a file includes or extends comes before it. `folder` is the project's.
pub fn load(files: &[PathBuf], folder: &Path) -> Vec<SourceFile> {
    let mut loader = Loader { working_dir: identity::working_dir(), found: Vec::new(), begun: Vec::new() };
    for file in files {
        loader.add(&Named { shown: file.clone(), folder: folder.to_owned(), is_base: false });
    }
    loader.found
}

/// The keys of the services in the files, also of those whose profile is not on.
pub fn declared_services(files: &[SourceFile]) -> Vec<String> {
    let own = files.iter().filter(|of| !of.is_base);
    own.flat_map(|of| of.file.names("services")).map(|(name, _)| name.to_owned()).collect()
}

/// A file that is named, and how.
struct Named {
    /// As people see it.
    shown: PathBuf,
    /// The folder that its relative paths begin at.
    folder: PathBuf,
    is_base: bool,
}

struct Loader {
    working_dir: PathBuf,
    found: Vec<SourceFile>,
    /// Files that are read already, or are being read: a file may lead back to itself.
    begun: Vec<(PathBuf, bool)>,
}

impl Loader {
    fn add(&mut self, named: &Named) {
        let Named { shown, folder, is_base } = named;
        let location = normal(&self.working_dir.join(shown));
        // A file may be extended and included.
        let is_known = |(known, as_base): &(PathBuf, bool)| *known == location && (*is_base || !as_base);
        if self.begun.len() >= MOST_FILES || self.begun.iter().any(is_known) {
            return;
        }
        self.begun.push((location.clone(), *is_base));
        let bytes = local_file::read_from(&location, Accept::Regular, LARGEST);
        let Some(text) = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok()) else { return };
        let Ok(file) = ComposeFile::parse(&shown.display().to_string(), &text) else { return };
        let of = SourceFile { file, location, folder: folder.clone(), is_base: *is_base };
        for next in includes(&of, shown).into_iter().chain(bases(&of, shown)) {
            self.add(&next);
        }
        self.found.retain(|known| known.location != of.location);
        self.found.push(of);
    }
}

/// The files that a file includes.
fn includes(of: &SourceFile, shown: &Path) -> Vec<Named> {
    let texts = |node: &Arc<Node>| -> Vec<String> {
        let single = node.text().map(str::to_owned);
        let several = node.items().iter().filter_map(|item| item.text().map(str::to_owned));
        single.into_iter().chain(several).collect()
    };
    let mut named = Vec::new();
    for item in of.file.all(&["include"]).into_iter().flat_map(|(_, list)| list.items()) {
        let paths = item.get("path").map_or_else(|| texts(item), texts);
        let own = of.location.parent().unwrap_or(&of.folder);
        let Some(first) = paths.first().filter(|path| is_local(path)) else { continue };
        let folder = item.get("project_directory").and_then(|node| node.text()).map(|folder| own.join(folder));
        let folder = folder.or_else(|| own.join(first).parent().map(Path::to_owned)).unwrap_or_default();
        for path in paths.iter().filter(|path| is_local(path)) {
            named.push(Named { shown: beside(shown, path), folder: normal(&folder), is_base: false });
        }
    }
    named
}

/// The files whose services are extended.
fn bases(of: &SourceFile, shown: &Path) -> Vec<Named> {
    let written = |service: &str| {
        let (_, node) = of.file.find(&["services", service, "extends"])?;
        let path = node.get("file")?.text().filter(|path| is_local(path))?;
        let (location, _) = extended(of, service)?;
        let folder = location?.parent()?.to_owned();
        Some(Named { shown: beside(shown, path), folder, is_base: true })
    };
    of.file.names("services").into_iter().filter_map(|(service, _)| written(service)).collect()
}

/// Whether a path is one of this machine, without variables.
fn is_local(path: &str) -> bool {
    !path.contains("://") && !path.starts_with("git@") && !path.contains('$')
}

/// A path that stands in a file, as people see it.
fn beside(shown: &Path, path: &str) -> PathBuf {
    let folder = shown.parent().unwrap_or(Path::new(""));
    let mut beside = PathBuf::new();
    for part in folder.join(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if beside.file_name().is_some() => drop(beside.pop()),
            part => beside.push(part),
        }
    }
    beside
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_included_and_extended_is_found_with_its_folder() {
        let dir = tempfile::tempdir().expect("a folder");
        for (path, text) in [
            (
                "main/compose.yaml",
                "include:\n  - sub/compose.yaml\n  - {path: [../both.yaml], project_directory: ..}\n  - oci://x/y\n\
                 services:\n  a: {extends: {file: base/b.yaml, service: b}}\n  own: {extends: a}\n",
            ),
            ("main/sub/compose.yaml", "include: [compose.yaml]\nservices: {db: {image: x}}\n"),
            ("main/base/b.yaml", "services: {b: {extends: {file: ../../both.yaml, service: c}}}\n"),
            ("both.yaml", "services: {c: {image: x}}\n"),
        ] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, text).expect("written");
        }
        let main = dir.path().join("main");
        let files = load(&[main.join("compose.yaml")], &main);
        let found: Vec<(String, String, bool)> = files
            .iter()
            .map(|of| {
                let below = |path: &Path| path.strip_prefix(dir.path()).expect("below").display().to_string();
                (below(&of.location), below(&of.folder), of.is_base)
            })
            .collect();
        let of = |location: &str, folder: &str, is_base| (location.to_owned(), folder.to_owned(), is_base);
        let expected = [
            of("main/sub/compose.yaml", "main/sub", false),
            of("both.yaml", "", false),
            of("main/base/b.yaml", "main/base", true),
            of("main/compose.yaml", "main", false),
        ];
        assert_eq!(found, expected);
        assert!(files[0].file.path.ends_with("main/sub/compose.yaml"), "{}", files[0].file.path);
        assert_eq!(declared_services(&files), ["db", "c", "a", "own"]);
    }

    #[test]
    fn a_path_is_shown_as_it_is_reached_from_the_file() {
        let shown = |file: &str, path: &str| beside(Path::new(file), path).display().to_string();
        assert_eq!(shown("stack/compose.yaml", "./sub/x.yaml"), "stack/sub/x.yaml");
        assert_eq!(shown("stack/compose.yaml", "../base/x.yaml"), "base/x.yaml");
        assert_eq!(shown("compose.yaml", "../../x.yaml"), "../../x.yaml");
        assert_eq!(shown("/srv/a/compose.yaml", "../x.yaml"), "/srv/x.yaml");
    }
}
