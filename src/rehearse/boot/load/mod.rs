//! Filling a service from a database dump. The service starts on an empty mount; once it takes connections, the client
//! in its image loads the dump. Services that depend on it are booted after that.
//!
//! A server that initialises its database first runs for a while on its socket only, and then restarts. So loading
//! waits for an answer over TCP; a refused login is answer enough.
//!
//! Anybody may have written the dump. So its client runs as the user of the database server, without the secrets of the
//! service's environment, and for a bounded time.

mod errors;
mod filled;

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant as StdInstant};

use tokio::time::Instant;

use crate::docker::{DockerError, DockerErrorKind, ExecOutput};
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::dump::{DumpFormat, DumpProgram, Load};
use crate::model::event::Step;
use crate::model::plan::ServicePlan;
use crate::model::pluralize::pluralize;
use crate::plan::dependents;
use crate::plan::loading::has_no_foreign_command;

use crate::rehearse::client_scripts;
use crate::rehearse::diagnose::docker_diagnosis;
use crate::rehearse::running::{FAILURE_LOG, RunningService};
use crate::rehearse::shared_task::Diagnosed;
use crate::rehearse::state::LoadedDump;
use errors::{OnError, Refused};

/// Pause between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(300);
/// The time that loading may take if the service has no `timeout`.
const USUAL: Duration = Duration::from_secs(30 * 60);
/// Bytes of a dump for which loading may take a second more.
const BYTES_A_SECOND: u64 = 1024 * 1024;
/// Longest time that a short script (a connection, a list of roles) may take.
const SHORT: Duration = Duration::from_secs(60);
/// Most roles that a message names.
const NAMED: usize = 20;

/// Loads the dump of a service that was just started.
pub(in crate::rehearse) async fn load(running: RunningService<'_>, load: &Load) -> Diagnosed<LoadedDump> {
    let name = running.name().clone();
    let cases = dependents(&running.cx.plan, &name);
    if load.dump.lacks_end {
        let message =
            format!("{} has no end mark: whether it was cut off between two statements is not known", load.title);
        running.cx.warn(cases.clone(), Diagnosis::new(Code::RestoreDumpNoEnd, message));
    }
    let step = running.cx.begin(cases, Step::Load { service: name, dump: load.title.clone() });
    match (DumpLoad { running, load }).run().await {
        Ok(note) => {
            step.done_with(None, note);
            Ok(LoadedDump { at: StdInstant::now(), into: load.into, tables: load.dump.tables.max(1) })
        }
        Err(diagnosis) => Err(step.broke(diagnosis)),
    }
}

/// A dump and the service that it is loaded into.
struct DumpLoad<'a> {
    running: RunningService<'a>,
    load: &'a Load,
}

/// The connection by which a dump is loaded.
struct Connection {
    program: DumpProgram,
    /// `socket` or `tcp`.
    way: String,
    /// The user of the service's container who connects; `None`: the container's own.
    user: Option<String>,
}

impl DumpLoad<'_> {
    /// Loads the dump. Returns a note on the result.
    async fn run(&self) -> Diagnosed<Option<String>> {
        let load = self.load;
        if let Some(command) = &load.wish.command {
            let words = [load.file.as_str(), command.as_str()];
            let user = self.server_user(load.dump.format.program()).await?;
            let ran = self.in_service_as(user.as_deref(), client_scripts::OF_OWNER, &words, self.limit()).await?;
            return match errors::judge(OnError::Own, &[], &ran, &self.running.cx.mask) {
                Ok(()) => Ok(None),
                Err(refused) => Err(self.refused(refused).await),
            };
        }
        let program = match load.dump.format.program() {
            Some(program) => program,
            None => {
                let program = self.program().await?;
                has_no_foreign_command(&load.dump, &load.title, program, &load.wish).map_err(|refusal| *refusal)?;
                program
            }
        };
        let connection = self.await_connection(program).await?;
        self.roles_are_there(&connection).await?;
        let (manner, mode) = match load.dump.format {
            DumpFormat::PostgresCluster => (OnError::Tolerant, "cluster"),
            DumpFormat::PostgresArchive | DumpFormat::PostgresFolder => (OnError::Archive, "archive"),
            // Each DROP statement fails on a new server, where the object does not exist yet.
            DumpFormat::PostgresSql | DumpFormat::Sql
                if program == DumpProgram::Postgres && !load.dump.removals.is_empty() =>
            {
                (OnError::Tolerant, "going-on")
            }
            _ if load.dump.names_its_place => (OnError::Strict, "several"),
            _ => (OnError::Strict, "single"),
        };
        let of_head = load.dump.databases.first().map(String::as_str).unwrap_or_default();
        let database = load.wish.database.as_deref().unwrap_or_default();
        // The dump cannot know it.
        let end = format!("rehearsa-{:016x}", RandomState::new().hash_one(()));
        let words = [&load.file, database, &connection.way, mode, of_head, &end];
        let user = connection.user.as_deref();
        let ran = self.in_service_as(user, client_scripts::load(program), &words, self.limit()).await?;
        if let Err(refused) = errors::judge(manner, &load.dump.removals, &ran, &self.running.cx.mask) {
            return Err(self.refused(refused).await);
        }
        if manner != OnError::Archive && !says_end(&ran) {
            return Err(self.ended_early(program));
        }
        self.has_rows(&connection, mode).await
    }

    /// The program whose client the image has. Asked if the dump does not tell which program wrote it.
    async fn program(&self) -> Diagnosed<DumpProgram> {
        match self.in_service(client_scripts::WHICH, &[], SHORT).await? {
            ExecOutput::Ended { stdout, .. } if stdout.starts_with(b"psql") => Ok(DumpProgram::Postgres),
            ExecOutput::Ended { stdout, .. } if stdout.starts_with(b"mysql") => Ok(DumpProgram::MySql),
            ExecOutput::Ended { .. } | ExecOutput::NotStarted(_) => Err(self.without_client(None)),
        }
    }

    /// The time that loading may take.
    fn limit(&self) -> Duration {
        let base = self.running.plan.settings.timeout.unwrap_or(USUAL);
        base.saturating_add(Duration::from_secs(self.load.dump.bytes / BYTES_A_SECOND))
    }

    /// The user of the database server's process (`UID:GID`), else the owner of its data; `None`: neither is found.
    async fn server_user(&self, program: Option<DumpProgram>) -> Diagnosed<Option<String>> {
        let words = match program {
            Some(DumpProgram::Postgres) => ["postgres postmaster", "/var/lib/postgresql/data /var/lib/postgresql"],
            Some(DumpProgram::MySql) => ["mariadbd mysqld", "/var/lib/mysql"],
            Some(DumpProgram::Redis) => ["redis-server valkey-server", ""],
            None => ["postgres postmaster mariadbd mysqld", ""],
        };
        Ok(match self.in_service(client_scripts::SERVER, &words, SHORT).await? {
            ExecOutput::Ended { exit: 0, stdout, .. } => {
                Some(String::from_utf8_lossy(&stdout).trim().to_owned()).filter(|user| !user.is_empty())
            }
            ExecOutput::Ended { .. } | ExecOutput::NotStarted(_) => None,
        })
    }

    /// The connection as the server's own user, if the server accepts that user, too.
    async fn as_server_user(&self, own: Connection) -> Diagnosed<Connection> {
        let Some(user) = self.server_user(Some(own.program)).await? else { return Ok(own) };
        let ran = self.in_service_as(Some(&user), client_scripts::probe(own.program), &[], SHORT).await?;
        Ok(match ran {
            ExecOutput::Ended { exit: 0, stdout, .. } => {
                let way = String::from_utf8_lossy(&stdout).trim().to_owned();
                Connection { way, user: Some(user), ..own }
            }
            ExecOutput::Ended { .. } | ExecOutput::NotStarted(_) => own,
        })
    }

    /// Waits until the service takes connections.
    async fn await_connection(&self, program: DumpProgram) -> Diagnosed<Connection> {
        let allowed = self.running.timeout();
        let deadline = Instant::from_std(self.running.booted.since) + allowed;
        loop {
            let ran = self.in_service(client_scripts::probe(program), &[], SHORT).await?;
            let words = match &ran {
                ExecOutput::NotStarted(words) => words.clone(),
                ExecOutput::Ended { exit: 0, stdout, .. } => {
                    let way = String::from_utf8_lossy(stdout).trim().to_owned();
                    return self.as_server_user(Connection { program, way, user: None }).await;
                }
                ExecOutput::Ended { exit: 127, stdout, .. } => {
                    let other = String::from_utf8_lossy(stdout).lines().next().map(str::to_owned);
                    return Err(self.without_client(other.as_deref()));
                }
                ExecOutput::Ended { stderr, .. } => errors::quoted(stderr, &self.running.cx.mask),
            };
            if Instant::now() + PAUSE > deadline {
                let message = format!(
                    "{} was started empty to load {} into it, and accepted no connection within {}: {}",
                    self.running.name(),
                    self.load.title,
                    humantime::format_duration(Duration::from_secs(allowed.as_secs())),
                    words
                );
                let log_tail = self.running.log_tail(FAILURE_LOG).await;
                return Err(Diagnosis { log_tail, ..Diagnosis::new(Code::RestoreFailed, message) });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Checks that the owners of the dump's objects exist: a dump of a single database does not contain roles.
    async fn roles_are_there(&self, connection: &Connection) -> Diagnosed<()> {
        let (load, Connection { program, way, user }) = (self.load, connection);
        if *program != DumpProgram::Postgres || load.dump.roles.is_empty() {
            return Ok(());
        }
        let ran = self.in_service_as(user.as_deref(), client_scripts::ROLES, &[way], SHORT).await?;
        let ExecOutput::Ended { exit: 0, stdout, .. } = &ran else { return Ok(()) };
        let there = String::from_utf8_lossy(stdout);
        let there: Vec<&str> = there.lines().map(|line| line.trim_end_matches('\r')).collect();
        let is_built_in = |role: &str| role.starts_with("pg_");
        let missing = load.dump.roles.iter().map(String::as_str);
        let missing: Vec<&str> = missing.filter(|role| !there.contains(role) && !is_built_in(role)).collect();
        if missing.is_empty() { Ok(()) } else { Err(missing_roles(self.running.plan, load, &missing)) }
    }

    /// Asks the database whether the loaded tables have rows, and each that the dump fills. Returns a note; `None` when
    /// it cannot be asked.
    async fn has_rows(&self, connection: &Connection, mode: &str) -> Diagnosed<Option<String>> {
        let (load, Connection { program, way, user }) = (self.load, connection);
        let database = load.wish.database.as_deref().unwrap_or_default();
        let words = [database, way, mode];
        let ran = self.in_service_as(user.as_deref(), client_scripts::filled(*program), &words, self.limit()).await?;
        let ExecOutput::Ended { exit: 0, stdout, .. } = &ran else { return Ok(None) };
        let held = filled::read(&String::from_utf8_lossy(stdout));
        let (tables, filled) = held.counts();
        // A user of MariaDB or MySQL may not see tables of others.
        let is_known = tables > 0 || *program == DumpProgram::Postgres;
        if filled == 0 && is_known && !load.allow_empty {
            let message = format!(
                "{} was loaded into {}, and there is no row in its {}",
                load.title,
                self.running.name(),
                pluralize(tables, "table")
            );
            return Err(Diagnosis::new(Code::RestoreIncomplete, message));
        }
        let lost = held.lost(&load.dump.filled, *program);
        if !lost.is_empty() {
            let more = lost.len().saturating_sub(NAMED);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            let message = format!(
                "{} was loaded into {}, and tables that it has rows for are empty or missing afterwards: {}{more}",
                load.title,
                self.running.name(),
                lost[..lost.len().min(NAMED)].join(", ")
            );
            return Err(Diagnosis::new(Code::RestoreIncomplete, message));
        }
        Ok(Some(format!("rows in {filled} of {}", pluralize(tables, "table"))))
    }

    /// The client came to its end without the statement behind the dump.
    fn ended_early(&self, program: DumpProgram) -> Diagnosis {
        let message = format!(
            "the client of {} did not read {} to its end: something in the dump ends it early, or hides the rest from \
             it (a command for the client, a string or comment that is never ended)",
            program.title(),
            self.load.title
        );
        Diagnosis::new(Code::RestoreIncomplete, message)
    }

    async fn refused(&self, refused: Refused) -> Diagnosis {
        if refused.roles.is_empty()
            && let Some(exited) = self.running.exit_diagnosis().await
        {
            return exited;
        }
        let (plan, load) = (self.running.plan, self.load);
        let roles: Vec<&str> = refused.roles.iter().map(String::as_str).collect();
        if !roles.is_empty() && refused.code == Code::RestoreIncomplete {
            return missing_roles(plan, load, &roles);
        }
        let message = format!("{} could not be loaded into {}: {}", load.title, plan.service.name, refused.words);
        let log_tail = self.running.log_tail(FAILURE_LOG).await;
        Diagnosis { log_tail, remedy: refused.remedy, ..Diagnosis::new(refused.code, message) }
    }

    /// The image has no client to load the dump with; `other` is the client of another program that it has.
    fn without_client(&self, other: Option<&str>) -> Diagnosis {
        let (plan, load) = (self.running.plan, self.load);
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
                    "{} is a dump of {}, and {} runs another program: its image {image} has {other} and no {wanted}",
                    load.title,
                    program.title(),
                    plan.service.name
                ),
            ),
            _ => {
                let remedy = format!(
                    "A dump is loaded into the database's own service: if {} is none, name the one that is (rehearsa \
                     test --from dump:FILE SERVICE). If it is one, give the command that loads the dump in the plan \
                     file: load = {{ command = \"…\" }}, with the dump's path in $DUMP.",
                    plan.service.name
                );
                let message = format!(
                    "{} cannot be loaded into {}: its image {image} has no {wanted}, or no shell to run it with",
                    load.title, plan.service.name
                );
                Diagnosis { remedy: Some(remedy), ..Diagnosis::new(Code::RestoreFailed, message) }
            }
        }
    }

    /// Runs a script in the service's container as the container's own user. The script sees nothing of the dump's
    /// content.
    async fn in_service(&self, script: &str, words: &[&str], limit: Duration) -> Diagnosed<ExecOutput> {
        self.in_service_as(None, script, words, limit).await
    }

    /// Runs a script in the service's container as this user; `None`: as the container's own.
    async fn in_service_as(
        &self,
        user: Option<&str>,
        script: &str,
        words: &[&str],
        limit: Duration,
    ) -> Diagnosed<ExecOutput> {
        let command: Vec<String> =
            ["sh", "-c", script, "sh"].iter().chain(words).map(|&word| word.to_owned()).collect();
        let daemon = &self.running.cx.run.daemon;
        match daemon.exec(&self.running.booted.container, user, &command, limit).await {
            Ok(ran) => Ok(ran),
            Err(error) => {
                if let Some(exited) = self.running.exit_diagnosis().await {
                    return Err(exited);
                }
                if let DockerError { kind: DockerErrorKind::Timeout(after), .. } = &error
                    && *after == limit
                {
                    return Err(self.timed_out(limit));
                }
                let diagnosis = docker_diagnosis(&error, Code::SandboxFailed, "loading a dump");
                Err(Diagnosis { message: self.running.cx.mask.apply(&diagnosis.message), ..diagnosis })
            }
        }
    }
}

impl DumpLoad<'_> {
    /// The diagnosis of a load that did not end in time. Nothing is known about the rest of the dump.
    fn timed_out(&self, limit: Duration) -> Diagnosis {
        let message = format!(
            "loading {} into {} had not ended after {} and was given up; what is behind in the dump is not known",
            self.load.title,
            self.running.name(),
            humantime::format_duration(limit)
        );
        let remedy = format!(
            "Raise the service's time: --timeout (loading may take that long, {} if it is not set, and a second more \
             for each MiB of the dump). If the dump is small, look for a statement in it that waits.",
            humantime::format_duration(USUAL)
        );
        Diagnosis { remedy: Some(remedy), ..Diagnosis::new(Code::RestoreFailed, message) }
    }
}

/// Whether the client came to the statement behind the dump.
fn says_end(ran: &ExecOutput) -> bool {
    matches!(ran, ExecOutput::Ended { stdout, .. } if stdout.split(|byte| *byte == b'\n').any(|line| line == b"ended"))
}

fn missing_roles(plan: &ServicePlan, load: &Load, missing: &[&str]) -> Diagnosis {
    let (noun, verb) = if missing.len() == 1 { ("a role", "does") } else { ("roles", "do") };
    let more = missing.len().saturating_sub(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let message = format!(
        "{} cannot be loaded into {}: the owners of its objects are {noun} that {verb} not exist there: {}{more}",
        load.title,
        plan.service.name,
        missing.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ")
    );
    let remedy = "Back up the roles, too: pg_dumpall includes them (with --roles-only nothing else). A dump of \
     pg_dump --no-owner --no-acl needs no roles."
        .to_owned();
    Diagnosis { remedy: Some(remedy), ..Diagnosis::new(Code::RestoreIncomplete, message) }
}
