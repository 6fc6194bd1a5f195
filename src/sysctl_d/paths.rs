//! Names the files that assign sysctls at boot.

use std::path::Path;

/// The directories of sysctl.d(5), the strongest first.
pub const SYSCTL_D: [&str; 5] =
    ["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d"];

/// The file from before sysctl.d. procps reads it last; systemd reads it only through a link.
pub const SYSCTL_CONF: &str = "/etc/sysctl.conf";

/// Whether a loader reads the file at `path` by itself.
#[must_use]
pub fn is_of_loader(path: &Path) -> bool {
    let is_drop_in =
        || path.parent().is_some_and(|parent| SYSCTL_D.iter().any(|directory| parent == Path::new(directory)));
    path == Path::new(SYSCTL_CONF) || is_drop_in()
}

/// The credential that systemd-sysctl reads last (systemd.system-credentials(7)): as the service gets it, and where
/// it comes from.
pub const CREDENTIALS: [&str; 5] = [
    "/run/credentials/systemd-sysctl.service/sysctl.extra",
    "/run/credentials/@system/sysctl.extra",
    "/etc/credstore/sysctl.extra",
    "/usr/local/lib/credstore/sysctl.extra",
    "/usr/lib/credstore/sysctl.extra",
];

/// The same credential, where only the machine can decrypt it.
pub const ENCRYPTED_CREDENTIALS: [&str; 4] = [
    "/run/credentials/@encrypted/sysctl.extra",
    "/etc/credstore.encrypted/sysctl.extra",
    "/usr/local/lib/credstore.encrypted/sysctl.extra",
    "/usr/lib/credstore.encrypted/sysctl.extra",
];
