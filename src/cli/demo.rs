//! `rehearsa demo`: the main job from end to end on any machine with Docker and nothing else: a small service from the worker
//! image, a note in its database, a rehearsal by the same code as `rehearsa test`, its reports, and nothing left.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::args::{DemoArgs, Global, OutputArgs};
use super::connection::Endpoint;
use super::exit::Failure;
use super::presentation::Presentation;
use super::rehearsal::{self, Run};
use super::test::{engine_title, interrupted};
use super::{console, identity, runtime, signals};
use crate::config::Environment;
use crate::config::resolve::Flags;
use crate::config::settings::Settings;
use crate::discover::{self, Scope};
use crate::docker::Daemon;
use crate::model::outcome::ExitCode;
use crate::model::sandbox::{ContainerSpec, HealthcheckSpec, MountSource, MountSpec, NetworkSpec, Stdin, VolumeSpec};
use crate::model::service::Healthcheck;
use crate::rehearse::session::Session;
use crate::rehearse::stop::Stop;
use crate::rehearse::sweep;
use crate::worker::client::WorkerImage;

/// Where the demo service listens.
const PORT: &str = "8080";
/// Where it keeps its database.
const DATA: &str = "/data";
/// This executable in the worker image.
const PROGRAM: &str = "/rehearsa";
/// Time for a small container to do its work.
const PATIENCE: Duration = Duration::from_secs(30);
/// Lines of each report that are shown.
const SHOWN_LINES: usize = 6;
/// What is put into the database.
const NOTE: &str = "Backups are hope. Rehearsa is proof.";

/// The command.
pub fn run(args: &DemoArgs, global: &Global, env: &Environment) -> Result<ExitCode, Failure> {
    let endpoint = Endpoint::resolve(&global.connection, env)?;
    let reports = report_dir(args)?;
    let settings = Settings::resolve(&Flags { report_dir: Some(reports.clone()), ..Flags::default() }, env)?;
    let output = OutputArgs { color: args.color, ..OutputArgs::default() };
    let presentation = Presentation::new(&output, &settings.reports, env);
    let runtime = runtime()?;
    let (stop, daemon) = runtime.block_on(async {
        let stop = signals::listen();
        let daemon = super::test::unless_stopped(&stop, endpoint.connect()).await?;
        Ok::<_, Failure>((stop, daemon))
    })?;
    let demo = Demo { daemon, session: identity::session("demo-"), stop };
    let started = runtime.block_on(demo.start(settings));
    let result = started.and_then(|prepared| {
        let Prepared { info, plan, settings } = prepared;
        console::note("");
        let exit = rehearsal::rehearse(Run {
            daemon: demo.daemon.clone(),
            info,
            plan,
            sources: Vec::new(),
            settings,
            presentation,
            session: identity::session(""),
            host_addresses: identity::host_addresses(&endpoint.target),
            stop: demo.stop.clone(),
            runtime: runtime.handle().clone(),
        })?;
        console::note(&shown_reports(&reports));
        Ok(exit)
    });
    // The demo's own objects go whatever happened.
    let removed = runtime.block_on(demo.remove());
    match (result, removed) {
        (Ok(exit), Ok(())) => {
            console::note(&format!(
                "The demo service and its data are removed; the reports stay in {}.",
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

/// The folder asked for, else a new one that stays for whoever wants to read the reports.
fn report_dir(args: &DemoArgs) -> Result<PathBuf, Failure> {
    if let Some(dir) = &args.report_dir {
        // Now rather than when the demo service runs already.
        std::fs::create_dir_all(dir).map_err(|error| {
            Failure::errored(format!("cannot make the folder {}: {error}", dir.display())).hint("name another one")
        })?;
        return Ok(dir.clone());
    }
    let folder = tempfile::Builder::new().prefix("rehearsa-demo-").tempdir();
    let folder = folder.map_err(|error| {
        Failure::errored(format!("cannot make a folder for the reports: {error}")).hint("name one with --report-dir")
    })?;
    Ok(folder.keep())
}

struct Prepared {
    info: crate::docker::DaemonInfo,
    plan: crate::model::plan::Plan,
    settings: Settings,
}

/// The demo's live side: one container with a volume and a network, all labelled with a session of their own.
struct Demo {
    daemon: Daemon,
    session: Session,
    stop: Stop,
}

impl Demo {
    fn name(&self, what: &str) -> String {
        format!("rehearsa-{}{what}", self.session.id)
    }

    /// Asked between the steps: a call to the engine that is dropped in the middle may still create something, after it was
    /// looked for.
    fn unless_stopped(&self) -> Result<(), Failure> {
        if self.stop.is_cancelled() { Err(interrupted(&self.stop)) } else { Ok(()) }
    }

    /// Starts the service, writes a note, and plans its rehearsal.
    async fn start(&self, settings: Settings) -> Result<Prepared, Failure> {
        let daemon = &self.daemon;
        let info = daemon.info().await?;
        console::note(&format!("{}: nothing is pulled, nothing of this host is touched.", engine_title(&info)));
        let image = WorkerImage::ensure(daemon).await?;
        self.unless_stopped()?;
        let container = self.start_service(&image).await?;
        self.unless_stopped()?;
        console::note(&format!(
            "Started the demo service {}, which keeps notes in a database on a volume",
            self.name("")
        ));
        self.write_note(&image, &container).await?;
        console::note(&format!("Wrote a note into it: {NOTE}"));
        let services = discover::live_in(daemon, Scope::Session(&self.session.id)).await?;
        self.unless_stopped()?;
        // The container that wrote the note may still be on its way out.
        let services: Vec<_> = services.into_iter().filter(|service| service.container_id == container).collect();
        let plan = rehearsal::plan(rehearsal::with_settings(services, &settings)?, &settings);
        console::note("Now the rehearsal: would the service come back from its data?");
        Ok(Prepared { info, plan, settings })
    }

    async fn start_service(&self, image: &WorkerImage) -> Result<String, Failure> {
        let (daemon, name) = (&self.daemon, self.name(""));
        let marks = self.session.marks(&name);
        let (volume, network) = (self.name("-notes"), self.name("-net"));
        daemon.create_volume(&volume, &VolumeSpec::Plain, &marks).await?;
        daemon.create_network(&network, &marks).await?;
        let command = ["worker", "demo-service", "--data", DATA, "--port", PORT];
        let network = NetworkSpec::Sandbox { network, aliases: vec!["notes".to_owned()] };
        let mut spec = spec(image, &command, network);
        spec.mounts =
            vec![MountSpec { target: DATA.to_owned(), source: MountSource::Volume(volume), read_only: false }];
        let probe = ["CMD", PROGRAM, "worker", "demo-health", "--port", PORT];
        spec.healthcheck = HealthcheckSpec::Probe(Healthcheck {
            test: probe.map(str::to_owned).to_vec(),
            interval: 30_000_000_000,
            timeout: 5_000_000_000,
            retries: 3,
            start_period: 0,
        });
        let id = daemon.create_container(&name, &spec, &marks).await?;
        daemon.start_container(&id).await?;
        Ok(id)
    }

    /// A container in the service's network namespace posts the note: no port is published, and the engine may be remote.
    async fn write_note(&self, image: &WorkerImage, service: &str) -> Result<(), Failure> {
        let daemon = &self.daemon;
        let name = self.name("-writer");
        let command = ["worker", "demo-note", "--port", PORT, "--text", NOTE];
        let spec = spec(image, &command, NetworkSpec::Share(service.to_owned()));
        let id = daemon.create_container(&name, &spec, &self.session.marks(&self.name(""))).await?;
        daemon.start_container(&id).await?;
        let until = Instant::now() + PATIENCE;
        let state = loop {
            let state = daemon.state(&id).await?;
            if !state.running {
                break state;
            }
            self.unless_stopped()?;
            if Instant::now() > until {
                return Err(Failure::errored(format!("the demo service took no note within {} s", PATIENCE.as_secs())));
            }
            sleep(Duration::from_millis(50)).await;
        };
        if state.exit_code != 0 {
            let log = daemon.log_tail(&id, 5, 4096).await.unwrap_or_default();
            return Err(Failure::errored(format!("the demo service took no note: {}", log.join("; "))));
        }
        daemon.remove_container(&id).await?;
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

/// A small container of the worker image with no rights at all.
fn spec(image: &WorkerImage, command: &[&str], network: NetworkSpec) -> ContainerSpec {
    ContainerSpec {
        image: image.tag.clone(),
        entrypoint: Some(vec![PROGRAM.to_owned()]),
        command: Some(command.iter().map(|word| (*word).to_owned()).collect()),
        env: Vec::new(),
        user: String::new(),
        group_add: Vec::new(),
        workdir: String::new(),
        hostname: String::new(),
        domainname: String::new(),
        tty: false,
        stdin: Stdin::Closed,
        shell: None,
        stop_signal: None,
        stop_timeout: None,
        healthcheck: HealthcheckSpec::Disabled,
        mounts: Vec::new(),
        network,
        extra_hosts: Vec::new(),
        memory: Some(256 << 20),
        memory_swap: None,
        nano_cpus: None,
        cpu_shares: None,
        cpu_period: None,
        cpu_quota: None,
        cpuset_cpus: None,
        pids: Some(64),
        oom_score_adj: 500,
        ulimits: Vec::new(),
        sysctls: Vec::new(),
        cap_add: Vec::new(),
        cap_drop: vec!["ALL".to_owned()],
        no_new_privileges: true,
        read_only_root: true,
        init: None,
        shm_size: None,
    }
}

/// The reports with their first lines. Writing to a string cannot fail, so those results are let go.
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
