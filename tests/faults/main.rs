//! The fault table: known ways in which a restore fails, on real services and from each kind of source. Each fault
//! must end with its verdict, its diagnosis and words that name the cause. The undamaged backup of each service must
//! be green and *data-proven*. Needs root, a Docker engine on this machine and the fixture images.
//!
//! `ci/test` runs the trials of `every_push.rs`; the others are ignored, and `ci/nightly` and `ci/faults` run them all.
//! `ci/faults` prints the table. A fault that Rehearsa does not recognise yet is a *known gap*: its trial expects
//! today's result, so the trial fails once the gap is closed and the table can be corrected.
//!
//! The first trial that needs a service starts it, one live service of each kind for all trials. Each trial damages a
//! copy of the backup and is one rehearsal. Rehearsals never touch live services, so all trials can run side by side.

#![allow(clippy::unwrap_used, reason = "what a test takes for granted may be unwrapped")]

mod every_push;
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

use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    args.test_threads = args.test_threads.or_else(support::threads);
    let faults = table::all();
    record::begin();
    let twins = twin::of(&faults);
    let told = every_push::check(&twins, &faults);
    let trials = [Trial::test("every push has all rows and services", move || told.map_err(Failed::from))].into_iter();
    let twins = twins.into_iter().map(|twin| of_its_tier(twin.name(), move || twin.stays_green()));
    let faults = faults.into_iter().map(|fault| of_its_tier(fault.name(), move || fault.is_told()));
    let conclusion = libtest_mimic::run(&args, trials.chain(twins).chain(faults).collect());
    subject::dismiss();
    conclusion.exit_code()
}

/// A trial that is ignored if it is not one of every push.
fn of_its_tier(name: String, run: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Trial {
    let nightly = !every_push::has(&name);
    Trial::test(name, run).with_ignored_flag(nightly)
}
