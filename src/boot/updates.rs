//! Knows the systems whose updates replace /etc, and may not keep a file of the administrator there. The next boot is not
//! concerned, unless it is that of an update.

use std::path::{Path, PathBuf};

use crate::sysctl_d::fnmatch;
use crate::tree::{Read, Tree};

/// A system of that kind.
#[derive(Debug)]
pub struct Updates {
    /// Its name.
    pub name: &'static str,
    /// The files of which a machine with it has one.
    signs: &'static [&'static str],
    /// The files and directories with its lists of what is kept: one path or pattern a line.
    lists: &'static [&'static str],
    /// The advice to the user, as the last part of a sentence.
    pub remedy: &'static str,
}

/// Every system of that kind.
static SYSTEMS: [Updates; 2] = [
    Updates {
        name: "SteamOS",
        signs: &[STEAMOS],
        lists: &[STEAMOS, "/etc/atomic-update.conf.d"],
        remedy: "name it in a file of /etc/atomic-update.conf.d, one path a line",
    },
    Updates {
        name: "ABRoot",
        signs: &["/var/lib/abroot/etc", "/usr/share/abroot/abroot.json"],
        lists: &[],
        remedy: "check again after each update",
    },
];

const STEAMOS: &str = "/usr/lib/rauc/atomic-update-keep.conf";

/// The reads that show the systems, given those that have been read.
pub(super) fn reads(tree: &Tree) -> Vec<Read> {
    let mut reads: Vec<Read> = SYSTEMS.iter().flat_map(|system| Read::presences(system.signs)).collect();
    if let Some(system) = installed(tree) {
        let lists = system.lists.iter().map(PathBuf::from);
        reads.extend(lists.clone().map(Read::Candidate));
        reads.extend(lists.map(|path| Read::IfListed { path, suffix: ".conf" }));
    }
    reads
}

fn installed(tree: &Tree) -> Option<&'static Updates> {
    SYSTEMS.iter().find(|system| system.signs.iter().any(|sign| tree.get(sign).is_some()))
}

/// The system whose updates may not keep the file at `path`.
#[must_use]
pub fn may_drop(tree: &Tree, path: &Path) -> Option<&'static Updates> {
    let system = installed(tree).filter(|_| path.starts_with("/etc"))?;
    let name = path.to_string_lossy();
    let is_kept = |file: &Path| {
        let text = tree.text(file).into_owned();
        text.lines().map(str::trim).any(|pattern| !pattern.starts_with('#') && fnmatch(pattern, &name))
    };
    let lists = system.lists.iter().map(Path::new);
    let mut files = lists.flat_map(|list| tree.in_directory(list).map(|(file, _)| file).chain([list]));
    (!files.any(is_kept)).then_some(system)
}
