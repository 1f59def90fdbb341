//! Lists, starts, inspects and removes containers. `create` creates one, `inspect` reads a live one as a service.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::models::{self, ContainerSummaryStateEnum, HealthStatusEnum};
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};
use tokio::time::{Instant, sleep};

use super::client::Daemon;
use super::connection::in_path;
use super::errors::{DockerError, DockerErrorKind, Result};

/// A line of `docker ps`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerLine {
    /// Id.
    pub id: String,
    /// Name without the slash.
    pub name: String,
    /// It runs.
    pub running: bool,
    /// The id of its image.
    pub image: String,
    /// Labels, its image's among them.
    pub labels: BTreeMap<String, String>,
}

/// What a container is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContainerState {
    /// It runs.
    pub running: bool,
    /// It is being restarted by the engine.
    pub restarting: bool,
    /// Its last exit code.
    pub exit_code: i64,
    /// It was killed for memory.
    pub oom_killed: bool,
    /// The engine's word on why it could not be started.
    pub error: String,
    /// How often the engine restarted it.
    pub restart_count: i64,
    /// Its process id on the engine's host.
    pub pid: i64,
    /// Start time, RFC 3339.
    pub started_at: String,
    /// Health, when it has a healthcheck.
    pub health: Option<Health>,
}

/// Health of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// `starting`, `healthy` or `unhealthy`.
    pub status: HealthStatus,
    /// Failed probes in a row.
    pub failing_streak: i64,
    /// The last probe's exit code and output.
    pub last_probe: Option<(i64, String)>,
}

/// Status of a healthcheck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthStatus {
    /// Not known yet.
    Starting,
    /// The last probe passed.
    Healthy,
    /// As many probes failed in a row as it is allowed.
    Unhealthy,
}

/// How long a removal that somebody else has begun may take.
const REMOVAL: Duration = Duration::from_secs(10);

impl Daemon {
    /// The running containers, or all. One without a name is just being removed and is left out.
    pub async fn containers(&self, all: bool) -> Result<Vec<ContainerLine>> {
        let options = ListContainersOptionsBuilder::default().all(all).build();
        let list = self.connection.call("list containers", "", |docker| docker.list_containers(Some(options))).await?;
        let mut lines: Vec<_> = list.into_iter().map(line).filter(|line| !line.name.is_empty()).collect();
        lines.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(lines)
    }

    /// What a container is doing.
    pub async fn state(&self, id: &str) -> Result<ContainerState> {
        let container = self.inspect(id).await?;
        Ok(state(container.state.unwrap_or_default(), container.restart_count.unwrap_or_default()))
    }

    /// The engine's own description of a container.
    pub(super) async fn inspect(&self, id: &str) -> Result<models::ContainerInspectResponse> {
        const LOOK: &str = "inspect container";
        let id = in_path(LOOK, id)?;
        self.connection.call(LOOK, id, |docker| docker.inspect_container(id, None)).await
    }

    /// Starts a container; one that runs already is success.
    pub async fn start_container(&self, id: &str) -> Result<()> {
        const START: &str = "start container";
        let id = in_path(START, id)?;
        self.connection.call(START, id, |docker| docker.start_container(id, None)).await
    }

    /// Kills and removes a container with its anonymous volumes; only for containers of ours. A container that is not
    /// there is success; one that somebody else is removing is waited for.
    pub async fn remove_container(&self, id: &str) -> Result<()> {
        const REMOVE: &str = "remove container";
        let id = in_path(REMOVE, id)?;
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        let until = Instant::now() + REMOVAL;
        let mut pause = Duration::from_millis(20);
        loop {
            let options = Some(options.clone());
            let error = match self.connection.call(REMOVE, id, |docker| docker.remove_container(id, options)).await {
                Err(error) if is_not_found(&error) => return Ok(()),
                Err(error) if is_being_removed(&error) => error,
                done => return done,
            };
            // The request is repeated, because that also resumes a removal that broke off half-way.
            if Instant::now() + pause >= until {
                return Err(error);
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }
}

/// Whether the engine has no such object.
pub(super) fn is_not_found(error: &DockerError) -> bool {
    matches!(error.kind, DockerErrorKind::NotFound(_))
}

/// Whether somebody else is removing the container. Only the engine's words say so: the status, 409, is that of every
/// conflict. Under load an engine also fails to remove the folder in which it still writes the log; the next request
/// succeeds.
fn is_being_removed(error: &DockerError) -> bool {
    match &error.kind {
        DockerErrorKind::Conflict(words) => words.contains("already in progress"),
        DockerErrorKind::Engine(words) => {
            words.contains("unable to remove filesystem") && words.contains("directory not empty")
        }
        _ => false,
    }
}

#[cfg(test)]
mod removal_tests {
    use super::*;

    #[test]
    fn a_removal_that_stumbled_is_asked_for_again() {
        let error = |kind| DockerError::new("remove container", "x", kind);
        let stumbled = "unable to remove filesystem for x: unlinkat /c/x: directory not empty".to_owned();
        assert!(is_being_removed(&error(DockerErrorKind::Engine(stumbled))));
        let busy = "removal of container x is already in progress".to_owned();
        assert!(is_being_removed(&error(DockerErrorKind::Conflict(busy))));
        assert!(!is_being_removed(&error(DockerErrorKind::Engine(
            "unable to remove filesystem: read-only".to_owned()
        ))));
    }
}

/// The engine's name of a container, without the slash it puts in front.
pub(super) fn plain_name(name: &str) -> String {
    name.trim_start_matches('/').to_owned()
}

fn line(container: models::ContainerSummary) -> ContainerLine {
    use ContainerSummaryStateEnum as State;
    ContainerLine {
        id: container.id.unwrap_or_default(),
        name: own_name(container.names.as_deref().unwrap_or_default()),
        // As the engine sees it: a paused container and one between two restarts both run.
        running: matches!(container.state, Some(State::RUNNING | State::PAUSED | State::RESTARTING)),
        image: container.image_id.unwrap_or_default(),
        labels: container.labels.unwrap_or_default().into_iter().collect(),
    }
}

/// Its own name among those listed: legacy links add `/other/alias`.
pub(super) fn own_name(names: &[String]) -> String {
    let own = names.iter().find(|name| !name.trim_start_matches('/').contains('/')).or_else(|| names.first());
    own.map(|name| plain_name(name)).unwrap_or_default()
}

fn state(state: models::ContainerState, restart_count: i64) -> ContainerState {
    let models::ContainerState {
        status: _, // the same as the flags below, in one word
        running,
        paused: _, // nobody pauses a container of ours
        restarting,
        oom_killed,
        dead: _,
        pid,
        exit_code,
        error,
        started_at,
        finished_at: _,
        health,
    } = state;
    ContainerState {
        running: running.unwrap_or_default(),
        restarting: restarting.unwrap_or_default(),
        exit_code: exit_code.unwrap_or_default(),
        oom_killed: oom_killed.unwrap_or_default(),
        error: error.unwrap_or_default(),
        restart_count,
        pid: pid.unwrap_or_default(),
        started_at: started_at.unwrap_or_default(),
        health: health.and_then(read_health),
    }
}

fn read_health(health: models::Health) -> Option<Health> {
    let models::Health { status, failing_streak, log } = health;
    let last = log.unwrap_or_default().pop();
    Some(Health {
        status: match status? {
            HealthStatusEnum::STARTING => HealthStatus::Starting,
            HealthStatusEnum::HEALTHY => HealthStatus::Healthy,
            HealthStatusEnum::UNHEALTHY => HealthStatus::Unhealthy,
            HealthStatusEnum::NONE | HealthStatusEnum::EMPTY => return None,
        },
        failing_streak: failing_streak.unwrap_or_default(),
        last_probe: last.map(|probe| (probe.exit_code.unwrap_or_default(), probe.output.unwrap_or_default())),
    })
}

/// The filter for one label, as the lists of the engine take it.
pub(super) fn with_label(label: String) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![label])])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_do_not_rename_a_container() {
        assert_eq!(own_name(&["/web/db".into(), "/postgres".into()]), "postgres");
        assert_eq!(own_name(&[]), "");
    }

    #[test]
    fn a_container_without_a_healthcheck_has_no_health() {
        let of = |status| read_health(models::Health { status, failing_streak: Some(2), log: None });
        assert_eq!(of(Some(HealthStatusEnum::NONE)), None);
        assert_eq!(of(None), None);
        assert_eq!(of(Some(HealthStatusEnum::STARTING)).map(|health| health.failing_streak), Some(2));
    }

    #[test]
    fn the_last_probe_is_the_newest_one() {
        let probe = |code, output: &str| models::HealthcheckResult {
            start: None,
            end: None,
            exit_code: Some(code),
            output: Some(output.into()),
        };
        let health = models::Health {
            status: Some(HealthStatusEnum::UNHEALTHY),
            failing_streak: None,
            log: Some(vec![probe(0, "old"), probe(1, "new")]),
        };
        assert_eq!(read_health(health).and_then(|health| health.last_probe), Some((1, "new".to_owned())));
    }
}
