//! `rehearsa lock`: writes down which images the services of a Compose project run on, and which part of the backup
//! belongs to which of their mounts. Nothing is created and nothing boots.

use std::collections::BTreeMap;
use std::path::Path;

use super::args::{Global, LockArgs};
use super::connection::Endpoint;
use super::exit::Failure;
use super::from_files::{self, PreparedFiles, PreparedProject};
use super::project_images::ImageEngine;
use super::read_project::{self, ReadProject, ReadStacks};
use super::signals::unless_stopped;
use super::{console, identity, project_lock, project_sources, runtime, signals};
use crate::compose::Project;
use crate::config::lock_file::{EngineImage, LockFile, LockedImage, LockedService};
use crate::config::settings::Settings;
use crate::config::{Environment, PlanFile};
use crate::model::diagnosis::{Diagnosis, Severity};
use crate::model::mount::MountOrigin;
use crate::model::outcome::ExitCode;
use crate::model::plan::{Plan, ServicePlan, StackPlan};
use crate::model::pluralize::pluralize;
use crate::rehearse::sandbox::stop::StopSignal;
use crate::report::target::{Access, AtomicFile, Naming, try_place};

/// The command.
pub fn run(args: &LockArgs, global: &Global, env: &Environment) -> Result<ExitCode, Failure> {
    if !args.compose.stack.is_empty() {
        return Err(Failure::usage("a lock lies beside its Compose file, and nothing is written into a backup")
            .hint("check the stack out and name its file: rehearsa lock -f compose.yaml"));
    }
    if args.compose.as_new_host {
        return Err(Failure::usage("a lock is about Compose files, not about what runs").hint("name the file: -f FILE"));
    }
    if args.compose.file.iter().any(|file| file == Path::new("-")) {
        return Err(Failure::usage("a lock lies beside its Compose file, and -f - names none").hint("name it: -f FILE"));
    }
    let plan_file = PlanFile::find(args.plan.as_deref(), env, identity::user(env))?;
    let mut settings = Settings::resolve(&args.flags(), env)?.with_file(plan_file);
    let runtime = runtime::start()?;
    runtime.block_on(async {
        let stop = signals::listen(env);
        let read = read_project::read(&args.compose, &mut settings, env, &stop).await?;
        let Some(ReadStacks { projects, stopped }) = read else {
            return Err(Failure::usage("nothing says which Compose file is to be locked").hint("name it with -f FILE"));
        };
        if let Some(stopped) = stopped.first() {
            return Err(stopped.failure());
        }
        let endpoint = Endpoint::resolve(&global.connection, env)?;
        let daemon = unless_stopped(&stop, endpoint.connect()).await?;
        let engine = ImageEngine { daemon: &daemon, logins: &endpoint.logins, host: global.connection.host.as_deref() };
        let mut ends = Vec::new();
        for project in projects.into_iter().filter(|of| of.unpacked.is_none()) {
            ends.push(lock_one(project, engine, (&settings, args), env, &stop).await?);
        }
        let worst = [ExitCode::Failed, ExitCode::Errored].into_iter().find(|end| ends.contains(end));
        Ok(worst.unwrap_or(ExitCode::Passed))
    })
}

/// Writes the lock of a project.
async fn lock_one(
    read: ReadProject,
    engine: ImageEngine<'_>,
    (settings, args): (&Settings, &LockArgs),
    env: &Environment,
    stop: &StopSignal,
) -> Result<ExitCode, Failure> {
    let path = project_lock::path_of(&read.project);
    try_place(&path, Naming::User).map_err(|error| unwritable(&path, &error))?;
    // What cannot be read is written anew.
    let earlier = project_lock::read(&read.project).unwrap_or_default();
    let files = project_sources::load(&read.project.files, &read.project.folder);
    let declared = project_sources::declared_services(&files);
    let stacks = ReadStacks { projects: vec![read], stopped: Vec::new() };
    let found = from_files::prepare(stacks, Some(engine), (settings, &args.rehearsal()), env, stop).await?;
    let PreparedFiles { prepared, folder: _folder, projects } = found;
    if let Some(blocked) = worst(&prepared.plan) {
        return Ok(refuse(&prepared.plan, blocked));
    }
    for PreparedProject { project, images } in projects {
        let lock = make(&earlier, &prepared.plan, &images, &declared);
        write(&path, &lock, &earlier, &project)?;
    }
    Ok(ExitCode::Passed)
}

/// The gravest reason for which a service cannot be rehearsed.
fn worst(plan: &Plan) -> Option<Severity> {
    let severities: Vec<Severity> = blocked(plan).map(|(_, diagnosis)| diagnosis.severity()).collect();
    [Severity::Failed, Severity::Errored].into_iter().find(|severity| severities.contains(severity))
}

fn blocked(plan: &Plan) -> impl Iterator<Item = (&ServicePlan, &Diagnosis)> {
    let services = plan.stacks.iter().flat_map(|stack| &stack.services).filter(|service| service.ignored.is_none());
    services.filter_map(|service| Some((service, service.blocked.as_ref()?)))
}

/// Says why there is no lock: it would say of services that could not be rehearsed how they are.
fn refuse(plan: &Plan, worst: Severity) -> ExitCode {
    for (service, diagnosis) in blocked(plan) {
        console::note(&format!("{}: {diagnosis}\n  {}", service.service.name, diagnosis.remedy()));
    }
    console::note("No lock was written.");
    if worst == Severity::Failed { ExitCode::Failed } else { ExitCode::Errored }
}

/// The lock for a plan. Services of profiles that are not on stay as they were, and so do the mounts if no backup was
/// read.
fn make(earlier: &LockFile, plan: &Plan, images: &BTreeMap<String, EngineImage>, declared: &[String]) -> LockFile {
    let kept = earlier.services.iter().filter(|(name, _)| declared.contains(name));
    let mut services: BTreeMap<String, LockedService> = kept.map(|(name, of)| (name.clone(), of.clone())).collect();
    for (name, image) in images {
        let of = services.entry(name.clone()).or_default();
        of.image = LockedImage::of(image);
    }
    for stack in &plan.stacks {
        for service in &stack.services {
            if service.source.is_none() {
                continue;
            }
            if let Some(of) = services.get_mut(&service.service.name.service) {
                of.mounts = parts(stack, service);
            }
        }
    }
    LockFile { services }
}

/// The parts of the backup that belong to the mounts of a service.
fn parts(stack: &StackPlan, service: &ServicePlan) -> BTreeMap<String, String> {
    let mut parts = BTreeMap::new();
    for mount in &service.mounts {
        let restore = mount.restore.and_then(|index| stack.restores.get(index));
        let Some(part) = restore.and_then(|restore| restore.part.as_ref()) else { continue };
        if matches!(mount.mount.origin, MountOrigin::Dump { .. }) {
            continue;
        }
        match String::from_utf8(part.path.clone()) {
            Ok(path) => drop(parts.insert(mount.mount.target.clone(), path)),
            Err(_) => console::note(&format!(
                "{}: the path of the part for {} is no text, so the lock does not have it",
                service.service.name,
                mount.mount.place()
            )),
        }
    }
    parts
}

fn write(path: &Path, lock: &LockFile, earlier: &LockFile, project: &Project) -> Result<(), Failure> {
    let shown = path.display();
    let mounts: usize = lock.services.values().map(|service| service.mounts.len()).sum();
    let what = format!("{} and {}", pluralize(lock.services.len(), "image"), pluralize(mounts, "mount"));
    let text = lock.render();
    if std::fs::read_to_string(identity::working_dir().join(path)).is_ok_and(|there| there == text) {
        console::note(&format!("{shown} is as it was: {what} of {}", project.name));
        return Ok(());
    }
    let file = AtomicFile::keeping(path, Naming::User).map_err(|error| unwritable(path, &error))?;
    // A lock is kept with the Compose file, and holds no secrets.
    let written = file.readable_by(Access::Public).update(true, true, |out| out.write_all(text.as_bytes()));
    written.map_err(|error| unwritable(path, &error))?;
    console::note(&format!("Wrote {shown}: {what} of {}", project.name));
    changes(lock, earlier).iter().for_each(|line| console::note(line));
    Ok(())
}

/// The services whose images were locked otherwise before.
fn changes(lock: &LockFile, earlier: &LockFile) -> Vec<String> {
    let mut changes = Vec::new();
    for (name, was) in &earlier.services {
        let Some(now) = lock.services.get(name) else {
            changes.push(format!("  {name}: it is in no file any more, and was taken out"));
            continue;
        };
        if now.image != was.image {
            let said = |image: &LockedImage| {
                let exact = if image.digest.is_empty() { &image.id } else { &image.digest };
                format!("{} ({exact})", image.reference)
            };
            changes.push(format!("  {name}: {} before, {} now", said(&was.image), said(&now.image)));
        }
    }
    changes
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::errored(format!("cannot write the lock {}: {error}", path.display()))
        .hint("see that the folder of the Compose file can be written to")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locked(reference: &str, mounts: &[&str]) -> LockedService {
        let image = LockedImage { reference: reference.to_owned(), digest: "sha256:1".to_owned(), id: String::new() };
        let mounts = mounts.iter().map(|target| ((*target).to_owned(), "part".to_owned())).collect();
        LockedService { image, mounts, ..LockedService::default() }
    }

    fn lock(services: &[(&str, LockedService)]) -> LockFile {
        LockFile { services: services.iter().map(|(name, of)| ((*name).to_owned(), of.clone())).collect() }
    }

    #[test]
    fn what_is_not_looked_at_stays_as_it_was() {
        let earlier =
            lock(&[("db", locked("db:1", &["/data"])), ("job", locked("job:1", &[])), ("gone", locked("x", &[]))]);
        let image = EngineImage { reference: "db:2".to_owned(), id: "sha256:2".to_owned(), digests: Vec::new() };
        let images = [("db".to_owned(), image)].into();
        let plan = Plan { stacks: Vec::new(), filtered_out: 0, sources: Vec::new() };
        let made = make(&earlier, &plan, &images, &["db".to_owned(), "job".to_owned()]);
        assert_eq!(made.services.keys().collect::<Vec<_>>(), ["db", "job"]);
        assert_eq!(made.services["db"].image.reference, "db:2");
        assert_eq!(made.services["db"].mounts.len(), 1, "no backup was read");
        let told = changes(&made, &earlier);
        assert_eq!(told.len(), 2, "{told:?}");
        assert_eq!(told[0], "  db: db:1 (sha256:1) before, db:2 (sha256:2) now");
        assert!(told[1].contains("gone: it is in no file"), "{told:?}");
    }
}
