//! Everything that Compose reads out of the files in fixtures/compose has its place in them. What Compose made of them
//! was written by `ci/oracle`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::*;

/// Keys of a service that Compose takes from its file as they are, and does not add by itself.
const OWN_KEYS: &[&str] = &[
    "build",
    "cap_add",
    "configs",
    "container_name",
    "devices",
    "extra_hosts",
    "healthcheck",
    "hostname",
    "image",
    "init",
    "labels",
    "mem_limit",
    "network_mode",
    "ports",
    "privileged",
    "profiles",
    "secrets",
    "stop_signal",
    "sysctls",
    "tmpfs",
    "ulimits",
    "user",
    "volumes",
    "working_dir",
];

struct Stack {
    name: String,
    files: Vec<Result<ComposeFile, SyntaxError>>,
    /// By each version of Compose; none if it refuses the project.
    resolved: Vec<Json>,
}

fn stacks() -> Vec<Stack> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/compose");
    let mut folders = entries(&root);
    folders.retain(|path| path.is_dir());
    assert!(folders.len() >= 40, "{folders:?}");
    folders.iter().map(|folder| stack(folder)).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the fixtures are there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    paths
}

fn stack(folder: &Path) -> Stack {
    let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
    let (mut files, mut resolved, mut open) = (Vec::new(), Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = open.pop() {
        for path in entries(&folder) {
            let shown = path.file_name().expect("a name").to_string_lossy().into_owned();
            let text = || fs::read_to_string(&path).expect("a fixture is text");
            if path.is_dir() {
                open.push(path);
            } else if shown.ends_with(".yaml") {
                files.push(ComposeFile::parse(&shown, &text()));
            } else if shown.starts_with("resolved-") {
                resolved.push(serde_json::from_str(&text()).expect("Compose prints JSON"));
            }
        }
    }
    Stack { name, files, resolved }
}

fn object<'a>(json: &'a Json, key: &str) -> Vec<(&'a String, &'a Json)> {
    json[key].as_object().map(|object| object.iter().collect()).unwrap_or_default()
}

#[test]
fn every_service_volume_and_key_that_compose_resolves_has_its_place() {
    let mut compared = 0;
    for Stack { name, files, resolved } in stacks() {
        for resolved in &resolved {
            let files: Vec<&ComposeFile> = files.iter().map(|file| file.as_ref().expect("it is YAML")).collect();
            let is_placed = |path: &[&str]| files.iter().any(|file| file.place(path).is_some());
            for (service, content) in object(resolved, "services") {
                assert!(is_placed(&["services", service]), "{name}: {service}");
                for key in OWN_KEYS.iter().filter(|key| !content[**key].is_null()) {
                    // What a service extends has it under another name.
                    let is_extended = is_placed(&["services", service, "extends"]);
                    // The newer form of this key is below another one.
                    let is_of_deploy = is_placed(&["services", service, "deploy"]);
                    let placed = is_placed(&["services", service, key]) || is_extended || is_of_deploy;
                    assert!(placed, "{name}: {key} of {service}");
                    compared += 1;
                }
            }
            for section in ["volumes", "secrets", "configs"] {
                for (key, _) in object(resolved, section) {
                    assert!(is_placed(&[section, key]), "{name}: {section} {key}");
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 200, "{compared}");
}

#[test]
fn every_mount_that_compose_resolves_has_its_line() {
    let mut compared = 0;
    for Stack { name, files, resolved } in stacks() {
        for resolved in &resolved {
            for (service, content) in object(resolved, "services") {
                for mount in content["volumes"].as_array().into_iter().flatten() {
                    let target = mount["target"].as_str().expect("a mount has a target");
                    let files = files.iter().filter_map(|file| file.as_ref().ok());
                    let of_any = files.flat_map(|file| {
                        let services = file.names("services").into_iter().map(|(name, _)| name.to_owned());
                        services.collect::<Vec<_>>().into_iter().flat_map(|of| file.mounts(&of)).collect::<Vec<_>>()
                    });
                    // Compose takes `v:/data` for a path of Windows.
                    let is_drive = target == "v:/data";
                    let found = of_any.into_iter().any(|mount| mount.target == target || is_drive);
                    assert!(found, "{name}: {target} of {service}");
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 40, "{compared}");
}

#[test]
fn values_that_compose_changes_are_seen_beside_what_is_written() {
    let stacks = stacks();
    let of = stacks.iter().find(|stack| stack.name == "numbers-change").expect("the fixture");
    let file = of.files[0].as_ref().expect("it is YAML");
    for resolved in &of.resolved {
        let mut changed = Vec::new();
        for (name, arrived) in object(&resolved["services"]["app"], "environment") {
            let (_, node) = file.find(&["services", "app", "environment", name]).expect("it is written");
            if node.text() != arrived.as_str() {
                changed.push((node.text().unwrap_or_default(), arrived.as_str().unwrap_or_default()));
            }
        }
        changed.sort_unstable();
        let expected =
            [("0644", "420"), ("1.10", "1.1"), ("12345678901234567890123", "1.2345678901234568e+22"), ("1e3", "1000")];
        assert_eq!(changed, expected);
    }
}

#[test]
fn what_compose_stops_at_has_its_place_where_one_file_tells() {
    for Stack { name, files, resolved } in stacks() {
        if !name.starts_with("stops-") {
            assert!(!resolved.is_empty(), "{name}: `ci/oracle` writes what Compose makes of it");
            continue;
        }
        assert!(resolved.is_empty(), "{name}");
        let place = match &files[0] {
            Err(error) => Some(error.at.line),
            Ok(file) => {
                let (uses, bad) = file.uses();
                let required = uses.iter().find(|of| of.form == UseForm::Required).map(|of| of.at.line);
                bad.first().map(|of| of.at.line).or(required)
            }
        };
        let expected = match name.as_str() {
            "stops-duplicate" => Some(5),
            "stops-braces" | "stops-required-variable" => Some(4),
            _ => None,
        };
        assert_eq!(place, expected, "{name}");
    }
}
