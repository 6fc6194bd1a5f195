//! Describes the boot of Alpine Linux: OpenRC with services of Alpine's own, and the `sysctl` of busybox.
//!
//! Sources: aports' `main/openrc/modules.initd` and `main/openrc/sysctl.initd`.

use std::path::{Path, PathBuf};

use super::lists::{file, is_file, matching, words};
use super::openrc::{IDLE, NOT_STARTED, OF_LOADER, SERVICES, SETTINGS, pace};
use super::{Blacklist, MODULE_FILE, ModuleLists, SYSVINIT, Sign, Stage, System, one_by_one, signs};
use crate::sysctl_d::paths::SYSCTL_CONF;
use crate::sysctl_d::{BUSYBOX, Dialect, procps};
use crate::tree::{Read, Tree};

/// Alpine Linux.
pub static ALPINE: System = System {
    name: "alpine",
    summary: "Alpine's services modules, then sysctl, which runs `sysctl -p` of busybox on each file.",
    command: BUSYBOX.command,
    reads,
    detect,
    dialect,
    others: |tree| if signs::has_procps(tree) { procps::others(tree) } else { &[] },
    order: &[Stage::Modules(&MODULES), Stage::Loader(files)],
    early: |tree| if signs::is_started(tree, SERVICES[0]) { MODULE_FILE } else { NOT_STARTED },
    pace,
    idle: IDLE,
    ..SYSVINIT
};

const RELEASE: &str = "/etc/alpine-release";

/// The directories of packages, in the order of reading.
const OF_PACKAGES: [&str; 2] = ["/lib/sysctl.d", "/usr/lib/sysctl.d"];

const OF_ADMINISTRATOR: &str = "/etc/sysctl.d";
const OF_NOW: &str = "/run/sysctl.d";

/// A user may have installed procps, whose `sysctl` then runs.
fn dialect(tree: &Tree) -> &'static Dialect {
    if signs::has_procps(tree) { procps::installed(tree) } else { &BUSYBOX }
}

/// The files of packages that no regular file of the same name hides, then those of the administrator, whatever their names.
fn files(_: &Dialect, tree: &Tree) -> Vec<Vec<PathBuf>> {
    if !signs::is_started(tree, SERVICES[1]) {
        return Vec::new();
    }
    let matching = |directories: &[&str]| matching(tree, directories, ".conf", is_file);
    let hides = |directory: &&str, path: &Path| {
        path.file_name().is_some_and(|name| tree.get(Path::new(directory).join(name)).is_some_and(is_file))
    };
    let is_hidden_by = |directories: &[&str], path: &Path| directories.iter().any(|directory| hides(directory, path));
    let of_packages =
        matching(&OF_PACKAGES).into_iter().filter(|path| !is_hidden_by(&[OF_ADMINISTRATOR, OF_NOW], path));
    let of_administrator = matching(&[OF_ADMINISTRATOR]).into_iter().filter(|path| !is_hidden_by(&[OF_NOW], path));
    let conf = file(tree, SYSCTL_CONF).map(Path::to_owned);
    one_by_one(of_packages.chain(of_administrator).chain(conf).chain(matching(&[OF_NOW])).collect())
}

/// The directories of its lists, in the order of reading.
const LISTS: [&str; 4] =
    ["/etc/modules-load.d", "/run/modules-load.d", "/usr/lib/modules-load.d", "/lib/modules-load.d"];

/// The list that is read first.
const MODULES_FILE: &str = "/etc/modules";

static MODULES: ModuleLists = ModuleLists {
    reads: |_| Read::directories(&LISTS, ".conf").chain(Read::files(&[MODULES_FILE])).collect(),
    is_run: |tree| signs::is_started(tree, SERVICES[0]),
    // A file hides no other.
    files: |tree| {
        let first = file(tree, MODULES_FILE).map(Path::to_owned);
        first.into_iter().chain(matching(tree, &LISTS, ".conf", is_file)).collect()
    },
    module: |line| words(line.split('#').next().unwrap_or_default()),
    parameters: &[],
    blacklist: Blacklist::ForAliases,
};

fn reads(tree: &Tree) -> Vec<Read> {
    let mut reads = Vec::new();
    if signs::may_be_another(tree) {
        reads.extend(Read::presences(&[RELEASE]));
    }
    if tree.get(RELEASE).is_some() {
        reads.extend(procps::reads(tree));
        reads.extend(signs::runlevels(&SERVICES));
        reads.extend([SETTINGS, OF_LOADER].map(|path| Read::Candidate(path.into())));
        reads.push(signs::of_sysctl());
    }
    reads
}

/// The sign is the release of Alpine, with the service sysctl in a runlevel. An image of a container has no service.
fn detect(tree: &Tree) -> Option<Sign> {
    if tree.get(RELEASE).is_none() || !SERVICES.iter().any(|service| signs::is_in_a_runlevel(tree, service)) {
        None
    } else if signs::program(tree).is_some_and(|name| ["busybox", "openrc-init", "init"].contains(&name)) {
        Some(Sign::Init)
    } else {
        signs::is_etc_alone(tree).then_some(Sign::Saved)
    }
}
