//! Works out what limit and which timeouts a table needs, and shows the arithmetic. Pure; `docs/sizing.md` argues for
//! the rules.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::kernel::catalog::{BUCKETS, MAX, default_timeout};
use crate::kernel::sizes::{BUCKET_BYTES, table_bytes};
use crate::table::analysis::profile::{Gone, Profile, Ruled};
use crate::text::duration_text;
use crate::text::{grouped, size, to_f64, to_u64};

/// What the arithmetic starts from.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What fills the table.
    pub profile: Option<&'a Profile>,
    /// The entries.
    pub count: u64,
    /// The limit; 0: none.
    pub limit: Option<u64>,
    /// The buckets.
    pub buckets: Option<u64>,
    /// The bytes of an entry.
    pub entry_bytes: u64,
    /// The memory of the machine.
    pub memory: Option<u64>,
    /// What presses.
    pub pressure: Pressure,
}

/// Whether the table needs anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressure {
    /// It is full or nearly so.
    Now,
    /// It was full.
    Before,
    /// It has room.
    Never,
}

/// What to set, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// The least limit; null: the table has none, or it is not known.
    pub limit: Option<u64>,
    /// The least number of buckets; null: those of now will do.
    pub buckets: Option<u64>,
    /// Timeouts to shorten, in seconds, by setting.
    pub timeouts: BTreeMap<String, u32>,
    /// The memory of a full table of that limit.
    pub memory: Option<u64>,
    /// How each number comes about, a line each.
    pub arithmetic: Vec<String>,
    /// The same as a request that `apply` takes; null: there is nothing to ask for.
    pub request: Option<Value>,
}

/// A timeout is worth shortening where that ends so many percent of all entries.
const WORTH: f64 = 10.0;

/// What an established connection may be cut to: a day, the 8 hours of a working day, and the least that RFC 5382
/// (REQ-5) allows a translator, 2 hours and 4 minutes.
const ESTABLISHED: [u32; 3] = [86_400, 28_800, 7440];

/// A table may take an eighth of the memory when it is full.
const MEMORY_SHARE: u64 = 8;

/// The most that the kernel accepts as a limit.
pub const LARGEST: u64 = 2_147_483_647;

/// The proposal for a table.
#[must_use]
pub fn propose(facts: &Facts<'_>) -> Proposal {
    let mut proposal = Proposal {
        limit: facts.limit.filter(|limit| *limit > 0),
        buckets: None,
        timeouts: BTreeMap::new(),
        memory: None,
        arithmetic: Vec::new(),
        request: None,
    };
    let mut gone = 0;
    if facts.pressure != Pressure::Never {
        let timeouts = facts.profile.iter().flat_map(|profile| profile.timeouts.iter().map(move |own| (*profile, own)));
        for (profile, ruled, shorter) in timeouts.filter_map(|(profile, ruled)| Some((profile, ruled, worth(ruled)?))) {
            proposal.timeouts.insert(ruled.setting.clone(), shorter.seconds);
            let ended = profile.scaled(shorter.entries);
            proposal.arithmetic.push(format!(
                "{}: {} -> {}; {} entries ({}%) have been idle for longer and would be gone",
                ruled.setting,
                ruled.seconds.map_or_else(String::new, |seconds| duration_text(seconds.into())),
                shorter.human,
                grouped(ended),
                shorter.percent
            ));
            gone += ended;
        }
    }
    if let Some(limit) = proposal.limit {
        size_up(&mut proposal, facts, limit, gone);
    }
    proposal.request = request(&proposal);
    proposal
}

/// The limit, the buckets and the memory.
fn size_up(proposal: &mut Proposal, facts: &Facts<'_>, limit: u64, gone: u64) {
    let lines = &mut proposal.arithmetic;
    let stay = facts.count.saturating_sub(gone);
    let demand = match facts.pressure {
        Pressure::Never => 0,
        Pressure::Now => {
            lines.push(format!(
                "{} entries - {} gone = {} that stay",
                grouped(facts.count),
                grouped(gone),
                grouped(stay)
            ));
            stay
        }
        Pressure::Before => {
            // The mix of a full table is not known any more; that of now stands in for it.
            let share = if facts.count == 0 { 1.0 } else { to_f64(stay) / to_f64(facts.count) };
            let demand = to_u64(to_f64(limit) * share);
            lines.push(format!(
                "it was full with {} entries; of a table like that of now {:.0}% would stay: {}",
                grouped(limit),
                share * 100.0,
                grouped(demand)
            ));
            demand
        }
    };
    let room = demand.saturating_mul(2);
    let mut proposed = limit;
    if facts.pressure == Pressure::Never {
        lines.push(format!("the limit of {} has room: it is kept", grouped(limit)));
    } else if room <= limit {
        lines.push(format!("2 x {} = {} fits into the limit of {}", grouped(demand), grouped(room), grouped(limit)));
    } else {
        proposed = room.checked_next_power_of_two().unwrap_or(LARGEST).min(LARGEST);
        lines.push(format!(
            "2 x {} = {}, up to a power of two: {} (a full table does not show what it turned away; look again later)",
            grouped(demand),
            grouped(room),
            grouped(proposed)
        ));
    }
    let full = |limit: u64, buckets: u64| table_bytes(limit, facts.entry_bytes, buckets);
    if let Some(memory) = facts.memory {
        let most = memory / MEMORY_SHARE;
        let wanted = proposed;
        while proposed / 2 >= limit && full(proposed, proposed) > most {
            proposed /= 2;
        }
        if proposed < wanted {
            lines.push(format!(
                "{} is what an eighth of this machine's memory ({}) can hold",
                grouped(proposed),
                size(memory)
            ));
        }
    }
    // The kernel's own default since 5.15 is as many entries as buckets (nf_conntrack-sysctl.rst).
    let buckets = facts.buckets.filter(|_| facts.pressure != Pressure::Never && proposed > limit);
    proposal.buckets = buckets.filter(|buckets| *buckets < proposed).map(|_| proposed);
    let buckets = proposal.buckets.or(facts.buckets).unwrap_or(proposed);
    let memory = full(proposed, buckets);
    lines.push(format!(
        "memory when full: {} x {} bytes + {} buckets x {BUCKET_BYTES} bytes = {}",
        grouped(proposed),
        facts.entry_bytes,
        grouped(buckets),
        size(memory)
    ));
    proposal.limit = Some(proposed);
    proposal.memory = Some(memory);
}

/// The shorter timeout that is worth it, if one is.
fn worth(ruled: &Ruled) -> Option<&Gone> {
    let gone = |seconds: u32| ruled.gone.iter().find(|gone| gone.seconds == seconds);
    let shorter = if ruled.setting == crate::table::model::entry::ESTABLISHED.setting() {
        // The longest that ends nine tenths of what the shortest would end.
        let most = ESTABLISHED.iter().filter_map(|seconds| gone(*seconds)).map(|gone| gone.entries).max()?;
        ESTABLISHED.iter().filter_map(|seconds| gone(*seconds)).find(|gone| gone.entries.saturating_mul(10) >= most * 9)
    } else {
        // Below the kernel's own default, a timeout would end what other hosts still use.
        gone(default_timeout(&ruled.setting)?)
    };
    shorter.filter(|gone| gone.percent >= WORTH)
}

fn request(proposal: &Proposal) -> Option<Value> {
    let mut floors = serde_json::Map::new();
    if let Some(limit) = proposal.limit {
        floors.insert(MAX.to_owned(), json!(limit));
    }
    if let Some(buckets) = proposal.buckets {
        floors.insert(BUCKETS.to_owned(), json!(buckets));
    }
    let mut request = serde_json::Map::new();
    if !proposal.timeouts.is_empty() {
        request.insert("settings".to_owned(), json!(proposal.timeouts));
    }
    if !floors.is_empty() {
        request.insert("at_least".to_owned(), Value::Object(floors));
    }
    (!request.is_empty()).then_some(Value::Object(request))
}
