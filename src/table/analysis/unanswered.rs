//! Finds the addresses that open connections which nobody answers, and how fast.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::table::analysis::heavy::HeavyHitters;
use crate::table::model::entry::{ProtocolState, TableEntry, protocol_name};
use crate::text::{percent, to_f64};

/// The counters. Only a few addresses matter here: those that fill the table alone.
const COUNTERS: usize = 512;
/// The addresses that are named.
const NAMED: usize = 5;
/// An address is named from this share of all entries on.
const LEAST_PERCENT: f64 = 5.0;
/// From this share of all entries on, one address fills the table.
const MOST_PERCENT: f64 = 50.0;

/// The unanswered entries, by the address that opened them.
#[derive(Debug)]
pub(super) struct Unanswered(HeavyHitters<Opener>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Opener {
    source: IpAddr,
    protocol: u8,
    state: Option<ProtocolState>,
    /// The place of its timeout in the tally. (A timeout has names, which are slow to compare.)
    timeout: usize,
}

/// An address has entries in a few states only, so that it alone is worth a hash.
impl Hash for Opener {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.source.hash(hasher);
    }
}

/// An address that opened many connections, in one state, which nobody answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    /// The address.
    pub source: String,
    /// The protocol, as the tools name it.
    pub protocol: String,
    /// The state; null: the protocol has none.
    pub state: Option<String>,
    /// The entries.
    pub entries: u64,
    /// Of all entries, in percent.
    pub percent: f64,
    /// Whether that address fills the table: it has more than half of all entries, and none of its entries was answered.
    pub fills_the_table: bool,
    /// The timeout in seconds; null: not known.
    pub timeout: Option<u32>,
    /// The age of the oldest of these entries in seconds; null: not known.
    pub oldest: Option<u32>,
    /// The entries that it opened in a second; null: not known.
    pub per_second: Option<f64>,
    /// The entries that there will be if it goes on: those of one timeout.
    pub if_it_goes_on: Option<u64>,
}

impl Unanswered {
    pub(super) fn new() -> Unanswered {
        Unanswered(HeavyHitters::new(COUNTERS))
    }

    /// Counts an entry, whose timeout has the place `timeout`, if nobody answered it.
    pub(super) fn add(&mut self, entry: &TableEntry, timeout: usize) {
        if let (Some(source), false) = (entry.source, entry.marks.replied) {
            let opener = Opener { source, protocol: entry.protocol, state: entry.state, timeout };
            self.0.add_with(opener, entry.remaining.unwrap_or(u32::MAX));
        }
    }

    /// The addresses of most such entries. `all` are the entries of the table, `of` those of an address, answered or not, and
    /// `seconds` the value of the timeout at a place.
    pub(super) fn opened(
        &self,
        all: u64,
        of: impl Fn(IpAddr) -> u64,
        seconds: impl Fn(usize) -> Option<u32>,
    ) -> Vec<Opened> {
        let top = self.0.top(NAMED).into_iter();
        let top = top.filter(|(_, entries)| percent(*entries, all) >= LEAST_PERCENT);
        top.map(|(opener, entries)| {
            let timeout = seconds(opener.timeout);
            let least = self.0.least(&opener).filter(|least| *least < u32::MAX);
            let oldest = timeout.zip(least).and_then(|(timeout, least)| timeout.checked_sub(least));
            // Within a second nothing can be said of the rate, and after the whole timeout entries have gone.
            let age = oldest.filter(|oldest| *oldest > 0);
            let rate = age.map(|age| to_f64(entries) / f64::from(age));
            let share = percent(entries, all);
            Opened {
                source: opener.source.to_string(),
                protocol: protocol_name(opener.protocol),
                state: opener.state.map(|state| state.name().to_owned()),
                entries,
                percent: share,
                fills_the_table: share >= MOST_PERCENT && of(opener.source) <= entries,
                timeout,
                oldest,
                per_second: rate.map(|rate| (rate * 10.0).round() / 10.0),
                if_it_goes_on: age
                    .zip(timeout)
                    .map(|(age, timeout)| entries.saturating_mul(timeout.into()) / u64::from(age)),
            }
        })
        .collect()
    }
}
