//! Reads what the kernel itself is told about connection tracking before any loader runs: the options of its module
//! and the kernel command line.

use std::collections::BTreeSet;
use std::path::Path;

use super::arrival::drop_ins;
use super::sources::{CMDLINE, MODPROBE};
use crate::catalog::BUCKETS;
use crate::snapshot::Module;
use crate::sysctl_d::Write;
use crate::tree::{Place, Tree};

/// The file in which a run sets the number of buckets for kernels where the sysctl cannot be written (before 4.7).
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
pub(super) fn writes(tree: &Tree, module: Module, keys: &BTreeSet<String>) -> Vec<Write> {
    let mut writes = Vec::new();
    // modprobe hands a module the options of its files in order, the last one counts; the command line comes first.
    writes.extend(cmdline(tree).filter_map(|(key, text, place)| hashsize_of(&key, &text, place)));
    if module == Module::BuiltIn {
        writes.extend(cmdline(tree).filter_map(|(key, text, place)| {
            // Either separator will do here, as for sysctl(8).
            let key = key.strip_prefix("sysctl.")?.replace('/', ".");
            keys.contains(&key).then_some(Write { key, text: text.into_bytes(), place })
        }));
    } else {
        for file in drop_ins(tree, &MODPROBE, ".conf") {
            writes.extend(options(tree, &file));
        }
    }
    writes
}

fn hashsize_of(key: &str, text: &str, place: Place) -> Option<Write> {
    let is_hashsize = key.replace('-', "_") == "nf_conntrack.hashsize";
    is_hashsize.then(|| Write { key: BUCKETS.to_owned(), text: text.as_bytes().to_vec(), place })
}

/// The parameters of the kernel command line.
fn cmdline(tree: &Tree) -> impl Iterator<Item = (String, String, Place)> {
    let text = String::from_utf8_lossy(tree.bytes(CMDLINE).unwrap_or_default()).into_owned();
    let place = Place { file: CMDLINE.into(), line: 1 };
    // What follows `--` is for init.
    let words: Vec<String> = text.split_whitespace().take_while(|word| *word != "--").map(str::to_owned).collect();
    words.into_iter().filter_map(move |word| {
        let (key, value) = word.split_once('=')?;
        Some((key.to_owned(), value.to_owned(), place.clone()))
    })
}

/// The `options nf_conntrack hashsize=` lines of a file of modprobe.d(5).
fn options(tree: &Tree, file: &Path) -> Vec<Write> {
    let text = String::from_utf8_lossy(tree.bytes(file).unwrap_or_default());
    let mut writes = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace();
        if words.next() != Some("options")
            || words.next().map(|name| name.replace('-', "_")) != Some("nf_conntrack".into())
        {
            continue;
        }
        let place = Place { file: file.to_owned(), line: index + 1 };
        writes.extend(words.filter_map(|word| word.strip_prefix("hashsize=")).map(|text| Write {
            key: BUCKETS.to_owned(),
            text: text.as_bytes().to_vec(),
            place: place.clone(),
        }));
    }
    writes
}
