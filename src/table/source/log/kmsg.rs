//! Reads the records of /dev/kmsg, from the kernel or saved: `4,812,74000000,-;TEXT`, and fields on lines of their own.

use std::io;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use crate::table::model::log::{Log, LogMessage};
use crate::table::source::lines::Text;
use crate::table::source::log::message::{self, Kind};
use crate::table::source::log::{LogForm, line};
use crate::text::utc;

/// The row of saved records.
pub const FORM: LogForm = LogForm { name: "kmsg", recognises, read };

/// The kernel's own log.
pub const KMSG: &str = "/dev/kmsg";

/// The longest record (`PRINTK_MESSAGE_MAX` is 2048, plus the prefix and the fields).
const RECORD: usize = 16 << 10;

/// The messages in the kernel's log, which is read to its present end and left as it is.
pub fn kernel() -> io::Result<Log> {
    let boot = boot_time();
    let mut log = Log::new(KMSG);
    records(|record| take(record, Some(boot), &mut log))?;
    Ok(log)
}

/// The records of the messages in the kernel's log, a line each, as [`FORM`] reads them.
pub fn messages() -> io::Result<Vec<String>> {
    let mut messages = Vec::new();
    records(|record| messages.extend(record.lines().next().map(str::to_owned)))?;
    Ok(messages)
}

/// Gives each record of the kernel's log that may have a message to `each`.
fn records(mut each: impl FnMut(&str)) -> io::Result<()> {
    let kmsg = rustix::fs::open(KMSG, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
    let mut buffer = vec![0; RECORD];
    loop {
        match rustix::io::read(&kmsg, &mut buffer[..]) {
            Ok(0) | Err(Errno::AGAIN) => return Ok(()),
            Ok(length) => {
                let record = &buffer[..length];
                if message::may_have_words(record) {
                    each(&String::from_utf8_lossy(record));
                }
            }
            // EPIPE: the record was overwritten before it was read; the next read gives the oldest one left.
            Err(Errno::PIPE | Errno::INTR | Errno::INVAL) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The time of the boot, in seconds since 1970, on the clock of the kernel's log, which stops while the machine sleeps.
fn boot_time() -> i64 {
    let nanoseconds = |clock| {
        let time = clock_gettime(clock);
        time.tv_sec.saturating_mul(SECOND).saturating_add(time.tv_nsec)
    };
    // Rounded, and not the difference of two whole seconds: each look then tells the same time of a message.
    (nanoseconds(ClockId::Realtime) - nanoseconds(ClockId::Monotonic) + SECOND / 2).div_euclid(SECOND)
}

/// The nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;

/// The present time on that clock, in microseconds since the boot.
#[must_use]
pub fn since_boot() -> u64 {
    u64::try_from(clock_gettime(ClockId::Monotonic).tv_sec).unwrap_or(0).saturating_mul(1_000_000)
}

/// The beginning of the first line of a log that `conntrack-sysctl collect` has saved, and the words before the boot's time
/// in it, which gives each record its time.
const HEAD: &str = "# records of /dev/kmsg";
const BOOT: &str = " of the boot at second ";

/// The first line of a log of this boot with so many messages.
#[must_use]
pub fn head(messages: usize) -> String {
    format!("{HEAD}{BOOT}{} since 1970, about full tables: {messages}", boot_time())
}

fn recognises(beginning: &[u8]) -> bool {
    if beginning.starts_with(HEAD.as_bytes()) {
        return true;
    }
    let Some(end) = beginning.iter().position(|byte| *byte == b';') else { return false };
    let mut fields = beginning[..end].split(|byte| *byte == b',');
    (0..3).all(|_| fields.next().is_some_and(|field| !field.is_empty() && field.iter().all(u8::is_ascii_digit)))
}

/// Reads saved records, whose boot is known if the first line has it.
fn read(text: &mut Text<'_>, log: &mut Log) -> io::Result<()> {
    let mut boot = None;
    while let Some(line) = text.next_line()? {
        if let Some(head) = line.strip_prefix(HEAD.as_bytes()) {
            boot = saved_boot(head);
        } else if message::may_have_words(line) {
            take(&String::from_utf8_lossy(line), boot, log);
        }
    }
    Ok(())
}

fn saved_boot(head: &[u8]) -> Option<i64> {
    let (seconds, _) = std::str::from_utf8(head).ok()?.strip_prefix(BOOT)?.split_once(' ')?;
    seconds.parse().ok()
}

fn take(record: &str, boot: Option<i64>, log: &mut Log) {
    match record_message(record, boot) {
        Some((kind, message)) => {
            line::push(&kind, message, 1, log);
        }
        None if record.contains("conntrack") => log.misunderstand(record),
        None => {}
    }
}

/// The message in one record; `boot` is the time of the boot, in seconds since 1970.
#[must_use]
pub fn record_message(record: &str, boot: Option<i64>) -> Option<(Kind, LogMessage)> {
    let (prefix, text) = record.split_once(';')?;
    let text = text.lines().next()?;
    let kind = message::begins(text)?.kind;
    let namespace = if let Kind::Full { namespace } = kind { namespace } else { None };
    let mut fields = prefix.split(',');
    let priority: u32 = fields.next()?.parse().ok()?;
    // The number above the three bits of the level is the facility: 0 is the kernel, and no program can write that.
    if priority >> 3 != 0 {
        return None;
    }
    let since_boot: u64 = fields.nth(1)?.parse().ok()?;
    let seconds = i64::try_from(since_boot / 1_000_000).ok();
    let time = boot.zip(seconds).map(|(boot, seconds)| utc(boot.saturating_add(seconds)));
    Some((kind, LogMessage { time, since_boot: Some(since_boot), namespace, text: text.to_owned() }))
}
