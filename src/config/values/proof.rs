//! The evidence that a rehearsal must give.

use super::text::{sentence, text_values};
use crate::model::check::EvidenceLevel;

/// Reads a level that can be required; `none` requires nothing.
fn read(text: &str) -> Result<Option<EvidenceLevel>, String> {
    if text == "none" {
        return Ok(None);
    }
    let level = EvidenceLevel::REQUIRABLE.into_iter().find(|level| level.name() == text);
    level.map(Some).ok_or_else(|| {
        "a level of proof: `restored`, `complete`, `matches-live`, `healthy`, `data-proven`, or `none`".to_owned()
    })
}

text_values! {
    /// The level of evidence that is required; `None`: whatever is shown is enough.
    RequiredProof(Option<EvidenceLevel>) = |text| sentence(text, read(text)),
        text { "enum": ["none", "restored", "complete", "matches-live", "healthy", "data-proven"] }, "\"restored\"";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_that_can_be_required_is_read() {
        for level in EvidenceLevel::REQUIRABLE {
            assert_eq!(read(level.name()), Ok(Some(level)));
        }
        assert_eq!(read("none"), Ok(None));
        for wrong in ["", "booted", "Restored", "proof"] {
            assert!(read(wrong).is_err_and(|expected| expected.contains("`data-proven`")), "{wrong}");
        }
    }
}
