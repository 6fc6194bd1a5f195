//! Enters the root of the machine from a container that has it mounted: from then on the run is one on that machine.

use std::path::Path;

use super::failure_kind;
use crate::failure::{Failure, Kind};

/// Makes the directory at `root` the root of this process.
///
/// The machine's `/proc` must be mounted in it, because the live side is read and written there.
pub fn enter(root: &Path) -> Result<(), Failure> {
    let proc = root.join("proc");
    if !proc.join("sys/kernel/osrelease").exists() {
        let message =
            format!("`live` is true, and `{}` is not the root of a running machine: it has no /proc", root.display());
        return Err(Failure::new(Kind::BadRequest, message)
            .at("/live")
            .hint("mount the whole root of the machine there (`-v /:/host`), or leave `live` out for an image"));
    }
    rustix::process::chroot(root).and_then(|()| rustix::process::chdir("/")).map_err(|errno| {
        let error = std::io::Error::from(errno);
        let message = format!("`{}` cannot be entered: {error}", root.display());
        Failure::new(failure_kind(&error), message).hint("run as root, with CAP_SYS_CHROOT")
    })
}
