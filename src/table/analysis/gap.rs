//! Decides whether entries are counted and not listed, and why.

use serde::{Deserialize, Serialize};

/// Entries that the kernel counts, and does not list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// The number of such entries.
    pub entries: u64,
    /// Of these, entries that have ended, and wait until a listener has room for the event of their end; null: this kernel
    /// does not say.
    pub dying: Option<u64>,
    /// Of these, entries of connections whose first packet is still on its way; null: this kernel does not say.
    pub unconfirmed: Option<u64>,
    /// The program that listens to such events and has the most unread ones, with its process number; null: none is known.
    pub listener: Option<String>,
}

/// Connections come and go while the table is read: fewer entries than these are no gap.
const FEWEST: u64 = 32;
/// The part of the counted entries, in percent, that the same explains.
const SHARE_PERCENT: u64 = 2;

/// The number of entries that are counted and not listed, if `listed` are all that the kernel lists. It counted `before` of
/// them when the reading began, and `after` when it ended.
#[must_use]
pub fn missing(before: Option<u64>, after: Option<u64>, listed: u64) -> Option<u64> {
    let counted = before?.min(after?);
    let missing = counted.saturating_sub(listed);
    (missing >= FEWEST.max(counted.saturating_mul(SHARE_PERCENT) / 100)).then_some(missing)
}
