//! Decides why packets are dropped: the full table, another door, or nothing at all. Pure.

use serde::{Deserialize, Serialize};

use crate::answer::Exit;
use crate::table::analysis::losses::{self, Drops};
use crate::table::analysis::profile::Profile;
use crate::table::analysis::proposal::{Facts, Pressure, Proposal, propose};
use crate::table::analysis::status::{Interval, Status};
use crate::table::source::log::lines::{INITIAL, Log, Seen};
use crate::table::source::proc::{Elsewhere, Sizes};
use crate::text::duration_text;
use crate::text::{grouped, to_f64, to_u64};

/// What `diagnose` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diagnosis {
    /// What was read: the kernel's table, or a file.
    pub source: String,
    /// The verdict.
    pub verdict: Verdict,
    /// The same in a sentence.
    pub summary: String,
    /// How full the table is, and what was counted while looking.
    pub status: Status,
    /// What fills it.
    pub profile: Option<Profile>,
    /// The seconds until it is full if it goes on as it did; null: it does not grow, or has no limit.
    pub seconds_until_full: Option<u64>,
    /// The counters of lost packets that grew while looking.
    pub drops: Vec<Drops>,
    /// What to set.
    pub proposal: Proposal,
    /// Whether the limit can be set from this network namespace.
    pub limit_is_ours: bool,
}

impl Diagnosis {
    /// The exit code, which does not depend on the verdict.
    #[must_use]
    pub fn exit(&self) -> Exit {
        if self.profile.is_none() && self.status.count.is_none() { Exit::CouldNotTell } else { Exit::Done }
    }
}

/// Why packets are dropped, if they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The table is full: connection tracking drops new connections.
    Full,
    /// Packets are dropped, and not because the table is full.
    DroppingElsewhere,
    /// The table is nearly full.
    Near,
    /// The table has room now, and was full within the last day.
    WasFull,
    /// The table has room, and nothing was dropped while looking.
    Healthy,
    /// The numbers that decide cannot be read.
    Unknown,
}

/// What was found out.
#[derive(Clone, Debug)]
pub struct Findings {
    /// What was read: the kernel's table, or a file.
    pub source: String,
    /// The status, with an interval and the log where they could be read.
    pub status: Status,
    /// What fills the table.
    pub profile: Option<Profile>,
    /// The other drop counters, at the beginning and the end of the interval.
    pub elsewhere: Option<(Elsewhere, Elsewhere)>,
    /// The sizes.
    pub sizes: Sizes,
    /// The present time in microseconds since the boot; None: the log is of another machine or time.
    pub since_boot: Option<u64>,
}

/// From here on a table counts as full where its counters say that it drops: the kernel evicts and fills in turns.
const BRIM_PERCENT: f64 = 95.0;
/// From here on a table is nearly full.
const NEAR_PERCENT: f64 = 80.0;
/// Half full and growing, it is nearly full where it will be so within this time.
const NEAR_SECONDS: u64 = 600;
/// A message of a full table is news for a day.
const NEWS_MICROSECONDS: u64 = 24 * 3600 * 1_000_000;

/// The diagnosis of what was found.
#[must_use]
pub fn diagnose(findings: Findings) -> Diagnosis {
    let Findings { source, status, profile, elsewhere, sizes, since_boot } = findings;
    let interval = status.interval.as_ref();
    let count = |name: &str| interval.map_or(0, |interval| interval.count(name));
    let dropped = count("drop") + count("early_drop");
    let at_limit = matches!((status.count, status.limit), (Some(count), Some(limit)) if limit > 0 && count >= limit);
    let is_full = at_limit || (dropped > 0 && status.fill_percent.is_some_and(|fill| fill >= BRIM_PERCENT));
    let drops =
        elsewhere.as_ref().map(|(before, after)| losses::drops(before, after, interval, is_full)).unwrap_or_default();
    let seconds_until_full = interval.and_then(|interval| until_full(&status, interval));
    let own = own_messages(&status, sizes.limit_is_ours);
    let near = status.fill_percent.is_some_and(|fill| {
        fill >= NEAR_PERCENT || (fill >= 50.0 && seconds_until_full.is_some_and(|seconds| seconds <= NEAR_SECONDS))
    });
    // The number of a namespace that is gone is given to a new one, whose counters begin at 0: they tell whose the
    // messages in the log are.
    let since_boot_of = |name: &str| {
        let counted = status.since_boot.as_ref()?;
        Some(counted.total.get(name).copied().unwrap_or(0))
    };
    let evicted = since_boot_of("early_drop");
    let ever_dropped = since_boot_of("drop").zip(evicted).is_none_or(|(dropped, evicted)| dropped + evicted > 0);
    let news = own.is_some_and(|seen| ever_dropped && is_news(seen, since_boot));
    let verdict = if is_full {
        Verdict::Full
    } else if drops.iter().any(|drops| drops.significant) {
        Verdict::DroppingElsewhere
    } else if near {
        Verdict::Near
    } else if news || (status.log.is_none() && evicted > Some(0)) {
        Verdict::WasFull
    } else if status.count.is_none() || status.limit.is_none() {
        Verdict::Unknown
    } else {
        Verdict::Healthy
    };
    let proposal = propose(&Facts {
        profile: profile.as_ref(),
        count: status.count.unwrap_or(0),
        limit: status.limit,
        buckets: status.buckets,
        entry_bytes: sizes.entry_bytes.0,
        memory: sizes.memory,
        pressure: match verdict {
            Verdict::Full | Verdict::Near => Pressure::Now,
            Verdict::WasFull => Pressure::Before,
            Verdict::DroppingElsewhere | Verdict::Healthy | Verdict::Unknown => Pressure::Never,
        },
    });
    let summary = summary(verdict, &status, &drops, own, seconds_until_full);
    let limit_is_ours = sizes.limit_is_ours;
    Diagnosis { source, verdict, summary, status, profile, seconds_until_full, drops, proposal, limit_is_ours }
}

/// The seconds until the table is full if it goes on growing.
fn until_full(status: &Status, interval: &Interval) -> Option<u64> {
    let (count, limit) = (status.count?, status.limit.filter(|limit| *limit > 0)?);
    let rate = interval.growth_per_second();
    (rate > 0.0).then(|| to_u64(to_f64(limit.saturating_sub(count)) / rate))
}

/// The messages about this network namespace. Kernels that do not tell the namespaces apart say `initial` for all.
fn own_messages(status: &Status, is_initial: bool) -> Option<&Seen> {
    let log: &Log = status.log.as_ref()?;
    let own = status.namespaces.iter().find(|namespace| namespace.own);
    let by_number = own.and_then(|own| log.namespaces.get(&own.id.to_string()));
    by_number.or_else(|| log.namespaces.get(INITIAL).filter(|_| is_initial || own.is_none()))
}

fn is_news(seen: &Seen, since_boot: Option<u64>) -> bool {
    match (seen.last.since_boot, since_boot) {
        (Some(then), Some(now)) => now.saturating_sub(then) <= NEWS_MICROSECONDS,
        // A log that is given by hand is given because it matters.
        _ => true,
    }
}

fn summary(
    verdict: Verdict,
    status: &Status,
    drops: &[Drops],
    own: Option<&Seen>,
    seconds_until_full: Option<u64>,
) -> String {
    let occupancy = crate::table::view::status::occupancy(status);
    let until = seconds_until_full.map(|seconds| {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        format!(
            "; it grows, and is full in {}",
            if seconds == 0 { "no time".to_owned() } else { duration_text(seconds) }
        )
    });
    match verdict {
        Verdict::Full => {
            let Some(interval) = status.interval.as_ref() else {
                return format!("the table is full ({occupancy}): new connections are dropped here");
            };
            format!(
                "the table is full ({occupancy}): {} packets of new connections dropped and {} entries evicted within \
                 {} s; it is this machine",
                grouped(interval.count("drop")),
                grouped(interval.count("early_drop")),
                interval.seconds
            )
        }
        Verdict::DroppingElsewhere => {
            let names: Vec<&str> = drops.iter().filter(|drops| drops.significant).map(|d| d.counter.as_str()).collect();
            format!(
                "packets are dropped, but not by a full connection tracking table ({occupancy}): {}",
                names.join(", ")
            )
        }
        Verdict::Near => format!("the table is nearly full ({occupancy}){}", until.unwrap_or_default()),
        Verdict::WasFull => {
            let last = own.and_then(|seen| seen.last.time.clone()).unwrap_or_else(|| "an unknown time".to_owned());
            format!("the table has room now ({occupancy}), but it was full, last at {last}")
        }
        Verdict::Healthy => {
            format!("connection tracking is healthy ({occupancy}), and nothing was dropped here while looking")
        }
        Verdict::Unknown => format!("it cannot be told whether the table is full (entries: {occupancy})"),
    }
}
