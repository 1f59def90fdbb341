//! Filling a service from a database dump: it begins anew on an empty place, and when it takes connections the dump is loaded by the
//! client that its image has. Whoever depends on it is booted after that.
//!
//! Servers that make their database first run it for a while where only they themselves reach it, and end it again. So a connection
//! over TCP has to be answered, be it with a refusal, before anything is loaded.

mod errors;
mod scripts;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::docker::{DockerError, DockerErrorKind, ExecOutput};
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::dump::{DumpFormat, DumpProgram, Load};
use crate::model::event::Step;
use crate::model::plan::ServicePlan;
use crate::model::pluralize::pluralize;
use crate::model::service::ServiceName;
use crate::plan::dependents;

use super::Booted;
use crate::rehearse::engine::docker_diagnosis;
use crate::rehearse::shared_task::{Diagnosed, SharedFuture};
use crate::rehearse::stack::StackRehearsal;
use crate::rehearse::validate::{FAILURE_LOG, timeout};
use errors::{OnError, Refused};

/// Time between two times that a connection is tried.
const PAUSE: Duration = Duration::from_millis(300);
/// The most time that loading takes: what is to bound a run is `--global-timeout`.
const LONGEST: Duration = Duration::from_secs(12 * 60 * 60);
/// The most time that a question around it takes.
const SHORT: Duration = Duration::from_secs(60);
/// Roles that a message names.
const NAMED: usize = 20;

/// What loads a dump.
struct Loader<'a> {
    plan: &'a ServicePlan,
    load: &'a Load,
    booted: &'a Booted,
    program: DumpProgram,
    /// How the server is reached: `socket` or `tcp`.
    way: String,
}

impl StackRehearsal {
    /// The dump of a service is loaded; done by the first who needs it.
    pub(in crate::rehearse) fn loaded(self: &Arc<Self>, name: &ServiceName) -> SharedFuture<()> {
        let (stack, service) = (Arc::clone(self), name.clone());
        self.services[name].loaded.get(|| async move {
            let plan = &stack.plan.services[stack.services[&service].index];
            let Some(load) = &plan.load else { return Ok(()) };
            let booted = stack.started(&service).await?;
            let step = Step::Load { service: service.clone(), dump: load.title.clone() };
            let step = stack.common.notify.begin(dependents(&stack.plan, &service), step);
            match stack.load(plan, load, &booted).await {
                Ok(note) => {
                    // From here on it has its time to become ready.
                    let _ = booted.loaded.set(std::time::Instant::now());
                    if let Some(into) = load.into {
                        stack.note_restored_files(&stack.plan.restores[into], load.dump.tables.max(1));
                    }
                    step.done_with(None, note);
                    Ok(())
                }
                Err(diagnosis) => Err(step.broke(diagnosis)),
            }
        })
    }

    async fn load(&self, plan: &ServicePlan, load: &Load, booted: &Booted) -> Diagnosed<Option<String>> {
        if let Some(command) = &load.wish.command {
            let words = [load.file.as_str(), command.as_str()];
            let ran = self.in_service(plan, booted, scripts::OF_OWNER, &words, LONGEST).await?;
            return match errors::judge(OnError::Own, &[], &ran) {
                Ok(()) => Ok(None),
                Err(refused) => Err(self.refused_load(plan, load, booted, refused).await),
            };
        }
        let program = match load.dump.format.program() {
            Some(program) => program,
            None => self.program_of(plan, load, booted).await?,
        };
        let way = self.await_connection(plan, load, booted, program).await?;
        let loader = Loader { plan, load, booted, program, way };
        self.roles_are_there(&loader).await?;
        let (manner, mode) = match load.dump.format {
            DumpFormat::PostgresCluster => (OnError::Tolerant, "cluster"),
            DumpFormat::PostgresArchive | DumpFormat::PostgresFolder => (OnError::Archive, "archive"),
            // One that removes first what it makes goes on where there is nothing to remove.
            DumpFormat::PostgresSql | DumpFormat::Sql
                if program == DumpProgram::Postgres && !load.dump.removals.is_empty() =>
            {
                (OnError::Tolerant, "going-on")
            }
            _ if load.dump.names_its_place => (OnError::Strict, "several"),
            _ => (OnError::Strict, "single"),
        };
        let of_head = load.dump.databases.first().map(String::as_str).unwrap_or_default();
        let words = [&load.file, load.wish.database.as_deref().unwrap_or_default(), &loader.way, mode, of_head];
        let ran = self.in_service(plan, booted, scripts::load(program), &words, LONGEST).await?;
        if let Err(refused) = errors::judge(manner, &load.dump.removals, &ran) {
            return Err(self.refused_load(plan, load, booted, refused).await);
        }
        self.has_rows(&loader, mode).await
    }

    /// Whose client the image has, when the dump does not say who wrote it.
    async fn program_of(&self, plan: &ServicePlan, load: &Load, booted: &Booted) -> Diagnosed<DumpProgram> {
        match self.in_service(plan, booted, scripts::WHICH, &[], SHORT).await? {
            ExecOutput::Ended { stdout, .. } if stdout.starts_with(b"psql") => Ok(DumpProgram::Postgres),
            ExecOutput::Ended { stdout, .. } if stdout.starts_with(b"mysql") => Ok(DumpProgram::MySql),
            ExecOutput::Ended { .. } | ExecOutput::NotStarted(_) => Err(self.without_client(plan, load, None)),
        }
    }

    /// Waits until the service takes connections, and says by which way.
    async fn await_connection(
        &self,
        plan: &ServicePlan,
        load: &Load,
        booted: &Booted,
        program: DumpProgram,
    ) -> Diagnosed<String> {
        let allowed = timeout(plan);
        let deadline = Instant::from_std(booted.since) + allowed;
        loop {
            let ran = self.in_service(plan, booted, scripts::probe(program), &[], SHORT).await?;
            let words = match &ran {
                ExecOutput::NotStarted(words) => words.clone(),
                ExecOutput::Ended { exit: 0, stdout, .. } => {
                    return Ok(String::from_utf8_lossy(stdout).trim().to_owned());
                }
                ExecOutput::Ended { exit: 127, stdout, .. } => {
                    let other = String::from_utf8_lossy(stdout).lines().next().map(str::to_owned);
                    return Err(self.without_client(plan, load, other.as_deref()));
                }
                ExecOutput::Ended { stderr, .. } => errors::quoted(stderr),
            };
            if Instant::now() + PAUSE > deadline {
                let message = format!(
                    "{} was begun anew to load {} into it, and took no connection within {}: {}",
                    plan.service.name,
                    load.title,
                    humantime::format_duration(Duration::from_secs(allowed.as_secs())),
                    self.mask.apply(&words)
                );
                let log_tail = self.log_tail(booted, FAILURE_LOG).await;
                return Err(Diagnosis { log_tail, ..Diagnosis::new(Code::RestoreFailed, message) });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// A dump gives its objects to roles; the roles themselves are in no dump of a single database.
    async fn roles_are_there(&self, loader: &Loader<'_>) -> Diagnosed<()> {
        let Loader { plan, load, booted, program, way } = loader;
        if *program != DumpProgram::Postgres || load.dump.roles.is_empty() {
            return Ok(());
        }
        let ran = self.in_service(plan, booted, scripts::ROLES, &[way], SHORT).await?;
        let ExecOutput::Ended { exit: 0, stdout, .. } = &ran else { return Ok(()) };
        let there = String::from_utf8_lossy(stdout);
        let there: Vec<&str> = there.lines().map(|line| line.trim_end_matches('\r')).collect();
        let is_built_in = |role: &str| role.starts_with("pg_");
        let missing = load.dump.roles.iter().map(String::as_str);
        let missing: Vec<&str> = missing.filter(|role| !there.contains(role) && !is_built_in(role)).collect();
        if missing.is_empty() { Ok(()) } else { Err(missing_roles(plan, load, &missing)) }
    }

    /// What was loaded has rows; where no dump says how many, the database is asked.
    async fn has_rows(&self, loader: &Loader<'_>, mode: &str) -> Diagnosed<Option<String>> {
        let Loader { plan, load, booted, program, way } = loader;
        if *program != DumpProgram::Postgres {
            return Ok(None);
        }
        let database = load.wish.database.as_deref().unwrap_or_default();
        let ran = self.in_service(plan, booted, scripts::FILLED, &[database, way, mode], LONGEST).await?;
        let ExecOutput::Ended { exit: 0, stdout, .. } = &ran else { return Ok(None) };
        let answers = String::from_utf8_lossy(stdout);
        let tables = answers.lines().filter(|line| matches!(line.trim(), "t" | "f")).count();
        let filled = answers.lines().filter(|line| line.trim() == "t").count();
        if filled == 0 && !load.allow_empty {
            let message = format!(
                "{} was loaded into {}, and of its {} not one has a row",
                load.title,
                plan.service.name,
                pluralize(tables, "table")
            );
            return Err(Diagnosis::new(Code::RestoreIncomplete, message));
        }
        Ok(Some(format!("rows in {filled} of {}", pluralize(tables, "table"))))
    }

    async fn refused_load(&self, plan: &ServicePlan, load: &Load, booted: &Booted, refused: Refused) -> Diagnosis {
        if refused.roles.is_empty()
            && let Ok(state) = self.state(booted).await
            && !state.running
        {
            let code = if state.oom_killed { Code::BootOomKilled } else { Code::BootExited };
            return self.died(plan, booted, &state, code).await;
        }
        let roles: Vec<&str> = refused.roles.iter().map(String::as_str).collect();
        if !roles.is_empty() && refused.code == Code::RestoreIncomplete {
            return missing_roles(plan, load, &roles);
        }
        let message = format!(
            "{} could not be loaded into {}: {}",
            load.title,
            plan.service.name,
            self.mask.apply(&refused.words)
        );
        let log_tail = self.log_tail(booted, FAILURE_LOG).await;
        Diagnosis { log_tail, remedy: refused.remedy, ..Diagnosis::new(refused.code, message) }
    }

    /// The image has nothing to load the dump with; `other` is a client that it has.
    fn without_client(&self, plan: &ServicePlan, load: &Load, other: Option<&str>) -> Diagnosis {
        let wanted = match load.dump.format.program() {
            Some(DumpProgram::Postgres) => "psql",
            Some(DumpProgram::MySql) => "mariadb or mysql",
            Some(DumpProgram::Redis) | None => "psql, mariadb or mysql",
        };
        let image = &plan.service.image.reference;
        match (other, load.dump.format.program()) {
            (Some(other), Some(program)) => Diagnosis::new(
                Code::RestoreIncomplete,
                format!(
                    "{} is a dump of {}, and {} is another program's service: its image {image} has {other} and no {wanted}",
                    load.title,
                    program.title(),
                    plan.service.name
                ),
            ),
            _ => {
                let remedy =
                    "Say how it is loaded: load = { command = \"…\" } in the plan file, with the dump's path in $DUMP."
                        .to_owned();
                let message = format!(
                    "{} cannot be loaded into {}: its image {image} has no {wanted}, or no shell to run it with",
                    load.title, plan.service.name
                );
                Diagnosis { remedy: Some(remedy), ..Diagnosis::new(Code::RestoreFailed, message) }
            }
        }
    }

    /// Runs a script in the service's container.
    async fn in_service(
        &self,
        plan: &ServicePlan,
        booted: &Booted,
        script: &str,
        words: &[&str],
        limit: Duration,
    ) -> Diagnosed<ExecOutput> {
        let command: Vec<String> =
            ["sh", "-c", script, "sh"].iter().chain(words).map(|&word| word.to_owned()).collect();
        match self.common.daemon.exec(&booted.container, &command, limit).await {
            Ok(ran) => Ok(ran),
            Err(error) => {
                if let Ok(state) = self.state(booted).await
                    && !state.running
                {
                    let code = if state.oom_killed { Code::BootOomKilled } else { Code::BootExited };
                    return Err(self.died(plan, booted, &state, code).await);
                }
                if let DockerError { kind: DockerErrorKind::Timeout(after), .. } = &error
                    && *after == limit
                {
                    let message = format!(
                        "loading a dump into {} had not ended after {}",
                        plan.service.name,
                        humantime::format_duration(limit)
                    );
                    return Err(Diagnosis::new(Code::RestoreFailed, message));
                }
                let diagnosis = docker_diagnosis(&error, Code::SandboxFailed, "loading a dump");
                Err(Diagnosis { message: self.mask.apply(&diagnosis.message), ..diagnosis })
            }
        }
    }
}

fn missing_roles(plan: &ServicePlan, load: &Load, missing: &[&str]) -> Diagnosis {
    let (noun, verb) = if missing.len() == 1 { ("a role", "does") } else { ("roles", "do") };
    let more = missing.len().saturating_sub(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let message = format!(
        "{} cannot be loaded into {} as it is: it gives what it makes to {noun} that {verb} not exist there: {}{more}",
        load.title,
        plan.service.name,
        missing.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ")
    );
    let remedy = "Back the roles up, too: pg_dumpall has them (--roles-only for nothing else). Without owners and rights a dump of pg_dump --no-owner --no-acl comes back."
        .to_owned();
    Diagnosis { remedy: Some(remedy), ..Diagnosis::new(Code::RestoreIncomplete, message) }
}
