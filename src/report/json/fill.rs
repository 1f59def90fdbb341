//! Fills the schema from the outcome.

use super::schema::{
    Amount, Case, Cause, Change, Counts, Declared, Diagnosis, Image, Report, SCHEMA_VERSION, Step, Tool,
};
use crate::model::check::Check;
use crate::model::diagnosis;
use crate::model::event::{self, StepResult};
use crate::model::outcome::{CaseRecord, Outcome, StepRecord, Verdict};
use crate::report::units::thousandths;
use crate::report::wording::{self, Standing};

/// The report of the run as it is now.
pub fn report(outcome: &Outcome) -> Report {
    Report {
        schema_version: SCHEMA_VERSION,
        tool: Tool { name: "rehearsa".to_owned(), version: outcome.version.clone() },
        session: outcome.session.clone(),
        engine: outcome.engine.clone(),
        started: outcome.started,
        finished: outcome.finished,
        seconds: thousandths(outcome.seconds()),
        exit_code: outcome.finished.map(|_| outcome.exit_code().number()),
        counts: counts(outcome),
        filtered_out: outcome.filtered_out,
        cases: outcome.cases.iter().map(|case| self::case(case, outcome)).collect(),
        left_behind: outcome.left_behind.iter().map(diagnosis).collect(),
        interrupted: outcome.interrupted,
    }
}

fn counts(outcome: &Outcome) -> Counts {
    let mut counts = Counts { total: outcome.cases.len(), ..Counts::default() };
    for case in &outcome.cases {
        match Standing::of(case, outcome) {
            Standing::Ended(Verdict::Passed) => counts.passed += 1,
            Standing::Ended(Verdict::Failed) => counts.failed += 1,
            Standing::Ended(Verdict::Errored) => counts.errored += 1,
            Standing::Ended(Verdict::Skipped) => counts.skipped += 1,
            Standing::Waiting | Standing::Running => counts.unfinished += 1,
        }
    }
    counts
}

fn case(case: &CaseRecord, outcome: &Outcome) -> Case {
    let standing = Standing::of(case, outcome);
    let decided = matches!(standing, Standing::Ended(Verdict::Failed | Verdict::Errored));
    Case {
        name: case.info.name.to_string(),
        stack: case.info.name.stack.clone(),
        service: case.info.name.service.clone(),
        verdict: match standing {
            Standing::Ended(verdict) => verdict.name(),
            Standing::Waiting => "waiting",
            Standing::Running => "running",
        }
        .to_owned(),
        source: case.info.source.clone(),
        image: Image { reference: case.info.image.reference.clone(), id: case.info.image.id.clone() },
        declared: case.info.declared.as_ref().map(|at| Declared { file: at.file.clone(), line: at.line }),
        proof: case.proof.map(|proof| proof.name().to_owned()),
        started: case.started,
        finished: case.finished,
        seconds: thousandths(case.seconds()),
        restored: amount(case.restored()),
        steps: case.steps.iter().map(step).collect(),
        diagnosis: decided.then(|| diagnosis(&wording::deciding(case))),
        diagnoses: case.diagnoses.iter().map(diagnosis).collect(),
        warnings: case.warnings.iter().map(diagnosis).collect(),
        changes: case.info.changes.iter().map(change).collect(),
        skipped: case.skipped.clone(),
        log_tail: case.log_tail.clone(),
    }
}

fn step(record: &StepRecord) -> Step {
    let (name, subject) = match &record.step {
        event::Step::Network => ("network", None),
        event::Step::Worker => ("worker", None),
        event::Step::Canary => ("canary", None),
        event::Step::Restore { mount, .. } => ("restore", Some(mount.clone())),
        event::Step::Boot { service } => ("boot", Some(service.to_string())),
        event::Step::Check { service, .. } => ("check", Some(service.to_string())),
        event::Step::Settle { service } => ("settle", Some(service.to_string())),
        event::Step::Teardown => ("teardown", None),
    };
    let strategy = match &record.step {
        event::Step::Restore { strategy, .. } => Some(strategy.name().to_owned()),
        _ => None,
    };
    let check = match &record.step {
        event::Step::Check { check, .. } => Some(check_name(check).to_owned()),
        _ => None,
    };
    let (result, restored, note, broken) = match &record.result {
        None => (None, None, None, None),
        Some(StepResult::Done { amount, note }) => (Some("done"), *amount, note.clone(), None),
        Some(StepResult::Broke { diagnosis }) => (Some("broke"), None, None, Some(diagnosis)),
        Some(StepResult::Stopped) => (Some("stopped"), None, None, None),
    };
    Step {
        step: name.to_owned(),
        subject,
        strategy,
        check,
        started: record.started,
        seconds: thousandths(record.seconds()),
        result: result.map(str::to_owned),
        note,
        amount: restored.map(amount),
        diagnosis: broken.map(diagnosis),
    }
}

fn check_name(check: &Check) -> &'static str {
    match check {
        Check::Health => "health",
        Check::Tcp { .. } => "tcp",
        Check::Running => "running",
    }
}

fn diagnosis(found: &diagnosis::Diagnosis) -> Diagnosis {
    Diagnosis {
        code: found.code.as_str().to_owned(),
        severity: wording::severity_name(found.severity()).to_owned(),
        title: found.code.title().to_owned(),
        message: found.message.clone(),
        cause: found.cause.as_ref().map(|c| Cause { meaning: c.meaning.clone(), line: c.line.clone() }),
        remedy: found.remedy().to_owned(),
        log_tail: found.log_tail.clone(),
    }
}

fn amount(amount: event::Amount) -> Amount {
    Amount { files: amount.files, bytes: amount.bytes }
}

fn change(change: &event::Change) -> Change {
    Change {
        field: change.field.clone(),
        live: change.live.clone(),
        sandbox: change.sandbox.clone(),
        notable: change.notable,
    }
}
