//! Reads a command line as far as it writes sysctls: plain commands for what they write, any other for the settings that it
//! names.

use super::{Line, WORDS};
use crate::boot::udev::{Meaning, Rerun, meaning};
use crate::formats;
use crate::kernel::catalog::{BUCKETS, CATALOG, COUNT, FLOWTABLE, Key, MAX, Name, PREFIX};
use crate::kernel::modules::{BRINGS_CONNTRACK, HASHSIZE};
use crate::sysctl_d::paths::SYSCTL_D;
use crate::tree::{Place, Tree};

/// What a line does about settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::boot) enum Effect {
    /// It writes this text.
    Writes(Name, String),
    /// It runs a loader.
    Loads(Rerun),
    /// It names the setting, and nobody can tell what for.
    Names(Name),
    /// It may write any setting.
    Anything,
}

/// Words before a program that leave alone what it does: of a shell, and the user of a job.
const BEFORE: [&str; 9] = ["!", "do", "else", "exec", "if", "root", "sudo", "then", "while"];

/// What is taken out of a command before it is read: redirections that change nothing.
const QUIET: [&str; 6] = ["2>&1", "&>/dev/null", "2>/dev/null", "2> /dev/null", "> /dev/null", ">/dev/null"];

/// What a line does.
pub(in crate::boot) fn effects(tree: &Tree, line: &Line) -> Vec<Effect> {
    // Most lines are there because they name a path.
    if !WORDS.iter().any(|word| line.command.contains(word)) {
        return Vec::new();
    }
    let text = QUIET.iter().fold(line.command.clone(), |text, redirection| text.replace(redirection, ""));
    let commands = commands(&text);
    commands.iter().flat_map(|command| plain(tree, command, &line.place).unwrap_or_else(|| named(command))).collect()
}

/// The commands of a line, parted where no quotation marks are.
fn commands(text: &str) -> Vec<String> {
    let mut commands = vec![String::new()];
    let mut quote = None;
    for c in text.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => quote = Some(c),
            (';' | '&' | '|', None) => {
                commands.push(String::new());
                continue;
            }
            ('#', None) if commands.last().is_some_and(|command| command.ends_with([' ', '\t'])) => break,
            _ => {}
        }
        commands.last_mut().expect("there is one").push(c);
    }
    commands
}

/// The first place of a character that is not in quotation marks.
fn unquoted(text: &str, wanted: char) -> Option<usize> {
    let mut quote = None;
    text.char_indices().find_map(|(at, c)| {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => quote = Some(c),
            (c, None) if c == wanted => return Some(at),
            _ => {}
        }
        None
    })
}

/// What a plain command does. None: it is none.
fn plain(tree: &Tree, command: &str, place: &Place) -> Option<Vec<Effect>> {
    // These are all files that the loader reads there.
    let command = SYSCTL_D.iter().fold(command.to_owned(), |text, directory| {
        let pattern = format!("{directory}/*.conf");
        text.replace(&pattern, &format!("'{pattern}'"))
    });
    let (command, target) = match unquoted(&command, '>') {
        Some(at) => (&command[..at], Some(words(command[at..].trim_start_matches('>'))?)),
        None => (command.as_str(), None),
    };
    let words = words(command)?;
    let before = words.iter().take_while(|word| BEFORE.contains(&word.as_str())).count();
    let (program, arguments) = words[before..].split_first()?;
    if let [option, script] = arguments {
        if option == "-c" && ["sh", "bash", "dash"].iter().any(|shell| is(program, shell)) && target.is_none() {
            return Some(effects(tree, &Line { place: place.clone(), command: script.clone() }));
        }
    }
    match target.as_deref() {
        // The output of a program goes into some other file.
        Some([path]) if key(path).is_none() && !path.contains("conntrack") => printing(tree, program, arguments, place),
        Some([path]) if is(program, "echo") => {
            let text: Vec<&String> = arguments.iter().filter(|word| *word != "-n").collect();
            let [text] = text[..] else { return None };
            Some(written(&key(path)?, text))
        }
        Some(_) => None,
        None => printing(tree, program, arguments, place),
    }
}

/// What `sysctl` and `cat` do, the programs that print values.
fn printing(tree: &Tree, program: &str, arguments: &[String], place: &Place) -> Option<Vec<Effect>> {
    if is(program, "sysctl") {
        sysctl(tree, &single_options(arguments), place)
    } else if is(program, "systemd-sysctl") {
        Some(loads(tree, &format!("/usr/lib/systemd/systemd-sysctl {}", arguments.join(" ")), place))
    } else {
        is(program, "cat").then(Vec::new)
    }
}

/// Whether a word runs the program of this name.
fn is(word: &str, program: &str) -> bool {
    word.trim_start_matches(['-', '@', ':', '+', '!']).rsplit('/').next() == Some(program)
}

/// What a loader does that a command line runs.
fn loads(tree: &Tree, command: &str, place: &Place) -> Vec<Effect> {
    match meaning(tree, command, place) {
        Meaning::Loader(rerun) => vec![Effect::Loads(rerun)],
        Meaning::Nothing => Vec::new(),
        Meaning::Unclear => vec![Effect::Anything],
    }
}

/// The arguments of `sysctl` with each short option by itself: `-qp` is `-q -p`, and `-pFILE` is `-p FILE`.
fn single_options(arguments: &[String]) -> Vec<String> {
    let mut single = Vec::new();
    for argument in arguments {
        let Some(letters) = argument.strip_prefix('-').filter(|letters| !letters.starts_with('-')) else {
            single.push(argument.clone());
            continue;
        };
        for (at, letter) in letters.char_indices() {
            single.push(format!("-{letter}"));
            let rest = &letters[at + letter.len_utf8()..];
            if letter == 'p' && !rest.is_empty() {
                single.push(rest.to_owned());
                break;
            }
        }
    }
    single
}

/// What `sysctl` does with these arguments.
fn sysctl(tree: &Tree, arguments: &[String], place: &Place) -> Option<Vec<Effect>> {
    let is_load = |word: &String| {
        ["-p", "--load", "--system", "-f", "-r", "--pattern"].contains(&word.as_str()) || word.starts_with("--load=")
    };
    if arguments.iter().any(is_load) {
        return Some(loads(tree, &format!("/usr/sbin/sysctl {}", arguments.join(" ")), place));
    }
    let plain = ["-w", "--write", "-q", "--quiet", "-e", "--ignore", "-n", "--values", "-a", "--all"];
    let mut effects = Vec::new();
    for argument in arguments.iter().filter(|word| !plain.contains(&word.as_str())) {
        match argument.split_once('=') {
            _ if argument.starts_with('-') || argument.contains(['*', '?', '[']) => return None,
            Some((key, text)) => effects.extend(written(&Key::at(key.trim()), text.trim())),
            // It prints the value.
            None => {}
        }
    }
    Some(effects)
}

/// The key whose file is at `path`. None: it is no plain path of one.
fn key(path: &str) -> Option<Key> {
    if path == HASHSIZE { Some(BUCKETS.into()) } else { path.strip_prefix("/proc/sys/").map(Key::at) }
}

fn written(key: &Key, text: &str) -> Vec<Effect> {
    key.name().into_iter().map(|name| Effect::Writes(name, text.to_owned())).collect()
}

/// The words of a command without their quotation marks. None: only a shell can read it.
fn words(command: &str) -> Option<Vec<String>> {
    formats::words::words(command, |c, quote| match c {
        '$' | '`' | '\\' => quote != Some('\''),
        '*' | '?' | '{' | '}' | '<' | '>' | '(' | ')' | '~' => quote.is_none(),
        _ => false,
    })
}

/// The settings that a command names.
fn named(command: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    // Which file it reads may depend on a variable.
    let is_load = |word: &str| {
        let letters = word.strip_prefix('-').filter(|letters| !letters.starts_with('-')).unwrap_or_default();
        let letters = letters.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        letters.contains(['p', 'f']) || ["--load", "--system"].iter().any(|option| word.starts_with(option))
    };
    if command.split_once("sysctl ").is_some_and(|(_, arguments)| arguments.split_whitespace().any(is_load)) {
        effects.push(Effect::Anything);
    }
    if may_set_any(command) {
        effects.push(Effect::Anything);
    }
    // The values go with the module.
    let runs = |program: &str| command.split_whitespace().any(|word| is(word, program));
    let is_removal = |word: &str| {
        word == "--remove" || word.strip_prefix('-').is_some_and(|rest| !rest.starts_with('-') && rest.contains('r'))
    };
    let removes_needed = runs("modprobe") && command.split_whitespace().any(is_removal);
    // modprobe removes what the module needed as well, if nothing else needs it.
    let needs_it = |word: &str| BRINGS_CONNTRACK.contains(&word.replace('-', "_").as_str());
    if (removes_needed && command.split_whitespace().any(needs_it))
        || ((removes_needed || runs("rmmod")) && command.contains("conntrack"))
    {
        effects.push(Effect::Anything);
    }
    if command.contains("hashsize") && command.contains("conntrack") {
        effects.extend([Effect::Names(BUCKETS), Effect::Names(MAX)]);
    }
    let is_of_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-');
    let mut rest = command;
    while let Some(start) = rest.find(is_of_path) {
        let end = rest[start..].find(|c| !is_of_path(c)).map_or(rest.len(), |end| start + end);
        effects.extend(of_word(&rest[start..end], rest[end..].chars().next()));
        rest = &rest[end..];
    }
    effects
}

/// Whether a variable of the shell decides which sysctl a command writes, and it may be one of connection tracking.
fn may_set_any(command: &str) -> bool {
    // The word before the variable may begin the name.
    let begins = |word: &str, before: &str, beginning: &str| {
        let rest = word.strip_prefix(before)?;
        let fixed = rest.split_once('$')?.0.replace('.', "/");
        Some(beginning.starts_with(fixed.as_str()))
    };
    let is_write = |word: &str| begins(word, "/proc/sys/", "net/netfilter/nf_conntrack_") == Some(true);
    let words = || command.split([' ', '\t', ';', '"', '\'', '>', '(', ')']).filter(|word| !word.is_empty());
    let only_prints = |word: &str| ["-n", "-a", "-N", "--values", "--all", "--names"].contains(&word);
    let mut arguments = words().skip_while(|word| !is(word, "sysctl")).skip(1).peekable();
    let is_call = arguments.peek().is_some() && !arguments.clone().any(only_prints);
    words().any(is_write)
        || is_call && arguments.any(|word| begins(word, "", "net/netfilter/nf_conntrack_") == Some(true))
}

/// The setting that a word names, if a character stands behind it that ends it or goes on with it.
fn of_word(word: &str, behind: Option<char>) -> Option<Effect> {
    if !["conntrack", "netfilter", "nf_"].iter().any(|part| word.contains(part)) {
        return None;
    }
    let dotted = word.trim_start_matches("/proc/sys/").replace('/', ".");
    let dotted = dotted.trim_matches(['.', '-']);
    let is_open = behind.is_some_and(|c| matches!(c, '$' | '*' | '?' | '[' | '{'));
    let is_part = |whole: &str| {
        whole.starts_with(dotted) && dotted.contains("netfilter") || dotted.starts_with(whole.trim_end_matches('_'))
    };
    let is_directory = ["net.netfilter", "net.ipv4.netfilter"].contains(&dotted);
    if is_directory
        || (is_open
            && [PREFIX, FLOWTABLE, "net.ipv4.netfilter.ip_conntrack_", "net.nf_conntrack_"]
                .iter()
                .any(|it| is_part(it)))
    {
        return Some(Effect::Anything);
    }
    // A bare name may be that of a module, so the catalog decides. A variable may hold the path before it.
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let bare = last(dotted);
    let is_bare_name = |name: &Name| name.keys().any(|key| last(key.as_str()) == bare);
    let of_catalog = || CATALOG.iter().filter_map(|setting| Name::of_key(setting.name)).find(is_bare_name);
    let name = Name::of_key(dotted).or_else(of_catalog).filter(|name| *name != COUNT)?;
    // A script may put the rest of a name behind its beginning.
    if !name.is_catalogued() && CATALOG.iter().any(|setting| setting.name.starts_with(dotted)) {
        return Some(Effect::Anything);
    }
    Some(Effect::Names(name))
}
