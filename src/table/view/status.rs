//! Renders a status as text for people and monitoring plugins.

use crate::table::analysis::status::{Counted, Interval, Memory, Status};
use crate::table::model::counters::Names;
use crate::table::source::log::lines::Log;
use crate::table::source::proc::{Namespace, Unread};
use crate::text::printable;
use crate::text::{grouped, percent, size};

/// The counters that mean trouble, in the order of a reader's interest, and what each says.
const TROUBLE: [(&str, &str); 7] = [
    ("drop", "packets dropped: no room for a new entry, or refused by a protocol's tracker"),
    ("early_drop", "entries thrown out before their time, to make room in a full table"),
    ("insert_failed", "entries not inserted: the same connection was there already, or a chain was too long"),
    ("chain_toolong", "of these, by a chain that was too long: more buckets"),
    ("search_restart", "lookups begun again because the hash table was being resized"),
    ("invalid", "packets that fit no connection"),
    ("error", "packets that were broken, ICMP mostly"),
];

/// The text of a status, without a line end at its end.
#[must_use]
pub fn text(status: &Status) -> String {
    let mut lines = Vec::new();
    if let Some(judged) = &status.level {
        lines.push(plugin_line(status, judged.level.word(), &judged.reason, judged.warn, judged.crit));
    }
    lines.push(format!("entries:    {}", occupancy(status)));
    if let (Some(buckets), Some(load)) = (status.buckets, status.entries_per_bucket) {
        lines.push(format!("buckets:    {} ({load} entries a bucket)", grouped(buckets)));
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
    if let Some(log) = &status.log {
        lines.extend(log_lines(log));
    }
    lines.extend(namespace_lines(&status.namespaces, status.limit));
    lines.extend(unread_lines(&status.unread));
    lines.join("\n")
}

fn plugin_line(status: &Status, word: &str, reason: &str, warn: f64, crit: f64) -> String {
    let mut line = format!("CONNTRACK {word} - {reason}");
    if let (Some(count), Some(limit), Some(fill)) = (status.count, status.limit, status.fill_percent) {
        line += &format!(" | fill={fill:.2}%;{warn};{crit};0;100 entries={count};;;0;{limit}");
    }
    line
}

/// `123 of 262,144 (0.05%)`.
#[must_use]
pub fn occupancy(status: &Status) -> String {
    match (status.count, status.limit, status.fill_percent) {
        (Some(count), Some(limit), Some(fill)) => format!("{} of {} ({fill:.2}%)", grouped(count), grouped(limit)),
        (Some(count), Some(_), None) => format!("{}, and no limit", grouped(count)),
        (Some(count), None, _) => format!("{}, the limit is not known", grouped(count)),
        (None, Some(limit), _) => format!("not known; the limit is {}", grouped(limit)),
        (None, None, _) => "not known".to_owned(),
    }
}

fn memory_line(memory: &Memory) -> String {
    let said = if memory.entry_bytes_read { "" } else { " (assumed: this kernel does not say)" };
    let mut line = format!(
        "{} of entries ({} bytes each{said}) + {} of buckets",
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
    let value = |names: &Names, name: &str| names.get(name).copied().unwrap_or(0);
    let known = TROUBLE.iter().filter(|(name, _)| counted.total.contains_key(*name));
    known
        .map(|(name, meaning)| {
            let total = value(&counted.total, name);
            let cpus = counted.cpus.iter().enumerate().filter(|(_, cpu)| value(cpu, name) > 0);
            let cpus: Vec<String> =
                cpus.map(|(index, cpu)| format!("cpu{index} {}", grouped(value(cpu, name)))).collect();
            match total {
                0 => format!("  {name:<15} 0"),
                _ => format!("  {name:<15} {}  ({}) {meaning}", grouped(total), cpus.join(", ")),
            }
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

/// What a log says of a full table.
fn log_lines(log: &Log) -> Vec<String> {
    let source = printable(&log.source);
    if log.messages == 0 {
        return vec![format!("kernel log: no message of a full table in {source}")];
    }
    let mut lines = vec![format!(
        "kernel log: {} messages of a full table in {source} (the kernel leaves out most of them)",
        grouped(log.messages)
    )];
    let first = log.first.iter().filter(|_| log.messages > u64::try_from(log.last.len()).unwrap_or(u64::MAX));
    let mut times = 0;
    for message in first.chain(&log.last) {
        let time = match (&message.time, message.since_boot) {
            (Some(time), _) => printable(time).into_owned(),
            (None, Some(micros)) => format!("{} s after the boot", micros / 1_000_000),
            (None, None) => "at an unknown time".to_owned(),
        };
        let line = format!("  {time}  {}", printable(&message.text));
        match lines.last_mut() {
            // Within a second the kernel says it up to ten times.
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
    lines
}

fn namespace_lines(namespaces: &[Namespace], limit: Option<u64>) -> Vec<String> {
    if namespaces.len() < 2 {
        return Vec::new();
    }
    let mut lines =
        vec![format!("namespaces: {}; each has a table of its own, and the limit holds for each", namespaces.len())];
    for namespace in namespaces {
        let count = match (namespace.count, limit) {
            (Some(count), Some(limit)) if limit > 0 => format!("{} ({:.2}%)", grouped(count), percent(count, limit)),
            (Some(count), _) => grouped(count),
            (None, _) => "not known".to_owned(),
        };
        let own = if namespace.own { "  <- this one" } else { "" };
        let name = namespace.name.as_deref().or(namespace.program.as_deref()).unwrap_or_default();
        lines.push(format!("  netns {}  {count}  {}{own}", namespace.id, printable(name)));
    }
    lines
}

/// What could not be read.
#[must_use]
pub fn unread_lines(unread: &[Unread]) -> Vec<String> {
    unread.iter().map(|unread| format!("not known: {}: {}", printable(&unread.what), printable(&unread.why))).collect()
}
