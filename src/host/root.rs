//! Finds and reads files below a root, whatever links are there.
//!
//! A path is walked one name at a time on handles, so that no change during the walk leads out of the root. A link is
//! followed inside the root, and only where nobody but its owner could have put it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Take};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use memchr::memrchr;
use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, FileType, IFlags, Mode, OFlags, Stat, openat, statat};
use rustix::io::Errno;

use super::container;
use super::directory::{Directory, Seen};
use super::index;
use super::walk::{Memory, Resolved, Walk, names};
use super::weight::{LARGEST_TOGETHER, weight};
use crate::order::sorted_by;
use crate::snapshot::Container;
use crate::tree::{Entry, LARGEST, Moment, Obstacle};

/// The most bytes that an index of modules may have to be searched: those of a distribution have some 1.2 MiB.
const LARGEST_INDEX: u64 = 16 << 20;

/// The weight from which on a file is remembered, so that it counts once.
const HEAVY: u64 = 4 << 10;

/// A directory below which all paths of a run lie: `/`, or that of an image.
#[derive(Debug)]
pub struct Root {
    directory: Rc<Directory>,
    path: PathBuf,
    /// The container that this process is in, if this is the machine's own root. A process that has given up rights no
    /// longer sees all of its signs.
    container: Option<Container>,
    /// The directories that the reads before this one have met, while a machine is observed.
    memory: Option<RefCell<Memory>>,
    /// The weight of the files that an observation has read, and the first file that was too much.
    read: Cell<u64>,
    /// The heavy ones among them: two listings of a directory may have the same file.
    heavy: RefCell<BTreeSet<PathBuf>>,
    first_beyond: RefCell<Option<PathBuf>>,
}

impl Root {
    /// The root at `path`.
    pub fn open(path: &Path) -> io::Result<Root> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(path, flags, Mode::empty())?;
        let directory = Rc::new(Directory::root(handle));
        let mut root = Root::with(directory, path, None);
        if root.is_machine() {
            root.container = container::container();
        }
        Ok(root)
    }

    /// The same root for the reads of one observation: each directory is walked to once, and listed once.
    ///
    /// What is created or replaced later is not seen through it.
    #[must_use]
    pub(super) fn remembering(&self) -> Root {
        let directory = self.directory.remembering().map_or_else(|_| self.directory.clone(), Rc::new);
        let memory = Memory::new(Walk::from(&directory));
        let root = Root::with(directory, &self.path, Some(memory));
        Root { container: self.container.clone(), ..root }
    }

    fn with(directory: Rc<Directory>, path: &Path, memory: Option<Memory>) -> Root {
        Root {
            directory,
            path: path.to_owned(),
            container: None,
            memory: memory.map(RefCell::new),
            read: Cell::default(),
            heavy: RefCell::default(),
            first_beyond: RefCell::default(),
        }
    }

    /// The container that the process was in as the root was opened.
    pub(super) fn container(&self) -> Option<&Container> {
        self.container.as_ref()
    }

    /// Whether it is the machine's own root.
    #[must_use]
    pub fn is_machine(&self) -> bool {
        self.path == Path::new("/")
    }

    /// Follows `path` to its end. The error `NotFound` says that a directory on the way does not exist.
    pub fn find(&self, path: &Path) -> io::Result<Resolved> {
        let (walk, name) = self.walk_to(path)?;
        walk.find(name)
    }

    /// The walk to the directory of `path`, and the name of the file in it.
    fn walk_to(&self, path: &Path) -> io::Result<(Walk, OsString)> {
        if let (Some(memory), Some((directory, name))) = (&self.memory, parted(path)) {
            return Ok((memory.borrow_mut().walk(directory)?, name.to_owned()));
        }
        let mut names = names(path);
        let Some(last) = names.pop_back() else { return Err(Errno::ISDIR.into()) };
        Ok((Walk::from(&self.directory).enter(names)?, last))
    }

    /// Whether `directory`, which lies directly in the root, is a link to another one.
    pub(super) fn is_linked(&self, directory: &str) -> bool {
        let within = self.walk_to(&Path::new(directory).join("x"));
        within.is_ok_and(|(walk, _)| walk.path() != Path::new(directory))
    }

    /// The entry at `path`; None: there is none.
    #[must_use]
    pub fn entry(&self, path: &Path) -> Option<Entry> {
        match self.find(path) {
            Ok(resolved) if !resolved.exists() && resolved.path == path => None,
            Ok(resolved) => Some(self.within_bounds(path, resolved_entry(resolved, path))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Either a directory on the way is missing, or the path itself is a link that leads nowhere. An image
                // may mask a file by a link to /dev/null and have no /dev.
                self.link(path).map(|target| if target == b"/dev/null" { Entry::Null } else { Entry::Dangling })
            }
            Err(error) if leads_nowhere(&error) && self.link(path).is_some() => Some(Entry::Endless),
            Err(error) => Some(Entry::Unreadable(obstacle(&error))),
        }
    }

    /// The same, but a file that cannot be reached is none.
    pub(super) fn candidate(&self, path: &Path) -> Option<Entry> {
        let resolved = self.find(path).ok().filter(Resolved::exists)?;
        Some(self.within_bounds(path, resolved_entry(resolved, path)))
    }

    /// Whether anything exists at `path`.
    #[must_use]
    pub fn exists(&self, path: &Path) -> bool {
        self.find(path).is_ok_and(|resolved| resolved.exists())
    }

    /// The entries directly in the directory at `path` whose names `picks` selects.
    pub fn entries(&self, path: &Path, picks: impl Fn(&OsStr) -> bool) -> io::Result<Vec<(PathBuf, Entry)>> {
        self.listing(path, picks).map(|(_, entries)| entries)
    }

    /// The same, and before them the path of the directory without links.
    pub fn listing(&self, path: &Path, picks: impl Fn(&OsStr) -> bool) -> io::Result<(PathBuf, Vec<(PathBuf, Entry)>)> {
        let directory = match self.resolved_directory(path) {
            Ok(found) => found,
            // Every reader passes over a directory that is none, or a link that it cannot follow.
            Err(error) if error.kind() == io::ErrorKind::NotFound || leads_nowhere(&error) => {
                return Ok((path.to_owned(), Vec::new()));
            }
            Err(error) => return Err(error),
        };
        let mut entries = Vec::new();
        directory.each_name(|name, kind| {
            if picks(name) {
                let path = path.join(name);
                entries.extend(self.listed(directory.as_fd(), &path, name, kind).map(|entry| (path, entry)));
            }
        })?;
        Ok((directory.path().to_owned(), entries))
    }

    /// `entry`, unless the files that this observation has read are too large together.
    fn within_bounds(&self, path: &Path, entry: Entry) -> Entry {
        let Some(bytes) = entry.bytes().filter(|bytes| self.memory.is_some() && !bytes.is_empty()) else {
            return entry;
        };
        let weight = weight(path, bytes);
        let is_heavy = weight > HEAVY;
        if is_heavy && self.heavy.borrow().contains(path) {
            return entry;
        }
        if self.read.get() + weight > LARGEST_TOGETHER {
            self.first_beyond.borrow_mut().get_or_insert_with(|| path.to_owned());
            return Entry::Unreadable(Obstacle::TooLarge);
        }
        self.read.set(self.read.get() + weight);
        if is_heavy {
            self.heavy.borrow_mut().insert(path.to_owned());
        }
        entry
    }

    /// The first file with which this observation has read more than a machine has in its configuration.
    pub(super) fn first_beyond(&self) -> Option<PathBuf> {
        self.first_beyond.borrow().clone()
    }

    /// The entry at `path`, which the listing of its directory shows by this name. None: it has disappeared since.
    fn listed(&self, directory: BorrowedFd<'_>, path: &Path, name: &OsStr, kind: FileType) -> Option<Entry> {
        match kind {
            FileType::RegularFile if self.first_beyond.borrow().is_some() => {
                Some(Entry::Unreadable(Obstacle::TooLarge))
            }
            FileType::RegularFile => match read_at(directory, name) {
                Ok(bytes) => Some(self.within_bounds(path, Entry::File(bytes))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => Some(Entry::Unreadable(obstacle(&error))),
            },
            FileType::Directory => Some(Entry::Directory),
            FileType::Symlink => self.entry(path),
            _ => match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink => self.entry(path),
                Ok(stat) => Some(entry_of(directory, name, FileType::from_raw_mode(stat.st_mode), || Some(stat))),
                Err(Errno::NOENT) => None,
                Err(error) => Some(Entry::Unreadable(Obstacle::Refused(error.to_string()))),
            },
        }
    }

    /// The names in the directory at `path` that `picks` selects, each with whether it is a regular file, and no link to one.
    pub(super) fn names(&self, path: &Path, picks: impl Fn(&OsStr) -> bool) -> io::Result<Vec<(OsString, bool)>> {
        let directory = self.resolved_directory(path)?;
        let mut names = Vec::new();
        directory.each_name(|name, _| {
            if picks(name) {
                names.push((name.to_owned(), is_plain_file(directory.as_fd(), name)));
            }
        })?;
        Ok(sorted_by(names, Ord::cmp))
    }

    /// The reason why nobody can remove a file from the directory at `path`, if a flag of the directory forbids it.
    pub(super) fn bar(&self, path: &Path) -> Option<String> {
        let flags = rustix::fs::ioctl_getflags(self.directory(path).ok()?).ok()?;
        let barring = [(IFlags::APPEND, 'a'), (IFlags::IMMUTABLE, 'i')];
        let (_, letter) = barring.into_iter().find(|(flag, _)| flags.contains(*flag))?;
        Some(format!("`{}` has the flag `{letter}` of chattr", path.display()))
    }

    /// When the file at `path` was changed last; of a directory, also when each file directly in it was. Of a link, the file
    /// at its end counts. A file that cannot be reached is left out.
    pub(super) fn moments(&self, path: &Path) -> Vec<(PathBuf, Moment)> {
        let Some(moment) = self.moment(path) else { return Vec::new() };
        let mut moments = vec![(path.to_owned(), moment)];
        if let Ok(directory) = self.resolved_directory(path) {
            // What has been listed before an error counts.
            let _ = directory.each_name(|name, _| {
                let path = path.join(name);
                moments.extend(self.moment(&path).map(|moment| (path, moment)));
            });
        }
        moments
    }

    fn moment(&self, path: &Path) -> Option<Moment> {
        let stat = self.find(path).ok()?.stat()?;
        // A file from before 1970 was changed before all others.
        let seconds = Moment::try_from(stat.st_mtime).unwrap_or_default();
        Some(seconds * 1_000_000_000 + Moment::from(stat.st_mtime_nsec))
    }

    /// The lines of the index at `path`, which may be larger than other files, that have one of `words` in them. None: it
    /// cannot be read.
    pub(super) fn lines_of_index(&self, path: &Path, words: &[String]) -> Option<Vec<u8>> {
        index::lines_with(self.large(path)?, words).ok()
    }

    /// The file at `path`, which may be as large as an index. None: it cannot be read, or is larger.
    fn large(&self, path: &Path) -> Option<Take<File>> {
        let spot = self.find(path).ok()?;
        let is_file = spot.kind() == Some(FileType::RegularFile);
        let (file, stat) = is_file.then(|| opened(spot.directory.as_fd(), &spot.name).ok())??;
        let is_too_large = u64::try_from(stat.st_size).is_ok_and(|size| size > LARGEST_INDEX);
        (!is_too_large).then(|| File::from(file).take(LARGEST_INDEX))
    }

    /// For each of `starts` the first line of the file at `path` that begins with it; the file is read until all are found, and
    /// may be as large as an index. None: there is no such line, or the file cannot be read.
    pub(super) fn first_lines(&self, path: &Path, starts: &[&str]) -> Option<Vec<u8>> {
        let mut rest = BufReader::new(self.large(path)?);
        let (mut line, mut found) = (Vec::new(), Vec::new());
        let mut wanted = starts.to_vec();
        while !wanted.is_empty() && rest.read_until(b'\n', &mut line).ok()? > 0 {
            if let Some(at) = wanted.iter().position(|start| line.starts_with(start.as_bytes())) {
                wanted.swap_remove(at);
                found.extend_from_slice(&line);
            }
            line.clear();
        }
        (!found.is_empty()).then_some(found)
    }

    /// A handle on the directory at `path` that its entries can be listed through.
    pub fn directory(&self, path: &Path) -> io::Result<OwnedFd> {
        let (walk, name) = self.walk_to(path)?;
        walk.list(name).map(|(_, directory)| directory)
    }

    /// The directory at `path`, or that at the end of its links.
    pub(super) fn resolved_directory(&self, path: &Path) -> io::Result<Rc<Directory>> {
        let (walk, name) = self.walk_to(path)?;
        walk.directory(name)
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
    pub(super) fn link(&self, path: &Path) -> Option<Vec<u8>> {
        let (walk, name) = self.walk_to(path).ok()?;
        match walk.here().look(&name).ok()? {
            Seen::Link(target) => Some(target.into_os_string().into_vec()),
            Seen::Missing | Seen::File(_) => None,
        }
    }
}

/// The directory and the name in it of a path that needs no simplifying, and that the kernel does not find too long.
fn parted(path: &Path) -> Option<(&Path, &OsStr)> {
    const LONGEST: usize = 4096;
    let bytes = path.as_os_str().as_bytes();
    let at = memrchr(b'/', bytes).filter(|_| bytes.starts_with(b"/") && bytes.len() < LONGEST)?;
    let name = &bytes[at + 1..];
    let is_plain = !matches!(name, b"" | b"." | b"..");
    is_plain.then(|| (Path::new(OsStr::from_bytes(&bytes[..at])), OsStr::from_bytes(name)))
}

/// Whether `name` is a regular file, and no link to one.
pub(super) fn is_plain_file(directory: BorrowedFd<'_>, name: &OsStr) -> bool {
    let stat = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW);
    stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}

fn is_directory(resolved: &Resolved) -> bool {
    resolved.kind() == Some(FileType::Directory)
}

fn resolved_entry(resolved: Resolved, path: &Path) -> Entry {
    let Some(kind) = resolved.kind() else {
        return if resolved.path == Path::new("/dev/null") { Entry::Null } else { Entry::Dangling };
    };
    let entry = entry_of(resolved.directory.as_fd(), &resolved.name, kind, || resolved.stat());
    match entry {
        Entry::File(bytes) if resolved.path != path => Entry::Link { target: resolved.path, bytes },
        entry => entry,
    }
}

fn entry_of(directory: BorrowedFd<'_>, name: &OsStr, kind: FileType, stat: impl Fn() -> Option<Stat>) -> Entry {
    let is_null = || stat().is_some_and(|stat| stat.st_rdev == rustix::fs::makedev(1, 3));
    match kind {
        FileType::Directory => Entry::Directory,
        FileType::CharacterDevice if is_null() => Entry::Null,
        FileType::RegularFile => match read_at(directory, name) {
            Ok(bytes) => Entry::File(bytes),
            Err(error) => Entry::Unreadable(obstacle(&error)),
        },
        _ => Entry::Unreadable(Obstacle::NotRegular),
    }
}

/// Whether the system fails with this error to follow a link, for another reason than a missing file.
#[must_use]
pub fn leads_nowhere(error: &io::Error) -> bool {
    let codes = [Errno::LOOP, Errno::NAMETOOLONG, Errno::NOTDIR].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
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

/// The regular file `name`, opened for reading.
pub(super) fn opened(directory: BorrowedFd<'_>, name: &OsStr) -> io::Result<(OwnedFd, Stat)> {
    // NONBLOCK: opening a FIFO that has just replaced the file would otherwise block for ever.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(directory, name, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&file)?;
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    if is_file { Ok((file, stat)) } else { Err(io::Error::other("it is not a regular file")) }
}

/// The bytes of the regular file `name`, of which there are `most` at most.
fn bytes_of(directory: BorrowedFd<'_>, name: &OsStr, most: u64) -> io::Result<Vec<u8>> {
    let (file, stat) = opened(directory, name)?;
    whole(&file, &stat, most)
}

/// The bytes of an open file, of which there are `most` at most.
pub(super) fn whole(file: &OwnedFd, stat: &Stat, most: u64) -> io::Result<Vec<u8>> {
    let size = u64::try_from(stat.st_size).unwrap_or_default();
    let too_large = || io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {most} bytes"));
    if size > most {
        return Err(too_large());
    }
    // A file that the kernel makes as it is read has no size.
    let expected = usize::try_from(size).unwrap_or_default();
    let mut bytes = Vec::with_capacity(if expected == 0 { 4096 } else { expected + 1 });
    loop {
        let room = bytes.capacity() - bytes.len();
        let read = match rustix::io::read(file, spare_capacity(&mut bytes)) {
            Err(Errno::INTR) => continue,
            read => read?,
        };
        if bytes.len() as u64 > most {
            return Err(too_large());
        }
        // There was room for more than the size of the file, and there was no more.
        if read == 0 || (read < room && bytes.len() == expected) {
            // There may be very many files that are empty.
            bytes.shrink_to_fit();
            return Ok(bytes);
        }
        bytes.reserve(4096);
    }
}

/// The bytes of a file that the kernel makes as it is read.
pub(super) fn of_kernel(path: &Path) -> io::Result<Vec<u8>> {
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let stat = rustix::fs::fstat(&file)?;
    whole(&file, &stat, LARGEST_INDEX)
}
