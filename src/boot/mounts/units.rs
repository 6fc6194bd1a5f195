//! Finds the mounts that units of systemd make at a boot, beside those of fstab (systemd.mount(5), systemd.automount(5)).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::boot::systems::OF_PACKAGES;
use crate::formats::escapes::unescaped_path;
use crate::formats::mounts::Planned;
use crate::formats::unit;
use crate::tree::{Entry, Read, Tree};

/// Where the administrator has units.
const OF_ADMINISTRATOR: [&str; 2] = ["/etc/systemd/system", "/usr/local/lib/systemd/system"];

/// The names of the units of packages that matter here: each mounts over files that a boot reads.
const NAMES: [&str; 7] = [
    "etc",
    "etc-modprobe.d",
    r"etc-modules\x2dload.d",
    "etc-sysctl.d",
    "etc-udev-rules.d",
    "usr-local",
    "usr-local-lib",
];

/// The targets that start the mounts of packages.
const TARGETS: [&str; 5] = ["local-fs", "remote-fs", "sysinit", "basic", "multi-user"];

/// The words of a unit that say what it mounts, and when.
const WORDS: &[&str] = &["[", "What", "Where", "Type", "Options", "Before"];

/// The units that read the files of a boot, the first one first.
const READERS: [&str; 2] = ["systemd-modules-load.service", "systemd-sysctl.service"];

/// The reads that show the units, given those that have been read.
pub(super) fn reads(tree: &Tree) -> Vec<Read> {
    let mentions = |path: PathBuf, suffix| Read::mentions(path, suffix, WORDS);
    let mut reads: Vec<Read> = OF_ADMINISTRATOR.iter().map(|path| mentions(path.into(), ".mount")).collect();
    let beside = |name: &'static str| OF_PACKAGES.map(|path| Path::new(path).join(format!("{name}.mount")));
    reads.extend(NAMES.into_iter().flat_map(beside).map(Read::Candidate));
    for unit in units(tree) {
        reads.extend(links(tree, unit).map(Read::Presence));
        reads.extend(
            OF_ADMINISTRATOR.map(|path| Read::File(Path::new(path).join(unit.file_name().unwrap_or_default()))),
        );
    }
    reads
}

/// The units that mount something.
pub(super) fn units(tree: &Tree) -> impl Iterator<Item = &Path> {
    let of_administrator = OF_ADMINISTRATOR.iter().flat_map(|directory| tree.in_directory(Path::new(directory)));
    let of_packages = OF_PACKAGES.iter().flat_map(|directory| tree.in_directory(Path::new(directory)));
    let units = of_administrator.chain(of_packages);
    let units =
        units.filter(|(path, entry)| entry.bytes().is_some() && path.extension().is_some_and(|it| it == "mount"));
    units.map(|(path, _)| path)
}

/// The links of which one has a boot mount what `unit` says, at once or as a program asks for it.
fn links<'a>(tree: &'a Tree, unit: &'a Path) -> impl Iterator<Item = PathBuf> + 'a {
    let is_of_links =
        |path: &&Path| path.extension().is_some_and(|it| it == "wants" || it == "requires" || it == "upholds");
    let of_administrator = OF_ADMINISTRATOR.iter().flat_map(|directory| tree.in_directory(Path::new(directory)));
    let of_administrator =
        of_administrator.filter(|(_, entry)| **entry == Entry::Directory).map(|(path, _)| path).filter(is_of_links);
    let of_packages = OF_PACKAGES.iter().flat_map(|directory| {
        let kinds = ["wants", "requires"].into_iter();
        kinds.flat_map(move |kind| TARGETS.map(|target| Path::new(directory).join(format!("{target}.target.{kind}"))))
    });
    let directories = of_administrator.map(Path::to_owned).chain(of_packages);
    directories.flat_map(|directory| {
        let name = Path::new(unit.file_name().unwrap_or_default());
        [directory.join(name), directory.join(name.with_extension("automount"))]
    })
}

/// The mounts that the units make at a boot, as lines of fstab would say it. `named` are the units that others start.
pub(super) fn planned(tree: &Tree, named: &BTreeSet<String>) -> Vec<Planned> {
    let is_started = |unit: &Path| {
        let name = unit.file_name().unwrap_or_default().to_string_lossy();
        links(tree, unit).any(|link| tree.get(link).is_some()) || named.contains(name.as_ref())
    };
    let is_hidden = |unit: &Path| {
        let name = unit.file_name().unwrap_or_default();
        let mut stronger =
            OF_ADMINISTRATOR.iter().map(|path| Path::new(path).join(name)).take_while(|path| path != unit);
        stronger.any(|path| tree.get(path).is_some())
    };
    units(tree).filter(|unit| !is_hidden(unit) && is_started(unit)).filter_map(|unit| mount(tree, unit)).collect()
}

/// What a unit mounts. systemd refuses one of another name than its mount point has, and one without a source.
fn mount(tree: &Tree, unit: &Path) -> Option<Planned> {
    let read = tree.parsed(unit, unit::parse);
    let value = |name: &str| read.iter().rfind(|line| line.name == name).map(|line| line.value.as_str());
    value("What").filter(|source| !source.is_empty())?;
    let point = PathBuf::from(unescaped_path(unit.file_stem()?.to_str()?)?);
    if value("Where").is_some_and(|place| !place.contains('%') && Path::new(place) != point) {
        return None;
    }
    let before: Vec<&str> =
        read.iter().filter(|line| line.name == "Before").flat_map(|line| line.value.split_whitespace()).collect();
    let mut options: Vec<String> = value("Options").unwrap_or("defaults").split(',').map(str::to_owned).collect();
    // The loader runs after the program that loads modules.
    if before.contains(&READERS[0]) || (before.contains(&READERS[1]) && point.starts_with("/etc/sysctl.d")) {
        options.push(super::IN_INITRD.to_owned());
    }
    Some(Planned { point, kind: value("Type").unwrap_or_default().to_owned(), options })
}
