//! Decides which mounts are there before a boot reads its first file, and which come later or end with this boot.
//!
//! The root, /usr, and what fstab marks with `x-initrd.mount` are mounted in the initrd. systemd has no order between its
//! loader and the other mounts, so that a file on one of them may be read too early, or one below it in its place.

mod units;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::scripts;
use super::systems::{SYSTEMD, SYSVINIT, System};
use crate::formats::mounts::{self, Mount, Planned, mount_of};
use crate::order::InOrder;
use crate::tree::{Entry, Read, Tree};

/// The mounts of the process, and so those in which the files were read.
const MOUNTINFO: &str = "/proc/self/mountinfo";

/// The mounts that a boot makes.
const FSTAB: &str = "/etc/fstab";

/// The option of a mount that the initrd makes.
const IN_INITRD: &str = "x-initrd.mount";

/// The file that exists if the machine was booted from a deployment of ostree.
pub(super) const OSTREE_BOOTED: &str = "/run/ostree-booted";

/// The directories below which a distribution has files at the mount points too: whatever lies below a mount there is
/// not known. Elsewhere a mount point is empty.
const FILLED: [&str; 4] = ["/etc", "/usr/lib", LOCAL, "/lib"];

/// The directory of the machine's own programs, which is often on a file system of its own, or above it.
const LOCAL: &str = "/usr/local/lib";

/// The directories of file systems that no boot reads settings from: /run is empty then, and the others are the kernel's or
/// full of containers.
const ELSEWHERE: [&str; 7] =
    ["/proc", "/sys", "/dev", "/run", "/var/lib/docker", "/var/lib/containers", "/var/lib/kubelet"];

/// Whether a boot that reads a file reads the one that is there now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It does: the file system is mounted before.
    Early,
    /// Perhaps not: the file system is mounted here, and this may be later.
    Late(PathBuf),
    /// Perhaps it reads another file: something is mounted here over other files.
    Over(PathBuf),
    /// It does not: changes below this mount point are kept in memory.
    InMemory(PathBuf),
    /// Perhaps not: an extension of systemd is merged here.
    Merged(PathBuf),
}

/// The standing of the files on each mount of a machine, or on each that an image will have.
pub(super) struct Mounts {
    by_point: BTreeMap<PathBuf, Standing>,
}

/// The reads that show the mounts.
pub(super) fn reads() -> Vec<Read> {
    vec![Read::Presence(OSTREE_BOOTED.into()), Read::OfKernel(MOUNTINFO.into()), Read::File(FSTAB.into())]
}

/// Whether something is mounted at `path` alone, so that the file there cannot be replaced.
#[must_use]
pub fn is_mount_point(tree: &Tree, path: &Path) -> bool {
    !mounts::mountinfo(tree.bytes(MOUNTINFO).unwrap_or_default(), |point| point == path).is_empty()
}

/// The mount that `path` is on, if nothing on it can be changed, and the remedy.
#[must_use]
pub fn read_only_mount(tree: &Tree, path: &Path) -> Option<(PathBuf, String)> {
    let mounts = mounts::mountinfo(tree.bytes(MOUNTINFO).unwrap_or_default(), |point| path.starts_with(point));
    let mount = mount_of(&mounts, path).filter(|mount| mount.options.iter().any(|option| option == "ro"))?;
    let point = mount.point.display();
    let remedy = match mount.source.as_str() {
        "confext" => "run `systemd-confext unmerge`, and merge again after the run".to_owned(),
        _ => format!("mount `{point}` so that it can be written to"),
    };
    Some((mount.point.clone(), remedy))
}

/// The reads that show what units mount, given those that have been read.
pub(super) fn reads_of_units(tree: &Tree) -> Vec<Read> {
    units::reads(tree)
}

/// `tree` as if all its files were on the root.
pub(super) fn without(mut tree: Tree) -> Tree {
    let of_units: Vec<PathBuf> = units::units(&tree).map(Path::to_owned).collect();
    for path in of_units.iter().map(PathBuf::as_path).chain([Path::new(MOUNTINFO), Path::new(FSTAB)]) {
        tree.remove(path);
    }
    tree
}

/// Whether extensions of systemd are merged into /usr now.
#[must_use]
pub fn has_extension(tree: &Tree) -> bool {
    let mounts = mounts::mountinfo(tree.bytes(MOUNTINFO).unwrap_or_default(), |point| point == Path::new("/usr"));
    mounts.last().is_some_and(|mount| mount.kind == "overlay" && mount.source == "sysext")
}

impl Mounts {
    /// The mounts of the machine, and those that a boot makes by fstab.
    pub(super) fn of(tree: &Tree) -> Mounts {
        Mounts::with(tree, &[], |_| false)
    }

    /// The mounts that a boot of `system` makes.
    pub(super) fn at_boot(tree: &Tree, system: &System) -> Mounts {
        let of_units = if *system == SYSTEMD { units::planned(tree, &scripts::named_units(tree)) } else { Vec::new() };
        Mounts::with(tree, &of_units, |_| false)
    }

    /// The same, as the loader finds them. Its LSB script comes after the one that mounts the local file systems of fstab.
    pub(super) fn for_loader(tree: &Tree, system: &System) -> Mounts {
        if *system == SYSVINIT { Mounts::with(tree, &[], is_local) } else { Mounts::at_boot(tree, system) }
    }

    /// The mounts, with those of units. Those of fstab that `is_first` picks are made before a file is read.
    fn with(tree: &Tree, of_units: &[Planned], is_first: fn(&Planned) -> bool) -> Mounts {
        let bytes = |path: &str| tree.bytes(path).unwrap_or_default();
        let mark = |mut line: Planned| {
            if is_first(&line) {
                line.options.push(IN_INITRD.to_owned());
            }
            line
        };
        let planned = mounts::fstab(bytes(FSTAB)).into_iter().map(mark);
        let observed = Observed {
            mounts: mounts::mountinfo(bytes(MOUNTINFO), may_have_settings),
            planned: planned.chain(of_units.iter().cloned()).collect(),
            is_ostree: tree.get(OSTREE_BOOTED).is_some(),
        };
        // A mount that waits for its first use need not be automatic.
        let is_made = |line: &&Planned| !line.has("noauto") || line.has("x-systemd.automount");
        let to_come = observed.planned.iter().filter(is_made);
        // What an early mount hides is not what the boot reads, and it is not mounted here.
        let of_line = |line: &Planned| match late(&line.point) {
            Standing::Late(_) if is_in_initrd(line) => Standing::Early,
            standing => standing,
        };
        let mut by_point: BTreeMap<PathBuf, Standing> =
            to_come.map(|line| (line.point.clone(), of_line(line))).into_map();
        // Of several mounts at one point the last one is seen.
        by_point.extend(observed.mounts.iter().map(|mount| (mount.point.clone(), observed.standing(mount))));
        Mounts { by_point }
    }

    /// Whether every file that a boot reads can only be on an early mount, as on most machines.
    pub(super) fn are_early_for(&self, tree: &Tree) -> bool {
        let late = self.by_point.iter().filter(|(_, standing)| **standing != Standing::Early);
        let late: Vec<&Path> = late.map(|(point, _)| point.as_path()).collect();
        let has_directory = |point: &&Path| is_first(point) || is_filled(point) || Path::new(LOCAL).starts_with(point);
        let leads_there = |entry: &Entry| match entry {
            Entry::Link { target, .. } => late.iter().any(|point| target.starts_with(point)),
            _ => false,
        };
        !late.iter().any(has_directory) && !tree.iter().any(|(_, entry)| leads_there(entry))
    }

    /// The standing of the file or directory at `path`, which has no links on the way.
    pub(super) fn standing(&self, path: &Path) -> Standing {
        path.ancestors().find_map(|point| self.by_point.get(point)).cloned().unwrap_or(Standing::Early)
    }
}

/// The files that tell of mounts.
struct Observed {
    mounts: Vec<Mount>,
    planned: Vec<Planned>,
    is_ostree: bool,
}

impl Observed {
    /// The standing of the files on `mount`.
    fn standing(&self, mount: &Mount) -> Standing {
        let mut mount = mount;
        // A service that may write little sees each directory as a mount of itself.
        while let Some(parent) = self.parent(mount).filter(|parent| is_same_directory(mount, parent)) {
            mount = parent;
        }
        let point = &*mount.point;
        let is_system = is_first(point) || is_filled(point);
        let line = self.planned.iter().rfind(|line| line.point == point);
        if is_system && self.is_in_memory(mount) {
            Standing::InMemory(point.to_owned())
        } else if mount.kind == "overlay" && mount.source == "confext" {
            Standing::Merged(point.to_owned())
        } else if line.is_none() && is_laid_over_itself(mount) {
            Standing::Over(point.to_owned())
        } else if is_first(point) || line.is_some_and(is_in_initrd) {
            Standing::Early
        } else if point == Path::new("/etc") && line.is_none() && (self.is_ostree || !is_bind(mount)) {
            // Only an initrd can mount it without a line in a file of /etc.
            Standing::Early
        } else {
            late(point)
        }
    }

    fn parent(&self, mount: &Mount) -> Option<&Mount> {
        self.mounts.iter().find(|parent| parent.id == mount.parent && parent.id != mount.id)
    }

    /// Whether changes below `mount` are gone at the next boot.
    fn is_in_memory(&self, mount: &Mount) -> bool {
        match mount.kind.as_str() {
            "overlay" => mount.option("upperdir").is_some_and(|upper| self.is_memory(mount, Path::new(upper))),
            kind => is_volatile(kind),
        }
    }

    /// Whether the upper layer `upper` of the overlay `mount` is in memory. One that cannot be seen, because the initrd
    /// has hidden it, is taken for that.
    fn is_memory(&self, mount: &Mount, upper: &Path) -> bool {
        let holder = mount_of(&self.mounts, upper);
        let is_hidden = holder.is_none_or(|holder| holder.id == mount.id);
        is_hidden || upper.starts_with("/run") || holder.is_some_and(|holder| is_volatile(&holder.kind))
    }
}

/// Whether a boot may read settings below `point`.
fn may_have_settings(point: &Path) -> bool {
    !ELSEWHERE.iter().any(|directory| point.starts_with(directory))
}

fn is_volatile(kind: &str) -> bool {
    ["tmpfs", "ramfs", "rootfs"].contains(&kind)
}

/// The standing of the files on a file system that a boot mounts at `point`, and may mount late.
fn late(point: &Path) -> Standing {
    if is_first(point) {
        Standing::Early
    } else if is_filled(point) {
        Standing::Over(point.to_owned())
    } else {
        Standing::Late(point.to_owned())
    }
}

/// Whether every initrd mounts the file system at `point`.
fn is_first(point: &Path) -> bool {
    point == Path::new("/") || point == Path::new("/usr")
}

fn is_filled(point: &Path) -> bool {
    FILLED.iter().any(|filled| point.starts_with(filled))
}

fn is_in_initrd(line: &Planned) -> bool {
    line.has(IN_INITRD)
}

/// Whether the line is about a file system that needs no network, and that a boot mounts.
fn is_local(line: &Planned) -> bool {
    let is_of_network = line.has("_netdev") || OF_NETWORK.contains(&line.kind.as_str());
    !is_of_network && !line.has("noauto")
}

/// The types that the LSB script `mountall` leaves to `mountnfs`.
const OF_NETWORK: [&str; 9] = ["nfs", "nfs4", "smbfs", "cifs", "ncp", "ncpfs", "coda", "ocfs2", "gfs"];

/// Whether a directory of a file system is mounted, not all of it. A subvolume counts as a whole one.
fn is_bind(mount: &Mount) -> bool {
    mount.root != Path::new("/") && mount.option("subvol").is_none_or(|subvolume| mount.root != Path::new(subvolume))
}

/// Whether `mount` lies over its own mount point and has no layer to write to. The point had its name already, so that the
/// running system made the mount: an initrd knows the directory by another path.
fn is_laid_over_itself(mount: &Mount) -> bool {
    let is_below = |layers: &str| layers.split(':').any(|layer| Path::new(layer) == mount.point);
    let is_read_only = mount.kind == "overlay" && mount.option("upperdir").is_none();
    is_read_only && mount.source != "sysext" && mount.option("lowerdir").is_some_and(is_below)
}

/// Whether `mount` shows the directory that lies below it on `parent` as well.
fn is_same_directory(mount: &Mount, parent: &Mount) -> bool {
    let below = mount.point.strip_prefix(&parent.point).ok();
    mount.device == parent.device && below.is_some_and(|below| mount.root == parent.root.join(below))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounts(mountinfo: &str, fstab: &str, signs: &[&str]) -> Mounts {
        let file = |text: &str| Entry::File(text.into());
        let mut tree: Tree = [(MOUNTINFO.into(), file(mountinfo)), (FSTAB.into(), file(fstab))].into_iter().collect();
        for sign in signs {
            tree.insert(sign, Entry::Program);
        }
        Mounts::of(&tree)
    }

    const DISK: &str = "25 1 254:1 / / rw - ext4 /dev/vda1 rw\n26 25 0:5 / /proc rw - proc proc rw\n\
        27 25 0:9 / /run rw - tmpfs tmpfs rw\n28 25 0:7 / /dev rw - devtmpfs udev rw\n";

    /// Somebody lays files over a directory while the machine runs: the next boot does not.
    #[test]
    fn files_that_are_laid_over_a_directory_by_hand_are_not_those_of_the_boot() {
        for point in ["/etc", "/usr"] {
            let line = format!("30 25 0:40 / {point} ro - overlay overlay ro,lowerdir=/srv/above:{point}");
            let mounts = mounts(&(DISK.to_owned() + &line), "", &[]);
            let file = Path::new(point).join("sysctl.d/a.conf");
            assert_eq!(mounts.standing(&file), Standing::Over(point.into()));
        }
    }

    #[test]
    fn an_ordinary_machine_has_only_early_mounts_below_etc_and_usr() {
        // Debian with LVM; btrfs with subvolumes; ZFS; Fedora with ostree, plain and with composefs; NixOS; a live kernel of
        // OpenWrt, whose upper layer is on flash.
        let machines = [
            (DISK.to_owned() + "30 25 254:2 / /usr rw - ext4 /dev/mapper/vg-usr rw\n", "", &[][..]),
            (
                "25 1 0:20 /@ / rw - btrfs /dev/sda2 rw,subvol=/@\n30 25 0:20 /@etc /etc rw - btrfs /dev/sda2 rw,subvol=/@etc"
                    .to_owned(),
                "UUID=1 / btrfs subvol=@ 0 0",
                &[],
            ),
            ("25 1 0:20 / / rw - zfs rpool/ROOT/debian rw\n30 25 0:21 / /usr rw - zfs rpool/usr rw".to_owned(), "", &[]),
            (
                "25 1 253:0 /ostree/deploy/f/deploy/1.0 / rw - xfs /dev/dm-0 rw\n\
                 26 25 253:0 /ostree/deploy/f/deploy/1.0/etc /etc rw - xfs /dev/dm-0 rw\n\
                 27 25 253:0 /ostree/deploy/f/deploy/1.0/usr /usr ro - xfs /dev/dm-0 rw"
                    .to_owned(),
                "",
                &[OSTREE_BOOTED],
            ),
            (
                "25 1 0:30 / / ro - overlay composefs ro,lowerdir=/run/ostree/.private/cfsroot-lower::/ostree/repo\n\
                 26 25 253:0 /ostree/deploy/f/deploy/1.0/etc /etc rw - xfs /dev/dm-0 rw"
                    .to_owned(),
                "",
                &[OSTREE_BOOTED],
            ),
            (
                DISK.to_owned() + "30 25 0:40 / /etc rw - overlay overlay rw,lowerdir=/x,upperdir=/sysroot/.rw-etc/upper",
                "",
                &[],
            ),
            (
                "25 1 0:30 / / rw - overlay overlayfs:/overlay rw,lowerdir=/,upperdir=/overlay/upper\n\
                 26 25 31:6 / /overlay rw - jffs2 /dev/mtdblock6 rw"
                    .to_owned(),
                "",
                &[],
            ),
            (DISK.to_owned() + "30 25 254:1 /etc /etc ro - ext4 /dev/vda1 rw", "", &[]),
            // NixOS with an /etc that nobody can change, which its initrd mounts.
            (DISK.to_owned() + "30 25 0:40 / /etc ro - overlay overlay ro,lowerdir=/metadata::/basedir", "", &[]),
            (
                DISK.to_owned() + "30 25 254:2 / /etc/sysctl.d rw - ext4 /dev/vdb rw",
                "/dev/vdb /etc/sysctl.d ext4 x-initrd.mount 0 0",
                &[],
            ),
        ];
        for (mountinfo, fstab, signs) in machines {
            let mounts = mounts(&mountinfo, fstab, signs);
            for path in ["/etc/sysctl.d/a.conf", "/usr/lib/sysctl.d", "/usr/local/lib/sysctl.d/a.conf", "/lib/sysctl.d"]
            {
                assert_eq!(mounts.standing(Path::new(path)), Standing::Early, "{path}\n{mountinfo}");
            }
        }
        let linked = |target: &str| -> Tree {
            [("/etc/sysctl.d/a.conf".into(), Entry::Link { target: target.into(), bytes: Vec::new() })]
                .into_iter()
                .collect()
        };
        let is_early = |point: &str, target: &str| {
            mounts(DISK, &format!("UUID=1 {point} ext4 defaults 0 1"), &[]).are_early_for(&linked(target))
        };
        assert!(is_early("/", "/srv/a.conf") && is_early("/srv", "/etc/a.conf"));
        assert!(!is_early("/srv", "/srv/a.conf") && !is_early("/usr/local", "/etc/a.conf"));
    }

    #[test]
    fn what_is_there_only_now_is_not() {
        use Standing::{InMemory, Late, Merged, Over};
        let cases = [
            (DISK.to_owned() + "30 25 254:2 / /srv rw - ext4 /dev/vdb rw", "", "/srv/a.conf", Late("/srv".into())),
            (DISK.to_owned(), "/dev/vdb /srv ext4 defaults 0 0", "/srv/a.conf", Late("/srv".into())),
            (DISK.to_owned(), "/dev/vdb /srv ext4 noauto,x-systemd.automount 0 0", "/srv/a.conf", Late("/srv".into())),
            (DISK.to_owned(), "/dev/vdb /etc ext4 x-initrd.mount 0 0", "/etc/a.conf", Over("/etc".into())),
            (DISK.to_owned(), "/dev/vdb /srv ext4 noauto 0 0", "/srv/a.conf", Standing::Early),
            (DISK.to_owned(), "/dev/vdb /srv ext4 nofail,x-initrd.mount 0 0", "/srv/a.conf", Standing::Early),
            (
                DISK.to_owned() + "30 25 254:1 /srv/a /etc/sysctl.d/9.conf rw - ext4 /dev/vda1 rw",
                "",
                "/etc/sysctl.d/9.conf",
                Over("/etc/sysctl.d/9.conf".into()),
            ),
            (
                DISK.to_owned() + "30 25 254:1 /srv/etc /etc rw - ext4 /dev/vda1 rw",
                "",
                "/etc/sysctl.d",
                Over("/etc".into()),
            ),
            (
                DISK.to_owned() + "30 25 0:40 / /etc rw - overlay overlay rw,lowerdir=/etc,upperdir=/data/etc",
                "overlay /etc overlay lowerdir=/etc,upperdir=/data/etc 0 0",
                "/etc/sysctl.d",
                Over("/etc".into()),
            ),
            (
                DISK.to_owned() + "30 25 0:40 / /etc rw - overlay overlay rw,lowerdir=/e,upperdir=/run/u",
                "",
                "/etc/sysctl.d",
                InMemory("/etc".into()),
            ),
            (
                "25 1 0:30 / / rw - overlay overlayroot rw,lowerdir=/,upperdir=/media/root-rw/overlay\n\
                 26 25 0:31 / /media/root-rw rw - tmpfs tmpfs-root rw"
                    .to_owned(),
                "",
                "/etc/sysctl.d",
                InMemory("/".into()),
            ),
            (
                "25 1 0:30 / / rw - overlay /cow rw,lowerdir=/,upperdir=/cow/upper".to_owned(),
                "",
                "/etc/sysctl.d",
                InMemory("/".into()),
            ),
            ("25 1 0:30 / / rw - tmpfs tmpfs rw".to_owned(), "", "/usr/lib/sysctl.d", InMemory("/".into())),
            (
                DISK.to_owned() + "30 25 0:40 / /etc ro - overlay confext ro,lowerdir=/run/systemd/confext/x:/etc",
                "",
                "/etc/sysctl.d",
                Merged("/etc".into()),
            ),
        ];
        for (mountinfo, fstab, path, expected) in cases {
            assert_eq!(mounts(&mountinfo, fstab, &[]).standing(Path::new(path)), expected, "{mountinfo}{fstab}");
        }
    }
}
