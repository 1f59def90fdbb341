//! The rooms and the one direction between them. Dependencies point down only; each foreign crate has one home.
//!
//! The table is the design. A change that does not fit it changes the table, on purpose and in the open.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms it may use.
const ROOMS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("archive", &["model"]),
    ("docker", &["model"]),
    ("worker", &["archive", "docker", "model"]),
    ("source", &["archive", "model"]),
    ("config", &["model"]),
    ("discover", &["config", "docker", "model"]),
    ("plan", &["config", "model"]),
    ("rehearse", &["docker", "model", "plan", "source", "worker"]),
    ("report", &["config", "model"]),
    ("trials", &["docker", "model", "plan", "rehearse", "report"]),
    ("cli", &["config", "discover", "docker", "model", "plan", "rehearse", "report", "source", "trials", "worker"]),
    ("harness", &["cli"]),
];

/// Each foreign crate that has one job, and the rooms where it does it.
const HOMES: &[(&str, &[&str])] = &[
    ("age", &["source"]),
    ("bollard", &["docker"]),
    ("bzip2", &["archive"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("flate2", &["archive"]),
    ("glob", &["source"]),
    ("hyper", &["docker", "worker"]),
    ("indicatif", &["report"]),
    ("liblzma", &["archive"]),
    ("libtest_mimic", &["trials"]),
    ("maud", &["report"]),
    ("quick_junit", &["report"]),
    ("regex", &["config", "rehearse"]),
    ("rusqlite", &["worker"]),
    ("rustix", &["archive", "cli", "worker"]),
    ("schemars", &["config", "model", "report"]),
    ("tar", &["archive", "worker"]),
    ("tokio_rustls", &["docker", "worker"]),
    ("toml", &["config"]),
    ("tracing_subscriber", &["cli"]),
    ("zstd", &["archive"]),
];

/// Lines of a file that a person still reads in one sitting.
const LONGEST_FILE: usize = 600;

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
fn files() -> Vec<(String, PathBuf, String)> {
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
