//! Edits the bytes of a file and leaves all others as they are.
//!
//! A file is never parsed and printed again: an edit replaces one span of its bytes. The spans come from
//! [`super::parse`] of the same bytes; after an edit, those of the other assignments are out of date.

use std::ops::Range;

use super::{Assignment, SYSTEMD, parse};

/// The bytes of a file of assignments, or of any file made of lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    bytes: Vec<u8>,
}

impl Document {
    /// Takes any bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Document {
        Document { bytes }
    }

    /// The bytes of the file.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Replaces the value of `assignment` by `text`, which has no line end. A key without `=` has no value and stays as
    /// it is.
    pub fn set_value(&mut self, assignment: &Assignment, text: &str) {
        self.set_values(std::slice::from_ref(assignment), text);
    }

    /// The same for each of `assignments`, which are in order.
    pub fn set_values(&mut self, assignments: &[Assignment], text: &str) {
        let with_value = assignments.iter().filter(|assignment| assignment.value.is_some());
        self.replace_each(with_value.map(|assignment| assignment.value_span.clone()).collect(), text);
    }

    /// Inserts `text` as a new line after the line `line`, counted from 1 by the line feeds; at the end, if there are
    /// fewer. Some programs join a line that ends in a backslash with the next one: the text then comes after both.
    pub fn insert_after_line(&mut self, line: usize, text: &str) {
        let mut line_feeds = self.bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let mut next_line = |index| line_feeds.nth(index).map_or(self.bytes.len(), |(line_feed, _)| line_feed + 1);
        let mut at = line.checked_sub(1).map_or(0, &mut next_line);
        while at < self.bytes.len() && self.is_continued(at) {
            at = next_line(0);
        }
        let is_continued = self.is_continued(at);
        // A backslash before a carriage return continues nothing: it would become part of a value.
        let line_end = if is_continued { "\n" } else { self.line_end_before(at) };
        let is_whole = at == 0 || self.bytes[at - 1] == b'\n';
        let missing = if is_whole { "" } else { line_end };
        // An empty line ends what nothing else continues.
        let empty = if is_continued { line_end } else { "" };
        self.replace(at..at, &format!("{missing}{empty}{text}{line_end}"));
    }

    /// Appends `text` as a new line.
    pub fn append(&mut self, text: &str) {
        self.insert_after_line(usize::MAX, text);
    }

    /// Makes the line of `assignment` a comment that begins with `note`, which has no line end.
    pub fn comment_out(&mut self, assignment: &Assignment, note: &str) {
        self.comment_out_each(std::slice::from_ref(assignment), note);
    }

    /// Makes the line of each of `assignments`, which are in order, a comment that begins with `note`.
    pub fn comment_out_each(&mut self, assignments: &[Assignment], note: &str) {
        let at = |assignment: &Assignment| {
            // The note goes right before the key, not to the start of the line: between the two there may be a byte that
            // ends a line in another dialect.
            let key = assignment.key_span.start;
            key - self.bytes[..key].iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
        };
        let spans = assignments.iter().map(|assignment| at(assignment)..at(assignment)).collect();
        self.replace_each(spans, &format!("# {note}"));
    }

    /// Removes the line of each of `assignments`, which are in order, with its line end.
    pub fn remove_lines(&mut self, assignments: &[Assignment]) {
        let spans = assignments.iter().map(|assignment| self.whole_line(assignment)).collect();
        self.replace_each(spans, "");
    }

    /// Removes the line of `assignment`, with its line end.
    pub fn remove_line(&mut self, assignment: &Assignment) {
        self.remove_lines(std::slice::from_ref(assignment));
    }

    /// The bytes of the line of `assignment`, with its line end.
    fn whole_line(&self, assignment: &Assignment) -> Range<usize> {
        let line = assignment.line_span.clone();
        let follows_line_feed = line.start == 0 || self.bytes[line.start - 1] == b'\n';
        let end = if follows_line_feed {
            line.end
        } else {
            // In a dialect where only a line feed ends a line, the bytes before belong to the same line and need this end.
            let text = self.bytes[line.clone()].iter().take_while(|byte| !matches!(byte, b'\n' | b'\r' | 0)).count();
            line.start + text
        };
        line.start..end
    }

    /// The last line that is a commented-out assignment of one of `keys`, which are paths below `/proc/sys`.
    #[must_use]
    pub fn commented_twin(&self, keys: &[String]) -> Option<usize> {
        let lines = self.bytes.split(|byte| *byte == b'\n').zip(1..);
        let twins = lines.filter(|(line, _)| {
            commented_out(line)
                .is_some_and(|assignment| keys.iter().any(|key| key.as_bytes() == assignment.subject.key))
        });
        twins.last().map(|(_, number)| number)
    }

    /// Whether the line before `at` ends in a backslash.
    fn is_continued(&self, at: usize) -> bool {
        let before = &self.bytes[..at];
        before.strip_suffix(b"\n").unwrap_or(before).ends_with(b"\\")
    }

    /// The line end in use before `at`.
    fn line_end_before(&self, at: usize) -> &'static str {
        let line_feed = self.bytes[..at].iter().rposition(|byte| *byte == b'\n');
        match line_feed {
            Some(line_feed) if self.bytes[..line_feed].ends_with(b"\r") => "\r\n",
            _ => "\n",
        }
    }

    /// Puts `text` in the place of each of `spans`, which are in order and do not overlap.
    fn replace_each(&mut self, spans: Vec<Range<usize>>, text: &str) {
        let mut bytes = Vec::with_capacity(self.bytes.len() + spans.len() * text.len());
        let mut from = 0;
        for span in spans {
            bytes.extend_from_slice(&self.bytes[from..span.start]);
            bytes.extend_from_slice(text.as_bytes());
            from = span.end;
        }
        bytes.extend_from_slice(&self.bytes[from..]);
        self.bytes = bytes;
    }

    fn replace(&mut self, span: Range<usize>, text: &str) {
        self.bytes.splice(span, text.bytes());
    }
}

/// The assignment that `line` would be without the comment signs before it.
fn commented_out(line: &[u8]) -> Option<Assignment> {
    let is_sign = |byte: &u8| matches!(byte, b'#' | b';');
    let signs = line.iter().take_while(|byte| is_sign(byte) || byte.is_ascii_whitespace()).count();
    let (signs, rest) = line.split_at(signs);
    if !signs.iter().any(is_sign) {
        return None;
    }
    parse(rest, &SYSTEMD).into_iter().next().filter(|assignment| assignment.value.is_some())
}

#[cfg(test)]
mod tests {
    use super::super::{DIALECTS, Dialect};
    use super::*;
    use proptest::prelude::*;

    /// Pieces that make files in which every odd case of each dialect is frequent.
    fn file() -> impl Strategy<Value = Vec<u8>> {
        let pieces = prop::sample::select(vec![
            "net.netfilter.nf_conntrack_max",
            "a",
            "b/c",
            "*",
            "=",
            "=",
            " = ",
            "5",
            "10",
            " ",
            "\t",
            "\n",
            "\n",
            "\n",
            "\r",
            "\r\n",
            "\n\r",
            "\0",
            "\u{b}",
            "#",
            ";",
            "-",
            "\u{e9}",
            "\\",
        ]);
        prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat().into_bytes())
    }

    fn dialect() -> impl Strategy<Value = &'static Dialect> {
        prop::sample::select(DIALECTS.to_vec())
    }

    type Meaning = Vec<(Vec<u8>, Option<Vec<u8>>)>;

    /// The assignments of a file, without their positions.
    fn meaning(bytes: &[u8], dialect: &Dialect) -> Meaning {
        parse(bytes, dialect)
            .into_iter()
            .map(|assignment| (assignment.subject.path.clone(), assignment.value.as_deref().map(<[u8]>::to_vec)))
            .collect()
    }

    proptest! {
        #[test]
        fn a_new_value_changes_one_assignment(bytes in file(), dialect in dialect(), pick: prop::sample::Index) {
            let read = parse(&bytes, dialect);
            prop_assume!(!read.is_empty());
            let index = pick.index(read.len());
            let mut expected = meaning(&bytes, dialect);
            expected[index].1 = read[index].value.as_ref().map(|_| b"77".to_vec());
            let mut document = Document::new(bytes);
            document.set_value(&read[index], "77");
            prop_assert_eq!(meaning(document.as_bytes(), dialect), expected);
        }

        #[test]
        fn a_line_is_removed_or_commented_out_alone(bytes in file(), dialect in dialect(), pick: prop::sample::Index) {
            let read = parse(&bytes, dialect);
            prop_assume!(!read.is_empty());
            let index = pick.index(read.len());
            let mut expected = meaning(&bytes, dialect);
            expected.remove(index);
            let mut removed = Document::new(bytes.clone());
            removed.remove_line(&read[index]);
            prop_assert_eq!(meaning(removed.as_bytes(), dialect), expected.clone());
            let mut commented = Document::new(bytes.clone());
            commented.comment_out(&read[index], "note: ");
            prop_assert_eq!(meaning(commented.as_bytes(), dialect), expected);
            let at = commented.as_bytes().windows(8).position(|eight| eight == b"# note: ").expect("it has the note");
            let restored = [&commented.as_bytes()[..at], &commented.as_bytes()[at + 8..]].concat();
            prop_assert_eq!(restored, bytes);
        }

        #[test]
        fn a_new_line_changes_no_other(bytes in file(), line in 0_usize..8) {
            let mut inserted = Document::new(bytes.clone());
            inserted.insert_after_line(line, "new = 1");
            for dialect in DIALECTS {
                let new = (b"new".to_vec(), Some(b"1".to_vec()));
                let mut found = meaning(inserted.as_bytes(), dialect);
                let at = found.iter().position(|one| *one == new);
                prop_assert!(at.is_some());
                found.remove(at.unwrap_or_default());
                prop_assert_eq!(found, meaning(&bytes, dialect));
                let mut appended = Document::new(bytes.clone());
                appended.append("new = 1");
                let mut found = meaning(appended.as_bytes(), dialect);
                prop_assert_eq!(found.pop(), Some(new));
                prop_assert_eq!(found, meaning(&bytes, dialect));
            }
        }
    }

    #[test]
    fn edits_keep_the_style() {
        type Edit = fn(&mut Document, &Assignment);
        let cases: &[(&str, Edit, &str)] = &[
            ("a = 1\n", |document, first| document.set_value(first, "2"), "a = 2\n"),
            ("a=\r\n", |document, first| document.set_value(first, "2"), "a=2\r\n"),
            ("  a = \tone two # three\n", |document, first| document.set_value(first, "2"), "  a = \t2\n"),
            ("-a = 1", |document, first| document.set_value(first, "2"), "-a = 2"),
            ("a = 1", |document, _| document.append("b = 2"), "a = 1\nb = 2\n"),
            ("a = 1\r\n", |document, _| document.append("b = 2"), "a = 1\r\nb = 2\r\n"),
            ("a = 1\r\nx", |document, _| document.append("b = 2"), "a = 1\r\nx\r\nb = 2\r\n"),
            ("a = 1\nx\n", |document, _| document.insert_after_line(1, "b = 2"), "a = 1\nb = 2\nx\n"),
            (
                "a = 1\n# b\\\nc\nx\n",
                |document, _| document.insert_after_line(2, "b = 2"),
                "a = 1\n# b\\\nc\nb = 2\nx\n",
            ),
            ("a = 1\n# b\\\n", |document, _| document.append("b = 2"), "a = 1\n# b\\\n\nb = 2\n"),
            ("a = 1\\", |document, _| document.append("b = 2"), "a = 1\\\n\nb = 2\n"),
            ("x\r\na = 1\\", |document, _| document.append("b = 2"), "x\r\na = 1\\\n\nb = 2\n"),
            ("\t a = 1\n", |document, first| document.comment_out(first, "by us: "), "# by us: \t a = 1\n"),
            ("x\na = 1\ny\n", |document, first| document.remove_line(first), "x\ny\n"),
            ("a = 1\n\ny\n", |document, first| document.remove_line(first), "\ny\n"),
            ("x\na = 1", |document, first| document.remove_line(first), "x\n"),
        ];
        for (before, edit, expected) in cases {
            let first = parse(before.as_bytes(), &SYSTEMD).remove(0);
            let mut document = Document::new(before.as_bytes().to_vec());
            edit(&mut document, &first);
            assert_eq!(String::from_utf8_lossy(document.as_bytes()), *expected);
        }
    }

    #[test]
    fn a_twin_is_the_last_comment_that_would_assign_one_of_the_keys() {
        let cases: &[(&str, Option<usize>)] = &[
            ("# net.netfilter.nf_conntrack_max = 1\n#net/netfilter/nf_conntrack_max=2\n", Some(2)),
            ("; -net.netfilter.nf_conntrack_max = 1\n# net.core.somaxconn = 1\n", Some(1)),
            ("## net.netfilter.nf_conntrack_max = 1", Some(1)),
            ("net.netfilter.nf_conntrack_max = 1\n", None),
            ("# the limit, net.netfilter.nf_conntrack_max = 1\n", None),
            ("# net.netfilter.nf_conntrack_max\n", None),
            ("", None),
        ];
        let keys = ["net/netfilter/nf_conntrack_max".to_owned(), "net/nf_conntrack_max".to_owned()];
        for (text, expected) in cases {
            let document = Document::new(text.as_bytes().to_vec());
            assert_eq!(document.commented_twin(&keys), *expected, "{text}");
        }
    }
}
