//! Knows the boot of systemd: systemd-modules-load, then systemd-sysctl, which a udev rule may run again.

use super::{Blacklist, ModuleLists, Sign, Stage, System, once};
use crate::boot::arrival::drop_ins;
use crate::boot::wanted::{INIT, MODULES_LOAD, SYSTEMD_RUNS, SYSTEMD_SYSCTL};
use crate::sysctl_d;
use crate::tree::{Entry, Tree};

/// systemd.
pub static SYSTEMD: System = System {
    name: "systemd",
    summary: "systemd: systemd-modules-load, then systemd-sysctl.",
    command: sysctl_d::SYSTEMD.command,
    detect,
    dialect: |_| &sysctl_d::SYSTEMD,
    order: &[Stage::Modules(&MODULES), Stage::Loader(once), Stage::Udev("systemd-sysctl")],
};

/// The lists of systemd-modules-load(8), for which a whole line is a name.
static MODULES: ModuleLists = ModuleLists {
    files: |tree| drop_ins(tree, &MODULES_LOAD, ".conf"),
    module: |line| line,
    parameters: &["modules_load", "modules-load", "rd.modules_load", "rd.modules-load"],
    blacklist: Blacklist::Obeyed,
};

/// A running systemd tells; else the init program does. Where there is none (the file system of a container), the
/// loader that is installed decides.
fn detect(tree: &Tree) -> Option<Sign> {
    match tree.get(INIT) {
        _ if tree.get(SYSTEMD_RUNS).is_some() => Some(Sign::Running),
        Some(Entry::Link { target, .. }) => target.ends_with("systemd/systemd").then_some(Sign::Init),
        Some(_) => None,
        None => SYSTEMD_SYSCTL.iter().any(|path| tree.get(path).is_some()).then_some(Sign::Installed),
    }
}
