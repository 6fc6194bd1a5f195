//! Decides whether a glob(7) pattern matches a name, as glibc's `fnmatch` does for `glob`.
//!
//! Both loaders expand the globs of keys with it, and procps those that it sees in the names of files. It compares
//! bytes: the names are ASCII, and a boot's locale is the plain one.

/// One step of a pattern.
enum Token {
    /// This byte.
    Byte(u8),
    /// Any one byte.
    One,
    /// Any bytes, or none.
    Many,
    /// One byte that is of the set, or one that is not.
    Set { negated: bool, members: Vec<Members> },
    /// A pattern that the library matches with nothing: a backslash at the end, a class without meaning.
    Nothing,
}

/// Some members of a bracket expression.
enum Members {
    Range(u8, u8),
    Class(fn(&u8) -> bool),
}

impl Members {
    fn contain(&self, byte: u8) -> bool {
        match self {
            Members::Range(low, high) => (*low..=*high).contains(&byte),
            Members::Class(class) => class(&byte),
        }
    }
}

/// Whether the loaders treat `text` as a glob at all.
pub(super) fn is_pattern(text: &[u8]) -> bool {
    memchr::memchr3(b'*', b'?', b'[', text).is_some()
}

/// Whether `text`, a part of a path, has to be compared with names: it is a pattern, or a backslash quotes in it.
pub(super) fn needs_matching(text: &[u8]) -> bool {
    is_pattern(text) || text.contains(&b'\\')
}

/// `text` without the backslashes that quote in it.
pub(super) fn unquoted(text: &[u8]) -> Vec<u8> {
    let mut bytes = text.iter();
    let next = || match bytes.next()? {
        b'\\' => bytes.next().copied(),
        byte => Some(*byte),
    };
    std::iter::from_fn(next).collect()
}

/// `text` without a backslash at the end that has nothing to quote.
pub(super) fn without_last_quote(text: &[u8]) -> &[u8] {
    let backslashes = text.iter().rev().take_while(|byte| **byte == b'\\').count();
    &text[..text.len() - backslashes % 2]
}

/// A pattern for one part of a path, read once to be compared with many names.
pub(super) struct Pattern {
    tokens: Vec<Token>,
}

impl Pattern {
    pub(super) fn new(pattern: &[u8]) -> Pattern {
        Pattern { tokens: tokens(pattern) }
    }

    /// The bytes with which each matching name begins.
    pub(super) fn beginning(&self) -> Vec<u8> {
        let byte = |token: &Token| if let Token::Byte(byte) = token { Some(*byte) } else { None };
        self.tokens.iter().map_while(byte).collect()
    }

    /// Whether it matches the whole of `name`.
    pub(super) fn matches(&self, name: &[u8]) -> bool {
        // A dot at the start is matched by a dot only.
        if name.first() == Some(&b'.') && !matches!(self.tokens.first(), Some(Token::Byte(b'.'))) {
            return false;
        }
        tokens_match(&self.tokens, name)
    }
}

/// Whether `pattern` matches the whole of `name`, which is one part of a path.
pub(super) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    Pattern::new(pattern).matches(name)
}

/// Whether `pattern` matches the whole of `text` as `fnmatch` does without flags: a star matches a `/` and a dot too.
#[must_use]
pub fn fnmatch(pattern: &str, text: &str) -> bool {
    matches_across(pattern.as_bytes(), text.as_bytes())
}

/// The same, of bytes.
pub(super) fn matches_across(pattern: &[u8], text: &[u8]) -> bool {
    let is_plain = |byte: &u8| !matches!(byte, b'?' | b'*' | b'[' | b'\\');
    // Most patterns are plain names, and most others begin with a name that is not this one.
    match pattern.iter().position(|byte| !is_plain(byte)) {
        None => pattern == text,
        Some(plain) => text.starts_with(&pattern[..plain]) && tokens_match(&tokens(pattern), text),
    }
}

fn tokens_match(tokens: &[Token], name: &[u8]) -> bool {
    let (mut token, mut byte) = (0, 0);
    // The positions at which to continue if the match after the last star fails: the star then takes one more byte.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let advanced = match (tokens.get(token), name.get(byte)) {
            (None, None) => return true,
            (Some(Token::Many), _) => {
                retry = Some((token + 1, byte));
                token += 1;
                continue;
            }
            (Some(single), Some(&found)) => token_matches(single, found),
            (None, Some(_)) | (Some(_), None) => false,
        };
        if advanced {
            token += 1;
            byte += 1;
            continue;
        }
        match retry {
            Some((after_star, end)) if end < name.len() => {
                retry = Some((after_star, end + 1));
                (token, byte) = (after_star, end + 1);
            }
            _ => return false,
        }
    }
}

fn token_matches(token: &Token, found: u8) -> bool {
    match token {
        Token::Byte(byte) => *byte == found,
        Token::One => true,
        Token::Set { negated, members } => members.iter().any(|member| member.contain(found)) != *negated,
        Token::Many | Token::Nothing => false,
    }
}

fn tokens(mut pattern: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::new();
    while let Some((&first, rest)) = pattern.split_first() {
        pattern = rest;
        tokens.push(match first {
            b'?' => Token::One,
            b'*' => Token::Many,
            b'\\' => match rest.split_first() {
                Some((&quoted, rest)) => {
                    pattern = rest;
                    Token::Byte(quoted)
                }
                None => Token::Nothing,
            },
            // A bracket that is never closed stands for itself.
            b'[' => match bracket(rest) {
                Some((set, rest)) => {
                    pattern = rest;
                    set
                }
                None => Token::Byte(b'['),
            },
            byte => Token::Byte(byte),
        });
    }
    tokens
}

/// The bracket expression whose inside starts `text`, and the rest of the text; None: the bracket is never closed.
fn bracket(text: &[u8]) -> Option<(Token, &[u8])> {
    let (negated, mut rest) = match text {
        [b'!' | b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut members = Vec::new();
    let mut meaningless = false;
    // A closing bracket that comes first is a member.
    while members.is_empty() && !meaningless || rest.first() != Some(&b']') {
        if let Some((name, after)) = class_name(rest) {
            match class(name) {
                Some(class) => members.push(Members::Class(class)),
                None => meaningless = true,
            }
            rest = after;
            continue;
        }
        let (low, after) = member(rest)?;
        rest = after;
        match rest {
            [b'-', after @ ..] if !matches!(after, [b']', ..] | []) => {
                let (high, after) = member(after)?;
                members.push(Members::Range(low, high));
                rest = after;
            }
            _ => members.push(Members::Range(low, low)),
        }
    }
    let set = if meaningless { Token::Nothing } else { Token::Set { negated, members } };
    Some((set, &rest[1..]))
}

/// The name in the `[:name:]` that starts `text`, and what follows it. Anything but letters makes the bracket a member.
fn class_name(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inside = text.strip_prefix(b"[:")?;
    let length = inside.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
    let (name, after) = inside.split_at(length);
    Some((name, after.strip_prefix(b":]")?))
}

/// The single member that starts `text`, plain, quoted or as `[.x.]` or `[=x=]`, and what follows it.
fn member(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [b'[', kind @ (b'.' | b'='), byte, end, b']', rest @ ..] if kind == end => Some((*byte, rest)),
        [b'\\', byte, rest @ ..] | [byte, rest @ ..] => Some((*byte, rest)),
        [] => None,
    }
}

fn class(name: &[u8]) -> Option<fn(&u8) -> bool> {
    Some(match name {
        b"alnum" => u8::is_ascii_alphanumeric,
        b"alpha" => u8::is_ascii_alphabetic,
        b"blank" => |byte| matches!(byte, b' ' | b'\t'),
        b"cntrl" => u8::is_ascii_control,
        b"digit" => u8::is_ascii_digit,
        b"graph" => u8::is_ascii_graphic,
        b"lower" => u8::is_ascii_lowercase,
        b"print" => |byte| matches!(byte, b' '..=b'~'),
        b"punct" => u8::is_ascii_punctuation,
        b"space" => |byte| matches!(byte, b' ' | b'\t'..=b'\r'),
        b"upper" => u8::is_ascii_uppercase,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    })
}

/// The most paths that a pattern is expanded to. A pattern may stand for more paths than the memory can hold, but a
/// kernel has only some fifty keys. The effect of such a file on a boot is no longer a question of values.
pub(super) const MOST: usize = 4096;

/// A longer pattern is not taken apart: no path has so many bytes (`PATH_MAX`).
const LONGEST: usize = 4096;

/// The patterns that `pattern` stands for when `{a,b}` is expanded in it; itself if there is no whole brace.
pub(super) fn braces(pattern: &[u8]) -> Vec<Vec<u8>> {
    let mut expanded = Vec::new();
    let mut left = vec![pattern.to_vec()];
    for _ in 0..MOST {
        let Some(pattern) = left.pop() else { break };
        let brace = if pattern.len() > LONGEST { None } else { first_brace(&pattern) };
        let Some((open, commas, close)) = brace else {
            expanded.push(pattern);
            continue;
        };
        let starts = std::iter::once(open).chain(commas.iter().copied());
        let ends = commas.iter().copied().chain(std::iter::once(close));
        let alternative =
            |(start, end): (usize, usize)| [&pattern[..open], &pattern[start + 1..end], &pattern[close + 1..]].concat();
        // The alternatives are pushed in reverse, so that the first one is examined next.
        let mut alternatives: Vec<_> = starts.zip(ends).map(alternative).collect();
        alternatives.reverse();
        left.append(&mut alternatives);
    }
    expanded
}

/// The positions of the first brace, of its own commas, and of its end.
fn first_brace(pattern: &[u8]) -> Option<(usize, Vec<usize>, usize)> {
    let mut open = None;
    let mut commas = Vec::new();
    let mut depth = 0_usize;
    let mut quoted = false;
    for (at, byte) in pattern.iter().enumerate() {
        match byte {
            _ if quoted => quoted = false,
            b'\\' => quoted = true,
            b'{' => {
                open = open.or(Some(at));
                depth += 1;
            }
            b'}' if depth == 1 => return open.map(|open| (open, commas, at)),
            b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 1 => commas.push(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_the_c_library() {
        let cases: &[(&str, &str, bool)] = &[
            ("nf_conntrack_*", "nf_conntrack_max", true),
            ("*max", "nf_conntrack_max", true),
            ("*max", "nf_conntrack_count", false),
            ("*_*_max*", "nf_conntrack_max", true),
            ("*", ".hidden", false),
            (".*", ".hidden", true),
            ("[.]hidden", ".hidden", false),
            ("nf_conntrack_ma?", "nf_conntrack_max", true),
            ("nf_conntrack_max?", "nf_conntrack_max", false),
            ("nf_conntrack_[lm]ax", "nf_conntrack_max", true),
            ("nf_conntrack_[!m]ax", "nf_conntrack_max", false),
            ("nf_conntrack_[^l]ax", "nf_conntrack_max", true),
            ("m[a-c]x", "mbx", true),
            ("m[a-c]x", "m-x", false),
            ("m[]a]x", "max", true),
            ("m[a-]x", "m-x", true),
            ("m[[:alpha:]]x", "max", true),
            ("m[[:digit:]]x", "max", false),
            ("m[[:vowel:]]x", "max", false),
            ("m[[.a.]]x", "max", true),
            ("m[[=a.]x", "max", true),
            ("m[ax", "m[ax", true),
            ("m[ax", "max", false),
            ("m\\ax", "max", true),
            ("max\\", "max", false),
            ("m[\\]a]x", "max", true),
            ("", "", true),
            ("*", "", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), *expected, "{pattern} against {name}");
        }
    }

    /// Spelt out as glibc's `fnmatch` has them.
    #[test]
    fn classes_have_the_members_of_the_c_locale() {
        let lower = "abcdefghijklmnopqrstuvwxyz";
        let upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        let digit = "0123456789";
        let punct = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
        let control: String = (0..32_u8).chain([127]).map(char::from).collect();
        let classes = [
            ("alnum", [lower, upper, digit].concat()),
            ("alpha", [lower, upper].concat()),
            ("blank", " \t".to_owned()),
            ("cntrl", control),
            ("digit", digit.to_owned()),
            ("graph", [lower, upper, digit, punct].concat()),
            ("lower", lower.to_owned()),
            ("print", [lower, upper, digit, punct, " "].concat()),
            ("punct", punct.to_owned()),
            ("space", " \t\n\x0b\x0c\r".to_owned()),
            ("upper", upper.to_owned()),
            ("xdigit", [digit, "abcdefABCDEF"].concat()),
        ];
        for (class, members) in classes {
            let pattern = format!("x[[:{class}:]]");
            for byte in 0..=u8::MAX {
                let expected = members.as_bytes().contains(&byte);
                assert_eq!(matches(pattern.as_bytes(), &[b'x', byte]), expected, "{pattern} against {byte:#04x}");
            }
        }
    }

    #[test]
    fn braces_without_end_come_to_an_end() {
        for pattern in ["{a,b}".repeat(40), "{a}".repeat(30_000), "{".repeat(2000) + &"}".repeat(2000)] {
            assert!(braces(pattern.as_bytes()).len() <= MOST, "{}", &pattern[..10]);
        }
    }

    #[test]
    fn braces_expand_as_in_the_c_library() {
        let cases: &[(&str, &[&str])] = &[
            ("10-a.conf", &["10-a.conf"]),
            ("{a,b}.conf", &["a.conf", "b.conf"]),
            ("x{a,}{1,2}", &["xa1", "xa2", "x1", "x2"]),
            ("{a,{b,c}}", &["a", "b", "c"]),
            ("{a}", &["a"]),
            ("{a,b", &["{a,b"]),
            ("a}b", &["a}b"]),
            ("\\{a,b}", &["\\{a,b}"]),
        ];
        for (pattern, expected) in cases {
            let found: Vec<String> =
                braces(pattern.as_bytes()).into_iter().map(|one| String::from_utf8_lossy(&one).into_owned()).collect();
            assert_eq!(&found, expected, "{pattern}");
        }
    }
}
