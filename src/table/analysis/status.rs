//! Works out how full the table is and what it has dropped, from readings.

use serde::{Deserialize, Serialize};

use crate::kernel::pages::Pages;
use crate::kernel::sizes::{ENTRY_BYTES, table_bytes};
use crate::table::analysis::loss::Loss;
use crate::table::analysis::profile::Profile;
use crate::table::model::counters::{self, Counts};
use crate::table::model::log::Log;
use crate::table::model::reading::{Namespace, Reading, Sizes, Unread};
use crate::text::{percent, to_f64, to_u64};

/// The status of a table.
#[derive(Clone, Debug)]
pub struct Status {
    /// The time, in UTC.
    pub time: String,
    /// The alert, if thresholds are given.
    pub alert: Option<Alert>,
    /// Whether the kernel has connection tracking now. Without it no table exists.
    pub is_loaded: bool,
    /// The entries in the table of this network namespace.
    pub count: Option<u64>,
    /// The limit; 0: there is none.
    pub limit: Option<u64>,
    /// The used part of the limit, in percent; None: not known, or no limit.
    pub fill_percent: Option<f64>,
    /// The buckets of the hash table.
    pub buckets: Option<u64>,
    /// The entries in a bucket on average.
    pub entries_per_bucket: Option<f64>,
    /// The entries that a full table may remove to make room, if they were asked for.
    pub evictable: Option<Evictable>,
    /// The memory that the table takes.
    pub memory: Option<Memory>,
    /// The counts since the boot, or since this network namespace was made.
    pub since_boot: Option<Counted>,
    /// The changes during this run.
    pub interval: Option<Interval>,
    /// The packets that were lost outside of connection tracking since the boot, or since this network namespace was made.
    pub elsewhere: Vec<Loss>,
    /// The connections that the cloud still has room for in its own tracking, by interface.
    pub cloud_room: Counts,
    /// The kernel's messages of a full table.
    pub log: Option<Log>,
    /// The network namespaces that share the limit's number.
    pub namespaces: Vec<Namespace>,
    /// The readings that failed.
    pub unread: Vec<Unread>,
}

/// The level of a status, with the reason for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alert {
    /// The level.
    pub level: AlertLevel,
    /// The reason.
    pub reason: AlertReason,
    /// The number of the network namespace that the reason is about; None: that of this run.
    pub namespace: Option<u64>,
    /// The thresholds that decided.
    pub thresholds: Thresholds,
}

/// The fills that are a warning, and critical, in percent of the limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// A fill from here on is a warning.
    pub warn: f64,
    /// A fill from here on is critical.
    pub crit: f64,
}

/// The levels of a monitoring plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertLevel {
    /// The fill is below both thresholds.
    Ok,
    /// The fill has reached the first threshold.
    Warning,
    /// The fill has reached the second threshold, or packets are being dropped.
    Critical,
    /// The fill is not known.
    Unknown,
}

impl AlertLevel {
    /// The order in which one level hides another. A critical table is known to be so whatever else is unknown.
    fn severity(self) -> u8 {
        match self {
            AlertLevel::Ok => 0,
            AlertLevel::Unknown => 1,
            AlertLevel::Warning => 2,
            AlertLevel::Critical => 3,
        }
    }
}

/// The reason for a level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AlertReason {
    /// This many packets were dropped during this run.
    Dropped(u64),
    /// The fill has reached a threshold.
    AtOrAbove {
        /// The fill in percent.
        fill: f64,
        /// The threshold in percent.
        threshold: f64,
    },
    /// The fill is below the threshold of a warning.
    Below {
        /// The fill in percent.
        fill: f64,
        /// The threshold in percent.
        threshold: f64,
    },
    /// The table has no limit.
    NoLimit,
    /// The kernel has no connection tracking now, and so nothing that could be full.
    NotLoaded,
    /// The count or the limit cannot be read.
    NotKnown,
}

/// The memory of the table: entries x bytes of an entry + buckets x bytes of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// The bytes of one entry in its slab.
    pub entry_bytes: u64,
    /// Whether this kernel gave that size; otherwise it is the size on 64-bit kernels of today.
    pub entry_bytes_read: bool,
    /// The bytes of one bucket.
    pub bucket_bytes: u64,
    /// The bytes of the present entries in this network namespace.
    pub entries: u64,
    /// The bytes of the buckets, for the whole machine.
    pub buckets: u64,
    /// The bytes of a full table, entries and buckets; null: no limit, or not known.
    pub when_full: Option<u64>,
}

/// The entries that a full table may remove to make room. The others stay until their timeout.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evictable {
    /// The entries of connections that have not seen traffic both ways, or are closing.
    pub entries: u64,
    /// Of all entries, in percent.
    pub percent: f64,
    /// The points by which the percentage may be off, in 19 of 20 runs; 0: the whole table was read.
    pub margin_points: f64,
    /// The part of the limit that the other entries use, in percent; null: not known, or no limit.
    pub firm_percent: Option<f64>,
}

impl Evictable {
    /// The entries in a table of `count` entries that can be evicted, by the profile of it or of a sample.
    #[must_use]
    pub fn new(profile: &Profile, count: Option<u64>, limit: Option<u64>) -> Evictable {
        let part = profile.evictable + profile.closing;
        let (entries, all) = (profile.scaled(part), profile.scaled(profile.entries));
        let firm = count.unwrap_or(all).saturating_sub(entries);
        Evictable {
            entries,
            percent: percent(part, profile.entries),
            margin_points: profile.margin_points,
            firm_percent: fill(Some(firm), limit),
        }
    }
}

/// Counts, summed and of each CPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counted {
    /// Summed over the CPUs.
    pub total: Counts,
    /// Of each CPU.
    pub cpus: Vec<Counts>,
}

/// The changes between two readings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// The seconds between them.
    pub seconds: f64,
    /// The entries that the table grew by; below 0: it shrank.
    pub growth: i64,
    /// The counts of these seconds.
    pub counted: Option<Counted>,
}

impl Interval {
    /// The count of the counter `name`; 0 if it is not known.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        self.counted.as_ref().and_then(|counted| counted.total.get(name)).copied().unwrap_or(0)
    }

    /// The entries that the table grew by in a second.
    #[must_use]
    pub fn growth_per_second(&self) -> f64 {
        let growth = to_f64(self.growth.unsigned_abs()) / self.seconds.max(0.001);
        if self.growth < 0 { -growth } else { growth }
    }

    /// The seconds until a table with `count` entries reaches `limit` at this growth; None: it does not grow, or has no
    /// limit.
    #[must_use]
    pub fn seconds_until_full(&self, count: Option<u64>, limit: Option<u64>) -> Option<u64> {
        let (count, limit) = (count?, limit.filter(|limit| *limit > 0)?);
        let rate = self.growth_per_second();
        (rate > 0.0).then(|| to_u64(to_f64(limit.saturating_sub(count)) / rate))
    }
}

/// The changes from `before` to `after`.
#[must_use]
pub fn interval(before: &Reading, after: &Reading) -> Interval {
    let (first, last) = (before.count.unwrap_or(0), after.count.unwrap_or(0));
    let growth = i64::try_from(last.abs_diff(first)).unwrap_or(i64::MAX);
    let counted = before.counters.as_ref().zip(after.counters.as_ref()).map(|(before, after)| {
        let cpus = after.since(before);
        Counted { total: counters::sum(&cpus), cpus }
    });
    let seconds = (after.at.duration_since(before.at).as_secs_f64() * 1000.0).round() / 1000.0;
    Interval { seconds, growth: if last < first { -growth } else { growth }, counted }
}

/// The part of `limit` that `count` is, in percent.
#[must_use]
pub fn fill(count: Option<u64>, limit: Option<u64>) -> Option<f64> {
    match (count, limit) {
        (Some(count), Some(limit)) if limit > 0 => Some(percent(count, limit)),
        _ => None,
    }
}

/// The bytes of a bucket: of saved files nobody knows the kernel.
pub(super) fn bucket_bytes(sizes: &Sizes) -> u64 {
    sizes.bucket_bytes.unwrap_or(Pages::USUAL.bucket_bytes())
}

/// The memory that the table takes.
#[must_use]
pub fn memory(reading: &Reading, sizes: &Sizes) -> Option<Memory> {
    let entry_bytes = sizes.entry_bytes.unwrap_or(ENTRY_BYTES);
    let bucket_bytes = bucket_bytes(sizes);
    let bytes = |entries, buckets| table_bytes(entries, entry_bytes, buckets, bucket_bytes);
    let buckets = sizes.buckets.unwrap_or(0);
    Some(Memory {
        entry_bytes,
        entry_bytes_read: sizes.entry_bytes.is_some(),
        bucket_bytes,
        entries: bytes(reading.count?, 0),
        buckets: bytes(0, buckets),
        when_full: reading.limit.filter(|limit| *limit > 0).map(|limit| bytes(limit, buckets)),
    })
}

/// The status that `reading` shows; `before` is an earlier reading, if the run took two.
#[must_use]
pub fn status(time: String, reading: &Reading, before: Option<&Reading>, sizes: &Sizes) -> Status {
    let per_bucket = |count: u64, buckets: u64| (to_f64(count) * 1000.0 / to_f64(buckets)).round() / 1000.0;
    Status {
        time,
        alert: None,
        is_loaded: reading.is_loaded,
        count: reading.count,
        limit: reading.limit,
        fill_percent: fill(reading.count, reading.limit),
        buckets: sizes.buckets,
        entries_per_bucket: reading
            .count
            .zip(sizes.buckets.filter(|buckets| *buckets > 0))
            .map(|(count, buckets)| per_bucket(count, buckets)),
        evictable: None,
        memory: memory(reading, sizes),
        since_boot: reading
            .counters
            .as_ref()
            .map(|counters| Counted { total: counters.sum(), cpus: counters.cpus.clone() }),
        interval: before.map(|before| interval(before, reading)),
        elsewhere: Vec::new(),
        cloud_room: Counts::new(),
        log: None,
        namespaces: Vec::new(),
        unread: reading.unread.clone(),
    }
}

/// The alert for `status` by these thresholds: that of the worst network namespace.
#[must_use]
pub fn alert(status: &Status, thresholds: Thresholds) -> Alert {
    let own = own_alert(status, thresholds);
    let others = status.namespaces.iter().filter(|namespace| !namespace.own);
    let worse = |level: AlertLevel, alert: &Alert| level.severity() > alert.level.severity();
    others.fold(own, |worst, namespace| match namespace_alert(namespace, status.limit, thresholds) {
        Some((level, reason)) if worse(level, &worst) => {
            Alert { level, reason, namespace: Some(namespace.id), thresholds }
        }
        _ => worst,
    })
}

/// The level of another namespace's table, if it is worth an alert.
fn namespace_alert(
    namespace: &Namespace,
    limit: Option<u64>,
    thresholds: Thresholds,
) -> Option<(AlertLevel, AlertReason)> {
    let Thresholds { warn, crit } = thresholds;
    let dropped = namespace.during_run.map_or(0, |run| run.drop);
    let fill = fill(namespace.latest().map(|counts| counts.entries), limit)?;
    match fill {
        _ if dropped > 0 => Some((AlertLevel::Critical, AlertReason::Dropped(dropped))),
        fill if fill >= crit => Some((AlertLevel::Critical, AlertReason::AtOrAbove { fill, threshold: crit })),
        fill if fill >= warn => Some((AlertLevel::Warning, AlertReason::AtOrAbove { fill, threshold: warn })),
        _ => None,
    }
}

fn own_alert(status: &Status, thresholds: Thresholds) -> Alert {
    let Thresholds { warn, crit } = thresholds;
    let dropped = status.interval.as_ref().map_or(0, |interval| interval.count("drop"));
    // Who asks for the entries that can be evicted wants to know of those that cannot.
    let fill = status.evictable.map_or(status.fill_percent, |evictable| evictable.firm_percent);
    let (level, reason) = match (fill, status.limit) {
        _ if !status.is_loaded => (AlertLevel::Ok, AlertReason::NotLoaded),
        _ if dropped > 0 => (AlertLevel::Critical, AlertReason::Dropped(dropped)),
        (Some(fill), _) if fill >= crit => (AlertLevel::Critical, AlertReason::AtOrAbove { fill, threshold: crit }),
        (Some(fill), _) if fill >= warn => (AlertLevel::Warning, AlertReason::AtOrAbove { fill, threshold: warn }),
        (Some(fill), _) => (AlertLevel::Ok, AlertReason::Below { fill, threshold: warn }),
        (None, Some(0)) if status.count.is_some() => (AlertLevel::Ok, AlertReason::NoLimit),
        _ => (AlertLevel::Unknown, AlertReason::NotKnown),
    };
    Alert { level, reason, namespace: None, thresholds }
}
