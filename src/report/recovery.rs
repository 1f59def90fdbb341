//! The measured recovery time of each stack, with the steps that took it, for people.

use crate::model::event::Step;
use crate::model::outcome::{Outcome, StepRecord};
use crate::model::recovery::{StackRecovery, recoveries};
use crate::report::{text, units};

/// Most steps of a path that a line names; the slowest ones stay.
const NAMED: usize = 6;

/// A line for each stack of several services that came back.
pub fn lines(outcome: &Outcome) -> Vec<String> {
    recoveries(&outcome.cases).iter().map(line).collect()
}

fn line(of: &StackRecovery<'_>) -> String {
    let mut slowest: Vec<&StepRecord> = of.path.clone();
    slowest.sort_by(|a, b| b.seconds().total_cmp(&a.seconds()));
    slowest.truncate(NAMED);
    let is_named = |record: &&&StepRecord| slowest.iter().any(|slow| slow.id == record.id);
    let named = of.path.iter().filter(is_named).map(|record| {
        let (words, took) = (text::one_line(&words(&record.step)), units::seconds(record.seconds()));
        format!("{words} {took}")
    });
    let path: Vec<String> = named.collect();
    let took = units::seconds(of.seconds);
    format!("Recovery of {}: {took}, mostly {}", text::one_line(of.stack), path.join(", then "))
}

fn words(step: &Step) -> String {
    match step {
        Step::Restore { mount, .. } => format!("restoring {mount}"),
        Step::Verify { mount } => format!("inspecting {mount}"),
        Step::Boot { service } => format!("booting {}", service.service),
        Step::Load { service, .. } => format!("loading the dump of {}", service.service),
        Step::Check { service, .. } => format!("checking {}", service.service),
        Step::Network
        | Step::Worker
        | Step::Canary
        | Step::Pull { .. }
        | Step::Settle { .. }
        | Step::Control { .. }
        | Step::Teardown => String::new(),
    }
}
