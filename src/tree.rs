//! Defines the persistent files of a machine as data, so that everything that decides about them is pure.
//!
//! A [`Tree`] holds what `host::observe` found under the directories that a boot reads. It knows nothing of sysctl
//! syntax or of loaders: those are [`crate::sysctl_d`] and [`crate::boot`].

mod kept;
mod place;
mod read;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::ops::Bound;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use kept::Kept;
use memchr::memrchr;

pub use place::{Place, lossy, lossy_each, lossy_optional};
pub use read::{Picked, Read};

/// The most bytes that a file may have to be read: 100,000 lines about connection tracking have less, commented out too. A
/// tree is kept several times over, and files of an image may be all hole.
pub const LARGEST: u64 = 8 << 20;

/// The file, link or directory at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A regular file and its bytes.
    File(Vec<u8>),
    /// A symbolic link that ends at a readable regular file.
    Link {
        /// The file at the end of all links, inside the root.
        target: PathBuf,
        /// The bytes of that file.
        bytes: Vec<u8>,
    },
    /// A symbolic link that ends at `/dev/null`: the documented way to mask a file of a lower directory.
    Null,
    /// A symbolic link that leads nowhere.
    Dangling,
    /// A symbolic link that the system cannot follow: it goes in circles, its name is too long, or it leads through a file.
    Endless,
    /// A directory, or a link to one.
    Directory,
    /// A file of which only the existence matters: the program of a loader.
    Program,
    /// A file that cannot be read here.
    Unreadable(Obstacle),
}

/// The reason why a file cannot be read here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The file is a FIFO, a socket or a device. A program that opens it may wait for ever.
    NotRegular,
    /// The file has more bytes than a run reads.
    TooLarge,
    /// Something is mounted over the file.
    MountedOver,
    /// The operating system refuses to read the file.
    Refused(
        /// Its message.
        String,
    ),
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Obstacle::NotRegular => f.write_str("it is not a regular file"),
            Obstacle::TooLarge => write!(f, "it is larger than {LARGEST} bytes"),
            Obstacle::MountedOver => f.write_str("something is mounted over it"),
            Obstacle::Refused(message) => f.write_str(message),
        }
    }
}

impl Entry {
    /// The bytes that a reader of this path gets.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Entry::File(bytes) | Entry::Link { bytes, .. } => Some(bytes),
            Entry::Null => Some(&[]),
            Entry::Dangling | Entry::Endless | Entry::Directory | Entry::Program | Entry::Unreadable(_) => None,
        }
    }
}

/// The moment of the last change of a file, in nanoseconds since 1970.
pub type Moment = u128;

/// The moment of every change that a plan makes: after all that was observed.
const PLANNED: Moment = Moment::MAX;

/// The entries of one directory, by their whole paths as [`spelled`] has them: these are compared byte by byte, and not part
/// by part.
type Directory = BTreeMap<OsString, Rc<Kept>>;

/// The files of a machine that a boot reads, by absolute path inside the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// The directories that have entries. A copy of the tree shares them until it changes them. Most look-ups find none, which a
    /// hash tells sooner than comparisons do.
    directories: HashMap<OsString, Rc<Directory>>,
    /// When files and directories were changed last, as far as a [`Read::Moments`] asked for it.
    moments: BTreeMap<PathBuf, Moment>,
}

impl Tree {
    /// The entry at `path`, if there is one.
    #[must_use]
    pub fn get(&self, path: impl AsRef<Path>) -> Option<&Entry> {
        self.kept(path.as_ref()).map(Kept::entry)
    }

    fn kept(&self, path: &Path) -> Option<&Kept> {
        let path = spelled(path);
        self.directories.get(directory_of(&path))?.get(&*path).map(Rc::as_ref)
    }

    /// The text that a reader of `path` gets; empty if there is none. Bytes that are not UTF-8 become U+FFFD.
    #[must_use]
    pub fn text(&self, path: impl AsRef<Path>) -> Cow<'_, str> {
        as_text(self.bytes(path).unwrap_or_default())
    }

    /// The bytes that a reader of `path` gets.
    #[must_use]
    pub fn bytes(&self, path: impl AsRef<Path>) -> Option<&[u8]> {
        self.get(path).and_then(Entry::bytes)
    }

    /// What `parse` makes of the bytes that a reader of `path` gets, or of none. The tree and its copies keep it until the
    /// file changes: a boot is played through several times. `T` must tell which function made it.
    #[must_use]
    pub fn parsed<T: 'static>(&self, path: impl AsRef<Path>, parse: impl FnOnce(&[u8]) -> T) -> Rc<T> {
        match self.kept(path.as_ref()) {
            Some(kept) => kept.parsed(parse),
            None => Rc::new(parse(&[])),
        }
    }

    /// The file that a writer of `path` changes: the end of its links.
    #[must_use]
    pub fn real<'a>(&'a self, path: &'a Path) -> &'a Path {
        match self.get(path) {
            Some(Entry::Link { target, .. }) => target,
            _ => path,
        }
    }

    /// Makes `bytes` the content of the file at `path`, or removes the file. Every link to the file shows the change.
    pub fn write(&mut self, path: &Path, bytes: Option<&[u8]>) {
        let real = self.real(path).to_owned();
        let is_one = |entry: &Entry| matches!(entry, Entry::Link { target, .. } if *target == real);
        let links: Vec<PathBuf> =
            self.iter().filter(|(_, entry)| is_one(entry)).map(|(link, _)| link.to_owned()).collect();
        for link in links {
            let entry = match bytes {
                Some(new) => Entry::Link { target: real.clone(), bytes: new.to_vec() },
                None => Entry::Dangling,
            };
            self.insert(link, entry);
        }
        match bytes {
            // The link ends outside the directories that a boot reads, so its target has no entry.
            Some(_) if real != path && self.get(&real).is_none() => {}
            Some(bytes) => self.insert(&real, Entry::File(bytes.to_vec())),
            None => self.remove(&real),
        }
        self.plan_change(real.parent().unwrap_or(&real));
        self.plan_change(&real);
    }

    /// When the file at `path` was changed last, if a [`Read::Moments`] asked for it.
    #[must_use]
    pub fn changed(&self, path: impl AsRef<Path>) -> Option<Moment> {
        self.moments.get(path.as_ref()).copied()
    }

    /// The paths whose moments are known, with these, in the order of the paths.
    pub fn moments(&self) -> impl Iterator<Item = (&Path, Moment)> {
        self.moments.iter().map(|(path, moment)| (path.as_path(), *moment))
    }

    /// Records when the file at `path` was changed last.
    pub fn record_moment(&mut self, path: impl Into<PathBuf>, moment: Moment) {
        self.moments.insert(path.into(), moment);
    }

    /// Records that a plan changes the file at `path`.
    pub fn plan_change(&mut self, path: &Path) {
        self.record_moment(path, PLANNED);
    }

    /// Puts `entry` at `path`.
    pub fn insert(&mut self, path: impl Into<PathBuf>, entry: Entry) {
        let path = path.into();
        let path = spelled(&path).into_owned();
        let directory = directory_of(&path);
        let entry = Rc::new(Kept::new(entry));
        match self.directories.get_mut(directory) {
            Some(entries) => {
                Rc::make_mut(entries).insert(path, entry);
            }
            None => {
                self.directories.insert(directory.to_owned(), Rc::new([(path, entry)].into()));
            }
        }
    }

    /// Removes the entry at `path`.
    pub fn remove(&mut self, path: impl AsRef<Path>) {
        let path = spelled(path.as_ref());
        if let Some(entries) = self.directories.get_mut(directory_of(&path)) {
            Rc::make_mut(entries).remove(&*path);
            if entries.is_empty() {
                self.directories.remove(directory_of(&path));
            }
        }
    }

    /// All entries, directory by directory, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &Entry)> {
        let mut directories = BTreeMap::new();
        directories.extend(self.directories.iter());
        let entries = directories.into_values().flat_map(|entries| entries.iter());
        entries.map(|(path, kept)| (Path::new(path), kept.entry()))
    }

    /// The paths whose entries are not those of `other`, in order. A tree and its edited copy share all other entries.
    #[must_use]
    pub fn differences<'a>(&'a self, other: &'a Tree) -> Vec<&'a Path> {
        let mut paths = BTreeSet::new();
        for directory in self.directories.keys().chain(other.directories.keys()) {
            let of = |tree: &'a Tree| tree.directories.get(directory);
            let (own, others) = (of(self), of(other));
            if own.zip(others).is_some_and(|(own, others)| Rc::ptr_eq(own, others)) {
                continue;
            }
            let is_shared = |path: &OsStr| {
                let kept = |entries: Option<&'a Rc<Directory>>| entries.and_then(|entries| entries.get(path));
                kept(own).zip(kept(others)).is_some_and(|(one, another)| Rc::ptr_eq(one, another))
            };
            let all = [own, others].into_iter().flatten().flat_map(|entries| entries.keys());
            paths.extend(all.filter(|path| !is_shared(path)).map(Path::new));
        }
        paths.into_iter().collect()
    }

    /// Parts what the next boot finds from what stands in /run now, which is empty then. A link that leads there leads
    /// nowhere at the next boot. What says which programs run now, and the credentials that the machine is given, stay.
    #[must_use]
    pub fn parted_from_run(mut self) -> (Tree, Tree) {
        let is_in_run = |path: &Path| {
            let path = path.as_os_str().as_bytes();
            let is_given = || as_text(path).starts_with("/run/credentials/@");
            path.strip_prefix(b"/run").is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b'/')) && !is_given()
        };
        let leads_there = |entry: &Entry| match entry {
            Entry::Link { target, bytes } => is_in_run(target) && !bytes.is_empty(),
            _ => false,
        };
        let is_fleeting = |path: &Path, entry: &Entry| {
            if is_in_run(path) { *entry != Entry::Program } else { leads_there(entry) }
        };
        let found = self.iter().filter(|(path, entry)| is_fleeting(path, entry));
        let fleeting: Tree = found.map(|(path, entry)| (path.to_owned(), entry.clone())).collect();
        for (path, _) in fleeting.iter() {
            if is_in_run(path) {
                self.remove(path);
            } else {
                self.insert(path, Entry::Dangling);
            }
        }
        (self, fleeting)
    }

    /// The entries directly in `directory`, in the order of the names.
    pub fn in_directory<'a>(&'a self, directory: &Path) -> impl Iterator<Item = (&'a Path, &'a Entry)> + use<'a> {
        let directory = spelled(directory);
        let entries = self.directories.get(&*directory).into_iter().flat_map(|entries| entries.iter());
        // The directory itself is not in it.
        let entries = entries.filter(|(path, _)| path.len() > 1);
        entries.map(|(path, kept)| (Path::new(path), kept.entry()))
    }

    /// The same, each with its name before it.
    fn named_in<'a>(&'a self, directory: &Path) -> impl Iterator<Item = (&'a OsStr, &'a Path, &'a Entry)> + use<'a> {
        self.in_directory(directory).map(|(path, entry)| (name_of(path.as_os_str()), path, entry))
    }

    /// The names in a directory that begin with these bytes, and their paths.
    pub fn beginning_with<'a>(
        &'a self,
        directory: &'a Path,
        beginning: &'a [u8],
    ) -> impl Iterator<Item = (&'a OsStr, &'a Path)> {
        let directory = spelled(directory);
        let slash = if *directory == *"/" { "" } else { "/" };
        let first = [directory.as_bytes(), slash.as_bytes(), beginning].concat();
        let entries = self.directories.get(&*directory).into_iter().flat_map(move |entries| {
            entries.range::<OsStr, _>((Bound::Included(OsStr::from_bytes(&first)), Bound::Unbounded))
        });
        let names = entries.map(|(path, _)| (name_of(path), Path::new(path)));
        names.take_while(move |(name, _)| name.as_bytes().starts_with(beginning))
    }
}

/// The directory of a path in its one spelling. That of a relative path has no name.
fn directory_of(path: &OsStr) -> &OsStr {
    match memrchr(b'/', path.as_bytes()) {
        Some(slash) => OsStr::from_bytes(&path.as_bytes()[..slash.max(1)]),
        None => OsStr::new(""),
    }
}

/// The name of a path in its one spelling.
fn name_of(path: &OsStr) -> &OsStr {
    let begin = memrchr(b'/', path.as_bytes()).map_or(0, |slash| slash + 1);
    OsStr::from_bytes(&path.as_bytes()[begin..])
}

/// The one spelling of a path: without empty parts, without `.`, and without a slash at its end.
fn spelled(path: &Path) -> Cow<'_, OsStr> {
    // Thousands of paths are looked up, each too short for a search by words of the machine.
    let mut is_odd = false;
    let mut before = 0;
    for byte in path.as_os_str().as_bytes() {
        is_odd |= before == b'/' && matches!(byte, b'/' | b'.');
        before = *byte;
    }
    if is_odd || before == b'/' {
        Cow::Owned(path.components().collect::<PathBuf>().into_os_string())
    } else {
        Cow::Borrowed(path.as_os_str())
    }
}

/// The text of `bytes`, with U+FFFD for what is not UTF-8. Most files are UTF-8, which is found out faster than repaired.
#[must_use]
pub fn as_text(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// The files of `directories`, the strongest first, whose names end in `suffix` and do not begin with a dot, in the order
/// of the names. Of equal names, the one in the strongest directory hides the others.
#[must_use]
pub fn drop_ins(tree: &Tree, directories: &[&str], suffix: &str) -> Vec<PathBuf> {
    first_of_each_name(tree, directories, |name| name.ends_with(suffix.as_bytes()) && !name.starts_with(b"."))
}

/// The same, with the hidden files among them.
#[must_use]
pub fn drop_ins_and_hidden(tree: &Tree, directories: &[&str], suffix: &str) -> Vec<PathBuf> {
    first_of_each_name(tree, directories, |name| name.ends_with(suffix.as_bytes()))
}

/// The same as [`drop_ins`], but a link that the system cannot follow hides nothing.
#[must_use]
pub fn drop_ins_that_resolve(tree: &Tree, directories: &[&str], suffix: &str) -> Vec<PathBuf> {
    first_of_each(tree, directories, |name, entry| {
        name.ends_with(suffix.as_bytes()) && !name.starts_with(b".") && *entry != Entry::Endless
    })
}

/// The files of `directories`, the strongest first, whose names `counts` picks, in the order of the names.
///
/// Of equal names, the one in the strongest directory hides the others, whatever it is: an empty file, a directory, a
/// link that leads nowhere. Sources: systemd's `src/basic/conf-files.c`; `PreloadSystem` in procps' `src/sysctl.c`.
pub fn first_of_each_name(tree: &Tree, directories: &[&str], counts: impl Fn(&[u8]) -> bool) -> Vec<PathBuf> {
    first_of_each(tree, directories, |name, _| counts(name))
}

/// The same, where the entry decides as well whether a file counts and hides others.
pub fn first_of_each(tree: &Tree, directories: &[&str], counts: impl Fn(&[u8], &Entry) -> bool) -> Vec<PathBuf> {
    let mut by_name: BTreeMap<&OsStr, &Path> = BTreeMap::new();
    for directory in directories {
        for (name, path, entry) in tree.named_in(Path::new(directory)) {
            if counts(name.as_bytes(), entry) {
                by_name.entry(name).or_insert(path);
            }
        }
    }
    by_name.into_values().map(Path::to_owned).collect()
}

/// The first line of `file` for which `holds` is true. Comments are skipped.
pub fn line_where(tree: &Tree, file: &Path, holds: impl Fn(&str) -> bool) -> Option<Place> {
    let text = String::from_utf8_lossy(tree.bytes(file)?);
    // Only modules-load.d has `;` for comments. People put it elsewhere too, and every reader ignores such a line.
    let is_comment = |line: &str| line.starts_with(['#', ';']);
    let line = text.lines().map(str::trim).position(|line| !is_comment(line) && holds(line))?;
    Some(Place::new(file, line + 1))
}

impl FromIterator<(PathBuf, Entry)> for Tree {
    fn from_iter<I: IntoIterator<Item = (PathBuf, Entry)>>(entries: I) -> Self {
        let mut tree = Tree::default();
        for (path, entry) in entries {
            tree.insert(path, entry);
        }
        tree
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_spelling() {
        let paths = ["/etc/a/b", "/etc/a.d/c", "/etc/a-d", "/etc/a", "/etc/ab", "/x"];
        let tree: Tree = paths.into_iter().map(|path| (path.into(), Entry::Program)).collect();
        for path in ["/etc/a.d/c", "/etc//a.d/c", "/etc/./a.d/c", "//etc/a.d/c/", "/etc/a.d/c/."] {
            assert!(tree.get(path).is_some(), "{path}");
        }
        let listed =
            |directory| tree.in_directory(Path::new(directory)).map(|(path, _)| path.to_owned()).collect::<Vec<_>>();
        assert_eq!(listed("/etc/a/"), [Path::new("/etc/a/b")]);
        assert_eq!(listed("/etc"), ["/etc/a", "/etc/a-d", "/etc/ab"].map(PathBuf::from));
        assert_eq!(listed("/"), [Path::new("/x")]);
    }

    #[test]
    fn a_file_is_parsed_once_until_it_changes() {
        struct Length(usize);
        let calls = std::cell::Cell::new(0);
        let length = |tree: &Tree| {
            let length = tree.parsed("/etc/a", |bytes| {
                calls.set(calls.get() + 1);
                Length(bytes.len())
            });
            (length.0, calls.get())
        };
        let mut tree = Tree::default();
        tree.insert("/etc/a", Entry::File(b"12".to_vec()));
        tree.insert("/etc/b", Entry::Program);
        assert_eq!([length(&tree), length(&tree)], [(2, 1); 2]);
        // Another reader makes something else of it.
        assert_eq!(*tree.parsed("/etc/a", <[u8]>::to_vec), b"12");
        let mut copy = tree.clone();
        copy.write(Path::new("/etc/b"), Some(b"b"));
        assert_eq!(length(&copy), (2, 1));
        copy.write(Path::new("/etc/a"), Some(b"123"));
        assert_eq!([length(&copy), length(&tree)], [(3, 2), (2, 2)]);
        copy.remove("/etc/a");
        assert_eq!(length(&copy), (0, 3));
    }

    #[test]
    fn what_is_written_shows_through_its_own_links() {
        let file = |text: &str| Entry::File(text.into());
        let link = |target: &str, text: &str| Entry::Link { target: target.into(), bytes: text.into() };
        let entries = [
            ("/etc/a", file("a")),
            ("/etc/b", file("b")),
            ("/etc/to-a", link("/etc/a", "a")),
            ("/etc/to-b", link("/etc/b", "b")),
            ("/etc/to-c", link("/srv/c", "c")),
        ];
        let mut tree: Tree = entries.into_iter().map(|(path, entry)| (path.into(), entry)).collect();
        tree.write(Path::new("/etc/to-a"), Some(b"new"));
        assert_eq!([tree.bytes("/etc/a"), tree.bytes("/etc/to-a")], [Some(&b"new"[..]); 2]);
        assert_eq!([tree.bytes("/etc/b"), tree.bytes("/etc/to-b")], [Some(&b"b"[..]); 2]);
        tree.write(Path::new("/etc/a"), None);
        assert_eq!((tree.get("/etc/a"), tree.get("/etc/to-a")), (None, Some(&Entry::Dangling)));
        assert_eq!(tree.bytes("/etc/to-b"), Some(&b"b"[..]));
        tree.write(Path::new("/etc/to-c"), Some(b"new"));
        assert_eq!((tree.get("/srv/c"), tree.bytes("/etc/to-c")), (None, Some(&b"new"[..])));
    }
}
