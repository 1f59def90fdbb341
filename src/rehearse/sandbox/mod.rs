//! The sandbox: what is created for a rehearsal, the record of it, and how all of it is removed.

pub(super) mod canary;
pub(super) mod client;
pub(super) mod ledger;
pub(super) mod media;
pub(super) mod network;
pub(super) mod room;
pub mod session;
pub(super) mod space;
pub mod stop;
pub mod sweep;
pub(super) mod watch;
pub(super) mod worker;
