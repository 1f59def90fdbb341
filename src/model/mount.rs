//! Mounts: the places a service keeps or reads data.

use serde::{Deserialize, Serialize};

/// One place where a live service keeps or reads data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mount {
    /// Absolute path inside the container.
    pub target: String,
    /// The volume, path or memory behind the mount on the live host.
    pub origin: MountOrigin,
    /// The service mounts it read-only.
    pub read_only: bool,
}

/// The thing that a mount shows on the live host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum MountOrigin {
    /// A named volume, or an anonymous one (its name is then 64 hex digits).
    Volume {
        /// The volume's name.
        name: String,
        /// The volume's driver; drivers other than `local` may reach storage elsewhere. [`IN_MEMORY`]: the local
        /// driver, with memory behind the volume.
        driver: String,
    },
    /// A folder, file or socket of the daemon's host.
    Bind {
        /// Absolute path on the daemon's host.
        source: String,
    },
    /// Memory only, so there is nothing to restore.
    Tmpfs {
        /// Mount options (`size=64m,mode=1777`).
        options: String,
    },
    /// A database dump for the service that loads it. No live service has such a mount.
    Dump {
        /// The dump's name for people.
        title: String,
    },
    /// A mount of another kind (`npipe`, `cluster`, `image`).
    Other {
        /// The engine's name of the kind.
        kind_name: String,
    },
}

/// The driver of a volume that is memory by its options (`type=tmpfs`).
pub const IN_MEMORY: &str = "tmpfs";

impl MountOrigin {
    /// Whether it is a volume that is memory by its options. Its content ends with its containers, so no backup has it.
    pub fn is_in_memory(&self) -> bool {
        matches!(self, Self::Volume { driver, .. } if driver == IN_MEMORY)
    }

    /// Whether the engine made up the volume's name.
    pub fn is_anonymous(&self) -> bool {
        matches!(self, Self::Volume { name, .. } if name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit()))
    }
}

impl Mount {
    /// Whether `path` (in the container) is in this mount; mounts below this one are not considered.
    pub fn holds(&self, path: &str) -> bool {
        let rest = path.strip_prefix(self.target.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The mount's title with its target, for people. Some titles contain the target already.
    pub fn place(&self) -> String {
        let (title, at) = (self.title(), format!(" at {}", self.target));
        if title.ends_with(&at) { title } else { title + &at }
    }

    /// The mount's name for people: the volume's name, the host path, or the target of an anonymous volume.
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
    /// A copy-on-write view: the source is the lower layer and is never written. Only right for data that does not
    /// change.
    Overlay,
    /// A new, empty volume.
    Empty,
    /// Not mounted.
    Omit,
}

impl Strategy {
    /// All strategies, by the names that users write.
    pub const NAMES: [(&'static str, Strategy); 5] = [
        ("copy", Strategy::Copy),
        ("readonly", Strategy::Readonly),
        ("overlay", Strategy::Overlay),
        ("empty", Strategy::Empty),
        ("omit", Strategy::Omit),
    ];

    /// The name that users write.
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
