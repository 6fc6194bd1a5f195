//! Decides which assignments a boot's loader finds in the persistent files, and what it then writes, in which order.
//!
//! Pure: it reads a [`Tree`] and a set of the keys that the kernel has. What a kernel makes of the written text (bounds,
//! rounding, base 0) and when the loader runs are for [`crate::boot`].

mod document;
mod files;
mod glob;
mod kernel_keys;
mod lines;
pub mod paths;
mod writes;

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kernel::catalog::{self, Setting};
use crate::tree::{Place, Tree};

pub use document::Document;

/// What reads the persistent files at boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Loader {
    /// `systemd-sysctl`.
    Systemd,
    /// `sysctl --system` of procps.
    Procps,
}

impl Loader {
    /// The command that a person knows it by.
    #[must_use]
    pub fn command(self) -> &'static str {
        match self {
            Loader::Systemd => "systemd-sysctl",
            Loader::Procps => "sysctl --system",
        }
    }
}

/// One assignment, as a loader reads it from a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The line, counted from 1 by the line feeds before it.
    pub line: usize,
    /// The path below `/proc/sys` that the key names, a glob included: `net/netfilter/nf_conntrack_max`.
    pub key: Vec<u8>,
    /// The same path as the loader has it: procps leaves `net//netfilter` as it is, and so does not see that this names
    /// a key which a glob is to leave alone.
    pub path: Vec<u8>,
    /// The text that is written; None for `-key`, which only keeps a key out of globs.
    pub value: Option<Vec<u8>>,
    /// Where the key stands among the bytes of the file, a `-` before it included.
    pub key_span: Range<usize>,
    /// Where the value stands among the bytes of the file; empty, and at the end of the key, where there is none.
    pub value_span: Range<usize>,
    /// The line of the loader among the bytes of the file, its end included.
    pub line_span: Range<usize>,
}

/// An assignment and the file that it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The file, as the loader names it, and the line.
    pub place: Place,
    /// The assignment.
    pub assignment: Assignment,
}

impl Assignment {
    /// The setting that it assigns, if its key is one's own and not a glob.
    #[must_use]
    pub fn setting(&self) -> Option<Setting> {
        catalog::by_key(&self.dotted_key()?)
    }

    /// Whether its key stands for several.
    #[must_use]
    pub fn is_glob(&self) -> bool {
        glob::is_pattern(&self.path)
    }

    /// The key with dots, as `sysctl` prints it. None: it is not text.
    #[must_use]
    pub fn dotted_key(&self) -> Option<String> {
        std::str::from_utf8(&self.key).ok().map(|key| key.replace('/', "."))
    }
}

/// One write of a loader: it puts `text` into the kernel's `key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The dotted key, one that the kernel has: `net.netfilter.nf_conntrack_max`.
    pub key: String,
    /// The text, without the line end that the loader adds.
    pub text: Vec<u8>,
    /// Where the assignment stands.
    pub place: Place,
}

/// The assignments of one file, in the order of its lines.
#[must_use]
pub fn parse(bytes: &[u8], loader: Loader) -> Vec<Assignment> {
    lines::assignments(bytes, loader)
}

/// The assignments of every file that `loader` reads at boot, in the order in which it reads them, as far as they can
/// have to do with connection tracking: by name, or as a glob.
#[must_use]
pub fn assignments(tree: &Tree, loader: Loader) -> Vec<Placed> {
    let placed_in = |file: std::path::PathBuf| {
        // Most files are about something else, and a boot is played through many times.
        let bytes = tree.bytes(&file).filter(|bytes| may_concern_us(bytes)).unwrap_or_default();
        let found = parse(bytes, loader).into_iter().filter(|assignment| may_concern_us(&assignment.path));
        found.map(move |assignment| Placed { place: Place { file: file.clone(), line: assignment.line }, assignment })
    };
    files::visited(tree, loader).into_iter().flat_map(placed_in).collect()
}

fn may_concern_us(text: &[u8]) -> bool {
    const OURS: &[u8] = b"conntrack";
    glob::is_pattern(text) || text.windows(OURS.len()).any(|part| part == OURS)
}

/// What `loader` writes to a kernel that has `keys` (dotted), in the order in which it writes.
#[must_use]
pub fn writes(assignments: &[Placed], loader: Loader, keys: &BTreeSet<String>) -> Vec<Write> {
    writes::writes(assignments, loader, keys)
}

/// Whether the boot's `loader` reads `file` at all, under this name or through a link, given what else is in `tree`. A
/// file that is not there yet is taken for one that will be.
#[must_use]
pub fn reads(tree: &Tree, loader: Loader, file: &Path) -> bool {
    files::visits(tree, loader, file)
}
