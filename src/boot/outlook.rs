//! Defines what the next boot makes of the settings.

use std::collections::{BTreeMap, BTreeSet};

use super::arrival::Arrival;
use super::doubt::Doubt;
use super::systems::{Early, System};
use super::writers::{Certainty, Evidence, LaterWrite, WRITERS, Writer};
use crate::kernel::bounds::Bounds;
use crate::kernel::catalog::{Key, Name};
use crate::kernel::modules::REASSEMBLY;
use crate::sysctl_d::Dialect;
use crate::tree::Place;

/// The reason why an assignment that is read at boot has no effect on the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The loader runs before the module is there.
    ModuleLate {
        /// Where the assignment stands.
        place: Place,
        /// The line that keeps the module from being loaded early, if one does.
        barred: Option<Place>,
        /// How the module can be loaded early.
        early: Early,
    },
    /// The kernel refuses the value of a line before it, and the loader reads that file no further.
    FileEnded {
        /// Where the assignment stands.
        place: Place,
        /// Where the line stands that the kernel refuses.
        by: Place,
    },
    /// A later line names the key without a value, so that the loader does not write it.
    Excluded {
        /// Where the assignment stands.
        place: Place,
        /// Where the line without a value stands.
        by: Place,
    },
    /// The kernel does not have the key: it is a name of older kernels.
    NoSuchKey(Place),
    /// The kernel refuses the value, or has the setting read-only.
    Refused(Place),
    /// The setting is one number for the whole machine, and the assignment stands in a container.
    OfMachine(Place),
}

impl Lost {
    /// Where the assignment stands.
    #[must_use]
    pub fn place(&self) -> &Place {
        match self {
            Lost::ModuleLate { place, .. }
            | Lost::Excluded { place, .. }
            | Lost::FileEnded { place, .. }
            | Lost::NoSuchKey(place)
            | Lost::Refused(place)
            | Lost::OfMachine(place) => place,
        }
    }
}

/// What the next boot makes of one setting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outlook {
    /// The value after boot. None: no file decides, and it is the kernel's default.
    pub value: Option<i64>,
    /// The assignment that decides.
    pub winner: Option<Place>,
    /// Every assignment that is read, the winner too, in the order of reading.
    pub assignments: Vec<Place>,
    /// The last assignment without effect, if no later one has an effect.
    pub lost: Option<Lost>,
    /// The reasons why this outcome is in doubt.
    pub doubts: Vec<Doubt>,
}

impl Outlook {
    /// The assignment that decides, with or without effect.
    pub(super) fn decided_by(&self) -> Option<&Place> {
        self.lost.as_ref().map(Lost::place).or(self.winner.as_ref())
    }

    /// The assignments that do not decide.
    #[must_use]
    pub fn shadowed(&self) -> Vec<Place> {
        self.assignments.iter().filter(|place| Some(*place) != self.winner.as_ref()).cloned().collect()
    }
}

/// What the next boot makes of the machine's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// The init system.
    pub system: &'static System,
    /// How its loader reads sysctl files.
    pub dialect: &'static Dialect,
    /// When connection tracking is there.
    pub arrival: Arrival,
    /// The keys of its kernel once the modules are there.
    pub keys: BTreeSet<Key>,
    /// The numbers that its kernel takes.
    pub bounds: Bounds,
    /// When the reassembly of IPv6 is there.
    pub(super) reassembly: Arrival,
    /// The reasons why the outlook of some settings, or of all, is in doubt.
    pub doubts: Vec<Doubt>,
    /// What is written after the loader, and decides or may decide.
    pub(super) later: Vec<LaterWrite>,
    pub(super) outlooks: BTreeMap<Name, Outlook>,
    /// The lines that the loader reads with a key that is not in the catalog, in order.
    pub(super) strangers: Vec<(Place, Key)>,
}

impl Boot {
    /// The same as far as it can be told: files that nothing reads tell nothing of the value.
    #[must_use]
    pub fn told(&self, name: &Name) -> Outlook {
        let outlook = self.outlook(name);
        if outlook.doubts.iter().any(|doubt| doubt.reason.leaves_files_unread()) {
            Outlook { value: None, winner: None, lost: None, ..outlook }
        } else {
            outlook
        }
    }

    /// What the boot makes of the setting `name`.
    #[must_use]
    pub fn outlook(&self, name: &Name) -> Outlook {
        let outlook = self.outlooks.get(name).cloned().unwrap_or_default();
        let doubts = self.doubts.iter().filter(|doubt| doubt.concerns(name));
        Outlook { doubts: doubts.cloned().collect(), ..outlook }
    }

    /// Whether nothing that the boot reads is about the setting.
    #[must_use]
    pub fn is_silent_on(&self, name: &Name) -> bool {
        !self.outlooks.contains_key(name)
    }

    /// Whether a write of the loader to `key`, by a line of sysctl.d, reaches the module that makes the key.
    #[must_use]
    pub fn reaches(&self, key: &Key) -> bool {
        if is_of_reassembly(key) { self.reassembly.reaches(key) } else { self.arrival.reaches(key) }
    }

    /// For each program that decides, or may decide, some of `settings` after the loader: its writes to these. None of the
    /// lists is empty.
    #[must_use]
    pub fn later_writers(&self, settings: &[&Name]) -> Vec<Vec<LaterWrite>> {
        let writes = |by: &&'static Writer| -> Vec<LaterWrite> {
            let of_it = |name: &&Name| self.later.iter().find(|write| write.by == *by && write.setting == **name);
            settings.iter().filter_map(of_it).cloned().collect()
        };
        WRITERS.iter().map(writes).filter(|writes| !writes.is_empty()).collect()
    }

    /// Whether a later writer makes the write at `place`.
    #[must_use]
    pub fn is_written_later(&self, place: &Place) -> bool {
        let is_it = |later: &LaterWrite| matches!(&later.evidence, Evidence::Line(line) if line == place);
        self.later.iter().any(|later| later.certainty == Certainty::Surely && is_it(later))
    }

    /// The settings that some file assigns.
    pub fn assigned(&self) -> impl Iterator<Item = &Name> {
        self.outlooks.keys()
    }
}

/// Whether the module of reassembly makes `key`, and not that of connection tracking.
pub(super) fn is_of_reassembly(key: &Key) -> bool {
    key.name().is_some_and(|name| name.setting().module == REASSEMBLY)
}
