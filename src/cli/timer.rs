//! `rehearsa timer`: writes, shows and removes a service and a timer of systemd that rehearse regularly. A file that
//! Rehearsa did not write is neither changed nor removed.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Parser;

use super::args::{BackupArgs, Cli, Command as Typed, TimerAction, TimerArgs, TimerName, TimerUnits};
use super::console;
use super::exit::Failure;
use super::timer_units::{MARK, TimerSpec, calendar};
use crate::config::{Environment, plan_file};

/// Where the files of the system's own service manager are.
const SYSTEM_FOLDER: &str = "/etc/systemd/system";

/// The command.
pub fn run(args: &TimerArgs, env: &Environment) -> Result<(), Failure> {
    match &args.action {
        TimerAction::Show(asked) => {
            let units = Units::make(asked, env)?;
            let [service, timer] = units.files();
            console::print(&format!("# {}\n{}\n# {}\n{}", service.0, service.1, timer.0, timer.1))
        }
        TimerAction::Install(asked) => {
            let units = Units::make(asked, env)?;
            asked.credential.iter().try_for_each(|text| is_there(&credential(text)?.1))?;
            if names_no_backup(&asked.command, plan_file::NAME) {
                console::note(&format!(
                    "The timer rehearses no backup, only copies of the live data: this folder has no {}, and the \
                     command has none of --from, --plan, -f and --stack. Call this in the folder of the plan file, or \
                     name the backup",
                    plan_file::NAME
                ));
            }
            units.install()
        }
        TimerAction::Remove(which) => Place::find(which, env)?.remove(),
    }
}

/// Where the files of a timer are, and who obeys them.
struct Place {
    name: String,
    folder: PathBuf,
    is_user: bool,
}

impl Place {
    fn find(which: &TimerName, env: &Environment) -> Result<Self, Failure> {
        let TimerName { name, user, unit_dir } = which;
        let is_known = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.starts_with('-') || !name.chars().all(is_known) {
            let message = format!("--name: `{name}` is no name of a timer: it may have letters, digits, `-` and `_`");
            return Err(Failure::usage(message));
        }
        let config = || {
            let home = || Some(Path::new(env.get("HOME")?).join(".config"));
            env.get("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home)
        };
        let folder = match (unit_dir, user) {
            (Some(folder), _) => folder.clone(),
            (None, false) => PathBuf::from(SYSTEM_FOLDER),
            (None, true) => match config() {
                Some(folder) => folder.join("systemd/user"),
                None => return Err(Failure::usage("--user: HOME is not set, so the user's folder is not known")),
            },
        };
        Ok(Self { name: name.clone(), folder, is_user: *user })
    }

    fn path(&self, ending: &str) -> PathBuf {
        self.folder.join(format!("{}.{ending}", self.name))
    }

    fn timer(&self) -> String {
        format!("{}.timer", self.name)
    }

    /// The files that are there. Fails if one of them is not Rehearsa's.
    fn own_files(&self) -> Result<Vec<PathBuf>, Failure> {
        let mut there = Vec::new();
        for path in [self.path("timer"), self.path("service")] {
            match is_own(&path) {
                Ok(None) => {}
                Ok(Some(true)) => there.push(path),
                Ok(Some(false)) => {
                    let message =
                        format!("{} was not written by `rehearsa timer`, so it is left alone", path.display());
                    return Err(Failure::usage(message).hint("choose another name with --name, or remove that file"));
                }
                Err(error) => return Err(failed("read", &path, error)),
            }
        }
        Ok(there)
    }

    fn remove(&self) -> Result<(), Failure> {
        let files = self.own_files()?;
        if files.is_empty() {
            let message = format!("there is no timer {} in {}", self.name, self.folder.display());
            return Err(Failure::usage(message).hint("--name names another timer, --user those of this user"));
        }
        let stopped = self.systemctl(&["disable", "--now", &self.timer()]);
        for file in &files {
            fs::remove_file(file).map_err(|error| failed("remove", file, error))?;
            console::note(&format!("Removed {}", file.display()));
        }
        // Without its files the timer is gone at the next start of the machine at the latest.
        stopped.and_then(|()| self.systemctl(&["daemon-reload"]))
    }

    fn systemctl(&self, args: &[&str]) -> Result<(), Failure> {
        let user: &[&str] = if self.is_user { &["--user"] } else { &[] };
        let words = [user, args].concat().join(" ");
        let mut command = Command::new("systemctl");
        let run = command.args(user).args(args).stdin(Stdio::null()).stdout(Stdio::null()).output();
        let why = match run {
            Ok(output) if output.status.success() => return Ok(()),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => error.to_string(),
        };
        Err(Failure::errored(format!("`systemctl {words}` failed: {why}")).hint(format!(
            "the files are as `rehearsa timer` says; systemd does not obey them before `systemctl {words}` has worked"
        )))
    }
}

/// Both files of a timer.
struct Units {
    place: Place,
    service: String,
    timer: String,
}

impl Units {
    fn make(asked: &TimerUnits, env: &Environment) -> Result<Self, Failure> {
        let place = Place::find(&asked.which, env)?;
        refuse_mistyped(&asked.command)?;
        let calendar = calendar(&asked.at).map_err(|wrong| Failure::usage(format!("--at: {wrong}")))?;
        let credentials = asked.credential.iter().map(|text| credential(text)).collect::<Result<Vec<_>, _>>()?;
        one_word("--time-limit", Some(&asked.time_limit))?;
        one_word("--on-failure", asked.on_failure.as_ref())?;
        let program = std::env::current_exe().map_err(|error| failed("find", Path::new("this program"), error))?;
        let folder = std::env::current_dir().map_err(|error| failed("find", Path::new("this folder"), error))?;
        for path in [&program, &folder] {
            if path.to_str().is_none_or(|text| text.contains(char::is_control)) {
                let message = format!("systemd cannot be given the path {}, which is no plain text", path.display());
                return Err(Failure::usage(message).hint("rename it, or call rehearsa from another folder"));
            }
        }
        let spec = TimerSpec {
            name: &place.name,
            calendar: &calendar,
            program: &program.display().to_string(),
            command: &asked.command,
            folder: &folder,
            credentials: &credentials,
            on_failure: asked.on_failure.as_deref(),
            time_limit: &asked.time_limit,
            is_user: place.is_user,
        };
        let (service, timer) = (spec.service(), spec.timer());
        Ok(Self { place, service, timer })
    }

    /// Names and contents.
    fn files(&self) -> [(String, &str); 2] {
        let name = &self.place.name;
        [(format!("{name}.service"), &self.service), (format!("{name}.timer"), &self.timer)]
    }

    fn install(&self) -> Result<(), Failure> {
        let place = &self.place;
        place.own_files()?;
        fs::create_dir_all(&place.folder).map_err(|error| failed("create", &place.folder, error))?;
        self.verify()?;
        for (name, text) in self.files() {
            let path = place.folder.join(name);
            write(&path, text).map_err(|error| failed("write", &path, error))?;
            console::note(&format!("Wrote {}", path.display()));
        }
        place.systemctl(&["daemon-reload"])?;
        place.systemctl(&["enable", "--now", &place.timer()])?;
        let user = if place.is_user { "--user " } else { "" };
        console::note(&format!(
            "The timer runs: `systemctl {user}list-timers {}` says when it starts, and \
             `systemctl {user}start {}.service` starts a rehearsal now",
            place.timer(),
            place.name
        ));
        Ok(())
    }

    /// Has systemd read the files before they are put where systemd obeys them.
    fn verify(&self) -> Result<(), Failure> {
        let folder = tempfile::tempdir().map_err(|error| failed("create", &std::env::temp_dir(), error))?;
        let mut command = Command::new("systemd-analyze");
        command.arg("verify").args(self.place.is_user.then_some("--user"));
        for (name, text) in self.files() {
            let path = folder.path().join(name);
            fs::write(&path, text).map_err(|error| failed("write", &path, error))?;
            command.arg(path);
        }
        match command.stdin(Stdio::null()).output() {
            Ok(output) if output.status.success() => Ok(()),
            // Without a session of the user, systemd reads nothing.
            Ok(output) if String::from_utf8_lossy(&output.stderr).contains("Failed to initialize manager") => {
                console::note("The files were not verified: systemd has no session of this user");
                Ok(())
            }
            Ok(output) => {
                let told = String::from_utf8_lossy(&output.stderr).replace(&folder.path().display().to_string(), "");
                let message = format!("systemd refuses the timer, so it was not written: {}", told.trim());
                Err(Failure::usage(message).hint("`rehearsa timer show` prints what was refused"))
            }
            Err(error) => {
                console::note(&format!("The files were not verified: `systemd-analyze` cannot be started: {error}"));
                Ok(())
            }
        }
    }
}

/// Whether neither the command nor a plan file of this folder can name a backup. A label can with one flag.
fn names_no_backup(command: &[String], plan_file: &str) -> bool {
    let words = std::iter::once("rehearsa").chain(command.iter().map(String::as_str));
    let is_named = match Cli::try_parse_from(words) {
        Ok(Cli { command: Typed::Test(args), .. }) => {
            let is_of_stack = !args.compose.file.is_empty() || !args.compose.stack.is_empty();
            is_of_stack || args.rehearsal.plan.is_some() || may_name(&args.rehearsal.backup)
        }
        Ok(Cli { command: Typed::Score(args), .. }) => args.plan.is_some() || may_name(&args.backup),
        _ => true,
    };
    !is_named && !Path::new(plan_file).exists()
}

fn may_name(args: &BackupArgs) -> bool {
    !args.from.is_empty() || args.allow_label_paths
}

/// A command that would fail each night is refused now.
fn refuse_mistyped(command: &[String]) -> Result<(), Failure> {
    let words = std::iter::once("rehearsa").chain(command.iter().map(String::as_str));
    match Cli::try_parse_from(words) {
        Ok(Cli { command: Typed::Test(_) | Typed::Score(_), .. }) => Ok(()),
        Ok(_) => Err(Failure::usage("the command of a timer is `test` or `score`, with its arguments")),
        Err(error) => {
            let message = error.render().to_string();
            Err(Failure::usage(format!("the command of the timer: {}", message.trim_start_matches("error: ").trim())))
        }
    }
}

fn credential(text: &str) -> Result<(String, String), Failure> {
    let is_variable = |name: &str| {
        let is_known = |c: char| c.is_ascii_alphanumeric() || c == '_';
        !name.is_empty() && name.chars().all(is_known) && !name.starts_with(|c: char| c.is_ascii_digit())
    };
    match text.split_once('=') {
        Some((variable, file))
            if is_variable(variable) && file.starts_with('/') && !file.contains(char::is_whitespace) =>
        {
            Ok((variable.to_owned(), file.to_owned()))
        }
        _ => Err(Failure::usage(format!(
            "--credential: `{text}` is no variable and file; write `RESTIC_PASSWORD_FILE=/etc/rehearsa/password`, \
             with the whole path and without blanks"
        ))),
    }
}

/// Refuses a credential whose file is not there: systemd would start nothing, and only its journal would say so.
fn is_there(file: &str) -> Result<(), Failure> {
    match fs::metadata(file) {
        Ok(meta) if !meta.is_file() => Err(Failure::usage(format!("--credential: {file} is no file"))),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            let message = format!("--credential: {file} is not there, and systemd would not start the service");
            Err(Failure::usage(message).hint("write the secret into this file first, readable for its owner only"))
        }
        // What this user may not see, systemd may.
        _ => Ok(()),
    }
}

fn one_word(flag: &str, text: Option<&String>) -> Result<(), Failure> {
    match text.filter(|text| text.contains(|c: char| c.is_whitespace() || c.is_control())) {
        Some(text) => Err(Failure::usage(format!("{flag}: `{}` is more than one word", text.escape_debug()))),
        None => Ok(()),
    }
}

/// Whether Rehearsa wrote this file; `None`: there is none. A link, as of a unit that is masked, is not Rehearsa's.
fn is_own(path: &Path) -> io::Result<Option<bool>> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => Ok(Some(false)),
        Ok(_) => Ok(Some(fs::read(path)?.starts_with(MARK.as_bytes()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Replaces the file as a whole.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    file.persist(path)?;
    Ok(())
}

fn failed(what: &str, path: &Path, error: io::Error) -> Failure {
    Failure::errored(format!("cannot {what} {}: {error}", path.display()))
}
