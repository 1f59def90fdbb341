//! Sources as people write them: `tar:backups/app-*.tar.gz`, `tar:-`, `dir:/mnt/backup`, `daemon:/srv/backup`.
//!
//! The kinds, and what may follow the colon of each, are the table in [`crate::model::source_kind`]. The caller handles
//! `live` and the names of the plan file's sources.

use std::path::Path;

use super::suggest::suggestion;
use crate::config::error::{ConfigError, SettingOrigin};
use crate::model::remote_path::{self, RemotePath};
use crate::model::source::{SourceLocation, SourcePlace};
use crate::model::source_kind::{LocationSyntax, SourceKind};

/// Backup programs whose own format Rehearsa cannot read.
const NOT_YET: [&str; 5] = ["kopia", "rsync", "duplicati", "duplicacy", "s3"];
/// The program that reaches stores.
const RCLONE: &str = "rclone";

/// Whether the text is meant as a source, right or wrong, and not as the name of a source of the plan file.
pub fn is_written_out(text: &str) -> bool {
    text.is_empty()
        || text.contains([':', '/'])
        || SourceKind::of_name(text).is_some()
        || NOT_YET.contains(&text)
        || text == RCLONE
        || SourceKind::of_file_name(text).is_some()
}

/// Reads a source; `origin` is named in the error, and relative paths are relative to the folder `relative_to`.
pub fn parse(origin: &SettingOrigin, text: &str, relative_to: &Path) -> Result<SourcePlace, ConfigError> {
    let text = text.trim();
    // An address may have a password in it.
    let shown = match text.split_once(':') {
        Some((kind, rest)) if rest.starts_with(remote_path::PREFIX) => format!("{kind}:{}", remote_path::shown(rest)),
        _ => text.to_owned(),
    };
    let error = |expected: String| ConfigError::value(origin, &shown, expected);
    let Some((name, rest)) = text.split_once(':') else {
        return Err(error(without_kind(text)));
    };
    let by_alias = SourceKind::ALL.iter().find_map(|&kind| {
        let rest = text.strip_prefix(kind.row().alias?)?.strip_prefix(':')?;
        Some((kind, rest))
    });
    let by_name = || SourceKind::of_name(name).map(|kind| (kind, rest));
    match by_alias.or_else(by_name) {
        Some((kind, rest)) => {
            let location = location(&kind.row().syntax, rest).map_err(error)?;
            Ok(SourcePlace { kind, location }.below(relative_to))
        }
        // What follows may be another program's address with a password in it.
        None => Err(ConfigError::value(origin, &format!("{name}:…"), unknown_kind(name))),
    }
}

/// Reads what follows the colon.
fn location(syntax: &LocationSyntax, text: &str) -> Result<SourceLocation, String> {
    match syntax {
        LocationSyntax::FileOrStdin { .. } if text == "-" => Ok(SourceLocation::Stdin),
        LocationSyntax::FileOrStdin { .. } if text.starts_with(remote_path::PREFIX) => remote(text),
        LocationSyntax::FileOrStdin { what, example } => {
            let path = path(text)?;
            // What is behind a `#` is a path within an archive.
            let file = text.split('#').next().unwrap_or(text);
            if has_pattern(Path::new(file).parent()) {
                return Err(format!(
                    "{what}: a pattern may stand in the last part of the path only, as in `{example}`"
                ));
            }
            Ok(SourceLocation::Path(path.to_owned()))
        }
        LocationSyntax::Folder => Ok(SourceLocation::Path(path(text)?.to_owned())),
        LocationSyntax::HostFolder { example } => {
            if !text.starts_with('/') {
                return Err(format!(
                    "a folder on the engine's host, whose path begins with a slash; write it as `{example}`"
                ));
            }
            if text.split('/').filter(|component| component.contains(['*', '?'])).count() > 1 {
                return Err("a folder on the engine's host: a pattern may stand in one part of the path only, as in \
                    `daemon:/.snapshots/*/snapshot`"
                    .to_owned());
            }
            Ok(SourceLocation::HostPath(text.to_owned()))
        }
        LocationSyntax::Dataset if is_dataset(text) => Ok(SourceLocation::Dataset(text.to_owned())),
        LocationSyntax::Dataset => Err("a dataset of ZFS, with or without a snapshot; write it as `zfs:tank/app` or \
            `zfs:tank/app@SNAPSHOT`. A folder is written as `daemon:/tank/app/.zfs/snapshot/*`"
            .to_owned()),
        LocationSyntax::Repository { is_address, split_snapshot } => {
            // A path that `file://` begins is a path of this machine for backup programs, too.
            let text = text.strip_prefix("file://").unwrap_or(text);
            if let Some((repository, snapshot)) = split_snapshot(text) {
                let snapshot = if snapshot.is_empty() { "NAME" } else { snapshot };
                return Err(format!(
                    "a repository: the snapshot is named apart, as in `{repository}` with `--snapshot {snapshot}`"
                ));
            }
            if is_address(text) {
                // ssh would take such a host for an option, and an option of ssh may run a command.
                let text_of_host = text.split_once("://").map_or(text, |(_, host)| host);
                let host = text_of_host.strip_prefix("sftp:").unwrap_or(text_of_host);
                if host.starts_with('-') || host.contains("@-") {
                    return Err("an address, for no host begins with a dash".to_owned());
                }
                return Ok(SourceLocation::Address(text.to_owned()));
            }
            Ok(SourceLocation::Path(path(text)?.to_owned()))
        }
    }
}

/// Reads `rclone:REMOTE:PATH`.
fn remote(text: &str) -> Result<SourceLocation, String> {
    let file = text.split('#').next().unwrap_or(text);
    let Some(at) = RemotePath::of_address(file).filter(|at| !at.path.is_empty()) else {
        return Err(
            "a path at a remote of rclone; write it as `tar:rclone:REMOTE:backups/app-*.tar.gz`. A file of this \
            machine whose name begins like that is written with `./` before it"
                .to_owned(),
        );
    };
    // Rclone would take it for an option.
    if at.remote.starts_with('-') {
        return Err("a path at a remote of rclone, for no remote begins with a dash".to_owned());
    }
    if let Some(name) = at.secret() {
        return Err(format!(
            "an address without secrets, and {name} is one: everybody on this machine sees what rclone is called with. \
             Make a remote with it (`rclone config`) and name that"
        ));
    }
    let (folder, _) = at.folder_and_name();
    if has_pattern(Some(Path::new(&folder[at.remote.len()..]))) {
        return Err("a path at a remote: a pattern may stand in its last part only, as in \
            `tar:rclone:REMOTE:backups/app-*.tar.gz`"
            .to_owned());
    }
    Ok(SourceLocation::Address(text.to_owned()))
}

/// Whether the text may be the name of a dataset, or of a snapshot of one.
fn is_dataset(text: &str) -> bool {
    let (dataset, snapshot) = text.split_once('@').unwrap_or((text, "all"));
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || ['-', '_', '.', ':', ' '].contains(&c))
    };
    dataset.split('/').all(is_name) && is_name(snapshot)
}

fn path(text: &str) -> Result<&Path, String> {
    match text {
        "" => Err("a source, for it has no path; write it as `tar:backups/app.tar.gz` or `dir:/mnt/backup`".to_owned()),
        _ if text == "~" || text.starts_with("~/") => {
            Err("a source that is found: nobody but a shell knows `~`, and it does so at the start of a word only; \
             write the path in full or begin it with $HOME"
                .to_owned())
        }
        _ => Ok(Path::new(text)),
    }
}

fn has_pattern(folder: Option<&Path>) -> bool {
    folder.is_some_and(|folder| folder.to_string_lossy().contains(['*', '?']))
}

/// The error of a source without a kind.
fn without_kind(text: &str) -> String {
    if text.is_empty() {
        return format!("a source; there are {}", SourceKind::all_forms());
    }
    if SourceKind::of_name(text).is_some() || NOT_YET.contains(&text) || text == RCLONE {
        return unknown_kind(text);
    }
    if let Some(kind) = SourceKind::of_file_name(text) {
        return format!("a source: its kind is missing; write `{}:{text}`", kind.name());
    }
    format!(
        "a source: its kind is missing; write `dir:{text}` for a folder or `tar:{text}` for an archive. There are {}",
        SourceKind::all_forms()
    )
}

fn unknown_kind(name: &str) -> String {
    let forms = SourceKind::all_forms();
    if name == RCLONE {
        return format!(
            "a source: what is read through rclone is missing; write `tar:rclone:REMOTE:PATH` for archives and \
             `dump:rclone:REMOTE:PATH` for database dumps. There are {forms}"
        );
    }
    if NOT_YET.contains(&name) {
        return format!(
            "a source that is supported yet; restore the backup into a folder with {name} itself and give that as \
             `dir:FOLDER`. There are {forms}"
        );
    }
    if SourceKind::of_name(name).is_some() {
        return format!("a source, for it has no path; there are {forms}");
    }
    match suggestion(name, SourceKind::names()) {
        Some(hint) => format!("a source of a known kind; {hint} There are {forms}"),
        None => format!("a source of a known kind; there are {forms}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAG: SettingOrigin = SettingOrigin::Flag("--from");

    fn refused(text: &str) -> String {
        parse(&FLAG, text, Path::new("")).expect_err(text).to_string()
    }

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        let place = parse(&FLAG, "restic:rest:https://me:hunter2@nas/repo", Path::new("")).expect("a source");
        assert_eq!(place.to_string(), "restic:rest:https://me:•••@nas/repo");
        for (wrong, shown) in [
            ("restic:rest:https://me:hun/ter2@nas/repo", "restic:rest:https://me:•••@nas/repo"),
            ("restic:rest:https://me:/hunter2@nas/repo", "restic:rest:https://me:•••@nas/repo"),
            ("restic:rest:https://me:hun/t@er2@nas/repo", "restic:rest:https://me:•••@nas/repo"),
            // No password.
            ("restic:rest:https://nas:8000/a@b", "restic:rest:https://nas:8000/a@b"),
            ("restic:rest:https://[::1]:8000/a@b", "restic:rest:https://[::1]:8000/a@b"),
            ("restic:rest:https://nas/a:b@c", "restic:rest:https://nas/a:b@c"),
        ] {
            assert_eq!(parse(&FLAG, wrong, Path::new("")).expect("a source").to_string(), shown);
        }
        let place = parse(&FLAG, "restic:repo", Path::new("/plans")).expect("a source");
        assert_eq!(place, SourcePlace::at_path(SourceKind::Restic, "/plans/repo"));
    }

    fn at_address(address: &str) -> SourcePlace {
        SourcePlace { kind: SourceKind::Borg, location: SourceLocation::Address(address.to_owned()) }
    }

    #[test]
    fn the_snapshot_of_a_repository_is_named_apart() {
        let error = refused("borg:/srv/repo::app-2026-11-01");
        assert!(error.contains("`/srv/repo` with `--snapshot app-2026-11-01`"), "{error}");
        assert!(refused("borg:nas:repo::").contains("--snapshot NAME"));
        for text in [
            "borg:-oProxyCommand=x:repo",
            "borg:ssh://-oProxyCommand=x/repo",
            "borg:me@-oProxyCommand=x:repo",
            "restic:sftp:-oProxyCommand=x:/repo",
            "restic:sftp://-oProxyCommand=x/repo",
        ] {
            assert!(refused(text).contains("no host begins with a dash"), "{text}");
        }
    }

    #[test]
    fn sources_are_read_in_all_their_forms() {
        let dataset = |name: &str| SourceLocation::Dataset(name.to_owned());
        let cases = [
            ("tar:-", SourcePlace::stdin(SourceKind::Tar)),
            ("dump:-", SourcePlace::stdin(SourceKind::Dump)),
            ("dump:b/app-*.tgz#d/app.sql", SourcePlace::at_path(SourceKind::Dump, "/plans/b/app-*.tgz#d/app.sql")),
            ("dump:b/app-*.sql.gz", SourcePlace::at_path(SourceKind::Dump, "/plans/b/app-*.sql.gz")),
            ("tar:/b/app.tar.gz", SourcePlace::at_path(SourceKind::Tar, "/b/app.tar.gz")),
            ("tar:b/app-*.tar.gz", SourcePlace::at_path(SourceKind::Tar, "/plans/b/app-*.tar.gz")),
            ("tar:b:c.tar", SourcePlace::at_path(SourceKind::Tar, "/plans/b:c.tar")),
            (" dir:backup ", SourcePlace::at_path(SourceKind::Dir, "/plans/backup")),
            ("dir:/b", SourcePlace::at_path(SourceKind::Dir, "/b")),
            ("daemon:/srv/b", SourcePlace::on_host("/srv/b")),
            ("borg:repo", SourcePlace::at_path(SourceKind::Borg, "/plans/repo")),
            ("borg:file:///srv/repo", SourcePlace::at_path(SourceKind::Borg, "/srv/repo")),
            ("borg:ssh://me@nas:22/./repo", at_address("ssh://me@nas:22/./repo")),
            ("borg:me@nas:repo", at_address("me@nas:repo")),
            ("dir:daemon:/srv/b", SourcePlace::on_host("/srv/b")),
            ("daemon:/.snapshots/*/snapshot", SourcePlace::on_host("/.snapshots/*/snapshot")),
            (
                "btrfs:/srv/.snapshots",
                SourcePlace { kind: SourceKind::Btrfs, ..SourcePlace::on_host("/srv/.snapshots") },
            ),
            ("zfs:tank/app@a_00:01", SourcePlace { kind: SourceKind::Zfs, location: dataset("tank/app@a_00:01") }),
        ];
        for (text, place) in cases {
            assert_eq!(parse(&FLAG, text, Path::new("/plans")).expect(text), place, "{text}");
        }
        // A path of the command line stays as it was typed.
        let typed = parse(&FLAG, "tar:app.tar", Path::new("")).expect("an archive");
        assert_eq!(typed.to_string(), "tar:app.tar");
    }

    #[test]
    fn what_is_read_is_written_the_same_way() {
        let texts = ["tar:-", "tar:/b/app-*.tar.gz", "dir:/b", "daemon:/srv/b", "dump:/b/app.sql", "dump:-"];
        for text in texts.into_iter().chain(["borg:/srv/repo", "borg:ssh://nas/./repo"]) {
            assert_eq!(parse(&FLAG, text, Path::new("")).expect(text).to_string(), text);
        }
    }

    #[test]
    fn a_bare_path_is_asked_for_its_kind() {
        assert_eq!(
            refused("b/app.tar.zst"),
            "--from: `b/app.tar.zst` is not a source: its kind is missing; write `tar:b/app.tar.zst`"
        );
        let error = refused("/mnt/backup");
        let beginning = "--from: `/mnt/backup` is not a source: its kind is missing; write `dir:/mnt/backup` for a \
                         folder or `tar:/mnt/backup` for an archive. There are ";
        assert!(error.starts_with(beginning), "{error}");
        for kind in SourceKind::names() {
            assert!(error.contains(&format!(" {kind}:")), "{kind}: {error}");
        }
    }

    #[test]
    fn what_is_not_read_yet_says_so_and_what_would_do() {
        for kind in NOT_YET {
            let error = refused(&format!("{kind}:/repo"));
            assert!(error.contains("not a source that is supported yet"), "{error}");
            assert!(error.contains(&format!("restore the backup into a folder with {kind} itself")), "{error}");
        }
        assert!(refused("kopia").contains("supported yet"));
        let error = refused("kopia:https://me:hunter2@example.org");
        assert!(error.starts_with("--from: `kopia:…` is not") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_path_at_a_remote_of_rclone_is_an_address_without_secrets() {
        let place = parse(&FLAG, "tar:rclone:nas:b/app-*.tar.gz", Path::new("/plans")).expect("a source");
        let location = SourceLocation::Address("rclone:nas:b/app-*.tar.gz".to_owned());
        assert_eq!(place, SourcePlace { kind: SourceKind::Tar, location });
        assert_eq!(place.to_string(), "tar:rclone:nas:b/app-*.tar.gz");
        assert!(parse(&FLAG, "dump:rclone::local:/b/app.tar#app.sql", Path::new("")).is_ok());
        for (text, words) in [
            ("tar:rclone:", "a path at a remote"),
            ("tar:rclone:nas", "a path at a remote"),
            ("tar:rclone:nas:", "a path at a remote"),
            ("tar:rclone:-x:b", "begins with a dash"),
            ("tar:rclone:nas:b/*/app.tar", "in its last part only"),
            ("rclone:nas:b", "write `tar:rclone:REMOTE:PATH`"),
            ("rclone", "write `tar:rclone:REMOTE:PATH`"),
        ] {
            assert!(refused(text).contains(words), "{text}: {}", refused(text));
        }
        let error = refused("tar:rclone::webdav,url='http://nas',pass=hunter2:b");
        assert!(error.contains("without secrets") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_misspelled_kind_is_met_with_the_nearest() {
        let error = refused("tarr:/b");
        assert!(error.starts_with("--from: `tarr:…` is not a source of a known kind; did you mean `tar`?"), "{error}");
        assert!(refused("zebra:/b").contains("a known kind; there are tar:FILE, "), "{}", refused("zebra:/b"));
    }

    #[test]
    fn a_source_has_a_path_that_somebody_can_find() {
        for text in ["tar:", "dir:", "tar", "dir", "borg:", "borg"] {
            assert!(refused(text).contains("it has no path"), "{}", refused(text));
        }
        for text in ["daemon:", "daemon:srv/b", "dir:daemon:srv", "btrfs:srv"] {
            assert!(refused(text).contains("begins with a slash"), "{}", refused(text));
        }
        for text in ["zfs:", "zfs:/tank/app", "zfs:tank/", "zfs:tank@", "zfs:tank@a@b", "zfs:tank/*"] {
            assert!(refused(text).contains("write it as `zfs:tank/app`"), "{}", refused(text));
        }
        for text in ["tar:~/b.tar", "dir:~", "borg:~/repo"] {
            assert!(refused(text).contains("$HOME"), "{}", refused(text));
        }
        assert!(refused("").contains("there are tar:FILE"));
    }

    #[test]
    fn a_name_is_told_from_a_source() {
        for text in ["tar:a", "b/c", "restic", "dir", "app.tar.gz", "backup.tgz", ""] {
            assert!(is_written_out(text), "{text}");
        }
        for text in ["nightly", "off-site", "nas.home"] {
            assert!(!is_written_out(text), "{text}");
        }
    }

    #[test]
    fn a_pattern_stands_in_the_last_part_only() {
        assert!(refused("tar:b/*/app.tar").contains("in the last part of the path only"));
        assert!(refused("daemon:/*/b/*").contains("in one part of the path only"));
        assert!(parse(&FLAG, "tar:app.tar", Path::new("/odd*/plans")).is_ok(), "the plan file's folder is as it is");
    }
}
