//! Defines the kernel's counters, and the differences between two readings of them.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::order::InOrder;

/// Counters by name.
pub type Counts = BTreeMap<String, u64>;

/// The statistics of connection tracking.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// The entries of the table; None: the source does not say.
    pub entries: Option<u64>,
    /// The counters of each CPU, in the kernel's order.
    pub cpus: Vec<Counts>,
}

impl Counters {
    /// The counters summed over the CPUs.
    #[must_use]
    pub fn sum(&self) -> Counts {
        let mut sum = Counts::new();
        for (name, value) in self.cpus.iter().flatten() {
            let total: &mut u64 = sum.entry(name.clone()).or_default();
            *total = total.saturating_add(*value);
        }
        sum
    }

    /// The counter `name`, summed over the CPUs; 0 if it is not known.
    #[must_use]
    pub fn total(&self, name: &str) -> u64 {
        self.cpus.iter().filter_map(|cpu| cpu.get(name)).fold(0, |total, value| total.saturating_add(*value))
    }

    /// The counts since `before`, for each CPU. The kernel's counters are 32 bits wide, and start again at 0 when they
    /// overflow.
    #[must_use]
    pub fn since(&self, before: &Counters) -> Vec<Counts> {
        let none = Counts::new();
        let earlier = before.cpus.iter().chain(std::iter::repeat(&none));
        let rows = self.cpus.iter().zip(earlier);
        rows.map(|(cpu, earlier)| {
            let since = |(name, value): (&String, &u64)| {
                let change = value.wrapping_sub(earlier.get(name).copied().unwrap_or(0));
                (name.clone(), change & u64::from(u32::MAX))
            };
            cpu.iter().map(since).into_map()
        })
        .collect()
    }
}

/// The sum of `rows` by name.
#[must_use]
pub fn sum(rows: &[Counts]) -> Counts {
    Counters { entries: None, cpus: rows.to_vec() }.sum()
}

/// The counters that grew between two readings, and by how much. These are 64 bits wide, and do not overflow.
#[must_use]
pub fn growth(before: &Counts, after: &Counts) -> Counts {
    let grown = after.iter().filter_map(|(name, value)| {
        let change = value.saturating_sub(*before.get(name)?);
        (change > 0).then(|| (name.clone(), change))
    });
    grown.into_map()
}

/// The new entries that the kernel's events have announced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewEntries {
    /// The number that was counted.
    pub entries: u64,
    /// Whether more events came than could be counted.
    pub or_more: bool,
}

impl AddAssign for NewEntries {
    fn add_assign(&mut self, other: NewEntries) {
        self.entries += other.entries;
        self.or_more |= other.or_more;
    }
}
