//! How programs of the owner's are run: shell scripts stand in for them.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::local_host::context;
use rehearsa::model::environment::Environment;
use rehearsa::model::secret::Secret;
use rehearsa::source::tool::{Patience, RunFolder, Tool, ToolCall, ToolKind};
use rehearsa::source::{SourceContext, SourceError};

const LONG: Duration = Duration::from_secs(600);

static TOOL: ToolKind = ToolKind {
    name: "fixture-tool",
    own: &["FIXTURE_*"],
    kept: &["FIXTURE_PASSWORD"],
    patience: Patience { silence: LONG, retries: LONG },
    is_retry: |line| line.contains("retrying"),
};

static HASTY: ToolKind =
    ToolKind { patience: Patience { silence: Duration::from_secs(2), retries: LONG }, ..copy(&TOOL) };

static WEARY: ToolKind =
    ToolKind { patience: Patience { silence: LONG, retries: Duration::from_secs(2) }, ..copy(&TOOL) };

const fn copy(kind: &ToolKind) -> ToolKind {
    ToolKind { name: kind.name, own: kind.own, kept: kind.kept, patience: kind.patience, is_retry: kind.is_retry }
}

/// A script that is a program, in a folder of its own.
struct Script {
    folder: tempfile::TempDir,
}

impl Script {
    fn new(text: &str) -> Script {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(TOOL.name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Script { folder }
    }

    fn context(&self, more: &[(&str, &str)]) -> SourceContext {
        let path = format!("{}:/usr/bin:/bin", self.folder.path().display());
        let temporary = self.folder.path().display().to_string();
        let variables = [("PATH", path.as_str()), ("TMPDIR", &temporary)];
        SourceContext { environment: variables.iter().chain(more).copied().collect::<Environment>(), ..context() }
    }

    fn tool(&self, kind: &'static ToolKind) -> Tool {
        Tool::find(kind, None, &self.context(&[])).unwrap()
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn text(tool: &Tool, args: &[&str]) -> String {
    let (output, end) = ToolCall::new(tool).args(args).output(16 << 20).unwrap();
    assert!(end.success(), "{}", end.told());
    String::from_utf8(output).unwrap()
}

/// Whether a process lives: a dead one that nobody has reaped does not.
fn lives(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

/// Waits for something that another process does.
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_program_has_a_session_of_its_own_no_input_and_an_environment_of_ours() {
    let script = Script::new(
        "cut -d' ' -f6,7 /proc/$$/stat; echo $$; readlink /proc/self/fd/0; \
         echo \"$LC_ALL/$FIXTURE_HOST/$FIXTURE_PASSWORD/$REHEARSA_PASSPHRASE/$OTHER/$SET/$1\"",
    );
    let environment = [
        ("LC_ALL", "de_DE.UTF-8"),
        ("FIXTURE_HOST", "elsewhere"),
        ("FIXTURE_PASSWORD", "kept"),
        ("REHEARSA_PASSPHRASE", "fixture"),
        ("OTHER", "other"),
    ];
    let tool = Tool::find(&TOOL, None, &script.context(&environment)).unwrap();
    let (output, end) = ToolCall::new(&tool).args(["arg ument"]).variable("SET", "set").output(1 << 20).unwrap();
    assert!(end.success(), "{}", end.told());
    let output = String::from_utf8(output).unwrap();
    let lines: Vec<&str> = output.lines().collect();
    // The session is the program's own, and it has no terminal.
    assert_eq!(lines[0], format!("{} 0", lines[1]), "{output}");
    assert_eq!(lines[2..], ["/dev/null", "C//kept//other/set/arg ument"], "{output}");
}

#[test]
fn a_program_that_is_missing_is_told_from_one_that_fails() {
    let script = Script::new("echo 'Fatal: no such thing' >&2; echo half; exit 3");
    let nowhere = SourceContext { environment: [("PATH", "/none")].into_iter().collect(), ..context() };
    let error = Tool::find(&TOOL, None, &nowhere).unwrap_err();
    assert!(matches!(&error, SourceError::ToolMissing(words) if words.contains("PATH has no fixture-tool")), "{error}");
    let error = Tool::find(&TOOL, Some(Path::new("/none/tool")), &nowhere).unwrap_err();
    assert!(matches!(&error, SourceError::ToolMissing(words) if words.contains("/none/tool")), "{error}");
    let tool = Tool::find(&TOOL, Some(&script.at(TOOL.name)), &nowhere).unwrap();
    let (output, end) = ToolCall::new(&tool).output(100).unwrap();
    assert_eq!((output.as_slice(), end.code()), (&b"half\n"[..], Some(3)));
    assert_eq!(end.told(), "exit code 3: Fatal: no such thing");
    assert!(ToolCall::new(&tool).output(3).unwrap_err().to_string().contains("more than 3 bytes"));
    let killed = Script::new("kill -TERM $$");
    let (_, end) = ToolCall::new(&killed.tool(&TOOL)).output(100).unwrap();
    assert_eq!((end.success(), end.told().as_str()), (false, "ended by signal 15"));
}

#[test]
fn secrets_are_in_no_argument_and_hidden_in_the_programs_words() {
    let script = Script::new("echo \"opening with $SET_PASSWORD\" >&2; tr '\\0' ' ' </proc/$$/cmdline; exit 1");
    let secret = Secret::new("fixture-tool-hunter2");
    let tool = script.tool(&TOOL);
    let (output, end) = ToolCall::new(&tool).secret("SET_PASSWORD", &secret).output(1 << 20).unwrap();
    assert!(!String::from_utf8(output).unwrap().contains("hunter2"));
    assert!(end.says("opening with") && !end.says("hunter2"), "{}", end.told());
}

#[test]
fn a_secret_on_standard_input_is_in_no_environment_and_hidden_in_the_programs_words() {
    let script = Script::new("tr '\\0' ' ' </proc/$$/environ; read -r secret; echo \"got $secret\" >&2; exit 1");
    let secret = Secret::new("fixture-tool-hunter2");
    let tool = script.tool(&TOOL);
    let (output, end) = ToolCall::new(&tool).secret_input(&secret).output(1 << 20).unwrap();
    assert!(!String::from_utf8(output).unwrap().contains("hunter2"));
    assert!(end.says("got ") && !end.says("hunter2"), "{}", end.told());
    // A program that does not read it ends as always, and one that waits for more sees the end.
    let (_, end) = ToolCall::new(&Script::new("exit 0").tool(&TOOL)).secret_input(&secret).output(100).unwrap();
    assert!(end.success());
    let (output, _) = ToolCall::new(&Script::new("cat | wc -c").tool(&TOOL)).secret_input(&secret).output(100).unwrap();
    assert_eq!(String::from_utf8(output).unwrap().trim(), "20");
    let long = Secret::new("x".repeat(40_000));
    let refused = ToolCall::new(&tool).secret_input(&long).output(100).unwrap_err();
    assert!(matches!(refused, SourceError::NoKey(_)), "{refused}");
}

#[test]
fn a_program_that_says_nothing_is_stopped_by_our_clock() {
    let script = Script::new("echo $$ >pid; echo 'asking the server' >&2; exec sleep 1000");
    let tool = script.tool(&HASTY);
    let error = ToolCall::new(&tool).folder(script.folder.path()).output(100).unwrap_err();
    let words = error.to_string();
    assert!(matches!(error, SourceError::NoAnswer(_)), "{words}");
    assert!(words.contains("fixture-tool has said nothing for") && words.contains("asking the server"), "{words}");
    assert!(!lives(&fs::read_to_string(script.at("pid")).unwrap()));
}

#[test]
fn a_program_that_tries_again_for_ever_is_stopped_though_it_talks() {
    let script = Script::new("while :; do echo 'Load returned error, retrying after 1s' >&2; sleep 0.1; done");
    let error = ToolCall::new(&script.tool(&WEARY)).output(100).unwrap_err();
    let words = error.to_string();
    assert!(matches!(error, SourceError::NoAnswer(_)) && words.contains("has tried again for"), "{words}");
    // One that gets on after it has tried again is not stopped.
    let script = Script::new("echo retrying >&2; sleep 0.1; echo more; exec 1>&-; sleep 1");
    assert!(ToolCall::new(&script.tool(&WEARY)).output(100).is_ok());
}

#[test]
fn the_clock_stands_still_while_nobody_reads() {
    let script = Script::new("echo one; read -r _ <fifo; echo two");
    let status = Command::new("mkfifo").arg(script.at("fifo")).status().unwrap();
    assert!(status.success());
    let tool = script.tool(&HASTY);
    let mut running = ToolCall::new(&tool).folder(script.folder.path()).start().unwrap();
    let mut first = [0; 4];
    running.read_exact(&mut first).unwrap();
    // Longer than the program may be silent.
    std::thread::sleep(HASTY.patience.silence * 2);
    fs::write(script.at("fifo"), "go on\n").unwrap();
    let mut rest = String::new();
    running.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "two\n");
    assert!(running.finish().unwrap().success());
}

#[test]
fn a_program_that_is_dropped_is_interrupted_and_one_that_does_not_care_is_killed_with_its_children() {
    // A suite that is started in the background has interrupts ignored, and a shell cannot trap what it finds ignored.
    let polite = Script::new(
        "exec env --default-signal=INT sh -c \"trap 'echo gone >told; exit 130' INT; echo begun; \
         while :; do sleep 0.05; done\"",
    );
    let tool = polite.tool(&TOOL);
    let mut running = ToolCall::new(&tool).folder(polite.folder.path()).start().unwrap();
    running.read_exact(&mut [0; 6]).unwrap();
    drop(running);
    assert_eq!(fs::read_to_string(polite.at("told")).unwrap(), "gone\n");
    // This one has a full pipe and a child, and ignores the interrupt.
    let stubborn = Script::new("trap '' INT; sleep 1000 & echo $$ $! >pids; echo begun; exec yes");
    let tool = stubborn.tool(&TOOL);
    let mut running = ToolCall::new(&tool).folder(stubborn.folder.path()).start().unwrap();
    running.read_exact(&mut [0; 6]).unwrap();
    drop(running);
    let pids = fs::read_to_string(stubborn.at("pids")).unwrap();
    for pid in pids.split_whitespace() {
        wait_until("the program and its child have ended", || !lives(pid));
    }
}

#[test]
fn a_program_that_leaves_a_child_with_its_output_behind_has_ended() {
    let script = Script::new("sleep 1000 >/dev/null & echo done; echo words >&2; exit 0");
    let (output, end) = ToolCall::new(&script.tool(&HASTY)).output(100).unwrap();
    assert_eq!((output.as_slice(), end.told().as_str()), (&b"done\n"[..], "exit code 0: words"));
}

#[test]
fn a_program_ends_with_its_parent_also_after_a_kill() {
    let script = Script::new("echo $$ >pid.new; mv pid.new pid; exec sleep 1000");
    // A shell is the parent, as rehearsa would be.
    let call = format!("{} tool start $$ {}", env!("CARGO_BIN_EXE_rehearsa"), script.at(TOOL.name).display());
    let mut parent = Command::new("sh")
        .args(["-c", &format!("{call}; true")])
        .current_dir(script.folder.path())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the program runs", || script.at("pid").exists());
    let pid = fs::read_to_string(script.at("pid")).unwrap();
    assert!(lives(&pid));
    parent.kill().unwrap();
    parent.wait().unwrap();
    wait_until("the program has ended with its parent", || !lives(&pid));
    // One whose parent is gone already is not started.
    let orphan = Command::new(env!("CARGO_BIN_EXE_rehearsa")).args(["tool", "start", "1", "/bin/true"]).output();
    let orphan = orphan.unwrap();
    assert_eq!(orphan.status.code(), Some(127));
    assert!(String::from_utf8_lossy(&orphan.stderr).contains("has ended"));
}

#[test]
fn a_temporary_folder_goes_with_its_owner_also_after_a_kill() {
    let script = Script::new("");
    let folder = RunFolder::make(&script.context(&[])).unwrap();
    let path = folder.path().to_owned();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    fs::create_dir_all(path.join("cache/deep")).unwrap();
    drop(folder);
    assert!(!path.exists());
    // A keeper whose owner is killed sees the end of its input.
    let path = script.at("rehearsa-tool-killed");
    fs::create_dir_all(path.join("cache")).unwrap();
    let keep = |path: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rehearsa"));
        command.args(["tool", "keep"]).arg(path).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut keeper = keep(&path);
    assert!(path.exists());
    drop(keeper.stdin.take());
    assert!(keeper.wait().unwrap().success() && !path.exists());
    // It removes no other folder.
    fs::create_dir(script.at("data")).unwrap();
    let refused = keep(&script.at("data")).wait_with_output().unwrap();
    assert!(!refused.status.success() && script.at("data").exists());
}

#[test]
fn output_comes_whole_however_long_it_is() {
    let script = Script::new("seq 1 200000; seq 1 20000 >&2");
    let output = text(&script.tool(&TOOL), &[]);
    assert_eq!(output.lines().count(), 200_000);
    assert!(output.ends_with("199999\n200000\n"));
}

#[test]
fn a_confined_program_reads_what_is_named_and_nothing_else_and_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (own, foreign) = (folder.path().join("own"), folder.path().join("foreign"));
    fs::create_dir(&own).unwrap();
    fs::write(own.join("compose.yaml"), "services").unwrap();
    fs::write(&foreign, "SECRET").unwrap();
    std::os::unix::fs::symlink(&foreign, own.join("link")).unwrap();
    let shell = Tool::at(&TOOL, "/bin/sh".into(), &Environment::default(), &context().executable);
    let told = |script: &str| {
        let call = ToolCall::new(&shell).args(["-c", script, "sh"]).args([&own, &foreign]);
        let (output, end) = call.confined(std::slice::from_ref(&own)).output(1 << 20).unwrap();
        (String::from_utf8(output).unwrap(), end)
    };
    let (output, end) = told("read line < $1/compose.yaml; echo $line");
    assert_eq!((output.trim(), end.success()), ("services", true), "{}", end.told());
    for script in [
        "read line < $2; echo $line",
        "read line < $1/link; echo $line",
        "read line < $1/../foreign; echo $line",
        "read line < /proc/self/environ; echo $line",
        "read line < /etc/passwd; echo $line",
        "echo x > $1/new && echo written",
        "/bin/cat $1/compose.yaml",
    ] {
        let (output, end) = told(script);
        assert_eq!(output.trim(), "", "{script}: {}", end.told());
        assert!(end.words.iter().any(|line| line.contains("ermission denied")), "{script}: {:?}", end.words);
    }
}
