//! The rooms and the one direction between them. Dependencies point down only; each foreign crate has one home.
//!
//! The table is the design. A change that does not fit it changes the table, on purpose and in the open.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::circles::UseGraph;
use super::syntax;

/// A room and the rooms it may use.
type Row = (&'static str, &'static [&'static str]);

/// The rooms, from the lowest up.
const ROOMS: &[Row] = &[
    ("model", &[]),
    ("local_file", &[]),
    ("compose_places", &[]),
    ("findings", &["compose_places", "model"]),
    ("history", &["local_file", "model"]),
    ("archive", &["model"]),
    ("docker", &["model"]),
    ("worker", &["archive", "docker", "model"]),
    ("source", &["archive", "local_file", "model"]),
    // `source` has the way in which programs of the owner's are run.
    ("compose", &["compose_places", "local_file", "model", "source"]),
    ("config", &["local_file", "model"]),
    ("discover", &["config", "docker", "local_file", "model"]),
    ("plan", &["config", "model"]),
    ("rehearse", &["docker", "model", "plan", "source", "worker"]),
    ("report", &["config", "history", "local_file", "model"]),
    ("notifications", &["config", "model", "report"]),
    ("trials", &["docker", "model", "plan", "rehearse", "report"]),
    (
        "cli",
        &[
            "compose",
            "compose_places",
            "config",
            "discover",
            "docker",
            "findings",
            "history",
            "local_file",
            "model",
            "notifications",
            "plan",
            "rehearse",
            "report",
            "source",
            "trials",
            "worker",
        ],
    ),
    ("harness", &["cli"]),
];

/// The rooms inside of `rehearse` and of `worker`, each with the rooms of the same house that it may use. A row is for
/// the file or the folder of its name; if several rows fit a file, the one with the longest name counts. The `mod.rs`
/// of a house is in no row.
const INNER_ROOMS: &[(&str, &[Row])] = &[
    (
        "rehearse",
        &[
            // Known to every phase, and knows of none.
            ("shared_task", &[]),
            ("attempt", &[]),
            ("breach", &[]),
            ("sandbox/stop", &[]),
            ("sandbox/session", &[]),
            ("sandbox/ledger", &[]),
            ("sandbox/media", &[]),
            ("sandbox/room", &[]),
            ("sandbox/watch", &[]),
            ("sandbox/client", &["sandbox/ledger", "sandbox/session"]),
            ("sandbox/sweep", &["sandbox/session"]),
            ("diagnose", &["sandbox/stop"]),
            ("steps", &["sandbox/stop"]),
            ("images", &["diagnose", "sandbox/stop", "shared_task", "steps"]),
            ("state", &["shared_task"]),
            (
                "context",
                &[
                    "breach",
                    "diagnose",
                    "images",
                    "sandbox/media",
                    "sandbox/room",
                    "sandbox/session",
                    "sandbox/stop",
                    "sandbox/watch",
                    "shared_task",
                    "steps",
                ],
            ),
            ("stack_context", &["attempt", "context", "sandbox/client", "shared_task", "steps"]),
            // Before there is a stack.
            ("survey", &["sandbox/client", "sandbox/session", "sandbox/stop", "sandbox/sweep"]),
            // The phases of a rehearsal.
            (
                "sandbox",
                &[
                    "attempt",
                    "diagnose",
                    "sandbox/client",
                    "sandbox/media",
                    "sandbox/room",
                    "shared_task",
                    "stack_context",
                    "state",
                ],
            ),
            ("validate/differences", &[]),
            ("validate/failure", &[]),
            ("interference", &["stack_context", "state"]),
            ("log_tail", &[]),
            ("client_scripts", &[]),
            (
                "running",
                &[
                    "diagnose",
                    "interference",
                    "log_tail",
                    "shared_task",
                    "stack_context",
                    "state",
                    "validate/differences",
                    "validate/failure",
                ],
            ),
            ("restore", &["diagnose", "running", "sandbox", "shared_task", "stack_context", "state", "steps"]),
            ("inspect", &["diagnose", "restore", "shared_task", "stack_context", "state", "steps"]),
            (
                "boot",
                &["client_scripts", "diagnose", "running", "sandbox", "shared_task", "stack_context", "state", "steps"],
            ),
            (
                "validate",
                &[
                    "attempt",
                    "client_scripts",
                    "diagnose",
                    "restore",
                    "running",
                    "sandbox/watch",
                    "shared_task",
                    "stack_context",
                    "state",
                ],
            ),
            ("teardown", &["boot", "sandbox", "sandbox/ledger", "sandbox/sweep", "stack_context", "state"]),
            // What puts them in their order.
            (
                "stack",
                &[
                    "boot",
                    "context",
                    "diagnose",
                    "images",
                    "inspect",
                    "restore",
                    "running",
                    "sandbox",
                    "shared_task",
                    "stack_context",
                    "state",
                    "teardown",
                    "validate",
                ],
            ),
            ("usage", &["inspect", "restore", "running", "shared_task", "state"]),
            ("profile", &["running", "shared_task", "state", "validate"]),
            (
                "case",
                &[
                    "diagnose",
                    "inspect",
                    "profile",
                    "restore",
                    "running",
                    "shared_task",
                    "stack",
                    "state",
                    "usage",
                    "validate",
                ],
            ),
            ("engine", &["attempt", "case", "context", "stack"]),
        ],
    ),
    (
        "worker",
        &[
            ("protocol", &[]),
            ("elf", &[]),
            ("job", &["protocol"]),
            ("feed", &["job"]),
            ("fs", &["job", "protocol"]),
            // What a copy or an archive should have brought: written by these jobs, read by the inspection.
            ("expected", &["fs"]),
            ("jobs", &["expected", "fs", "job", "protocol"]),
            ("serve", &["expected", "feed", "fs", "job", "jobs", "protocol"]),
            ("error", &["protocol"]),
            ("image", &["elf", "error"]),
            ("client", &["error", "image", "protocol"]),
        ],
    ),
];

/// Each foreign crate that has one job, and the rooms where it does it.
const HOMES: &[(&str, &[&str])] = &[
    ("age", &["source"]),
    ("aho_corasick", &["model"]),
    ("base64", &["docker", "notifications"]),
    ("bollard", &["docker"]),
    ("bzip2", &["archive"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    // `cli` has a file of this name.
    ("console", &["cli", "report"]),
    ("flate2", &["archive"]),
    ("glob", &["compose", "source"]),
    ("hyper", &["docker", "notifications", "worker"]),
    ("indicatif", &["report"]),
    ("landlock", &["source"]),
    ("liblzma", &["archive"]),
    ("libtest_mimic", &["trials"]),
    ("maud", &["report"]),
    ("quick_junit", &["report"]),
    ("regex", &["config", "rehearse"]),
    ("rusqlite", &["worker"]),
    ("rustix", &["archive", "cli", "history", "local_file", "report", "source", "worker"]),
    ("rustls_native_certs", &["notifications"]),
    ("saphyr_parser", &["compose_places"]),
    ("schemars", &["config", "model", "report"]),
    // The demo of `cli` unpacks the archive that it has made.
    ("tar", &["archive", "cli", "docker", "worker"]),
    ("tokio_rustls", &["docker", "notifications", "worker"]),
    ("toml", &["config"]),
    ("tracing_subscriber", &["cli"]),
    ("unicode_normalization", &["model"]),
    ("zstd", &["archive"]),
];

/// Lines of a file that a person still reads in one sitting.
const LONGEST_FILE: usize = 600;

/// Methods of a type that a person still has in mind at once.
const MOST_METHODS: usize = 30;

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("the source tree is readable") {
        let path = entry.expect("the source tree is readable").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
}

/// Every source file with its room; `lib.rs` and `main.rs` are the door and belong to none.
pub fn files() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    sources(&root, &mut paths);
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let relative = path.strip_prefix(&root).expect("it is below src").to_path_buf();
            let first = relative.components().next().expect("a file has a name").as_os_str().to_string_lossy();
            let text = fs::read_to_string(&path).expect("sources are text");
            (first.trim_end_matches(".rs").to_owned(), relative, text)
        })
        .collect()
}

/// The code of a file without its comments, and without its unit tests.
fn code(text: &str) -> String {
    let shipped = text.split("#[cfg(test)]").next().unwrap_or(text);
    shipped.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Names that directly follow `prefix` in the code, also inside `prefix{a, b}`.
fn named_after(code: &str, prefix: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut names = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let rest = &code[at + prefix.len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let inner = group.split('}').next().unwrap_or("");
            names.extend(inner.split(',').map(|part| word(part.trim())));
        } else {
            names.push(word(rest));
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn dependencies_point_down_only() {
    let rooms: BTreeMap<&str, &[&str]> = ROOMS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (room, path, text) in files() {
        if room == "lib" || room == "main" {
            continue;
        }
        let Some(allowed) = rooms.get(room.as_str()) else {
            wrong.push(format!("{}: the room {room} is not in the table", path.display()));
            continue;
        };
        for used in named_after(&code(&text), "crate::") {
            if rooms.contains_key(used.as_str()) && used != room && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{}: {room} may not use {used}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_itself_has_no_circle() {
    let position: BTreeMap<&str, usize> = ROOMS.iter().enumerate().map(|(index, (room, _))| (*room, index)).collect();
    for (room, uses) in ROOMS {
        for used in *uses {
            assert!(position[used] < position[room], "{room} uses {used}, which stands above it");
        }
    }
}

/// The row of a file of a house: the one whose name is the longest that the file's path begins with.
fn inner_room(rows: &[Row], path: &str) -> Option<usize> {
    let module = path.trim_end_matches(".rs");
    let fits = |name: &str| module == name || module.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'));
    let fitting = rows.iter().enumerate().filter(|(_, (name, _))| fits(name));
    fitting.max_by_key(|(_, (name, _))| name.len()).map(|(index, _)| index)
}

#[test]
fn inside_of_a_room_dependencies_point_down_only_too() {
    let graph = UseGraph::of_source_tree();
    let mut wrong = Vec::new();
    for (house, rows) in INNER_ROOMS {
        let inside = |file: &str| {
            let file = file.strip_prefix(house)?.strip_prefix('/')?;
            (file != "mod.rs").then(|| file.to_owned())
        };
        for (file, used, path) in graph.uses() {
            let (Some(from), Some(to)) = (inside(file), inside(used)) else { continue };
            let (Some(from), Some(to)) = (inner_room(rows, &from), inner_room(rows, &to)) else {
                wrong.push(format!("{file} or {used} is in no row of the table of {house}"));
                continue;
            };
            let ((room, allowed), (other, _)) = (rows[from], rows[to]);
            if from != to && !allowed.contains(&other) {
                wrong.push(format!("{file}: {room} may not use {other} ({path})"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_tables_of_inner_rooms_have_no_circle_and_no_row_without_a_file() {
    let files = files();
    for (house, rows) in INNER_ROOMS {
        let position: BTreeMap<&str, usize> =
            rows.iter().enumerate().map(|(index, (room, _))| (*room, index)).collect();
        for (room, uses) in *rows {
            for used in *uses {
                assert!(position[used] < position[room], "{house}: {room} uses {used}, which stands above it");
            }
            let is_of_room = |path: &Path| {
                let path = path.strip_prefix(house).ok().map(|path| path.to_string_lossy().into_owned());
                path.is_some_and(|path| inner_room(rows, &path) == Some(position[room]))
            };
            assert!(files.iter().any(|(_, path, _)| is_of_room(path)), "{house}: {room} is the row of no file");
        }
    }
}

#[test]
fn no_type_has_more_methods_than_one_has_in_mind_at_once() {
    let files: Vec<(String, PathBuf, Vec<String>)> =
        files().into_iter().map(|(room, path, text)| (room, path, syntax::tokens(&text))).collect();
    // Where a room has several types of one name, each is its file's own.
    let mut homes: BTreeMap<(&str, String), Vec<&Path>> = BTreeMap::new();
    for (room, path, tokens) in &files {
        for name in syntax::types(tokens) {
            homes.entry((room, name)).or_default().push(path);
        }
    }
    let mut methods: BTreeMap<(&Path, String), usize> = BTreeMap::new();
    for (room, path, tokens) in &files {
        for name in syntax::methods(tokens) {
            let home = match homes.get(&(room.as_str(), name.clone())).map(Vec::as_slice) {
                Some([only]) => only,
                _ => path.as_path(),
            };
            *methods.entry((home, name)).or_default() += 1;
        }
    }
    let large: Vec<String> = methods
        .into_iter()
        .filter(|(_, methods)| *methods > MOST_METHODS)
        .map(|((path, name), methods)| format!("{}: {name} has {methods} methods", path.display()))
        .collect();
    assert!(large.is_empty(), "{}", large.join("\n"));
}

#[test]
fn every_foreign_crate_stays_at_home() {
    let mut wrong = Vec::new();
    for (room, path, text) in files() {
        let code = code(&text);
        for (name, homes) in HOMES {
            let mentioned = code.match_indices(&format!("{name}::")).any(|(at, _)| {
                let before = code[..at].chars().next_back();
                !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
            });
            if mentioned && !homes.contains(&room.as_str()) {
                wrong.push(format!("{}: {name} belongs to {}", path.display(), homes.join(", ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_can_be_read_in_one_sitting_and_say_what_they_are() {
    let mut wrong = Vec::new();
    for (_, path, text) in files() {
        let lines = text.lines().count();
        if lines > LONGEST_FILE {
            wrong.push(format!("{}: {lines} lines", path.display()));
        }
        if !text.starts_with("//!") {
            wrong.push(format!("{}: does not open with what it is", path.display()));
        }
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("");
        if ["utils", "util", "helpers", "common", "misc"].contains(&name) {
            wrong.push(format!("{}: a name that says nothing", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
