//! Remembers which assignments a boot has recorded, so that none is listed twice.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;

use crate::kernel::catalog::Name;
use crate::tree::Place;

/// The assignments, by place. A file may have thousands, so that its path is kept once.
#[derive(Default)]
pub(super) struct Recorded {
    /// The number of each file.
    files: HashMap<OsString, usize>,
    /// The file that was asked for last, and its number.
    last: Option<(OsString, usize)>,
    /// The lines of each file that name a setting, in order. Such a line writes no other one.
    named: Vec<Vec<usize>>,
    /// The settings that other lines write: a line with a pattern writes several.
    others: HashSet<(Name, Place)>,
}

impl Recorded {
    /// Records the line at `place`, which names a setting.
    pub(super) fn add(&mut self, place: &Place) {
        let file = self.number(place);
        let lines = &mut self.named[file];
        if lines.last().is_none_or(|last| *last < place.line) {
            lines.push(place.line);
        } else if let Err(at) = lines.binary_search(&place.line) {
            lines.insert(at, place.line);
        }
    }

    /// Records that the line at `place` writes the setting `name`, and tells whether it is new.
    pub(super) fn insert(&mut self, name: &Name, place: &Place) -> bool {
        let file = self.number(place);
        self.named[file].binary_search(&place.line).is_err() && self.others.insert((name.clone(), place.clone()))
    }

    /// The number of the file of `place`.
    fn number(&mut self, place: &Place) -> usize {
        let path = place.file.as_os_str();
        if let Some((_, number)) = self.last.as_ref().filter(|(last, _)| last == path) {
            return *number;
        }
        let next = self.files.len();
        let number = *self.files.entry(path.to_owned()).or_insert(next);
        if number == next {
            self.named.push(Vec::new());
        }
        self.last = Some((path.to_owned(), number));
        number
    }
}
