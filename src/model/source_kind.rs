//! The kinds of sources: facts about each kind that need no open source. The room `source` opens sources.
//!
//! A new kind is a row here, a row in `source/kinds.rs` and a file beside it.

/// Facts about a kind of source.
#[derive(Debug)]
pub struct SourceKindRow {
    /// The word before the colon: `tar` in `tar:FILE`.
    pub name: &'static str,
    /// Another spelling of the word before the colon.
    pub alias: Option<&'static str>,
    /// The word before test names: `[tar] media::jellyfin`.
    pub label: &'static str,
    /// The allowed forms of the text after the colon.
    pub syntax: LocationSyntax,
    /// The forms of this kind, as messages list them.
    pub forms: &'static str,
    /// Whether files of this kind usually have such a name: a path without a kind then gets an error that names the
    /// right kind.
    pub is_usual_name: fn(&str) -> bool,
    /// What the program's stream cannot carry, although the backup may have it; `None`: the stream carries everything.
    pub stream_lacks: Option<&'static str>,
}

/// The allowed forms of the text after the colon of a source.
#[derive(Debug)]
pub enum LocationSyntax {
    /// A file of this machine, or a pattern of files in the last part of the path; `-` is standard input. A path at a
    /// remote of rclone begins with [`remote_path::PREFIX`](super::remote_path::PREFIX).
    FileOrStdin {
        /// Noun for such a file, in messages.
        what: &'static str,
        /// Example of a source with a pattern.
        example: &'static str,
    },
    /// A folder of this machine, or a pattern of folders in the last part of the path.
    Folder,
    /// A folder of the engine's host: an absolute path, with a pattern in at most one component.
    HostFolder {
        /// Example of such a source.
        example: &'static str,
    },
    /// A dataset of ZFS, with or without a snapshot.
    Dataset,
    /// A repository: a path of this machine, or an address for the backup program.
    Repository {
        /// Whether the text is an address and no path.
        is_address: fn(&str) -> bool,
        /// Splits a text that also names a snapshot into the repository and the snapshot.
        split_snapshot: fn(&str) -> Option<(&str, &str)>,
    },
}

macro_rules! source_kinds {
    ($($(#[$doc:meta])* $kind:ident => $row:expr;)+) => {
        /// A kind of source.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum SourceKind {
            $($(#[$doc])* $kind,)+
        }

        impl SourceKind {
            /// All kinds, in the order in which messages list them.
            pub const ALL: &[SourceKind] = &[$(SourceKind::$kind),+];

            /// The facts about this kind.
            pub fn row(self) -> &'static SourceKindRow {
                match self {
                    $(SourceKind::$kind => {
                        const ROW: &SourceKindRow = &$row;
                        ROW
                    })+
                }
            }
        }
    };
}

source_kinds! {
    /// Tar archives, compressed or not, encrypted or not.
    Tar => SourceKindRow {
        name: "tar",
        alias: None,
        label: "tar",
        syntax: LocationSyntax::FileOrStdin { what: "an archive", example: "tar:backups/app-*.tar.gz" },
        forms: "tar:FILE, tar:- (standard input), tar:rclone:REMOTE:PATH",
        is_usual_name: is_archive_name,
        stream_lacks: None,
    };
    /// Folders of this machine.
    Dir => SourceKindRow {
        name: "dir",
        alias: None,
        label: "dir",
        syntax: LocationSyntax::Folder,
        forms: "dir:FOLDER",
        is_usual_name: |_| false,
        stream_lacks: None,
    };
    /// Folders of the engine's host.
    Daemon => SourceKindRow {
        name: "daemon",
        alias: Some("dir:daemon"),
        label: "dir",
        syntax: LocationSyntax::HostFolder { example: "daemon:/srv/backup" },
        forms: "daemon:FOLDER (on the engine's host)",
        is_usual_name: |_| false,
        stream_lacks: None,
    };
    /// Snapshots of btrfs on the engine's host.
    Btrfs => SourceKindRow {
        name: "btrfs",
        alias: None,
        label: "btrfs",
        syntax: LocationSyntax::HostFolder { example: "btrfs:/srv/.snapshots" },
        forms: "btrfs:FOLDER (of snapshots, on the engine's host)",
        is_usual_name: |_| false,
        stream_lacks: None,
    };
    /// Snapshots of a dataset of ZFS on the engine's host.
    Zfs => SourceKindRow {
        name: "zfs",
        alias: None,
        label: "zfs",
        syntax: LocationSyntax::Dataset,
        forms: "zfs:DATASET (on the engine's host)",
        is_usual_name: |_| false,
        stream_lacks: None,
    };
    /// Database dumps.
    Dump => SourceKindRow {
        name: "dump",
        alias: None,
        label: "dump",
        syntax: LocationSyntax::FileOrStdin { what: "a dump", example: "dump:backups/app-*.sql.gz" },
        forms: "dump:FILE (of a database), dump:-",
        is_usual_name: is_dump_name,
        stream_lacks: None,
    };
    /// Repositories of restic.
    Restic => SourceKindRow {
        name: "restic",
        alias: None,
        label: "restic",
        syntax: LocationSyntax::Repository { is_address: is_restic_address, split_snapshot: |_| None },
        forms: "restic:REPOSITORY (a folder, or an address as in rest:https://HOST/)",
        is_usual_name: |_| false,
        stream_lacks: Some(
            "`restic dump` carries no hard links, no pipes, no fractions of a second and no attributes of the part's \
             own folder; `restic restore` would, and takes another time",
        ),
    };
    /// Repositories of Borg.
    Borg => SourceKindRow {
        name: "borg",
        alias: None,
        label: "borg",
        syntax: LocationSyntax::Repository { is_address: is_borg_address, split_snapshot: split_borg_archive },
        forms: "borg:REPOSITORY (a folder, or an address as in ssh://HOST/./PATH)",
        is_usual_name: |_| false,
        stream_lacks: Some(
            "`borg export-tar` carries no extended attributes, no ACLs and no fractions of a second; `borg extract` \
             would",
        ),
    };
}

impl SourceKind {
    /// The word before the colon.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Finds a kind by the word before the colon; `None`: there is no such kind.
    pub fn of_name(name: &str) -> Option<SourceKind> {
        SourceKind::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// The words before the colon of all kinds.
    pub fn names() -> impl Iterator<Item = &'static str> {
        SourceKind::ALL.iter().map(|kind| kind.name())
    }

    /// The words before test names of all kinds; a word may come twice.
    pub fn labels() -> impl Iterator<Item = &'static str> {
        SourceKind::ALL.iter().map(|kind| kind.row().label)
    }

    /// Finds the kind that a file with this name usually is; `None`: the name says nothing.
    pub fn of_file_name(name: &str) -> Option<SourceKind> {
        // The kind with the narrower names comes first: a dump may be compressed and encrypted as an archive is.
        SourceKind::ALL.iter().rev().copied().find(|kind| (kind.row().is_usual_name)(name))
    }

    /// The forms of all kinds, separated by commas.
    pub fn all_forms() -> String {
        SourceKind::ALL.iter().map(|kind| kind.row().forms).collect::<Vec<_>>().join(", ")
    }

    /// Regular expression for a source with its kind, for editors that check the plan file.
    pub fn written_out_pattern() -> String {
        format!("^({}):.", SourceKind::names().collect::<Vec<_>>().join("|"))
    }
}

/// Whether restic takes the text for an address: `sftp:…`, `rest:…` and the like.
fn is_restic_address(text: &str) -> bool {
    const KINDS: [&str; 9] = ["local", "sftp", "rest", "s3", "b2", "azure", "gs", "swift", "rclone"];
    text.split_once(':').is_some_and(|(kind, _)| KINDS.contains(&kind))
}

/// Whether Borg takes the text for an address: `ssh://…`, or `[USER@]HOST:PATH`.
fn is_borg_address(text: &str) -> bool {
    text.split_once(':').is_some_and(|(host, path)| !host.is_empty() && !host.contains('/') && !path.is_empty())
}

/// Splits `REPOSITORY::ARCHIVE`, as Borg's own commands take it. An address such as `ssh://[::1]/repo` is none.
fn split_borg_archive(text: &str) -> Option<(&str, &str)> {
    text.rsplit_once("::").filter(|(_, archive)| !archive.contains(['/', ']']))
}

/// Whether `name` looks like an archive's, encrypted or not.
pub fn is_archive_name(name: &str) -> bool {
    const ENCRYPTED: [&str; 4] = [".age", ".gpg", ".pgp", ".asc"];
    const PACKED: [&str; 11] =
        [".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".tzst", ".tar.gz", ".tar.zst", ".tar.xz", ".tar.bz2", ".tar.zstd"];
    let name = name.to_lowercase();
    ENCRYPTED.iter().chain(&PACKED).any(|end| name.ends_with(end))
}

/// Whether `name` looks like a database dump's, compressed and encrypted or not.
pub fn is_dump_name(name: &str) -> bool {
    const DUMPS: [&str; 6] = ["sql", "dump", "pgdump", "dmp", "rdb", "mysqldump"];
    const AROUND: [&str; 10] = ["gz", "zst", "zstd", "xz", "bz2", "age", "gpg", "pgp", "asc", "custom"];
    let name = name.to_lowercase();
    let mut ends = name.rsplit('.').skip_while(|end| AROUND.contains(end));
    ends.next().is_some_and(|end| DUMPS.contains(&end) && end.len() < name.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_found_by_its_word_and_by_the_names_of_its_files() {
        for kind in SourceKind::ALL {
            assert_eq!(SourceKind::of_name(kind.name()), Some(*kind));
            assert!(kind.row().forms.starts_with(&format!("{}:", kind.name())), "{kind:?}");
        }
        assert_eq!(SourceKind::of_name("kopia"), None);
        for (name, kind) in [
            ("app.tar.zst", Some(SourceKind::Tar)),
            ("app.tgz.age", Some(SourceKind::Tar)),
            ("app.sql.gz.gpg", Some(SourceKind::Dump)),
            ("app", None),
        ] {
            assert_eq!(SourceKind::of_file_name(name), kind, "{name}");
        }
    }

    #[test]
    fn addresses_of_restic_are_told_from_paths() {
        for text in ["rest:https://me:pw@nas/", "sftp:nas:/repo", "s3:s3.example.org/b", "rclone:r:b"] {
            assert!(is_restic_address(text), "{text}");
        }
        for text in ["/srv/repo", "repo", "./rest:x", "/srv/rest:x", "C:/repo"] {
            assert!(!is_restic_address(text), "{text}");
        }
    }

    #[test]
    fn addresses_of_borg_are_told_from_paths() {
        for text in ["ssh://nas/./repo", "ssh://me@[::1]:22/repo", "me@nas:/repo", "nas:repo"] {
            assert!(is_borg_address(text), "{text}");
        }
        for text in ["/srv/repo", "repo", "./a:b", "/srv/a:b", ":x", "nas:"] {
            assert!(!is_borg_address(text), "{text}");
        }
        assert_eq!(split_borg_archive("/srv/repo::app-1"), Some(("/srv/repo", "app-1")));
        assert_eq!(split_borg_archive("ssh://[::1]:22/./repo::a"), Some(("ssh://[::1]:22/./repo", "a")));
        for text in ["ssh://[::1]/repo", "ssh://[::1]", "nas:repo"] {
            assert_eq!(split_borg_archive(text), None, "{text}");
        }
    }

    #[test]
    fn names_of_kinds_are_all_different() {
        let mut names: Vec<&str> =
            SourceKind::names().chain(SourceKind::ALL.iter().filter_map(|k| k.row().alias)).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
