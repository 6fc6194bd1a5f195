//! Decides which assignments a program finds in sysctl files, and what it then writes, in which order.
//!
//! Each program has a [`Dialect`] of its own. Pure: the only input is a [`Tree`] and the keys of a kernel. How a kernel
//! reads the written text (bounds, rounding, base 0), and which program runs when, is decided in [`crate::boot`].

mod busybox;
mod chimera;
mod dialect;
mod document;
mod glob;
mod kernel_keys;
mod lines;
pub mod paths;
pub mod procps;
mod procps_3;
pub mod systemd;
mod writes;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;
use std::rc::Rc;

use memchr::memmem;

use crate::kernel::catalog::{Key, Name, WORDS};
use crate::order::InOrder;
use crate::tree::{Place, Tree};

pub use busybox::BUSYBOX;
pub use chimera::CHIMERA;
pub use dialect::{Dialect, OnRefusal};
pub use document::Document;
pub use glob::fnmatch;
pub use procps::{PROCPS, PROCPS_3, PROCPS_4_0_5};
pub use systemd::{SYSTEMD, SYSTEMD_262};

/// Every dialect.
pub static DIALECTS: [&Dialect; 7] = [&SYSTEMD, &SYSTEMD_262, &PROCPS, &PROCPS_3, &PROCPS_4_0_5, &BUSYBOX, &CHIMERA];

/// One assignment, as a program reads it from a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The line, counted from 1 by the line feeds before it.
    pub line: usize,
    /// The subject: the lines of a file that spell it alike share it, because there may be very many.
    pub subject: Rc<Subject>,
    /// The text that is written, shared likewise; None for `-key`, which only excludes a key from globs.
    pub value: Option<Rc<[u8]>>,
    /// The bytes of the key in the file, including a `-` before it.
    pub key_span: Range<usize>,
    /// The bytes of the value in the file; if there is no value, an empty range at the end of the key.
    pub value_span: Range<usize>,
    /// The bytes of the whole line in the file, as the program sees it, including its end.
    pub line_span: Range<usize>,
}

/// What a line assigns to, as a program reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The path below `/proc/sys` that the key names, a glob included: `net/netfilter/nf_conntrack_max`.
    pub key: Vec<u8>,
    /// The same path as the program compares it: procps does not simplify paths, so a line that names
    /// `net//netfilter/x` does not exclude `x` from its globs.
    pub path: Vec<u8>,
    dotted_key: Option<Key>,
    name: Option<Name>,
    /// Whether the assignment may concern connection tracking: by name, or as a glob.
    may_concern_us: bool,
    /// The key, if the catalog has none of this name.
    stranger: Option<Key>,
}

impl Subject {
    /// The subject of a line with this path, which makes `key` once it is simplified.
    fn new(path: Vec<u8>, key: Vec<u8>) -> Subject {
        let dotted_key = std::str::from_utf8(&key).ok().map(Key::at);
        let name = dotted_key.as_ref().and_then(Key::name);
        let may_concern_us = may_concern_us(&path);
        let is_catalogued = name.as_ref().is_some_and(Name::is_catalogued);
        let stranger = dotted_key.clone().filter(|_| !is_catalogued);
        Subject { key, path, dotted_key, name, may_concern_us, stranger }
    }
}

/// An assignment and its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The file, by the path under which it was read, and the line.
    pub place: Place,
    /// The assignment.
    pub assignment: Assignment,
}

impl Assignment {
    /// The setting that the assignment names, unless its key is a glob.
    #[must_use]
    pub fn name(&self) -> Option<&Name> {
        self.subject.name.as_ref()
    }

    /// The key, if it is text and the catalog has none of this name. It may be a misspelt one.
    #[must_use]
    pub fn stranger(&self) -> Option<&Key> {
        self.subject.stranger.as_ref()
    }

    /// The key with dots, as `sysctl` prints it. None: the key is not text.
    #[must_use]
    pub fn dotted_key(&self) -> Option<&Key> {
        self.subject.dotted_key.as_ref()
    }
}

/// One write of a program: it puts `text` into the kernel's `key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The key, one that the kernel has.
    pub key: Key,
    /// The text, without the line end that the program adds.
    pub text: Vec<u8>,
    /// The place of the assignment.
    pub place: Place,
}

/// The assignments of one file, in the order of its lines.
#[must_use]
pub fn parse(bytes: &[u8], dialect: &Dialect) -> Vec<Assignment> {
    (dialect.read)(bytes)
}

/// The assignments of `files` in the order of reading, as far as they may concern connection tracking: by name, or as a
/// glob.
#[must_use]
pub fn assignments(tree: &Tree, dialect: &Dialect, files: &[PathBuf]) -> Vec<Placed> {
    let mut read = Vec::new();
    for file in files {
        // Most files are about something else, and a boot is played through many times.
        let bytes = tree.bytes(file).filter(|bytes| may_concern_us(bytes)).unwrap_or_default();
        let place = Place::within(file);
        let parsed = parse(bytes, dialect);
        read.reserve(parsed.len());
        let found = parsed.into_iter().filter(|assignment| assignment.subject.may_concern_us);
        read.extend(found.map(|assignment| Placed { place: place(assignment.line), assignment }));
    }
    read
}

fn may_concern_us(text: &[u8]) -> bool {
    WORDS.iter().any(|word| memmem::find(text, word.as_bytes()).is_some()) || glob::is_pattern(text)
}

/// The writes of one run that has read `assignments`, to a kernel that has `keys`, in the order of writing.
#[must_use]
pub fn writes(assignments: &[Placed], dialect: &Dialect, keys: &BTreeSet<Key>) -> Vec<Write> {
    writes::writes(assignments, dialect, keys)
}

/// The assignments of one run that a program drops because a later line names the key without a value, by their places, each
/// with the place of that line.
#[must_use]
pub fn excluded<'a>(read: &'a [Placed], dialect: &Dialect) -> BTreeMap<&'a Place, &'a Place> {
    if read.iter().all(|placed| placed.assignment.value.is_some()) {
        return BTreeMap::new();
    }
    let kept = (dialect.kept)(read);
    let (assigned, excluded): (Vec<&Placed>, Vec<&Placed>) =
        kept.into_iter().partition(|placed| placed.assignment.value.is_some());
    let written: BTreeSet<&[u8]> = assigned.iter().map(|placed| placed.assignment.subject.path.as_slice()).into_set();
    let exclusions: BTreeMap<&[u8], &Place> =
        excluded.iter().map(|placed| (placed.assignment.subject.path.as_slice(), &placed.place)).into_map();
    let dropped = read.iter().filter(|placed| {
        placed.assignment.value.is_some() && !written.contains(placed.assignment.subject.path.as_slice())
    });
    dropped
        .filter_map(|placed| Some((&placed.place, *exclusions.get(placed.assignment.subject.path.as_slice())?)))
        .into_map()
}

/// The assignment of the setting `name` at `line` of a file of these bytes, in the first dialect that has one there.
#[must_use]
pub fn assignment_at(bytes: &[u8], line: usize, name: &Name) -> Option<Assignment> {
    DIALECTS.iter().find_map(|dialect| {
        let mut read = parse(bytes, dialect).into_iter();
        read.rfind(|assignment| assignment.line == line && assignment.name() == Some(name))
    })
}
