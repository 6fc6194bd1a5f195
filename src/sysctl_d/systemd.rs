//! Describes `systemd-sysctl`.
//!
//! Sources: systemd's `src/sysctl/sysctl.c`, `src/basic/fileio.c` (`read_line`), `src/basic/path-util.c`
//! (`path_simplify`) and `src/basic/conf-files.c`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use memchr::memchr3;

use super::dialect::{Dialect, OnRefusal, Shields};
use super::kernel_keys::{Expansion, KernelKeys};
use super::lines::{self, Line, Syntax, separated, simplified, trim};
use super::paths::{CREDENTIALS, SYSCTL_D};
use super::{Assignment, Placed, glob};
use crate::order::sorted_by;
use crate::tree::{Entry, Read, Tree, drop_ins, drop_ins_that_resolve};

/// `systemd-sysctl`, up to systemd 257.
pub static SYSTEMD: Dialect = Dialect {
    name: "systemd",
    command: "systemd-sysctl",
    files: opened,
    read,
    kept: last_of_each_key,
    globs,
    excludes: |_, _| false,
    shields: Shields::All,
    on_refusal: OnRefusal::GoesOn,
    may_write: stays_below,
};

/// The first version that follows the links of sysctl.d before a name counts, so that one which cannot be followed hides nothing.
/// The change is in `src/basic/conf-files.c` (systemd's pull request 37972 of June 2025, between 257 and 258).
const LINKS_SINCE: u32 = 258;

/// The first version that applies the credential `sysctl.extra` (systemd-sysctl(8)); 247 of Debian 11 does not.
const CREDENTIAL_SINCE: u32 = 252;

/// `systemd-sysctl` as of systemd 262: a link that cannot be followed hides nothing, and `;` begins no comment.
///
/// The links are read so since [`LINKS_SINCE`], and the comments since 259, when `src/sysctl/sysctl.c` began to read its files by
/// `conf_file_read` (systemd's pull request 39219 of October 2025). No version between 257 and 262 was run; with 258 this dialect
/// writes what that version writes, because a line with `;` assigns nothing in either.
pub static SYSTEMD_262: Dialect = Dialect {
    name: "systemd-262",
    files: |tree| with_credential(tree, drop_ins_that_resolve(tree, &SYSCTL_D, ".conf")),
    read: |bytes| lines::assignments(bytes, &Syntax { comments: b"#", ..SYNTAX }),
    ..SYSTEMD
};

/// The directories of systemd's own library, whose name has the version.
const LIBRARIES: [&str; 10] = [
    "/usr/lib/systemd",
    "/lib/systemd",
    "/usr/lib64/systemd",
    "/usr/lib/x86_64-linux-gnu/systemd",
    "/usr/lib/aarch64-linux-gnu/systemd",
    "/usr/lib/arm-linux-gnueabihf/systemd",
    "/usr/lib/i386-linux-gnu/systemd",
    "/usr/lib/powerpc64le-linux-gnu/systemd",
    "/usr/lib/riscv64-linux-gnu/systemd",
    "/usr/lib/s390x-linux-gnu/systemd",
];

/// The version of systemd, by the name of its library: `libsystemd-shared-257.so`, `libsystemd-shared-262.1-1.so`.
fn version(tree: &Tree) -> Option<u32> {
    let libraries = LIBRARIES.iter().flat_map(|directory| tree.in_directory(Path::new(directory)));
    let mut names = libraries.filter_map(|(path, _)| path.file_name()?.to_str()?.strip_prefix("libsystemd-shared-"));
    names.find_map(|name| name.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok())
}

/// Whether the versions read the files of `tree` differently. A line with `;` has no effect in either.
fn versions_differ(tree: &Tree) -> bool {
    let entries = SYSCTL_D.iter().flat_map(|directory| tree.in_directory(Path::new(directory)));
    entries.into_iter().any(|(_, entry)| *entry == Entry::Endless)
}

/// The dialect of the systemd that `tree` has, as far as it makes a difference there.
#[must_use]
pub fn installed(tree: &Tree) -> &'static Dialect {
    let is_new = || version(tree).is_some_and(|version| version >= LINKS_SINCE);
    if versions_differ(tree) && is_new() { &SYSTEMD_262 } else { &SYSTEMD }
}

/// The dialects that the systemd of `tree` may have besides [`installed`].
#[must_use]
pub fn others(tree: &Tree) -> &'static [&'static Dialect] {
    static NEWER: [&Dialect; 1] = [&SYSTEMD_262];
    if versions_differ(tree) && version(tree).is_none() { &NEWER } else { &[] }
}

/// The limit of a line is systemd's `LONG_LINE_MAX`.
const SYNTAX: Syntax = Syntax { line, too_long: Some(1024 * 1024), is_blank, comments: b"#;", path };

fn read(bytes: &[u8]) -> Vec<Assignment> {
    lines::assignments(bytes, &SYNTAX)
}

/// The reads that show the files that systemd-sysctl opens and, where it makes a difference, its version.
pub fn reads(tree: &Tree) -> impl Iterator<Item = Read> {
    let version_matters = versions_differ(tree) || credential(tree).is_some();
    let libraries = LIBRARIES.iter().map(|path| Read::Names(path.into())).filter(move |_| version_matters);
    Read::directories(&SYSCTL_D, ".conf").chain(Read::files(&CREDENTIALS)).chain(libraries)
}

fn opened(tree: &Tree) -> Vec<PathBuf> {
    with_credential(tree, drop_ins(tree, &SYSCTL_D, ".conf"))
}

/// The drop-ins, and a credential last, but for a version that knows none.
fn with_credential(tree: &Tree, drop_ins: Vec<PathBuf>) -> Vec<PathBuf> {
    let is_too_old = || version(tree).is_some_and(|version| version < CREDENTIAL_SINCE);
    let credential = credential(tree).filter(|_| !is_too_old());
    drop_ins.into_iter().chain(credential.map(PathBuf::from)).collect()
}

/// The credential, if there is one.
fn credential(tree: &Tree) -> Option<&'static str> {
    let is_there = |entry: &Entry| entry.bytes().is_some() || matches!(entry, Entry::Unreadable(_));
    CREDENTIALS.into_iter().find(|path| tree.get(path).is_some_and(is_there))
}

/// A line feed, a carriage return and a NUL each end a line, and so does a run of them in which none comes twice and
/// a NUL comes last.
fn line(bytes: &[u8], start: usize) -> Line {
    let ends_line = |byte: &u8| matches!(byte, b'\n' | b'\r' | 0);
    let text_end = memchr3(b'\n', b'\r', 0, &bytes[start..]).map_or(bytes.len(), |length| start + length);
    let mut end = text_end;
    while let Some(byte) = bytes.get(end).filter(|byte| ends_line(byte)) {
        let before = &bytes[text_end..end];
        if before.contains(byte) || before.contains(&0) {
            break;
        }
        end += 1;
    }
    Line { text: start..text_end, end }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// systemd strips one dash and the blanks behind it, and simplifies the path.
fn path(key: &[u8]) -> Vec<u8> {
    let key = key.strip_prefix(b"-").unwrap_or(key);
    simplified(&separated(&key[trim(key, 0..key.len(), is_blank)]))
}

/// systemd keeps one assignment for each key: a new value moves the key to the end, an equal one leaves it in its place.
fn last_of_each_key(assignments: &[Placed]) -> Vec<&Placed> {
    let mut kept: BTreeMap<&[u8], (usize, &Placed)> = BTreeMap::new();
    for (order, placed) in assignments.iter().enumerate() {
        let path = placed.assignment.subject.path.as_slice();
        let is_repeated = kept.get(path).is_some_and(|(_, old)| old.assignment.value == placed.assignment.value);
        if !is_repeated {
            kept.insert(path, (order, placed));
        }
    }
    let kept = sorted_by(kept.into_values().collect(), |(one, _): &(usize, _), (other, _)| one.cmp(other));
    kept.into_iter().map(|(_, placed)| placed).collect()
}

/// systemd expands braces too, but only in a pattern that is a glob without them. Its reader of directories hides the
/// entries `.` and `..`.
fn globs<'a>(kernel: &KernelKeys<'a>, pattern: &[u8]) -> Vec<Expansion<'a>> {
    glob::braces(pattern).iter().flat_map(|pattern| kernel.matching(pattern, false)).collect()
}

/// systemd refuses to write to a path that goes up.
fn stays_below(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').all(|part| part != b"..")
}
