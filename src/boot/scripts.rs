//! Finds the lines of scripts and units that a boot runs and that may write sysctls, wherever administrators put them.
//!
//! Only the lines with certain words in them are read, and of the units only those of the administrator: a package that
//! writes such settings has a row in `writers`. A script that such a line runs or reads by its path is looked through as well,
//! and those behind it, as far as `DEPTH` goes.

mod cloud;
mod command;
mod units;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::systems::{SYSTEMD, System};
use super::udev;
use crate::order::InOrder;
use crate::tree::{Picked, Place, Read, Tree, line_where};

pub(super) use command::{Effect, effects};
pub(super) use units::named as named_units;

/// The words of which a line that may write has one.
const WORDS: &[&str] = &[
    "conntrack",
    "nf_flowtable",
    "net/netfilter",
    "net.netfilter",
    "sysctl",
    "modprobe",
    "/proc/sys/$",
    "/proc/sys/net/$",
];

/// The same, and the words of lines that run a script of the administrator.
const WORDS_AND_SCRIPTS: &[&str] = &[
    "conntrack",
    "nf_flowtable",
    "net/netfilter",
    "net.netfilter",
    "sysctl",
    "/proc/sys/$",
    "/proc/sys/net/$",
    "modprobe",
    STARTER,
    "/usr/local/",
    "/etc/",
    "/opt/",
    "/root/",
    "/home/",
    "/srv/",
];

/// Where scripts of the administrator stand.
const LOCAL: &[&str] = &["/usr/local/", "/etc/", "/opt/", "/root/", "/home/", "/srv/"];

/// The most scripts that are looked through because a line runs them.
const MOST_SCRIPTS: usize = 32;

/// How many scripts are looked through one behind the other.
const DEPTH: usize = 3;

/// How a file is run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A shell or another interpreter runs the whole file.
    Script,
    /// The same, some time after the boot: the scripts that its lines run are not looked through.
    Periodic,
    /// A shell script reads the whole file into itself, so that it need not be executable.
    Sourced,
    /// The script of an LSB service, by a link to it.
    Service,
    /// OpenRC runs the whole file.
    ScriptOfOpenrc,
    /// Scripts run by their lines `up`, `post-up` and the like (interfaces(5)).
    Interfaces,
    /// A shell runs the commands of its lines `PreUp` and `PostUp` (wg-quick(8)).
    Tunnel,
    /// Each line is a job (crontab(5)).
    Jobs,
}

/// One place at which a boot finds commands.
struct Source {
    path: &'static str,
    suffix: &'static str,
    kind: Kind,
}

const fn of(kind: Kind, path: &'static str) -> Source {
    Source { path, suffix: "", kind }
}

/// Where the administrator has generators of units.
const GENERATORS: [&str; 2] = ["/etc/systemd/system-generators", "/usr/local/lib/systemd/system-generators"];

/// The first line of a generator that names the unit of the loader: it may mask or change it. Whatever else a generator does
/// adds to a boot, and a program that is no script cannot be read.
pub(super) fn generator_of_loader(tree: &Tree) -> Option<(Place, &'static str)> {
    let files = GENERATORS.iter().flat_map(|directory| tree.in_directory(Path::new(directory)));
    let of_file = |file: &Path| {
        let named = |unit: &'static str| Some((line_where(tree, file, |line| line.contains(unit))?, unit));
        units::KNOWN.into_iter().find_map(named)
    };
    files.into_iter().find_map(|(file, _)| of_file(file))
}

/// The links to LSB services. systemd starts those of all four, and sysvinit those of one, which /etc/inittab names.
const RUNLEVELS: [&str; 4] = ["/etc/rc2.d", "/etc/rc3.d", "/etc/rc4.d", "/etc/rc5.d"];

/// The links to the LSB services that start first. systemd passes over them.
const FIRST_SERVICES: &str = "/etc/rcS.d";

/// Every place but the units.
const SOURCES: &[Source] = &[
    of(Kind::Script, "/etc/rc.local"),
    of(Kind::Script, "/etc/rc.d/rc.local"),
    of(Kind::Script, "/etc/network/if-pre-up.d"),
    of(Kind::Script, "/etc/network/if-up.d"),
    of(Kind::Script, "/etc/networkd-dispatcher/carrier.d"),
    of(Kind::Script, "/etc/networkd-dispatcher/configured.d"),
    of(Kind::Script, "/etc/networkd-dispatcher/configuring.d"),
    of(Kind::Script, "/etc/networkd-dispatcher/degraded.d"),
    of(Kind::Script, "/etc/networkd-dispatcher/no-carrier.d"),
    of(Kind::Script, "/etc/networkd-dispatcher/off.d"),
    of(Kind::Script, "/etc/networkd-dispatcher/routable.d"),
    of(Kind::Script, "/etc/NetworkManager/dispatcher.d"),
    of(Kind::Script, "/etc/NetworkManager/dispatcher.d/no-wait.d"),
    of(Kind::Script, "/etc/NetworkManager/dispatcher.d/pre-up.d"),
    of(Kind::Script, "/etc/ppp/ip-up.d"),
    of(Kind::Sourced, "/etc/dhcp/dhclient-enter-hooks.d"),
    of(Kind::Sourced, "/etc/dhcp/dhclient-exit-hooks.d"),
    of(Kind::Sourced, "/etc/dhcpcd.enter-hook"),
    of(Kind::Sourced, "/etc/dhcpcd.exit-hook"),
    of(Kind::Script, "/etc/libvirt/hooks"),
    of(Kind::Script, "/etc/libvirt/hooks/network.d"),
    of(Kind::Script, "/etc/libvirt/hooks/qemu.d"),
    of(Kind::Script, "/etc/init.d/boot.local"),
    of(Kind::Script, "/etc/init.d/after.local"),
    of(Kind::Script, "/usr/share/netfilter-persistent/plugins.d"),
    of(Kind::Sourced, "/etc/shorewall"),
    of(Kind::Sourced, "/etc/shorewall6"),
    of(Kind::Script, "/etc/csf/csfpre.sh"),
    of(Kind::Script, "/etc/csf/csfpost.sh"),
    of(Kind::Script, GENERATORS[0]),
    of(Kind::Script, GENERATORS[1]),
    of(Kind::Service, RUNLEVELS[0]),
    of(Kind::Service, RUNLEVELS[1]),
    of(Kind::Service, RUNLEVELS[2]),
    of(Kind::Service, RUNLEVELS[3]),
    of(Kind::Service, FIRST_SERVICES),
    Source { path: "/etc/wireguard", suffix: ".conf", kind: Kind::Tunnel },
    of(Kind::Script, "/etc/ufw/before.init"),
    of(Kind::Script, "/etc/ufw/after.init"),
    of(Kind::Script, "/var/lib/cloud/scripts/per-boot"),
    Source { path: "/etc/local.d", suffix: ".start", kind: Kind::ScriptOfOpenrc },
    of(Kind::Interfaces, "/etc/network/interfaces"),
    of(Kind::Interfaces, "/etc/network/interfaces.d"),
    of(Kind::Jobs, "/etc/crontab"),
    of(Kind::Jobs, "/etc/cron.d"),
    of(Kind::Periodic, "/etc/cron.hourly"),
    of(Kind::Periodic, "/etc/cron.daily"),
    of(Kind::Jobs, "/var/spool/cron/crontabs/root"),
    of(Kind::Jobs, "/var/spool/cron/root"),
    of(Kind::Periodic, "/var/spool/cron/atjobs"),
    of(Kind::Periodic, "/var/spool/at"),
];

/// The LSB services that another row knows, or that are the loader itself.
const KNOWN_SERVICES: [&str; 4] = ["kmod", "procps", "tuned", "ufw"];

/// Where systemd has the units of packages.
const UNITS_OF_PACKAGES: [&str; 2] = ["/usr/lib/systemd/system", "/lib/systemd/system"];

/// The program by which systemd runs LSB services. Versions from 258 on have none.
const RUNS_SERVICES: [&str; 2] = [
    "/usr/lib/systemd/system-generators/systemd-sysv-generator",
    "/lib/systemd/system-generators/systemd-sysv-generator",
];

/// A line that a boot runs.
pub(super) struct Line {
    /// Its place.
    pub(super) place: Place,
    /// The command, without what stands before it in a crontab or a unit.
    pub(super) command: String,
}

impl Source {
    /// The reads of its lines. Of the links to LSB services, those to `services` are followed.
    fn reads(&self, tree: &Tree, services: &BTreeSet<&str>) -> Vec<Read> {
        if self.kind == Kind::Service {
            let links = self.files(tree).filter(|link| service(link).is_some_and(|name| services.contains(name)));
            return links.map(|link| self.read(link)).collect();
        }
        vec![self.read(Path::new(self.path))]
    }

    fn read(&self, path: &Path) -> Read {
        let (files, words) = match self.kind {
            Kind::Script | Kind::ScriptOfOpenrc => (Picked::Executable, WORDS_AND_SCRIPTS),
            Kind::Periodic | Kind::Service => (Picked::Executable, WORDS),
            Kind::Interfaces | Kind::Jobs | Kind::Sourced | Kind::Tunnel => (Picked::All, WORDS_AND_SCRIPTS),
        };
        Read::Mentions { path: path.to_owned(), suffix: self.suffix, files, words }
    }

    /// Its files.
    fn files<'a>(&'a self, tree: &'a Tree) -> impl Iterator<Item = &'a Path> {
        let directory = Path::new(self.path);
        let own = tree.get(directory).map(|_| directory);
        let inside = tree.in_directory(directory).map(|(path, _)| path);
        own.into_iter().chain(inside.filter(|path| path.to_string_lossy().ends_with(self.suffix)))
    }

    /// The commands in its files.
    fn lines(&self, tree: &Tree) -> Vec<Line> {
        // Of the services, only the scripts of those that a boot starts have been read.
        let files = self.files(tree).filter(|path| tree.bytes(path).is_some());
        let command = |line: &str| match self.kind {
            Kind::Script | Kind::ScriptOfOpenrc | Kind::Periodic | Kind::Service | Kind::Sourced => {
                Some(line.to_owned())
            }
            Kind::Tunnel => {
                let (option, command) = line.split_once('=')?;
                let is_up = ["preup", "postup"].contains(&option.trim().to_ascii_lowercase().as_str());
                is_up.then(|| command.trim().to_owned())
            }
            Kind::Interfaces => {
                let (option, command) = line.split_once([' ', '\t'])?;
                ["up", "pre-up", "post-up"].contains(&option).then(|| command.to_owned())
            }
            // The times of a job stand before its command.
            Kind::Jobs => {
                let is_at_boot = line.starts_with('@');
                let times = if is_at_boot { 1 } else { 5 };
                // The scripts of the other jobs are not looked through.
                let counts = is_at_boot || WORDS.iter().any(|word| line.contains(word));
                counts.then(|| line.split_whitespace().skip(times).collect::<Vec<_>>().join(" "))
            }
        };
        files.flat_map(|file| lines_of(tree, file, command)).collect()
    }
}

/// The LSB service that a link in a directory such as /etc/rc2.d starts.
fn service(link: &Path) -> Option<&str> {
    let name = link.file_name()?.to_str()?.strip_prefix('S')?.trim_start_matches(|c: char| c.is_ascii_digit());
    (!KNOWN_SERVICES.contains(&name)).then_some(name)
}

/// The LSB services that some boot starts by their links.
fn linked_services(tree: &Tree) -> BTreeSet<&str> {
    let directories = SOURCES.iter().filter(|source| source.kind == Kind::Service).map(|source| source.path);
    let links = directories.flat_map(|directory| tree.in_directory(Path::new(directory)));
    links.filter_map(|(link, _)| service(link)).into_set()
}

/// Those of which a boot runs the scripts: systemd prefers a unit of the same name.
fn services_without_units(tree: &Tree) -> BTreeSet<&str> {
    let mut services = linked_services(tree);
    services.retain(|name| !units_for(name).any(|unit| tree.get(unit).is_some()));
    services
}

/// The units that take the place of an LSB service.
fn units_for(service: &str) -> impl Iterator<Item = PathBuf> {
    let directories = units::OF_ADMINISTRATOR.iter().chain(&UNITS_OF_PACKAGES);
    directories.map(move |directory| [*directory, "/", service, ".service"].concat().into())
}

/// Whether a boot of `system` looks at `source`.
fn is_of(tree: &Tree, system: &System, source: &Source) -> bool {
    match source.kind {
        Kind::ScriptOfOpenrc => *system != SYSTEMD,
        Kind::Service if *system == SYSTEMD && source.path == FIRST_SERVICES => false,
        Kind::Service => *system != SYSTEMD || RUNS_SERVICES.iter().any(|program| tree.get(program).is_some()),
        _ => true,
    }
}

/// The files that a boot of `system` runs, or takes commands from, by their places.
pub(super) fn files(tree: &Tree, system: &System) -> Vec<PathBuf> {
    let sources = SOURCES.iter().filter(|source| is_of(tree, system, source));
    sources.flat_map(|source| source.files(tree)).map(Path::to_owned).chain(cloud::files(tree)).collect()
}

/// The commands in the lines of `file`.
fn lines_of(tree: &Tree, file: &Path, command: impl Fn(&str) -> Option<String>) -> Vec<Line> {
    let text = tree.text(file).into_owned();
    let of_line = |(index, line): (usize, &str)| {
        let line = line.trim();
        let command = command(line).filter(|_| !line.is_empty() && !line.starts_with('#'))?;
        Some(Line { place: Place { file: file.to_owned(), line: index + 1 }, command })
    };
    text.split('\n').enumerate().filter_map(of_line).collect()
}

/// The reads on which the lines depend, given those that have been read.
pub(super) fn reads(tree: &Tree) -> Vec<Read> {
    let services = services_without_units(tree);
    let of_sources = SOURCES.iter().flat_map(|source| source.reads(tree, &services));
    let mut reads: Vec<Read> = of_sources.chain(cloud::reads(tree)).collect();
    reads.extend(units::reads(tree));
    let lines: Vec<Line> = direct_lines(tree);
    let (scripts, behind) = followed(tree, &lines);
    let words = WORDS_AND_SCRIPTS;
    reads.extend(scripts.into_iter().map(|path| Read::Mentions { path, suffix: "", files: Picked::All, words }));
    let effects = lines.iter().chain(&behind).flat_map(|line| effects(tree, line)).collect::<Vec<_>>();
    for effect in effects {
        if let Effect::Loads(rerun) = effect {
            reads.extend(rerun.named_files().into_iter().map(Read::File));
        }
    }
    reads
}

/// The reads that show which LSB services a boot starts, given those that have been read.
pub(super) fn services(tree: &Tree) -> Vec<Read> {
    let directories = SOURCES.iter().filter(|source| source.kind == Kind::Service).map(|source| source.path);
    let services = linked_services(tree);
    let mut reads: Vec<Read> = directories.map(|directory| Read::Names(directory.into())).collect();
    if !services.is_empty() {
        reads.extend(services.into_iter().flat_map(units_for).map(Read::Presence));
        reads.extend(Read::presences(&RUNS_SERVICES));
    }
    reads
}

/// The lines that a boot of `system` runs.
pub(super) fn lines(tree: &Tree, system: &System) -> Vec<Line> {
    let is_systemd = *system == SYSTEMD;
    let sources = SOURCES.iter().filter(|source| is_of(tree, system, source));
    let mut lines: Vec<Line> = sources.flat_map(|source| source.lines(tree)).collect();
    let started = units_of_scripts(&lines);
    lines.extend(cloud::lines(tree));
    if is_systemd {
        lines.extend(units::lines(tree, &started));
        let of_rules = udev::commands_elsewhere(tree).into_iter();
        lines.extend(of_rules.map(|(place, command)| Line { place, command }));
    }
    let (_, behind) = followed(tree, &lines);
    lines.extend(behind);
    lines
}

/// All lines that any system runs, without those of scripts that they run.
fn direct_lines(tree: &Tree) -> Vec<Line> {
    let of_sources: Vec<Line> = SOURCES.iter().flat_map(|source| source.lines(tree)).collect();
    let of_units = units::lines(tree, &units_of_scripts(&of_sources));
    let of_rules = udev::commands_of_administrator(tree).into_iter().map(|(place, command)| Line { place, command });
    of_sources.into_iter().chain(of_units).chain(of_rules).chain(cloud::lines(tree)).collect()
}

/// The scripts that `lines` run by their paths, those that these scripts run, and so on; and the lines of them all.
fn followed(tree: &Tree, lines: &[Line]) -> (BTreeSet<PathBuf>, Vec<Line>) {
    let mut scripts = BTreeSet::new();
    let mut behind: Vec<Line> = Vec::new();
    let mut named = named_scripts(lines);
    for _ in 0..DEPTH {
        let new: BTreeSet<PathBuf> = named.difference(&scripts).take(MOST_SCRIPTS).cloned().into_set();
        let found: Vec<Line> =
            new.iter().flat_map(|script| lines_of(tree, script, |line| Some(line.to_owned()))).collect();
        named = named_scripts(&found);
        scripts.extend(new);
        behind.extend(found);
    }
    (scripts, behind)
}

/// The scripts of the administrator that `lines` name by their paths.
fn named_scripts(lines: &[Line]) -> BTreeSet<PathBuf> {
    let words = lines.iter().flat_map(|line| line.command.split([' ', '\t', ';', '&', '|', '"', '\'', '(', ')', '`']));
    let is_script = |word: &&str| {
        let is_local = LOCAL.iter().any(|directory| word.starts_with(directory));
        is_local && !word.ends_with(".conf") && !word.contains(['$', '*', '?', '[', '=', '%'])
    };
    words
        .map(|word| word.trim_start_matches(['-', '@', ':', '+', '!']))
        .filter(is_script)
        .map(PathBuf::from)
        .take(MOST_SCRIPTS)
        .into_set()
}

/// The units that these lines of scripts have systemd start.
fn units_of_scripts(lines: &[Line]) -> BTreeSet<String> {
    let names = lines.iter().filter(|line| line.command.contains(STARTER)).flat_map(|line| {
        let words = line.command.split([' ', '\t', ';', '&', '|', '"', '\'']);
        let names = words.skip_while(|word| !word.ends_with("start")).skip(1).filter(|word| !word.is_empty());
        names.map(|name| format!("{}.service", name.trim_end_matches(".service"))).collect::<Vec<_>>()
    });
    names.into_set()
}

/// The program with which a script starts a unit.
const STARTER: &str = "systemctl";
