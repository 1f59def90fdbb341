//! Compose files out of a backup are a stranger's. Before Compose reads them, they are judged: nothing in them may make
//! it read files of this machine or fetch something from the network. Then Compose reads them confined
//! ([`ToolCall::confined`](crate::source::tool::ToolCall::confined)), in case it reads a file in another way than the
//! judge.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::error::ComposeError;
use super::judge::judge;
use super::program::FILE_NAMES;
use crate::source::{SmallContent, SmallFile};

/// Writes the files of a stack into a folder, and returns the names of those that Compose is to read. Refuses what
/// leads out of the folder.
pub fn write_stack(files: &[SmallFile], folder: &Path, shown: &str) -> Result<Vec<String>, ComposeError> {
    let is_there = |name: &str| files.iter().any(|file| file.path == name);
    let Some(first) = FILE_NAMES.into_iter().find(|name| is_there(name)) else {
        let names = FILE_NAMES.join(", ");
        return Err(ComposeError::Stops(format!("the folder {shown} of the backup has no Compose file ({names})")));
    };
    for file in files {
        if let SmallContent::Link(target) = &file.content
            && is_near(&file.path)
            && leads_out(&file.path, target)
        {
            let path = format!("{shown}/{}", file.path);
            return Err(refusal(&path, &format!("it is a link to {target}, which is outside of the folder")));
        }
    }
    judge_all(files, shown)?;
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

/// Judges every file that Compose may read as one of a project: those of its names, and whatever they include or
/// extend.
fn judge_all(files: &[SmallFile], shown: &str) -> Result<(), ComposeError> {
    let mut wanted: BTreeSet<String> = FILE_NAMES.map(str::to_owned).into();
    let mut judged = BTreeSet::new();
    // Which folder a path begins at depends on how Compose came to the file, so every file of the name is judged.
    while let Some(name) = wanted.pop_first() {
        for file in files.iter().filter(|file| file.path.rsplit('/').next() == Some(&name)) {
            let SmallContent::File(content) = content_of(file, files) else { continue };
            let place = format!("{shown}/{}", file.path);
            let text = std::str::from_utf8(content).map_err(|_| refusal(&place, "it is no text"))?;
            let named = judge(text).map_err(|wrong| refusal(&format!("{place}:{}", wrong.line), &wrong.why))?;
            wanted.extend(named.into_iter().filter(|name| !judged.contains(name)));
        }
        // The override of a file has its stem.
        if let Some((stem, _)) = name.rsplit_once('.').filter(|_| FILE_NAMES.contains(&&*name)) {
            let overriding = ["yaml", "yml"].map(|end| format!("{stem}.override.{end}"));
            wanted.extend(overriding.into_iter().filter(|name| !judged.contains(name)));
        }
        judged.insert(name);
    }
    Ok(())
}

fn refusal(place: &str, why: &str) -> ComposeError {
    ComposeError::Unsafe(format!(
        "{place}: {why}; a Compose file out of a backup may name only files of its own folder, in a \
         form that can be judged. Check the file out and name it with -f, if you trust it"
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::diagnosis::Code;

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
        let error = write_stack(&bad, dir.path(), "/opt/app").expect_err("it leads out");
        assert_eq!(error.diagnosis().code, Code::ConfigComposeUnsafe);
        let error = error.to_string();
        assert!(error.contains("/opt/app/.env") && error.contains("../../etc/shadow"), "{error}");
        let remote = [file("compose.yaml", "include: oci://example.org/x")];
        let error = write_stack(&remote, dir.path(), "/opt/app").expect_err("it is remote").to_string();
        assert!(error.starts_with("/opt/app/compose.yaml:1:"), "{error}");
        assert!(write_stack(&[file("x", "")], dir.path(), "/opt/app").is_err(), "there is no Compose file");
    }

    #[test]
    fn what_is_included_is_judged_whatever_its_name_is() {
        let dir = tempfile::tempdir().expect("a folder");
        let secret = "services: {a: {env_file: /etc/shadow}}";
        let refused =
            |files: &[SmallFile]| write_stack(files, dir.path(), "/opt/app").expect_err("it leads out").to_string();
        for name in ["b", "b.txt", "b.json", ".env", "b.YAML", "sub/b.conf"] {
            let including = [file("compose.yaml", &format!("include: [{name}]")), file(name, secret)];
            assert!(refused(&including).starts_with(&format!("/opt/app/{name}:1:")), "{}", refused(&including));
            let text = format!("services: {{a: {{extends: {{service: a, file: ./{name}}}}}}}");
            let extending = [file("compose.yaml", &text), file(name, secret)];
            assert!(refused(&extending).starts_with(&format!("/opt/app/{name}:1:")), "{}", refused(&extending));
        }
        let chain = [
            file("compose.yaml", "include: [{path: [one]}]"),
            file("one", "include: two"),
            link("two", "sub/three"),
            file("sub/three", secret),
        ];
        assert!(refused(&chain).starts_with("/opt/app/two:1:"), "{}", refused(&chain));
        let other = [file("compose.yaml", "services: {}"), file("compose.override.yml", secret)];
        assert!(refused(&other).starts_with("/opt/app/compose.override.yml:1:"), "{}", refused(&other));
        // A file of another program that nothing includes.
        let unread = [file("compose.yaml", "services: {}"), file("conf/app.yaml", "file: /etc/app\n")];
        write_stack(&unread, dir.path(), "/opt/app").expect("Compose does not read it");
    }
}
