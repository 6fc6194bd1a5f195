//! Reads a saved table in one pass and in bounded memory.
//!
//! A form of a saved table is a file below `saved/`, its row in [`FORMS`], and a case in `tests/cases/tables/`.

mod draft;
pub mod foreign;
pub mod ovs;
pub mod save;
pub mod text;
pub mod xml;

use std::collections::HashMap;
use std::io::{self, Read};

use memchr::memmem;

use crate::order::sorted_by;
use crate::table::model::entry::TableEntry;
use crate::table::model::folding::Folding;
use crate::table::source::lines::{Lines, Text};
use draft::Draft;

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
pub const FORMS: [SavedForm; 5] = [xml::FORM, ovs::FORM, save::FORM, text::EVENTS, text::FORM];

/// The form of a table that begins with these bytes.
#[must_use]
pub fn form(beginning: &[u8]) -> &'static SavedForm {
    const LAST: &SavedForm = &FORMS[FORMS.len() - 1];
    FORMS.iter().find(|form| (form.recognises)(beginning)).unwrap_or(LAST)
}

/// The connections of events that are kept, so that their number bounds the memory (some 30 MB).
const OPEN: usize = 1 << 18;

/// What a saved table holds beside its entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// The number of lines, or of flows in XML, that describe no entry.
    pub unread: u64,
    /// The number of the first of them, from 1.
    pub first_unread: Option<u64>,
    /// The entries of which the table does not say whether they were answered.
    pub answers_unknown: u64,
    /// The entries with an address that somebody has made unreadable.
    pub hidden: u64,
    /// The number of entries that conntrack(8) says it has printed.
    pub shown: Option<u64>,
    /// The events, if the file has events and not a table.
    pub events: u64,
    /// The events of more connections than are kept at once.
    pub events_left_out: u64,
    /// The other thing that the file holds, if it holds no entry.
    pub foreign: Option<&'static foreign::Foreign>,
}

/// What an event says of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The table has it.
    Kept,
    /// The table has it no longer.
    Gone,
}

/// Takes the entries of a saved table.
pub struct Entries<'a> {
    each: &'a mut dyn FnMut(&TableEntry),
    saved: Saved,
    /// The connections of events, each with the number of the line or flow that began it.
    open: HashMap<u64, (u64, TableEntry), Folding>,
}

impl Entries<'_> {
    /// Takes the entry in the line or flow numbered `number`; None: it describes no entry.
    pub fn take(&mut self, number: u64, entry: Option<&TableEntry>) {
        if let Some(entry) = entry {
            self.saved.hidden += u64::from(entry.source.is_none() || entry.destination.is_none());
            (self.each)(entry);
        } else {
            self.saved.unread += 1;
            self.saved.first_unread.get_or_insert(number);
        }
    }

    fn draft(&mut self, number: u64, draft: &Draft) {
        let entry = draft.entry();
        self.saved.answers_unknown += u64::from(entry.is_some() && !draft.knows_answers);
        self.take(number, entry.as_ref());
    }

    /// Takes an event. The remaining time is that of its moment, so that nothing is known of the present one.
    fn event(&mut self, number: u64, event: Event, draft: &Draft) {
        let Some(entry) = draft.entry() else { return self.take(number, None) };
        self.saved.events += 1;
        let identity = draft.identity(*self.open.hasher());
        let entry = TableEntry { remaining: None, ..entry };
        if event == Event::Gone {
            self.open.remove(&identity);
        } else if let Some((_, open)) = self.open.get_mut(&identity) {
            *open = entry;
        } else if self.open.len() < OPEN {
            self.open.insert(identity, (number, entry));
        } else {
            self.saved.events_left_out += 1;
        }
    }

    /// Takes the number of entries that conntrack(8) says it has printed.
    fn shown(&mut self, entries: u64) {
        let shown = self.saved.shown.get_or_insert(0);
        *shown = shown.saturating_add(entries);
    }
}

/// Whether a line that is no entry says nothing about the table. conntrack(8) prints its version and a count to another
/// stream, which may have been saved too.
fn is_noise(line: &[u8]) -> bool {
    line.trim_ascii().is_empty() || memmem::find(line, b"conntrack v").is_some()
}

/// Gives each entry in `source` to `each`.
pub fn read(mut source: impl Read, each: impl FnMut(&TableEntry)) -> io::Result<Saved> {
    let mut text = Lines::new(&mut source as &mut dyn Read);
    let beginning = text.beginning()?;
    let form = form(beginning);
    let foreign = foreign::name(beginning);
    let (saved, count) = entries(form.read, &mut text, each)?;
    Ok(Saved { foreign: foreign.filter(|_| count == 0 && saved.events == 0), ..saved })
}

/// Gives each entry in `source`, the kernel's own text of its table, to `each`. A binary that reads no saved tables does without
/// the other forms.
pub fn read_text(mut source: impl Read, each: impl FnMut(&TableEntry)) -> io::Result<()> {
    entries(text::FORM.read, &mut Lines::new(&mut source as &mut dyn Read), each)?;
    Ok(())
}

/// Gives each entry in `text` to `each`, and returns their number and what else the text holds.
fn entries(
    read: fn(&mut Text<'_>, &mut Entries<'_>) -> io::Result<()>,
    text: &mut Text<'_>,
    mut each: impl FnMut(&TableEntry),
) -> io::Result<(Saved, u64)> {
    let mut count = 0_u64;
    let mut each = |entry: &TableEntry| {
        count += 1;
        each(entry);
    };
    let mut entries = Entries { each: &mut each, saved: Saved::default(), open: HashMap::default() };
    read(text, &mut entries)?;
    let Entries { mut saved, open, .. } = entries;
    let open = sorted_by(open.into_values().collect(), |(one, _), (other, _)| one.cmp(other));
    for (_, entry) in open {
        saved.hidden += u64::from(entry.source.is_none() || entry.destination.is_none());
        each(&entry);
    }
    Ok((saved, count))
}
