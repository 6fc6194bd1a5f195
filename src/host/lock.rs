//! Lets only one run at a time change a machine, by a lock that only root can open.
//!
//! Every user may make files in /run/lock, and small images have no such directory. So the lock of a machine is a directory of
//! its own below /run, which root makes if it is missing. An image is locked by its own directory.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;

use super::failure_kind;
use crate::failure::{Failure, Kind};

/// The time for which a run waits for another: a run takes milliseconds, and loading the module a second or two.
const PATIENCE: Duration = Duration::from_secs(10);

/// The machine's lock: a directory that only root can open.
const MACHINE: &str = "/run/conntrack-sysctl";

/// The lock, held until it is dropped or the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the machine, or of the image at `root`.
    pub fn take(root: &Path) -> Result<Lock, Failure> {
        let is_machine = root == Path::new("/");
        let user = rustix::process::geteuid();
        if is_machine && !user.is_root() {
            let message = "only root can change this machine, and this run is not root's";
            return Err(Failure::new(Kind::Permission, message).hint("run as root, or check"));
        }
        let path = if is_machine { Path::new(MACHINE) } else { root };
        let refuse = |error: io::Error| {
            Failure::new(failure_kind(&error), format!("the lock `{}` cannot be taken: {error}", path.display()))
                .hint("remove whatever is in its place, and see that root can write below /run")
        };
        if is_machine {
            make(path).map_err(refuse)?;
        }
        let link = if is_machine { OFlags::NOFOLLOW } else { OFlags::empty() };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | link;
        let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| {
            refuse(match errno {
                Errno::LOOP | Errno::NOTDIR => io::Error::new(io::ErrorKind::PermissionDenied, "it is not a directory"),
                errno => errno.into(),
            })
        })?;
        if is_machine {
            // Whoever can open the directory can hold the lock.
            let stat = rustix::fs::fstat(&file).map_err(|errno| refuse(errno.into()))?;
            if stat.st_uid != user.as_raw() || stat.st_mode & 0o077 != 0 {
                let error = io::Error::new(io::ErrorKind::PermissionDenied, "others than root can open it");
                return Err(refuse(error));
            }
        }
        let start = Instant::now();
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Lock { _file: file.into() }),
                Err(Errno::WOULDBLOCK) if start.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(Errno::WOULDBLOCK) => {
                    let message = format!("another run has held `{}` for {} s", path.display(), PATIENCE.as_secs());
                    return Err(Failure::new(Kind::Busy, message).hint("see who holds it with `fuser`, and run again"));
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(refuse(errno.into())),
            }
        }
    }
}

/// Makes the directory `path`, and /run, if they are missing.
fn make(path: &Path) -> io::Result<()> {
    let made =
        DirBuilder::new().recursive(true).create("/run").and_then(|()| DirBuilder::new().mode(0o700).create(path));
    match made {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
