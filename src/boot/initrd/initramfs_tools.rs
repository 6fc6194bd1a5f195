//! Describes initramfs-tools, the maker of Debian and Ubuntu: its initrd has no loader, and loads the modules that
//! /etc/initramfs-tools/modules names, with copies of modprobe.d.
//!
//! Source: `mkinitramfs` of initramfs-tools 0.142.

use std::path::Path;

use super::{Cause, Copies, Effect, Maker, brings_conntrack};
use crate::tree::{Read, Tree};

pub(super) static INITRAMFS_TOOLS: Maker = Maker {
    programs: &["/usr/sbin/mkinitramfs"],
    is_used: |_| true,
    configuration: |_| vec![Read::Candidate(MODULES.into()), Read::Directory { path: OF_PACKAGES.into(), suffix: "" }],
    copies: |tree, _| loads_conntrack(tree).then_some(COPIES),
    initrds: |_, _, release| vec![format!("/boot/initrd.img-{release}").into()],
    command: |_, _, modules| {
        let release = modules.file_name().unwrap_or_default().to_string_lossy().into_owned();
        ["/usr/sbin/update-initramfs", "-u", "-k", &release].map(str::to_owned).to_vec()
    },
};

const COPIES: Copies = Copies {
    effect: Effect::Options,
    cause: Cause::Configured,
    paths: &["/etc/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d"],
};

/// The list of the administrator.
const MODULES: &str = "/etc/initramfs-tools/modules";

/// The lists of packages.
const OF_PACKAGES: &str = "/usr/share/initramfs-tools/modules.d";

/// Whether a list names a module that brings connection tracking. The first word of a line is a name.
fn loads_conntrack(tree: &Tree) -> bool {
    let of_packages = tree.in_directory(Path::new(OF_PACKAGES)).map(|(path, _)| path);
    [Path::new(MODULES)].into_iter().chain(of_packages).any(|path| {
        let text = tree.text(path).into_owned();
        brings_conntrack(text.lines().filter_map(|line| line.split_whitespace().next()))
    })
}
