//! How a run is shown: the format, colours, and what goes to which stream.

use super::args::OutputArgs;
use super::choices::{ColorChoice, TestFormat};
use crate::config::Environment;
use crate::config::settings::ReportTargets;

/// How a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presentation {
    /// libtest's format.
    pub format: TestFormat,
    /// Colours.
    pub color: ColorChoice,
    /// The stream that takes libtest's own lines.
    pub libtest_to: Stream,
    /// `--bench`: nothing runs, because there are no benchmarks.
    pub bench: bool,
    /// Show steps as they go on standard error.
    pub steps: bool,
    /// Show every step, with notes.
    pub verbose: bool,
}

/// A standard stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, for programs.
    Stdout,
    /// Standard error, for people.
    Stderr,
}

impl Presentation {
    /// Reads the flags and the environment. A report on standard output is alone there: libtest's lines go elsewhere.
    pub fn new(output: &OutputArgs, reports: &ReportTargets, env: &Environment) -> Self {
        let format = if output.quiet { TestFormat::Terse } else { output.format.unwrap_or_default() };
        Self {
            format,
            color: output.color.with_environment(env),
            libtest_to: if reports.take_stdout() { Stream::Stderr } else { Stream::Stdout },
            bench: output.bench,
            steps: !output.quiet,
            verbose: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::values::report_spec::Form;

    fn env(variables: &[(&str, &str)]) -> Environment {
        variables.iter().copied().collect()
    }

    #[test]
    fn no_color_is_honoured_unless_a_flag_says_otherwise() {
        let asked = |wish: ColorChoice, variables| wish.with_environment(&env(variables));
        assert_eq!(asked(ColorChoice::Auto, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]), ColorChoice::Never);
        assert_eq!(asked(ColorChoice::Auto, &[("NO_COLOR", ""), ("CLICOLOR_FORCE", "1")]), ColorChoice::Always);
        assert_eq!(asked(ColorChoice::Auto, &[("CLICOLOR_FORCE", "0")]), ColorChoice::Auto);
        assert_eq!(asked(ColorChoice::Always, &[("NO_COLOR", "1")]), ColorChoice::Always);
        assert!(ColorChoice::Auto.applies(true) && !ColorChoice::Auto.applies(false));
    }

    #[test]
    fn a_report_on_standard_output_has_it_for_itself() {
        let reports = ReportTargets { files: [(Form::Tap, PathBuf::from("-"))].into(), ..ReportTargets::default() };
        let shown = |reports| Presentation::new(&OutputArgs::default(), reports, &env(&[])).libtest_to;
        assert_eq!(shown(&reports), Stream::Stderr);
        assert_eq!(shown(&ReportTargets::default()), Stream::Stdout);
    }
}
