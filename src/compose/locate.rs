//! Finds out where a backup keeps a project, before the parts for its mounts are looked for: the project's folder on
//! the machine that was backed up, and the name that the project had there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use super::project::Project;
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::mount::MountOrigin;
use crate::model::source::BackupContents;

/// Where the backup keeps the project.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Located {
    /// The project's folder in the backup, with a slash in front; `None`: not known.
    pub folder: Option<String>,
    /// The names of volumes in the backup, by the names that the project gives them.
    pub volumes: BTreeMap<String, String>,
}

impl Project {
    /// Finds the project in a backup. `files` are the Compose files in it, with their contents; `own` is the content
    /// of the project's first file. `folder`: the folder in the backup, if it is known.
    pub fn locate(
        &self,
        contents: &BackupContents,
        files: &[(Vec<u8>, Vec<u8>)],
        own: &[u8],
        folder: Option<String>,
    ) -> Located {
        let folder = folder.or_else(|| self.find_folder(files, own));
        let volumes = self.find_volumes(contents, folder.as_deref());
        Located { folder, volumes }
    }

    /// The folder with the same Compose file; else the only one of the name of the project or its folder, else the
    /// only one whose file has all services of the project.
    fn find_folder(&self, files: &[(Vec<u8>, Vec<u8>)], own: &[u8]) -> Option<String> {
        let folders = |wanted: &dyn Fn(&str, &[u8]) -> bool| -> BTreeSet<String> {
            let files = files.iter().filter_map(|(path, content)| {
                let path = std::str::from_utf8(path).ok()?;
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                wanted(folder, content).then(|| format!("/{folder}"))
            });
            files.collect()
        };
        let same = folders(&|_, content| content == own);
        let own_name = self.folder.file_name().and_then(|name| name.to_str());
        let named = folders(&|folder, content| {
            let name = folder.rsplit('/').next().unwrap_or_default();
            let is_candidate = same.is_empty() || content == own;
            is_candidate && (Some(name) == own_name || normalized(name) == self.name)
        });
        let alike = folders(&|_, content| same.is_empty() && self.has_services(content));
        [same, named, alike].into_iter().find(|found| found.len() == 1).and_then(|found| found.first().cloned())
    }

    /// Whether a file has the keys of all services of the project.
    fn has_services(&self, content: &[u8]) -> bool {
        let Ok(text) = std::str::from_utf8(content) else { return false };
        let keys: BTreeSet<&str> = text.lines().filter_map(|line| Some(line.trim().split_once(':')?.0)).collect();
        self.services.iter().all(|of| keys.contains(of.service.name.service.as_str()))
    }

    /// The volumes under the name of another project: the folder's in the backup, the project's own without hyphens
    /// and underscores (before Compose 1.21), or one that all of several volumes have.
    fn find_volumes(&self, contents: &BackupContents, folder: Option<&str>) -> BTreeMap<String, String> {
        let names: BTreeSet<&str> = contents.parts.iter().filter_map(|(path, _)| volume_name(path)).collect();
        let own = self.data_volumes();
        if own.is_empty() || own.keys().any(|name| names.contains(name.as_str())) {
            return BTreeMap::new();
        }
        let mut prefixes: Option<BTreeSet<&str>> = None;
        for key in own.values() {
            let of_key = names.iter().filter_map(|name| name.strip_suffix(key.as_str())?.strip_suffix('_'));
            let of_key: BTreeSet<&str> = of_key.filter(|prefix| !prefix.is_empty()).collect();
            prefixes = Some(match prefixes {
                Some(known) => known.intersection(&of_key).copied().collect(),
                None => of_key,
            });
        }
        let prefixes = prefixes.unwrap_or_default();
        let in_backup = folder.and_then(|folder| folder.rsplit('/').next()).map(normalized);
        let is_known = |prefix: &&&str| {
            Some(**prefix) == in_backup.as_deref() || bare(prefix) == bare(&self.name) && **prefix != self.name
        };
        let known: Vec<&&str> = prefixes.iter().filter(is_known).collect();
        let prefix = match (known.as_slice(), prefixes.len()) {
            ([known], _) => **known,
            // One volume of a common name may be of any project.
            ([], 1) if own.len() > 1 => *prefixes.first().expect("there is one"),
            _ => return BTreeMap::new(),
        };
        own.into_iter().map(|(name, key)| (name, format!("{prefix}_{key}"))).collect()
    }

    /// The keys of the volumes that services mount and that bear the project's name, by their names.
    fn data_volumes(&self) -> BTreeMap<String, String> {
        let mounts = self.services.iter().flat_map(|of| &of.service.mounts);
        mounts
            .filter_map(|mount| match &mount.origin {
                MountOrigin::Volume { name, .. } if !mount.origin.is_in_memory() => {
                    Some((name.clone(), self.own_volumes.get(name)?.clone()))
                }
                _ => None,
            })
            .collect()
    }

    /// Names the mounts as the backup has them, and returns what that means for each service, by its key.
    pub fn apply(&mut self, located: &Located) -> BTreeMap<String, Vec<Diagnosis>> {
        let Located { folder, volumes } = located;
        let mut warnings: BTreeMap<String, Vec<Diagnosis>> = BTreeMap::new();
        for of in &mut self.services {
            for mount in &mut of.service.mounts {
                match &mut mount.origin {
                    MountOrigin::Volume { name, .. } => {
                        let Some(known) = volumes.get(name) else { continue };
                        let key = of.service.name.service.clone();
                        warnings.entry(key).or_default().push(other_name(&self.name, name, known));
                        name.clone_from(known);
                    }
                    MountOrigin::Bind { source } => {
                        let own = self.project_files.iter_mut().find(|file| file.source == *source);
                        if own.as_ref().is_some_and(|file| file.is_first) {
                            continue;
                        }
                        let Some(there) = folder.as_deref().and_then(|there| path_from(there, &self.folder, source))
                        else {
                            continue;
                        };
                        if let Some(file) = own {
                            file.source.clone_from(&there);
                        }
                        *source = there;
                    }
                    MountOrigin::Tmpfs { .. } | MountOrigin::Dump { .. } | MountOrigin::Other { .. } => {}
                }
            }
        }
        warnings
    }
}

fn other_name(project: &str, name: &str, known: &str) -> Diagnosis {
    let message = format!(
        "the backup has the volume {known}, and a start of the project {project} would make {name}: after a restore \
         it would come up on a new, empty volume"
    );
    Diagnosis::new(Code::ConfigProjectName, message)
}

/// The path of a file of the project where the project's folder is another one; `None`: the file is not near the
/// project's folder.
pub fn path_from(there: &str, folder: &Path, source: &str) -> Option<String> {
    let (mut base, mut up) = (folder, 0);
    let rest = loop {
        match Path::new(source).strip_prefix(base) {
            Ok(rest) => break rest,
            Err(_) if up == 0 => {
                base = base.parent().filter(|parent| parent.parent().is_some())?;
                up += 1;
            }
            Err(_) => return None,
        }
    };
    let mut path = Path::new(there).to_owned();
    if up > 0 && !path.pop() {
        return None;
    }
    let names = rest.components().all(|component| matches!(component, Component::Normal(_)));
    names.then(|| path.join(rest).to_string_lossy().trim_end_matches('/').to_owned())
}

/// The name of the volume that a part of a backup may be.
fn volume_name(path: &[u8]) -> Option<&str> {
    let path = std::str::from_utf8(path).ok()?;
    let path = path.strip_suffix("/_data").unwrap_or(path);
    path.rsplit('/').next().filter(|name| !name.is_empty())
}

/// A folder's name as Compose makes a project's name of it.
pub fn normalized(name: &str) -> String {
    let kept = name.to_lowercase();
    let kept: String =
        kept.chars().filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(*c)).collect();
    kept.trim_start_matches(['-', '_']).to_owned()
}

fn bare(name: &str) -> String {
    name.chars().filter(|c| !"-_".contains(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::program::Resolved;
    use crate::model::environment::Environment;
    use crate::model::source::ContentTally;

    fn project(name: &str) -> Project {
        let volume = |key: &str| serde_json::json!({"type": "volume", "source": key, "target": format!("/{key}")});
        let bind = |path: &str| serde_json::json!({"type": "bind", "source": path, "target": path});
        let json = serde_json::json!({
            "name": name,
            "services": {"web": {"image": "x", "volumes": [
                volume("db"), volume("media"), bind("/builds/me/shop/data"), bind("/builds/me/files"), bind("/srv/x"),
            ]}},
            "volumes": {"db": {"name": format!("{name}_db")}, "media": {"name": format!("{name}_media")}},
        });
        let resolved = Resolved {
            json: serde_json::to_vec(&json).expect("JSON"),
            warnings: Vec::new(),
            folder: "/builds/me/shop".into(),
            files: Vec::new(),
        };
        super::super::project::read(resolved, &Environment::default()).expect("it is read")
    }

    fn contents(parts: &[&str]) -> BackupContents {
        let part = |path: &&str| (path.as_bytes().to_vec(), ContentTally::default());
        BackupContents { parts: parts.iter().map(part).collect(), ..BackupContents::default() }
    }

    fn volumes(name: &str, folder: Option<&str>, parts: &[&str]) -> Vec<String> {
        project(name).find_volumes(&contents(parts), folder).into_values().collect()
    }

    #[test]
    fn volumes_of_another_project_name_are_found_by_what_all_have_in_front() {
        assert_eq!(volumes("shop", None, &["v/old_db", "v/old_media", "v/blog_db"]), ["old_db", "old_media"]);
        assert_eq!(volumes("my-shop", None, &["myshop_db/_data", "myshop_media/_data"]), ["myshop_db", "myshop_media"]);
        assert!(volumes("shop", None, &["old_db", "blog_media"]).is_empty(), "they have nothing in common");
        assert!(volumes("shop", None, &["a_db", "a_media", "b_db", "b_media"]).is_empty(), "two may be meant");
        let known = volumes("shop", Some("/opt/B"), &["a_db", "a_media", "b_db", "b_media"]);
        assert_eq!(known, ["b_db", "b_media"], "the folder in the backup has this name");
        assert!(volumes("shop", None, &["shop_db", "old_db", "old_media"]).is_empty(), "its own name is there");
    }

    #[test]
    fn the_folder_is_the_one_with_the_same_file_or_else_with_the_same_name() {
        let file = |path: &str, content: &str| (path.as_bytes().to_vec(), content.as_bytes().to_vec());
        let find = |files: &[(Vec<u8>, Vec<u8>)]| project("shop").find_folder(files, b"own");
        let same = [file("opt/stacks/app/compose.yaml", "own"), file("opt/stacks/shop/compose.yaml", "other")];
        assert_eq!(find(&same).as_deref(), Some("/opt/stacks/app"));
        assert_eq!(find(&same[1..]).as_deref(), Some("/opt/stacks/shop"));
        assert_eq!(find(&[file("compose.yaml", "own")]).as_deref(), Some("/"));
        let twice = [file("a/shop/compose.yaml", "own"), file("b/shop/compose.yaml", "own")];
        assert_eq!(find(&twice), None);
        assert_eq!(find(&[file("opt/blog/compose.yaml", "other")]), None);
        let edited = "services:\n  web:\n    image: y\n";
        assert_eq!(find(&[file("opt/blog/compose.yaml", edited)]).as_deref(), Some("/opt/blog"), "the same services");
        assert_eq!(find(&[file("a/x.yaml", edited), file("b/x.yaml", edited)]), None);
    }

    #[test]
    fn mounts_get_the_names_that_the_backup_has() {
        let mut project = project("shop");
        let volumes = BTreeMap::from([("shop_db".to_owned(), "old_db".to_owned())]);
        let located = Located { folder: Some("/opt/stacks/app".to_owned()), volumes };
        let warnings = project.apply(&located);
        let titles: Vec<String> = project.services[0].service.mounts.iter().map(|mount| mount.title()).collect();
        let expected = [
            "bind mount /opt/stacks/files",
            "bind mount /opt/stacks/app/data",
            "volume old_db",
            "volume shop_media",
            "bind mount /srv/x",
        ];
        let mut sorted = titles.clone();
        sorted.sort();
        let mut wanted = expected.map(str::to_owned).to_vec();
        wanted.sort();
        assert_eq!(sorted, wanted);
        assert_eq!(warnings["web"].iter().map(|warning| warning.code).collect::<Vec<_>>(), [Code::ConfigProjectName]);
    }

    #[test]
    fn a_name_is_made_as_compose_makes_it() {
        assert_eq!(normalized("My App.v2_X-1"), "myappv2_x-1");
        assert_eq!(normalized("_-x"), "x");
    }
}
