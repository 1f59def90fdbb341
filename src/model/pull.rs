//! When the image of a service is pulled.

/// When an image is pulled from its registry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum PullPolicy {
    /// If the engine does not have the image.
    #[default]
    Missing,
    /// Always: the registry says which image the reference names today.
    Always,
    /// Never: the engine has the image, or the rehearsal cannot be made.
    Never,
}

impl PullPolicy {
    pub const ALL: [PullPolicy; 3] = [PullPolicy::Missing, PullPolicy::Always, PullPolicy::Never];

    /// The name in settings.
    pub fn name(self) -> &'static str {
        match self {
            PullPolicy::Missing => "missing",
            PullPolicy::Always => "always",
            PullPolicy::Never => "never",
        }
    }
}
