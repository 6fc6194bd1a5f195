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
    /// The path, or a pattern, without double slashes.
    pub path: String,
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
    text.split('\n').enumerate().filter_map(|(index, text)| line(text, index + 1)).collect()
}

fn line(text: &str, number: usize) -> Option<Line> {
    let text = text.trim_matches(is_blank);
    if text.starts_with('#') {
        return None;
    }
    let mut rest = text;
    let action = field(&mut rest)?;
    let path = normalized(&without_specifiers(&field(&mut rest)?)?)?;
    let mut owner = ["-"; 4].map(str::to_owned);
    for part in &mut owner {
        if !rest.is_empty() {
            *part = field(&mut rest)?;
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
    let line = Line { number, action: letter, has_plus: modifiers.contains('+'), path, owner, argument };
    (is_known && is_whole && letter.is_ascii_alphabetic()).then_some(line)
}

/// The next field, without quotes and backslashes.
fn field(rest: &mut &str) -> Option<String> {
    let mut word = String::new();
    let mut quote = None;
    let mut characters = rest.char_indices();
    let mut end = rest.len();
    while let Some((at, c)) = characters.next() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => quote = Some(c),
            ('\\', _) => word.push(characters.next()?.1),
            (c, None) if is_blank(c) => {
                end = at;
                break;
            }
            (c, _) => word.push(c),
        }
    }
    *rest = rest[end..].trim_start_matches(is_blank);
    (quote.is_none() && !word.is_empty()).then_some(word)
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
            ("w %t/a - - - - 23", None),
            ("bogus", None),
            ("", None),
        ];
        for (line, expected) in cases {
            assert_eq!(read(line), expected.map(|(path, argument)| (path.to_owned(), argument)), "{line}");
        }
    }
}
