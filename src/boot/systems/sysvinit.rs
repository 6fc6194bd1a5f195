//! Describes the boot by LSB scripts: kmod, then procps. sysvinit runs them, and so do runit and OpenRC as Debian has
//! them.

use std::path::{Path, PathBuf};

use super::lists::words;
use super::{Blacklist, INIT, MODULE_FILE, MODULES_LOAD, ModuleLists, Pace, Sign, Stage, System, once, signs};
use crate::sysctl_d::{PROCPS, procps};
use crate::tree::{Entry, Read, Tree, drop_ins};

/// The file that the script kmod reads last. For systemd, Debian has a link to it in modules-load.d.
const MODULES_FILE: &str = "/etc/modules";

/// The LSB scripts beside procps. Requests and reports know them by the loader.
pub static SYSVINIT: System = System {
    name: "procps",
    summary: "The init scripts kmod, then procps, which runs `sysctl --system`.",
    command: PROCPS.command,
    reads,
    detect,
    dialect: procps::installed,
    others: procps::others,
    // Debian's udev does not belong to its init system.
    order: &[Stage::Modules(&MODULES), Stage::Loader(once), Stage::Udev],
    doubt: |_| None,
    early: |_| MODULE_FILE,
    pace: |_| Pace::InOrder,
    idle: ("the script procps does not run", "run `update-rc.d procps defaults`"),
};

/// The directories of the scripts that run first at boot: sysvinit's and runit's with a link `S09procps`, and OpenRC's
/// with a link `procps`.
const FIRST: [&str; 2] = ["/etc/rcS.d", "/etc/runlevels/sysinit"];

/// The scripts, by the ends of the names of their links.
const SCRIPTS: [&str; 2] = ["kmod", "procps"];

/// The names of the init programs that run these scripts: of sysvinit, runit and OpenRC.
const PROGRAMS: [&str; 3] = ["init", "runit-init", "openrc-init"];

fn reads(tree: &Tree) -> Vec<Read> {
    // On most machines the name of the init program tells enough.
    let scripts = SCRIPTS.iter().filter(|_| may_be_it(tree) || signs::is_etc_alone(tree));
    let links = scripts.flat_map(|script| Read::directories(&FIRST, script));
    let saved = Read::presences(&[INITTAB]).filter(|_| signs::is_etc_alone(tree));
    links.chain(saved).chain([Read::Target(INIT.into())]).chain(procps::reads(tree)).collect()
}

/// The table of sysvinit's program, which a saved /etc has.
const INITTAB: &str = "/etc/inittab";

/// The sign is an init program of the right name, with both scripts among those that run first. The name alone is no
/// sign, because other programs are called `init` too.
fn detect(tree: &Tree) -> Option<Sign> {
    let is_saved = signs::is_etc_alone(tree) && tree.get(INITTAB).is_some();
    let sign = if may_be_it(tree) { Sign::Init } else { is_saved.then_some(Sign::Saved)? };
    SCRIPTS.iter().all(|script| is_run_first(tree, script)).then_some(sign)
}

/// Whether the init program has one of the names.
fn may_be_it(tree: &Tree) -> bool {
    let Some(Entry::Link { target, .. }) = tree.get(INIT) else { return false };
    target.file_name().is_some_and(|name| PROGRAMS.iter().any(|program| name == *program))
}

/// Whether the links of one of the directories run `script`. A link whose name begins with `K` does not.
fn is_run_first(tree: &Tree, script: &str) -> bool {
    let runs = |path: &Path, entry: &Entry| {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        let number = name.strip_suffix(script.as_bytes()).and_then(|start| start.strip_prefix(b"S"));
        let is_link_of_it = number.is_some_and(|number| number.iter().all(u8::is_ascii_digit));
        (name == script.as_bytes() || is_link_of_it) && *entry != Entry::Dangling
    };
    FIRST.iter().any(|directory| tree.in_directory(Path::new(directory)).any(|(path, entry)| runs(path, entry)))
}

/// The lists of the script kmod, which treats the words behind a name as parameters, and calls modprobe(8).
static MODULES: ModuleLists = ModuleLists {
    reads: |_| Read::directories(&MODULES_LOAD, ".conf").chain(Read::files(&[MODULES_FILE])).collect(),
    is_run: |_| true,
    files,
    // The script greps for lines that begin with something else than a comment, and `read` parts words at blanks.
    module: |line| words(line.strip_prefix('#').map_or(line, |_| "")),
    // The script does not look at the command line.
    parameters: &[],
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
