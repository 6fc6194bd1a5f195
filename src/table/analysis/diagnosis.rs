//! Decides whether the table is full, and whether packets are lost there, elsewhere, or not at all.

use serde::{Deserialize, Serialize};

use crate::kernel::sizes::ENTRY_BYTES;
use crate::table::analysis::gap::Gap;
use crate::table::analysis::loss::Loss;
use crate::table::analysis::losses::{LossInterval, losses};
use crate::table::analysis::namespaces::{BRIM_PERCENT, NEAR_PERCENT, Room, fullest_other, room};
use crate::table::analysis::profile::Profile;
use crate::table::analysis::proposal::{Facts, Pressure, Proposal, propose};
use crate::table::analysis::status::{Status, bucket_bytes};
use crate::table::analysis::untracked::Untracked;
use crate::table::model::log::{INITIAL, NamespaceMessages};
use crate::table::model::reading::{Sizes, TableSource};

/// A diagnosis of a table.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// The source of the entries.
    pub source: TableSource,
    /// The verdict.
    pub verdict: Health,
    /// The fill of the table, and the counts of the run.
    pub status: Status,
    /// The mix of entries in the table.
    pub profile: Option<Profile>,
    /// The entries that are counted and not listed.
    pub gap: Option<Gap>,
    /// The seconds until the table is full at the present rate; None: it does not grow, or has no limit.
    pub seconds_until_full: Option<u64>,
    /// The counters of lost packets that grew during the run.
    pub losses: Vec<Loss>,
    /// The time of the last message of a full table, if the log has it.
    pub full_at: Option<String>,
    /// The settings that the table needs.
    pub proposal: Proposal,
    /// Whether the limit can be set from this network namespace.
    pub limit_is_ours: bool,
    /// The process whose network namespace was entered; None: none was.
    pub pid: Option<u32>,
    /// The options that name the saved files which the diagnosis is of; None: it is of the live table.
    pub saved_options: Option<String>,
}

/// The health of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// The table is full: connection tracking drops new connections.
    Full,
    /// The table has room, and that of another network namespace of this machine is full.
    FullInNamespace,
    /// Packets are dropped, and not because the table is full.
    DroppingElsewhere,
    /// The table is nearly full.
    Near,
    /// The table has room, and that of another network namespace of this machine is nearly full.
    NearInNamespace,
    /// The table has room now, and was full within the last day.
    WasFull,
    /// The table has room, and nothing was dropped during the run.
    Healthy,
    /// Connection tracking is not loaded: there is no table, and it drops nothing.
    NotLoaded,
    /// The numbers that decide cannot be read.
    Unknown,
}

/// The observations that a diagnosis starts from.
#[derive(Clone, Debug)]
pub struct Observations {
    /// The source of the entries.
    pub source: TableSource,
    /// The status, with an interval and the log if they could be read.
    pub status: Status,
    /// The mix of entries in the table.
    pub profile: Option<Profile>,
    /// The entries that are counted and not listed.
    pub gap: Option<Gap>,
    /// The counters of packets lost elsewhere.
    pub other_losses: Option<LossInterval>,
    /// The sizes.
    pub sizes: Sizes,
    /// The present time in microseconds since the boot; None: the log is of another machine or time.
    pub since_boot: Option<u64>,
    /// The process whose network namespace was entered; None: none was.
    pub pid: Option<u32>,
    /// The options that name the saved files; None: the live table was observed.
    pub saved_options: Option<String>,
}

impl Diagnosis {
    /// The traffic that need not be tracked, if the table needs room.
    #[must_use]
    pub fn untracked(&self) -> &[Untracked] {
        match (pressure(self.verdict), &self.profile) {
            (Pressure::Now | Pressure::Before, Some(profile)) => &profile.untracked,
            _ => &[],
        }
    }
}

/// From this fill on, a growing table is nearly full if it will be full within `NEAR_SECONDS`.
const HALF_PERCENT: f64 = 50.0;
const NEAR_SECONDS: u64 = 600;
/// A message of a full table is news for a day.
const NEWS_MICROSECONDS: u64 = 24 * 3600 * 1_000_000;

/// The diagnosis of what was observed.
#[must_use]
pub fn diagnose(observations: Observations) -> Diagnosis {
    let Observations { source, status, profile, gap, other_losses, sizes, since_boot, pid, saved_options } =
        observations;
    let interval = status.interval.as_ref();
    let seconds_until_full = interval.and_then(|interval| interval.seconds_until_full(status.count, status.limit));
    // A full table explains the drops.
    let explained: &[&str] = if is_full(&status) { &["drop", "early_drop"] } else { &[] };
    let losses = other_losses.map(|counters| losses(&counters, interval, explained)).unwrap_or_default();
    let own = own_messages(&status, &sizes);
    let other = fullest_other(&status).map(|namespace| room(namespace, status.limit));
    let verdict = if is_full(&status) {
        Health::Full
    } else if other == Some(Room::None) {
        Health::FullInNamespace
    } else if losses.iter().any(|loss| loss.significant) {
        Health::DroppingElsewhere
    } else if is_near(&status, seconds_until_full) {
        Health::Near
    } else if other == Some(Room::Little) {
        Health::NearInNamespace
    } else if was_full(&status, own, since_boot) {
        Health::WasFull
    } else if !status.is_loaded {
        Health::NotLoaded
    } else if status.count.is_none() || status.limit.is_none() {
        Health::Unknown
    } else {
        Health::Healthy
    };
    let proposal = propose(&Facts {
        profile: profile.as_ref(),
        count: status.count.unwrap_or(0),
        limit: status.limit,
        buckets: status.buckets,
        entry_bytes: sizes.entry_bytes.unwrap_or(ENTRY_BYTES),
        bucket_bytes: bucket_bytes(&sizes),
        memory: sizes.memory,
        pressure: pressure(verdict),
    });
    let full_at = own.and_then(|messages| messages.last.time.clone());
    let limit_is_ours = sizes.limit_is_ours;
    Diagnosis {
        source,
        verdict,
        status,
        profile,
        gap,
        seconds_until_full,
        losses,
        full_at,
        proposal,
        limit_is_ours,
        pid,
        saved_options,
    }
}

fn is_full(status: &Status) -> bool {
    let count = |name: &str| status.interval.as_ref().map_or(0, |interval| interval.count(name));
    let has_reached = |limit: u64| limit > 0 && status.count.is_some_and(|count| count >= limit);
    // The kernel evicts only at the limit; it drops for other reasons too.
    status.limit.is_some_and(has_reached)
        || count("early_drop") > 0
        || (count("drop") > 0 && status.fill_percent.is_some_and(|fill| fill >= BRIM_PERCENT))
}

fn is_near(status: &Status, seconds_until_full: Option<u64>) -> bool {
    let is_soon_full = seconds_until_full.is_some_and(|seconds| seconds <= NEAR_SECONDS);
    status.fill_percent.is_some_and(|fill| fill >= NEAR_PERCENT || (fill >= HALF_PERCENT && is_soon_full))
}

/// Whether the table was full lately, by the messages about it in the log, or by its counters if there is no log.
fn was_full(status: &Status, own: Option<&NamespaceMessages>, since_boot: Option<u64>) -> bool {
    let ever = |name: &str| {
        let counted = status.since_boot.as_ref()?;
        Some(counted.total.get(name).copied().unwrap_or(0))
    };
    let (dropped, evicted) = (ever("drop"), ever("early_drop"));
    if status.log.is_none() {
        return evicted > Some(0);
    }
    // A new namespace can get the number of one that is gone, and the log then has messages that are not about it. Its
    // counters, which begin at 0, show that.
    let is_own = dropped.zip(evicted).is_none_or(|(dropped, evicted)| dropped + evicted > 0);
    is_own && own.is_some_and(|messages| is_news(messages, since_boot))
}

/// The messages about this network namespace. Kernels that do not tell the namespaces apart say `initial` for all.
fn own_messages<'a>(status: &'a Status, sizes: &Sizes) -> Option<&'a NamespaceMessages> {
    let log = status.log.as_ref()?;
    let own = status.namespaces.iter().find(|namespace| namespace.own);
    let by_number = own.and_then(|own| log.namespaces.get(&own.id.to_string()));
    // Only the first namespace can set the limit.
    let initial = || log.namespaces.get(INITIAL).filter(|_| sizes.limit_is_ours || own.is_none());
    // A saved log does not say which namespace the saved table is of: the one with most messages is the most likely.
    let any = || log.namespaces.values().max_by_key(|messages| messages.messages).filter(|_| own.is_none());
    by_number.or_else(initial).or_else(any)
}

fn is_news(messages: &NamespaceMessages, since_boot: Option<u64>) -> bool {
    match (messages.last.since_boot, since_boot) {
        (Some(then), Some(now)) => now.saturating_sub(then) <= NEWS_MICROSECONDS,
        // A user who names a log wants its messages to count.
        _ => true,
    }
}

fn pressure(verdict: Health) -> Pressure {
    match verdict {
        Health::Full | Health::Near => Pressure::Now,
        Health::WasFull => Pressure::Before,
        Health::FullInNamespace
        | Health::NearInNamespace
        | Health::DroppingElsewhere
        | Health::Healthy
        | Health::NotLoaded
        | Health::Unknown => Pressure::Never,
    }
}
