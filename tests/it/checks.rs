//! The user's own checks, from the plan file and from labels: each has its own line in the report, a wrong answer is
//! a failure, and a check that cannot be asked is an error. Needs a Docker engine with the fixture images.

use std::path::Path;

use crate::support::{Live, Rehearsal, Wanted, rehearsa, rehearse_by, service, shown, side_by_side};
use serde_json::Value;

/// Where the services have what is secret, and what stands in the plan file's place of it.
const SECRET: &str = "fixture-Check-secret";

/// Rehearses a service with these checks, which are the items of the plan file's list.
fn asked(live: &Live, checks: &[&str]) -> Rehearsal {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = format!("[services.\"{}\"]\nchecks = [\n{}\n]\n", live.name, checks.join(",\n"));
    std::fs::write(folder.path().join("rehearsa.toml"), &plan).expect("written");
    let reports = folder.path().join("reports");
    let mut command = rehearsa(&[]);
    command.current_dir(folder.path()).env("CHECK_PASSWORD", SECRET);
    // Wrong answers are asked for again until then.
    let args = ["--timeout", "20s", "--settle", "0s", "--verbose", "--report-dir", &shown(&reports)];
    let rehearsal = rehearse_by(command, &[&live.name], &args);
    nothing_leaked(&rehearsal, &reports);
    rehearsal
}

fn nothing_leaked(rehearsal: &Rehearsal, reports: &Path) {
    let encoded = "bm90ZXM6Zml4dHVyZS1DaGVjay1zZWNyZXQ=";
    for entry in std::fs::read_dir(reports).expect("reports were written") {
        let path = entry.expect("the reports are there").path();
        let report = String::from_utf8_lossy(&std::fs::read(&path).expect("a report can be read")).into_owned();
        assert!(!report.contains(SECRET) && !report.contains(encoded), "{}: {report}", path.display());
    }
    assert!(!rehearsal.to_string().contains(SECRET) && !rehearsal.to_string().contains(encoded), "{rehearsal}");
}

/// The steps of the owner's checks, with their names.
fn own(rehearsal: &Rehearsal) -> Vec<(&str, &Value)> {
    let checks = rehearsal.steps("check").into_iter();
    checks.filter_map(|step| Some((step["name"].as_str()?, step))).collect()
}

fn tiny() -> Live {
    let live = service("tiny").volume("/data").start();
    live.write("/data/note", "remembered\n");
    live
}

fn notes(wanted: Wanted) -> Live {
    let live = wanted.volume("/data").start();
    let write = "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/notes', b'remembered')";
    live.until(&["python3", "-c", write]);
    live
}

#[test]
fn right_answers_are_the_strongest_proof_and_each_has_its_line() {
    let live = tiny();
    let rehearsal = asked(
        &live,
        &[
            "\"health\"",
            r#"{ name = "the note is there", exec = ["test", "-s", "/data/note"] }"#,
            r#"{ exec = "cat /data/note", stdout = "^remembered$" }"#,
            r#"{ exec = "exit 3", exit = 3 }"#,
            concat!(
                r#"{ file = "/data/note", min_size = 11, newer_than = "1h", "#,
                r#"sha256 = "da3c1956ac637bff2a021396f9a8f78d73fdac5701a3b21156f69f6532ee5448" }"#
            ),
        ],
    );
    rehearsal.is_green("data-proven");
    let checks = own(&rehearsal);
    let names: Vec<&str> = checks.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["the note is there", "exec cat /data/note", "exec exit 3", "file /data/note"], "{rehearsal}");
    assert!(checks.iter().all(|(_, step)| step["result"] == "done"), "{rehearsal}");
    let kinds: Vec<&str> = checks.iter().filter_map(|(_, step)| step["check"].as_str()).collect();
    assert_eq!(kinds, ["exec", "exec", "exec", "file"], "{rehearsal}");
    assert!(rehearsal.stderr.contains("Check passed: the note is there (exec test -s /data/note)"), "{rehearsal}");
}

#[test]
fn a_wrong_answer_is_a_failure_that_says_what_was_expected_and_found_and_the_rest_is_asked_too() {
    let live = tiny();
    let rehearsal = asked(
        &live,
        &[
            r#"{ name = "two lines", exec = "wc -l < /data/note", stdout = "^ *2$" }"#,
            r#"{ name = "the note is there", exec = ["test", "-s", "/data/note"] }"#,
        ],
    );
    rehearsal.failed("check/failed");
    assert!(rehearsal.message().contains("`two lines`"), "{rehearsal}");
    assert!(rehearsal.message().contains("expected output that matches `^ *2$`"), "{rehearsal}");
    assert!(rehearsal.message().contains("said: 1"), "{rehearsal}");
    assert_eq!(own(&rehearsal)[1].1["result"], "done", "{rehearsal}");
}

#[test]
#[ignore = "nightly: takes many rehearsals"]
fn what_cannot_be_asked_is_an_error() {
    let live = tiny();
    for (check, said) in [
        (r#"{ exec = ["no-such-program"] }"#, "no-such-program"),
        (r#"{ exec = "no-such-program --now" }"#, "exit code 127"),
        (r#"{ sql = "SELECT 1" }"#, "neither psql nor mariadb nor mysql"),
        (r#"{ file = "/etc/passwd" }"#, "in no mount that is restored"),
        (r#"{ sqlite = "/etc/app.db", query = "SELECT 1" }"#, "in no mount that is restored"),
        (r#"{ sqlite = "/data/note", query = "SELECT 1 FROM notes" }"#, "it is no SQLite database"),
        (r#"{ http = "/", port = 80, headers = { x = { env = "NOT_SET_ANYWHERE" } } }"#, "NOT_SET_ANYWHERE is not set"),
    ] {
        let rehearsal = asked(&live, &[check]);
        rehearsal.errored("check/cannot-ask");
        assert!(rehearsal.message().contains(said), "{said}: {rehearsal}");
    }
}

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn an_app_is_asked_over_http_and_by_its_log() {
    let live = notes(service("notes"));
    let rehearsal = asked(
        &live,
        &[
            concat!(
                r#"{ name = "the page", http = "/notes", port = 8080, user = "notes", "#,
                r#"password = { env = "CHECK_PASSWORD" }, contains = "remembered", "#,
                r#"json = { "/0/text" = "remembered", "/0/id" = 1 }, json_exists = "/0/written" }"#
            ),
            r#"{ name = "nothing else", http = "/other", port = 8080, status = 404 }"#,
            r#"{ name = "it listens", tcp = [8080] }"#,
            r#"{ name = "the log", log = { contains = "listening on port 8080", not_contains = "fatal" } }"#,
        ],
    );
    rehearsal.is_green("data-proven");
    let kinds: Vec<&str> = own(&rehearsal).iter().filter_map(|(_, step)| step["check"].as_str()).collect();
    assert_eq!(kinds, ["http", "http", "tcp", "log"], "{rehearsal}");
    let log = rehearsal.case()["log_tail"].to_string();
    assert!(log.contains("GET /notes"), "it was asked: {rehearsal}");
}

/// The service's clone writes two rows a transaction all the time. The check sees the current rows and never half a
/// transaction.
#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn an_sqlite_database_is_asked_while_its_service_writes_to_it() {
    let writer = concat!(
        "import sqlite3 as s; d = s.connect('/data/notes.db', timeout=60)\nwhile True:\n with d:\n",
        "  [d.execute(\"INSERT INTO notes (text) VALUES (hex(zeroblob(2000)))\") for _ in 'ab']"
    );
    let app = "python3 -S -u /opt/notes/notes.py";
    let sandbox = format!("{app} & while ! {app} probe; do :; done; exec python3 -S -c \"$WRITER\"");
    let script = format!("[ -e /only-live ] && exec {app}; {sandbox}");
    let wanted = service("notes").options(&["--env", &format!("WRITER={writer}")]).script(&script);
    let live = notes(wanted.file("/only-live", ""));
    let rehearsal = asked(
        &live,
        &[
            concat!(
                r#"{ name = "the note", sqlite = "/data/notes.db", "#,
                r#"query = "SELECT id, text FROM notes ORDER BY id", value = "1|remembered", min_rows = 1 }"#
            ),
            concat!(
                r#"{ name = "what it wrote", sqlite = "/data/notes.db", "#,
                r#"query = "SELECT count(*) > 100, count(*) % 2 FROM notes", value = "1|1" }"#
            ),
            r#"{ name = "whole", sqlite = "/data/notes.db", query = "PRAGMA integrity_check", value = "ok" }"#,
        ],
    );
    rehearsal.is_green("data-proven");
    let kinds: Vec<&str> = own(&rehearsal).iter().filter_map(|(_, step)| step["check"].as_str()).collect();
    assert_eq!(kinds, ["sqlite"; 3], "{rehearsal}");
}

#[test]
#[ignore = "nightly: takes many rehearsals"]
fn a_wrong_row_of_sqlite_is_a_failure_and_a_wrong_query_is_none() {
    let live = notes(service("notes"));
    let rehearsal = asked(
        &live,
        &[
            r#"{ sqlite = "/data/notes.db", query = "SELECT count(*) FROM users" }"#,
            r#"{ sqlite = "/data/notes.db", query = "DELETE FROM notes" }"#,
            r#"{ sqlite = "/data/other.db", query = "SELECT 1" }"#,
            r#"{ sqlite = "/data/notes.db", query = "SELECT text FROM notes", value = "forgotten" }"#,
            r#"{ sqlite = "/data/notes.db", query = "SELECT count(*) FROM notes", value = 1 }"#,
        ],
    );
    rehearsal.failed("check/failed");
    let checks = own(&rehearsal);
    let told: Vec<(&str, &str)> = checks[..4]
        .iter()
        .map(|(_, step)| ["code", "message"].map(|key| step["diagnosis"][key].as_str().unwrap_or_default()).into())
        .collect();
    for ((code, message), (expected, part)) in told.iter().zip([
        ("check/cannot-ask", "no such table: users"),
        ("check/cannot-ask", "a check only reads"),
        ("check/failed", "expected the database /data/other.db, and it is not there"),
        ("check/failed", "expected `forgotten`, found `remembered`"),
    ]) {
        assert!(*code == expected && message.contains(part), "{part}: {rehearsal}");
    }
    assert_eq!(checks[4].1["result"], "done", "the note is there all the same: {rehearsal}");
}

#[test]
#[ignore = "nightly: takes many rehearsals"]
fn a_wrong_page_a_closed_port_and_a_wrong_log_are_failures() {
    let live = notes(service("notes"));
    let checks = [
        (r#"{ http = "/notes", port = 8080, contains = "forgotten" }"#, "expected a body with `forgotten`, found: [{"),
        (r#"{ http = "/other", port = 8080 }"#, "expected status 200, found 404"),
        (r#"{ http = "/", port = 8081 }"#, "nothing takes a connection on port 8081"),
        (r#"{ http = "/notes", port = 8080, json = { "/0/text" = "other" } }"#, "found \"remembered\""),
        (r#"{ file = "/data/other" }"#, "it is not there"),
        (r#"{ file = "/data/notes.db", min_size = "1GiB" }"#, "expected at least 1073741824 bytes"),
        (r#"{ tcp = 8081 }"#, "a listener on TCP port 8081"),
        (r#"{ log = { not_contains = "listening on port" } }"#, "expected no line that matches"),
    ];
    // Each is asked until the time is over.
    side_by_side(&checks, |(check, said)| {
        let rehearsal = asked(&live, &[*check]);
        rehearsal.failed("check/failed");
        assert!(rehearsal.message().contains(said), "{said}: {rehearsal}");
    });
}

#[test]
fn a_password_of_a_check_is_hidden_where_the_service_says_it() {
    // It says what it was asked with, as some do at a high level of logging.
    let live = service("tiny").volume("/data").file("/data/note", "remembered").start();
    let rehearsal = asked(
        &live,
        &[
            &format!(r#"{{ exec = ["sh", "-c", "echo --password={SECRET}; exit 1"] }}"#),
            r#"{ http = "/", port = 1, user = "notes", password = { command = "echo $CHECK_PASSWORD" } }"#,
        ],
    );
    rehearsal.failed("check/failed");
}

#[test]
#[ignore = "nightly: one more service; the fault table restores it at every push"]
fn postgres_is_asked_by_its_own_client() {
    let live = service("postgres")
        .options(&["--env", &format!("POSTGRES_PASSWORD={SECRET}")])
        .volume("/var/lib/postgresql/data")
        .start();
    live.until(&["pg_isready", "-q", "-h", "127.0.0.1"]);
    let write = "CREATE TABLE notes (id int, text text); INSERT INTO notes VALUES (1, 'remembered'), (2, 'too')";
    live.exec(&["psql", "-U", "postgres", "-c", write]);
    database_is_asked(&live);
}

#[test]
#[ignore = "nightly: one more service; the fault table restores it at every push"]
fn mariadb_is_asked_by_its_own_client() {
    let live = service("mariadb")
        .options(&["--env", &format!("MARIADB_ROOT_PASSWORD={SECRET}"), "--env", "MARIADB_DATABASE=app"])
        .volume("/var/lib/mysql")
        .start();
    let client = format!("MYSQL_PWD={SECRET} mariadb -h 127.0.0.1 -u root");
    live.until(&["sh", "-c", &format!("{client} -e 'SELECT 1'")]);
    let write =
        "CREATE TABLE app.notes (id int, text TEXT); INSERT INTO app.notes VALUES (1, \"remembered\"), (2, \"too\")";
    live.exec(&["sh", "-c", &format!("{client} -e '{write}'")]);
    database_is_asked(&live);
}

/// Of two notes.
#[track_caller]
fn database_is_asked(live: &Live) {
    let right = concat!(
        r#"{ name = "both notes", sql = "SELECT id, text FROM notes ORDER BY id", "#,
        r#"value = "1|remembered", min_rows = 2 }"#
    );
    let rehearsal = slow(live, right);
    rehearsal.is_green("data-proven");
    assert_eq!(own(&rehearsal)[0].0, "both notes", "{rehearsal}");
    let rehearsal = slow(live, r#"{ sql = "SELECT count(*) FROM notes", value = 3 }"#);
    rehearsal.failed("check/failed");
    assert!(rehearsal.message().contains("expected `3`, found `2`"), "{rehearsal}");
    let rehearsal = slow(live, r#"{ sql = "SELEC 1" }"#);
    rehearsal.errored("check/cannot-ask");
    assert!(rehearsal.message().contains("refuses the query"), "{rehearsal}");
    let rehearsal = slow(live, r#"{ sql = "SELECT count(*) FROM lost_notes" }"#);
    rehearsal.errored("check/cannot-ask");
    assert!(rehearsal.message().contains("the restored data has no table"), "{rehearsal}");
    let named = r#"{ sql = "SELECT count(*) FROM notes", value = 2 }"#;
    let rehearsal = slow_with(live, named, &["--control"]);
    rehearsal.is_green("data-proven");
    let note = rehearsal.steps("control")[0]["note"].as_str().unwrap_or_default().to_owned();
    assert!(note.starts_with("the missing data is noticed"), "{note}: {rehearsal}");
}

/// As [`asked`], for a service that takes its time.
fn slow(live: &Live, check: &str) -> Rehearsal {
    slow_with(live, check, &[])
}

fn slow_with(live: &Live, check: &str, flags: &[&str]) -> Rehearsal {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = format!("[services.\"{}\"]\nchecks = [{check}]\n", live.name);
    std::fs::write(folder.path().join("rehearsa.toml"), plan).expect("written");
    let mut command = rehearsa(&[]);
    command.current_dir(folder.path());
    rehearse_by(command, &[&live.name], &[&["--timeout", "30s"], flags].concat())
}

#[test]
fn a_label_asks_too_and_the_plan_shows_it() {
    let live = service("tiny")
        .volume("/data")
        .file("/data/note", "remembered\n")
        .options(&["--label", "rehearsa.check.note=exec grep -qx remembered /data/note"])
        .start();
    let plan = rehearsa(&["plan", "--exact", "--no-sizes", &live.name]).output().expect("rehearsa starts");
    let plan = String::from_utf8_lossy(&plan.stdout).into_owned();
    assert!(plan.contains("note (exec grep -qx remembered /data/note)"), "{plan}");
    let rehearsal = rehearse_by(rehearsa(&[]), &[&live.name], &[]);
    rehearsal.is_green("data-proven");
    assert_eq!(own(&rehearsal)[0].0, "note", "{rehearsal}");
}
