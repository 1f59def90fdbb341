//! Finds the line of a Compose file that declares a service, so that reports can point to it.
//!
//! Compose labels each container with the files that it was made from. The files are where Compose ran, which may be
//! another machine: if a file cannot be read or does not have the service, no line is reported. A service that was
//! started by hand has no such file.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::model::location::Location;
use crate::model::service::Service;

/// Label with the Compose files, separated by commas. Compose v1 writes the paths as the user gave them.
const FILES: &str = "com.docker.compose.project.config_files";
/// Label with the folder that relative paths of files start from.
const FOLDER: &str = "com.docker.compose.project.working_dir";
/// Label with the service's name in the files.
const SERVICE: &str = "com.docker.compose.service";

/// Most bytes to read of a file. The container's author wrote the label, which may name any file.
const MOST_BYTES: u64 = 1024 * 1024;

/// Finds the line that declares `service`. The path is relative to `working_dir` when the file is below it.
pub fn declared(service: &Service, working_dir: &Path) -> Option<Location> {
    let name = service.label(SERVICE)?;
    let folder = PathBuf::from(service.label(FOLDER).unwrap_or_default());
    service.label(FILES)?.split(',').filter(|file| !file.is_empty()).find_map(|file| {
        // A relative path without its folder would be relative to Rehearsa's own working directory.
        let path = Some(folder.join(file)).filter(|path| path.is_absolute())?;
        let line = line_of(&read_compose_file(&path)?, name)?;
        let shown = path.strip_prefix(working_dir).unwrap_or(&path);
        Some(Location { file: shown.display().to_string(), line })
    })
}

fn read_compose_file(path: &Path) -> Option<String> {
    // Opening a pipe would block until somebody writes to it.
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    File::open(path).ok()?.take(MOST_BYTES).read_to_string(&mut text).ok()?;
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
        let place = |service: &str, files: &str, from: &Path| declared(&made_by(&shown, files, service), from);
        let at = |file: &str, line| Some(Location { file: file.to_owned(), line });
        assert_eq!(place("db", "compose.yaml", dir.path()), at("shop/compose.yaml", 12));
        assert_eq!(place("mail", "compose.yaml,more.yaml", &folder), at("more.yaml", 3));
        let absolute = folder.join("compose.yaml").display().to_string();
        assert_eq!(place("web", &absolute, Path::new("/elsewhere")), at(&absolute, 7));
    }

    #[test]
    fn what_is_not_here_or_no_file_is_no_place() {
        for (folder, file) in
            [("/nonexistent", "compose.yaml"), ("/", "dev/zero"), ("/", "proc"), ("", "Cargo.toml"), ("/", "")]
        {
            assert_eq!(declared(&made_by(folder, file, "web"), Path::new("/")), None, "{folder} {file}");
        }
        assert_eq!(declared(&sample::service(ServiceName::lone("web")), Path::new("/")), None);
    }
}
