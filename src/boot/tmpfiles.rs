//! Plays the lines of tmpfiles.d(5) that write sysctls, or change files that a boot reads.
//!
//! systemd-tmpfiles-setup.service and systemd-sysctl.service both run before sysinit.target, in no order. Source: systemd's
//! src/tmpfiles/tmpfiles.c; systemd-tmpfiles itself is the judge (`tests/tmpfiles.rs`). What /run/tmpfiles.d has now does not
//! count, because /run is empty at the next boot.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::formats::tmpfiles::{self, Argument, Line};
use crate::kernel::catalog::{BUCKETS, Key};
use crate::kernel::modules::HASHSIZE;
use crate::order::{InOrder, sorted_by};
use crate::sysctl_d::fnmatch;
use crate::sysctl_d::paths::SYSCTL_CONF;
use crate::tree::{Entry, Place, Read, Tree, drop_ins};

/// The directories of tmpfiles.d, the strongest first.
pub(super) const DIRECTORIES: [&str; 4] =
    ["/etc/tmpfiles.d", "/usr/local/lib/tmpfiles.d", "/usr/lib/tmpfiles.d", "/lib/tmpfiles.d"];

/// The credential whose lines follow those of the files (systemd-tmpfiles(8)): as the machine is given it, and in the stores of
/// credentials.
const CREDENTIALS: [&str; 4] = [
    "/run/credentials/@system/tmpfiles.extra",
    "/etc/credstore/tmpfiles.extra",
    "/usr/local/lib/credstore/tmpfiles.extra",
    "/usr/lib/credstore/tmpfiles.extra",
];

/// The words of which each line that matters here has one.
const WORDS: &[&str] = &["/proc/sys", "nf_conntrack", "sysctl", "modules-load.d", "modprobe.d", "rules.d"];

/// The ends of the names of the directories whose files a boot reads.
const BOOT_READS: [&str; 4] = ["sysctl.d", "modules-load.d", "modprobe.d", "rules.d"];

/// The most lines that are played through: a boot is played for each that changes a file.
const MOST_LINES: usize = 64;

/// The actions that follow patterns, all after the others.
const FOLLOWS_PATTERNS: &str = "aAehHrRtTwxXzZ";

/// The actions that own their path: two of them get in each other's way, unless owner and argument are the same.
const OWNS: &str = "bcCdDefFLpqQrRvwxX";

/// A line with its place.
struct Placed {
    place: Place,
    line: Line,
}

/// One write to a sysctl.
pub(super) struct Write {
    /// The line.
    pub(super) place: Place,
    /// The key.
    pub(super) key: Key,
    /// The text. None: only the machine has it.
    pub(super) text: Option<String>,
}

/// A line that changes files.
pub(super) struct Change {
    /// The line.
    pub(super) place: Place,
    /// The files after it. None: nobody can tell what it puts in them.
    pub(super) tree: Option<Tree>,
}

/// The reads on which the lines depend, given those that have been read.
pub(super) fn reads(tree: &Tree) -> Vec<Read> {
    let mentions = DIRECTORIES.map(|path| Read::mentions(path, ".conf", WORDS));
    // A file of the same name in a stronger directory hides another one, whatever it has in it.
    let found = DIRECTORIES.iter().flat_map(|directory| tree.in_directory(Path::new(directory)));
    let names: BTreeSet<_> = found.filter_map(|(path, _)| path.file_name()).into_set();
    let hiding = names.iter().flat_map(|name| DIRECTORIES.iter().map(move |directory| Path::new(directory).join(name)));
    let sources = lines(tree).into_iter().filter_map(|placed| source(&placed.line));
    let credentials = CREDENTIALS.map(|path| Read::mentions(path, "", WORDS));
    mentions.into_iter().chain(credentials).chain(hiding.map(Read::File)).chain(sources.map(Read::File)).collect()
}

/// The file of which the line makes a copy, or to which it makes a link.
fn source(line: &Line) -> Option<PathBuf> {
    match &line.argument {
        _ if !"CL".contains(line.action) || !may_change(line) => None,
        Argument::Text(source) if source.starts_with('/') => Some(source.into()),
        Argument::Missing => Some(Path::new("/usr/share/factory").join(line.path.trim_start_matches('/'))),
        _ => None,
    }
}

/// Whether a line may put a file at a path that a boot reads: by a copy of a directory too.
fn may_change(line: &Line) -> bool {
    let path = Path::new(&line.path);
    is_read_at_boot(path) || (line.action == 'C' && is_directory_of_boot(path))
}

/// The files that count, in the order of their names.
pub(super) fn files(tree: &Tree) -> Vec<PathBuf> {
    let credential = CREDENTIALS.iter().map(PathBuf::from).find(|path| tree.get(path).is_some());
    drop_ins(tree, &DIRECTORIES, ".conf").into_iter().chain(credential).collect()
}

/// The lines that count, in the order in which they are carried out.
fn lines(tree: &Tree) -> Vec<Placed> {
    let mut kept: Vec<Placed> = Vec::new();
    for file in files(tree) {
        let place = Place::within(&file);
        for line in tmpfiles::parse(tree.bytes(&file).unwrap_or_default()) {
            if !kept.iter().any(|earlier| displaces(&earlier.line, &line)) && kept.len() < MOST_LINES {
                kept.push(Placed { place: place(line.number), line });
            }
        }
    }
    // The lines about one path are carried out together, at the place of the first one: those that own it before the others.
    let order = |placed: &Placed| {
        let action = placed.line.action;
        let first = kept.iter().position(|first| is_together(&first.line, &placed.line));
        (FOLLOWS_PATTERNS.contains(action), first, !OWNS.contains(action), action)
    };
    let order: Vec<_> = kept.iter().map(order).collect();
    let ordered = sorted_by(order.into_iter().zip(kept).collect(), |(one, _), (other, _)| one.cmp(other));
    ordered.into_iter().map(|(_, placed)| placed).collect()
}

/// Whether two lines are about one path, and are carried out together.
fn is_together(one: &Line, other: &Line) -> bool {
    one.path == other.path && FOLLOWS_PATTERNS.contains(one.action) == FOLLOWS_PATTERNS.contains(other.action)
}

/// Whether systemd-tmpfiles ignores `line` because of an `earlier` one.
fn displaces(earlier: &Line, line: &Line) -> bool {
    let is_append = |line: &Line| line.action == 'w' && line.has_plus;
    let is_same = || earlier.owner == line.owner && earlier.argument == line.argument;
    is_together(earlier, line)
        && !is_same()
        && [earlier, line].iter().all(|line| OWNS.contains(line.action))
        && !(is_append(earlier) && is_append(line))
}

/// The writes to a kernel that has `keys`, in order.
pub(super) fn writes(tree: &Tree, keys: &BTreeSet<Key>) -> Vec<Write> {
    let of_line = |Placed { place, line }: Placed| {
        let text = match (line.action, &line.argument) {
            ('f', _) if !line.has_plus => None,
            ('f' | 'F' | 'w', Argument::Text(_)) if line.is_open => Some(None),
            ('f' | 'F' | 'w', Argument::Text(text)) => Some(Some(text.clone())),
            ('f' | 'F' | 'w', Argument::Unknown) => Some(None),
            _ => None,
        };
        let is_pattern = line.action == 'w' || line.is_open;
        let named = |path: &str| if is_pattern { is_match(&line.path, path) } else { line.path == path };
        let sysctls = keys.iter().filter(|key| named(&format!("/proc/sys/{}", key.path()))).cloned();
        let found: Vec<Key> = sysctls.chain(named(HASHSIZE).then(|| Key::from(BUCKETS))).collect();
        let written =
            text.into_iter().flat_map(move |text| found.clone().into_iter().map(move |key| (key, text.clone())));
        written.map(move |(key, text)| Write { place: place.clone(), key, text })
    };
    lines(tree).into_iter().flat_map(of_line).collect()
}

/// The lines that change files which a boot reads, each by itself.
pub(super) fn changes(tree: &Tree) -> Vec<Change> {
    let change = |Placed { place, line }: Placed| {
        let paths = changed_paths(tree, &line);
        if paths.is_empty() {
            return None;
        }
        let mut after = Some(tree.clone());
        for path in paths {
            match (&mut after, content(tree, &line, &path)) {
                (Some(tree), Some(Content::Bytes(bytes))) => tree.write(&path, Some(&bytes)),
                (Some(tree), Some(Content::Nothing)) => tree.remove(&path),
                (Some(tree), Some(Content::Mask)) => tree.insert(path, Entry::Null),
                _ => after = None,
            }
        }
        Some(Change { place, tree: after.map(without_lines) })
    };
    lines(tree).into_iter().filter_map(change).collect()
}

/// `tree` without the files of tmpfiles.d, which have been carried out.
fn without_lines(mut tree: Tree) -> Tree {
    let files = DIRECTORIES.iter().flat_map(|directory| tree.in_directory(Path::new(directory)));
    let files: Vec<PathBuf> = files.map(|(path, _)| path.to_owned()).collect();
    for file in files {
        tree.remove(file);
    }
    tree
}

/// The paths at which a line changes a file that a boot reads.
fn changed_paths(tree: &Tree, line: &Line) -> Vec<PathBuf> {
    let path = PathBuf::from(&line.path);
    let is_there = tree.get(&path).is_some() && !line.is_open;
    match line.action {
        // Files are added to a directory that is there, or none if it has some.
        'C' if is_directory_of_boot(&path) => {
            let has_files = tree.in_directory(&path).next().is_some();
            let is_copied = source(line).is_some_and(|source| tree.get(source).is_some());
            if is_copied && (line.has_plus || !has_files) { vec![path] } else { Vec::new() }
        }
        'f' | 'L' | 'C' if is_there && !line.has_plus => Vec::new(),
        'f' | 'F' | 'L' | 'C' => {
            if is_read_at_boot(&path) {
                vec![path]
            } else {
                Vec::new()
            }
        }
        'w' | 'r' | 'R' | 'D' => {
            let is_named = |path: &Path| {
                if line.action == 'D' {
                    // At boot it removes all that is in the directory.
                    return path.ancestors().skip(1).any(|directory| directory == Path::new(&line.path));
                }
                let mut named = path.ancestors().take(if line.action == 'R' { 2 } else { 1 });
                named.any(|path| is_match(&line.path, &path.to_string_lossy()))
            };
            let files = tree.iter().map(|(path, _)| path).filter(|path| is_read_at_boot(path) && is_named(path));
            files.map(Path::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// What a line leaves at a path.
enum Content {
    Bytes(Vec<u8>),
    Nothing,
    Mask,
}

/// What a line leaves at `path`. None: nobody can tell.
fn content(tree: &Tree, line: &Line, path: &Path) -> Option<Content> {
    let argument = match &line.argument {
        Argument::Text(text) => text.as_str(),
        Argument::Missing => "",
        Argument::Unknown => return None,
    };
    match line.action {
        _ if line.is_open => None,
        'r' | 'R' | 'D' => Some(Content::Nothing),
        'L' if argument == "/dev/null" => Some(Content::Mask),
        'L' | 'C' => Some(Content::Bytes(tree.bytes(source(line)?)?.to_vec())),
        'w' if line.has_plus => Some(Content::Bytes([tree.bytes(path)?, argument.as_bytes()].concat())),
        _ => Some(Content::Bytes(argument.as_bytes().to_vec())),
    }
}

fn is_read_at_boot(path: &Path) -> bool {
    path.parent().is_some_and(is_directory_of_boot) || path == Path::new(SYSCTL_CONF)
}

fn is_directory_of_boot(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    BOOT_READS.iter().any(|own| name == *own)
}

/// Whether the path matches the pattern, part by part, as glob(3) has it.
fn is_match(pattern: &str, path: &str) -> bool {
    let (patterns, parts): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    patterns.len() == parts.len() && patterns.iter().zip(&parts).all(|(pattern, part)| fnmatch(pattern, part))
}
