//! Plays a boot through: the parameters of the module, the writes of the loader, those of udev's rules, and those of the
//! programs that write later.

use std::collections::{BTreeMap, BTreeSet};

use super::arrival::{Arrival, Coming};
use super::doubt::{About, Doubt, Reason};
use super::outlook::{Boot, Lost, Outlook, is_of_reassembly};
use super::parameters;
use super::recorded::Recorded;
use super::systems::{Early, System};
use super::terms::{Perhaps, Terms};
use super::udev::Rerun;
use super::uncertain::{self, Played};
use super::writers::{LaterWrite, Scene, Timing, WRITERS, Writer, Written};
use crate::kernel::bounds::{Bounds, Takes};
use crate::kernel::catalog::{Access, FRAG6_HIGH, FRAG6_LOW, Key, Name, ValueKind};
use crate::kernel::number::kernel_reading;
use crate::kernel::quirks::Quirk;
use crate::kernel::sizes::{FRAG6_HIGH_DEFAULT, FRAG6_LOW_DEFAULT};
use crate::order::InOrder;
use crate::snapshot::Snapshot;
use crate::sysctl_d::{self, Dialect, OnRefusal, Placed, Write};
use crate::tree::Place;

/// How much of a boot is played through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// The values, and all reasons to doubt them.
    WithDoubts,
    /// The values alone.
    Rehearsal,
}

/// The boot of `snapshot` with `system`, under a kernel with these terms.
pub(super) fn play(
    snapshot: &Snapshot,
    system: &'static System,
    terms: &Terms,
    coming: Coming,
    extent: Extent,
) -> Boot {
    let Coming { arrival, reassembly, parameters, never, writes: of_rules, reruns, mut doubts } = coming;
    let arrival_of = |key: &Key| if is_of_reassembly(key) { &reassembly } else { &arrival };
    let keys = &terms.keys;
    let tree = &snapshot.tree;
    let dialect = system.dialect(tree);
    let files = system.runs_in(dialect, tree);
    let runs: Vec<Vec<Placed>> = files.iter().map(|files| sysctl_d::assignments(tree, dialect, files)).collect();
    let mut play = Play {
        snapshot,
        early: system.early(tree),
        bounds: terms.bounds,
        outlooks: BTreeMap::new(),
        recorded: Recorded::default(),
        perhaps: Vec::new(),
        doubts: Vec::new(),
    };
    for read in &runs {
        play.record_assignments(read, dialect, keys);
    }
    let pages = terms.bounds.pages;
    let by_larger_pages = parameters::writes(&parameters, pages.largest());
    for (write, other) in parameters::writes(&parameters, pages).into_iter().zip(by_larger_pages) {
        if write != other {
            play.rounds_perhaps(&write);
        }
        match &never {
            Some(bar) if *bar != write.place => play.mark_lost(write, Some(bar)),
            _ => play.apply_parameter(write),
        }
    }
    // These hold for the network of the machine.
    if terms.is_built_in && snapshot.container().is_none() {
        for write in parameters::sysctls(tree, keys) {
            play.apply_parameter(write);
        }
    }
    for read in &runs {
        let mut ended_by = None;
        for write in sysctl_d::writes(read, dialect, keys) {
            match arrival_of(&write.key) {
                _ if ended_by.is_some() => play.mark_unread(write, ended_by.as_ref()),
                arrival if arrival.is_in_time() => {
                    let ends = dialect.on_refusal == OnRefusal::Ends && play.is_refused(&write);
                    ended_by = ends.then(|| write.place.clone());
                    play.apply_write(write);
                }
                arrival => play.mark_lost(write, arrival.barred()),
            }
        }
    }
    // A rule writes as the module comes, whenever that is.
    if matches!(arrival, Arrival::Late { .. } | Arrival::Reapplied { .. }) && never.is_none() {
        for write in of_rules.iter().filter(|write| keys.contains(&write.key)) {
            play.apply_write(write.clone());
        }
    }
    for rerun in arrival.reruns() {
        for write in rerun.writes(tree, keys) {
            play.apply_write(write);
        }
    }
    if matches!(arrival, Arrival::Early(_)) {
        doubts.extend(play.unordered_lines(&of_rules));
        doubts.extend(reruns.iter().filter_map(|rerun| play.unordered(rerun, keys)));
    }
    let timing = if matches!(arrival, Arrival::Late { .. }) { Timing::Late } else { Timing::InTime };
    let mut later = Vec::new();
    for writer in WRITERS {
        let values = play.values();
        later.extend(play.run(writer, &Scene { tree, keys, timing, values: &values }));
    }
    let Play { outlooks, perhaps, doubts: of_writers, .. } = play;
    doubts.extend(terms.doubts(&perhaps, &outlooks));
    let played = Played {
        snapshot,
        system,
        arrival: &arrival,
        keys,
        bounds: terms.bounds,
        files: &files,
        runs: &runs,
        later: &later,
        outlooks: &outlooks,
    };
    if extent == Extent::WithDoubts {
        doubts.extend(uncertain::doubts(&played));
    }
    doubts.extend(of_writers);
    // What a file or another program does tells more than that the image has no kernel yet.
    let (of_guess, mut doubts): (Vec<Doubt>, Vec<Doubt>) =
        doubts.into_iter().partition(|doubt| doubt.reason == Reason::UnknownKernel);
    doubts.extend(of_guess);
    let (keys, bounds) = (terms.keys.clone(), terms.bounds);
    let stranger = |placed: &Placed| Some((placed.place.clone(), placed.assignment.stranger()?.clone()));
    let strangers = runs.iter().flatten().filter_map(stranger).collect();
    Boot { system, dialect, arrival, keys, bounds, reassembly, doubts, later, outlooks, strangers }
}

/// A boot while it is played through.
struct Play<'a> {
    snapshot: &'a Snapshot,
    /// How the module can be loaded early.
    early: Early,
    /// The numbers that the kernel takes.
    bounds: Bounds,
    outlooks: BTreeMap<Name, Outlook>,
    /// Which assignments are recorded, by setting: a thousand files may assign the same one.
    recorded: Recorded,
    /// The writes of which nobody can tell what the kernel makes.
    perhaps: Vec<Perhaps>,
    /// What nobody can tell of the later writers.
    doubts: Vec<Doubt>,
}

impl Play<'_> {
    fn outlook(&mut self, name: Name) -> &mut Outlook {
        self.outlooks.entry(name).or_default()
    }

    /// Records every assignment that names a setting, as lost until a write shows that it is not.
    fn record_assignments(&mut self, read: &[Placed], dialect: &Dialect, keys: &BTreeSet<Key>) {
        let excluded = sysctl_d::excluded(read, dialect);
        for placed in read.iter().filter(|placed| placed.assignment.value.is_some()) {
            let Placed { place, assignment } = placed;
            if let Some(name) = assignment.name() {
                self.recorded.add(place);
                let outlook = self.outlook(name.clone());
                outlook.assignments.push(place.clone());
                let is_key = || assignment.dotted_key().is_some_and(|key| keys.contains(key));
                match (excluded.get(place).filter(|_| is_key()), &mut outlook.lost) {
                    (Some(by), lost) => *lost = Some(Lost::Excluded { place: place.clone(), by: (*by).clone() }),
                    // A line with a key of older kernels changes nothing about the line with today's key.
                    (None, Some(Lost::Excluded { .. })) => {}
                    (None, lost) => *lost = Some(Lost::NoSuchKey(place.clone())),
                }
            }
        }
    }

    /// Writes a sysctl.
    fn apply_write(&mut self, write: Write) {
        let number = self.reading(&write).filter(|number| self.accepts(&write.key, *number));
        let takes = number.zip(write.key.name()).map(|(number, name)| (self.bounds.take(&name, number), name));
        let number = number.filter(|_| !matches!(takes, Some((Takes::Never, _))));
        if let Some((Takes::Perhaps, name)) = takes {
            let reason = match name.setting().kind {
                ValueKind::Seconds => Reason::UnknownClock,
                ValueKind::Integer | ValueKind::Boolean => Reason::AnotherKernel,
            };
            self.perhaps.push(Perhaps { name, place: write.place.clone(), reason });
        }
        if number.is_some() && number != self.reading_of_larger_pages(&write) {
            self.rounds_perhaps(&write);
        }
        self.record(write, number);
    }

    /// Applies a parameter of the kernel or of its module; a read-only sysctl does not prevent it.
    fn apply_parameter(&mut self, write: Write) {
        let number = self.reading(&write);
        self.record(write, number);
    }

    /// The number that the kernel takes from a written text.
    fn reading(&self, write: &Write) -> Option<i64> {
        kernel_reading(&write.text, &write.key.name()?, self.bounds.pages)
    }

    /// The number that the kernel takes if its pages are as large as they may be.
    fn reading_of_larger_pages(&self, write: &Write) -> Option<i64> {
        kernel_reading(&write.text, &write.key.name()?, self.bounds.pages.largest())
    }

    /// Notes that the kernel may make another number of a write, because it rounds the buckets.
    fn rounds_perhaps(&mut self, write: &Write) {
        let of_name = |name| Perhaps { name, place: write.place.clone(), reason: Reason::UnknownPages };
        self.perhaps.extend(write.key.name().map(of_name));
    }

    /// The values so far.
    fn values(&self) -> BTreeMap<Name, i64> {
        self.outlooks.iter().filter_map(|(name, outlook)| Some((name.clone(), outlook.value?))).into_map()
    }

    /// Lets a later writer write, and lists what decides then, or may decide.
    fn run(&mut self, by: &'static Writer, scene: &Scene) -> Vec<LaterWrite> {
        let written = (by.writes)(scene);
        self.doubts.extend(written.iter().filter_map(Written::unknown).cloned());
        let settings: BTreeSet<Name> = written.iter().filter_map(Written::setting).into_set();
        let decides = |play: &Self, name: &Name| play.outlooks.get(name).and_then(Outlook::decided_by).cloned();
        let before: Vec<Option<Place>> = settings.iter().map(|name| decides(self, name)).collect();
        let sure = || written.iter().filter_map(Written::sure);
        sure().for_each(|write| self.expect_write(write));
        sure().filter(|write| scene.keys.contains(&write.key)).for_each(|write| self.apply_write(write.clone()));
        let decisive = |(setting, before): (Name, Option<Place>)| {
            let after = decides(self, &setting).filter(|place| Some(place) != before.as_ref());
            let counts = |it: &&Written| match it.sure() {
                Some(write) => Some(&write.place) == after.as_ref(),
                None => true,
            };
            let written = written.iter().filter(|it| it.setting().as_ref() == Some(&setting)).rfind(counts)?;
            LaterWrite::new(by, setting, written)
        };
        let later: Vec<LaterWrite> = settings.into_iter().zip(before).filter_map(decisive).collect();
        self.doubts.extend(later.iter().filter_map(LaterWrite::doubt));
        later
    }

    /// Records the write of a later writer. The write counts as lost until the kernel accepts it.
    fn expect_write(&mut self, write: &Write) {
        if let Some(outlook) = self.listed(write) {
            outlook.lost = Some(Lost::NoSuchKey(write.place.clone()));
        }
    }

    /// The outlook of the setting that is written, with the write among its assignments.
    fn listed(&mut self, write: &Write) -> Option<&mut Outlook> {
        let name = write.key.name()?;
        let is_new = self.recorded.insert(&name, &write.place);
        let outlook = self.outlook(name);
        if is_new {
            outlook.assignments.push(write.place.clone());
        }
        Some(outlook)
    }

    fn record(&mut self, write: Write, number: Option<i64>) {
        let is_outside = write.key.name().is_some_and(|name| self.snapshot.is_outside_container(&name));
        let Some(outlook) = self.listed(&write) else { return };
        match number {
            _ if is_outside => outlook.lost = Some(Lost::OfMachine(write.place)),
            Some(number) => {
                outlook.value = Some(number);
                outlook.winner = Some(write.place);
                outlook.lost = None;
            }
            None => outlook.lost = Some(Lost::Refused(write.place)),
        }
    }

    /// The doubt about the settings that a udev rule has written from files of its own, while nobody knows whether that is
    /// before the loader or after.
    fn unordered(&self, rerun: &Rerun, keys: &BTreeSet<Key>) -> Option<Doubt> {
        let writes = if rerun.reads_all() { Vec::new() } else { rerun.writes(&self.snapshot.tree, keys) };
        let names: BTreeSet<Name> = self.differing(&writes).into_keys().into_set();
        (!names.is_empty()).then(|| Doubt::of_line(Reason::UdevRule, &rerun.rule).about(About::Only(names)))
    }

    /// The doubts about the settings that udev's rules write themselves, while nobody knows whether that is before the loader
    /// or after.
    fn unordered_lines(&self, writes: &[Write]) -> Vec<Doubt> {
        let doubt = |(name, place): (Name, &Place)| {
            Doubt::of_line(Reason::UnorderedLine, place).detail("udev").about(About::Only([name].into()))
        };
        self.differing(writes).into_iter().map(doubt).collect()
    }

    /// The settings to which `writes` give another value than they have now, each with the line that does.
    fn differing<'w>(&self, writes: &'w [Write]) -> BTreeMap<Name, &'w Place> {
        let of_write = |write: &'w Write| Some((write.key.name()?, (self.reading(write)?, &write.place)));
        let last: BTreeMap<Name, (i64, &Place)> = writes.iter().filter_map(of_write).into_map();
        let value = |name: &Name| self.outlooks.get(name).and_then(|outlook| outlook.value);
        let differs = last.into_iter().filter(|(name, (number, _))| value(name) != Some(*number));
        differs.map(|(name, (_, place))| (name, place)).into_map()
    }

    /// Records a write that comes before the module is there.
    fn mark_lost(&mut self, write: Write, barred: Option<&Place>) {
        if let Some(name) = write.key.name() {
            let early = self.early;
            self.outlook(name).lost = Some(Lost::ModuleLate { place: write.place, barred: barred.cloned(), early });
        }
    }

    /// Records a write that the loader does not come to, because it has ended at the line `by`.
    fn mark_unread(&mut self, write: Write, by: Option<&Place>) {
        if let (Some(name), Some(by)) = (write.key.name(), by) {
            self.outlook(name).lost = Some(Lost::FileEnded { place: write.place, by: by.clone() });
        }
    }

    /// Whether the kernel has the key writable and refuses the value.
    fn is_refused(&self, write: &Write) -> bool {
        let Some(name) = write.key.name().filter(|_| self.is_writable(&write.key)) else { return false };
        let takes = |number| self.bounds.take(&name, number) != Takes::Never && self.keeps_thresholds(&name, number);
        !self.reading(write).is_some_and(takes)
    }

    /// Whether the kernel, as it is at this point of the boot, takes `number` for `key`.
    fn accepts(&self, key: &Key, number: i64) -> bool {
        key.name().is_some_and(|name| self.is_writable(key) && self.keeps_thresholds(&name, number))
    }

    /// Whether the kernel lets root write to `key`.
    fn is_writable(&self, key: &Key) -> bool {
        let Some(name) = key.name() else { return false };
        let live = self.snapshot.live.as_ref().and_then(|live| live.sysctls.get(key));
        // A key that is read-only in a child namespace is writable in the initial one, where the boot happens.
        let writable = self.snapshot.in_child_namespace() || live.is_none_or(|live| live.writable);
        name.setting().access == Access::ReadWrite && writable
    }

    /// Whether `number` for the setting `name` leaves the lower threshold of IPv6 reassembly below the upper one.
    fn keeps_thresholds(&self, name: &Name, number: i64) -> bool {
        let so_far = |name: &Name, default: i64| self.outlooks.get(name).and_then(|o| o.value).unwrap_or(default);
        let low = so_far(&FRAG6_LOW, FRAG6_LOW_DEFAULT);
        let high = so_far(&FRAG6_HIGH, FRAG6_HIGH_DEFAULT);
        if *name == FRAG6_LOW {
            number <= high
        } else if *name == FRAG6_HIGH {
            let may_rise = !Quirk::Frag6HighOnlyFalls.applies_to(self.bounds.release);
            number >= low && (may_rise || number <= high)
        } else {
            true
        }
    }
}
