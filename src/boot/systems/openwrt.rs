//! Describes the boot of OpenWrt: procd, whose script boot loads the modules, then the script sysctl.
//!
//! Sources: openwrt's `package/base-files/files/etc/init.d/sysctl` and `boot`; ubox' `kmodloader.c`.

use std::path::{Path, PathBuf};

use super::lists::{file, is_file, matching, words};
use super::{Blacklist, Early, ModuleLists, Pace, SYSVINIT, Sign, Stage, System, one_by_one, signs};
use crate::sysctl_d::paths::SYSCTL_CONF;
use crate::sysctl_d::{BUSYBOX, Dialect};
use crate::tree::{Entry, Read, Tree};

/// OpenWrt.
pub static OPENWRT: System = System {
    name: "openwrt",
    summary: "OpenWrt's kmodloader, then its script sysctl, which runs `sysctl -p` of busybox on each file.",
    command: BUSYBOX.command,
    reads,
    detect,
    dialect: |_| &BUSYBOX,
    others: |_| &[],
    order: &[Stage::Modules(&MODULES), Stage::Loader(files)],
    early: |_| Early::ByFile("/etc/modules.d/nf_conntrack"),
    pace: |_| Pace::InOrder,
    idle: ("the script sysctl is not enabled", "run `/etc/init.d/sysctl enable`"),
    ..SYSVINIT
};

const RELEASE: &str = "/etc/openwrt_release";
const DROP_INS: &str = "/etc/sysctl.d";

/// The links that run the scripts at boot.
const LINKS: &str = "/etc/rc.d";

/// The script of the loader.
const SCRIPT: &str = "sysctl";

/// The files, in the order of reading. None hides another.
fn files(_: &Dialect, tree: &Tree) -> Vec<Vec<PathBuf>> {
    if !is_enabled(tree) {
        return Vec::new();
    }
    let conf = file(tree, SYSCTL_CONF).map(Path::to_owned);
    one_by_one(matching(tree, &[DROP_INS], ".conf", is_file).into_iter().chain(conf).collect())
}

/// Whether a link starts the script at boot. Where there are no links at all, somebody has made a root by hand, and says in
/// the request how it boots.
fn is_enabled(tree: &Tree) -> bool {
    let is_start = |(path, entry): (&Path, &Entry)| {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        name.starts_with(b"S") && name.ends_with(SCRIPT.as_bytes()) && *entry != Entry::Dangling
    };
    tree.get(LINKS).is_none() || tree.in_directory(Path::new(LINKS)).any(is_start)
}

/// The lists of kmodloader, of which every visible file counts.
static MODULES: ModuleLists = ModuleLists {
    reads: |_| Read::directories(&[LISTS], "").collect(),
    is_run: |_| true,
    files: |tree| matching(tree, &[LISTS], "", is_file),
    module: |line| words(line).filter(|(name, _)| !line.starts_with([' ', '\t']) && !name.starts_with('#')),
    parameters: &[],
    blacklist: Blacklist::ForAliases,
};

const LISTS: &str = "/etc/modules.d";

fn reads(tree: &Tree) -> Vec<Read> {
    let mut reads = Vec::new();
    if signs::may_be_another(tree) {
        reads.extend(Read::presences(&[RELEASE]));
    }
    if tree.get(RELEASE).is_some() {
        reads.extend(Read::directories(&[DROP_INS], ".conf").chain(Read::files(&[SYSCTL_CONF])));
        reads.extend(Read::directories(&[LINKS], SCRIPT).chain(Read::presences(&[LINKS])));
    }
    reads
}

fn detect(tree: &Tree) -> Option<Sign> {
    tree.get(RELEASE)?;
    if signs::program(tree).is_some_and(|name| ["init", "procd"].contains(&name)) {
        Some(Sign::Init)
    } else {
        signs::is_etc_alone(tree).then_some(Sign::Saved)
    }
}
