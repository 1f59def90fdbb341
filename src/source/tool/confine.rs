//! Confines a program that reads what a stranger wrote: it opens no files but its own and those that are named, writes
//! none, and connects to nothing over TCP. A kernel without Landlock (before 5.13, or built without it) confines
//! nothing; what a program reads is judged before it starts, too.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    path_beneath_rules,
};

/// Folders and files with the libraries of programs.
const LIBRARIES: [&str; 8] =
    ["/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/nix/store", "/etc/ld.so.cache"];
/// What programs read about the machine. Nothing of it is secret.
const MACHINE: [&str; 4] =
    ["/dev/null", "/etc/localtime", "/usr/share/zoneinfo", "/sys/kernel/mm/transparent_hugepage"];

/// Confines this process and what it becomes to a program and to what it may read: files, and folders with all that is
/// in them.
pub(super) fn confine(program: &Path, readable: &[PathBuf]) -> Result<(), RulesetError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let run: BitFlags<AccessFs> = read | AccessFs::Execute;
    Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V5))?
        .handle_access(AccessNet::from_all(ABI::V5))?
        .create()?
        .add_rules(path_beneath_rules([program], run))?
        .add_rules(path_beneath_rules(LIBRARIES, run))?
        .add_rules(path_beneath_rules(MACHINE, read))?
        .add_rules(path_beneath_rules(["/dev/null"], read | AccessFs::WriteFile))?
        .add_rules(path_beneath_rules(readable, read))?
        .restrict_self()?;
    Ok(())
}
