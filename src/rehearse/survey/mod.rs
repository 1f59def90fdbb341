//! What is done before there is a plan: measuring live files and the sizes of mounts, and removing what dead runs left.

pub mod leftovers;
pub mod live_files;
pub mod sizes;
