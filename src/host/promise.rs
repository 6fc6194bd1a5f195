//! Keeps the promise of an apply in a file of the machine, which only root may read, and reads it again.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use crate::promise::{FILE, Promise};

/// The most bytes of a promise: one of all settings takes some 10 KiB.
const MOST: u64 = 1 << 20;

/// No link at the end of the path is followed, and a FIFO does not let the run wait.
fn flags() -> i32 {
    i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or_default()
}

/// The file, opened for a later write. A run opens it before it gives up the right to write elsewhere.
pub struct Keeper(io::Result<File>);

impl Keeper {
    /// Opens the file. An old promise in it stays until [`Keeper::keep`].
    #[must_use]
    pub fn open() -> Keeper {
        let open = || {
            let directory = Path::new(FILE).parent().unwrap_or(Path::new("/"));
            DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags());
            let file = options.open(FILE)?;
            if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
        };
        Keeper(open())
    }

    /// Writes `promise` over an old one.
    pub fn keep(self, promise: &Promise) -> io::Result<()> {
        let mut file = self.0?;
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(&serde_json::to_vec_pretty(promise).map_err(io::Error::other)?)?;
        file.write_all(b"\n")?;
        file.sync_all()
    }
}

/// The promise of the last apply; None: there is none, or it cannot be read.
#[must_use]
pub fn kept_promise() -> Option<Promise> {
    let file = OpenOptions::new().read(true).custom_flags(flags()).open(FILE).ok()?;
    let is_plain = file.metadata().is_ok_and(|metadata| metadata.is_file());
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes).ok().filter(|_| is_plain)?;
    serde_json::from_slice(&bytes).ok()
}

/// Writes the report of a broken promise to a new file, which only root may read.
pub fn write_bundle(path: &Path, text: &str) -> io::Result<()> {
    let staged = path.with_extension("tmp");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).custom_flags(flags()).open(&staged)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&staged, path)
}
