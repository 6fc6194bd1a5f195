//! Describes dracut, the maker of RHEL, Fedora, SUSE and others: a host-only initrd with systemd runs systemd-modules-load
//! and systemd-sysctl by itself.
//!
//! Sources: `modules.d/*systemd-sysctl/module-setup.sh`, `modules.d/*base/module-setup.sh` and `dracut.sh` of dracut 059 and
//! 111.

use std::path::{Path, PathBuf};

use super::initramfs_tools::INITRAMFS_TOOLS;
use super::{Cause, Copies, Effect, Maker, installed};
use crate::boot::systems::SYSTEMD;
use crate::tree::{Read, Tree, drop_ins};

pub(super) static DRACUT: Maker = Maker {
    programs: &["/usr/bin/dracut", "/usr/sbin/dracut"],
    is_used: |tree| {
        let has_one = |paths: &[&str]| paths.iter().any(|path| tree.get(path).is_some());
        !has_one(INITRAMFS_TOOLS.programs) || has_one(&HOOKS)
    },
    configuration: |_| {
        let files = [VERSION, CONFIGURATION, MACHINE_ID].map(|path| Read::Candidate(path.into()));
        files.into_iter().chain(Read::directories(&DROP_INS, ".conf")).collect()
    },
    copies: |tree, system| (*system == SYSTEMD && is_host_only(tree)).then(|| copies(tree)),
    initrds,
    command: |tree, initrd, modules| {
        let release = modules.file_name().unwrap_or_default();
        let [initrd, release] = [initrd.as_os_str(), release].map(|it| it.to_string_lossy().into_owned());
        vec![installed(tree, &DRACUT), "--force".to_owned(), initrd, release]
    },
};

/// What a host-only initrd has copies of.
fn copies(tree: &Tree) -> Copies {
    let files = configuration(tree);
    // `force_drivers` and `add_drivers` may name it.
    let names_it =
        files.iter().any(|file| String::from_utf8_lossy(tree.bytes(file).unwrap_or_default()).contains("conntrack"));
    let lists = Cause::Lists(&["/etc/modules-load.d", "/usr/lib/modules-load.d"]);
    Copies {
        effect: Effect::Sysctls,
        cause: if names_it { Cause::Configured } else { lists },
        paths: &[
            "/etc/sysctl.conf",
            "/etc/sysctl.d",
            "/usr/lib/sysctl.d",
            "/etc/modprobe.conf",
            "/etc/modprobe.d",
            "/usr/lib/modprobe.d",
            "/lib/modprobe.d",
        ],
    }
}

/// By these Debian's kernels have dracut make their initrds. dracut-core alone may be installed beside initramfs-tools.
pub(super) const HOOKS: [&str; 2] = ["/etc/kernel/postinst.d/dracut", "/usr/share/kernel/postinst.d/dracut"];

const VERSION: &str = "/usr/lib/dracut/dracut-version.sh";
const CONFIGURATION: &str = "/etc/dracut.conf";
const MACHINE_ID: &str = "/etc/machine-id";

/// The directories of dracut.conf.d, the strongest first.
const DROP_INS: [&str; 2] = ["/etc/dracut.conf.d", "/usr/lib/dracut/dracut.conf.d"];

/// The first version that makes host-only initrds by default.
const HOST_ONLY_SINCE: u32 = 109;

/// Whether it makes host-only initrds: the last assignment of `hostonly` says so, or else its version.
fn is_host_only(tree: &Tree) -> bool {
    let last =
        configuration(tree).into_iter().filter_map(|file| last_value(tree.bytes(file)?, "hostonly=")).next_back();
    match last.as_deref() {
        Some("no") => false,
        // A word that only a shell knows may be any.
        Some(_) => true,
        None => version(tree).is_none_or(|version| version >= HOST_ONLY_SINCE),
    }
}

/// The files of its configuration, in the order of reading.
fn configuration(tree: &Tree) -> Vec<PathBuf> {
    [PathBuf::from(CONFIGURATION)].into_iter().chain(drop_ins(tree, &DROP_INS, ".conf")).collect()
}

/// The number in `DRACUT_VERSION=059-4`.
fn version(tree: &Tree) -> Option<u32> {
    let value = last_value(tree.bytes(VERSION)?, "DRACUT_VERSION=")?;
    value.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The value of the last line that begins with `name`, up to a blank, without quotes.
fn last_value(bytes: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let value = text.lines().filter_map(|line| line.trim_start().strip_prefix(name)).next_back()?;
    let word = value.split_whitespace().next().unwrap_or_default();
    Some(word.trim_matches(['"', '\'']).to_owned())
}

/// Its own choice of a place, and the names that Debian, SUSE and Arch give it.
fn initrds(tree: &Tree, modules: &Path, release: &str) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let id = tree.text(MACHINE_ID).trim().to_owned();
    for directory in ["/efi", "/boot", "/boot/efi"] {
        paths.extend(["Default", &id].map(|id| Path::new(directory).join(id).join(release).join("initrd")));
    }
    paths.push(modules.join("initrd"));
    let names = [
        format!("initramfs-{release}.img"),
        format!("initrd.img-{release}"),
        format!("initrd-{release}"),
        "initramfs-linux.img".to_owned(),
    ];
    paths.extend(names.map(|name| Path::new("/boot").join(name)));
    paths
}
