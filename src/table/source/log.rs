//! Reads the kernel's log, or a saved one, for messages of a full table.
//!
//! Only the kernel's own lines count: a program that logs the same words proves nothing. A line with the words that is not
//! understood is counted, and the first one is kept.
//!
//! A form of a saved log is a file below `log/`, its row in [`FORMS`], and a case in `tests/cases/logs/`.

pub mod journal;
pub mod kmsg;
mod line;
pub mod lines;
pub mod message;
mod prefix;
mod record;
mod time;

use std::io::{self, Read};
use std::path::Path;

use crate::table::model::log::Log;
use crate::table::source::evidence;
use crate::table::source::lines::{Lines, Text};

/// A form of a saved log.
#[derive(Debug)]
pub struct LogForm {
    /// The name, with which the directories of its cases begin.
    pub name: &'static str,
    /// Whether a log that begins with these bytes has this form.
    pub recognises: fn(&[u8]) -> bool,
    /// Adds the messages of a full table to the log.
    pub read: fn(&mut Text<'_>, &mut Log) -> io::Result<()>,
}

/// The forms. The first one that recognises a log reads it; the last one recognises anything.
pub const FORMS: [LogForm; 5] = [kmsg::FORM, journal::JSON, journal::EXPORT, journal::VERBOSE, lines::FORM];

/// The form of a log that begins with these bytes.
#[must_use]
pub fn form(beginning: &[u8]) -> &'static LogForm {
    const LAST: &LogForm = &FORMS[FORMS.len() - 1];
    FORMS.iter().find(|form| (form.recognises)(beginning)).unwrap_or(LAST)
}

/// The messages in the saved log at `path`; `-` is standard input.
pub fn file(path: &Path) -> io::Result<Log> {
    let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    text(evidence::open(path)?, &name)
}

/// The messages in the saved log that `source` gives.
pub fn text(mut source: impl Read, name: &str) -> io::Result<Log> {
    let mut text = Lines::new(&mut source as &mut dyn Read);
    let beginning = text.beginning()?;
    if beginning.is_empty() {
        let expected = "it is empty; expected the output of dmesg or journalctl, or a file of syslog";
        return Err(io::Error::new(io::ErrorKind::InvalidData, expected));
    }
    let form = form(beginning);
    let mut log = Log::new(name);
    (form.read)(&mut text, &mut log)?;
    Ok(log)
}
