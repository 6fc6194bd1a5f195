//! Finds the scripts that lines run or read by their paths, as far as the lines of one file tell the path: it may be put
//! together from a variable of the file, or be relative to a directory that the file goes to or lies in.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use super::{Line, TOOLS, assigned};

/// A script, or a directory with scripts; and the end of the names in it that are read, if it is a directory. A set of paths
/// would compare them part by part.
pub(super) type Named = (OsString, &'static str);

/// The end of every name.
pub(super) const ALL: &str = "";

/// The end of no name.
pub(super) const NONE: &str = "/";

/// Where scripts stand, of the administrator and of packages.
const SCRIPTS: [&str; 16] = [
    "/bin/",
    "/boot/",
    "/config/",
    "/data/",
    "/etc/",
    "/home/",
    "/lib/",
    "/media/",
    "/mnt/",
    "/opt/",
    "/root/",
    "/sbin/",
    "/srv/",
    "/usr/",
    "/var/lib/",
    "/var/opt/",
];

/// Directories whose files are no scripts, whatever a script does with them.
const DIRECTORIES_OF_DATA: [&str; 5] =
    ["/etc/modprobe.d", "/etc/modules-load.d", "/etc/sysctl.d", "/etc/systemd/system", "/etc/udev/rules.d"];

/// Scripts of distributions of which others use parts: the functions of LSB scripts, of which RHEL's could run a loader, and the
/// start of the service iptables, which runs one if its configuration says so.
const PARTS_OF_OTHERS: [&str; 4] = [
    "/etc/init.d/functions",
    "/etc/rc.d/init.d/functions",
    "/usr/libexec/iptables/ip6tables.init",
    "/usr/libexec/iptables/iptables.init",
];

/// The ends of the names of files that are no scripts either: a program gets them as its configuration.
const ENDS_OF_DATA: [&str; 13] =
    [".cfg", ".conf", ".ini", ".json", ".nft", ".rules", ".so", ".toml", ".xml", ".yaml", ".yml", ".v4", ".v6"];

/// The ends of the names of scripts that may stand without a directory, where a line before goes to theirs.
const ENDS_OF_SCRIPTS: [&str; 4] = [".bash", ".pl", ".py", ".sh"];

/// The forms in which a script names the directory that it lies in.
const OWN_DIRECTORY: [&str; 14] = [
    "$(dirname \"$(readlink -f \"$0\")\")",
    "$(dirname $(readlink -f $0))",
    "$(dirname \"$(realpath \"$0\")\")",
    "$(dirname $(realpath $0))",
    "$(dirname \"${BASH_SOURCE[0]}\")",
    "$(dirname ${BASH_SOURCE[0]})",
    "$(dirname \"$BASH_SOURCE\")",
    "$(dirname -- \"$0\")",
    "$(dirname \"$0\")",
    "$(dirname $0)",
    "`dirname \"$0\"`",
    "`dirname $0`",
    "${BASH_SOURCE%/*}",
    "${0%/*}",
];

/// The scripts that the lines of one file name by their paths, and the directories of which they run all files.
pub(super) fn named(lines: &[&Line]) -> BTreeSet<Named> {
    let mut scripts = BTreeSet::new();
    let around = Surroundings::of(lines);
    for line in lines {
        let runs_all = line.command.contains("run-parts");
        let file: &Path = &line.place.file;
        let text = with_own_directory(file, &line.command);
        let named = around.paths(&text);
        let sourced = if named.is_empty() { None } else { sourced(&text) };
        for path in named {
            let (directory, name) = path.rsplit_once('/').unwrap_or_default();
            let (path, is_directory) = if name.contains('*') { (directory, true) } else { (path.as_str(), runs_all) };
            let is_plain =
                SCRIPTS.iter().any(|begin| path.starts_with(begin)) && !path.contains(['$', '*', '?', '[', '=', '%']);
            let is_data = ENDS_OF_DATA.iter().any(|end| path.ends_with(end)) && sourced != Some(path);
            if is_plain && !is_data && !DIRECTORIES_OF_DATA.contains(&path) && !PARTS_OF_OTHERS.contains(&path) {
                scripts.insert((path.into(), if is_directory { ALL } else { NONE }));
            }
        }
    }
    scripts
}

/// The administrator's programs that a command names as a shell finds them: one of `tools` each.
pub(super) fn named_tools(command: &str, tools: &[String]) -> Vec<Named> {
    // Most machines have none.
    let words = (!tools.is_empty()).then(|| words(command)).into_iter().flatten();
    let names = words.filter(|word| tools.iter().any(|name| name == word));
    names.flat_map(|name| TOOLS.map(|directory| (Path::new(directory).join(name).into(), NONE))).collect()
}

/// The words of a command, without the signs that a unit may have before a program.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let parts = |c| matches!(c, ' ' | '\t' | ';' | '&' | '|' | '"' | '\'' | '(' | ')' | '`' | '<' | '>');
    let words = text.split(parts);
    words.map(|word| word.trim_start_matches(['-', '@', ':', '+', '!'])).filter(|word| !word.is_empty())
}

/// The path that a shell reads as a script, whatever its name is: `. /etc/tune.conf`.
fn sourced(text: &str) -> Option<&str> {
    let mut words = words(text).skip_while(|word| !matches!(*word, "." | "source"));
    words.nth(1)
}

/// `text` with the directory of `file` in place of the forms that stand for it.
fn with_own_directory<'a>(file: &Path, text: &'a str) -> Cow<'a, str> {
    if !["dirname", "%/*}"].iter().any(|sign| text.contains(sign)) {
        return Cow::Borrowed(text);
    }
    let directory = file.parent().unwrap_or(file).to_string_lossy();
    Cow::Owned(OWN_DIRECTORY.iter().fold(text.to_owned(), |text, form| text.replace(form, &directory)))
}

/// What the lines of one file say about the paths that are not whole.
#[derive(Default)]
struct Surroundings {
    /// The variables that stand for a path.
    variables: BTreeMap<String, String>,
    /// The directories that a line goes to.
    directories: BTreeSet<String>,
}

impl Surroundings {
    fn of(lines: &[&Line]) -> Surroundings {
        let mut around = Surroundings::default();
        for line in lines {
            let text = with_own_directory(&line.place.file, &line.command);
            // Few lines say something about a path.
            if text.contains('=') || text.contains("cd ") {
                text.split([';', '&']).for_each(|statement| around.learn(statement.trim()));
            }
        }
        around
    }

    fn learn(&mut self, statement: &str) {
        let rest = ["export ", "local ", "readonly ", "declare "].iter().find_map(|word| statement.strip_prefix(word));
        if let Some((name, value)) = assigned(rest.unwrap_or(statement)) {
            let value = value.trim_matches(['"', '\'']);
            // `$(cd /opt/tune && pwd)`, of which the statement has the beginning.
            let value = value.strip_prefix("$(cd ").unwrap_or(value).trim_matches(['"', '\'', ' ']);
            let value = self.substituted(value);
            if value.starts_with('/') {
                let value = value.into_owned();
                self.variables.insert(name.to_owned(), value);
            }
        } else if let Some(directory) = statement.split_once("cd ").map(|(_, rest)| rest.trim_start_matches("-- ")) {
            let directory = words(directory).next().map(|word| self.substituted(word)).unwrap_or_default();
            if directory.starts_with('/') {
                self.directories.insert(directory.into_owned());
            }
        }
    }

    /// `text` with the values of the variables that are known.
    fn substituted<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.variables.is_empty() || !text.contains('$') {
            return Cow::Borrowed(text);
        }
        // Of two names of which one begins the other, the longer one is looked for first.
        let known = self.variables.iter().rev();
        Cow::Owned(known.fold(text.to_owned(), |text, (name, value)| {
            text.replace(&format!("${{{name}}}"), value).replace(&format!("${name}"), value)
        }))
    }

    /// The whole paths that the words of a command stand for.
    fn paths(&self, text: &str) -> Vec<String> {
        let mut paths: Vec<String> = words(text).flat_map(|word| self.whole(word)).collect();
        // A shell takes the quotation marks away, so that `"$DIR"/tune` is one word.
        if text.contains(['"', '\'']) {
            paths.extend(words(&text.replace(['"', '\''], "")).flat_map(|word| self.whole(word)));
        }
        let value = assigned(text).map(|(_, value)| value).unwrap_or_default();
        paths.extend(words(value).flat_map(|word| self.whole(word)));
        paths
    }

    fn whole(&self, word: &str) -> Vec<String> {
        if !word.contains(['/', '$']) && !ENDS_OF_SCRIPTS.iter().any(|end| word.ends_with(end)) {
            return Vec::new();
        }
        let word = self.substituted(word);
        if word.starts_with('/') {
            return vec![word.into_owned()];
        }
        let is_relative = ["./", "../"].iter().any(|begin| word.starts_with(begin))
            || ENDS_OF_SCRIPTS.iter().any(|end| word.ends_with(end));
        let directories = self.directories.iter().filter(|_| is_relative);
        directories.map(|directory| lexical(&Path::new(directory).join(&*word))).collect()
    }
}

/// A path without the parts that lead nowhere.
fn lexical(path: &Path) -> String {
    let mut whole = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                whole.pop();
            }
            other => whole.push(other),
        }
    }
    whole.to_string_lossy().into_owned()
}
