//! Finds the settings that hang on the kernel command line, where the boot loader has another one ready for the next boot.
//!
//! The command line of this boot is the best guess for the next one. Somebody may have changed the files of the boot loader
//! since, or have typed the words of this boot by hand. An image has the files of the boot loader alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::Played;
use crate::boot::boot_loaders::{FILES, OF_KEXEC, command_lines, files};
use crate::boot::doubt::{About, Doubt, Reason};
use crate::boot::parameters::CMDLINE;
use crate::boot::systems::INIT;
use crate::formats::kernel_arguments::{self, Argument};
use crate::order::InOrder;
use crate::tree::{Entry, Place, Read, Tree};

/// The words of which an argument that decides about settings has one.
const WORDS: &[&str] =
    &["conntrack", "netfilter", "modules_load", "modules-load", "blacklist", "systemd.mask", "systemd-sysctl"];

/// The same, and those of lines that decide about everything.
const WORDS_OF_ALL: &[&str] = &[
    "conntrack",
    "netfilter",
    "modules_load",
    "modules-load",
    "blacklist",
    "systemd.mask",
    "systemd-sysctl",
    FIRST_PROGRAM,
    IN_MEMORY,
    // They have systemd start more.
    "systemd.wants=",
    "systemd.run=",
];

/// The words of lines that name another first program, or have the root in memory.
const FIRST_PROGRAM: &str = "init=";
const IN_MEMORY: &str = "systemd.volatile=";

/// The words of which each line with a command line has one.
const OF_LINES: &[&str] = &["linux", "options", "append", "APPEND", "root=", "kernelopts"];

/// Whether arguments that decide are in the text.
pub(super) fn matters(text: &str) -> bool {
    WORDS.iter().any(|word| text.contains(word))
}

/// The lines that matter: those with a word that decides, and if this boot has such a word, those without one too.
pub(super) fn reads(tree: &Tree) -> Vec<Read> {
    let words = if matters(&tree.text(CMDLINE)) { OF_LINES } else { WORDS_OF_ALL };
    let read = |(path, suffix): (&str, &'static str)| Read::mentions(path, suffix, words);
    let programs = first_programs(tree).into_values().map(|program| Read::Target(program.into()));
    FILES.into_iter().map(read).chain(programs).chain(Read::files(&[OF_KEXEC])).collect()
}

/// The first programs that the lines of boot loaders name, each with its line. That of a release of NixOS is a script of it.
fn first_programs(tree: &Tree) -> BTreeMap<Place, String> {
    let of_line = |(place, arguments): (Place, String)| {
        let named = kernel_arguments::parse(&arguments).filter(|argument| argument.name == "init");
        Some((place, named.filter_map(|argument| argument.value).last()?.to_owned()))
    };
    command_lines(tree).filter_map(of_line).filter(|(_, program)| !program.starts_with("/nix/")).into_map()
}

/// The doubts about all settings: a line has another program than init start first, or has the root in memory.
fn of_all(tree: &Tree, is_of_system: impl Fn(&str) -> bool) -> Vec<Doubt> {
    let end = |path: &str| match tree.get(path) {
        Some(Entry::Link { target, .. }) => Some(target.clone()),
        _ => None,
    };
    // A program that is not here belongs to another root.
    let is_other = |program: &str| end(program).is_some_and(|other| end(INIT).is_some_and(|own| own != other));
    let programs = first_programs(tree);
    let is_volatile = |arguments: &str| {
        let parsed = kernel_arguments::parse(arguments);
        let last = parsed.filter(|argument| argument.name == "systemd.volatile").last();
        last.is_some_and(|it| matches!(it.value, Some("yes" | "overlay" | "true" | "1" | "on") | None))
    };
    let now = is_volatile(&tree.text(CMDLINE));
    let doubts =
        command_lines(tree).filter(|(_, arguments)| is_of_system(arguments)).filter_map(|(place, arguments)| {
            let of_program = programs.get(&place).filter(|program| is_other(program));
            let of_program = of_program.map(|program| Doubt::of_line(Reason::UnknownInit, &place).detail(program));
            of_program
                .or_else(|| (!now && is_volatile(&arguments)).then(|| Doubt::of_line(Reason::CommandLine, &place)))
        });
    doubts.collect()
}

/// The tree as it is where the boot loader of the machine does not count.
pub(super) fn without(mut tree: Tree) -> Tree {
    let files: Vec<PathBuf> = files(&tree).map(|(path, _)| path.to_owned()).collect();
    for file in files.into_iter().chain([OF_KEXEC.into()]) {
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
    let lines: Vec<(Place, String)> = command_lines(tree).collect();
    let mut others: BTreeMap<BTreeSet<Argument>, &(Place, String)> = BTreeMap::new();
    for line in &lines {
        let decides = deciding(&line.1);
        if decides != decides_now && is_of_system(&line.1) {
            others.entry(decides).or_insert(line);
        }
    }
    let of_all = of_all(tree, is_of_system);
    let doubt = |(place, arguments): &&(Place, String)| {
        let mut then = tree.clone();
        then.insert(CMDLINE, Entry::File(arguments.clone().into_bytes()));
        let names = played.differing(&played.with_files(then, played.snapshot.module));
        let is_one = !names.is_empty();
        is_one.then(|| Doubt::of_line(Reason::CommandLine, place).about(About::Only(names)))
    };
    of_all.into_iter().chain(others.values().filter_map(doubt)).collect()
}
