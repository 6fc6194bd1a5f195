//! Reads the command of a udev rule: whether it runs a loader, and what that loader reads and writes then.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::boot::systems::{INIT, SYSTEMD};
use crate::formats;
use crate::kernel::catalog::{Key, Name};
use crate::sysctl_d::{self, Dialect, PROCPS, Write, paths, procps, systemd};
use crate::tree::{Place, Tree, drop_ins};

/// A loader that runs as the module arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rerun {
    /// Where the rule stands, or the command.
    pub rule: Place,
    /// How the loader reads its files.
    pub(in crate::boot) dialect: &'static Dialect,
    /// The files that the command names, in order. None: the files that the loader reads by itself.
    files: Option<Vec<PathBuf>>,
    /// The dotted keys that are written, with all that lies below them, or all that begin so (`net.netfilter.nf_*`). None: every
    /// key.
    prefixes: Option<Vec<String>>,
}

/// What a command means for the settings.
pub(in crate::boot) enum Meaning {
    /// Nothing: it writes no sysctl.
    Nothing,
    /// A loader runs.
    Loader(Rerun),
    /// Nobody can tell here.
    Unclear,
}

/// The loader of systemd, where distributions have it.
const SYSTEMD_SYSCTL: [&str; 2] = ["/usr/lib/systemd/systemd-sysctl", "/lib/systemd/systemd-sysctl"];

/// The loader of procps, where distributions have it.
const SYSCTL: [&str; 4] = ["/usr/sbin/sysctl", "/sbin/sysctl", "/usr/bin/sysctl", "/bin/sysctl"];

/// Programs that write no sysctls.
const HARMLESS: [&str; 5] = ["false", "logger", "loginctl", "true", "udevadm"];

/// What `command` means on a machine with the files of `tree`.
pub(in crate::boot) fn of(tree: &Tree, command: &str, rule: &Place) -> Meaning {
    let program = command.split([' ', '\t']).next().unwrap_or_default();
    if !program.contains(['"', '\'', '\\', '$', '%']) && is_harmless(program) {
        return Meaning::Nothing;
    }
    let Some(words) = words(command) else { return Meaning::Unclear };
    let Some((program, arguments)) = words.split_first() else { return Meaning::Nothing };
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let rerun = |dialect| Rerun { rule: rule.clone(), dialect, files: None, prefixes: None };
    if SYSTEMD_SYSCTL.contains(&program.as_str()) {
        if lacks_systemd(tree) {
            return Meaning::Nothing;
        }
        systemd_sysctl(rerun(SYSTEMD.dialect(tree)), &arguments)
    } else if SYSCTL.contains(&program.as_str()) {
        sysctl(tree, rerun(procps::installed(tree)), &arguments)
    } else if is_harmless(program) {
        Meaning::Nothing
    } else {
        Meaning::Unclear
    }
}

/// Whether a machine with another init system does not have the loader of systemd. A directory with nothing but an /etc
/// shows neither.
fn lacks_systemd(tree: &Tree) -> bool {
    tree.get(INIT).is_some() && SYSTEMD_SYSCTL.iter().all(|path| tree.get(path).is_none())
}

/// Whether `program` writes no sysctls. udev looks for a name without a directory in its own one, where no loader is.
fn is_harmless(program: &str) -> bool {
    !program.starts_with('/') || HARMLESS.contains(&program.rsplit('/').next().unwrap_or_default())
}

fn systemd_sysctl(mut rerun: Rerun, arguments: &[&str]) -> Meaning {
    let mut arguments = arguments.iter().copied();
    while let Some(argument) = arguments.next() {
        let prefix = match argument.strip_prefix("--prefix") {
            Some("") => arguments.next(),
            Some(rest) => rest.strip_prefix('='),
            None => None,
        };
        match (argument, prefix) {
            (_, Some(prefix)) => rerun.prefixes.get_or_insert_default().extend(dotted(prefix)),
            ("--strict" | "--no-pager", None) => {}
            ("--cat-config" | "--tldr" | "--help" | "-h" | "--version", None) => return Meaning::Nothing,
            (option, None) if option.starts_with('-') => return Meaning::Unclear,
            (file, None) => rerun.files.get_or_insert_default().push(file.into()),
        }
    }
    Meaning::Loader(rerun)
}

/// The dotted form of a prefix. Those below /proc/sys match no key.
fn dotted(prefix: &str) -> Option<String> {
    let path = if prefix.find('.') < prefix.find('/') || !prefix.contains('/') {
        prefix.replace('.', "/")
    } else {
        prefix.to_owned()
    };
    let path = path.trim_matches('/');
    let is_of_no_key = path.is_empty() || path == "proc/sys" || path.starts_with("proc/sys/");
    (!is_of_no_key).then(|| path.replace('/', "."))
}

fn sysctl(tree: &Tree, mut rerun: Rerun, arguments: &[&str]) -> Meaning {
    let is_plain = |option: &&&str| matches!(**option, "-q" | "--quiet" | "-e" | "--ignore");
    let arguments: Vec<&str> = arguments.iter().filter(|option| !is_plain(option)).copied().collect();
    match arguments.as_slice() {
        [] | ["--help" | "-h" | "--version" | "-V" | "-a" | "--all"] => return Meaning::Nothing,
        ["--system"] => {}
        ["-p" | "--load"] => rerun.files = Some(vec![paths::SYSCTL_CONF.into()]),
        ["-p" | "--load", files @ ..] => match files.iter().map(|file| meant(tree, file)).collect::<Option<Vec<_>>>() {
            Some(files) => rerun.files = Some(files.concat()),
            None => return Meaning::Unclear,
        },
        _ => return Meaning::Unclear,
    }
    Meaning::Loader(rerun)
}

/// The files that an argument means, wherever the program runs: one, or all in a directory of sysctl.d, as a shell or
/// `sysctl` itself finds them. None: others.
fn meant(tree: &Tree, argument: &str) -> Option<Vec<PathBuf>> {
    if argument.starts_with('/') && !argument.contains(['*', '?', '[', '{']) {
        return Some(vec![argument.into()]);
    }
    let directory = argument.strip_suffix("/*.conf").filter(|directory| paths::SYSCTL_D.contains(directory))?;
    Some(drop_ins(tree, &[directory], ".conf"))
}

/// The words of a command as udevd parts them: quotation marks of both kinds keep blanks together, and `%k` and the like
/// stand for parts of the event. None: a form that is not read here.
fn words(command: &str) -> Option<Vec<String>> {
    let command = command.replace("$kernel", "nf_conntrack").replace("%k", "nf_conntrack");
    formats::words::words(&command, |c, _| matches!(c, '\\' | '$' | '%'))
}

impl Rerun {
    /// `sysctl --system` for the keys whose names begin so.
    pub(in crate::boot) fn of_keys(tree: &Tree, rule: Place, begin: &str) -> Rerun {
        Rerun { rule, dialect: procps::installed(tree), files: None, prefixes: Some(vec![format!("{begin}*")]) }
    }

    /// Whether a key is among those that the loader writes where a file assigns it.
    #[must_use]
    pub fn covers(&self, key: &Key) -> bool {
        let lies_below = |prefix: &String| {
            if let Some(begin) = prefix.strip_suffix('*') {
                return key.as_str().starts_with(begin);
            }
            key.as_str().strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.prefixes.as_ref().is_none_or(|prefixes| prefixes.iter().any(lies_below))
    }

    /// Whether it reads the files that it reads at boot too.
    #[must_use]
    pub fn reads_all(&self) -> bool {
        self.files.is_none()
    }

    /// The files that the command names by their paths.
    pub(in crate::boot) fn named_files(&self) -> Vec<PathBuf> {
        self.files.iter().flatten().filter(|file| file.is_absolute()).cloned().collect()
    }

    /// The files that it reads on a machine with the files of `tree`.
    pub(in crate::boot) fn files(&self, tree: &Tree) -> Vec<PathBuf> {
        let Some(named) = &self.files else { return self.dialect.files(tree) };
        // systemd-sysctl looks for a name in the directories of sysctl.d.
        let found = |file: &PathBuf| {
            let mut candidates = paths::SYSCTL_D.iter().map(|directory| Path::new(directory).join(file));
            candidates.find(|path| tree.get(path).is_some()).unwrap_or_else(|| file.clone())
        };
        named.iter().map(found).collect()
    }

    /// The settings that another version of the loader would write otherwise, if the version here cannot be told.
    pub(in crate::boot) fn unsure(&self, tree: &Tree, keys: &BTreeSet<Key>) -> BTreeSet<Name> {
        let is_procps = self.dialect.command == PROCPS.command;
        let others = if is_procps { procps::others(tree) } else { systemd::others(tree) };
        let last = |dialect: &'static Dialect| -> BTreeMap<Key, Vec<u8>> {
            let writes = Rerun { dialect, ..self.clone() }.writes(tree, keys);
            writes.into_iter().map(|write| (write.key, write.text)).collect()
        };
        if others.is_empty() {
            return BTreeSet::new();
        }
        let own = last(self.dialect);
        let differing = |other: &&'static Dialect| {
            let other = last(other);
            let all: BTreeSet<Key> = own.keys().chain(other.keys()).cloned().collect();
            all.into_iter().filter(|key| own.get(key) != other.get(key)).collect::<Vec<_>>()
        };
        others.iter().flat_map(differing).filter_map(|key| key.name()).collect()
    }

    /// What it writes to a kernel with `keys` on a machine with the files of `tree`.
    pub(in crate::boot) fn writes(&self, tree: &Tree, keys: &BTreeSet<Key>) -> Vec<Write> {
        let read = sysctl_d::assignments(tree, self.dialect, &self.files(tree));
        sysctl_d::writes(&read, self.dialect, keys).into_iter().filter(|write| self.covers(&write.key)).collect()
    }
}
