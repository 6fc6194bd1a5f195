//! Defines a record of the journal or of a log collector: a message with fields.

use serde_json::{Map, Value};

use crate::table::model::log::{Log, LogMessage};
use crate::table::source::log::{line, message, time};
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
            "MESSAGE" | "message" | "msg" | "log" | "line" | "short_message" | "SyslogMessage" => &mut self.message,
            "__REALTIME_TIMESTAMP" | "time" | "timestamp" | "@timestamp" | "ts" | "TimeGenerated" => &mut self.time,
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
    let Some(words) = message::find(&text) else {
        if text.contains("conntrack") && message::may_have_words(text.as_bytes()) {
            log.misunderstand(&text);
        }
        return false;
    };
    let is_kernels = record.writer.is_none_or(|writer| writer == "kernel");
    let Some((message, times)) = line::message(&text, &words, None).filter(|_| is_kernels) else {
        log.misunderstand(&text);
        return false;
    };
    // dmesg -J gives the seconds since the boot.
    let boot_time =
        record.time.as_deref().filter(|time| time.len() < "1000000000.000".len()).and_then(time::microseconds);
    let since_boot =
        message.since_boot.or_else(|| record.since_boot.and_then(|micros| micros.parse().ok())).or(boot_time);
    let time = message.time.or_else(|| record.time.filter(|_| boot_time.is_none()).map(in_words));
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

/// The record with a message in a line of JSON: the first one, if it holds several, one within the other.
pub(super) fn object(line: &str) -> Option<Record> {
    let start = line.find('{').filter(|start| line[..*start].find('"').is_none());
    let line = match start {
        Some(start) => line.get(start..=line.rfind('}')?)?.to_owned(),
        // The end of an object whose beginning another one within it has ended.
        None => format!("{{{}", line.get(line.find('"')?..=line.rfind('}')?)?.trim_end()),
    };
    with_message(serde_json::from_str(&line).ok()?)
}

/// The first record with a message in `value`, with what the records around it say of the time.
fn with_message(value: Value) -> Option<Record> {
    let fields: Map<String, Value> = match value {
        Value::Object(fields) => fields,
        Value::Array(values) => return values.into_iter().find_map(with_message),
        _ => return None,
    };
    let mut record = Record::default();
    let mut within = Vec::new();
    for (name, value) in fields {
        match value {
            Value::String(text) => record.take(&name, text),
            Value::Number(number) => record.take(&name, number.to_string()),
            other => within.push(other),
        }
    }
    let has_words =
        |record: &Record| record.message.as_ref().is_some_and(|text| message::may_have_words(text.as_bytes()));
    if has_words(&record) {
        return Some(record);
    }
    let inner = within.into_iter().find_map(with_message)?;
    Some(Record { time: inner.time.or(record.time), writer: inner.writer.or(record.writer), ..inner })
}
