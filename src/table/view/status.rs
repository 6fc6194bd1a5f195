//! Renders a status as text for people and monitoring plugins.

use anstyle::Style;

use crate::table::analysis::namespaces::were_never_full;
use crate::table::analysis::status::{Alert, Counted, Interval, Memory, Status, Thresholds};
use crate::table::model::counters::Counts;
use crate::table::model::log::{Log, LogMessage};
use crate::table::model::reading::Unread;
use crate::table::view::{losses, places, unread, words};
use crate::text::style::{BAD, DOUBT, GOOD, PLAIN, painted};
use crate::text::{grouped, printable, size};

/// The counters that mean trouble, the most interesting first, and the meaning of each.
const TROUBLE: [(&str, &str); 7] = [
    ("drop", "packets dropped: no room for a new entry, or refused by a protocol's tracker"),
    ("early_drop", "entries evicted before their timeout, to make room in a full table"),
    ("insert_failed", "entries not inserted: the same connection was there already, or a chain was too long"),
    ("chain_toolong", "of these, because a chain was too long: raise nf_conntrack_buckets"),
    ("search_restart", "lookups restarted during a resize of the hash table"),
    ("invalid", "packets that fit no connection"),
    ("error", "packets that were broken, ICMP mostly"),
];

/// The text of a status, without a line end at its end.
#[must_use]
pub fn text(status: &Status) -> String {
    let mut lines = Vec::new();
    if let Some(alert) = status.alert {
        lines.push(plugin_line(status, alert));
    }
    lines.push(format!("entries:    {}", painted(style_of(status.fill_percent), words::occupancy(status))));
    if let (Some(buckets), Some(load)) = (status.buckets, status.entries_per_bucket) {
        lines.push(format!("buckets:    {} ({load} entries a bucket)", grouped(buckets)));
    }
    if let Some(evictable) = &status.evictable {
        lines.push(format!("evictable:  {}", words::evictable(evictable)));
    }
    if let Some(memory) = &status.memory {
        lines.push(format!("memory:     {}", memory_line(memory)));
    }
    if let Some(counted) = &status.since_boot {
        lines.push("since boot:".to_owned());
        lines.extend(counted_lines(counted));
    }
    if let Some(interval) = &status.interval {
        lines.extend(interval_lines(interval));
    }
    lines.extend(elsewhere_lines(status));
    match &status.log {
        Some(log) => lines.extend(log_lines(log)),
        None if were_never_full(status) => {
            lines.push("kernel log: not read: the counters show that no table was full".to_owned());
        }
        None => {}
    }
    lines.extend(places::lines(&status.namespaces, status.limit));
    lines.extend(unread_lines(&status.unread));
    lines.join("\n")
}

/// The style of a fill: the thresholds are those of most plugins.
fn style_of(fill: Option<f64>) -> Style {
    match fill {
        Some(fill) if fill >= 90.0 => BAD,
        Some(fill) if fill >= 75.0 => DOUBT,
        Some(_) => GOOD,
        None => PLAIN,
    }
}

/// The line of a monitoring plugin, with performance data.
fn plugin_line(status: &Status, alert: Alert) -> String {
    let Thresholds { warn, crit } = alert.thresholds;
    let mut line =
        format!("CONNTRACK {} - {}", words::alert_level(alert.level), printable(&words::alert_reason(status, alert)));
    if let (Some(count), Some(limit), Some(fill)) = (status.count, status.limit, status.fill_percent) {
        line += &match status.evictable.and_then(|evictable| evictable.firm_percent) {
            Some(firm) => format!(" | firm={firm:.2}%;{warn};{crit};0;100 fill={fill:.2}%;;;0;100"),
            None => format!(" | fill={fill:.2}%;{warn};{crit};0;100"),
        };
        line += &format!(" entries={count};;;0;{limit}");
    }
    line
}

fn memory_line(memory: &Memory) -> String {
    let assumed = if memory.entry_bytes_read { "" } else { " (assumed: this kernel does not say)" };
    let mut line = format!(
        "{} of entries ({} bytes each{assumed}) + {} of buckets",
        size(memory.entries),
        memory.entry_bytes,
        size(memory.buckets)
    );
    if let Some(full) = memory.when_full {
        line += &format!("; {} when full", size(full));
    }
    line
}

fn counted_lines(counted: &Counted) -> Vec<String> {
    let value = |counts: &Counts, name: &str| counts.get(name).copied().unwrap_or(0);
    let known = TROUBLE.iter().filter(|(name, _)| counted.total.contains_key(*name));
    known
        .map(|(name, meaning)| {
            let total = value(&counted.total, name);
            let cpus = counted.cpus.iter().enumerate().filter(|(_, cpu)| value(cpu, name) > 0);
            let cpus: Vec<String> =
                cpus.map(|(index, cpu)| format!("cpu{index} {}", grouped(value(cpu, name)))).collect();
            if total == 0 {
                return format!("  {name:<15} 0");
            }
            let total = painted(if *name == "drop" { BAD } else { DOUBT }, grouped(total));
            format!("  {name:<15} {total}  ({}) {meaning}", cpus.join(", "))
        })
        .collect()
}

fn interval_lines(interval: &Interval) -> Vec<String> {
    let change = format!("{:+} entries ({:+.1} a second)", interval.growth, interval.growth_per_second());
    let mut lines = vec![format!("within {} s: {change}", interval.seconds)];
    if let Some(counted) = &interval.counted {
        let any = TROUBLE.iter().any(|(name, _)| counted.total.get(*name).is_some_and(|value| *value > 0));
        if any {
            lines.extend(counted_lines(counted).into_iter().filter(|line| !line.ends_with(" 0")));
        } else {
            lines.push("  nothing dropped, nothing refused".to_owned());
        }
    }
    lines
}

/// The packets that were lost outside of connection tracking, and the room in the cloud's own.
fn elsewhere_lines(status: &Status) -> Vec<String> {
    let mut lines = Vec::new();
    if !status.elsewhere.is_empty() {
        lines.push("lost elsewhere, since boot:".to_owned());
    }
    lines.extend(status.elsewhere.iter().map(|loss| {
        let (counter, next_step) = (printable(&loss.counter), losses::next_step(loss));
        format!("  {counter} {}: {}", painted(DOUBT, grouped(loss.count)), printable(&next_step))
    }));
    let room = |(interface, room): (&String, &u64)| losses::cloud_room(interface, *room);
    lines.extend(status.cloud_room.iter().map(room).map(|room| format!("cloud:      {}", printable(&room))));
    lines
}

/// The messages of a full table in a log.
fn log_lines(log: &Log) -> Vec<String> {
    let source = printable(&log.source);
    let remarks = words::log_remarks(log).into_iter().map(|remark| format!("kernel log: {remark}"));
    if log.messages == 0 {
        return std::iter::once(format!("kernel log: no message of a full table in {source}")).chain(remarks).collect();
    }
    let mut lines = vec![format!(
        "kernel log: {} messages of a full table in {source} (the kernel rate-limits this message)",
        grouped(log.messages)
    )];
    let first = log.first.iter().filter(|_| log.messages > u64::try_from(log.last.len()).unwrap_or(u64::MAX));
    let mut times = 0;
    for message in first.chain(&log.last) {
        let line = message_line(message);
        match lines.last_mut() {
            // The kernel prints the message up to ten times within a second.
            Some(last) if *last == line || *last == format!("{line} ({times} times)") => {
                times += 1;
                *last = format!("{line} ({times} times)");
            }
            _ => {
                times = 1;
                lines.push(line);
            }
        }
    }
    lines.extend(remarks);
    lines
}

fn message_line(message: &LogMessage) -> String {
    let time = match (&message.time, message.since_boot) {
        (Some(time), _) => printable(time).into_owned(),
        (None, Some(micros)) => format!("{} s after the boot", micros / 1_000_000),
        (None, None) => "at an unknown time".to_owned(),
    };
    format!("  {time}  {}", printable(&message.text))
}

/// The readings that failed.
#[must_use]
pub fn unread_lines(unread: &[Unread]) -> Vec<String> {
    let line = |unread: &Unread| {
        let (facts, reason) = (unread::facts(unread), unread::reason(unread));
        format!("not known: {}: {}", printable(&facts), printable(&reason))
    };
    unread.iter().map(line).collect()
}
