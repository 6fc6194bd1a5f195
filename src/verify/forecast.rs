//! Holds a machine with its next boots, which are played through once, when somebody first asks for them.

use std::borrow::Cow;
use std::cell::OnceCell;

use crate::boot::{Arrivals, Boot, System};
use crate::request::Desired;
use crate::snapshot::Snapshot;

/// A machine, and its next boots under each init system that a request names.
///
/// The plan, the verification and the report of a run ask the same questions of a machine, so that they share its answers.
#[derive(Clone, Debug)]
pub struct Forecast<'a> {
    snapshot: Cow<'a, Snapshot>,
    systems: Vec<&'static System>,
    arrivals: OnceCell<Vec<Arrivals>>,
    boots: OnceCell<Vec<Boot>>,
}

impl<'a> Forecast<'a> {
    /// The next boots of `snapshot`, for `desired`.
    #[must_use]
    pub fn of(desired: &Desired, snapshot: impl Into<Cow<'a, Snapshot>>) -> Forecast<'a> {
        let snapshot = snapshot.into();
        let systems = desired.loader.systems(&snapshot.tree);
        Forecast { snapshot, systems, arrivals: OnceCell::new(), boots: OnceCell::new() }
    }

    /// The same machine with boots that are known already, as far as they are.
    #[must_use]
    pub(crate) fn known(self, arrivals: OnceCell<Vec<Arrivals>>, boots: OnceCell<Vec<Boot>>) -> Forecast<'a> {
        Forecast { arrivals, boots, ..self }
    }

    /// The machine.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The init systems.
    #[must_use]
    pub fn systems(&self) -> &[&'static System] {
        &self.systems
    }

    /// How the modules come at its boots, for each init system.
    #[must_use]
    pub fn arrivals(&self) -> &[Arrivals] {
        let of = |system: &&'static System| Arrivals::of(&self.snapshot, system);
        self.arrivals.get_or_init(|| self.systems.iter().map(of).collect())
    }

    /// Its boots under each init system, and each kernel that makes a difference.
    #[must_use]
    pub fn boots(&self) -> &[Boot] {
        let played = || self.arrivals().iter().flat_map(|arrivals| arrivals.boots(&self.snapshot)).collect();
        self.boots.get_or_init(played)
    }
}
