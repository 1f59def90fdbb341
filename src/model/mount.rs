//! Mounts: the places a service keeps or reads data.

use serde::{Deserialize, Serialize};

/// One place where a live service keeps or reads data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mount {
    /// Absolute path inside the container.
    pub target: String,
    /// What stands behind it on the live host.
    pub origin: MountOrigin,
    /// The service itself can only read it.
    pub read_only: bool,
}

/// What a mount shows on the live host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum MountOrigin {
    /// A named volume, or an anonymous one (its name is then 64 hex digits).
    Volume {
        /// The volume's name.
        name: String,
        /// Its driver; other drivers than `local` may reach storage elsewhere.
        driver: String,
    },
    /// A folder, file or socket of the daemon's host.
    Bind {
        /// Absolute path on the daemon's host.
        source: String,
    },
    /// Memory only: nothing to restore.
    Tmpfs {
        /// Mount options (`size=64m,mode=1777`).
        options: String,
    },
    /// A database dump, which is shown to the service that it is loaded into; there is no such mount live.
    Dump {
        /// What people call it.
        title: String,
    },
    /// Something else (`npipe`, `cluster`, `image`), by the engine's word for it.
    Other {
        /// The engine's name of the kind.
        kind_name: String,
    },
}

impl MountOrigin {
    /// The volume's name is one that the engine made up.
    pub fn is_anonymous(&self) -> bool {
        matches!(self, Self::Volume { name, .. } if name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit()))
    }
}

impl Mount {
    /// Whether a path of the container is in it, whatever else is mounted below.
    pub fn holds(&self, path: &str) -> bool {
        let rest = path.strip_prefix(self.target.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// What is mounted and where; some titles say where themselves.
    pub fn place(&self) -> String {
        let (title, at) = (self.title(), format!(" at {}", self.target));
        if title.ends_with(&at) { title } else { title + &at }
    }

    /// What a person calls it: the volume's name, the host path, the target for anonymous ones.
    pub fn title(&self) -> String {
        match &self.origin {
            MountOrigin::Volume { .. } if self.origin.is_anonymous() => format!("anonymous volume at {}", self.target),
            MountOrigin::Volume { name, .. } => format!("volume {name}"),
            MountOrigin::Bind { source } => format!("bind mount {source}"),
            MountOrigin::Tmpfs { .. } => format!("tmpfs at {}", self.target),
            MountOrigin::Dump { title } => format!("dump {title}"),
            MountOrigin::Other { kind_name } => format!("{kind_name} mount at {}", self.target),
        }
    }
}

/// How a mount of the sandbox gets its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Copied into a new volume (the default).
    Copy,
    /// Not copied but shown read-only, through an overlay (the default for mounts the service itself can only read).
    Readonly,
    /// A copy-on-write view: the source is the lower layer and is never written; only right for data that rests.
    Overlay,
    /// A new, empty volume.
    Empty,
    /// Not mounted at all.
    Omit,
}

impl Strategy {
    /// All strategies by the names users write.
    pub const NAMES: [(&'static str, Strategy); 5] = [
        ("copy", Strategy::Copy),
        ("readonly", Strategy::Readonly),
        ("overlay", Strategy::Overlay),
        ("empty", Strategy::Empty),
        ("omit", Strategy::Omit),
    ];

    /// The name users write.
    pub fn name(self) -> &'static str {
        match self {
            Strategy::Copy => "copy",
            Strategy::Readonly => "readonly",
            Strategy::Overlay => "overlay",
            Strategy::Empty => "empty",
            Strategy::Omit => "omit",
        }
    }
}
