//! The only room that touches the machine: it observes the machine and makes the changes of a plan.

mod attributes;
mod container;
mod directory;
mod enter;
pub mod ethtool;
mod extension;
mod index;
mod initrd;
mod journal;
mod kernel;
mod lock;
mod mentions;
mod observe;
mod origin;
mod promise;
mod replace;
pub mod restraint;
mod root;
mod staged;
mod walk;
mod weight;

use std::path::Path;

use crate::failure::{Failure, Kind};

pub use enter::enter;
pub use initrd::{initrd_made, make_initrd};
pub use journal::messages;
pub use kernel::{Kernel, MachineKernel};
pub use lock::Lock;
pub use observe::{observe, observe_around, pages};
pub use origin::origin;
pub use promise::{Keeper, kept_promise, write_bundle};
pub(crate) use replace::remove_directories;
pub use replace::{Restored, Traces, is_missing, is_of_another, keep_copy, replace, restore, sweep};
pub use root::{Root, leads_nowhere};
pub use walk::Resolved;

/// The path of the root of a run that is given as `path`: `/`, if that is the machine's own root by another name, such as
/// /proc/self/root, /tmp/.. or a bind mount of it.
///
/// In another mount namespace the same directory may have other files in it, so that /etc must be the same one too.
#[must_use]
pub fn name_of_root(path: &Path) -> &Path {
    if path.as_os_str() == "/" {
        return path;
    }
    let number = |path: &Path| rustix::fs::stat(path).ok().map(|stat| (stat.st_dev, stat.st_ino));
    let is_same = |path: &Path, own: &str| number(path).is_some_and(|it| Some(it) == number(Path::new(own)));
    let is_machine = is_same(path, "/") && is_same(&path.join("etc"), "/etc");
    if is_machine { Path::new("/") } else { path }
}

/// The root at `path`.
pub fn open_root(path: &Path) -> Result<Root, Failure> {
    Root::open(path).map_err(|error| {
        Failure::new(failure_kind(&error), format!("`{}` cannot be opened: {error}", path.display()))
            .hint("--root names the directory of an image or a chroot")
    })
}

/// The kind of failure for an error of the operating system.
#[must_use]
pub fn failure_kind(error: &std::io::Error) -> Kind {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => Kind::Permission,
        std::io::ErrorKind::ReadOnlyFilesystem => Kind::ReadOnly,
        _ => Kind::WriteFailed,
    }
}
