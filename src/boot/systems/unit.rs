//! Decides whether a boot runs a service of systemd as it is shipped: whether the unit is masked, and whether a file of the
//! administrator changes what it does (systemd.unit(5)).

use std::path::{Path, PathBuf};

use crate::boot::doubt::{Doubt, Reason};
use crate::formats::unit;
use crate::tree::{Entry, Place, Read, Tree, drop_ins};

/// The kernel command line, which may mask units as well.
const CMDLINE: &str = "/proc/cmdline";

/// The assignments that leave alone whether a service runs, and what it does. A name that is not among them may change it.
const HARMLESS: [&str; 14] = [
    "Description",
    "Documentation",
    "After",
    "Before",
    "Wants",
    "TimeoutSec",
    "TimeoutStartSec",
    "TimeoutStopSec",
    "Nice",
    "Slice",
    "StandardOutput",
    "StandardError",
    "LogLevelMax",
    "SyslogIdentifier",
];

/// A unit that is shipped with systemd.
pub(super) struct Unit {
    /// Its file of the administrator, which takes the place of the shipped one.
    pub(super) file: &'static str,
    /// The directories of its drop-ins, the strongest first.
    pub(super) drop_ins: [&'static str; 4],
}

impl Unit {
    pub(super) fn reads(&self) -> impl Iterator<Item = Read> {
        Read::directories(&self.drop_ins, ".conf")
            .chain([Read::File(self.file.into())])
            .chain([Read::OfKernel(CMDLINE.into())])
    }

    /// Whether it is masked: by a link to /dev/null or an empty file in place of the unit, or on the kernel command line.
    pub(super) fn is_masked(&self, tree: &Tree) -> bool {
        let by_a_file = match tree.get(self.file) {
            Some(Entry::Null) => true,
            Some(Entry::File(bytes) | Entry::Link { bytes, .. }) => bytes.is_empty(),
            _ => false,
        };
        let name = Path::new(self.file).file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let words = tree.text(CMDLINE);
        by_a_file || words.split_whitespace().any(|word| word.strip_prefix("systemd.mask=") == Some(name))
    }

    /// The first line of the administrator that may change whether it runs, and what it does.
    pub(super) fn doubt(&self, tree: &Tree) -> Option<Doubt> {
        if self.is_masked(tree) {
            return None;
        }
        let whole = tree.bytes(self.file).is_some().then(|| PathBuf::from(self.file));
        let changes = |file: PathBuf| {
            let read = unit::parse(tree.bytes(&file).unwrap_or_default());
            let change =
                read.into_iter().find(|line| !HARMLESS.contains(&line.name.as_str()) && line.section != "Install")?;
            Some(Doubt::of_line(Reason::UnitChanged, &Place { file, line: change.line }).detail(change.name))
        };
        whole.into_iter().chain(drop_ins(tree, &self.drop_ins, ".conf")).find_map(changes)
    }
}
