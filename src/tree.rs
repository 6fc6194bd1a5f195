//! Defines the persistent files of a machine as data, so that everything that decides about them is pure.
//!
//! A [`Tree`] holds what `host::observe` found under the directories that a boot reads. It knows nothing of sysctl
//! syntax or of loaders: those are [`crate::sysctl_d`] and [`crate::boot`].

mod read;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::ops::Bound;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use memchr::memchr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use read::{Picked, Read};

/// A line of a file: the place of an assignment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The path as the loader names it, inside the root.
    // All lines of a file share it: there may be very many.
    #[serde(serialize_with = "lossy", deserialize_with = "shared")]
    #[cfg_attr(test, schemars(with = "PathBuf"))]
    pub file: Arc<Path>,
    /// The line, counted from 1.
    pub line: usize,
}

impl Place {
    /// The line with this number in `file`.
    #[must_use]
    pub fn new(file: impl AsRef<Path>, line: usize) -> Place {
        Place::within(file)(line)
    }

    /// The lines of `file` by their numbers.
    pub fn within(file: impl AsRef<Path>) -> impl Fn(usize) -> Place {
        let file: Arc<Path> = file.as_ref().into();
        move |line| Place { file: file.clone(), line }
    }
}

/// Serializes a path. Bytes that are not UTF-8 are replaced: JSON has no form for them, and a report must not fail
/// because of them.
pub fn lossy<S: Serializer>(path: &impl AsRef<Path>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&as_text(path.as_ref().as_os_str().as_bytes()))
}

/// Reads a path that several places share.
fn shared<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Path>, D::Error> {
    PathBuf::deserialize(deserializer).map(Arc::from)
}

/// Serializes a path, or null, as [`lossy`] does.
pub fn lossy_optional<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_ref().map(|path| path.to_string_lossy()).serialize(serializer)
}

/// Serializes several paths, each as [`lossy`] does.
pub fn lossy_each<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(paths.iter().map(|path| path.to_string_lossy()))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

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

/// The files of a machine that a boot reads, by absolute path inside the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// The entries, by their paths as [`spelled`] has them: these are compared byte by byte, and not part by part. A copy of
    /// the tree shares them.
    entries: BTreeMap<OsString, Rc<Entry>>,
    /// When files and directories were changed last, as far as a [`Read::Moments`] asked for it.
    moments: BTreeMap<PathBuf, Moment>,
}

impl Tree {
    /// The entry at `path`, if there is one.
    #[must_use]
    pub fn get(&self, path: impl AsRef<Path>) -> Option<&Entry> {
        self.entries.get(&*spelled(path.as_ref())).map(Rc::as_ref)
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
        for entry in self.entries.values_mut() {
            if !matches!(&**entry, Entry::Link { target, .. } if *target == real) {
                continue;
            }
            *entry = Rc::new(match bytes {
                Some(new) => Entry::Link { target: real.clone(), bytes: new.to_vec() },
                None => Entry::Dangling,
            });
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
        self.entries.insert(spelled(&path).into_owned(), Rc::new(entry));
    }

    /// Removes the entry at `path`.
    pub fn remove(&mut self, path: impl AsRef<Path>) {
        self.entries.remove(&*spelled(path.as_ref()));
    }

    /// All entries, in the order of the paths.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &Entry)> {
        self.entries.iter().map(|(path, entry)| (Path::new(path), &**entry))
    }

    /// The paths whose entries are not those of `other`, in order. A tree and its edited copy share all other entries.
    #[must_use]
    pub fn differences<'a>(&'a self, other: &'a Tree) -> Vec<&'a Path> {
        let (mut own, mut others) = (self.entries.iter().peekable(), other.entries.iter().peekable());
        let mut paths = Vec::new();
        loop {
            let order = match (own.peek(), others.peek()) {
                (Some((one, _)), Some((another, _))) => one.cmp(another),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return paths,
            };
            let before = if order.is_le() { own.next() } else { None };
            let after = if order.is_ge() { others.next() } else { None };
            if !before.zip(after).is_some_and(|((_, one), (_, another))| Rc::ptr_eq(one, another)) {
                paths.extend(before.or(after).map(|(path, _)| Path::new(path)));
            }
        }
    }

    /// Parts what the next boot finds from what stands in /run now, which is empty then. A link that leads there leads
    /// nowhere at the next boot. What says which programs run now, and the credentials that the machine is given, stay.
    #[must_use]
    pub fn parted_from_run(self) -> (Tree, Tree) {
        let is_in_run =
            |path: &Path| path.starts_with("/run") && !path.to_string_lossy().starts_with("/run/credentials/@");
        let (mut lasting, mut fleeting) = (Tree { moments: self.moments, ..Tree::default() }, Tree::default());
        for (path, entry) in self.entries {
            let path = PathBuf::from(path);
            let entry = Rc::unwrap_or_clone(entry);
            match &entry {
                Entry::Link { target, bytes } if !is_in_run(&path) && is_in_run(target) && !bytes.is_empty() => {
                    lasting.insert(path.clone(), Entry::Dangling);
                    fleeting.insert(path, entry);
                }
                Entry::Program => lasting.insert(path, entry),
                _ if is_in_run(&path) => fleeting.insert(path, entry),
                _ => lasting.insert(path, entry),
            }
        }
        (lasting, fleeting)
    }

    /// The entries directly in `directory`, in the order of the names.
    pub fn in_directory<'a>(&'a self, directory: &Path) -> impl Iterator<Item = (&'a Path, &'a Entry)> + use<'a> {
        self.named_in(directory).map(|(_, path, entry)| (path, entry))
    }

    /// The same, each with its name before it.
    fn named_in<'a>(&'a self, directory: &Path) -> impl Iterator<Item = (&'a OsStr, &'a Path, &'a Entry)> + use<'a> {
        self.named_from(directory, b"")
    }

    /// The names in a directory that begin with these bytes, and their paths.
    pub fn beginning_with<'a>(
        &'a self,
        directory: &'a Path,
        beginning: &'a [u8],
    ) -> impl Iterator<Item = (&'a OsStr, &'a Path)> {
        let names = self.named_from(directory, beginning).map(|(name, path, _)| (name, path));
        names.take_while(move |(name, _)| name.as_bytes().starts_with(beginning))
    }

    /// The names in a directory from `first` on.
    fn named_from<'a>(
        &'a self,
        directory: &Path,
        first: &[u8],
    ) -> impl Iterator<Item = (&'a OsStr, &'a Path, &'a Entry)> + use<'a> {
        // All paths that begin with the directory and a slash are adjacent.
        let directory = spelled(directory);
        let mut from = Vec::with_capacity(directory.len() + 1 + first.len());
        from.extend_from_slice(directory.as_bytes());
        if *directory != *"/" {
            from.push(b'/');
        }
        let length = from.len();
        from.extend_from_slice(first);
        let bound = OsStr::from_bytes(&from);
        // The directory itself is not in it.
        let bound = if first.is_empty() { Bound::Excluded(bound) } else { Bound::Included(bound) };
        let below = self.entries.range::<OsStr, _>((bound, Bound::Unbounded));
        let within =
            below.map_while(move |(path, entry)| Some((path, path.as_bytes().strip_prefix(&from[..length])?, entry)));
        let direct = within.filter(|(_, rest, _)| memchr(b'/', rest).is_none());
        direct.map(|(path, name, entry)| (OsStr::from_bytes(name), Path::new(path), &**entry))
    }
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
