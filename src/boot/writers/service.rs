//! Decides whether a boot starts a service: by the links that enable it under systemd, the LSB scripts and OpenRC.

use std::path::Path;

use crate::tree::{Entry, Read, Tree};

/// The directories in which systemd has the links that enable a unit.
const WANTS: [&str; 5] = [
    "/etc/systemd/system/multi-user.target.wants",
    "/etc/systemd/system/sysinit.target.wants",
    "/etc/systemd/system/basic.target.wants",
    "/etc/systemd/system/network-pre.target.wants",
    "/usr/lib/systemd/system/multi-user.target.wants",
];

/// The runlevels of OpenRC in which a boot starts services.
const RUNLEVELS: [&str; 2] = ["/etc/runlevels/boot", "/etc/runlevels/default"];

/// A service that a package brings.
pub(super) struct Service {
    /// The name of the service: of its unit, without the suffix, and of its script.
    pub(super) name: &'static str,
    /// Where its program may stand. A package that has been removed may leave the links.
    pub(super) programs: &'static [&'static str],
    /// The directories in which a link to its LSB script may stand: `/etc/rcS.d/S01ufw`.
    pub(super) runlevels: &'static [&'static str],
}

impl Service {
    /// The reads on which [`Service::starts`] depends.
    pub(super) fn reads(&self) -> impl Iterator<Item = Read> {
        let links = self.links().into_iter().map(|link| Read::Presence(link.into()));
        let scripts = Read::directories(self.runlevels, self.name);
        Read::presences(self.programs).chain(links).chain(scripts).chain([Read::File(self.mask().into())])
    }

    /// Whether a boot starts it.
    pub(super) fn starts(&self, tree: &Tree) -> bool {
        let is_there = |path: &str| tree.get(path).is_some();
        let is_script = |path: &Path| {
            path.file_name()
                .and_then(|name| name.to_str()?.strip_prefix('S')?.strip_suffix(self.name))
                .is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let mut scripts = self.runlevels.iter().flat_map(|directory| tree.in_directory(Path::new(directory)));
        let is_masked = match tree.get(self.mask()) {
            Some(Entry::Null) => true,
            Some(Entry::File(bytes)) => bytes.is_empty(),
            _ => false,
        };
        self.programs.iter().copied().any(is_there)
            && !is_masked
            && (self.links().iter().any(|link| is_there(link)) || scripts.any(|(path, _)| is_script(path)))
    }

    fn links(&self) -> Vec<String> {
        let units = WANTS.iter().map(|directory| format!("{directory}/{}.service", self.name));
        units.chain(RUNLEVELS.iter().map(|directory| format!("{directory}/{}", self.name))).collect()
    }

    /// The path by which an administrator masks the unit.
    fn mask(&self) -> String {
        format!("/etc/systemd/system/{}.service", self.name)
    }
}
