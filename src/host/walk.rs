//! Walks down a path one name at a time on handles, so that no change during the walk leads out of the root.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use memchr::{memchr, memrchr};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, openat, statat};
use rustix::io::Errno;

use super::directory::{Directory, Found, Seen};

/// The links that the kernel follows in one path at most (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// The most directories that are remembered, and the most handles that one of them needs. Together they stay below the
/// 1,024 handles that a process may usually have.
const MOST_REMEMBERED: usize = 96;
const MOST_HANDLES: usize = 8;

/// The end of a path, after all links were followed.
#[derive(Debug)]
pub struct Resolved {
    /// The directory.
    pub directory: Rc<Directory>,
    /// The name in it.
    pub name: OsString,
    /// The path without links, inside the root.
    pub path: PathBuf,
    /// The file there, if there is one: never a link.
    file: Option<Found>,
}

impl Resolved {
    /// Whether there is a file.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.file.is_some()
    }

    /// The kind of the file, if there is one.
    #[must_use]
    pub fn kind(&self) -> Option<FileType> {
        self.file.as_ref().map(|file| file.kind)
    }

    /// What the file system tells of the file, if there is one.
    #[must_use]
    pub fn stat(&self) -> Option<Stat> {
        let file = self.file.as_ref()?;
        file.stat.or_else(|| statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW).ok())
    }
}

/// The result of one step of a walk.
enum Step {
    /// The name was `..` or a link, and the walk has followed it.
    Followed,
    /// There is no file of this name.
    Missing,
    /// The name is that of a file which is not a link.
    Found(Found),
}

/// A walk, and how far it has come.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    /// The directories from the root to here.
    directories: Vec<Rc<Directory>>,
    links: usize,
}

impl Walk {
    /// A walk that starts at `root`.
    pub(super) fn from(root: &Rc<Directory>) -> Walk {
        Walk { directories: vec![root.clone()], links: 0 }
    }

    /// The walk from here through the directories `names`. The error `NotFound` says that one of them does not exist.
    pub(super) fn enter(mut self, mut names: VecDeque<OsString>) -> io::Result<Walk> {
        while let Some(name) = names.pop_front() {
            // Most names are those of directories.
            if name != ".." {
                match self.open(&name) {
                    Ok(()) => continue,
                    // It may be a link.
                    Err(Errno::NOTDIR | Errno::LOOP) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
            match self.step(&name, &mut names)? {
                Step::Found(_) => self.open(&name)?,
                Step::Missing => return Err(Errno::NOENT.into()),
                Step::Followed => {}
            }
        }
        Ok(self)
    }

    /// The path without links of the directory `name`, and a handle on it through which its entries can be listed.
    pub(super) fn list(self, name: OsString) -> io::Result<(PathBuf, OwnedFd)> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = |directory: &Directory, name: &OsStr| openat(directory, name, flags, Mode::empty());
        // `..` may lead out of the root, and a link anywhere.
        let at_once = if name == ".." { Err(Errno::NOTDIR) } else { opened(self.here(), &name) };
        match at_once {
            Ok(handle) => Ok((self.path().join(name), handle)),
            Err(Errno::NOTDIR | Errno::LOOP) => {
                let resolved = self.find(name)?;
                let handle = opened(&resolved.directory, &resolved.name)?;
                Ok((resolved.path, handle))
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// The path of the directory here, without links.
    pub(super) fn path(&self) -> &Path {
        self.here().path()
    }

    /// The directory `name`, or that at the end of its links.
    pub(super) fn directory(self, name: OsString) -> io::Result<Rc<Directory>> {
        let mut walk = self.enter([name].into())?;
        Ok(walk.directories.pop().expect("the root stays"))
    }

    /// The end of the walk: the file `name`, or that at the end of its links.
    pub(super) fn find(mut self, mut name: OsString) -> io::Result<Resolved> {
        let mut names = VecDeque::new();
        loop {
            match (self.step(&name, &mut names)?, names.pop_front()) {
                (Step::Found(file), None) => return Ok(self.resolved(name, Some(file))),
                (Step::Missing, None) => return Ok(self.resolved(name, None)),
                (Step::Missing, Some(_)) => return Err(Errno::NOENT.into()),
                (Step::Found(_), Some(following)) => {
                    self.open(&name)?;
                    name = following;
                }
                (Step::Followed, Some(following)) => name = following,
                (Step::Followed, None) => return Err(Errno::ISDIR.into()),
            }
        }
    }

    /// The directory here.
    pub(super) fn here(&self) -> &Rc<Directory> {
        self.directories.last().expect("the root stays")
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
        let target = match self.here().look(name)? {
            Seen::Missing => return Ok(Step::Missing),
            Seen::File(found) => return Ok(Step::Found(found)),
            Seen::Link(target) => target,
        };
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(Errno::LOOP.into());
        }
        self.here().trust_links()?;
        if target.is_absolute() {
            self.directories.truncate(1);
        }
        for component in self::names(&target).into_iter().rev() {
            names.push_front(component);
        }
        Ok(Step::Followed)
    }

    fn open(&mut self, name: &OsStr) -> Result<(), Errno> {
        let directory = self.here().directory(name)?;
        self.directories.push(directory);
        Ok(())
    }

    fn resolved(mut self, name: OsString, file: Option<Found>) -> Resolved {
        let directory = self.directories.pop().expect("the root stays");
        Resolved { path: directory.path().join(&name), directory, name, file }
    }
}

/// The names of a path; `..` stays one.
pub(super) fn names(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        })
        .collect()
}

/// The walks that have been done, so that none is done twice.
#[derive(Debug)]
pub(super) struct Memory {
    root: Walk,
    /// The walk to each directory, by its path as it was asked for. None: the directory does not exist.
    walks: BTreeMap<OsString, Option<Walk>>,
    /// How many of them exist.
    remembered: usize,
}

impl Memory {
    /// A memory that knows the way to the root only.
    pub(super) fn new(root: Walk) -> Memory {
        Memory { root, walks: BTreeMap::new(), remembered: 0 }
    }

    /// The walk from the root to the directory at `path`. The error `NotFound` says that a directory on the way does not
    /// exist.
    pub(super) fn walk(&mut self, path: &Path) -> io::Result<Walk> {
        let bytes = path.as_os_str().as_bytes();
        let mut known = bytes.len();
        let mut walk = loop {
            match self.walks.get(OsStr::from_bytes(&bytes[..known])) {
                Some(Some(walk)) => break walk.clone(),
                Some(None) => return Err(Errno::NOENT.into()),
                None if known == 0 => break self.root.clone(),
                None => known = memrchr(b'/', &bytes[..known]).unwrap_or_default(),
            }
        };
        while known < bytes.len() {
            let start = known + 1;
            known = memchr(b'/', &bytes[start..]).map_or(bytes.len(), |length| start + length);
            let to_here = OsStr::from_bytes(&bytes[..known]);
            walk = match walk.enter(names(Path::new(OsStr::from_bytes(&bytes[start..known])))) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.walks.insert(to_here.to_owned(), None);
                    return Err(error);
                }
                walk => walk?,
            };
            if self.remembered < MOST_REMEMBERED && walk.directories.len() <= MOST_HANDLES {
                self.walks.insert(to_here.to_owned(), Some(walk.clone()));
                self.remembered += 1;
            }
        }
        Ok(walk)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::super::Root;
    use super::*;

    /// The end of the walk to `path`, as far as two walks can be compared.
    fn end(root: &Root, path: &str) -> Result<(PathBuf, Option<u64>), io::ErrorKind> {
        let found = root.find(Path::new(path)).map_err(|error| error.kind())?;
        let number = found.stat().map(|stat| stat.st_ino);
        Ok((found.path, number))
    }

    #[test]
    fn a_walk_from_memory_ends_at_the_same_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |path: &str| directory.path().join(path);
        let deep = "/d".repeat(2 * MOST_HANDLES);
        let many = (0..2 * MOST_REMEMBERED).map(|number| format!("/many/{number}"));
        for path in many.clone().chain([format!("/etc/a{deep}"), "/usr/lib/sysctl.d".into()]) {
            fs::create_dir_all(at(&path[1..])).expect("directories");
            fs::write(at(&path[1..]).join("file"), path).expect("a file");
        }
        for (link, target) in
            [("lib", "usr/lib"), ("etc/up", "../usr"), ("etc/loop", "loop"), ("etc/abs", "/usr/lib/none/x")]
        {
            symlink(target, at(link)).expect("a link");
        }
        let files = many.chain([format!("/etc/a{deep}"), format!("/etc/a{deep}/none"), "/etc/a/d/../..".into()]);
        let links = [
            "/lib/sysctl.d",
            "/etc/up/lib/sysctl.d",
            "/etc/loop",
            "/etc/abs",
            "/etc/up/../lib/sysctl.d",
            "/none/at/all",
        ];
        let root = Root::open(directory.path()).expect("the root");
        let remembering = root.remembering();
        let paths: Vec<String> = files.chain(links.map(str::to_owned)).map(|path| format!("{path}/file")).collect();
        for path in paths.iter().chain(&paths) {
            assert_eq!(end(&remembering, path), end(&root, path), "{path}");
        }
    }
}
