//! Runs every command of README.md and docs/: those in `console` blocks (after `$ `) with the output shown below
//! them, and those in `sh` blocks. Files that a page shows are compared with the files, which tests/it/ci runs. Each
//! command is a trial of its own in a folder of its own; the
//! commands of one `console` block are one trial. Needs a Docker engine and the fixture images (`ci/fixtures`).
//!
//! The services that the pages name are started here, as `media::jellyfin` and `media::subtitles`. A command that
//! could select other services is run with `--list`, so that no service of the host is rehearsed.

#![allow(clippy::unwrap_used, reason = "what a test takes for granted may be unwrapped")]

mod pages;
mod stage;
#[path = "../support/mod.rs"]
mod support;

use std::path::Path;
use std::process::{ExitCode, Output};

use libtest_mimic::{Arguments, Failed, Trial};

use pages::{Example, Page, alike, arguments, pages};
use support::{rehearsa, text};

/// Commands that are not run here, and what runs them instead.
const ELSEWHERE: &[(&str, &str)] = &[
    (
        stage::BACK_UP,
        "tests/docs/stage.rs makes the backup by it that the other commands restore from, with an image that is here",
    ),
    ("cargo run --release -- demo", "tests/it/demo.rs runs the demo; a release build takes minutes"),
    ("ci/test", "it runs this very test; .ci/run runs it"),
    ("cargo install --locked --path .", "it would change the user's own tools; the build it does is that of the tests"),
    ("rehearsa test --from dump:nightly.sql.gz shop::db", "tests/it/dumps.rs loads such dumps into real databases"),
    (
        "rehearsa test --from dump:nightly.tgz#shop.sql.gz shop::db",
        "tests/it/dumps.rs loads a dump of several in an archive",
    ),
    (
        "rehearsa test --from restic:/srv/repo --passphrase-file pw jellyfin",
        "tests/faults/table/restic.rs rehearses from such repositories",
    ),
    (
        "rehearsa test --from borg:/srv/repo --passphrase-file pw jellyfin",
        "tests/faults/table/borg.rs rehearses from such repositories",
    ),
    (
        "rehearsa profile --history profiles jellyfin",
        "tests/it/history.rs shows the profiles of runs; here the command has no run before it",
    ),
    (
        "rehearsa timer install --at 04:00 -- test --max-age 26h --report-dir reports",
        "tests/offline/timer.rs installs timers; here one would be left on the host",
    ),
    ("rehearsa timer remove", "tests/offline/timer.rs removes timers; here it could be one of the host"),
    (
        concat!(
            "rehearsa timer install --at 04:00 --credential RESTIC_PASSWORD_FILE=/etc/rehearsa/password ",
            "-- test --max-age 26h"
        ),
        "tests/it/ci/timer.rs starts the service of such a timer",
    ),
    ("cargo test --test restores jellyfin", "tests/it/harness_target.rs runs that target as cargo test does"),
    ("cargo nextest run --test restores jellyfin", "tests/it/harness_target.rs runs that target as nextest does"),
];

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    args.test_threads = args.test_threads.or_else(support::threads);
    let mut trials = vec![
        Trial::test("every command is either run here or said to be run elsewhere", nothing_is_forgotten),
        Trial::test("commands are found in every kind of block", || {
            pages::commands_are_found_in_every_kind_of_block();
            Ok(())
        }),
    ];
    for Page { name, text } in pages() {
        for (file, shown) in pages::copies(&text) {
            trials.push(Trial::test(format!("{name}: {file} is as the file"), move || is_as_the_file(&file, &shown)));
        }
        for examples in pages::examples(&text) {
            let run_here: Vec<Example> = examples.into_iter().filter(|example| !is_elsewhere(example)).collect();
            if let Some(first) = run_here.first() {
                trials.push(Trial::test(format!("{name}: {}", first.command), move || are_as_shown(&run_here)));
            }
        }
    }
    let conclusion = libtest_mimic::run(&args, trials);
    stage::dismiss();
    conclusion.exit_code()
}

fn is_as_the_file(file: &str, shown: &str) -> Result<(), Failed> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(path)?;
    if text == shown { Ok(()) } else { Err(format!("the page shows another {file}").into()) }
}

fn is_elsewhere(example: &Example) -> bool {
    ELSEWHERE.iter().any(|(command, _)| *command == example.command)
}

fn nothing_is_forgotten() -> Result<(), Failed> {
    let examples: Vec<Example> = pages().iter().flat_map(|page| pages::examples(&page.text)).flatten().collect();
    assert!(examples.len() > 20, "the pages have commands: {examples:?}");
    for example in &examples {
        let run = is_elsewhere(example) || arguments(&example.command).is_some();
        assert!(run, "nothing runs `{}`", example.command);
    }
    for (command, _) in ELSEWHERE {
        assert!(examples.iter().any(|example| example.command == *command), "no page has `{command}` any more");
    }
    Ok(())
}

/// Runs commands one after another in a folder of their own and compares.
fn are_as_shown(examples: &[Example]) -> Result<(), Failed> {
    let stage = stage::stage();
    let dir = stage.folder();
    for example in examples {
        let arguments = arguments(&example.command).ok_or_else(|| format!("nothing runs `{}`", example.command))?;
        is_as_shown(example, &arguments, stage.suffix(), dir.path())?;
    }
    Ok(())
}

fn is_as_shown(example: &Example, arguments: &[String], suffix: &str, dir: &Path) -> Result<(), Failed> {
    let output = run(arguments, dir);
    let all = format!("{}{}", text(&output.stderr), text(&output.stdout));
    let printed: Vec<String> = all.replace(suffix, "").lines().map(alike).collect();
    let missing: Vec<&String> = example.shown.iter().filter(|line| !printed.contains(&alike(line))).collect();
    let (command, exit, code) = (&example.command, example.exit, output.status.code());
    if code != Some(exit) || !missing.is_empty() {
        return Err(format!("`{command}` ended with {code:?}, not {exit}; not printed: {missing:#?}\n{all}").into());
    }
    let is_report = |flag: &str| matches!(flag, "--junit" | "--json" | "--tap" | "--html" | "--report-dir");
    let reports = arguments.windows(2).filter(|pair| is_report(&pair[0]) && pair[1] != "-").map(|pair| &pair[1]);
    for report in reports.filter(|_| !arguments.contains(&"--list".to_owned())) {
        assert!(dir.join(report).exists(), "`{command}` wrote no {report}\n{all}");
    }
    Ok(())
}

fn run(arguments: &[String], dir: &Path) -> Output {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut command = rehearsa(&arguments);
    command.current_dir(dir).env("NO_COLOR", "1");
    if arguments[0] == "test" {
        // The default of 3 s for each command would only take time; a page that needs a settle window uses the flag.
        command.env("REHEARSA_SETTLE", "0s");
    }
    command.output().expect("rehearsa starts")
}
