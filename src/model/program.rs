//! The owner's programs that read backups, and where the user says that they are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A program that reads backups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Program {
    Borg,
    Rclone,
    Restic,
}

impl Program {
    /// All programs.
    pub const ALL: [Program; 3] = [Program::Borg, Program::Rclone, Program::Restic];

    /// The name of the program, which is also the name of its file.
    pub const fn name(self) -> &'static str {
        match self {
            Program::Borg => "borg",
            Program::Rclone => "rclone",
            Program::Restic => "restic",
        }
    }

    /// The flag that names the program's path.
    pub const fn flag(self) -> &'static str {
        match self {
            Program::Borg => "--borg-path",
            Program::Rclone => "--rclone-path",
            Program::Restic => "--restic-path",
        }
    }

    /// The key of the plan file that names the program's path.
    pub const fn key(self) -> &'static str {
        match self {
            Program::Borg => "borg_path",
            Program::Rclone => "rclone_path",
            Program::Restic => "restic_path",
        }
    }
}

/// The paths of programs that the user names. A program that is not named is looked for in PATH.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProgramPaths(BTreeMap<Program, PathBuf>);

impl ProgramPaths {
    /// The path of a program; `None`: the user names none.
    pub fn of(&self, program: Program) -> Option<&Path> {
        self.0.get(&program).map(PathBuf::as_path)
    }

    /// These paths, and those of `others` for programs that are not named here.
    #[must_use]
    pub fn or(self, others: ProgramPaths) -> ProgramPaths {
        let mut paths = others.0;
        paths.extend(self.0);
        ProgramPaths(paths)
    }
}

impl FromIterator<(Program, PathBuf)> for ProgramPaths {
    fn from_iter<I: IntoIterator<Item = (Program, PathBuf)>>(paths: I) -> ProgramPaths {
        ProgramPaths(paths.into_iter().collect())
    }
}
