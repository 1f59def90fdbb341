//! Measurements before the plan is made: live files and the sizes of mounts.

pub mod live_files;
pub mod sizes;
