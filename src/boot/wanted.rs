//! Names what a boot reads: the directories and files that [`crate::host::observe`] puts into a tree.

use std::path::{Path, PathBuf};

use crate::sysctl_d::procps;
use crate::tree::{Entry, Tree};

pub use crate::sysctl_d::paths::{CREDENTIALS, Family, SYSCTL_CONF, SYSCTL_D, SYSCTL_DIRECTORIES};

/// The directories of modules-load.d(5), the strongest first.
pub const MODULES_LOAD: [&str; 5] = [
    "/etc/modules-load.d",
    "/run/modules-load.d",
    "/usr/local/lib/modules-load.d",
    "/usr/lib/modules-load.d",
    "/lib/modules-load.d",
];

/// The directories of modprobe.d(5), the strongest first.
pub const MODPROBE: [&str; 5] =
    ["/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d"];

/// The directories of udev(7), the strongest first.
pub const UDEV_RULES: [&str; 5] = [
    "/etc/udev/rules.d",
    "/run/udev/rules.d",
    "/usr/local/lib/udev/rules.d",
    "/usr/lib/udev/rules.d",
    "/lib/udev/rules.d",
];

/// The directories that say when the module comes, and with which options.
pub const MODULE_DIRECTORIES: &[Family] = &[(&MODULES_LOAD, ".conf"), (&MODPROBE, ".conf"), (&UDEV_RULES, ".rules")];

/// The modules that the init scripts beside procps load, and systemd through a link.
pub const MODULES: &str = "/etc/modules";
/// The kernel command line.
pub const CMDLINE: &str = "/proc/cmdline";
/// Whether ufw is enabled (ufw-framework(8)).
pub const UFW_CONF: &str = "/etc/ufw/ufw.conf";
/// Where ufw names the sysctl file that it loads as it starts.
pub const UFW_DEFAULTS: &str = "/etc/default/ufw";
/// The name of tuned's profile.
pub const TUNED_ACTIVE: &str = "/etc/tuned/active_profile";

/// Single files that are read.
pub const FILES: &[&str] =
    &[SYSCTL_CONF, MODULES, UFW_CONF, UFW_DEFAULTS, TUNED_ACTIVE, CREDENTIALS[0], CREDENTIALS[1]];

/// The directory that exists while systemd runs the machine (sd_booted(3)).
pub const SYSTEMD_RUNS: &str = "/run/systemd/system";
/// The first program of a boot.
pub const INIT: &str = "/sbin/init";
/// The loader of systemd, in the two places that distributions have it.
pub const SYSTEMD_SYSCTL: [&str; 2] = ["/usr/lib/systemd/systemd-sysctl", "/lib/systemd/systemd-sysctl"];
/// What a node of a Kubernetes cluster has, under the names of its usual distributions.
pub const KUBERNETES: [&str; 4] = [
    "/var/lib/kube-proxy",
    "/var/lib/kubelet/config.yaml",
    "/etc/rancher/k3s/k3s.yaml",
    "/etc/kubernetes/kubelet.conf",
];

/// Paths of which only the existence counts.
pub const MARKERS: [&[&str]; 4] = [&[SYSTEMD_RUNS], &SYSTEMD_SYSCTL, &KUBERNETES, &procps::LIBRARIES_3];

/// Where tuned looks for profiles, the strongest first.
const TUNED_PROFILES: [&str; 4] = ["/etc/tuned/profiles", "/etc/tuned", "/usr/lib/tuned/profiles", "/usr/lib/tuned"];

/// How many profiles are followed: a real one includes two or three, and a file of an image may name a million.
const MOST_PROFILES: usize = 64;

/// The sysctl file that ufw names in [`UFW_DEFAULTS`].
#[must_use]
pub fn ufw_file(tree: &Tree) -> Option<PathBuf> {
    let text = String::from_utf8_lossy(tree.bytes(UFW_DEFAULTS)?);
    let file = text.lines().rev().find_map(|line| line.trim().strip_prefix("IPT_SYSCTL="))?;
    let file = Path::new(file.trim_matches(['"', '\'']));
    file.is_absolute().then(|| file.to_owned())
}

/// Where the files of tuned's active profile may be, and of those that it includes as far as `tree` has them.
#[must_use]
pub fn tuned_profiles(tree: &Tree) -> Vec<PathBuf> {
    let active = String::from_utf8_lossy(tree.bytes(TUNED_ACTIVE).unwrap_or_default()).into_owned();
    let mut names: Vec<String> = active.split_whitespace().filter(|name| is_plain(name)).map(str::to_owned).collect();
    let mut paths = Vec::new();
    let mut done = 0;
    while done < names.len() {
        let places = TUNED_PROFILES.iter().map(|directory| Path::new(directory).join(&names[done]).join("tuned.conf"));
        let places: Vec<PathBuf> = places.collect();
        done += 1;
        for text in places.iter().filter_map(|path| tree.get(path).and_then(Entry::bytes)) {
            for name in includes(&String::from_utf8_lossy(text)) {
                // Each profile once, so that a circle ends.
                if names.len() < MOST_PROFILES && !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        paths.extend(places);
    }
    paths
}

/// The profiles that a profile's `include=` names.
fn includes(text: &str) -> Vec<String> {
    let lists = text.lines().filter_map(|line| {
        let (key, list) = line.split_once('=')?;
        (key.trim() == "include").then_some(list)
    });
    lists.flat_map(|list| list.split(',')).map(|name| name.trim().to_owned()).filter(|name| is_plain(name)).collect()
}

/// Whether `name` is a name and not a path.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains('/')
}
