//! The user's own checks. They run once the service is ready, and are repeated until they pass or the service's time
//! is over: many services still warm up after they report healthy.

mod access;
mod result;
mod sqlite;

use std::time::{Duration, Instant as StdInstant};

use tokio::time::Instant;

use crate::model::check::Proof;
use crate::model::diagnosis::{Code, Diagnosis, Severity};
use crate::model::event::Step;
use crate::model::mask::Mask;
use crate::model::pluralize::pluralize;
use crate::model::question::{Check, CheckSpec, HeaderValue, HttpCheck};
use crate::model::source::SecretPlace;
use crate::source::fetch_secret;
use crate::worker::protocol::{HttpJob, HttpResponse, ListenJob};

use crate::rehearse::diagnose::job_diagnosis;
use crate::rehearse::running::{FAILURE_LOG, RunningService};
use crate::rehearse::shared_task::Diagnosed;
use crate::rehearse::stack_context::StackContext;
use access::ServiceAccess;
use result::CheckResult;
pub(super) use result::{misses_table, without_table};
use sqlite::{Query, restored_mount};

/// Pause between two attempts of the same check.
const PAUSE: Duration = Duration::from_millis(500);
/// Longest wait for one answer over HTTP.
const HTTP_PATIENCE: Duration = Duration::from_secs(10);
/// Longest wait for the ports of one attempt: they should be open already.
const TCP_PATIENCE: Duration = Duration::from_millis(400);
/// Bound on the bytes of a response body; a worker answers in one line.
const BODY: usize = 128 * 1024;
/// Most lines and bytes of a log that are searched.
const LOG: (usize, usize) = (1_000_000, 16 * 1024 * 1024);

/// Runs all configured checks of a service; `clock` is the beginning of its time to pass them. A failing check does
/// not keep the others from running, so that the report names all failures.
pub(in crate::rehearse) async fn ask_owner_checks(running: RunningService<'_>, clock: StdInstant) -> Diagnosed<Proof> {
    let deadline = Instant::from_std(clock) + running.timeout();
    let mut access = ServiceAccess::new(running, deadline);
    let mut proof = Proof::Running;
    let mut broken: Option<Diagnosis> = None;
    for question in &running.plan.settings.checks {
        let name = running.name().clone();
        let step = Step::Check { service: name.clone(), check: question.check() };
        let step = running.cx.begin(vec![name], step);
        match answer(&mut access, question).await {
            Ok(note) => {
                proof = proof.max(question.ask.proof());
                step.done_with(None, note);
            }
            Err(diagnosis) => {
                let diagnosis = step.broke(diagnosis);
                let worse = broken.as_ref().is_none_or(|first| {
                    first.severity() != Severity::Failed && diagnosis.severity() == Severity::Failed
                });
                let is_over = !matches!(diagnosis.code, Code::CheckFailed | Code::CheckCannotAsk | Code::DataCorrupt);
                if worse {
                    broken = Some(diagnosis);
                }
                // The service has ended: the other checks cannot run.
                if is_over {
                    break;
                }
            }
        }
    }
    access.dismiss_workers();
    broken.map_or(Ok(proof), Err)
}

/// Runs a check until it passes or its time is over. Returns a note on how often it ran, if more than once.
async fn answer(access: &mut ServiceAccess<'_>, question: &Check) -> Diagnosed<Option<String>> {
    access.running.cx.mask.learn(&question.mask());
    let request = match &question.ask {
        CheckSpec::Http(ask) => match http_request(access.running.cx, ask).await {
            Ok(request) => Some(request),
            Err(why) => return Err(cannot_ask(access.running, question, &why)),
        },
        _ => None,
    };
    let mut times: u64 = 0;
    loop {
        times += 1;
        let began = Instant::now();
        let heard = match ask_once(access, question, request.clone()).await {
            Ok(heard) => heard,
            Err(diagnosis) => return Err(access.running.exit_diagnosis().await.unwrap_or(diagnosis)),
        };
        // A query copies the database first, so the pause is as long as the last query.
        let pause = if matches!(question.ask, CheckSpec::Sqlite { .. }) { PAUSE.max(began.elapsed()) } else { PAUSE };
        let again = Instant::now() + pause < access.deadline;
        let is_damage = matches!(heard, CheckResult::Damaged(_));
        match heard {
            CheckResult::Pass => {
                return Ok((times > 1).then(|| format!("after {}", pluralize(times, "time"))));
            }
            CheckResult::Fail(_) | CheckResult::Retry(_) if again => tokio::time::sleep(pause).await,
            CheckResult::Fail(why) | CheckResult::FailFinal(why) | CheckResult::Damaged(why) => {
                let code = if is_damage { Code::DataCorrupt } else { Code::CheckFailed };
                let message = format!("the check `{}` of {}: {why}", question.name, access.running.name());
                let log_tail = access.running.log_tail(FAILURE_LOG).await;
                let failed = Diagnosis::new(code, access.running.cx.mask.apply(&message));
                let outside = access.running.interfered_with(&failed).await;
                return Err(Diagnosis { log_tail, ..outside.unwrap_or(failed) });
            }
            CheckResult::Lacking { table, words } => {
                let why = format!("the restored data has no table {table}");
                let words = access.running.cx.mask.apply(&words);
                return Err(without_table(cannot_ask(access.running, question, &why), &table, words));
            }
            CheckResult::Retry(why) | CheckResult::Invalid(why) => {
                return Err(cannot_ask(access.running, question, &why));
            }
        }
    }
}

fn cannot_ask(running: RunningService<'_>, question: &Check, why: &str) -> Diagnosis {
    let message = format!("the check `{}` of {} could not be asked: {why}", question.name, running.name());
    Diagnosis::new(Code::CheckCannotAsk, running.cx.mask.apply(&message))
}

async fn ask_once(
    access: &mut ServiceAccess<'_>,
    question: &Check,
    request: Option<HttpJob>,
) -> Diagnosed<CheckResult> {
    Ok(match &question.ask {
        CheckSpec::Exec { command, exit, stdout } => match access.exec(command).await? {
            Some(ran) => result::to_exec(&ran, *exit, stdout.as_deref(), &access.running.cx.mask),
            None => CheckResult::Fail("the command did not end within the time".to_owned()),
        },
        CheckSpec::File { path, min_size, sha256, newer_than } => {
            if let Err(heard) = restored_mount(access.running.plan, path) {
                return Ok(heard);
            }
            let command = result::file_command(path, sha256.is_some());
            match access.exec(&command).await? {
                Some(ran) => result::to_file(&ran, *min_size, sha256.as_deref(), *newer_than, &access.running.cx.mask),
                None => CheckResult::Invalid("reading the file did not end within the time".to_owned()),
            }
        }
        CheckSpec::Sql { query, database, value, min_rows } => {
            let command = result::sql_command(query, database.as_deref());
            match access.exec(&command).await? {
                Some(ran) => result::to_sql(&ran, value.as_deref(), *min_rows, &access.running.cx.mask),
                None => CheckResult::Retry("the query did not end within the time".to_owned()),
            }
        }
        CheckSpec::Sqlite { path, query, value, min_rows } => {
            let asked = Query { path, query, value: value.as_deref(), min_rows: *min_rows };
            sqlite::query(access, &asked).await?
        }
        CheckSpec::Log { contains, not_contains } => {
            let log = access.running.cx.run.daemon.log_tail(&access.running.booted.container, LOG.0, LOG.1).await;
            let log = log.map_err(|error| access.unheard(&error))?;
            result::to_log(&log, contains.as_deref(), not_contains.as_deref(), &access.running.cx.mask)
        }
        CheckSpec::Http(ask) => {
            let Some(request) = request else {
                return Ok(CheckResult::Invalid("there is no request".to_owned()));
            };
            let worker = access.inside().await?;
            match worker.run(request).await {
                Ok(Ok(HttpResponse { status, body, cut })) => {
                    result::to_http(ask, status, &body, cut, &access.running.cx.mask)
                }
                Ok(Err(error)) => CheckResult::Fail(format!("expected status {}, got no answer: {error}", ask.status)),
                Err(error) => return Err(job_diagnosis(&error, "asking over HTTP")),
            }
        }
        CheckSpec::Tcp { ports } => {
            let worker = access.inside().await?;
            let listening = worker.run(ListenJob { ports: ports.clone(), others_ms: None });
            match tokio::time::timeout(TCP_PATIENCE, listening).await {
                Ok(Ok(_)) => CheckResult::Pass,
                Ok(Err(error)) => return Err(job_diagnosis(&error, "looking for the ports")),
                Err(_) => CheckResult::Fail(format!(
                    "expected a listener on TCP {}, and not all answer",
                    result::ports(ports)
                )),
            }
        }
    })
}

/// The request with its secrets, which are masked in every message from now on.
async fn http_request(cx: &StackContext, ask: &HttpCheck) -> Result<HttpJob, String> {
    let mut headers = Vec::new();
    for (name, value) in &ask.headers {
        let value = match value {
            HeaderValue::Text(text) => text.clone(),
            HeaderValue::Secret(place) => learn_secret(cx, place).await?,
        };
        headers.push((name.clone(), value));
    }
    if let Some((user, place)) = &ask.login {
        let password = learn_secret(cx, place).await?;
        let login = result::base64(format!("{user}:{password}").as_bytes());
        cx.mask.learn(&Mask::of_secrets([login.as_str()]));
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

async fn learn_secret(cx: &StackContext, place: &SecretPlace) -> Result<String, String> {
    let (place, environment) = (place.clone(), cx.run.environment.clone());
    let variable = move |name: &str| environment.get(name).map(str::to_owned);
    // A secret may come from a command that takes a while.
    let found = tokio::task::spawn_blocking(move || fetch_secret(&place, variable)).await;
    let secret = found.map_err(|error| error.to_string())??;
    cx.mask.learn(&Mask::of_secrets([secret.reveal()]));
    Ok(secret.reveal().to_owned())
}
