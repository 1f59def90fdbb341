//! Compose files without an engine: plans, and what Compose stops at. Needs Docker Compose.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{rehearsa, shown, text};

/// Runs rehearsa in a folder, where no engine can be reached.
pub fn run(folder: &Path, args: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = rehearsa(args);
    command.env("DOCKER_HOST", "unix:///nonexistent.sock").envs(env.iter().copied()).current_dir(folder);
    command.output().expect("rehearsa starts")
}

/// A folder with these files.
pub fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (path, content) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, content).expect("written");
    }
    dir
}

const SHOP: &str = "\
name: shop
services:
  web:
    image: web:${TAG}
    environment:
      PASSWORD: ${PASSWORD}
    volumes:
      - data:/data
      - ./uploads:/uploads
      - ./web.conf:/etc/web.conf:ro
  db:
    image: db:1
    profiles: [full]
volumes:
  data:
";

#[test]
fn a_plan_from_files_asks_no_engine_and_shows_no_value() {
    let variables = "TAG=1.10\nPASSWORD=fixture-plan-secret\n";
    let dir = folder(&[("stack/compose.yaml", SHOP), ("stack/.env", variables), ("stack/web.conf", "")]);
    let output = run(dir.path(), &["plan", "-f", "stack/compose.yaml"], &[]);
    let plan = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(plan.starts_with("shop::web\n  image    web:1.10"), "{plan}");
    assert!(plan.contains("volume shop_data at /data") && !plan.contains("shop::db"), "{plan}");
    let args = ["plan", "-f", "stack", "--profile", "full", "-p", "other", "--format", "json"];
    let output = run(dir.path(), &args, &[("TAG", "2")]);
    let plan: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let services = plan["stacks"][0]["services"].as_array().expect("services");
    let names: Vec<_> = services.iter().map(|service| &service["name"]).collect();
    assert_eq!(names, ["other::db", "other::web"]);
    assert_eq!(services[1]["image"]["reference"], "web:2", "the shell wins over .env");
    let said = [output.stdout, output.stderr].concat();
    assert!(!text(&said).contains("fixture-plan-secret"));
    let listed = run(dir.path(), &["test", "--list", "-f", "stack"], &[]);
    assert!(text(&listed.stdout).contains("shop::web"), "{}", text(&listed.stdout));
}

#[test]
fn a_plan_shows_what_of_the_backup_goes_where() {
    let dir = folder(&[
        ("checkout/shop/compose.yaml", SHOP),
        ("checkout/shop/web.conf", "own"),
        ("b/opt/stacks/app/compose.yaml", SHOP),
        ("b/opt/stacks/app/uploads/photo", "x"),
        ("b/opt/stacks/blog/uploads/photo", "x"),
        ("b/var/lib/docker/volumes/app_data/_data/file", "x"),
        ("b/var/lib/docker/volumes/blog_data/_data/file", "x"),
    ]);
    pack(dir.path());
    let args = ["plan", "-f", "checkout/shop/compose.yaml", "--from", "tar:b.tar"];
    let output = run(dir.path(), &args, &[("TAG", "1"), ("PASSWORD", "x")]);
    let plan = text(&output.stdout);
    assert!(output.status.success(), "{plan}{}", text(&output.stderr));
    for shown in [
        "restored from opt/stacks/app/uploads",
        "volume app_data at /data: restored from var/lib/docker/volumes/app_data/_data",
        "config/project-name",
    ] {
        assert!(plan.contains(shown), "{shown}: {plan}");
    }
}

#[test]
fn what_compose_stops_at_is_a_failed_restore_in_its_own_words() {
    let files = [
        ("missing-variable.yaml", "services: {web: {image: 'x:${TAG:?set the tag}'}}", "set the tag"),
        ("missing-file.yaml", "services: {web: {image: x, env_file: vpn.env}}", "vpn.env"),
        ("unknown.yaml", "services: {web: {image: x, teleport: 1}}", "teleport"),
        ("port.yaml", "services: {web: {image: x, ports: ['${DB_PASSWORD}:80']}}", "hostPort"),
    ];
    let dir = folder(&files.map(|(name, text, _)| (name, text)));
    fs::write(dir.path().join(".env"), "DB_PASSWORD=fixture-port-secret\n").expect("written");
    for (name, _, words) in files {
        let output = run(dir.path(), &["plan", "-f", name], &[]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(101), "{name}: {said}");
        assert!(said.contains("config/compose-stops") && said.contains(words), "{name}: {said}");
        assert!(!said.contains("fixture-port-secret"), "{name}: {said}");
    }
}

#[test]
fn a_compose_that_is_missing_or_too_old_is_an_error_that_says_how_to_get_one() {
    let dir = folder(&[("compose.yaml", SHOP), ("old", "#!/bin/sh\n[ \"$1\" = version ] && echo 1.29.2 || exit 1\n")]);
    let old = dir.path().join("old");
    fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).expect("set");
    for (program, words) in [(shown(&old), "Docker Compose 1.29.2"), ("/none".to_owned(), "/none")] {
        let output = run(dir.path(), &["plan", "-f", "compose.yaml", "--compose-path", &program], &[]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(102), "{said}");
        assert!(said.contains("config/compose-missing") && said.contains(words), "{said}");
        assert!(said.contains("docker-compose-plugin"), "{said}");
    }
}

#[test]
fn a_compose_that_gives_no_usable_answer_has_failed_and_is_not_missing() {
    let endless = "#!/bin/sh\nexec yes '{\"name\": \"shop\"}'\n";
    let dir = folder(&[("compose.yaml", SHOP), ("garbled", "#!/bin/sh\necho '{\"name\": '\n"), ("endless", endless)]);
    for (program, words) in [("garbled", "is no JSON"), ("endless", "printed more than")] {
        let program = dir.path().join(program);
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("set");
        let output = run(dir.path(), &["plan", "-f", "compose.yaml", "--compose-path", &shown(&program)], &[]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(102), "{said}");
        assert!(said.contains("config/compose-failed") && said.contains(words), "{said}");
        assert!(!said.contains("docker-compose-plugin"), "it is there: {said}");
    }
}

#[test]
fn a_test_from_files_names_its_backup() {
    let dir = folder(&[("compose.yaml", SHOP)]);
    let output = run(dir.path(), &["test", "-f", "compose.yaml"], &[("TAG", "1"), ("PASSWORD", "x")]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--from"), "{said}");
    let output = run(dir.path(), &["test", "-p", "name"], &[]);
    assert_eq!(output.status.code(), Some(2), "-p is about files: {}", text(&output.stderr));
}

/// Packs the folder `b` as `b.tar`.
pub fn pack(dir: &Path) {
    let tar = Command::new("tar").args(["-cf", "b.tar", "-C", "b", "."]).current_dir(dir).status();
    assert!(tar.expect("tar is there").success());
}

#[test]
fn a_stack_comes_whole_out_of_the_backup() {
    let dir = folder(&[
        ("b/opt/stacks/app/compose.yaml", SHOP),
        ("b/opt/stacks/app/.env", "TAG=7\nPASSWORD=fixture-stack-secret\n"),
        ("b/opt/stacks/app/web.conf", "own"),
        ("b/opt/stacks/app/uploads/photo", "x"),
        ("b/var/lib/docker/volumes/shop_data/_data/file", "x"),
    ]);
    pack(dir.path());
    let args = ["plan", "--from", "tar:b.tar", "--stack", "/opt/stacks/app"];
    // The caller's variables are no part of the backup.
    let output = run(dir.path(), &args, &[("TAG", "of-the-caller")]);
    let plan = text(&output.stdout);
    assert!(output.status.success(), "{plan}{}", text(&output.stderr));
    for shown in ["image    web:7", "restored from opt/stacks/app/uploads", "volumes/shop_data/_data"] {
        assert!(plan.contains(shown), "{shown}: {plan}");
    }
    assert!(!text(&[output.stdout, output.stderr].concat()).contains("fixture-stack-secret"));
    let output = run(dir.path(), &["plan", "--from", "tar:b.tar", "--stack", "/opt/stacks/gone"], &[]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    let output = run(dir.path(), &["plan", "--stack", "/opt/stacks/app"], &[]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
}

#[test]
fn a_stack_out_of_a_backup_reads_no_file_of_this_machine() {
    for (file, content, words) in [
        ("compose.yaml", "services: {a: {image: x, env_file: /etc/passwd}}", "/etc/passwd"),
        (
            "compose.yaml",
            "include: ['oci://registry.invalid/x']\nservices: {a: {image: x}}",
            "oci://registry.invalid/x",
        ),
        (
            "compose.yaml",
            "services: {a: {image: x, extends: {file: ../../other.yaml, service: a}}}",
            "../../other.yaml",
        ),
        (
            "compose.yaml",
            "services: {a: {image: x, secrets: [s]}}\nsecrets: {s: {file: ~/.ssh/id_rsa}}",
            "~/.ssh/id_rsa",
        ),
    ] {
        let dir = folder(&[("b/stack/x", "x"), (&format!("b/stack/{file}"), content)]);
        pack(dir.path());
        let output = run(dir.path(), &["plan", "--from", "tar:b.tar", "--stack", "/stack"], &[]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(102), "{said}");
        assert!(said.contains("/stack/compose.yaml:") && said.contains(words), "{said}");
    }
    let dir = folder(&[("b/stack/compose.yaml", "services: {a: {image: x}}")]);
    std::os::unix::fs::symlink("/etc/passwd", dir.path().join("b/stack/.env")).expect("linked");
    pack(dir.path());
    let output = run(dir.path(), &["plan", "--from", "tar:b.tar", "--stack", "/stack"], &[]);
    let said = text(&output.stderr);
    assert!(said.contains("/stack/.env") && output.status.code() == Some(102), "{said}");
}
