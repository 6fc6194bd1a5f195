//! Counts how long the entries under one timeout have been idle: the timeout less the time that remains.
//!
//! The timeout may be unknown, as that of a saved table is. Then the longest remaining time shows it: under a timeout of 5
//! days some entry of a busy table has nearly 5 days left.

use crate::text::percent;

/// The idle times that are counted, in seconds: those that could be a timeout. 7440 are the 2 hours and 4 minutes of
/// RFC 5382.
pub const IDLE: [u32; 16] =
    [10, 30, 60, 120, 180, 300, 600, 1800, 3600, 7440, 14_400, 28_800, 43_200, 86_400, 172_800, 345_600];

/// The remaining times of the entries under one timeout, counted in bounded memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Remaining {
    /// The number of entries by remaining time: exact below `EXACT` seconds, and then to one part in 4096.
    counts: Vec<u64>,
    pub(super) entries: u64,
    pub(super) longest: u32,
    /// Entries with more time left than the kernel's default allows.
    pub(super) above_default: u64,
    /// Entries whose remaining time is not known.
    pub(super) not_known: u64,
}

const EXACT: u32 = 8192;
/// A power of two is divided into this many counts.
const PARTS: u32 = 4096;

/// The place of the count for `seconds`.
fn place(seconds: u32) -> usize {
    if seconds < EXACT {
        return seconds as usize;
    }
    let power = seconds.ilog2();
    let part = (seconds >> (power - PARTS.ilog2())) - PARTS;
    (EXACT + (power - EXACT.ilog2()) * PARTS + part) as usize
}

impl Remaining {
    pub(super) fn add(&mut self, remaining: Option<u32>, default: Option<u32>) {
        let Some(remaining) = remaining else {
            self.not_known += 1;
            return;
        };
        self.entries += 1;
        self.longest = self.longest.max(remaining);
        self.above_default += u64::from(default.is_some_and(|default| remaining > default));
        let place = place(remaining);
        if place >= self.counts.len() {
            self.counts.resize(place + 1, 0);
        }
        self.counts[place] += 1;
    }

    /// The entries with at most `seconds` left. Beyond `EXACT` seconds it may be too low, by those that have within one part
    /// in 4096 as much left.
    pub(super) fn at_most(&self, seconds: u32) -> u64 {
        if seconds >= self.longest {
            return self.entries;
        }
        let places = if seconds < EXACT { place(seconds) + 1 } else { place(seconds) };
        self.counts.iter().take(places).sum()
    }

    /// The timeout that these entries are under, if `default` is the kernel's own.
    pub(super) fn timeout(&self, default: u32) -> Inferred {
        if self.entries == 0 {
            return Inferred::Default;
        }
        if self.longest > default {
            // A few may have a timeout of their own, from a rule.
            return if percent(self.above_default, self.entries) < 1.0 { Inferred::Default } else { Inferred::Longest };
        }
        let is_near = default - self.longest <= (default / 20).max(5);
        if is_near { Inferred::Default } else { Inferred::Longest }
    }
}

/// What the remaining times say about an unknown timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inferred {
    /// They fit the kernel's default.
    Default,
    /// It is the longest of them: no entry has more, and the default would leave some more.
    Longest,
}
