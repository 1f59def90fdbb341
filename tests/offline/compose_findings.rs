//! What is found in Compose files without an engine: findings, locks, strictness, and what the reports say of a project
//! that Compose refuses. Needs Docker Compose.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use super::compose::{folder, pack, run};
use crate::support::text;

fn said(output: &Output) -> String {
    format!("{}\n{}", text(&output.stdout), text(&output.stderr))
}

/// The plan as JSON, of its first stack the services.
fn services(dir: &Path, args: &[&str]) -> Vec<Value> {
    let output = run(dir, &[&["plan", "--format", "json"], args].concat(), &[]);
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
    plan["stacks"][0]["services"].as_array().expect("services").clone()
}

/// The messages of the warnings with this code.
fn warned(service: &Value, code: &str) -> Vec<String> {
    let warnings = service["warnings"].as_array().expect("warnings").iter();
    let of_code = warnings.filter(|warning| warning["code"] == code);
    of_code.map(|warning| warning["message"].as_str().expect("a message").to_owned()).collect()
}

const STOPS: &str = "\
services:
  web:
    image: web
    environment: {A: $BLANK}
    env_file: [here.env, gone.env]
  db:
    image: db:1
networks: {proxy: {external: true}}
";

#[test]
fn why_compose_stops_is_in_every_report_with_all_other_findings() {
    let dir = folder(&[("compose.yaml", STOPS), ("here.env", ""), ("b/x", "x")]);
    pack(dir.path());
    let args = ["test", "-f", "compose.yaml", "-p", "shop", "--from", "tar:b.tar", "--report-dir", "r"];
    let output = run(dir.path(), &args, &[]);
    assert_eq!(output.status.code(), Some(101), "{}", said(&output));
    let said = text(&output.stderr);
    assert!(said.contains("config/compose-stops") && said.contains("gone.env"), "{said}");
    let read = |file: &str| {
        std::fs::read_to_string(dir.path().join("r").join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    };
    for file in ["junit.xml", "report.json", "report.tap", "report.html", "summary.md", "ctrf.json"] {
        let report = read(file);
        assert!(report.contains("config/compose-stops") && report.contains("gone.env"), "{file}: {report}");
        assert!(report.contains("the image web of web has no tag"), "{file}: {report}");
    }
    assert!(read("junit.xml").contains("compose.yaml"), "a place in the files");
    let report: Value = serde_json::from_str(&read("report.json")).expect("JSON");
    let cases = report["cases"].as_array().expect("cases");
    let names: Vec<_> = cases.iter().map(|case| (&case["service"], &case["verdict"])).collect();
    assert_eq!(names, [(&"db".into(), &"failed".into()), (&"web".into(), &"failed".into())], "{report:#}");
    let codes = |case: &Value| -> Vec<String> {
        let warnings = case["warnings"].as_array().expect("warnings").iter();
        warnings.map(|of| of["code"].as_str().expect("a code").to_owned()).collect()
    };
    for code in ["config/variable-not-set", "config/unpinned-image", "config/missing-file", "config/external"] {
        assert!(codes(&cases[1]).contains(&code.to_owned()), "{code}: {report:#}");
    }
    assert_eq!(codes(&cases[0]), ["config/external"], "db has only what is the whole project's");
}

#[test]
fn a_plan_of_a_project_that_compose_refuses_shows_the_findings() {
    let dir = folder(&[("compose.yaml", STOPS), ("here.env", "")]);
    let output = run(dir.path(), &["plan", "-f", "compose.yaml", "-p", "shop"], &[]);
    let plan = text(&output.stdout);
    assert_eq!(output.status.code(), Some(101), "{}", said(&output));
    for shown in [
        "shop::web",
        "blocked  config/compose-stops",
        "config/missing-file: compose.yaml:5:26: the env_file gone.env of web is not here",
        "config/variable-not-set: compose.yaml:4:22: $BLANK is not set",
        "config/external: compose.yaml:8:12: the network proxy is external",
    ] {
        assert!(plan.contains(shown), "{shown}: {plan}");
    }
}

#[test]
fn findings_in_included_and_extended_files_have_their_own_places() {
    let dir = folder(&[
        (
            "stack/compose.yaml",
            "include: [sub/compose.yaml]\nservices:\n  web: {extends: {file: ../base/web.yaml, service: base}}\n",
        ),
        ("stack/sub/compose.yaml", "services:\n  db:\n    image: db\n    volumes: ['/srv/db:/db']\n"),
        ("base/web.yaml", "services:\n  base:\n    image: web:latest\n    environment: {A: $BLANK, V: 1.10}\n"),
    ]);
    let services = services(dir.path(), &["-f", "stack/compose.yaml"]);
    let (db, web) = (&services[0], &services[1]);
    assert!(warned(db, "config/unpinned-image")[0].starts_with("stack/sub/compose.yaml:3:5: the image db"), "{db:#}");
    assert!(warned(db, "config/path-outside")[0].starts_with("stack/sub/compose.yaml:4:15: db mounts"), "{db:#}");
    let told = warned(web, "config/unpinned-image");
    assert!(told[0].starts_with("base/web.yaml:3:5: the image web:latest"), "{web:#}");
    let told = warned(web, "config/value-changed");
    assert!(told[0].starts_with("base/web.yaml:4:30: V of web"), "{web:#}");
    assert_eq!(warned(web, "config/variable-not-set").len(), 1, "{web:#}");
}

#[test]
fn the_backup_is_looked_into_for_the_files_of_the_project() {
    const APP: &str = "\
services:
  web:
    image: web:1
    volumes:
      - ./same.conf:/same.conf:ro
      - ./sized.conf:/sized.conf:ro
      - ./other.conf:/other.conf:ro
      - ./saved.conf:/saved.conf:ro
      - ./lost.conf:/lost.conf:ro
";
    let edited = format!("{APP}# edited since\n");
    let dir = folder(&[
        ("checkout/app/compose.yaml", &edited),
        ("checkout/app/same.conf", "1"),
        ("checkout/app/sized.conf", "1"),
        ("checkout/app/other.conf", "1"),
        ("checkout/app/.env", "A=1\n"),
        ("b/opt/app/compose.yaml", APP),
        ("b/opt/app/same.conf", "1"),
        ("b/opt/app/sized.conf", "123"),
        ("b/opt/app/other.conf", "2"),
        ("b/opt/app/saved.conf", "1"),
        ("b/opt/app/.env", "A=2\n"),
    ]);
    pack(dir.path());
    let args = ["-f", "checkout/app/compose.yaml", "--from", "tar:b.tar"];
    let found = services(dir.path(), &args);
    let web = &found[0];
    let differs = warned(web, "config/file-differs");
    let starts = [
        "the file with variables ./.env is another one than in the backup (of the same size)",
        "checkout/app/compose.yaml:1:1: the Compose file",
        "checkout/app/compose.yaml:6:9: ./sized.conf, which web mounts at /sized.conf, is another one than in the \
         backup (1 B here, 3 B there)",
        "checkout/app/compose.yaml:7:9: ./other.conf, which web mounts at /other.conf, is another one",
    ];
    assert_eq!(differs.len(), starts.len(), "{web:#}");
    for start in starts {
        assert!(differs.iter().any(|told| told.starts_with(start)), "{start}: {differs:#?}");
    }
    let missing = warned(web, "config/missing-file");
    assert_eq!(missing.len(), 1, "{web:#}");
    assert!(
        missing[0].contains("app/compose.yaml:9:9: web mounts ./lost.conf at /lost.conf, and neither"),
        "{missing:?}"
    );
    assert_eq!(web["blocked"]["code"], "config/missing-file", "{web:#}");
    // Without a backup nobody knows what it has.
    let without = services(dir.path(), &args[..2]);
    assert_eq!(warned(&without[0], "config/file-differs"), Vec::<String>::new());
    assert_eq!(warned(&without[0], "config/missing-file"), Vec::<String>::new());
}

#[test]
fn strict_fails_a_service_for_its_findings_and_names_them() {
    let loose = "services:\n  loose: {image: app}\n  pinned: {image: 'app:1'}\n";
    let dir = folder(&[("compose.yaml", loose)]);
    let plan = |args: &[&str]| run(dir.path(), &[&["plan", "-f", "compose.yaml", "-p", "shop"], args].concat(), &[]);
    assert_eq!(plan(&[]).status.code(), Some(0));
    let output = plan(&["--strict"]);
    assert_eq!(output.status.code(), Some(101), "{}", said(&output));
    let shown = text(&output.stdout);
    let told = "blocked  config/strict: --strict permits no warning, and there is config/unpinned-image: \
                compose.yaml:2:11: the image app of loose has no tag";
    assert!(shown.contains(told), "{shown}");
    assert_eq!(shown.matches("config/strict").count(), 1, "{shown}");
    assert_eq!(plan(&["--strict", "--exact", "shop::pinned"]).status.code(), Some(0));
    let by_variable = run(dir.path(), &["plan", "-f", "compose.yaml"], &[("REHEARSA_STRICT", "true")]);
    assert_eq!(by_variable.status.code(), Some(101), "{}", said(&by_variable));
}

#[test]
fn a_filter_that_fits_no_service_of_the_files_is_told_with_the_flags_that_list_them() {
    let dir = folder(&[("my stack.yaml", "services:\n  web: {image: 'app:1'}\n  db: {image: 'db:1'}\n"), ("b/x", "x")]);
    pack(dir.path());
    let hint = "`rehearsa test --list -f 'my stack.yaml' -p shop` shows the 2 services of the Compose files.";
    for args in [&["plan"][..], &["test", "--list"]] {
        let output = run(dir.path(), &[args, &["-f", "my stack.yaml", "-p", "shop", "zzzzzzz"]].concat(), &[]);
        assert_eq!(output.status.code(), Some(4), "{}", said(&output));
        assert!(text(&output.stderr).contains(hint), "{}", said(&output));
    }
    let args = ["plan", "-f", "my stack.yaml", "--from", "tar:b.tar", "--map", "/gone=x"];
    let output = run(dir.path(), &args, &[]);
    assert!(!said(&output).contains("of this host"), "{}", said(&output));
}

#[test]
fn a_compose_file_may_come_by_standard_input() {
    let dir = folder(&[("stack/gone", ""), ("b/x", "x")]);
    pack(dir.path());
    let piped = |args: &[&str]| {
        let mut command = std::process::Command::new("sh");
        let rehearsa = crate::support::rehearsa(&[]).get_program().to_owned();
        let text = "services:\n  web: {image: app}\n";
        command.arg("-c").arg("printf \"$TEXT\" | \"$0\" \"$@\"").arg(rehearsa).args(args).env("TEXT", text);
        command.env("DOCKER_HOST", "unix:///nonexistent.sock").current_dir(dir.path().join("stack"));
        command.output().expect("a shell starts")
    };
    let output = piped(&["plan", "-f", "-", "--format", "json"]);
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
    let web = &plan["stacks"][0]["services"][0];
    assert_eq!(web["name"], "stack::web", "the folder is the working directory: {web:#}");
    assert!(warned(web, "config/unpinned-image")[0].starts_with("-:2:9: the image app"), "{web:#}");
    let output = piped(&["plan", "-f", "-", "--from", "tar:-"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(text(&output.stderr).contains("both read standard input"), "{}", said(&output));
    assert_eq!(piped(&["lock", "-f", "-"]).status.code(), Some(2));
}

const LOCKED: &str = "services:\n  web:\n    image: web:1\n    volumes: ['data:/data']\nvolumes: {data: {}}\n";

#[test]
fn a_lock_says_which_part_of_the_backup_belongs_to_a_mount_and_a_flag_has_the_last_word() {
    let lock = "version = 1\n[services.web]\nimage = 'web:1'\n[services.web.mounts]\n'/data' = 'one/a'\n";
    let dir = folder(&[
        ("stack/compose.yaml", LOCKED),
        ("stack/rehearsa.lock", lock),
        ("b/one/a/file", "x"),
        ("b/two/b/file", "x"),
    ]);
    pack(dir.path());
    let part = |args: &[&str]| {
        let args = [&["-f", "stack/compose.yaml", "--from", "tar:b.tar"], args].concat();
        services(dir.path(), &args)[0]["mounts"][0]["part"]["path"].clone()
    };
    assert_eq!(part(&[]), "one/a");
    assert_eq!(part(&["--map", "/data=two/b"]), "two/b");
}

#[test]
fn an_image_that_the_file_names_otherwise_than_the_lock_is_told() {
    let lock = "version = 1\n[services.web]\nimage = 'web:0'\ndigest = 'sha256:1'\nid = 'sha256:2'\n";
    let dir = folder(&[("stack/compose.yaml", LOCKED), ("stack/rehearsa.lock", lock)]);
    let web = &services(dir.path(), &["-f", "stack"])[0];
    let told = warned(web, "config/image-drift");
    let start = "stack/compose.yaml:3:5: the image of web is not the one that was locked: the file names web:1, and \
                 rehearsa.lock has web:0";
    assert!(told.len() == 1 && told[0].starts_with(start), "{web:#}");
    // What an engine has is not known here.
    std::fs::write(dir.path().join("stack/rehearsa.lock"), lock.replace("web:0", "web:1")).expect("written");
    let web = &services(dir.path(), &["-f", "stack"])[0];
    assert_eq!(warned(web, "config/image-drift"), Vec::<String>::new());
}

#[test]
fn a_lock_that_cannot_be_read_is_wrong_usage_and_one_of_other_services_is_told() {
    let dir = folder(&[("compose.yaml", LOCKED)]);
    let plan = |lock: &str| {
        std::fs::write(dir.path().join("rehearsa.lock"), lock).expect("written");
        run(dir.path(), &["plan", "-f", "compose.yaml"], &[])
    };
    for (lock, words) in [
        ("version = 1\n[services.web\n", "rehearsa.lock:2:"),
        ("version = 7\n", "rehearsa.lock:1:1: this lock is of version 7"),
        ("version = 1\n[services.web]\n", "rehearsa.lock:2:11: the service has no `image`"),
    ] {
        let output = plan(lock);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(text(&output.stderr).contains(words), "{}", said(&output));
    }
    let output = plan("version = 1\n[services.web]\nimage = 'web:1'\n[services.gone]\nimage = 'x'\n");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let told = text(&output.stderr);
    assert!(told.contains("rehearsa.lock:4:11: the files of") && told.contains("no service gone"), "{told}");
}

#[test]
fn a_lock_is_written_beside_a_file_and_into_no_backup() {
    let dir = folder(&[("compose.yaml", LOCKED)]);
    for args in [&["lock"][..], &["lock", "--stack", "/x", "--from", "tar:b.tar"]] {
        let output = run(dir.path(), args, &[]);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(text(&output.stderr).contains("-f"), "{}", said(&output));
    }
    let output = run(dir.path(), &["lock", "-f", "compose.yaml"], &[]);
    assert_eq!(output.status.code(), Some(102), "it asks an engine: {}", said(&output));
    assert!(!dir.path().join("rehearsa.lock").exists());
}
