//! Finds the files that are not there yet when the loader runs, or not any more: on a file system that is mounted later,
//! mounted over others, in memory, or in an extension of systemd.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Played;
use crate::boot::doubt::{About, Doubt, Reason};
use crate::boot::mounts::{Mounts, Standing};
use crate::boot::{arrival, boot, kernels, parameters};
use crate::kernel::catalog::Name;
use crate::order::InOrder;
use crate::snapshot::Snapshot;
use crate::sysctl_d::paths::{SYSCTL_CONF, SYSCTL_D};
use crate::tree::{Entry, Obstacle, Read, Tree};

pub(super) fn doubts(played: &Played) -> Vec<Doubt> {
    let tree = &played.snapshot.tree;
    let mounts = Mounts::at_boot(tree, played.system);
    let mut doubts = of_extensions(played);
    if mounts.are_early_for(tree) {
        return doubts;
    }
    let for_loader = Mounts::for_loader(tree, played.system);
    let standing = |path: &Path, real: &Path| {
        if is_of_loader(path) { for_loader.standing(real) } else { mounts.standing(real) }
    };
    let early = reads_before_mounts(played);
    let mut whole: BTreeMap<PathBuf, Doubt> = BTreeMap::new();
    let mut late: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    let mut covered = Vec::new();
    // The engine of a container gives it a root that has nothing to do with a boot.
    let is_of_engine = |point: &Path| point == Path::new("/") && played.snapshot.container().is_some();
    for directory in directories(&early) {
        let Some((point, reason)) = replaced(standing(directory, tree.real(directory))) else { continue };
        // An image with a root in memory and a lasting /etc has its own files in /usr, at every boot.
        let is_of_image = reason == Reason::InMemory && !directory.starts_with("/etc");
        if !is_of_engine(&point) && !is_of_image {
            whole.entry(point.clone()).or_insert_with(|| Doubt::of_file(reason, &point));
        }
    }
    for path in files(tree, &early) {
        match standing(path, &place(tree, path)) {
            Standing::Late(point) => late.entry(point).or_default().push(path.to_owned()),
            Standing::Over(point) | Standing::InMemory(point) if point == place(tree, path) => {
                covered.push(path.to_owned());
            }
            // The directory has told of it.
            Standing::Early | Standing::Over(_) | Standing::InMemory(_) | Standing::Merged(_) => {}
        }
    }
    doubts.extend(whole.into_values());
    doubts.extend(of_late(played, &late));
    doubts.extend(of_covered(played, &covered));
    doubts
}

/// Whether the loader itself reads the file or directory, and not a program before it.
fn is_of_loader(path: &Path) -> bool {
    path == Path::new(SYSCTL_CONF) || SYSCTL_D.iter().any(|directory| path.starts_with(directory))
}

/// The mount point and the reason, if a boot sees other files in a whole directory.
fn replaced(standing: Standing) -> Option<(PathBuf, Reason)> {
    match standing {
        Standing::Early | Standing::Late(_) => None,
        Standing::Over(point) => Some((point, Reason::MountedOver)),
        Standing::InMemory(point) => Some((point, Reason::InMemory)),
        Standing::Merged(point) => Some((point, Reason::ExtensionMerged)),
    }
}

/// The reads of a boot that come before its mounts are sure to be made. Programs that write later are not among them.
fn reads_before_mounts(played: &Played) -> Vec<Read> {
    let Played { snapshot: Snapshot { tree, module, .. }, system, .. } = played;
    let mut reads = (system.reads)(tree);
    if kernels::may_need_module(tree, *module) {
        reads.extend(parameters::files());
        reads.extend(arrival::reads(system, tree));
    }
    reads
}

fn directories(reads: &[Read]) -> impl Iterator<Item = &Path> {
    reads.iter().filter_map(|read| match read {
        Read::Directory { path, .. } => Some(path.as_path()),
        _ => None,
    })
}

/// The files that `reads` find in `tree`.
fn files<'a>(tree: &'a Tree, reads: &'a [Read]) -> BTreeSet<&'a Path> {
    let in_directories = directories(reads).flat_map(|directory| tree.in_directory(directory)).map(|(path, _)| path);
    let single = reads.iter().filter_map(|read| match read {
        Read::File(path) => Some(path.as_path()).filter(|path| tree.get(path).is_some()),
        _ => None,
    });
    in_directories.chain(single).into_set()
}

/// The place of the file at `path`, after all links.
fn place(tree: &Tree, path: &Path) -> PathBuf {
    match (tree.get(path), path.parent(), path.file_name()) {
        (Some(Entry::Link { target, .. }), _, _) => target.clone(),
        (_, Some(directory), Some(name)) => tree.real(directory).join(name),
        _ => path.to_owned(),
    }
}

/// The doubts about files on file systems that are mounted later, by mount point: the boot is played through without
/// them, and a setting with another outcome is in doubt.
fn of_late(played: &Played, late: &BTreeMap<PathBuf, Vec<PathBuf>>) -> Vec<Doubt> {
    let without = |files: &mut dyn Iterator<Item = &PathBuf>| {
        let mut tree = played.snapshot.tree.clone();
        for path in files {
            match tree.get(path) {
                Some(Entry::Link { .. }) => tree.insert(path, Entry::Dangling),
                _ => tree.remove(path),
            }
        }
        played.differing(&played.with_files(tree, played.snapshot.module))
    };
    let together = if late.is_empty() { BTreeSet::new() } else { without(&mut late.values().flatten()) };
    let of_mount = |(point, files): (&PathBuf, &Vec<PathBuf>)| {
        let alone = if late.len() == 1 { BTreeSet::new() } else { without(&mut files.iter()) };
        let names: BTreeSet<Name> = together.union(&alone).cloned().into_set();
        let doubt = Doubt::of_file(Reason::MountedLater, files.first()?).detail(point.display().to_string());
        (!names.is_empty()).then(|| doubt.about(About::Only(names)))
    };
    late.iter().filter_map(of_mount).collect()
}

/// The doubt about the files that come from an extension: the boot is played through without them.
fn of_extensions(played: &Played) -> Vec<Doubt> {
    let Snapshot { tree, of_extensions, module, .. } = played.snapshot;
    let Some(first) = of_extensions.first() else { return Vec::new() };
    let mut without = tree.clone();
    for path in of_extensions {
        without.remove(path);
    }
    let names = played.differing(&played.with_files(without, *module));
    let doubt = Doubt::of_file(Reason::ExtensionMerged, first);
    (!names.is_empty()).then(|| doubt.about(About::Only(names))).into_iter().collect()
}

/// The doubts about files over which something is mounted: what lies below is a file that cannot be read.
fn of_covered(played: &Played, covered: &[PathBuf]) -> Vec<Doubt> {
    if covered.is_empty() {
        return Vec::new();
    }
    let mut tree = played.snapshot.tree.clone();
    for path in covered {
        tree.insert(path, Entry::Unreadable(Obstacle::MountedOver));
    }
    let doubts = boot(&played.with_files(tree, played.snapshot.module), played.system).doubts;
    doubts.into_iter().filter(|doubt| doubt.reason == Reason::MountedOver).collect()
}
