//! Asks the tools of an image about the data stores that were restored into its service: in the service's container, as
//! the user of its server or of the data. A service that is well reads most of its data only when somebody asks for it.
//!
//! `TOOLS` has a row for each store. PostgreSQL and MariaDB are asked by their clients ([`super::tables`]), Redis reads
//! everything when it starts, and SQLite is checked before the boot.

use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;

use super::script::Script;
use crate::model::check::{CheckKind, CheckSummary};
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::Step;
use crate::plan::dependents;
use crate::rehearse::running::{FAILURE_LOG, RunningService};
use crate::rehearse::shared_task::Diagnosed;

/// Longest time to find the stores.
const FINDING: Duration = Duration::from_secs(15);
/// Longest time for the question about one store, and with `deep`.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(600));
const UNANSWERED: &str = "its stores cannot be asked about";
/// Most stores of a kind that are asked about.
const MOST: usize = 20;
/// Lines of an answer and characters of a line that a message quotes.
const QUOTED: (usize, usize) = (3, 200);

/// A tool that checks a store.
struct Tool {
    /// The word by which [`FIND`] names the store.
    kind: &'static str,
    /// The store, for people.
    store: &'static str,
    /// The question, for people.
    name: &'static str,
    /// The program that the image needs for it.
    program: &'static str,
    /// Asks about the store at `$1`; `$2` is not empty if it may take long. The exit code is the tool's.
    ask: &'static str,
    /// Lines of an answer that tell of damage.
    damage: &'static str,
    /// A tool that a signal ends has met damage: it reads the store as memory.
    dies_of_damage: bool,
}

/// Every tool.
const TOOLS: [Tool; 4] = [
    Tool {
        kind: "git",
        store: "git repository",
        name: "git fsck",
        program: "git",
        // Reading all objects costs more than a boot for a large repository. What is there is asked in any case. Only
        // the repository's own configuration is read, so that what git says of a configuration is said of the data.
        ask: r#"
if ! [ -r "$1/HEAD" ] || ! [ -x "$1/objects" ] || ! [ -x "$1/refs" ]; then echo "$1: permission denied"; exit 128; fi
export LC_ALL=C GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null HOME=/dev/null XDG_CONFIG_HOME=/dev/null
size=$(du -sk "$1/objects" | cut -f1) which=--full
if [ -z "$2" ] && [ "${size:-0}" -gt 65536 ]; then which=--connectivity-only; fi
exec git -c safe.directory='*' --git-dir="$1" fsck $which --no-dangling --no-progress 2>&1
"#,
        // `error in commit …` is about the form of old commits, which git reads nevertheless. What is asked has the
        // folders of a repository and a HEAD, so git knows it unless HEAD or the configuration is broken.
        damage: concat!(
            "^(error: |fatal: (loose object|bad object|packfile|unable to read|not a git repository|bad config |",
            "bad (boolean|numeric) config |unknown error occurred while reading the conf)|missing |broken link )",
        ),
        dies_of_damage: false,
    },
    Tool {
        kind: "slapd",
        store: "LDAP directory",
        name: "slapcat",
        program: "slapcat",
        // The first database is the configuration, which the server has read.
        ask: r#"
for nth in 1 2 3 4 5 6 7 8 9; do
  said=$(slapcat $1 -n $nth 2>&1 >/dev/null); code=$?
  case $said in *"out of range"*) exit 0 ;; esac
  if [ $code != 0 ]; then printf '%s\n' "$said"; exit $code; fi
done
"#,
        damage: r"MDB_(CORRUPTED|INVALID|PAGE_NOTFOUND|BAD_TXN|PANIC)|Restore from backup!",
        dies_of_damage: true,
    },
    Tool {
        kind: "prometheus",
        store: "series of Prometheus",
        name: "promtool tsdb",
        program: "promtool",
        // The lists cost nothing. The samples of a block are counted by a copy of its folder that leads to its files.
        ask: r#"
promtool tsdb list "$1" 2>&1 >/dev/null || exit
temp=$(mktemp -d 2>/dev/null) || temp=
if [ -z "$2" ] && [ "$(du -sk "$1" | cut -f1)" -gt 20480 ]; then temp=; fi
for block in "$1"/??????????????????????????/; do
  [ -d "$block/chunks" ] || continue
  if [ ! -s "$block/meta.json" ]; then echo "corrupted block $block: no meta.json"; continue; fi
  [ -n "$temp" ] || continue
  if grep -q numTombstones "$block/meta.json"; then continue; fi
  wanted=$(tr -d ' \n' <"$block/meta.json" | sed -n 's/.*"numSamples":\([0-9]*\).*/\1/p')
  at=$temp/$(basename "$block")
  mkdir -p "$temp/wal" "$at" && ln -s "$block"/* "$at/" || continue
  said=$(promtool tsdb dump "$temp" 2>&1 >"$temp/samples") || printf '%s\n' "$said"
  found=$(wc -l <"$temp/samples")
  if [ "${wanted:-0}" -gt "$found" ]; then
    echo "corrupted block $block: of $wanted samples, $found can be read"
  fi
  rm -rf "$at"
done
[ -z "$temp" ] || rm -rf "$temp"
"#,
        damage: r"corrupted block|invalid (checksum|magic)|checksum mismatch",
        dies_of_damage: false,
    },
    Tool {
        kind: "radicale",
        store: "collection folder of Radicale",
        name: "radicale --verify-storage",
        program: "radicale",
        ask: "exec radicale $1 --verify-storage 2>&1",
        damage: r"Invalid (item|collection)|[Vv]erifi?cation failed",
        dies_of_damage: false,
    },
];

/// `FOLDER…`: prints a line for each store: kind, user and group, whether the program is there, place.
const FIND: &str = r#"
say() {
  there=; if command -v "$3" >/dev/null 2>&1; then there=yes; fi
  printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$there" "$4"
}
for one in /proc/[0-9]*; do
  name= uid= gid=
  { read -r name <"$one/comm"; } 2>/dev/null || continue
  case $name in slapd | prometheus | radicale) ;; *) continue ;; esac
  while read -r key _ effective _; do
    case $key in Uid:) uid=$effective ;; Gid:) gid=$effective ;; esac
  done <"$one/status"
  before= place= rest=
  while IFS= read -r word; do
    case $name:$before in slapd:-f | slapd:-F) place="$before $word" ;; esac
    case $word in --storage.tsdb.path=*) place=${word#*=} ;; esac
    case $name:$before in prometheus:--storage.tsdb.path) place=$word ;; esac
    case $before in */radicale) rest=yes ;; esac
    if [ "$name" = radicale ] && [ -n "$rest" ]; then place="$place $word"; fi
    before=$word
  done <<END
$(tr '\000' '\n' <"$one/cmdline")
END
  case $name in
    slapd) say slapd "$uid:$gid" slapcat "$place" ;;
    prometheus) if [ -n "$place" ]; then say prometheus "$uid:$gid" promtool "$place"; fi ;;
    radicale) say radicale "$uid:$gid" radicale "$place" ;;
  esac
done
find "$@" -maxdepth 4 -name HEAD -type f 2>/dev/null | head -n 100 | while IFS= read -r head; do
  at=${head%/HEAD}
  if [ -d "$at/objects" ] && [ -d "$at/refs" ]; then
    set -- $(ls -nd "$at")
    say git "$3:$4" git "$at"
  fi
done
"#;

static DAMAGE: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    TOOLS.iter().map(|tool| Regex::new(tool.damage).expect("the patterns of the table are valid")).collect()
});

/// A store that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    /// Its row of [`TOOLS`].
    tool: usize,
    user: String,
    /// The image has the tool.
    there: bool,
    place: String,
}

/// All stores that were found.
pub(in crate::rehearse) struct FoundStores(Vec<Found>);

/// What a tool says of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    Sound,
    Damaged(String),
    /// The tool could not tell; why.
    Unknown(String),
}

/// The stores below the targets of the mounts that were restored; none if they could not be looked for.
pub(in crate::rehearse) async fn find(running: RunningService<'_>, folders: &[&str]) -> FoundStores {
    let end = Script::new(FIND, folders, FINDING, UNANSWERED).run_by("0").run(running).await;
    FoundStores(end.map(|end| read(&end.stdout)).unwrap_or_default())
}

/// Asks the tools about these stores.
pub(in crate::rehearse) async fn are_sound(running: RunningService<'_>, found: &FoundStores) -> Diagnosed<()> {
    let FoundStores(found) = found;
    for (index, tool) in TOOLS.iter().enumerate() {
        let stores: Vec<&Found> = found.iter().filter(|one| one.tool == index).collect();
        if !stores.is_empty() {
            ask_all(running, index, tool, &stores).await?;
        }
    }
    Ok(())
}

/// Asks a tool about its stores. Its step is told when the answer is known: a question without an answer is a warning
/// and no step that succeeded.
async fn ask_all(running: RunningService<'_>, index: usize, tool: &Tool, stores: &[&Found]) -> Diagnosed<()> {
    let (name, kind) = (running.name(), tool.store);
    if stores.iter().any(|store| !store.there) {
        unchecked(running, format!("the image has no {}, so the {kind} of {name} was not checked", tool.program));
        return Ok(());
    }
    let deep = running.plan.settings.deep;
    let limit = if deep { PATIENCE.1 } else { PATIENCE.0 };
    let (mut damaged, mut unknown) = (None, None);
    for store in stores.iter().take(MOST) {
        let words = [store.place.as_str(), if deep { "deep" } else { "" }];
        let script = Script::new(tool.ask, &words, limit, UNANSWERED).run_by(&store.user);
        let answer = match script.run(running).await {
            Some(end) => judge(index, end.exit, &end.stdout),
            None => Answer::Unknown("it did not end in time, or could not be run".to_owned()),
        };
        match answer {
            Answer::Sound => {}
            Answer::Damaged(words) => {
                damaged = Some((store.place.trim(), words));
                break;
            }
            Answer::Unknown(why) => unknown = Some(why),
        }
    }
    if let (None, Some(why)) = (&damaged, unknown) {
        let why = running.cx.mask.apply(&why);
        unchecked(running, format!("{} could not tell whether the {kind} of {name} is sound: {why}", tool.name));
        return Ok(());
    }
    let asks = if stores.len() == 1 { kind.to_owned() } else { format!("{kind}, {} times", stores.len().min(MOST)) };
    let check = CheckSummary::Own { name: tool.name.to_owned(), how: CheckKind::Exec, asks, of_data: false };
    let step = running.cx.begin(dependents(&running.cx.plan, name), Step::Check { service: name.clone(), check });
    if let Some((place, words)) = damaged {
        let words = running.cx.mask.apply(&words);
        let message = format!("{name} is well, but {} finds its {kind} damaged ({place}): {words}", tool.name);
        let log_tail = running.log_tail(FAILURE_LOG).await;
        return Err(step.broke(Diagnosis { log_tail, ..Diagnosis::new(Code::DataCorrupt, message) }));
    }
    let left = stores.len().saturating_sub(MOST);
    step.done_with(None, (left > 0).then(|| format!("{left} more were not asked about")));
    Ok(())
}

fn unchecked(running: RunningService<'_>, message: String) {
    running.cx.warn(dependents(&running.cx.plan, running.name()), Diagnosis::new(Code::DataUnchecked, message));
}

fn read(said: &str) -> Vec<Found> {
    let of = |line: &str| {
        let mut parts = line.splitn(4, '\t');
        let (kind, user, there, place) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let tool = TOOLS.iter().position(|tool| tool.kind == kind)?;
        Some(Found { tool, user: user.to_owned(), there: there == "yes", place: place.to_owned() })
    };
    said.lines().filter_map(of).collect()
}

fn judge(tool: usize, exit: i64, said: &str) -> Answer {
    let damage: Vec<&str> = said.lines().filter(|line| DAMAGE[tool].is_match(line) && !is_of_rights(line)).collect();
    let cut = |line: &str| line.trim().chars().take(QUOTED.1).collect::<String>();
    if !damage.is_empty() {
        let quoted: Vec<String> = damage.iter().take(QUOTED.0).map(|line| cut(line)).collect();
        let more = damage.len() - quoted.len();
        let more = if more == 0 { String::new() } else { format!("; and {more} more") };
        return Answer::Damaged(format!("{}{more}", quoted.join("; ")));
    }
    // 128 and the number of the signal.
    if exit > 128 && TOOLS[tool].dies_of_damage {
        return Answer::Damaged(format!("the signal {} ended it while it read the data", exit - 128));
    }
    match exit {
        0 => Answer::Sound,
        _ => Answer::Unknown(format!("exit code {exit}: {}", said.lines().next_back().map(cut).unwrap_or_default())),
    }
}

/// Whether an answer is about rights, or about objects that are shared with a folder outside, and not about the data.
fn is_of_rights(line: &str) -> bool {
    let line = line.to_lowercase();
    ["permission denied", "alternates", "dubious ownership"].iter().any(|words| line.contains(words))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn at(kind: &str) -> usize {
        TOOLS.iter().position(|tool| tool.kind == kind).expect("it is in the table")
    }

    #[test]
    fn every_script_is_one() {
        for script in TOOLS.iter().map(|tool| tool.ask).chain([FIND]) {
            let output = Command::new("sh").args(["-n", "-c", script]).output().expect("sh runs");
            assert!(output.status.success(), "{}\n{script}", String::from_utf8_lossy(&output.stderr));
        }
        assert_eq!(DAMAGE.len(), TOOLS.len());
    }

    #[test]
    fn damage_is_told_from_what_a_tool_could_not_find_out() {
        let git = at("git");
        let damaged = |tool, exit, said: &str| matches!(judge(tool, exit, said), Answer::Damaged(_));
        assert_eq!(judge(git, 0, "notice: HEAD points to an unborn branch (main)"), Answer::Sound);
        assert!(damaged(git, 128, "fatal: not a git repository: '/srv/git/one.git'"));
        assert!(damaged(git, 128, "fatal: bad boolean config value 'tr' for 'core.filemode'"));
        assert!(damaged(git, 128, "fatal: bad config line 1 in file /srv/git/one.git/config"));
        assert!(!damaged(git, 128, "fatal: unknown repository extension found:\n\trefstorage"));
        assert!(!damaged(git, 128, "/srv/git/one.git: permission denied"));
        assert!(damaged(git, 5, "error: inflate: data stream error (incorrect data check)\nmissing blob 4422a5"));
        assert!(!damaged(git, 1, "error: open(objects/44/22a5): Permission denied"));
        assert!(!damaged(git, 128, "fatal: detected dubious ownership in repository at '/srv/git/a.git'"));
        assert!(!damaged(git, 3, "error in commit 4422a5: missingSpaceBeforeDate: invalid author/committer line"));
        assert!(!damaged(git, 137, ""), "it was killed");
        assert!(damaged(at("slapd"), 135, ""), "the database ends before the page");
        assert!(damaged(at("slapd"), 1, "mdb_db_open: database \"dc=x\" cannot be opened: MDB_INVALID: File is not"));
        assert!(!damaged(at("slapd"), 1, "slapcat: could not open database"));
        assert!(damaged(at("prometheus"), 0, "corrupted block /p/01M8/: of 107 samples, 0 can be read"));
        assert!(damaged(at("radicale"), 1, "[ERROR] Invalid item 'e1.ics' in 'home/cal': Failed to load"));
    }

    #[test]
    fn a_git_repository_is_found_with_its_owner() {
        let dir = tempfile::tempdir().expect("a folder");
        let repository = dir.path().join("one.git");
        for folder in ["objects", "refs"] {
            std::fs::create_dir_all(repository.join(folder)).expect("made");
        }
        std::fs::write(repository.join("HEAD"), "ref: refs/heads/main\n").expect("written");
        std::fs::write(dir.path().join("HEAD"), "no repository").expect("written");
        let mut find = Command::new("sh");
        let output = find.args(["-c", FIND, "sh"]).arg(dir.path()).output().expect("sh runs");
        let found = read(&String::from_utf8(output.stdout).expect("text"));
        let git: Vec<&Found> = found.iter().filter(|one| one.tool == at("git")).collect();
        let own = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&repository).expect("it is there"));
        assert_eq!(git.len(), 1, "{found:?}");
        assert_eq!(git[0].place, repository.to_str().expect("text"));
        assert!(git[0].user.starts_with(&format!("{own}:")) && read("other\t0:0\tyes\t/x").is_empty());
    }
}
