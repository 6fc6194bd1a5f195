//! Describes the boot of systemd: systemd-modules-load, then systemd-sysctl, which a udev rule may run again.

use super::{Blacklist, INIT, MODULES_LOAD, ModuleLists, Sign, Stage, System, once};
use crate::sysctl_d;
use crate::tree::{Entry, Read, Tree, drop_ins};

/// The directory that exists while systemd runs the machine (sd_booted(3)).
const RUNS: &str = "/run/systemd/system";

/// The loader, in the two places that distributions have it.
const LOADER: [&str; 2] = ["/usr/lib/systemd/systemd-sysctl", "/lib/systemd/systemd-sysctl"];

/// systemd.
pub static SYSTEMD: System = System {
    name: "systemd",
    summary: "systemd: systemd-modules-load, then systemd-sysctl.",
    command: sysctl_d::SYSTEMD.command,
    reads,
    detect,
    dialect: |_| &sysctl_d::SYSTEMD,
    order: &[Stage::Modules(&MODULES), Stage::Loader(once), Stage::Udev("systemd-sysctl")],
    doubt: |_| None,
};

/// The lists of systemd-modules-load(8), for which a whole line is a name.
static MODULES: ModuleLists = ModuleLists {
    reads: |_| Read::directories(&MODULES_LOAD, ".conf").collect(),
    files: |tree| drop_ins(tree, &MODULES_LOAD, ".conf"),
    // Its comments begin with either sign.
    module: |line| Some((line.trim(), "")).filter(|(name, _)| !name.is_empty() && !name.starts_with(['#', ';'])),
    parameters: &["modules_load", "modules-load", "rd.modules_load", "rd.modules-load"],
    blacklist: Blacklist::Obeyed,
};

fn reads(_: &Tree) -> Vec<Read> {
    let signs = Read::presences(&[RUNS]).chain(Read::presences(&LOADER)).chain([Read::Target(INIT.into())]);
    signs.chain(sysctl_d::systemd::reads()).collect()
}

/// A running systemd is the strongest sign, and the init program the next. If there is neither (the file system of a
/// container), the installed loader decides.
fn detect(tree: &Tree) -> Option<Sign> {
    match tree.get(INIT) {
        _ if tree.get(RUNS).is_some() => Some(Sign::Running),
        Some(Entry::Link { target, .. }) => target.ends_with("systemd/systemd").then_some(Sign::Init),
        Some(_) => None,
        None => LOADER.iter().any(|path| tree.get(path).is_some()).then_some(Sign::Installed),
    }
}
