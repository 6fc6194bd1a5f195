//! Runs the binary on the real kernel and real files, in a network and mount namespace of its own.

use crate::support::world::{Ended, Limit, Network, World, privileged};
use conntrack_sysctl::failure::Kind;
use conntrack_sysctl::report::Report;
use conntrack_sysctl::verify::Verdict;

const CLOSE_WAIT: &str = "net.netfilter.nf_conntrack_tcp_timeout_close_wait";
const ESTABLISHED: &str = "net.netfilter.nf_conntrack_tcp_timeout_established";
const MAX: &str = "net.netfilter.nf_conntrack_max";
const STORY: &str = r#"{"settings": {"nf_conntrack_tcp_timeout_close_wait": "4m",
    "net.ipv4.netfilter.ip_conntrack_tcp_timeout_established": "28800"}}"#;
const FILE: &str = "/etc/sysctl.d/90-conntrack.conf";

fn verdicts(report: &Report) -> Vec<Verdict> {
    report.settings.iter().map(|setting| setting.verdict).collect()
}

/// The report of an apply that fails with `kind` and leaves the world unchanged.
fn refused(world: &World, request: &str, kind: Kind) -> Report {
    // The values that are compared include the machine's limit, which other tests set.
    let _limit = Limit::borrow();
    let state = || world.sh("sysctl -a 2>/dev/null | grep conntrack | grep -v count; grep -r . /etc/sysctl.d || true");
    let before = state();
    let ended = world.apply(request);
    let report = ended.report();
    let failure = report.failure.clone().unwrap_or_else(|| panic!("not refused: {}", ended.stdout));
    assert_eq!((failure.kind, ended.code, report.changed), (kind, 1, false), "{}", ended.stdout);
    assert_eq!(state(), before);
    report
}

privileged!(the_story_live_and_in_the_file, || {
    let world = World::new(Network::Private);
    assert_eq!((world.sysctl(CLOSE_WAIT), world.sysctl(ESTABLISHED)), ("60".into(), "432000".into()));
    let checked = world.check(STORY);
    assert_eq!((checked.code, verdicts(&checked.report())), (2, vec![Verdict::BootDrift; 2]));
    let applied = world.apply(STORY);
    let report = applied.report();
    assert_eq!((applied.code, report.changed, report.in_sync), (0, true, true), "{}", applied.stdout);
    assert_eq!((report.changes.clone(), report.diff.clone()), (checked.report().changes, checked.report().diff));
    assert_eq!((world.sysctl(CLOSE_WAIT), world.sysctl(ESTABLISHED)), ("240".into(), "28800".into()));
    assert_eq!(world.sh(&format!("cat {FILE}")), format!("{CLOSE_WAIT} = 240\n{ESTABLISHED} = 28800\n"));
    assert_eq!(world.sh(&format!("stat -c '%a %U %G' {FILE}")), "644 root root\n");
    let again = world.apply(STORY).report();
    assert!(again.in_sync && !again.changed && again.changes.is_empty() && again.diff.is_empty());
    assert_eq!(world.check(STORY).code, 0);
});

privileged!(a_run_that_changes_nothing_opens_nothing_for_writing, || {
    let world = World::new(Network::Private);
    let opened = |command: &str| {
        let script = format!(
            "strace -f -e trace='/^(open|creat|rename|unlink|mkdir)' -o /mnt/trace $BIN {command} >/mnt/report"
        );
        assert_eq!(world.try_sh(&script, STORY).code, 0);
        world.sh("grep -E 'O_WRONLY|O_RDWR|O_CREAT|rename|unlink|mkdir|creat' /mnt/trace || true")
    };
    assert!(!opened("apply").is_empty(), "the first run has to write, or this test sees nothing");
    assert_eq!(opened("apply"), "");
    assert_eq!(opened("check"), "");
});

privileged!(live_only_and_files_only, || {
    let world = World::new(Network::Private);
    let live = world.apply(r#"{"settings": {"nf_conntrack_tcp_timeout_close_wait": 240}, "persist": false}"#).report();
    assert!(live.in_sync && live.changed);
    assert_eq!(world.sh("ls /etc/sysctl.d"), "");
    let files = world.apply(r#"{"settings": {"nf_conntrack_tcp_timeout_close_wait": 300}, "live": false}"#).report();
    assert!(files.in_sync && files.changed);
    assert_eq!(world.sysctl(CLOSE_WAIT), "240");
    assert_eq!((files.settings[0].live.after, files.settings[0].boot.after), (Some(240), Some(300)));
});

privileged!(a_floor_that_is_met_is_left_alone, || {
    let world = World::new(Network::Private);
    let request = r#"{"at_least": {"nf_conntrack_tcp_timeout_established": "1h"}, "persist": false}"#;
    assert!(!world.apply(request).report().changed);
    let request = r#"{"at_least": {"nf_conntrack_tcp_timeout_established": "1h"}}"#;
    let report = world.apply(request).report();
    assert!(report.in_sync, "{report:?}");
    assert_eq!(world.sh(&format!("cat {FILE}")), format!("{ESTABLISHED} = 432000\n"));
});

privileged!(the_limit_cannot_be_set_from_a_child_namespace, || {
    let world = World::new(Network::Private);
    let report =
        refused(&world, r#"{"settings": {"nf_conntrack_max": 98000, "nf_conntrack_acct": 1}}"#, Kind::ReadOnly);
    let limit = report.settings.iter().find(|setting| setting.name == MAX).expect("it is reported");
    assert_eq!(limit.verdict, Verdict::NotHere);
});

privileged!(what_the_kernel_refuses_undoes_the_rest, || {
    let world = World::new(Network::Private);
    // INT_MAX / HZ is 21474836 at most, and less on a kernel with more than 100 ticks a second.
    let request = r#"{"settings": {"nf_conntrack_acct": 1, "nf_conntrack_udp_timeout": 21474836}}"#;
    let report = refused(&world, request, Kind::OutOfRange);
    let failure = report.failure.expect("it is refused");
    assert_eq!(failure.rolled_back, Some(true));
    assert_eq!(failure.key.as_deref(), Some("net.netfilter.nf_conntrack_udp_timeout"));
});

privileged!(files_that_cannot_be_written_undo_the_live_side, || {
    let world = World::new(Network::Private);
    world.sh("mount -t tmpfs -o ro none /etc/sysctl.d");
    let failure = refused(&world, STORY, Kind::ReadOnly).failure.expect("it is refused");
    assert_eq!(failure.rolled_back, None, "it is refused before anything is set");
    assert!(failure.message.contains(FILE), "{}", failure.message);
    world.sh("umount /etc/sysctl.d && mount -t tmpfs -o size=4k none /etc/sysctl.d");
    world.sh("head -c 4096 /dev/zero > /etc/sysctl.d/full || true");
    let failure = refused(&world, STORY, Kind::WriteFailed).failure.expect("it is refused");
    assert_eq!(failure.rolled_back, Some(true));
    assert_eq!(world.sh("ls -A /etc/sysctl.d"), "full\n");
});

privileged!(sysctls_that_cannot_be_written, || {
    let world = World::new(Network::Private);
    world.sh("mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys");
    let report = refused(&world, STORY, Kind::ReadOnly);
    assert_eq!(report.failure.expect("it is refused").rolled_back, None);
});

privileged!(a_user_other_than_root, || {
    let world = World::new(Network::Private);
    world.sh("chmod 755 /mnt; chmod 1777 /run");
    let ended: Ended = world.try_sh("exec setpriv --reuid 65534 --clear-groups $BIN apply", STORY);
    let failure = ended.report().failure.expect("it is refused");
    assert_eq!((failure.kind, ended.code), (Kind::Permission, 1), "{}", ended.stdout);
    assert!(!world.path("/run/conntrack-sysctl").exists(), "a lock that is not root's would be in root's way");
    let checked = world.try_sh("exec setpriv --reuid 65534 --clear-groups $BIN check", STORY);
    assert_eq!(checked.code, 2, "{}", checked.stdout);
});

privileged!(no_connection_tracking_and_no_module_to_load, || {
    let world = World::new(Network::Private);
    world.sh("mount -t tmpfs none /proc/sys/net && mount --bind /bin/false $(command -v modprobe || echo /bin/false)");
    let ended = world.apply(STORY);
    let failure = ended.report().failure.expect("it is refused");
    assert_eq!(failure.kind, Kind::ModuleAbsent, "{}", ended.stdout);
    assert_eq!(world.sh("ls /etc/sysctl.d"), "");
});

privileged!(the_keys_of_reassembly_are_no_connection_tracking, || {
    let world = World::new(Network::Private);
    world.sh("mount -t tmpfs none /proc/sys/net; mkdir /proc/sys/net/netfilter; cd /proc/sys/net/netfilter
         echo 90 > nf_conntrack_frag6_timeout; mkdir -p /etc/sysctl.d
         echo 'net.netfilter.nf_conntrack_frag6_timeout = 90' > /etc/sysctl.d/90-conntrack.conf");
    let request = r#"{"settings": {"nf_conntrack_frag6_timeout": 90, "nf_conntrack_max": 98000}}"#;
    let checked = world.check(request);
    assert_eq!(verdicts(&checked.report()), [Verdict::LostAtBoot, Verdict::BootDrift], "{}", checked.stdout);
    // The live value is as desired, so that nothing has to be loaded now.
    let report = world.apply(r#"{"settings": {"nf_conntrack_frag6_timeout": 90}}"#).report();
    assert!(report.in_sync, "{report:?}");
    assert_eq!(world.sh("cat /etc/modules-load.d/nf_conntrack.conf"), "nf_conntrack\n");
});

privileged!(a_legacy_kernel_has_the_names_of_2012, || {
    let world = World::new(Network::Private);
    world.sh(
        "mount -t tmpfs none /proc/sys/net; mkdir -p /proc/sys/net/ipv4/netfilter; cd /proc/sys/net/ipv4/netfilter
         echo 65536 > ip_conntrack_max; echo 60 > ip_conntrack_tcp_timeout_close_wait
         echo 432000 > ip_conntrack_tcp_timeout_established",
    );
    let request = r#"{"settings": {"nf_conntrack_max": 98000, "nf_conntrack_tcp_timeout_close_wait": 240,
        "nf_conntrack_tcp_timeout_established": 28800}}"#;
    let report = world.apply(request).report();
    assert!(report.in_sync, "{report:?}");
    assert_eq!(world.sysctl("net.ipv4.netfilter.ip_conntrack_max").trim(), "98000");
    assert!(world.sh(&format!("cat {FILE}")).contains("net.ipv4.netfilter.ip_conntrack_max = 98000\n"));
    assert!(!world.apply(request).report().changed);
});

privileged!(the_limit_of_the_machine, || {
    let limit = Limit::borrow();
    let world = World::new(Network::Machine);
    let request = r#"{"settings": {"nf_conntrack_max": 98000}}"#;
    let report = world.apply(request).report();
    assert!(report.in_sync && report.changed, "{report:?}");
    assert_eq!(report.settings[0].live.before, limit.value.trim().parse().ok());
    assert_eq!((world.sysctl(MAX), world.sysctl("net.nf_conntrack_max")), ("98000".into(), "98000".into()));
    assert!(!world.apply(request).report().changed);
    world.sh("sysctl -qw net.nf_conntrack_max=97000");
    assert_eq!(verdicts(&world.check(request).report()), [Verdict::LiveDrift]);
});
