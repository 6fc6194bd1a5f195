//! Paints words for a terminal, in the sixteen colours that every terminal lets its user choose.
//!
//! Texts for people carry the paint. `cli` takes it off where it cannot be seen or is not wanted.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};

/// The head of a table or of a part.
pub const HEAD: Style = Style::new().bold();
/// All is well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Something differs, is lost, or has failed.
pub const BAD: Style = AnsiColor::Red.on_default();
/// Something cannot be known, or deserves a look.
pub const DOUBT: Style = AnsiColor::Yellow.on_default();
/// The place of a change in a diff.
pub const PLACE: Style = AnsiColor::Cyan.on_default();
/// No paint.
pub const PLAIN: Style = Style::new();

/// `text` in that style.
#[must_use]
pub fn painted(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// A text in a style, as a table has it.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The text, without any paint.
    pub text: String,
    /// The style.
    pub style: Style,
}

impl Cell {
    /// A text in that style.
    #[must_use]
    pub fn new(style: Style, text: impl Into<String>) -> Cell {
        Cell { text: text.into(), style }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::new(PLAIN, text)
    }
}
