//! The plan: live services, settings and what sources hold become everything that will be done, before anything is
//! created.
//!
//! Pure, in three steps: `draft` from services and settings; surveys of the sources that the draft names, made
//! elsewhere; `resolve` from both. `rehearsa plan`, `rehearsa test --list` and `rehearsa test` share them and differ
//! only in what comes after.

mod basis;
mod build;
mod choose;
mod decide;
mod decisions;
mod dependents;
mod draft;
mod fill_inside;
mod holes;
mod inside;
pub mod isolate;
pub mod loading;
mod mounts;
mod neighbours;
mod order;
mod patterns;
mod requests;
mod resolve;
mod select;
mod strict;
mod survey;
mod without_live;

pub use dependents::dependents;
pub use draft::{Draft, SourceRequest};
pub use mounts::holds_data;
pub use neighbours::{borrowed, bring_along};
pub use patterns::loosest;
pub use requests::draft;
pub use resolve::resolve;
pub use select::{LeftOutReason, SelectionDecision, ServiceSelection};
pub use survey::{DumpSummary, ReadDump, Survey};

#[cfg(test)]
mod tests;
