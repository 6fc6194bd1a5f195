//! Replaces a file atomically: a reader, and a machine that loses power, sees the old or the new file.
//!
//! The new content is staged beside the file under a name that no loader reads. The staged file takes over mode, owner
//! and extended attributes, is synced, and is exchanged with the old file. The old content is then compared with the
//! content that the plan knew. If another writer was faster, both files are exchanged back, so that nobody's work is
//! overwritten. The old file stays beside the new one until the whole run is verified: an undo puts it back itself.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, fchmod, openat, renameat_with, unlinkat};
use rustix::io::Errno;

use super::attributes;
use super::root::{Root, is_plain_file, read_at};
use super::staged::Staged;
use super::walk::Resolved;

/// The mode of a new file: readable for all, as every file of a sysctl.d directory is.
const NEW_FILE: u32 = 0o644;

/// The traces of a replacement beside the file itself.
#[derive(Debug, Default)]
pub struct Traces {
    /// The directories that were made for the file, the outermost first.
    directories: Vec<PathBuf>,
    /// The old file, under a staged name: an undo puts it back with its inode, its times and its hard links.
    old: Option<Staged>,
    /// The device and the inode of the new file, if there is one. A file of another program may have the same content.
    new: Option<Identity>,
    /// Whether the new file has taken the place of the old one, or the old one is gone.
    is_placed: bool,
    /// Staged files that could not be removed, each with the reason.
    left: Vec<(PathBuf, io::Error)>,
}

/// The device and the inode of a file.
type Identity = (u64, u64);

impl Traces {
    /// Removes the old file, once nothing will be undone any more.
    pub fn finish(&mut self) {
        if let Some(old) = self.old.take() {
            self.remove(&old);
        }
    }

    /// Whether the file was replaced, even if a later step failed.
    #[must_use]
    pub fn is_placed(&self) -> bool {
        self.is_placed
    }

    /// The files that could not be removed, each with the reason.
    #[must_use]
    pub fn left(&self) -> &[(PathBuf, io::Error)] {
        &self.left
    }

    fn remove(&mut self, staged: &Staged) {
        if let Err(error) = staged.remove() {
            self.left.push((staged.path.clone(), error));
        }
    }
}

/// Replaces the content `before` of the file at `path` by `after`; None: there is no file. What it leaves beside the file is
/// recorded in `traces`. After an error the file may have either content, because a step after the exchange may have failed.
pub fn replace(
    root: &Root,
    path: &Path,
    before: Option<&[u8]>,
    after: Option<&[u8]>,
    traces: &mut Traces,
) -> io::Result<()> {
    if after.is_some() {
        make_parents(root, path, &mut traces.directories)?;
    }
    let resolved = root.find(path)?;
    // The plan names the file at the end of all links. A link at that path was made by another writer since. (The
    // directory may be a link.)
    if before.is_some() && is_link(root, path, &resolved)? {
        return Err(changed(path));
    }
    match (before, after) {
        (None, None) => Ok(()),
        (Some(before), None) => remove(&resolved, before, traces),
        (None, Some(after)) => {
            create(&resolved, after, None, traces)?;
            sync_directory(&resolved)
        }
        (Some(before), Some(after)) => exchange(&resolved, before, after, traces),
    }
}

/// The state in which an undo leaves a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    /// The old file itself is back, or the new one is gone.
    Whole,
    /// A new file has the old content and attributes.
    Copied,
}

/// Undoes a replacement of `before` by `after`, of which `traces` are left. The file must have the content `after`.
pub fn restore(
    root: &Root,
    path: &Path,
    before: Option<&[u8]>,
    after: Option<&[u8]>,
    traces: &mut Traces,
) -> io::Result<Restored> {
    let old = traces.old.take().filter(Staged::is_there);
    if after.is_some() && !is_ours(root, path, traces)? {
        if let Some(old) = old {
            traces.remove(&old);
        }
        return Err(changed(path));
    }
    let (Some(old), Some(before)) = (old, before) else {
        replace(root, path, after, before, traces)?;
        traces.finish();
        return Ok(if before.is_some() { Restored::Copied } else { Restored::Whole });
    };
    let resolved = root.find(path)?;
    let back = |flags| renameat_with(&old.directory, &old.name, &resolved.directory, &resolved.name, flags);
    let Some(after) = after else {
        match back(RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => {
                traces.remove(&old);
                return Err(changed(path));
            }
            Err(Errno::INVAL | Errno::NOSYS) => old.rename_over(&resolved)?,
            moved => moved?,
        }
        return sync_directory(&resolved).map(|()| Restored::Whole);
    };
    let content = |it: &Staged| read_at(it.directory.as_fd(), &it.name);
    let swapped = (|| -> io::Result<bool> {
        if read_if_there(&resolved)?.as_deref() != Some(after) || content(&old)? != before {
            return Err(changed(path));
        }
        match back(RenameFlags::EXCHANGE) {
            // Now the staged name is that of the new file, unless another writer was faster.
            Ok(()) => Ok(content(&old)? == after),
            Err(Errno::INVAL | Errno::NOSYS) => old.rename_over(&resolved).map(|()| true),
            Err(errno) => Err(errno.into()),
        }
    })();
    if matches!(swapped, Ok(false)) {
        put_back(&old, &resolved, traces)?;
        return Err(changed(path));
    }
    traces.remove(&old);
    swapped?;
    sync_directory(&resolved).map(|()| Restored::Whole)
}

/// Whether the file at `path` is the one that this run has put there: another program may have replaced it by a link, or by a
/// file with the same content.
fn is_ours(root: &Root, path: &Path, traces: &Traces) -> io::Result<bool> {
    let resolved = root.find(path)?;
    let found = resolved.stat().map(|stat| (stat.st_dev, stat.st_ino));
    Ok(!is_link(root, path, &resolved)? && (traces.new.is_none() || traces.new == found))
}

/// Whether the name at the end of `path`, which leads to `resolved`, is a link.
pub(super) fn is_link(root: &Root, path: &Path, resolved: &Resolved) -> io::Result<bool> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return Ok(false) };
    // Without a parent of its own, the directory is the root.
    let directory = if directory.parent().is_some() { root.find(directory)?.path } else { directory.to_owned() };
    Ok(resolved.path != directory.join(name))
}

/// Copies the file at `path`, with its attributes, to `copy` in the same directory, and returns its bytes.
pub fn keep_copy(root: &Root, path: &Path, copy: &Path, traces: &mut Traces) -> io::Result<Vec<u8>> {
    let old = root.find(path)?;
    let resolved = root.find(copy)?;
    let bytes = read_at(old.directory.as_fd(), &old.name)?;
    create(&resolved, &bytes, Some(&open_for_reading(&old)?), traces)?;
    sync_directory(&resolved).inspect_err(|_| {
        let _ = unlinkat(&resolved.directory, &resolved.name, AtFlags::empty());
    })?;
    Ok(bytes)
}

/// Whether nothing is at `path`, not even a link that leads nowhere.
#[must_use]
pub fn is_missing(root: &Root, path: &Path) -> bool {
    !root.exists(path) && root.link(path).is_none()
}

/// Removes directories that [`replace`] made, if they are still empty.
pub(crate) fn remove_directories(root: &Root, traces: &Traces) {
    for directory in traces.directories.iter().rev() {
        if let Ok(resolved) = root.find(directory) {
            let _ = unlinkat(&resolved.directory, &resolved.name, AtFlags::REMOVEDIR);
        }
    }
}

/// Whether a change of a file failed because another writer was faster: the file stays as that one left it.
#[must_use]
pub fn is_of_another(error: &io::Error) -> bool {
    // An error of the system has a number: something is mounted over the file alone.
    error.kind() == io::ErrorKind::ResourceBusy && error.raw_os_error().is_none()
}

/// The error for a file that changed after the plan was made.
fn changed(path: &Path) -> io::Error {
    let message = format!("another writer changed `{}` during the run; it keeps that writer's content", path.display());
    io::Error::new(io::ErrorKind::ResourceBusy, message)
}

/// Creates a file at a path that has none, with the attributes of `like`. After an error there is no file.
fn create(resolved: &Resolved, bytes: &[u8], like: Option<&File>, traces: &mut Traces) -> io::Result<()> {
    let (staged, file) = Staged::write(resolved, bytes)?;
    let filled = match like {
        Some(like) => attributes::take_over(like, &file),
        None => fchmod(&file, Mode::from_raw_mode(NEW_FILE)).map_err(io::Error::from),
    };
    traces.new = identity(&file);
    let published = filled.and_then(|()| file.sync_all()).and_then(|()| publish(&staged, resolved));
    published.inspect(|()| traces.is_placed = true).inspect_err(|_| traces.remove(&staged))
}

fn identity(file: &File) -> Option<Identity> {
    rustix::fs::fstat(file).ok().map(|stat| (stat.st_dev, stat.st_ino))
}

/// Renames the staged file to its final name, if no file has that name yet.
fn publish(staged: &Staged, resolved: &Resolved) -> io::Result<()> {
    let rename = |flags| renameat_with(&staged.directory, &staged.name, &resolved.directory, &resolved.name, flags);
    match rename(RenameFlags::NOREPLACE) {
        Err(Errno::EXIST) => Err(changed(&resolved.path)),
        // Some network file systems have no rename that refuses to replace a file. Look first, then rename.
        Err(Errno::INVAL | Errno::NOSYS) if read_if_there(resolved)?.is_some() => Err(changed(&resolved.path)),
        Err(Errno::INVAL | Errno::NOSYS) => staged.rename_over(resolved),
        renamed => Ok(renamed?),
    }
}

fn exchange(resolved: &Resolved, before: &[u8], after: &[u8], traces: &mut Traces) -> io::Result<()> {
    if read_if_there(resolved)?.as_deref() != Some(before) {
        return Err(changed(&resolved.path));
    }
    let (staged, file) = Staged::write(resolved, after)?;
    let filled = open_for_reading(resolved).and_then(|old| attributes::take_over(&old, &file));
    filled.and_then(|()| file.sync_all()).inspect_err(|_| traces.remove(&staged))?;
    traces.new = identity(&file);
    let rename = |flags| renameat_with(&staged.directory, &staged.name, &resolved.directory, &resolved.name, flags);
    match rename(RenameFlags::EXCHANGE) {
        Ok(()) => {
            // From here on the staged name is that of the old file.
            let swapped_out = read_at(staged.directory.as_fd(), &staged.name);
            if swapped_out.as_ref().is_ok_and(|bytes| bytes != before) {
                put_back(&staged, resolved, traces)?;
                return Err(changed(&resolved.path));
            }
            traces.old = Some(staged);
            traces.is_placed = true;
            swapped_out?;
        }
        Err(Errno::INVAL | Errno::NOSYS) => {
            // A second name keeps the old file, where the file system has hard links.
            let old = Staged::linked(resolved).ok();
            if let Err(error) = staged.rename_over(resolved) {
                traces.remove(&staged);
                if let Some(old) = old {
                    traces.remove(&old);
                }
                return Err(error);
            }
            traces.old = old;
            traces.is_placed = true;
        }
        Err(error) => {
            traces.remove(&staged);
            return Err(error.into());
        }
    }
    sync_directory(resolved)
}

/// Puts the file of another writer, which an exchange has left under the name of `staged`, back to its place. It is lost under
/// no circumstances: if it cannot change places with ours, it replaces ours.
fn put_back(staged: &Staged, resolved: &Resolved, traces: &mut Traces) -> io::Result<()> {
    let exchange = RenameFlags::EXCHANGE;
    match renameat_with(&staged.directory, &staged.name, &resolved.directory, &resolved.name, exchange) {
        Ok(()) => {
            traces.remove(staged);
            Ok(())
        }
        Err(_) => staged.rename_over(resolved),
    }
}

fn remove(resolved: &Resolved, before: &[u8], traces: &mut Traces) -> io::Result<()> {
    if read_if_there(resolved)?.as_deref() != Some(before) {
        return Err(changed(&resolved.path));
    }
    traces.old = Some(Staged::moved(resolved)?);
    traces.is_placed = true;
    sync_directory(resolved)
}

fn open_for_reading(resolved: &Resolved) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(&resolved.directory, &resolved.name, flags, Mode::empty())?.into())
}

fn read_if_there(resolved: &Resolved) -> io::Result<Option<Vec<u8>>> {
    match read_at(resolved.directory.as_fd(), &resolved.name) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes the staged files of killed runs, and returns those that cannot be removed, each with the reason. The caller holds the
/// lock, so no other run is at work.
///
/// The name itself goes: no link is followed, wherever it leads. A staged file is always a plain one.
#[must_use]
pub fn sweep(root: &Root, leftovers: &[PathBuf]) -> Vec<(PathBuf, io::Error)> {
    let remove = |path: &PathBuf| -> io::Result<()> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
        let directory = root.directory(parent)?;
        if is_plain_file(directory.as_fd(), name) {
            unlinkat(&directory, name, AtFlags::empty())?;
        }
        Ok(())
    };
    leftovers.iter().filter_map(|path| Some((path.clone(), remove(path).err()?))).collect()
}

pub(super) fn sync_directory(resolved: &Resolved) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    File::from(openat(&resolved.directory, ".", flags, Mode::empty())?).sync_all()
}

/// Creates the directories above `path` that are missing, and adds them to `made`.
fn make_parents(root: &Root, path: &Path, made: &mut Vec<PathBuf>) -> io::Result<()> {
    let ancestors: Vec<&Path> = path.ancestors().skip(1).filter(|path| path.parent().is_some()).collect();
    for directory in ancestors.into_iter().rev() {
        let resolved = root.find(directory)?;
        if !resolved.exists() {
            rustix::fs::mkdirat(&resolved.directory, &resolved.name, Mode::from_raw_mode(0o755))?;
            made.push(directory.to_owned());
        }
    }
    Ok(())
}
