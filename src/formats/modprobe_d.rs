//! The files of modprobe.d(5), as kmod reads them.
//!
//! kmod (libkmod/libkmod-config.c, read in versions 30 and 34) has a grammar of its own. A backslash before a line end
//! joins two lines, in a comment too; a backslash before any other character disappears. Only a space and a tab part
//! words. A `#` makes a comment only as the first character of a line. In module names, `-` stands for `_`.

use std::borrow::Cow;

use memchr::memchr2;

/// One command of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The line on which the command begins, counted from 1.
    pub line: usize,
    /// The command.
    pub command: Command,
}

/// The meaning of a line of modprobe.d. Module names have `_` for `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A name that matches the pattern stands for the module.
    Alias {
        /// The pattern, in which `*`, `?` and `[...]` match (fnmatch(3)).
        pattern: String,
        /// The module.
        module: String,
    },
    /// The module's own aliases are not followed; systemd-modules-load does not load it by its name either.
    Blacklist {
        /// The module.
        module: String,
    },
    /// The kernel gets these arguments as the module is loaded.
    Options {
        /// The module.
        module: String,
        /// The arguments, unparsed.
        arguments: String,
    },
    /// A shell runs this command in place of loading the module.
    Install {
        /// The module.
        module: String,
        /// The command.
        command: String,
    },
    /// Other modules are loaded before and after the module.
    Softdep {
        /// The module.
        module: String,
        /// The modules that come before it.
        before: Vec<String>,
        /// The modules that come after it.
        after: Vec<String>,
    },
}

/// The commands of a file that load or keep away modules. kmod warns about all other lines and ignores them.
#[must_use]
pub fn parse(bytes: &[u8]) -> Vec<Line> {
    joined_lines(bytes).into_iter().filter_map(|(line, text)| Some(Line { line, command: command(&text)? })).collect()
}

/// The commands on the kernel command line: `MODULE.PARAMETER=VALUE` is an option, `modprobe.blacklist=MODULE,MODULE` a
/// list. kmod reads it after all files (`kmod_config_parse_kcmdline`), also behind `--`.
#[must_use]
pub fn command_line(text: &str) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut rest = text.get(..LONGEST_COMMAND_LINE).unwrap_or(text);
    loop {
        rest = rest.trim_start_matches(is_c_blank);
        if rest.is_empty() {
            return commands;
        }
        let (word, following) = command_line_word(rest);
        rest = following;
        let is_quoted = word.starts_with('"');
        let Some((module, parameter)) = word.strip_prefix('"').unwrap_or(word).split_once('.') else { continue };
        let name = parameter.split('=').next().unwrap_or_default();
        // A quotation mark, a second dot or a sign in the wrong place spoils the word.
        if module.contains(['"', '=']) || name.contains(['"', '.']) {
            continue;
        }
        if let Some(list) = parameter.strip_prefix("blacklist=").filter(|_| module == "modprobe") {
            // These names are compared as they stand.
            commands.extend(list.split(',').map(|name| Command::Blacklist { module: name.to_owned() }));
        } else {
            // The boot loader quotes a whole word, the kernel a value.
            let arguments = if is_quoted { parameter.replacen('=', "=\"", 1) } else { parameter.to_owned() };
            commands.push(Command::Options { module: module_name(module), arguments });
        }
    }
}

/// The bytes of the command line that kmod looks at (`KCMD_LINE_SIZE`).
const LONGEST_COMMAND_LINE: usize = 4095;

/// The first word of `rest`, in whose value quotation marks keep blanks together, and what follows it.
fn command_line_word(rest: &str) -> (&str, &str) {
    let mut is_quoted = false;
    let end = rest.find(|c| {
        is_quoted ^= c == '"';
        is_c_blank(c) && !is_quoted
    });
    rest.split_at(end.unwrap_or(rest.len()))
}

/// A blank of C.
fn is_c_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

/// `name` as kmod compares it: with `_` for `-`.
#[must_use]
pub fn module_name(name: &str) -> String {
    name.replace('-', "_")
}

/// The lines with their continuations, each with the number of its first line.
fn joined_lines(bytes: &[u8]) -> Vec<(usize, Cow<'_, [u8]>)> {
    let mut lines = Vec::new();
    let mut number = 1;
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = memchr2(b'\n', b'\\', rest).unwrap_or(rest.len());
        let first = number;
        // Hardly any line has a backslash.
        if rest.get(end) == Some(&b'\\') {
            let (text, taken, following) = joined_line(rest);
            rest = following;
            number += taken;
            if !text.is_empty() || !rest.is_empty() {
                lines.push((first, Cow::Owned(text)));
            }
        } else {
            lines.push((first, Cow::Borrowed(&rest[..end])));
            rest = rest.get(end + 1..).unwrap_or_default();
            number += 1;
        }
    }
    lines
}

/// The first line of `bytes` without its backslashes, the number of the lines that it takes, and what follows it.
fn joined_line(bytes: &[u8]) -> (Vec<u8>, usize, &[u8]) {
    let mut text = Vec::new();
    let mut taken = 1;
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'\n' => break,
            b'\\' => match rest.next() {
                Some(b'\n') => taken += 1,
                Some(other) => text.push(*other),
                // kmod treats the end of the file as a character.
                None => text.push(0xff),
            },
            byte => text.push(*byte),
        }
    }
    (text, taken, rest.as_slice())
}

fn command(line: &[u8]) -> Option<Command> {
    if line.first() == Some(&b'#') {
        return None;
    }
    // kmod ends a line at a NUL byte, as C does.
    let line = line.split(|byte| *byte == 0).next().unwrap_or_default();
    let text = std::str::from_utf8(line).map_or_else(|_| String::from_utf8_lossy(line), Cow::Borrowed);
    let mut rest = text.as_ref();
    let command = word(&mut rest)?;
    let name = module_name(word(&mut rest)?);
    // One blank behind the name is the delimiter; kmod takes the rest of the line as it is.
    Some(match command {
        "alias" => Command::Alias { pattern: name, module: module_name(word(&mut rest)?) },
        "blacklist" => Command::Blacklist { module: name },
        "options" => Command::Options { module: name, arguments: remainder(rest)? },
        "install" => Command::Install { module: name, command: remainder(rest)? },
        "softdep" => {
            let (before, after) = soft_dependencies(&remainder(rest)?);
            Command::Softdep { module: name, before, after }
        }
        _ => return None,
    })
}

/// The next word of `rest`, which moves on behind it and one blank.
fn word<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let text = rest.trim_start_matches([' ', '\t']);
    if text.is_empty() {
        return None;
    }
    let end = text.find([' ', '\t']).unwrap_or(text.len());
    *rest = text.get(end + 1..).unwrap_or_default();
    Some(&text[..end])
}

/// The rest of a line. None: the line ends here, and a command that needs more is not a command.
fn remainder(rest: &str) -> Option<String> {
    (!rest.is_empty()).then(|| rest.to_owned())
}

/// The modules behind `pre:` and `post:`. A word before the first of the two names counts for nothing.
fn soft_dependencies(text: &str) -> (Vec<String>, Vec<String>) {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let mut into: Option<&mut Vec<String>> = None;
    for word in soft_dependency_words(text) {
        match (word, into.as_mut()) {
            ("pre:", _) => into = Some(&mut before),
            ("post:", _) => into = Some(&mut after),
            (module, Some(modules)) => modules.push(module_name(module)),
            (_, None) => {}
        }
    }
    (before, after)
}

/// The words of a `softdep` line. Every blank of C parts them, a carriage return too. If the text begins with a single
/// blank, kmod takes that blank for a part of the first word, which then is not `pre:` or `post:`.
fn soft_dependency_words(text: &str) -> impl Iterator<Item = &str> {
    let rest = text.trim_start_matches(is_c_blank);
    let start = if text.len() - rest.len() == 1 { 0 } else { text.len() - rest.len() };
    let first = rest.find(is_c_blank).map_or(text.len(), |end| text.len() - rest.len() + end);
    let others = text[first..].split(is_c_blank).filter(|word| !word.is_empty());
    std::iter::once(&text[start..first]).chain(others)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: usize, arguments: &str) -> Line {
        Line { line, command: Command::Options { module: "nf_conntrack".into(), arguments: arguments.into() } }
    }

    #[test]
    fn a_backslash_joins_lines_in_comments_too() {
        let text = b"options nf-conntrack \\\nhashsize=65536\n# note \\\noptions nf_conntrack acct=1\noptions nf_conntrack acct=0\n";
        assert_eq!(parse(text), [options(1, "hashsize=65536"), options(5, "acct=0")]);
    }

    #[test]
    fn only_spaces_and_tabs_part_words() {
        assert_eq!(parse("options\u{a0}nf_conntrack hashsize=1\n".as_bytes()), []);
        let carriage_return = Command::Blacklist { module: "nf_conntrack\r".into() };
        assert_eq!(parse(b"blacklist nf_conntrack\r\n"), [Line { line: 1, command: carriage_return }]);
        assert_eq!(parse(b" \toptions\tnf_conntrack\ta=b\\c"), [options(1, "a=bc")]);
    }

    #[test]
    fn a_command_without_its_words_is_ignored() {
        assert_eq!(parse(b"options nf_conntrack\ninstall nf_conntrack \nblacklist\nremove nf_conntrack rmmod\n"), []);
    }

    #[test]
    fn soft_dependencies_stand_behind_their_words() {
        let parsed = parse(b"softdep nft_ct x pre: nf-conntrack a post: b\r\n");
        let (before, after) = (vec!["nf_conntrack".into(), "a".into()], vec!["b".into()]);
        assert_eq!(parsed, [Line { line: 1, command: Command::Softdep { module: "nft_ct".into(), before, after } }]);
    }

    #[test]
    fn a_second_blank_before_the_word_spoils_it() {
        for (text, before) in
            [("pre: a", vec!["a"]), (" pre: a", vec![]), ("  pre: a", vec!["a"]), (" x pre: a", vec!["a"])]
        {
            let before: Vec<String> = before.into_iter().map(str::to_owned).collect();
            assert_eq!(soft_dependencies(text), (before, vec![]), "{text:?}");
        }
    }
}
