//! Reads the journal's records: `journalctl -o json`, `json-pretty`, `json-sse`, `json-seq`, `export` and `verbose`; the
//! JSON of `dmesg -J`; and that of log collectors and container runtimes.

use std::io;

use crate::table::model::log::Log;
use crate::table::source::lines::Text;
use crate::table::source::log::record::{Record, take};
use crate::table::source::log::{LogForm, lines, message, time};

/// The row of JSON: an object a line, or one over several lines.
pub const JSON: LogForm = LogForm { name: "journal-json", recognises: is_json, read: read_json };

/// The row of `journalctl -o export`: `FIELD=text` a line, and a blank line ends a record.
pub const EXPORT: LogForm =
    LogForm { name: "journal-export", recognises: |beginning| beginning.starts_with(b"__CURSOR="), read: read_fields };

/// The row of `journalctl -o verbose`: the time in a line, and below it the fields.
pub const VERBOSE: LogForm = LogForm { name: "journal-verbose", recognises: is_verbose, read: read_fields };

/// The longest object that is read.
const LONGEST: usize = 64 << 10;

fn is_json(beginning: &[u8]) -> bool {
    let text = beginning.trim_ascii_start();
    let text = text.strip_prefix(b"\x1e").or_else(|| text.strip_prefix(b"data: ")).unwrap_or(text);
    text.starts_with(b"{") || text.strip_prefix(b"[").is_some_and(|rest| rest.trim_ascii_start().starts_with(b"{"))
}

fn is_verbose(beginning: &[u8]) -> bool {
    let mut lines = beginning.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"-- "));
    let is_head =
        lines.next().is_some_and(|line| line.ends_with(b"]") && memchr::memmem::find(line, b" [s=").is_some());
    is_head && lines.next().is_some_and(|line| line.starts_with(b"    "))
}

fn read_json(text: &mut Text<'_>, log: &mut Log) -> io::Result<()> {
    let mut object = Vec::new();
    while let Some(line) = text.next_line()? {
        let line = line.trim_ascii();
        if line.ends_with(b"{") && line != b"data: {" {
            // An object within another one, as in `dmesg -J`: the innermost ones have the messages.
            take_json(&object, log);
            object.clear();
            object.push(b'{');
            continue;
        }
        let is_alone = object.is_empty() && (line.ends_with(b"}") || !is_json(line));
        if object.len() + line.len() <= LONGEST {
            object.extend_from_slice(line);
        }
        // In an object over several lines a bracket alone ends it.
        if is_alone || matches!(line, b"}" | b"}," | b"}]") {
            take_json(&object, log);
            object.clear();
        }
    }
    take_json(&object, log);
    Ok(())
}

fn take_json(text: &[u8], log: &mut Log) {
    // Most records are about something else, and parsing them would be slow.
    if !message::may_have_words(text) {
        return;
    }
    // Lines of other programs may stand between the records.
    lines::take(&String::from_utf8_lossy(text), None, log);
}

fn read_fields(text: &mut Text<'_>, log: &mut Log) -> io::Result<()> {
    let mut record = Record::default();
    while let Some(line) = text.next_line()? {
        let line = String::from_utf8_lossy(line);
        let head = (line.ends_with(']') && !line.starts_with(' ')).then(|| time::calendar(&line)).flatten();
        if let Some((time, _)) = head {
            take(std::mem::take(&mut record), log);
            record.time = Some(time);
        } else if line.is_empty() {
            take(std::mem::take(&mut record), log);
        } else if let Some((name, text)) = line.trim_start().split_once('=') {
            record.take(name, text.to_owned());
        }
    }
    // The last record may lack its blank line.
    take(record, log);
    Ok(())
}
