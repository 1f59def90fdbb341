//! The worker's jobs on this machine's own file system, without a container. The tests change owners and make device
//! nodes, so they need root.

mod copy;
mod inventory;
mod overlay;
mod unpack;
