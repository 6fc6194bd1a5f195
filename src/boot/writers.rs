//! Lists the programs that write conntrack sysctls after the boot's loader, and says which of them write what.
//!
//! A program is one file in `writers/` and one row of [`WRITERS`]. The host reads what the rows ask for, the boot plays
//! through what they surely write, a warning of the code `later_writer` names each that writes a desired setting, and the
//! report's schema lists the names. A row needs a case, `tests/cases/requests/NAME-writes-later`, which shows that warning, and a
//! paragraph in docs/troubleshooting.md.
//!
//! [`kernel`] is no row: the kernel's own parameters come before the loader, and a read-only sysctl does not stop them.

pub(super) mod kernel;
mod kube_proxy;
mod tuned;
mod ufw;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::kernel::catalog;
use crate::snapshot::Snapshot;
use crate::sysctl_d::Write;
use crate::tree::{Place, Read, Tree};

/// The programs, in the order in which a boot plays them through and in which warnings name them.
pub const WRITERS: &[&Writer] = &[&ufw::UFW, &tuned::TUNED, &kube_proxy::KUBE_PROXY];

/// A program that writes conntrack sysctls after the boot's loader.
#[derive(Debug)]
pub struct Writer {
    /// The name by which people know it.
    pub name: &'static str,
    /// When it writes, and from which source, in one sentence.
    pub summary: &'static str,
    /// What must be read to know what it writes, given what has been read. Each file may name the next ones; their number
    /// must have a bound, because an image may hold anything.
    pub reads: fn(&Tree) -> Vec<Read>,
    /// What it writes to a kernel that has these keys (dotted), in order.
    pub writes: fn(&Tree, &BTreeSet<String>) -> Vec<Written>,
    /// What to do about it, to stand behind a semicolon.
    pub remedy: &'static str,
}

/// One sysctl that a program writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// The files alone decide it, so that the boot is played through with it. The kernel need not have the key.
    Surely(Write),
    /// More than the files decides it: whether the program runs here, its arguments, the machine.
    Perhaps {
        /// The canonical name of the setting.
        setting: String,
        /// Why the program is thought to write it.
        evidence: Evidence,
    },
}

/// Why a program is thought to write a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// This line says so.
    Line(Place),
    /// This file or directory is there where the program runs.
    Presence(PathBuf),
}

impl Written {
    /// The canonical name of the setting; None: the key is not one of connection tracking.
    fn setting(&self) -> Option<Cow<'_, str>> {
        match self {
            Written::Surely(write) => catalog::by_key(&write.key).map(|setting| setting.name),
            Written::Perhaps { setting, .. } => Some(setting.into()),
        }
    }
}

/// A report names a program by its name. The names and what they mean come from the rows.
impl JsonSchema for Writer {
    fn schema_name() -> Cow<'static, str> {
        "Writer".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let name =
            |writer: &&Writer| json_schema!({"description": writer.summary, "type": "string", "const": writer.name});
        json_schema!({
            "description": "The programs that write settings after the boot's loader.",
            "oneOf": WRITERS.iter().map(name).collect::<Vec<_>>(),
        })
    }
}

/// What must be read to know what the programs write, given what has been read.
pub(super) fn reads(tree: &Tree) -> impl Iterator<Item = Read> {
    WRITERS.iter().flat_map(|writer| (writer.reads)(tree))
}

/// What the programs surely write, in order, to a kernel that has `keys`.
pub(super) fn sure_writes(tree: &Tree, keys: &BTreeSet<String>) -> Vec<Write> {
    let written = WRITERS.iter().flat_map(|writer| (writer.writes)(tree, keys));
    let sure = written.filter_map(|written| match written {
        Written::Surely(write) => Some(write),
        Written::Perhaps { .. } => None,
    });
    sure.collect()
}

/// A program that writes a setting after the boot's loader.
#[derive(Clone, Debug)]
pub struct LaterWrite {
    /// The program.
    pub by: &'static Writer,
    /// The canonical name of the setting.
    pub setting: String,
    /// What it writes.
    pub written: Written,
}

/// Each program that writes some of `settings` (canonical names) after the boot's loader, with the first of these.
#[must_use]
pub fn later_writers(snapshot: &Snapshot, settings: &[&str]) -> Vec<LaterWrite> {
    let keys = super::keys(snapshot);
    let first = |by: &&'static Writer| {
        let written = (by.writes)(&snapshot.tree, &keys);
        settings.iter().find_map(|setting| {
            let written = written.iter().find(|written| written.setting().as_deref() == Some(setting))?.clone();
            Some(LaterWrite { by, setting: (*setting).to_owned(), written })
        })
    };
    WRITERS.iter().filter_map(first).collect()
}
