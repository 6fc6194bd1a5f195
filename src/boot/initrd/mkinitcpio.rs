//! Describes mkinitcpio, the maker of Arch Linux: its initrd has no loader, and loads the modules that `MODULES` in
//! /etc/mkinitcpio.conf names, with copies of modprobe.d.
//!
//! Source: `install/systemd` and `install/modconf` of mkinitcpio 41.

use std::path::{Path, PathBuf};

use super::{Cause, Copies, Effect, Maker, brings_conntrack};
use crate::tree::{Read, Tree, drop_ins};

pub(super) static MKINITCPIO: Maker = Maker {
    programs: &["/usr/bin/mkinitcpio"],
    is_used: |_| true,
    configuration: |tree| {
        let names =
            super::kernels::directories(tree).into_iter().map(|(modules, _)| Read::Candidate(modules.join(NAME)));
        let file = Read::Candidate(CONFIGURATION.into());
        names.chain([file]).chain(Read::directories(&DROP_INS, ".conf")).collect()
    },
    copies: |tree, _| loads_conntrack(tree).then_some(COPIES),
    initrds: |tree, modules, _| vec![format!("/boot/initramfs-{}.img", name(tree, modules)).into()],
    command: |tree, _, modules| ["/usr/bin/mkinitcpio", "-p", &name(tree, modules)].map(str::to_owned).to_vec(),
};

const COPIES: Copies =
    Copies { effect: Effect::Options, cause: Cause::Configured, paths: &["/etc/modprobe.d", "/usr/lib/modprobe.d"] };

const CONFIGURATION: &str = "/etc/mkinitcpio.conf";
const DROP_INS: [&str; 1] = ["/etc/mkinitcpio.conf.d"];

/// The file beside a kernel's modules with the name of its package, after which its preset and its initrd are named.
const NAME: &str = "pkgbase";

fn name(tree: &Tree, modules: &Path) -> String {
    let name = tree.text(modules.join(NAME)).trim().to_owned();
    if name.is_empty() { "linux".to_owned() } else { name }
}

/// Whether a line names a module that brings connection tracking. A shell reads the files, so that no more is looked for
/// than a word of that name outside of comments.
fn loads_conntrack(tree: &Tree) -> bool {
    let files = [PathBuf::from(CONFIGURATION)].into_iter().chain(drop_ins(tree, &DROP_INS, ".conf"));
    files.into_iter().any(|file| {
        let text = tree.text(file).into_owned();
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
        brings_conntrack(lines.flat_map(|line| line.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-')))))
    })
}
