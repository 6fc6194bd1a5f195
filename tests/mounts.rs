//! Files that are there now and not when the next boot reads them: on file systems that are mounted later, mounted over
//! others, or in memory.

use std::path::Path;

use crate::support::machine::Machine;
use crate::support::world::{Network, World, privileged};
use conntrack_sysctl::plan::plan;
use conntrack_sysctl::report::{Mode, Report};
use conntrack_sysctl::request;
use conntrack_sysctl::snapshot::{self, Snapshot};
use conntrack_sysctl::tree::Entry;
use conntrack_sysctl::verify::{Reason, Verdict};

const ACCT: &str = "net.netfilter.nf_conntrack_acct = 1\n";
const EARLY: &str = "/etc/modules-load.d/early.conf";
const ROOT: &str = "25 1 254:1 / / rw - ext4 /dev/vda1 rw\n";

/// A machine with these mounts besides the root, and with `acct` on, live and in 90-conntrack.conf.
fn machine(mounts: &str) -> Machine {
    let machine = Machine::modern().max(65536).live("acct", 1).file("/etc/sysctl.d/90-conntrack.conf", ACCT);
    machine.file(EARLY, "nf_conntrack\n").file("/proc/self/mountinfo", &format!("{ROOT}{mounts}"))
}

/// The same, booted from the first deployment of ostree.
fn deployed(machine: Machine) -> Machine {
    let machine = machine.entry("/run/ostree-booted", Entry::Program).entry("/ostree/boot.1/a/etc", Entry::Program);
    machine.file("/boot/loader/entries/ostree-1.conf", "version 1\noptions ostree=/ostree/boot.1/a\n")
}

fn link(target: &str, text: &str) -> Entry {
    Entry::Link { target: target.into(), bytes: text.into() }
}

/// The reasons and files of the doubts about `acct`.
fn doubts(machine: &Snapshot) -> Vec<(Reason, String)> {
    let desired = request::from_slice(br#"{"settings": {"nf_conntrack_acct": 1}}"#).expect("it is a request");
    let plan = plan(&desired, machine).expect("it can be planned");
    let report = Report::new(Mode::Check, &desired, machine, &plan.predict(machine), &plan);
    let setting = &report.settings[0];
    assert_eq!(setting.verdict == Verdict::Unknown, !setting.doubts.is_empty(), "{setting:?}");
    let file = |file: Option<&Path>| file.map(|file| file.display().to_string()).unwrap_or_default();
    setting.doubts.iter().map(|doubt| (doubt.reason, file(doubt.file.as_deref()))).collect()
}

#[test]
fn a_file_on_a_later_file_system_matters_where_the_boot_differs_without_it() {
    let srv = "30 25 254:2 / /srv rw - ext4 /dev/vdb rw\n";
    let with = |path: &str, text: &str| machine(srv).entry(path, link("/srv/site.conf", text));
    let later = |file: &str| vec![(Reason::MountedLater, file.to_owned())];
    assert_eq!(doubts(&machine(srv)), []);
    // What is read before or says the same does not matter.
    assert_eq!(doubts(&with("/etc/sysctl.d/50-a.conf", "net.netfilter.nf_conntrack_acct = 0\n")), []);
    assert_eq!(doubts(&with("/etc/sysctl.d/99-a.conf", ACCT)), []);
    assert_eq!(doubts(&with("/etc/sysctl.d/99-a.conf", "net.netfilter.nf_conntrack_udp_timeout = 5\n")), []);
    assert_eq!(doubts(&with("/etc/sysctl.d/90-conntrack.conf", ACCT)), later("/etc/sysctl.d/90-conntrack.conf"));
    // The mask is there, wherever it leads.
    let masked = with("/etc/sysctl.d/99-vendor.conf", "").file("/usr/lib/sysctl.d/99-vendor.conf", ACCT);
    assert_eq!(doubts(&masked), []);
    assert_eq!(doubts(&with(EARLY, "nf_conntrack\n")), later(EARLY));
    assert_eq!(doubts(&with(EARLY, "nf_conntrack\n").built_in()), []);
    // The whole directory.
    let directory = machine(srv).entry("/etc/sysctl.d", link("/srv/sysctl.d", ""));
    assert_eq!(doubts(&directory), later("/etc/sysctl.d/90-conntrack.conf"));
    let local = "30 25 254:2 / /usr/local rw - ext4 /dev/vdb rw\n";
    assert_eq!(doubts(&machine(local)), []);
    let own = machine(local).file("/usr/local/lib/sysctl.d/95-a.conf", ACCT);
    assert_eq!(doubts(&own), []);
    let mask = own.clone().file("/usr/lib/sysctl.d/95-a.conf", "net.netfilter.nf_conntrack_acct = 0\n");
    assert_eq!(doubts(&mask), later("/usr/local/lib/sysctl.d/95-a.conf"));
    // Each of two alone changes nothing.
    let two = machine(&format!("{srv}31 25 254:3 / /opt rw - ext4 /dev/vdc rw\n"));
    let two = two.entry("/etc/sysctl.d/90-conntrack.conf", link("/srv/a", ACCT));
    let two = two.entry("/etc/sysctl.d/91-a.conf", link("/opt/a", ACCT));
    let reasons: Vec<Reason> = doubts(&two).into_iter().map(|(reason, _)| reason).collect();
    assert_eq!(reasons, [Reason::MountedLater; 2]);
}

#[test]
fn what_lies_below_a_mount_is_not_known() {
    let over = |file: &str| vec![(Reason::MountedOver, file.to_owned())];
    let bind = |point: &str| machine(&format!("30 25 254:1 /srv/x {point} rw - ext4 /dev/vda1 rw\n"));
    assert_eq!(doubts(&bind("/etc/sysctl.d/90-conntrack.conf")), over("/etc/sysctl.d/90-conntrack.conf"));
    // A line that is read later has the last word.
    let earlier = || bind("/etc/sysctl.d/10-a.conf").file("/etc/sysctl.d/10-a.conf", "");
    assert_eq!(doubts(&earlier()), []);
    assert_eq!(
        doubts(&bind("/etc/sysctl.d/99-a.conf").file("/etc/sysctl.d/99-a.conf", "")),
        over("/etc/sysctl.d/99-a.conf")
    );
    assert_eq!(
        doubts(&bind("/etc/modprobe.d/a.conf").file("/etc/modprobe.d/a.conf", "")),
        over("/etc/modprobe.d/a.conf")
    );
    let in_memory = machine("30 25 0:40 /x /etc/sysctl.d/90-conntrack.conf rw - tmpfs none rw\n");
    assert_eq!(doubts(&in_memory), over("/etc/sysctl.d/90-conntrack.conf"));
    assert_eq!(doubts(&bind("/etc/sysctl.d")), over("/etc/sysctl.d"));
    assert_eq!(doubts(&bind("/etc")), over("/etc"));
    // No boot reads settings there.
    for point in ["/etc/resolv.conf", "/etc/pve", "/etc/NetworkManager", "/usr/bin/ping", "/srv"] {
        assert_eq!(doubts(&bind(point)), [], "{point}");
    }
}

#[test]
fn files_in_memory_are_not_there_at_the_next_boot() {
    let volatile =
        "30 25 0:40 / /etc rw - overlay overlay rw,lowerdir=/usr/etc,upperdir=/run/ostree/transient-etc/upper\n";
    assert_eq!(doubts(&machine(volatile)), [(Reason::InMemory, "/etc".to_owned())]);
    // bootc with a transient root and a lasting /etc.
    let transient = "26 1 0:40 / / rw - overlay composefs rw,lowerdir=/x,upperdir=/run/ostree/.private/root/upper\n\
        30 26 254:1 /ostree/deploy/f/deploy/a.0/etc /etc rw - ext4 /dev/vda1 rw\n";
    assert_eq!(doubts(&deployed(machine(transient))), []);
    let root = "26 1 0:40 / / rw - tmpfs rootfs rw\n";
    assert_eq!(doubts(&machine(root)), [(Reason::InMemory, "/".to_owned())]);
}

#[test]
fn the_root_of_a_container_is_a_matter_of_its_engine() {
    let root = "26 1 0:40 / / rw - overlay overlay rw,lowerdir=/a,upperdir=/var/lib/containers/b/diff\n";
    assert_eq!(doubts(&machine(root)), [(Reason::InMemory, "/".to_owned())]);
    let container = snapshot::Container {
        engine: Some("podman".to_owned()),
        first_program: Some("systemd".to_owned()),
        network: snapshot::Network::Own,
        loads_modules: false,
    };
    let reasons: Vec<Reason> =
        doubts(&machine(root).container(container)).into_iter().map(|(reason, _)| reason).collect();
    assert!(!reasons.contains(&Reason::InMemory), "{reasons:?}");
}

const REQUEST: &str = r#"{"settings": {"nf_conntrack_tcp_timeout_close_wait": 240}}"#;

privileged!(real_mounts, || {
    let prepare = "mkdir -p /etc/modules-load.d && echo nf_conntrack > /etc/modules-load.d/a.conf";
    let line = "echo net.netfilter.nf_conntrack_tcp_timeout_close_wait = 240";
    let file = "/etc/sysctl.d/90-conntrack.conf";
    // systemd-sysext mounts extensions in this way.
    let sysext = "mount -t overlay sysext -o lowerdir=/mnt/x/usr:/usr /usr";
    let cases = [
        ("a plain file", format!("{line} > {file}"), None),
        ("a directory as a mount of itself", "mount --bind /etc/sysctl.d /etc/sysctl.d".to_owned(), None),
        (
            "a link to another file system",
            format!("mount -t tmpfs none /mnt/srv && {line} > /mnt/srv/a && ln -s /mnt/srv/a {file}"),
            Some(Reason::MountedLater),
        ),
        (
            "a file over a drop-in",
            format!("{line} > /mnt/srv/a && touch {file} && mount --bind /mnt/srv/a {file}"),
            Some(Reason::MountedOver),
        ),
        (
            "a directory over that of the drop-ins",
            format!("mkdir /mnt/srv/d && mount --bind /mnt/srv/d /etc/sysctl.d && {line} > {file}"),
            Some(Reason::MountedOver),
        ),
        (
            "an extension without settings",
            format!("mkdir -p /mnt/x/usr/bin && {line} > /usr/lib/sysctl.d/50-a.conf && {sysext}"),
            None,
        ),
        (
            "an extension with a drop-in",
            format!("mkdir -p /mnt/x/usr/lib/sysctl.d && {line} > /mnt/x/usr/lib/sysctl.d/99-a.conf && {sysext}"),
            Some(Reason::ExtensionMerged),
        ),
        (
            "a layer in memory",
            format!(
                "mkdir /run/u /run/w && mount -t overlay none -o lowerdir=/etc,upperdir=/run/u,workdir=/run/w /etc &&
                {line} > {file}"
            ),
            Some(Reason::InMemory),
        ),
    ];
    for (name, script, expected) in cases {
        let world = World::new(Network::Private);
        // It is a directory of the world's disk, as /etc is.
        world.sh("mkdir /mnt/disk/files/srv /mnt/srv && mount --bind /mnt/disk/files/srv /mnt/srv");
        world.sh(&format!("{prepare}\n{script}"));
        world.sh("sysctl -qw net.netfilter.nf_conntrack_tcp_timeout_close_wait=240");
        let report = match expected {
            // A file that is mounted cannot be replaced, so that nothing is applied here.
            Some(_) => world.check(REQUEST).report(),
            None => world.apply(REQUEST).report(),
        };
        let reason = report.settings[0].doubts.first().map(|doubt| doubt.reason);
        assert_eq!((reason, report.in_sync), (expected, expected.is_none()), "{name}: {report:?}");
    }
});
