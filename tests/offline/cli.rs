//! The command line as a program: what it prints where, and how it ends. Needs no Docker.

use std::process::Output;
use std::time::{Duration, Instant};

use crate::support::rehearsa;

/// Runs rehearsa with nothing of the caller's environment that could change what it does.
fn run(args: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = rehearsa(args);
    command.env_clear().env("HOME", "/nonexistent").envs(env.iter().copied());
    command.output().expect("rehearsa starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("rehearsa writes UTF-8")
}

const NO_ENGINE: [(&str, &str); 1] = [("DOCKER_HOST", "unix:///nonexistent.sock")];

#[test]
fn an_unknown_flag_is_wrong_usage() {
    let output = run(&["test", "--tiemout", "2m"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), "");
    let message = text(&output.stderr);
    assert!(message.contains("--tiemout") && message.contains("--timeout"), "{message}");
}

#[test]
fn wrong_values_are_wrong_usage_before_the_engine_is_asked() {
    for (args, expected) in [
        (&["test", "--timeout", "soon"][..], "--timeout: `soon` is not a duration"),
        (&["test", "--test-threads", "0"], "--test-threads: `0` is not a number of 1 or more"),
        (&["test", "--junit", "-", "--tap", "-"], "--junit and --tap both write to standard output"),
        (&["plan", "--strategy", "/a=copi"], "did you mean `copy`?"),
        (&["test", "--max-copy", "lots"], "--max-copy: `lots` is not a size"),
        (
            &["test", "--memory", "5MiB"],
            "--memory: `5MiB` is not enough for a container: Docker gives none less than 6 MiB",
        ),
        (&["test", "-H", "gopher://x"], "gopher"),
        (&["inspect", "--docker-wait", "soon", "x"], "--docker-wait: `soon` is not a duration"),
    ] {
        let output = run(args, &NO_ENGINE);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
        assert!(message.contains(expected), "{args:?}: {message}");
    }
}

/// A folder with a plan file that is wrong in two places, and what is to be said of it.
fn wrong_plan() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("wrong.toml");
    std::fs::write(&path, "tiemout = \"2m\"\n\n[services.web]\nmemory = \"lots\"\n").expect("written");
    let path = path.display();
    let told = format!(
        "error: 2 things are wrong with the plan file\n{path}:1:1: unknown key `tiemout`; did you mean `timeout`?\n\
         {path}:4:10: memory: `lots` is not a size; write it as `20GiB`, `500MB` or `1.5G`\n"
    );
    (folder, told)
}

#[test]
fn a_wrong_plan_file_is_wrong_usage_before_the_engine_is_asked() {
    let (folder, told) = wrong_plan();
    let path = folder.path().join("wrong.toml");
    let path = path.to_str().expect("a path of letters");
    for args in [&["test", "--plan", path][..], &["test", "--list", "--plan", path], &["plan", "--plan", path]] {
        let output = run(args, &NO_ENGINE);
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(2), told.clone()), "{args:?}");
    }
    let output = run(&["test"], &[NO_ENGINE[0], ("REHEARSA_PLAN", path)]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(2), told));
    let output = run(&["test", "--plan", "/nonexistent.toml"], &NO_ENGINE);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--plan: there is no file /nonexistent.toml"), "{}", text(&output.stderr));
}

#[test]
fn a_folder_without_a_compose_file_is_wrong_usage() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("a path of letters");
    let missing = format!("{path}/compose.yaml");
    for (named, words) in [(path, "has no Compose file"), (&missing, "there is no file")] {
        let output = run(&["test", "-f", named, "--from", "dir:/nonexistent"], &NO_ENGINE);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains(words), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("correct -f"), "{}", text(&output.stderr));
    }
}

#[test]
fn the_plan_file_of_the_working_directory_is_found() {
    let (folder, told) = wrong_plan();
    std::fs::rename(folder.path().join("wrong.toml"), folder.path().join("rehearsa.toml")).expect("renamed");
    let mut command = rehearsa(&["plan", "--no-sizes"]);
    command.env_clear().envs(NO_ENGINE).current_dir(folder.path());
    let output = command.output().expect("rehearsa starts");
    let told = told.replace(&folder.path().join("wrong.toml").display().to_string(), "rehearsa.toml");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(2), told));
}

/// A stranger's plan file in the folder where somebody stands. Whoever writes it chooses what runs and what is read.
#[test]
fn a_plan_file_that_others_may_write_runs_nothing_unless_it_is_named() {
    use std::os::unix::fs::{PermissionsExt, chown};
    let folder = tempfile::tempdir().expect("a folder");
    let (file, ran) = (folder.path().join("rehearsa.toml"), folder.path().join("ran"));
    std::fs::write(folder.path().join("app.tar"), "").expect("written");
    let command = format!("touch {}; echo x", ran.display());
    let text_of = format!(
        "source = 'n'\n[sources.n]\nfrom = 'tar:app.tar'\npassphrase = {{ command = '{command}' }}\n[services.web]\n"
    );
    std::fs::write(&file, text_of).expect("written");
    let run_here = |args: &[&str]| {
        let mut command = rehearsa(args);
        command.env_clear().envs(NO_ENGINE).env("PATH", "/usr/bin:/bin").current_dir(folder.path());
        let output = command.output().expect("rehearsa starts");
        (output.status.code(), text(&output.stderr))
    };
    let set = |path: &std::path::Path, owner: u32, mode: u32| {
        chown(path, Some(owner), Some(0)).expect("root may");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
    };
    for (owner, mode, folder_mode, why) in [
        (4711, 0o644, 0o755, "it belongs to somebody else (owner 4711, group 0, mode 0644)"),
        (0, 0o666, 0o755, "it may be written by everybody"),
        (0, 0o644, 0o777, "its folder . may be written by everybody"),
    ] {
        set(&file, owner, mode);
        set(folder.path(), 0, folder_mode);
        for args in [&["plan", "--check"][..], &["plan"], &["test"], &["test", "--list"]] {
            let (code, words) = run_here(args);
            assert_eq!(code, Some(2), "{args:?}: {words}");
            assert!(words.contains("rehearsa.toml") && words.contains(why), "{args:?}: {words}");
            assert!(words.contains("--plan rehearsa.toml") && words.contains("chmod go-w"), "{args:?}: {words}");
            assert!(!ran.exists(), "{args:?}");
        }
        // Who names a file has looked at it.
        let (_, words) = run_here(&["plan", "--check", "--plan", "rehearsa.toml"]);
        assert!(ran.exists(), "{words}");
        std::fs::remove_file(&ran).expect("removed");
    }
    set(&file, 0, 0o644);
    set(folder.path(), 0, 0o755);
    let (_, words) = run_here(&["plan", "--check"]);
    assert!(ran.exists(), "{words}");
}

#[test]
fn what_is_set_and_empty_is_wrong_usage_and_no_default() {
    for (args, env, told) in [
        (&["test"][..], Some("REHEARSA_FROM"), "REHEARSA_FROM is set and empty"),
        (&["test"], Some("REHEARSA_MAX_AGE"), "REHEARSA_MAX_AGE is set and empty"),
        (&["plan"], Some("REHEARSA_PASSPHRASE"), "REHEARSA_PASSPHRASE is set and empty"),
        (&["test", "--from", ""], None, "--from is given and empty"),
        (&["test", "--snapshot="], None, "--snapshot is given and empty"),
        (&["test", ""], None, "an argument is given and empty"),
        (&["clean", "--session", ""], None, "--session is given and empty"),
    ] {
        let variables: Vec<(&str, &str)> = NO_ENGINE.into_iter().chain(env.map(|name| (name, ""))).collect();
        let output = run(args, &variables);
        let words = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {words}");
        assert!(words.contains(told) && words.contains("What to do: "), "{args:?}: {words}");
    }
}

#[test]
fn a_command_that_is_called_otherwise_here_is_told() {
    for (typed, meant) in [("check", "plan --check"), ("list", "test --list"), ("run", "test"), ("prune", "clean")] {
        let output = run(&[typed], &[]);
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(&format!("`rehearsa {meant}`")), "{}", text(&output.stderr));
    }
    assert!(!text(&run(&["dance"], &[]).stderr).contains("does that"));
}

/// Checks a plan file of this text in a folder with an archive `app-1.tar`, where no engine answers.
fn check(plan: &str) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("p.toml");
    std::fs::write(&path, plan).expect("written");
    std::fs::write(folder.path().join("app-1.tar"), "").expect("written");
    std::fs::write(folder.path().join("empty"), "").expect("written");
    let output = run(&["plan", "--check", "--plan", path.to_str().expect("letters")], &NO_ENGINE);
    let shown = |bytes: &[u8]| text(bytes).replace(&format!("{}/", folder.path().display()), "");
    (output.status.code(), shown(&output.stdout), shown(&output.stderr))
}

const NO_HOST: &str = "no Docker engine answers at unix:///nonexistent.sock (from DOCKER_HOST); the file is not \
    compared with its services\n";

#[test]
fn a_plan_file_is_checked_without_an_engine_and_says_so() {
    let right = "source = 'nightly'\n[sources.nightly]\nfrom = 'tar:app-*.tar'\npassphrase = { command = 'echo \
        fixture-cli-secret' }\n[sources.far]\nfrom = 'daemon:/srv'\n[services.web]\n[stacks.media]\nsource = 'dir:.'\n";
    let (code, stdout, stderr) = check(right);
    let expected = "p.toml is valid, as far as can be checked without the host: 2 sources, 1 stack, 1 service\n\
        not checked: daemon:/srv (it is on the engine's host)\n";
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(0), expected, NO_HOST));
}

#[test]
fn sources_and_secrets_that_are_not_there_are_all_told() {
    let wrong = "source = 'nightly'\n\
        [sources.nightly]\nfrom = 'tar:web-*.tar'\npassphrase = { env = 'REHEARSA_NO_SUCH' }\nidentity = 'none.txt'\n\
        [sources.weekly]\nfrom = 'tar:app-*.tar'\npassphrase = { command = 'echo fixture-cli-secret; exit 3' }\n\
        [sources.offsite]\nfrom = 'dir:none'\npassphrase = { file = 'empty' }\n\
        [services.web]\nsource = 'dir:app-1.tar'\n";
    let (code, stdout, stderr) = check(wrong);
    let expected = "error: 7 things are wrong with the plan file\n\
        p.toml:3:8: from: no file fits web-*.tar (there is app-1.tar, empty, p.toml)\n\
        p.toml:4:14: passphrase: the environment variable REHEARSA_NO_SUCH is not set\n\
        p.toml:5:12: identity: the file none.txt cannot be read: No such file or directory (os error 2)\n\
        p.toml:8:14: passphrase: its command ended with exit status: 3; try it by hand\n\
        p.toml:10:8: from: there is no folder none\n\
        p.toml:11:14: passphrase: the file empty has nothing in its first line\n\
        p.toml:13:10: source: app-1.tar is no folder; write `tar:app-1.tar` for an archive\n";
    assert_eq!((code, stdout.as_str(), stderr), (Some(2), "", format!("{NO_HOST}{expected}")));
}

#[test]
fn no_plan_file_is_nothing_to_check() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = rehearsa(&["plan", "--check"]);
    command.env_clear().envs(NO_ENGINE).current_dir(folder.path());
    let output = command.output().expect("rehearsa starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("no rehearsa.toml in the working directory"), "{}", text(&output.stderr));
}

#[test]
fn no_engine_is_named_at_once_with_what_to_do() {
    for args in [&["test"][..], &["test", "--list"], &["plan"], &["inspect", "x"], &["clean"], &["demo"]] {
        let started = Instant::now();
        let output = run(args, &NO_ENGINE);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(102), "{args:?}: {message}");
        assert!(
            message.contains("no Docker engine answers at unix:///nonexistent.sock (from DOCKER_HOST)"),
            "{args:?}: {message}"
        );
        assert!(message.contains("No such file or directory"), "{args:?}: {message}");
        assert!(message.contains("What to do: start Docker") && message.contains("--docker-wait"), "{message}");
        assert_eq!(text(&output.stdout), "", "{args:?}");
        assert!(started.elapsed() < Duration::from_secs(3), "{args:?} took {:?}", started.elapsed());
    }
}

#[test]
fn a_demo_that_cannot_begin_leaves_no_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = rehearsa(&["demo"]);
    command.env_clear().envs(NO_ENGINE).env("TMPDIR", folder.path());
    let output = command.output().expect("rehearsa starts");
    assert_eq!(output.status.code(), Some(102), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_dir(folder.path()).expect("it is there").count(), 0);
}

#[test]
fn waiting_for_an_engine_ends_when_the_time_is_over() {
    let started = Instant::now();
    let output = run(&["test", "--docker-wait", "500ms"], &NO_ENGINE);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(102));
    assert!(message.contains("not even after 500ms"), "{message}");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

#[test]
fn rehearsa_alone_and_help_are_the_same_friendly_text() {
    let help = run(&["--help"], &[]);
    assert_eq!(help.status.code(), Some(0));
    let shown = text(&help.stdout);
    for part in
        ["rehearsa demo", "rehearsa test jellyfin", "Exit codes:", "test", "plan", "inspect", "clean", "Connection:"]
    {
        assert!(shown.contains(part), "{part} is missing in:\n{shown}");
    }
    let alone = run(&[], &[]);
    assert_eq!(alone.status.code(), Some(0));
    assert!(format!("{}{}", text(&alone.stdout), text(&alone.stderr)).contains("rehearsa demo"));
}

#[test]
fn help_of_test_is_in_groups() {
    let shown = text(&run(&["test", "--help"], &[]).stdout);
    for part in
        ["Selection:", "Rehearsal:", "Reports:", "Output:", "Connection:", "Examples:", "--fail-fast", "rehearsa.skip"]
    {
        assert!(shown.contains(part), "{part} is missing in:\n{shown}");
    }
}

#[test]
fn the_version_is_the_crates() {
    let output = run(&["--version"], &[]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), format!("rehearsa {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&["completions", shell], &[]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        let script = text(&output.stdout);
        assert!(script.contains("rehearsa") && script.contains("include-ignored"), "{shell}: {script}");
    }
    assert_eq!(run(&["completions", "abacus"], &[]).status.code(), Some(2));
}

#[test]
fn every_command_has_a_manual_page() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let folder = dir.path().join("man1");
    let output = run(&["man", folder.to_str().expect("UTF-8")], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let page =
        |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(page("rehearsa.1").contains("rehearsa\\-test(1)"), "{}", page("rehearsa.1"));
    assert!(page("rehearsa-test.1").contains("\\-\\-max\\-age"), "{}", page("rehearsa-test.1"));
    for name in ["plan", "score", "init", "clean", "demo", "report", "merge", "explain", "timer", "timer-install"] {
        page(&format!("rehearsa-{name}.1"));
    }
    std::fs::write(dir.path().join("file"), "").expect("written");
    let taken = dir.path().join("file");
    assert_eq!(run(&["man", taken.to_str().expect("UTF-8")], &[]).status.code(), Some(102));
}

/// Starts `rehearsa test` from a shell that waits for it, and kills the shell.
fn orphaned(ci: &str) -> (std::process::ChildStderr, rustix::process::Pid) {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    let script = "\"$0\" test --docker-wait 60s & echo $!; wait";
    let mut shell = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_rehearsa")])
        .env_clear()
        .envs([("CI", ci), ("HOME", "/nonexistent"), NO_ENGINE[0]])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the shell starts");
    let mut line = String::new();
    BufReader::new(shell.stdout.take().expect("piped")).read_line(&mut line).expect("the shell says the process");
    let pid: u32 = line.trim().parse().expect("a process");
    let started = Instant::now();
    while !listens_for_signals(pid) {
        assert!(started.elapsed() < Duration::from_secs(20), "it never listened");
        std::thread::sleep(Duration::from_millis(10));
    }
    shell.kill().expect("it still waits");
    shell.wait().expect("it ended");
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a process");
    (shell.stderr.take().expect("piped"), pid)
}

#[test]
fn in_a_ci_job_the_end_of_the_shell_ends_a_run_and_elsewhere_it_does_not() {
    use std::io::Read;
    let mut told = String::new();
    // Ends when the orphan has closed it.
    orphaned("true").0.read_to_string(&mut told).expect("text");
    assert!(told.contains("so the CI job is over") && told.contains("error: interrupted"), "{told}");

    let (mut stderr, pid) = orphaned("false");
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it goes on");
    let mut told = String::new();
    stderr.read_to_string(&mut told).expect("text");
    assert!(!told.contains("CI job") && told.contains("error: interrupted"), "{told}");
}

#[test]
fn a_reader_that_goes_away_is_no_crash() {
    use std::io::Read;
    use std::process::Stdio;
    let mut child = rehearsa(&["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("rehearsa starts");
    let mut stdout = child.stdout.take().expect("it is piped");
    stdout.read_exact(&mut [0; 1]).expect("it writes something");
    drop(stdout);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn an_unknown_worker_verb_is_refused() {
    assert_eq!(run(&["worker", "dance"], &[]).status.code(), Some(2));
}

#[test]
fn a_signal_ends_the_wait_for_an_engine_with_its_own_code() {
    use rustix::process::{Pid, Signal, kill_process};
    use std::process::Stdio;
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut child = rehearsa(&["test", "--docker-wait", "60s"])
            .env("DOCKER_HOST", "unix:///nonexistent.sock")
            .stderr(Stdio::piped())
            .spawn()
            .expect("rehearsa starts");
        // Before it listens, a signal would end it as any program.
        let pid = Pid::from_child(&child);
        let started = Instant::now();
        while !listens_for_signals(child.id()) {
            assert!(started.elapsed() < Duration::from_secs(10), "it never listened");
            std::thread::sleep(Duration::from_millis(10));
        }
        kill_process(pid, signal).expect("it still runs");
        let status = child.wait().expect("it ends");
        assert_eq!(status.code(), Some(code));
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}

/// Whether a process has its own handler for SIGINT and SIGTERM, by the kernel's mask of caught signals.
fn listens_for_signals(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << 1) != 0 && mask & (1 << 14) != 0
}
