//! Replaces a file at once and whole: a reader, and a machine that loses power, sees the old or the new one.
//!
//! The new content is written beside the file under a name that no loader reads, takes over mode, owner and extended
//! attributes, is synced, and changes places with the old one. What was swapped out is compared with what the plan
//! knew: where another writer came in between, both change places back, so that nobody's work is overwritten.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, fchmod, fchown, openat, renameat_with, unlinkat};
use rustix::io::Errno;

use super::root::{Root, Spot, read_at};

/// The mode of a fresh file: readable for all, as every file of a sysctl.d directory is.
const FRESH: u32 = 0o644;

/// Makes the file at `path` hold `after` (None: not be there), if it holds `before` (None: is not there). The
/// `directories` that had to be made for it are added, the outermost first. After an error the file may be either: what
/// failed may be what comes after the exchange.
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
    let spot = root.find(path)?;
    // The plan names the end of all links: where one has come since, it is another writer's. (The directory may be a link.)
    if before.is_some() && is_link(root, path, &spot)? {
        return Err(changed(path));
    }
    match (before, after) {
        (None, None) => Ok(()),
        (Some(before), None) => remove(&spot, before),
        (None, Some(after)) => {
            create(&spot, after, None)?;
            sync_directory(&spot)
        }
        (Some(before), Some(after)) => exchange(&spot, before, after),
    }
}

/// Whether the name at the end of `path`, which leads to `spot`, is a link.
fn is_link(root: &Root, path: &Path, spot: &Spot) -> io::Result<bool> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return Ok(false) };
    // Without a parent of its own, the directory is the root.
    let directory = if directory.parent().is_some() { root.find(directory)?.path } else { directory.to_owned() };
    Ok(spot.path != directory.join(name))
}

/// Copies the file at `path`, with its attributes, to `copy` in the same directory, and returns its bytes.
pub fn keep_copy(root: &Root, path: &Path, copy: &Path) -> io::Result<Vec<u8>> {
    let old = root.find(path)?;
    let spot = root.find(copy)?;
    let bytes = read_at(old.directory.as_fd(), &old.name)?;
    create(&spot, &bytes, Some(&open_for_reading(&old)?))?;
    sync_directory(&spot).inspect_err(|_| {
        let _ = unlinkat(&spot.directory, &spot.name, AtFlags::empty());
    })?;
    Ok(bytes)
}

/// A handle on the file at `path`, which keeps its attributes when it is removed.
pub fn hold(root: &Root, path: &Path) -> io::Result<File> {
    open_for_reading(&root.find(path)?).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => changed(path),
        _ => error,
    })
}

/// Puts back the file at `path` that was removed: `bytes`, with the attributes of `removed`.
pub fn put_back(root: &Root, path: &Path, bytes: &[u8], removed: &File) -> io::Result<()> {
    let spot = root.find(path)?;
    create(&spot, bytes, Some(removed))?;
    sync_directory(&spot)
}

/// Removes directories that [`replace`] made, where they are still empty.
pub(crate) fn remove_directories(root: &Root, directories: &[PathBuf]) {
    for directory in directories.iter().rev() {
        if let Ok(spot) = root.find(directory) {
            let _ = unlinkat(&spot.directory, &spot.name, AtFlags::REMOVEDIR);
        }
    }
}

/// The error of a file that is not what it was when the plan was made.
fn changed(path: &Path) -> io::Error {
    let message =
        format!("`{}` was changed by another writer meanwhile; it is left as that writer made it", path.display());
    io::Error::new(io::ErrorKind::ResourceBusy, message)
}

/// Makes a file where none stands yet, with the attributes of `like`. After an error there is none.
fn create(spot: &Spot, bytes: &[u8], like: Option<&File>) -> io::Result<()> {
    let fresh = Fresh::write(spot, bytes)?;
    match like {
        Some(like) => take_over_attributes(like, &fresh.file)?,
        None => fchmod(&fresh.file, Mode::from_raw_mode(FRESH))?,
    }
    fresh.settle(spot)
}

fn exchange(spot: &Spot, before: &[u8], after: &[u8]) -> io::Result<()> {
    if read_if_there(spot)?.as_deref() != Some(before) {
        return Err(changed(&spot.path));
    }
    let fresh = Fresh::write(spot, after)?;
    take_over_attributes(&open_for_reading(spot)?, &fresh.file)?;
    fresh.file.sync_all()?;
    let swap = || renameat_with(&spot.directory, &fresh.name, &spot.directory, &spot.name, RenameFlags::EXCHANGE);
    match swap() {
        Ok(()) => {
            let swapped_out = read_at(spot.directory.as_fd(), &fresh.name)?;
            if swapped_out != before {
                swap()?;
                return Err(changed(&spot.path));
            }
        }
        Err(Errno::INVAL | Errno::NOSYS) => {
            rustix::fs::renameat(&spot.directory, &fresh.name, &spot.directory, &spot.name)?;
            fresh.forget();
            return sync_directory(spot);
        }
        Err(error) => return Err(error.into()),
    }
    // What was swapped out goes with the guard; the directory is synced after that, so that one sync does for both.
    drop(fresh);
    sync_directory(spot)
}

fn remove(spot: &Spot, before: &[u8]) -> io::Result<()> {
    if read_if_there(spot)?.as_deref() != Some(before) {
        return Err(changed(&spot.path));
    }
    unlinkat(&spot.directory, &spot.name, AtFlags::empty())?;
    sync_directory(spot)
}

fn open_for_reading(spot: &Spot) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(&spot.directory, &spot.name, flags, Mode::empty())?.into())
}

fn read_if_there(spot: &Spot) -> io::Result<Option<Vec<u8>>> {
    match read_at(spot.directory.as_fd(), &spot.name) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A file with new content under a name that no loader reads. It goes when this is dropped.
struct Fresh<'a> {
    directory: BorrowedFd<'a>,
    name: OsString,
    file: File,
    remains: bool,
}

impl<'a> Fresh<'a> {
    fn write(spot: &'a Spot, bytes: &[u8]) -> io::Result<Fresh<'a>> {
        // The handle's own path, so that nobody can put another directory in the place of this one meanwhile.
        let directory = PathBuf::from(format!("/proc/self/fd/{}", spot.directory.as_raw_fd()));
        let (file, path) = tempfile::Builder::new()
            .prefix(&prefix_under_way(&spot.name))
            .suffix(UNDER_WAY_SUFFIX)
            .tempfile_in(directory)?
            .keep()?;
        let name = path.file_name().unwrap_or_default().to_owned();
        let mut fresh = Fresh { directory: spot.directory.as_fd(), name, file, remains: false };
        fresh.file.write_all(bytes)?;
        Ok(fresh)
    }

    /// Syncs it and gives it its place, where nothing stands yet.
    fn settle(self, spot: &Spot) -> io::Result<()> {
        self.file.sync_all()?;
        match renameat_with(&spot.directory, &self.name, &spot.directory, &spot.name, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Err(changed(&spot.path)),
            // Some network file systems cannot say "only if it is not there"; there the look before has to do.
            Err(Errno::INVAL | Errno::NOSYS) => {
                if read_if_there(spot)?.is_some() {
                    return Err(changed(&spot.path));
                }
                rustix::fs::renameat(&spot.directory, &self.name, &spot.directory, &spot.name)?;
            }
            Err(error) => return Err(error.into()),
        }
        self.forget();
        Ok(())
    }

    /// Leaves it: it has taken its place under another name.
    fn forget(mut self) {
        self.remains = true;
    }
}

impl Drop for Fresh<'_> {
    fn drop(&mut self) {
        if !self.remains {
            let _ = unlinkat(self.directory, &self.name, AtFlags::empty());
        }
    }
}

/// What names of files under way have in common, besides a dot at the beginning: no loader reads such a name.
const UNDER_WAY: &str = ".conntrack-sysctl.";
const UNDER_WAY_SUFFIX: &str = ".tmp";

fn prefix_under_way(name: &OsStr) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(UNDER_WAY);
    prefix
}

/// Whether `name` is that of a file under way: of a run that is at work, or of one that was killed.
pub(super) fn is_under_way(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with('.') && name.contains(UNDER_WAY) && name.ends_with(UNDER_WAY_SUFFIX)
}

/// Removes what killed runs left behind. Whoever calls this holds the lock, so that no other run is at work.
pub fn sweep(root: &Root, strays: &[PathBuf]) -> io::Result<()> {
    for path in strays {
        let spot = root.find(path)?;
        unlinkat(&spot.directory, &spot.name, AtFlags::empty())?;
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
            // A security module may keep its label from being set, and have set the same one by itself.
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

fn sync_directory(spot: &Spot) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    File::from(openat(&spot.directory, ".", flags, Mode::empty())?).sync_all()
}

/// Makes the directories above `path` that are missing, and adds them to `made`.
fn make_parents(root: &Root, path: &Path, made: &mut Vec<PathBuf>) -> io::Result<()> {
    let ancestors: Vec<&Path> = path.ancestors().skip(1).filter(|path| path.parent().is_some()).collect();
    for directory in ancestors.into_iter().rev() {
        let spot = root.find(directory)?;
        if spot.stat.is_none() {
            rustix::fs::mkdirat(&spot.directory, &spot.name, Mode::from_raw_mode(0o755))?;
            made.push(directory.to_owned());
        }
    }
    Ok(())
}
