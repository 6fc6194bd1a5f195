//! Parts a command into words, as shells and udevd do alike: quotation marks of both kinds keep blanks together.

/// The words of `command` without their quotation marks. None: a quotation has no end, or one of the characters stands for
/// something else, as `is_special` says of a character and the quotation that it stands in.
#[must_use]
pub fn words(command: &str, is_special: impl Fn(char, Option<char>) -> bool) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in command.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            (c, quote) if is_special(c, quote) => return None,
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (' ' | '\t' | '\n' | '\r', None) => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotation_marks_keep_blanks_together() {
        let words = |command| words(command, |c, quote| c == '$' && quote != Some('\''));
        let some = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(words("a  b\tc"), some(&["a", "b", "c"]));
        assert_eq!(words("a'b c'\"d'\" \"\""), some(&["ab cd'", ""]));
        assert_eq!(words("'$a'"), some(&["$a"]));
        assert_eq!(words("\"$a\""), None);
        assert_eq!(words("'a"), None);
        assert_eq!(words(""), some(&[]));
    }
}
