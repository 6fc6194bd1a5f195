//! Describes the loader of Chimera Linux, which is a part of dinit-chimera.
//!
//! Source: dinit-chimera's `early/helpers/sysctl.cc`.

use std::path::{Path, PathBuf};

use super::Assignment;
use super::dialect::{Dialect, OnRefusal, Shields};
use super::lines::{self, Syntax, separated};
use super::paths::{SYSCTL_CONF, SYSCTL_D};
use crate::tree::{Entry, Obstacle, Tree, first_of_each};

/// The loader of Chimera Linux. It writes each line as it is read.
pub static CHIMERA: Dialect = Dialect {
    name: "chimera",
    command: "early-sysctl",
    files: opened,
    read,
    kept: |assignments| assignments.iter().collect(),
    globs: |kernel, pattern| kernel.matching(pattern, true),
    excludes: |_, _| false,
    shields: Shields::Earlier,
    on_refusal: OnRefusal::GoesOn,
    may_write: |_| true,
};

/// Only a regular file hides another one: a link to /dev/null does not.
fn opened(tree: &Tree) -> Vec<PathBuf> {
    let is_regular = |entry: &Entry| match entry {
        Entry::Unreadable(obstacle) => *obstacle != Obstacle::NotRegular,
        entry => matches!(entry, Entry::File(_) | Entry::Link { .. }),
    };
    let drop_ins = first_of_each(tree, &SYSCTL_D[..4], |name, entry| {
        name.ends_with(b".conf") && name.len() > ".conf".len() && is_regular(entry)
    });
    let conf = Path::new(SYSCTL_CONF);
    drop_ins.into_iter().chain(tree.get(conf).is_some_and(is_regular).then(|| conf.to_owned())).collect()
}

const SYNTAX: Syntax =
    Syntax { line: lines::line_of_c, too_long: None, is_blank: lines::is_space, comments: b"#;", path };

/// A key that begins with a separator is none.
fn read(bytes: &[u8]) -> Vec<Assignment> {
    let is_key = |assignment: &Assignment| {
        let key = &bytes[assignment.key_span.clone()];
        let key = key.strip_prefix(b"-").unwrap_or(key);
        !key.trim_ascii_start().starts_with(b"/") && !key.trim_ascii_start().starts_with(b".")
    };
    lines::assignments(bytes, &SYNTAX).into_iter().filter(is_key).collect()
}

/// One dash and the blanks behind it are no part of the key.
fn path(key: &[u8]) -> Vec<u8> {
    let key = key.strip_prefix(b"-").unwrap_or(key);
    let blanks = key.iter().take_while(|byte| lines::is_space(**byte)).count();
    separated(&key[blanks..])
}
