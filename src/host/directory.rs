//! A directory on the way of a walk, and all that one observation remembers of it: each is opened once, and listed once.

use std::cell::{Cell, OnceCell, RefCell};
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, Stat, openat, readlinkat, statat};
use rustix::io::Errno;

/// The most directories that are kept open. With those of walks that go deeper, they stay below the 1,024 handles that a
/// process may usually have.
const MOST_KEPT: usize = 96;

/// The questions about names in a directory after which it is listed: to list a directory costs about as much.
const PATIENCE: u32 = 6;

/// The most answers that are kept of a directory.
const MOST_ANSWERS: usize = 128;

/// The bytes of a directory with so many names that a question costs less than a list, as most file systems count them.
const LARGE: i64 = 8192;

/// A directory on the way of a walk.
#[derive(Debug)]
pub struct Directory {
    handle: OwnedFd,
    /// Its path without links, inside the root.
    path: PathBuf,
    stat: OnceCell<Stat>,
    /// What an observation remembers. None: it is looked at anew each time.
    memory: Option<Memory>,
}

#[derive(Debug)]
struct Memory {
    names: OnceCell<Names>,
    /// The questions about names so far.
    asked: Cell<u32>,
    /// The answers to them. Of a directory, few names are asked for, and some of them again and again.
    answers: RefCell<Vec<(OsString, Answer)>>,
    all: Rc<All>,
}

/// The answer to a question about a name.
#[derive(Clone, Debug)]
enum Answer {
    Seen(Seen),
    /// The directory of this name, which is kept open.
    Open(Rc<Directory>),
}

/// What the directories of one observation share.
#[derive(Debug)]
struct All {
    /// The device of the root.
    device: u64,
    /// The number of directories that are kept open.
    kept: Cell<usize>,
}

impl Memory {
    fn new(all: Rc<All>) -> Memory {
        Memory { names: OnceCell::new(), asked: Cell::new(0), answers: RefCell::default(), all }
    }

    fn answer(&self, name: &OsStr) -> Option<Answer> {
        self.answers.borrow().iter().find(|(known, _)| known == name).map(|(_, answer)| answer.clone())
    }

    fn keep(&self, name: &OsStr, answer: Answer) {
        let mut answers = self.answers.borrow_mut();
        match answers.iter().position(|(known, _)| known == name) {
            Some(at) => answers[at].1 = answer,
            None if answers.len() < MOST_ANSWERS => answers.push((name.to_owned(), answer)),
            None => {}
        }
    }
}

/// What a listing tells of a name.
enum Sight {
    /// There is no file of this name.
    Missing,
    /// There is one.
    Found(FileType),
    /// The file system has to be asked.
    Unknown,
}

/// What stands in a directory under a name.
#[derive(Clone, Debug)]
pub(super) enum Seen {
    /// Nothing.
    Missing,
    /// A link, and where it leads.
    Link(PathBuf),
    /// Another file.
    File(Found),
}

/// A file that is not a link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) kind: FileType,
    /// None: the kind alone is known, by a listing.
    pub(super) stat: Option<Stat>,
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

impl Directory {
    /// The root itself.
    pub(super) fn root(handle: OwnedFd) -> Directory {
        Directory { handle, path: "/".into(), stat: OnceCell::new(), memory: None }
    }

    /// The same directory, with a memory for all directories that are reached from it.
    pub(super) fn remembering(&self) -> io::Result<Directory> {
        let handle = opened(self, OsStr::new("."))?;
        let stat = rustix::fs::fstat(&handle)?;
        let all = All { device: stat.st_dev, kept: Cell::new(0) };
        Ok(Directory {
            handle,
            path: self.path.clone(),
            stat: OnceCell::from(stat),
            memory: Some(Memory::new(Rc::new(all))),
        })
    }

    /// Its path without links, inside the root.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn stat(&self) -> io::Result<&Stat> {
        if let Some(stat) = self.stat.get() {
            return Ok(stat);
        }
        let stat = rustix::fs::fstat(&self.handle)?;
        Ok(self.stat.get_or_init(|| stat))
    }

    /// Refuses to follow a link in a directory that others than root and the user of this run can write.
    pub(super) fn trust_links(&self) -> io::Result<()> {
        let stat = self.stat()?;
        let group_writes = stat.st_mode & 0o020 != 0 && stat.st_gid != 0;
        let own = stat.st_uid == 0 || stat.st_uid == rustix::process::geteuid().as_raw();
        if own && !group_writes && stat.st_mode & 0o002 == 0 {
            return Ok(());
        }
        let message = format!("a link in `{}`, which others can write, is not followed", self.path.display());
        Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
    }

    /// The directory `name` in it, which is not a link.
    pub(super) fn directory(&self, name: &OsStr) -> Result<Rc<Directory>, Errno> {
        let path = self.path.join(name);
        let Some(memory) = &self.memory else {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let handle = openat(self, name, flags, Mode::empty())?;
            return Ok(Rc::new(Directory { handle, path, stat: OnceCell::new(), memory: None }));
        };
        let sight = match memory.answer(name) {
            Some(Answer::Open(directory)) => return Ok(directory),
            Some(Answer::Seen(Seen::Missing)) => Sight::Missing,
            Some(Answer::Seen(Seen::Link(_))) => Sight::Found(FileType::Symlink),
            Some(Answer::Seen(Seen::File(found))) => Sight::Found(found.kind),
            None => self.sight(name),
        };
        match sight {
            Sight::Missing => return Err(Errno::NOENT),
            Sight::Found(kind) if kind != FileType::Directory => return Err(Errno::NOTDIR),
            Sight::Found(_) | Sight::Unknown => {}
        }
        let handle = opened(self, name).inspect_err(|errno| {
            if *errno == Errno::NOENT {
                memory.keep(name, Answer::Seen(Seen::Missing));
            }
        })?;
        let memory_of_it = Memory::new(memory.all.clone());
        let directory = Rc::new(Directory { handle, path, stat: OnceCell::new(), memory: Some(memory_of_it) });
        if memory.all.kept.get() < MOST_KEPT {
            memory.all.kept.set(memory.all.kept.get() + 1);
            memory.keep(name, Answer::Open(directory.clone()));
        }
        Ok(directory)
    }

    /// What stands in it under `name`. While a machine is observed, the file system is asked once.
    pub(super) fn look(&self, name: &OsStr) -> io::Result<Seen> {
        match self.memory.as_ref().and_then(|memory| memory.answer(name)) {
            Some(Answer::Seen(seen)) => return Ok(seen),
            Some(Answer::Open(directory)) => {
                return Ok(Seen::File(Found { kind: FileType::Directory, stat: Some(*directory.stat()?) }));
            }
            None => {}
        }
        let found = match self.sight(name) {
            Sight::Missing => return Ok(Seen::Missing),
            Sight::Found(kind) => Some(Found { kind, stat: None }),
            Sight::Unknown => match statat(self, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => Some(Found { kind: FileType::from_raw_mode(stat.st_mode), stat: Some(stat) }),
                Err(Errno::NOENT) => None,
                Err(errno) => return Err(errno.into()),
            },
        };
        let seen = match found {
            None => Seen::Missing,
            Some(Found { kind: FileType::Symlink, .. }) => {
                let target = readlinkat(self, name, Vec::with_capacity(128))?.into_bytes();
                Seen::Link(PathBuf::from(OsString::from_vec(target)))
            }
            Some(found) => Seen::File(found),
        };
        if let Some(memory) = &self.memory {
            memory.keep(name, Answer::Seen(seen.clone()));
        }
        Ok(seen)
    }

    /// What a listing tells of `name`, if there is one or it is worth one.
    ///
    /// Only the file system of the root is taken at its word: an automounter makes what is asked for, and lists it then.
    fn sight(&self, name: &OsStr) -> Sight {
        let Some(memory) = &self.memory else { return Sight::Unknown };
        memory.asked.set(memory.asked.get() + 1);
        let is_worth_it = memory.names.get().is_some() || memory.asked.get() > PATIENCE;
        let of_root = |stat: &Stat| stat.st_dev == memory.all.device;
        let is_small = |stat: &Stat| memory.names.get().is_some() || stat.st_size <= LARGE;
        if !is_worth_it || !self.stat().is_ok_and(|stat| of_root(stat) && is_small(stat)) {
            return Sight::Unknown;
        }
        match self.names(memory).map(|names| names.kind(name)) {
            Ok(None) => Sight::Missing,
            Ok(Some(FileType::Unknown)) | Err(_) => Sight::Unknown,
            Ok(Some(kind)) => Sight::Found(kind),
        }
    }

    /// Calls `visit` with each name in it, and with the kind of its file, as far as the file system tells it there.
    pub(super) fn each_name(&self, mut visit: impl FnMut(&OsStr, FileType)) -> io::Result<()> {
        match &self.memory {
            None => each_name(&readable(self)?, visit),
            Some(memory) => match self.names(memory) {
                Ok(names) => {
                    names.iter().for_each(|(name, kind)| visit(name, kind));
                    Ok(())
                }
                // What was listed before the error counts.
                Err((names, error)) => {
                    names.iter().for_each(|(name, kind)| visit(name, kind));
                    Err(error)
                }
            },
        }
    }

    /// All names in it. After an error, those before the error.
    fn names<'a>(&'a self, memory: &'a Memory) -> Result<&'a Names, (Names, io::Error)> {
        if let Some(names) = memory.names.get() {
            return Ok(names);
        }
        let mut names = Names::default();
        let listed = match each_name(&self.handle, |name, kind| names.add(name, kind)) {
            // The handle is one without the right to list.
            Err(error) if error.raw_os_error() == Some(Errno::BADF.raw_os_error()) => {
                readable(self).and_then(|handle| each_name(&handle, |name, kind| names.add(name, kind)))
            }
            listed => listed,
        };
        match listed {
            Ok(()) => Ok(memory.names.get_or_init(|| names)),
            Err(error) => Err((names, error)),
        }
    }
}

/// A handle on the directory `name`, by which it can be listed if the rights allow that.
fn opened(directory: &Directory, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(directory, name, flags | OFlags::RDONLY, Mode::empty()) {
        Err(Errno::ACCESS) => openat(directory, name, flags | OFlags::PATH, Mode::empty()),
        handle => handle,
    }
}

/// Another handle on `directory`, by which it can be listed.
fn readable(directory: &Directory) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat(directory, ".", flags, Mode::empty())?)
}

/// Calls `visit` with each name in a directory and with the kind of its file, as far as the file system tells it there.
pub(super) fn each_name(directory: &OwnedFd, mut visit: impl FnMut(&OsStr, FileType)) -> io::Result<()> {
    let mut buffer = [const { MaybeUninit::uninit() }; 1 << 14];
    let mut names = RawDir::new(directory, &mut buffer);
    while let Some(item) = names.next() {
        let item = item?;
        let name = OsStr::from_bytes(item.file_name().to_bytes());
        if name != "." && name != ".." {
            visit(name, item.file_type());
        }
    }
    Ok(())
}

/// The names in a directory, one behind the other.
#[derive(Debug, Default)]
struct Names {
    bytes: Vec<u8>,
    /// Where each ends, and the kind of its file.
    ends: Vec<(usize, FileType)>,
}

impl Names {
    fn add(&mut self, name: &OsStr, kind: FileType) {
        self.bytes.extend_from_slice(name.as_bytes());
        self.ends.push((self.bytes.len(), kind));
    }

    fn iter(&self) -> impl Iterator<Item = (&OsStr, FileType)> {
        let mut start = 0;
        self.ends.iter().map(move |(end, kind)| {
            let name = &self.bytes[std::mem::replace(&mut start, *end)..*end];
            (OsStr::from_bytes(name), *kind)
        })
    }

    fn kind(&self, name: &OsStr) -> Option<FileType> {
        self.iter().find(|(it, _)| *it == name).map(|(_, kind)| kind)
    }
}
