//! Describes the boot of systemd: systemd-modules-load, then systemd-sysctl, which a udev rule may run again.

use std::path::PathBuf;

use super::unit::{self, Unit};
use super::{Blacklist, INIT, MODULE_FILE, MODULES_LOAD, ModuleLists, Pace, Sign, Stage, System, once, signs, start};
use crate::boot::doubt::{Doubt, Reason};
use crate::sysctl_d::paths::ENCRYPTED_CREDENTIALS;
use crate::sysctl_d::{self, Dialect};
use crate::tree::{Entry, Read, Tree, drop_ins};

/// The directory that exists while systemd runs the machine (sd_booted(3)).
pub(in crate::boot) const RUNS: &str = "/run/systemd/system";

/// The loader, in the two places that distributions have it.
const LOADER: [&str; 2] = ["/usr/lib/systemd/systemd-sysctl", "/lib/systemd/systemd-sysctl"];

/// systemd.
pub static SYSTEMD: System = System {
    name: "systemd",
    summary: "systemd: systemd-modules-load, then systemd-sysctl.",
    command: sysctl_d::SYSTEMD.command,
    reads,
    detect,
    dialect: sysctl_d::systemd::installed,
    others: sysctl_d::systemd::others,
    order: &[Stage::Modules(&MODULES), Stage::Loader(once_unless_masked), Stage::Udev],
    doubt,
    early: |_| MODULE_FILE,
    pace: |_| Pace::InOrder,
    idle: (
        "the unit of systemd-sysctl is masked",
        "run `systemctl unmask systemd-sysctl.service`, or take `systemd.mask=` for it off the kernel command line",
    ),
};

/// The lists of systemd-modules-load(8), for which a whole line is a name.
static MODULES: ModuleLists = ModuleLists {
    reads: |_| Read::directories(&MODULES_LOAD, ".conf").collect(),
    is_run: |tree| !MODULES_UNIT.is_masked(tree),
    files: |tree| drop_ins(tree, &MODULES_LOAD, ".conf"),
    // Its comments begin with either sign.
    module: |line| Some((line.trim(), "")).filter(|(name, _)| !name.is_empty() && !name.starts_with(['#', ';'])),
    parameters: &["modules_load", "modules-load"],
    blacklist: Blacklist::Obeyed,
};

/// The unit that runs the loader.
static LOADER_UNIT: Unit =
    Unit { name: "systemd-sysctl.service", drop_ins: &["systemd-sysctl.service.d", "systemd-.service.d", "service.d"] };

/// The unit that loads the modules.
static MODULES_UNIT: Unit = Unit {
    name: "systemd-modules-load.service",
    drop_ins: &["systemd-modules-load.service.d", "systemd-modules-.service.d", "systemd-.service.d", "service.d"],
};

/// The loader runs once, unless its unit is masked.
fn once_unless_masked(dialect: &Dialect, tree: &Tree) -> Vec<Vec<PathBuf>> {
    if LOADER_UNIT.is_masked(tree) { Vec::new() } else { once(dialect, tree) }
}

/// A changed unit, or one that nothing starts, or a credential that only the machine can decrypt.
fn doubt(tree: &Tree) -> Option<Doubt> {
    let credential = ENCRYPTED_CREDENTIALS.iter().find(|path| tree.get(path).is_some());
    let credential = credential.map(|path| Doubt::of_file(Reason::EncryptedCredential, path.as_ref()));
    let of_unit = |unit: &Unit| unit.doubt(tree).or_else(|| start::doubt(tree, unit));
    of_unit(&LOADER_UNIT).or_else(|| of_unit(&MODULES_UNIT)).or(credential)
}

fn reads(tree: &Tree) -> Vec<Read> {
    let signs = Read::presences(&[RUNS]).chain(Read::presences(&LOADER)).chain([Read::Target(INIT.into())]);
    let of_unit = |unit: &Unit| unit.reads().chain(start::reads(tree, unit)).collect::<Vec<_>>();
    let units = [&LOADER_UNIT, &MODULES_UNIT].into_iter().flat_map(of_unit);
    let saved = Read::presences(&SAVED).filter(|_| signs::is_etc_alone(tree));
    let signs = signs.chain(signs::reads(tree)).chain(saved);
    signs
        .chain(sysctl_d::systemd::reads(tree))
        .chain(units)
        .chain(unit::reads_of_kernels(tree))
        .chain(Read::presences(&ENCRYPTED_CREDENTIALS))
        .collect()
}

/// What only a machine with systemd has in /etc.
const SAVED: [&str; 2] = ["/etc/systemd/system", "/etc/systemd/system.conf"];

/// A running systemd is the strongest sign, and the init program the next. If there is neither (the file system of a
/// container), the installed loader decides.
fn detect(tree: &Tree) -> Option<Sign> {
    match tree.get(INIT) {
        _ if tree.get(RUNS).is_some() => Some(Sign::Running),
        Some(Entry::Link { target, .. }) => target.ends_with("systemd/systemd").then_some(Sign::Init),
        Some(_) => None,
        None if LOADER.iter().any(|path| tree.get(path).is_some()) => Some(Sign::Installed),
        None => {
            (SAVED.iter().any(|path| tree.get(path).is_some()) || signs::is_of_systemd(tree)).then_some(Sign::Saved)
        }
    }
}
