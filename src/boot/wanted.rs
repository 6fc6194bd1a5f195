//! Lists the parts of a boot that decide which files must be read to play it through: every init system, and every program
//! that writes later, has its own.

use super::systems::SYSTEMS;
use super::{
    arrival, initrd, kernels, mounts, next_root, parameters, scripts, tmpfiles, udev, uncertain, updates, writers,
};
use crate::snapshot::Module;
use crate::tree::{Read, Tree};

/// A part of a boot: it lists the reads that it depends on, given the files that have been read.
pub type Source = fn(&Tree, Module) -> Vec<Read>;

/// Every part, in such an order that each depends on files of its own and of those before it only.
///
/// [`crate::host::observe`] asks each until it lists nothing new, and then never again.
pub const SOURCES: &[Source] = &[
    |tree, _| kernels::reads(tree),
    |_, _| parameters::reads().into(),
    |tree, _| SYSTEMS.iter().flat_map(|system| (system.reads)(tree)).collect(),
    |tree, module| of_module(tree, module, lists),
    |tree, module| of_module(tree, module, udev::reads),
    |tree, module| of_module(tree, module, |tree| kernels::indexes(tree, &arrival::names(&SYSTEMS, tree))),
    |tree, _| initrd::reads(tree),
    |tree, _| writers::reads(tree).collect(),
    |tree, _| scripts::services(tree),
    |_, _| mounts::reads(),
    |tree, _| mounts::reads_of_units(tree),
    |tree, _| next_root::reads(tree),
    |tree, _| updates::reads(tree),
    |tree, _| uncertain::reads(tree),
    |tree, _| tmpfiles::reads(tree),
    // The first read of a path counts, and these have only some lines of their files.
    |_, _| scripts::tools(),
    |tree, _| scripts::places(tree),
    |tree, _| scripts::units(tree),
    |tree, _| scripts::behind(tree),
];

/// The reads of a part that matters only if connection tracking is a module. If it is part of the kernel, no file decides
/// when it is available.
fn of_module(tree: &Tree, module: Module, reads: fn(&Tree) -> Vec<Read>) -> Vec<Read> {
    if kernels::may_need_module(tree, module) { reads(tree) } else { Vec::new() }
}

/// The lists of modules, and the options of modules.
fn lists(tree: &Tree) -> Vec<Read> {
    SYSTEMS.iter().flat_map(|system| arrival::reads(system, tree)).chain(parameters::files()).collect()
}
