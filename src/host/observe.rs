//! Observes a machine: every read of a run that a decision rests on, and nothing else.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use memchr::memmem::Finder;
use rustix::fs::{Mode, OFlags, StatVfsMountFlags, openat};

use super::container;
use super::directory::each_name;
use super::root::{Root, of_kernel};
use super::staged::is_staged;
use super::walk::Resolved;
use super::weight::LARGEST_TOGETHER;
use super::{extension, failure_kind};
use crate::boot::{self, Etc, Waiting};
use crate::failure::{Failure, Kind};
use crate::kernel::catalog::Key;
use crate::kernel::modules::HASHSIZE;
use crate::kernel::pages::{self, Pages};
use crate::kernel::release::Release;
use crate::order::InOrder;
use crate::plan::copied;
use crate::request::DEFAULT_FILE;
use crate::snapshot::{self, Leftover, LiveKernel, LiveValue, Module, OtherRoot, Snapshot};
use crate::sysctl_d::paths::SYSCTL_CONF;
use crate::tree::{Entry, Read, Tree};

/// The directories of conntrack keys below `/proc/sys`, as the prefixes of dotted names.
const LIVE_DIRECTORIES: [&str; 4] = ["net.netfilter", "net", "net.ipv4.netfilter", "net.ipv4"];

/// The machine as it is now, or the image at `root`.
pub fn observe(root: &Root) -> Result<Snapshot, Failure> {
    observe_with(root, &[])
}

/// The same, with the files beside those that a boot reads.
pub fn observe_around(root: &Root) -> Result<Snapshot, Failure> {
    observe_with(root, &boot::reads_beside())
}

fn observe_with(root: &Root, further: &[Read]) -> Result<Snapshot, Failure> {
    let root = &root.remembering();
    let live = root.is_machine().then(|| live(root));
    let module = match &live {
        Some(live) => machine_module(&live.sysctls),
        None => image_module(root),
    };
    let tree = tree(&Files { root, etc: ETC }, module, further)?;
    let other_roots = other_roots(root, &tree, module);
    let of_extensions = extension::files(root, &tree);
    let (tree, fleeting) = tree.parted_from_run();
    let (leftovers, copies) = beside(root, &tree);
    Ok(Snapshot {
        other_roots,
        of_extensions,
        module,
        live,
        leftovers,
        copies,
        tree,
        fleeting,
        time: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis()),
        pages: pages(),
    })
}

fn live(root: &Root) -> LiveKernel {
    LiveKernel {
        sysctls: sysctls(),
        release: release(),
        read_only: rustix::fs::statvfs("/proc/sys/net").is_ok_and(|fs| fs.f_flag.contains(StatVfsMountFlags::RDONLY)),
        has_hashsize: Path::new(HASHSIZE).exists(),
        is_foreign: container::is_foreign(),
        container: root.container().cloned(),
    }
}

/// The live connection tracking sysctls.
fn sysctls() -> BTreeMap<Key, LiveValue> {
    let word = Finder::new("conntrack");
    let has_word = |name: &[u8]| word.find(name).is_some();
    let mut sysctls = BTreeMap::new();
    for prefix in LIVE_DIRECTORIES {
        let path = PathBuf::from("/proc/sys").join(prefix.replace('.', "/"));
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Ok(directory) = rustix::fs::open(path, flags, Mode::empty()) else { continue };
        // What has been listed before an error counts.
        let _ = each_name(&directory, |name, _| {
            // The directory of IPv4 has a hundred others.
            if !has_word(name.as_bytes()) {
                return;
            }
            let key = Key::new([prefix, ".", &name.to_string_lossy()].concat());
            if key.name().is_some() {
                // A key that disappears during this loop, because the module is unloaded, counts as absent.
                sysctls.extend(live_value(&directory, name).ok().map(|live| (key, live)));
            }
        });
    }
    sysctls
}

/// The sysctl `name` in a directory below `/proc/sys`.
fn live_value(directory: &OwnedFd, name: &OsStr) -> io::Result<LiveValue> {
    let file = openat(directory, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let writable = rustix::fs::fstat(&file)?.st_mode & 0o200 != 0;
    // The kernel gives the whole text at once: a number.
    let mut text = [0; 256];
    let length = rustix::io::read(&file, &mut text)?;
    Ok(LiveValue { text: String::from_utf8_lossy(&text[..length]).trim_end().to_owned(), writable })
}

fn machine_module(sysctls: &BTreeMap<Key, LiveValue>) -> Module {
    let modules = of_kernel(Path::new("/proc/modules")).unwrap_or_default();
    let names = modules.split(|byte| *byte == b'\n').filter_map(|line| line.split(|byte| *byte == b' ').next());
    let is_listed = |name: &str| names.clone().any(|it| it == name.as_bytes());
    if is_listed("nf_conntrack") || is_listed("ip_conntrack") {
        Module::Loaded
    } else if snapshot::has_conntrack(sysctls.keys()) {
        Module::BuiltIn
    } else {
        Module::Absent
    }
}

/// Connection tracking counts as built in if every kernel of the image has it built in.
fn image_module(root: &Root) -> Module {
    let mut kernels = ["/usr/lib/modules", "/lib/modules"].into_iter().find_map(|directory| {
        let kernels = root.entries(Path::new(directory), |_| true).ok()?;
        (!kernels.is_empty()).then_some(kernels)
    });
    let is_built_in = |path: &Path| {
        let list = root.lines_of_index(&path.join("modules.builtin"), &["/nf_conntrack.ko".to_owned()]);
        list.is_some_and(|lines| !lines.is_empty())
    };
    match kernels.take() {
        Some(kernels) if kernels.iter().all(|(path, _)| is_built_in(path)) => Module::BuiltIn,
        _ => Module::Absent,
    }
}

/// The pages of the running kernel.
#[must_use]
pub fn pages() -> Pages {
    const OWN_POINTER: u64 = size_of::<usize>() as u64;
    // A program of 32 bits may run on a kernel of 64 bits.
    let of_kernel = (OWN_POINTER < 8).then(|| pages::pointer_of(&start_of(Path::new("/proc/kallsyms")))).flatten();
    Pages::running(rustix::param::page_size() as u64, of_kernel.unwrap_or(OWN_POINTER))
}

/// The first bytes of a file of the kernel.
fn start_of(path: &Path) -> Vec<u8> {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(32).read_to_end(&mut start));
    read.map_or_else(|_| Vec::new(), |_| start)
}

fn release() -> Option<Release> {
    Release::parse(&String::from_utf8(of_kernel(Path::new("/proc/sys/kernel/osrelease")).ok()?).ok()?)
}

/// The files below a root, with the directory that stands for its /etc.
struct Files<'a> {
    root: &'a Root,
    etc: &'static str,
}

const ETC: &str = "/etc";

/// The directory in which a deployment of ostree has the defaults of its /etc.
const DEFAULTS: &str = "/usr/etc";

impl Files<'_> {
    /// The entries at the paths that `read` names.
    fn found(&self, read: &Read) -> Result<Vec<(PathBuf, Entry)>, Failure> {
        if self.etc == ETC {
            return found(self.root, read);
        }
        let found = found(self.root, &read.clone().map_path(|path| moved(&path, ETC, self.etc)))?;
        Ok(found.into_iter().map(|(path, entry)| self.named(&path, entry)).collect())
    }

    /// The path by which a boot calls the file at `path`, and its entry, with the same of the end of its links.
    fn named(&self, path: &Path, entry: Entry) -> (PathBuf, Entry) {
        let entry = match entry {
            Entry::Link { target, bytes } => Entry::Link { target: moved(&target, self.etc, ETC), bytes },
            entry => entry,
        };
        (moved(path, self.etc, ETC), entry)
    }
}

/// `path`, with the directory `to` in the place of `from`.
fn moved(path: &Path, from: &str, to: &str) -> PathBuf {
    path.strip_prefix(from).map_or_else(|_| path.to_owned(), |below| Path::new(to).join(below))
}

/// The other roots that the next boot may use.
fn other_roots(root: &Root, tree: &Tree, module: Module) -> Vec<OtherRoot> {
    boot::waiting(tree).into_iter().map(|waiting| other_root(root, waiting, module)).collect()
}

fn other_root(root: &Root, waiting: Waiting, module: Module) -> OtherRoot {
    let Waiting { path, etc } = waiting;
    let unread = OtherRoot { path: path.clone(), files: None, defaults: None, module };
    let Some(other) = root.directory_outside(&path).and_then(|path| Root::open(&path).ok()) else { return unread };
    let (etc, defaults) = match etc {
        Etc::Own => (ETC, None),
        Etc::Merged => (DEFAULTS, Some(tree(&Files { root, etc: DEFAULTS }, module, &[]))),
    };
    let module = image_module(&other);
    match (tree(&Files { root: &other, etc }, module, &[]), defaults.transpose()) {
        (Ok(files), Ok(defaults)) => OtherRoot { path, files: Some(files), defaults, module },
        _ => unread,
    }
}

/// The different reads of most machines, and the most for which a set needs no more room than for 512.
const READS: usize = 448;

/// The persistent files that a boot reads.
fn tree(files: &Files, module: Module, further: &[Read]) -> Result<Tree, Failure> {
    let mut reading = Reading { files, tree: Tree::default(), done: HashSet::with_capacity(READS) };
    for source in boot::SOURCES {
        // A file may name others, and these may name others again.
        let mut before = Vec::new();
        loop {
            let reads = source(&reading.tree, module);
            if !reading.perform(&reads, &before)? {
                break;
            }
            before = reads;
        }
    }
    reading.perform(further, &[])?;
    if let Some(path) = files.root.first_beyond() {
        let most = LARGEST_TOGETHER >> 20;
        let message = format!(
            "with `{}`, the files that a boot reads have more than {most} MiB together; each line counts for more than its bytes",
            path.display()
        );
        return Err(Failure::new(Kind::BootUnknown, message).hint("remove what no program needs from its directory"));
    }
    debug_assert!(
        boot::SOURCES.iter().flat_map(|source| source(&reading.tree, module)).all(|read| reading.done.contains(&read)),
        "a part of the boot depends on one that comes after it"
    );
    Ok(reading.tree)
}

/// The reads while a tree grows.
struct Reading<'a> {
    files: &'a Files<'a>,
    tree: Tree,
    done: HashSet<Read>,
}

impl Reading<'_> {
    /// Performs those of `reads` that have not been done, and tells whether the tree has changed.
    ///
    /// A part lists again what it has listed `before`, with more reads between.
    fn perform(&mut self, reads: &[Read], before: &[Read]) -> Result<bool, Failure> {
        let mut has_changed = false;
        let mut before = before.iter().peekable();
        for read in reads {
            if before.next_if_eq(&read).is_none() && self.done.insert(read.clone()) {
                has_changed |= self.add(read)?;
            }
        }
        Ok(has_changed)
    }

    /// Adds what `read` finds to the tree, and tells whether that has changed.
    fn add(&mut self, read: &Read) -> Result<bool, Failure> {
        if let Read::Moments(path) = read {
            let root = self.files.root;
            let moments = if is_second_name(root, path) { Vec::new() } else { root.moments(path) };
            let has_some = !moments.is_empty();
            for (path, moment) in moments {
                self.tree.record_moment(path, moment);
            }
            return Ok(has_some);
        }
        // The first read of a path counts.
        if read.file().is_some_and(|path| self.tree.get(path).is_some()) {
            return Ok(false);
        }
        let mut has_changed = false;
        for (path, entry) in self.files.found(read)? {
            let entry = match (self.tree.get(&path), entry) {
                // A name may be that of a link which leads nowhere, as the read of its end has found.
                (None, _) if matches!(read, Read::Names(_)) && self.done.contains(&Read::Presence(path.clone())) => {
                    continue;
                }
                (None, entry) => entry,
                // The next read of an index has more words.
                (Some(before), entry) if matches!(read, Read::Lines { .. }) && *before != entry => entry,
                // Of a name in a listing nothing else was known.
                (Some(Entry::Program), entry) if matches!(read, Read::Mentions { .. }) => entry,
                // The first read of a path counts, because a file may name any path, that of a program too.
                _ => continue,
            };
            self.tree.insert(path, entry);
            has_changed = true;
        }
        Ok(has_changed)
    }
}

/// The entries at the paths that `read` names.
fn found(root: &Root, read: &Read) -> Result<Vec<(PathBuf, Entry)>, Failure> {
    let (path, entry) = match read {
        Read::Directory { path, .. } | Read::Names(path) | Read::Mentions { path, .. }
            if is_second_name(root, path) =>
        {
            return Ok(Vec::new());
        }
        Read::Names(path) => return Ok(root.present(path)),
        Read::Directory { path, suffix } => {
            let picks = |name: &OsStr| name.as_bytes().ends_with(suffix.as_bytes());
            let (real, mut entries) = root.listing(path, picks).map_err(|error| unreadable(path, &error))?;
            if real != *path {
                entries.push((path.clone(), Entry::Link { target: real, bytes: Vec::new() }));
            }
            return Ok(entries);
        }
        Read::IfListed { path, suffix } => {
            let read = Read::Directory { path: path.clone(), suffix };
            return Ok(found(root, &read).unwrap_or_default());
        }
        Read::File(path) => (path, root.entry(path)),
        Read::Candidate(path) => (path, root.candidate(path)),
        Read::Presence(path) => (path, root.exists(path).then_some(Entry::Program)),
        Read::Target(path) => {
            let end = root.find(path).ok().filter(Resolved::exists);
            (path, end.map(|resolved| Entry::Link { target: resolved.path, bytes: Vec::new() }))
        }
        Read::Moments(_) => return Ok(Vec::new()),
        Read::IsEtc(path) => {
            let number = |path: &Path| root.find(path).ok()?.stat().map(|stat| (stat.st_dev, stat.st_ino));
            let is_etc = |it| if Some(it) == number(Path::new(ETC)) { Entry::Program } else { Entry::Directory };
            (path, number(path).map(is_etc))
        }
        Read::OfKernel(path) => {
            let bytes = if root.is_machine() { of_kernel(path).ok() } else { None };
            (path, bytes.map(Entry::File))
        }
        Read::Mentions { path, suffix, files, words, names } => {
            let words: Vec<&str> = words.iter().copied().chain(names.iter().map(String::as_str)).collect();
            return Ok(root.mentions(path, suffix, *files, &words));
        }
        Read::FirstLines { path, starts } => (path, root.first_lines(path, starts).map(Entry::File)),
        Read::Lines { path, words } => (path, root.lines_of_index(path, words).map(Entry::File)),
    };
    Ok(entry.into_iter().map(|entry| (path.clone(), entry)).collect())
}

/// Whether another read has the directory at `path`: if /lib is a link to /usr/lib, every file would be in the tree
/// twice.
fn is_second_name(root: &Root, path: &Path) -> bool {
    path.starts_with("/lib") && root.is_linked("/lib")
}

/// The staged files in the directories that a run may write to, and the copies that runs have kept there.
fn beside(root: &Root, tree: &Tree) -> (Vec<Leftover>, Vec<PathBuf>) {
    let own = [DEFAULT_FILE, boot::HASHSIZE_FILE, SYSCTL_CONF].map(Path::new).into_iter();
    let read = tree.iter().map(|(path, _)| tree.real(path));
    // A set of paths would compare them part by part.
    let directories: BTreeSet<&OsStr> = read
        .chain(own)
        .chain(boot::module_files())
        .filter(|path| path.as_os_str().as_bytes().starts_with(b"/etc/"))
        .filter_map(|path| path.parent().map(Path::as_os_str))
        .into_set();
    let (mut leftovers, mut copies) = (Vec::new(), Vec::new());
    // A directory that cannot be listed cannot be written to either.
    for directory in directories.into_iter().map(Path::new) {
        let Ok(found) = root.names(directory, |name| is_staged(name) || copied(name).is_some()) else { continue };
        for (name, is_plain) in found {
            let path = directory.join(&name);
            if is_staged(&name) {
                let obstacle = if is_plain { root.bar(directory) } else { Some("it is not a regular file".to_owned()) };
                leftovers.push(Leftover { path, obstacle });
            } else if is_plain {
                copies.push(path);
            }
        }
    }
    (leftovers, copies)
}

fn unreadable(directory: &Path, error: &io::Error) -> Failure {
    Failure::new(failure_kind(error), format!("`{}` cannot be read: {error}", directory.display()))
        .hint("run as root: the program must read every file that the boot reads")
}
