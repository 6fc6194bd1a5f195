//! Reads files as `sysctl` of procps 3 does.
//!
//! Source: `sysctl.c` of procps 3.3.17 (`Preload`, `StripLeadingAndTrailingSpaces`, `WriteSetting`).

use std::ops::Range;

use memchr::memchr;

use super::Assignment;
use super::lines::{self, Numbered, Shared, separated, trim_end, trim_start};

/// The assignments of the lines of a file.
pub(super) fn read(bytes: &[u8]) -> Vec<Assignment> {
    let mut shared = Shared::default();
    lines::each(bytes, lines::line_of_c).filter_map(|line| assignment(bytes, line, &mut shared)).collect()
}

/// The blanks before a key and before a value: other programs pass over every space of the C library.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The blanks behind a key and at the end of a line.
fn is_blank_behind(byte: u8) -> bool {
    is_blank(byte) || matches!(byte, b'\r' | b'\n')
}

fn is_return(byte: u8) -> bool {
    byte == b'\r'
}

/// The assignment of `line`, if it makes one. Splitting is by strtok(3), which passes over separators that stand first: `=`
/// before a key, and carriage returns before a value.
fn assignment<'a>(bytes: &'a [u8], line: Numbered, shared: &mut Shared<'a>) -> Option<Assignment> {
    let text = trim_start(bytes, trim_end(bytes, line.text, is_blank_behind), is_blank);
    if matches!(bytes[text.clone()].first()?, b'#' | b';') {
        return None;
    }
    let start = trim_start(bytes, text.clone(), |byte| byte == b'=').start;
    let equals = start + memchr(b'=', &bytes[start..text.end])?;
    let end = trim_end(bytes, start..equals, is_blank_behind).end;
    let value_span = value(bytes, equals + 1..text.end)?;
    let subject = shared.subject(&bytes[start..end], path);
    let value = Some(shared.value(&bytes[value_span.clone()]));
    // The `=` before the key belong to it, so that a line is commented out as a whole.
    let key_span = text.start..end;
    Some(Assignment { line: line.number, subject, value, key_span, value_span, line_span: line.span })
}

/// The path of a key. One `-` is stripped, and the blanks behind it are not.
fn path(key: &[u8]) -> Vec<u8> {
    separated(key.strip_prefix(b"-").unwrap_or(key))
}

/// The bytes of the value in `text`. The first carriage return ends it. A line without a value assigns nothing.
fn value(bytes: &[u8], text: Range<usize>) -> Option<Range<usize>> {
    let text = trim_start(bytes, text, is_return);
    let end = memchr(b'\r', &bytes[text.clone()]).map_or(text.end, |length| text.start + length);
    (end > text.start).then(|| trim_start(bytes, text.start..end, is_blank))
}
