//! Decides what the next boot will make of each setting, and which line of which file says so.
//!
//! A boot is played through on the data of a [`Snapshot`]: the module arrives with its options, the loader writes the
//! sysctls, other programs write later. A written text is interpreted as the kernel would parse it.

mod arrival;
mod doubt;
mod initrd;
mod kernels;
mod modprobe;
mod mounts;
mod next_root;
mod parameters;
mod scripts;
pub mod systems;
mod terms;
mod tmpfiles;
mod udev;
mod uncertain;
mod unread;
mod wanted;
mod writers;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::kernel::bounds::{Bounds, Takes};
use crate::kernel::catalog::{Access, FRAG6_HIGH, FRAG6_LOW, Key, Name};
use crate::kernel::modules::REASSEMBLY;
use crate::kernel::number::kernel_reading;
use crate::kernel::quirks::Quirk;
use crate::kernel::sizes::{FRAG6_HIGH_DEFAULT, FRAG6_LOW_DEFAULT};
use crate::snapshot::Snapshot;
use crate::sysctl_d::{self, Dialect, Placed, Write};
use crate::tree::Place;
use arrival::Coming;
use kernels::Kernel;
use terms::Terms;
use uncertain::Played;

pub use arrival::{Arrival, MODULE_FILE};
pub use doubt::{About, Doubt, Reason};
pub use initrd::{Stale, stale};
pub use mounts::has_extension;
pub use next_root::{Etc, Waiting, waiting};
pub use parameters::{CMDLINE, HASHSIZE_FILE, hashsize_line};
pub use systems::{LoaderChoice, System, detected};
pub use terms::running_bounds;
pub use udev::Rerun;
pub use unread::{Unread, UnreadCause, reads_beside, unread};
pub use wanted::wanted;
pub use writers::{Certainty, Evidence, LaterWrite, Scene, Timing, WRITERS, Writer, Written};

/// The reason why an assignment that is read at boot has no effect on the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The loader runs before the module is there.
    ModuleLate {
        /// Where the assignment stands.
        place: Place,
        /// The line that keeps the module from being loaded early, if one does.
        barred: Option<Place>,
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
    fn decided_by(&self) -> Option<&Place> {
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
    reassembly: Arrival,
    /// The reasons why the outlook of some settings, or of all, is in doubt.
    pub doubts: Vec<Doubt>,
    /// What is written after the loader, and decides or may decide.
    later: Vec<LaterWrite>,
    outlooks: BTreeMap<Name, Outlook>,
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

/// How the modules come at the next boots with one init system, under each kernel that can boot next.
///
/// The files of the loader are not among those that decide this, so that a plan which edits only these need not ask again.
#[derive(Clone, Debug)]
pub struct Arrivals {
    system: &'static System,
    /// First the kernel under which connection tracking comes latest. Kernels that make no difference share one.
    ways: Vec<(Terms, Coming)>,
}

impl Arrivals {
    /// The arrivals at the next boots of `snapshot`, if it boots with `system`.
    #[must_use]
    pub fn of(snapshot: &Snapshot, system: &'static System) -> Arrivals {
        let mut ways: Vec<(Terms, Coming)> = Vec::new();
        for (kernel, coming) in comings(snapshot, system) {
            let terms = Terms::of(snapshot, &kernel);
            if !ways.iter().any(|(own, its)| own.agree(&terms) && *its == coming) {
                ways.push((terms, coming));
            }
        }
        Arrivals { system, ways }
    }

    /// The same, as if connection tracking were always loaded in time.
    #[must_use]
    pub fn in_time(&self) -> Arrivals {
        let mut arrivals = self.clone();
        let comings = arrivals.ways.iter_mut().map(|(_, coming)| coming);
        for arrival in comings.flat_map(|coming| [&mut coming.arrival, &mut coming.reassembly]) {
            if !arrival.is_in_time() {
                *arrival = Arrival::BuiltIn;
            }
        }
        arrivals
    }

    /// The next boots of `snapshot`, one for each kernel.
    #[must_use]
    pub fn boots(&self, snapshot: &Snapshot) -> Vec<Boot> {
        let played = |(terms, coming): &(Terms, Coming)| play(snapshot, self.system, terms, coming.clone());
        let mut boots: Vec<Boot> = self.ways.iter().map(played).collect();
        let terms = self.ways.iter().map(|(terms, _)| terms);
        let doubts: Vec<Doubt> = terms.zip(&boots).filter_map(|(terms, boot)| terms.differs(boot, &boots)).collect();
        for boot in &mut boots {
            boot.doubts.extend(doubts.iter().cloned());
        }
        boots
    }
}

/// The next boots of `snapshot`, if it boots with `system`: one for each kernel that can boot next, first the one under
/// which connection tracking comes latest. Kernels that make no difference share one.
#[must_use]
pub fn boots(snapshot: &Snapshot, system: &'static System) -> Vec<Boot> {
    Arrivals::of(snapshot, system).boots(snapshot)
}

/// The same, as if connection tracking were always loaded in time.
#[must_use]
pub fn boots_in_time(snapshot: &Snapshot, system: &'static System) -> Vec<Boot> {
    Arrivals::of(snapshot, system).in_time().boots(snapshot)
}

/// The most telling of these boots where nothing is desired: the first one, with the doubts about all of them.
///
/// # Panics
///
/// Never, because some kernel boots.
#[must_use]
pub fn boot(snapshot: &Snapshot, system: &'static System) -> Boot {
    let mut boots = boots(snapshot, system).into_iter();
    let mut first = boots.next().expect("a kernel boots");
    for doubt in boots.flat_map(|boot| boot.doubts) {
        if !first.doubts.contains(&doubt) {
            first.doubts.push(doubt);
        }
    }
    first
}

/// The arrival of connection tracking at these boots.
fn comings(snapshot: &Snapshot, system: &System) -> Vec<(Kernel, Coming)> {
    let Snapshot { tree, module, .. } = snapshot;
    match snapshot.container() {
        Some(_) => vec![(kernels::of_container(tree, *module), arrival::outside(*module))],
        None => arrival::comings(tree, *module, system),
    }
}

fn play(snapshot: &Snapshot, system: &'static System, terms: &Terms, coming: Coming) -> Boot {
    let Coming { arrival, reassembly, parameters, never, writes: of_rules, reruns, mut doubts } = coming;
    let arrival_of = |key: &Key| if is_of_reassembly(key) { &reassembly } else { &arrival };
    let keys = &terms.keys;
    let tree = &snapshot.tree;
    let dialect = system.dialect(tree);
    let files = system.runs(tree);
    let runs: Vec<Vec<Placed>> = files.iter().map(|files| sysctl_d::assignments(tree, dialect, files)).collect();
    let mut play = Play {
        snapshot,
        bounds: terms.bounds,
        outlooks: BTreeMap::new(),
        recorded: HashSet::new(),
        perhaps: Vec::new(),
        doubts: Vec::new(),
    };
    for read in &runs {
        play.record_assignments(read, dialect, keys);
    }
    for write in parameters::writes(&parameters, snapshot.page_size) {
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
    for write in runs.iter().flat_map(|read| sysctl_d::writes(read, dialect, keys)) {
        match arrival_of(&write.key) {
            arrival if arrival.is_in_time() => play.apply_write(write),
            arrival => play.mark_lost(write, arrival.barred()),
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
    doubts.extend(uncertain::doubts(&Played {
        snapshot,
        system,
        arrival: &arrival,
        keys,
        files: &files,
        runs: &runs,
        later: &later,
        outlooks: &outlooks,
    }));
    doubts.extend(of_writers);
    let (keys, bounds) = (terms.keys.clone(), terms.bounds);
    Boot { system, dialect, arrival, keys, bounds, reassembly, doubts, later, outlooks }
}

/// Whether the module of reassembly makes `key`, and not that of connection tracking.
fn is_of_reassembly(key: &Key) -> bool {
    key.name().is_some_and(|name| name.setting().module == REASSEMBLY)
}

/// A boot while it is played through.
struct Play<'a> {
    snapshot: &'a Snapshot,
    /// The numbers that the kernel takes.
    bounds: Bounds,
    outlooks: BTreeMap<Name, Outlook>,
    /// Which assignments are recorded, by setting: a thousand files may assign the same one.
    recorded: HashSet<(Name, Place)>,
    /// The writes that the kernel may refuse.
    perhaps: Vec<(Name, Place)>,
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
            if let Some(name) = placed.assignment.name() {
                self.recorded.insert((name.clone(), placed.place.clone()));
                let outlook = self.outlook(name);
                outlook.assignments.push(placed.place.clone());
                let place = placed.place.clone();
                let is_key = || placed.assignment.dotted_key().is_some_and(|key| keys.contains(&key));
                match excluded.get(&placed.place).filter(|_| is_key()) {
                    Some(by) => outlook.lost = Some(Lost::Excluded { place, by: (*by).clone() }),
                    // A line with a key of older kernels changes nothing about the line with today's key.
                    None if matches!(outlook.lost, Some(Lost::Excluded { .. })) => {}
                    None => outlook.lost = Some(Lost::NoSuchKey(place)),
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
            self.perhaps.push((name, write.place.clone()));
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
        kernel_reading(&write.text, &write.key.name()?, self.snapshot.page_size)
    }

    /// The values so far.
    fn values(&self) -> BTreeMap<Name, i64> {
        self.outlooks.iter().filter_map(|(name, outlook)| Some((name.clone(), outlook.value?))).collect()
    }

    /// Lets a later writer write, and lists what decides then, or may decide.
    fn run(&mut self, by: &'static Writer, scene: &Scene) -> Vec<LaterWrite> {
        let written = (by.writes)(scene);
        self.doubts.extend(written.iter().filter_map(Written::unknown).cloned());
        let settings: BTreeSet<Name> = written.iter().filter_map(Written::setting).collect();
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
        settings.into_iter().zip(before).filter_map(decisive).collect()
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
        let is_new = self.recorded.insert((name.clone(), write.place.clone()));
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
        let names: BTreeSet<Name> = self.differing(&writes).into_keys().collect();
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
        let last: BTreeMap<Name, (i64, &Place)> = writes.iter().filter_map(of_write).collect();
        let value = |name: &Name| self.outlooks.get(name).and_then(|outlook| outlook.value);
        let differs = last.into_iter().filter(|(name, (number, _))| value(name) != Some(*number));
        differs.map(|(name, (_, place))| (name, place)).collect()
    }

    /// Records a write that comes before the module is there.
    fn mark_lost(&mut self, write: Write, barred: Option<&Place>) {
        if let Some(name) = write.key.name() {
            self.outlook(name).lost = Some(Lost::ModuleLate { place: write.place, barred: barred.cloned() });
        }
    }

    /// Whether the kernel, as it is at this point of the boot, takes `number` for `key`.
    fn accepts(&self, key: &Key, number: i64) -> bool {
        let Some(name) = key.name() else { return false };
        let live = self.snapshot.live.as_ref().and_then(|live| live.sysctls.get(key));
        // A key that is read-only in a child namespace is writable in the initial one, where the boot happens.
        let writable = self.snapshot.in_child_namespace() || live.is_none_or(|live| live.writable);
        name.setting().access == Access::ReadWrite && writable && self.keeps_thresholds(&name, number)
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
