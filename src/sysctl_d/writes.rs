//! Decides what one run of a program writes, and in which order, from the assignments that it has read.
//!
//! Each program reads all its files before it writes. A glob never writes a key that some line names.

use std::collections::BTreeSet;

use super::dialect::Dialect;
use super::kernel_keys::KernelKeys;
use super::{Placed, Write, glob};
use crate::kernel::catalog::Key;
use crate::order::InOrder;

/// The writes to a kernel that has `keys`, in order.
pub(super) fn writes(assignments: &[Placed], dialect: &Dialect, keys: &BTreeSet<Key>) -> Vec<Write> {
    let kernel = KernelKeys::new(keys);
    let named: BTreeSet<&[u8]> = assignments.iter().map(|placed| placed.assignment.path.as_slice()).into_set();
    let excluding = assignments.iter().filter(|placed| placed.assignment.value.is_none());
    let excluding: Vec<&[u8]> = excluding.map(|placed| placed.assignment.path.as_slice()).collect();
    let is_left_out = |path: &[u8]| named.contains(path) || excluding.iter().any(|it| (dialect.excludes)(it, path));
    let mut writes = Vec::new();
    for placed in (dialect.kept)(assignments) {
        let Some(text) = &placed.assignment.value else { continue };
        for key in targets(&placed.assignment.path, dialect, &kernel, is_left_out) {
            writes.push(Write { key: key.clone(), text: text.clone(), place: placed.place.clone() });
        }
    }
    writes
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
