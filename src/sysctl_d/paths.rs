//! Names the files that say what is written to the sysctls at boot.

/// A family of directories, and the suffix of the names in them that count.
pub type Family = (&'static [&'static str], &'static str);

/// The directories of sysctl.d(5), the strongest first.
pub const SYSCTL_D: [&str; 5] =
    ["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d"];

/// The directories that say what is written to the sysctls.
pub const SYSCTL_DIRECTORIES: Family = (&SYSCTL_D, ".conf");

/// The file that procps reads last, and systemd only through a link.
pub const SYSCTL_CONF: &str = "/etc/sysctl.conf";

/// The credential that systemd-sysctl reads last (systemd.system-credentials(7)): as the service gets it, and where
/// it comes from.
pub const CREDENTIALS: [&str; 2] =
    ["/run/credentials/systemd-sysctl.service/sysctl.extra", "/run/credentials/@system/sysctl.extra"];
