//! Judges the evidence that a look takes before it asks the kernel: nothing is asked that would load a module.

use std::fs;
use std::path::Path;

use conntrack_sysctl::table::source::presence::{Ctnetlink, has_tracking};

/// A machine's files: paths without content, and paths with content after a `=`. A path that ends with `/` is a directory.
fn machine(files: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a directory can be made");
    for file in files {
        let (path, content) = file.split_once('=').unwrap_or((file, ""));
        let path = root.path().join(path);
        let directory = if file.ends_with('/') { &path } else { path.parent().expect("it has one") };
        fs::create_dir_all(directory).expect("a directory can be made");
        if !file.ends_with('/') {
            fs::write(path, content).expect("a file can be written");
        }
    }
    root
}

const COUNT: &str = "proc/sys/net/netfilter/nf_conntrack_count=0";
const OSTYPE: &str = "proc/sys/kernel/ostype=Linux";
const RELEASE: &str = "proc/sys/kernel/osrelease=6.12.0\n";
const MODPROBE: &str = "proc/sys/kernel/modprobe=/sbin/modprobe\n";
const MODULE: &str = "sys/module/nf_conntrack_netlink/";
const BUILT_IN: &str =
    "lib/modules/6.12.0/modules.builtin=kernel/fs/ext4/ext4.ko\nkernel/net/netfilter/nf_conntrack_netlink.ko\n";
const NOT_BUILT_IN: &str = "lib/modules/6.12.0/modules.builtin=kernel/net/netfilter/nf_conntrack_netlink_other.ko\n";

#[test]
fn ctnetlink_is_asked_only_if_it_is_in_the_kernel() {
    let symbols = |symbols: &str| format!("proc/kallsyms=0 T _stext\n0 t {symbols}\n");
    let built_in = symbols("ctnetlink_dump_table");
    let of_a_module = symbols("x [nf_tables]\n0 t ctnetlink_dump_table");
    let rows: &[(&str, &[&str], bool)] = &[
        ("nothing is loaded", &[OSTYPE, RELEASE, MODPROBE], false),
        ("the module of ctnetlink is there, its tracking is not", &[OSTYPE, RELEASE, MODPROBE, MODULE], false),
        ("ctnetlink is built in, tracking is not there", &[OSTYPE, RELEASE, MODPROBE, BUILT_IN], false),
        ("tracking without ctnetlink", &[OSTYPE, RELEASE, MODPROBE, COUNT], false),
        (
            "tracking without ctnetlink, by the list",
            &[OSTYPE, RELEASE, MODPROBE, COUNT, NOT_BUILT_IN, &built_in],
            false,
        ),
        ("the module is loaded", &[OSTYPE, RELEASE, MODPROBE, COUNT, MODULE], true),
        ("built in, by the list of modules", &[OSTYPE, RELEASE, MODPROBE, COUNT, BUILT_IN], true),
        ("built in, by the symbols", &[OSTYPE, RELEASE, MODPROBE, COUNT, &built_in], true),
        ("the symbol is of a module that is leaving", &[OSTYPE, RELEASE, MODPROBE, COUNT, &of_a_module], false),
        ("a kernel without modules", &[OSTYPE, RELEASE, COUNT], true),
        ("no module may be loaded any more", &[OSTYPE, MODPROBE, COUNT, "proc/sys/kernel/modules_disabled=1\n"], true),
        ("modules may be loaded", &[OSTYPE, MODPROBE, COUNT, "proc/sys/kernel/modules_disabled=0\n"], false),
        ("/proc/sys is hidden", &["sys/module/nf_conntrack/"], false),
        ("/proc/sys is hidden, and the module is loaded", &["sys/module/nf_conntrack/", MODULE], true),
        ("an old kernel", &["proc/net/ip_conntrack", "sys/module/ip_conntrack_netlink/", MODPROBE], true),
    ];
    for (name, files, expected) in rows {
        let root = machine(files);
        assert_eq!(Ctnetlink::find_in(root.path()).is_some(), *expected, "{name}");
    }
}

#[test]
fn tracking_is_seen_by_any_of_its_files() {
    for file in [COUNT, "proc/net/stat/nf_conntrack", "proc/net/nf_conntrack", "sys/module/nf_conntrack/"] {
        assert!(has_tracking(machine(&[file]).path()), "{file}");
    }
    // A rule for transparent proxies brings these keys without connection tracking.
    let root = machine(&["proc/sys/net/netfilter/nf_conntrack_frag6_timeout=60", "sys/module/nf_defrag_ipv6/"]);
    assert!(!has_tracking(root.path()));
    assert!(!has_tracking(Path::new("/nonexistent")));
}

#[test]
fn a_symbol_that_never_ends_takes_no_memory() {
    let root = machine(&[OSTYPE, MODPROBE, COUNT]);
    std::os::unix::fs::symlink("/dev/zero", root.path().join("proc/kallsyms")).expect("a link can be made");
    assert_eq!(Ctnetlink::find_in(root.path()), None);
}
