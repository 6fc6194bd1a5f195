//! Judges what the next boot makes of a machine, beyond the values that the cases of `tests/cases/boots` expect: why a
//! line is lost, which lines are shadowed, and which programs write later.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::support::machine::Machine;
use conntrack_sysctl::boot::systems::{
    ALPINE, CHIMERA, FINIT, NONE, OPENRC, OPENWRT, SYSTEMD, SYSVINIT, System, UNKNOWN, VOID,
};
use conntrack_sysctl::boot::{Certainty, LaterWrite, Lost, SOURCES, boot, detected};
use conntrack_sysctl::kernel::catalog::{BUCKETS, COUNT, FRAG6_HIGH, Key, MAX, Name};
use conntrack_sysctl::snapshot::{Module, Snapshot};
use conntrack_sysctl::sysctl_d::paths::SYSCTL_D;
use conntrack_sysctl::tree::{Entry, Place, Read, Tree};
use conntrack_sysctl::warning::Warning;

fn image(files: &[(&str, &str)], module: Module) -> Machine {
    Machine::image().module(module).files(files)
}

/// The reads that the parts of a boot list, given the files of `tree`.
fn wanted(tree: &Tree, module: Module) -> Vec<Read> {
    SOURCES.iter().flat_map(|source| source(tree, module)).collect()
}

#[test]
fn what_comes_late_is_lost() {
    let files = [("/etc/sysctl.d/a.conf", "net.nf_conntrack_max = 5\n")];
    let late = boot(&image(&files, Module::Absent), &SYSTEMD).outlook(&MAX);
    assert_eq!((late.value, late.winner), (None, None));
    assert!(
        matches!(late.lost, Some(Lost::ModuleLate { place, barred: None, .. }) if place.to_string() == "/etc/sysctl.d/a.conf:1")
    );
    let rule = "ACTION==\"add\", SUBSYSTEM==\"module\", KERNEL==\"nf_conntrack\", \
                RUN+=\"/usr/lib/systemd/systemd-sysctl --prefix=/net/netfilter\"\n";
    let with_a_rule = [files[0], ("/etc/udev/rules.d/90-ct.rules", rule)];
    let left_out = boot(&image(&with_a_rule, Module::Absent), &SYSTEMD).outlook(&MAX);
    assert!(matches!(left_out.lost, Some(Lost::ModuleLate { .. })));
    let built_in = boot(&image(&files, Module::BuiltIn), &SYSTEMD).outlook(&MAX);
    assert_eq!((built_in.value, built_in.lost), (Some(5), None));
}

#[test]
fn names_and_values_that_no_kernel_of_today_takes() {
    let text = "net.ipv4.ip_conntrack_max = 5\nnet.netfilter.nf_conntrack_buckets = abc\n\
                net.netfilter.nf_conntrack_count = 5\n";
    let files = [("/etc/sysctl.d/a.conf", text)];
    let boot = boot(&image(&files, Module::BuiltIn), &SYSVINIT);
    assert!(matches!(boot.outlook(&MAX).lost, Some(Lost::NoSuchKey(place)) if place.line == 1));
    assert!(matches!(boot.outlook(&BUCKETS).lost, Some(Lost::Refused(place)) if place.line == 2));
    // The kernel counts the entries itself, and lets nobody write the number.
    assert!(matches!(boot.outlook(&COUNT).lost, Some(Lost::Refused(place)) if place.line == 3));
}

#[test]
fn a_line_of_the_loader_shadows_an_option_of_the_module() {
    let option = ("/etc/modprobe.d/a.conf", "options nf_conntrack hashsize=10000\n");
    let file = ("/etc/sysctl.d/a.conf", "net.netfilter.nf_conntrack_buckets = 2048");
    let early = ("/etc/modules-load.d/a.conf", "nf_conntrack");
    let both = boot(&image(&[option, file, early], Module::Absent), &SYSTEMD).outlook(&BUCKETS);
    assert_eq!(both.value, Some(2048));
    assert_eq!(both.shadowed(), [Place::new("/etc/modprobe.d/a.conf", 1)]);
}

#[test]
fn the_high_threshold_rises_from_5_11_on() {
    let text = format!("{FRAG6_HIGH} = {}\n", 8 << 20);
    let high = |machine: Machine| {
        boot(&machine.built_in().file("/etc/sysctl.d/a.conf", &text), &SYSTEMD).outlook(&FRAG6_HIGH).value
    };
    assert_eq!(high(Machine::modern().kernel(5, 10)), None);
    assert_eq!(high(Machine::modern().kernel(5, 11)), Some(8 << 20));
    // Nothing is known of the kernel of an image.
    assert_eq!(high(Machine::image()), Some(8 << 20));
}

/// The files of a machine on which ufw is enabled and has sysctl read `text`.
fn with_ufw(text: &str) -> Vec<(&str, &str)> {
    vec![
        ("/etc/default/ufw", "IPT_SYSCTL=/etc/ufw/sysctl.conf"),
        ("/etc/ufw/sysctl.conf", text),
        ("/etc/ufw/ufw.conf", "ENABLED=yes"),
        ("/usr/lib/ufw/ufw-init", ""),
        ("/etc/systemd/system/multi-user.target.wants/ufw.service", ""),
    ]
}

#[test]
fn ufw_writes_after_the_loader_if_it_is_enabled() {
    let outlook = |files: &[(&str, &str)]| boot(&image(files, Module::BuiltIn), &SYSTEMD).outlook(&MAX);
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
    let machine = image(&files, Module::BuiltIn);
    let outlook = boot(&machine, &SYSTEMD).outlook(&MAX);
    assert!(outlook.value.is_none() && matches!(outlook.lost, Some(Lost::NoSuchKey(place)) if place.line == 1));
    assert_eq!(writers(&machine, &[&MAX]), ["ufw net.netfilter.nf_conntrack_max"]);
}

/// The programs that write some of `settings` later, each with those that are named.
fn writers(machine: &Snapshot, settings: &[&Name]) -> Vec<String> {
    let later = boot(machine, &SYSTEMD).later_writers(settings);
    let named = |writes: &Vec<LaterWrite>| {
        let settings: Vec<&str> = writes.iter().map(|write| write.setting.as_str()).collect();
        format!("{} {}", writes[0].by.name, settings.join(" "))
    };
    later.iter().map(named).collect()
}

#[test]
fn later_writers_are_named_where_they_write_what_is_wanted() {
    let established = Name::of_key("net.netfilter.nf_conntrack_tcp_timeout_established").expect("it is a setting");
    let mut files = with_ufw("net/netfilter/nf_conntrack_max=5");
    files.extend(with_tuned("[main]\ninclude = base, fast\n"));
    files.extend([
        ("/usr/lib/tuned/profiles/base/tuned.conf", "[sysctl]\nnet.netfilter.nf_conntrack_max=6\n"),
        ("/var/lib/kubelet/config.yaml", ""),
    ]);
    let machine = image(&files, Module::Absent);
    let of_max = ["ufw", "tuned", "kube-proxy"].map(|name| format!("{name} {MAX}"));
    assert_eq!(writers(&machine, &[&MAX]), of_max);
    assert_eq!(writers(&machine, &[&BUCKETS, &MAX]), of_max);
    assert_eq!(writers(&machine, &[&established, &MAX])[2], format!("kube-proxy {established} {MAX}"));
    assert_eq!(writers(&machine, &[&established]), [format!("kube-proxy {established}")]);
    assert_eq!(writers(&machine, &[&BUCKETS]), [""; 0]);
}

#[test]
fn one_warning_names_all_that_a_program_writes() {
    let warnings = |files: &[(&str, &str)]| -> Vec<(String, Option<String>)> {
        let later = boot(&image(files, Module::Absent), &SYSTEMD).later_writers(&[&BUCKETS, &MAX, &FRAG6_HIGH]);
        let warnings = later.iter().map(|writes| Warning::later_writer(writes));
        warnings.map(|warning| (warning.message, warning.key)).collect()
    };
    let two = "net/netfilter/nf_conntrack_max=5\nnet/netfilter/nf_conntrack_frag6_high_thresh=9000000\n";
    let message = format!(
        "ufw writes `{MAX}` after the boot's loader (`/etc/ufw/sysctl.conf:1`), and writes `{FRAG6_HIGH}` \
         (`/etc/ufw/sysctl.conf:2`); give these lines the same values, or remove them"
    );
    assert_eq!(warnings(&with_ufw(two)), [(message, None)]);
    let pve = [
        ("/usr/sbin/pve-firewall", ""),
        ("/etc/systemd/system/multi-user.target.wants/pve-firewall.service", ""),
        ("/etc/pve/firewall/cluster.fw", "[OPTIONS]\nenable: 1\n"),
    ];
    let message = &warnings(&pve)[0].0;
    let start = format!(
        "pve-firewall may write `{BUCKETS}` after the boot's loader (`/etc/pve/firewall/cluster.fw:2`), and writes `{MAX}`"
    );
    assert!(message.starts_with(&start), "{message}");
}

#[test]
fn a_node_of_any_distribution_of_kubernetes_is_known() {
    for path in [
        "/var/lib/kubelet",
        "/var/lib/kube-proxy",
        "/etc/kubernetes/kubelet.conf",
        "/etc/rancher/k3s",
        "/var/lib/rancher/k3s/agent",
        "/var/lib/rancher/rke2",
        "/etc/eks",
        "/var/lib/k0s",
        "/var/snap/microk8s",
    ] {
        assert_eq!(writers(&image(&[(path, "")], Module::Absent), &[&MAX]), [format!("kube-proxy {MAX}")], "{path}");
        assert!(wanted(&Machine::image().tree, Module::Absent).contains(&Read::Presence(path.into())), "{path}");
    }
}

#[test]
fn a_glob_of_ufw_writes_and_an_exclusion_does_not() {
    let of_ufw = |text| writers(&image(&with_ufw(text), Module::Absent), &[&BUCKETS, &MAX]);
    assert_eq!(of_ufw("net/netfilter/nf_conntrack_m*=5"), [format!("ufw {MAX}")]);
    assert_eq!(of_ufw("-net/netfilter/nf_conntrack_max"), [""; 0]);
}

/// A machine on which tuned runs the profile `fast`, and leaves sysctl.d alone.
fn with_tuned(profile: &str) -> Vec<(&str, &str)> {
    vec![
        ("/usr/sbin/tuned", ""),
        ("/etc/systemd/system/multi-user.target.wants/tuned.service", ""),
        ("/etc/tuned/tuned-main.conf", "reapply_sysctl=0"),
        ("/etc/tuned/active_profile", "fast\n"),
        ("/usr/lib/tuned/profiles", ""),
        ("/usr/lib/tuned/profiles/fast/tuned.conf", profile),
    ]
}

#[test]
fn what_more_than_files_decide_tuned_may_write() {
    let of_tuned = |line: &str| {
        let profile = format!("[sysctl]\n{MAX} = {line}\n");
        let machine = image(&with_tuned(&profile), Module::BuiltIn);
        let later = boot(&machine, &SYSTEMD).later_writers(&[&MAX]);
        later.iter().map(|writes| Warning::later_writer(writes).message).collect::<Vec<_>>().join("\n")
    };
    for line in ["${limit}", ">5", "<5", "\"5\"\n 6", "5\nuname_regex = x86_64"] {
        assert!(of_tuned(line).starts_with("tuned may write"), "{line}: {}", of_tuned(line));
    }
    assert!(of_tuned("\"5\"").starts_with("tuned writes"));
    assert_eq!(of_tuned("5\n[net]\n"), of_tuned("5"));
    assert_eq!(of_tuned("5\nnonsense"), "");
}

/// The paths at which a boot with `files` may have profiles of tuned.
fn profiles(files: &[(&str, &str)]) -> Vec<PathBuf> {
    let candidate = |read| match read {
        Read::Candidate(path) => Some(path).filter(|path: &PathBuf| path.ends_with("tuned.conf")),
        _ => None,
    };
    wanted(&Machine::image().files(files).tree, Module::Absent).into_iter().filter_map(candidate).collect()
}

#[test]
fn a_tuned_profile_is_a_name_and_not_a_path() {
    let active = |names| profiles(&[("/etc/tuned/active_profile", names)]);
    assert_eq!(active("fast").len(), 2);
    assert!(active("fast").contains(&"/usr/lib/tuned/fast/tuned.conf".into()));
    assert!(active("../fast /fast fast/er .fast").is_empty());
}

#[test]
fn profiles_without_end_come_to_an_end() {
    let many: Vec<String> = (0..20_000).map(|number| format!("p{number}")).collect();
    let profile = format!("[main]\ninclude={}\n", many.join(","));
    assert_eq!(profiles(&[("/etc/tuned/active_profile", "a"), ("/etc/tuned/a/tuned.conf", &profile)]).len(), 2 * 64);
    assert_eq!(profiles(&[("/etc/tuned/active_profile", &many.join(" "))]).len(), 2 * 64);
}

#[test]
fn what_is_read_names_what_is_to_be_read_next() {
    let reads = |files: &[(&str, &str)]| wanted(&Machine::image().files(files).tree, Module::Absent);
    let conf = Read::File("/etc/ufw/sysctl.conf".into());
    assert!(!reads(&[]).contains(&conf));
    let enabled = ("/etc/ufw/ufw.conf", "ENABLED=yes");
    assert!(reads(&[("/etc/default/ufw", "IPT_SYSCTL=/etc/ufw/sysctl.conf"), enabled]).contains(&conf));
    // A service begins in the root directory.
    assert!(reads(&[("/etc/default/ufw", "IPT_SYSCTL=etc/ufw/sysctl.conf"), enabled]).contains(&conf));
    assert!(!reads(&[("/etc/default/ufw", "IPT_SYSCTL=$DIR/sysctl.conf"), enabled]).contains(&conf));
    let base = Read::Candidate("/etc/tuned/base/tuned.conf".into());
    let active = ("/etc/tuned/active_profile", "fast");
    assert!(!reads(&[active]).contains(&base));
    assert!(reads(&[active, ("/etc/tuned/fast/tuned.conf", "[main]\ninclude=base")]).contains(&base));
}

#[test]
fn no_file_says_when_a_built_in_module_comes() {
    let directories = |module| {
        let directory = |read| match read {
            Read::Directory { path, .. } => Some(path),
            _ => None,
        };
        wanted(&Machine::image().tree, module).into_iter().filter_map(directory).collect::<BTreeSet<_>>()
    };
    let (built_in, absent) = (directories(Module::BuiltIn), directories(Module::Absent));
    assert!(built_in.is_superset(&SYSCTL_D.map(PathBuf::from).into()));
    // modules-load.d, modprobe.d and udev's rules. The kernels are listed in any case: the next one may have a module.
    // OpenWrt has its lists in a directory of their own.
    assert_eq!(absent.difference(&built_in).count(), 3 * SYSCTL_D.len() + 1);
    assert!(built_in.is_subset(&absent));
}

#[test]
fn which_program_reads_the_files() {
    let link = |target: &str| Entry::Link { target: target.into(), bytes: Vec::new() };
    let program = |path| (path, Entry::Program);
    let init = |target| ("/sbin/init", link(target));
    let script = |path| (path, Entry::File(Vec::new()));
    let (kmod, procps) = (|| script("/etc/rcS.d/S06kmod"), || script("/etc/rcS.d/S09procps"));
    let loader = || program("/usr/lib/systemd/systemd-sysctl");
    let sysvinit = || init("/usr/sbin/init");
    let cases: &[(&[(&str, Entry)], &System)] = &[
        (&[], &NONE),
        (&[kmod(), procps()], &NONE),
        (&[program("/run/systemd/system")], &SYSTEMD),
        (&[program("/run/systemd/system"), sysvinit(), kmod(), procps()], &SYSTEMD),
        (&[loader()], &SYSTEMD),
        (&[program("/lib/systemd/systemd-sysctl")], &SYSTEMD),
        (&[init("/usr/lib/systemd/systemd")], &SYSTEMD),
        (&[init("/usr/lib/systemd/systemd"), kmod(), procps()], &SYSTEMD),
        (&[sysvinit()], &UNKNOWN),
        (&[sysvinit(), loader()], &UNKNOWN),
        (&[sysvinit(), procps()], &UNKNOWN),
        (&[sysvinit(), kmod(), script("/etc/rcS.d/K01procps")], &UNKNOWN),
        (&[sysvinit(), kmod(), script("/etc/rcS.d/S01iprocps")], &UNKNOWN),
        (&[sysvinit(), kmod(), ("/etc/rcS.d/S09procps", Entry::Dangling)], &UNKNOWN),
        (&[sysvinit(), kmod(), procps()], &SYSVINIT),
        (&[sysvinit(), kmod(), procps(), loader()], &SYSVINIT),
        (&[init("/usr/sbin/runit-init"), kmod(), procps()], &SYSVINIT),
        (
            &[
                init("/usr/sbin/openrc-init"),
                script("/etc/runlevels/sysinit/kmod"),
                script("/etc/runlevels/sysinit/procps"),
            ],
            &SYSVINIT,
        ),
        (&[init("/usr/bin/busybox"), kmod(), procps()], &UNKNOWN),
        (&[init("/usr/sbin/finit"), kmod(), procps()], &FINIT),
        (
            &[init("/usr/sbin/openrc-init"), program("/etc/init.d/sysctl"), script("/etc/runlevels/boot/sysctl")],
            &OPENRC,
        ),
        (&[sysvinit(), program("/etc/init.d/sysctl"), script("/etc/runlevels/boot/sysctl")], &OPENRC),
        (&[sysvinit(), program("/etc/init.d/sysctl")], &UNKNOWN),
        (&[init("/bin/busybox"), program("/etc/alpine-release"), script("/etc/runlevels/boot/sysctl")], &ALPINE),
        // The image of a container has no services.
        (&[init("/bin/busybox"), program("/etc/alpine-release")], &UNKNOWN),
        (&[sysvinit(), program("/etc/openwrt_release")], &OPENWRT),
        (&[init("/usr/bin/runit-init"), script("/etc/runit/core-services/08-sysctl.sh")], &VOID),
        (&[init("/usr/bin/runit-init")], &UNKNOWN),
        (&[init("/usr/bin/dinit"), program("/usr/lib/dinit.d/early/early-sysctl")], &CHIMERA),
        (&[init("/usr/bin/dinit")], &UNKNOWN),
    ];
    for (entries, expected) in cases {
        let tree: Tree = entries.iter().map(|(path, entry)| ((*path).into(), entry.clone())).collect();
        assert_eq!(detected(&tree), *expected, "{entries:?}");
    }
}

/// A node of a cluster that kubeadm has made, with this configuration of kube-proxy, on which the loader writes some values.
fn node(configuration: &str, cpus: Option<&str>) -> Machine {
    let pod = "/var/lib/kubelet/pods/0f5e/volumes/kubernetes.io~configmap/kube-proxy/..2026_01_01";
    let parents = ["/var/lib/kubelet", "/var/lib/kubelet/pods/0f5e", pod];
    let machine =
        parents.iter().fold(Machine::modern().max(65536), |machine, path| machine.entry(*path, Entry::Directory));
    let machine = machine
        .file("/etc/modules-load.d/a.conf", "nf_conntrack\n")
        .file("/etc/sysctl.d/a.conf", &format!("{MAX} = 65536\n{ESTABLISHED} = 28800\n"))
        .file(format!("{pod}/config.conf"), configuration);
    let keys = [ESTABLISHED, CLOSE_WAIT, "net.netfilter.nf_conntrack_udp_timeout"].map(Key::new);
    let machine = keys.into_iter().fold(machine, |machine, key| machine.key(key, 1)).buckets(16384);
    match cpus {
        Some(cpus) => machine.file("/sys/devices/system/cpu/online", cpus),
        None => machine,
    }
}

const ESTABLISHED: &str = "net.netfilter.nf_conntrack_tcp_timeout_established";
const CLOSE_WAIT: &str = "net.netfilter.nf_conntrack_tcp_timeout_close_wait";

#[test]
fn the_numbers_of_kube_proxy_are_computed_where_its_configuration_is_on_disk() {
    let told = |configuration: &str, cpus: Option<&str>| {
        let machine = node(configuration, cpus);
        let boot = boot(&machine, &SYSTEMD);
        let value = |name: &Name| boot.outlook(name).value;
        let name = |key: &str| Name::of_key(key).expect("it is a setting");
        let perhaps = boot.later_writers(&[&MAX]).iter().any(|writes| writes[0].certainty == Certainty::Perhaps);
        (value(&MAX), perhaps, value(&name(ESTABLISHED)), value(&name(CLOSE_WAIT)))
    };
    let of = |options: &str| format!("apiVersion: kubeproxy.config.k8s.io/v1alpha1\nconntrack:\n{options}mode: \"\"\n");
    let nulls = of(
        "  maxPerCore: null\n  min: null\n  tcpCloseWaitTimeout: null\n  tcpEstablishedTimeout: null\n  udpTimeout: 0s\n",
    );
    assert_eq!(told(&nulls, Some("0-3\n")), (Some(131_072), false, Some(86_400), Some(3600)));
    assert_eq!(told(&nulls, Some("0-3,8-11\n")), (Some(262_144), false, Some(86_400), Some(3600)));
    assert_eq!(told("mode: \"\"\n", Some("0\n")), (Some(131_072), false, Some(86_400), Some(3600)));
    // It leaves the limit alone, and the timeouts that are 0 or right already.
    let none = of("  maxPerCore: 0\n  tcpEstablishedTimeout: 8h0m0s\n  tcpCloseWaitTimeout: 0s\n");
    assert_eq!(told(&none, Some("0-3\n")), (Some(65_536), false, Some(28_800), None));
    // Whether it lowers the limit, and how far it raises it, depends on its release.
    let low = of("  maxPerCore: 100\n  min: 0\n");
    assert!(told(&low, Some("0-3\n")).1);
    assert!(told(&of("  maxPerCore: 1000000\n"), Some("0-3\n")).1);
    // Of an image nobody knows the CPUs; the timeouts need none.
    assert_eq!(told(&nulls, None), (Some(65_536), true, Some(86_400), Some(3600)));
    // A configuration in another form is as none.
    assert_eq!(told("conntrack: {maxPerCore: 0}\n", Some("0-3\n")), (Some(65_536), true, Some(28_800), None));
    assert_eq!(told(&of("  tcpEstablishedTimeout: soon\n"), Some("0-3\n")), (Some(65_536), true, Some(28_800), None));
    let buckets = boot(&node(&nulls, Some("0-3\n")), &SYSTEMD).later_writers(&[&BUCKETS, &MAX]);
    let certainties: Vec<Certainty> = buckets[0].iter().map(|write| write.certainty).collect();
    assert_eq!(certainties, [Certainty::Perhaps, Certainty::Surely]);
}

#[test]
fn a_saved_etc_tells_what_the_machine_boots_with() {
    let root = || ("/etc", Entry::Program);
    let there = |path| (path, Entry::Program);
    let file = |path, text: &str| (path, Entry::File(text.into()));
    let release = |text: &str| file("/etc/os-release", text);
    let script = |path| file(path, "");
    let debian = || release("PRETTY_NAME=\"Debian\"\nID=debian\n");
    let cases: &[(&[(&str, Entry)], &System)] = &[
        (&[root()], &NONE),
        (&[root(), there("/etc/systemd/system")], &SYSTEMD),
        (&[root(), debian()], &SYSTEMD),
        (&[root(), release("ID=rocky\nID_LIKE=\"rhel centos fedora\"\n")], &SYSTEMD),
        (&[root(), release("ID=gentoo\n")], &NONE),
        (&[root(), debian(), there("/usr")], &NONE),
        (&[root(), debian(), there("/etc/inittab")], &NONE),
        (
            &[root(), debian(), there("/etc/inittab"), script("/etc/rcS.d/S06kmod"), script("/etc/rcS.d/S09procps")],
            &SYSVINIT,
        ),
        // Both have left files: one of them is old.
        (
            &[
                root(),
                there("/etc/systemd/system"),
                there("/etc/inittab"),
                script("/etc/rcS.d/S06kmod"),
                script("/etc/rcS.d/S09procps"),
            ],
            &NONE,
        ),
        (&[root(), there("/etc/alpine-release"), script("/etc/runlevels/boot/sysctl")], &ALPINE),
        (&[root(), there("/etc/init.d/sysctl"), script("/etc/runlevels/boot/sysctl")], &OPENRC),
        (&[root(), there("/etc/openwrt_release")], &OPENWRT),
        (&[root(), there("/etc/finit.d")], &FINIT),
        (&[root(), script("/etc/runit/core-services/08-sysctl.sh")], &VOID),
        (&[root(), there("/etc/dinit.d")], &CHIMERA),
    ];
    for (entries, expected) in cases {
        let tree: Tree = entries.iter().map(|(path, entry)| ((*path).into(), entry.clone())).collect();
        assert_eq!(detected(&tree), *expected, "{entries:?}");
    }
}
