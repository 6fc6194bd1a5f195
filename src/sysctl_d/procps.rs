//! Describes `sysctl` of procps, versions 3 and 4.
//!
//! Source: procps' `src/sysctl.c`.

use std::path::{Path, PathBuf};

use super::dialect::{Dialect, OnRefusal, Shields};
use super::kernel_keys::{Expansion, KernelKeys};
use super::lines::{self, Syntax, separated};
use super::paths::{SYSCTL_CONF, SYSCTL_D};
use super::{Assignment, glob, procps_3};
use crate::tree::{Entry, Obstacle, Read, Tree, first_of_each_name};

/// procps 4, up to 4.0.4.
pub static PROCPS: Dialect = Dialect {
    name: "procps",
    command: "sysctl --system",
    files: opened,
    read,
    kept: |assignments| assignments.iter().collect(),
    globs,
    excludes: |_, _| false,
    shields: Shields::All,
    on_refusal: OnRefusal::GoesOn,
    may_write: |_| true,
};

/// procps 4.0.5 and later, of which a line `-PATTERN` excludes by fnmatch(3): a star crosses slashes (`settinglist_findpath`).
pub static PROCPS_4_0_5: Dialect = Dialect { name: "procps-4.0.5", excludes: glob::matches_across, ..PROCPS };

/// procps 3, which has a syntax of its own, and no globs: `-KEY` alone says nothing.
pub static PROCPS_3: Dialect = Dialect { name: "procps-3", read: procps_3::read, globs: |_, _| Vec::new(), ..PROCPS };

/// The library of each dialect.
const LIBRARIES: [(&str, &Dialect); 4] = [
    ("libprocps.so.8", &PROCPS_3),
    ("libprocps.so.7", &PROCPS_3),
    ("libproc2.so.0", &PROCPS),
    ("libproc2.so.1", &PROCPS_4_0_5),
];

/// The directories of libraries, as distributions have them.
const DIRECTORIES: [&str; 10] = [
    "/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/lib/arm-linux-gnueabihf",
    "/lib/i386-linux-gnu",
    "/lib/powerpc64le-linux-gnu",
    "/lib/riscv64-linux-gnu",
    "/lib/s390x-linux-gnu",
    "/lib/loongarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
];

/// The dialect of the procps that `tree` has, if one of its libraries tells it.
fn known(tree: &Tree) -> Option<&'static Dialect> {
    let is_there =
        |library: &str| DIRECTORIES.iter().any(|directory| tree.get(Path::new(directory).join(library)).is_some());
    LIBRARIES.iter().find(|(library, _)| is_there(library)).map(|(_, dialect)| *dialect)
}

/// The dialect of the procps that `tree` has; the most usual one if nothing tells it.
#[must_use]
pub fn installed(tree: &Tree) -> &'static Dialect {
    known(tree).unwrap_or(&PROCPS)
}

/// The dialects that the procps of `tree` may have besides [`installed`].
#[must_use]
pub fn others(tree: &Tree) -> &'static [&'static Dialect] {
    static NEWER: [&Dialect; 1] = [&PROCPS_4_0_5];
    if known(tree).is_some() { &[] } else { &NEWER }
}

const SYNTAX: Syntax =
    Syntax { line: lines::line_of_c, too_long: None, is_blank: lines::is_space, comments: b"#;", path };

fn read(bytes: &[u8]) -> Vec<Assignment> {
    lines::assignments(bytes, &SYNTAX)
}

/// The reads that show the files that procps opens, and its version, given the files that have been read.
pub fn reads(tree: &Tree) -> impl Iterator<Item = Read> {
    let files = Read::directories(&SYSCTL_D, ".conf").chain(Read::files(&[SYSCTL_CONF]));
    let directories = DIRECTORIES.iter().map(Path::new).filter(|directory| tree.get(directory).is_some());
    let libraries = directories.flat_map(|directory| LIBRARIES.map(|(name, _)| Read::Presence(directory.join(name))));
    files.chain(Read::presences(&DIRECTORIES)).chain(libraries)
}

/// The drop-ins, hidden ones too, and /etc/sysctl.conf last.
fn opened(tree: &Tree) -> Vec<PathBuf> {
    // procps asks for a regular file, so a link to /dev/null is skipped.
    let is_regular = |path: &PathBuf| match tree.get(path) {
        Some(Entry::Unreadable(obstacle)) => *obstacle != Obstacle::NotRegular,
        entry => matches!(entry, Some(Entry::File(_) | Entry::Link { .. })),
    };
    let last = Some(PathBuf::from(SYSCTL_CONF)).filter(is_regular);
    let drop_ins = first_of_each_name(tree, &SYSCTL_D, |name| name.ends_with(b".conf"));
    drop_ins.iter().chain(&last).flat_map(|path| opened_for(tree, path)).collect()
}

/// The files that procps opens for `path`: it treats the name as a glob, and stops at the first that does not open.
fn opened_for(tree: &Tree, path: &Path) -> Vec<PathBuf> {
    let mut opened = Vec::new();
    for path in expanded(tree, path) {
        let opens = !matches!(tree.get(&path), None | Some(Entry::Dangling | Entry::Endless));
        opened.push(path);
        if !opens {
            break;
        }
    }
    opened
}

/// The files that match the name at the end of `path` as a glob with braces; the path itself if no file matches.
fn expanded(tree: &Tree, path: &Path) -> Vec<PathBuf> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return vec![path.to_owned()] };
    let name = name.as_encoded_bytes();
    // A plain name stands for itself. Comparing each name with all names would take the square of their number.
    if !name.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'{' | b'\\')) {
        return vec![path.to_owned()];
    }
    let matching = |pattern: &[u8]| -> Vec<PathBuf> {
        let pattern = glob::Pattern::new(pattern);
        let beginning = pattern.beginning();
        let names = tree.beginning_with(directory, &beginning);
        names.filter(|(name, _)| pattern.matches(name.as_encoded_bytes())).map(|(_, path)| path.to_owned()).collect()
    };
    let braces = glob::braces(name);
    let with_braces: Vec<PathBuf> = braces.iter().flat_map(|one| matching(one)).collect();
    if !with_braces.is_empty() {
        return with_braces;
    }
    let plain = if matches!(&braces[..], [one] if one == name) { Vec::new() } else { matching(name) };
    if plain.is_empty() { vec![path.to_owned()] } else { plain }
}

/// procps strips a leading `-` in two places of its parser; neither skips the blanks behind it.
fn path(key: &[u8]) -> Vec<u8> {
    separated(without_dash(without_dash(key)))
}

fn without_dash(key: &[u8]) -> &[u8] {
    key.strip_prefix(b"-").unwrap_or(key)
}

fn globs<'a>(kernel: &KernelKeys<'a>, pattern: &[u8]) -> Vec<Expansion<'a>> {
    kernel.matching(pattern, true)
}
