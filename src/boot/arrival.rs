//! Decides when connection tracking is there at boot: before the loader writes, or after.
//!
//! If connection tracking is a module that no list names, the first firewall rule that needs the module loads it. What the
//! loader wrote before that is lost without a message: the most common cause of "it was fine until the reboot".

use std::path::Path;

use super::systems::{Blacklist, ModuleLists, Stage, System};
use super::writers::kernel::{CMDLINE, MODPROBE};
use crate::kernel::catalog::Key;
use crate::kernel::modules::brings_conntrack;
use crate::snapshot::Module;
use crate::tree::{Place, Read, Tree, drop_ins, line_where};

/// When connection tracking is there at boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Before everything: connection tracking is part of the kernel.
    BuiltIn,
    /// Before the loader: this line names the module, or one that needs it.
    Early(Place),
    /// After the loader, which a udev rule runs again as the module comes.
    Reapplied {
        /// Where the rule stands.
        rule: Place,
        /// The dotted keys that the rule has it write, with all that lies below them. Empty: every key.
        prefixes: Vec<String>,
        /// The line that keeps the module from being loaded early, if one does.
        barred: Option<Place>,
    },
    /// After the loader, whose writes are lost.
    Late {
        /// The line that keeps the module from being loaded early, if one does.
        barred: Option<Place>,
    },
}

impl Arrival {
    /// The line that keeps the module from being loaded early, if one does.
    #[must_use]
    pub fn barred(&self) -> Option<&Place> {
        match self {
            Arrival::BuiltIn | Arrival::Early(_) => None,
            Arrival::Reapplied { barred, .. } | Arrival::Late { barred } => barred.as_ref(),
        }
    }

    /// Whether a write of the loader to `key` reaches the module.
    #[must_use]
    pub fn reaches(&self, key: &Key) -> bool {
        match self {
            Arrival::BuiltIn | Arrival::Early(_) => true,
            Arrival::Late { .. } => false,
            Arrival::Reapplied { prefixes, .. } => {
                let lies_below = |prefix: &String| {
                    prefix.is_empty()
                        || key
                            .as_str()
                            .strip_prefix(prefix.as_str())
                            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                };
                prefixes.is_empty() || prefixes.iter().any(lies_below)
            }
        }
    }
}

/// The file in which a run names the module, where no other does.
pub const MODULE_FILE: &str = "/etc/modules-load.d/nf_conntrack.conf";

/// The directories of udev(7), the strongest first.
pub(super) const UDEV_RULES: [&str; 5] = [
    "/etc/udev/rules.d",
    "/run/udev/rules.d",
    "/usr/local/lib/udev/rules.d",
    "/usr/lib/udev/rules.d",
    "/lib/udev/rules.d",
];

/// The reads on which the arrival at a boot of `system` depends, besides those of the module's parameters.
pub(super) fn reads(system: &System, tree: &Tree) -> Vec<Read> {
    let of_stage = |stage: &Stage| match stage {
        Stage::Modules(lists) => (lists.reads)(tree),
        Stage::Udev(_) => Read::directories(&UDEV_RULES, ".rules").collect(),
        Stage::Loader(_) => Vec::new(),
    };
    system.order.iter().flat_map(of_stage).collect()
}

/// When connection tracking is there at a boot of `system` with the files of `tree`.
#[must_use]
pub fn arrival(tree: &Tree, module: Module, system: &System) -> Arrival {
    if module == Module::BuiltIn {
        return Arrival::BuiltIn;
    }
    let loader = system.order.iter().position(|stage| matches!(stage, Stage::Loader(_)));
    let (before, after) = system.order.split_at(loader.unwrap_or(system.order.len()));
    let mut barred = None;
    for stage in before {
        let Stage::Modules(lists) = stage else { continue };
        match (named(tree, lists), bar(tree, lists.blacklist)) {
            (Some(place), None) => return Arrival::Early(place),
            (_, bar) => barred = barred.or(bar),
        }
    }
    let reapplied = after.iter().find_map(|stage| match stage {
        Stage::Udev(program) => rule(tree, program),
        Stage::Loader(_) | Stage::Modules(_) => None,
    });
    match reapplied {
        Some((rule, prefixes)) => Arrival::Reapplied { rule, prefixes, barred },
        None => Arrival::Late { barred },
    }
}

/// The first line of `lists` that has connection tracking loaded.
fn named(tree: &Tree, lists: &ModuleLists) -> Option<Place> {
    let names_it = |line: &str| brings_conntrack((lists.module)(line));
    let in_files = (lists.files)(tree).into_iter().find_map(|file| line_where(tree, &file, names_it));
    in_files
        .or_else(|| on_command_line(tree, |key, module| lists.parameters.contains(&key) && brings_conntrack(module)))
}

/// The kernel command line, if one of its lists (`key=module,module`) has a module for which `holds` is true.
fn on_command_line(tree: &Tree, holds: impl Fn(&str, &str) -> bool) -> Option<Place> {
    line_where(tree, Path::new(CMDLINE), |line| {
        let mut lists = line.split_whitespace().filter_map(|word| word.split_once('='));
        lists.any(|(key, modules)| modules.split(',').any(|module| holds(key, module)))
    })
}

/// The line of modprobe.d, or the kernel command line, that keeps the module from being loaded by its name. The kernel
/// itself obeys `module_blacklist` (Documentation/admin-guide/kernel-parameters.txt).
fn bar(tree: &Tree, blacklist: Blacklist) -> Option<Place> {
    let is_obeyed = blacklist == Blacklist::Obeyed;
    let by_the_kernel = on_command_line(tree, |key, module| {
        let is_list = key == "module_blacklist" || (key == "modprobe.blacklist" && is_obeyed);
        is_list && module == "nf_conntrack"
    });
    let bars = |line: &str| {
        let mut words = line.split_whitespace();
        let (command, module) = (words.next(), words.next().unwrap_or_default());
        module.replace('-', "_") == "nf_conntrack"
            && match command {
                Some("blacklist") => is_obeyed,
                Some("install") => words.next().is_some_and(does_nothing),
                _ => false,
            }
    };
    by_the_kernel.or_else(|| drop_ins(tree, &MODPROBE, ".conf").iter().find_map(|file| line_where(tree, file, bars)))
}

/// Whether the command of an `install` line loads nothing. Hardening guides recommend these.
fn does_nothing(command: &str) -> bool {
    matches!(command, "/bin/false" | "/bin/true" | "/usr/bin/false" | "/usr/bin/true" | "false" | "true" | ":")
}

/// A udev rule that runs `program` again when the module is added, and the prefixes of the keys that it then writes.
fn rule(tree: &Tree, program: &str) -> Option<(Place, Vec<String>)> {
    let is_it = |line: &str| line.contains("nf_conntrack") && line.contains("\"module\"") && line.contains(program);
    let mut files = drop_ins(tree, &UDEV_RULES, ".rules").into_iter();
    let rule = files.find_map(|file| line_where(tree, &file, is_it))?;
    let text = String::from_utf8_lossy(tree.bytes(&rule.file)?);
    let line = text.lines().nth(rule.line - 1)?;
    let prefixes = line.split("--prefix").skip(1).filter_map(|rest| {
        let prefix = rest.trim_start_matches(['=', ' ']).split(['"', '\'', ' ', ',']).next()?;
        let prefix = prefix.trim_start_matches("/proc/sys").trim_matches('/');
        Some(prefix.replace('/', "."))
    });
    let prefixes = prefixes.collect();
    Some((rule, prefixes))
}
