//! Decides whether a boot runs a service of systemd as it is shipped: whether the unit is masked, and whether a file of the
//! administrator changes what it does (systemd.unit(5)).

use std::path::PathBuf;

use crate::boot::doubt::{Doubt, Reason};
use crate::boot::parameters::CMDLINE;
use crate::formats::{kernel_arguments, unit};
use crate::tree::{Entry, Place, Read, Tree, drop_ins};

/// The assignments that leave alone whether a service runs, and what it does. A name that is not among them may change it.
const HARMLESS: [&str; 33] = [
    "Description",
    "Documentation",
    "After",
    "Before",
    "Wants",
    "OnFailure",
    "OnFailureJobMode",
    "OnSuccess",
    "TimeoutSec",
    "TimeoutStartSec",
    "TimeoutStopSec",
    "TimeoutAbortSec",
    "TimeoutStopFailureMode",
    "Nice",
    "Slice",
    "CPUAccounting",
    "CPUWeight",
    "StartupCPUWeight",
    "IOAccounting",
    "IOWeight",
    "IPAccounting",
    "MemoryAccounting",
    "TasksAccounting",
    "OOMScoreAdjust",
    "ManagedOOMPreference",
    "StandardOutput",
    "StandardError",
    "LogLevelMax",
    "LogNamespace",
    "LogRateLimitBurst",
    "LogRateLimitIntervalSec",
    "SyslogFacility",
    "SyslogIdentifier",
];

/// Where the administrator's units are, the strongest first. Those in /run do not outlive a boot.
pub(super) const OF_ADMINISTRATOR: [&str; 4] = [
    "/etc/systemd/system.control",
    "/etc/systemd/system",
    "/etc/systemd/system.attached",
    "/usr/local/lib/systemd/system",
];

/// Where packages have units.
pub(super) const OF_PACKAGES: [&str; 2] = ["/usr/lib/systemd/system", "/lib/systemd/system"];

/// A unit that is shipped with systemd.
pub(super) struct Unit {
    /// Its name.
    pub(super) name: &'static str,
    /// The names of the directories of its drop-ins: its own, those of its prefixes, and that of all services.
    pub(super) drop_ins: &'static [&'static str],
}

impl Unit {
    pub(super) fn reads(&self) -> impl Iterator<Item = Read> {
        let drop_ins =
            self.directories().into_iter().map(|path| Read::Directory { path: path.into(), suffix: ".conf" });
        drop_ins.chain(self.files().map(Read::File)).chain([Read::OfKernel(CMDLINE.into())])
    }

    /// The files of the administrator that take the place of the shipped one, the strongest first.
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> + use<> {
        let name = self.name;
        OF_ADMINISTRATOR.iter().map(move |directory| PathBuf::from(directory).join(name))
    }

    /// The directories of its drop-ins, the strongest first.
    fn directories(&self) -> Vec<String> {
        let beside = || OF_ADMINISTRATOR.iter().chain(&OF_PACKAGES);
        self.drop_ins.iter().flat_map(|name| beside().map(move |directory| format!("{directory}/{name}"))).collect()
    }

    /// Whether it is masked: by a link to /dev/null or an empty file in place of the unit, or on the kernel command line.
    pub(super) fn is_masked(&self, tree: &Tree) -> bool {
        let by_a_file = match self.files().find_map(|file| tree.get(file)) {
            Some(Entry::Null) => true,
            Some(Entry::File(bytes) | Entry::Link { bytes, .. }) => bytes.is_empty(),
            _ => false,
        };
        // A name without a suffix is that of a service.
        let is_named = |name: &str| name == self.name || self.name.strip_suffix(".service") == Some(name);
        let words = tree.text(CMDLINE);
        let masked = kernel_arguments::parse(&words).into_iter().filter(|word| word.name == "systemd.mask");
        by_a_file || masked.filter_map(|word| word.value).any(|name| is_named(&name))
    }

    /// The first line or file that may change whether it runs, and what it does.
    pub(super) fn doubt(&self, tree: &Tree) -> Option<Doubt> {
        if self.is_masked(tree) {
            return None;
        }
        let whole = self.files().find(|file| tree.get(file).is_some());
        let changes = |file: PathBuf| {
            if let Some(Entry::Unreadable(obstacle)) = tree.get(&file) {
                return Some(Doubt::of_obstacle(obstacle, &file));
            }
            let read = unit::parse(tree.bytes(&file).unwrap_or_default());
            let change =
                read.into_iter().find(|line| !HARMLESS.contains(&line.name.as_str()) && line.section != "Install")?;
            Some(Doubt::of_line(Reason::UnitChanged, &Place { file, line: change.line }).detail(change.name))
        };
        let directories = self.directories();
        let directories: Vec<&str> = directories.iter().map(String::as_str).collect();
        whole.into_iter().chain(drop_ins(tree, &directories, ".conf")).find_map(changes)
    }
}
