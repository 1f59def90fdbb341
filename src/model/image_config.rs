//! What an image gives to the containers that are made of it.

use super::service::{EnvVar, Healthcheck, Port};

/// The configuration of an image, as far as a service without a live container needs it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// The exact id (`sha256:…`).
    pub id: String,
    /// `repository@sha256:…`, by which registries have it; none for an image that was built or loaded.
    pub digests: Vec<String>,
    pub env: Vec<EnvVar>,
    pub entrypoint: Option<Vec<String>>,
    pub command: Option<Vec<String>>,
    /// `user[:group]`; empty: root.
    pub user: String,
    /// Working directory; empty: `/`.
    pub workdir: String,
    pub healthcheck: Option<Healthcheck>,
    pub exposed: Vec<Port>,
    /// The paths for which the engine makes an anonymous volume where nothing else is mounted.
    pub volumes: Vec<String>,
    pub stop_signal: Option<String>,
    pub shell: Option<Vec<String>>,
}
