//! Finds the units that a boot starts, and the lines in them that run something: all of the administrator, and those of
//! packages that somebody has enabled.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{KNOWN_SERVICES, Line, UNITS_OF_PACKAGES, assigned, lines_of};
use crate::boot::udev;
use crate::formats::unit;
use crate::order::InOrder;
use crate::tree::{Entry, Picked, Read, Tree};

/// Where systemd has the administrator's units.
pub(super) const OF_ADMINISTRATOR: [&str; 2] = ["/etc/systemd/system", "/usr/local/lib/systemd/system"];

/// The file by which the boot starts the units of root's own manager.
const LINGERS: &str = "/var/lib/systemd/linger/root";

/// Where that manager has the administrator's units. Those of other users cannot write sysctls.
const UNITS_OF_ROOT: [&str; 3] = ["/etc/systemd/user", "/usr/local/lib/systemd/user", "/root/.config/systemd/user"];

/// Where the boot finds units of the administrator.
fn unit_directories(tree: &Tree) -> impl Iterator<Item = &'static str> + use<> {
    let of_root = tree.get(LINGERS).is_some().then_some(UNITS_OF_ROOT);
    OF_ADMINISTRATOR.into_iter().chain(of_root.into_iter().flatten())
}

/// The units that another row knows.
pub(super) const KNOWN: [&str; 2] = ["systemd-sysctl.service", "systemd-modules-load.service"];

/// The words of the lines of a unit that may run something.
const WORDS: &[&str] = &[
    "Exec",
    "conntrack",
    "nf_flowtable",
    "net/netfilter",
    "net.netfilter",
    "sysctl",
    "Wants",
    "Requires",
    "BindsTo",
    "Upholds",
    "Unit=",
    "OnSuccess",
    "OnFailure",
];

/// The names in a unit that start the units behind them. Whether the unit itself is started is not asked.
const STARTS: [&str; 7] = ["Wants", "Requires", "BindsTo", "Upholds", "Unit", "OnSuccess", "OnFailure"];

/// The targets of a boot to which packages link units themselves.
const TARGETS: [&str; 5] = ["basic", "graphical", "multi-user", "network", "sysinit"];

/// The reads that find the units, and which of them a boot starts, given those that have been read.
pub(super) fn reads(tree: &Tree) -> Vec<Read> {
    let mentions = |path: PathBuf, suffix| Read::Mentions { path, suffix, files: Picked::All, words: WORDS };
    let mut reads = vec![Read::Presence(LINGERS.into())];
    reads.extend(unit_directories(tree).map(|path| mentions(path.into(), ".service")));
    // Most machines have no unit of their own that these could start.
    if !units(tree).is_empty() {
        reads.extend(unit_directories(tree).map(|path| mentions(path.into(), ".timer")));
        reads.extend(unit_directories(tree).map(|path| mentions(path.into(), ".target")));
    }
    reads.extend(drop_in_directories(tree).map(|path| mentions(path.to_owned(), ".conf")));
    reads.extend(linking_directories(tree).map(Read::Names));
    for name in linked_units(tree) {
        // A unit of the administrator takes the place of one of the same name, and a mask too.
        reads.extend(OF_ADMINISTRATOR.map(|directory| Read::File(Path::new(directory).join(&name))));
    }
    reads.extend(units_of_packages(tree).into_iter().map(|unit| mentions(unit, "")));
    reads
}

/// The directories whose links have the boot start units.
fn linking_directories(tree: &Tree) -> impl Iterator<Item = PathBuf> {
    let of_administrator = [".wants", ".requires", ".upholds"].into_iter().flat_map(|suffix| directories(tree, suffix));
    let of_package = |directory: &str| TARGETS.map(|target| format!("{directory}/{target}.target.wants").into());
    of_administrator.map(Path::to_owned).chain(UNITS_OF_PACKAGES.into_iter().flat_map(of_package))
}

/// The names of the services that links have the boot start. Those of systemd itself, and those that another row knows, are
/// left out.
fn linked_units(tree: &Tree) -> BTreeSet<String> {
    let directories: Vec<PathBuf> = linking_directories(tree).collect();
    let links = directories.iter().flat_map(|directory| tree.in_directory(directory));
    let is_known = |name: &String| KNOWN_SERVICES.iter().any(|known| name.strip_suffix(".service") == Some(known));
    links
        .filter_map(|(link, _)| started_by(link))
        .filter(|name| !name.starts_with("systemd-") && !is_known(name))
        .into_set()
}

/// Those of packages among them.
fn units_of_packages(tree: &Tree) -> BTreeSet<PathBuf> {
    let mut names = linked_units(tree);
    names.retain(|name| !OF_ADMINISTRATOR.into_iter().any(|own| tree.get(Path::new(own).join(name)).is_some()));
    names.iter().flat_map(|name| UNITS_OF_PACKAGES.map(|directory| Path::new(directory).join(name))).into_set()
}

/// The name of the service that a link starts, itself or by a timer or the like. All instances of a template share one.
fn started_by(link: &Path) -> Option<String> {
    let (name, kind) = link.file_name()?.to_str()?.rsplit_once('.')?;
    let is_start = ["service", "timer", "path", "socket"].contains(&kind);
    let template = name.split_once('@').map(|(template, _)| format!("{template}@"));
    is_start.then(|| format!("{}.service", template.unwrap_or_else(|| name.to_owned())))
}

/// The administrator's units.
fn units(tree: &Tree) -> Vec<PathBuf> {
    let files = unit_directories(tree).flat_map(|directory| tree.in_directory(Path::new(directory)));
    let is_unit = |path: &&Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.ends_with(".service") && !KNOWN.contains(&name)
    };
    files.map(|(path, _)| path).filter(is_unit).map(Path::to_owned).collect()
}

/// The directories with drop-ins of units.
fn drop_in_directories(tree: &Tree) -> impl Iterator<Item = &Path> {
    directories(tree, ".service.d").filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".d")).unwrap_or_default();
        !KNOWN.contains(&name)
    })
}

/// The directories beside the units whose names end in `suffix`.
fn directories<'a>(tree: &'a Tree, suffix: &'static str) -> impl Iterator<Item = &'a Path> {
    let entries = unit_directories(tree).flat_map(|directory| tree.in_directory(Path::new(directory)));
    let directories = entries.filter(|(_, entry)| **entry == Entry::Directory).map(|(path, _)| path);
    directories.filter(move |path| path.to_string_lossy().ends_with(suffix))
}

/// The commands of the units that a boot starts, and of all drop-ins. Scripts start those of `of_scripts`.
pub(super) fn lines(tree: &Tree, of_scripts: &BTreeSet<String>) -> Vec<Line> {
    let mut started = linked_units(tree);
    started.extend(named(tree).into_iter().chain(of_scripts.iter().cloned()));
    // Of a template there may be any instance.
    let is_started = |unit: &PathBuf| {
        let name = unit.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with("@.service") || started.contains(name.as_ref())
    };
    let units = units(tree).into_iter().filter(is_started).chain(units_of_packages(tree));
    let of_units = units.flat_map(|unit| unit_lines(tree, &unit));
    let drop_ins = drop_in_directories(tree).flat_map(|directory| tree.in_directory(directory));
    let of_drop_ins = drop_ins.flat_map(|(path, _)| unit_lines(tree, path));
    of_units.chain(of_drop_ins).collect()
}

/// The units that another unit of the administrator, or a rule of udev, names, so that they are started with it.
pub(in crate::boot) fn named(tree: &Tree) -> BTreeSet<String> {
    let files = unit_directories(tree).flat_map(|directory| tree.in_directory(Path::new(directory)));
    let drop_ins = drop_in_directories(tree).flat_map(|directory| tree.in_directory(directory));
    let read = files.chain(drop_ins).flat_map(|(path, _)| unit::parse(tree.bytes(path).unwrap_or_default()));
    let names = read.filter(|assignment| STARTS.contains(&assignment.name.as_str()));
    let names = names.flat_map(|it| it.value.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    names.chain(udev::started_units(tree)).into_set()
}

/// The lines of a unit that run something, or go on with a line that does.
fn unit_lines(tree: &Tree, unit: &Path) -> Vec<Line> {
    let command = |line: &str| match assigned(line) {
        Some((name, value)) => name.starts_with("Exec").then(|| value.to_owned()),
        None => Some(line.to_owned()),
    };
    lines_of(tree, unit, command).into_iter().filter(|line| !line.command.starts_with([';', '['])).collect()
}
