//! Says how full the table is and what it has dropped, from readings. Pure.

use serde::{Deserialize, Serialize};

use crate::answer::Exit;
use crate::kernel::sizes::{BUCKET_BYTES, table_bytes};
use crate::table::model::counters::{self, Names};
use crate::table::source::log::lines::Log;
use crate::table::source::proc::{Namespace, Reading, Sizes, Unread};
use crate::text::{percent, to_f64};

/// What `status` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// When, in UTC.
    pub time: String,
    /// The level, where thresholds are given.
    pub level: Option<Judged>,
    /// The entries in the table of this network namespace.
    pub count: Option<u64>,
    /// The limit; 0: there is none.
    pub limit: Option<u64>,
    /// How much of the limit is used; null: not known, or no limit.
    pub fill_percent: Option<f64>,
    /// The buckets of the hash table.
    pub buckets: Option<u64>,
    /// The entries that a bucket has on average; each entry stands in two, once for each direction.
    pub entries_per_bucket: Option<f64>,
    /// What the table takes.
    pub memory: Option<Memory>,
    /// What was counted since the boot (or since this network namespace was made).
    pub since_boot: Option<Counted>,
    /// What was counted while this run looked.
    pub interval: Option<Interval>,
    /// The kernel's messages of a full table.
    pub log: Option<Log>,
    /// The network namespaces whose tables share the limit's number.
    pub namespaces: Vec<Namespace>,
    /// What could not be read.
    pub unread: Vec<Unread>,
}

impl Status {
    /// The exit code: that of a monitoring plugin where thresholds are given.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match &self.level {
            Some(judged) => judged.level.exit(),
            None if self.count.is_none() && self.limit.is_none() => Exit::CouldNotTell,
            None => Exit::Done,
        }
    }
}

/// A level, with the thresholds that it was judged by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judged {
    /// The level.
    pub level: Level,
    /// Why.
    pub reason: String,
    /// The threshold of a warning, in percent of the limit.
    pub warn: f64,
    /// The threshold of a critical state.
    pub crit: f64,
}

/// The levels of a monitoring plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Below both thresholds.
    Ok,
    /// At the first threshold.
    Warning,
    /// At the second, or packets are being dropped.
    Critical,
    /// It cannot be told.
    Unknown,
}

impl Level {
    /// The exit code of a monitoring plugin.
    #[must_use]
    pub fn exit(self) -> Exit {
        match self {
            Level::Ok => Exit::Ok,
            Level::Warning => Exit::Warning,
            Level::Critical => Exit::Critical,
            Level::Unknown => Exit::Unknown,
        }
    }

    /// The word that a monitoring plugin prints.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Level::Ok => "OK",
            Level::Warning => "WARNING",
            Level::Critical => "CRITICAL",
            Level::Unknown => "UNKNOWN",
        }
    }
}

/// The memory of the table, by arithmetic: entries x bytes of an entry + buckets x bytes of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// The bytes of one entry in its slab.
    pub entry_bytes: u64,
    /// Whether this kernel said so; otherwise it is the size on 64-bit kernels of today.
    pub entry_bytes_read: bool,
    /// The bytes of one bucket.
    pub bucket_bytes: u64,
    /// What the entries of now take, in this network namespace.
    pub entries: u64,
    /// What the buckets take, for the whole machine.
    pub buckets: u64,
    /// What a full table takes, entries and buckets; null: no limit, or not known.
    pub when_full: Option<u64>,
}

/// Counters, summed and of each CPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counted {
    /// Summed over the CPUs.
    pub total: Names,
    /// Of each CPU.
    pub cpus: Vec<Names>,
}

/// What changed between two readings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// The seconds between them.
    pub seconds: f64,
    /// By how many entries the table grew; below 0: shrank.
    pub growth: i64,
    /// What was counted.
    pub counted: Option<Counted>,
}

impl Interval {
    /// The count of `name` within the interval.
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
}

/// What changed from `before` to `after`.
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

/// How much of `limit` the `count` is, in percent.
#[must_use]
pub fn fill(count: Option<u64>, limit: Option<u64>) -> Option<f64> {
    match (count, limit) {
        (Some(count), Some(limit)) if limit > 0 => Some(percent(count, limit)),
        _ => None,
    }
}

/// What the table takes.
#[must_use]
pub fn memory(reading: &Reading, sizes: &Sizes) -> Option<Memory> {
    let (entry_bytes, entry_bytes_read) = sizes.entry_bytes;
    let buckets = sizes.buckets.unwrap_or(0);
    Some(Memory {
        entry_bytes,
        entry_bytes_read,
        bucket_bytes: BUCKET_BYTES,
        entries: table_bytes(reading.count?, entry_bytes, 0),
        buckets: table_bytes(0, entry_bytes, buckets),
        when_full: reading.limit.filter(|limit| *limit > 0).map(|limit| table_bytes(limit, entry_bytes, buckets)),
    })
}

/// The status that `reading` shows; `before` is an earlier reading, where the run looked twice.
#[must_use]
pub fn status(time: String, reading: &Reading, before: Option<&Reading>, sizes: &Sizes) -> Status {
    let per_bucket = |count: u64, buckets: u64| (to_f64(count) * 1000.0 / to_f64(buckets)).round() / 1000.0;
    Status {
        time,
        level: None,
        count: reading.count,
        limit: reading.limit,
        fill_percent: fill(reading.count, reading.limit),
        buckets: sizes.buckets,
        entries_per_bucket: reading
            .count
            .zip(sizes.buckets.filter(|buckets| *buckets > 0))
            .map(|(count, buckets)| per_bucket(count, buckets)),
        memory: memory(reading, sizes),
        since_boot: reading
            .counters
            .as_ref()
            .map(|counters| Counted { total: counters.sum(), cpus: counters.cpus.clone() }),
        interval: before.map(|before| interval(before, reading)),
        log: None,
        namespaces: Vec::new(),
        unread: reading.unread.clone(),
    }
}

/// The level of `status` by the two thresholds.
#[must_use]
pub fn judge(status: &Status, warn: f64, crit: f64) -> Judged {
    let dropped = status.interval.as_ref().map_or(0, |interval| interval.count("drop"));
    let (level, reason) = match (status.fill_percent, status.limit) {
        _ if dropped > 0 => (Level::Critical, format!("{dropped} packets dropped while looking")),
        (Some(fill), _) if fill >= crit => (Level::Critical, format!("{fill:.1}% is at or above {crit}%")),
        (Some(fill), _) if fill >= warn => (Level::Warning, format!("{fill:.1}% is at or above {warn}%")),
        (Some(fill), _) => (Level::Ok, format!("{fill:.1}% is below {warn}%")),
        (None, Some(0)) if status.count.is_some() => (Level::Ok, "there is no limit".to_owned()),
        _ => (Level::Unknown, "the count or the limit cannot be read".to_owned()),
    };
    Judged { level, reason, warn, crit }
}
