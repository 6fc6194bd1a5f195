//! Keeps the promise of an apply in a file of the machine, which only root may read, and reads it again.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::replace::{is_link, sweep, sync_directory};
use super::root::{Root, is_plain_file};
use super::staged::{Staged, is_staged};
use crate::promise::{FILE, Promise};

/// The most bytes of a promise: one of all settings takes some 10 KiB.
const MOST: u64 = 1 << 20;

/// The place of the promise, which a run makes before it gives up the right to write elsewhere.
pub struct Keeper(io::Result<()>);

impl Keeper {
    /// The directory of the promise.
    #[must_use]
    pub fn directory() -> &'static Path {
        Path::new(FILE).parent().unwrap_or(Path::new("/"))
    }

    /// Makes the directory if it is missing.
    #[must_use]
    pub fn new() -> Keeper {
        Keeper(DirBuilder::new().recursive(true).mode(0o700).create(Keeper::directory()))
    }

    /// Writes `promise` in the place of an old one. The caller holds the lock, so that a staged promise is that of a run
    /// which was killed.
    pub fn keep(self, root: &Root, promise: &Promise) -> io::Result<()> {
        self.0?;
        let staged = root.names(Keeper::directory(), is_staged)?.into_iter().filter(|(_, is_plain)| *is_plain);
        let staged: Vec<PathBuf> = staged.map(|(name, _)| Keeper::directory().join(name)).collect();
        // One that stays does not harm: nobody reads it.
        let _ = sweep(root, &staged);
        let mut bytes = serde_json::to_vec_pretty(promise).map_err(io::Error::other)?;
        bytes.push(b'\n');
        write_whole(root, Path::new(FILE), &bytes)
    }
}

impl Default for Keeper {
    fn default() -> Keeper {
        Keeper::new()
    }
}

/// The promise of the last apply; None: there is none, or it cannot be read.
#[must_use]
pub fn kept_promise() -> Option<Promise> {
    // No link at the end of the path is followed, and a FIFO does not let the run wait.
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).ok()?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(FILE).ok()?;
    let is_plain = file.metadata().is_ok_and(|metadata| metadata.is_file());
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes).ok().filter(|_| is_plain)?;
    serde_json::from_slice(&bytes).ok()
}

/// Writes the report of a broken promise to the file at `path`, which is absolute.
pub fn write_bundle(root: &Root, path: &Path, text: &str) -> io::Result<()> {
    write_whole(root, path, text.as_bytes())
}

/// Writes a file that only root may read. A reader, and a machine that loses power, sees the old or the new one.
fn write_whole(root: &Root, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let resolved = root.find(path)?;
    let is_other = || resolved.stat().is_some() && !is_plain_file(resolved.directory.as_fd(), &resolved.name);
    if is_link(root, path, &resolved)? || is_other() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let (staged, file) = Staged::write(&resolved, bytes)?;
    let written = file.sync_all().and_then(|()| staged.rename_over(&resolved));
    written.and_then(|()| sync_directory(&resolved)).inspect_err(|_| {
        let _ = staged.remove();
    })
}
