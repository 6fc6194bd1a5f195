//! Reads what the kernel itself is told about connection tracking before any loader runs: the options of its module
//! and the kernel command line.

use std::collections::BTreeSet;
use std::path::Path;

use crate::boot::arrival::drop_ins;
use crate::boot::wanted::{CMDLINE, MODPROBE};
use crate::kernel::catalog::{self, BUCKETS, MAX};
use crate::kernel::number::kernel_reading;
use crate::snapshot::{Module, Snapshot};
use crate::sysctl_d::Write;
use crate::tree::{Place, Tree};

/// The file in which a run sets the number of buckets for kernels where the sysctl cannot be written (before 4.8).
pub const HASHSIZE_FILE: &str = "/etc/modprobe.d/nf_conntrack.conf";

/// The line of [`HASHSIZE_FILE`] that sets the number of buckets.
#[must_use]
pub fn hashsize_line(buckets: i64) -> String {
    format!("options nf_conntrack hashsize={buckets}")
}

/// What the kernel is told before the loader runs, as writes, for a kernel that has `keys`.
///
/// A `sysctl.` parameter is obeyed before init runs (kernel 5.8 and later, `proc_sysctl.c`), so only where connection
/// tracking is built in. `nf_conntrack.hashsize=` reaches a built-in one and a module alike.
pub(in crate::boot) fn writes(snapshot: &Snapshot, keys: &BTreeSet<String>) -> Vec<Write> {
    let tree = &snapshot.tree;
    // modprobe hands a module the options of its files in order, the last one counts; the command line comes first.
    let mut told: Vec<Told> = cmdline(tree).filter_map(|told| told.of("nf_conntrack.")).collect();
    if snapshot.module != Module::BuiltIn {
        told.extend(drop_ins(tree, &MODPROBE, ".conf").iter().flat_map(|file| options(tree, file)));
    }
    let mut writes: Vec<Write> = told.into_iter().flat_map(|told| parameter(&told, snapshot.page_size)).collect();
    if snapshot.module == Module::BuiltIn {
        writes.extend(cmdline(tree).filter_map(|told| {
            let Told { name, text, place } = told.of("sysctl.")?;
            // Either separator will do here, as for sysctl(8).
            let key = name.replace('/', ".");
            keys.contains(&key).then_some(Write { key, text: text.into_bytes(), place })
        }));
    }
    writes
}

/// One `name=text`.
struct Told {
    name: String,
    text: String,
    place: Place,
}

impl Told {
    /// The same without `prefix`, in which dashes and underscores are one.
    fn of(self, prefix: &str) -> Option<Told> {
        let head = self.name.get(..prefix.len())?.replace('-', "_");
        (head == prefix).then(|| Told { name: self.name[prefix.len()..].to_owned(), ..self })
    }
}

/// What a parameter of the module makes of the settings.
///
/// With a `hashsize`, the limit is eight times the buckets, and the expectations 4 for each 256 of them
/// (`nf_conntrack_init_start`, `nf_conntrack_expect_init`; measured by real boots from 5.10 to 6.12).
fn parameter(told: &Told, page_size: u64) -> Vec<Write> {
    let write =
        |name: &str, text: String| Write { key: name.to_owned(), text: text.into_bytes(), place: told.place.clone() };
    let last = |last: &str| format!("{}{last}", catalog::PREFIX);
    let number = |text: &str| catalog::by_key(BUCKETS).and_then(|it| kernel_reading(text.as_bytes(), &it, page_size));
    match told.name.replace('-', "_").as_str() {
        "hashsize" => {
            let derived = number(&told.text).into_iter().flat_map(|buckets| {
                let expectations = (buckets / 256).max(1) * 4;
                [write(MAX, (buckets * 8).to_string()), write(&last("expect_max"), expectations.to_string())]
            });
            std::iter::once(write(BUCKETS, told.text.clone())).chain(derived).collect()
        }
        "acct" => vec![write(&last("acct"), switch(&told.text))],
        "tstamp" => vec![write(&last("timestamp"), switch(&told.text))],
        "nf_conntrack_helper" => vec![write(&last("helper"), switch(&told.text))],
        _ => Vec::new(),
    }
}

/// A switch in the forms that the kernel's `kstrtobool` takes, as the sysctl shows it.
fn switch(text: &str) -> String {
    let number = match text.as_bytes() {
        [b'1' | b'y' | b'Y' | b't' | b'T', ..] | [b'o' | b'O', b'n' | b'N', ..] => "1",
        [b'0' | b'n' | b'N' | b'f' | b'F', ..] | [b'o' | b'O', b'f' | b'F', ..] => "0",
        _ => text,
    };
    number.to_owned()
}

/// The parameters of the kernel command line.
fn cmdline(tree: &Tree) -> impl Iterator<Item = Told> {
    let text = String::from_utf8_lossy(tree.bytes(CMDLINE).unwrap_or_default()).into_owned();
    let place = Place { file: CMDLINE.into(), line: 1 };
    // What follows `--` is for init.
    let words: Vec<String> = text.split_whitespace().take_while(|word| *word != "--").map(str::to_owned).collect();
    words.into_iter().filter_map(move |word| told(&word, &place))
}

/// The options of the module in a file of modprobe.d(5).
fn options(tree: &Tree, file: &Path) -> Vec<Told> {
    let text = String::from_utf8_lossy(tree.bytes(file).unwrap_or_default());
    let mut options = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace();
        let is_options = words.next() == Some("options");
        if is_options && words.next().is_some_and(|name| name.replace('-', "_") == "nf_conntrack") {
            let place = Place { file: file.to_owned(), line: index + 1 };
            options.extend(words.filter_map(|word| told(word, &place)));
        }
    }
    options
}

fn told(word: &str, place: &Place) -> Option<Told> {
    let (name, text) = word.split_once('=')?;
    Some(Told { name: name.to_owned(), text: text.to_owned(), place: place.clone() })
}
