//! The arguments of the kernel and of its modules: `name=value`, as `parse_args` reads them (lib/cmdline.c and
//! kernel/params.c of Linux).

/// One argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Argument<'a> {
    /// The name as it is written; the kernel treats `-` as `_`.
    pub name: &'a str,
    /// The value without its quotes. None: a name alone.
    pub value: Option<&'a str>,
}

/// The arguments of `text` in order.
///
/// Double quotes keep blanks together; those around a whole value or a whole argument are taken off.
pub fn parse(text: &str) -> impl Iterator<Item = Argument<'_>> {
    let mut rest = text.trim_start_matches(is_blank);
    std::iter::from_fn(move || {
        let mut is_quoted = false;
        let end = rest.find(|c| {
            is_quoted ^= c == '"';
            is_blank(c) && !is_quoted
        });
        let (word, following) = rest.split_at(end.unwrap_or(rest.len()));
        rest = following.trim_start_matches(is_blank);
        (!word.is_empty()).then(|| argument(word))
    })
}

fn argument(word: &str) -> Argument<'_> {
    let word = word.strip_prefix('"').map_or(word, |inner| inner.strip_suffix('"').unwrap_or(inner));
    match word.split_once('=') {
        // The kernel looks for the sign behind the first character.
        Some((name, value)) if !name.is_empty() => {
            let value = value.strip_prefix('"').map_or(value, |inner| inner.strip_suffix('"').unwrap_or(inner));
            Argument { name, value: Some(value) }
        }
        _ => Argument { name: word, value: None },
    }
}

/// The kernel's `isspace`: that of C, and the no-break space of Latin 1, which no UTF-8 text holds by itself.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_as_the_kernel_reads_them() {
        let read = |text: &str| -> Vec<(String, Option<String>)> {
            parse(text).map(|argument| (argument.name.to_owned(), argument.value.map(str::to_owned))).collect()
        };
        let one = |name: &str, value: Option<&str>| vec![(name.to_owned(), value.map(str::to_owned))];
        assert_eq!(read("hashsize=65536"), one("hashsize", Some("65536")));
        assert_eq!(read("hashsize=\"65536\""), one("hashsize", Some("65536")));
        assert_eq!(read("\"hashsize=65536\""), one("hashsize", Some("65536")));
        assert_eq!(read("  hashsize=65536\r"), one("hashsize", Some("65536")));
        assert_eq!(read("acct"), one("acct", None));
        assert_eq!(read("dyndbg=\"file a +p\""), one("dyndbg", Some("file a +p")));
        assert_eq!(read("hashsize = 262144").len(), 3);
        assert_eq!(read(""), []);
    }
}
