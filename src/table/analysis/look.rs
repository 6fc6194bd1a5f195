//! Works out what one look at the table adds to the look before.

use serde::{Deserialize, Serialize};

use crate::table::analysis::profile::{Item, Profile, Ranking};
use crate::table::analysis::status::{fill, interval};
use crate::table::model::counters::NewEntries;
use crate::table::model::reading::Reading;

/// One look at the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// The time, in UTC.
    pub time: String,
    /// Whether the kernel has connection tracking now.
    pub loaded: bool,
    /// The entries.
    pub count: Option<u64>,
    /// The limit; 0: none.
    pub limit: Option<u64>,
    /// The used part of the limit, in percent; null: not known, or no limit.
    pub fill_percent: Option<f64>,
    /// The seconds since the look before.
    pub seconds: f64,
    /// The entries that the table grew by since; below 0: it shrank.
    pub growth: i64,
    /// The new entries since, if they are counted.
    pub new: Option<NewEntries>,
    /// Packets dropped since.
    pub drop: u64,
    /// Entries evicted since, to make room.
    pub early_drop: u64,
    /// Entries that could not be inserted since.
    pub insert_failed: u64,
    /// Packets since that fit no connection.
    pub invalid: u64,
    /// The seconds until the table is full at this rate; null: it does not grow, or has no limit.
    pub seconds_until_full: Option<u64>,
    /// The addresses that opened most connections.
    pub sources: Vec<Item>,
    /// The ports that most connections were opened to.
    pub ports: Vec<Item>,
    /// The number of readings that failed.
    pub unread: u64,
}

/// The look that `after` gives, with `before` as the reading of the look before. `profile` is of a sample of the table,
/// if it can be read.
#[must_use]
pub fn look(
    time: String,
    before: &Reading,
    after: &Reading,
    new: Option<NewEntries>,
    profile: Option<&Profile>,
) -> Look {
    let interval = interval(before, after);
    let items = |pick: fn(&Profile) -> &Ranking| profile.map(|profile| pick(profile).items.clone()).unwrap_or_default();
    Look {
        time,
        loaded: after.is_loaded,
        count: after.count,
        limit: after.limit,
        fill_percent: fill(after.count, after.limit),
        seconds: interval.seconds,
        growth: interval.growth,
        new,
        drop: interval.count("drop"),
        early_drop: interval.count("early_drop"),
        insert_failed: interval.count("insert_failed"),
        invalid: interval.count("invalid"),
        seconds_until_full: interval.seconds_until_full(after.count, after.limit),
        sources: items(|profile| &profile.sources),
        ports: items(|profile| &profile.ports),
        unread: after.unread.len() as u64 + u64::from(after.is_loaded && profile.is_none()),
    }
}
