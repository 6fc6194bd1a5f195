//! Decides what the loaders write, and in which order, from the assignments that they have read.
//!
//! Both write only after they have read everything, and both leave a key that some line names alone when they expand a
//! glob. procps writes each line in turn; systemd keeps one assignment a key. Sources: `src/sysctl/sysctl.c` of systemd
//! and `src/sysctl.c` of procps.

use std::collections::{BTreeMap, BTreeSet};

use super::kernel_keys::KernelKeys;
use super::{Loader, Placed, Write, glob};

/// What `loader` writes to a kernel that has `keys`, in order.
pub(super) fn writes(assignments: &[Placed], loader: Loader, keys: &BTreeSet<String>) -> Vec<Write> {
    let kernel = KernelKeys::new(keys);
    let named: BTreeSet<&[u8]> = assignments.iter().map(|placed| placed.assignment.path.as_slice()).collect();
    let kept: Vec<&Placed> = match loader {
        Loader::Systemd => last_of_each_key(assignments),
        Loader::Procps => assignments.iter().collect(),
    };
    let mut writes = Vec::new();
    for placed in kept {
        let Some(text) = &placed.assignment.value else { continue };
        for key in targets(&placed.assignment.path, loader, &kernel, &named) {
            writes.push(Write { key: key.to_owned(), text: text.clone(), place: placed.place.clone() });
        }
    }
    writes
}

/// The assignments that systemd keeps: a new value moves a key to the end, an equal one leaves it where it was.
fn last_of_each_key(assignments: &[Placed]) -> Vec<&Placed> {
    let mut kept: BTreeMap<&[u8], (usize, &Placed)> = BTreeMap::new();
    for (order, placed) in assignments.iter().enumerate() {
        let path = placed.assignment.path.as_slice();
        let is_repeated = kept.get(path).is_some_and(|(_, old)| old.assignment.value == placed.assignment.value);
        if !is_repeated {
            kept.insert(path, (order, placed));
        }
    }
    let mut kept: Vec<_> = kept.into_values().collect();
    kept.sort_by_key(|(order, _)| *order);
    kept.into_iter().map(|(_, placed)| placed).collect()
}

/// The keys that are written for `path`: the one that it names or, for a glob, those that no line in `named` names.
fn targets<'a>(path: &[u8], loader: Loader, kernel: &KernelKeys<'a>, named: &BTreeSet<&[u8]>) -> Vec<&'a str> {
    // systemd refuses to write to a path that goes up.
    let refused = |path: &[u8]| loader == Loader::Systemd && path.split(|byte| *byte == b'/').any(|part| part == b"..");
    if !glob::is_pattern(path) {
        return kernel.at(path).filter(|_| !refused(path)).into_iter().collect();
    }
    // systemd has braces expanded too, but only in what is a glob without them; its directory reader hides the entries
    // `.` and `..`.
    let (patterns, dots) = match loader {
        Loader::Systemd => (glob::braces(path), false),
        Loader::Procps => (vec![path.to_vec()], true),
    };
    let expansions = patterns.iter().flat_map(|pattern| kernel.matching(pattern, dots));
    expansions
        .filter(|found| !named.contains(found.spelled.as_slice()) && !refused(&found.spelled))
        .map(|found| found.key)
        .collect()
}
