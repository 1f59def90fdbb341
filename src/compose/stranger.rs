//! Compose files out of a backup are a stranger's. Before Compose reads them, they are searched for what would make it
//! read files of this machine or fetch something from the network.
//!
//! The search goes by text and decides nothing else. Where it cannot tell what a file means, it refuses.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::error::ComposeError;
use super::program::FILE_NAMES;
use crate::source::{SmallContent, SmallFile};

/// Keys whose values are files that Compose reads, or folders from which it takes them.
const FILE_KEYS: [&str; 7] = ["env_file", "extends", "file", "include", "label_file", "path", "project_directory"];

/// Writes the files of a stack into a folder, and returns the names of those that Compose is to read. Refuses what
/// leads out of the folder.
pub fn write_stack(files: &[SmallFile], folder: &Path, shown: &str) -> Result<Vec<String>, ComposeError> {
    let is_there = |name: &str| files.iter().any(|file| file.path == name);
    let Some(first) = FILE_NAMES.into_iter().find(|name| is_there(name)) else {
        let names = FILE_NAMES.join(", ");
        return Err(ComposeError::Stops(format!("the folder {shown} of the backup has no Compose file ({names})")));
    };
    for file in files {
        match &file.content {
            SmallContent::Link(target) if is_near(&file.path) || !leads_out(&file.path, target) => {
                if leads_out(&file.path, target) {
                    let path = format!("{shown}/{}", file.path);
                    return Err(refusal(&path, &format!("it is a link to {target}, which is outside of the folder")));
                }
            }
            SmallContent::Link(_) => {}
            SmallContent::File(content) => {
                if is_compose_file(&file.path, content) {
                    let text = std::str::from_utf8(content)
                        .map_err(|_| refusal(&format!("{shown}/{}", file.path), "it is no text"))?;
                    search(text).map_err(|(line, why)| refusal(&format!("{shown}/{}:{line}", file.path), &why))?;
                }
            }
        }
    }
    for file in files {
        if let SmallContent::File(content) = content_of(file, files) {
            write_file(&folder.join(&file.path), content, file.mode)
                .map_err(|error| ComposeError::NotRun(format!("writing a copy of {shown}/{}: {error}", file.path)))?;
        }
    }
    let stem = first.rsplit_once('.').map_or(first, |(stem, _)| stem);
    let overriding =
        ["yaml", "yml"].map(|end| format!("{stem}.override.{end}")).into_iter().find(|name| is_there(name));
    Ok([first.to_owned()].into_iter().chain(overriding).collect())
}

fn refusal(place: &str, why: &str) -> ComposeError {
    ComposeError::Unknown(format!(
        "{place}: {why}; a Compose file out of a backup may name only files of its own folder. Check the file out and \
         name it with -f, if you trust it"
    ))
}

/// Whether a file lies directly in the stack's folder, where Compose finds files by their names.
fn is_near(path: &str) -> bool {
    !path.contains('/')
}

/// The file itself, or for a link within the folder the file that it leads to.
fn content_of<'a>(file: &'a SmallFile, files: &'a [SmallFile]) -> &'a SmallContent {
    let SmallContent::Link(target) = &file.content else { return &file.content };
    let there = joined(&file.path, target);
    let found = there.and_then(|there| files.iter().find(|other| other.path == there));
    found.map_or(&file.content, |found| &found.content)
}

/// The path below the folder to which a link at `path` leads; `None`: it leads out of the folder.
fn joined(path: &str, target: &str) -> Option<String> {
    if target.starts_with('/') {
        return None;
    }
    let mut names: Vec<&str> = path.split('/').collect();
    names.pop();
    for name in target.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()?),
            name => names.push(name),
        }
    }
    Some(names.join("/"))
}

fn leads_out(path: &str, target: &str) -> bool {
    joined(path, target).is_none()
}

fn write_file(to: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    // What comes again in the archive replaces what came first.
    let mut file = fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(to)?;
    file.write_all(content)?;
    file.set_permissions(fs::Permissions::from_mode(mode & 0o777))
}

/// Whether Compose may read a file as one of a project.
fn is_compose_file(path: &str, content: &[u8]) -> bool {
    let is_yaml = path.ends_with(".yaml") || path.ends_with(".yml");
    let has = |key: &str| content.windows(key.len()).any(|part| part == key.as_bytes());
    is_yaml && (has("services") || has("include")) || FILE_NAMES.contains(&path)
}

/// Searches a file. The error is the number of the line and what is wrong with it.
fn search(text: &str) -> Result<(), (usize, String)> {
    // The indentation of the key whose value goes on in deeper lines.
    let mut open: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        let words = line.trim_start();
        if words.is_empty() || words.starts_with('#') {
            continue;
        }
        let indent = line.len() - words.len();
        let wrong = |why: String| (index + 1, why);
        if words.starts_with('?') || is_escaped(words) {
            return Err(wrong("a key is written in a way that cannot be judged".to_owned()));
        }
        if open
            .as_ref()
            .is_some_and(|(key_indent, _)| indent < *key_indent || indent == *key_indent && !words.starts_with('-'))
        {
            open = None;
        }
        if let Some((_, key)) = &open {
            judge(key, words).map_err(wrong)?;
        }
        for key in FILE_KEYS {
            for (at, _) in words.match_indices(key) {
                let before = words[..at].chars().next_back();
                let rest = words[at + key.len()..].trim_start_matches(['"', '\'']).trim_start();
                let is_key = before.is_none_or(|c| " \t{,\"'-".contains(c));
                let Some(value) = rest.strip_prefix(':').filter(|_| is_key) else { continue };
                judge(key, value).map_err(wrong)?;
                // A value of several lines.
                let begun = value.trim_start();
                let goes_on = begun.is_empty() || begun.starts_with(['[', '{', '|', '>', '#', '!', '&']);
                if open.is_none() && goes_on {
                    open = Some((indent, key.to_owned()));
                }
            }
        }
    }
    Ok(())
}

/// Whether a quoted key may hide its name.
fn is_escaped(words: &str) -> bool {
    let parts: Vec<&str> = words.split('"').collect();
    let is_key = |at: usize| parts.get(at + 1).is_some_and(|rest| rest.trim_start().starts_with(':'));
    (1..parts.len()).step_by(2).any(|at| parts[at].contains('\\') && is_key(at))
}

/// Judges each word of a value that names files.
fn judge(key: &str, value: &str) -> Result<(), String> {
    let words = value.split(|c: char| c.is_whitespace() || "[]{},\"'".contains(c));
    for word in words.take_while(|word| !word.starts_with('#')) {
        let word = word.trim_start_matches('-');
        let mut depth = 0_i32;
        let leaves = word.split('/').any(|name| {
            depth += match name {
                "" | "." => 0,
                ".." => -1,
                _ => 1,
            };
            depth < 0
        });
        if word.contains("://") || word.starts_with("git@") || word.contains(".git") && word.contains('/') {
            return Err(format!("{key} names {word}, which Compose would fetch from somewhere else"));
        }
        if word.starts_with(['/', '~']) || leaves {
            return Err(format!("{key} names {word}, which is outside of the folder"));
        }
        if word.starts_with(['*', '&', '!']) || word.contains('$') {
            return Err(format!("{key} has {word}, and where that leads cannot be judged"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &str) -> Option<String> {
        search(text).err().map(|(line, why)| format!("{line}: {why}"))
    }

    #[test]
    fn what_leads_out_of_the_folder_is_refused_in_every_form() {
        for text in [
            "services:\n  a:\n    env_file: /etc/shadow",
            "services:\n  a:\n    env_file:\n      - ok.env\n      - ../../x.env",
            "services:\n  a:\n    env_file:\n    - path: /etc/shadow\n      required: false",
            "services: {a: {env_file: [/etc/shadow]}}",
            "services: {a: {\"env_file\": \"/etc/shadow\"}}",
            "services:\n  a:\n    extends:\n      file: ../other/compose.yaml",
            "secrets:\n  s:\n    file: /root/.ssh/id_rsa",
            "secrets:\n  s:\n    file: ~/.ssh/id_rsa",
            "secrets:\n  s:\n    file: ${HOME}/.ssh/id_rsa",
            "include:\n  - oci://registry.example/x",
            "include:\n- https://example.org/x.git",
            "include: git@example.org:x",
            "include:\n  - path: a.yaml\n    project_directory: /",
            "services:\n  a:\n    env_file: *x",
            "services:\n  a:\n    ? env_file\n    : /etc/shadow",
            "services: {a: {\"env\\u005ffile\": x}}",
            "services:\n  a:\n    env_file:\n      [\n      /etc/shadow ]",
        ] {
            assert!(why(text).is_some(), "{text}");
        }
    }

    #[test]
    fn an_ordinary_file_is_not_refused() {
        let text = "\
# include: https://example.org
services:
  app:
    image: ghcr.io/x/y:1
    env_file:
      - .env
      - ./conf/app.env
    environment:
      URL: https://app.example.org
      PATH: /bin
    extends:
      file: common.yaml
      service: base
    volumes:
      - /srv/media:/media:ro
      - ../files/x:/x
secrets:
  token:
    file: ./secrets/token.txt
";
        assert_eq!(why(text), None);
    }

    fn file(path: &str, content: &str) -> SmallFile {
        SmallFile { path: path.to_owned(), mode: 0o644, content: SmallContent::File(content.as_bytes().to_vec()) }
    }

    fn link(path: &str, target: &str) -> SmallFile {
        SmallFile { path: path.to_owned(), mode: 0o777, content: SmallContent::Link(target.to_owned()) }
    }

    #[test]
    fn files_are_written_and_links_out_of_the_folder_refused_by_name() {
        let dir = tempfile::tempdir().expect("a folder");
        let good = [
            file("compose.yaml", "services: {}"),
            file("compose.override.yml", "services: {}"),
            file("conf/x.env", "A=1"),
            link("now.env", "conf/x.env"),
            link("data/logs/stdout", "/dev/stdout"),
        ];
        let names = write_stack(&good, dir.path(), "/opt/app").expect("all is in it");
        assert_eq!(names, ["compose.yaml", "compose.override.yml"]);
        assert_eq!(fs::read_to_string(dir.path().join("now.env")).expect("a copy"), "A=1");
        assert!(!dir.path().join("data").exists(), "a link out of it is not made");
        let bad = [file("compose.yaml", "services: {}"), link(".env", "../../etc/shadow")];
        let error = write_stack(&bad, dir.path(), "/opt/app").expect_err("it leads out").to_string();
        assert!(error.contains("/opt/app/.env") && error.contains("../../etc/shadow"), "{error}");
        let remote = [file("compose.yaml", "include: oci://example.org/x")];
        let error = write_stack(&remote, dir.path(), "/opt/app").expect_err("it is remote").to_string();
        assert!(error.starts_with("/opt/app/compose.yaml:1:"), "{error}");
        assert!(write_stack(&[file("x", "")], dir.path(), "/opt/app").is_err(), "there is no Compose file");
    }
}
