//! Defines the profile of a table: what fills it, as the entries that were counted show.

use serde::{Deserialize, Serialize};

use crate::table::analysis::unanswered::Opened;
use crate::table::analysis::untracked::Untracked;

/// The mix of entries in a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The entries that were read. All counts below are of these.
    pub entries: u64,
    /// The entries of the table, of which those are a random sample; null: the whole table was read.
    pub sample_of: Option<u64>,
    /// The points by which a percentage below may be off, in 19 of 20 samples; 0: the whole table was read.
    pub margin_points: f64,
    /// Entries without a packet in the reply direction.
    pub unreplied: u64,
    /// Entries that a full table does not evict.
    pub assured: u64,
    /// Entries that a full table may evict to make room: those that have not seen traffic both ways.
    pub evictable: u64,
    /// Entries of connections that have seen traffic both ways and are closing, which a full table may remove too.
    pub closing: u64,
    /// Entries whose packets a flow table forwards, so that conntrack's timeouts do not apply.
    pub offloaded: u64,
    /// The protocols and states, the most frequent first.
    pub classes: Vec<Class>,
    /// The timeouts of the entries, the most used first.
    pub timeouts: Vec<TimeoutUse>,
    /// The conntrack zones.
    pub zones: Ranking,
    /// The addresses that opened most connections.
    pub sources: Ranking,
    /// The addresses that most connections were opened to.
    pub destinations: Ranking,
    /// The protocols and ports that most connections were opened to.
    pub ports: Ranking,
    /// The traffic that a host usually need not track, if it is a large part of the entries.
    pub untracked: Vec<Untracked>,
    /// The addresses that opened most of the connections which nobody answered.
    pub unanswered: Vec<Opened>,
}

/// A protocol in one of its states.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// The protocol, as the tools name it.
    pub protocol: String,
    /// The state; null: the protocol has none.
    pub state: Option<String>,
    /// The entries.
    pub entries: u64,
    /// Of all entries, in percent.
    pub percent: f64,
}

/// The entries that use one timeout. The idle time of an entry is the timeout less the time that remains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeoutUse {
    /// The setting.
    pub setting: String,
    /// Its value in seconds; null: not known.
    pub seconds: Option<u32>,
    /// Whether that value is the kernel's own default, because the live value is not known.
    pub assumed: bool,
    /// Whether that value is the longest remaining time of these entries, because the live value is not known and they do
    /// not fit the default.
    pub inferred: bool,
    /// The entries that use it.
    pub entries: u64,
    /// Of all entries, in percent.
    pub percent: f64,
    /// Entries that may use a shorter timer of TCP instead, so that their idle time is not known.
    pub unsure: u64,
    /// Entries with more time left than the timeout allows: it had another value before, or a firewall rule gives them
    /// another timeout.
    pub other_timeout: u64,
    /// Entries whose idle time is not known, because the table does not say how much time they have left, or the value
    /// of the timeout is not known.
    pub not_known: u64,
    /// The entries that would be gone under shorter timeouts.
    pub gone: Vec<WouldExpire>,
}

/// The entries that a shorter timeout would have removed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WouldExpire {
    /// The shorter timeout in seconds.
    pub seconds: u32,
    /// The shorter timeout as people write it.
    pub human: String,
    /// The entries that have been idle for so long.
    pub entries: u64,
    /// Of all entries, in percent.
    pub percent: f64,
}

/// The most frequent addresses, ports or zones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ranking {
    /// The number of different ones; null: too many to count in bounded memory.
    pub different: Option<u64>,
    /// The most that a count below may be too low. No count is too high.
    pub too_low_by_at_most: u64,
    /// The most frequent, at most ten.
    pub items: Vec<Item>,
}

/// An address, port or zone of a ranking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Its name.
    pub name: String,
    /// Its entries.
    pub entries: u64,
    /// Of all entries, in percent.
    pub percent: f64,
}

impl Profile {
    /// The number of entries in the whole table that `entries` of the sample stand for.
    #[must_use]
    pub fn scaled(&self, entries: u64) -> u64 {
        match self.sample_of {
            Some(whole) if self.entries > 0 => {
                let scaled = u128::from(entries) * u128::from(whole) / u128::from(self.entries);
                u64::try_from(scaled).unwrap_or(u64::MAX)
            }
            _ => entries,
        }
    }
}
