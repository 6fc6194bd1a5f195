//! Observes a machine: every read of a run that a decision rests on, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::StatVfsMountFlags;

use super::failure_kind;
use super::kernel::{HASHSIZE, read_sysctl};
use super::replace::is_under_way;
use super::root::Root;
use crate::boot::{self, wanted};
use crate::failure::Failure;
use crate::kernel::catalog;
use crate::kernel::release::Release;
use crate::snapshot::{Live, Module, Snapshot};
use crate::tree::{Entry, Tree};

/// Where the kernel has conntrack keys, below `/proc/sys`, as the prefix of their dotted names.
const LIVE_DIRECTORIES: [&str; 4] = ["net.netfilter", "net", "net.ipv4.netfilter", "net.ipv4"];

/// What the machine is now, or the image at `root`.
pub fn observe(root: &Root) -> Result<Snapshot, Failure> {
    let live = if root.is_machine() { Some(live()) } else { None };
    let module = match &live {
        Some(live) => machine_module(live),
        None => image_module(root),
    };
    let tree = tree(root, module)?;
    Ok(Snapshot {
        module,
        live,
        strays: strays(root, &tree),
        tree,
        read_only: root.is_machine()
            && rustix::fs::statvfs("/proc/sys").is_ok_and(|fs| fs.f_flag.contains(StatVfsMountFlags::RDONLY)),
        has_hashsize: root.is_machine() && Path::new(HASHSIZE).exists(),
        time: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis()),
        release: root.is_machine().then(release).flatten(),
        page_size: rustix::param::page_size() as u64,
    })
}

/// The live conntrack keys.
fn live() -> BTreeMap<String, Live> {
    let mut live = BTreeMap::new();
    for prefix in LIVE_DIRECTORIES {
        let directory = PathBuf::from("/proc/sys").join(prefix.replace('.', "/"));
        let Ok(items) = std::fs::read_dir(directory) else { continue };
        for item in items.flatten() {
            let key = format!("{prefix}.{}", item.file_name().to_string_lossy());
            if catalog::by_key(&key).is_none() {
                continue;
            }
            let writable = item.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o200 != 0);
            // A key that goes away meanwhile (the module is unloaded) is one that is not there.
            if let Ok(text) = read_sysctl(&key) {
                live.insert(key, Live { text, writable });
            }
        }
    }
    live
}

fn machine_module(live: &BTreeMap<String, Live>) -> Module {
    let modules = std::fs::read_to_string("/proc/modules").unwrap_or_default();
    let is_listed = |name: &str| modules.lines().any(|line| line.split(' ').next() == Some(name));
    if is_listed("nf_conntrack") || is_listed("ip_conntrack") {
        Module::Loaded
    } else if live.is_empty() {
        Module::Absent
    } else {
        Module::BuiltIn
    }
}

/// Built in where each kernel of the image says so.
fn image_module(root: &Root) -> Module {
    let mut kernels = ["/usr/lib/modules", "/lib/modules"].into_iter().find_map(|directory| {
        let kernels = root.entries(Path::new(directory), |_| true).ok()?;
        (!kernels.is_empty()).then_some(kernels)
    });
    let is_built_in = |path: &Path| {
        let list = root.entry(&path.join("modules.builtin"));
        let text = list.as_ref().and_then(Entry::bytes).unwrap_or_default();
        String::from_utf8_lossy(text).lines().any(|line| line.ends_with("/nf_conntrack.ko"))
    };
    match kernels.take() {
        Some(kernels) if kernels.iter().all(|(path, _)| is_built_in(path)) => Module::BuiltIn,
        _ => Module::Absent,
    }
}

fn release() -> Option<Release> {
    Release::parse(&std::fs::read_to_string("/proc/sys/kernel/osrelease").ok()?)
}

/// The persistent files that a boot reads.
fn tree(root: &Root, module: Module) -> Result<Tree, Failure> {
    let mut tree = Tree::default();
    let lib_is_link = root.find(Path::new("/lib/x")).is_ok_and(|spot| spot.path != Path::new("/lib/x"));
    // Where connection tracking is part of the kernel, no file says when it comes or with which options.
    let of_modules = if module == Module::BuiltIn { &[] } else { wanted::MODULE_DIRECTORIES };
    for (directories, suffix) in std::iter::once(&wanted::SYSCTL_DIRECTORIES).chain(of_modules) {
        for directory in *directories {
            // Where /lib is a link to /usr/lib, every file would be there twice.
            if lib_is_link && directory.starts_with("/lib/") {
                continue;
            }
            let picks = |name: &OsStr| name.as_bytes().ends_with(suffix.as_bytes());
            let entries = root.entries(Path::new(directory), picks).map_err(|error| unreadable(directory, &error))?;
            for (path, entry) in entries {
                tree.insert(path, entry);
            }
        }
    }
    for file in wanted::FILES {
        if let Some(entry) = root.entry(Path::new(file)) {
            tree.insert(*file, entry);
        }
    }
    if let Some(file) = wanted::ufw_file(&tree) {
        if let Some(entry) = root.entry(&file) {
            tree.insert(file, entry);
        }
    }
    // Profiles name other profiles, each of which is looked for in each directory.
    let mut profiles = wanted::tuned_profiles(&tree);
    while let Some(path) = profiles.iter().find(|path| tree.get(path).is_none() && root.exists(path)).cloned() {
        tree.insert(&path, root.entry(&path).unwrap_or(Entry::Dangling));
        profiles = wanted::tuned_profiles(&tree);
    }
    for path in wanted::MARKERS.into_iter().flatten() {
        if root.exists(Path::new(path)) {
            tree.insert(*path, Entry::Program);
        }
    }
    if let Ok(init) = root.find(Path::new(wanted::INIT)) {
        if init.stat.is_some() {
            tree.insert(wanted::INIT, Entry::Link { target: init.path, bytes: Vec::new() });
        }
    }
    if root.is_machine() {
        if let Ok(bytes) = std::fs::read(wanted::CMDLINE) {
            tree.insert(wanted::CMDLINE, Entry::File(bytes));
        }
    }
    Ok(tree)
}

/// The files under way in the directories that a run may write to.
fn strays(root: &Root, tree: &Tree) -> Vec<PathBuf> {
    let own = [boot::MODULE_FILE, boot::HASHSIZE_FILE, wanted::SYSCTL_CONF].map(Path::new);
    let read = tree.iter().map(|(path, _)| tree.real(path));
    let directories: BTreeSet<&Path> =
        read.chain(own).filter(|path| path.starts_with("/etc")).filter_map(Path::parent).collect();
    // What cannot be listed cannot be written to either.
    let listed = directories.into_iter().filter_map(|directory| root.entries(directory, is_under_way).ok());
    listed.flatten().map(|(path, _)| path).collect()
}

fn unreadable(directory: &str, error: &io::Error) -> Failure {
    Failure::new(failure_kind(error), format!("`{directory}` cannot be read: {error}"))
        .hint("run as root: what a boot reads must be known before anything is said")
}
