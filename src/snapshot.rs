//! Defines what a machine is, as data: everything that a run observes, and nothing that it decides.

use std::collections::BTreeMap;

use crate::tree::Tree;

/// One key of the live kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// The text of the file below `/proc/sys`, without the line end.
    pub text: String,
    /// Whether this process may write it.
    pub writable: bool,
}

impl Live {
    /// The number that the kernel printed.
    #[must_use]
    pub fn value(&self) -> Option<i64> {
        self.text.trim().parse().ok()
    }
}

/// Whether the running kernel has connection tracking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Module {
    /// Part of the kernel image: always there, at boot before everything else.
    BuiltIn,
    /// A module, loaded now. What the next boot does is for the files to say.
    Loaded,
    /// A module (or nothing at all) that is not loaded now.
    Absent,
}

/// What a run observed of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The live conntrack keys, dotted. None where there is no live side: an image under `--root`.
    pub live: Option<BTreeMap<String, Live>>,
    /// The persistent files that a boot reads, and `/proc/cmdline`.
    pub tree: Tree,
    /// Whether the running kernel has connection tracking, and how. Under `--root`: whether the root's kernels have
    /// it built in.
    pub module: Module,
    /// Whether this run stands in the initial network namespace, where the machine-wide numbers may be written.
    pub initial_namespace: bool,
    /// The size of a memory page in bytes: the kernel rounds the number of buckets up to whole pages.
    pub page_size: u64,
}
