//! A booted service: its state, its log, and the evidence for a diagnosis.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::docker::{ContainerInsides, ContainerState, DockerErrorKind};
use crate::model::diagnosis::{Code, Diagnosis, KnownCause, Severity};
use crate::model::plan::{Neighbour, ServicePlan};
use crate::model::service::ServiceName;
use crate::plan::isolate::{fixed_addresses, health_budget, withheld_for_good};

use super::diagnose::docker_diagnosis;
use super::interference::interference;
use super::log_tail::{without_other_goroutines, without_repetitions};
use super::shared_task::Diagnosed;
use super::stack_context::StackContext;
use super::state::Booted;
use super::validate::differences::{Missed, Shown, missed, missed_address, shown};
use super::validate::failure::{self, answers_with_an_error};

/// Log lines and bytes that a diagnosis quotes.
pub(super) const FAILURE_LOG: (usize, usize) = (50, 64 * 1024);
/// Lines and bytes before them that are read as well: a secret may begin there.
const BEFORE_TAIL: (usize, usize) = (8, 16 * 1024);
/// The default time for a service to become ready.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);
/// Characters of a healthcheck's output that a diagnosis quotes.
const PROBE_OUTPUT: usize = 500;

/// How much more of a log is read than is quoted: most of it may be repetitions.
const REPETITIONS: usize = 8;

/// Neighbours that a diagnosis names.
const NEIGHBOURS: usize = 5;

/// The exit code of a process that SIGKILL ended.
const KILLED: i64 = 137;
/// Time for an engine that does not answer to come back.
const AWAY: Duration = Duration::from_secs(30);
/// How long after its end a service may be reported as killed for memory. On a busy host, Docker 20.10 took more than a
/// second.
const LATE_REPORT: Duration = Duration::from_secs(5);

/// A started service of the sandbox.
#[derive(Clone, Copy)]
pub(super) struct RunningService<'a> {
    pub cx: &'a StackContext,
    pub plan: &'a ServicePlan,
    pub booted: &'a Booted,
}

impl<'a> RunningService<'a> {
    /// The service's name.
    pub fn name(&self) -> &'a ServiceName {
        &self.plan.service.name
    }

    /// Its container, to be looked into.
    pub fn insides(&self) -> ContainerInsides<'a> {
        ContainerInsides { daemon: &self.cx.run.daemon, id: &self.booted.container }
    }

    /// The time from its start until it must be ready: the default, or its own healthcheck's if that is longer.
    pub fn timeout(&self) -> Duration {
        self.plan.settings.timeout.unwrap_or_else(|| {
            let own = self.plan.service.healthcheck.as_ref().map_or(0, health_budget);
            DEFAULT_TIMEOUT.max(Duration::from_nanos(u64::try_from(own).unwrap_or(0)))
        })
    }

    /// The state of its container now.
    pub async fn state(&self) -> Diagnosed<ContainerState> {
        self.cx.run.daemon.state(&self.booted.container).await.map_err(|error| match error.kind {
            DockerErrorKind::NotFound(_) => Diagnosis::new(
                Code::SandboxFailed,
                format!("the sandbox's container {} was removed by somebody else", self.booted.name),
            ),
            _ => docker_diagnosis(&error, Code::SandboxFailed, "looking at a container of the sandbox"),
        })
    }

    /// The state of its container; an engine that does not answer gets some time to come back.
    pub async fn state_when_back(&self) -> Diagnosed<ContainerState> {
        let until = Instant::now() + AWAY;
        loop {
            match self.state().await {
                Err(away) if away.code == Code::HostUnreachable && Instant::now() < until => {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                other => return other,
            }
        }
    }

    /// The end of its log without repetitions, at most so many lines and bytes, with secrets masked. More is read than
    /// that, so that a secret is whole when it is masked.
    pub async fn log_tail(&self, (lines, bytes): (usize, usize)) -> Vec<String> {
        let (more_lines, more_bytes) = (lines * REPETITIONS + BEFORE_TAIL.0, bytes * REPETITIONS + BEFORE_TAIL.1);
        match self.cx.run.daemon.log_tail(&self.booted.container, more_lines, more_bytes).await {
            Ok(read) => {
                let masked = without_other_goroutines(self.cx.mask.apply_to_lines(&read));
                last_of(without_repetitions(&masked), lines, bytes)
            }
            Err(error) => vec![format!("(rehearsa could not read the log: {error})")],
        }
    }

    /// The end of the live container's log, as [`Self::log_tail`]; empty if the log cannot be read.
    pub async fn live_log(&self, (lines, bytes): (usize, usize)) -> Vec<String> {
        let live = &self.plan.service.container_name;
        if !self.plan.service.is_live() {
            return Vec::new();
        }
        match self.cx.run.daemon.log_tail(live, lines, bytes).await {
            Ok(read) => self.cx.mask.apply_to_lines(&read),
            Err(error) => {
                tracing::debug!(%error, service = %self.name(), "the live log cannot be read");
                Vec::new()
            }
        }
    }

    /// The diagnosis of a service that has ended; `None` while it runs, and if its container cannot be inspected.
    pub async fn exit_diagnosis(&self) -> Option<Diagnosis> {
        let state = self.state().await.ok().filter(|state| !state.running)?;
        Some(self.exited(&state).await)
    }

    /// Whether the kernel killed the ended service for its memory use. The engine learns of the kill and of the end in
    /// different ways and may report the kill later, so a service that SIGKILL ended gets some time for the report.
    pub async fn was_out_of_memory(&self, state: &ContainerState) -> bool {
        if state.oom_killed || state.exit_code != KILLED {
            return state.oom_killed;
        }
        let Ok(watch) = self.cx.run.watch().await else { return false };
        let mut seen = watch.of(&self.booted.container);
        let reported = seen.wait_for(|history| history.out_of_memory);
        matches!(tokio::time::timeout(LATE_REPORT, reported).await, Ok(Ok(_)))
            || self.state().await.is_ok_and(|state| state.oom_killed)
    }

    /// The diagnosis of a service that exited or was killed for its memory use.
    pub async fn exited(&self, state: &ContainerState) -> Diagnosis {
        let (name, seconds) = (self.name(), self.seconds());
        let code = if self.was_out_of_memory(state).await { Code::BootOomKilled } else { Code::BootExited };
        let message = match code {
            Code::BootOomKilled => {
                let own = self.plan.service.limits.memory;
                let limit = own.or_else(|| self.plan.settings.memory.and_then(|bytes| i64::try_from(bytes).ok()));
                let limit = limit.map_or_else(
                    || "the sandbox's limit".to_owned(),
                    |bytes| format!("its limit of {} MiB", bytes >> 20),
                );
                format!("{name} was killed after {seconds:.1} s because it used more memory than {limit}")
            }
            _ => format!("{name} exited with code {} after {seconds:.1} s", state.exit_code),
        };
        self.ended(code, message, state).await
    }

    /// The diagnosis of a service that exited more often than it may be restarted.
    pub async fn crash_looped(&self, state: &ContainerState) -> Diagnosis {
        let message = format!(
            "{} exited {} times in {:.1} s, the last time with exit code {}",
            self.name(),
            self.booted.restarts.load(Ordering::Relaxed) + 1,
            self.seconds(),
            state.exit_code
        );
        self.ended(Code::BootCrashLoop, message, state).await
    }

    async fn ended(&self, code: Code, mut message: String, state: &ContainerState) -> Diagnosis {
        if !state.error.is_empty() {
            message.push_str(": ");
            message.push_str(&self.cx.mask.apply(&state.error));
        }
        self.failure(Diagnosis::new(code, message)).await
    }

    fn seconds(&self) -> f64 {
        self.booted.since.elapsed().as_secs_f64()
    }

    /// The diagnosis of a service whose healthcheck fails.
    pub async fn unhealthy(&self) -> Diagnosis {
        let message = format!("the healthcheck of {} fails{}", self.name(), self.last_probe().await);
        self.failure(Diagnosis::new(Code::HealthUnhealthy, message)).await
    }

    /// The output of the last probe, as the end of a sentence.
    pub async fn last_probe(&self) -> String {
        let probe = self.state().await.ok().and_then(|state| state.health).and_then(|health| health.last_probe);
        match probe {
            Some((code, output)) if output.trim().is_empty() => {
                format!("; the last probe exited with {code} and said nothing")
            }
            Some((code, output)) => {
                let output: String = self.cx.mask.apply(output.trim()).chars().take(PROBE_OUTPUT).collect();
                format!("; the last probe exited with {code}: {output}")
            }
            None => "; no probe has ended yet".to_owned(),
        }
    }

    /// Adds evidence to a diagnosis: the log's end, its known cause, wrong owners, and what the sandbox does not
    /// provide.
    pub async fn failure(&self, diagnosis: Diagnosis) -> Diagnosis {
        let log_tail = self.log_tail(FAILURE_LOG).await;
        if let Some(outside) = self.interfered_with(&diagnosis).await {
            return Diagnosis { log_tail, ..outside };
        }
        let cause = failure::recognise(&log_tail);
        let is_of_health = matches!(diagnosis.code, Code::HealthUnhealthy | Code::HealthTimeout);
        // It may answer with an error because the sandbox lacks something, so this is no cause in the data.
        let answered = if is_of_health { answers_with_an_error(&diagnosis.message, &log_tail) } else { None };
        let diagnosis = self.as_live(diagnosis).await;
        let diagnosis = match self.lacks_permission(diagnosis, cause.as_ref(), &log_tail) {
            Ok(diagnosis) => return Diagnosis { cause, log_tail, ..diagnosis },
            Err(diagnosis) => diagnosis,
        };
        let diagnosis = self.without_what_it_uses(diagnosis, cause.as_ref(), &log_tail);
        let cause = diagnosis.cause.clone().or(cause).or(answered);
        without_more_time(Diagnosis { cause, log_tail, ..diagnosis })
    }

    /// Adds to the failure of a healthcheck that it fails live, too, with the same exit code.
    async fn as_live(&self, diagnosis: Diagnosis) -> Diagnosis {
        let is_of_health = matches!(diagnosis.code, Code::HealthUnhealthy | Code::HealthTimeout);
        let Some(live) = self.plan.service.unhealthy.filter(|_| is_of_health) else { return diagnosis };
        let probe = self.state().await.ok().and_then(|state| state.health).and_then(|health| health.last_probe);
        if probe.is_none_or(|(here, _)| here != live) {
            return diagnosis;
        }
        let container = &self.plan.service.container_name;
        let message =
            format!("{}; the probe of the live container {container} exits with {live}, too", diagnosis.message);
        Diagnosis { message, ..diagnosis }
    }

    /// The diagnosis of a service that failed because the sandbox lacks what the service uses, as far as its log tells;
    /// otherwise the given diagnosis, with the neighbours that were left out.
    fn without_what_it_uses(&self, diagnosis: Diagnosis, cause: Option<&KnownCause>, log: &[String]) -> Diagnosis {
        if diagnosis.severity() != Severity::Failed || diagnosis.code == Code::BootOomKilled {
            return diagnosis;
        }
        // The output of a probe is in the message.
        let log: Vec<String> = log.iter().cloned().chain(diagnosis.message.lines().map(str::to_owned)).collect();
        // A cause in the data counts more than a line about something else.
        let is_cause = |line: &str| cause.is_none_or(|cause| cause.line == line || failure::is_about_a_name(cause));
        if let Some(missed) = missed(&self.plan.neighbours, &log).filter(|missed| is_cause(missed.line)) {
            return self.without_neighbour(&diagnosis, &missed);
        }
        if let Some(Shown { change, line }) = shown(&self.plan.changes, &log).into_iter().find(|s| is_cause(s.line)) {
            let meaning = format!("live, {} is {}; in the sandbox it is {}", change.field, change.live, change.sandbox);
            let message = format!("{}; {meaning}", diagnosis.message);
            let cause = Some(KnownCause { meaning, line: line.to_owned() });
            return Diagnosis { cause, ..Diagnosis::new(Code::SandboxWithheld, message) };
        }
        let services = self.cx.plan.services.iter().map(|plan| &plan.service);
        let addresses: Vec<&str> = services.flat_map(fixed_addresses).collect();
        if let Some((address, line)) = missed_address(&addresses, &log).filter(|(_, line)| is_cause(line)) {
            let meaning = format!("{address} is the address of a service live, and of none in the sandbox");
            let message = format!("{}; {meaning}", diagnosis.message);
            let cause = Some(KnownCause { meaning, line: line.to_owned() });
            return Diagnosis { cause, ..Diagnosis::new(Code::SandboxWithheld, message) };
        }
        if let Some(cause) = cause.filter(|cause| failure::is_about_a_name(cause) && !self.plan.neighbours.is_empty()) {
            return self.without_some_neighbour(&diagnosis, cause);
        }
        let withheld = self.withheld();
        if cause.is_none() && !withheld.is_empty() {
            let message = format!(
                "{}; the sandbox does not provide what the live service uses: {}",
                diagnosis.message,
                withheld.join(", ")
            );
            return Diagnosis::new(Code::SandboxWithheld, message);
        }
        if cause.is_none() { self.with_neighbours(diagnosis) } else { diagnosis }
    }

    /// The service looked for a neighbour that is not in the sandbox.
    fn without_neighbour(&self, diagnosis: &Diagnosis, missed: &Missed<'_>) -> Diagnosis {
        let Missed { neighbour: Neighbour { service, met_by, .. }, name, line } = missed;
        let message = format!(
            "{}; it looks for {name}, which is {service}, its neighbour live ({met_by}) and not in the sandbox",
            diagnosis.message
        );
        let meaning = format!("the service looks for {service}, which was not brought into the sandbox");
        let remedy = format!(
            "Bring the neighbour along: --with {service}, or the label rehearsa.depends_on={service} on {}.",
            self.plan.service.container_name
        );
        Diagnosis {
            cause: Some(KnownCause { meaning, line: (*line).to_owned() }),
            remedy: Some(remedy),
            ..Diagnosis::new(Code::OrderNeighbourMissing, message)
        }
    }

    /// The service looked for a name that leads nowhere, and its log does not tell which.
    fn without_some_neighbour(&self, diagnosis: &Diagnosis, cause: &KnownCause) -> Diagnosis {
        let names = self.names_of_neighbours();
        let first = self.plan.neighbours.first().map(|neighbour| neighbour.service.to_string()).unwrap_or_default();
        let message = format!(
            "{}; it looks for a host that is not in the sandbox, and live it has neighbours that are not there: \
             {names}",
            diagnosis.message
        );
        let remedy = format!(
            "Bring the neighbour along that the service looks for: --with {first}, or the label \
             rehearsa.depends_on={first} on {}.",
            self.plan.service.container_name
        );
        Diagnosis {
            cause: Some(cause.clone()),
            remedy: Some(remedy),
            ..Diagnosis::new(Code::OrderNeighbourMissing, message)
        }
    }

    /// The first neighbours that were left out, and the number of the others.
    fn names_of_neighbours(&self) -> String {
        let names = self.plan.neighbours.iter().take(NEIGHBOURS).map(|neighbour| neighbour.service.to_string());
        let named = names.collect::<Vec<_>>().join(", ");
        let more = self.plan.neighbours.len().saturating_sub(NEIGHBOURS);
        if more == 0 { named } else { format!("{named} and {more} more") }
    }

    /// Adds the neighbours that were left out: the service may miss one of them without saying so.
    fn with_neighbours(&self, diagnosis: Diagnosis) -> Diagnosis {
        let Some(first) = self.plan.neighbours.first().map(|neighbour| &neighbour.service) else { return diagnosis };
        let names = self.names_of_neighbours();
        let message = format!("{}; live it has neighbours that are not in the sandbox: {names}", diagnosis.message);
        let remedy = format!(
            "{} If the service needs one of its neighbours, bring that along: --with {first}, or the label \
             rehearsa.depends_on={first}.",
            diagnosis.remedy()
        );
        Diagnosis { message, remedy: Some(remedy), ..diagnosis }
    }

    /// The diagnosis of what was done to the service from outside, if that may be behind its failure.
    pub async fn interfered_with(&self, diagnosis: &Diagnosis) -> Option<Diagnosis> {
        if diagnosis.severity() != Severity::Failed {
            return None;
        }
        interference(self.cx, self.booted).await
    }

    /// What the live service uses and the sandbox does not provide.
    fn withheld(&self) -> Vec<String> {
        let places = self.booted.mounts.iter().filter_map(|mount| mount.place.brought.withheld.clone());
        withheld_for_good(&self.plan.service).into_iter().chain(places).collect()
    }

    /// The diagnosis of a service that did not come up, if its data has another owner than live and its log names no
    /// other cause; the error is the given diagnosis. What starts as root can read files of any owner, so there the log
    /// has to speak of rights; else the owner is only told.
    fn lacks_permission(
        &self,
        diagnosis: Diagnosis,
        cause: Option<&KnownCause>,
        log: &[String],
    ) -> Result<Diagnosis, Diagnosis> {
        if diagnosis.severity() != Severity::Failed
            || diagnosis.code == Code::BootOomKilled
            || cause.is_some_and(|cause| !is_about_rights(&cause.line))
        {
            return Err(diagnosis);
        }
        let Some(suspicion) = self.suspicions().next() else { return Err(diagnosis) };
        let told = || log.iter().map(String::as_str).chain([diagnosis.message.as_str()]).any(is_about_rights);
        if is_root(&self.plan.service.user) && !told() {
            let message = format!("{} (beside that, {})", diagnosis.message, suspicion.message);
            return Err(Diagnosis { message, ..diagnosis });
        }
        let message = format!("{}, and {}", suspicion.message, diagnosis.message);
        Ok(Diagnosis::new(suspicion.code, message))
    }

    /// Turns the suspicions about its data into warnings, since it came up.
    pub fn warn_of_suspicions(&self) {
        for suspicion in self.suspicions() {
            let message = format!("{}; {} came up nevertheless", suspicion.message, self.name());
            self.cx.warn(vec![self.name().clone()], Diagnosis::new(Code::DataMetadataLost, message));
        }
    }

    /// The diagnosis of files that a service which is well may not read: their owner, if live has another one.
    pub fn of_owners(&self, unreadable: Diagnosis) -> Diagnosis {
        match self.suspicions().find(|suspicion| suspicion.code == Code::DataOwnership) {
            Some(suspicion) => {
                let message = format!("{}; {}", unreadable.message, suspicion.message);
                Diagnosis { message, code: Code::DataOwnership, ..unreadable }
            }
            None => unreadable,
        }
    }

    fn suspicions(&self) -> impl Iterator<Item = &'a Diagnosis> + use<'a> {
        self.booted.mounts.iter().filter_map(|mount| mount.place.inspected.suspicion.as_ref())
    }
}

/// The diagnosis of a healthcheck that did not pass in time for a known cause: the advice to give it more time is left
/// out.
fn without_more_time(diagnosis: Diagnosis) -> Diagnosis {
    if diagnosis.code != Code::HealthTimeout || diagnosis.cause.is_none() || diagnosis.remedy.is_some() {
        return diagnosis;
    }
    let remedy = "The service itself says what is wrong: read the quoted line and the log. More time does not help.";
    Diagnosis { remedy: Some(remedy.to_owned()), ..diagnosis }
}

/// The last lines, at most so many lines and bytes. Of a line that is too long for them, the end is kept.
fn last_of(mut log: Vec<String>, lines: usize, bytes: usize) -> Vec<String> {
    let mut room = bytes;
    let mut kept = 0;
    for line in log.iter_mut().rev().take(lines) {
        if line.len() > room && kept > 0 {
            break;
        }
        let cut = line.len().saturating_sub(room);
        let cut = (cut..=line.len()).find(|at| line.is_char_boundary(*at)).unwrap_or(line.len());
        line.drain(..cut);
        room -= line.len();
        kept += 1;
    }
    log.split_off(log.len() - kept)
}

/// Whether a wrong owner or mode may be behind a log line.
fn is_about_rights(line: &str) -> bool {
    let line = line.to_lowercase();
    ["permission", "ownership", "not permitted", "must be writable", "eacces"].iter().any(|words| line.contains(words))
}

/// Whether a container with this user starts as root.
fn is_root(user: &str) -> bool {
    let name = user.split(':').next().unwrap_or_default();
    matches!(name, "" | "0" | "root")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_bounded_after_the_secrets_are_hidden() {
        let log = || ["one", "two", "three"].map(str::to_owned).to_vec();
        assert_eq!(last_of(log(), 2, 100), ["two", "three"]);
        assert_eq!(last_of(log(), 10, 8), ["two", "three"]);
        assert_eq!(last_of(log(), 10, 7), ["three"]);
        assert_eq!(last_of(log(), 10, 3), ["ree"]);
        assert_eq!(last_of(vec!["ééé".to_owned()], 1, 3), ["é"]);
        assert_eq!(last_of(Vec::new(), 1, 3), Vec::<String>::new());
    }

    #[test]
    fn a_user_is_root_by_name_number_or_default() {
        for (user, root) in
            [("", true), ("0", true), ("root:users", true), ("0:1500", true), ("1500:0", false), ("app", false)]
        {
            assert_eq!(is_root(user), root, "{user:?}");
        }
    }

    #[test]
    fn a_known_cause_is_no_reason_to_wait_longer() {
        let cause = KnownCause { meaning: String::new(), line: "HTTP 500".to_owned() };
        let late = Diagnosis::new(Code::HealthTimeout, "");
        assert!(without_more_time(late.clone()).remedy().contains("--timeout"));
        assert!(!without_more_time(Diagnosis { cause: Some(cause), ..late }).remedy().contains("--timeout"));
    }

    #[test]
    fn a_log_that_names_another_cause_is_believed() {
        assert!(is_about_rights("sh: can't create /data/x: Permission denied"));
        assert!(is_about_rights("FATAL:  data directory \"/data\" has wrong ownership"));
        assert!(!is_about_rights("FATAL:  database files are incompatible with server"));
        assert!(!is_about_rights("FATAL:  password authentication failed for user \"app\""));
    }
}
