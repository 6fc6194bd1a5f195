//! Decides which network namespaces of the machine have a full table, or a nearly full one. Each has a table of its own, under
//! the one limit.

use crate::table::analysis::status::{Status, fill};
use crate::table::model::reading::{Namespace, NamespaceCounts, Unread};

/// From this fill on, a table counts as full if its counters show drops: the kernel evicts and fills in turns.
pub const BRIM_PERCENT: f64 = 95.0;

/// From this fill on, a table is nearly full.
pub const NEAR_PERCENT: f64 = 80.0;

/// How much room a namespace's table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// There is room, or nothing is known.
    Some,
    /// The table is nearly full.
    Little,
    /// The table is full.
    None,
}

/// The used part of the limit in the table of `namespace`, in percent.
#[must_use]
pub fn fill_of(namespace: &Namespace, limit: Option<u64>) -> Option<f64> {
    fill(namespace.latest().map(|counts| counts.entries), limit)
}

/// The room in the table of `namespace`.
#[must_use]
pub fn room(namespace: &Namespace, limit: Option<u64>) -> Room {
    let lost = |pick: fn(NamespaceCounts) -> u64| namespace.during_run.is_some_and(|run| pick(run) > 0);
    match fill_of(namespace, limit) {
        // The kernel evicts only at the limit; it drops for other reasons too.
        Some(fill) if fill >= 100.0 || lost(|run| run.early_drop) => Room::None,
        Some(fill) if fill >= BRIM_PERCENT && lost(|run| run.drop) => Room::None,
        Some(fill) if fill >= NEAR_PERCENT => Room::Little,
        _ => Room::Some,
    }
}

/// Whether the counters of every table show that none was ever full, nor its expectations, since it was made. Then the kernel
/// has no message about one, but for namespaces that are gone.
#[must_use]
pub fn were_never_full(status: &Status) -> bool {
    let is_quiet = |namespace: &Namespace| {
        namespace.latest().zip(namespace.counts).is_some_and(|(latest, first)| {
            latest.drop + first.drop + latest.early_drop + first.early_drop + first.expect_create == 0
        })
    };
    status.is_loaded
        && !status.namespaces.is_empty()
        && status.namespaces.iter().all(is_quiet)
        && !status.unread.iter().any(|unread| matches!(unread, Unread::Namespaces { never_full: false, .. }))
}

/// The namespace with the fullest table of all but that of this run.
#[must_use]
pub fn fullest_other(status: &Status) -> Option<&Namespace> {
    let others = status.namespaces.iter().filter(|namespace| !namespace.own);
    others.max_by(|a, b| {
        let key =
            |namespace: &Namespace| (room(namespace, status.limit), namespace.latest().map(|counts| counts.entries));
        // Of equal ones, the first.
        key(a).cmp(&key(b)).then(b.id.cmp(&a.id))
    })
}
