//! Finds the kernel's messages of a full table in its log: of /dev/kmsg, dmesg, syslog, or the journal.
//!
//! The old form is `ip_conntrack: table full, dropping packet.`, today's `nf_conntrack: nf_conntrack: table full,
//! dropping packet`, and `table full in netns N` for a network namespace other than the first. Only the kernel's own
//! lines count: a program that logs the same words proves nothing.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::text::utc;

/// How many messages are kept word by word: the kernel itself prints at most ten in five seconds.
const KEPT: usize = 10;

/// The messages of a full table that a log holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// What was read: `/dev/kmsg`, or the file.
    pub source: String,
    /// How many messages there are. The kernel leaves out most of them (`callbacks suppressed`).
    pub messages: u64,
    /// The first one in the log.
    pub first: Option<Message>,
    /// The last ones, at most ten, the newest at the end.
    pub last: VecDeque<Message>,
    /// The same by network namespace: `initial`, or the namespace's number. (Old kernels do not tell them apart.)
    pub namespaces: BTreeMap<String, Seen>,
}

/// The messages about one network namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// How many there are.
    pub messages: u64,
    /// The last one.
    pub last: Message,
}

/// The name of the first network namespace in [`Log::namespaces`].
pub const INITIAL: &str = "initial";

/// How many network namespaces are told apart: whoever makes a thousand of them must not make this log grow.
const NAMESPACES: usize = 256;

/// One message of a full table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// When, as the log says it; for the kernel's own log and the journal, UTC.
    pub time: Option<String>,
    /// Microseconds since the boot, where the log says so.
    pub since_boot: Option<u64>,
    /// The number of the network namespace whose table was full; null: the first one, or an old kernel.
    pub namespace: Option<u64>,
    /// The message.
    pub text: String,
}

impl Log {
    /// A log without a message.
    #[must_use]
    pub fn new(source: impl Into<String>) -> Log {
        Log { source: source.into(), messages: 0, first: None, last: VecDeque::new(), namespaces: BTreeMap::new() }
    }

    /// Adds a message.
    pub fn push(&mut self, message: Message) {
        self.messages += 1;
        if self.first.is_none() {
            self.first = Some(message.clone());
        }
        let name = message.namespace.map_or_else(|| INITIAL.to_owned(), |number| number.to_string());
        let room = self.namespaces.len() < NAMESPACES;
        match self.namespaces.get_mut(&name) {
            Some(seen) => *seen = Seen { messages: seen.messages + 1, last: message.clone() },
            None if room => drop(self.namespaces.insert(name, Seen { messages: 1, last: message.clone() })),
            None => {}
        }
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(message);
    }
}

/// Where a text says that the table is full: from which byte on, and in which namespace.
fn full(text: &str) -> Option<(usize, Option<u64>)> {
    let start = ["nf_conntrack: table full", "ip_conntrack: table full"].iter().find_map(|words| text.find(words))?;
    let rest = &text[start + "nf_conntrack: table full".len()..];
    let (namespace, rest) = match rest.strip_prefix(" in netns ") {
        Some(rest) => {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            (Some(rest[..end].parse().ok()?), &rest[end..])
        }
        None => (None, rest),
    };
    rest.starts_with(", dropping packet").then_some(())?;
    // Today's form has the name twice: once from the module, once from the message.
    let start = text[..start].strip_suffix("nf_conntrack: ").map_or(start, str::len);
    Some((start, namespace))
}

/// The message in one record of /dev/kmsg; `boot` is the time of the boot, in seconds since 1970.
#[must_use]
pub fn kmsg_record(record: &str, boot: i64) -> Option<Message> {
    let (prefix, text) = record.split_once(';')?;
    let text = text.lines().next()?;
    let (start, namespace) = full(text)?;
    let mut fields = prefix.split(',');
    let priority: u32 = fields.next()?.parse().ok()?;
    // The number above the three bits of the level is the facility: 0 is the kernel, and no program can write that.
    if priority >> 3 != 0 || start != 0 {
        return None;
    }
    let since_boot: u64 = fields.nth(1)?.parse().ok()?;
    let time = i64::try_from(since_boot / 1_000_000).ok().map(|seconds| utc(boot.saturating_add(seconds)));
    Some(Message { time, since_boot: Some(since_boot), namespace, text: text.to_owned() })
}

/// The message in one line of dmesg or syslog text, or of the journal's short or JSON form.
#[must_use]
pub fn log_line(line: &str) -> Option<Message> {
    if !line.contains("table full") {
        return None;
    }
    if line.starts_with('{') {
        return json_line(line);
    }
    let (start, namespace) = full(line)?;
    let before = line[..start].trim_end();
    // syslog has `TIME HOST kernel: `, and the time since the boot may follow; dmesg has only a time, in brackets or not.
    let (time, stamp) = match before.split_once(" kernel:") {
        Some((place, stamp)) => (place.rsplit_once(' ').map_or(place, |(time, _host)| time), stamp.trim()),
        None => ("", before),
    };
    // `<4>` is the level, where dmesg was asked for it raw.
    let stamp = stamp.strip_prefix('<').and_then(|level| level.split_once('>')).map_or(stamp, |(_, stamp)| stamp);
    let bracketed = stamp.strip_prefix('[').and_then(|stamp| stamp.strip_suffix(']')).map(str::trim);
    let since_boot = bracketed.and_then(microseconds);
    let time = match (time, bracketed, since_boot) {
        ("", None, _) if stamp.is_empty() => None,
        // A word that is no time is the name of a program, and the line is not the kernel's.
        ("", None, _) if !stamp.starts_with(|c: char| c.is_ascii_digit()) || stamp.ends_with(':') => return None,
        ("", None, _) => Some(stamp.to_owned()),
        ("", Some(_), Some(_)) => None,
        ("", Some(text), None) => Some(text.to_owned()),
        (time, ..) => Some(time.to_owned()),
    };
    Some(Message { time, since_boot, namespace, text: line[start..].trim_end().to_owned() })
}

/// `1234.567890` seconds.
fn microseconds(text: &str) -> Option<u64> {
    let (seconds, fraction) = text.split_once('.')?;
    let micros: u64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    seconds.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(micros)
}

/// A record of `journalctl -o json`.
fn json_line(line: &str) -> Option<Message> {
    let record: serde_json::Value = serde_json::from_str(line).ok()?;
    let field = |name: &str| record.get(name).and_then(serde_json::Value::as_str);
    journal_record(
        field("_TRANSPORT"),
        field("MESSAGE")?,
        field("__REALTIME_TIMESTAMP"),
        field("_SOURCE_MONOTONIC_TIMESTAMP"),
    )
}

fn journal_record(
    transport: Option<&str>,
    text: &str,
    real: Option<&str>,
    since_boot: Option<&str>,
) -> Option<Message> {
    let (start, namespace) = full(text)?;
    if start != 0 || transport.is_some_and(|transport| transport != "kernel") {
        return None;
    }
    let time = real.and_then(|real| real.parse::<i64>().ok()).map(|micros| utc(micros.div_euclid(1_000_000)));
    let since_boot = since_boot.and_then(|micros| micros.parse().ok());
    Some(Message { time, since_boot, namespace, text: text.trim_end().to_owned() })
}

/// Reads the journal's export form (`journalctl -o export`) line by line: `FIELD=text`, a blank line ends a record.
#[derive(Debug, Default)]
pub struct Export {
    transport: Option<String>,
    message: Option<String>,
    real: Option<String>,
    since_boot: Option<String>,
}

impl Export {
    /// Takes the next line, and gives the message of the record that it ends.
    pub fn line(&mut self, line: &str) -> Option<Message> {
        if line.is_empty() {
            return std::mem::take(self).message();
        }
        let (name, text) = line.split_once('=')?;
        let place = match name {
            "_TRANSPORT" => &mut self.transport,
            "MESSAGE" => &mut self.message,
            "__REALTIME_TIMESTAMP" => &mut self.real,
            "_SOURCE_MONOTONIC_TIMESTAMP" => &mut self.since_boot,
            _ => return None,
        };
        *place = Some(text.to_owned());
        None
    }

    /// The message of the record that has been read, for the end of the log.
    #[must_use]
    pub fn message(self) -> Option<Message> {
        let [transport, real, since_boot] = [&self.transport, &self.real, &self.since_boot].map(Option::as_deref);
        journal_record(transport, self.message.as_deref()?, real, since_boot)
    }
}
