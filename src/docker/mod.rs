//! The client of the Docker engine. This is the only room that uses bollard, and no type of bollard leaves it.
//!
//! There is one file for each kind of object. `inspect` reads what a live container is; `create` writes what a
//! container of a sandbox may be. Both take the engine's structures apart field by field, so that a field that a new
//! bollard brings does not compile until somebody decides on it.

mod attach;
mod client;
pub mod connect;
mod connection;
mod containers;
mod context;
mod create;
mod credentials;
mod errors;
mod events;
mod exec;
mod http;
mod image_config;
mod images;
mod inspect;
pub mod labels;
mod layer;
mod logs;
mod namespaces;
mod networks;
mod objects;
mod optout;
pub mod ownership;
mod pull;
mod reference;
mod ssh;
mod target;
mod tls;
mod volumes;

pub use attach::{Attached, Output};
pub use client::{Daemon, DaemonInfo};
pub use connect::ConnectInputs;
pub use containers::{ContainerLine, ContainerState, Health, HealthStatus};
pub use credentials::RegistryLogins;
pub use errors::{DockerError, DockerErrorKind, Result};
pub use events::{ContainerEvent, ContainerEventKind, EventStream};
pub use exec::ExecOutput;
pub use image_config::image_config;
pub use images::{ByteStream, ImageLine, ImageMetadata};
pub use layer::{ContainerInsides, LayerChanges};
pub use namespaces::KernelIpv6;
pub use networks::{Device, NetworkInfo};
pub use objects::{ForeignObject, Object, ObjectKind, Objects, own_objects, own_objects_left};
pub use pull::{EnsuredImage, ImageError, ImageErrorKind, ImageRequest, PullProgress, ensure_image};
pub use target::{ConnectError, Target};
pub use volumes::{VolumeInfo, memory_volumes, users_of};
