//! Which medium the sandbox networks of a run have: the strictest that the engine's kernel can make.

use std::sync::atomic::{AtomicU8, Ordering};

/// What carries the packets of a sandbox network, the strictest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::rehearse) enum Medium {
    /// A device of the kernel's that leads nowhere. The host has no interface on the network.
    Dummy,
    /// A bridge of which the host is not a part, for kernels without that device.
    Wire,
    /// A bridge on which the host has no address, for kernels without `macvlan`. Its isolation depends on the host's
    /// settings; the canary sees whether they suffice.
    Bridge,
}

/// The strictest medium that was not found to be missing. The first sandboxes of a run find out.
#[derive(Debug, Default)]
pub(in crate::rehearse) struct Media(AtomicU8);

impl Media {
    /// The medium for the next network.
    pub fn best(&self) -> Medium {
        match self.0.load(Ordering::Relaxed) {
            0 => Medium::Dummy,
            1 => Medium::Wire,
            _ => Medium::Bridge,
        }
    }

    /// The engine's kernel cannot make this medium. Returns the next best.
    pub fn rule_out(&self, medium: Medium) -> Medium {
        self.0.fetch_max(medium as u8 + 1, Ordering::Relaxed);
        self.best()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ruled_out_is_never_the_best_again() {
        let media = Media::default();
        assert_eq!(media.best(), Medium::Dummy);
        assert_eq!(media.rule_out(Medium::Wire), Medium::Bridge, "without macvlan there is neither of the two");
        assert_eq!(media.rule_out(Medium::Dummy), Medium::Bridge, "another stack finds out later");
    }
}
