//! Finds the lines of Compose files that declare services, so that reports can point to them.
//!
//! Compose labels each container with the files that it was made from. The files are where Compose ran, which may be
//! another machine: if a file cannot be read or does not have the service, no line is reported. A service that was
//! started by hand has no such file. A label may name anything, so the files are read by a thread that is left alone
//! when a file system does not answer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::local_file;
use crate::model::location::Location;
use crate::model::service::Service;

/// Label with the Compose files, separated by commas. Compose v1 writes the paths as the user gave them.
const FILES: &str = "com.docker.compose.project.config_files";
/// Label with the folder that relative paths of files start from.
const FOLDER: &str = "com.docker.compose.project.working_dir";
/// Label with the service's name in the files.
const SERVICE: &str = "com.docker.compose.service";

/// Most bytes to read of a file, and most files of a service.
const MOST_BYTES: u64 = 1024 * 1024;
const MOST_FILES: usize = 16;

/// How long is waited for one file, and for all of them.
const PATIENCE: Patience = Patience { one: Duration::from_secs(2), all: Duration::from_secs(6) };

#[derive(Clone, Copy)]
struct Patience {
    one: Duration,
    all: Duration,
}

/// Finds the line that declares each service. A path is relative to `working_dir` when the file is below it.
pub fn declare(services: &mut [Service], working_dir: &Path) {
    let named: BTreeSet<PathBuf> = services.iter().flat_map(files_of).collect();
    let texts = read_all(named, read_compose_file, PATIENCE);
    for service in services.iter_mut().filter(|service| service.is_live()) {
        service.declared = declared(service, working_dir, &texts);
    }
}

/// The line of a Compose file's text that declares a service.
pub fn location_in(text: &str, service: &str, file: &Path, working_dir: &Path) -> Option<Location> {
    let line = line_of(text, service)?;
    let shown = file.strip_prefix(working_dir).unwrap_or(file);
    Some(Location { file: shown.display().to_string(), line })
}

fn declared(service: &Service, working_dir: &Path, texts: &BTreeMap<PathBuf, String>) -> Option<Location> {
    let name = service.label(SERVICE)?;
    files_of(service).into_iter().find_map(|path| {
        let line = line_of(texts.get(&path)?, name)?;
        let shown = path.strip_prefix(working_dir).unwrap_or(&path);
        Some(Location { file: shown.display().to_string(), line })
    })
}

/// The files that may declare a service.
fn files_of(service: &Service) -> Vec<PathBuf> {
    let folder = PathBuf::from(service.label(FOLDER).unwrap_or_default());
    let files = service.label(FILES).unwrap_or_default().split(',').filter(|file| !file.is_empty());
    // A relative path without its folder would be relative to Rehearsa's own working directory.
    files.take(MOST_FILES).map(|file| folder.join(file)).filter(|path| path.is_absolute()).collect()
}

/// Reads the files by a thread. When a file takes too long, the thread is left alone and another one reads the rest.
fn read_all(
    paths: BTreeSet<PathBuf>,
    read: fn(&Path) -> Option<String>,
    patience: Patience,
) -> BTreeMap<PathBuf, String> {
    let ends = Instant::now() + patience.all;
    let mut rest: VecDeque<PathBuf> = paths.into_iter().collect();
    let mut texts = BTreeMap::new();
    while !rest.is_empty() && Instant::now() < ends {
        let (send, receive) = mpsc::channel();
        let paths = rest.clone();
        std::thread::spawn(move || paths.iter().try_for_each(|path| send.send(read(path))));
        while let Some(path) = rest.pop_front() {
            match receive.recv_timeout(patience.one.min(ends.saturating_duration_since(Instant::now()))) {
                Ok(text) => texts.extend(text.map(|text| (path, text))),
                Err(_) => {
                    tracing::debug!(path = %path.display(), "the file does not answer; its services have no line");
                    break;
                }
            }
        }
    }
    texts
}

fn read_compose_file(path: &Path) -> Option<String> {
    let mut text = String::new();
    local_file::open_regular(path).ok()?.take(MOST_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

/// The number (from 1) of the line with the key `service` directly below `services:`. Only block style is read, which
/// people usually write.
fn line_of(text: &str, service: &str) -> Option<u32> {
    let lines = text.lines().enumerate().filter(|(_, line)| {
        let words = line.trim_start();
        !words.is_empty() && !words.starts_with('#')
    });
    let mut below =
        lines.skip_while(|(_, line)| yaml_key(line) != Some("services") || indent(line) > 0).skip(1).peekable();
    let depth = indent(below.peek()?.1);
    let (number, _) = below
        .take_while(|(_, line)| indent(line) > 0)
        .find(|(_, line)| indent(line) == depth && yaml_key(line) == Some(service))?;
    u32::try_from(number + 1).ok()
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The key of a line `key: value`, without quotes.
fn yaml_key(line: &str) -> Option<&str> {
    let (key, _) = line.split_once(':')?;
    Some(key.trim().trim_matches(['"', '\'']))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::model::sample;
    use crate::model::service::ServiceName;

    const COMPOSE: &str = r#"# services:
name: shop
x-common:
  db: no
services:
  # the page
  "web":
    image: nginx
    depends_on:
      db: {condition: service_healthy}

  db:
    image: postgres
volumes:
  cache:
"#;

    fn made_by(folder: &str, files: &str, service: &str) -> Service {
        let labels = [(FOLDER, folder), (FILES, files), (SERVICE, service)];
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Service { labels, ..sample::service(ServiceName::of_stack("shop", service)) }
    }

    #[test]
    fn the_line_is_that_of_the_service_and_of_nothing_that_is_called_alike() {
        assert_eq!(line_of(COMPOSE, "web"), Some(7));
        assert_eq!(line_of(COMPOSE, "db"), Some(12));
        for other in ["image", "cache", "name", "condition", "services"] {
            assert_eq!(line_of(COMPOSE, other), None, "{other}");
        }
        for text in
            ["", "services:", "services:\nweb:\n", "services: {web: {image: nginx}}\n", "web:\n  image: nginx\n"]
        {
            assert_eq!(line_of(text, "web"), None, "{text}");
        }
    }

    #[test]
    fn the_file_is_told_from_the_working_folder_and_overrides_are_looked_into() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().join("shop");
        fs::create_dir(&folder).expect("made");
        fs::write(folder.join("compose.yaml"), COMPOSE).expect("written");
        fs::write(folder.join("more.yaml"), "services:\n  web: {}\n  mail:\n    image: mail\n").expect("written");
        let shown = folder.display().to_string();
        let place = |service: &str, files: &str, from: &Path| declare_one(made_by(&shown, files, service), from);
        let at = |file: &str, line| Some(Location { file: file.to_owned(), line });
        assert_eq!(place("db", "compose.yaml", dir.path()), at("shop/compose.yaml", 12));
        assert_eq!(place("mail", "compose.yaml,more.yaml", &folder), at("more.yaml", 3));
        let absolute = folder.join("compose.yaml").display().to_string();
        assert_eq!(place("web", &absolute, Path::new("/elsewhere")), at(&absolute, 7));
    }

    fn declare_one(service: Service, from: &Path) -> Option<Location> {
        let mut services = [service];
        declare(&mut services, from);
        services[0].declared.clone()
    }

    #[test]
    fn what_is_not_here_or_no_file_is_no_place() {
        for (folder, file) in [
            ("/nonexistent", "compose.yaml"),
            ("/", "dev/zero"),
            ("/", "proc"),
            ("/", "proc/kmsg"),
            ("", "Cargo.toml"),
            ("/", ""),
        ] {
            assert_eq!(declare_one(made_by(folder, file, "web"), Path::new("/")), None, "{folder} {file}");
        }
        assert_eq!(declare_one(sample::service(ServiceName::lone("web")), Path::new("/")), None);
    }

    /// As a file of a server that is gone: whoever opens it waits for ever.
    #[test]
    fn a_file_that_never_answers_holds_nobody_up() {
        let read = |path: &Path| match path.ends_with("dead") {
            true => loop {
                std::thread::park();
            },
            false => Some("text".to_owned()),
        };
        let paths = ["/a", "/dead", "/z"].map(PathBuf::from).into();
        let patience = Patience { one: Duration::from_millis(200), all: Duration::from_secs(60) };
        let texts = read_all(paths, read, patience);
        assert!(!texts.contains_key(Path::new("/dead")) && texts.contains_key(Path::new("/z")), "{texts:?}");
    }
}
