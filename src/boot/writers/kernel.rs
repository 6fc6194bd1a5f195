//! Reads the parameters of connection tracking that the kernel takes before any loader runs: the options of its module
//! and the kernel command line.

use std::collections::BTreeSet;
use std::path::Path;

use crate::kernel::catalog::{BUCKETS, Key, MAX, PREFIX};
use crate::kernel::number::kernel_reading;
use crate::kernel::sizes::{default_expectations, limit_for_hashsize};
use crate::snapshot::{Module, Snapshot};
use crate::sysctl_d::Write;
use crate::tree::{Place, Read, Tree, drop_ins};

/// The kernel command line.
pub const CMDLINE: &str = "/proc/cmdline";

/// The directories of modprobe.d(5), the strongest first.
pub(in crate::boot) const MODPROBE: [&str; 5] =
    ["/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d"];

/// The file in which a run sets the number of buckets for kernels where the sysctl cannot be written (before 4.8).
pub const HASHSIZE_FILE: &str = "/etc/modprobe.d/nf_conntrack.conf";

/// The line of [`HASHSIZE_FILE`] that sets the number of buckets.
#[must_use]
pub fn hashsize_line(buckets: i64) -> String {
    format!("options nf_conntrack hashsize={buckets}")
}

/// The reads that the parameters depend on. A built-in connection tracking has no options in files.
pub(in crate::boot) fn reads(module: Module) -> Vec<Read> {
    let directories: &[&str] = if module == Module::BuiltIn { &[] } else { &MODPROBE };
    Read::directories(directories, ".conf").chain([Read::OfKernel(CMDLINE.into())]).collect()
}

/// The parameters that a kernel with `keys` takes before the loader runs, as writes.
///
/// A `sysctl.` parameter is obeyed before init runs (kernel 5.8 and later, `proc_sysctl.c`), so only where connection
/// tracking is built in. `nf_conntrack.hashsize=` reaches a built-in connection tracking and a module alike.
pub(in crate::boot) fn writes(snapshot: &Snapshot, keys: &BTreeSet<Key>) -> Vec<Write> {
    let tree = &snapshot.tree;
    // modprobe puts the command line before the options of its files, and the module obeys the last of equal
    // parameters.
    let mut parameters: Vec<Parameter> =
        command_line(tree).filter_map(|parameter| parameter.strip_prefix("nf_conntrack.")).collect();
    if snapshot.module != Module::BuiltIn {
        parameters.extend(drop_ins(tree, &MODPROBE, ".conf").iter().flat_map(|file| options(tree, file)));
    }
    let mut writes: Vec<Write> =
        parameters.iter().flat_map(|parameter| settings_of(parameter, snapshot.page_size)).collect();
    if snapshot.module == Module::BuiltIn {
        writes.extend(command_line(tree).filter_map(|parameter| {
            let Parameter { name, text, place } = parameter.strip_prefix("sysctl.")?;
            // The kernel takes dots and slashes here, as sysctl(8) does.
            let key = Key::at(&name);
            keys.contains(&key).then_some(Write { key, text: text.into_bytes(), place })
        }));
    }
    writes
}

/// One `name=text`.
struct Parameter {
    name: String,
    text: String,
    place: Place,
}

impl Parameter {
    /// Strips `prefix` from the name, treating `-` and `_` as the same character.
    fn strip_prefix(self, prefix: &str) -> Option<Parameter> {
        let head = self.name.get(..prefix.len())?.replace('-', "_");
        (head == prefix).then(|| Parameter { name: self.name[prefix.len()..].to_owned(), ..self })
    }
}

/// The settings that a parameter of the module sets. `hashsize` sets the limit and the expectations too.
fn settings_of(parameter: &Parameter, page_size: u64) -> Vec<Write> {
    let write = |key: Key, text: String| Write { key, text: text.into_bytes(), place: parameter.place.clone() };
    let key = |last: &str| Key::new(format!("{PREFIX}{last}"));
    match parameter.name.replace('-', "_").as_str() {
        "hashsize" => {
            let derived =
                kernel_reading(parameter.text.as_bytes(), &BUCKETS, page_size).into_iter().flat_map(|buckets| {
                    let (limit, expectations) = (limit_for_hashsize(buckets), default_expectations(buckets));
                    [write(MAX.into(), limit.to_string()), write(key("expect_max"), expectations.to_string())]
                });
            std::iter::once(write(BUCKETS.into(), parameter.text.clone())).chain(derived).collect()
        }
        "acct" => vec![write(key("acct"), switch_number(&parameter.text))],
        "tstamp" => vec![write(key("timestamp"), switch_number(&parameter.text))],
        "nf_conntrack_helper" => vec![write(key("helper"), switch_number(&parameter.text))],
        _ => Vec::new(),
    }
}

/// The number that the sysctl shows for a switch in one of the forms that the kernel's `kstrtobool` takes.
fn switch_number(text: &str) -> String {
    let number = match text.as_bytes() {
        [b'1' | b'y' | b'Y' | b't' | b'T', ..] | [b'o' | b'O', b'n' | b'N', ..] => "1",
        [b'0' | b'n' | b'N' | b'f' | b'F', ..] | [b'o' | b'O', b'f' | b'F', ..] => "0",
        _ => text,
    };
    number.to_owned()
}

/// The parameters of the kernel command line.
fn command_line(tree: &Tree) -> impl Iterator<Item = Parameter> {
    let text = String::from_utf8_lossy(tree.bytes(CMDLINE).unwrap_or_default()).into_owned();
    let place = Place { file: CMDLINE.into(), line: 1 };
    // The words after `--` are arguments of init.
    let words: Vec<String> = text.split_whitespace().take_while(|word| *word != "--").map(str::to_owned).collect();
    words.into_iter().filter_map(move |word| parse_parameter(&word, &place))
}

/// The options of the module in a file of modprobe.d(5).
fn options(tree: &Tree, file: &Path) -> Vec<Parameter> {
    let text = String::from_utf8_lossy(tree.bytes(file).unwrap_or_default());
    let mut options = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace();
        let is_options = words.next() == Some("options");
        if is_options && words.next().is_some_and(|name| name.replace('-', "_") == "nf_conntrack") {
            let place = Place { file: file.to_owned(), line: index + 1 };
            options.extend(words.filter_map(|word| parse_parameter(word, &place)));
        }
    }
    options
}

fn parse_parameter(word: &str, place: &Place) -> Option<Parameter> {
    let (name, text) = word.split_once('=')?;
    Some(Parameter { name: name.to_owned(), text: text.to_owned(), place: place.clone() })
}
