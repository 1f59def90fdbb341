//! Sources as people write them: `tar:backups/app-*.tar.gz`, `tar:-`, `dir:/mnt/backup`, `daemon:/srv/backup`.
//!
//! `live`, and the names that a plan file gives to its sources, are words of whoever calls.

use std::path::Path;

use super::suggest::suggestion;
use crate::config::error::{ConfigError, SettingOrigin};
use crate::model::source::{SourcePlace, is_archive_name, is_dump_name};

/// The kinds there are, as each is written.
const FORMS: &str = "tar:FILE, tar:- (standard input), dir:FOLDER, daemon:FOLDER (on the engine's host), dump:FILE (of a database), dump:-";

/// The kinds there are.
const KINDS: [&str; 4] = ["tar", "dir", "daemon", "dump"];

/// Backup programs and file systems whose own format is not read yet.
const NOT_YET: [&str; 10] =
    ["restic", "borg", "zfs", "btrfs", "kopia", "rsync", "duplicati", "duplicacy", "rclone", "s3"];

/// Whether this is meant as a source, be it a wrong one, and not as a name that a plan file gives to one.
pub fn is_written_out(text: &str) -> bool {
    text.is_empty()
        || text.contains([':', '/'])
        || KINDS.contains(&text)
        || NOT_YET.contains(&text)
        || is_archive_name(text)
        || is_dump_name(text)
}

/// Reads a source; `origin` is named in the error, and relative paths are relative to the folder `relative_to`.
pub fn parse(origin: &SettingOrigin, text: &str, relative_to: &Path) -> Result<SourcePlace, ConfigError> {
    let text = text.trim();
    let error = |expected: String| ConfigError::value(origin, text, expected);
    let Some((kind, rest)) = text.split_once(':') else {
        return Err(error(without_kind(text)));
    };
    match kind {
        "tar" if rest == "-" => Ok(SourcePlace::TarStdin),
        "tar" => {
            let path = with_pattern(rest, "an archive", "tar:backups/app-*.tar.gz").map_err(error)?;
            Ok(SourcePlace::Tar(relative_to.join(path)))
        }
        "dump" if rest == "-" => Ok(SourcePlace::DumpStdin),
        "dump" => {
            let path = with_pattern(rest, "a dump", "dump:backups/app-*.sql.gz").map_err(error)?;
            Ok(SourcePlace::Dump(relative_to.join(path)))
        }
        "dir" => match rest.strip_prefix("daemon:") {
            Some(rest) => on_daemon(rest).map_err(error),
            None => Ok(SourcePlace::Dir(relative_to.join(path(rest).map_err(error)?))),
        },
        "daemon" => on_daemon(rest).map_err(error),
        // What follows may be another program's address with a password in it.
        _ => Err(ConfigError::value(origin, &format!("{kind}:…"), unknown_kind(kind))),
    }
}

/// A path in whose last part a pattern may stand.
fn with_pattern<'a>(text: &'a str, what: &str, example: &str) -> Result<&'a Path, String> {
    let path = path(text)?;
    if has_pattern(path.parent()) {
        return Err(format!("{what}: a pattern may stand in the last part of the path only, as in `{example}`"));
    }
    Ok(path)
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

fn on_daemon(path: &str) -> Result<SourcePlace, String> {
    if !path.starts_with('/') {
        return Err("a folder on the engine's host, whose path begins with a slash; write it as `daemon:/srv/backup`"
            .to_owned());
    }
    Ok(SourcePlace::DaemonDir(path.to_owned()))
}

fn has_pattern(folder: Option<&Path>) -> bool {
    folder.is_some_and(|folder| folder.to_string_lossy().contains(['*', '?']))
}

/// What is said of a source without a kind before it.
fn without_kind(text: &str) -> String {
    if text.is_empty() {
        return format!("a source; there are {FORMS}");
    }
    if KINDS.contains(&text) || NOT_YET.contains(&text) {
        return unknown_kind(text);
    }
    if is_dump_name(text) {
        return format!("a source until it says what kind; write `dump:{text}`");
    }
    if is_archive_name(text) {
        return format!("a source until it says what kind; write `tar:{text}`");
    }
    format!("a source until it says what kind; write `dir:{text}` for a folder or `tar:{text}` for an archive")
}

fn unknown_kind(kind: &str) -> String {
    if NOT_YET.contains(&kind) {
        return format!(
            "a source that is supported yet; restore the backup into a folder with {kind} itself and give that as \
             `dir:FOLDER`. There are {FORMS}"
        );
    }
    if KINDS.contains(&kind) {
        return format!("a source, for it has no path; there are {FORMS}");
    }
    match suggestion(kind, KINDS) {
        Some(hint) => format!("a source of a known kind; {hint} There are {FORMS}"),
        None => format!("a source of a known kind; there are {FORMS}"),
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
    fn sources_are_read_in_all_their_forms() {
        let cases = [
            ("tar:-", SourcePlace::TarStdin),
            ("dump:-", SourcePlace::DumpStdin),
            ("dump:b/app-*.sql.gz", SourcePlace::Dump("/plans/b/app-*.sql.gz".into())),
            ("tar:/b/app.tar.gz", SourcePlace::Tar("/b/app.tar.gz".into())),
            ("tar:b/app-*.tar.gz", SourcePlace::Tar("/plans/b/app-*.tar.gz".into())),
            ("tar:b:c.tar", SourcePlace::Tar("/plans/b:c.tar".into())),
            (" dir:backup ", SourcePlace::Dir("/plans/backup".into())),
            ("dir:/b", SourcePlace::Dir("/b".into())),
            ("daemon:/srv/b", SourcePlace::DaemonDir("/srv/b".to_owned())),
            ("dir:daemon:/srv/b", SourcePlace::DaemonDir("/srv/b".to_owned())),
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
        for text in ["tar:-", "tar:/b/app-*.tar.gz", "dir:/b", "daemon:/srv/b", "dump:/b/app.sql", "dump:-"] {
            assert_eq!(parse(&FLAG, text, Path::new("")).expect(text).to_string(), text);
        }
    }

    #[test]
    fn a_bare_path_is_asked_for_its_kind() {
        assert_eq!(
            refused("b/app.tar.zst"),
            "--from: `b/app.tar.zst` is not a source until it says what kind; write `tar:b/app.tar.zst`"
        );
        assert_eq!(
            refused("/mnt/backup"),
            "--from: `/mnt/backup` is not a source until it says what kind; write `dir:/mnt/backup` for a folder or \
             `tar:/mnt/backup` for an archive"
        );
    }

    #[test]
    fn what_is_not_read_yet_says_so_and_what_would_do() {
        for kind in NOT_YET {
            let error = refused(&format!("{kind}:/repo"));
            assert!(error.contains("not a source that is supported yet"), "{error}");
            assert!(error.contains(&format!("restore the backup into a folder with {kind} itself")), "{error}");
        }
        assert!(refused("restic").contains("supported yet"));
        let error = refused("restic:rest:https://me:hunter2@example.org");
        assert!(error.starts_with("--from: `restic:…` is not") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_misspelled_kind_is_met_with_the_nearest() {
        let error = refused("tarr:/b");
        assert!(error.starts_with("--from: `tarr:…` is not a source of a known kind; did you mean `tar`?"), "{error}");
        assert!(refused("zebra:/b").contains("a known kind; there are tar:FILE, "), "{}", refused("zebra:/b"));
    }

    #[test]
    fn a_source_has_a_path_that_somebody_can_find() {
        for text in ["tar:", "dir:", "tar", "dir"] {
            assert!(refused(text).contains("it has no path"), "{}", refused(text));
        }
        for text in ["daemon:", "daemon:srv/b", "dir:daemon:srv"] {
            assert!(refused(text).contains("begins with a slash"), "{}", refused(text));
        }
        for text in ["tar:~/b.tar", "dir:~"] {
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
        assert!(parse(&FLAG, "tar:app.tar", Path::new("/odd*/plans")).is_ok(), "the plan file's folder is as it is");
    }
}
