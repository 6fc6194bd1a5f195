//! Finds the units of the administrator that a boot starts, and the lines in them that run something.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Line, assigned, lines_of};
use crate::boot::systems::OF_PACKAGES;
use crate::boot::{kernels, udev};
use crate::formats::unit;
use crate::order::InOrder;
use crate::tree::{Entry, Read, Tree};

/// Where systemd has the administrator's units.
pub(super) const OF_ADMINISTRATOR: [&str; 2] = ["/etc/systemd/system", "/usr/local/lib/systemd/system"];

/// The targets of a boot to which packages link units themselves.
const TARGETS: [&str; 14] = [
    "basic.target",
    "default.target",
    "getty.target",
    "graphical.target",
    "local-fs.target",
    "multi-user.target",
    "network-online.target",
    "network.target",
    "nss-lookup.target",
    "paths.target",
    "remote-fs.target",
    "sockets.target",
    "sysinit.target",
    "timers.target",
];

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
pub(super) const WORDS: &[&str] = &[
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
    "WorkingDirectory",
];

/// The names in a unit that start the units behind them.
const STARTS: [&str; 7] = ["Wants", "Requires", "BindsTo", "Upholds", "Unit", "OnSuccess", "OnFailure"];

/// The reads that find the units, given those that have been read.
pub(super) fn reads(tree: &Tree) -> Vec<Read> {
    let mentions = |path: PathBuf, suffix| Read::mentions(path, suffix, WORDS);
    let mut reads = vec![Read::Presence(LINGERS.into())];
    reads.extend(unit_directories(tree).map(|path| mentions(path.into(), ".service")));
    // Most machines have no unit of their own that these could start.
    if !units(tree).is_empty() {
        reads.extend(unit_directories(tree).map(|path| mentions(path.into(), ".timer")));
        reads.extend(unit_directories(tree).map(|path| mentions(path.into(), ".target")));
    }
    reads.extend(drop_in_directories(tree).map(|path| mentions(path.to_owned(), ".conf")));
    reads
}

/// Whether a unit of this name may have commands of its own.
pub(super) fn runs_commands(name: &str) -> bool {
    [".service", ".socket"].iter().any(|suffix| name.ends_with(suffix))
}

/// The administrator's units.
fn units(tree: &Tree) -> Vec<PathBuf> {
    let files = unit_directories(tree).flat_map(|directory| tree.in_directory(Path::new(directory)));
    let is_unit = |path: &&Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        runs_commands(name) && !KNOWN.contains(&name)
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
pub(super) fn directories<'a>(tree: &'a Tree, suffix: &'static str) -> impl Iterator<Item = &'a Path> {
    let entries = unit_directories(tree).flat_map(|directory| tree.in_directory(Path::new(directory)));
    let directories = entries.filter(|(_, entry)| **entry == Entry::Directory).map(|(path, _)| path);
    directories.filter(move |path| path.to_string_lossy().ends_with(suffix))
}

/// The directories whose links have the boot start units.
pub(super) fn linking_directories(tree: &Tree) -> impl Iterator<Item = PathBuf> {
    let of_administrator = [".wants", ".requires", ".upholds"].into_iter().flat_map(|suffix| directories(tree, suffix));
    of_administrator.map(Path::to_owned).chain(TARGETS.iter().flat_map(|target| links_of_target(target)))
}

/// The directories whose links packages have a target start.
pub(super) fn links_of_target(name: &str) -> impl Iterator<Item = PathBuf> {
    let directories = OF_PACKAGES.iter().filter(|_| name.ends_with(".target"));
    directories.map(move |directory| format!("{directory}/{name}.wants").into())
}

/// The commands of those units that a boot starts, and of all drop-ins.
pub(super) fn lines(tree: &Tree, started: &BTreeSet<String>) -> Vec<Line> {
    // Of a template there may be any instance.
    let is_started = |unit: &PathBuf| {
        let name = unit.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with("@.service") || started.contains(name.as_ref())
    };
    let units = units(tree).into_iter().filter(is_started);
    let of_units = units.flat_map(|unit| unit_lines(tree, &unit));
    let drop_ins = drop_in_directories(tree).flat_map(|directory| tree.in_directory(directory));
    let of_drop_ins = drop_ins.flat_map(|(path, _)| unit_lines(tree, path));
    of_units.chain(of_drop_ins).collect()
}

/// The units that another unit of the administrator, or a rule of udev, names, so that they are started with it.
pub(in crate::boot) fn named(tree: &Tree) -> BTreeSet<String> {
    let files = unit_directories(tree).flat_map(|directory| tree.in_directory(Path::new(directory)));
    let drop_ins = drop_in_directories(tree).flat_map(|directory| tree.in_directory(directory));
    // Whether the unit itself is started is not asked.
    let names = files.chain(drop_ins).flat_map(|(path, _)| tree.parsed(path, starts).0.clone());
    names.chain(udev::started_units(tree)).into_set()
}

/// The names of the units that a unit starts.
pub(super) struct Starts(pub(super) Vec<String>);

pub(super) fn starts(bytes: &[u8]) -> Starts {
    let assignments = unit::parse(bytes).into_iter().filter(|it| STARTS.contains(&it.name.as_str()));
    Starts(assignments.flat_map(|it| it.value.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect())
}

/// The lines of a unit that run something, or go on with a line that does.
pub(super) fn unit_lines(tree: &Tree, unit: &Path) -> Vec<Line> {
    let lines = lines_of(tree, unit, command).into_iter().filter(|line| !line.command.starts_with([';', '[']));
    lines.flat_map(|line| expanded(tree, unit, line)).collect()
}

/// The command in a line of a unit, or in one that goes on with it.
pub(super) fn command(line: &str) -> Option<String> {
    match assigned(line) {
        // The output of the commands may go into a file: `StandardOutput=file:/proc/sys/...`.
        Some(("StandardOutput" | "StandardError", value)) => value.split_once(":/").map(|(_, path)| format!("/{path}")),
        Some(("WorkingDirectory", directory)) => Some(format!("cd {directory}")),
        Some((name, value)) => name.starts_with("Exec").then(|| value.to_owned()),
        None => Some(line.to_owned()),
    }
}

/// A line for each meaning of the specifiers in it that stand for the name of the unit. Of a template, every instance has one.
fn expanded(tree: &Tree, unit: &Path, line: Line) -> Vec<Line> {
    let name = unit.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.rsplit_once('.').map_or(name.as_ref(), |(stem, _)| stem);
    if !line.command.contains('%') {
        return vec![line];
    }
    let releases = if line.command.contains("%v") { kernels::directories(tree) } else { Vec::new() };
    let releases = releases.into_iter().map(|(_, release)| release);
    let texts: Vec<String> = releases.map(|release| line.command.replace("%v", &release)).collect();
    let texts = if texts.is_empty() { vec![line.command] } else { texts };
    let with = |text: &str, instance: &str| {
        let whole = format!("{stem}{instance}");
        let prefix = stem.trim_end_matches('@');
        let meanings =
            [("%i", instance), ("%I", instance), ("%N", &whole), ("%p", prefix), ("%n", &name), ("%h", "/root")];
        let command = meanings.iter().fold(text.to_owned(), |text, (sign, meaning)| text.replace(sign, meaning));
        Line { place: line.place.clone(), command }
    };
    let instances = if stem.ends_with('@') { instances(tree, stem) } else { [String::new()].into() };
    texts.iter().flat_map(|text| instances.iter().map(move |instance| with(text, instance))).collect()
}

/// The instances of a template that a boot starts by a link.
fn instances(tree: &Tree, stem: &str) -> BTreeSet<String> {
    let directories: Vec<PathBuf> = linking_directories(tree).collect();
    let links = directories.iter().flat_map(|directory| tree.in_directory(directory)).map(|(link, _)| link);
    let names = links.filter_map(|link| link.file_stem()?.to_str()?.strip_prefix(stem));
    names.map(str::to_owned).chain([String::new()]).into_set()
}
