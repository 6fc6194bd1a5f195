//! Reads a saved table in one pass and in bounded memory.
//!
//! A form of a saved table is a file below `saved/`, its row in [`FORMS`], and a case in `tests/cases/tables/`.

pub mod text;
pub mod xml;

use std::io::{self, BufRead};

use crate::table::model::entry::TableEntry;
use crate::table::source::lines::{Lines, Text};

/// A form of a saved table.
#[derive(Debug)]
pub struct SavedForm {
    /// The name, with which the directories of its cases begin.
    pub name: &'static str,
    /// Whether a table that begins with these bytes has this form.
    pub recognises: fn(&[u8]) -> bool,
    /// Hands on the entries.
    pub read: fn(&mut Text<'_>, &mut Entries<'_>) -> io::Result<()>,
}

/// The forms. The first one that recognises a table reads it; the last one recognises anything.
pub const FORMS: [SavedForm; 2] = [xml::FORM, text::FORM];

/// The form of a table that begins with these bytes.
#[must_use]
pub fn form(beginning: &[u8]) -> &'static SavedForm {
    const LAST: &SavedForm = &FORMS[FORMS.len() - 1];
    FORMS.iter().find(|form| (form.recognises)(beginning)).unwrap_or(LAST)
}

/// The parts of a saved table that are no entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// The number of lines, or of flows in XML, that describe no entry.
    pub unread: u64,
    /// The number of the first of them, from 1.
    pub first_unread: Option<u64>,
}

/// Takes the entries of a saved table.
pub struct Entries<'a> {
    each: &'a mut dyn FnMut(&TableEntry),
    saved: Saved,
}

impl Entries<'_> {
    /// Takes the entry in the line or flow numbered `number`; None: it describes no entry.
    pub fn take(&mut self, number: u64, entry: Option<TableEntry>) {
        if let Some(entry) = entry {
            (self.each)(&entry);
        } else {
            self.saved.unread += 1;
            self.saved.first_unread.get_or_insert(number);
        }
    }
}

/// Gives each entry in `source` to `each`.
pub fn read(mut source: impl BufRead, mut each: impl FnMut(&TableEntry)) -> io::Result<Saved> {
    let form = form(source.fill_buf()?);
    let mut entries = Entries { each: &mut each, saved: Saved::default() };
    (form.read)(&mut Lines::new(&mut source), &mut entries)?;
    Ok(entries.saved)
}
