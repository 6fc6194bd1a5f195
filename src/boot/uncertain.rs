//! Finds the doubts about a boot that has been played through: a file below this one for each kind.

mod command_line;
mod container;
mod ended;
mod first_program;
mod kexec;
mod mounted;
mod other_root;
mod scripts;
mod stale_initrd;
mod unordered;
mod unordered_module;
mod unreadable;
mod version;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::Outlook;
use super::arrival::Arrival;
use super::doubt::Doubt;
use super::mounts;
use super::systems::System;
use super::writers::LaterWrite;
use crate::kernel::bounds::Bounds;
use crate::kernel::catalog::{Key, Name};
use crate::kernel::number::kernel_reading;
use crate::order::InOrder;
use crate::snapshot::{Module, Snapshot};
use crate::sysctl_d::Placed;
use crate::tree::{Read, Tree};

/// A row for each kind.
const KINDS: &[fn(&Played) -> Vec<Doubt>] = &[
    unreadable::doubts,
    unordered::doubts,
    unordered_module::doubts,
    scripts::doubts,
    stale_initrd::doubts,
    version::doubts,
    ended::doubts,
    mounted::doubts,
    other_root::doubts,
    command_line::doubts,
    kexec::doubts,
    first_program::doubts,
];

/// A boot that has been played through, as far as its files could be read.
pub(super) struct Played<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) system: &'static System,
    pub(super) arrival: &'a Arrival,
    /// The keys of the kernel.
    pub(super) keys: &'a BTreeSet<Key>,
    /// The numbers that the kernel takes.
    pub(super) bounds: Bounds,
    /// The files that each run of the loader reads, in order.
    pub(super) files: &'a [Vec<PathBuf>],
    /// The assignments that each run found.
    pub(super) runs: &'a [Vec<Placed>],
    /// What is written after the loader, and decides or may decide.
    pub(super) later: &'a [LaterWrite],
    /// The outcome.
    pub(super) outlooks: &'a BTreeMap<Name, Outlook>,
}

impl Played<'_> {
    /// The number that the kernel takes from a text for the setting.
    fn number(&self, name: &Name, text: &[u8]) -> Option<i64> {
        kernel_reading(text, name, self.bounds.pages)
    }

    /// Whether the boot gives the setting another number.
    fn differs(&self, name: &Name, number: i64) -> bool {
        self.outlooks.get(name).is_none_or(|outlook| outlook.value != Some(number))
    }

    /// The settings of which a boot of `other` makes something else.
    fn differing(&self, other: &Snapshot) -> BTreeSet<Name> {
        let boot = super::boot(other, self.system);
        let value = |name: &Name| self.outlooks.get(name).and_then(|outlook| outlook.value);
        let names = self.outlooks.keys().chain(boot.assigned());
        names.filter(|name| boot.outlook(name).value != value(name)).cloned().into_set()
    }

    /// The machine with the files of `tree` and connection tracking as in `module`, as if all were on its root, and as if no
    /// other root or kernel were ready. Such a boot asks for no further one.
    fn with_files(&self, tree: Tree, module: Module) -> Snapshot {
        let mut tree = command_line::without(mounts::without(tree));
        tree.remove(kexec::LOADED);
        Snapshot { tree, module, other_roots: Vec::new(), of_extensions: BTreeSet::new(), ..self.snapshot.clone() }
    }
}

/// The reasons why the boot may differ from the one that was played through.
pub(super) fn doubts(played: &Played) -> Vec<Doubt> {
    let of_container = container::doubts(played);
    if of_container.iter().any(|doubt| doubt.reason.leaves_files_unread()) {
        return of_container;
    }
    let of_system = (played.system.doubt)(&played.snapshot.tree);
    of_container.into_iter().chain(of_system).chain(KINDS.iter().flat_map(|doubts| doubts(played))).collect()
}

/// The reads on which the doubts of the files below this one depend that no other part of a boot has, given those that have
/// been read.
pub(super) fn reads(tree: &Tree) -> Vec<Read> {
    [command_line::reads, kexec::reads, first_program::reads].into_iter().flat_map(|reads| reads(tree)).collect()
}
