//! Checks whether a source and its keys can be found, without reading a backup.
//!
//! An error's text continues a sentence that begins with the name of the missing thing. Secrets are read and never
//! shown.

use std::path::Path;

pub use super::access::Presence;
use super::decrypt::MAX_IDENTITIES;
use super::{kinds, secrets, tool};
use crate::local_file::{self, Accept};
use crate::model::program::Program;
use crate::model::source::{SecretPlace, SourceSpec};

/// Looks for a source.
pub fn source(spec: &SourceSpec) -> Result<Presence, String> {
    kinds::probe(spec).map_err(|error| error.to_string())
}

/// Looks for a secret. `variable` reads an environment variable.
pub fn secret(place: &SecretPlace, variable: impl Fn(&str) -> Option<String>) -> Result<(), String> {
    secrets::fetch(place, variable).map(drop)
}

/// Looks for a file of private keys.
pub fn identity(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let text = local_file::read_from(path, Accept::Regular, MAX_IDENTITIES);
    match text.map_err(|error| format!("the file {shown} cannot be read: {error}"))? {
        text if text.is_empty() => Err(format!("the file {shown} is empty")),
        _ => Ok(()),
    }
}

/// Looks for a program that reads backups.
pub fn program(program: Program, path: &Path) -> Result<(), String> {
    if tool::is_program(path) { Ok(()) } else { Err(tool::not_runnable(program.name(), path)) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::model::source::{Keys, SourcePlace};
    use crate::model::source_kind::SourceKind;

    fn found(place: &SourcePlace) -> Result<Presence, String> {
        source(&SourceSpec { place: place.clone(), snapshot: None, keys: Keys::default() })
    }

    #[test]
    fn sources_are_found_where_they_are() {
        let dir = tempfile::tempdir().expect("a folder");
        // The name of this folder looks like a pattern and is none.
        let folder = dir.path().join("odd[1]*");
        fs::create_dir(&folder).expect("made");
        fs::write(folder.join("app-1.tar"), "").expect("written");
        fs::write(folder.join("b[2].tar"), "").expect("written");
        for place in [
            SourcePlace::at_path(SourceKind::Dir, folder.clone()),
            SourcePlace::at_path(SourceKind::Tar, folder.join("app-1.tar")),
            SourcePlace::at_path(SourceKind::Tar, folder.join("app-*.tar")),
            SourcePlace::at_path(SourceKind::Tar, folder.join("b[2].tar")),
        ] {
            assert_eq!(found(&place), Ok(Presence::There), "{place}");
        }
        for place in [SourcePlace::stdin(SourceKind::Tar), SourcePlace::on_host("/srv")] {
            assert!(matches!(found(&place), Ok(Presence::NotLooked(_))), "{place}");
        }
    }

    #[test]
    fn what_is_not_there_is_told() {
        let dir = tempfile::tempdir().expect("a folder");
        let at = |name: &str| dir.path().join(name);
        fs::write(at("app.tar"), "").expect("written");
        fs::create_dir(at("folder.tar")).expect("made");
        for (place, expected) in [
            (SourcePlace::at_path(SourceKind::Dir, at("none")), "there is no folder "),
            (SourcePlace::at_path(SourceKind::Dir, at("app.tar")), "is no folder; write `tar:"),
            (SourcePlace::at_path(SourceKind::Tar, at("none.tar")), "there is no file "),
            (SourcePlace::at_path(SourceKind::Tar, at("folder.tar")), "is a folder without an archive; write `dir:"),
            (SourcePlace::at_path(SourceKind::Tar, at("fold*.tar")), "is a folder and no archive; write `dir:"),
            (SourcePlace::at_path(SourceKind::Tar, at("none-*.tar")), "no file fits "),
            (SourcePlace::at_path(SourceKind::Tar, at("none/app-*.tar")), "there is no folder "),
        ] {
            let error = found(&place).expect_err("it is not there");
            assert!(error.contains(expected), "{place}: {error}");
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
            let error = secret(&place, variable).expect_err("it is not there");
            assert!(error.contains(expected) && !error.contains("fixture-there"), "{error}");
        }
        assert_eq!(identity(&at("full")), Ok(()));
        fs::write(at("nothing"), "").expect("written");
        assert!(identity(&at("nothing")).expect_err("empty").contains("is empty"));
        assert!(identity(&at("none")).expect_err("not there").contains("cannot be read"));
        let told = |path: &Path| program(Program::Restic, path).expect_err("no program");
        assert!(told(&at("none")).contains("none, which is to be the program restic, cannot be found"));
        assert!(told(dir.path()).contains("is a folder"));
        assert!(told(&at("full")).contains("is no program that this user may run"));
        assert_eq!(program(Program::Restic, Path::new("/bin/sh")), Ok(()));
    }
}
