//! Lets only one run at a time change a machine, by a lock in /run/lock, or in a directory of root's if there is no
//! /run/lock: small images have none.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;

use super::failure_kind;
use crate::failure::{Failure, Kind};

/// The time for which a run waits for another: a run takes milliseconds, and loading the module a second or two.
const PATIENCE: Duration = Duration::from_secs(10);

/// The machine's lock.
const MACHINE: &str = "/run/lock/conntrack-sysctl.lock";

/// The directory for the lock of a machine without /run/lock, and the lock in it.
const OWN: [&str; 2] = ["/run/conntrack-sysctl", "/run/conntrack-sysctl/lock"];

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
        // Every user may make files in /run/lock: a lock file of this user would be in root's way.
        if is_machine && !user.is_root() {
            let message = "only root can change this machine, and this run is not root's";
            return Err(Failure::new(Kind::Permission, message).hint("run as root, or check"));
        }
        let refuse_at = |path: &Path, error: io::Error| {
            Failure::new(failure_kind(&error), format!("the lock `{}` cannot be taken: {error}", path.display()))
                .hint("remove a file that another user put in its place, and see that root can write below /run")
        };
        // Only root may open the machine's lock, so nobody else can block a run by holding it. An image is locked by its
        // own directory, so that no file is left in it. NONBLOCK: opening a FIFO planted at the lock's path would block.
        let kind = if is_machine { OFlags::CREATE | OFlags::NOFOLLOW } else { OFlags::DIRECTORY };
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | kind;
        let open = |path: &Path| rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR);
        let path = if is_machine { Path::new(MACHINE) } else { root };
        let (path, opened) = match open(path) {
            Err(Errno::NOENT) if is_machine => {
                let own = own_directory().map_err(|error| refuse_at(Path::new(OWN[0]), error))?;
                (own, open(own))
            }
            opened => (path, opened),
        };
        let refuse = |error: io::Error| refuse_at(path, error);
        let file = opened.map_err(|errno| refuse(errno.into()))?;
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

/// The lock in a directory that only root can enter, which is made if it is missing.
fn own_directory() -> io::Result<&'static Path> {
    let [directory, lock] = OWN.map(Path::new);
    match DirBuilder::new()
        .recursive(true)
        .create("/run")
        .and_then(|()| DirBuilder::new().mode(0o700).create(directory))
    {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = std::fs::symlink_metadata(directory)?;
    if found.is_dir() && found.uid() == 0 && found.mode() & 0o022 == 0 {
        return Ok(lock);
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "others than root can write there"))
}
