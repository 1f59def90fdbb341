//! The style of the output for people.

/// What the terminal can do, and how much people want to read.
///
/// The caller reads `NO_COLOR`, the terminal and the flags; this module reads none of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HumanStyle {
    /// Colours may be used.
    pub color: bool,
    /// The output is a terminal on which progress bars can be drawn.
    pub progress: bool,
    /// Columns of the terminal; `None` when there is none.
    pub width: Option<usize>,
    /// Results only, no steps.
    pub quiet: bool,
    /// Every step, with notes.
    pub verbose: bool,
}

/// The meaning of a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Green.
    Good,
    /// Red.
    Bad,
    /// Yellow.
    Doubtful,
    /// Grey.
    Faint,
    /// Bold.
    Strong,
}

impl HumanStyle {
    /// `text` in the colour of `tone`, if colours may be used.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        if !self.color {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Doubtful => "33",
            Tone::Faint => "2",
            Tone::Strong => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}
