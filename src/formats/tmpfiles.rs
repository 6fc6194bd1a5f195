//! The lines of tmpfiles.d(5): an action, a path, four fields about its owner, and an argument.
//!
//! Source: `parse_line` in systemd's src/tmpfiles/tmpfiles.c.

use super::escapes::unescaped;

/// A line that systemd-tmpfiles takes for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The line, counted from 1.
    pub number: usize,
    /// The letter of the action: `w` writes to a file, `f` makes one.
    pub action: char,
    /// Whether a `+` stands behind the letter: append, or replace.
    pub has_plus: bool,
    /// The path, or a pattern, without double slashes. What only the machine knows of it is a `*`.
    pub path: String,
    /// Whether the path has such a part.
    pub is_open: bool,
    /// Its mode, user, group and age, as they are written; `-` for those that are missing.
    pub owner: [String; 4],
    /// The argument.
    pub argument: Argument,
}

/// The argument of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// There is none.
    Missing,
    /// This text.
    Text(String),
    /// A text that only the machine has: of a credential, or with specifiers.
    Unknown,
}

/// The lines of a file, without those that systemd-tmpfiles refuses.
#[must_use]
pub fn parse(bytes: &[u8]) -> Vec<Line> {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.split('\n').enumerate().flat_map(|(index, text)| {
        let now = line(text, index + 1, Backslash::OfC);
        let before = if text.contains('\\') { line(text, index + 1, Backslash::Alone) } else { None };
        let is_other = before.as_ref().is_some_and(|before| now.as_ref() != Some(before));
        now.into_iter().chain(before.filter(|_| is_other))
    });
    lines.collect()
}

/// The meaning of a backslash in a field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Backslash {
    /// It begins an escape of C: systemd 257 and 262.
    OfC,
    /// It is left out, and the next character stands for itself: systemd 247 and 252.
    Alone,
}

fn line(text: &str, number: usize, backslash: Backslash) -> Option<Line> {
    let text = text.trim_matches(is_blank);
    if text.starts_with('#') {
        return None;
    }
    let mut rest = text;
    let action = field(&mut rest, backslash)?;
    let (path, is_open) = resolved(&field(&mut rest, backslash)?)?;
    let path = normalized(&path)?;
    let mut owner = ["-"; 4].map(str::to_owned);
    for part in &mut owner {
        if !rest.is_empty() {
            *part = field(&mut rest, backslash)?;
        }
    }
    let (letter, modifiers) = (action.chars().next()?, &action[action.chars().next()?.len_utf8()..]);
    let argument = match rest {
        "" | "-" => Argument::Missing,
        _ if modifiers.contains(['~', '^']) => Argument::Unknown,
        text => without_specifiers(text).and_then(|text| unescaped(&text)).map_or(Argument::Unknown, Argument::Text),
    };
    let is_known = modifiers.chars().all(|modifier| "!-=+~^$?".contains(modifier));
    let is_whole = !"w".contains(letter) || argument != Argument::Missing;
    let line = Line { number, action: letter, has_plus: modifiers.contains('+'), path, is_open, owner, argument };
    (is_known && is_whole && letter.is_ascii_alphabetic()).then_some(line)
}

/// The next field, without quotes and backslashes.
fn field(rest: &mut &str, backslash: Backslash) -> Option<String> {
    let mut word = String::new();
    let mut quote = None;
    let mut characters = rest.char_indices();
    let mut end = rest.len();
    while let Some((at, c)) = characters.next() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => quote = Some(c),
            ('\\', _) if backslash == Backslash::Alone => word.push(characters.next()?.1),
            // A blank behind it is one of the word.
            ('\\', _) => {
                let (_, next) = characters.next()?;
                word.extend(['\\', if next == ' ' { 's' } else { next }]);
            }
            (c, None) if is_blank(c) => {
                end = at;
                break;
            }
            (c, _) => word.push(c),
        }
    }
    *rest = rest[end..].trim_start_matches(is_blank);
    let word = if backslash == Backslash::OfC { unescaped(&word)? } else { word };
    (quote.is_none() && !word.is_empty()).then_some(word)
}

/// A path with its specifiers resolved, and whether some stand for what only the machine knows. None: there is no such
/// specifier.
fn resolved(path: &str) -> Option<(String, bool)> {
    let (mut text, mut is_open) = (String::new(), false);
    let mut characters = path.chars();
    while let Some(c) = characters.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        match characters.next()? {
            '%' => text.push('%'),
            't' => text += "/run",
            'S' => text += "/var/lib",
            'C' => text += "/var/cache",
            'L' => text += "/var/log",
            'T' => text += "/tmp",
            'V' => text += "/var/tmp",
            'h' => text += "/root",
            'u' | 'g' => text += "root",
            'U' | 'G' => text.push('0'),
            'a' | 'A' | 'b' | 'B' | 'H' | 'l' | 'm' | 'M' | 'o' | 'v' | 'w' | 'W' => {
                text.push('*');
                is_open = true;
            }
            _ => return None,
        }
    }
    Some((text, is_open))
}

/// `text` with `%%` as `%`. None: a specifier stands for something that only the machine knows.
fn without_specifiers(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split("%%").collect();
    (!parts.iter().any(|part| part.contains('%'))).then(|| parts.join("%"))
}

/// An absolute path without double slashes and without slashes at the end. None: it is none, or it has a part `..`.
fn normalized(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    (path.starts_with('/') && !parts.contains(&"..")).then(|| format!("/{}", parts.join("/")))
}

/// systemd's WHITESPACE.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, Argument)> {
        parse(text.as_bytes()).pop().map(|line| (line.path, line.argument))
    }

    #[test]
    fn fields_and_arguments() {
        let text = |text: &str| Argument::Text(text.to_owned());
        let cases = [
            ("w /a - - - - 23", Some(("/a", text("23")))),
            (" w!\t/a//b/ - - \t- -   23  ", Some(("/a/b", text("23")))),
            ("w \"/a b\" - - - - \"23\"", Some(("/a b", text("\"23\"")))),
            (r"w /a\ b - - - - \x32\063\n", Some(("/a b", text("23\n")))),
            ("w /a - - - - 5%%6", Some(("/a", text("5%6")))),
            ("w /a - - - - %b", Some(("/a", Argument::Unknown))),
            ("w~ /a - - - - MjM=", Some(("/a", Argument::Unknown))),
            ("f /a", Some(("/a", Argument::Missing))),
            ("f /a - - - - -", Some(("/a", Argument::Missing))),
            ("w /a", None),
            ("w /a 23", None),
            ("# w /a - - - - 23", None),
            (";w /a - - - - 23", None),
            ("w /a/../b - - - - 23", None),
            ("w a - - - - 23", None),
            ("w %t/a - - - - 23", Some(("/run/a", text("23")))),
            ("w /a-%H/%%b - - - - 23", Some(("/a-*/%b", text("23")))),
            ("w %q/a - - - - 23", None),
            ("w /a/%", None),
            ("bogus", None),
            ("", None),
        ];
        // systemd 257 has the one path, and systemd 252 the other.
        let paths = |text: &str| parse(text.as_bytes()).into_iter().map(|line| line.path).collect::<Vec<_>>();
        assert_eq!(paths(r"w /a\x5fb - - - - 1"), ["/a_b", "/ax5fb"]);
        assert_eq!(paths(r#"w "/a\x5fb" - - - - 1"#), ["/a_b", "/ax5fb"]);
        assert_eq!(paths(r"w /a\q - - - - 1"), ["/aq"]);
        for (line, expected) in cases {
            assert_eq!(read(line), expected.map(|(path, argument)| (path.to_owned(), argument)), "{line}");
        }
    }
}
