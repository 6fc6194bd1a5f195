//! Works out which limit and which timeouts a table needs, and keeps the arithmetic. `docs/sizing.md` argues for the
//! rules.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::kernel::catalog::{BUCKETS, MAX, default_timeout};
use crate::kernel::sizes::table_bytes;
use crate::table::analysis::profile::{Profile, TimeoutUse, WouldExpire};
use crate::table::analysis::unanswered::Opened;
use crate::table::model::entry;
use crate::text::{to_f64, to_u64};

/// The facts that the arithmetic starts from.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The mix of entries in the table.
    pub profile: Option<&'a Profile>,
    /// The entries.
    pub count: u64,
    /// The limit; 0: none.
    pub limit: Option<u64>,
    /// The buckets.
    pub buckets: Option<u64>,
    /// The bytes of an entry.
    pub entry_bytes: u64,
    /// The bytes of a bucket.
    pub bucket_bytes: u64,
    /// The memory of the machine.
    pub memory: Option<u64>,
    /// The need for room.
    pub pressure: Pressure,
}

/// Whether the table needs room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressure {
    /// The table is full or nearly full.
    Now,
    /// The table was full.
    Before,
    /// The table has room.
    Never,
}

/// The settings that a table needs, and the arithmetic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proposal {
    /// The least limit; None: the table has none, or it is not known.
    pub limit: Option<u64>,
    /// The least number of buckets; None: the present ones are enough.
    pub buckets: Option<u64>,
    /// Timeouts to shorten, in seconds, by setting.
    pub timeouts: BTreeMap<String, u32>,
    /// The memory of a full table of that limit.
    pub memory: Option<u64>,
    /// The arithmetic of each number, in order.
    pub arithmetic: Vec<Calculation>,
}

/// One calculation of the arithmetic.
#[derive(Clone, Debug, PartialEq)]
pub enum Calculation {
    /// A shorter timeout would have removed entries.
    Shorten {
        /// The setting.
        setting: String,
        /// Its value in seconds, if it is known.
        from: Option<u32>,
        /// The shorter value in seconds.
        to: u32,
        /// The entries that would be gone.
        entries: u64,
        /// Of all entries, in percent.
        percent: f64,
    },
    /// The entries less those that would be gone.
    Stay {
        /// The present entries.
        count: u64,
        /// The entries that would be gone.
        gone: u64,
        /// The rest.
        stay: u64,
    },
    /// The part of a table that was full which would have stayed, by the present mix of entries.
    StayOfFull {
        /// The limit, which was reached.
        limit: u64,
        /// The share of the present entries that would stay.
        share: f64,
        /// That share of the limit.
        stay: u64,
    },
    /// One address fills the table with connections that nobody answers: a larger limit would only fill later.
    OneSource(Opened),
    /// The limit has room.
    Kept {
        /// The limit.
        limit: u64,
    },
    /// Twice the entries that stay fit into the limit.
    Fits {
        /// The entries that stay.
        stay: u64,
        /// Twice as many.
        room: u64,
        /// The limit.
        limit: u64,
    },
    /// Twice the entries that stay need a higher limit.
    Raised {
        /// The entries that stay.
        stay: u64,
        /// Twice as many.
        room: u64,
        /// The next power of two.
        limit: u64,
    },
    /// The memory of the machine bounds the limit.
    BoundByMemory {
        /// The highest limit that fits.
        limit: u64,
        /// The bytes of the machine's memory.
        memory: u64,
    },
    /// The memory of a full table.
    Memory {
        /// The limit.
        limit: u64,
        /// The bytes of an entry.
        entry_bytes: u64,
        /// The buckets.
        buckets: u64,
        /// The bytes of a bucket.
        bucket_bytes: u64,
        /// The bytes of all.
        bytes: u64,
    },
}

impl Proposal {
    /// The proposal as a request that `apply` takes; None: there is nothing to ask for.
    #[must_use]
    pub fn request(&self) -> Option<Value> {
        let parts = [self.request_for_timeouts(), self.request_for_limit()].into_iter().flatten();
        let mut request = serde_json::Map::new();
        request.extend(parts.filter_map(|part| part.as_object().cloned()).flatten());
        (!request.is_empty()).then_some(Value::Object(request))
    }

    /// The part of the request that each network namespace has for itself.
    #[must_use]
    pub fn request_for_timeouts(&self) -> Option<Value> {
        (!self.timeouts.is_empty()).then(|| json!({ "settings": self.timeouts }))
    }

    /// The part of the request that only the first network namespace can carry out.
    #[must_use]
    pub fn request_for_limit(&self) -> Option<Value> {
        let mut floors = serde_json::Map::new();
        if let Some(limit) = self.limit {
            floors.insert(MAX.into(), json!(limit));
        }
        if let Some(buckets) = self.buckets {
            floors.insert(BUCKETS.into(), json!(buckets));
        }
        (!floors.is_empty()).then(|| json!({ "at_least": floors }))
    }
}

/// A timeout is worth shortening if that removes at least this percentage of all entries.
const WORTHWHILE_PERCENT: f64 = 10.0;

/// The values that the timeout of established connections may be cut to: a day, the 8 hours of a working day, and the
/// least that RFC 5382 (REQ-5) allows a translator, 2 hours and 4 minutes.
const ESTABLISHED_CUTS: [u32; 3] = [86_400, 28_800, 7440];

/// A full table may take an eighth of the machine's memory.
const MEMORY_SHARE: u64 = 8;

/// The highest limit that the kernel accepts.
pub const LARGEST: u64 = 2_147_483_647;

/// The proposal for a table.
#[must_use]
pub fn propose(facts: &Facts<'_>) -> Proposal {
    let mut proposal = Proposal { limit: facts.limit.filter(|limit| *limit > 0), ..Proposal::default() };
    let gone = match facts.pressure {
        Pressure::Never => 0,
        Pressure::Now | Pressure::Before => shorten_timeouts(&mut proposal, facts),
    };
    if let Some(limit) = proposal.limit {
        size_up(&mut proposal, facts, limit, gone);
    }
    proposal
}

/// Adds the limit, the buckets and the memory.
fn size_up(proposal: &mut Proposal, facts: &Facts<'_>, limit: u64, gone: u64) {
    let arithmetic = &mut proposal.arithmetic;
    let flood = facts.profile.and_then(|profile| profile.unanswered.first()).filter(|opened| opened.fills_the_table);
    let flood = flood.filter(|_| facts.pressure != Pressure::Never);
    let proposed = if let Some(opened) = flood {
        arithmetic.push(Calculation::OneSource(opened.clone()));
        limit
    } else if let Some(stay) = staying(arithmetic, facts, limit, gone) {
        raised_limit(arithmetic, facts, limit, stay)
    } else {
        arithmetic.push(Calculation::Kept { limit });
        limit
    };
    if proposed > limit {
        // One bucket for each entry, as today's kernels have by default (`kernel::quirks`). On an older kernel, whose default
        // is a quarter of that, it makes the chains shorter.
        proposal.buckets = facts.buckets.filter(|buckets| *buckets < proposed).map(|_| proposed);
    }
    let buckets = proposal.buckets.or(facts.buckets).unwrap_or(proposed);
    let (entry_bytes, bucket_bytes) = (facts.entry_bytes, facts.bucket_bytes);
    let bytes = table_bytes(proposed, entry_bytes, buckets, bucket_bytes);
    arithmetic.push(Calculation::Memory { limit: proposed, entry_bytes, buckets, bucket_bytes, bytes });
    proposal.limit = Some(proposed);
    proposal.memory = Some(bytes);
}

/// Shortens the timeouts for which that is worthwhile. Returns the number of entries that would be gone.
fn shorten_timeouts(proposal: &mut Proposal, facts: &Facts<'_>) -> u64 {
    let Some(profile) = facts.profile else { return 0 };
    let mut gone = 0;
    for used in &profile.timeouts {
        let Some(shorter) = worthwhile_cut(used) else { continue };
        let entries = profile.scaled(shorter.entries);
        gone += entries;
        proposal.timeouts.insert(used.setting.clone(), shorter.seconds);
        proposal.arithmetic.push(Calculation::Shorten {
            setting: used.setting.clone(),
            from: used.seconds,
            to: shorter.seconds,
            entries,
            percent: shorter.percent,
        });
    }
    gone
}

/// The number of entries that need a place once `gone` entries are gone; None: the limit has room as it is.
fn staying(arithmetic: &mut Vec<Calculation>, facts: &Facts<'_>, limit: u64, gone: u64) -> Option<u64> {
    let stay = facts.count.saturating_sub(gone);
    match facts.pressure {
        Pressure::Never => None,
        Pressure::Now => {
            arithmetic.push(Calculation::Stay { count: facts.count, gone, stay });
            Some(stay)
        }
        Pressure::Before => {
            // The mix of entries in the full table is no longer known; the present mix is used instead.
            let share = if facts.count == 0 { 1.0 } else { to_f64(stay) / to_f64(facts.count) };
            let stay = to_u64(to_f64(limit) * share);
            arithmetic.push(Calculation::StayOfFull { limit, share, stay });
            Some(stay)
        }
    }
}

/// The limit that has room for `stay` entries: `limit`, or more, as far as the memory allows.
fn raised_limit(arithmetic: &mut Vec<Calculation>, facts: &Facts<'_>, limit: u64, stay: u64) -> u64 {
    let room = stay.saturating_mul(2);
    if room <= limit {
        arithmetic.push(Calculation::Fits { stay, room, limit });
        return limit;
    }
    let raised = room.checked_next_power_of_two().unwrap_or(LARGEST).min(LARGEST);
    arithmetic.push(Calculation::Raised { stay, room, limit: raised });
    let mut proposed = raised;
    if let Some(memory) = facts.memory {
        let bytes = |limit| table_bytes(limit, facts.entry_bytes, limit, facts.bucket_bytes);
        while proposed / 2 >= limit && bytes(proposed) > memory / MEMORY_SHARE {
            proposed /= 2;
        }
        if proposed < raised {
            arithmetic.push(Calculation::BoundByMemory { limit: proposed, memory });
        }
    }
    proposed
}

/// The shorter timeout that is worthwhile, if one is.
fn worthwhile_cut(used: &TimeoutUse) -> Option<&WouldExpire> {
    let gone = |seconds: u32| used.gone.iter().find(|gone| gone.seconds == seconds);
    let shorter = if used.setting == entry::ESTABLISHED.setting() {
        // The longest cut that removes nine tenths of what the shortest would remove.
        let cuts = || ESTABLISHED_CUTS.iter().filter_map(|seconds| gone(*seconds));
        let most = cuts().map(|gone| gone.entries).max()?;
        cuts().find(|gone| gone.entries.saturating_mul(10) >= most * 9)
    } else {
        // A timeout below the kernel's own default would end connections that other hosts still use.
        gone(default_timeout(&used.setting)?)
    };
    shorter.filter(|gone| gone.percent >= WORTHWHILE_PERCENT)
}
