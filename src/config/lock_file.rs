//! `rehearsa.lock`: the images that the services of a Compose project run on, and which part of the backup each of
//! their mounts comes from. `rehearsa lock` writes it; `test -f` and `plan -f` compare with it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, SettingOrigin};
use super::plan_file::document::Document;
use super::values::map;
use crate::model::source::MapRule;

/// Its name; it lies beside the first Compose file.
pub const NAME: &str = "rehearsa.lock";
/// Most bytes of such a file.
pub const LARGEST: u64 = 4 << 20;

/// The version that this Rehearsa writes, and the newest that it reads.
const VERSION: i64 = 1;
const HEAD: &str = "\
# Written by `rehearsa lock`. Keep this file with the Compose file: it says which images the services ran on, and which
# part of the backup belongs to which mount.
";

/// What a lock says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockFile {
    /// By the keys of the services.
    pub services: BTreeMap<String, LockedService>,
}

/// A service in a lock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockedService {
    pub image: LockedImage,
    /// The parts of the backup, by the paths in the container.
    pub mounts: BTreeMap<String, String>,
    /// Line and column in the file; 0: it was not read from one.
    pub line: usize,
    pub column: usize,
}

/// The image of a service in a lock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockedImage {
    /// As the Compose file names it.
    pub reference: String,
    /// The digest by which its registry has it; empty: it is in none.
    pub digest: String,
    /// The id by which the engine had it.
    pub id: String,
}

/// An image that an engine has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineImage {
    pub reference: String,
    pub id: String,
    /// `repository@sha256:…`, as the registries have it.
    pub digests: Vec<String>,
}

impl LockFile {
    /// Reads a lock. `path` is named in the error, which is about the first mistake.
    pub fn parse(path: &Path, text: &str) -> Result<LockFile, ConfigError> {
        let document = Document::new(path, text);
        // A newer version may have what no older one can read, so that is said first.
        if let Some((at, version)) = version_of(text).filter(|(_, version)| *version > VERSION) {
            let what = format!(
                "this lock is of version {version}, and this Rehearsa reads versions up to {VERSION}: update Rehearsa, \
                 or write the lock anew with `rehearsa lock`"
            );
            return Err(ConfigError::Entry { origin: document.origin(at, None), what });
        }
        let (tree, mut errors) = document.parse();
        let mut reader = Reader { document: &document, errors: Vec::new() };
        let lock = tree.as_ref().map(|tree| reader.read(tree)).unwrap_or_default();
        errors.extend(reader.errors);
        errors.into_iter().next().map_or(Ok(lock), Err)
    }

    /// The text of the file. The same content gives the same text.
    pub fn render(&self) -> String {
        let mut text = format!("{HEAD}version = {VERSION}\n");
        for (name, LockedService { image, mounts, .. }) in &self.services {
            let name = key(name);
            // Writing to a string cannot fail.
            let _ = writeln!(text, "\n[services.{name}]");
            let entries = [("image", &image.reference), ("digest", &image.digest), ("id", &image.id)];
            for (key, value) in entries.into_iter().filter(|(_, value)| !value.is_empty()) {
                let _ = writeln!(text, "{key} = {}", quoted(value));
            }
            if !mounts.is_empty() {
                let _ = writeln!(text, "\n[services.{name}.mounts]");
                for (target, path) in mounts {
                    let path = if path.is_empty() { "." } else { path };
                    let _ = writeln!(text, "{} = {}", quoted(target), quoted(path));
                }
            }
        }
        text
    }
}

impl LockedService {
    /// The rules for the mounts of this service.
    pub fn maps(&self, service: &str) -> impl Iterator<Item = MapRule> {
        let service = service.to_owned();
        self.mounts.iter().map(move |(mount, path)| MapRule {
            service: Some(service.clone()),
            mount: mount.clone(),
            path: path.clone(),
            of_lock: true,
        })
    }
}

impl LockedImage {
    /// The image of a service, as a lock has it.
    pub fn of(image: &EngineImage) -> LockedImage {
        let EngineImage { reference, id, digests } = image;
        let repository = repository(reference);
        let mut digests: Vec<(bool, &str)> = digests
            .iter()
            .filter_map(|digest| digest.split_once('@'))
            .map(|(name, digest)| (name != repository, digest))
            .collect();
        digests.sort_unstable();
        let written = reference.split_once('@').map(|(_, digest)| digest);
        let digest = written.or(digests.first().map(|(_, digest)| *digest)).unwrap_or_default();
        LockedImage { reference: reference.clone(), digest: digest.to_owned(), id: id.clone() }
    }

    /// How the image that the file names differs from the locked one; `None`: it does not. `engine`: what the engine
    /// has; `None`: no engine was asked.
    pub fn drift(&self, reference: &str, engine: Option<&EngineImage>) -> Option<String> {
        if self.reference != reference {
            return Some(format!("the file names {reference}, and {NAME} has {}", self.reference));
        }
        let engine = engine.filter(|engine| !engine.id.is_empty())?;
        let has = |digest: &String| digest.ends_with(&format!("@{}", self.digest));
        let is_same = engine.id == self.id
            || !self.digest.is_empty() && (engine.digests.iter().any(has) || engine.id == self.digest);
        if is_same {
            return None;
        }
        let now = LockedImage::of(engine);
        let (was, is) = match (self.digest.is_empty(), now.digest.is_empty()) {
            (false, false) => (&self.digest, &now.digest),
            _ => (&self.id, &now.id),
        };
        Some(format!("{reference} is {is}, and {NAME} has {was}"))
    }
}

/// A reference without its tag and digest.
fn repository(reference: &str) -> &str {
    let name = reference.split_once('@').map_or(reference, |(name, _)| name);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

/// The version that a text begins with, whatever else is in it.
fn version_of(text: &str) -> Option<(usize, i64)> {
    let (table, _) = DeTable::parse_recoverable(text);
    let (key, value) = table.get_ref().iter().find(|(key, _)| key.get_ref() == "version")?;
    let DeValue::Integer(number) = value.get_ref() else { return None };
    Some((key.span().start, i64::from_str_radix(number.as_str(), number.radix()).ok()?))
}

/// A key of TOML.
fn key(name: &str) -> String {
    let is_bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if is_bare { name.to_owned() } else { quoted(name) }
}

/// A text of TOML, on one line whatever is in it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            // Writing to a string cannot fail.
            c if c.is_control() => drop(write!(quoted, "\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Reads the tree of a lock, and finds every mistake.
struct Reader<'a> {
    document: &'a Document<'a>,
    errors: Vec<ConfigError>,
}

impl Reader<'_> {
    fn read(&mut self, tree: &DeValue<'_>) -> LockFile {
        let mut lock = LockFile::default();
        let mut is_versioned = false;
        for (key, value) in tree.as_table().into_iter().flat_map(|top| top.iter()) {
            let at = key.span().start;
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("version", DeValue::Integer(_)) => is_versioned = true,
                ("services", DeValue::Table(services)) => {
                    for (name, service) in services {
                        let read = self.service(name.span().start, service.get_ref());
                        lock.services.insert(name.get_ref().to_string(), read);
                    }
                }
                (key, _) => self.wrong(at, &format!("a lock has `version` and `services`, and no such `{key}`")),
            }
        }
        if !is_versioned {
            self.wrong(0, "a lock says its version (`version = 1`) at its top");
        }
        lock
    }

    fn service(&mut self, at: usize, value: &DeValue<'_>) -> LockedService {
        let mut service = LockedService::default();
        if let SettingOrigin::File { line, column, .. } = self.document.origin(at, None) {
            (service.line, service.column) = (line, column);
        }
        let Some(entries) = value.as_table() else {
            self.wrong(at, "a service is a table: [services.NAME]");
            return service;
        };
        for (key, value) in entries {
            let at = key.span().start;
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("image", DeValue::String(text)) => service.image.reference = text.to_string(),
                ("digest", DeValue::String(text)) => service.image.digest = text.to_string(),
                ("id", DeValue::String(text)) => service.image.id = text.to_string(),
                ("mounts", DeValue::Table(mounts)) => {
                    for (target, path) in mounts {
                        let within = path.get_ref().as_str().map(map::within);
                        match within {
                            Some(Ok(path)) => drop(service.mounts.insert(target.get_ref().to_string(), path)),
                            Some(Err(expected)) => self.wrong(target.span().start, &format!("a path {expected}")),
                            None => self.wrong(target.span().start, "the part of a backup is a path in quotes"),
                        }
                    }
                }
                (key, _) => self.wrong(at, &format!("a service has `image`, `digest`, `id` and `mounts`, not `{key}`")),
            }
        }
        if service.image.reference.is_empty() {
            self.wrong(at, "the service has no `image`");
        }
        service
    }

    fn wrong(&mut self, at: usize, what: &str) {
        let what = format!("{what}; `rehearsa lock` writes the lock anew");
        self.errors.push(ConfigError::Entry { origin: self.document.origin(at, None), what });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(reference: &str, digest: &str, id: &str) -> LockedImage {
        LockedImage { reference: reference.to_owned(), digest: digest.to_owned(), id: id.to_owned() }
    }

    fn on_engine(reference: &str, id: &str, digests: &[&str]) -> EngineImage {
        let digests = digests.iter().map(|&digest| digest.to_owned()).collect();
        EngineImage { reference: reference.to_owned(), id: id.to_owned(), digests }
    }

    fn parse(text: &str) -> Result<LockFile, String> {
        LockFile::parse(Path::new("stack/rehearsa.lock"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn what_was_written_is_read_again() {
        let mounts = [("/data", ""), ("/it's \"odd\"\\\n", "opt/über/x")];
        let mounts = mounts.map(|(target, path)| (target.to_owned(), path.to_owned())).into();
        let db = LockedService { image: image("db:1", "sha256:aa", "sha256:bb"), mounts, ..LockedService::default() };
        let web = LockedService { image: image("shop-web", "", "sha256:cc"), ..LockedService::default() };
        let services = [("web.1", web), ("db", db)].map(|(name, service)| (name.to_owned(), service));
        let lock = LockFile { services: services.into() };
        let text = lock.render();
        assert!(text.starts_with("# Written by `rehearsa lock`"), "{text}");
        let mut read = parse(&text).expect("it is right");
        assert_eq!((read.services["db"].line, read.services["db"].column), (5, 11), "{text}");
        read.services.values_mut().for_each(|service| (service.line, service.column) = (0, 0));
        assert_eq!(read, lock, "{text}");
        assert_eq!(read.render(), text);
    }

    #[test]
    fn a_lock_that_cannot_be_read_says_where() {
        for (text, told) in [
            ("version = 2\nservices = 3\n[new", "rehearsa.lock:1:1: this lock is of version 2"),
            ("version = 1\n[services.db\n", "rehearsa.lock:2:"),
            ("version = 1\n[services.db]\nid = 'x'\n", "rehearsa.lock:2:11: the service has no `image`"),
            ("version = 1\n[services]\ndb = 1\n", "rehearsa.lock:3:1: a service is a table"),
            ("version = 1\n[services.db]\nimage = 'x'\ntag = 'y'\n", "rehearsa.lock:4:1: a service has `image`"),
            ("version = 1\n[services.db]\nimage = 'x'\nmounts = {'/a' = '../b'}\n", "leads out of it"),
            ("[services.db]\nimage = 'x'\n", "rehearsa.lock:1:1: a lock says its version"),
            ("version = 1\nimages = 1\n", "rehearsa.lock:2:1: a lock has `version` and `services`"),
        ] {
            let errors = parse(text).expect_err(text);
            assert!(errors.contains(told), "{text}: {errors}");
        }
    }

    #[test]
    fn an_image_drifts_if_neither_its_digest_nor_its_id_is_the_locked_one() {
        let locked = image("host:5000/app:1", "sha256:aa", "sha256:bb");
        let drift = |engine: &EngineImage| locked.drift("host:5000/app:1", Some(engine));
        for same in [
            on_engine("host:5000/app:1", "sha256:cc", &["host:5000/app@sha256:00", "mirror/app@sha256:aa"]),
            on_engine("host:5000/app:1", "sha256:bb", &[]),
            on_engine("host:5000/app:1", "sha256:aa", &[]),
        ] {
            assert_eq!(drift(&same), None, "{same:?}");
        }
        let other = on_engine("host:5000/app:1", "sha256:cc", &["a@sha256:00", "host:5000/app@sha256:dd"]);
        let told = "host:5000/app:1 is sha256:dd, and rehearsa.lock has sha256:aa";
        assert_eq!(drift(&other).as_deref(), Some(told));
        let built = on_engine("host:5000/app:1", "sha256:cc", &[]);
        let told = "host:5000/app:1 is sha256:cc, and rehearsa.lock has sha256:bb";
        assert_eq!(drift(&built).as_deref(), Some(told));
        assert_eq!(locked.drift("host:5000/app:1", None), None, "no engine was asked");
        let told = "the file names host:5000/app:2, and rehearsa.lock has host:5000/app:1";
        assert_eq!(locked.drift("host:5000/app:2", None).as_deref(), Some(told));
    }

    #[test]
    fn the_digest_of_the_own_repository_is_locked() {
        let digests = ["a/app@sha256:00", "app@sha256:22", "app@sha256:11"];
        assert_eq!(LockedImage::of(&on_engine("app:1", "i", &digests)), image("app:1", "sha256:11", "i"));
        assert_eq!(LockedImage::of(&on_engine("other:1", "i", &digests)).digest, "sha256:00");
        assert_eq!(LockedImage::of(&on_engine("app:1@sha256:99", "i", &digests)).digest, "sha256:99");
        assert_eq!(LockedImage::of(&on_engine("built", "i", &[])).digest, "");
    }

    #[test]
    fn the_mounts_are_rules_of_their_service() {
        let mounts = [("/data".to_owned(), "a/b".to_owned())].into();
        let service = LockedService { mounts, ..LockedService::default() };
        let rule = MapRule {
            service: Some("db".to_owned()),
            mount: "/data".to_owned(),
            path: "a/b".to_owned(),
            of_lock: true,
        };
        assert_eq!(service.maps("db").collect::<Vec<_>>(), [rule]);
    }
}
