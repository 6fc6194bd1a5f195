//! Lists the programs that write conntrack sysctls after the boot's loader, with the writes of each.
//!
//! A new program is a file beside `ufw.rs` and a row of [`WRITERS`]. All else follows from the row: the host reads the
//! files that it asks for, the boot is played through with its sure writes, a warning with the code `later_writer`
//! names the program, and the report's schema and docs list it. A row needs a case that shows its warning,
//! `tests/cases/requests/NAME-writes-later`, and a paragraph in docs/troubleshooting.md.

mod kube_proxy;
mod pve_firewall;
mod service;
mod tuned;
mod ufw;
mod vyos;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::doubt::{About, Doubt, Reason};
use crate::kernel::catalog::{Key, Name};
use crate::sysctl_d::Write;
use crate::tree::{Place, Read, Tree};

/// The programs, in the order in which a boot plays them through and in which warnings name them.
pub const WRITERS: &[&Writer] =
    &[&ufw::UFW, &tuned::TUNED, &kube_proxy::KUBE_PROXY, &pve_firewall::PVE_FIREWALL, &vyos::VYOS];

/// A program that writes conntrack sysctls after the boot's loader.
#[derive(Debug)]
pub struct Writer {
    /// The name by which people know it.
    pub name: &'static str,
    /// When it writes, and from which source, in one sentence.
    pub summary: &'static str,
    /// Lists the reads that its writes depend on, given the files that have been read. A file may name further files;
    /// their number must have a bound, because an image may hold anything.
    pub reads: fn(&Tree) -> Vec<Read>,
    /// Whether a boot starts it, as far as the files tell.
    pub starts: fn(&Tree) -> bool,
    /// Lists its writes, in order.
    pub writes: fn(&Scene) -> Vec<Written>,
    /// The advice to the user, as the last part of a sentence: about one line of it, and about several.
    pub remedy: [&'static str; 2],
}

// The name stands for the row: function pointers cannot be compared.
impl PartialEq for Writer {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Writer {}

/// The boot in which a program writes, as it is after the loader.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The files of the machine.
    pub tree: &'a Tree,
    /// The keys of the kernel.
    pub keys: &'a BTreeSet<Key>,
    /// Whether connection tracking was there for the loader.
    pub timing: Timing,
    /// The values that the boot has written so far.
    pub values: &'a BTreeMap<Name, i64>,
}

/// Whether connection tracking is there when the loader writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// It is, or the loader runs again as it comes.
    InTime,
    /// It comes later, nobody knows when.
    Late,
}

/// One sysctl that a program writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// The files alone decide the value, so that the boot is played through with it. The kernel need not have the key.
    Surely(Write),
    /// The value, or whether it is written at all, depends on more than files: arguments, the machine, a cluster.
    Perhaps {
        /// The setting.
        setting: Name,
        /// Why the program is thought to write it.
        evidence: Evidence,
        /// The value that it writes if it does, where that is known.
        value: Option<i64>,
    },
    /// Nobody can tell what it writes.
    Unknown(Doubt),
}

/// Why a program is thought to write a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A line assigns the setting.
    Line(Place),
    /// A file or directory that machines have on which the program runs.
    Presence(PathBuf),
}

impl Written {
    /// The write, if the files alone decide it.
    pub(super) fn sure(&self) -> Option<&Write> {
        match self {
            Written::Surely(write) => Some(write),
            Written::Perhaps { .. } | Written::Unknown(_) => None,
        }
    }

    /// The doubt, if nobody can tell what is written.
    pub(super) fn unknown(&self) -> Option<&Doubt> {
        match self {
            Written::Unknown(doubt) => Some(doubt),
            Written::Surely(_) | Written::Perhaps { .. } => None,
        }
    }

    /// The setting. None: the key is not one of connection tracking, or nobody can tell.
    pub(super) fn setting(&self) -> Option<Name> {
        match self {
            Written::Surely(write) => write.key.name(),
            Written::Perhaps { setting, .. } => Some(setting.clone()),
            Written::Unknown(_) => None,
        }
    }
}

/// A report names a program by its name. The names and what they mean come from the rows.
#[cfg(test)]
impl schemars::JsonSchema for Writer {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Writer".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let name = |writer: &&Writer| schemars::json_schema!({"description": writer.summary, "type": "string", "const": writer.name});
        schemars::json_schema!({
            "description": "The programs that write settings after the boot's loader.",
            "oneOf": WRITERS.iter().map(name).collect::<Vec<_>>(),
        })
    }
}

/// The reads that the writes of the programs depend on, given the files that have been read.
pub(super) fn reads(tree: &Tree) -> impl Iterator<Item = Read> {
    WRITERS.iter().flat_map(|writer| (writer.reads)(tree))
}

/// The files that the writes of the programs depend on which a boot starts.
pub(super) fn files(tree: &Tree) -> impl Iterator<Item = PathBuf> {
    let started = WRITERS.iter().filter(|writer| (writer.starts)(tree));
    started.flat_map(|writer| (writer.reads)(tree)).filter_map(|read| match read {
        Read::File(path) | Read::Candidate(path) | Read::Lines { path, .. } => Some(path),
        _ => None,
    })
}

/// A program that writes a setting after the boot's loader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaterWrite {
    /// The program.
    pub by: &'static Writer,
    /// The setting.
    pub setting: Name,
    /// Whether the files alone decide the value.
    pub certainty: Certainty,
    /// Why the program is thought to write it.
    pub evidence: Evidence,
    /// The value that it writes if it does, where that is known. A sure write has its value in the boot.
    pub(super) value: Option<i64>,
}

/// Whether the files alone decide what a program writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// They do, so that the boot is played through with it.
    Surely,
    /// They do not.
    Perhaps,
}

impl LaterWrite {
    /// `written` as the write of a program; None: nobody can tell what that is.
    pub(super) fn new(by: &'static Writer, setting: Name, written: &Written) -> Option<LaterWrite> {
        let (certainty, evidence, value) = match written {
            Written::Surely(write) => (Certainty::Surely, Evidence::Line(write.place.clone()), None),
            Written::Perhaps { evidence, value, .. } => (Certainty::Perhaps, evidence.clone(), *value),
            Written::Unknown(_) => return None,
        };
        Some(LaterWrite { by, setting, certainty, evidence, value })
    }

    /// The doubt about the setting, if nobody can tell whether the program writes it.
    pub(super) fn doubt(&self) -> Option<Doubt> {
        let doubt = match &self.evidence {
            Evidence::Line(place) => Doubt::of_line(Reason::WrittenLater, place),
            Evidence::Presence(path) => Doubt::of_file(Reason::WrittenLater, path),
        };
        let doubt = Doubt { remedy: Some(self.by.remedy[0].to_owned()), value: self.value, ..doubt };
        let doubt = doubt.detail(self.by.name).about(About::Only([self.setting.clone()].into()));
        (self.certainty == Certainty::Perhaps).then_some(doubt)
    }
}
