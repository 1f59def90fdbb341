//! No secret of a live service is in the output of a run: not on the screen, not in the log at any level, not in any
//! report. Needs a Docker engine with the fixture images.
//!
//! The secrets are in all usual places (variables, arguments, a healthcheck, labels, addresses), and the services
//! print them, in their log and as their healthcheck's output.

use std::path::Path;
use std::process::Output;

use crate::support::{Live, rehearsa, service, shown};

/// The place of each secret, so that a failure says which place leaks.
const SECRETS: [&str; 12] = [
    "fixture-Env-named-secret",
    "fixture-Env-plain-secret",
    "fixture-Env-url-secret",
    "fixture-Env-line1-secret",
    "fixture-Env-line2-secret",
    "fixture-Arg-flag-secret",
    "fixture-Arg-next-secret",
    "fixture-Arg-url-secret",
    "fixture-Arg-shell-secret",
    "fixture-Health-secret",
    "fixture-Label-secret",
    "fixture-Label-url-secret",
];

/// A word of the services that is no secret: it shows that their output was read.
const SPOKEN: &str = "spoken";

/// A service that prints all its secrets to its log, and then does `then`.
fn talkative(then: &str) -> Live {
    let variables = "$APP_PASSWORD $BANNER $DATABASE_URL $TLS_PRIVATE_KEY";
    let labels = "fixture-Label-secret fixture-Label-url-secret";
    let say = format!(
        "{SPOKEN} {variables} $0 $*; echo {{\\\"password\\\":\\\"$APP_PASSWORD\\\"}} >&2; export -p; \
         echo \"$TLS_PRIVATE_KEY\"; echo {labels}"
    );
    let script = format!(
        "[ -e /only-live ] && exec behave healthy; export SHELL_TOKEN=fixture-Arg-shell-secret; echo {say}; \
         echo $SHELL_TOKEN; {then}"
    );
    service("broken")
        .options(&["--env", "APP_PASSWORD=fixture-Env-named-secret"])
        .options(&["--env", "BANNER=fixture-Env-plain-secret"])
        .options(&["--env", "DATABASE_URL=postgres://app:fixture-Env-url-secret@db:5432/app"])
        .options(&["--env", "TLS_PRIVATE_KEY=fixture-Env-line1-secret\nfixture-Env-line2-secret"])
        .options(&["--label", "backup.password=fixture-Label-secret"])
        .options(&["--label", "backup.target=sftp://backup:fixture-Label-url-secret@nas/x"])
        .healthy_when("[ -e /only-live ] || { echo probe --token=fixture-Health-secret $APP_PASSWORD; exit 1; }")
        .options(&["--entrypoint", "sh"])
        .command(&[
            "-c",
            &script,
            "--password=fixture-Arg-flag-secret",
            "--requirepass",
            "fixture-Arg-next-secret",
            "redis://cache:fixture-Arg-url-secret@cache/0",
        ])
        .file("/only-live", "")
        .start()
}

fn run(args: &[&str], log: Option<&str>) -> Output {
    rehearsa(args).envs(log.map(|log| ("REHEARSA_LOG", log))).output().expect("rehearsa starts")
}

/// Everything that it said, by where.
fn said(output: &Output, reports: Option<&Path>) -> Vec<(String, Vec<u8>)> {
    let mut said = vec![("stdout".to_owned(), output.stdout.clone()), ("stderr".to_owned(), output.stderr.clone())];
    for entry in reports.into_iter().flat_map(|dir| std::fs::read_dir(dir).expect("the reports are there")) {
        let path = entry.expect("the reports are there").path();
        said.push((path.display().to_string(), std::fs::read(&path).expect("a report can be read")));
    }
    said
}

fn holds(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|at| at == part.as_bytes())
}

#[track_caller]
fn nothing_leaked(what: &str, said: &[(String, Vec<u8>)]) {
    for (place, text) in said {
        // Every secret is text, so it is in the text that is shown if it is in the bytes.
        let shown = String::from_utf8_lossy(text);
        for secret in SECRETS {
            let line = shown.lines().find(|line| line.contains(secret)).unwrap_or_default();
            assert!(!shown.contains(secret), "{what}: {secret} is in {place}: {line}");
        }
    }
}

#[test]
fn no_secret_is_in_any_report_or_log_at_the_most_talkative_level() {
    no_secret_is_told_at(&[("-v", Some("trace,bollard=trace"))]);
}

#[test]
#[ignore = "nightly: levels that tell less"]
fn no_secret_is_in_any_report_or_log_at_the_other_levels() {
    no_secret_is_told_at(&[("", None), ("-v", None), ("-vv", None), ("-vvv", None)]);
}

#[track_caller]
fn no_secret_is_told_at(levels: &[(&str, Option<&str>)]) {
    let exits = talkative("exit 3");
    let unhealthy = talkative("behave never-healthy");
    for &(level, log) in levels {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let reports = dir.path().to_str().expect("temporary paths are UTF-8");
        let mut args = vec!["test", "--exact", "--settle", "0s", "--retries", "1", "--retry-failures"];
        args.extend(["--report-dir", reports, &exits.name, &unhealthy.name]);
        args.extend(Some(level).filter(|level| !level.is_empty()));
        let output = run(&args, log);
        let said = said(&output, Some(dir.path()));
        let what = format!("rehearsa test {level} {log:?}");
        assert_eq!(output.status.code(), Some(101), "{what}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(said.len() > 4, "{what}: reports are written: {:?}", said.iter().map(|(place, _)| place));
        let events = said.iter().find(|(place, _)| place.ends_with("events.jsonl")).expect("the events are kept");
        let spoken = String::from_utf8_lossy(&events.1);
        assert!(spoken.contains(SPOKEN) && spoken.contains("probe --token="), "{what}: they did speak: {spoken}");
        assert!(spoken.contains("APP_PASSWORD='•••'"), "{what}: {spoken}");
        nothing_leaked(&what, &said);
    }
}

#[test]
fn no_secret_is_in_the_plan_or_the_inspection() {
    let live = talkative("exit 3");
    for level in ["-v", "-vvv"] {
        for args in [
            &["plan", "--exact", live.name.as_str()][..],
            &["plan", "--exact", "--format", "json", &live.name],
            &["inspect", &live.name],
            &["inspect", "--format", "json", &live.name],
            &["test", "--list", "--exact", &live.name],
        ] {
            let output = run(&[args, &[level]].concat(), Some("trace").filter(|_| level == "-vvv"));
            assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
            assert!(holds(&output.stdout, &live.name), "{args:?}");
            nothing_leaked(&format!("{args:?} {level}"), &said(&output, None));
        }
    }
}

/// A password with all kinds of characters.
const ODD: &str = "S3cr/t+P@ss\"w&rd'<Zzz>é-fixture";

/// The password as programs write it into a log.
fn spellings() -> Vec<String> {
    let hex = ODD.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    vec![
        ODD.to_owned(),
        format!("  {ODD}  "),
        ODD.replace("P@", "P\u{1b}[31m@"),
        ODD.replace("P@", "P\u{1b}]0;title\u{7}@"),
        ODD.replace("P@", "P\r@"),
        ODD.replace("P@", "P\0@"),
        ODD.replace("P@", "P\u{200b}@"),
        // Base64 of the password, of `user:` with the password, and the first one for URLs.
        "UzNjci90K1BAc3MidyZyZCc8Wnp6PsOpLWZpeHR1cmU=".to_owned(),
        "dXNlcjpTM2NyL3QrUEBzcyJ3JnJkJzxaeno+w6ktZml4dHVyZQ==".to_owned(),
        "UzNjci90K1BAc3MidyZyZCc8Wnp6PsOpLWZpeHR1cmU".replace('+', "-").replace('/', "_"),
        "S3cr%2Ft%2BP%40ss%22w%26rd%27%3CZzz%3E%C3%A9-fixture".to_owned(),
        "S3cr/t%2bP%40ss%22w%26rd%27%3cZzz%3e%c3%a9-fixture".to_owned(),
        r#"{"password": "S3cr/t+P@ss\"w&rd'<Zzz>\u00e9-fixture"}"#.to_owned(),
        r#"{"json": "{\"password\": \"S3cr/t+P@ss\\\"w&rd'<Zzz>\\u00e9-fixture\"}"}"#.to_owned(),
        r#"{'password': 'S3cr/t+P@ss"w&rd\'<Zzz>é-fixture'}"#.to_owned(),
        r#"PASSWORD='S3cr/t+P@ss"w&rd'"'"'<Zzz>é-fixture'"#.to_owned(),
        "S3cr/t+P@ss&quot;w&amp;rd&#39;&lt;Zzz&gt;é-fixture".to_owned(),
        hex.clone(),
        hex.to_uppercase(),
        ODD.to_uppercase(),
        ODD[1..].to_owned(),
        ODD[..ODD.len() - 1].to_owned(),
        ODD.replace("P@", "P\n@"),
        "its element fixture-List-2 alone".to_owned(),
    ]
}

/// Parts of the password, of its encodings and of the list; no report of the run has any of them for another reason.
const PARTS: [&str; 14] = [
    "s3cr",
    "p@ss",
    "%40ss",
    "rd'<zzz",
    "zzz>",
    "é-fixture",
    "e9-fixture",
    "a9-fixture",
    "zzz&gt;",
    "%3czzz",
    "533363722f74",
    "uznjci90k1",
    "cjpttm2nyl3",
    "fixture-list",
];

#[test]
#[ignore = "nightly: takes many rehearsals"]
fn no_spelling_of_a_secret_is_in_any_report() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    // Letters: lines that differ only in a number are told once.
    let log: Vec<String> =
        spellings().iter().zip('a'..).map(|(spelled, letter)| format!("{SPOKEN} {letter}: {spelled}")).collect();
    let live = service("broken")
        .volume("/data")
        .file("/data/log", &log.join("\n"))
        .options(&["--env", &format!("DB_PASSWORD={ODD}")])
        .options(&["--env", "API_KEYS=fixture-List-1,fixture-List-2"])
        .options(&["--label", "rehearsa.check.log=log [$]never"])
        .rehearsed_as("cat /data/log; echo; exit 3")
        .start();
    let reports = shown(dir.path());
    let args = ["test", "--exact", "--settle", "0s", "--ci", "gitlab", "--report-dir", &reports, &live.name];
    let output = run(&args, None);
    assert_eq!(output.status.code(), Some(101), "{}", String::from_utf8_lossy(&output.stderr));
    let said = said(&output, Some(dir.path()));
    let json = said.iter().find(|(place, _)| place.ends_with("report.json")).expect("it is written");
    let json = String::from_utf8_lossy(&json.1);
    for letter in ('a'..).take(log.len()) {
        assert!(json.contains(&format!("{SPOKEN} {letter}:")), "{letter} was read: {json}");
    }
    for (place, text) in &said {
        // As somebody reads it who looks for the password.
        let text = String::from_utf8_lossy(text).to_lowercase();
        let text = text.replace("\\u001b", "").replace("&quot;", "\"").replace("&#39;", "'");
        let seen: String = text.chars().filter(|c| !c.is_control() && !"\u{200b}\u{fffd}".contains(*c)).collect();
        for part in PARTS {
            let at = seen.find(part).map(|at| seen[..at].chars().rev().take(80).collect::<String>());
            let before = at.map(|before| before.chars().rev().collect::<String>());
            assert_eq!(before, None, "{part} is in {place}, after this");
        }
    }
}
