//! Defines an init system: the stages of its boot that decide about sysctls, in order. Each system is a row; its paths
//! and habits are in a file of its own.
//!
//! A new init system is a file beside `sysvinit.rs` and a line in [`SYSTEMS`].

mod alpine;
mod chimera;
mod choice;
mod finit;
mod lists;
mod openrc;
mod openwrt;
mod signs;
mod start;
mod systemd;
mod sysvinit;
mod unit;
mod unknown;
mod void;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use super::doubt::Doubt;
use crate::order::InOrder;
use crate::sysctl_d::Dialect;
use crate::tree::{Entry, Read, Tree};

pub use alpine::ALPINE;
pub use chimera::CHIMERA;
pub use choice::LoaderChoice;
pub use finit::FINIT;
pub use openrc::OPENRC;
pub use openwrt::OPENWRT;
pub(super) use signs::may_be_another;
pub(super) use systemd::RUNS;
pub use systemd::SYSTEMD;
pub use sysvinit::SYSVINIT;
pub(super) use unit::OF_PACKAGES;
pub use unknown::{NONE, UNKNOWN};
pub use void::VOID;

/// The first program of a boot.
pub(super) const INIT: &str = "/sbin/init";

/// The directories of modules-load.d(5), the strongest first.
const MODULES_LOAD: [&str; 5] = [
    "/etc/modules-load.d",
    "/run/modules-load.d",
    "/usr/local/lib/modules-load.d",
    "/usr/lib/modules-load.d",
    "/lib/modules-load.d",
];

/// An init system.
pub struct System {
    /// The name in requests and reports.
    pub name: &'static str,
    /// The programs that load the modules and write the sysctls, in one sentence.
    pub summary: &'static str,
    /// The command that reads the sysctl files at boot, as a person knows it.
    pub command: &'static str,
    /// Lists the reads that its signs, its dialect and the files of its loader depend on, given the files that have
    /// been read.
    pub(super) reads: fn(&Tree) -> Vec<Read>,
    /// Looks for the strongest sign of the init system in the files of a machine.
    pub(super) detect: fn(&Tree) -> Option<Sign>,
    /// Tells which version of the loader a machine has, by how it reads sysctl files.
    pub(super) dialect: fn(&Tree) -> &'static Dialect,
    /// Lists the other dialects that its loader may speak, if its version cannot be told.
    pub(super) others: fn(&Tree) -> &'static [&'static Dialect],
    /// The stages of a boot.
    pub(super) order: &'static [Stage],
    /// Looks for a reason why a boot of the system is not as its stages say.
    pub(super) doubt: fn(&Tree) -> Option<Doubt>,
    /// Tells how connection tracking can be loaded before the loader runs.
    pub(super) early: fn(&Tree) -> Early,
    /// Tells whether one stage waits for the end of the one before.
    pub(super) pace: fn(&Tree) -> Pace,
    /// The reason why the loader may read no file at all, and the remedy.
    pub(super) idle: (&'static str, &'static str),
}

/// The way to have connection tracking loaded before the loader runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Early {
    /// A line in this file names the module.
    ByFile(&'static str),
    /// No file does it, because of how the system boots.
    Never {
        /// The reason, as a sentence without its end.
        why: &'static str,
        /// What would help.
        remedy: &'static str,
    },
}

/// The file of modules-load.d in which a run names the module, if no other file does.
const MODULE_FILE: Early = Early::ByFile("/etc/modules-load.d/nf_conntrack.conf");

/// Whether one stage of a boot waits for the end of the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// It does.
    InOrder,
    /// Nothing orders the programs of the stages.
    AtOnce {
        /// What would.
        remedy: &'static str,
    },
}

/// A sign that a machine boots with an init system, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sign {
    /// There is nothing but /etc, and its files are those of the system.
    Saved,
    /// Its programs are installed, and nothing else claims the boot.
    Installed,
    /// The first program of a boot is of this system.
    Init,
    /// The system runs the machine now.
    Running,
}

/// A stage of a boot.
pub enum Stage {
    /// The modules that some lists name are loaded.
    Modules(&'static ModuleLists),
    /// The loader writes the sysctls: it runs once for each list of files.
    Loader(fn(&Dialect, &Tree) -> Vec<Vec<PathBuf>>),
    /// A module arrives, and udev runs the programs that its rules name.
    Udev,
}

/// The lists of modules that an init system loads early at boot.
pub struct ModuleLists {
    /// Lists the reads that find the files, given the files that have been read.
    pub(super) reads: fn(&Tree) -> Vec<Read>,
    /// Tells whether the boot runs the program that reads them.
    pub(super) is_run: fn(&Tree) -> bool,
    /// Finds the files, in the order of reading.
    pub(super) files: fn(&Tree) -> Vec<PathBuf>,
    /// Reads the name of a module from a line, and the parameters behind it.
    pub(super) module: fn(&str) -> Option<(&str, &str)>,
    /// The parameters of the kernel command line that name modules as well; with `rd.` before them, those of the initrd.
    pub(super) parameters: &'static [&'static str],
    /// The effect of a `blacklist` line on the program that loads them.
    pub(super) blacklist: Blacklist,
}

impl ModuleLists {
    /// The files that the boot reads, in order.
    pub(super) fn read(&self, tree: &Tree) -> Vec<PathBuf> {
        if (self.is_run)(tree) { (self.files)(tree) } else { Vec::new() }
    }
}

/// The effect of a blacklist on the program that loads modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blacklist {
    /// A module on it is not loaded.
    Obeyed,
    /// A module on it is not loaded by an alias, but by its name (modprobe(8)).
    ForAliases,
}

/// Every init system.
pub static SYSTEMS: [&System; 8] = [&SYSTEMD, &SYSVINIT, &OPENRC, &ALPINE, &OPENWRT, &FINIT, &VOID, &CHIMERA];

/// The init system that this machine boots with, the one with the strongest sign.
///
/// A machine without any sign of a known one gets a row that stands for that. Nothing is taken for granted: a file system
/// without an init program (the image of a container, a bare directory) does not boot, and an unknown program may read the
/// files by other rules, or not at all. A request may say in `loader` how the machine will boot.
#[must_use]
pub fn detected(tree: &Tree) -> &'static System {
    let found: Vec<_> = SYSTEMS.iter().filter_map(|system| Some(((system.detect)(tree)?, *system))).collect();
    let unknown = || if tree.get(INIT).is_some() { &UNKNOWN } else { &NONE };
    match &found[..] {
        // An old init system leaves files in /etc.
        [_, _, ..] if found.iter().all(|(sign, _)| *sign == Sign::Saved) => &NONE,
        _ => found.into_iter().max_by_key(|(sign, _)| *sign).map_or_else(unknown, |(_, system)| system),
    }
}

/// The files in which a run names a module, whatever a machine boots with.
#[must_use]
pub fn module_files() -> BTreeSet<&'static Path> {
    let file = |system: &&System| match (system.early)(&Tree::default()) {
        Early::ByFile(file) => Some(Path::new(file)),
        Early::Never { .. } => None,
    };
    SYSTEMS.iter().filter_map(file).into_set()
}

impl System {
    /// How connection tracking can be loaded before the loader runs, on a machine with the files of `tree`.
    #[must_use]
    pub fn early(&self, tree: &Tree) -> Early {
        (self.early)(tree)
    }

    /// Whether the loader waits for the programs that load modules, on a machine with the files of `tree`.
    pub(super) fn pace(&self, tree: &Tree) -> Pace {
        (self.pace)(tree)
    }

    /// The reason why the loader reads no file at all, where it does not, and the remedy.
    #[must_use]
    pub fn idle(&self) -> (&'static str, &'static str) {
        self.idle
    }

    /// The dialect of its loader on a machine with the files of `tree`.
    #[must_use]
    pub fn dialect(&self, tree: &Tree) -> &'static Dialect {
        (self.dialect)(tree)
    }

    /// The files that each run of the loader reads, in order.
    #[must_use]
    pub fn runs(&self, tree: &Tree) -> Vec<Vec<PathBuf>> {
        self.runs_in(self.dialect(tree), tree)
    }

    /// The same, if the loader speaks `dialect`.
    pub(super) fn runs_in(&self, dialect: &Dialect, tree: &Tree) -> Vec<Vec<PathBuf>> {
        let files = |stage: &Stage| match stage {
            Stage::Loader(files) => files(dialect, tree),
            Stage::Modules(_) | Stage::Udev => Vec::new(),
        };
        self.order.iter().flat_map(files).collect()
    }

    /// Whether the loader reads `file`, under this name or through a link, given what else is in `tree`. A file that
    /// does not exist yet counts as if it existed.
    #[must_use]
    pub fn loads(&self, tree: &Tree, file: &Path) -> bool {
        if tree.get(file).is_none() {
            let mut with_file = tree.clone();
            with_file.insert(file, Entry::File(Vec::new()));
            return self.loads(&with_file, file);
        }
        let real = tree.real(file);
        self.runs(tree).iter().flatten().any(|path| tree.real(path) == real)
    }
}

/// The loader runs once, on the files that it reads by itself.
fn once(dialect: &Dialect, tree: &Tree) -> Vec<Vec<PathBuf>> {
    vec![dialect.files(tree)]
}

/// The loader runs once for each of `files`.
fn one_by_one(files: Vec<PathBuf>) -> Vec<Vec<PathBuf>> {
    files.into_iter().map(|file| vec![file]).collect()
}

// Rows are compared by name, because function pointers cannot be compared.
impl PartialEq for System {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for System {}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Serialize for System {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}
