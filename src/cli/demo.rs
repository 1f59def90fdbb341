//! `rehearsa demo`: the main job from end to end on any machine with Docker and nothing else: a small service from the
//! worker image, a note in its database, and a backup of that; a rehearsal from the backup by the same code as
//! `rehearsa test`, its reports, and nothing left. Then the same from a backup without the notes, which has to fail.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::runtime::Runtime;
use tokio::time::{Instant, sleep, sleep_until};

use super::args::{DemoArgs, Global, OutputArgs};
use super::connection::Endpoint;
use super::demo_backup::BackupFormat;
use super::demo_disaster::DemoProject;
use super::exit::Failure;
use super::notify::RunNotices;
use super::prepare::{Prepared, prepare, with_settings};
use super::presentation::Presentation;
use super::rehearsal::{self, RunEvents};
use super::signals::{interrupted, unless_stopped};
use super::test::engine_title;
use super::{console, identity, runtime, signals};
use crate::config::Environment;
use crate::config::resolve::Flags;
use crate::config::settings::Settings;
use crate::config::values::report_spec::CiChoice;
use crate::discover::{self, Scope};
use crate::docker::ownership::name_prefix;
use crate::docker::{Attached, ContainerState, Daemon, DaemonInfo, Device, Output, RegistryLogins};
use crate::model::diagnosis::Code;
use crate::model::outcome::ExitCode;
use crate::model::sandbox::{ContainerSpec, HealthcheckSpec, MountSource, MountSpec, NetworkSpec, Stdin, VolumeSpec};
use crate::model::service::Healthcheck;
use crate::model::source::SourceSpec;
use crate::rehearse::sandbox::session::Session;
use crate::rehearse::sandbox::stop::StopSignal;
use crate::rehearse::sandbox::sweep;
use crate::rehearse::{RunContext, RunResources};
use crate::worker::client::WorkerImage;

/// Where the demo service listens.
const PORT: &str = "8080";
/// Where it keeps its database.
const DATA: &str = "/data";
/// This executable in the worker image.
const PROGRAM: &str = "/rehearsa";
/// The command of the service, and that of its healthcheck.
const SERVICE: [&str; 6] = ["worker", "demo-service", "--data", DATA, "--port", PORT];
const PROBE: [&str; 6] = ["CMD", PROGRAM, "worker", "demo-health", "--port", PORT];
/// The folder that is packed when the volume is forgotten.
const FORGETFUL: &str = "/etc";
/// Time for a small container to do its work.
const PATIENCE: Duration = Duration::from_secs(30);
/// Lines of each report that are shown.
const SHOWN_LINES: usize = 6;
/// What is put into the database.
const NOTE: &str = "Backups are hope. Rehearsa is proof.";
/// Explains the failed backup.
const BAD_BACKUP: &str = "This is what a bad backup looks like: the file is there, from today and undamaged, \
    but without the notes.\nA rehearsal finds that out before you need the restore.";

/// The command.
pub fn run(args: &DemoArgs, global: &Global, env: &Environment) -> Result<ExitCode, Failure> {
    let endpoint = Endpoint::resolve(&global.connection, env)?;
    let reports = report_dir(args)?;
    let shown = show_in(&reports, endpoint, args, global, env);
    if shown.is_err() && args.report_dir.is_none() {
        // One that has reports is kept.
        let _ = std::fs::remove_dir(&reports);
    }
    shown
}

fn show_in(
    reports: &Path,
    endpoint: Endpoint,
    args: &DemoArgs,
    global: &Global,
    env: &Environment,
) -> Result<ExitCode, Failure> {
    let runtime = runtime::start()?;
    let (stop, daemon) = runtime.block_on(async {
        let stop = signals::listen(env);
        let daemon = unless_stopped(&stop, endpoint.connect()).await?;
        Ok::<_, Failure>((stop, daemon))
    })?;
    let demo = Demo {
        daemon,
        session: identity::session("demo-"),
        stop,
        runtime,
        host_addresses: identity::host_addresses(&endpoint.target),
        host: global.connection.host.clone(),
        endpoint,
    };
    let result = demo.show(reports, args, env);
    // The demo's own objects are removed in any case.
    let removed = demo.runtime.block_on(demo.remove());
    match (result, removed) {
        (Ok(exit), Ok(())) => {
            console::note(&format!(
                "The demo service and its data are removed; the backups and the reports stay in {}.",
                reports.display()
            ));
            Ok(exit)
        }
        (Ok(_), Err(failure)) => Err(failure),
        (Err(failure), Ok(())) => Err(failure),
        (Err(failure), Err(left)) => {
            let hint = failure.hint.clone().map(|hint| format!("{hint}\n")).unwrap_or_default();
            Err(failure.hint(format!("{hint}{}; `rehearsa clean` removes it", left.error)))
        }
    }
}

/// The folder that was asked for, or a new temporary one, which is kept for its reports.
fn report_dir(args: &DemoArgs) -> Result<PathBuf, Failure> {
    if let Some(dir) = &args.report_dir {
        // A folder that cannot be made ends the demo before its service starts.
        make_folder(dir)?;
        return Ok(dir.clone());
    }
    let folder = tempfile::Builder::new().prefix("rehearsa-demo-").tempdir();
    let folder = folder.map_err(|error| {
        Failure::errored(format!("cannot make a folder for the reports: {error}")).hint("name one with --report-dir")
    })?;
    Ok(folder.keep())
}

fn make_folder(dir: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(dir).map_err(|error| {
        Failure::errored(format!("cannot make the folder {}: {error}", dir.display())).hint("name another one")
    })
}

/// The demo service, which is then backed up.
struct Live {
    info: DaemonInfo,
    image: WorkerImage,
    container: String,
    /// What is left of the service after a disaster; `None`: it still runs.
    project: Option<DemoProject>,
}

/// The demo's live side: one container with a volume and a network, all labelled with a session of their own.
struct Demo {
    daemon: Daemon,
    session: Session,
    stop: StopSignal,
    runtime: Runtime,
    host_addresses: Vec<String>,
    endpoint: Endpoint,
    /// The address of the engine, if the command line names it.
    host: Option<String>,
}

impl Demo {
    fn name(&self, what: &str) -> String {
        format!("{}{what}", name_prefix(&self.session.id))
    }

    /// Fails if a signal came. Called between the steps: a call to the engine that is dropped half-way may still
    /// create an object after the clean-up has looked for objects.
    fn unless_stopped(&self) -> Result<(), Failure> {
        if self.stop.is_cancelled() { Err(interrupted(&self.stop)) } else { Ok(()) }
    }

    /// Shows the whole demo; the caller removes what it made.
    fn show(&self, reports: &Path, args: &DemoArgs, env: &Environment) -> Result<ExitCode, Failure> {
        let mut live = self.runtime.block_on(self.start())?;
        let format = BackupFormat::choose(env);
        if let BackupFormat::Tar { why } = &format {
            console::note(&format!("{why}: the backup is a tar archive"));
        }
        let volume = self.name("-notes");
        let archive = reports.join(format!("{volume}.tar"));
        self.runtime.block_on(self.back_up(&live.image, Some(DATA), &format!("backup/{volume}"), &archive))?;
        let source = format.keep(&archive)?;
        console::note(&format!("Made a backup of its volume: {}", source.place));
        if args.disaster {
            live.project = Some(self.lose(&live, reports)?);
        }
        console::note("Now the rehearsal: would the service come back from that backup?\n");
        let (exit, _) = self.rehearse(&live, &source, reports, args, env)?;
        if exit != ExitCode::Passed {
            return Ok(exit);
        }
        console::note(&shown_reports(reports));
        self.unless_stopped()?;

        let reports = reports.join("bad-backup");
        make_folder(&reports)?;
        let archive = reports.join(format!("{volume}.tar"));
        self.runtime.block_on(self.back_up(&live.image, None, "backup/etc", &archive))?;
        let source = format.keep(&archive)?;
        console::note("Now a backup of the container that forgot the volume:");
        match self.rehearse(&live, &source, &reports, args, env)? {
            (ExitCode::Failed, Some(Code::RestoreMountMissing)) => {
                console::note(&format!("\n{BAD_BACKUP}\n"));
                Ok(ExitCode::Passed)
            }
            (exit @ (ExitCode::Interrupted | ExitCode::Terminated | ExitCode::Errored), _) => Ok(exit),
            (exit, _) => Err(Failure::errored(format!(
                "a backup without the notes has to fail with {}, and its rehearsal ended with {}",
                Code::RestoreMountMissing,
                exit.number()
            ))
            .hint(format!("this is a defect of rehearsa: please report it with {}", reports.display()))),
        }
    }

    /// Rehearses the service from a backup. Also returns why the service cannot be booted from it, if the plan knew
    /// that already.
    fn rehearse(
        &self,
        live: &Live,
        source: &SourceSpec,
        reports: &Path,
        args: &DemoArgs,
        env: &Environment,
    ) -> Result<(ExitCode, Option<Code>), Failure> {
        // CI systems are not told: this failure is intended.
        let flags = Flags { report_dir: Some(reports.to_owned()), ci: CiChoice::None, ..Flags::default() };
        let settings = Settings::resolve(&flags, env)?;
        let output = OutputArgs { color: args.color, ..OutputArgs::default() };
        let presentation = Presentation::new(&output, &settings.reports, env);
        // The copies of a project's files are needed until the end of the run.
        let (Prepared { plan, sources, .. }, _files) = self.runtime.block_on(async {
            if let Some(project) = &live.project {
                let engine = (&self.daemon, &self.endpoint, self.host.as_deref());
                let found = project.prepare(source, &settings, engine, env, &self.stop).await?;
                return Ok((found.prepared, Some(found.folder)));
            }
            let services = discover::live_in(&self.daemon, Scope::Session(&self.session.id)).await?.services;
            self.unless_stopped()?;
            // A helper container of the demo may still be exiting.
            let services = services.into_iter().filter(|service| service.container_id == live.container).collect();
            let mut services = with_settings(services, &settings)?;
            // The environment may name the user's own backups; the demo uses only its own.
            for (_, rehearsal) in &mut services {
                rehearsal.source = Some(source.clone());
            }
            Ok::<_, Failure>((prepare(&self.daemon, services, &settings, env, &self.stop).await?, None))
        })?;
        let blocked = plan.cases().find_map(|case| case.blocked.as_ref()).map(|diagnosis| diagnosis.code);
        let events = RunEvents::start(&settings, &presentation, None, RunNotices::default())?;
        let context = RunContext {
            runtime: self.runtime.handle().clone(),
            daemon: self.daemon.clone(),
            info: live.info.clone(),
            session: identity::session(""),
            notify: events.notify(&self.stop),
            keep: settings.keep,
            sources,
            host_addresses: self.host_addresses.clone(),
            stop: self.stop.clone(),
            logins: RegistryLogins::default(),
            history: None,
            environment: env.clone(),
            resources: RunResources::default(),
        };
        Ok((rehearsal::rehearse(context, plan, &settings, &presentation, events), blocked))
    }

    /// The disaster: removes the service and its volume. What is left is a Compose file beside the backup.
    fn lose(&self, live: &Live, reports: &Path) -> Result<DemoProject, Failure> {
        let (name, volume) = (self.name(""), self.name("-notes"));
        let command = [&[PROGRAM], &SERVICE[..]].concat();
        let words = (&command[..], &PROBE[..]);
        let folder = reports.join("checkout");
        let project = DemoProject::write(&folder, (&name, &volume), &live.image.tag, words, DATA)?;
        self.runtime.block_on(self.remove())?;
        console::note(&format!(
            "Removed the service, its volume and its network. What is left of it: the backup and {}",
            project.file.display()
        ));
        self.unless_stopped()?;
        Ok(project)
    }

    /// Starts the service and writes a note.
    async fn start(&self) -> Result<Live, Failure> {
        let daemon = &self.daemon;
        let info = daemon.info().await?;
        console::note(&format!("{}: nothing is pulled, nothing of this host is touched.", engine_title(&info)));
        let image = WorkerImage::ensure(daemon, self.session.began).await?;
        self.unless_stopped()?;
        let container = self.start_service(&image).await?;
        self.unless_stopped()?;
        console::note(&format!(
            "Started the demo service {}, which keeps notes in a database on a volume",
            self.name("")
        ));
        self.write_note(&image, &container).await?;
        console::note(&format!("Wrote a note into it: {NOTE}"));
        Ok(Live { info, image, container, project: None })
    }

    async fn start_service(&self, image: &WorkerImage) -> Result<String, Failure> {
        let (daemon, name) = (&self.daemon, self.name(""));
        let marks = self.session.marks(&name);
        let (volume, network) = (self.name("-notes"), self.name("-net"));
        daemon.create_volume(&volume, &VolumeSpec::Plain, &marks).await?;
        daemon.create_network(&network, &Device::Bridge, &marks).await?;
        let network = NetworkSpec::Sandbox { network, aliases: vec!["notes".to_owned()] };
        let mut spec = spec(image, &SERVICE, network);
        spec.mounts =
            vec![MountSpec { target: DATA.to_owned(), source: MountSource::Volume(volume), read_only: false }];
        spec.healthcheck = HealthcheckSpec::Probe(Healthcheck {
            test: PROBE.map(str::to_owned).to_vec(),
            interval: 30_000_000_000,
            timeout: 5_000_000_000,
            retries: 3,
            start_period: 0,
        });
        let id = daemon.create_container(&name, &spec, &marks).await?;
        daemon.start_container(&id).await?;
        Ok(id)
    }

    /// A container in the service's network namespace posts the note: no port is published, and the engine may be
    /// remote.
    async fn write_note(&self, image: &WorkerImage, service: &str) -> Result<(), Failure> {
        let daemon = &self.daemon;
        let name = self.name("-writer");
        let command = ["worker", "demo-note", "--port", PORT, "--text", NOTE];
        let spec = spec(image, &command, NetworkSpec::Share(service.to_owned()));
        let id = daemon.create_container(&name, &spec, &self.session.marks(&self.name(""))).await?;
        daemon.start_container(&id).await?;
        let state = self.ended(&id, "the demo service did not accept the note").await?;
        if state.exit_code != 0 {
            let log = daemon.log_tail(&id, 5, 4096).await.unwrap_or_default();
            return Err(Failure::errored(format!("the demo service did not accept the note: {}", log.join("; "))));
        }
        daemon.remove_container(&id).await?;
        Ok(())
    }

    /// Waits until a small container exits; `failed` says what a timeout means.
    async fn ended(&self, id: &str, failed: &str) -> Result<ContainerState, Failure> {
        let until = Instant::now() + PATIENCE;
        loop {
            let state = self.daemon.state(id).await?;
            if !state.running {
                return Ok(state);
            }
            self.unless_stopped()?;
            if Instant::now() > until {
                return Err(Failure::errored(format!("{failed} within {} s", PATIENCE.as_secs())));
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Packs a folder in a container, which writes the archive to its output, since the engine may be remote. The
    /// folder is the service's volume, mounted at `volume`; `None`: a folder of the container itself. `part` is the
    /// folder's path in the archive.
    async fn back_up(
        &self,
        image: &WorkerImage,
        volume: Option<&str>,
        part: &str,
        archive: &Path,
    ) -> Result<(), Failure> {
        let daemon = &self.daemon;
        let cannot = |words: String| Failure::errored(format!("cannot write {}: {words}", archive.display()));
        let folder = archive.parent().unwrap_or(Path::new("."));
        // The temporary file removes itself unless it gets its name, which no other file of the folder has.
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|error| cannot(error.to_string()))?;
        let command = ["worker", "demo-backup", "--data", volume.unwrap_or(FORGETFUL), "--text", part];
        let mut spec = spec(image, &command, NetworkSpec::None);
        spec.stdin = Stdin::Attached;
        let mount = |target: &str| MountSpec {
            target: target.to_owned(),
            source: MountSource::Volume(self.name("-notes")),
            read_only: true,
        };
        spec.mounts = volume.into_iter().map(mount).collect();
        let id = daemon.create_container(&self.name("-backup"), &spec, &self.session.marks(&self.name(""))).await?;
        // The container's input must stay open while it runs.
        let Attached { input, mut output } = daemon.attach(&id).await?;
        daemon.start_container(&id).await?;
        let until = Instant::now() + PATIENCE;
        let mut complaints = Vec::new();
        loop {
            let piece = tokio::select! {
                piece = output.next() => piece,
                () = self.stop.cancelled() => return Err(interrupted(&self.stop)),
                () = sleep_until(until) => {
                    return Err(cannot(format!("it was not packed within {} s", PATIENCE.as_secs())));
                }
            };
            match piece.transpose()? {
                Some(Output::Stdout(bytes)) => file.write_all(&bytes).map_err(|error| cannot(error.to_string()))?,
                Some(Output::Stderr(bytes)) => complaints.extend(bytes),
                None => break,
            }
        }
        drop(input);
        let state = self.ended(&id, "the demo's volume was not packed").await?;
        if state.exit_code != 0 {
            return Err(cannot(String::from_utf8_lossy(&complaints).trim().to_owned()));
        }
        daemon.remove_container(&id).await?;
        file.persist_noclobber(archive).map_err(|error| cannot(error.to_string()))?;
        Ok(())
    }

    async fn remove(&self) -> Result<(), Failure> {
        let left = sweep::remove_session(&self.daemon, &self.session.id).await?;
        if left.is_empty() {
            return Ok(());
        }
        let names: Vec<String> =
            left.iter().map(|left| format!("{} {} ({})", left.kind.name(), left.name, left.error)).collect();
        Err(Failure::errored(format!("left behind: {}", names.join(", "))).hint("`rehearsa clean` removes it"))
    }
}

/// A small container of the worker image without any capability. It stands for a live service of the user, so its CPU
/// share and stop time are the ordinary ones.
fn spec(image: &WorkerImage, args: &[&str], network: NetworkSpec) -> ContainerSpec {
    ContainerSpec {
        network,
        stop_timeout: None,
        cpu_shares: None,
        ..ContainerSpec::locked_down(&image.tag, PROGRAM, args)
    }
}

/// The reports with their first lines. Writing to a string cannot fail, so those results are ignored.
fn shown_reports(dir: &Path) -> String {
    let mut text = String::from("\nThe reports it wrote:\n");
    for name in ["junit.xml", "report.json", "report.tap"] {
        let path = dir.join(name);
        let Ok(content) = std::fs::read_to_string(&path) else { continue };
        let _ = writeln!(text, "\n  {}", path.display());
        for line in content.lines().take(SHOWN_LINES) {
            let short: String = line.chars().take(100).collect();
            let more = if short.len() < line.len() { " …" } else { "" };
            let _ = writeln!(text, "    {short}{more}");
        }
        if content.lines().count() > SHOWN_LINES {
            text.push_str("    …\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_shown_by_their_first_lines() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let lines: String = (0..20).map(|n| format!("line {n}\n")).collect();
        std::fs::write(dir.path().join("report.tap"), lines).expect("it is writable");
        let text = shown_reports(dir.path());
        assert!(text.contains("report.tap\n    line 0\n"), "{text}");
        assert!(text.ends_with("    line 5\n    …\n"), "{text}");
        assert!(!text.contains("junit.xml"), "what was not written is not shown: {text}");
    }

    #[test]
    fn the_demo_asks_for_no_rights() {
        let spec = spec(&WorkerImage { tag: "t".to_owned() }, &["worker"], NetworkSpec::None);
        assert!(spec.cap_add.is_empty() && spec.read_only_root && spec.no_new_privileges);
    }
}
