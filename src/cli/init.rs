//! `rehearsa init`: writes a plan file for what runs on the host, with the parts of a backup that belong to it.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::args::{Global, InitArgs};
use super::connection::Endpoint;
use super::exit::Failure;
use super::init_text::{FoundPart, WrittenSource};
use super::no_match::ServiceOrigin;
use super::prepare::{Host, find_services};
use super::survey::SourceOptions;
use super::{console, identity, init_text, no_match, prepare, runtime, signals};
use crate::config::resolve::{self, Flags};
use crate::config::settings::Settings;
use crate::config::values::source;
use crate::config::{Environment, SettingOrigin, plan_file};
use crate::model::diagnosis::{Code, Diagnosis, Severity};
use crate::model::outcome::ExitCode;
use crate::model::plan::Plan;
use crate::model::service::Service;
use crate::model::settings::ServiceSettings;
use crate::model::source::{Keys, SecretPlace, SourcePlace, SourceSpec};
use crate::plan::draft;
use crate::report::target::{Replace, write_whole};

/// The command.
pub fn run(args: &InitArgs, global: &Global, env: &Environment) -> Result<ExitCode, Failure> {
    let path = args.output.clone().unwrap_or_else(|| PathBuf::from(plan_file::NAME));
    let to_stdout = path == Path::new("-");
    if !to_stdout && !args.force && path.exists() {
        return Err(there_already(&path));
    }
    let flags =
        Flags { passphrase_file: args.passphrase_file.clone(), identity: args.identity.clone(), ..Flags::default() };
    let keys = resolve::keys(&flags, env);
    let source = args.from.as_deref().map(|text| source_for(text, keys, &path)).transpose()?.flatten();
    let spec = source.as_ref().map(|source| source.here.clone());
    let mut settings = Settings::default();
    settings.selection.filters.clone_from(&args.filters);
    let endpoint = Endpoint::resolve(&global.connection, env)?;
    let runtime = runtime::start()?;
    let (stop, Host { daemon, services, stopped }) = runtime.block_on(async {
        let stop = signals::listen(env);
        let host = find_services(&endpoint, &stop).await?;
        Ok::<_, Failure>((stop, host))
    })?;
    // A label may name a source of the very file that is about to be written.
    let with_settings = |service: Service| {
        let rehearsal = settings.for_service(&service).unwrap_or_default();
        (service, ServiceSettings { source: spec.clone(), unusable: None, ..rehearsal })
    };
    let services: Vec<(Service, ServiceSettings)> = services.into_iter().map(with_settings).collect();
    let draft = draft(services, &settings.selection);
    let count = draft.selection.iter().filter(|service| service.is_selected()).count();
    if count == 0 {
        console::note(&no_match::reason(&draft.selection, ServiceOrigin::Host(&stopped), &settings.selection));
        return Ok(ExitCode::NothingSelected);
    }
    let programs = resolve::programs(&flags, env);
    let options = SourceOptions { snapshot: None, environment: env, programs };
    let plan = runtime.block_on(prepare::survey_and_resolve(draft, &daemon, &options, &stop))?.plan;
    if let Some(diagnosis) = unread(&plan) {
        let failure = Failure::errored(diagnosis.message.clone());
        return Err(failure.hint(format!("{} No plan file was written.", diagnosis.remedy())));
    }
    // The user fills in what was not found.
    let blocked = plan.cases().filter_map(|case| case.blocked.as_ref()).map(|diagnosis| diagnosis.message.as_str());
    for message in blocked.collect::<BTreeSet<_>>() {
        console::note(message);
    }
    let text = init_text::render(&plan, source.as_ref().map(|source| &source.written), &found(&plan));
    if to_stdout {
        console::print(&text)?;
        return Ok(ExitCode::Passed);
    }
    write(&path, &text, args.force)?;
    let file = path.display();
    let services = if count == 1 { "1 service".to_owned() } else { format!("{count} services") };
    console::note(&format!("Wrote {file} for {services}; `rehearsa plan --check` checks it"));
    Ok(ExitCode::Passed)
}

/// Why nothing could be found out about the backup, if so: then nothing is known that could be written down.
fn unread(plan: &Plan) -> Option<&Diagnosis> {
    let mut blocked = plan.cases().filter_map(|case| case.blocked.as_ref());
    let is_unread = |code: Code| code.as_str().starts_with("source/") && code.severity() == Severity::Errored;
    blocked.find(|diagnosis| is_unread(diagnosis.code))
}

/// The parts of the backup that were found.
fn found(plan: &Plan) -> Vec<FoundPart> {
    let mut found = Vec::new();
    for stack in &plan.stacks {
        for service in &stack.services {
            for mount in &service.mounts {
                let restore = mount.restore.and_then(|index| stack.restores.get(index));
                let Some(part) = restore.and_then(|restore| restore.part.as_ref()) else { continue };
                // A path that is no text cannot be written down.
                let Ok(path) = String::from_utf8(part.path.clone()) else { continue };
                let (service, mount) = (service.service.name.clone(), mount.mount.target.clone());
                found.push(FoundPart { service, mount, path });
            }
        }
    }
    found
}

/// The source that `--from` names.
struct InitSource {
    /// The source as seen from the working directory.
    here: SourceSpec,
    /// The source as the plan file names it.
    written: WrittenSource,
}

/// `None`: the live service. A relative path is made relative to the plan file's folder, too.
fn source_for(text: &str, keys: Keys, file: &Path) -> Result<Option<InitSource>, Failure> {
    if text.trim() == "live" {
        return Ok(None);
    }
    let place = source::parse(&SettingOrigin::Flag("--from"), text, Path::new(""))?;
    let here = SourceSpec { place: place.clone(), snapshot: None, keys: keys.clone() };
    let beside = file.parent().is_none_or(|folder| folder.as_os_str().is_empty());
    let (place, keys) = if beside { (place, keys) } else { below(place, keys, &identity::working_dir()) };
    Ok(Some(InitSource { here, written: WrittenSource { from: place.to_string(), keys } }))
}

/// The source as seen from another folder than the working directory.
fn below(place: SourcePlace, keys: Keys, folder: &Path) -> (SourcePlace, Keys) {
    let passphrase = keys.passphrase.map(|secret| match secret {
        SecretPlace::File(path) => SecretPlace::File(folder.join(path)),
        other => other,
    });
    (place.below(folder), Keys { passphrase, identity: keys.identity.map(|path| folder.join(path)) })
}

/// Writes the plan file whole or not at all: one that is cut off, or empty, may well be valid, and says something else.
fn write(path: &Path, text: &str, force: bool) -> Result<(), Failure> {
    let replace = if force { Replace::Earlier } else { Replace::Nothing };
    write_whole(path, replace, text.as_bytes()).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists if !force => there_already(path),
        _ => Failure::errored(format!("cannot write the plan file {}: {error}", path.display())).hint(
            "make room on the disk or name another file with --output; no plan file was written, and one that was \
             there is as it was",
        ),
    })
}

fn there_already(path: &Path) -> Failure {
    Failure::usage(format!("{} is there already, and nothing was written", path.display()))
        .hint("--force replaces it; --output - shows what would be written")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// The folder of the process whose files can have no bytes.
    const FOLDER: &str = "REHEARSA_TEST_INIT_FOLDER";

    /// On a full disk a file can be made, and no byte goes into it. A limit of the process acts like that.
    #[test]
    fn what_cannot_be_written_leaves_nothing_and_the_old_file() {
        if let Some(folder) = std::env::var_os(FOLDER) {
            for (name, force) in [("new", false), ("forced", true), ("old", true)] {
                let failure = write(&Path::new(&folder).join(name), "text", force).expect_err("there is no room");
                assert_eq!(failure.exit, ExitCode::Errored);
                let told = failure.render(false);
                assert!(
                    told.contains("cannot write the plan file") && told.contains("make room on the disk"),
                    "{told}"
                );
            }
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("old"), "old").expect("written");
        let (_, module) = module_path!().split_once("::").expect("a module of the crate");
        let name = format!("{module}::what_cannot_be_written_leaves_nothing_and_the_old_file");
        let program = std::env::current_exe().expect("this program");
        let output = Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\""])
            .arg(program)
            .args(["--exact", &name, "--test-threads=1", "--nocapture"])
            .env(FOLDER, folder.path())
            .output()
            .expect("sh starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "the test ran there");
        let left: Vec<_> = std::fs::read_dir(folder.path()).expect("listed").collect();
        assert_eq!(left.len(), 1, "{left:?}");
        assert_eq!(std::fs::read(folder.path().join("old")).expect("there"), b"old");
    }

    #[test]
    fn a_file_that_is_there_is_replaced_by_force_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("plan.toml");
        write(&path, "one", false).expect("written");
        assert_eq!(write(&path, "two", false).expect_err("it is there").exit, ExitCode::Usage);
        assert_eq!(std::fs::read(&path).expect("there"), b"one");
        write(&path, "two", true).expect("written");
        assert_eq!(std::fs::read(&path).expect("there"), b"two");
    }
}
