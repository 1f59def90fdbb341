//! The fault table: each way in which a restore is known to fail people, on real services and from each kind of source. A fault
//! must end with its diagnosis, in its verdict and with the words that lead to the cause; each service's undamaged backup must
//! be green and proven by its data. Needs root, a Docker engine on this machine and the fixture images.
//!
//! `ci/faults` prints the table. A fault that Rehearsa does not tell yet is in it as a *known gap*: its trial holds what happens
//! today, so that it fails when the gap is closed and the table is corrected.
//!
//! One live service of each kind is started for all trials, by the first that needs it. Backups are damaged as copies; each trial
//! is one rehearsal, which never touches what is live, so that all of them run side by side.

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
