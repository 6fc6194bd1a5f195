//! Knows the boot by LSB scripts: kmod, then procps. sysvinit runs them, and so do runit and OpenRC as Debian has them.

use std::path::PathBuf;

use super::{Blacklist, MODULES_LOAD, ModuleLists, Stage, System, once};
use crate::sysctl_d::{PROCPS, procps};
use crate::tree::{Read, Tree, drop_ins};

/// The file that the script kmod reads last. For systemd, Debian has a link to it in modules-load.d.
const MODULES_FILE: &str = "/etc/modules";

/// The LSB scripts beside procps. Requests and reports know them by the loader.
pub static SYSVINIT: System = System {
    name: "procps",
    summary: "The init scripts kmod, then procps, which runs `sysctl --system`.",
    command: PROCPS.command,
    reads: |_| procps::reads().collect(),
    detect: |_| None,
    dialect: procps::installed,
    order: &[Stage::Modules(&MODULES), Stage::Loader(once)],
};

/// The lists of the script kmod, which takes the words behind a name for parameters, and calls modprobe(8).
static MODULES: ModuleLists = ModuleLists {
    reads: |_| Read::directories(&MODULES_LOAD, ".conf").chain(Read::files(&[MODULES_FILE])).collect(),
    files,
    module: |line| line.split_whitespace().next().unwrap_or_default(),
    parameters: &["modules_load", "modules-load", "rd.modules_load", "rd.modules-load"],
    blacklist: Blacklist::ForAliases,
};

/// modules-load.d, and /etc/modules last.
fn files(tree: &Tree) -> Vec<PathBuf> {
    let mut files = drop_ins(tree, &MODULES_LOAD, ".conf");
    if tree.get(MODULES_FILE).is_some() {
        files.push(MODULES_FILE.into());
    }
    files
}
