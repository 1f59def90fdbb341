//! Values of flags about the look of the output: formats, and colour.

use clap::ValueEnum;

use crate::config::Environment;

/// libtest's formats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum TestFormat {
    /// One line a service.
    #[default]
    Pretty,
    /// One character a service.
    Terse,
    /// One JSON event a line.
    Json,
}

/// For people or for programs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum TextOrJson {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl ColorChoice {
    /// The flag, else NO_COLOR and CLICOLOR_FORCE (<https://no-color.org>, <https://bixense.com/clicolors>).
    #[must_use]
    pub fn with_environment(self, env: &Environment) -> Self {
        match self {
            ColorChoice::Auto if env.get("NO_COLOR").is_some() => ColorChoice::Never,
            ColorChoice::Auto if env.get("CLICOLOR_FORCE").is_some_and(|value| value != "0") => ColorChoice::Always,
            ColorChoice::Auto if env.get("CLICOLOR") == Some("0") || env.get("TERM") == Some("dumb") => {
                ColorChoice::Never
            }
            wish => wish,
        }
    }

    /// Whether a stream gets colour.
    pub fn applies(self, is_terminal: bool) -> bool {
        match self {
            ColorChoice::Auto => is_terminal,
            ColorChoice::Always => true,
            ColorChoice::Never => false,
        }
    }
}
