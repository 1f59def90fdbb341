//! Whether a source, and what opens it, can be found at all; nothing of a backup is read.
//!
//! Each answer goes on after the words for what was looked for. A secret is looked at and never told.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::model::source::{SecretPlace, SourcePlace};

/// What was found of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It is there.
    There,
    /// Only a rehearsal can tell, for the reason given.
    NotLooked(&'static str),
}

/// Looks for a source.
pub fn source(place: &SourcePlace) -> Result<Found, String> {
    match place {
        SourcePlace::Dir(path) => folder(path),
        SourcePlace::Tar(path) if fs::symlink_metadata(path).is_err() && is_pattern(path) => pattern(path),
        SourcePlace::Tar(path) => archive(path),
        SourcePlace::DaemonDir(_) => Ok(Found::NotLooked("it is on the engine's host")),
        SourcePlace::TarStdin => Ok(Found::NotLooked("it is read when a rehearsal begins")),
    }
}

/// Looks for a secret.
pub fn secret(place: &SecretPlace, variable: impl Fn(&str) -> Option<String>) -> Result<(), String> {
    match place {
        SecretPlace::File(path) => {
            let shown = path.display();
            let file = File::open(path).map_err(|error| format!("the file {shown} cannot be read: {error}"))?;
            match first_line(file) {
                Ok(line) if line.is_empty() => Err(format!("the file {shown} has nothing in its first line")),
                Ok(_) => Ok(()),
                Err(error) => Err(format!("the file {shown} cannot be read: {error}")),
            }
        }
        SecretPlace::Env(name) if variable(name).is_none() => {
            Err(format!("the environment variable {name} is not set"))
        }
        SecretPlace::Env(_) => Ok(()),
        SecretPlace::Command(command) => said(command),
    }
}

/// Looks for a file of private keys.
pub fn identity(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let length = File::open(path).and_then(|mut file| io::copy(&mut file, &mut io::sink()));
    match length.map_err(|error| format!("the file {shown} cannot be read: {error}"))? {
        0 => Err(format!("the file {shown} is empty")),
        _ => Ok(()),
    }
}

fn folder(path: &Path) -> Result<Found, String> {
    let shown = path.display();
    match fs::read_dir(path) {
        Ok(_) => Ok(Found::There),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(format!("there is no folder {shown}")),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(format!("{shown} is no folder; write `tar:{shown}` for an archive"))
        }
        Err(error) => Err(format!("the folder {shown} cannot be read: {error}")),
    }
}

fn archive(path: &Path) -> Result<Found, String> {
    let shown = path.display();
    match File::open(path).and_then(|file| file.metadata()) {
        Ok(metadata) if metadata.is_dir() => {
            Err(format!("{shown} is a folder and no archive; write `dir:{shown}` for it"))
        }
        Ok(_) => Ok(Found::There),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(format!("there is no file {shown}")),
        Err(error) => Err(format!("the file {shown} cannot be read: {error}")),
    }
}

/// One of the files has to be readable: which is the newest is found out when a rehearsal begins.
fn pattern(path: &Path) -> Result<Found, String> {
    let shown = path.display();
    let folder = path.parent().unwrap_or(Path::new(""));
    self::folder(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Only the last part is a pattern.
    let escaped = PathBuf::from(glob::Pattern::escape(&folder.to_string_lossy())).join(name.as_ref());
    let found = glob::glob(&escaped.to_string_lossy()).map_err(|error| format!("{shown} is no pattern: {error}"))?;
    let mut missed = None;
    for path in found.flatten() {
        match archive(&path) {
            Ok(found) => return Ok(found),
            Err(why) => missed = Some(why),
        }
    }
    Err(missed.unwrap_or_else(|| format!("no file fits {shown}")))
}

fn is_pattern(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().contains(['*', '?', '[']))
}

/// Whether the command prints something. What it prints, and what it complains of, may be the secret.
fn said(command: &str) -> Result<(), String> {
    let mut shell = Command::new("sh");
    let output = shell.args(["-c", command]).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let output = output.map_err(|error| format!("the shell for its command cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("its command ended with {}; try it by hand", output.status));
    }
    match first_line(output.stdout.as_slice()) {
        Ok(line) if !line.is_empty() => Ok(()),
        _ => Err("its command printed nothing".to_owned()),
    }
}

fn first_line(from: impl io::Read) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    BufReader::new(from).read_until(b'\n', &mut line)?;
    Ok(line.trim_ascii().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_found_where_they_are() {
        let dir = tempfile::tempdir().expect("a folder");
        // A folder whose name looks like a pattern is none.
        let folder = dir.path().join("odd[1]*");
        fs::create_dir(&folder).expect("made");
        fs::write(folder.join("app-1.tar"), "").expect("written");
        fs::write(folder.join("b[2].tar"), "").expect("written");
        for place in [
            SourcePlace::Dir(folder.clone()),
            SourcePlace::Tar(folder.join("app-1.tar")),
            SourcePlace::Tar(folder.join("app-*.tar")),
            SourcePlace::Tar(folder.join("b[2].tar")),
        ] {
            assert_eq!(source(&place), Ok(Found::There), "{place}");
        }
        for place in [SourcePlace::TarStdin, SourcePlace::DaemonDir("/srv".to_owned())] {
            assert!(matches!(source(&place), Ok(Found::NotLooked(_))), "{place}");
        }
    }

    #[test]
    fn what_is_not_there_is_told() {
        let dir = tempfile::tempdir().expect("a folder");
        let at = |name: &str| dir.path().join(name);
        fs::write(at("app.tar"), "").expect("written");
        fs::create_dir(at("folder.tar")).expect("made");
        for (place, expected) in [
            (SourcePlace::Dir(at("none")), "there is no folder "),
            (SourcePlace::Dir(at("app.tar")), "is no folder; write `tar:"),
            (SourcePlace::Tar(at("none.tar")), "there is no file "),
            (SourcePlace::Tar(at("folder.tar")), "is a folder and no archive; write `dir:"),
            (SourcePlace::Tar(at("fold*.tar")), "is a folder and no archive; write `dir:"),
            (SourcePlace::Tar(at("none-*.tar")), "no file fits "),
            (SourcePlace::Tar(at("none/app-*.tar")), "there is no folder "),
        ] {
            let told = source(&place).expect_err("it is not there");
            assert!(told.contains(expected), "{place}: {told}");
        }
    }

    #[test]
    fn secrets_are_looked_for_and_never_told() {
        let dir = tempfile::tempdir().expect("a folder");
        let at = |name: &str| dir.path().join(name);
        fs::write(at("full"), "fixture-there-secret\n").expect("written");
        fs::write(at("empty"), "\nfixture-there-secret\n").expect("written");
        let variable = |name: &str| (name == "SET").then(|| "fixture-there-secret".to_owned());
        let command = |text: &str| SecretPlace::Command(text.to_owned());
        for place in [
            SecretPlace::File(at("full")),
            SecretPlace::Env("SET".to_owned()),
            command("echo fixture-there-secret; exit 0"),
        ] {
            assert_eq!(secret(&place, variable), Ok(()), "{place:?}");
        }
        for (place, expected) in [
            (SecretPlace::File(at("none")), "cannot be read: No such file"),
            (SecretPlace::File(dir.path().to_path_buf()), "cannot be read"),
            (SecretPlace::File(at("empty")), "has nothing in its first line"),
            (SecretPlace::Env("UNSET".to_owned()), "the environment variable UNSET is not set"),
            (command("echo fixture-there-secret; exit 3"), "its command ended with exit status: 3"),
            (command("true"), "its command printed nothing"),
        ] {
            let told = secret(&place, variable).expect_err("it is not there");
            assert!(told.contains(expected) && !told.contains("fixture-there"), "{told}");
        }
        assert_eq!(identity(&at("full")), Ok(()));
        fs::write(at("nothing"), "").expect("written");
        assert!(identity(&at("nothing")).expect_err("empty").contains("is empty"));
        assert!(identity(&at("none")).expect_err("not there").contains("cannot be read"));
    }
}
