//! Decides what one run of a program writes, and in which order, from the assignments that it has read.
//!
//! Most programs read all their files before they write. A glob never writes a key that some line names, or some line before
//! it.

use std::collections::BTreeSet;

use super::dialect::{Dialect, Shields};
use super::kernel_keys::KernelKeys;
use super::{Placed, Write, glob};
use crate::kernel::catalog::Key;

/// The writes to a kernel that has `keys`, in order.
pub(super) fn writes(assignments: &[Placed], dialect: &Dialect, keys: &BTreeSet<Key>) -> Vec<Write> {
    let kernel = KernelKeys::new(keys);
    let mut names = Names::default();
    if dialect.shields == Shields::All {
        for placed in assignments {
            names.add(placed);
        }
    }
    let mut writes = Vec::new();
    for placed in (dialect.kept)(assignments) {
        let targets = placed.assignment.value.iter().flat_map(|text| {
            let keys = targets(&placed.assignment.subject.path, dialect, &kernel, |path| names.shield(path, dialect));
            keys.into_iter().map(move |key| (key, text))
        });
        writes.extend(targets.map(|(key, text)| Write {
            key: key.clone(),
            text: text.to_vec(),
            place: placed.place.clone(),
        }));
        if dialect.shields == Shields::Earlier {
            names.add(placed);
        }
    }
    writes
}

/// The paths that lines name, of which globs are kept away.
#[derive(Default)]
struct Names<'a> {
    all: BTreeSet<&'a [u8]>,
    /// Those of lines without a value.
    excluding: Vec<&'a [u8]>,
}

impl<'a> Names<'a> {
    fn add(&mut self, placed: &'a Placed) {
        let path = placed.assignment.subject.path.as_slice();
        self.all.insert(path);
        if placed.assignment.value.is_none() {
            self.excluding.push(path);
        }
    }

    fn shield(&self, path: &[u8], dialect: &Dialect) -> bool {
        self.all.contains(path) || self.excluding.iter().any(|it| (dialect.excludes)(it, path))
    }
}

/// The keys that are written for `path`: the one that it names or, for a glob, those that are not left out of globs.
fn targets<'a>(
    path: &[u8],
    dialect: &Dialect,
    kernel: &KernelKeys<'a>,
    is_left_out: impl Fn(&[u8]) -> bool,
) -> Vec<&'a Key> {
    if !glob::is_pattern(path) {
        return kernel.at(path).filter(|_| (dialect.may_write)(path)).into_iter().collect();
    }
    let expansions = (dialect.globs)(kernel, path).into_iter();
    let written = expansions.filter(|found| !is_left_out(&found.spelled) && (dialect.may_write)(&found.spelled));
    written.map(|found| found.key).collect()
}
