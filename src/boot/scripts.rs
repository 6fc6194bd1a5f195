//! Finds the lines of scripts and units that a boot runs and that may write sysctls, wherever administrators put them.
//!
//! Only the lines with certain words in them are read. A script that such a line runs or reads by its path is looked through
//! as well, and those behind it, as far as `DEPTH` goes. A package whose program writes such settings has a row in `writers`.

mod arguments;
mod cloud;
mod command;
mod packages;
mod paths;
mod places;
mod units;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::systems::{OF_PACKAGES, SYSTEMD, System};
use super::udev;
use crate::order::InOrder;
use crate::tree::{Picked, Place, Read, Tree, as_text, line_where};

use paths::Named;
use places::{Kind, SOURCES};

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
    "run-parts",
    "source",
    "/bin/",
    "/boot/",
    "/config/",
    "/data/",
    "/etc/",
    "/home/",
    "/lib/",
    "/media/",
    "/mnt/",
    "/opt/",
    "/root/",
    "/sbin/",
    "/srv/",
    "/usr/",
    "/var/opt/",
    "./",
    ".sh",
    "}/",
    "dirname",
];

/// The most scripts that are looked through because lines run them.
const MOST_SCRIPTS: usize = 192;

/// How many scripts are looked through one behind the other.
const DEPTH: usize = 3;

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

/// The services that another row knows, or that run the loader or load the modules.
const KNOWN_SERVICES: [&str; 7] = ["kmod", "modules", "modules-load", "procps", "sysctl", "tuned", "ufw"];

/// Where the administrator has programs that a shell finds by their names.
const TOOLS: [&str; 2] = ["/usr/local/sbin", "/usr/local/bin"];

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

/// The LSB service that a link in a directory such as /etc/rc2.d starts.
fn service(link: &Path) -> Option<&str> {
    let name = link.file_name()?.to_str()?.strip_prefix('S')?.trim_start_matches(|c: char| c.is_ascii_digit());
    (!KNOWN_SERVICES.contains(&name)).then_some(name)
}

/// The LSB services that some boot starts by their links.
fn linked_services(tree: &Tree) -> BTreeSet<&str> {
    let sources = SOURCES.iter().filter(|source| source.kind == Kind::Service);
    sources.flat_map(|source| source.files(tree)).filter_map(service).into_set()
}

/// Those of which a boot runs the scripts: systemd prefers a unit of the same name.
fn services_without_units(tree: &Tree) -> BTreeSet<&str> {
    let mut services = linked_services(tree);
    services.retain(|name| !units_for(name).any(|unit| tree.get(unit).is_some()));
    services
}

/// The units that take the place of an LSB service.
fn units_for(service: &str) -> impl Iterator<Item = PathBuf> {
    let directories = units::OF_ADMINISTRATOR.iter().chain(&OF_PACKAGES);
    directories.map(move |directory| [*directory, "/", service, ".service"].concat().into())
}

/// The files that a boot of `system` runs, or takes commands from, by their places.
pub(super) fn files(tree: &Tree, system: &System) -> Vec<PathBuf> {
    let sources = SOURCES.iter().filter(|source| source.is_of(tree, system));
    sources.flat_map(|source| source.files(tree)).map(Path::to_owned).chain(cloud::files(tree)).collect()
}

/// The lines of a file that are no comments, each with its number.
struct Numbered(Vec<(usize, String)>);

fn numbered(bytes: &[u8]) -> Numbered {
    let text = as_text(bytes);
    let lines = text.split('\n').map(str::trim).enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    Numbered(lines.map(|(index, line)| (index + 1, line.to_owned())).collect())
}

/// The commands in the lines of `file`.
fn lines_of(tree: &Tree, file: &Path, command: impl Fn(&str) -> Option<String>) -> Vec<Line> {
    let Numbered(lines) = &*tree.parsed(file, numbered);
    let place = Place::within(file);
    let of_line = |(line, text): &(usize, String)| Some(Line { place: place(*line), command: command(text)? });
    lines.iter().filter_map(of_line).collect()
}

/// The reads that find the administrator's programs with lines that may write.
pub(super) fn tools() -> Vec<Read> {
    let of = |path: &str| Read::Mentions {
        path: path.into(),
        suffix: "",
        files: Picked::Executable,
        words: WORDS,
        names: Vec::new(),
    };
    TOOLS.map(of).into()
}

/// The names by which a shell finds such a program.
fn tool_names(tree: &Tree) -> Vec<String> {
    let files = TOOLS.iter().flat_map(|directory| tree.in_directory(Path::new(directory)));
    let files = files.filter(|(_, entry)| entry.bytes().is_some());
    files.filter_map(|(path, _)| Some(path.file_name()?.to_str()?.to_owned())).collect()
}

/// The reads of the places with commands, given those that have been read.
pub(super) fn places(tree: &Tree) -> Vec<Read> {
    let services = services_without_units(tree);
    let names = tool_names(tree);
    SOURCES.iter().flat_map(|source| source.reads(tree, &services, &names)).chain(cloud::reads(tree)).collect()
}

/// The reads that find the units that a boot starts, given those that have been read.
pub(super) fn units(tree: &Tree) -> Vec<Read> {
    let started = packages::started(tree, &units_of_scripts(&lines_of_places(tree)));
    units::reads(tree).into_iter().chain(packages::reads(tree, &started)).collect()
}

/// The reads of the scripts and files that all these lines name, given those that have been read.
pub(super) fn behind(tree: &Tree) -> Vec<Read> {
    let mut lines = lines_of_places(tree);
    lines.extend(lines_of_units(tree, &units_of_scripts(&lines)));
    let of_rules = udev::commands_of_administrator(tree).into_iter();
    lines.extend(of_rules.map(|(place, command)| Line { place, command }).chain(cloud::lines(tree)));
    lines.extend(arguments::lines(tree));
    let (scripts, behind) = followed(tree, &lines);
    let names = tool_names(tree);
    let words = WORDS_AND_SCRIPTS;
    let read = |(path, suffix): Named| Read::Mentions {
        path: path.into(),
        suffix,
        files: Picked::All,
        words,
        names: names.clone(),
    };
    let effects = lines.iter().chain(&behind).flat_map(|line| effects(tree, line));
    let files = effects.flat_map(|effect| match effect {
        Effect::Loads(rerun) => rerun.named_files(),
        Effect::Writes(..) | Effect::Names(_) | Effect::Anything => Vec::new(),
    });
    scripts.into_iter().map(read).chain(files.map(Read::File)).collect()
}

/// The lines of the places that some boot of this machine looks at.
fn lines_of_places(tree: &Tree) -> Vec<Line> {
    SOURCES.iter().filter(|source| source.may_count(tree)).flat_map(|source| source.lines(tree)).collect()
}

/// The lines of the units that a boot of systemd starts. Scripts start those of `of_scripts`.
fn lines_of_units(tree: &Tree, of_scripts: &BTreeSet<String>) -> Vec<Line> {
    let started = packages::started(tree, of_scripts);
    units::lines(tree, &started).into_iter().chain(packages::lines(tree, &started)).collect()
}

/// The reads that show which LSB services a boot starts, given those that have been read.
pub(super) fn services(tree: &Tree) -> Vec<Read> {
    let services = linked_services(tree);
    let mut reads: Vec<Read> = SOURCES.iter().filter_map(|source| source.links(tree)).collect();
    if !services.is_empty() {
        reads.extend(services.into_iter().flat_map(units_for).map(Read::Presence));
        reads.extend(Read::presences(&RUNS_SERVICES));
    }
    reads
}

/// The lines that a boot of `system` runs.
pub(super) fn lines(tree: &Tree, system: &System) -> Vec<Line> {
    let is_systemd = *system == SYSTEMD;
    let sources = SOURCES.iter().filter(|source| source.is_of(tree, system));
    let mut lines: Vec<Line> = sources.flat_map(|source| source.lines(tree)).collect();
    let of_scripts = units_of_scripts(&lines);
    lines.extend(cloud::lines(tree));
    if is_systemd {
        lines.extend(arguments::lines(tree));
        lines.extend(lines_of_units(tree, &of_scripts));
        let of_rules = udev::commands_elsewhere(tree).into_iter();
        lines.extend(of_rules.map(|(place, command)| Line { place, command }));
    }
    let (_, behind) = followed(tree, &lines);
    lines.extend(behind);
    // Several rows may name one script.
    let mut seen = HashSet::new();
    lines.retain(|line| seen.insert((line.place.clone(), line.command.clone())));
    lines
}

/// The name and the value of a line that assigns something.
fn assigned(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    let is_name = name.trim().chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then(|| (name.trim(), value.trim()))
}

/// The scripts that `lines` run by their paths, those that these scripts run, and so on; and the lines of them all. The
/// directories of which a line runs all files are among the scripts.
fn followed(tree: &Tree, lines: &[Line]) -> (BTreeSet<Named>, Vec<Line>) {
    let tools = tool_names(tree);
    let mut scripts = BTreeSet::new();
    let mut behind: Vec<Line> = Vec::new();
    let mut named = named_by(tree, lines, &tools);
    for _ in 0..DEPTH {
        let files = named
            .iter()
            .filter(|(_, suffix)| *suffix == paths::ALL)
            .flat_map(|(path, _)| tree.in_directory(path.as_ref()));
        let files: Vec<Named> = files.map(|(file, _)| (file.into(), paths::NONE)).collect();
        named.extend(files);
        let new: BTreeSet<Named> = named.difference(&scripts).take(MOST_SCRIPTS).cloned().into_set();
        let lines_of_script = |(script, _): &Named| lines_of(tree, script.as_ref(), |line| Some(line.to_owned()));
        let found: Vec<Line> = new.iter().flat_map(lines_of_script).collect();
        named = named_by(tree, &found, &tools);
        scripts.extend(new);
        behind.extend(found);
    }
    (scripts, behind)
}

/// The scripts that these lines name, and those of `tools` that they name as a shell finds them. The lines of one file are
/// looked through once, and again only if they are others.
fn named_by(tree: &Tree, lines: &[Line], tools: &[String]) -> BTreeSet<Named> {
    let mut by_file: BTreeMap<&OsStr, Vec<&Line>> = BTreeMap::new();
    for line in lines {
        by_file.entry(line.place.file.as_os_str()).or_default().push(line);
    }
    let mut named = lines.iter().flat_map(|line| paths::named_tools(&line.command, tools)).into_set();
    for (file, lines) in by_file {
        let look = || Looked {
            commands: lines.iter().map(|line| line.command.clone()).collect(),
            scripts: paths::named(&lines),
        };
        let looked = tree.parsed(file, |_| look());
        if looked.commands.iter().eq(lines.iter().map(|line| &line.command)) {
            named.extend(looked.scripts.iter().cloned());
        } else {
            named.extend(look().scripts);
        }
    }
    named
}

/// The scripts that commands in a file name.
struct Looked {
    commands: Vec<String>,
    scripts: BTreeSet<Named>,
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
