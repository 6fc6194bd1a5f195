//! Reads the lines of a file as each of the two loaders does.
//!
//! They differ in what ends a line, what a blank is, and how much of a key they tidy up. Sources: systemd's
//! `src/sysctl/sysctl.c`, `src/basic/fileio.c` (`read_line`) and `src/basic/path-util.c` (`path_simplify`); procps'
//! `src/sysctl.c`.

use std::ops::Range;

use super::{Assignment, Loader};

/// systemd gives up on a file at the first line that has so many bytes (`LONG_LINE_MAX`).
const LONG_LINE: usize = 1024 * 1024;

/// systemd's longest part of a path; it leaves the rest of a path with a longer one alone (`NAME_MAX`).
const LONG_NAME: usize = 255;

/// The assignments among `bytes`, in order.
pub(super) fn assignments(bytes: &[u8], loader: Loader) -> Vec<Assignment> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut number = 1;
    while start < bytes.len() {
        let (text, end) = match loader {
            Loader::Systemd => systemd_line(bytes, start),
            Loader::Procps => procps_line(bytes, start),
        };
        if loader == Loader::Systemd && text.len() >= LONG_LINE {
            break;
        }
        found.extend(assignment(bytes, text, start..end, number, loader));
        number += bytes[start..end].split(|byte| *byte == b'\n').count() - 1;
        start = end;
    }
    found
}

/// The text of the line that begins at `start`, and where the next one begins.
///
/// A line feed, a carriage return and a NUL each end a line, and so does a run of them in which none comes twice and
/// a NUL comes last.
fn systemd_line(bytes: &[u8], start: usize) -> (Range<usize>, usize) {
    let ends_line = |byte: &u8| matches!(byte, b'\n' | b'\r' | 0);
    let text_end = bytes[start..].iter().position(ends_line).map_or(bytes.len(), |length| start + length);
    let mut end = text_end;
    while let Some(byte) = bytes.get(end).filter(|byte| ends_line(byte)) {
        let before = &bytes[text_end..end];
        if before.contains(byte) || before.contains(&0) {
            break;
        }
        end += 1;
    }
    (start..text_end, end)
}

/// The text of the line that begins at `start`, and where the next one begins.
///
/// Only a line feed ends a line, but what follows a NUL in it is not seen.
fn procps_line(bytes: &[u8], start: usize) -> (Range<usize>, usize) {
    let end = bytes[start..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| start + length + 1);
    let text_end = bytes[start..end].iter().position(|byte| *byte == 0).map_or(end, |length| start + length);
    (start..text_end, end)
}

/// The assignment that `text` makes, if it makes one.
fn assignment(
    bytes: &[u8],
    text: Range<usize>,
    line_span: Range<usize>,
    line: usize,
    loader: Loader,
) -> Option<Assignment> {
    let text = trim(bytes, text, loader);
    let first = *bytes[text.clone()].first()?;
    if matches!(first, b'#' | b';') {
        return None;
    }
    let (key_span, value_span, value) = match bytes[text.clone()].iter().position(|byte| *byte == b'=') {
        Some(length) => {
            let equals = text.start + length;
            let value_span = value_span(bytes, equals + 1..text.end, &line_span, loader);
            let value = bytes[value_span.clone()].to_vec();
            (trim_end(bytes, text.start..equals, loader), value_span, Some(value))
        }
        None if first == b'-' => (text.clone(), text.end..text.end, None),
        None => return None,
    };
    let path = path(&bytes[key_span.clone()], loader);
    Some(Assignment { line, key: simplified(&path), path, value, key_span, value_span, line_span })
}

/// Where the value stands that `text` holds between blanks. An empty one stands after the blanks behind the `=`, so
/// that a value which is put there finds the same style.
fn value_span(bytes: &[u8], text: Range<usize>, line_span: &Range<usize>, loader: Loader) -> Range<usize> {
    let span = trim(bytes, text.clone(), loader);
    if !span.is_empty() {
        return span;
    }
    let rest = &bytes[text.start..line_span.end];
    let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let at = text.start + blanks;
    at..at
}

/// The path below `/proc/sys` that `key` names, a `-` before it included.
fn path(key: &[u8], loader: Loader) -> Vec<u8> {
    let key = key.strip_prefix(b"-").unwrap_or(key);
    match loader {
        Loader::Systemd => simplified(&separated(&key[trim(key, 0..key.len(), loader)])),
        // A second place takes one more dash, and neither looks for blanks behind it.
        Loader::Procps => separated(key.strip_prefix(b"-").unwrap_or(key)),
    }
}

/// `key` with slashes: where a dot is the first separator, dots and slashes change places.
pub(super) fn separated(key: &[u8]) -> Vec<u8> {
    if key.iter().find(|byte| matches!(byte, b'/' | b'.')) != Some(&b'.') {
        return key.to_vec();
    }
    let swap = |byte: &u8| match byte {
        b'.' => b'/',
        b'/' => b'.',
        other => *other,
    };
    key.iter().map(swap).collect()
}

/// `path` without empty parts and `.` parts, and without the slash at its start.
fn simplified(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
        let part = &rest[..end];
        if part.len() > LONG_NAME {
            parts.push(rest);
            break;
        }
        if !part.is_empty() && part != b"." {
            parts.push(part);
        }
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    parts.join(&b'/')
}

fn is_blank(byte: u8, loader: Loader) -> bool {
    match byte {
        b' ' | b'\t' | b'\n' | b'\r' => true,
        // Vertical tab and form feed: blanks of isspace(3).
        0x0b | 0x0c => loader == Loader::Procps,
        _ => false,
    }
}

fn trim(bytes: &[u8], span: Range<usize>, loader: Loader) -> Range<usize> {
    let blanks = bytes[span.clone()].iter().take_while(|byte| is_blank(**byte, loader)).count();
    trim_end(bytes, span.start + blanks..span.end, loader)
}

fn trim_end(bytes: &[u8], span: Range<usize>, loader: Loader) -> Range<usize> {
    let blanks = bytes[span.clone()].iter().rev().take_while(|byte| is_blank(**byte, loader)).count();
    span.start..span.end - blanks
}
