//! Counts entries by everything that decides about their timeout, in one step for each entry. A table has a few such kinds.

use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};

use crate::table::model::entry::{Marks, ProtocolState, TableEntry};
use crate::table::model::folding::Folding;

/// The entries of each kind.
#[derive(Debug, Default)]
pub(super) struct Kinds(HashMap<Kind, Count, Folding>);

/// The facts that the entries of a kind share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kind {
    protocol: u8,
    state: Option<ProtocolState>,
    /// The status bits, whether an entry has more time left than `udp_timeout`, and whether it has a port: a bit for each.
    bits: u8,
}

impl Hash for Kind {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let state = self.state.map_or(u8::MAX, ProtocolState::place);
        hasher.write_u32(u32::from_le_bytes([self.protocol, state, self.bits, 0]));
    }
}

#[derive(Debug)]
struct Count {
    entries: u64,
    marks: Marks,
    is_closing: bool,
    /// The place of the timeout; None: there is none.
    timeout: Option<usize>,
}

impl Kinds {
    /// Counts an entry, and returns the place of its timeout, which `place` finds for the first entry of a kind.
    pub(super) fn count(
        &mut self,
        entry: &TableEntry,
        udp_timeout: u32,
        place: impl FnOnce() -> Option<usize>,
    ) -> Option<usize> {
        let Marks { replied, assured, offloaded } = entry.marks;
        let is_long = entry.remaining.is_some_and(|seconds| seconds > udp_timeout);
        let has_port = entry.port.is_some_and(|port| port > 0);
        let bits =
            [replied, assured, offloaded, is_long, has_port].iter().fold(0, |bits, bit| bits << 1 | u8::from(*bit));
        let kind = Kind { protocol: entry.protocol, state: entry.state, bits };
        let count = self.0.entry(kind).or_insert_with(|| Count {
            entries: 0,
            marks: entry.marks,
            is_closing: entry.is_closing(),
            timeout: place(),
        });
        count.entries += 1;
        count.timeout
    }

    /// The entries with certain marks, of connections that are closing or not.
    pub(super) fn sum(&self, pick: impl Fn(Marks, bool) -> bool) -> u64 {
        let picked = self.0.values().filter(|count| pick(count.marks, count.is_closing));
        picked.map(|count| count.entries).sum()
    }

    /// The entries of each protocol and state, by the name of the state.
    pub(super) fn classes(&self) -> BTreeMap<(u8, Option<&'static str>), u64> {
        let mut classes = BTreeMap::new();
        for (kind, count) in &self.0 {
            *classes.entry((kind.protocol, kind.state.map(ProtocolState::name))).or_default() += count.entries;
        }
        classes
    }
}
