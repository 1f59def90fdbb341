//! Tests of the list of diagnoses.

use super::*;

#[test]
fn codes_are_unique_and_parse_back() {
    for code in Code::ALL {
        assert_eq!(Code::parse(code.as_str()), Some(*code));
        assert_eq!(serde_json::to_string(code).expect("a code serializes"), format!("\"{code}\""));
    }
}

#[test]
fn every_code_says_what_to_do() {
    for code in Code::ALL {
        assert!(code.as_str().contains('/'), "{code}");
        assert!(!code.cause().is_empty() && code.remedy().ends_with('.'), "{code}");
    }
}
