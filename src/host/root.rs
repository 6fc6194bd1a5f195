//! Finds and reads files below a root, whatever links are there.
//!
//! A path is walked one name at a time on handles, so that no change during the walk leads out of the root. A link is
//! followed inside the root, and only where nobody but its owner could have put it.

use std::collections::VecDeque;
use std::ffi::{CString, OsStr, OsString};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, openat, readlinkat, statat};
use rustix::io::Errno;

use crate::tree::{Entry, LARGEST, Obstacle};

/// The most bytes that an index of modules may have to be searched: those of a distribution have some 1.2 MiB.
const LARGEST_INDEX: u64 = 16 << 20;

/// The links that the kernel follows in one path at most (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// A directory below which all paths of a run lie: `/`, or that of an image.
#[derive(Debug)]
pub struct Root {
    handle: OwnedFd,
    path: PathBuf,
}

/// The end of a path, after all links were followed.
#[derive(Debug)]
pub struct Resolved {
    /// The directory.
    pub directory: OwnedFd,
    /// The name in it.
    pub name: OsString,
    /// The path without links, inside the root.
    pub path: PathBuf,
    /// The file there, if there is one: never a link.
    pub stat: Option<Stat>,
}

impl Root {
    /// The root at `path`.
    pub fn open(path: &Path) -> io::Result<Root> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Root { handle, path: path.to_owned() })
    }

    /// Whether it is the machine's own root.
    #[must_use]
    pub fn is_machine(&self) -> bool {
        self.path == Path::new("/")
    }

    /// Follows `path` to its end. The error `NotFound` says that a directory on the way does not exist.
    pub fn find(&self, path: &Path) -> io::Result<Resolved> {
        let mut walk = PathWalk { directories: vec![(self.handle.try_clone()?, PathBuf::from("/"))], links: 0 };
        let mut names = names(path);
        let Some(mut name) = names.pop_front() else { return Err(Errno::ISDIR.into()) };
        loop {
            match (walk.step(&name, &mut names)?, names.pop_front()) {
                (Step::Found(stat), None) => return Ok(walk.resolved(name, Some(stat))),
                (Step::Missing, None) => return Ok(walk.resolved(name, None)),
                (Step::Missing, Some(_)) => return Err(Errno::NOENT.into()),
                (Step::Found(_), Some(following)) => {
                    walk.enter(&name)?;
                    name = following;
                }
                (Step::Followed, Some(following)) => name = following,
                (Step::Followed, None) => return Err(Errno::ISDIR.into()),
            }
        }
    }

    /// The entry at `path`; None: there is none.
    #[must_use]
    pub fn entry(&self, path: &Path) -> Option<Entry> {
        match self.find(path) {
            Ok(resolved) if resolved.stat.is_none() && resolved.path == path => None,
            Ok(resolved) => Some(resolved_entry(resolved, path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Either a directory on the way is missing, or the path itself is a link that leads nowhere. An image
                // may mask a file by a link to /dev/null and have no /dev.
                self.link(path).map(|target| if target == b"/dev/null" { Entry::Null } else { Entry::Dangling })
            }
            Err(error) => Some(Entry::Unreadable(obstacle(&error))),
        }
    }

    /// Whether anything exists at `path`.
    #[must_use]
    pub fn exists(&self, path: &Path) -> bool {
        self.find(path).is_ok_and(|resolved| resolved.stat.is_some())
    }

    /// The entries directly in the directory at `path` whose names `picks` selects.
    pub fn entries(&self, path: &Path, picks: impl Fn(&OsStr) -> bool) -> io::Result<Vec<(PathBuf, Entry)>> {
        let directory = match self.directory(path) {
            Ok(directory) => directory,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut entries = Vec::new();
        for item in Dir::read_from(&directory)? {
            let name = OsString::from_vec(item?.file_name().to_bytes().to_vec());
            if !picks(&name) || name == "." || name == ".." {
                continue;
            }
            let path = path.join(&name);
            match statat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink => {
                    entries.extend(self.entry(&path).map(|entry| (path, entry)));
                }
                Ok(stat) => entries.push((path, entry_of(directory.as_fd(), &name, &stat))),
                // The file disappeared between the two calls.
                Err(Errno::NOENT) => {}
                Err(error) => entries.push((path, Entry::Unreadable(Obstacle::Refused(error.to_string())))),
            }
        }
        Ok(entries)
    }

    /// The bytes of the index at `path`, which may be larger than other files. None: it cannot be read.
    pub(super) fn index(&self, path: &Path) -> Option<Vec<u8>> {
        let spot = self.find(path).ok()?;
        let stat = spot.stat.as_ref()?;
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        is_file.then(|| bytes_of(spot.directory.as_fd(), &spot.name, LARGEST_INDEX).ok())?
    }

    /// A handle on the directory at `path` that its entries can be listed through.
    pub fn directory(&self, path: &Path) -> io::Result<OwnedFd> {
        let resolved = self.find(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(&resolved.directory, &resolved.name, flags, Mode::empty())?)
    }

    /// The directory at `path` as the rest of the machine names it, if there is one.
    pub(super) fn directory_outside(&self, path: &Path) -> Option<PathBuf> {
        let inside = match path.parent() {
            None => PathBuf::from("/"),
            Some(_) => self.find(path).ok().filter(is_directory)?.path,
        };
        Some(self.path.join(inside.strip_prefix("/").unwrap_or(&inside)))
    }

    /// The target of the link at `path`, if it is one.
    fn link(&self, path: &Path) -> Option<Vec<u8>> {
        let directory = self.directory(path.parent()?).ok()?;
        readlinkat(&directory, path.file_name()?, Vec::new()).ok().map(CString::into_bytes)
    }
}

fn is_directory(resolved: &Resolved) -> bool {
    resolved.stat.as_ref().is_some_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

/// The result of one step of a walk.
enum Step {
    /// The name was `..` or a link, and the walk has followed it.
    Followed,
    /// There is no file of this name.
    Missing,
    /// The name is that of a file which is not a link.
    Found(Stat),
}

/// The walk down a path.
struct PathWalk {
    /// The directories from the root to here, each with its path.
    directories: Vec<(OwnedFd, PathBuf)>,
    links: usize,
}

impl PathWalk {
    fn here(&self) -> BorrowedFd<'_> {
        self.directories.last().map(|(handle, _)| handle.as_fd()).expect("the root stays")
    }

    /// Looks at `name`, and follows it if it is `..` or a link.
    fn step(&mut self, name: &OsStr, names: &mut VecDeque<OsString>) -> io::Result<Step> {
        if name == ".." {
            // The parent of the root is the root itself.
            if self.directories.len() > 1 {
                self.directories.pop();
            }
            return Ok(Step::Followed);
        }
        let stat = match statat(self.here(), name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(Step::Missing),
            Err(error) => return Err(error.into()),
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
            return Ok(Step::Found(stat));
        }
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(Errno::LOOP.into());
        }
        self.trust_links()?;
        let target = PathBuf::from(OsString::from_vec(readlinkat(self.here(), name, Vec::new())?.into_bytes()));
        if target.is_absolute() {
            self.directories.truncate(1);
        }
        for component in self::names(&target).into_iter().rev() {
            names.push_front(component);
        }
        Ok(Step::Followed)
    }

    fn enter(&mut self, name: &OsStr) -> io::Result<()> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = openat(self.here(), name, flags, Mode::empty())?;
        let path = self.path().join(name);
        self.directories.push((handle, path));
        Ok(())
    }

    fn path(&self) -> &Path {
        self.directories.last().map_or(Path::new("/"), |(_, path)| path)
    }

    fn resolved(mut self, name: OsString, stat: Option<Stat>) -> Resolved {
        let path = self.path().join(&name);
        let (directory, _) = self.directories.pop().expect("the root stays");
        Resolved { directory, name, path, stat }
    }

    /// Refuses to follow a link in a directory that others than root and the user of this run can write.
    fn trust_links(&self) -> io::Result<()> {
        let directory = rustix::fs::fstat(self.here())?;
        let mode = directory.st_mode;
        let group_writes = mode & 0o020 != 0 && directory.st_gid != 0;
        let own = directory.st_uid == 0 || directory.st_uid == rustix::process::geteuid().as_raw();
        if own && !group_writes && mode & 0o002 == 0 {
            return Ok(());
        }
        let message = format!("a link in `{}`, which others can write, is not followed", self.path().display());
        Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
    }
}

/// The names of a path; `..` stays one.
fn names(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        })
        .collect()
}

fn resolved_entry(resolved: Resolved, path: &Path) -> Entry {
    let Some(stat) = &resolved.stat else {
        return if resolved.path == Path::new("/dev/null") { Entry::Null } else { Entry::Dangling };
    };
    let entry = entry_of(resolved.directory.as_fd(), &resolved.name, stat);
    match entry {
        Entry::File(bytes) if resolved.path != path => Entry::Link { target: resolved.path, bytes },
        entry => entry,
    }
}

fn entry_of(directory: BorrowedFd<'_>, name: &OsStr, stat: &Stat) -> Entry {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Entry::Directory,
        FileType::CharacterDevice if stat.st_rdev == rustix::fs::makedev(1, 3) => Entry::Null,
        FileType::RegularFile => match read_at(directory, name) {
            Ok(bytes) => Entry::File(bytes),
            Err(error) => Entry::Unreadable(obstacle(&error)),
        },
        _ => Entry::Unreadable(Obstacle::NotRegular),
    }
}

fn obstacle(error: &io::Error) -> Obstacle {
    match error.kind() {
        io::ErrorKind::FileTooLarge => Obstacle::TooLarge,
        _ => Obstacle::Refused(error.to_string()),
    }
}

/// The bytes of the regular file `name`.
pub(super) fn read_at(directory: BorrowedFd<'_>, name: &OsStr) -> io::Result<Vec<u8>> {
    bytes_of(directory, name, LARGEST)
}

/// The bytes of the regular file `name`, of which there are `most` at most.
fn bytes_of(directory: BorrowedFd<'_>, name: &OsStr, most: u64) -> io::Result<Vec<u8>> {
    // NONBLOCK: opening a FIFO that has just replaced the file would otherwise block for ever.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = std::fs::File::from(openat(directory, name, flags, Mode::empty())?);
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(most)).unwrap_or_default());
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {most} bytes")));
    }
    Ok(bytes)
}
