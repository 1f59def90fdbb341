//! Runs every command of README.md: those in `console` blocks (after `$ `) with the output shown below them, those in `sh`
//! blocks, and those of the CI snippets. Needs a Docker engine and the fixture images (`ci/fixtures`).
//!
//! The services that the README speaks of are started here, as `media::jellyfin` and `media::subtitles`. A command that could
//! reach others is run with `--list`, so that no service of the host is rehearsed by its owner's `cargo test`.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// Commands that are not run here, and what runs them instead.
const ELSEWHERE: &[(&str, &str)] = &[
    ("cargo run --release -- demo", "tests/demo.rs runs the demo; a release build takes minutes"),
    ("ci/test", "it runs this very test; .ci/run runs it"),
    ("cargo install --locked --path .", "it would change the user's own tools; the build it does is that of the tests"),
    ("rehearsa test --from dump:nightly.sql.gz shop::db", "tests/dumps.rs loads such dumps into real databases"),
    ("cargo test --test restores jellyfin", "tests/harness_target.rs runs that target as cargo test does"),
    ("cargo nextest run --test restores jellyfin", "tests/harness_target.rs runs that target as nextest does"),
];

/// Lines of the CI snippets that are not Rehearsa's: other tools' own set-up steps.
const SETUP: &[&str] = &["cargo install --locked --path rehearsa", "docker compose up --detach --wait"];

/// Longer than another run of this test takes to go out of the way.
const PATIENCE: Duration = Duration::from_secs(120);

/// A command of the README and the lines that it is said to print.
#[derive(Debug, Default, PartialEq)]
struct Example {
    command: String,
    shown: Vec<String>,
    exit: i32,
}

/// The text of each fenced block with its language.
fn blocks(readme: &str) -> Vec<(String, Vec<&str>)> {
    let mut found = Vec::new();
    let mut open: Option<(String, Vec<&str>)> = None;
    for line in readme.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => open = Some((language.to_owned(), Vec::new())),
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some((_, lines)), None) => lines.push(line),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block of the README is not closed");
    found
}

/// All commands, in order. `echo $?` says what the one before it has to end with; otherwise that is 0.
fn examples(readme: &str) -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    for (language, lines) in blocks(readme) {
        match language.as_str() {
            "console" => {
                let mut asks_for_exit = false;
                for line in lines {
                    if line == "$ echo $?" {
                        asks_for_exit = true;
                    } else if let Some(command) = line.strip_prefix("$ ") {
                        found.push(Example { command: command.to_owned(), ..Example::default() });
                    } else {
                        let last = found.last_mut().expect("a console block starts with a command");
                        if asks_for_exit {
                            last.exit = line.parse().expect("an exit code follows `echo $?`");
                            asks_for_exit = false;
                        } else if !line.trim().is_empty() {
                            last.shown.push(line.to_owned());
                        }
                    }
                }
            }
            "sh" => {
                for line in lines {
                    let command = line.split(" # ").next().unwrap_or(line).trim();
                    if !command.is_empty() && !command.starts_with('#') {
                        found.push(Example { command: command.to_owned(), ..Example::default() });
                    }
                }
            }
            "yaml" => found.extend(steps(&lines).map(|command| Example { command, ..Example::default() })),
            "text" | "toml" | "rust" => {}
            other => panic!("nothing is known about blocks of `{other}`"),
        }
    }
    found
}

/// The commands of a CI snippet: `- run: COMMAND` of GitHub, and the items below `script:` of GitLab.
fn steps<'a>(lines: &'a [&str]) -> impl Iterator<Item = String> + 'a {
    let mut in_script = false;
    lines.iter().filter_map(move |line| {
        let line = line.trim();
        let item = line.strip_prefix("- ");
        if line == "script:" {
            in_script = true;
            return None;
        }
        in_script &= item.is_some();
        let command = line.strip_prefix("- run: ").or(if in_script { item } else { None })?;
        let command = command.strip_prefix("exec ").unwrap_or(command);
        (!SETUP.contains(&command)).then(|| command.to_owned())
    })
}

/// The arguments, if this is a command of ours that is run here.
fn arguments(command: &str) -> Option<Vec<String>> {
    let mut words: Vec<String> = command.strip_prefix("rehearsa ")?.split_whitespace().map(str::to_owned).collect();
    let ours = |word: &String| matches!(word.as_str(), "media" | "media::jellyfin" | "jellyfin" | "subtitles");
    let skips = |nth: usize| words[nth - 1] == "--skip";
    let bounded = (1..words.len()).any(|nth| ours(&words[nth]) && !skips(nth));
    if words[0] == "test" && !bounded && !words.contains(&"--list".to_owned()) {
        words.push("--list".to_owned());
    }
    // Bare, it would also remove what other tests left on purpose; that it removes is what tests/demo.rs shows.
    if words[0] == "clean" && !words.contains(&"--dry-run".to_owned()) {
        words.push("--dry-run".to_owned());
    }
    Some(words)
}

/// The live services of the README. They go when the test ends, however it ends.
struct Stage {
    suffix: String,
}

impl Stage {
    fn set() -> Self {
        let stage = Self { suffix: format!("-{}", std::process::id()) };
        let volume = format!("jellyfin_config{}:/data", stage.suffix);
        let jellyfin = stage.start("jellyfin", &["--volume", &volume, "rehearsa-fixture/tiny"]);
        stage.start("subtitles", &["rehearsa-fixture/broken", "never-healthy"]);
        let notes = "for n in $(seq 400); do head -c 4096 /dev/zero >/data/$n; done";
        docker(&["exec", &jellyfin, "sh", "-c", notes]);
        stage
    }

    /// The backup that the README restores from: of the volume as it is called here.
    fn back_up(&self, dir: &Path) {
        let part = dir.join(format!("root/backup/jellyfin_config{}", self.suffix));
        std::fs::create_dir_all(&part).expect("made");
        for n in 0..400 {
            std::fs::write(part.join(n.to_string()), [0; 4096]).expect("written");
        }
        let mut tar = Command::new("tar");
        tar.arg("-czf").arg(dir.join("nightly.tar.gz")).arg("-C").arg(dir.join("root")).arg("backup");
        assert!(tar.status().expect("tar starts").success());
    }

    fn container(&self, service: &str) -> String {
        format!("readme-{service}{}", self.suffix)
    }

    fn start(&self, service: &str, rest: &[&str]) -> String {
        let name = self.container(service);
        let label = format!("com.docker.compose.service={service}");
        let mut arguments = vec!["run", "--detach", "--name", &name, "--network", "none"];
        arguments.extend(["--label", "com.docker.compose.project=media", "--label", &label]);
        arguments.extend(rest);
        docker(&arguments);
        name
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let volume = format!("jellyfin_config{}", self.suffix);
        let (jellyfin, subtitles) = (self.container("jellyfin"), self.container("subtitles"));
        // What fails here is seen by whoever looks; a panic would hide the first one.
        let _ = Command::new("docker").args(["rm", "--force", "--volumes", &jellyfin, &subtitles]).output();
        let _ = Command::new("docker").args(["volume", "rm", "--force", &volume]).output();
    }
}

fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().expect("docker starts");
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn rehearsa(arguments: &[String], dir: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rehearsa"));
    command.args(arguments).current_dir(dir).env("NO_COLOR", "1");
    for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("REHEARSA_")) {
        command.env_remove(key);
    }
    if arguments[0] == "test" {
        // Three seconds for each command are of no use here; where the README asks for a settle window, it is a flag.
        command.env("REHEARSA_SETTLE", "0s");
    }
    command.output().expect("rehearsa starts")
}

/// A line with what differs from run to run taken out: numbers, ids, the width of a table's columns.
fn alike(line: &str) -> String {
    // Another host, or another test at the same time, has other services beside.
    let line = match line.split_once(" (") {
        Some((before, after)) if after.ends_with(" filtered out)") => before,
        _ => line,
    };
    let words = line.split_whitespace().filter(|word| !word.chars().all(|c| c == '-'));
    let plain = |word: &str| {
        let short: String = word.split('-').map(varies).collect::<Vec<_>>().join("-");
        short.trim_matches(['(', ')']).to_owned()
    };
    words.map(plain).collect::<Vec<_>>().join(" ").replace(" # ", " ")
}

/// `#` for a number with or without a unit, or an id of hexadecimal digits.
fn varies(part: &str) -> String {
    let bare = part.trim_matches(['(', ')', ',']);
    let id = bare.len() >= 8 && bare.chars().all(|c| c.is_ascii_hexdigit());
    let number = bare.starts_with(|c: char| c.is_ascii_digit());
    let unit = matches!(bare, "B" | "kB" | "MB");
    if id || number || unit { "#".to_owned() } else { part.to_owned() }
}

/// Runs a command and compares; what is wrong is returned, so that one run shows all of it.
fn check(example: &Example, arguments: &[String], suffix: &str, dir: &Path) -> Option<String> {
    let output = rehearsa(arguments, dir);
    let all = format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    let printed: Vec<String> = all.replace(suffix, "").lines().map(alike).collect();
    let missing: Vec<&String> = example.shown.iter().filter(|line| !printed.contains(&alike(line))).collect();
    if output.status.code() == Some(example.exit) && missing.is_empty() {
        return None;
    }
    let code = output.status.code();
    Some(format!("`{}` ended with {code:?}, not {}; not printed: {missing:#?}\n{all}", example.command, example.exit))
}

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    std::fs::read_to_string(path).expect("there is a README")
}

#[test]
fn every_command_is_either_run_here_or_said_to_be_run_elsewhere() {
    let examples = examples(&readme());
    assert!(examples.len() > 20, "the README has commands: {examples:?}");
    for example in &examples {
        let elsewhere = ELSEWHERE.iter().any(|(command, _)| *command == example.command);
        assert!(elsewhere || arguments(&example.command).is_some(), "nothing runs `{}`", example.command);
    }
    for (command, _) in ELSEWHERE {
        assert!(examples.iter().any(|example| example.command == *command), "the README no longer has `{command}`");
    }
}

#[test]
fn every_command_does_what_the_readme_shows() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    // Another run of this test on the same engine has services of the same names; those of whoever works at this machine must
    // not be rehearsed with them.
    let started = Instant::now();
    let list = ["test", "--list", "--format", "terse", "media", "jellyfin", "subtitles"].map(str::to_owned);
    loop {
        let taken = String::from_utf8_lossy(&rehearsa(&list, dir.path()).stdout).into_owned();
        if taken.is_empty() {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "the test needs the names of services that run already:\n{taken}");
        std::thread::sleep(Duration::from_millis(500));
    }
    let stage = Stage::set();
    stage.back_up(dir.path());
    let mut wrong = Vec::new();
    let is_elsewhere = |example: &Example| ELSEWHERE.iter().any(|(command, _)| *command == example.command);
    for example in examples(&readme()).into_iter().filter(|example| !is_elsewhere(example)) {
        let Some(arguments) = arguments(&example.command) else { continue };
        wrong.extend(check(&example, &arguments, &stage.suffix, dir.path()));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    for report in ["junit.xml", "report.json", "report.tap", "reports/junit.xml"] {
        assert!(dir.path().join(report).is_file(), "{report} was written");
    }
}

#[test]
fn commands_are_found_in_every_kind_of_block() {
    let readme = "```console\n$ rehearsa test x\nline\n$ echo $?\n101\n```\n```sh\nrehearsa plan  # why\n# only words\n```\n\
        ```yaml\nsteps:\n  - uses: a\n  - run: exec rehearsa test\nscript:\n  - rehearsa clean\nartifacts:\n  - x\n```\n";
    let found: Vec<(String, i32)> =
        examples(readme).into_iter().map(|example| (example.command, example.exit)).collect();
    let expected = [("rehearsa test x", 101), ("rehearsa plan", 0), ("rehearsa test", 0), ("rehearsa clean", 0)];
    assert_eq!(found, expected.map(|(command, exit)| (command.to_owned(), exit)));
    assert_eq!(arguments("rehearsa test --skip media").expect("ours").last().expect("words"), "--list");
    assert_eq!(arguments("rehearsa test media").expect("ours").len(), 2);
    assert_eq!(alike("a-2ea039a5 took 4.9s  1.6 MB  -"), alike("a-00000000 took 12s 53 kB"));
}
