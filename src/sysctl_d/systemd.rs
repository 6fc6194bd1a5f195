//! Describes `systemd-sysctl`.
//!
//! Sources: systemd's `src/sysctl/sysctl.c`, `src/basic/fileio.c` (`read_line`), `src/basic/path-util.c`
//! (`path_simplify`) and `src/basic/conf-files.c`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::dialect::Dialect;
use super::kernel_keys::{Expansion, KernelKeys};
use super::lines::{self, Line, Syntax, separated, simplified, trim};
use super::paths::{CREDENTIALS, SYSCTL_D};
use super::{Assignment, Placed, glob};
use crate::tree::{Entry, Read, Tree, drop_ins};

/// `systemd-sysctl`.
pub static SYSTEMD: Dialect = Dialect {
    name: "systemd",
    command: "systemd-sysctl",
    files: opened,
    read,
    kept: last_of_each_key,
    globs,
    excludes: |_, _| false,
    may_write: stays_below,
};

/// The limit of a line is systemd's `LONG_LINE_MAX`.
const SYNTAX: Syntax = Syntax { line, too_long: Some(1024 * 1024), is_blank, comments: b"#;", path };

fn read(bytes: &[u8]) -> Vec<Assignment> {
    lines::assignments(bytes, &SYNTAX)
}

/// The reads that show the files that systemd-sysctl opens.
pub fn reads() -> impl Iterator<Item = Read> {
    Read::directories(&SYSCTL_D, ".conf").chain(Read::files(&CREDENTIALS))
}

/// The drop-ins, and a credential last.
fn opened(tree: &Tree) -> Vec<PathBuf> {
    let is_there = |entry: &Entry| entry.bytes().is_some() || matches!(entry, Entry::Unreadable(_));
    let credential = CREDENTIALS.iter().find(|path| tree.get(path).is_some_and(is_there));
    drop_ins(tree, &SYSCTL_D, ".conf").into_iter().chain(credential.map(PathBuf::from)).collect()
}

/// A line feed, a carriage return and a NUL each end a line, and so does a run of them in which none comes twice and
/// a NUL comes last.
fn line(bytes: &[u8], start: usize) -> Line {
    let ends_line = |byte: &u8| matches!(byte, b'\n' | b'\r' | 0);
    let text_end = bytes[start..].iter().position(ends_line).map_or(bytes.len(), |length| start + length);
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
        let path = placed.assignment.path.as_slice();
        let is_repeated = kept.get(path).is_some_and(|(_, old)| old.assignment.value == placed.assignment.value);
        if !is_repeated {
            kept.insert(path, (order, placed));
        }
    }
    let mut kept: Vec<_> = kept.into_values().collect();
    kept.sort_by_key(|(order, _)| *order);
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
