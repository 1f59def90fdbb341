//! The Docker engine in our own words. The only room that names bollard; nothing of bollard leaves it.
//!
//! One file a kind of object. What a live container *is* is read in `inspect`; what a container of ours *may be* is
//! written in `create`. Both take the engine's structures apart field by field, so that a field that a new bollard brings
//! does not compile until somebody has decided on it.

mod attach;
mod client;
pub mod connect;
mod connection;
mod containers;
mod context;
mod create;
mod errors;
mod events;
mod exec;
mod http;
mod images;
mod inspect;
pub mod labels;
mod logs;
mod networks;
mod objects;
mod optout;
mod ssh;
mod target;
mod tls;
mod volumes;

pub use attach::{Attached, Output};
pub use client::{Daemon, DaemonInfo};
pub use connect::ConnectInputs;
pub use containers::{ContainerLine, ContainerState, Health, HealthStatus};
pub use errors::{DockerError, DockerErrorKind, Result};
pub use events::{ContainerEvent, ContainerEventKind, EventStream};
pub use exec::ExecOutput;
pub use images::{ByteStream, ImageLine, ImageMetadata};
pub use networks::NetworkInfo;
pub use objects::{Object, Objects};
pub use target::{ConnectError, Target};
pub use volumes::VolumeInfo;
