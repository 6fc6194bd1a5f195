//! Defines a dialect: how one program reads sysctl files, and which writes follow. A dialect is a row of facts; the
//! habits of a program are functions in a file of its own.
//!
//! A new dialect is a file beside `procps.rs` and a line in [`super::DIALECTS`]. [`crate::boot::systems`] decides which
//! dialect a boot speaks.

use std::fmt;
use std::path::PathBuf;

use super::kernel_keys::{Expansion, KernelKeys};
use super::{Assignment, Placed};
use crate::tree::Tree;

/// The way in which one program reads sysctl files, and the writes that follow.
pub struct Dialect {
    /// The name of the program, and of its versions if they differ.
    pub name: &'static str,
    /// The command that a person knows it by.
    pub command: &'static str,
    /// Lists the files that the program opens when no file is named to it, in the order of reading.
    pub(super) files: fn(&Tree) -> Vec<PathBuf>,
    /// Reads the bytes of one file.
    pub(super) read: fn(&[u8]) -> Vec<Assignment>,
    /// Picks the assignments that the program keeps of all that one run has read, in the order of writing.
    pub(super) kept: fn(&[Placed]) -> Vec<&Placed>,
    /// Finds the keys that a glob stands for.
    pub(super) globs: for<'a> fn(&KernelKeys<'a>, &[u8]) -> Vec<Expansion<'a>>,
    /// Whether a line that only excludes, with this path, keeps a glob from writing to a path that it stands for. A line that
    /// names the path itself does so in every dialect.
    pub(super) excludes: fn(&[u8], &[u8]) -> bool,
    /// The lines that keep a glob from writing the keys that they name.
    pub(super) shields: Shields,
    /// What the program does where the kernel refuses a value.
    pub on_refusal: OnRefusal,
    /// Whether the program writes to such a path below `/proc/sys`, if the kernel has it.
    pub(super) may_write: fn(&[u8]) -> bool,
}

/// The lines that keep a glob from writing the keys that they name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shields {
    /// All lines of a run: the program reads everything before it writes.
    All,
    /// Those before the glob: the program writes each line as it is read.
    Earlier,
}

/// What a program does where the kernel refuses a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnRefusal {
    /// It writes the rest.
    GoesOn,
    /// It ends, so that the rest of its files is not written.
    Ends,
}

impl Dialect {
    /// The files that the program reads when no file is named to it, in order. A file there may still be unreadable.
    #[must_use]
    pub fn files(&self, tree: &Tree) -> Vec<PathBuf> {
        (self.files)(tree)
    }
}

// Rows are compared by name, because function pointers cannot be compared.
impl PartialEq for Dialect {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Dialect {}

impl fmt::Debug for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
