//! Reads the lines of a file as [`Assignment`]s, by the syntax of each program.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use memchr::memchr;

use super::{Assignment, Subject};

/// The longest part of a path that systemd simplifies. From a longer part on, the path stays as it is (`NAME_MAX`).
const LONG_NAME: usize = 255;

/// The syntax by which a program splits the bytes of a file.
pub(super) struct Syntax {
    /// Finds the line that begins at an offset.
    pub(super) line: fn(&[u8], usize) -> Line,
    /// The number of bytes of a line at which the program gives up on the file.
    pub(super) too_long: Option<usize>,
    /// Whether a byte is a blank around a key or a value.
    pub(super) is_blank: fn(u8) -> bool,
    /// The bytes that begin a comment, as the first of a line.
    pub(super) comments: &'static [u8],
    /// Makes the path below `/proc/sys` of a key, a `-` before the key included.
    pub(super) path: fn(&[u8]) -> Vec<u8>,
}

/// One line among the bytes of a file.
pub(super) struct Line {
    /// The bytes of its text.
    pub(super) text: Range<usize>,
    /// The start of the next line.
    pub(super) end: usize,
}

/// A line with its place.
pub(super) struct Numbered {
    /// Counted from 1 by the line feeds before it.
    pub(super) number: usize,
    /// The bytes of its text.
    pub(super) text: Range<usize>,
    /// All its bytes, its end included.
    pub(super) span: Range<usize>,
}

/// The line of a program of C: only a line feed ends it, and the program does not see the bytes between a NUL and that end.
pub(super) fn line_of_c(bytes: &[u8], start: usize) -> Line {
    let end = memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |length| start + length + 1);
    let text_end = memchr(0, &bytes[start..end]).map_or(end, |length| start + length);
    Line { text: start..text_end, end }
}

/// The blanks of isspace(3): vertical tab and form feed too.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// The subjects and the values that the lines of a file have had so far.
#[derive(Default)]
pub(super) struct Shared<'a> {
    subjects: BTreeMap<&'a [u8], Rc<Subject>>,
    values: BTreeMap<&'a [u8], Rc<[u8]>>,
}

impl<'a> Shared<'a> {
    /// The subject of a key, whose path `path` makes.
    pub(super) fn subject(&mut self, key: &'a [u8], path: fn(&[u8]) -> Vec<u8>) -> Rc<Subject> {
        let made = || {
            let path = path(key);
            let simplified = simplified(&path);
            Rc::new(Subject::new(path, simplified))
        };
        self.subjects.entry(key).or_insert_with(made).clone()
    }

    pub(super) fn value(&mut self, text: &'a [u8]) -> Rc<[u8]> {
        self.values.entry(text).or_insert_with(|| text.into()).clone()
    }
}

/// The assignments among `bytes`, in order.
pub(super) fn assignments(bytes: &[u8], syntax: &Syntax) -> Vec<Assignment> {
    let mut shared = Shared::default();
    let is_short = |line: &Numbered| syntax.too_long.is_none_or(|too_long| line.text.len() < too_long);
    let lines = each(bytes, syntax.line).take_while(is_short);
    lines.filter_map(|line| assignment(bytes, line, syntax, &mut shared)).collect()
}

/// The lines of `bytes`, in order, each as `line` finds it.
pub(super) fn each(bytes: &[u8], line: fn(&[u8], usize) -> Line) -> impl Iterator<Item = Numbered> {
    let (mut start, mut number) = (0, 1);
    std::iter::from_fn(move || {
        let Line { text, end } = (start < bytes.len()).then(|| line(bytes, start))?;
        let found = Numbered { number, text, span: start..end };
        number += line_feeds(&bytes[start..end]);
        start = end;
        Some(found)
    })
}

/// The number of line feeds in a line: most have one, at the end.
fn line_feeds(mut line: &[u8]) -> usize {
    let mut count = 0;
    while let Some(at) = memchr(b'\n', line) {
        line = &line[at + 1..];
        count += 1;
    }
    count
}

/// The assignment that `line` makes, if it makes one.
fn assignment<'a>(bytes: &'a [u8], line: Numbered, syntax: &Syntax, shared: &mut Shared<'a>) -> Option<Assignment> {
    let Numbered { number: line, text, span: line_span } = line;
    let text = trim(bytes, text, syntax.is_blank);
    let first = *bytes[text.clone()].first()?;
    if syntax.comments.contains(&first) {
        return None;
    }
    let (key_span, value_span, value) = match memchr(b'=', &bytes[text.clone()]) {
        Some(length) => {
            let equals = text.start + length;
            let value_span = value_span(bytes, equals + 1..text.end, &line_span, syntax.is_blank);
            let value = shared.value(&bytes[value_span.clone()]);
            (trim_end(bytes, text.start..equals, syntax.is_blank), value_span, Some(value))
        }
        None if first == b'-' => (text.clone(), text.end..text.end, None),
        None => return None,
    };
    let subject = shared.subject(&bytes[key_span.clone()], syntax.path);
    Some(Assignment { line, subject, value, key_span, value_span, line_span })
}

/// The bytes of the value in `text`, without the blanks around it. An empty value has its place after the blanks behind
/// the `=`, so that a value that is inserted there keeps the style.
fn value_span(bytes: &[u8], text: Range<usize>, line_span: &Range<usize>, is_blank: fn(u8) -> bool) -> Range<usize> {
    let span = trim(bytes, text.clone(), is_blank);
    if !span.is_empty() {
        return span;
    }
    let rest = &bytes[text.start..line_span.end];
    let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let at = text.start + blanks;
    at..at
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
pub(super) fn simplified(path: &[u8]) -> Vec<u8> {
    let is_simple = |part: &[u8]| !part.is_empty() && part != b"." && part.len() <= LONG_NAME;
    if path.split(|byte| *byte == b'/').all(is_simple) {
        return path.to_vec();
    }
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

/// `span` without the blanks around it.
pub(super) fn trim(bytes: &[u8], span: Range<usize>, is_blank: fn(u8) -> bool) -> Range<usize> {
    trim_end(bytes, trim_start(bytes, span, is_blank), is_blank)
}

/// `span` without the blanks before it.
pub(super) fn trim_start(bytes: &[u8], span: Range<usize>, is_blank: fn(u8) -> bool) -> Range<usize> {
    let blanks = bytes[span.clone()].iter().take_while(|byte| is_blank(**byte)).count();
    span.start + blanks..span.end
}

/// `span` without the blanks behind it.
pub(super) fn trim_end(bytes: &[u8], span: Range<usize>, is_blank: fn(u8) -> bool) -> Range<usize> {
    let blanks = bytes[span.clone()].iter().rev().take_while(|byte| is_blank(**byte)).count();
    span.start..span.end - blanks
}
