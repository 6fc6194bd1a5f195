//! Decides what the next boot will make of each setting, and which line of which file says so.
//!
//! A boot is played through on the data of a [`Snapshot`]: the module arrives with its options, the loader writes the
//! sysctls, other programs write later. A written text is interpreted as the kernel would parse it.

mod arrival;
mod boot_loaders;
mod configuration;
mod doubt;
mod initrd;
mod kernels;
mod modprobe;
mod mounts;
mod next_root;
mod outlook;
mod parameters;
mod play;
mod recorded;
mod scripts;
pub mod systems;
mod terms;
mod tmpfiles;
mod udev;
mod uncertain;
mod unread;
mod updates;
mod wanted;
mod writers;

use crate::kernel::catalog::Key;
use crate::snapshot::Snapshot;
use arrival::Coming;
use kernels::Kernel;
use play::{Extent, play};
use terms::Terms;

pub use arrival::Arrival;
pub use doubt::{About, Doubt, Reason};
pub use initrd::{Stale, stale};
pub use mounts::{has_extension, is_mount_point, read_only_mount};
pub use next_root::{Etc, Waiting, waiting};
pub use outlook::{Boot, Lost, Outlook};
pub use parameters::{CMDLINE, HASHSIZE_FILE, hashsize_line};
pub use systems::{Early, LoaderChoice, System, detected, module_files};
pub use terms::running_bounds;
pub use udev::Rerun;
pub use unread::{Unread, UnreadCause, reads_beside, unread};
pub use updates::{Updates, may_drop};
pub use wanted::{SOURCES, Source};
pub use writers::{Certainty, Evidence, LaterWrite, Scene, Timing, WRITERS, Writer, Written};

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

    /// Whether connection tracking is always loaded in time.
    #[must_use]
    pub fn are_in_time(&self) -> bool {
        self.ways.iter().all(|(_, coming)| coming.arrival.is_in_time() && coming.reassembly.is_in_time())
    }

    /// Whether a kernel has `key`.
    #[must_use]
    pub fn have(&self, key: &Key) -> bool {
        self.ways.iter().any(|(terms, _)| terms.keys.contains(key))
    }

    /// The next boots of `snapshot`, one for each kernel.
    #[must_use]
    pub fn boots(&self, snapshot: &Snapshot) -> Vec<Boot> {
        let mut boots = self.played(snapshot, Extent::WithDoubts);
        let terms = self.ways.iter().map(|(terms, _)| terms);
        let doubts: Vec<Doubt> = terms.zip(&boots).filter_map(|(terms, boot)| terms.differs(boot, &boots)).collect();
        for boot in &mut boots {
            boot.doubts.extend(doubts.iter().cloned());
        }
        boots
    }

    /// The same boots, without the doubts about them. A plan that edits files asks for these after each edit, and for the
    /// doubts at its end.
    #[must_use]
    pub fn rehearsals(&self, snapshot: &Snapshot) -> Vec<Boot> {
        self.played(snapshot, Extent::Rehearsal)
    }

    fn played(&self, snapshot: &Snapshot, extent: Extent) -> Vec<Boot> {
        let played = |(terms, coming): &(Terms, Coming)| play(snapshot, self.system, terms, coming.clone(), extent);
        self.ways.iter().map(played).collect()
    }
}

/// The next boots of `snapshot`, if it boots with `system`: one for each kernel that can boot next, first the one under
/// which connection tracking comes latest. Kernels that make no difference share one.
#[must_use]
pub fn boots(snapshot: &Snapshot, system: &'static System) -> Vec<Boot> {
    Arrivals::of(snapshot, system).boots(snapshot)
}

/// The same, as if connection tracking were always loaded in time, and without the doubts about them.
#[must_use]
pub fn boots_in_time(snapshot: &Snapshot, system: &'static System) -> Vec<Boot> {
    Arrivals::of(snapshot, system).in_time().rehearsals(snapshot)
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
fn comings<'a>(snapshot: &'a Snapshot, system: &System) -> Vec<(Kernel<'a>, Coming)> {
    let Snapshot { tree, module, .. } = snapshot;
    match snapshot.container() {
        Some(_) => vec![(kernels::of_container(tree, *module), arrival::outside(*module))],
        None => arrival::comings(tree, *module, system),
    }
}
