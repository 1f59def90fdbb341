//! `--strict`: what is only a warning otherwise fails a service before it boots.

use crate::model::diagnosis::{Code, Diagnosis};

/// Why a service with these warnings is not permitted; `None`: none is about its files or its configuration.
pub(super) fn refusal(warnings: &[Diagnosis]) -> Option<Diagnosis> {
    let refused: Vec<&Diagnosis> = warnings.iter().filter(|of| of.code.as_str().starts_with("config/")).collect();
    let first = refused.first()?;
    let message = match refused.as_slice() {
        [one] => format!("--strict permits no warning, and there is {one}"),
        several => {
            let lines: String = several.iter().map(|of| format!("\n{of}")).collect();
            format!("--strict permits no warning, and there are {}:{lines}", several.len())
        }
    };
    let remedy = format!("{} {}", first.remedy(), Code::ConfigStrict.remedy());
    Some(Diagnosis { remedy: Some(remedy), ..Diagnosis::new(Code::ConfigStrict, message) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_warning_about_the_configuration_is_named_and_no_other() {
        let warning = |code, message: &str| Diagnosis::new(code, message);
        let torn = warning(Code::DataTornCopy, "torn");
        assert_eq!(refusal(std::slice::from_ref(&torn)), None);
        let one = refusal(&[torn.clone(), warning(Code::ConfigUnpinnedImage, "a.yaml:1:1: loose")]).expect("refused");
        assert_eq!(one.code, Code::ConfigStrict);
        assert!(one.message.ends_with("there is config/unpinned-image: a.yaml:1:1: loose"), "{one}");
        let two = [warning(Code::ConfigExternal, "net"), torn, warning(Code::ConfigFixedName, "name")];
        let two = refusal(&two).expect("refused");
        assert!(two.message.contains("there are 2:\nconfig/external: net\nconfig/fixed-name: name"), "{two}");
    }
}
