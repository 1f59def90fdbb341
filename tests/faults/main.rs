//! The fault table: known ways in which a restore fails, on real services and from each kind of source. Each fault
//! must end with its verdict, its diagnosis and words that name the cause. The undamaged backup of each service must
//! be green and *data-proven*. Needs root, a Docker engine on this machine and the fixture images.
//!
//! `ci/faults` prints the table. A fault that Rehearsa does not recognise yet is a *known gap*: its trial expects
//! today's result, so the trial fails once the gap is closed and the table can be corrected.
//!
//! The first trial that needs a service starts it, one live service of each kind for all trials. Each trial damages a
//! copy of the backup and is one rehearsal. Rehearsals never touch live services, so all trials can run side by side.

#![allow(clippy::unwrap_used, reason = "what a test takes for granted may be unwrapped")]

mod fault;
mod form;
mod kind;
mod record;
mod rows;
mod subject;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod twin;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    args.test_threads = args.test_threads.or_else(support::threads);
    let faults = table::all();
    record::begin();
    let twins = twin::of(&faults).into_iter().map(|twin| Trial::test(twin.name(), move || twin.stays_green()));
    let twins: Vec<Trial> = twins.collect();
    let faults = faults.into_iter().map(|fault| Trial::test(fault.name(), move || fault.is_told()));
    let conclusion = libtest_mimic::run(&args, twins.into_iter().chain(faults).collect());
    subject::dismiss();
    conclusion.exit_code()
}
