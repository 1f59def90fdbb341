//! The service that `rehearsa timer` writes, started as systemd starts it.

use std::fs;
use std::process::Output;

use rustix::process::Signal;

use super::checkout::{Case, Checkout, cancel_by, send, told};
use crate::support::ci_files::unit_values;
use crate::support::{restic, shown};

/// A checkout with the units of a timer, made by `rehearsa timer install`.
struct Installed {
    checkout: Checkout,
    service: String,
}

impl Installed {
    fn new(case: Case) -> Self {
        let checkout = Checkout::new(case);
        fs::write(checkout.beside("bin/systemctl"), "#!/bin/sh\nexit 0\n").expect("written");
        let status = std::process::Command::new("chmod").arg("+x").arg(checkout.beside("bin/systemctl")).status();
        assert!(status.expect("chmod starts").success());
        fs::write(checkout.beside("password"), restic::PASSWORD).expect("written");
        let (units, from) = (shown(&checkout.beside("units")), format!("restic:{}", checkout.secrets()[0].1));
        let credential = format!("RESTIC_PASSWORD_FILE={}", shown(&checkout.beside("password")));
        let program = env!("CARGO_BIN_EXE_rehearsa");
        let timer = [program, "timer", "install", "--at", "04:00", "--unit-dir", &units, "--credential", &credential];
        let run =
            ["--", "test", "--settle", "0s", "--file", "compose.yaml", "--from", &from, "--report-dir", "reports"];
        let output = checkout.command(&[&timer[..], &run].concat(), &Default::default()).output().expect("it starts");
        assert!(output.status.success(), "{}", told(&output));
        let service = fs::read_to_string(checkout.beside("units/rehearsa.service")).expect("it was written");
        Self { checkout, service }
    }

    /// The command of this key, with the credentials where systemd puts them.
    fn command(&self, key: &str) -> std::process::Command {
        let credentials = self.checkout.beside("credentials");
        fs::create_dir_all(&credentials).expect("made");
        for credential in unit_values(&self.service, "LoadCredential") {
            let (name, file) = credential.split_once(':').expect("a name and a file");
            fs::copy(file, credentials.join(name)).expect("copied");
        }
        let specified = |text: &str| text.replace("%d", &shown(&credentials)).replace("%%", "%");
        let [line] = &unit_values(&self.service, key)[..] else { panic!("{key}: {}", self.service) };
        assert!(!line.contains('"'), "these words need no quotes: {line}");
        let words: Vec<String> = line.trim_start_matches('-').split(' ').map(specified).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = self.checkout.command(&words, &Default::default());
        command.current_dir(&unit_values(&self.service, "WorkingDirectory")[0]);
        for variable in unit_values(&self.service, "Environment") {
            let (name, value) = variable.split_once('=').expect("a variable");
            command.env(name, specified(value));
        }
        // systemd sets no such variable.
        command.env_remove("CI");
        command
    }

    fn start(&self) -> Output {
        self.command("ExecStart").output().expect("it starts")
    }
}

#[test]
#[ignore = "nightly: tests/offline/timer.rs reads the files at every push"]
fn the_service_of_a_timer_rehearses_with_its_credential() {
    let installed = Installed::new(Case::Good);
    let output = installed.start();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    installed.checkout.is_green("reports", &told(&output));
    for (case, code) in [(Case::Bad, 101), (Case::Empty, 4)] {
        let output = Installed::new(case).start();
        assert_eq!(output.status.code(), Some(code), "{case:?}: {}", told(&output));
    }
}

#[test]
#[ignore = "nightly: the action of GitHub is cancelled at every push"]
fn the_service_of_a_timer_that_is_stopped_or_killed_leaves_nothing() {
    let installed = Installed::new(Case::Hangs);
    let output = cancel_by(installed.command("ExecStart"), |processes| send(processes[0], Signal::TERM));
    assert_eq!(output.status.code(), Some(143), "{}", told(&output));
    installed.checkout.nothing_is_left("reports");
    let output = cancel_by(installed.command("ExecStart"), |processes| send(processes[0], Signal::KILL));
    assert_eq!(output.status.code(), None, "{}", told(&output));
    let output = installed.command("ExecStopPost").output().expect("it starts");
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    installed.checkout.nothing_is_left("reports");
}
