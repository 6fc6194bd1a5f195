//! Counts what fills the table, entry by entry, in memory that does not grow with the table.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::net::IpAddr;

use crate::kernel::catalog::{PREFIX, default_timeout};
use crate::order::sorted_by;
use crate::table::analysis::heavy::HeavyHitters;
use crate::table::analysis::idleness::{IDLE, Inferred, Remaining};
use crate::table::analysis::kinds::Kinds;
use crate::table::analysis::ports::{PortCount, PortCounts};
use crate::table::analysis::profile::{Class, Item, Profile, Ranking, TimeoutUse, WouldExpire};
use crate::table::analysis::unanswered::Unanswered;
use crate::table::analysis::untracked;
use crate::table::model::entry::{TCP, TableEntry, Timeout, protocol_name, timeout};
use crate::text::{duration_text, percent, to_f64};

/// The numbers that a zone can have.
const ZONES: usize = 1 << 16;

/// The counters of each ranking of addresses: an address with more than 1 entry in 4,097 cannot be missed.
const COUNTERS: usize = 4096;

/// The items of each ranking.
const TOP: usize = 10;

/// The live timeouts, by the canonical name of the setting.
pub type Timeouts = BTreeMap<String, u32>;

/// The counts of a table, added up by [`Tally::add`].
#[derive(Debug)]
pub struct Tally {
    timeouts: Timeouts,
    udp_timeout: u32,
    /// The longest of TCP's shorter timers: they run after unanswered retransmissions, or data without acknowledgement.
    short: u32,
    entries: u64,
    kinds: Kinds,
    /// The idle times under each timeout, in the order in which the timeouts came.
    idle: Vec<(Timeout, Idleness)>,
    /// The entries of each zone.
    zones: Vec<u64>,
    sources: HeavyHitters<IpAddr>,
    destinations: HeavyHitters<IpAddr>,
    ports: PortCounts,
    unanswered: Unanswered,
}

#[derive(Clone, Debug, Default)]
struct Idleness {
    /// The live value of the timeout; None: not known.
    live: Option<u32>,
    default: Option<u32>,
    entries: u64,
    /// Entries that have been idle for at least each of the times in [`IDLE`].
    at_least: [u64; IDLE.len()],
    unsure: u64,
    other_timeout: u64,
    not_known: u64,
    /// The remaining times, if the timeout is not known.
    remaining: Remaining,
}

impl Idleness {
    /// Counts an entry; `short` is the longest of TCP's shorter timers.
    fn add(&mut self, entry: &TableEntry, short: u32) {
        self.entries += 1;
        let Some(seconds) = self.live else { return self.remaining.add(entry.remaining, self.default) };
        let Some(remaining) = entry.remaining else {
            self.not_known += 1;
            return;
        };
        let Some(idle) = seconds.checked_sub(remaining) else {
            self.other_timeout += 1;
            return;
        };
        if entry.protocol == TCP && seconds > short && remaining <= short {
            self.unsure += 1;
            return;
        }
        let longer = IDLE.partition_point(|threshold| *threshold <= idle);
        self.at_least[..longer].iter_mut().for_each(|count| *count += 1);
    }
}

/// The value of a timeout.
#[derive(Clone, Copy, Debug)]
struct Value {
    seconds: Option<u32>,
    /// Whether it is the kernel's default.
    assumed: bool,
    /// Whether it is the longest remaining time.
    inferred: bool,
}

impl Tally {
    /// An empty tally, for entries under these timeouts.
    #[must_use]
    pub fn new(timeouts: Timeouts) -> Tally {
        let seconds = |end: &str| seconds(&timeouts, &format!("{PREFIX}{end}")).unwrap_or_default();
        Tally {
            udp_timeout: seconds("udp_timeout"),
            short: seconds("tcp_timeout_max_retrans").max(seconds("tcp_timeout_unacknowledged")),
            timeouts,
            entries: 0,
            kinds: Kinds::default(),
            idle: Vec::new(),
            zones: vec![0; ZONES],
            sources: HeavyHitters::new(COUNTERS),
            destinations: HeavyHitters::new(COUNTERS),
            ports: PortCounts::default(),
            unanswered: Unanswered::new(),
        }
    }

    /// The entries so far.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Counts an entry.
    pub fn add(&mut self, entry: &TableEntry) {
        self.entries += 1;
        self.zones[usize::from(entry.zone)] += 1;
        if let Some(source) = entry.source {
            self.sources.add(source);
        }
        if let Some(destination) = entry.destination {
            self.destinations.add(destination);
        }
        self.ports.add(entry);
        let Tally { kinds, idle, timeouts, udp_timeout, .. } = self;
        let place = || Some(place(idle, timeouts, in_force(timeouts, timeout(entry, *udp_timeout)?)));
        if let Some(place) = kinds.count(entry, *udp_timeout, place) {
            self.unanswered.add(entry, place);
            self.idle[place].1.add(entry, self.short);
        }
    }

    /// The value of a timeout, and how it is known.
    fn value(&self, timeout: Timeout) -> Value {
        let setting = timeout.setting();
        if let Some(seconds) = self.timeouts.get(&setting) {
            return Value { seconds: Some(*seconds), assumed: false, inferred: false };
        }
        let Some(default) = default_timeout(&setting) else {
            return Value { seconds: None, assumed: false, inferred: false };
        };
        let remaining = self.idle.iter().find(|(own, _)| *own == timeout).map(|(_, idle)| &idle.remaining);
        match remaining.map(|remaining| (remaining.timeout(default), remaining.longest)) {
            Some((Inferred::Longest, longest)) => Value { seconds: Some(longest), assumed: false, inferred: true },
            _ => Value { seconds: Some(default), assumed: true, inferred: false },
        }
    }

    /// The idle times under a timeout that turned out to be `seconds`.
    fn idleness(&self, timeout: Timeout, idle: &Idleness, seconds: u32) -> Idleness {
        let remaining = &idle.remaining;
        if remaining.entries + remaining.not_known == 0 {
            return idle.clone();
        }
        let is_unsure = timeout.is_of_tcp() && seconds > self.short;
        let unsure = if is_unsure { remaining.at_most(self.short) } else { 0 };
        let at_least = IDLE.map(|idle| match seconds.checked_sub(idle) {
            Some(left) if !is_unsure || left > self.short => remaining.at_most(left) - unsure,
            _ => 0,
        });
        let other_timeout = if seconds < remaining.longest { remaining.above_default } else { 0 };
        Idleness { at_least, unsure, other_timeout, not_known: remaining.not_known, ..idle.clone() }
    }

    /// The profile of the entries so far; `sample_of` is the size of the table, if they are a sample.
    #[must_use]
    pub fn profile(&self, sample_of: Option<u64>) -> Profile {
        let share = |count: u64| percent(count, self.entries);
        let ports = self.ports.ranked();
        let port_item = |((protocol, port), count): &((u8, u16), PortCount)| Item {
            name: format!("{} {port}", protocol_name(*protocol)),
            entries: count.entries.into(),
            percent: share(count.entries.into()),
        };
        let classes: Vec<Class> = self
            .kinds
            .classes()
            .into_iter()
            .map(|((protocol, state), count)| Class {
                protocol: protocol_name(protocol),
                state: state.map(str::to_owned),
                entries: count,
                percent: share(count),
            })
            .collect();
        let classes = sorted_by(classes, |one, other| other.entries.cmp(&one.entries));
        let idle = sorted_by(self.idle.iter().collect(), |(one, _), (other, _)| one.cmp(other));
        let timeouts: Vec<TimeoutUse> =
            idle.into_iter().map(|(timeout, idle)| self.timeout_use(*timeout, idle)).collect();
        let timeouts = sorted_by(timeouts, |one, other| other.entries.cmp(&one.entries));
        let assured = self.kinds.sum(|marks, _| marks.assured);
        Profile {
            entries: self.entries,
            sample_of,
            margin_points: sample_of.map_or(0.0, |whole| margin_points(self.entries, whole)),
            unreplied: self.kinds.sum(|marks, _| !marks.replied),
            assured,
            evictable: self.entries - assured,
            closing: self.kinds.sum(|marks, is_closing| marks.assured && is_closing),
            offloaded: self.kinds.sum(|marks, _| marks.offloaded),
            classes,
            timeouts,
            unanswered: self.unanswered.opened(
                self.entries,
                |source| self.sources.count(&source),
                |place| self.value(self.idle[place].0).seconds,
            ),
            zones: self.zones(),
            sources: self.ranking(&self.sources, ToString::to_string),
            destinations: self.ranking(&self.destinations, ToString::to_string),
            ports: Ranking {
                different: u64::try_from(ports.len()).ok(),
                too_low_by_at_most: 0,
                items: ports.iter().take(TOP).map(port_item).collect(),
            },
            untracked: untracked::candidates(self.entries, &ports, |protocol| {
                let own = self.kinds.classes().into_iter().filter(|((number, _), _)| *number == protocol);
                own.map(|(_, count)| count).sum()
            }),
        }
    }

    fn timeout_use(&self, timeout: Timeout, idle: &Idleness) -> TimeoutUse {
        let Value { seconds, assumed, inferred } = self.value(timeout);
        let idle = seconds.map_or_else(|| idle.clone(), |seconds| self.idleness(timeout, idle, seconds));
        let shorter = IDLE.iter().zip(idle.at_least).filter(|(idle, _)| seconds.is_some_and(|own| **idle < own));
        let gone = shorter.map(|(idle, count)| WouldExpire {
            seconds: *idle,
            human: duration_text((*idle).into()),
            entries: count,
            percent: percent(count, self.entries),
        });
        TimeoutUse {
            gone: gone.collect(),
            assumed,
            inferred,
            setting: timeout.setting(),
            seconds,
            entries: idle.entries,
            percent: percent(idle.entries, self.entries),
            unsure: idle.unsure,
            other_timeout: idle.other_timeout,
            not_known: idle.not_known,
        }
    }

    fn zones(&self) -> Ranking {
        let zones = (0..=u16::MAX).zip(&self.zones).filter(|(_, entries)| **entries > 0);
        let zones = sorted_by(zones.collect(), |(_, one), (_, other)| other.cmp(one));
        let item = |(zone, entries): &(u16, &u64)| Item {
            name: zone.to_string(),
            entries: **entries,
            percent: percent(**entries, self.entries),
        };
        Ranking {
            different: u64::try_from(zones.len()).ok(),
            too_low_by_at_most: 0,
            items: zones.iter().take(TOP).map(item).collect(),
        }
    }

    fn ranking<T: Hash + Eq + Ord + Clone>(&self, heavy: &HeavyHitters<T>, name: impl Fn(&T) -> String) -> Ranking {
        let item =
            |(item, count): (T, u64)| Item { name: name(&item), entries: count, percent: percent(count, self.entries) };
        Ranking {
            different: heavy.different().and_then(|count| u64::try_from(count).ok()),
            too_low_by_at_most: heavy.missing(),
            items: heavy.top(TOP).into_iter().map(item).collect(),
        }
    }
}

/// `timeout`, or its successor on the kernels that do not have it any more.
fn in_force(timeouts: &Timeouts, timeout: Timeout) -> Timeout {
    match timeout.successor() {
        Some(successor) if !timeouts.contains_key(&timeout.setting()) => successor,
        _ => timeout,
    }
}

/// The place of the idle times under `timeout`, which are begun if there are none.
fn place(idle: &mut Vec<(Timeout, Idleness)>, timeouts: &Timeouts, timeout: Timeout) -> usize {
    idle.iter().position(|(own, _)| *own == timeout).unwrap_or_else(|| {
        let setting = timeout.setting();
        let (live, default) = (timeouts.get(&setting).copied(), default_timeout(&setting));
        idle.push((timeout, Idleness { live, default, ..Idleness::default() }));
        idle.len() - 1
    })
}

/// The 95% margin of a share in a sample of `read` out of `whole`: 1.96 standard deviations of a sample without
/// replacement, for a share of one half, where they are widest.
fn margin_points(read: u64, whole: u64) -> f64 {
    let (read, whole) = (to_f64(read.max(1)), to_f64(whole.max(1)));
    let left_out = (1.0 - read / whole).max(0.0);
    (98.0 * (left_out / read).sqrt() * 100.0).ceil() / 100.0
}

/// The seconds of the timeout `setting`: the live value, or the kernel's default if that is not known.
fn seconds(timeouts: &Timeouts, setting: &str) -> Option<u32> {
    timeouts.get(setting).copied().or_else(|| default_timeout(setting))
}
