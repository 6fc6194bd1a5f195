//! Counts the entries of each port exactly, in memory that does not grow with the table: half a mebibyte for each protocol that
//! has ports.

use crate::order::sorted_by;
use crate::table::model::entry::{TCP, TableEntry, UDP};

/// The ports of a protocol.
const PORTS: usize = 1 << 16;

/// The entries of one port. A table has fewer than 2^31.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortCount {
    /// All.
    pub entries: u32,
    /// Those without an answer, of UDP; those of connections that are over, of TCP.
    pub passing: u32,
}

/// The entries of each port, by protocol.
#[derive(Clone, Debug, Default)]
pub struct PortCounts(Vec<(u8, Vec<PortCount>)>);

impl PortCounts {
    /// Counts an entry, if its protocol has ports.
    pub fn add(&mut self, entry: &TableEntry) {
        let Some(port) = entry.port else { return };
        // There are five at most, and nearly always two.
        let place = self.0.iter().position(|(protocol, _)| *protocol == entry.protocol).unwrap_or_else(|| {
            self.0.push((entry.protocol, vec![PortCount::default(); PORTS]));
            self.0.len() - 1
        });
        let count = &mut self.0[place].1[usize::from(port)];
        count.entries = count.entries.saturating_add(1);
        let is_passing = match entry.protocol {
            UDP => !entry.marks.replied,
            TCP => entry.is_over(),
            _ => false,
        };
        count.passing = count.passing.saturating_add(u32::from(is_passing));
    }

    /// The ports that have entries, the most frequent first; equal ones in the order of their protocols and numbers.
    #[must_use]
    pub fn ranked(&self) -> Vec<((u8, u16), PortCount)> {
        let by_protocol = sorted_by(self.0.iter().collect(), |(one, _), (other, _)| one.cmp(other));
        let ports = by_protocol.into_iter().flat_map(|(protocol, counts)| {
            let ports = (0..=u16::MAX).zip(counts).filter(|(_, count)| count.entries > 0);
            ports.map(move |(port, count)| ((*protocol, port), *count))
        });
        sorted_by(ports.collect(), |(_, one), (_, other)| other.entries.cmp(&one.entries))
    }
}
