//! Knows the programs that make initrds, and finds the initrds that were made before a file was changed of which they hold
//! a copy.
//!
//! Such an initrd loads the module or writes the sysctls by its copies, before the root is there. The boot then reads the
//! real files, and these win wherever they say something. Nothing undoes what only the copies say.
//!
//! A new maker is a file beside `dracut.rs` and a line in [`MAKERS`].

mod dracut;
mod initramfs_tools;
mod mkinitcpio;

use std::path::{Path, PathBuf};

use super::kernels;
use super::systems::System;
use crate::kernel::modules;
use crate::tree::{Moment, Read, Tree};

/// A program that makes initrds.
pub(super) struct Maker {
    /// The paths at which it may be installed.
    programs: &'static [&'static str],
    /// Decides whether an installed maker is the one that makes the machine's initrds.
    is_used: fn(&Tree) -> bool,
    /// Lists the reads that find out what it copies, on a machine that has it.
    configuration: fn(&Tree) -> Vec<Read>,
    /// Decides what the initrd does with its copies, on a machine that boots with an init system. None: nothing that
    /// matters here.
    copies: fn(&Tree, &System) -> Option<Copies>,
    /// Lists the paths at which the initrd of a kernel may be, the most likely first.
    initrds: fn(&Tree, &Path, &str) -> Vec<PathBuf>,
    /// The command that makes an initrd anew, given its path and the directory of the kernel's modules.
    command: fn(&Tree, &Path, &Path) -> Vec<String>,
}

/// The effect of the copies in an initrd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// It loads the module with the options that are copied, and writes the sysctls that are copied.
    Sysctls,
    /// It loads the module with the options that are copied.
    Options,
}

/// What makes an initrd load the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// The configuration of its maker names it.
    Configured,
    /// Copies of the lists in these directories may name it.
    Lists(&'static [&'static str]),
}

/// Whether an initrd may load the module although the boot's own lists do not name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lists {
    /// It may: the lists may have named it then.
    Other,
    /// It does not: it has copies of the same lists.
    Same,
}

/// The files that an initrd has copies of.
pub(super) struct Copies {
    effect: Effect,
    cause: Cause,
    /// The files, and the directories whose files are copied.
    paths: &'static [&'static str],
}

/// Every known maker.
static MAKERS: [&Maker; 3] = [&dracut::DRACUT, &initramfs_tools::INITRAMFS_TOOLS, &mkinitcpio::MKINITCPIO];

/// An initrd that was made before a file was changed of which it holds a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// The initrd.
    pub initrd: PathBuf,
    /// The file or directory that was changed later than the initrd.
    pub changed: PathBuf,
    /// The command that makes the initrd anew: a program and its arguments.
    pub command: Vec<String>,
    pub(super) effect: Effect,
    pub(super) lists: Lists,
}

/// The maker of this machine's initrds, if it is known.
fn maker(tree: &Tree) -> Option<&'static Maker> {
    let is_installed = |maker: &Maker| maker.programs.iter().any(|program| tree.get(program).is_some());
    MAKERS.into_iter().find(|maker| is_installed(maker) && (maker.is_used)(tree))
}

/// The reads that find stale initrds, given the files that have been read.
pub(super) fn reads(tree: &Tree) -> Vec<Read> {
    let mut reads: Vec<Read> = MAKERS.iter().flat_map(|maker| Read::presences(maker.programs)).collect();
    reads.extend(Read::presences(&dracut::HOOKS));
    let Some(maker) = maker(tree) else { return reads };
    reads.extend((maker.configuration)(tree));
    let systems = super::systems::SYSTEMS.into_iter();
    let copied: Vec<&str> = systems
        .filter_map(|system| (maker.copies)(tree, system))
        .flat_map(|it| it.paths.iter().chain(it.lists()))
        .copied()
        .collect();
    if !copied.is_empty() {
        let initrds = kernels::directories(tree)
            .into_iter()
            .flat_map(|(modules, release)| (maker.initrds)(tree, &modules, &release));
        reads.extend(copied.into_iter().map(PathBuf::from).chain(initrds).map(Read::Moments));
    }
    reads
}

/// The stale initrds of the kernels that can boot next, on a machine that boots with `system`.
#[must_use]
pub fn stale(tree: &Tree, system: &System) -> Vec<Stale> {
    let Some(maker) = maker(tree) else { return Vec::new() };
    let Some(copies) = (maker.copies)(tree, system) else { return Vec::new() };
    let of_kernel = |(modules, release): (PathBuf, String)| {
        let mut found = (maker.initrds)(tree, &modules, &release).into_iter();
        let (initrd, made) = found.find_map(|path| Some((path.clone(), tree.changed(&path)?)))?;
        let changed = changed_after(made, tree, copies.paths)?;
        let command = (maker.command)(tree, &initrd, &modules);
        let is_same = !copies.lists().is_empty() && changed_after(made, tree, copies.lists()).is_none();
        let lists = if is_same { Lists::Same } else { Lists::Other };
        Some(Stale { initrd, changed, command, effect: copies.effect, lists })
    };
    kernels::directories(tree).into_iter().filter_map(of_kernel).collect()
}

/// Whether the maker of this machine's initrds is configured to have them load the module. Whether the initrds that are there
/// do so, only they could tell.
#[must_use]
pub(super) fn is_loaded_by_initrd(tree: &Tree, system: &System) -> Option<PathBuf> {
    let maker = maker(tree)?;
    let copies = (maker.copies)(tree, system).filter(|copies| copies.cause == Cause::Configured)?;
    debug_assert!(!copies.paths.is_empty());
    let mut found = kernels::directories(tree).into_iter().flat_map(|(modules, release)| {
        (maker.initrds)(tree, &modules, &release).into_iter().filter(|path| tree.changed(path).is_some())
    });
    found.next()
}

impl Copies {
    /// The directories of the lists that decide whether the initrd loads the module.
    fn lists(&self) -> &'static [&'static str] {
        match self.cause {
            Cause::Configured => &[],
            Cause::Lists(directories) => directories,
        }
    }
}

/// The file among those at `paths` that was changed last, if that was after `made`. A file that was removed shows only in
/// its directory.
fn changed_after(made: Moment, tree: &Tree, paths: &[&str]) -> Option<PathBuf> {
    let is_drop_in = |path: &Path| path.extension().is_some_and(|extension| extension == "conf");
    let is_copied = |path: &Path| {
        let directory = path.parent().filter(|_| is_drop_in(path));
        paths.iter().map(Path::new).any(|copied| path == copied || directory == Some(copied))
    };
    let changes = tree.moments().filter(|(path, moment)| *moment > made && is_copied(path));
    changes.max_by_key(|(path, moment)| (is_drop_in(path), *moment)).map(|(path, _)| path.to_owned())
}

/// Whether a list of modules in `words` names connection tracking, or a module that brings it.
fn brings_conntrack<'a>(mut words: impl Iterator<Item = &'a str>) -> bool {
    words.any(|word| {
        let name = word.replace('-', "_");
        name == modules::CONNTRACK || modules::BRINGS_CONNTRACK.contains(&name.as_str())
    })
}

/// The program of `maker` that is installed.
fn installed(tree: &Tree, maker: &Maker) -> String {
    let mut programs = maker.programs.iter();
    programs.find(|program| tree.get(program).is_some()).unwrap_or(&maker.programs[0]).to_string()
}
