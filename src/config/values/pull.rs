//! When images are pulled.

use super::text::{sentence, text_values};
use crate::model::pull::PullPolicy;

fn read(text: &str) -> Result<PullPolicy, String> {
    let policy = PullPolicy::ALL.into_iter().find(|policy| policy.name() == text);
    policy.ok_or_else(|| "a time to pull images: `missing`, `always` or `never`".to_owned())
}

text_values! {
    /// When images are pulled.
    PullWhen(PullPolicy) = |text| sentence(text, read(text)),
        text { "enum": ["missing", "always", "never"] }, "\"missing\"";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_is_read_by_its_name() {
        for policy in PullPolicy::ALL {
            assert_eq!(read(policy.name()), Ok(policy));
        }
        for wrong in ["", "Missing", "if_not_present", "true"] {
            assert!(read(wrong).is_err_and(|expected| expected.contains("`never`")), "{wrong}");
        }
    }
}
