//! Defines a machine as data: everything that a run observes, and nothing that it decides.

mod container;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::kernel::catalog::{BUCKETS, Key, MAX, Name, Scope};
use crate::kernel::modules::CONNTRACK;
use crate::kernel::pages::Pages;
use crate::kernel::release::Release;
use crate::tree::Tree;

pub use container::{Container, Network};

/// One sysctl of the running kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveValue {
    /// The text of the file below `/proc/sys`, without the line end.
    pub text: String,
    /// Whether the kernel lets root write it. The mode of the file decides, so the user of this program does not
    /// matter.
    pub writable: bool,
}

impl LiveValue {
    /// The number that the kernel printed.
    #[must_use]
    pub fn number(&self) -> Option<i64> {
        self.text.trim().parse().ok()
    }
}

/// Whether the module of connection tracking has made some of these keys. Another module makes those of reassembly.
#[must_use]
pub fn has_conntrack<'a>(mut keys: impl Iterator<Item = &'a Key>) -> bool {
    keys.any(|key| key.name().is_some_and(|name| name.setting().module == CONNTRACK))
}

/// The running kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveKernel {
    /// Its connection tracking sysctls.
    pub sysctls: BTreeMap<Key, LiveValue>,
    /// Its release. None: its name does not show the release.
    pub release: Option<Release>,
    /// Whether `/proc/sys/net` is mounted read-only, as in most containers.
    pub read_only: bool,
    /// Whether the network belongs to a user namespace outside that of this run. Root here is not root there.
    pub is_foreign: bool,
    /// The container that this run is in.
    pub container: Option<Container>,
    /// Whether it has the module parameter `hashsize`, the other way to set the number of buckets.
    pub has_hashsize: bool,
}

impl LiveKernel {
    /// The sysctl of the setting `name`, under the newest of its keys that this kernel has.
    #[must_use]
    pub fn sysctl(&self, name: &Name) -> Option<(&Key, &LiveValue)> {
        name.keys().find_map(|key| self.sysctls.get_key_value(&key))
    }

    /// Whether this run is in a child network namespace, where the settings of the whole machine cannot be written.
    #[must_use]
    pub fn in_child_namespace(&self) -> bool {
        self.sysctls.get(MAX.as_str()).is_some_and(|limit| !limit.writable)
    }

    /// Whether the number of buckets is set by the parameter `hashsize`, because its sysctl is read-only (before 4.8).
    #[must_use]
    pub fn buckets_need_hashsize(&self) -> bool {
        let is_read_only = self.sysctls.get(BUCKETS.as_str()).is_some_and(|buckets| !buckets.writable);
        is_read_only && self.has_hashsize && !self.in_child_namespace()
    }
}

/// Whether the running kernel has connection tracking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Module {
    /// Part of the kernel image: always there, at boot before everything else.
    BuiltIn,
    /// A module, loaded now. The files decide what the next boot does.
    Loaded,
    /// A module (or nothing at all) that is not loaded now.
    Absent,
}

/// The files of another root that the next boot may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherRoot {
    /// The directory of the root.
    pub path: PathBuf,
    /// Its files. If /etc is merged at the reboot, they have the defaults of its /etc. None: they cannot be read.
    pub files: Option<Tree>,
    /// The defaults of /etc in the present root, if /etc is merged at the reboot: a file that differs from its default is
    /// carried over.
    pub defaults: Option<Tree>,
    /// Whether the kernels of the root have connection tracking built in.
    pub module: Module,
}

/// A file with the name of a staged one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// The file.
    pub path: PathBuf,
    /// The reason why a run cannot remove it. None: it can. Then the file belongs to another run that is at work now, or is left
    /// over from a run that was killed.
    pub obstacle: Option<String>,
}

/// The state of a machine, as a run observed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The running kernel. None: an image under `--root`, which has none.
    pub live: Option<LiveKernel>,
    /// The persistent files that a boot reads, and `/proc/cmdline`.
    pub tree: Tree,
    /// What stands in /run now, and what links there. /run is empty at the next boot, so that nothing of it counts.
    pub fleeting: Tree,
    /// The files of /usr that come from an extension of systemd, which is merged now.
    pub of_extensions: BTreeSet<PathBuf>,
    /// The other roots of which the next boot may use one, as deployments of ostree are.
    pub other_roots: Vec<OtherRoot>,
    /// Whether the running kernel has connection tracking, and how. Under `--root`: whether the kernels of the image have
    /// it built in.
    pub module: Module,
    /// Staged files beside the files that a run writes, and whatever else has such a name.
    pub leftovers: Vec<Leftover>,
    /// The copies of old files that earlier runs have kept.
    pub copies: Vec<PathBuf>,
    /// The time of the observation, in milliseconds since 1970.
    pub time: u128,
    /// The memory pages of the running kernel. Of an image's kernels, its files tell them.
    pub pages: Pages,
}

impl<'a> From<&'a Snapshot> for Cow<'a, Snapshot> {
    fn from(snapshot: &'a Snapshot) -> Self {
        Cow::Borrowed(snapshot)
    }
}

impl From<Snapshot> for Cow<'_, Snapshot> {
    fn from(snapshot: Snapshot) -> Self {
        Cow::Owned(snapshot)
    }
}

impl Snapshot {
    /// Whether nothing but the time of the observation is different.
    #[must_use]
    pub fn differs_only_in_time(&self, other: &Snapshot) -> bool {
        let Snapshot { live, tree, fleeting, of_extensions, other_roots, module, leftovers, copies, time: _, pages } =
            self;
        *live == other.live
            && *tree == other.tree
            && *fleeting == other.fleeting
            && *of_extensions == other.of_extensions
            && *other_roots == other.other_roots
            && *module == other.module
            && *leftovers == other.leftovers
            && *copies == other.copies
            && *pages == other.pages
    }

    /// An image, of which nothing is known but its files and whether its kernels have connection tracking built in.
    #[must_use]
    pub fn image(tree: Tree, module: Module) -> Self {
        let (tree, fleeting) = tree.parted_from_run();
        Snapshot {
            live: None,
            tree,
            fleeting,
            of_extensions: BTreeSet::new(),
            other_roots: Vec::new(),
            module,
            leftovers: Vec::new(),
            copies: Vec::new(),
            time: 0,
            pages: Pages::USUAL,
        }
    }

    /// The live sysctl of the setting `name`, under the newest of its keys that this kernel has.
    #[must_use]
    pub fn live_key(&self, name: &Name) -> Option<(&Key, &LiveValue)> {
        self.live.as_ref()?.sysctl(name)
    }

    /// The live number of the setting `name`.
    #[must_use]
    pub fn live_value(&self, name: &Name) -> Option<i64> {
        self.live_key(name).and_then(|(_, live)| live.number())
    }

    /// The release of the running kernel, if there is one and its name shows the release.
    #[must_use]
    pub fn release(&self) -> Option<Release> {
        self.live.as_ref()?.release
    }

    /// Whether this run is in a child network namespace, where the settings of the whole machine cannot be written.
    #[must_use]
    pub fn in_child_namespace(&self) -> bool {
        self.live.as_ref().is_some_and(LiveKernel::in_child_namespace)
    }

    /// The container that this run is in.
    #[must_use]
    pub fn container(&self) -> Option<&Container> {
        self.live.as_ref()?.container.as_ref()
    }

    /// Whether the setting `name` is one number for the whole machine, and this run is in a container with a network of
    /// its own: no file of the container sets it.
    #[must_use]
    pub fn is_outside_container(&self, name: &Name) -> bool {
        let is_own = |container: &Container| container.network == Network::Own;
        name.setting().scope == Scope::Global && self.container().is_some_and(is_own)
    }
}
