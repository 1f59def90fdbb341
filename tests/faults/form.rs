//! The kinds of sources in the table, each made by the programs that people use.

use std::path::Path;

use crate::support::backup::sh;
use crate::support::{borg, restic, shown};

/// Makes the repository and its archive.
const BORG: &str = "echo $BORG_PASSPHRASE >key; echo fixture-wrong-passphrase >other-key; \
    borg init -e repokey x.borg 2>/dev/null; cd data; \
    borg create --timestamp 2026-11-01T03:00:00 ../x.borg::app-1 .";

/// Makes the repository and its snapshot.
const RESTIC: &str = "echo $RESTIC_PASSWORD >key; echo fixture-wrong-password >other-key; \
    restic init -r x.restic; cd data; \
    restic -r ../x.restic backup --host fixture-host --time '2026-11-01 03:00:00' .";

/// What the data comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// The live service itself.
    Live,
    Tar,
    TarGz,
    TarZst,
    TarXz,
    /// A gzipped archive, encrypted with age to a key.
    Age,
    /// A gzipped archive, encrypted by gpg with a passphrase.
    Gpg,
    Dir,
    Daemon,
    /// A folder of the engine's host where ZFS shows a snapshot.
    Snapshot,
    /// A dump of the database as SQL.
    Sql,
    SqlGz,
    /// A file of `pg_dump -Fc`.
    Custom,
    /// A repository of Borg with the archive `app-1`, encrypted with a passphrase.
    Borg,
    /// An archive in which borgmatic put a dump of the database beside other files.
    Inside,
    /// A repository of restic with one snapshot.
    Restic,
}

impl Form {
    /// Its name in the table.
    pub fn word(self) -> &'static str {
        match self {
            Form::Live => "live",
            Form::Tar => "tar",
            Form::TarGz => "tar.gz",
            Form::TarZst => "tar.zst",
            Form::TarXz => "tar.xz",
            Form::Age => "tar.gz.age",
            Form::Gpg => "tar.gz.gpg",
            Form::Dir => "dir",
            Form::Sql => "sql",
            Form::SqlGz => "sql.gz",
            Form::Custom => "dump",
            Form::Daemon => "daemon",
            Form::Inside => "tar with a dump",
            Form::Snapshot => "snapshot",
            Form::Restic => "restic",
            Form::Borg => "borg",
        }
    }

    /// Makes the backup of the folder `data` below this folder, and returns the arguments that name it.
    pub fn make(self, folder: &Path) -> Vec<String> {
        let script = match self {
            Form::Live | Form::Dir | Form::Daemon => "",
            Form::Borg => BORG,
            Form::Restic => RESTIC,
            Form::Snapshot => {
                "mkdir -p tank/.zfs/snapshot; mv data tank/.zfs/snapshot/autosnap_2026-11-01_00:00:01_daily"
            }
            Form::Sql => "mv dumps/x.sql .",
            Form::SqlGz => "gzip -1 <dumps/x.sql >x.sql.gz",
            Form::Custom => "mv dumps/x.dump .",
            Form::Tar | Form::Inside => "tar -C data -cf x.tar .",
            Form::TarGz => "tar -C data -c . | gzip -1 >x.tar.gz",
            Form::TarZst => "tar -C data -c . | zstd -q >x.tar.zst",
            Form::TarXz => "tar -C data -c . | xz -1 >x.tar.xz",
            Form::Age => {
                "age-keygen -o key 2>/dev/null; age-keygen -o other-key 2>/dev/null; \
                 tar -C data -c . | gzip -1 | age -r \"$(age-keygen -y key)\" >x.tar.gz.age"
            }
            Form::Gpg => {
                "echo fixture-backup-passphrase >key; echo fixture-wrong-passphrase >other-key; mkdir -m 700 home; \
                 tar -C data -c . | gzip -1 | GNUPGHOME=$PWD/home gpg --batch --quiet --pinentry-mode loopback \
                 --passphrase-file key --s2k-count 65536 --symmetric -o x.tar.gz.gpg"
            }
        };
        sh(folder, &format!("{}{}{script}", borg::TOOLS, restic::TOOLS), &[]);
        let from = match self.file() {
            Some(file) if self.is_dump() => format!("dump:{}", shown(&folder.join(file))),
            Some(file) if matches!(self, Form::Borg | Form::Restic) => {
                format!("{}:{}", self.word(), shown(&folder.join(file)))
            }
            Some(file) => format!("tar:{}", shown(&folder.join(file))),
            None if self == Form::Live => return Vec::new(),
            None if self == Form::Snapshot => format!("daemon:{}", shown(&folder.join("tank/.zfs/snapshot/*"))),
            None => format!("{}:{}", self.word(), shown(&folder.join("data"))),
        };
        let mut args = vec!["--from".to_owned(), from];
        let key = shown(&folder.join("key"));
        match self {
            Form::Age => args.extend(["--identity".to_owned(), key]),
            Form::Gpg | Form::Borg | Form::Restic => args.extend(["--passphrase-file".to_owned(), key]),
            _ => {}
        }
        args
    }

    /// Whether it is a dump, which is loaded into the service.
    pub fn is_dump(self) -> bool {
        matches!(self, Form::Sql | Form::SqlGz | Form::Custom)
    }

    /// The name of the archive, the dump or the repository in the folder, if it is one.
    pub fn file(self) -> Option<String> {
        let is_archive = !matches!(self, Form::Live | Form::Dir | Form::Daemon | Form::Snapshot);
        let end = if self == Form::Inside { "tar" } else { self.word() };
        is_archive.then(|| format!("x.{end}"))
    }
}
