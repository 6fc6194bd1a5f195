//! Lets only one run at a time change a machine, by a lock in /run/lock.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags, flock};

use super::failure_kind;
use crate::failure::{Failure, Kind};

/// The time for which a run waits for another: a run takes milliseconds, and loading the module a second or two.
const PATIENCE: Duration = Duration::from_secs(10);

/// The machine's lock.
const MACHINE: &str = "/run/lock/conntrack-sysctl.lock";

/// The lock, held until it is dropped or the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the machine, or of the image at `root`.
    pub fn take(root: &Path) -> Result<Lock, Failure> {
        let is_machine = root == Path::new("/");
        let path = if is_machine { Path::new(MACHINE) } else { root };
        let refuse = |error: io::Error| {
            Failure::new(failure_kind(&error), format!("the lock `{}` cannot be taken: {error}", path.display()))
                .hint("/run/lock must exist; remove a file that another user put in place of the lock")
        };
        let user = rustix::process::geteuid();
        // Every user may make files in /run/lock: a lock file of this user would be in root's way.
        if is_machine && !user.is_root() {
            let message = "only root can change this machine, and this run is not root's";
            return Err(Failure::new(Kind::Permission, message).hint("run as root, or check"));
        }
        // Only root may open the machine's lock, so nobody else can block a run by holding it. An image is locked by its
        // own directory, so that no file is left in it. NONBLOCK: opening a FIFO planted at the lock's path would block.
        let kind = if is_machine { OFlags::CREATE | OFlags::NOFOLLOW } else { OFlags::DIRECTORY };
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | kind;
        let file = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR).map_err(|errno| refuse(errno.into()))?;
        // The owner of the lock file could open and hold it, so it must be ours.
        let owner = rustix::fs::fstat(&file).map_err(|errno| refuse(errno.into()))?.st_uid;
        if is_machine && owner != user.as_raw() {
            let error = io::Error::new(io::ErrorKind::PermissionDenied, format!("it belongs to the user {owner}"));
            return Err(refuse(error));
        }
        let start = Instant::now();
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Lock { _file: file.into() }),
                Err(rustix::io::Errno::WOULDBLOCK) if start.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    let message = format!("another run has held `{}` for {} s", path.display(), PATIENCE.as_secs());
                    return Err(Failure::new(Kind::Busy, message).hint("see who holds it with `fuser`, and run again"));
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(refuse(errno.into())),
            }
        }
    }
}
