//! Names what must be read to know what a boot does. [`crate::host::observe`] reads it into a tree.

use super::writers;
use crate::snapshot::Module;
use crate::sysctl_d::paths::{CREDENTIALS, SYSCTL_CONF, SYSCTL_D};
use crate::sysctl_d::procps;
use crate::tree::{Read, Tree};

/// The directories of modules-load.d(5), the strongest first.
pub const MODULES_LOAD: [&str; 5] = [
    "/etc/modules-load.d",
    "/run/modules-load.d",
    "/usr/local/lib/modules-load.d",
    "/usr/lib/modules-load.d",
    "/lib/modules-load.d",
];

/// The directories of modprobe.d(5), the strongest first.
pub const MODPROBE: [&str; 5] =
    ["/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d"];

/// The directories of udev(7), the strongest first.
pub const UDEV_RULES: [&str; 5] = [
    "/etc/udev/rules.d",
    "/run/udev/rules.d",
    "/usr/local/lib/udev/rules.d",
    "/usr/lib/udev/rules.d",
    "/lib/udev/rules.d",
];

/// The modules that the init scripts beside procps load, and systemd through a link.
pub const MODULES: &str = "/etc/modules";
/// The kernel command line.
pub const CMDLINE: &str = "/proc/cmdline";

/// The directory that exists while systemd runs the machine (sd_booted(3)).
pub const SYSTEMD_RUNS: &str = "/run/systemd/system";
/// The first program of a boot.
pub const INIT: &str = "/sbin/init";
/// The loader of systemd, in the two places that distributions have it.
pub const SYSTEMD_SYSCTL: [&str; 2] = ["/usr/lib/systemd/systemd-sysctl", "/lib/systemd/systemd-sysctl"];
/// What must be read to know what a boot does, given what has been read. A host reads until this names nothing new.
#[must_use]
pub fn wanted(tree: &Tree, module: Module) -> Vec<Read> {
    let loaders = Read::directories(&SYSCTL_D, ".conf")
        .chain(Read::files(&[SYSCTL_CONF]))
        .chain(Read::files(&CREDENTIALS))
        .chain(Read::presences(&procps::LIBRARIES_3));
    let systems = Read::presences(&[SYSTEMD_RUNS]).chain(Read::presences(&SYSTEMD_SYSCTL));
    let init = [Read::Target(INIT.into()), Read::File(MODULES.into())];
    // Where connection tracking is part of the kernel, no file says when it comes.
    let lists = Read::directories(&MODULES_LOAD, ".conf").chain(Read::directories(&UDEV_RULES, ".rules"));
    let lists = lists.filter(|_| module != Module::BuiltIn);
    let kernel = writers::kernel::reads(module);
    loaders.chain(systems).chain(init).chain(lists).chain(kernel).chain(writers::reads(tree)).collect()
}
