//! `rehearsa timer` as a program, with a folder for the units and a stub of systemctl. Needs no Docker and no systemd
//! that runs; `systemd-analyze` verifies the units where it is there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Output;

use crate::support::{ci_files, rehearsa, shown, text};

/// A folder for units, a folder with a stub, and what the stub was called with.
struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { dir: tempfile::tempdir().unwrap() };
        desk.stub("exit 0");
        desk
    }

    fn stub(&self, then: &str) {
        let path = self.path("systemctl");
        let script = format!("#!/bin/sh\necho \"$*\" >>{}\n{then}\n", shown(&self.path("calls")));
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, action: &str, args: &[&str]) -> Output {
        let units = shown(&self.path("units"));
        let mut command = rehearsa(&[&["timer", action, "--unit-dir", &units], args].concat());
        let path = format!("{}:{}", shown(self.dir.path()), std::env::var("PATH").unwrap());
        command.current_dir(self.dir.path()).env("PATH", path).env_remove("XDG_RUNTIME_DIR").output().unwrap()
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    fn unit(&self, name: &str) -> String {
        fs::read_to_string(self.path("units").join(name)).unwrap_or_default()
    }

    fn units(&self) -> usize {
        fs::read_dir(self.path("units")).map_or(0, Iterator::count)
    }
}

const RUN: [&str; 6] = ["--at", "04:00", "--", "test", "--max-age", "26h"];

#[test]
fn a_timer_is_written_started_shown_and_removed() {
    let desk = Desk::new();
    let shown_first = desk.run("show", &RUN);
    assert_eq!((shown_first.status.code(), desk.units(), desk.calls().len()), (Some(0), 0, 0), "it writes nothing");

    let output = desk.run("install", &RUN);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(desk.calls(), ["daemon-reload", "enable --now rehearsa.timer"]);
    let (service, timer) = (desk.unit("rehearsa.service"), desk.unit("rehearsa.timer"));
    let program = env!("CARGO_BIN_EXE_rehearsa");
    assert_eq!(ci_files::unit_values(&service, "ExecStart"), [format!("{program} test --max-age 26h")]);
    assert_eq!(ci_files::unit_values(&service, "WorkingDirectory"), [shown(desk.dir.path())]);
    assert_eq!(ci_files::unit_values(&timer, "OnCalendar"), ["*-*-* 04:00:00"]);
    let printed = text(&shown_first.stdout);
    assert!(printed.contains(&service) && printed.contains(&timer), "{printed}");

    // Its own files it writes anew, and removes.
    let output = desk.run("install", &["--at", "05:00", "--", "test"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(ci_files::unit_values(&desk.unit("rehearsa.timer"), "OnCalendar"), ["*-*-* 05:00:00"]);
    let output = desk.run("remove", &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(desk.units(), 0);
    assert_eq!(desk.calls()[4..], ["disable --now rehearsa.timer", "daemon-reload"]);
    assert_eq!(desk.run("remove", &[]).status.code(), Some(2), "there is none any more");
}

#[test]
fn a_file_of_others_is_neither_written_over_nor_removed() {
    let link = |path: &std::path::Path| std::os::unix::fs::symlink("/dev/null", path).unwrap();
    let own = |path: &std::path::Path| fs::write(path, "[Service]\nExecStart=/bin/true\n").unwrap();
    let makes: [&dyn Fn(&std::path::Path); 2] = [&link, &own];
    for name in ["rehearsa.service", "rehearsa.timer"] {
        for make in makes {
            let desk = Desk::new();
            fs::create_dir(desk.path("units")).unwrap();
            make(&desk.path("units").join(name));
            let before = desk.unit(name);
            for (action, args) in [("install", &RUN[..]), ("remove", &[])] {
                let output = desk.run(action, args);
                assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
                assert!(text(&output.stderr).contains("was not written by `rehearsa timer`"), "{name}");
                assert_eq!((desk.unit(name), desk.units(), desk.calls().len()), (before.clone(), 1, 0));
            }
            let output = desk.run("install", &[&["--name", "other"], &RUN[..]].concat());
            assert_eq!((output.status.code(), desk.units()), (Some(0), 3), "{}", text(&output.stderr));
        }
    }
}

#[test]
fn what_would_fail_each_night_is_refused_now_and_nothing_is_written() {
    let desk = Desk::new();
    for (args, words) in [
        (&["--at", "04:00", "--", "test", "--tiemout", "2m"][..], "--tiemout"),
        (&["--at", "04:00", "--", "clean"], "`test` or `score`"),
        (&["--at", "25:00", "--", "test"], "no time of the day"),
        (&["--at", "Someday 04:00", "--", "test"], "systemd refuses the timer"),
        (&["--at", "04:00", "--name", "../x", "--", "test"], "no name of a timer"),
        (&["--at", "04:00", "--credential", "password", "--", "test"], "no variable and file"),
        (&["--at", "04:00", "--credential", "PASSWORD_FILE=/nowhere/password", "--", "test"], "is not there"),
        (&["--at", "04:00", "--credential", "PASSWORD_FILE=/etc", "--", "test"], "is no file"),
        (&["--at", "04:00", "--time-limit", "1h\nUser=x", "--", "test"], "more than one word"),
    ] {
        let output = desk.run("install", args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(words), "{args:?}: {}", text(&output.stderr));
        assert_eq!((desk.units(), desk.calls().len()), (0, 0), "{args:?}");
    }
}

#[test]
fn a_timer_that_rehearses_no_backup_is_told() {
    let desk = Desk::new();
    let noted = |args: &[&str]| {
        let output = desk.run("install", &[&["--at", "04:00", "--", "test"], args].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stderr).contains("The timer rehearses no backup")
    };
    assert!(noted(&["--max-age", "26h"]));
    for named in [["--from", "dir:/b"], ["--plan", "/etc/p.toml"], ["-f", "c.yaml"], ["--stack", "app"]] {
        assert!(!noted(&named), "{named:?}");
    }
    fs::write(desk.path("rehearsa.toml"), "").unwrap();
    assert!(!noted(&["--max-age", "26h"]));
}

#[test]
fn a_systemd_that_refuses_is_told_with_its_words() {
    let desk = Desk::new();
    desk.stub("echo no bus >&2; exit 1");
    let output = desk.run("install", &RUN);
    assert_eq!(output.status.code(), Some(102), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("`systemctl daemon-reload` failed: no bus"), "{}", text(&output.stderr));
    assert_eq!(desk.units(), 2, "the files are there");
}

#[test]
fn the_timer_of_a_user_is_in_the_users_folder() {
    let desk = Desk::new();
    let path = format!("{}:{}", shown(desk.dir.path()), std::env::var("PATH").unwrap());
    let words = ["timer", "install", "--user", "--at", "daily", "--", "test", "--from", "tar:a b-%H.tar"];
    let mut command = rehearsa(&words);
    command.current_dir(desk.dir.path()).env("PATH", path).env("XDG_CONFIG_HOME", desk.path("config"));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let service = fs::read_to_string(desk.path("config/systemd/user/rehearsa.service")).unwrap();
    let [line] = &ci_files::unit_values(&service, "ExecStart")[..] else { panic!("{service}") };
    assert!(line.ends_with(" test --from \"tar:a b-%%H.tar\""), "{line}");
    assert!(!service.contains("docker.service"), "a unit of the system: {service}");
    assert_eq!(desk.calls(), ["--user daemon-reload", "--user enable --now rehearsa.timer"]);
}

#[test]
fn the_samples_are_what_systemd_reads() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["rehearsa.service", "rehearsa.timer"] {
        let unit = ci_files::read(&format!("ci/systemd/{name}")).replace("/usr/local/bin/rehearsa", "/bin/true");
        fs::write(dir.path().join(name), unit).unwrap();
    }
    let units = ["rehearsa.service", "rehearsa.timer"].map(|name| dir.path().join(name));
    let output = std::process::Command::new("systemd-analyze").arg("verify").args(units).output();
    let output = output.expect("systemd-analyze is there");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
}
