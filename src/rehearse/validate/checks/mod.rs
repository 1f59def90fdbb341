//! The questions of a service's owner: put to it once it is ready, again and again until the answer is right or the service's
//! time is over, for many services warm up after they say that they are well.

mod result;
mod sqlite;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::docker::{DockerError, DockerErrorKind, ExecOutput};
use crate::model::check::Proof;
use crate::model::diagnosis::{Code, Diagnosis, Severity};
use crate::model::event::Step;
use crate::model::mask::Mask;
use crate::model::plan::ServicePlan;
use crate::model::pluralize::pluralize;
use crate::model::question::{Check, CheckSpec, HeaderValue, HttpCheck};
use crate::model::sandbox::NetworkSpec;
use crate::model::source::SecretPlace;
use crate::source::fetch_secret;
use crate::worker::client::Worker;
use crate::worker::protocol::{HttpJob, HttpResponse, ListenJob};

use super::{FAILURE_LOG, timeout};
use crate::rehearse::boot::Booted;
use crate::rehearse::engine::docker_diagnosis;
use crate::rehearse::sandbox::ledger::LedgerEntry;
use crate::rehearse::sandbox::worker::{job_diagnosis, worker_diagnosis};
use crate::rehearse::shared_task::Diagnosed;
use crate::rehearse::stack::StackRehearsal;
use result::CheckResult;
use sqlite::{Query, restored_mount};

/// Time between two times that the same is asked.
const PAUSE: Duration = Duration::from_millis(500);
/// The least time that an answer is waited for, however late it is.
const LEAST: Duration = Duration::from_secs(5);
/// The most time that one answer over HTTP is waited for.
const HTTP_PATIENCE: Duration = Duration::from_secs(10);
/// How long ports that should be open already are waited for at a time.
const TCP_PATIENCE: Duration = Duration::from_millis(400);
/// Bytes of an answer's body that are looked at: what a worker says is one line.
const BODY: usize = 128 * 1024;
/// Lines and bytes of a log that are looked through.
const LOG: (usize, usize) = (1_000_000, 16 * 1024 * 1024);

/// Who is asked, and with what.
struct Asking<'a> {
    plan: &'a ServicePlan,
    booted: &'a Booted,
    /// A worker in the service's network namespace, once it was needed.
    inside: Option<Arc<Worker>>,
    /// A worker that sees the service's volumes, once it was needed.
    reader: Option<Arc<Worker>>,
    deadline: Instant,
}

impl StackRehearsal {
    /// Asks all that its owner wants to know of a service. All is asked, whatever is answered, so that a report tells all that is
    /// wrong.
    pub(in crate::rehearse) async fn question(
        self: &Arc<Self>,
        plan: &ServicePlan,
        booted: &Booted,
    ) -> Diagnosed<Proof> {
        let deadline = Instant::from_std(booted.clock()) + timeout(plan);
        let mut asking = Asking { plan, booted, inside: None, reader: None, deadline };
        let mut proof = Proof::Running;
        let mut broken: Option<Diagnosis> = None;
        for question in &plan.settings.checks {
            let name = plan.service.name.clone();
            let step = Step::Check { service: name.clone(), check: question.check() };
            let step = self.common.notify.begin(vec![name], step);
            match self.answer(&mut asking, question).await {
                Ok(note) => {
                    proof = proof.max(question.ask.proof());
                    step.done_with(None, note);
                }
                Err(diagnosis) => {
                    let diagnosis = step.broke(diagnosis);
                    let worse = broken.as_ref().is_none_or(|first| {
                        first.severity() != Severity::Failed && diagnosis.severity() == Severity::Failed
                    });
                    let is_over = !matches!(diagnosis.code, Code::CheckFailed | Code::CheckCannotAsk);
                    if worse {
                        broken = Some(diagnosis);
                    }
                    // Nobody is there any more to be asked the rest.
                    if is_over {
                        break;
                    }
                }
            }
        }
        for worker in [asking.inside.take(), asking.reader.take()].into_iter().flatten() {
            self.dismiss(worker);
        }
        broken.map_or(Ok(proof), Err)
    }

    /// Asks until the answer is right, and says how often it took.
    async fn answer(self: &Arc<Self>, asking: &mut Asking<'_>, question: &Check) -> Diagnosed<Option<String>> {
        self.mask.learn(&question.mask());
        let request = match &question.ask {
            CheckSpec::Http(ask) => match self.request(ask).await {
                Ok(request) => Some(request),
                Err(why) => return Err(self.cannot_ask(asking, question, &why)),
            },
            _ => None,
        };
        let mut times: u64 = 0;
        loop {
            times += 1;
            let began = Instant::now();
            let heard = match self.ask_once(asking, question, request.clone()).await {
                Ok(heard) => heard,
                Err(diagnosis) => return Err(self.or_container_exit(asking, diagnosis).await),
            };
            // A large database that is copied to be asked is not copied without a pause.
            let pause =
                if matches!(question.ask, CheckSpec::Sqlite { .. }) { PAUSE.max(began.elapsed()) } else { PAUSE };
            let again = Instant::now() + pause < asking.deadline;
            match heard {
                CheckResult::Pass => {
                    return Ok((times > 1).then(|| format!("after {}", pluralize(times, "time"))));
                }
                CheckResult::Fail(_) | CheckResult::Retry(_) if again => tokio::time::sleep(pause).await,
                CheckResult::Fail(why) | CheckResult::FailFinal(why) => {
                    let message = format!("the check `{}` of {}: {why}", question.name, asking.plan.service.name);
                    let log_tail = self.log_tail(asking.booted, FAILURE_LOG).await;
                    return Err(Diagnosis { log_tail, ..Diagnosis::new(Code::CheckFailed, self.mask.apply(&message)) });
                }
                CheckResult::Retry(why) | CheckResult::Invalid(why) => {
                    return Err(self.cannot_ask(asking, question, &why));
                }
            }
        }
    }

    fn cannot_ask(&self, asking: &Asking<'_>, question: &Check, why: &str) -> Diagnosis {
        let message =
            format!("the check `{}` of {} could not be asked: {why}", question.name, asking.plan.service.name);
        Diagnosis::new(Code::CheckCannotAsk, self.mask.apply(&message))
    }

    async fn ask_once(
        self: &Arc<Self>,
        asking: &mut Asking<'_>,
        question: &Check,
        request: Option<HttpJob>,
    ) -> Diagnosed<CheckResult> {
        Ok(match &question.ask {
            CheckSpec::Exec { command, exit, stdout } => match self.run(asking, command).await? {
                Some(ran) => result::to_exec(&ran, *exit, stdout.as_deref(), &self.mask),
                None => CheckResult::Fail("it had not ended when the time was over".to_owned()),
            },
            CheckSpec::File { path, min_size, sha256, newer_than } => {
                if let Err(heard) = restored_mount(asking.plan, path) {
                    return Ok(heard);
                }
                let command = result::file_command(path, sha256.is_some());
                match self.run(asking, &command).await? {
                    Some(ran) => result::to_file(&ran, *min_size, sha256.as_deref(), *newer_than, &self.mask),
                    None => CheckResult::Invalid("looking at the file had not ended when the time was over".to_owned()),
                }
            }
            CheckSpec::Sql { query, database, value, min_rows } => {
                let command = result::sql_command(query, database.as_deref());
                match self.run(asking, &command).await? {
                    Some(ran) => result::to_sql(&ran, value.as_deref(), *min_rows, &self.mask),
                    None => CheckResult::Retry("the query had not ended when the time was over".to_owned()),
                }
            }
            CheckSpec::Sqlite { path, query, value, min_rows } => {
                let asked = Query { path, query, value: value.as_deref(), min_rows: *min_rows };
                self.query(asking, &asked).await?
            }
            CheckSpec::Log { contains, not_contains } => {
                let log = self.common.daemon.log_tail(&asking.booted.container, LOG.0, LOG.1).await;
                let log = log.map_err(|error| self.unheard(&error))?;
                result::to_log(&log, contains.as_deref(), not_contains.as_deref(), &self.mask)
            }
            CheckSpec::Http(ask) => {
                let Some(request) = request else {
                    return Ok(CheckResult::Invalid("there is no request".to_owned()));
                };
                let worker = self.inside(asking).await?;
                match worker.run(request).await {
                    Ok(Ok(HttpResponse { status, body, cut })) => result::to_http(ask, status, &body, cut, &self.mask),
                    Ok(Err(error)) => {
                        CheckResult::Fail(format!("expected status {}, got no answer: {error}", ask.status))
                    }
                    Err(error) => return Err(job_diagnosis(&error, "asking over HTTP")),
                }
            }
            CheckSpec::Tcp { ports } => {
                let worker = self.inside(asking).await?;
                let listening = worker.run(ListenJob { ports: ports.clone() });
                match tokio::time::timeout(TCP_PATIENCE, listening).await {
                    Ok(Ok(())) => CheckResult::Pass,
                    Ok(Err(error)) => return Err(job_diagnosis(&error, "looking for the ports")),
                    Err(_) => CheckResult::Fail(format!(
                        "expected the TCP {} to be listened on, and not all are",
                        result::ports(ports)
                    )),
                }
            }
        })
    }

    /// Runs a command in the service's container; nothing when it did not end in time.
    async fn run(&self, asking: &Asking<'_>, command: &[String]) -> Diagnosed<Option<ExecOutput>> {
        let limit = asking.deadline.saturating_duration_since(Instant::now()).max(LEAST);
        match self.common.daemon.exec(&asking.booted.container, command, limit).await {
            Ok(ran) => Ok(Some(ran)),
            Err(DockerError { kind: DockerErrorKind::Timeout(after), .. }) if after == limit => Ok(None),
            Err(error) => Err(self.unheard(&error)),
        }
    }

    fn unheard(&self, error: &DockerError) -> Diagnosis {
        let diagnosis = docker_diagnosis(error, Code::SandboxFailed, "asking a service of the sandbox");
        Diagnosis { message: self.mask.apply(&diagnosis.message), ..diagnosis }
    }

    /// A service that is gone cannot be asked, and that is what is to be told.
    async fn or_container_exit(&self, asking: &Asking<'_>, diagnosis: Diagnosis) -> Diagnosis {
        match self.state(asking.booted).await {
            Ok(state) if !state.running => {
                let code = if state.oom_killed { Code::BootOomKilled } else { Code::BootExited };
                self.died(asking.plan, asking.booted, &state, code).await
            }
            _ => diagnosis,
        }
    }

    /// The worker in the service's network namespace.
    async fn inside(self: &Arc<Self>, asking: &mut Asking<'_>) -> Diagnosed<Arc<Worker>> {
        if let Some(worker) = &asking.inside {
            return Ok(Arc::clone(worker));
        }
        let name = self.common.session.name(&self.plan.name, &format!("ask-{}", asking.plan.service.name.service));
        let marks = self.common.session.marks(&self.plan.name);
        let image = self.common.image().await?;
        self.ledger.note(LedgerEntry::Container(name.clone()));
        let daemon = self.common.daemon.clone();
        let network = NetworkSpec::Share(asking.booted.container.clone());
        let started =
            self.ledger.run(async move { Worker::start(&daemon, &image, &name, Vec::new(), network, &marks).await });
        let worker = started.await.map_err(|error| worker_diagnosis(&error, "asking a service of the sandbox"))?;
        let worker = Arc::new(worker);
        asking.inside = Some(Arc::clone(&worker));
        Ok(worker)
    }

    /// The request with its secrets, which nobody says from now on.
    async fn request(&self, ask: &HttpCheck) -> Result<HttpJob, String> {
        let mut headers = Vec::new();
        for (name, value) in &ask.headers {
            let value = match value {
                HeaderValue::Text(text) => text.clone(),
                HeaderValue::Secret(place) => self.secret(place).await?,
            };
            headers.push((name.clone(), value));
        }
        if let Some((user, place)) = &ask.login {
            let password = self.secret(place).await?;
            let login = result::base64(format!("{user}:{password}").as_bytes());
            self.mask.learn(&Mask::of_secrets([login.as_str()]));
            headers.push(("authorization".to_owned(), format!("Basic {login}")));
        }
        Ok(HttpJob {
            port: ask.port,
            tls: ask.tls,
            method: ask.method.clone(),
            path: ask.path.clone(),
            headers,
            patience_ms: HTTP_PATIENCE.as_millis() as u64,
            most: BODY,
        })
    }

    async fn secret(&self, place: &SecretPlace) -> Result<String, String> {
        let (place, environment) = (place.clone(), self.common.environment.clone());
        let variable = move |name: &str| environment.get(name).map(str::to_owned);
        // A command may take its time.
        let found = tokio::task::spawn_blocking(move || fetch_secret(&place, variable)).await;
        let secret = found.map_err(|error| error.to_string())??;
        self.mask.learn(&Mask::of_secrets([secret.reveal()]));
        Ok(secret.reveal().to_owned())
    }
}
