//! The measured recovery time of a stack: from the beginning of its first restore until its last service is ready, and
//! the steps that took that time.

use std::collections::BTreeMap;

use super::case_record::{CaseRecord, StepRecord, Verdict, seconds_between};
use super::event::Step;

/// The recovery of a stack.
#[derive(Debug, Clone, PartialEq)]
pub struct StackRecovery<'a> {
    pub stack: &'a str,
    pub seconds: f64,
    /// The steps that led there, chosen by their times: the last is the one that ended last, and before each stands the
    /// one that ended last before it began. What waited for what, the events do not tell.
    pub path: Vec<&'a StepRecord>,
}

/// The recovery of each stack of several services that came back, in the order of the cases. A stack with a service
/// that is not green, or of which nothing was restored, has none.
pub fn recoveries(cases: &[CaseRecord]) -> Vec<StackRecovery<'_>> {
    let mut stacks: Vec<(&str, Vec<&CaseRecord>)> = Vec::new();
    for case in cases.iter().filter(|case| case.skipped.is_none()) {
        let Some(stack) = &case.info.name.stack else { continue };
        match stacks.iter_mut().find(|(known, _)| known == stack) {
            Some((_, of)) => of.push(case),
            None => stacks.push((stack, vec![case])),
        }
    }
    let came_back = |cases: &[&CaseRecord]| cases.iter().all(|case| case.verdict() == Verdict::Passed);
    stacks
        .into_iter()
        .filter(|(_, cases)| came_back(cases))
        .filter_map(|(stack, cases)| of_stack(stack, &cases))
        .collect()
}

fn of_stack<'a>(stack: &'a str, cases: &[&'a CaseRecord]) -> Option<StackRecovery<'a>> {
    // A step of the whole stack is in each of its cases.
    let steps: BTreeMap<u64, &StepRecord> = cases
        .iter()
        .flat_map(|case| &case.steps)
        .filter(|record| is_of_recovery(&record.step))
        .map(|record| (record.id, record))
        .collect();
    let services = steps.values().filter(|record| matches!(record.step, Step::Boot { .. })).count();
    let restores = steps.values().filter(|record| matches!(record.step, Step::Restore { .. }));
    let began = restores.map(|record| record.started).min()?;
    let ended = |record: &&&StepRecord| record.finished;
    let last = steps.values().max_by_key(ended)?;
    let (end, mut path) = (last.finished?, vec![*last]);
    while let Some(first) = path.last() {
        let is_before = |record: &&&StepRecord| {
            // Each one begins earlier than the next, so that steps without length lead to no circle.
            let is_earlier = began <= record.started && record.started < first.started;
            is_earlier && record.finished.is_some_and(|end| end <= first.started)
        };
        match steps.values().filter(is_before).max_by_key(ended) {
            Some(before) => path.push(before),
            None => break,
        }
    }
    path.reverse();
    (services > 1 && end >= began).then(|| StackRecovery { stack, seconds: seconds_between(began, end), path })
}

/// Whether a restore after a disaster has this step: no sandbox is made then, and nobody looks whether a service that
/// is ready stays so.
fn is_of_recovery(step: &Step) -> bool {
    match step {
        Step::Restore { .. } | Step::Verify { .. } | Step::Boot { .. } | Step::Load { .. } | Step::Check { .. } => true,
        Step::Network
        | Step::Worker
        | Step::Canary
        | Step::Pull { .. }
        | Step::Settle { .. }
        | Step::Control { .. }
        | Step::Teardown => false,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::check::{CheckSummary, Proof};
    use crate::model::event::StepResult;
    use crate::model::mount::Strategy;
    use crate::model::sample;
    use crate::model::service::ServiceName;

    fn name(service: &str) -> ServiceName {
        ServiceName::of_stack("shop", service)
    }

    fn step(id: u64, step: Step, (from, to): (i64, i64)) -> StepRecord {
        let at = |seconds| Timestamp::from_second(seconds).expect("a time");
        StepRecord { id, step, started: at(from), finished: Some(at(to)), result: Some(StepResult::done()) }
    }

    fn restore(mount: &str) -> Step {
        Step::Restore { mount: mount.to_owned(), strategy: Strategy::Copy, source: "tar:b.tar".to_owned() }
    }

    fn passed(service: &str, steps: Vec<StepRecord>) -> CaseRecord {
        let mut case = CaseRecord::new(sample::case_info(name(service)));
        case.steps = steps;
        case.proof = Some(Proof::Healthy);
        case
    }

    /// As in a record that somebody made up, or of a clock that stood still.
    #[test]
    fn steps_without_length_lead_to_no_circle() {
        let boot = |service: &str| Step::Boot { service: name(service) };
        let steps =
            vec![step(1, restore("db"), (10, 10)), step(2, boot("db"), (10, 10)), step(3, boot("app"), (10, 10))];
        let cases = [passed("app", steps.clone()), passed("db", steps)];
        assert_eq!(recoveries(&cases)[0].path.len(), 1);
    }

    #[test]
    fn a_path_of_steps_leads_from_the_restore_to_the_service_that_is_ready_last() {
        let check = |service: &str| Step::Check { service: name(service), check: CheckSummary::Health };
        let boot = |service: &str| Step::Boot { service: name(service) };
        let network = step(1, Step::Network, (0, 10));
        let db = [step(2, restore("db"), (10, 30)), step(3, boot("db"), (30, 31)), step(4, check("db"), (31, 40))];
        let own = [step(5, restore("app"), (10, 12)), step(6, boot("app"), (40, 42)), step(7, check("app"), (42, 50))];
        let settle = step(8, Step::Settle { service: name("app") }, (50, 60));
        let all: Vec<StepRecord> = [&[network][..], &db, &own, &[settle]].concat();
        let cases = [passed("app", all.clone()), passed("db", all[..4].to_vec())];
        let found = recoveries(&cases);
        let [of] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((of.stack, of.seconds), ("shop", 40.0));
        assert_eq!(of.path.iter().map(|record| record.id).collect::<Vec<_>>(), [2, 3, 4, 6, 7]);
        let mut red = cases.clone();
        red[1].proof = None;
        assert!(recoveries(&red).is_empty(), "it did not come back");
        let without: Vec<StepRecord> =
            all.iter().filter(|of| !matches!(of.step, Step::Restore { .. })).cloned().collect();
        assert!(recoveries(&[passed("app", without)]).is_empty(), "nothing was restored");
    }
}
