//! Reads what `journalctl -o json` and `journalctl -o export` print.

use std::io;

use crate::table::model::log::{Log, LogMessage};
use crate::table::source::lines::Text;
use crate::table::source::log::{FullTable, LogForm};
use crate::text::utc;

/// The row of `journalctl -o json`: an object a line.
pub const JSON: LogForm = LogForm {
    name: "journal-json",
    recognises: |beginning| beginning.trim_ascii_start().starts_with(b"{"),
    read: read_json,
};

/// The row of `journalctl -o export`: `FIELD=text` a line, and a blank line ends a record.
pub const EXPORT: LogForm =
    LogForm { name: "journal-export", recognises: |beginning| beginning.starts_with(b"__CURSOR="), read: read_export };

/// The fields of a record that are read.
#[derive(Default)]
struct Record {
    transport: Option<String>,
    message: Option<String>,
    real: Option<String>,
    since_boot: Option<String>,
}

impl Record {
    /// The place of the field `name`, if it is one of these.
    fn field(&mut self, name: &str) -> Option<&mut Option<String>> {
        match name {
            "_TRANSPORT" => Some(&mut self.transport),
            "MESSAGE" => Some(&mut self.message),
            "__REALTIME_TIMESTAMP" => Some(&mut self.real),
            "_SOURCE_MONOTONIC_TIMESTAMP" => Some(&mut self.since_boot),
            _ => None,
        }
    }

    /// The message of a full table, if the record is the kernel's and is one.
    fn message(self) -> Option<LogMessage> {
        let text = self.message?;
        let FullTable { namespace, .. } = FullTable::begins(&text)?;
        if self.transport.is_some_and(|transport| transport != "kernel") {
            return None;
        }
        let micros = self.real.and_then(|real| real.parse::<i64>().ok());
        let time = micros.map(|micros| utc(micros.div_euclid(1_000_000)));
        let since_boot = self.since_boot.and_then(|micros| micros.parse().ok());
        Some(LogMessage { time, since_boot, namespace, text: text.trim_end().to_owned() })
    }
}

fn read_json(text: &mut Text<'_>, log: &mut Log) -> io::Result<()> {
    while let Some(line) = text.next_line()? {
        let line = String::from_utf8_lossy(line);
        // Most records are about something else, and parsing them would be slow.
        if line.contains("table full") {
            if let Some(message) = json_record(&line).and_then(Record::message) {
                log.push(message);
            }
        }
    }
    Ok(())
}

fn json_record(line: &str) -> Option<Record> {
    let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).ok()?;
    let mut record = Record::default();
    for (name, value) in fields {
        if let (Some(field), serde_json::Value::String(text)) = (record.field(&name), value) {
            *field = Some(text);
        }
    }
    Some(record)
}

fn read_export(text: &mut Text<'_>, log: &mut Log) -> io::Result<()> {
    let mut record = Record::default();
    while let Some(line) = text.next_line()? {
        let line = String::from_utf8_lossy(line);
        if line.is_empty() {
            if let Some(message) = std::mem::take(&mut record).message() {
                log.push(message);
            }
        } else if let Some((name, text)) = line.split_once('=') {
            if let Some(field) = record.field(name) {
                *field = Some(text.to_owned());
            }
        }
    }
    // The last record may lack its blank line.
    if let Some(message) = record.message() {
        log.push(message);
    }
    Ok(())
}
