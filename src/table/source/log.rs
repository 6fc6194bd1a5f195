//! Reads the kernel's log, or a saved one, for messages of a full table.
//!
//! The old form is `ip_conntrack: table full, dropping packet.`, today's `nf_conntrack: nf_conntrack: table full,
//! dropping packet`, and `table full in netns N` for a network namespace other than the first. Only the kernel's own
//! lines count: a program that logs the same words proves nothing.
//!
//! A form of a saved log is a file below `log/`, its row in [`FORMS`], and a case in `tests/cases/logs/`.

pub mod journal;
pub mod kmsg;
pub mod lines;

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use crate::table::model::log::Log;
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
pub const FORMS: [LogForm; 4] = [kmsg::FORM, journal::JSON, journal::EXPORT, lines::FORM];

/// The form of a log that begins with these bytes.
#[must_use]
pub fn form(beginning: &[u8]) -> &'static LogForm {
    const LAST: &LogForm = &FORMS[FORMS.len() - 1];
    FORMS.iter().find(|form| (form.recognises)(beginning)).unwrap_or(LAST)
}

/// The messages in the saved log at `path`; `-` is standard input.
pub fn file(path: &Path) -> io::Result<Log> {
    if path == Path::new("-") {
        return text(io::stdin().lock(), "standard input");
    }
    text(BufReader::new(File::open(path)?), &path.display().to_string())
}

/// The messages in the saved log that `source` gives.
pub fn text(mut source: impl BufRead, name: &str) -> io::Result<Log> {
    let form = form(source.fill_buf()?);
    let mut log = Log::new(name);
    (form.read)(&mut Lines::new(&mut source), &mut log)?;
    Ok(log)
}

/// The words of a full table within a text.
struct FullTable {
    /// The byte of the text that they start at.
    start: usize,
    /// The number of the network namespace that they name.
    namespace: Option<u64>,
}

impl FullTable {
    /// The words in `text`, if it has them.
    fn find(text: &str) -> Option<FullTable> {
        // Most lines are about something else: one search rejects them.
        if !text.contains("table full") {
            return None;
        }
        let words = ["nf_conntrack: table full", "ip_conntrack: table full"];
        let start = words.iter().find_map(|words| text.find(words))?;
        let rest = &text[start + words[0].len()..];
        let (namespace, rest) = match rest.strip_prefix(" in netns ") {
            Some(rest) => {
                let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                (Some(rest[..end].parse().ok()?), &rest[end..])
            }
            None => (None, rest),
        };
        rest.starts_with(", dropping packet").then_some(())?;
        // Today's form has the name twice: once from the module, once from the message.
        let start = text[..start].strip_suffix("nf_conntrack: ").map_or(start, str::len);
        Some(FullTable { start, namespace })
    }

    /// The words in `text`, if it begins with them: a text that quotes them does not.
    fn begins(text: &str) -> Option<FullTable> {
        FullTable::find(text).filter(|found| found.start == 0)
    }
}
