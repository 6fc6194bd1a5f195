//! The rules of udev(7), as systemd-udevd reads them (src/udev/udev-rules.c of systemd).
//!
//! A rule is a line of pairs: a key, perhaps with an attribute in braces, an operator, a value in double quotes. A
//! backslash at the end joins two lines. A line that begins with `#` is a comment, also between joined lines. udevd
//! ignores a line whose pairs it cannot read, so a comment after a rule disables the whole rule.

use memchr::memmem::Finder;
use memchr::{memchr_iter, memchr2, memrchr};

use super::escapes::unescaped;

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The line on which it begins, counted from 1.
    pub line: usize,
    /// Its pairs in order.
    pub pairs: Vec<Pair>,
}

/// One part of a rule: a match or an assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The key, such as `KERNEL` or `RUN`.
    pub key: String,
    /// The attribute in braces behind the key.
    pub attribute: Option<String>,
    /// The operation on the value.
    pub operator: Operator,
    /// The value without its quotes.
    pub value: String,
}

/// The operators of udev(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `==`: the rule counts where it matches.
    Matches,
    /// `!=`: the rule counts where it does not match.
    Differs,
    /// `=`: replaces the assignments of earlier rules.
    Assigns,
    /// `+=`: adds to the assignments of earlier rules.
    Adds,
    /// `-=`: removes from the assignments of earlier rules.
    Removes,
    /// `:=`: assigns, and later rules change nothing.
    AssignsFinally,
}

impl Operator {
    /// Whether it compares, and does not assign.
    #[must_use]
    pub fn is_match(self) -> bool {
        matches!(self, Operator::Matches | Operator::Differs)
    }
}

/// The longest line that udevd takes with its continuations (`UTIL_LINE_SIZE`).
const LONGEST: usize = 16_384;

/// The rules of a file, without the lines that udevd ignores.
#[must_use]
pub fn parse(bytes: &[u8]) -> Vec<Rule> {
    let text = String::from_utf8_lossy(bytes);
    let mut rules = Vec::new();
    let mut joined: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start_matches(is_blank);
        if line.starts_with('#') {
            continue;
        }
        let (first, mut whole) = joined.take().unwrap_or((index + 1, String::new()));
        if let Some(begin) = line.strip_suffix('\\') {
            whole += begin;
            joined = Some((first, whole));
        } else {
            whole += line;
            rules.extend(pairs(&whole).map(|pairs| Rule { line: first, pairs }));
        }
    }
    rules
}

/// The rules of a file that have one of `words` in them. In a large file that has few of them this takes little time.
#[must_use]
pub fn with_words(bytes: &[u8], words: &[Finder]) -> Vec<Rule> {
    let mut rules = Vec::new();
    // The end of the rule before, the line behind it, and the next place of each word.
    let (mut from, mut line) = (0, 1);
    let mut next: Vec<Option<usize>> = words.iter().map(|word| word.find(bytes)).collect();
    while let Some(found) = next.iter().flatten().min().copied() {
        let first = memrchr(b'\n', &bytes[from..found]).map_or(from, |before| from + before + 1);
        let start = from + first_of_rule(&bytes[from..first]);
        let mut ends = memchr_iter(b'\n', &bytes[found..]).map(|end| found + end);
        let end = ends.find(|end| !is_continued(&bytes[start..*end])).unwrap_or(bytes.len());
        line += memchr_iter(b'\n', &bytes[from..start]).count();
        rules.extend(parse(&bytes[start..end]).into_iter().map(|rule| Rule { line: line + rule.line - 1, ..rule }));
        from = bytes.len().min(end + 1);
        line += memchr_iter(b'\n', &bytes[start..from]).count();
        for (next, word) in next.iter_mut().zip(words) {
            if next.is_some_and(|at| at < from) {
                *next = word.find(&bytes[from..]).map(|at| from + at);
            }
        }
    }
    rules
}

/// The last line of `text` that is no comment, and where it begins.
fn last_line(text: &[u8]) -> Option<(usize, &[u8])> {
    let mut end = text.len();
    loop {
        let start = memrchr(b'\n', &text[..end]).map_or(0, |before| before + 1);
        if !text[start..end].trim_ascii_start().starts_with(b"#") {
            return Some((start, &text[start..end]));
        }
        end = start.checked_sub(1)?;
    }
}

/// Whether the last of `lines` goes on in the next one. A comment may stand between two lines that are joined.
fn is_continued(lines: &[u8]) -> bool {
    last_line(lines).is_some_and(|(_, line)| line.strip_suffix(b"\r").unwrap_or(line).ends_with(b"\\"))
}

/// The beginning of the rule that goes on behind `text`, a number of whole lines; the end of these if there is none.
fn first_of_rule(text: &[u8]) -> usize {
    let mut start = text.len();
    while let Some(before) = start.checked_sub(1).filter(|before| is_continued(&text[..*before])) {
        start = last_line(&text[..before]).map_or(0, |(start, _)| start);
    }
    start
}

/// The pairs of a line. None: nothing that udevd takes for a rule.
fn pairs(line: &str) -> Option<Vec<Pair>> {
    let mut pairs = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_start_matches(|c| is_blank(c) || c == ',');
        if rest.is_empty() {
            return (!pairs.is_empty() && line.len() < LONGEST).then_some(pairs);
        }
        pairs.push(pair(&mut rest).filter(is_taken)?);
    }
}

/// Whether a key has an attribute in braces.
enum Attribute {
    Never,
    Always,
    /// There is one or not, and it is one of the words if there are any.
    Perhaps(&'static [&'static str]),
    /// It is one of these words.
    OneOf(&'static [&'static str]),
}

/// The use of a key.
enum Use {
    /// It is compared only.
    Match,
    /// It is compared, or assigned.
    Both,
    /// It is compared, or assigned, and a part of it may be removed.
    BothOrRemove,
    /// It is assigned only.
    Assign,
    /// It is assigned, and neither added nor final.
    Only,
}

/// The keys that udevd takes, as `parse_token` in src/udev/udev-rules.c of systemd 252 has them.
const KEYS: [(&str, Attribute, Use); 28] = [
    ("ACTION", Attribute::Never, Use::Match),
    ("ATTR", Attribute::Always, Use::Both),
    ("ATTRS", Attribute::Always, Use::Match),
    ("CONST", Attribute::Always, Use::Match),
    ("DEVPATH", Attribute::Never, Use::Match),
    ("DRIVER", Attribute::Never, Use::Match),
    ("DRIVERS", Attribute::Never, Use::Match),
    ("ENV", Attribute::Always, Use::Both),
    ("GOTO", Attribute::Never, Use::Only),
    ("GROUP", Attribute::Never, Use::Assign),
    ("IMPORT", Attribute::OneOf(&["program", "builtin", "file", "db", "cmdline", "parent"]), Use::Both),
    ("KERNEL", Attribute::Never, Use::Match),
    ("KERNELS", Attribute::Never, Use::Match),
    ("LABEL", Attribute::Never, Use::Only),
    ("MODE", Attribute::Never, Use::Assign),
    ("NAME", Attribute::Never, Use::Both),
    ("OPTIONS", Attribute::Never, Use::Assign),
    ("OWNER", Attribute::Never, Use::Assign),
    ("PROGRAM", Attribute::Never, Use::Both),
    ("RESULT", Attribute::Never, Use::Match),
    ("RUN", Attribute::Perhaps(&["program", "builtin"]), Use::Assign),
    ("SECLABEL", Attribute::Always, Use::Assign),
    ("SUBSYSTEM", Attribute::Never, Use::Match),
    ("SUBSYSTEMS", Attribute::Never, Use::Match),
    ("SYMLINK", Attribute::Never, Use::BothOrRemove),
    ("SYSCTL", Attribute::Always, Use::Both),
    ("TAG", Attribute::Never, Use::BothOrRemove),
    ("TAGS", Attribute::Never, Use::Match),
];

/// Whether udevd takes a pair. It ignores the whole rule of one that it does not take.
fn is_taken(pair: &Pair) -> bool {
    // A mode may be in braces.
    if pair.key == "TEST" {
        return pair.operator.is_match();
    }
    KEYS.iter().find(|(key, ..)| *key == pair.key).is_some_and(|(_, attribute, of)| {
        let given = pair.attribute.as_deref().unwrap_or_default();
        let has_attribute = match attribute {
            Attribute::Never => given.is_empty(),
            Attribute::Always => !given.is_empty(),
            Attribute::Perhaps(words) => given.is_empty() || words.contains(&given),
            Attribute::OneOf(words) => words.contains(&given),
        };
        let takes = match of {
            Use::Match => pair.operator.is_match(),
            Use::Both => pair.operator != Operator::Removes,
            Use::BothOrRemove => true,
            Use::Assign => !pair.operator.is_match() && pair.operator != Operator::Removes,
            Use::Only => pair.operator == Operator::Assigns,
        };
        has_attribute && takes && (pair.operator.is_match() || may_be_set(pair.key.as_str(), given, &pair.value))
    })
}

/// Whether udevd lets a rule set `value` for a key.
fn may_be_set(key: &str, attribute: &str, value: &str) -> bool {
    const OF_KERNEL: [&str; 12] = [
        "ACTION",
        "DEVLINKS",
        "DEVNAME",
        "DEVPATH",
        "DEVTYPE",
        "DRIVER",
        "IFINDEX",
        "MAJOR",
        "MINOR",
        "SEQNUM",
        "SUBSYSTEM",
        "TAGS",
    ];
    match key {
        "ENV" => !OF_KERNEL.contains(&attribute),
        "NAME" => !["", "%k"].contains(&value),
        _ => true,
    }
}

fn pair(rest: &mut &str) -> Option<Pair> {
    let bytes = rest.as_bytes();
    let ends = |at: &usize| match bytes[*at] {
        b' ' | b'\t' | b'\n' | b'\r' | b'=' | b'{' => true,
        b'!' | b'+' | b'-' | b':' => bytes.get(at + 1) == Some(&b'='),
        _ => false,
    };
    let end = (0..bytes.len()).find(ends)?;
    let key = rest[..end].to_owned();
    let mut behind = &rest[end..];
    let mut attribute = None;
    if let Some(inner) = behind.strip_prefix('{') {
        let (inside, following) = inner.split_once('}')?;
        attribute = Some(inside.to_owned());
        behind = following;
    }
    behind = behind.trim_start_matches(is_blank);
    let (operator, length) = operator(behind)?;
    let (value, following) = value(behind[length..].trim_start_matches(is_blank))?;
    *rest = following;
    Some(Pair { key, attribute, operator, value })
}

/// The operator at the start of `text`, and its length.
fn operator(text: &str) -> Option<(Operator, usize)> {
    const OPERATORS: [(&str, Operator); 6] = [
        ("==", Operator::Matches),
        ("!=", Operator::Differs),
        ("+=", Operator::Adds),
        ("-=", Operator::Removes),
        (":=", Operator::AssignsFinally),
        ("=", Operator::Assigns),
    ];
    let found = OPERATORS.iter().find(|(sign, _)| text.starts_with(sign))?;
    Some((found.1, found.0.len()))
}

/// The quoted value at the start of `text`, and what follows it. `e"..."` has the escapes of C; in `"..."` only the quote
/// is escaped. `i"..."` matches letters of either case, and becomes a pattern that does so.
fn value(text: &str) -> Option<(String, &str)> {
    let (prefixes, text) = text.split_once('"')?;
    let (is_escaped, ignores_case) = match prefixes {
        "" => (false, false),
        "e" => (true, false),
        "i" => (false, true),
        "ei" | "ie" => (true, true),
        _ => return None,
    };
    let (value, following) = quoted(text, is_escaped)?;
    let value = if is_escaped { unescaped(&value)? } else { value };
    Some((if ignores_case { in_either_case(&value) } else { value }, following))
}

/// A pattern that matches like `pattern`, but letters of either case. What stands in brackets is left as it is.
fn in_either_case(pattern: &str) -> String {
    let mut either = String::new();
    let mut is_bracketed = false;
    for c in pattern.chars() {
        match c {
            '[' => is_bracketed = true,
            ']' => is_bracketed = false,
            _ => {}
        }
        if c.is_ascii_alphabetic() && !is_bracketed {
            either.extend(['[', c.to_ascii_lowercase(), c.to_ascii_uppercase(), ']']);
        } else {
            either.push(c);
        }
    }
    either
}

/// The text up to the quote that ends it, and what follows that. With escapes, the backslashes stay.
fn quoted(text: &str, is_escaped: bool) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let (plain, behind) = rest.split_at(memchr2(b'"', b'\\', rest.as_bytes())?);
        value.push_str(plain);
        let (sign, behind) = behind.split_at(1);
        if sign == "\"" {
            return Some((value, behind));
        }
        let taken = match behind.chars().next() {
            Some(c) if is_escaped => c.len_utf8(),
            None if is_escaped => return None,
            Some('"') => 1,
            _ => 0,
        };
        if is_escaped || taken == 0 {
            value.push_str(sign);
        }
        value.push_str(&behind[..taken]);
        rest = &behind[taken..];
    }
}

/// systemd's WHITESPACE.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: &str, attribute: Option<&str>, operator: Operator, value: &str) -> Pair {
        Pair { key: key.into(), attribute: attribute.map(str::to_owned), operator, value: value.into() }
    }

    #[test]
    fn a_rule_may_have_several_lines() {
        let text = b"# note\nACTION==\"add\", SUBSYSTEM==\"module\", \\\n# between\n  KERNEL==\"nf_conntrack\", RUN+=\"/bin/a --b\"\n";
        let expected = Rule {
            line: 2,
            pairs: vec![
                pair("ACTION", None, Operator::Matches, "add"),
                pair("SUBSYSTEM", None, Operator::Matches, "module"),
                pair("KERNEL", None, Operator::Matches, "nf_conntrack"),
                pair("RUN", None, Operator::Adds, "/bin/a --b"),
            ],
        };
        assert_eq!(parse(text), [expected]);
    }

    #[test]
    fn rules_with_words_are_those_of_the_whole_file() {
        let text = "# RUN\nKERNEL==\"1\", \\\n# RUN\n  # note \\\nRUN+=\"a\"\nDRIVER==\"RUN\"\r\nACTION==\"2\", \\\r\n RUN=\"c\"\nNAME==\"3\"\n#\\\nDEVPATH==\"RUN\"\nRUN+=\"x\" \\";
        let wanted = |rule: &Rule| rule.pairs.iter().any(|pair| pair.key == "RUN" || pair.value == "RUN");
        let mut expected = parse(text.as_bytes());
        expected.retain(wanted);
        assert_eq!(expected.iter().map(|rule| rule.line).collect::<Vec<_>>(), [2, 6, 7, 11]);
        assert_eq!(with_words(text.as_bytes(), &["none", "RUN"].map(Finder::new)), expected);
        assert_eq!(with_words(text.as_bytes(), &[Finder::new("none")]), []);
    }

    #[test]
    fn attributes_operators_and_escapes() {
        let text = br#"SYSCTL{net/x}="25" RUN{program}:="a \"b\"" , ENV{A}!=e"c\\""#;
        let expected = [
            pair("SYSCTL", Some("net/x"), Operator::Assigns, "25"),
            pair("RUN", Some("program"), Operator::AssignsFinally, "a \"b\""),
            pair("ENV", Some("A"), Operator::Differs, "c\\"),
        ];
        assert_eq!(parse(text), [Rule { line: 1, pairs: expected.to_vec() }]);
        let text = br#"NAME==i"x-[Y]", TAG==ei"\x7a""#;
        let expected =
            [pair("NAME", None, Operator::Matches, "[xX]-[Y]"), pair("TAG", None, Operator::Matches, "[zZ]")];
        assert_eq!(parse(text), [Rule { line: 1, pairs: expected.to_vec() }]);
    }

    #[test]
    fn a_line_that_udevd_cannot_read_is_no_rule() {
        for line in ["RUN-=\"a\"", "KERNEL=\"a\"", "KERNEL{a}==\"b\"", "SYSCTL=\"a\"", "FOO==\"a\", RUN+=\"b\""] {
            assert_eq!(parse(line.as_bytes()), [], "{line}");
        }
        for line in ["KERNEL==\"a\", RUN+=\"b\" # note", "KERNEL=='a'", "KERNEL", "RUN+=\"a", "ENV{A==\"b\"", "", " "] {
            assert_eq!(parse(line.as_bytes()), [], "{line}");
        }
    }
}
