//! Finds the settings that hang on the kernel command line, where the boot loader has another one ready for the next boot.
//!
//! The command line of this boot is the best guess for the next one. Somebody may have changed the files of the boot loader
//! since, or have typed the words of this boot by hand. An image has the files of the boot loader alone.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Played;
use crate::boot::doubt::{About, Doubt, Reason};
use crate::boot::parameters::CMDLINE;
use crate::formats::boot_loader;
use crate::formats::kernel_arguments::{self, Argument};
use crate::order::InOrder;
use crate::tree::{Entry, Picked, Place, Read, Tree, as_text};

/// The words of which an argument that decides about settings has one.
const WORDS: &[&str] =
    &["conntrack", "netfilter", "modules_load", "modules-load", "blacklist", "systemd.mask", "systemd-sysctl"];

/// The words of which each line with a command line has one.
const OF_LINES: &[&str] = &["linux", "options", "append", "APPEND", "root=", "kernelopts"];

/// The files of boot loaders, and the directories of their entries.
const FILES: [(&str, &str); 9] = [
    ("/boot/grub/grub.cfg", ""),
    ("/boot/grub2/grub.cfg", ""),
    ("/boot/grub2/grubenv", ""),
    ("/boot/loader/entries", ".conf"),
    ("/boot/efi/loader/entries", ".conf"),
    ("/efi/loader/entries", ".conf"),
    ("/boot/extlinux/extlinux.conf", ""),
    ("/boot/firmware/cmdline.txt", ""),
    ("/boot/cmdline.txt", ""),
];

/// Whether arguments that decide are in the text.
pub(super) fn matters(text: &str) -> bool {
    WORDS.iter().any(|word| text.contains(word))
}

/// The lines that matter: those with a word that decides, and if this boot has such a word, those without one too.
pub(super) fn reads(tree: &Tree) -> Vec<Read> {
    let words = if matters(&tree.text(CMDLINE)) { OF_LINES } else { WORDS };
    let read =
        |(path, suffix): (&str, &'static str)| Read::Mentions { path: path.into(), suffix, files: Picked::All, words };
    FILES.into_iter().map(read).collect()
}

/// The files of boot loaders in the tree.
fn files(tree: &Tree) -> impl Iterator<Item = (&Path, &Entry)> {
    FILES.iter().flat_map(|(path, _)| {
        let path = Path::new(path);
        tree.get(path).map(|entry| (path, entry)).into_iter().chain(tree.in_directory(path))
    })
}

/// The tree as it is where the boot loader of the machine does not count.
pub(super) fn without(mut tree: Tree) -> Tree {
    let files: Vec<PathBuf> = files(&tree).map(|(path, _)| path.to_owned()).collect();
    for file in files {
        tree.remove(file);
    }
    tree
}

/// The arguments of a command line that decide about settings.
fn deciding(text: &str) -> BTreeSet<Argument<'_>> {
    let decides = |argument: &Argument| matters(argument.name) || argument.value.is_some_and(matters);
    kernel_arguments::parse(text).filter(decides).into_set()
}

/// The root that a command line names.
fn root(text: &str) -> Option<&str> {
    kernel_arguments::parse(text).find(|argument| argument.name == "root")?.value
}

pub(super) fn doubts(played: &Played) -> Vec<Doubt> {
    let tree = &played.snapshot.tree;
    let now = tree.text(CMDLINE);
    let decides_now = deciding(&now);
    // An entry with another root is that of another system.
    let is_of_system = |line: &str| match (root(&now), root(line)) {
        (Some(now), Some(then)) => now == then,
        _ => true,
    };
    let texts: Vec<(&Path, Cow<str>)> =
        files(tree).map(|(file, entry)| (file, as_text(entry.bytes().unwrap_or_default()))).collect();
    let mut others: BTreeMap<BTreeSet<Argument>, (Place, String)> = BTreeMap::new();
    for (file, text) in &texts {
        for (line, arguments) in boot_loader::command_lines(text) {
            let decides = deciding(arguments);
            if decides != decides_now && is_of_system(arguments) {
                let place = Place { file: (*file).to_owned(), line };
                others.entry(decides).or_insert_with(|| (place, arguments.to_owned()));
            }
        }
    }
    let doubt = |(place, arguments): &(Place, String)| {
        let mut then = tree.clone();
        then.insert(CMDLINE, Entry::File(arguments.clone().into_bytes()));
        let names = played.differing(&played.with_files(then, played.snapshot.module));
        let is_one = !names.is_empty();
        is_one.then(|| Doubt::of_line(Reason::CommandLine, place).about(About::Only(names)))
    };
    others.values().filter_map(doubt).collect()
}
