//! Works out what one look at the table adds to the look before.

use serde::{Deserialize, Serialize};

use crate::table::analysis::profile::{Class, Item, Profile, Ranking};
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
    /// The entries that were read for the shares below; fewer than `count`: they are a sample.
    pub read: u64,
    /// The protocols and their states.
    pub states: Vec<Item>,
    /// The addresses that opened most connections.
    pub sources: Vec<Item>,
    /// The addresses that most connections were opened to.
    pub destinations: Vec<Item>,
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
        read: profile.map_or(0, |profile| profile.entries),
        states: profile.map(states).unwrap_or_default(),
        sources: items(|profile| &profile.sources),
        destinations: items(|profile| &profile.destinations),
        ports: items(|profile| &profile.ports),
        unread: after.unread.len() as u64 + u64::from(after.is_loaded && profile.is_none()),
    }
}

fn states(profile: &Profile) -> Vec<Item> {
    let item = |class: &Class| Item {
        name: class.state.as_ref().map_or(class.protocol.clone(), |state| format!("{} {state}", class.protocol)),
        entries: class.entries,
        percent: class.percent,
    };
    profile.classes.iter().map(item).collect()
}
