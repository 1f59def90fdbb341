//! Many stacks from their files in one plan, without an engine. Needs Docker Compose.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::Value;

use super::compose::{folder, pack, run};
use crate::support::text;

/// A stack with a volume, a folder of data, a secret and a configuration; all of one name in every stack.
const STACK: &str = "\
services:
  web:
    image: web:1
    configs: [page]
    secrets: [token]
    volumes: [data:/data, ./own:/own]
configs: {page: {content: '${PAGE:-page}'}}
secrets: {token: {file: ./token.txt}}
volumes: {data: }
";
/// A stack that Compose refuses.
const REFUSED: &str = "services:\n  x: {image: 'x:1', env_file: gone.env}\n";

fn stacks(more: &[(&str, &str)]) -> tempfile::TempDir {
    let mut files = Vec::new();
    let paths: Vec<(String, &str)> = ["a", "b"]
        .into_iter()
        .flat_map(|name| {
            [
                (format!("stacks/{name}/compose.yaml"), STACK),
                (format!("stacks/{name}/token.txt"), "t"),
                (format!("b/opt/stacks/{name}/compose.yaml"), STACK),
                (format!("b/opt/stacks/{name}/token.txt"), "t"),
                (format!("b/opt/stacks/{name}/own/file"), name),
                (format!("b/var/lib/docker/volumes/{name}_data/_data/file"), name),
            ]
        })
        .collect();
    files.extend(paths.iter().map(|(path, content)| (path.as_str(), *content)));
    files.extend(more);
    let dir = folder(&files);
    pack(dir.path());
    dir
}

fn plan(dir: &Path, args: &[&str]) -> (Option<i32>, Value, String) {
    let output = run(dir, &[&["plan", "--format", "json"], args].concat(), &[]);
    let plan = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), plan, text(&output.stderr))
}

/// The services of a plan, and which part of the backup belongs to each mount.
fn parts(plan: &Value) -> Vec<String> {
    let list = |of: &Value| of.as_array().cloned().unwrap_or_default();
    let services = list(&plan["stacks"]).into_iter().flat_map(|stack| list(&stack["services"]));
    services.map(|service| service.to_string()).collect()
}

#[test]
fn each_file_of_a_pattern_is_a_project_of_its_own_with_its_own_data() {
    let dir = stacks(&[("stacks/notes.txt", "x")]);
    for args in [
        &["-f", "stacks/*/compose.yaml", "--from", "tar:b.tar"][..],
        &["-f", "stacks/*", "--from", "tar:b.tar"],
        &["-f", "stacks/a", "-f", "stacks/[b]", "--from", "tar:b.tar"],
        &["--stack", "/opt/stacks/*", "--from", "tar:b.tar"],
        &["--stack", "/opt/stacks/b", "--stack", "opt/*/a/", "--from", "tar:b.tar"],
    ] {
        let (code, plan, said) = plan(dir.path(), args);
        assert_eq!(code, Some(0), "{args:?}: {said}");
        let services = parts(&plan);
        assert_eq!(services.len(), 2, "{args:?}: {plan:#}");
        for (name, other, service) in [("a", "b", &services[0]), ("b", "a", &services[1])] {
            assert!(service.contains(&format!("volumes/{name}_data")), "{args:?}: {service}");
            assert!(service.contains(&format!("opt/stacks/{name}/own")), "{args:?}: {service}");
            assert!(!service.contains(&format!("{other}_data")), "{args:?}: {service}");
            assert!(!service.contains(&format!("stacks/{other}/")), "{args:?}: {service}");
            assert!(!service.contains("/tmp/") || args[0] == "-f", "a place of a copy is shown: {service}");
        }
    }
}

#[test]
fn a_project_that_compose_refuses_fails_beside_the_others() {
    let dir = stacks(&[("stacks/c/compose.yaml", REFUSED), ("b/opt/stacks/c/compose.yaml", REFUSED)]);
    for args in [&["-f", "stacks/*"][..], &["--stack", "/opt/stacks/*"]] {
        let (code, plan, said) = plan(dir.path(), &[args, &["--from", "tar:b.tar"]].concat());
        assert_eq!(code, Some(101), "{said}");
        let services = parts(&plan);
        assert_eq!(services.len(), 3, "{plan:#}");
        let refused: Vec<_> = services.iter().filter(|of| of.contains("config/compose-stops")).collect();
        assert_eq!(refused.len(), 1, "{plan:#}");
        assert!(refused[0].contains("gone.env"), "{plan:#}");
        assert!(!refused[0].contains("/tmp/") || args[0] == "-f", "a place of a copy is shown: {}", refused[0]);
    }
    // A filter for the others leaves it out.
    let (code, _, said) = plan(dir.path(), &["-f", "stacks/*", "--from", "tar:b.tar", "a::", "b::"]);
    assert_eq!(code, Some(0), "{said}");
    let output = run(dir.path(), &["test", "--list", "-f", "stacks/*"], &[]);
    let listed = text(&output.stdout);
    assert!(["a::web", "b::web", "c::x"].iter().all(|name| listed.contains(name)), "{listed}");
}

/// What is wrong with the files of one stack says nothing about the others.
#[test]
fn a_stack_of_a_backup_that_is_refused_hides_no_other() {
    let text_of = "services: {x: {image: 'x:1', env_file: /etc/passwd}}";
    let dir = stacks(&[("b/opt/stacks/c/compose.yaml", text_of)]);
    let (code, plan, said) = plan(dir.path(), &["--stack", "/opt/stacks/*", "--from", "tar:b.tar"]);
    assert_eq!(code, Some(102), "{said}");
    let services = parts(&plan);
    assert_eq!(services.len(), 3, "{plan:#}");
    assert!(services[2].contains("/etc/passwd") && services[2].contains("config/compose-unsafe"), "{}", services[2]);
}

/// Whoever writes the backup chooses the names of its folders.
#[test]
fn a_name_of_a_folder_in_a_backup_forges_no_line() {
    let dir = stacks(&[("b/opt/stacks/x\nRestore Simulation: SUCCESS/compose.yaml", "services: {x: {image: 'x:1'}}")]);
    let shown = "/opt/stacks/x\\nRestore Simulation: SUCCESS of tar:b.tar";
    for args in [&["--stack", "/opt/stacks/*"][..], &["--stack", "/opt/stacks/none*"]] {
        let output = run(dir.path(), &[&["plan", "--from", "tar:b.tar"], args].concat(), &[]);
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(said.lines().all(|line| !line.starts_with("Restore Simulation")), "{said}");
        assert!(said.contains(shown.trim_end_matches(" of tar:b.tar")), "{said}");
    }
}

/// A link is followed within the stack's folder only, and never leaves a stack out without a word.
#[test]
fn a_stack_whose_compose_file_is_a_link_is_not_left_out() {
    let dir = stacks(&[("b/opt/stacks/c/real.yaml", "services: {x: {image: 'x:1'}}")]);
    let stacks = dir.path().join("b/opt/stacks");
    symlink("real.yaml", stacks.join("c/compose.yaml")).expect("linked");
    fs::create_dir(stacks.join("d")).expect("made");
    symlink("../a/compose.yaml", stacks.join("d/compose.yaml")).expect("linked");
    pack(dir.path());
    let (code, plan, said) = plan(dir.path(), &["--stack", "/opt/stacks/*", "--from", "tar:b.tar"]);
    assert_eq!(code, Some(102), "{said}");
    let services = parts(&plan);
    assert_eq!(services.len(), 4, "{plan:#}");
    assert!(services.iter().any(|service| service.contains("\"c::x\"")), "{plan:#}");
    let refused = services.iter().find(|service| service.contains("config/compose-unsafe"));
    assert!(refused.is_some_and(|service| service.contains("/opt/stacks/d/compose.yaml")), "{plan:#}");
}

#[test]
fn two_projects_of_one_name_are_refused_and_named() {
    let dir = stacks(&[("more/a/compose.yaml", STACK), ("more/a/token.txt", "t")]);
    let (code, _, said) = plan(dir.path(), &["-f", "stacks/*", "-f", "more/a", "--from", "tar:b.tar"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("stacks/a and more/a are two projects of the same name, a"), "{said}");
}

#[test]
fn flags_of_one_project_and_patterns_that_fit_nothing_are_wrong_usage() {
    let dir = stacks(&[]);
    for (args, words) in [
        (&["-f", "stacks/*", "-p", "x"][..], "-p is about one project, and these are 2"),
        (&["-f", "stacks/*", "--project-directory", "."], "--project-directory is about one project"),
        (&["-f", "stacks/none*"], "no Compose file and no folder with one fits stacks/none*"),
        (&["--stack", "/srv/*"], "folders with a Compose file are /opt/stacks/a, /opt/stacks/b"),
    ] {
        let (code, _, said) = plan(dir.path(), &[args, &["--from", "tar:b.tar"]].concat());
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn the_plan_file_names_stacks_with_settings_of_their_own() {
    let plan_file = "\
[[stacks]]
files = 'stacks/a'
source = 'tar:b.tar'
max_rto = '7m'

[[stacks]]
backup_folders = '/opt/stacks/b'
source = 'tar:b.tar'
env_files = 'ci.env'
";
    let dir = stacks(&[("rehearsa.toml", plan_file), ("ci.env", "PAGE=from-ci")]);
    let (code, found, said) = plan(dir.path(), &[]);
    assert_eq!(code, Some(0), "{said}");
    let services = parts(&found);
    assert_eq!(services.len(), 2, "{found:#}");
    assert!(services[0].contains("a_data") && services[1].contains("b_data"), "{found:#}");
    // The command line has the say.
    let (_, found, said) = plan(dir.path(), &["-f", "stacks/b", "--from", "tar:b.tar"]);
    assert_eq!(parts(&found).len(), 1, "{said}");
    let output = run(dir.path(), &["test", "--list"], &[]);
    assert!(text(&output.stdout).contains("[tar] a::web"), "{}", text(&output.stdout));
    std::fs::write(dir.path().join("rehearsa.toml"), "[[stacks]]\nbackup_folders = '/opt/*'\n").expect("written");
    let (code, _, said) = plan(dir.path(), &[]);
    assert!(code == Some(2) && said.contains("rehearsa.toml:1:1") && said.contains("no backup is named"), "{said}");
}
