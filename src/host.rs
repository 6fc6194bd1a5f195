//! The only room that touches the machine: it observes the machine and makes the changes of a plan.

mod container;
mod enter;
mod extension;
mod index;
mod initrd;
mod kernel;
mod lock;
mod mentions;
mod observe;
mod origin;
mod replace;
pub mod restraint;
mod root;
mod walk;

use std::path::Path;

use crate::failure::{Failure, Kind};

pub use enter::enter;
pub use initrd::{initrd_made, make_initrd};
pub use kernel::{Kernel, MachineKernel};
pub use lock::Lock;
pub use observe::{observe, observe_around};
pub use origin::origin;
pub(crate) use replace::remove_directories;
pub use replace::{keep_copy, open_for_undo, put_back, replace, sweep};
pub use root::Root;
pub use walk::Resolved;

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
