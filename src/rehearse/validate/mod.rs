//! Is the service well? Waiting until it answers, asking what its owner wants to know, and seeing that it stays so.

pub(super) mod checks;
pub(super) mod control;
pub(super) mod failure;
pub(super) mod ready;
pub(super) mod settle;
