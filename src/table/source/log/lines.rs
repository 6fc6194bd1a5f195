//! Reads logs of lines: dmesg with each of its options, syslog, the journal's short forms, and the lines of other programs
//! that hand them on.

use std::borrow::Cow;
use std::io;

use memchr::memmem;

use crate::table::model::log::Log;
use crate::table::source::lines::Text;
use crate::table::source::log::{LogForm, line, message, record, time};

/// The row, which recognises any text.
pub const FORM: LogForm = LogForm { name: "lines", recognises: |_| true, read };

fn read(text: &mut Text<'_>, log: &mut Log) -> io::Result<()> {
    let mut minute = None;
    let mut was_full = false;
    while let Some(line) = text.next_line()? {
        if line.starts_with(b"[") {
            minute = whole_minute(line).or(minute);
        }
        if message::may_have_words(line) {
            was_full = take(&without_colours(&String::from_utf8_lossy(line)), minute.as_deref(), log);
        } else if let Some(times) = repeated(line).filter(|_| was_full) {
            log.repeat(times);
        } else {
            was_full = false;
        }
    }
    Ok(())
}

/// Takes the message in a line, and says whether it is of a full table.
pub(super) fn take(text: &str, minute: Option<&str>, log: &mut Log) -> bool {
    let Some(words) = message::find(text) else {
        // Other tables can be full too, and other messages suppressed.
        if text.contains("conntrack") {
            log.misunderstand(text);
        }
        return false;
    };
    if let Some(record) = record::object(text) {
        return record::take(record, log);
    }
    // `dmesg -H` prints the minute before its first message, and then only the pauses.
    let is_pause = text.strip_prefix('[').is_some_and(|rest| rest.trim_start().starts_with('+'));
    let read = line::message(text, &words, minute.filter(|_| is_pause));
    let Some((message, times)) = read else {
        log.misunderstand(text);
        return false;
    };
    line::push(&words.kind, message, times, log)
}

/// The time in a line of `dmesg -H` that has one: `[Nov20 22:30] `.
fn whole_minute(line: &[u8]) -> Option<String> {
    let end = memchr::memchr(b']', &line[..line.len().min(20)])?;
    let inside = std::str::from_utf8(&line[1..end]).ok()?;
    let (time, rest) = time::calendar(inside)?;
    rest.is_empty().then_some(time)
}

/// The number in `last message repeated 41 times`.
fn repeated(line: &[u8]) -> Option<u64> {
    let start = memmem::find(line, b"last message repeated ")? + "last message repeated ".len();
    let number = line[start..].split(|byte| *byte == b' ').next()?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

/// `line` without the codes by which a terminal colours it.
fn without_colours(line: &str) -> Cow<'_, str> {
    if !line.contains('\u{1b}') {
        return Cow::Borrowed(line);
    }
    let mut plain = String::new();
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        if c == '\u{1b}' {
            // ESC, `[`, parameters, and a letter.
            rest.by_ref().skip(1).find(char::is_ascii_alphabetic);
        } else {
            plain.push(c);
        }
    }
    Cow::Owned(plain)
}
