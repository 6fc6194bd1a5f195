//! Describes the boot of finit: its plug-in procps runs `sysctl` on each file, and its tasks load the modules later.
//!
//! Sources: finit's `plugins/procps.c` and `plugins/modules-load.c`.

use std::path::{Path, PathBuf};

use super::lists::{is_there, matching, words};
use super::{Blacklist, Early, ModuleLists, Pace, SYSVINIT, Sign, Stage, System, one_by_one, signs};
use crate::sysctl_d::paths::SYSCTL_CONF;
use crate::sysctl_d::{BUSYBOX, Dialect, procps};
use crate::tree::{Entry, Read, Tree};

/// finit.
pub static FINIT: System = System {
    name: "finit",
    summary: "finit's plug-in procps, which runs `sysctl -p` on each file; the modules come later.",
    command: "sysctl -e -p FILE",
    reads,
    detect,
    dialect,
    others: |tree| if signs::has_busybox(tree) { &[] } else { procps::others(tree) },
    order: &[Stage::Loader(files), Stage::Modules(&MODULES), Stage::Udev],
    early: |_| Early::Never {
        why: "finit writes the sysctls before it loads any module",
        remedy: "boot a kernel that has nf_conntrack built in, or let the initrd or a task of finit's own load it and then \
                 run `sysctl -p` on the file",
    },
    pace: |_| Pace::InOrder,
    idle: ("finit has no plug-in procps", "install the plug-in (/usr/lib/finit/plugins/procps.so)"),
    ..SYSVINIT
};

/// The plug-in that runs `sysctl`, as distributions have it.
const PLUG_INS: [&str; 5] = [
    "/usr/lib/finit/plugins/procps.so",
    "/lib/finit/plugins/procps.so",
    "/usr/lib/x86_64-linux-gnu/finit/plugins/procps.so",
    "/usr/lib/aarch64-linux-gnu/finit/plugins/procps.so",
    "/usr/lib64/finit/plugins/procps.so",
];

/// What only a machine with finit has in /etc.
const SAVED: [&str; 2] = ["/etc/finit.d", "/etc/finit.conf"];

/// The directories, in the order of reading. No file hides another, so that one of a package may have the last word.
const DIRECTORIES: [&str; 6] = [
    "/run/sysctl.d",
    "/etc/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/usr/lib/sysctl.d",
    "/lib/sysctl.d",
    "/mnt/sysctl.d",
];

fn dialect(tree: &Tree) -> &'static Dialect {
    if signs::has_busybox(tree) { &BUSYBOX } else { procps::installed(tree) }
}

fn files(_: &Dialect, tree: &Tree) -> Vec<Vec<PathBuf>> {
    let has_plug_in = || PLUG_INS.iter().any(|path| tree.get(path).is_some());
    if signs::program(tree) == Some(PROGRAM) && !has_plug_in() {
        return Vec::new();
    }
    let conf = Some(Path::new(SYSCTL_CONF)).filter(|path| tree.get(path).is_some_and(is_there));
    let drop_ins = matching(tree, &DIRECTORIES, ".conf", is_there);
    one_by_one(drop_ins.into_iter().chain(conf.map(Path::to_owned)).collect())
}

/// Every file counts, but for hidden ones and copies of editors.
static MODULES: ModuleLists = ModuleLists {
    reads: |_| Read::directories(&[LISTS], "").collect(),
    is_run: |_| true,
    files: |tree| {
        let is_list = |entry: &Entry| is_there(entry) && *entry != Entry::Directory;
        let is_copy = |path: &PathBuf| path.as_os_str().as_encoded_bytes().ends_with(b"~");
        matching(tree, &[LISTS], "", is_list).into_iter().filter(|path| !is_copy(path)).collect()
    },
    module: |line| words(line).filter(|(name, _)| !name.starts_with(['#', ';']) && *name != "set"),
    parameters: &[],
    blacklist: Blacklist::ForAliases,
};

const LISTS: &str = "/etc/modules-load.d";

/// The name of the init program.
const PROGRAM: &str = "finit";

fn reads(tree: &Tree) -> Vec<Read> {
    let mut reads = Vec::new();
    if signs::is_etc_alone(tree) {
        reads.extend(Read::presences(&SAVED));
    }
    if signs::program(tree) == Some(PROGRAM) || SAVED.iter().any(|path| tree.get(path).is_some()) {
        reads.extend(procps::reads(tree));
        reads.extend(Read::presences(&PLUG_INS).chain([signs::of_sysctl()]));
        reads.extend(Read::directories(&DIRECTORIES[5..], ".conf"));
    }
    reads
}

fn detect(tree: &Tree) -> Option<Sign> {
    if signs::program(tree) == Some(PROGRAM) {
        Some(Sign::Init)
    } else {
        (signs::is_etc_alone(tree) && SAVED.iter().any(|path| tree.get(path).is_some())).then_some(Sign::Saved)
    }
}
