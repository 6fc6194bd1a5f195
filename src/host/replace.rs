//! Replaces a file atomically: a reader, and a machine that loses power, sees the old or the new file.
//!
//! The new content is staged beside the file under a name that no loader reads. The staged file takes over mode, owner
//! and extended attributes, is synced, and is exchanged with the old file. The old content is then compared with the
//! content that the plan knew. If another writer was faster, both files are exchanged back, so that nobody's work is
//! overwritten.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, fchmod, fchown, openat, renameat_with, unlinkat};
use rustix::io::Errno;

use super::root::{Root, is_plain_file, read_at};
use super::walk::Resolved;

/// The mode of a new file: readable for all, as every file of a sysctl.d directory is.
const NEW_FILE: u32 = 0o644;

/// Replaces the content `before` of the file at `path` by `after`; None: there is no file. The directories that had to
/// be made are added to `directories`, the outermost first. After an error the file may have either content, because a
/// step after the exchange may have failed.
pub fn replace(
    root: &Root,
    path: &Path,
    before: Option<&[u8]>,
    after: Option<&[u8]>,
    directories: &mut Vec<PathBuf>,
) -> io::Result<()> {
    if after.is_some() {
        make_parents(root, path, directories)?;
    }
    let resolved = root.find(path)?;
    // The plan names the file at the end of all links. A link at that path was made by another writer since. (The
    // directory may be a link.)
    if before.is_some() && is_link(root, path, &resolved)? {
        return Err(changed(path));
    }
    match (before, after) {
        (None, None) => Ok(()),
        (Some(before), None) => remove(&resolved, before),
        (None, Some(after)) => {
            create(&resolved, after, None)?;
            sync_directory(&resolved)
        }
        (Some(before), Some(after)) => exchange(&resolved, before, after),
    }
}

/// Whether the name at the end of `path`, which leads to `resolved`, is a link.
fn is_link(root: &Root, path: &Path, resolved: &Resolved) -> io::Result<bool> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return Ok(false) };
    // Without a parent of its own, the directory is the root.
    let directory = if directory.parent().is_some() { root.find(directory)?.path } else { directory.to_owned() };
    Ok(resolved.path != directory.join(name))
}

/// Copies the file at `path`, with its attributes, to `copy` in the same directory, and returns its bytes.
pub fn keep_copy(root: &Root, path: &Path, copy: &Path) -> io::Result<Vec<u8>> {
    let old = root.find(path)?;
    let resolved = root.find(copy)?;
    let bytes = read_at(old.directory.as_fd(), &old.name)?;
    create(&resolved, &bytes, Some(&open_for_reading(&old)?))?;
    sync_directory(&resolved).inspect_err(|_| {
        let _ = unlinkat(&resolved.directory, &resolved.name, AtFlags::empty());
    })?;
    Ok(bytes)
}

/// A handle on the file at `path`, which keeps its attributes when it is removed.
pub fn open_for_undo(root: &Root, path: &Path) -> io::Result<File> {
    open_for_reading(&root.find(path)?).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => changed(path),
        _ => error,
    })
}

/// Restores the removed file at `path`: `bytes`, with the attributes of `removed`.
pub fn put_back(root: &Root, path: &Path, bytes: &[u8], removed: &File) -> io::Result<()> {
    let resolved = root.find(path)?;
    create(&resolved, bytes, Some(removed))?;
    sync_directory(&resolved)
}

/// Removes directories that [`replace`] made, if they are still empty.
pub(crate) fn remove_directories(root: &Root, directories: &[PathBuf]) {
    for directory in directories.iter().rev() {
        if let Ok(resolved) = root.find(directory) {
            let _ = unlinkat(&resolved.directory, &resolved.name, AtFlags::REMOVEDIR);
        }
    }
}

/// The error for a file that changed after the plan was made.
fn changed(path: &Path) -> io::Error {
    let message = format!("another writer changed `{}` during the run; it keeps that writer's content", path.display());
    io::Error::new(io::ErrorKind::ResourceBusy, message)
}

/// Creates a file at a path that has none, with the attributes of `like`. After an error there is no file.
fn create(resolved: &Resolved, bytes: &[u8], like: Option<&File>) -> io::Result<()> {
    let staged = Staged::write(resolved, bytes)?;
    match like {
        Some(like) => take_over_attributes(like, &staged.file)?,
        None => fchmod(&staged.file, Mode::from_raw_mode(NEW_FILE))?,
    }
    staged.publish(resolved)
}

fn exchange(resolved: &Resolved, before: &[u8], after: &[u8]) -> io::Result<()> {
    if read_if_there(resolved)?.as_deref() != Some(before) {
        return Err(changed(&resolved.path));
    }
    let staged = Staged::write(resolved, after)?;
    take_over_attributes(&open_for_reading(resolved)?, &staged.file)?;
    staged.file.sync_all()?;
    let swap =
        || renameat_with(&resolved.directory, &staged.name, &resolved.directory, &resolved.name, RenameFlags::EXCHANGE);
    match swap() {
        Ok(()) => {
            let swapped_out = read_at(resolved.directory.as_fd(), &staged.name)?;
            if swapped_out != before {
                swap()?;
                return Err(changed(&resolved.path));
            }
        }
        Err(Errno::INVAL | Errno::NOSYS) => {
            rustix::fs::renameat(&resolved.directory, &staged.name, &resolved.directory, &resolved.name)?;
            staged.keep();
            return sync_directory(resolved);
        }
        Err(error) => return Err(error.into()),
    }
    // Dropping the guard removes the old file. One sync of the directory after that covers both changes.
    drop(staged);
    sync_directory(resolved)
}

fn remove(resolved: &Resolved, before: &[u8]) -> io::Result<()> {
    if read_if_there(resolved)?.as_deref() != Some(before) {
        return Err(changed(&resolved.path));
    }
    unlinkat(&resolved.directory, &resolved.name, AtFlags::empty())?;
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

/// A file with new content under a name that no loader reads. The file is removed when this value is dropped.
struct Staged<'a> {
    directory: BorrowedFd<'a>,
    name: OsString,
    file: File,
    remains: bool,
}

impl<'a> Staged<'a> {
    fn write(resolved: &'a Resolved, bytes: &[u8]) -> io::Result<Staged<'a>> {
        // The path goes through the handle, so nobody can replace the directory in between.
        let directory = PathBuf::from(format!("/proc/self/fd/{}", resolved.directory.as_raw_fd()));
        let (file, path) = tempfile::Builder::new()
            .prefix(&staged_prefix(&resolved.name))
            .suffix(STAGED_SUFFIX)
            .tempfile_in(directory)?
            .keep()?;
        let name = path.file_name().unwrap_or_default().to_owned();
        let mut staged = Staged { directory: resolved.directory.as_fd(), name, file, remains: false };
        staged.file.write_all(bytes)?;
        Ok(staged)
    }

    /// Syncs the staged file and renames it to its final name, if no file has that name yet.
    fn publish(self, resolved: &Resolved) -> io::Result<()> {
        self.file.sync_all()?;
        match renameat_with(
            &resolved.directory,
            &self.name,
            &resolved.directory,
            &resolved.name,
            RenameFlags::NOREPLACE,
        ) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Err(changed(&resolved.path)),
            // Some network file systems have no rename that refuses to replace a file. Look first, then rename.
            Err(Errno::INVAL | Errno::NOSYS) => {
                if read_if_there(resolved)?.is_some() {
                    return Err(changed(&resolved.path));
                }
                rustix::fs::renameat(&resolved.directory, &self.name, &resolved.directory, &resolved.name)?;
            }
            Err(error) => return Err(error.into()),
        }
        self.keep();
        Ok(())
    }

    /// Keeps the file: it has its final name now.
    fn keep(mut self) {
        self.remains = true;
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if !self.remains {
            let _ = unlinkat(self.directory, &self.name, AtFlags::empty());
        }
    }
}

/// A part of the name of every staged file. The name begins with a dot as well: no loader reads such a name.
const STAGED: &str = ".conntrack-sysctl.";
const STAGED_SUFFIX: &str = ".tmp";

fn staged_prefix(name: &OsStr) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(STAGED);
    prefix
}

/// Whether `name` is that of a staged file: of a run that is at work, or of one that was killed.
pub(super) fn is_staged(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with('.') && name.contains(STAGED) && name.ends_with(STAGED_SUFFIX)
}

/// Removes the staged files of killed runs. The caller holds the lock, so no other run is at work.
///
/// The name itself goes: no link is followed, wherever it leads. A staged file is always a plain one.
pub fn sweep(root: &Root, leftovers: &[PathBuf]) -> io::Result<()> {
    for path in leftovers {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { continue };
        let directory = root.directory(parent)?;
        if is_plain_file(directory.as_fd(), name) {
            unlinkat(&directory, name, AtFlags::empty())?;
        }
    }
    Ok(())
}

/// Gives `new` the owner, mode and extended attributes of `old`: POSIX ACLs and the SELinux label are among these.
fn take_over_attributes(old: &File, new: &File) -> io::Result<()> {
    let metadata = old.metadata()?;
    let owner = rustix::fs::Uid::from_raw(metadata.uid());
    let group = rustix::fs::Gid::from_raw(metadata.gid());
    fchown(new, Some(owner), Some(group))?;
    // After the owner: a change of owner clears the set-user-ID bit.
    fchmod(new, Mode::from_raw_mode(metadata.mode() & 0o7777))?;
    copy_xattrs(old, new)
}

fn copy_xattrs(old: &File, new: &File) -> io::Result<()> {
    // The kernel's own bound on the list and on each value is 64 KiB (XATTR_LIST_MAX, XATTR_SIZE_MAX).
    let mut names = vec![0_u8; 1 << 16];
    let length = match rustix::fs::flistxattr(old, &mut names[..]) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let mut value = vec![0_u8; 1 << 16];
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        use std::os::unix::ffi::OsStrExt;
        let name = OsStr::from_bytes(name);
        let length = rustix::fs::fgetxattr(old, name, &mut value[..])?;
        let value = &value[..length];
        match rustix::fs::fsetxattr(new, name, value, rustix::fs::XattrFlags::empty()) {
            Ok(()) => {}
            // A security module may refuse that its label is set, and may have set the same label already.
            Err(error) => {
                let mut present = vec![0_u8; value.len()];
                let same = rustix::fs::fgetxattr(new, name, &mut present[..]).is_ok_and(|n| present[..n] == *value);
                if !same {
                    return Err(error.into());
                }
            }
        }
    }
    Ok(())
}

fn sync_directory(resolved: &Resolved) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    File::from(openat(&resolved.directory, ".", flags, Mode::empty())?).sync_all()
}

/// Creates the directories above `path` that are missing, and adds them to `made`.
fn make_parents(root: &Root, path: &Path, made: &mut Vec<PathBuf>) -> io::Result<()> {
    let ancestors: Vec<&Path> = path.ancestors().skip(1).filter(|path| path.parent().is_some()).collect();
    for directory in ancestors.into_iter().rev() {
        let resolved = root.find(directory)?;
        if resolved.stat.is_none() {
            rustix::fs::mkdirat(&resolved.directory, &resolved.name, Mode::from_raw_mode(0o755))?;
            made.push(directory.to_owned());
        }
    }
    Ok(())
}
