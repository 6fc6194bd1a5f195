//! Finds that the kernel command line names another first program than the machine's own: a shell, to repair something, or
//! another init system.

use super::Played;
use crate::boot::doubt::{Doubt, Reason};
use crate::boot::parameters::CMDLINE;
use crate::boot::systems::{INIT, RUNS};
use crate::formats::kernel_arguments;
use crate::tree::{Entry, Place, Read, Tree};

pub(super) fn reads(tree: &Tree) -> Vec<Read> {
    named(tree).map(|program| Read::Target(program.into())).into_iter().collect()
}

/// A program that ends in systemd is none, because the machine runs it now. One that is not here belongs to another root
/// than this one, as in a chroot.
pub(super) fn doubts(played: &Played) -> Vec<Doubt> {
    let tree = &played.snapshot.tree;
    let end = |path: &str| match tree.get(path) {
        Some(Entry::Link { target, .. }) => Some(target.clone()),
        _ => None,
    };
    let is_other = |program: &String| end(program).is_some_and(|other| end(INIT).is_some_and(|own| own != other));
    let found = named(tree).filter(is_other).filter(|_| tree.get(RUNS).is_none());
    let place = Place::new(CMDLINE, 1);
    found.map(|program| Doubt::of_line(Reason::UnknownInit, &place).detail(program)).into_iter().collect()
}

/// The program that the kernel command line names.
fn named(tree: &Tree) -> Option<String> {
    let text = tree.text(CMDLINE);
    let arguments = kernel_arguments::parse(&text).filter(|argument| argument.name == "init");
    arguments.filter_map(|argument| argument.value).last().map(str::to_owned)
}
