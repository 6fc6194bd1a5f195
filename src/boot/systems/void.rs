//! Describes the boot of Void Linux: runit, whose first stage runs `modules-load`, then `sysctl -p` on each file.
//!
//! Sources: void-runit's `core-services/02-kmods.sh`, `core-services/08-sysctl.sh` and `modules-load`.

use std::path::{Path, PathBuf};

use super::lists::{is_there, matching};
use super::{Blacklist, MODULE_FILE, ModuleLists, Pace, SYSVINIT, Sign, Stage, System, one_by_one, signs};
use crate::sysctl_d::paths::SYSCTL_CONF;
use crate::sysctl_d::{Dialect, procps};
use crate::tree::{Read, Tree, drop_ins, first_of_each};

/// Void Linux.
pub static VOID: System = System {
    name: "void",
    summary: "Void's script 02-kmods.sh, then 08-sysctl.sh, which runs `sysctl -p` on each file.",
    command: "sysctl -p FILE",
    reads,
    detect,
    order: &[Stage::Modules(&MODULES), Stage::Loader(files), Stage::Udev],
    early: |_| MODULE_FILE,
    pace: |_| Pace::InOrder,
    idle: ("the script 08-sysctl.sh of runit's first stage is missing", "install the package void-runit anew"),
    ..SYSVINIT
};

/// The directory of the scripts, which Debian's runit does not have.
const SCRIPTS: &str = "/etc/runit/core-services";

/// The script of the loader.
const SCRIPT: &str = "08-sysctl.sh";

/// The directories, the strongest first.
const DIRECTORIES: [&str; 4] = ["/run/sysctl.d", "/etc/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d"];

/// One file of each name, in the order of the names, and /etc/sysctl.conf.
fn files(_: &Dialect, tree: &Tree) -> Vec<Vec<PathBuf>> {
    let counts = |name: &[u8]| name.ends_with(b".conf") && !name.starts_with(b".");
    let drop_ins = first_of_each(tree, &DIRECTORIES, |name, entry| counts(name) && is_there(entry));
    let conf = Some(Path::new(SYSCTL_CONF)).filter(|path| tree.get(path).is_some_and(is_there));
    one_by_one(drop_ins.into_iter().chain(conf.map(Path::to_owned)).collect())
}

/// The directories of its lists, the strongest first.
const LISTS: [&str; 3] = ["/etc/modules-load.d", "/run/modules-load.d", "/usr/lib/modules-load.d"];

static MODULES: ModuleLists = ModuleLists {
    reads: |_| Read::directories(&LISTS, ".conf").collect(),
    is_run: |_| true,
    files: |tree| drop_ins(tree, &LISTS, ".conf"),
    // A whole line is a name, its blanks too.
    module: |line| Some((line, "")).filter(|_| !line.is_empty() && !line.starts_with(['#', ';'])),
    parameters: &["modules-load"],
    blacklist: Blacklist::Obeyed,
};

fn reads(tree: &Tree) -> Vec<Read> {
    let mut reads = Vec::new();
    if signs::may_be_another(tree) {
        reads.extend(Read::directories(&[SCRIPTS], SCRIPT));
    }
    if has_script(tree) {
        reads.extend(procps::reads(tree));
    }
    reads
}

fn has_script(tree: &Tree) -> bool {
    !matching(tree, &[SCRIPTS], SCRIPT, is_there).is_empty()
}

fn detect(tree: &Tree) -> Option<Sign> {
    if !has_script(tree) {
        None
    } else if signs::program(tree).is_some_and(|name| ["runit-init", "runit", "init"].contains(&name)) {
        Some(Sign::Init)
    } else {
        signs::is_etc_alone(tree).then_some(Sign::Saved)
    }
}
