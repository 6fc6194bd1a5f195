//! Describes `sysctl -p FILE` of busybox.
//!
//! Sources: busybox' `procps/sysctl.c` (`sysctl_dots_to_slashes`) and `libbb/parse_config.c`.

use std::path::{Path, PathBuf};

use super::Assignment;
use super::dialect::{Dialect, OnRefusal, Shields};
use super::lines::{self, Line, Syntax, separated};
use super::paths::SYSCTL_CONF;
use crate::tree::Tree;

/// `sysctl` of busybox. It has no globs, and ends where the kernel refuses a value.
pub static BUSYBOX: Dialect = Dialect {
    name: "busybox",
    command: "sysctl -p FILE",
    files: conf,
    read,
    kept: |assignments| assignments.iter().collect(),
    globs: |_, _| Vec::new(),
    excludes: |_, _| false,
    shields: Shields::All,
    on_refusal: OnRefusal::Ends,
    may_write: |path| !path.starts_with(b"/"),
};

/// By itself, the program reads this file alone.
fn conf(tree: &Tree) -> Vec<PathBuf> {
    Some(Path::new(SYSCTL_CONF)).filter(|path| tree.get(path).is_some()).map(Path::to_owned).into_iter().collect()
}

/// The lines as the file has them.
const SYNTAX: Syntax = Syntax { line, too_long: None, is_blank: lines::is_space, comments: b"#;", path };

/// A line that was joined already.
const JOINED: Syntax = Syntax { line: whole, ..SYNTAX };

/// A line without a value is none, and so is one with an empty value.
fn read(bytes: &[u8]) -> Vec<Assignment> {
    let as_joined = |raw: Assignment| {
        let read = lines::assignments(&joined(&bytes[raw.line_span.clone()]), &JOINED).into_iter().next()?;
        let has_value = read.value.as_ref().is_some_and(|value| !value.is_empty());
        has_value.then_some(Assignment { subject: read.subject, value: read.value, ..raw })
    };
    lines::assignments(bytes, &SYNTAX).into_iter().filter_map(as_joined).collect()
}

/// `lines` as one line, without the backslashes that join them.
fn joined(lines: &[u8]) -> Vec<u8> {
    let mut joined = Vec::new();
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\n").unwrap_or(line).strip_suffix(b"\\") {
            Some(continued) => joined.extend_from_slice(continued),
            None => joined.extend_from_slice(line),
        }
    }
    joined
}

fn whole(bytes: &[u8], start: usize) -> Line {
    let text_end = bytes[start..].iter().position(|byte| *byte == 0).map_or(bytes.len(), |length| start + length);
    Line { text: start..text_end, end: bytes.len() }
}

/// A backslash before a line feed joins two lines, comments too. The program does not see the bytes between a NUL and the
/// end of the line.
fn line(bytes: &[u8], start: usize) -> Line {
    let mut end = start;
    loop {
        end = bytes[end..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| end + length + 1);
        let text = bytes[start..end].strip_suffix(b"\n").unwrap_or(&bytes[start..end]);
        if end == bytes.len() || !text.ends_with(b"\\") {
            break;
        }
    }
    let text_end = bytes[start..end].iter().position(|byte| *byte == 0).map_or(end, |length| start + length);
    Line { text: start..text_end, end }
}

/// Where a dot comes before the first slash of a key with both, the two change places. Otherwise a dot is a slash if what
/// stands before it is a directory, and the last such dot comes first, until the path is that of a key. A dash belongs to the
/// key.
fn path(key: &[u8]) -> Vec<u8> {
    if key.contains(&b'/') && key.iter().find(|byte| matches!(byte, b'/' | b'.')) == Some(&b'.') {
        return separated(key);
    }
    let mut path = key.to_vec();
    let mut start = 0;
    let is_dot = |path: &[u8], at: usize| path[at] == b'.' && is_directory(&path[..at]);
    while !is_key(&path) {
        let Some(at) = (start..path.len()).rev().find(|at| is_dot(&path, *at)) else { break };
        path[at] = b'/';
        start = at + 1;
    }
    match below_start(&path) {
        Some(rest) if path.starts_with(b"/") => rest.join(&b'/'),
        _ => path,
    }
}

/// The parts of an absolute path behind `/proc/sys`; of another path all.
fn below_start(path: &[u8]) -> Option<Vec<&[u8]>> {
    let mut parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    if path.starts_with(b"/") && !(parts.next() == Some(b"proc") && parts.next() == Some(b"sys")) {
        return None;
    }
    Some(parts.collect())
}

/// Whether `path`, from `/proc/sys` on, is that of a key of ours, with `.` and `..` as directories.
fn is_key(path: &[u8]) -> bool {
    let Some(at) = path.iter().rposition(|byte| *byte == b'/') else { return false };
    let name = &path[at + 1..];
    !name.is_empty() && !name.contains(&b'.') && is_directory(&path[..at])
}

/// Whether `path`, from `/proc/sys` on, is a directory that leads to keys of ours.
fn is_directory(path: &[u8]) -> bool {
    const NETFILTER: [&[&[u8]]; 2] =
        [&[b"proc", b"sys", b"net", b"netfilter"], &[b"proc", b"sys", b"net", b"ipv4", b"netfilter"]];
    let mut place: Vec<&[u8]> = if path.starts_with(b"/") { Vec::new() } else { NETFILTER[0][..2].to_vec() };
    let parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    for part in parts {
        if part == b".." {
            place.pop();
        } else {
            place.push(part);
        }
        if !NETFILTER.iter().any(|whole| whole.starts_with(&place)) {
            return false;
        }
    }
    !path.is_empty()
}
