//! Describes the boot of Chimera Linux: dinit, with a loader of its own. Nothing orders the loader and the service that loads
//! the modules.
//!
//! Sources: dinit-chimera's `early/helpers/sysctl.cc`, `early/helpers/kmod.cc` and `services/early-sysctl`.

use std::path::PathBuf;

use super::lists::is_file;
use super::{Blacklist, MODULE_FILE, ModuleLists, Pace, SYSVINIT, Sign, Stage, System, once, signs};
use crate::sysctl_d::CHIMERA as DIALECT;
use crate::tree::{Entry, Read, Tree, first_of_each};

/// Chimera Linux.
pub static CHIMERA: System = System {
    name: "chimera",
    summary: "Chimera's services early-modules and early-sysctl, which start side by side.",
    command: DIALECT.command,
    reads,
    detect,
    dialect: |_| &DIALECT,
    others: |_| &[],
    order: &[Stage::Modules(&MODULES), Stage::Loader(once), Stage::Udev],
    early: |_| MODULE_FILE,
    pace: |_| Pace::AtOnce { remedy: "boot a kernel that has nf_conntrack built in" },
    ..SYSVINIT
};

/// The service of the loader.
const SERVICE: &str = "/usr/lib/dinit.d/early/early-sysctl";

/// The same, as other versions have it.
const ELSEWHERE: &str = "/usr/lib/dinit.d/early-sysctl";

/// The name of the init program.
const PROGRAM: &str = "dinit";

/// What only a machine with dinit has in /etc.
const SAVED: &str = "/etc/dinit.d";

/// The directories of its lists, the strongest first.
const LISTS: [&str; 4] =
    ["/etc/modules-load.d", "/run/modules-load.d", "/usr/local/lib/modules-load.d", "/usr/lib/modules-load.d"];

static MODULES: ModuleLists = ModuleLists {
    reads: |_| Read::directories(&LISTS, ".conf").collect(),
    is_run: |_| true,
    files,
    module: |line| Some((line.trim_end(), "")).filter(|(name, _)| !name.trim().is_empty() && !is_comment(name)),
    parameters: &["modules_load", "modules-load"],
    blacklist: Blacklist::Obeyed,
};

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with(['#', ';'])
}

/// A link is no list, whatever it leads to.
fn files(tree: &Tree) -> Vec<PathBuf> {
    let is_plain = |entry: &Entry| is_file(entry) && !matches!(entry, Entry::Link { .. });
    first_of_each(tree, &LISTS, |name, entry| name.ends_with(b".conf") && name.len() > 5 && is_plain(entry))
}

fn reads(tree: &Tree) -> Vec<Read> {
    let mut reads = Vec::new();
    if signs::is_etc_alone(tree) {
        reads.extend(Read::presences(&[SAVED]));
    }
    if signs::program(tree) == Some(PROGRAM) {
        reads.extend(Read::presences(&[SERVICE, ELSEWHERE]));
    }
    reads
}

fn detect(tree: &Tree) -> Option<Sign> {
    let has_service = [SERVICE, ELSEWHERE].iter().any(|path| tree.get(path).is_some());
    if signs::program(tree) == Some(PROGRAM) && has_service {
        Some(Sign::Init)
    } else {
        (signs::is_etc_alone(tree) && tree.get(SAVED).is_some()).then_some(Sign::Saved)
    }
}
