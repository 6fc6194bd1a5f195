//! Roots that the next boot may use in the place of the present one: deployments of ostree, and others that nobody can read.

use std::path::Path;

use crate::support::machine::Machine;
use crate::support::world::{Network, World, privileged};
use conntrack_sysctl::boot::{Etc, waiting};
use conntrack_sysctl::plan::plan;
use conntrack_sysctl::report::{Mode, Report};
use conntrack_sysctl::request;
use conntrack_sysctl::snapshot::{Module, OtherRoot, Snapshot};
use conntrack_sysctl::tree::{Entry, Tree};
use conntrack_sysctl::verify::{Reason, Verdict};

const DROP_IN: &str = "/etc/sysctl.d/90-conntrack.conf";
const EARLY: &str = "/usr/lib/modules-load.d/firewall.conf";
const BOOTED: &str = "/run/ostree-booted";
const DEPLOYMENT: &str = "/ostree/boot.1/f/abc/0";

fn acct(value: u8) -> String {
    format!("net.netfilter.nf_conntrack_acct = {value}\n")
}

fn tree(files: &[(&str, &str)]) -> Tree {
    files.iter().map(|(path, text)| ((*path).into(), Entry::File((*text).into()))).collect()
}

/// A machine with `acct` on, live and in a drop-in of /etc.
fn machine() -> Machine {
    let machine = Machine::modern().max(65536).live("acct", 1);
    machine.file(DROP_IN, &acct(1)).file(EARLY, "nf_conntrack\n")
}

/// The same, booted from the first deployment of ostree.
fn deployed() -> Machine {
    let entry = format!("title f\nversion 2\noptions root=UUID=1 ostree={DEPLOYMENT} rw\n");
    let older = "version 1\noptions ostree=/ostree/boot.1/f/abc/1\n";
    let machine = machine().entry(BOOTED, Entry::Program).file("/boot/loader/entries/ostree-2.conf", &entry);
    let machine = machine.file("/boot/loader/entries/ostree-1.conf", older);
    machine.entry(format!("{DEPLOYMENT}/etc"), Entry::Program)
}

/// The reasons of the doubts about `acct`, if one of `others` may boot.
fn doubts(machine: &Snapshot, others: Vec<OtherRoot>) -> Vec<Reason> {
    let machine = Snapshot { other_roots: others, ..machine.clone() };
    let desired = request::from_slice(br#"{"settings": {"nf_conntrack_acct": 1}}"#).expect("it is a request");
    let plan = plan(&desired, &machine).expect("it can be planned");
    let report = Report::new(Mode::Check, &desired, &machine, &plan.predict(&machine), &plan);
    let setting = &report.settings[0];
    assert_eq!(setting.verdict == Verdict::Unknown, !setting.doubts.is_empty(), "{setting:?}");
    setting.doubts.iter().map(|doubt| doubt.reason).collect()
}

fn root(files: &[(&str, &str)], defaults: Option<&[(&str, &str)]>) -> OtherRoot {
    let (path, files) = ("/ostree/deploy/f/deploy/b.0".into(), Some(tree(files)));
    OtherRoot { path, files, defaults: defaults.map(tree), module: Module::Absent }
}

#[test]
fn a_staged_deployment_gets_what_differs_from_the_defaults() {
    let of = |files: &[(&str, &str)], defaults: &[(&str, &str)]| doubts(&deployed(), vec![root(files, Some(defaults))]);
    let early = (EARLY, "nf_conntrack\n");
    // Our file is carried over, whatever the deployment has under its name.
    assert_eq!(of(&[early], &[]), []);
    assert_eq!(of(&[early, (DROP_IN, &acct(0))], &[]), []);
    // A file that is as the present deployment has it becomes that of the next one.
    assert_eq!(of(&[early, (DROP_IN, &acct(0))], &[(DROP_IN, &acct(1))]), [Reason::OtherRoot]);
    assert_eq!(of(&[early, (DROP_IN, &acct(1))], &[(DROP_IN, &acct(1))]), []);
    // A new line of /usr wins, and the one that loaded the module is gone.
    assert_eq!(of(&[early, ("/usr/lib/sysctl.d/99-a.conf", &acct(0))], &[]), [Reason::OtherRoot]);
    assert_eq!(of(&[], &[]), [Reason::OtherRoot]);
    // A default that was removed stays away.
    let masked = "/etc/sysctl.d/99-a.conf";
    assert_eq!(of(&[early, (masked, &acct(0))], &[(masked, &acct(0))]), []);
}

#[test]
fn a_deployment_that_is_not_staged_has_an_etc_of_its_own() {
    let of = |files: &[(&str, &str)]| doubts(&deployed(), vec![root(files, None)]);
    let early = (EARLY, "nf_conntrack\n");
    assert_eq!(of(&[early, (DROP_IN, &acct(1))]), []);
    assert_eq!(of(&[early, (DROP_IN, &acct(0))]), [Reason::OtherRoot]);
    assert_eq!(of(&[early]), [Reason::OtherRoot]);
    // All deployments share /usr/local.
    let shared = deployed().file("/usr/local/lib/sysctl.d/95-a.conf", &acct(1));
    assert_eq!(doubts(&shared, vec![root(&[early], None)]), []);
    let unread = OtherRoot { files: None, ..root(&[], None) };
    assert_eq!(doubts(&deployed(), vec![unread]), [Reason::OtherRootUnknown]);
}

#[test]
fn the_root_that_waits_is_found() {
    let name = "ab".repeat(32);
    let note = format!("target\0\0name\0\0\0\0{name}.0\0\0s\u{5}\0\0osname\0\0f\0\0s");
    let staged = || deployed().file("/run/ostree/staged-deployment", &note);
    let found = |machine: Machine| {
        waiting(&machine.tree).into_iter().map(|it| (it.path.display().to_string(), it.etc)).collect::<Vec<_>>()
    };
    let target = (format!("/ostree/deploy/f/deploy/{name}.0"), Etc::Merged);
    assert_eq!(found(deployed()), []);
    assert_eq!(found(staged()), std::slice::from_ref(&target));
    assert_eq!(found(staged().entry("/run/ostree/staged-deployment-locked", Entry::Program)), []);
    let other = |machine: Machine| machine.entry(format!("{DEPLOYMENT}/etc"), Entry::Directory);
    let resolved = Entry::Link { target: "/ostree/deploy/f/deploy/a.1".into(), bytes: Vec::new() };
    let own = ("/ostree/deploy/f/deploy/a.1".to_owned(), Etc::Own);
    assert_eq!(found(other(deployed()).entry(DEPLOYMENT, resolved.clone())), std::slice::from_ref(&own));
    assert_eq!(found(other(staged()).entry(DEPLOYMENT, resolved)), [target, own]);
}

#[test]
fn what_cannot_be_read_is_said() {
    let none = |machine: Machine| doubts(&machine, Vec::new());
    let unknown = [Reason::OtherRootUnknown];
    assert_eq!(none(machine()), []);
    assert_eq!(none(deployed()), []);
    assert_eq!(none(machine().entry("/run/nextroot/usr", Entry::Program)), unknown);
    let reboot = machine().entry("/run/reboot-needed", Entry::Program);
    assert_eq!(none(reboot.clone()), []);
    assert_eq!(none(reboot.entry("/usr/sbin/transactional-update", Entry::Program)), unknown);
    assert_eq!(none(machine().file("/proc/cmdline", "root=UUID=1 composefs=abc rw\n")), unknown);
    assert_eq!(none(deployed().file("/proc/cmdline", "root=UUID=1 composefs=abc rw\n")), []);
    assert_eq!(none(machine().entry(BOOTED, Entry::Program)), unknown);
    let mut unread = deployed().snapshot();
    unread.fleeting.insert("/run/ostree/staged-deployment", Entry::File(b"?".to_vec()));
    assert_eq!(doubts(&unread, Vec::new()), unknown);
}

#[test]
fn a_kernel_of_kexec_may_lack_the_words_of_this_one() {
    let early = |words: &str, loaded: &str| {
        let machine = Machine::modern().max(65536).live("acct", 1).file(DROP_IN, &acct(1));
        machine.file("/proc/cmdline", words).file("/sys/kernel/kexec_loaded", loaded)
    };
    let none = |machine: Machine| doubts(&machine, Vec::new());
    assert_eq!(none(early("ro modules_load=nf_conntrack\n", "1\n")), [Reason::KexecLoaded]);
    assert_eq!(none(early("ro modules_load=nf_conntrack\n", "0\n")), []);
    let named = early("ro modules_load=nf_conntrack\n", "1\n").file(EARLY, "nf_conntrack\n");
    assert_eq!(none(named), []);
}

/// A root with the machine's programs and a disk of its own, in which a script can lay out deployments.
const ENTER: &str = r#"
set -e
mkdir -p /mnt/root /mnt/disk/files/root /mnt/disk/files/root-work
mount -t overlay none -o lowerdir=/,upperdir=/mnt/disk/files/root,workdir=/mnt/disk/files/root-work /mnt/root
cd /mnt/root
for directory in proc sys dev run mnt; do mount --rbind /$directory $directory; done
rm -rf etc/sysctl.d etc/sysctl.conf etc/modules-load.d etc/modules etc/modprobe.d etc/udev/rules.d
rm -rf usr/lib/sysctl.d usr/lib/modules-load.d usr/local/lib/sysctl.d
first=ostree/deploy/f/deploy/a.0
name=$(printf ab%.0s $(seq 32)).0
mkdir -p ostree/boot.1/f/abc boot/loader/entries run/ostree etc/sysctl.d $first usr/lib/modules-load.d usr/etc
mkdir -p ostree/deploy/f/deploy/$name/usr/etc ostree/deploy/f/deploy/$name/usr/lib/modules-load.d
echo nf_conntrack | tee usr/lib/modules-load.d/a.conf > ostree/deploy/f/deploy/$name/usr/lib/modules-load.d/a.conf
touch run/ostree-booted
ln -s ../../../deploy/f/deploy/a.0 ostree/boot.1/f/abc/0
printf 'version 1\noptions ostree=/ostree/boot.1/f/abc/0\n' > boot/loader/entries/ostree-1.conf
mkdir $first/etc && mount --bind etc $first/etc
stage() {
    printf 'target\0\0name\0\0\0\0%s\0\0s\005\0\0osname\0\0f\0\0s' $name > run/ostree/staged-deployment
}
run() { chroot /mnt/root $BIN "$1"; }
"#;

privileged!(deployments_on_a_disk, || {
    let request = r#"{"settings": {"nf_conntrack_tcp_timeout_close_wait": 240}}"#;
    let other = "net.netfilter.nf_conntrack_tcp_timeout_close_wait = 5";
    let steps = [
        ("the present one", String::new(), None),
        ("a staged one with the same files", "stage".to_owned(), None),
        (
            "a staged one with a line of its own",
            format!(
                "stage; mkdir ostree/deploy/f/deploy/$name/usr/lib/sysctl.d
                echo {other} > ostree/deploy/f/deploy/$name/usr/lib/sysctl.d/99-a.conf"
            ),
            Some(Reason::OtherRoot),
        ),
        (
            "one that waits, with the /etc of its time",
            "umount $first/etc; cp -a usr $first/".to_owned(),
            Some(Reason::OtherRoot),
        ),
        ("one that is gone", "umount $first/etc; rm ostree/boot.1/f/abc/0".to_owned(), Some(Reason::OtherRootUnknown)),
    ];
    for (name, script, expected) in steps {
        let world = World::new(Network::Private);
        let script = script.replace("cp -a usr", "mkdir -p $first/usr; cp -a usr/lib/modules-load.d");
        let ended = world.try_sh(&format!("{ENTER}\n{script}\nrun apply"), request);
        let report = ended.report();
        let doubt = report.settings[0].doubts.first();
        assert_eq!(doubt.map(|doubt| doubt.reason), expected, "{name}: {}\n{report:?}", ended.stderr);
        assert_eq!((report.failure, report.in_sync), (None, expected.is_none()), "{name}");
        assert!(world.path("/mnt/root/etc/sysctl.d/90-conntrack.conf").exists() && Path::new("/etc").exists());
    }
});
