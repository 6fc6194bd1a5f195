//! Decides whether a boot of systemd starts the units of early boot: which target it starts, whether that starts
//! sysinit.target, and whether a link there starts the unit (systemd.special(7), kernel-command-line(7)).

use std::path::{Path, PathBuf};

use super::unit::{OF_ADMINISTRATOR, OF_PACKAGES, Unit};
use crate::boot::doubt::{Doubt, Reason};
use crate::boot::parameters::CMDLINE;
use crate::formats::{kernel_arguments, unit};
use crate::tree::{Entry, Place, Read, Tree};

/// The target that starts the units of early boot.
pub(super) static EARLY: Unit = Unit { name: "sysinit.target", drop_ins: &[] };

/// The target that a boot starts if the kernel command line names none.
const DEFAULT: &str = "default.target";

/// The targets that start sysinit.target, or whose services do. `emergency.target` is not among them.
const STARTS_EARLY: [&str; 14] = [
    "basic.target",
    "graphical.target",
    "multi-user.target",
    "network-online.target",
    "network.target",
    "rescue.target",
    "runlevel1.target",
    "runlevel2.target",
    "runlevel3.target",
    "runlevel4.target",
    "runlevel5.target",
    "sysinit.target",
    "system-update.target",
    "timers.target",
];

/// The words of the kernel command line that name a target.
const WORDS: [(&str, &str); 12] = [
    ("emergency", "emergency.target"),
    ("-b", "emergency.target"),
    ("rescue", "rescue.target"),
    ("single", "rescue.target"),
    ("-s", "rescue.target"),
    ("s", "rescue.target"),
    ("S", "rescue.target"),
    ("1", "rescue.target"),
    ("2", "runlevel2.target"),
    ("3", "runlevel3.target"),
    ("4", "runlevel4.target"),
    ("5", "runlevel5.target"),
];

/// The names in a target that start the units behind them.
const STARTS: [&str; 4] = ["Requires", "Wants", "BindsTo", "Upholds"];

/// The reads that show whether a boot starts `unit`, given those that have been read.
pub(super) fn reads(tree: &Tree, unit: &Unit) -> Vec<Read> {
    let mut reads: Vec<Read> = paths(DEFAULT).chain(EARLY.files()).map(Read::File).collect();
    reads.extend(OF_PACKAGES.iter().map(|directory| Read::Presence(Path::new(directory).join(EARLY.name))));
    reads.extend(links(&OF_PACKAGES, unit).map(Read::Presence));
    // Hardly any machine lacks the links of the packages.
    if !is_linked(tree, unit) {
        reads.extend(links(&OF_ADMINISTRATOR, unit).map(Read::File));
        reads.extend(paths(unit.name).map(Read::Presence));
    }
    if let Some((_, name)) = target(tree).filter(|(_, name)| name != DEFAULT && !starts_early(name)) {
        reads.extend(paths(&name).map(Read::Candidate));
    }
    reads
}

/// The reason why a boot may not start `unit`.
pub(super) fn doubt(tree: &Tree, unit: &Unit) -> Option<Doubt> {
    if unit.is_masked(tree) {
        // That is certain.
        return None;
    }
    of_target(tree).or_else(|| of_mask(tree)).or_else(|| of_links(tree, unit))
}

/// The target that a boot starts may leave out sysinit.target.
fn of_target(tree: &Tree) -> Option<Doubt> {
    let (at, name) = target(tree)?;
    let file =
        paths(&name).chain([at.file.to_path_buf()]).find(|path| tree.bytes(path).is_some_and(|it| !it.is_empty()));
    let read = file.map(|file| tree.parsed(file, unit::parse)).unwrap_or_default();
    let started = read.iter().filter(|line| STARTS.contains(&line.name.as_str()));
    let is_early = started.flat_map(|line| line.value.split_whitespace()).any(starts_early);
    if starts_early(&name) || (is_early && name != "emergency.target") {
        return None;
    }
    let is_of_boot = *at.file == *Path::new(CMDLINE);
    let remedy = if is_of_boot { "boot without it" } else { "run `systemctl set-default multi-user.target`" };
    let doubt =
        if is_of_boot { Doubt::of_line(Reason::NotStarted, &at) } else { Doubt::of_file(Reason::NotStarted, &at.file) };
    Some(Doubt { remedy: Some(remedy.to_owned()), ..doubt.detail(name) })
}

fn starts_early(target: &str) -> bool {
    STARTS_EARLY.contains(&target)
}

/// The target that a boot starts, and the place that says so. None: nothing here says so.
///
/// systemd starts rescue.target in the place of a default target that is not there.
fn target(tree: &Tree) -> Option<(Place, String)> {
    let text = tree.text(CMDLINE);
    let named = kernel_arguments::parse(&text).filter_map(|argument| match argument.value {
        Some(name) => (argument.name == "systemd.unit" && !name.is_empty()).then_some(name),
        None => WORDS.iter().find(|(word, _)| argument.name == *word).map(|(_, target)| *target),
    });
    if let Some(name) = named.last() {
        return Some((Place::new(CMDLINE, 1), name.to_owned()));
    }
    let file = paths(DEFAULT).find(|path| tree.get(path).is_some())?;
    let name = match tree.get(&file)? {
        Entry::Link { target, .. } => target.file_name()?.to_string_lossy().into_owned(),
        Entry::File(bytes) if !bytes.is_empty() => DEFAULT.to_owned(),
        _ => return None,
    };
    Some((Place::new(file, 1), name))
}

/// sysinit.target is masked.
fn of_mask(tree: &Tree) -> Option<Doubt> {
    let file = EARLY.files().find(|path| tree.get(path).is_some()).unwrap_or(CMDLINE.into());
    let remedy = Some(format!("run `systemctl unmask {}`, and boot without `systemd.mask=` for it", EARLY.name));
    EARLY.is_masked(tree).then(|| Doubt { remedy, ..Doubt::of_file(Reason::NotStarted, &file) })
}

/// No link starts the unit, on a machine that has the targets of systemd.
fn of_links(tree: &Tree, unit: &Unit) -> Option<Doubt> {
    let shipped = OF_PACKAGES.iter().map(|directory| Path::new(directory).join(EARLY.name));
    let is_whole = shipped.into_iter().any(|path| tree.get(path).is_some());
    if !is_whole || is_linked(tree, unit) {
        return None;
    }
    let is_there = paths(unit.name).any(|path| tree.get(path).is_some());
    if is_there && links(&OF_ADMINISTRATOR, unit).any(|link| tree.get(link).is_some()) {
        return None;
    }
    let missing = if is_there {
        Path::new(OF_PACKAGES[0]).join(format!("{}.wants", EARLY.name)).join(unit.name)
    } else {
        Path::new(OF_PACKAGES[0]).join(unit.name)
    };
    let remedy = if is_there {
        format!("run `systemctl add-wants {} {}`", EARLY.name, unit.name)
    } else {
        "install its package again (Debian: `systemd`, or `udev` for systemd-modules-load)".to_owned()
    };
    Some(Doubt { remedy: Some(remedy), ..Doubt::of_file(Reason::NotStarted, &missing) })
}

/// Whether a link of a package starts the unit, and leads to it.
fn is_linked(tree: &Tree, unit: &Unit) -> bool {
    links(&OF_PACKAGES, unit).any(|link| tree.get(link).is_some())
}

/// The paths of a unit, the strongest first.
fn paths(name: &str) -> impl Iterator<Item = PathBuf> {
    OF_ADMINISTRATOR.iter().chain(&OF_PACKAGES).map(move |directory| Path::new(directory).join(name))
}

/// The links of which one has sysinit.target start the unit.
fn links<'a>(directories: &'a [&str], unit: &Unit) -> impl Iterator<Item = PathBuf> + use<'a> {
    let name = unit.name;
    let of_kind =
        move |kind| directories.iter().map(move |directory| [*directory, "/", EARLY.name, kind, name].concat().into());
    [".wants/", ".requires/"].into_iter().flat_map(of_kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    static LOADER: Unit = Unit { name: "systemd-sysctl.service", drop_ins: &[] };

    fn doubted(command_line: &str) -> Option<String> {
        let tree = [(CMDLINE.into(), Entry::File(command_line.into()))].into_iter().collect();
        doubt(&tree, &LOADER).map(|doubt| doubt.detail.unwrap_or_default())
    }

    #[test]
    fn the_command_line_may_name_another_target() {
        for fine in [
            "ro quiet",
            "single",
            "1",
            "3 emergency=no",
            "rd.break rd.systemd.unit=emergency.target",
            "systemd.unit=rescue.target",
            "emergency systemd.unit=multi-user.target",
            "systemd.mask=sysinit.service",
        ] {
            assert_eq!(doubted(fine), None, "{fine}");
        }
        for (line, target) in [
            ("emergency", "emergency.target"),
            ("ro -b", "emergency.target"),
            ("single systemd.unit=emergency.target", "emergency.target"),
            ("systemd.unit=site.target", "site.target"),
            ("systemd.mask=sysinit.target", ""),
        ] {
            assert_eq!(doubted(line), Some(target.to_owned()), "{line}");
        }
    }
}
