//! The lines of tmpfiles.d that write sysctls, or change files that a boot reads: which settings they leave in doubt.
//! systemd-tmpfiles itself is the judge.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::machine::Machine;
use crate::support::world::{inside, privileged};
use conntrack_sysctl::boot::systems::{SYSTEMD, SYSVINIT, System};
use conntrack_sysctl::boot::{Doubt, Reason, boot};
use conntrack_sysctl::kernel::catalog::{Name, PREFIX};
use conntrack_sysctl::snapshot::Snapshot;
use conntrack_sysctl::tree::{Entry, Tree};

const KEYS: [&str; 2] = ["net.netfilter.nf_conntrack_udp_timeout", "net.netfilter.nf_conntrack_gre_timeout"];

/// A machine on which the loader gives both settings 33, and 65536 buckets.
fn machine() -> Machine {
    Machine::modern()
        .buckets(65536)
        .live("udp_timeout", 33)
        .live("gre_timeout", 33)
        .file("/etc/modules-load.d/a.conf", "nf_conntrack\n")
        .file("/etc/sysctl.d/90-conntrack.conf", &KEYS.map(|key| format!("{key} = 33\n")).concat())
        .file("/etc/sysctl.d/91-buckets.conf", "net.netfilter.nf_conntrack_buckets = 65536\n")
}

/// The settings that the lines of tmpfiles.d leave in doubt at a boot of `machine`, each with the line.
fn in_doubt(machine: &Snapshot, system: &'static System) -> BTreeSet<(String, String)> {
    let boot = boot(machine, system);
    let names: Vec<Name> = boot.assigned().cloned().collect();
    let of = |name: &Name| {
        let outlook = boot.outlook(name);
        let doubts = outlook.doubts.into_iter().filter(|doubt| doubt.reason == Reason::UnorderedLine);
        let place = |doubt: Doubt| {
            let file = doubt.file.expect("it has a file").display().to_string();
            format!("{file}:{}", doubt.line.expect("it has a line"))
        };
        let short = name.as_str().strip_prefix(PREFIX).expect("it is one of netfilter").to_owned();
        doubts.map(|doubt| (short.clone(), place(doubt))).collect::<Vec<_>>()
    };
    names.iter().flat_map(of).collect()
}

/// The settings that a machine with these lines in a file of tmpfiles.d leaves in doubt.
fn names(lines: &str) -> Vec<String> {
    let machine = machine().file("/usr/lib/tmpfiles.d/site.conf", lines).entry("/usr/share/defaults", Entry::Directory);
    in_doubt(&machine, &SYSTEMD).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn a_line_that_writes_another_value_leaves_a_doubt() {
    let udp = "/proc/sys/net/netfilter/nf_conntrack_udp_timeout";
    let glob = "/proc/sys/net/netfilter/nf_conntrack_[u]*_timeout";
    let cases = [
        (format!("w {udp} - - - - 23\n"), &["udp_timeout"][..]),
        (format!("w+ {udp} - - - - 23\n"), &["udp_timeout"]),
        (format!("w! {udp} - - - - 23\n"), &["udp_timeout"]),
        (format!("w- {udp} - - - - 23\n"), &["udp_timeout"]),
        (format!("f+ {udp} - - - - 23\n"), &["udp_timeout"]),
        (
            "w /proc/sys/net/netfilter/nf_conntrack_[gu]*_timeout - - - - 23\n".to_owned(),
            &["gre_timeout", "udp_timeout"],
        ),
        ("w /sys/module/nf_conntrack/parameters/hashsize - - - - 32768\n".to_owned(), &["buckets"]),
        (format!("w~ {udp} - - - - MjM=\n"), &["udp_timeout"]),
        (format!("w {udp} - - - - %b\n"), &["udp_timeout"]),
        // The file of a sysctl is always there.
        (format!("f {udp} - - - - 23\n"), &[]),
        (format!("w {udp} - - - - 33\n"), &[]),
        (format!("w {udp} - - - - 0x21\n"), &[]),
        (format!("w {udp} - - - - twenty\n"), &[]),
        ("w /sys/module/nf_conntrack/parameters/hashsize - - - - 65500\n".to_owned(), &[]),
        (format!("z {udp} 0600\n"), &[]),
        (format!("# w {udp} - - - - 23\n"), &[]),
        // Of two lines the first counts, of two that append the last.
        (format!("w {udp} - - - - 33\nw {udp} - - - - 23\n"), &[]),
        (format!("w+ {udp} - - - - 23\nw+ {udp} - - - - 33\n"), &[]),
        (format!("w+ {udp} - - - - 33\nw+ {udp} - - - - 23\n"), &["udp_timeout"]),
        // The lines about one path are carried out together, at the place of the first one.
        (format!("z {glob} 0600\nw {udp} - - - - 23\nw {glob} - - - - 33\n"), &["udp_timeout"]),
        (format!("w {udp} - - - - 23\nw {glob} - - - - 33\n"), &[]),
        // A line counts beside an earlier one for its path if all else is the same.
        (format!("r {udp} - - - - 23\nw {udp} - - - - 23\n"), &["udp_timeout"]),
        (format!("r {udp} - - - - 24\nw {udp} - - - - 23\n"), &[]),
    ];
    for (lines, expected) in cases {
        assert_eq!(names(&lines), expected, "{lines}");
    }
}

#[test]
fn a_line_that_changes_a_file_of_the_boot_leaves_a_doubt_about_what_it_changes() {
    let cases = [
        ("f /etc/sysctl.d/97-a.conf - - - - net.netfilter.nf_conntrack_udp_timeout=24\n", &["udp_timeout"][..]),
        ("f+ /etc/sysctl.d/97-a.conf - - - - net.netfilter.nf_conntrack_udp_timeout=24\n", &["udp_timeout"]),
        ("f /run/sysctl.d/97-a.conf - - - - net.netfilter.nf_conntrack_udp_timeout=24\n", &["udp_timeout"]),
        (
            r"f /etc/sysctl.d/97-a.conf - - - - net.netfilter.nf_conntrack_udp_timeout=24\nnet.netfilter.nf_conntrack_gre_timeout=33\n",
            &["udp_timeout"],
        ),
        ("F /etc/sysctl.d/91-buckets.conf\n", &["buckets"]),
        ("w /etc/sysctl.d/9*-buckets.conf - - - - #\n", &["buckets"]),
        ("r /etc/sysctl.d/91-*.conf\n", &["buckets"]),
        ("L+ /etc/sysctl.d/91-buckets.conf - - - - /dev/null\n", &["buckets"]),
        ("f+ /etc/modules-load.d/a.conf\n", &["buckets", "gre_timeout", "udp_timeout"]),
        ("L /etc/sysctl.d/97-a.conf - - - - /srv/not-there.conf\n", &["buckets", "gre_timeout", "udp_timeout"]),
        ("C+ /etc/sysctl.d - - - - /usr/share/defaults\n", &["buckets", "gre_timeout", "udp_timeout"]),
        // The directory has files, or its source is not there.
        ("C /etc/sysctl.d - - - - /usr/share/defaults\n", &[]),
        ("C+ /etc/sysctl.d\n", &[]),
        // It is there.
        ("f /etc/sysctl.d/91-buckets.conf - - - - net.netfilter.nf_conntrack_buckets=512\n", &[]),
        ("L /etc/sysctl.d/91-buckets.conf - - - - /dev/null\n", &[]),
        // It comes first, and does not decide.
        ("f /etc/sysctl.d/10-a.conf - - - - net.netfilter.nf_conntrack_udp_timeout=24\n", &[]),
        ("f /etc/sysctl.d/97-a.conf - - - - net.ipv4.ip_forward=1\n", &[]),
        ("f /etc/sysctl.d/README - - - - net.netfilter.nf_conntrack_udp_timeout=24\n", &[]),
        ("d /etc/sysctl.d 0755 root root\n", &[]),
        ("f /etc/modules-load.d/b.conf - - - - nf_conntrack\n", &[]),
    ];
    for (lines, expected) in cases {
        assert_eq!(names(lines), expected, "{lines}");
    }
}

#[test]
fn files_hide_each_other_and_the_doubt_names_the_line() {
    let line = "\nw /proc/sys/net/netfilter/nf_conntrack_udp_timeout - - - - 23\n";
    let vendor = machine().file("/usr/lib/tmpfiles.d/vendor.conf", line);
    let found = BTreeSet::from([("udp_timeout".to_owned(), "/usr/lib/tmpfiles.d/vendor.conf:2".to_owned())]);
    assert_eq!(in_doubt(&vendor, &SYSTEMD), found);
    // The LSB scripts run no systemd-tmpfiles.
    assert_eq!(in_doubt(&vendor, &SYSVINIT), BTreeSet::new());
    for mask in [Entry::Null, Entry::Dangling, Entry::File(Vec::new())] {
        assert_eq!(in_doubt(&vendor.clone().entry("/etc/tmpfiles.d/vendor.conf", mask), &SYSTEMD), BTreeSet::new());
    }
}

privileged!(systemd_tmpfiles_writes_the_same, || {
    inside("tmpfiles::systemd_tmpfiles_writes_the_same", judge);
});

/// A line of tmpfiles.d, mostly about one of the two keys.
fn line() -> impl Strategy<Value = String> {
    let action =
        proptest::sample::select(&["w", "w", "w", "w+", "w+", "f+", "F", "f", "w!", "x", "z", "r", "#w", "w\\"][..]);
    let path = proptest::sample::select(
        &[
            "/proc/sys/net/netfilter/nf_conntrack_udp_timeout",
            "/proc/sys/net//netfilter/nf_conntrack_udp_timeout/",
            "\"/proc/sys/net/netfilter/nf_conntrack_udp_timeout\"",
            "/proc/sys/net/netfilter/nf_conntrack_gre_timeout",
            "/proc/sys/net/netfilter/nf_conntrack_gre_timeou?",
            "/proc/sys/net/netfilter/nf_conntrack_[gu]*_timeout",
            "/proc/sys/net/../net/netfilter/nf_conntrack_gre_timeout",
        ][..],
    );
    let fields = proptest::sample::select(&[" - - - - ", " - - - - ", "\t- -  - -\t", " 0644 root root - "][..]);
    let argument = proptest::sample::select(&["23", "24", "33", "33", r"3\x33", "%%", "-", "", "33 # x", "x"][..]);
    (action, path, fields, argument)
        .prop_map(|(action, path, fields, argument)| format!("{action} {path}{fields}{argument}\n"))
}

fn judge() {
    let shell = |script: &str| {
        let ended = Command::new("sh").args(["-c", script]).output().expect("sh starts");
        assert!(ended.status.success(), "{script}: {}", String::from_utf8_lossy(&ended.stderr));
        String::from_utf8(ended.stdout).expect("it prints text")
    };
    shell("mkdir -p /etc/tmpfiles.d; mount -t tmpfs none /etc/tmpfiles.d; mount -t tmpfs none /usr/lib/tmpfiles.d");
    let files = |text: fn() -> BoxedStrategy<String>| (text(), text(), text());
    let text = || proptest::collection::vec(line(), 0..4).prop_map(|lines| lines.concat()).boxed();
    let (changed, left) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(Config { cases: 400, failure_persistence: None, ..Config::default() });
    runner
        .run(&files(text), |(first, hidden, last)| {
            let texts = [
                ("/etc/tmpfiles.d/b.conf", first),
                ("/usr/lib/tmpfiles.d/b.conf", hidden),
                ("/usr/lib/tmpfiles.d/c.conf", last),
            ];
            let mut machine = machine();
            for (path, text) in &texts {
                fs::write(path, text).expect("a file can be written");
                machine = machine.file(*path, text);
            }
            let written = KEYS.map(|key| {
                fs::write(Path::new("/proc/sys").join(key.replace('.', "/")), "33\n").expect("a key can be written");
                key
            });
            // A line that cannot be carried out makes it fail, and the others are carried out.
            Command::new("systemd-tmpfiles")
                .args(["--create", "--remove", "--boot", "--prefix=/proc/sys"])
                .output()
                .expect("systemd-tmpfiles starts");
            let is_changed = |key: &&str| shell(&format!("sysctl -n {key}")).trim() != "33";
            let theirs: BTreeSet<String> =
                written.iter().filter(|key| is_changed(key)).map(|key| key[PREFIX.len()..].to_owned()).collect();
            let ours: BTreeSet<String> = in_doubt(&machine, &SYSTEMD).into_iter().map(|(name, _)| name).collect();
            let of = if theirs.is_empty() { &left } else { &changed };
            of.set(of.get() + 1);
            prop_assert_eq!(ours, theirs, "{:?}", texts);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(changed.get() > 50 && left.get() > 50, "changed {} times, left {} times", changed.get(), left.get());
}

#[test]
fn the_files_of_distributions_raise_nothing() {
    // Lines as Debian, Fedora and openSUSE have them, of all actions.
    let lines = "d /run/lock 0755 root root -\nL /etc/os-release - - - - ../usr/lib/os-release\nL+ /etc/mtab - - - - ../proc/self/mounts\n\
        C! /etc/nsswitch.conf - - - -\nF! /run/nologin 0644 - - - \"System is booting up.\"\nq /tmp 1777 root root 10d\n\
        w /sys/power/disk - - - - shutdown\nz /sys/module/nf_conntrack 0755\nx /tmp/systemd-private-%b-*\nf /var/log/wtmp 0664 root utmp -\n\
        D! /tmp/.X11-unix 1777 root root 10d\nr! /tmp/.X[0-9]*-lock\nw- /proc/sys/kernel/core_pattern - - - - core\n";
    assert_eq!(names(lines), Vec::<String>::new());
    let tree: Tree = machine().tree.clone();
    assert!(tree.get("/usr/lib/tmpfiles.d/site.conf").is_none());
}
