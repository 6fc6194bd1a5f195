//! Defines a record of the journal or of a log collector: a message with fields.

use serde_json::{Map, Value};

use crate::table::model::log::{Log, LogMessage};
use crate::table::source::log::{line, message};
use crate::text::utc;

/// The fields of a record that are read.
#[derive(Default)]
pub(super) struct Record {
    /// The program that wrote the message, or the way that it came to the journal.
    writer: Option<String>,
    message: Option<String>,
    pub(super) time: Option<String>,
    since_boot: Option<String>,
}

impl Record {
    /// Takes the field `name`, if it is one of these.
    pub(super) fn take(&mut self, name: &str, text: String) {
        let field = match name {
            "_TRANSPORT" | "SYSLOG_IDENTIFIER" | "programname" | "appname" | "ident" => &mut self.writer,
            "MESSAGE" | "message" | "msg" | "log" | "line" => &mut self.message,
            "__REALTIME_TIMESTAMP" | "time" | "timestamp" | "@timestamp" | "ts" => &mut self.time,
            "_SOURCE_MONOTONIC_TIMESTAMP" => &mut self.since_boot,
            _ => return,
        };
        // The transport says more than the identifier, which a program chooses.
        if name == "_TRANSPORT" || field.is_none() {
            *field = Some(text);
        }
    }
}

/// Takes the message in a record, and says whether it is of a full table.
pub(super) fn take(record: Record, log: &mut Log) -> bool {
    let Some(text) = record.message else { return false };
    let Some(words) = message::find(&text) else { return false };
    let is_kernels = record.writer.is_none_or(|writer| writer == "kernel");
    let Some((message, times)) = line::message(&text, &words, None).filter(|_| is_kernels) else {
        log.misunderstand(&text);
        return false;
    };
    let time = message.time.or_else(|| record.time.map(in_words));
    let since_boot = message.since_boot.or_else(|| record.since_boot.and_then(|micros| micros.parse().ok()));
    line::push(&words.kind, LogMessage { time, since_boot, ..message }, times, log)
}

/// A time, in words if it is a number of seconds, milliseconds, microseconds or nanoseconds since 1970.
fn in_words(text: String) -> String {
    let whole = text.split('.').next().unwrap_or_default();
    let Ok(number) = whole.parse::<i64>() else { return text };
    let seconds = match whole.len() {
        10 => number,
        13 => number.div_euclid(1000),
        16 => number.div_euclid(1_000_000),
        19 => number.div_euclid(1_000_000_000),
        _ => return text,
    };
    utc(seconds)
}

/// The record that a line of JSON holds.
pub(super) fn object(line: &str) -> Option<Record> {
    let line = &line[line.find('{')?..=line.rfind('}')?];
    let fields: Map<String, Value> = serde_json::from_str(line).ok()?;
    let mut record = Record::default();
    for (name, value) in fields {
        match value {
            Value::String(text) => record.take(&name, text),
            Value::Number(number) => record.take(&name, number.to_string()),
            _ => {}
        }
    }
    Some(record)
}
