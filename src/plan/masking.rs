//! Decides what becomes of the lines of a file that a new file of ours would hide.
//!
//! A file in a directory of /etc hides the file of the same name in the directories of packages. Whatever the hidden file
//! says about other things would be lost at the next boot. So either the new file is refused, or it takes these lines over, in a
//! block that says where they come from. The block also tells a later run that the file hides another one on purpose of
//! this program.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::boot::System;
use crate::failure::{Failure, Kind};
use crate::kernel::catalog::Name;
use crate::order::InOrder;
use crate::request::Desired;
use crate::sysctl_d::{self, DIALECTS, Document, paths};
use crate::tree::{Entry, Tree};

/// The directories of packages beside one in /etc, the strongest first.
const OF_PACKAGES: [&str; 3] = ["/usr/local/lib", "/usr/lib", "/lib"];

/// The most lost lines that a failure names, and the most characters of each.
const MOST: usize = 20;
const MOST_CHARACTERS: usize = 120;

/// The beginning of the first line of a block. The path of the hidden file follows.
const HEAD: &str = "# conntrack-sysctl: this file hides ";

/// The end of the first line, if lines of the hidden file follow.
const FOLLOW: &str = ", of which these lines are:";

/// The last line of a block with lines.
const TAIL: &str = "# conntrack-sysctl: end of these lines";

/// A file of a package that a file of ours hides.
#[derive(Debug)]
pub(super) struct Hidden {
    path: PathBuf,
    /// The lines that would be lost, by the positions at which they begin.
    lines: BTreeMap<usize, Line>,
    /// Whether the file cannot be read, so that its lines are not known.
    is_unreadable: bool,
}

/// A line of a hidden file.
#[derive(Debug)]
struct Line {
    number: usize,
    bytes: Vec<u8>,
    /// The setting that it assigns, if it is about connection tracking.
    name: Option<Name>,
}

/// The file that one at `path` hides, or would hide, with its lines that `desired` does not decide.
pub(super) fn hidden(path: &Path, desired: &Desired, tree: &Tree, systems: &[&System]) -> Option<Hidden> {
    let below_etc = path.strip_prefix("/etc").ok()?;
    // A file directly in /etc hides nothing.
    below_etc.parent().filter(|parent| !parent.as_os_str().is_empty())?;
    let mut candidates = OF_PACKAGES.iter().map(|directory| Path::new(directory).join(below_etc));
    let hidden = candidates.find(|path| tree.get(path).is_some())?;
    let (lines, is_unreadable) = match tree.get(&hidden)? {
        Entry::File(_) | Entry::Link { .. } if paths::is_of_loader(path) => {
            (assignments(path, &hidden, desired, tree, systems)?, false)
        }
        Entry::File(bytes) | Entry::Link { bytes, .. } => (all_lines(bytes), false),
        Entry::Unreadable(_) => (BTreeMap::new(), true),
        Entry::Null | Entry::Dangling | Entry::Endless | Entry::Directory | Entry::Program => return None,
    };
    Some(Hidden { path: hidden, lines, is_unreadable })
}

/// The assignments of the hidden file that `desired` does not decide, under each system that no longer reads them. None: every
/// system reads the file all the same.
fn assignments(
    path: &Path,
    hidden: &Path,
    desired: &Desired,
    tree: &Tree,
    systems: &[&System],
) -> Option<BTreeMap<usize, Line>> {
    let mut is_hidden = false;
    let mut with_ours = tree.clone();
    with_ours.insert(path, Entry::File(Vec::new()));
    let bytes = tree.bytes(hidden).unwrap_or_default();
    let mut lines = BTreeMap::new();
    for system in systems {
        // The hidden name may be a link to a file that the system reads under another name too.
        let is_read = |file: &PathBuf| with_ours.real(file) == tree.real(hidden);
        if system.runs(&with_ours).iter().flatten().any(is_read) {
            continue;
        }
        is_hidden = true;
        for assignment in sysctl_d::parse(bytes, system.dialect(tree)) {
            let name = assignment.name().cloned();
            if name.as_ref().is_some_and(|name| desired.wants.contains_key(name)) {
                continue;
            }
            let line = Line { number: assignment.line, bytes: bytes[assignment.line_span.clone()].to_vec(), name };
            lines.insert(assignment.line_span.start, line);
        }
    }
    is_hidden.then_some(lines)
}

/// The lines of a file that does not belong to the loader. A comment may continue on the next line, so that all of them stay.
/// The beginning and the end of a block do not: a package may have been made from a machine that this program has changed.
fn all_lines(bytes: &[u8]) -> BTreeMap<usize, Line> {
    let lines: BTreeMap<usize, Line> = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .enumerate()
        .filter(|(_, line)| !line.starts_with(HEAD.as_bytes()) && line.trim_ascii_end() != TAIL.as_bytes())
        .map(|(index, line)| (index, Line { number: index + 1, bytes: line.to_vec(), name: None }))
        .into_map();
    if lines.values().all(|line| !line.counts()) { BTreeMap::new() } else { lines }
}

impl Line {
    /// Whether a program that reads the file finds something in the line.
    fn counts(&self) -> bool {
        let text = self.bytes.trim_ascii();
        !text.is_empty() && !text.starts_with(b"#") && !text.starts_with(b";") && text != b"nf_conntrack"
    }
}

impl Hidden {
    /// Whether a new file that hides this one loses nothing.
    pub(super) fn loses_nothing(&self) -> bool {
        self.lines.is_empty() && !self.is_unreadable
    }

    /// Whether its lines are known.
    pub(super) fn is_known(&self) -> bool {
        !self.is_unreadable
    }

    /// The block for a file of ours that hides this one and has the lines `rest` beside the block; it has the lines that would be
    /// lost. With `exclusive`, our file has no other lines about connection tracking.
    pub(super) fn block(&self, desired: &Desired, rest: &[u8]) -> Vec<u8> {
        // Another request may have set these.
        let read = DIALECTS.iter().flat_map(|dialect| sysctl_d::parse(rest, dialect));
        let own: BTreeSet<Name> = read.filter_map(|assignment| assignment.name().cloned()).collect();
        let stays = |name: &Name| !desired.exclusive && !own.contains(name);
        let kept = self.lines.values().filter(|line| line.name.as_ref().is_none_or(stays));
        let mut lines = Vec::new();
        for line in kept {
            lines.extend_from_slice(&line.bytes);
            if !line.bytes.ends_with(b"\n") {
                lines.push(b'\n');
            }
        }
        let follow = if lines.is_empty() { "" } else { FOLLOW };
        let mut block = format!("{HEAD}{}{follow}\n", self.path.display()).into_bytes();
        if !lines.is_empty() {
            block.append(&mut lines);
            block.extend_from_slice(format!("{TAIL}\n").as_bytes());
        }
        block
    }

    /// The failure of a new file at `path`, which would hide this one; `other` is a file of ours that would hide none.
    pub(super) fn refusal(&self, path: &Path, other: Option<&Path>) -> Failure {
        let (path_shown, hidden) = (path.display(), self.path.display());
        if self.is_unreadable {
            let message = format!(
                "`{path_shown}` would hide `{hidden}` at boot, and its lines are not known, because it cannot be read"
            );
            let hint = match other {
                Some(other) => format!("name another `file`, such as `{}`", other.display()),
                None => format!("make `{hidden}` readable, and run again"),
            };
            return Failure::new(Kind::Conflict, message).hint(hint);
        }
        let lost: Vec<&Line> = self.lines.values().filter(|line| line.counts()).collect();
        let named: Vec<String> = lost.iter().take(MOST).map(|line| line.named()).collect();
        let more = if lost.len() > MOST { format!(" and {} more", lost.len() - MOST) } else { String::new() };
        let these = if lost.len() == 1 { "this line of it" } else { "these lines of it" };
        let message = format!(
            "`{path_shown}` would hide `{hidden}` at boot, and {these} would be lost: {}{more}",
            named.join(", ")
        );
        let take_over = "set `masks` to carry, which copies these lines";
        let failure = Failure::new(Kind::Conflict, message);
        match other {
            Some(other) => {
                let hint = format!("name another `file`, such as `{}`, or {take_over}", other.display());
                failure.at("/file").hint(hint)
            }
            None if paths::is_of_loader(path) => {
                failure.at("/file").hint(format!("name another `file`, which hides no other file, or {take_over}"))
            }
            None => {
                let directory = path.parent().unwrap_or(path).display();
                failure.hint(format!("name the module in another file of `{directory}` yourself, or {take_over}"))
            }
        }
    }
}

impl Line {
    fn named(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        let shown: String = text.trim().chars().take(MOST_CHARACTERS).collect();
        format!("`{shown}` (line {})", self.number)
    }
}

/// The block of the lines of a hidden file in `bytes`, if there is one.
pub(super) fn block_of(bytes: &[u8]) -> Option<Range<usize>> {
    let mut start = None;
    let mut at = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let end = at + line.len();
        let text = line.trim_ascii_end();
        match start {
            None if text.starts_with(HEAD.as_bytes()) && text.ends_with(FOLLOW.as_bytes()) => start = Some(at),
            None if text.starts_with(HEAD.as_bytes()) => return Some(at..end),
            Some(start) if text == TAIL.as_bytes() => return Some(start..end),
            _ => {}
        }
        at = end;
    }
    None
}

/// `bytes` with `block` in the place of the old one, or without it.
pub(super) fn with_block(bytes: &[u8], old: Range<usize>, block: &[u8]) -> Document {
    Document::new([&bytes[..old.start], block, &bytes[old.end..]].concat())
}

/// Whether nothing is left in `bytes` but a block.
pub(super) fn is_block_alone(bytes: &[u8]) -> bool {
    block_of(bytes).is_some_and(|block| block.len() == bytes.len())
}

/// The names for a file of ours that is read after the one at `path`, and hides none of `tree`.
pub(super) fn other_names(path: &Path, tree: &Tree) -> Vec<PathBuf> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    // An underscore sorts after the dot of `.conf`; a hyphen would sort before it.
    let names = [format!("{stem}_local.conf"), "zz-conntrack.conf".to_owned()];
    let is_free =
        |name: &String| paths::SYSCTL_D.iter().all(|directory| tree.get(Path::new(directory).join(name)).is_none());
    names.into_iter().filter(is_free).map(|name| path.with_file_name(name)).collect()
}
