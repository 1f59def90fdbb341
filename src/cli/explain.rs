//! `rehearsa explain`: what a code means, why it happens and what to do.

use serde::Serialize;

use super::args::ExplainArgs;
use super::choices::TextOrJson;
use super::console;
use super::exit::Failure;
use crate::config::values::suggest::suggestion;
use crate::model::diagnosis::{Code, Severity};
use crate::report::wording::severity_name;

/// Version of the JSON output: raised when a field goes or changes its meaning, not for new fields.
const SCHEMA_VERSION: u32 = 1;

/// A code for programs.
#[derive(Debug, Serialize)]
struct View {
    code: &'static str,
    severity: &'static str,
    /// The severity in words.
    meaning: &'static str,
    title: &'static str,
    cause: &'static str,
    remedy: &'static str,
}

/// All codes, for programs.
#[derive(Debug, Serialize)]
struct ListView {
    schema_version: u32,
    codes: Vec<View>,
}

/// One code, for programs.
#[derive(Debug, Serialize)]
struct CodeView {
    schema_version: u32,
    #[serde(flatten)]
    code: View,
}

/// The command.
pub fn run(args: &ExplainArgs) -> Result<(), Failure> {
    let text = match (&args.code, args.format) {
        (None, TextOrJson::Text) => list(),
        (None, TextOrJson::Json) => {
            let codes = Code::ALL.iter().copied().map(view).collect();
            json(&ListView { schema_version: SCHEMA_VERSION, codes })
        }
        (Some(name), format) => {
            let code = find(name)?;
            match format {
                TextOrJson::Text => explanation(code),
                TextOrJson::Json => json(&CodeView { schema_version: SCHEMA_VERSION, code: view(code) }),
            }
        }
    };
    console::print(&text)
}

fn find(name: &str) -> Result<Code, Failure> {
    Code::parse(name).ok_or_else(|| {
        let near = suggestion(name, Code::ALL.iter().map(|code| code.as_str()));
        let list = "`rehearsa explain --list` shows all codes";
        let hint = near.map_or_else(|| list.to_owned(), |near| format!("{near} {list}"));
        Failure::usage(format!("there is no code `{name}`")).hint(hint)
    })
}

/// The meaning of a severity. The text speaks of data and not of a backup, since a live clone uses none.
fn meaning(severity: Severity) -> &'static str {
    match severity {
        Severity::Failed => "the service does not come back from this data",
        Severity::Errored => "it could not be found out whether the service comes back from this data",
        Severity::Warning => "worth knowing; the verdict does not change",
    }
}

fn explanation(code: Code) -> String {
    let severity = severity_name(code.severity());
    format!(
        "{code}: {}\n\nVerdict:       {severity}: {}\nWhat it means: {}\nWhat to do:    {}\n",
        code.title(),
        meaning(code.severity()),
        code.cause(),
        code.remedy()
    )
}

fn list() -> String {
    let width = Code::ALL.iter().map(|code| code.as_str().len()).max().unwrap_or(0);
    let line = |code: &Code| {
        let severity = severity_name(code.severity());
        format!("{:width$}  {severity:7}  {}\n", code.as_str(), code.title())
    };
    Code::ALL.iter().map(line).collect()
}

fn view(code: Code) -> View {
    View {
        code: code.as_str(),
        severity: severity_name(code.severity()),
        meaning: meaning(code.severity()),
        title: code.title(),
        cause: code.cause(),
        remedy: code.remedy(),
    }
}

fn json(view: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(view).expect("a view has string keys only, so it serializes");
    format!("{text}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained() {
        for code in Code::ALL {
            let text = explanation(find(code.as_str()).expect("known"));
            for part in [code.as_str(), code.title(), meaning(code.severity()), code.cause(), code.remedy()] {
                assert!(text.contains(part), "{part} is missing in:\n{text}");
            }
            assert!(list().contains(&format!("{code} ")), "{code}");
        }
        assert_eq!(list().lines().count(), Code::ALL.len());
    }

    #[test]
    fn no_verdict_blames_a_backup_that_was_not_read() {
        for severity in [Severity::Failed, Severity::Errored, Severity::Warning] {
            assert!(!meaning(severity).contains("backup"), "{}", meaning(severity));
        }
        assert!(explanation(Code::BootExited).contains("failed: the service does not come back from this data"));
    }

    #[test]
    fn who_mistypes_is_helped() {
        let help = |name: &str| find(name).expect_err(name).render(false);
        assert_eq!(find("boot/exted").expect_err("unknown").exit.number(), 2);
        assert!(help("boot/exted").contains("did you mean `boot/exited`"), "{}", help("boot/exted"));
        assert!(help("torn-copy").contains("did you mean `data/torn-copy`?"), "{}", help("torn-copy"));
        assert!(help("zzz").ends_with("What to do: `rehearsa explain --list` shows all codes\n"), "{}", help("zzz"));
    }

    #[test]
    fn programs_get_the_same_as_people() {
        let view = json(&CodeView { schema_version: SCHEMA_VERSION, code: view(Code::DataTornCopy) });
        let value: serde_json::Value = serde_json::from_str(&view).expect("JSON");
        assert_eq!((&value["code"], &value["severity"]), (&"data/torn-copy".into(), &"warning".into()));
        assert_eq!(value["remedy"], Code::DataTornCopy.remedy());
    }
}
