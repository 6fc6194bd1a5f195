//! Finds the units of packages that a boot starts: by a link, by a timer or the like, or because another unit names them.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::units::{self, OF_ADMINISTRATOR, WORDS, linking_directories, links_of_target};
use super::{KNOWN_SERVICES, Line, arguments};
use crate::boot::systems::OF_PACKAGES;
use crate::order::InOrder;
use crate::tree::{Entry, Read, Tree};

/// Units of systemd itself and of the packages that most machines have. They write no sysctl of connection tracking, whatever
/// their programs are: most boots start no other unit of a package. Read in Debian 13.
const OF_DISTRIBUTIONS: [&str; 49] = [
    "apt-daily-upgrade.service",
    "apt-daily-upgrade.timer",
    "apt-daily.service",
    "apt-daily.timer",
    "chrony.service",
    "containerd.service",
    "cron.service",
    "cryptsetup.target",
    "dbus.service",
    "dbus.socket",
    "docker.service",
    "docker.socket",
    "dpkg-db-backup.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.service",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.service",
    "fstrim.timer",
    "getty.target",
    "getty@.service",
    "ifupdown-pre.service",
    "integritysetup.target",
    "kmod-static-nodes.service",
    "ldconfig.service",
    "local-fs.target",
    "logrotate.service",
    "logrotate.timer",
    "man-db.service",
    "man-db.timer",
    "network-online.target",
    "network-pre.target",
    "network.target",
    "networking.service",
    "nss-lookup.target",
    "nss-user-lookup.target",
    "paths.target",
    "remote-fs-pre.target",
    "remote-fs.target",
    "rsyslog.service",
    "shutdown.target",
    "slices.target",
    "sockets.target",
    "ssh.service",
    "ssh.socket",
    "time-set.target",
    "time-sync.target",
    "timers.target",
    "veritysetup.target",
];

/// The services of programs whose writes another row knows, whoever has written their units.
const WITH_A_ROW: [&str; 2] = ["tuned.service", "ufw.service"];

/// The most units that are asked what they start.
const MOST_UNITS: usize = 256;

/// The reads that find the units that a boot starts, given those that it starts by what has been read.
pub(super) fn reads(tree: &Tree, started: &BTreeSet<String>) -> Vec<Read> {
    let mut reads: Vec<Read> = linking_directories(tree).map(Read::Names).collect();
    for name in started {
        // A unit of the administrator takes the place of one of the same name, and a mask too.
        reads.extend(OF_ADMINISTRATOR.map(|directory| Read::File(Path::new(directory).join(name))));
        reads.extend(OF_PACKAGES.map(|directory| Read::mentions(Path::new(directory).join(name), "", WORDS)));
        reads.extend(links_of_target(name).map(Read::Names));
    }
    reads.extend(OF_PACKAGES.map(|path| Read::IfListed { path: path.into(), suffix: ".service.d" }));
    reads.extend(drop_in_directories(tree).map(|path| Read::mentions(path, ".conf", WORDS)));
    reads
}

/// The commands of those units that the administrator has not replaced, and of the drop-ins of packages.
pub(super) fn lines(tree: &Tree, started: &BTreeSet<String>) -> Vec<Line> {
    let own = own_names(tree);
    let names = started.iter().filter(|name| units::runs_commands(name) && !own.contains(name.as_str()));
    let units = names.flat_map(|name| OF_PACKAGES.map(|directory| Path::new(directory).join(name)));
    let drop_ins = drop_in_directories(tree).flat_map(|directory| tree.in_directory(directory));
    let drop_ins = drop_ins.filter(|(path, _)| {
        let unit = path.parent().and_then(Path::file_stem).and_then(OsStr::to_str).unwrap_or_default();
        (started.contains(unit) || is_known(unit)) && !units::KNOWN.contains(&unit)
    });
    let files: Vec<PathBuf> = units.chain(drop_ins.map(|(path, _)| path.to_owned())).collect();
    files.iter().flat_map(|file| units::unit_lines(tree, file)).collect()
}

/// The names of the units that a boot starts, without those of systemd itself and those that another row knows. Scripts start
/// those of `of_scripts`. All instances of a template share one name.
pub(super) fn started(tree: &Tree, of_scripts: &BTreeSet<String>) -> BTreeSet<String> {
    let directories: Vec<PathBuf> = linking_directories(tree).collect();
    let links = directories.iter().flat_map(|directory| tree.in_directory(directory));
    let mut left: Vec<String> = links.filter_map(|(link, _)| name_of(link)).collect();
    left.extend(units::named(tree));
    left.extend(arguments::units(tree));
    left.extend(of_scripts.iter().cloned());
    let own = own_names(tree);
    let mut started = BTreeSet::new();
    let mut seen = HashSet::new();
    while let Some(name) = left.pop().map(|name| template_of(&name)) {
        // Many units name the same ones.
        if !seen.insert(name.clone()) {
            continue;
        }
        let has_row = WITH_A_ROW.contains(&name.as_str());
        let is_left_out = has_row || (is_known(&name) && !own.contains(name.as_str()));
        if is_left_out || started.len() == MOST_UNITS {
            continue;
        }
        started.insert(name.clone());
        let mut places = OF_ADMINISTRATOR.iter().chain(&OF_PACKAGES).map(|directory| Path::new(directory).join(&name));
        if let Some(unit) = places.find(|path| tree.bytes(path).is_some()) {
            left.extend(tree.parsed(unit, units::starts).0.iter().cloned());
        }
        for directory in links_of_target(&name) {
            left.extend(tree.in_directory(&directory).filter_map(|(link, _)| name_of(link)));
        }
        if let Some((unit, "timer" | "path" | "socket")) = name.rsplit_once('.') {
            left.push(format!("{unit}.service"));
        }
    }
    started
}

/// The directories with drop-ins of packages for services.
fn drop_in_directories(tree: &Tree) -> impl Iterator<Item = &Path> {
    let entries = OF_PACKAGES.iter().flat_map(|directory| tree.in_directory(Path::new(directory)));
    let directories = entries.filter(|(_, entry)| **entry == Entry::Directory).map(|(path, _)| path);
    directories.filter(|path| path.extension().is_some_and(|it| it == "d"))
}

fn name_of(link: &Path) -> Option<String> {
    Some(link.file_name()?.to_str()?.to_owned())
}

/// The name of the template, if `name` is that of an instance.
fn template_of(name: &str) -> String {
    match (name.split_once('@'), name.rsplit_once('.')) {
        (Some((template, _)), Some((_, kind))) => format!("{template}@.{kind}"),
        _ => name.to_owned(),
    }
}

/// The names of the administrator's units, each in place of that of a package. A link to the same unit under another name is one
/// as well.
fn own_names(tree: &Tree) -> BTreeSet<&str> {
    let files = OF_ADMINISTRATOR.iter().flat_map(|directory| tree.in_directory(Path::new(directory)));
    files.filter_map(|(path, _)| path.file_name()?.to_str()).into_set()
}

/// Whether nothing of the administrator's or of another package's is started with this name.
fn is_known(name: &str) -> bool {
    let is_of_row = || KNOWN_SERVICES.iter().any(|known| name.strip_suffix(".service") == Some(known));
    let is_unit =
        ["service", "target", "timer", "path", "socket"].iter().any(|kind| name.rsplit('.').next() == Some(kind));
    !is_unit || name.starts_with("systemd-") || name.contains('/') || OF_DISTRIBUTIONS.contains(&name) || is_of_row()
}
