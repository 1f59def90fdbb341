//! Fills the schema from the outcome.

use serde::{Serialize, Serializer};

use super::schema::{
    Amount, Attempt, Case, CaseChange, CaseProfile, Cause, Change, Compared, Comparison, Counts, Declared, Diagnosis,
    Evidence, Image, Partition, Report, SCHEMA_VERSION, Snapshot, Step, Tool, Witness,
};
use super::score;
use crate::model::check::{CheckSummary, DataOrigin};
use crate::model::diagnosis;
use crate::model::event::{self, NoTests, StepResult, WitnessSummary};
use crate::model::evidence;
use crate::model::outcome::{self, CaseRecord, Outcome, StepRecord, Verdict};
use crate::model::partition::{self, Sharing};
use crate::model::score::Score;
use crate::model::score::facts::ready_after;
use crate::report::comparison;
use crate::report::units::thousandths;
use crate::report::wording::{self, Progress};

/// The report of the run as it is now.
#[cfg(test)]
pub fn report(outcome: &Outcome) -> Report {
    of(outcome, outcome.cases.iter().map(|record| case(record, outcome)).collect())
}

/// The report of the run as it is now. Each case is made when it is written: all cases at once would take several
/// times the memory of the outcome.
pub fn streamed(outcome: &Outcome) -> Report<Cases<'_>> {
    of(outcome, Cases(outcome))
}

/// The cases of a run.
pub struct Cases<'a>(&'a Outcome);

impl Serialize for Cases<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.cases.iter().map(|record| case(record, self.0)))
    }
}

fn of<C>(outcome: &Outcome, cases: C) -> Report<C> {
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
        threads: outcome.threads,
        partition: outcome.partition.map(part),
        no_tests: no_tests(outcome.no_tests).to_owned(),
        cases,
        stack_scores: if outcome.finished.is_some() { score::stack_scores(outcome) } else { Vec::new() },
        left_behind: outcome.left_behind.iter().map(diagnosis).collect(),
        warnings: outcome.warnings.iter().map(diagnosis).collect(),
        comparison: comparison(outcome),
        interrupted: outcome.interrupted,
        timed_out: outcome.timed_out,
    }
}

fn comparison(outcome: &Outcome) -> Option<Comparison> {
    let changes = comparison::changes(outcome)?;
    let changes = changes.into_iter().map(|change| CaseChange {
        name: change.name,
        change: change.kind.name().to_owned(),
        detail: change.detail,
    });
    let baseline = outcome.baseline.as_ref()?;
    Some(Comparison { started: baseline.started, exit_code: baseline.exit_code, changes: changes.collect() })
}

fn no_tests(meaning: NoTests) -> &'static str {
    match meaning {
        NoTests::Pass => "pass",
        NoTests::Warn => "warn",
        NoTests::Fail => "fail",
    }
}

fn sharing(kind: Sharing) -> &'static str {
    match kind {
        Sharing::Slice => "slice",
        Sharing::Hash => "hash",
    }
}

fn part(partition: partition::Partition) -> Partition {
    Partition { kind: sharing(partition.sharing).to_owned(), part: partition.index, parts: partition.total }
}

fn counts(outcome: &Outcome) -> Counts {
    let mut counts = Counts { total: outcome.cases.len(), ..Counts::default() };
    for case in &outcome.cases {
        match Progress::of(case, outcome) {
            Progress::Ended(Verdict::Passed) => {
                counts.passed += 1;
                counts.flaky += usize::from(case.is_flaky());
                counts.without_backup += usize::from(case.data_origin() != DataOrigin::Backup);
            }
            Progress::Ended(Verdict::Failed) => counts.failed += 1,
            Progress::Ended(Verdict::Errored) => counts.errored += 1,
            Progress::Ended(Verdict::Skipped) => counts.skipped += 1,
            Progress::Waiting | Progress::Running => counts.unfinished += 1,
        }
    }
    counts
}

fn case(case: &CaseRecord, outcome: &Outcome) -> Case {
    let standing = Progress::of(case, outcome);
    let passed = standing == Progress::Ended(Verdict::Passed);
    let decided = matches!(standing, Progress::Ended(Verdict::Failed | Verdict::Errored));
    let scored = matches!(standing, Progress::Ended(_)).then(|| Score::of_case(case));
    Case {
        name: case.info.name.to_string(),
        stack: case.info.name.stack.clone(),
        service: case.info.name.service.clone(),
        verdict: match standing {
            Progress::Ended(verdict) => verdict.name(),
            Progress::Waiting => "waiting",
            Progress::Running => "running",
        }
        .to_owned(),
        flaky: passed && case.is_flaky(),
        source: case.info.source.clone(),
        snapshot: case.info.snapshot.as_ref().map(|at| Snapshot { id: at.id.clone(), time: at.time }),
        image: Image { reference: case.info.image.reference.clone(), id: case.info.image.id.clone() },
        declared: case.info.declared.as_ref().map(|at| Declared { file: at.file.clone(), line: at.line }),
        proof: case.proof.map(|proof| proof.name().to_owned()),
        data_from: passed.then(|| case.data_origin().name().to_owned()),
        required: case.info.required.map(|level| level.name().to_owned()),
        passed_without_data: case.without_data.clone(),
        raised_by: evidence::raised_by(case).map(str::to_owned),
        evidence: evidence::evidence(case).into_iter().map(shown).collect(),
        score: scored.as_ref().and_then(|scored| scored.as_ref().ok()).map(score::score),
        no_score: scored.and_then(Result::err).map(|why| why.words().to_owned()),
        profile: case.profile.as_ref().map(|profile| CaseProfile {
            held: profile.profile.clone(),
            earlier: profile.earlier.clone(),
            not_compared: profile.not_compared.clone(),
            has_history: profile.has_history,
        }),
        started: case.started,
        finished: case.finished,
        seconds: thousandths(case.seconds()),
        ready_after: ready_after(case).map(thousandths),
        restored: amount(case.restored()),
        steps: case.steps.iter().map(step).collect(),
        attempts: case.earlier.iter().map(attempt).collect(),
        diagnosis: decided.then(|| diagnosis(&wording::deciding(case))),
        diagnoses: case.diagnoses.iter().map(diagnosis).collect(),
        warnings: case.warnings.iter().map(diagnosis).collect(),
        changes: case.info.changes.iter().map(change).collect(),
        skipped: case.skipped.clone(),
        put_off: case.not_started(),
        log_tail: case.log_tail.clone(),
    }
}

fn shown(evidence: evidence::Evidence) -> Evidence {
    Evidence { level: evidence.level.name().to_owned(), shown: evidence.shown, by: evidence.by }
}

fn attempt(attempt: &outcome::Attempt) -> Attempt {
    Attempt {
        verdict: attempt.verdict().name().to_owned(),
        started: attempt.started,
        finished: attempt.finished,
        seconds: thousandths(attempt.seconds()),
        steps: attempt.steps.iter().map(step).collect(),
        diagnosis: attempt.diagnosis().map(diagnosis),
        diagnoses: attempt.diagnoses.iter().map(diagnosis).collect(),
        log_tail: attempt.log_tail.clone(),
    }
}

fn step(record: &StepRecord) -> Step {
    let (step, subject) = match &record.step {
        event::Step::Network => ("network", None),
        event::Step::Worker => ("worker", None),
        event::Step::Canary => ("canary", None),
        event::Step::Pull { image } => ("pull", Some(image.clone())),
        event::Step::Restore { mount, .. } => ("restore", Some(mount.clone())),
        event::Step::Verify { mount } => ("verify", Some(mount.clone())),
        event::Step::Boot { service } => ("boot", Some(service.to_string())),
        event::Step::Load { service, .. } => ("load", Some(service.to_string())),
        event::Step::Check { service, .. } => ("check", Some(service.to_string())),
        event::Step::Settle { service } => ("settle", Some(service.to_string())),
        event::Step::Control { service } => ("control", Some(service.to_string())),
        event::Step::Teardown => ("teardown", None),
    };
    let (strategy, source) = match &record.step {
        event::Step::Restore { strategy, source, .. } => (Some(strategy.name().to_owned()), Some(source.clone())),
        event::Step::Load { dump, .. } => (None, Some(dump.clone())),
        _ => (None, None),
    };
    let (check, ports) = match &record.step {
        event::Step::Check { check: CheckSummary::Tcp { ports }, .. } => (Some("tcp"), ports.clone()),
        event::Step::Check { check: CheckSummary::Health, .. } => (Some("health"), Vec::new()),
        event::Step::Check { check: CheckSummary::Running, .. } => (Some("running"), Vec::new()),
        _ => (None, Vec::new()),
    };
    let (name, asks, of_data, check) = match &record.step {
        event::Step::Check { check: CheckSummary::Own { name, how, asks, of_data }, .. } => {
            (Some(name.clone()), Some(asks.clone()), *of_data, Some(how.name()))
        }
        _ => (None, None, false, check),
    };
    let live = match &record.result {
        Some(StepResult::Done { witness, .. }) => witness.as_deref(),
        _ => None,
    };
    let (result, restored, note, compared, broken) = match &record.result {
        None => (None, None, None, None, None),
        Some(StepResult::Done { amount, note, compared, witness: _ }) => {
            (Some("done"), *amount, note.clone(), *compared, None)
        }
        Some(StepResult::Broke { diagnosis }) => (Some("broke"), None, None, None, Some(diagnosis)),
        Some(StepResult::Stopped) => (Some("stopped"), None, None, None, None),
    };
    Step {
        step: step.to_owned(),
        subject,
        strategy,
        source,
        check: check.map(str::to_owned),
        name,
        asks,
        of_data,
        ports,
        started: record.started,
        finished: record.finished,
        seconds: thousandths(record.seconds()),
        result: result.map(str::to_owned),
        note,
        amount: restored.map(amount),
        compared: compared.map(|event::Compared { entries, against, contents }| Compared {
            entries,
            against: against.name().to_owned(),
            contents,
        }),
        witness: live.map(|WitnessSummary { silent, differs, live, unchanged, read, exempt }| Witness {
            silent: silent.clone(),
            differs: differs.clone(),
            live: amount(*live),
            unchanged: amount(*unchanged),
            read: amount(*read),
            exempt: *exempt,
        }),
        diagnosis: broken.map(diagnosis),
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
