//! A file that a shell script sources for its variables, such as /etc/default/ufw: plain assignments and nothing more.
//!
//! Only a shell reads a shell script. This reader takes the part that needs none: `NAME=value` with quotes, comments,
//! `export`. Any other line ends the reading, because it may do anything.

use std::collections::BTreeMap;

/// The first line that is more than plain assignments, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotPlain {
    /// The line.
    pub line: usize,
}

/// A variable's value, and the line that assigned it last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The line, counted from 1.
    pub line: usize,
    /// The value, without its quotes.
    pub text: String,
}

/// The variables that the file assigns. The last assignment of a name counts.
///
/// # Errors
///
/// [`NotPlain`]: a line is more than plain assignments, so that only a shell can tell what it does.
pub fn variables(bytes: &[u8]) -> Result<BTreeMap<String, Value>, NotPlain> {
    let text = String::from_utf8_lossy(bytes);
    let mut variables = BTreeMap::new();
    for (index, text) in text.split('\n').enumerate() {
        let line = index + 1;
        for (name, text) in assignments(text).ok_or(NotPlain { line })? {
            variables.insert(name, Value { line, text });
        }
    }
    Ok(variables)
}

/// The assignments of one line. None: the line is something else.
fn assignments(line: &str) -> Option<Vec<(String, String)>> {
    let words = words(line)?;
    let words = match words.split_first() {
        // By itself, `export` prints all variables.
        Some((first, rest)) if first.text == "export" && !rest.is_empty() => rest,
        _ => &words,
    };
    let mut assignments = Vec::new();
    for word in words {
        let (name, value) = word.text.split_once('=')?;
        // A quote in the name makes a command of the word.
        let is_name = name.len() <= word.plain
            && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        is_name.then(|| assignments.push((name.to_owned(), value.to_owned())))?;
    }
    Some(assignments)
}

struct Word {
    text: String,
    /// The length of the start of the text that has no quotes.
    plain: usize,
}

/// The words of a line without their quotes, up to a comment. None: a word needs a shell.
fn words(line: &str) -> Option<Vec<Word>> {
    let mut words: Vec<Word> = Vec::new();
    let mut word: Option<Word> = None;
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if matches!(c, ' ' | '\t') {
            words.extend(word.take());
            continue;
        }
        if c == '#' && word.is_none() {
            break;
        }
        let current = word.get_or_insert(Word { text: String::new(), plain: usize::MAX });
        match c {
            '\'' | '"' => {
                // A quote that is not closed on its line goes on in the next one.
                let (inside, following) = rest.split_once(c)?;
                if c == '"' && inside.contains(['$', '`', '\\']) {
                    return None;
                }
                current.plain = current.plain.min(current.text.len());
                current.text += inside;
                rest = following;
            }
            '$' | '`' | '\\' | ';' | '&' | '|' | '<' | '>' | '(' | ')' | '*' | '?' | '[' | '~' => return None,
            c => current.text.push(c),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_assignments_are_read_as_a_shell_reads_them() {
        let text = b"# ufw\n\nENABLED=yes # on\nexport A=1 B='two words'\nC=\"x\"y\nENABLED=no\nD=\n";
        let read: Vec<(String, String)> =
            variables(text).expect("it is plain").into_iter().map(|(name, value)| (name, value.text)).collect();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            read,
            [pair("A", "1"), pair("B", "two words"), pair("C", "xy"), pair("D", ""), pair("ENABLED", "no")]
        );
    }

    #[test]
    fn anything_else_needs_a_shell() {
        let cases = [
            "ENABLED=$X",
            "if true; then",
            "ENABLED = yes",
            "A=`b`",
            "A='x",
            "'A'=1",
            "A=1 b",
            "[ -f x ]",
            "A=~",
            "A='x\"'\"",
        ];
        for line in cases {
            assert_eq!(variables(format!("B=1\n{line}\n").as_bytes()), Err(NotPlain { line: 2 }), "{line}");
        }
    }
}
