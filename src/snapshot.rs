//! Defines what a machine is, as data: everything that a run observes, and nothing that it decides.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::kernel::catalog::Setting;
use crate::kernel::release::Release;
use crate::tree::Tree;

/// One key of the live kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// The text of the file below `/proc/sys`, without the line end.
    pub text: String,
    /// Whether the kernel lets root write it: the mode of the file, whoever asks.
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
    /// Files under way beside the files that a run writes: of a run that is at work now, or of one that was killed.
    pub strays: Vec<PathBuf>,
    /// Whether `/proc/sys` is mounted read-only, as in most containers.
    pub read_only: bool,
    /// Whether the kernel has the module parameter `hashsize`, the other way to set the number of buckets.
    pub has_hashsize: bool,
    /// When it was observed, in milliseconds since 1970.
    pub time: u128,
    /// The running kernel's release. None: an image, or a kernel whose name does not tell.
    pub release: Option<Release>,
    /// The size of a memory page in bytes: the kernel rounds the number of buckets up to whole pages.
    pub page_size: u64,
}

impl Snapshot {
    /// An image, of which nothing is known but its files and whether its kernels have connection tracking built in.
    #[must_use]
    pub fn image(tree: Tree, module: Module) -> Self {
        Snapshot {
            live: None,
            tree,
            module,
            strays: Vec::new(),
            read_only: false,
            has_hashsize: false,
            time: 0,
            release: None,
            page_size: 4096,
        }
    }

    /// The live key of `setting`, under the newest of its names that this kernel has.
    #[must_use]
    pub fn live_key<'a>(&'a self, setting: &'a Setting) -> Option<(&'a str, &'a Live)> {
        let live = self.live.as_ref()?;
        setting.keys().find_map(|key| live.get_key_value(key)).map(|(key, live)| (key.as_str(), live))
    }

    /// The live number of `setting`.
    #[must_use]
    pub fn live_value(&self, setting: &Setting) -> Option<i64> {
        self.live_key(setting).and_then(|(_, live)| live.value())
    }

    /// Whether this run stands in a network namespace of its own, where the machine-wide numbers cannot be written.
    #[must_use]
    pub fn in_child_namespace(&self) -> bool {
        let limit = self.live.as_ref().and_then(|live| live.get("net.netfilter.nf_conntrack_max"));
        limit.is_some_and(|limit| !limit.writable)
    }
}
