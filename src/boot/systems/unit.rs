//! Decides whether a boot runs a service of systemd as it is shipped: whether the unit is masked, and whether a file of the
//! administrator changes what it does (systemd.unit(5)).

use std::path::PathBuf;

use crate::boot::doubt::{Doubt, Reason};
use crate::boot::kernels;
use crate::boot::parameters::CMDLINE;
use crate::formats::{kernel_arguments, unit};
use crate::kernel::catalog::WORDS;
use crate::tree::{Entry, Place, Read, Tree, drop_ins};

/// The assignments that leave alone whether a service runs, and what it does. A name that is not among them may change it.
const HARMLESS: [&str; 31] = [
    "Description",
    "Documentation",
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

/// The units that systemd starts before either service, so that waiting for them changes nothing.
const EARLY: [&str; 13] = [
    "-.mount",
    "boot.mount",
    "kmod-static-nodes.service",
    "local-fs-pre.target",
    "local-fs.target",
    "systemd-journald.service",
    "systemd-journald.socket",
    "systemd-remount-fs.service",
    "systemd-tmpfiles-setup-dev-early.service",
    "systemd-tmpfiles-setup-dev.service",
    "systemd-udev-trigger.service",
    "systemd-udevd.service",
    "usr.mount",
];

/// The service that loads modules. The loader waits for it.
const LOADS_MODULES: &str = "systemd-modules-load.service";

/// The command by which SUSE has a file of each kernel read before all others (suse-module-tools).
const LOADS_OF_KERNEL: [&str; 2] =
    ["-/usr/lib/systemd/systemd-sysctl /boot/sysctl.conf-%v", "-/lib/systemd/systemd-sysctl /boot/sysctl.conf-%v"];

/// The reads of the lines about connection tracking in these files, on a machine with such a drop-in.
pub(super) fn reads_of_kernels(tree: &Tree) -> Vec<Read> {
    let is_read = OF_PACKAGES.iter().any(|directory| tree.get(format!("{directory}/{DROP_IN_OF_KERNEL}")).is_some());
    let releases = if is_read { kernels::directories(tree) } else { Vec::new() };
    releases.iter().map(|(_, release)| Read::mentions(file_of_kernel(release), "", &WORDS)).collect()
}

/// The drop-in with that command.
const DROP_IN_OF_KERNEL: &str = "systemd-sysctl.service.d/50-kernel-uname_r.conf";

fn file_of_kernel(release: &str) -> PathBuf {
    format!("/boot/sysctl.conf-{release}").into()
}

/// The entries of these files.
fn of_kernels(tree: &Tree) -> impl Iterator<Item = Option<&Entry>> {
    kernels::directories(tree).into_iter().map(|(_, release)| tree.get(file_of_kernel(&release)))
}

/// Where the administrator's units are, the strongest first. Those in /run do not outlive a boot.
pub(super) const OF_ADMINISTRATOR: [&str; 4] = [
    "/etc/systemd/system.control",
    "/etc/systemd/system",
    "/etc/systemd/system.attached",
    "/usr/local/lib/systemd/system",
];

/// Where packages have units.
pub(in crate::boot) const OF_PACKAGES: [&str; 2] = ["/usr/lib/systemd/system", "/lib/systemd/system"];

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
        self.drop_ins.iter().flat_map(|name| beside().map(move |directory| [directory, "/", name].concat())).collect()
    }

    /// Whether it is masked: by a link to /dev/null or an empty file in place of the unit, or on the kernel command line.
    pub(super) fn is_masked(&self, tree: &Tree) -> bool {
        let by_a_file = match self.files().find_map(|file| tree.get(file)) {
            Some(Entry::Null) => true,
            Some(Entry::File(bytes) | Entry::Link { bytes, .. }) => bytes.is_empty(),
            _ => false,
        };
        by_a_file || self.is_masked_for_this_boot(&tree.text(CMDLINE))
    }

    fn is_masked_for_this_boot(&self, command_line: &str) -> bool {
        const MASK: &str = "systemd.mask";
        // A name without a suffix is that of a service.
        let is_named = |name: &str| name == self.name || self.name.strip_suffix(".service") == Some(name);
        // Hardly any command line masks something, and this is asked again and again.
        let mut words = kernel_arguments::parse(if command_line.contains(MASK) { command_line } else { "" });
        words.any(|word| word.name == MASK && word.value.is_some_and(is_named))
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
            let read = tree.parsed(&file, unit::parse);
            let change = read.iter().find(|line| !self.is_harmless(tree, line) && line.section != "Install")?;
            Some(Doubt::of_line(Reason::UnitChanged, &Place::new(file, change.line)).detail(change.name.as_str()))
        };
        let directories = self.directories();
        let directories: Vec<&str> = directories.iter().map(String::as_str).collect();
        whole.into_iter().chain(drop_ins(tree, &directories, ".conf")).find_map(changes)
    }

    /// Whether a line leaves alone whether the service runs, and what it does.
    ///
    /// A service that waits for one that waits for it is a circle, out of which systemd leaves one of both.
    fn is_harmless(&self, tree: &Tree, line: &unit::Assignment) -> bool {
        let is_early = |name: &str| EARLY.contains(&name) || (name == LOADS_MODULES && self.name != LOADS_MODULES);
        let mut names = line.value.split_whitespace();
        match line.name.as_str() {
            "After" => names.all(is_early),
            "Before" => !names.any(is_early),
            "RequiresMountsFor" => names.all(|path| ["/", "/boot", "/usr"].contains(&path)),
            "ExecStartPre" => {
                LOADS_OF_KERNEL.contains(&line.value.as_str()) && !of_kernels(tree).any(|it| it.is_some())
            }
            name => HARMLESS.contains(&name),
        }
    }
}
