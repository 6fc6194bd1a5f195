//! Finds the signs of an init system that are not the program of another one: what is enabled in its own directories, and
//! what a saved /etc tells of the machine.

use std::path::Path;

use super::INIT;
use crate::tree::{Entry, Read, Tree};

/// There on every machine: an entry for it tells that the first reads are done.
const ETC: &str = "/etc";

/// The directories of which every machine has one. Where none of them is, somebody has saved /etc alone.
const OF_A_MACHINE: [&str; 3] = ["/usr", "/bin", "/lib"];

/// The release of a distribution (os-release(5)).
const OS_RELEASE: &str = "/etc/os-release";

/// What other init systems have in /etc.
const OTHERS: [&str; 5] = ["/etc/inittab", "/etc/runlevels", "/etc/runit", "/etc/finit.d", "/etc/dinit.d"];

/// The distributions that boot with systemd unless /etc says otherwise, by the names in os-release(5).
const WITH_SYSTEMD: [&str; 8] = ["debian", "ubuntu", "fedora", "rhel", "centos", "arch", "suse", "opensuse"];

/// The reads of every init system.
pub(super) fn reads(tree: &Tree) -> Vec<Read> {
    let mut reads: Vec<Read> = Read::presences(&[ETC]).chain(Read::presences(&OF_A_MACHINE)).collect();
    if is_etc_alone(tree) {
        reads.push(Read::Candidate(OS_RELEASE.into()));
        reads.extend(Read::presences(&OTHERS));
    }
    reads
}

/// Whether there is nothing but an /etc, as far as the reads so far tell.
pub(super) fn is_etc_alone(tree: &Tree) -> bool {
    tree.get(ETC).is_some() && tree.get(INIT).is_none() && OF_A_MACHINE.iter().all(|path| tree.get(path).is_none())
}

/// Whether a saved /etc is of a distribution that boots with systemd, and has nothing of another init system.
pub(super) fn is_of_systemd(tree: &Tree) -> bool {
    let text = tree.text(OS_RELEASE);
    let values = text.lines().filter_map(|line| line.strip_prefix("ID=").or(line.strip_prefix("ID_LIKE=")));
    let mut names = values.flat_map(|value| value.trim().trim_matches(['"', '\'']).split(' '));
    is_etc_alone(tree)
        && names.any(|name| WITH_SYSTEMD.contains(&name))
        && OTHERS.iter().all(|path| tree.get(path).is_none())
}

/// Whether the reads so far leave it open that the machine boots with something else than systemd. Most machines do not.
pub(in crate::boot) fn may_be_another(tree: &Tree) -> bool {
    let is_systemd =
        || matches!(tree.get(INIT), Some(Entry::Link { target, .. }) if target.ends_with("systemd/systemd"));
    tree.get(ETC).is_some() && !is_systemd()
}

/// The name of the program that [`INIT`] leads to.
pub(super) fn program(tree: &Tree) -> Option<&str> {
    let Some(Entry::Link { target, .. }) = tree.get(INIT) else { return None };
    target.file_name()?.to_str()
}

/// The program that a boot runs as `sysctl`.
const SYSCTL: &str = "/sbin/sysctl";

/// The read that shows whose `sysctl` it is.
pub(super) fn of_sysctl() -> Read {
    Read::Target(SYSCTL.into())
}

/// Whether `sysctl` is that of busybox.
pub(super) fn has_busybox(tree: &Tree) -> bool {
    matches!(tree.get(SYSCTL), Some(Entry::Link { target, .. }) if target.ends_with("busybox"))
}

/// Whether `sysctl` is that of procps: a program by itself.
pub(super) fn has_procps(tree: &Tree) -> bool {
    matches!(tree.get(SYSCTL), Some(Entry::Link { target, .. }) if target.ends_with("sysctl"))
}

/// Where OpenRC has the services that it starts at boot.
const RUNLEVELS: [&str; 3] = ["/etc/runlevels/sysinit", "/etc/runlevels/boot", "/etc/runlevels/default"];

/// The directory of the runlevels.
const ALL_RUNLEVELS: &str = "/etc/runlevels";

/// The reads that show whether OpenRC starts one of `services`.
pub(super) fn runlevels(services: &'static [&'static str]) -> impl Iterator<Item = Read> {
    let links = services.iter().flat_map(|service| Read::directories(&RUNLEVELS, service));
    links.chain(Read::presences(&[ALL_RUNLEVELS]))
}

/// Whether OpenRC starts `service` at boot. Where there are no runlevels at all, somebody has made a root by hand, and
/// says in the request how it boots.
pub(super) fn is_started(tree: &Tree, service: &str) -> bool {
    tree.get(ALL_RUNLEVELS).is_none() || is_in_a_runlevel(tree, service)
}

/// Whether a runlevel of OpenRC has `service`.
pub(super) fn is_in_a_runlevel(tree: &Tree, service: &str) -> bool {
    let links = RUNLEVELS.iter().filter_map(|directory| tree.get(Path::new(directory).join(service)));
    links.into_iter().any(|entry| *entry != Entry::Dangling)
}
