//! Decides which files must be read to play a boot through: it asks every init system and every program that writes
//! later.

use super::systems::SYSTEMS;
use super::{arrival, initrd, kernels, parameters, udev, uncertain, writers};
use crate::snapshot::Module;
use crate::tree::{Read, Tree};

/// The reads that a boot depends on, given the files that have been read. [`crate::host::observe`] reads until this
/// lists nothing new.
#[must_use]
pub fn wanted(tree: &Tree, module: Module) -> Vec<Read> {
    let mut reads = kernels::reads(tree);
    // If connection tracking is part of the kernel, no file decides when it is available.
    let needs_module = kernels::may_need_module(tree, module);
    reads.extend(parameters::reads());
    for system in SYSTEMS {
        reads.extend((system.reads)(tree));
        if needs_module {
            reads.extend(arrival::reads(system, tree));
        }
    }
    if needs_module {
        reads.extend(udev::reads(tree));
        reads.extend(parameters::files());
        reads.extend(kernels::indexes(tree, &arrival::names(&SYSTEMS, tree)));
    }
    reads.extend(initrd::reads(tree));
    reads.extend(writers::reads(tree));
    // The first read of a path counts, and these have only some lines of their files.
    reads.extend(uncertain::reads(tree));
    reads
}
