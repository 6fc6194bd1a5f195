//! Defines the staged files of a run: what stands beside a file while the run replaces it, under a name that no loader reads.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, openat, renameat_with, unlinkat};
use rustix::io::Errno;

use super::directory::Directory;
use super::root::is_plain_file;
use super::walk::Resolved;

/// A part of the name of every staged file. The name begins with a dot as well: no loader reads such a name.
const STAGED: &str = ".conntrack-sysctl.";
const STAGED_SUFFIX: &str = ".tmp";

/// How many names are tried: only a run that was killed under the same process number has used one before.
const MOST_TRIES: usize = 100;

/// Whether `name` is that of a staged file: of a run that is at work, or of one that was killed.
pub(super) fn is_staged(name: &OsStr) -> bool {
    let name = name.as_bytes();
    let has_part = || name.windows(STAGED.len()).any(|part| part == STAGED.as_bytes());
    name.starts_with(b".") && name.ends_with(STAGED_SUFFIX.as_bytes()) && has_part()
}

/// A file under the name of a staged one.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) directory: Rc<Directory>,
    pub(super) name: OsString,
    /// Its path, as a person knows it.
    pub(super) path: PathBuf,
}

impl Staged {
    /// A new file with `bytes` beside the one at `resolved`, which nobody else may read yet.
    pub(super) fn write(resolved: &Resolved, bytes: &[u8]) -> io::Result<(Staged, File)> {
        // The name is new, so that nobody can have put a link there.
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let create = |name: &OsStr| openat(&resolved.directory, name, flags, Mode::RUSR | Mode::WUSR);
        let (staged, handle) = Staged::under_new_name(resolved, create)?;
        let mut file = File::from(handle);
        file.write_all(bytes).inspect_err(|_| {
            let _ = staged.remove();
        })?;
        Ok((staged, file))
    }

    /// The file at `resolved`, moved to a staged name.
    pub(super) fn moved(resolved: &Resolved) -> io::Result<Staged> {
        let (directory, from) = (&resolved.directory, &resolved.name);
        let rename = |name: &OsStr| match renameat_with(directory, from, directory, name, RenameFlags::NOREPLACE) {
            // Some network file systems have no rename that refuses to replace a file.
            Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::renameat(directory, from, directory, name),
            renamed => renamed,
        };
        Staged::under_new_name(resolved, rename).map(|(staged, ())| staged)
    }

    /// The file at `resolved` under a staged name as well.
    pub(super) fn linked(resolved: &Resolved) -> io::Result<Staged> {
        let directory = &resolved.directory;
        let link = |name: &OsStr| rustix::fs::linkat(directory, &resolved.name, directory, name, AtFlags::empty());
        Staged::under_new_name(resolved, link).map(|(staged, ())| staged)
    }

    /// Does `make` with the first staged name beside `resolved` that nothing has.
    fn under_new_name<T>(
        resolved: &Resolved,
        make: impl Fn(&OsStr) -> rustix::io::Result<T>,
    ) -> io::Result<(Staged, T)> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        for _ in 0..MOST_TRIES {
            let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let mut name = OsString::from(".");
            name.push(&resolved.name);
            name.push(format!("{STAGED}{process}-{count}{STAGED_SUFFIX}"));
            match make(&name) {
                Ok(made) => {
                    let path = resolved.path.with_file_name(&name);
                    return Ok((Staged { directory: resolved.directory.clone(), name, path }, made));
                }
                Err(Errno::EXIST | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Errno::EXIST.into())
    }

    /// Renames the file to the name at `resolved`, over whatever is there. Some file systems have no other rename, nor have
    /// kernels before 3.15.
    pub(super) fn rename_over(&self, resolved: &Resolved) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.directory, &self.name, &resolved.directory, &resolved.name)?)
    }

    /// Removes the file. A directory may allow that files are made in it, and not that they are removed (`chattr +a`).
    pub(super) fn remove(&self) -> io::Result<()> {
        match unlinkat(&self.directory, &self.name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether it is still there, and a file.
    pub(super) fn is_there(&self) -> bool {
        is_plain_file(self.directory.as_fd(), &self.name)
    }
}
