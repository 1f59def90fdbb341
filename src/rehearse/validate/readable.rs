//! Looks whether the processes of a service that is well may read the restored files. A service that reads its data
//! only when it is asked is healthy without the right to.
//!
//! The owners, groups and modes of the files are compared with the users and groups of all processes. Access control
//! lists are not among them, so one file is opened as such a user before anything is told. A service with a process of
//! root's, which may read everything, is not judged.

use std::time::Duration;

use super::script::Script;
use crate::model::diagnosis::{Code, Diagnosis};
use crate::rehearse::running::RunningService;
use crate::rehearse::shared_task::Diagnosed;

/// Longest time for the search. A service with more files than can be looked at meanwhile is not judged.
const PATIENCE: Duration = Duration::from_secs(20);
const UNANSWERED: &str = "its rights cannot be looked at";
/// Files that a message names.
const NAMED: usize = 3;

/// `FOLDER…`: prints a user and group of the service, the number of files, the number of those that no process may
/// read, and on lines of their own the first of those. Prints nothing if a process may read everything.
const SEARCH: &str = r#"
set -f
field() { sed -n "s/^$1:[[:space:]]*//p" "$2/status" 2>/dev/null; }
# Commands in the container, as this one and a healthcheck, are no children of its first process.
is_own() {
  at=$1
  while [ "${at:-0}" -gt 1 ]; do at=$(field PPid "/proc/$at"); done
  [ "$at" = 1 ]
}
who= known= of_file= of_folder=
for one in $(ls /proc); do
  case $one in *[!0-9]*) continue ;; esac
  is_own "$one" || continue
  uid=$(field Uid "/proc/$one" | cut -f2) gid=$(field Gid "/proc/$one" | cut -f2)
  [ -n "$uid" ] && [ -n "$gid" ] || continue
  if [ "$uid" = 0 ]; then
    # It only starts and reaps the others.
    case $(cat "/proc/$one/comm") in docker-init | tini | dumb-init) continue ;; *) exit 0 ;; esac
  fi
  caps=$(field CapEff "/proc/$one")
  # It passes over the modes of files.
  if [ $((0x${caps:-0} & 6)) != 0 ]; then exit 0; fi
  groups="-group $gid"
  for group in $(field Groups "/proc/$one"); do groups="$groups -o -group $group"; done
  case $known in *"<$uid $groups>"*) continue ;; esac
  known="$known<$uid $groups>" who=${who:-$uid:$gid}
  without() {
    echo "( -user $uid ! -perm -$1 -o ! -user $uid ( $groups ) ! -perm -$2 -o ! -user $uid ! ( $groups ) ! -perm -$3 )"
  }
  of_file="$of_file $(without 400 040 004)" of_folder="$of_folder $(without 100 010 001)"
done
[ -n "$who" ] || exit 0
bad=$(
  find "$@" -type d $of_folder -prune -exec find {} -type f \; 2>/dev/null
  find "$@" -type d $of_folder -prune -o -type f $of_file -print 2>/dev/null
)
[ -n "$bad" ] || exit 0
printf '%s %s %s\n' "$who" "$(find "$@" -type f 2>/dev/null | wc -l)" "$(printf '%s\n' "$bad" | wc -l)"
printf '%s\n' "$bad" | head -n 3
"#;

/// Reads the beginning of a file.
const OPEN: &str = r#"exec 3<"$1""#;

/// Files that the processes of a service may not read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unreadable {
    /// User and group of a process.
    user: String,
    files: u64,
    unreadable: u64,
    /// The first of them.
    names: Vec<String>,
}

/// Checks that the processes of a service may read most of the files below the targets of its restored mounts. Of a
/// few, nobody knows whether they are for this service.
pub(in crate::rehearse) async fn may_be_read(running: RunningService<'_>, folders: &[&str]) -> Diagnosed<()> {
    let search = Script::new(SEARCH, folders, PATIENCE, UNANSWERED).run_by("0");
    let Some(said) = search.output(running).await else { return Ok(()) };
    let Some(found) = read(&said).filter(Unreadable::are_most) else { return Ok(()) };
    let Some(first) = found.names.first() else { return Ok(()) };
    match Script::new(OPEN, &[first], PATIENCE, UNANSWERED).run_by(&found.user).run(running).await {
        Some(end) if end.exit != 0 => Err(running.of_owners(found.diagnosis(&running.name().to_string()))),
        _ => Ok(()),
    }
}

fn read(said: &str) -> Option<Unreadable> {
    let mut lines = said.lines();
    let mut words = lines.next()?.split_whitespace();
    Some(Unreadable {
        user: words.next()?.to_owned(),
        files: words.next()?.parse().ok()?,
        unreadable: words.next()?.parse().ok()?,
        names: lines.take(NAMED).map(str::to_owned).collect(),
    })
}

impl Unreadable {
    fn are_most(&self) -> bool {
        self.unreadable * 2 > self.files
    }

    fn diagnosis(&self, name: &str) -> Diagnosis {
        let Self { user, files, unreadable, names } = self;
        let message = format!(
            "{name} is well, but its processes ({user}) may not read {unreadable} of the {files} files that were \
             restored: {}",
            names.join(", ")
        );
        let remedy = format!(
            "Make and restore the backup with owners and modes, as root (tar -p --numeric-owner, rsync -a \
             --numeric-ids). After a restore, give the files to the user that the service runs as (chown -R {user})."
        );
        Diagnosis { remedy: Some(remedy), ..Diagnosis::new(Code::DataPermissions, message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_files_must_be_out_of_reach() {
        let of = |said: &str| read(said).map(|found| found.are_most());
        assert_eq!(of("1600:1600 40 40\n/srv/git/a\n"), Some(true));
        assert_eq!(of("1600:1600 40 20\n/srv/git/a\n"), Some(false));
        assert_eq!(of(""), None);
        let found = read("1600:1600 3 2\n/srv/git/a b\n/srv/git/c\n").expect("it is an answer");
        let told = found.diagnosis("git");
        assert_eq!(told.code, Code::DataPermissions);
        assert!(told.message.contains("2 of the 3 files") && told.message.contains("/srv/git/a b"), "{told}");
    }

    #[test]
    fn the_scripts_are_ones() {
        for script in [SEARCH, OPEN] {
            let output = std::process::Command::new("sh").args(["-n", "-c", script]).output().expect("sh runs");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}
