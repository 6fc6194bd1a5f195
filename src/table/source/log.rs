//! Reads the kernel's log, or a saved one, for messages of a full table.

pub mod lines;

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use crate::table::source::lines::Lines;
use crate::table::source::log::lines::{Export, Log, kmsg_record, log_line};

/// The kernel's own log.
const KMSG: &str = "/dev/kmsg";

/// The longest record of it (`PRINTK_MESSAGE_MAX` is 2048, plus the prefix and the fields).
const RECORD: usize = 16 << 10;

/// The messages in the kernel's log, which is read to its present end and left as it is.
pub fn kernel() -> io::Result<Log> {
    let kmsg = rustix::fs::open(KMSG, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
    let boot = boot_time();
    let mut log = Log::new(KMSG);
    let mut buffer = vec![0; RECORD];
    loop {
        match rustix::io::read(&kmsg, &mut buffer[..]) {
            Ok(0) | Err(Errno::AGAIN) => return Ok(log),
            Ok(length) => {
                let record = &buffer[..length];
                let words: &[u8] = b"table full";
                if record.windows(words.len()).any(|window| window == words) {
                    if let Some(message) = kmsg_record(&String::from_utf8_lossy(record), boot) {
                        log.push(message);
                    }
                }
            }
            // EPIPE: the record was overwritten before it was read; the next read gives the oldest one left.
            Err(Errno::PIPE | Errno::INTR | Errno::INVAL) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// When the machine was booted, in seconds since 1970, on the clock that the kernel's log uses: it stands still while
/// the machine sleeps.
fn boot_time() -> i64 {
    clock_gettime(ClockId::Realtime).tv_sec - clock_gettime(ClockId::Monotonic).tv_sec
}

/// The present time on that clock, in microseconds.
#[must_use]
pub fn since_boot() -> u64 {
    u64::try_from(clock_gettime(ClockId::Monotonic).tv_sec).unwrap_or(0).saturating_mul(1_000_000)
}

/// The messages in the log that `path` holds: dmesg, syslog, or the journal's short, JSON or export form.
pub fn file(path: &Path) -> io::Result<Log> {
    let name = path.display().to_string();
    if path == Path::new("-") {
        return text(io::stdin().lock(), "standard input");
    }
    text(BufReader::new(File::open(path)?), &name)
}

/// The messages in a log as text.
pub fn text(source: impl BufRead, name: &str) -> io::Result<Log> {
    let mut log = Log::new(name);
    let mut lines = Lines::new(source);
    let mut export: Option<Export> = None;
    let mut first = true;
    while let Some(line) = lines.next_line()? {
        let line = String::from_utf8_lossy(line);
        if std::mem::take(&mut first) && line.starts_with("__CURSOR=") {
            export = Some(Export::default());
        }
        let message = match &mut export {
            Some(export) => export.line(&line),
            None => log_line(&line),
        };
        if let Some(message) = message {
            log.push(message);
        }
    }
    if let Some(message) = export.and_then(Export::message) {
        log.push(message);
    }
    Ok(log)
}
