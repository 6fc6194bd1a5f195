//! A machine as a plan sees it, made up for a test.

use std::ops::Deref;
use std::path::PathBuf;

use conntrack_sysctl::kernel::catalog::{BUCKETS, COUNT, Key, MAX, PREFIX};
use conntrack_sysctl::kernel::release::Release;
use conntrack_sysctl::snapshot::{Container, LiveKernel, LiveValue, Module, Snapshot};
use conntrack_sysctl::tree::{Entry, Tree};

/// A snapshot under construction. It can be used as one at any time.
#[derive(Clone, Debug)]
#[must_use]
pub(crate) struct Machine {
    snapshot: Snapshot,
}

/// The program by which those of x86-64 are loaded, which run only on kernels with pages of 4096 bytes.
const X86_64: &str = "/lib64/ld-linux-x86-64.so.2";

impl Machine {
    fn running(&mut self) -> &mut LiveKernel {
        self.snapshot.live.as_mut().expect("an image has no running kernel")
    }

    /// A running machine with a kernel of today and connection tracking loaded as a module. It boots with systemd. It has
    /// no other files, and of the live keys only those that a test gives it.
    pub(crate) fn modern() -> Machine {
        let snapshot = Snapshot::image(Tree::default(), Module::Loaded);
        Machine { snapshot: Snapshot { live: Some(LiveKernel::default()), ..snapshot } }.kernel(6, 18).systemd()
    }

    /// A file system without a running kernel, as under `--root`, that boots with systemd. Connection tracking is built in.
    pub(crate) fn image() -> Machine {
        Machine { snapshot: Snapshot::image(Tree::default(), Module::BuiltIn) }.systemd()
    }

    fn systemd(self) -> Machine {
        self.entry("/usr/lib/systemd/systemd-sysctl", Entry::Program).entry(X86_64, Entry::Program)
    }

    pub(crate) fn kernel(mut self, major: u32, minor: u32) -> Machine {
        self.running().release = Some(Release::new(major, minor));
        self
    }

    pub(crate) fn module(mut self, module: Module) -> Machine {
        self.snapshot.module = module;
        self
    }

    pub(crate) fn built_in(self) -> Machine {
        self.module(Module::BuiltIn)
    }

    /// The live value of the key `net.netfilter.nf_conntrack_NAME`, which can be written.
    pub(crate) fn live(self, name: &str, value: i64) -> Machine {
        self.key(Key::new(format!("{PREFIX}{name}")), value)
    }

    /// The live value of a key by its whole name.
    pub(crate) fn key(mut self, key: impl Into<Key>, value: i64) -> Machine {
        let live = LiveValue { text: value.to_string(), writable: true };
        self.running().sysctls.insert(key.into(), live);
        self
    }

    pub(crate) fn max(self, limit: i64) -> Machine {
        self.key(MAX, limit)
    }

    pub(crate) fn buckets(self, buckets: i64) -> Machine {
        self.key(BUCKETS, buckets)
    }

    pub(crate) fn count(self, entries: i64) -> Machine {
        self.key(COUNT, entries)
    }

    /// The kernel lets nobody write `key`.
    pub(crate) fn read_only(mut self, key: impl Into<Key>) -> Machine {
        self.running().sysctls.get_mut(&key.into()).expect("the machine has the key").writable = false;
        self
    }

    /// The module has the parameter `hashsize`.
    pub(crate) fn hashsize(mut self) -> Machine {
        self.running().has_hashsize = true;
        self
    }

    /// The run is in this container. Its network shows who owns the settings of the machine.
    pub(crate) fn container(mut self, container: Container) -> Machine {
        self.running().container = Some(container);
        self
    }

    /// The network belongs to a user namespace outside.
    pub(crate) fn foreign(mut self) -> Machine {
        self.running().is_foreign = true;
        self
    }

    /// `/proc/sys/net` is mounted read-only, as in a container.
    pub(crate) fn read_only_proc_sys(mut self) -> Machine {
        self.running().read_only = true;
        self
    }

    /// When the machine was observed, in milliseconds since 1970.
    pub(crate) fn time(mut self, time: u128) -> Machine {
        self.snapshot.time = time;
        self
    }

    pub(crate) fn file(self, path: impl Into<PathBuf>, text: &str) -> Machine {
        self.entry(path, Entry::File(text.as_bytes().to_vec()))
    }

    pub(crate) fn files(self, files: &[(&str, &str)]) -> Machine {
        files.iter().fold(self, |machine, (path, text)| machine.file(path, text))
    }

    pub(crate) fn entry(mut self, path: impl Into<PathBuf>, entry: Entry) -> Machine {
        self.snapshot.tree.insert(path, entry);
        self
    }

    /// When the file at `path` was changed last.
    pub(crate) fn changed(mut self, path: &str, moment: u128) -> Machine {
        self.snapshot.tree.record_moment(path, moment);
        self
    }

    pub(crate) fn snapshot(self) -> Snapshot {
        self.snapshot
    }
}

impl Deref for Machine {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.snapshot
    }
}
