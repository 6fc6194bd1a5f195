//! Defines the reads that fill a [`Tree`](super::Tree): each says what a boot finds out about a path, and so which part
//! of it is read.

use std::ffi::OsStr;
use std::hash::{Hash, Hasher};
use std::mem;
use std::path::{Path, PathBuf};

/// A read that fills a part of a [`Tree`](super::Tree). A path without a file gets no entry.
#[derive(Clone, Debug)]
pub enum Read {
    /// The files directly in a directory. If a link leads to the directory, it gets an
    /// [`Entry::Link`](super::Entry::Link) without bytes.
    Directory {
        /// The directory.
        path: PathBuf,
        /// The end of the names that are read.
        suffix: &'static str,
    },
    /// The same, but if the directory cannot be listed, it counts as empty.
    IfListed {
        /// The directory.
        path: PathBuf,
        /// The end of the names that are read.
        suffix: &'static str,
    },
    /// The file at this path. If the file cannot be reached, the entry is [`Entry::Unreadable`](super::Entry::Unreadable).
    File(PathBuf),
    /// The file at one of several paths at which a program looks. If the file cannot be reached, there is no entry.
    Candidate(PathBuf),
    /// The names in a directory; the entry of each is [`Entry::Program`](super::Entry::Program), until a
    /// [`Read::Mentions`] of the file finds more.
    Names(PathBuf),
    /// Whether anything exists at this path; the entry is [`Entry::Program`](super::Entry::Program).
    Presence(PathBuf),
    /// The end of the links at this path; the entry is an [`Entry::Link`](super::Entry::Link) without bytes.
    Target(PathBuf),
    /// When the file at this path was changed last; of a directory, also when each file directly in it was. This makes no
    /// entry: see [`Tree::changed`](super::Tree::changed).
    Moments(PathBuf),
    /// Whether the directory at this path is the one at `/etc`: the entry is [`Entry::Program`](super::Entry::Program).
    /// If it is another one, the entry is [`Entry::Directory`](super::Entry::Directory).
    IsEtc(PathBuf),
    /// A file that the running kernel provides. An image has no such file.
    OfKernel(PathBuf),
    /// The lines of a large index that have one of `words` in them, before the colon behind a module; both with `_` for
    /// `-`. The entry is an [`Entry::File`](super::Entry::File) of these lines; the last read of an index counts. If there
    /// is no such file, or it cannot be reached, there is no entry.
    Lines {
        /// The index.
        path: PathBuf,
        /// The words.
        words: Vec<String>,
    },
    /// For each of `starts` the first line of a large file that begins with it; the entry is an
    /// [`Entry::File`](super::Entry::File) of these lines. If there is none of them, or no such file, there is no entry.
    FirstLines {
        /// The file.
        path: PathBuf,
        /// The beginnings of the lines.
        starts: &'static [&'static str],
    },
    /// The file at this path or, if it is a directory, the files directly in it. The entry of each is an
    /// [`Entry::File`](super::Entry::File) of the lines that have one of `words` in them; all other lines are empty, so
    /// that the numbers hold. A file without such a line has no entry, nor has one that cannot be read. A link into
    /// /usr/lib is not followed: its end is a file of a package.
    Mentions {
        /// The file or directory.
        path: PathBuf,
        /// The end of the names that are read in a directory.
        suffix: &'static str,
        /// Which files are read.
        files: Picked,
        /// The words.
        words: &'static [&'static str],
        /// Further words, which other files decide.
        names: Vec<String>,
    },
}

/// Which files a read is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Picked {
    /// All.
    All,
    /// Those that somebody may execute.
    Executable,
}

impl Read {
    /// All that it says: its path, the end of the names, which files, the words or beginnings, and the words that files decide.
    fn parts(&self) -> (&OsStr, &str, Picked, &[&str], &[String]) {
        let (path, suffix, files, words): (&Path, &str, Picked, &[&str]) = match self {
            Read::File(path)
            | Read::Candidate(path)
            | Read::Presence(path)
            | Read::Target(path)
            | Read::IsEtc(path)
            | Read::Moments(path)
            | Read::Names(path)
            | Read::OfKernel(path) => (path, "", Picked::All, &[]),
            Read::Directory { path, suffix } | Read::IfListed { path, suffix } => (path, suffix, Picked::All, &[]),
            Read::FirstLines { path, starts } => (path, "", Picked::All, starts),
            Read::Lines { path, words } => return (path.as_os_str(), "", Picked::All, &[], words),
            Read::Mentions { path, suffix, files, words, names } => {
                return (path.as_os_str(), suffix, *files, words, names);
            }
        };
        (path.as_os_str(), suffix, files, words, &[])
    }

    /// The path of the one file that it is about, if it is about the whole of one file.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Read::File(path)
            | Read::Candidate(path)
            | Read::Presence(path)
            | Read::Target(path)
            | Read::IsEtc(path)
            | Read::FirstLines { path, .. }
            | Read::OfKernel(path) => Some(path),
            Read::Directory { .. }
            | Read::IfListed { .. }
            | Read::Moments(_)
            | Read::Names(_)
            | Read::Mentions { .. }
            | Read::Lines { .. } => None,
        }
    }

    /// The same read at another path.
    #[must_use]
    pub fn map_path(mut self, map: impl FnOnce(PathBuf) -> PathBuf) -> Read {
        let (Read::File(path)
        | Read::Candidate(path)
        | Read::Presence(path)
        | Read::Target(path)
        | Read::IsEtc(path)
        | Read::Moments(path)
        | Read::Names(path)
        | Read::OfKernel(path)
        | Read::Directory { path, .. }
        | Read::IfListed { path, .. }
        | Read::Mentions { path, .. }
        | Read::FirstLines { path, .. }
        | Read::Lines { path, .. }) = &mut self;
        *path = map(mem::take(path));
        self
    }

    /// The files with this suffix in each of `directories`.
    pub fn directories(directories: &[&str], suffix: &'static str) -> impl Iterator<Item = Read> {
        directories.iter().map(move |path| Read::Directory { path: path.into(), suffix })
    }

    /// The lines with one of `words` in the file at `path`, or in the files directly in it whose names end in `suffix`.
    #[must_use]
    pub fn mentions(path: impl Into<PathBuf>, suffix: &'static str, words: &'static [&'static str]) -> Read {
        Read::Mentions { path: path.into(), suffix, files: Picked::All, words, names: Vec::new() }
    }

    /// Each of `paths`, as [`Read::File`].
    pub fn files(paths: &[&str]) -> impl Iterator<Item = Read> {
        paths.iter().map(|path| Read::File(path.into()))
    }

    /// Each of `paths`, as [`Read::Presence`].
    pub fn presences(paths: &[&str]) -> impl Iterator<Item = Read> {
        paths.iter().map(|path| Read::Presence(path.into()))
    }
}

/// Two reads are the same if they are about paths of one spelling. An observation asks this of thousands, and paths are
/// compared part by part otherwise.
impl PartialEq for Read {
    fn eq(&self, other: &Read) -> bool {
        self.parts() == other.parts() && mem::discriminant(self) == mem::discriminant(other)
    }
}

impl Eq for Read {}

impl Hash for Read {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (path, suffix, files, ..) = self.parts();
        mem::discriminant(self).hash(state);
        // Few reads of one path have other words.
        state.write(path.as_encoded_bytes());
        suffix.hash(state);
        files.hash(state);
    }
}
