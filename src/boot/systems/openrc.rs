//! Describes the boot of OpenRC as its own project ships it (Gentoo, Artix): the services modules, then sysctl.
//!
//! Sources: OpenRC's `init.d/modules.in` and `init.d/sysctl.in`.

use std::path::PathBuf;

use super::lists::{is_there, words};
use super::{Blacklist, Early, MODULE_FILE, ModuleLists, Pace, SYSVINIT, Sign, Stage, System, once, signs};
use crate::formats::shell;
use crate::sysctl_d::{Dialect, procps};
use crate::tree::{Read, Tree, first_of_each};

/// OpenRC upstream.
pub static OPENRC: System = System {
    name: "openrc",
    summary: "OpenRC's services modules, then sysctl, which runs `sysctl --system`.",
    reads,
    detect,
    order: &[Stage::Modules(&MODULES), Stage::Modules(&CONFIGURED), Stage::Loader(once_if_started), Stage::Udev],
    early: |tree| if signs::is_started(tree, SERVICES[0]) { MODULE_FILE } else { NOT_STARTED },
    pace,
    idle: IDLE,
    ..SYSVINIT
};

/// The services: the one that loads modules, and the loader.
pub(super) const SERVICES: [&str; 2] = ["modules", "sysctl"];

/// The reason why the loader of OpenRC reads no file.
pub(super) const IDLE: (&str, &str) = ("OpenRC does not start the service sysctl", "run `rc-update add sysctl boot`");

/// The reason why no list of modules is read.
pub(super) const NOT_STARTED: Early = Early::Never {
    why: "OpenRC does not start the service modules at boot",
    remedy: "run `rc-update add modules boot`",
};

/// The script of the loader. Debian's OpenRC has none, and runs the LSB scripts.
const SCRIPT: &str = "/etc/init.d/sysctl";

/// What only other systems with OpenRC have.
const ALPINE: &str = "/etc/alpine-release";

/// The names of the init programs that run OpenRC: its own, and that of sysvinit.
const PROGRAMS: [&str; 2] = ["openrc-init", "init"];

/// The directories of its lists, the strongest first. A file of the same name elsewhere is not read.
const LISTS: [&str; 3] = ["/etc/modules-load.d", "/run/modules-load.d", "/usr/lib/modules-load.d"];

static MODULES: ModuleLists = ModuleLists {
    reads: |_| Read::directories(&LISTS, ".conf").collect(),
    is_run: |tree| signs::is_started(tree, SERVICES[0]),
    files: |tree| {
        let counts = |name: &[u8]| name.ends_with(b".conf") && !name.starts_with(b".");
        first_of_each(tree, &LISTS, |name, entry| counts(name) && is_there(entry))
    },
    // The first word counts, whatever follows.
    module: |line| words(line).map(|(name, _)| (name, "")).filter(|(name, _)| !name.starts_with(['#', ';'])),
    parameters: &[],
    blacklist: Blacklist::Obeyed,
};

/// The settings of the service modules.
const CONFIGURATION: &str = "/etc/conf.d/modules";

/// The modules that the settings of the service name.
static CONFIGURED: ModuleLists = ModuleLists {
    reads: |tree| Read::files(&[CONFIGURATION]).filter(|_| signs::may_be_another(tree)).collect(),
    files: |tree| {
        // A list for one kernel takes the place of the general one, and any other shell may do anything.
        let is_plain = |name: &String| !name.starts_with("modules_");
        let read = shell::variables(tree.bytes(CONFIGURATION).unwrap_or_default());
        let is_read = read.is_ok_and(|variables| variables.keys().all(is_plain));
        if is_read { vec![CONFIGURATION.into()] } else { Vec::new() }
    },
    // Only the first name is looked at: a second one needs a line of its own in modules-load.d.
    module: |line| {
        let value = line.trim().strip_prefix("modules=")?.trim_matches(['"', '\'']);
        words(value).map(|(name, _)| (name, ""))
    },
    ..MODULES
};

fn once_if_started(dialect: &Dialect, tree: &Tree) -> Vec<Vec<PathBuf>> {
    if signs::is_started(tree, SERVICES[1]) { once(dialect, tree) } else { Vec::new() }
}

/// What OpenRC itself is told.
pub(super) const SETTINGS: &str = "/etc/rc.conf";

/// What the service of the loader is told.
pub(super) const OF_LOADER: &str = "/etc/conf.d/sysctl";

/// The names by which a service waits for others (openrc-run(8)).
const ORDERS: [&str; 4] = ["rc_need", "rc_use", "rc_want", "rc_after"];

/// OpenRC starts its services side by side if it is told so; sysctl does not wait for modules unless it is told that.
pub(super) fn pace(tree: &Tree) -> Pace {
    let settings = shell::variables(tree.bytes(SETTINGS).unwrap_or_default());
    let is_parallel = settings.is_ok_and(|settings| {
        settings
            .get("rc_parallel")
            .is_some_and(|value| !["NO", "no", "No", "false", "0"].contains(&value.text.as_str()))
    });
    let of_loader = shell::variables(tree.bytes(OF_LOADER).unwrap_or_default()).unwrap_or_default();
    let mut orders = ORDERS.iter().filter_map(|name| of_loader.get(*name));
    let waits = orders.any(|value| value.text.split_whitespace().any(|service| service == SERVICES[0]));
    if is_parallel && !waits {
        Pace::AtOnce { remedy: "write `rc_need=modules` in /etc/conf.d/sysctl, or `rc_parallel=NO` in /etc/rc.conf" }
    } else {
        Pace::InOrder
    }
}

fn reads(tree: &Tree) -> Vec<Read> {
    let mut reads: Vec<Read> = procps::reads(tree).collect();
    if signs::may_be_another(tree) {
        reads.extend(signs::runlevels(&SERVICES));
        reads.extend(Read::presences(&[SCRIPT, ALPINE]));
        reads.extend([SETTINGS, OF_LOADER].map(|path| Read::Candidate(path.into())));
    }
    reads
}

/// The sign is the service sysctl in a runlevel, and an init program that starts OpenRC.
fn detect(tree: &Tree) -> Option<Sign> {
    let has_service = tree.get(SCRIPT).is_some() && signs::is_in_a_runlevel(tree, SERVICES[1]);
    if !has_service || tree.get(ALPINE).is_some() {
        None
    } else if signs::program(tree).is_some_and(|name| PROGRAMS.contains(&name)) {
        Some(Sign::Init)
    } else {
        signs::is_etc_alone(tree).then_some(Sign::Saved)
    }
}
