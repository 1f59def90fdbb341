//! The table itself. A new source or service needs one line here; a new class of faults gets a file of its own.

mod boot;
mod borg;
mod databases;
mod dumps;
mod files;
mod history;
mod live;
mod live_rows;
mod quiet_services;
mod restic;
mod snapshots;
mod source;
mod special;
mod sqlite;
mod stores;
mod surroundings;
mod usage;

use crate::fault::Fault;

/// All faults, the slowest first.
pub fn all() -> Vec<Fault> {
    let of_databases = [usage::faults(), databases::faults(), dumps::faults(), sqlite::faults()];
    of_databases
        .into_iter()
        .chain([
            boot::faults(),
            stores::faults(),
            quiet_services::faults(),
            surroundings::faults(),
            files::faults(),
            history::faults(),
            live::faults(),
            live_rows::faults(),
            source::faults(),
            borg::faults(),
            restic::faults(),
            snapshots::faults(),
        ])
        .flatten()
        .collect()
}
