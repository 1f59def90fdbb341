//! A sandbox that is not isolated: found by one stack, and the reason for all stacks of the run to stop.

use std::sync::OnceLock;

use tokio_util::sync::CancellationToken;

use crate::model::diagnosis::{Code, Diagnosis};

/// The first report that a sandbox of this run is not isolated. One report stops all stacks, because the same engine
/// makes all networks.
#[derive(Default)]
pub(super) struct Breach {
    found: OnceLock<FoundBreach>,
    told: CancellationToken,
}

struct FoundBreach {
    stack: String,
    diagnosis: Diagnosis,
}

impl Breach {
    /// Reports that the sandbox of `stack` is not isolated. If several stacks report it, the first is remembered.
    pub fn tell(&self, stack: &str, diagnosis: &Diagnosis) {
        let _ = self.found.set(FoundBreach { stack: stack.to_owned(), diagnosis: diagnosis.clone() });
        self.told.cancel();
    }

    /// The diagnosis for `stack`; `None` while no sandbox was found open.
    pub fn known(&self, stack: &str) -> Option<Diagnosis> {
        let FoundBreach { stack: open, diagnosis } = self.found.get()?;
        if open == stack {
            return Some(diagnosis.clone());
        }
        let message = format!("stopped, because the sandbox of {open} is not isolated: {}", diagnosis.message);
        Some(Diagnosis::new(Code::SandboxNotIsolated, message))
    }

    /// Waits until a sandbox is found open, and returns the diagnosis for `stack`.
    pub async fn heard(&self, stack: &str) -> Diagnosis {
        self.told.cancelled().await;
        match self.known(stack) {
            Some(diagnosis) => diagnosis,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_stack_hears_of_the_first_that_was_found_open() {
        let breach = Breach::default();
        assert_eq!(breach.known("a"), None);
        let first = Diagnosis::new(Code::SandboxNotIsolated, "10.0.0.1 answered");
        breach.tell("a", &first);
        breach.tell("b", &Diagnosis::new(Code::SandboxNotIsolated, "10.0.0.2 answered"));
        assert_eq!(breach.heard("a").await, first);
        let other = breach.heard("b").await;
        assert_eq!(other.code, Code::SandboxNotIsolated);
        assert!(other.message.starts_with("stopped, because the sandbox of a is not isolated: 10.0.0.1"), "{other}");
    }
}
