//! Finds the files of /usr that come from an extension of systemd (systemd-sysext(8)), which is merged now.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::root::Root;
use crate::boot;
use crate::order::InOrder;
use crate::tree::{Entry, Tree};

/// A file that systemd refuses in an extension, so that it is always the system's own.
const OF_SYSTEM: &str = "/usr/lib/os-release";

/// The directories of extensions.
const EXTENSIONS: [&str; 5] =
    ["/etc/extensions", "/run/extensions", "/var/lib/extensions", "/usr/local/lib/extensions", "/usr/lib/extensions"];

/// The most extensions that are looked into.
const MOST: usize = 64;

/// The files of `tree` that come from an extension.
pub(super) fn files(root: &Root, tree: &Tree) -> BTreeSet<PathBuf> {
    if !boot::has_extension(tree) {
        return BTreeSet::new();
    }
    let own = layer(root, Path::new(OF_SYSTEM));
    let directories = extensions(root);
    let is_in_extension = |path: &Path| {
        let below = path.strip_prefix("/").unwrap_or(path);
        directories.iter().any(|directory| root.exists(&directory.join(below)))
    };
    let is_foreign = |path: &Path| {
        let real = tree.real(path);
        is_in_extension(path) || (real.starts_with("/usr") && layer(root, real) != own)
    };
    let is_setting = |path: &Path| path.extension().is_some_and(|suffix| suffix == "conf" || suffix == "rules");
    let of_usr = tree.iter().map(|(path, _)| path).filter(|path| path.starts_with("/usr/lib") && is_setting(path));
    of_usr.filter(|path| is_foreign(path)).map(Path::to_owned).into_set()
}

/// The layer of the overlay that has the file at `path`, as far as the kernel shows it: by the device, or by the upper bits
/// of the inode (Documentation/filesystems/overlayfs.rst, "Inode properties"). Layers on one file system look alike.
fn layer(root: &Root, path: &Path) -> Option<(u64, u64)> {
    let stat = root.find(path).ok()?.stat()?;
    Some((stat.st_dev, stat.st_ino >> 56))
}

/// The extensions that are directories.
fn extensions(root: &Root) -> Vec<PathBuf> {
    let listed = EXTENSIONS.iter().filter_map(|directory| root.entries(Path::new(directory), |_| true).ok()).flatten();
    listed.filter(|(_, entry)| *entry == Entry::Directory).map(|(path, _)| path).take(MOST).collect()
}
