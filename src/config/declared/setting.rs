//! A setting and the places where it can be written, and the labels that are no single value.

/// A setting and the places where it can be written. An empty text or list: not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The flag and the name of its value: `--timeout DURATION`.
    pub flag: &'static str,
    /// The short form of the flag: `-q`.
    pub short: &'static str,
    /// The environment variables, by precedence.
    pub variables: &'static [&'static str],
    /// Variables of another meaning, as the documentation shows them.
    pub other_variables: &'static str,
    /// The label of a container.
    pub label: &'static str,
    /// The keys in the plan file: `timeout`, `mounts.M.path`.
    pub keys: &'static [&'static str],
    /// The default, in Markdown.
    pub default: &'static str,
    /// A value as the plan file has it, for the file that `rehearsa init` writes.
    pub example: &'static str,
    /// What the setting does, in Markdown.
    pub about: &'static str,
}

/// A setting that cannot be written anywhere: the columns that an entry leaves out.
pub const NOWHERE: Setting = Setting {
    flag: "",
    short: "",
    variables: &[],
    other_variables: "",
    label: "",
    keys: &[],
    default: "",
    example: "",
    about: "",
};

impl Setting {
    /// The flag without the name of its value; empty when there is no flag.
    pub fn flag_name(&self) -> &'static str {
        self.flag.split(' ').next().unwrap_or("")
    }
}

/// The label that hides a container from Rehearsa.
pub const IGNORE: &str = "rehearsa.ignore";
/// The label that skips a service, with the reason.
pub const SKIP: &str = "rehearsa.skip";
/// The label for the strategies of mounts.
pub const MOUNTS: &str = "rehearsa.mounts";
/// The label for the source of the data.
pub const SOURCE: &str = "rehearsa.source";
/// The label for the parts of the backup that belong to mounts.
pub const MAP: &str = "rehearsa.map";
/// The label for mounts whose part of the backup may be empty.
pub const ALLOW_EMPTY: &str = "rehearsa.allow-empty";
/// The label for the path of a dump in the snapshot.
pub const LOAD_FROM: &str = "rehearsa.load.from";
/// The label for the database that a dump goes into.
pub const LOAD_DATABASE: &str = "rehearsa.load.database";
/// The label for the command that loads a dump.
pub const LOAD_COMMAND: &str = "rehearsa.load.command";
/// The label for the services that must be up first; discovery reads it.
pub const DEPENDS_ON: &str = "rehearsa.depends_on";
/// What the label of a check begins with; the name of the check follows.
pub const CHECK: &str = "rehearsa.check.";
