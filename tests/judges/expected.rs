//! Defines `expected`: what the author of a case knows of it, in one grammar for every judge.
//!
//! A line is `NAME VALUE [from PLACE] [WHERE...]`. NAME is a key, or `module`, `failure` or `probe.SOMETHING`; PLACE is the
//! line of a file (or of a refused request, the JSON pointer) that the value comes from; WHERE are words of the images
//! (see `images`) or names of dialects on which the line holds, everywhere if there are none. A later line overrides an
//! earlier one of the same name. A VALUE or PLACE that is no plain word stands in quotation marks, with escapes as in
//! Rust. `#` begins a comment.

use std::fmt;

/// The expectation of a case.
pub(crate) struct Expected {
    /// The lines, in order.
    pub(crate) lines: Vec<Line>,
}

/// One line of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// The setting or key that is expected to have the value.
    pub(crate) name: String,
    /// The value. Bytes, because a file may assign any.
    pub(crate) value: Vec<u8>,
    /// The place that the value comes from, if the line says so.
    pub(crate) from: Option<String>,
    /// On which images, or under which dialects, the line holds. Empty: everywhere.
    pub(crate) places: Vec<String>,
}

/// The line as `expected` has it.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, Quoted(&self.value))?;
        if let Some(from) = &self.from {
            write!(f, " from {}", Quoted(from.as_bytes()))?;
        }
        self.places.iter().try_for_each(|place| write!(f, " {place}"))
    }
}

/// A word, in quotation marks where it needs them.
struct Quoted<'a>(&'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escaped = self.0.escape_ascii().to_string();
        let is_plain = !escaped.is_empty() && !escaped.contains(['\\', ' ']);
        if is_plain { f.write_str(&escaped) } else { write!(f, "\"{escaped}\"") }
    }
}

impl Line {
    /// The value as text.
    pub(crate) fn value(&self) -> &str {
        std::str::from_utf8(&self.value).unwrap_or_else(|_| panic!("the value of {} is no text", self.name))
    }
}

impl Expected {
    /// Reads the text of the file at `path`.
    pub(crate) fn parse(text: &str, path: &str) -> Expected {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let parsed = lines.map(|(index, line)| {
            parsed(line).unwrap_or_else(|| panic!("{path}:{}: not `NAME VALUE [from PLACE] [WHERE...]`", index + 1))
        });
        Expected { lines: parsed.collect() }
    }

    /// The lines that hold where `words` describe the place, in order.
    pub(crate) fn on(&self, words: &[&str]) -> Vec<&Line> {
        let holds = |line: &&Line| line.places.is_empty() || line.places.iter().any(|it| words.contains(&it.as_str()));
        self.lines.iter().filter(holds).collect()
    }

    /// The line about `name` that counts where `words` describe the place: the last one.
    pub(crate) fn of(&self, name: &str, words: &[&str]) -> Option<&Line> {
        self.on(words).into_iter().rfind(|line| line.name == name)
    }

    /// The lines that count there, one a name, in the order of the names.
    pub(crate) fn counting(&self, words: &[&str]) -> Vec<&Line> {
        let mut names: Vec<&str> = self.on(words).into_iter().map(|line| line.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter().filter_map(|name| self.of(name, words)).collect()
    }
}

fn parsed(line: &str) -> Option<Line> {
    let mut words = words(line)?.into_iter();
    let (name, value) = (text(words.next()?)?, words.next()?.0);
    let mut rest: Vec<Word> = words.collect();
    let mut from = None;
    if rest.first().is_some_and(|word| !word.1 && word.0 == b"from") {
        from = Some(text(rest.get(1)?.clone())?);
        rest.drain(..2);
    }
    let places = rest.into_iter().map(text).collect::<Option<_>>()?;
    Some(Line { name, value, from, places })
}

/// The bytes of a word, and whether it stood in quotation marks.
type Word = (Vec<u8>, bool);

fn text(word: Word) -> Option<String> {
    String::from_utf8(word.0).ok()
}

/// The words of a line.
fn words(line: &str) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let word;
        if let Some(quoted) = rest.strip_prefix('"') {
            let (bytes, behind) = unescaped(quoted.as_bytes())?;
            word = (bytes, true);
            rest = quoted.get(behind..)?;
        } else {
            let end = rest.find(' ').unwrap_or(rest.len());
            word = (rest.as_bytes()[..end].to_vec(), false);
            rest = &rest[end..];
        }
        if !rest.is_empty() && !rest.starts_with(' ') {
            return None;
        }
        words.push(word);
        rest = rest.trim_start();
    }
    Some(words)
}

/// What stands in quotation marks, from behind the first to the second, and how long that is with the second.
fn unescaped(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut bytes = Vec::new();
    let mut at = 0;
    loop {
        let byte = *text.get(at)?;
        at += 1;
        match byte {
            b'"' => return Some((bytes, at)),
            b'\\' => {
                let escape = *text.get(at)?;
                at += 1;
                bytes.push(match escape {
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'n' => b'\n',
                    b'\\' | b'"' | b'\'' => escape,
                    b'x' => {
                        let digits = std::str::from_utf8(text.get(at..at + 2)?).ok()?;
                        at += 2;
                        u8::from_str_radix(digits, 16).ok()?
                    }
                    _ => return None,
                });
            }
            _ => bytes.push(byte),
        }
    }
}
