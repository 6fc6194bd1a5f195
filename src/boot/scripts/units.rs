//! Finds the units of the administrator that a boot starts, and the lines in them that run something.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Line, lines_of};
use crate::boot::udev;
use crate::formats::unit;
use crate::order::InOrder;
use crate::tree::{Entry, Picked, Read, Tree};

/// The most units of which it is asked whether they are enabled.
const MOST_UNITS: usize = 64;

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
    for unit in units(tree).into_iter().filter(|unit| !unit_lines(tree, unit).is_empty()).take(MOST_UNITS) {
        reads.extend(links(tree, &unit).map(Read::Presence));
    }
    reads
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

/// The links of which one has the boot start a unit, or a timer or the like that starts the unit.
fn links<'a>(tree: &'a Tree, unit: &Path) -> impl Iterator<Item = PathBuf> + use<'a> {
    let name = unit.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let directories = [".wants", ".requires", ".upholds"].into_iter().flat_map(|suffix| directories(tree, suffix));
    directories.flat_map(move |directory| {
        ["service", "timer", "path", "socket"].map(|suffix| directory.join(format!("{name}.{suffix}")))
    })
}

/// The commands of the units that a boot starts, and of all drop-ins. Scripts start those of `of_scripts`.
pub(super) fn lines(tree: &Tree, of_scripts: &BTreeSet<String>) -> Vec<Line> {
    let named: BTreeSet<String> = named(tree).into_iter().chain(of_scripts.iter().cloned()).into_set();
    // Of a template there may be any instance.
    let is_started = |unit: &&PathBuf| {
        unit.to_string_lossy().ends_with("@.service")
            || links(tree, unit).any(|link| tree.get(link).is_some())
            || unit.file_name().is_some_and(|name| named.contains(name.to_string_lossy().as_ref()))
    };
    let units = units(tree);
    let of_units = units.iter().filter(is_started).flat_map(|unit| unit_lines(tree, unit));
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
    let command = |line: &str| {
        let assigned = line.split_once('=').filter(|(name, _)| name.trim().chars().all(|c| c.is_ascii_alphanumeric()));
        match assigned {
            Some((name, value)) => name.starts_with("Exec").then(|| value.trim().to_owned()),
            None => Some(line.to_owned()),
        }
    };
    lines_of(tree, unit, command).into_iter().filter(|line| !line.command.starts_with([';', '['])).collect()
}
