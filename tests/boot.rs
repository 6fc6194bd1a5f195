//! What the next boot makes of a machine, beyond the drop-ins: when the module comes, its options, the kernel command
//! line, and who writes later. A case is a few files and what is expected of them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use conntrack_sysctl::boot::{Arrival, Lost, SYSTEMD, SYSVINIT};
use conntrack_sysctl::boot::{arrival, boot, detected, later_writers, wanted};
use conntrack_sysctl::kernel::catalog::{BUCKETS, COUNT, FRAG6_HIGH, FRAG6_LOW, MAX};
use conntrack_sysctl::kernel::release::Release;
use conntrack_sysctl::snapshot::{LiveKernel, Module, Snapshot};
use conntrack_sysctl::sysctl_d::paths::SYSCTL_D;
use conntrack_sysctl::tree::{Entry, Place, Read, Tree};
use conntrack_sysctl::warning::Warning;

fn tree(files: &[(&str, &str)]) -> Tree {
    let entries = files.iter().map(|(path, text)| ((*path).into(), Entry::File(text.as_bytes().to_vec())));
    entries.collect()
}

fn snapshot(files: &[(&str, &str)], module: Module) -> Snapshot {
    Snapshot::image(tree(files), module)
}

/// As distributions have it for bridges: it does not run the loader for our module.
const OTHER_RULE: &str = "ACTION==\"add\", SUBSYSTEM==\"module\", KERNEL==\"br_netfilter\", \
                          RUN+=\"/usr/lib/systemd/systemd-sysctl --prefix=/net/bridge\"\n";

const RULE: &str = "# The \"module\" nf_conntrack comes late: systemd-sysctl runs again\n\
                    ACTION==\"add\", SUBSYSTEM==\"module\", KERNEL==\"nf_conntrack\", \
                    RUN+=\"/usr/lib/systemd/systemd-sysctl --prefix=/net/netfilter\"\n";

/// udev refuses a line that begins so.
const SWITCHED_OFF: &str = "; ACTION==\"add\", SUBSYSTEM==\"module\", KERNEL==\"nf_conntrack\", \
                            RUN+=\"/usr/lib/systemd/systemd-sysctl --prefix=/net/netfilter\"\n";

#[test]
fn when_the_module_comes() {
    // The files; then the arrival under systemd and under procps: the line that has the module loaded early, `~` and the
    // rule that runs the loader again, `!` and the line that keeps the module from being loaded early, or `-`.
    type Case = (&'static [(&'static str, &'static str)], &'static str, &'static str);
    let cases: &[Case] = &[
        (&[], "-", "-"),
        (
            &[("/etc/modules-load.d/a.conf", "# x\nnf_conntrack\n")],
            "/etc/modules-load.d/a.conf:2",
            "/etc/modules-load.d/a.conf:2",
        ),
        (&[("/etc/modules-load.d/a.conf", "#nf_conntrack\n; nf_conntrack\n")], "-", "-"),
        (
            &[("/usr/lib/modules-load.d/a.conf", "nft_ct")],
            "/usr/lib/modules-load.d/a.conf:1",
            "/usr/lib/modules-load.d/a.conf:1",
        ),
        // The name in a stronger directory masks the other.
        (&[("/etc/modules-load.d/a.conf", ""), ("/usr/lib/modules-load.d/a.conf", "nf_conntrack")], "-", "-"),
        (&[("/etc/modules-load.d/a.txt", "nf_conntrack")], "-", "-"),
        (&[("/etc/modules-load.d/a.conf", "nf_conntrackx\nxnf_conntrack")], "-", "-"),
        (
            &[("/etc/modules-load.d/a.conf", "nf-conntrack")],
            "/etc/modules-load.d/a.conf:1",
            "/etc/modules-load.d/a.conf:1",
        ),
        (&[("/etc/modules", "loop\nnf_conntrack hashsize=4\n")], "-", "/etc/modules:2"),
        // systemd looks for a module whose name has a blank in it, and finds none.
        (&[("/etc/modules-load.d/a.conf", "nf_conntrack hashsize=4")], "-", "/etc/modules-load.d/a.conf:1"),
        (&[("/proc/cmdline", "quiet modules_load=loop,nf_conntrack ro")], "/proc/cmdline:1", "/proc/cmdline:1"),
        (&[("/proc/cmdline", "quiet rd.modules-load=xt_conntrack")], "/proc/cmdline:1", "/proc/cmdline:1"),
        (
            &[("/proc/cmdline", "module_blacklist=nf_conntrack"), ("/etc/modules-load.d/a.conf", "nf_conntrack")],
            "!/proc/cmdline:1",
            "!/proc/cmdline:1",
        ),
        (
            &[("/proc/cmdline", "modprobe.blacklist=x,nf_conntrack"), ("/etc/modules-load.d/a.conf", "nf_conntrack")],
            "!/proc/cmdline:1",
            "/etc/modules-load.d/a.conf:1",
        ),
        (
            &[("/etc/modules-load.d/a.conf", "nf_conntrack"), ("/etc/modprobe.d/b.conf", "blacklist nf_conntrack")],
            "!/etc/modprobe.d/b.conf:1",
            // modprobe(8) takes a blacklist to be about aliases.
            "/etc/modules-load.d/a.conf:1",
        ),
        (
            &[("/etc/modules", "nf_conntrack"), ("/etc/modprobe.d/b.conf", "install nf_conntrack /bin/false")],
            "!/etc/modprobe.d/b.conf:1",
            "!/etc/modprobe.d/b.conf:1",
        ),
        // A rule that runs the loader again helps a barred module too.
        (
            &[("/etc/udev/rules.d/90-ct.rules", RULE), ("/etc/modprobe.d/b.conf", "blacklist nf_conntrack")],
            "~/etc/udev/rules.d/90-ct.rules:2",
            "-",
        ),
        (
            &[
                ("/etc/modules-load.d/a.conf", "nf_conntrack"),
                ("/etc/modprobe.d/b.conf", "install nf-conntrack /usr/bin/true # hardened"),
            ],
            "!/etc/modprobe.d/b.conf:1",
            "!/etc/modprobe.d/b.conf:1",
        ),
        (&[("/etc/udev/rules.d/90-ct.rules", RULE)], "~/etc/udev/rules.d/90-ct.rules:2", "-"),
        (&[("/usr/lib/udev/rules.d/99-bridge.rules", OTHER_RULE)], "-", "-"),
        (&[("/etc/udev/rules.d/90-ct.rules", SWITCHED_OFF)], "-", "-"),
    ];
    for (files, systemd, procps) in cases {
        for (system, expected) in [(&SYSTEMD, systemd), (&SYSVINIT, procps)] {
            let found = match arrival(&tree(files), Module::Loaded, system) {
                Arrival::BuiltIn => "built in".to_owned(),
                Arrival::Early(place) => place.to_string(),
                Arrival::Reapplied { rule, .. } => format!("~{rule}"),
                Arrival::Late { barred: None } => "-".to_owned(),
                Arrival::Late { barred: Some(place) } => format!("!{place}"),
            };
            assert_eq!(found, *expected, "{system:?} {files:?}");
            assert_eq!(arrival(&tree(files), Module::BuiltIn, system), Arrival::BuiltIn);
        }
    }
}

#[test]
fn a_rule_brings_what_its_prefix_covers() {
    let files = [
        ("/etc/udev/rules.d/90-ct.rules", RULE),
        ("/etc/sysctl.d/a.conf", "net.nf_conntrack_max = 5\nnet.netfilter.nf_conntrack_acct = 1\n"),
    ];
    let boot = boot(&snapshot(&files, Module::Absent), &SYSTEMD);
    assert_eq!(boot.outlook("net.netfilter.nf_conntrack_acct").value, Some(1));
    assert_eq!(boot.outlook(MAX).value, None);
    assert!(matches!(boot.outlook(MAX).lost, Some(Lost::ModuleLate { .. })));
}

#[test]
fn globs_are_nothing_to_procps_3() {
    let glob = ("/etc/sysctl.d/a.conf", "net.netfilter.nf_conntrack_tcp_timeout_close* = 77");
    let value = |files: &[(&str, &str)], system| {
        boot(&snapshot(files, Module::BuiltIn), system).outlook("net.netfilter.nf_conntrack_tcp_timeout_close").value
    };
    let library = ("/lib/x86_64-linux-gnu/libprocps.so.8", "");
    assert_eq!(value(&[glob], &SYSVINIT), Some(77));
    assert_eq!(value(&[glob, library], &SYSVINIT), None);
    assert_eq!(value(&[glob, library], &SYSTEMD), Some(77));
    let plain = ("/etc/sysctl.d/a.conf", "net.netfilter.nf_conntrack_tcp_timeout_close = 77");
    assert_eq!(value(&[plain, library], &SYSVINIT), Some(77));
}

#[test]
fn what_comes_late_is_lost() {
    let files = [("/etc/sysctl.d/a.conf", "net.nf_conntrack_max = 5\n")];
    let late = boot(&snapshot(&files, Module::Absent), &SYSTEMD).outlook(MAX);
    assert_eq!((late.value, late.winner), (None, None));
    assert!(
        matches!(late.lost, Some(Lost::ModuleLate { place, barred: None }) if place.to_string() == "/etc/sysctl.d/a.conf:1")
    );
    let built_in = boot(&snapshot(&files, Module::BuiltIn), &SYSTEMD).outlook(MAX);
    assert_eq!((built_in.value, built_in.lost), (Some(5), None));
}

#[test]
fn names_and_values_that_no_kernel_of_today_takes() {
    let text = "net.ipv4.ip_conntrack_max = 5\nnet.netfilter.nf_conntrack_buckets = abc\n\
                net.netfilter.nf_conntrack_count = 5\n";
    let files = [("/etc/sysctl.d/a.conf", text)];
    let boot = boot(&snapshot(&files, Module::BuiltIn), &SYSVINIT);
    assert!(matches!(boot.outlook(MAX).lost, Some(Lost::NoSuchKey(place)) if place.line == 1));
    assert!(matches!(boot.outlook(BUCKETS).lost, Some(Lost::Refused(place)) if place.line == 2));
    // A reading, which nobody writes.
    assert!(matches!(boot.outlook(COUNT).lost, Some(Lost::Refused(place)) if place.line == 3));
}

#[test]
fn thresholds_are_taken_as_far_as_they_bound_each_other() {
    let values = |lines: &[(&str, i64)], release| {
        let lines: Vec<String> =
            lines.iter().map(|(name, mebibytes)| format!("{name} = {}", mebibytes << 20)).collect();
        let text = lines.join("\n");
        let live = Some(LiveKernel { release, ..LiveKernel::default() });
        let machine = Snapshot { live, ..snapshot(&[("/etc/sysctl.d/a.conf", &text)], Module::BuiltIn) };
        let boot = boot(&machine, &SYSTEMD);
        [FRAG6_LOW, FRAG6_HIGH].map(|name| boot.outlook(name).value.map(|bytes| bytes >> 20))
    };
    // A boot starts from 3 and 4 MiB.
    assert_eq!(values(&[(FRAG6_LOW, 4)], None), [Some(4), None]);
    assert_eq!(values(&[(FRAG6_LOW, 5)], None), [None, None]);
    assert_eq!(values(&[(FRAG6_HIGH, 3)], None), [None, Some(3)]);
    assert_eq!(values(&[(FRAG6_HIGH, 2)], None), [None, None]);
    assert_eq!(values(&[(FRAG6_HIGH, 8), (FRAG6_LOW, 5)], None), [Some(5), Some(8)]);
    assert_eq!(values(&[(FRAG6_LOW, 1), (FRAG6_HIGH, 2)], None), [Some(1), Some(2)]);
    // On 5.10 the high one falls and never rises.
    for (release, high) in [(Release::new(5, 10), None), (Release::new(5, 11), Some(8))] {
        assert_eq!(values(&[(FRAG6_HIGH, 8)], Some(release)), [None, high], "{release:?}");
        assert_eq!(values(&[(FRAG6_HIGH, 4)], Some(release)), [None, Some(4)], "{release:?}");
    }
}

#[test]
fn the_modules_options_come_before_the_loader_even_when_late() {
    let options = ("/etc/modprobe.d/a.conf", "options nf-conntrack hashsize=10000\noptions nf_other hashsize=5\n");
    let late = boot(&snapshot(&[options], Module::Absent), &SYSTEMD);
    assert_eq!(late.outlook(BUCKETS).value, Some(10240));
    // What the kernel derives from it (measured by real boots): 65536 buckets make a limit of 524288.
    assert_eq!(late.outlook(MAX).value, Some(81920));
    assert_eq!(late.outlook("net.netfilter.nf_conntrack_expect_max").value, Some(160));
    let switches = ("/etc/modprobe.d/a.conf", "options nf_conntrack acct=1 tstamp=Y nf_conntrack_helper=N\n");
    let switched = boot(&snapshot(&[switches], Module::Absent), &SYSTEMD);
    assert_eq!(switched.outlook("net.netfilter.nf_conntrack_acct").value, Some(1));
    assert_eq!(switched.outlook("net.netfilter.nf_conntrack_timestamp").value, Some(1));
    assert_eq!(switched.outlook("net.netfilter.nf_conntrack_helper").value, Some(0));
    let file = ("/etc/sysctl.d/a.conf", "net.netfilter.nf_conntrack_buckets = 2048");
    let early = ("/etc/modules-load.d/a.conf", "nf_conntrack");
    let both = boot(&snapshot(&[options, file, early], Module::Absent), &SYSTEMD).outlook(BUCKETS);
    assert_eq!(both.value, Some(2048));
    assert_eq!(both.shadowed(), [Place { file: "/etc/modprobe.d/a.conf".into(), line: 1 }]);
}

#[test]
fn the_kernel_command_line_reaches_what_is_built_in() {
    let cmdline = ("/proc/cmdline", "ro sysctl.net.netfilter.nf_conntrack_max=7 -- sysctl.net.nf_conntrack_max=8");
    let value = |files: &[(&str, &str)], module| boot(&snapshot(files, module), &SYSTEMD).outlook(MAX).value;
    assert_eq!(value(&[cmdline], Module::BuiltIn), Some(7));
    assert_eq!(value(&[cmdline], Module::Absent), None);
    let file = ("/etc/sysctl.d/a.conf", "net.nf_conntrack_max=9");
    assert_eq!(value(&[cmdline, file], Module::BuiltIn), Some(9));
}

/// A machine on which ufw is enabled and has sysctl read `text`.
fn with_ufw(text: &str) -> Vec<(&str, &str)> {
    vec![
        ("/etc/default/ufw", "IPT_SYSCTL=/etc/ufw/sysctl.conf"),
        ("/etc/ufw/sysctl.conf", text),
        ("/etc/ufw/ufw.conf", "ENABLED=yes"),
    ]
}

#[test]
fn ufw_writes_after_the_loader_if_it_is_enabled() {
    let outlook = |files: &[(&str, &str)]| boot(&snapshot(files, Module::BuiltIn), &SYSTEMD).outlook(MAX);
    let mut files = with_ufw("net.nf_conntrack_max=7\nnet/netfilter/nf_conntrack_max=5\nnet/ipv4/ip_conntrack_max=6\n");
    files.push(("/etc/sysctl.d/a.conf", "net.nf_conntrack_max=9"));
    let enabled = outlook(&files);
    assert_eq!((enabled.value, &enabled.lost), (Some(5), &None));
    let lines = enabled.assignments.iter().map(ToString::to_string).collect::<Vec<_>>();
    let of_ufw = |line| format!("/etc/ufw/sysctl.conf:{line}");
    assert_eq!(lines, ["/etc/sysctl.d/a.conf:1".to_owned(), of_ufw(1), of_ufw(2), of_ufw(3)]);
    files[2].1 = "ENABLED=no";
    let disabled = outlook(&files);
    assert_eq!((disabled.value, disabled.assignments.len()), (Some(9), 1));
}

#[test]
fn ufw_names_a_setting_as_no_kernel_of_today_does() {
    let files = with_ufw("net/ipv4/ip_conntrack_max=6\n");
    let machine = snapshot(&files, Module::BuiltIn);
    let outlook = boot(&machine, &SYSTEMD).outlook(MAX);
    assert!(outlook.value.is_none() && matches!(outlook.lost, Some(Lost::NoSuchKey(place)) if place.line == 1));
    assert_eq!(writers(&machine, &[MAX]), ["ufw net.netfilter.nf_conntrack_max"]);
}

/// The programs that write some of `settings` later, each with the setting that is named.
fn writers(machine: &Snapshot, settings: &[&str]) -> Vec<String> {
    let later = later_writers(machine, settings);
    later.into_iter().map(|write| format!("{} {}", write.by.name, write.setting)).collect()
}

#[test]
fn later_writers_are_named_where_they_write_what_is_wanted() {
    let established = "net.netfilter.nf_conntrack_tcp_timeout_established";
    let mut files = with_ufw("net/netfilter/nf_conntrack_max=5");
    files.extend([
        ("/etc/tuned/active_profile", "fast\n"),
        ("/usr/lib/tuned/fast/tuned.conf", "[main]\ninclude = base, fast\n"),
        ("/usr/lib/tuned/profiles/base/tuned.conf", "[sysctl]\nnet.netfilter.nf_conntrack_max=5\n"),
        ("/var/lib/kubelet/config.yaml", ""),
    ]);
    let machine = snapshot(&files, Module::Absent);
    let of_max = ["ufw", "tuned", "kube-proxy"].map(|name| format!("{name} {MAX}"));
    assert_eq!(writers(&machine, &[MAX]), of_max);
    assert_eq!(writers(&machine, &[BUCKETS, MAX]), of_max);
    assert_eq!(writers(&machine, &[established, MAX])[2], format!("kube-proxy {established}"));
    assert_eq!(writers(&machine, &[established]), [format!("kube-proxy {established}")]);
    assert_eq!(writers(&machine, &[BUCKETS]), [""; 0]);
}

#[test]
fn a_glob_of_ufw_writes_and_an_exclusion_does_not() {
    let of_ufw = |text| writers(&snapshot(&with_ufw(text), Module::Absent), &[BUCKETS, MAX]);
    assert_eq!(of_ufw("net/netfilter/nf_conntrack_m*=5"), [format!("ufw {MAX}")]);
    assert_eq!(of_ufw("-net/netfilter/nf_conntrack_max"), [""; 0]);
}

#[test]
fn a_line_of_a_tuned_profile_is_a_comment_or_an_assignment() {
    let of_tuned = |text| {
        let files = [("/etc/tuned/active_profile", "fast"), ("/etc/tuned/fast/tuned.conf", text)];
        let later = later_writers(&snapshot(&files, Module::Absent), &[MAX]);
        later.into_iter().map(|write| Warning::from(write).message).collect::<Vec<_>>()
    };
    let written = of_tuned("# nf_conntrack_max=4\n  ; nf_conntrack_max=4\nnf_conntrack_max\n nf_conntrack_max = 5\n");
    assert_eq!(written.len(), 1);
    assert!(written[0].contains("(`/etc/tuned/fast/tuned.conf:4`)"), "{written:?}");
    assert_eq!(of_tuned("#nf_conntrack_max=4\n"), [""; 0]);
}

/// Where a boot with `files` may have profiles of tuned.
fn profiles(files: &[(&str, &str)]) -> Vec<PathBuf> {
    let candidate = |read| match read {
        Read::Candidate(path) => Some(path),
        _ => None,
    };
    wanted(&tree(files), Module::Absent).into_iter().filter_map(candidate).collect()
}

#[test]
fn a_tuned_profile_is_a_name_and_not_a_path() {
    let active = |names| profiles(&[("/etc/tuned/active_profile", names)]);
    assert_eq!(active("fast").len(), 4);
    assert!(active("fast").contains(&"/usr/lib/tuned/fast/tuned.conf".into()));
    assert!(active("../fast /fast fast/er .fast").is_empty());
}

#[test]
fn profiles_without_end_come_to_an_end() {
    let many: Vec<String> = (0..20_000).map(|number| format!("p{number}")).collect();
    let profile = format!("[main]\ninclude={}\n", many.join(","));
    assert_eq!(profiles(&[("/etc/tuned/active_profile", "a"), ("/etc/tuned/a/tuned.conf", &profile)]).len(), 4 * 64);
    assert_eq!(profiles(&[("/etc/tuned/active_profile", &many.join(" "))]).len(), 4 * 64);
}

#[test]
fn what_is_read_names_what_is_to_be_read_next() {
    let reads = |files: &[(&str, &str)]| wanted(&tree(files), Module::Absent);
    let conf = Read::File("/etc/ufw/sysctl.conf".into());
    assert!(!reads(&[]).contains(&conf));
    assert!(reads(&[("/etc/default/ufw", "IPT_SYSCTL=/etc/ufw/sysctl.conf")]).contains(&conf));
    assert!(!reads(&[("/etc/default/ufw", "IPT_SYSCTL=etc/ufw/sysctl.conf")]).contains(&conf));
    let base = Read::Candidate("/etc/tuned/base/tuned.conf".into());
    let active = ("/etc/tuned/active_profile", "fast");
    assert!(!reads(&[active]).contains(&base));
    assert!(reads(&[active, ("/etc/tuned/fast/tuned.conf", "include=base")]).contains(&base));
}

#[test]
fn no_file_says_when_a_built_in_module_comes() {
    let directories = |module| {
        let directory = |read| match read {
            Read::Directory { path, .. } => Some(path),
            _ => None,
        };
        wanted(&tree(&[]), module).into_iter().filter_map(directory).collect::<BTreeSet<_>>()
    };
    assert_eq!(directories(Module::BuiltIn), SYSCTL_D.map(PathBuf::from).into());
    assert_eq!(directories(Module::Absent).len(), 4 * SYSCTL_D.len());
}

#[test]
fn which_program_reads_the_files() {
    let link = |target: &str| Entry::Link { target: target.into(), bytes: Vec::new() };
    let with = |path: &str, entry: Entry| {
        let mut tree = tree(&[]);
        tree.insert(path, entry);
        detected(&tree)
    };
    assert_eq!(detected(&tree(&[])), &SYSVINIT);
    assert_eq!(with("/run/systemd/system", Entry::Program), &SYSTEMD);
    assert_eq!(with("/usr/lib/systemd/systemd-sysctl", Entry::Program), &SYSTEMD);
    assert_eq!(with("/sbin/init", link("/usr/lib/systemd/systemd")), &SYSTEMD);
    assert_eq!(with("/sbin/init", link("/usr/sbin/init")), &SYSVINIT);
    let mut sysvinit = tree(&[]);
    sysvinit.insert("/sbin/init", link("/usr/sbin/init"));
    sysvinit.insert("/lib/systemd/systemd-sysctl", Entry::Program);
    assert_eq!(detected(&sysvinit), &SYSVINIT);
}
