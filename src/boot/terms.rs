//! Decides the terms of a kernel that can boot next: which keys it has, and which numbers it takes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::configuration;
use super::doubt::{About, Doubt, Reason};
use super::kernels::{self, Kernel};
use super::{Boot, Lost, Outlook};
use crate::kernel::bounds::{Bounds, Clock};
use crate::kernel::catalog::{CATALOG, Key, MAX, Name, ValueKind};
use crate::kernel::modules::CONNTRACK;
use crate::order::InOrder;
use crate::snapshot::{Snapshot, has_conntrack};
use crate::tree::Place;

/// The terms on which a kernel takes settings.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// The name of the kernel's release, if it has one.
    name: Option<String>,
    /// The directory of its modules, if it has one.
    directory: Option<PathBuf>,
    /// The keys that it has once its modules are there.
    pub(super) keys: BTreeSet<Key>,
    /// The settings among them that only newer kernels have for certain.
    pub(super) too_new: BTreeSet<Name>,
    /// The numbers that it takes.
    pub(super) bounds: Bounds,
    /// Whether connection tracking is part of it.
    pub(super) is_built_in: bool,
}

/// A write of which nobody can tell what the kernel makes.
pub(super) struct Perhaps {
    pub(super) name: Name,
    pub(super) place: Place,
    /// The reason why nobody can.
    pub(super) reason: Reason,
}

impl Terms {
    pub(super) fn of(snapshot: &Snapshot, kernel: &Kernel) -> Terms {
        let is_running = is_running(snapshot, kernel);
        let mut terms = Terms {
            name: kernel.name.clone(),
            directory: kernel.directory().map(Path::to_owned),
            keys: keys(snapshot),
            too_new: BTreeSet::new(),
            bounds: if is_running { running_bounds(snapshot) } else { of_file(kernel.hz(), kernel) },
            is_built_in: kernel.has_built_in(CONNTRACK),
        };
        let is_known = snapshot.live.iter().any(|live| has_conntrack(live.sysctls.keys()));
        let Some(release) = kernel.release().filter(|_| !(is_running && is_known)) else { return terms };
        for setting in CATALOG {
            let is_there = match snapshot.release().filter(|_| is_known) {
                Some(running) => setting.is_in(running),
                None if is_known => continue,
                // Of a kernel that shows no keys, those of today are assumed.
                None => setting.until.is_none(),
            };
            let name = Name::from(setting);
            if setting.until.is_some_and(|until| until < release) {
                let gone: BTreeSet<Key> = name.keys().into_set();
                terms.keys.retain(|key| !gone.contains(key));
            } else if setting.is_in(release) && !is_there {
                terms.keys.insert(name.into());
            } else if is_there && !setting.is_in(release) && !is_running {
                // A vendor may have added it to an older kernel.
                terms.too_new.insert(name);
            }
        }
        terms
    }

    /// Whether another kernel takes the same settings.
    pub(super) fn agree(&self, other: &Terms) -> bool {
        let of = |terms: &Terms| (terms.bounds, terms.is_built_in);
        of(self) == of(other) && self.keys == other.keys && self.too_new == other.too_new
    }

    /// The doubts about a boot of this kernel: writes that it may refuse, and settings that it may not have.
    pub(super) fn doubts(&self, perhaps: &[Perhaps], outlooks: &BTreeMap<Name, Outlook>) -> Vec<Doubt> {
        let decides = |write: &&Perhaps| {
            outlooks.get(&write.name).is_some_and(|outlook| outlook.winner.as_ref() == Some(&write.place))
        };
        let of_write = |write: &Perhaps| {
            self.named(Doubt::of_line(write.reason, &write.place).about(About::Only([write.name.clone()].into())))
        };
        let mut doubts: Vec<Doubt> = perhaps.iter().filter(decides).map(of_write).collect();
        let assigned: BTreeSet<Name> = self
            .too_new
            .iter()
            .filter(|name| outlooks.get(name).is_some_and(|it| it.value.is_some()))
            .cloned()
            .into_set();
        doubts.extend(self.doubt(assigned));
        doubts
    }

    /// The doubt about the settings that this kernel loses at `boot`, and that another kernel takes. If it loses them only
    /// because its module comes late, a line in modules-load.d helps.
    pub(super) fn differs(&self, boot: &Boot, all: &[Boot]) -> Option<Doubt> {
        let is_lost = |outlook: &Outlook| matches!(outlook.lost, Some(Lost::NoSuchKey(_) | Lost::Refused(_)));
        let takes = |boot: &Boot, name: &Name| boot.outlooks.get(name).is_some_and(|it| it.lost.is_none());
        let lost = boot.outlooks.iter().filter(|(name, own)| is_lost(own) && all.iter().any(|boot| takes(boot, name)));
        self.doubt(lost.map(|(name, _)| name.clone()).into_set())
    }

    fn named(&self, doubt: Doubt) -> Doubt {
        Doubt { detail: self.name.clone(), ..doubt }
    }

    fn doubt(&self, names: BTreeSet<Name>) -> Option<Doubt> {
        let doubt = Doubt { file: self.directory.clone(), ..Doubt::new(Reason::AnotherKernel) };
        let doubt = self.named(doubt);
        (!names.is_empty()).then(|| doubt.about(About::Only(names)))
    }
}

fn of_file(hz: Option<i64>, kernel: &Kernel) -> Bounds {
    Bounds { release: kernel.release(), clock: hz.map_or(Clock::UNKNOWN, Clock::of_hz), pages: kernel.pages }
}

/// Whether `kernel` runs now, as far as that is known.
fn is_running(snapshot: &Snapshot, kernel: &Kernel) -> bool {
    snapshot.live.is_some() && (kernel.name.is_none() || kernel.name == kernels::running(&snapshot.tree))
}

/// The numbers that the running kernel takes. The values that it has are among them.
#[must_use]
pub fn running_bounds(snapshot: &Snapshot) -> Bounds {
    let hz = kernels::running(&snapshot.tree).and_then(|name| configuration::hz_of(&snapshot.tree, &name));
    let sysctls = snapshot.live.iter().flat_map(|live| &live.sysctls);
    let timeouts = sysctls.filter(|(key, _)| key.name().is_some_and(|it| it.setting().kind == ValueKind::Seconds));
    let longest = timeouts.filter_map(|(_, value)| value.number()).max().unwrap_or_default();
    let clock = hz.map_or(Clock::UNKNOWN.holding(longest), Clock::of_hz);
    Bounds { release: snapshot.release(), clock, pages: snapshot.pages }
}

/// The conntrack keys that the running kernel has once the module is there.
///
/// If connection tracking has made none (no module, an image), today's names are assumed: those of a kernel of 2016 or
/// later.
pub(super) fn keys(snapshot: &Snapshot) -> BTreeSet<Key> {
    let mut keys: BTreeSet<Key> = snapshot.live.iter().flat_map(|live| live.sysctls.keys().cloned()).into_set();
    if !has_conntrack(keys.iter()) {
        keys.extend(CATALOG.iter().filter(|setting| setting.until.is_none()).map(|setting| Key::new(setting.name)));
    }
    // A child network namespace does not show this name of the limit, but the boot happens in the initial one.
    if keys.contains(MAX.as_str()) {
        keys.insert(Key::new("net.nf_conntrack_max"));
    }
    keys
}
