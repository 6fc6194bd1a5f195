//! One mapping at the top of a YAML file, as far as each of its values is a plain word on the line of its key. Most
//! configuration that a program has written itself is that plain.

/// A key of the mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The line, counted from 1.
    pub line: usize,
    /// The key.
    pub key: String,
    /// The value without its quotes. None: it is null.
    pub value: Option<String>,
}

/// A value that this reader does not understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotPlain;

/// The pairs of the mapping under the key `name`; none if the file does not have the key, or has null for it.
///
/// # Errors
///
/// [`NotPlain`]: the mapping has another form.
pub fn mapping(bytes: &[u8], name: &str) -> Result<Vec<Pair>, NotPlain> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, without_comment(line)));
    let found = lines.by_ref().find_map(|(_, line)| line.strip_prefix(name)?.strip_prefix(':'));
    let Some(behind) = found else { return Ok(Vec::new()) };
    if scalar(behind)?.is_some() {
        return Err(NotPlain);
    }
    let mut pairs = Vec::new();
    let mut indentation = None;
    for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        if line.starts_with(['\t', '-']) {
            return Err(NotPlain);
        }
        let indented = line.len() - line.trim_start_matches(' ').len();
        if indented == 0 {
            break;
        }
        if *indentation.get_or_insert(indented) != indented {
            return Err(NotPlain);
        }
        let (key, value) = line.trim().split_once(':').ok_or(NotPlain)?;
        pairs.push(Pair { line: number, key: key.trim().to_owned(), value: scalar(value)? });
    }
    Ok(pairs)
}

fn without_comment(line: &str) -> &str {
    let line = line.trim_end();
    if line.trim_start().starts_with('#') { "" } else { line.find(" #").map_or(line, |at| line[..at].trim_end()) }
}

/// The word behind a colon.
fn scalar(text: &str) -> Result<Option<String>, NotPlain> {
    let text = text.trim();
    let unquoted = ['"', '\''].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote));
    match unquoted.unwrap_or(text) {
        "" | "null" | "Null" | "NULL" | "~" if unquoted.is_none() => Ok(None),
        word if word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')) => {
            Ok(Some(word.to_owned()))
        }
        _ => Err(NotPlain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Result<Vec<(usize, String, Option<String>)>, NotPlain> {
        Ok(mapping(text.as_bytes(), "a")?.into_iter().map(|pair| (pair.line, pair.key, pair.value)).collect())
    }

    #[test]
    fn a_plain_mapping() {
        let text = "x: 1\na: # note\n  b: 5\n\n  # c: 6\n  d: null\n  e: \"1h0m0s\" # note\nf:\n  b: 7\n";
        let expected = [(3, "b", Some("5")), (6, "d", None), (7, "e", Some("1h0m0s"))];
        let expected = expected.map(|(line, key, value)| (line, key.to_owned(), value.map(str::to_owned)));
        assert_eq!(pairs(text), Ok(expected.to_vec()));
        for text in ["", "b: 5\n", "a:\nb: 5\n", "a: null\n", "a: ~\n", "aa:\n  b: 5\n", " a:\n  b: 5\n"] {
            assert_eq!(pairs(text), Ok(Vec::new()), "{text:?}");
        }
    }

    #[test]
    fn other_forms_are_not_understood() {
        for text in
            ["a: {b: 5}\n", "a: &x\n", "a:\n  - b\n", "a:\n  b:\n    c: 5\n", "a:\n  b: [5]\n", "a:\n\tb\n", "a: 5\n"]
        {
            assert_eq!(pairs(text), Err(NotPlain), "{text:?}");
        }
    }
}
