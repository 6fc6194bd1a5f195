//! Keeps what has been made of a file beside its bytes, so that it is made once.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

use super::Entry;

/// An entry of a tree, with what readers have made of its bytes so far.
#[derive(Debug)]
pub(super) struct Kept {
    entry: Entry,
    /// One value of a type: few files have more than one reader.
    parsed: RefCell<Vec<Rc<dyn Any>>>,
}

impl Kept {
    pub(super) fn new(entry: Entry) -> Kept {
        Kept { entry, parsed: RefCell::default() }
    }

    pub(super) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// What `parse` makes of the bytes of the entry, or of none.
    pub(super) fn parsed<T: 'static>(&self, parse: impl FnOnce(&[u8]) -> T) -> Rc<T> {
        let known = self.parsed.borrow().iter().find_map(|it| Rc::clone(it).downcast().ok());
        known.unwrap_or_else(|| {
            let new = Rc::new(parse(self.entry.bytes().unwrap_or_default()));
            self.parsed.borrow_mut().push(new.clone());
            new
        })
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Kept) -> bool {
        self.entry == other.entry
    }
}

impl Eq for Kept {}
