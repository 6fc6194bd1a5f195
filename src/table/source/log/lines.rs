//! Reads logs of lines: dmesg in each of its time formats, syslog, and the journal's short form.

use std::io;

use crate::table::model::log::{Log, LogMessage};
use crate::table::source::lines::Text;
use crate::table::source::log::{FullTable, LogForm};

/// The row, which recognises any text.
pub const FORM: LogForm = LogForm { name: "lines", recognises: |_| true, read };

fn read(text: &mut Text<'_>, log: &mut Log) -> io::Result<()> {
    while let Some(line) = text.next_line()? {
        if let Some(message) = message(&String::from_utf8_lossy(line)) {
            log.push(message);
        }
    }
    Ok(())
}

/// The message in one line.
fn message(line: &str) -> Option<LogMessage> {
    let FullTable { start, namespace } = FullTable::find(line)?;
    let before = line[..start].trim_end();
    // syslog has `TIME HOST kernel: `, and the time since the boot may follow; dmesg has only a time, in brackets or not.
    let (time, stamp) = match before.split_once(" kernel:") {
        Some((place, stamp)) => (place.rsplit_once(' ').map_or(place, |(time, _host)| time), stamp.trim()),
        None => ("", before),
    };
    // `<4>` is the level, which `dmesg -r` prints.
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
    Some(LogMessage { time, since_boot, namespace, text: line[start..].trim_end().to_owned() })
}

/// The microseconds in a number of seconds, `1234.567890`.
fn microseconds(text: &str) -> Option<u64> {
    let (seconds, fraction) = text.split_once('.')?;
    let micros: u64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    seconds.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(micros)
}
