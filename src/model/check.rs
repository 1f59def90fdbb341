//! Checks: the questions put to a booted service, and the proof they give.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A question put to a booted service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Check {
    /// The image's or container's own healthcheck must turn healthy.
    Health,
    /// These TCP ports must be listened on inside the sandbox.
    Tcp {
        /// Port numbers, ascending.
        ports: Vec<u16>,
    },
    /// The container must keep running.
    Running,
}

/// What a passed rehearsal has shown, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// The container started and kept running; nothing was asked of it.
    Running,
    /// It listened on the ports its image exposes.
    Listening,
    /// Its own healthcheck passed and went on passing.
    Healthy,
}

impl Proof {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Proof::Running => "running",
            Proof::Listening => "listening",
            Proof::Healthy => "healthy",
        }
    }
}
