//! An initrd that is older than a file of which it holds a copy: which settings rest on it, and making it anew.

use conntrack_sysctl::plan::{Plan, Step, plan};
use conntrack_sysctl::report::{Mode, Report};
use conntrack_sysctl::request;
use conntrack_sysctl::show::inventory;
use conntrack_sysctl::snapshot::Snapshot;
use conntrack_sysctl::tree::Entry;
use conntrack_sysctl::verify::{Reason, Verdict};

use crate::support::machine::Machine;
use crate::support::world::{Ended, Network, World, privileged};

const OPTIONS: &str = "/etc/modprobe.d/ct.conf";
const INITRD: &str = "/boot/initramfs-6.12.1.img";

/// A machine whose host-only initrd was made at 100.
fn with_initrd() -> Machine {
    Machine::modern()
        .max(98000)
        .buckets(65536)
        .live("udp_timeout", 30)
        .files(&[
            ("/etc/modules-load.d/early.conf", "nf_conntrack\n"),
            ("/etc/sysctl.d/50-max.conf", "net.netfilter.nf_conntrack_max = 98000\n"),
            (OPTIONS, "options nf_conntrack hashsize=65536\n"),
        ])
        .files(&[("/usr/lib/modules/6.12.1/modules.dep", "nf_conntrack.ko: nf_defrag_ipv6.ko nf_defrag_ipv4.ko\n")])
        .entry("/usr/lib/modules/6.12.1", Entry::Directory)
        .entry("/usr/lib/modules/6.12.1/nf_conntrack.ko", Entry::Program)
        .entry("/usr/lib/modules/6.12.1/nf_defrag_ipv6.ko", Entry::Program)
        .entry("/usr/lib/modules/6.12.1/nf_defrag_ipv4.ko", Entry::Program)
        .entry("/usr/bin/dracut", Entry::Program)
        .changed(INITRD, 100)
        .changed(OPTIONS, 50)
        .changed("/etc/sysctl.d", 50)
}

fn planned(request: &str, machine: &Snapshot) -> Plan {
    let desired = request::from_slice(request.as_bytes()).expect("the request is well formed");
    plan(&desired, machine).expect("there is a plan")
}

/// What a check finds, and what an apply leaves.
fn reports(request: &str, machine: &Snapshot) -> [Report; 2] {
    let desired = request::from_slice(request.as_bytes()).expect("the request is well formed");
    let plan = planned(request, machine);
    let after = plan.predict(machine);
    [Mode::Check, Mode::Apply].map(|mode| Report::new(mode, &desired, machine, &after, &plan))
}

fn verdicts(request: &str, machine: &Snapshot) -> [Verdict; 2] {
    reports(request, machine).map(|report| report.settings[0].verdict)
}

const BUCKETS: &str = r#"{"settings": {"nf_conntrack_buckets": 65536}}"#;
const REBUILD: &str = r#"{"settings": {"nf_conntrack_buckets": 65536}, "initrd": "rebuild", "uncertain": "fail"}"#;
const ABSENT: &str = r#"{"settings": {"nf_conntrack_udp_timeout": null}, "state": "absent"}"#;
const TAKE_AWAY: &str = r#"{"settings": {"nf_conntrack_udp_timeout": null}, "state": "absent", "initrd": "rebuild"}"#;

#[test]
fn only_a_change_of_what_is_copied_makes_it_stale() {
    use Verdict::{InSync, Unknown};
    let cases = [
        (OPTIONS, 101, Unknown),
        // A file that was removed shows in its directory.
        ("/etc/modprobe.d", 101, Unknown),
        ("/usr/lib/modprobe.d/vendor.conf", 101, Unknown),
        ("/etc/sysctl.d", 101, Unknown),
        ("/etc/sysctl.d/99-site.conf", 101, Unknown),
        ("/etc/sysctl.conf", 101, Unknown),
        (OPTIONS, 100, InSync),
        ("/etc/sysctl.d/README", 101, InSync),
        ("/etc/sysctl.d/old/99-site.conf", 101, InSync),
        ("/run/sysctl.d", 101, InSync),
        ("/etc/modules-load.d", 101, InSync),
        ("/etc", 101, InSync),
    ];
    for (path, moment, expected) in cases {
        assert_eq!(verdicts(BUCKETS, &with_initrd().changed(path, moment)), [expected; 2], "{path} {moment}");
    }
    let stale = || with_initrd().changed(OPTIONS, 101);
    assert_eq!(verdicts(BUCKETS, &stale().changed(INITRD, 102)), [InSync; 2]);
    // Another program makes the initrds, and no list of it names the module.
    let beside = || stale().entry("/usr/sbin/mkinitramfs", Entry::Program);
    assert_eq!(verdicts(BUCKETS, &beside()), [InSync; 2]);
    assert_eq!(verdicts(BUCKETS, &beside().entry("/etc/kernel/postinst.d/dracut", Entry::Program)), [Unknown; 2]);
}

#[test]
fn an_initrd_that_does_not_load_the_module_does_no_harm() {
    use Verdict::{InSync, Unknown};
    let late = || with_initrd().changed(OPTIONS, 101).entry("/etc/modules-load.d/early.conf", Entry::Null);
    assert_eq!(verdicts(BUCKETS, &late()), [InSync; 2]);
    assert_eq!(verdicts(BUCKETS, &late().changed("/etc/modules-load.d", 100)), [InSync; 2]);
    // A list that was changed since may have named it.
    assert_eq!(verdicts(BUCKETS, &late().changed("/etc/modules-load.d", 101)), [Unknown; 2]);
    assert_eq!(verdicts(BUCKETS, &late().changed("/usr/lib/modules-load.d/a.conf", 101)), [Unknown; 2]);
    let forced = late().file("/etc/dracut.conf.d/a.conf", "force_drivers+=\" nf_conntrack \"\n");
    assert_eq!(verdicts(BUCKETS, &forced), [Unknown; 2]);
}

#[test]
fn only_what_no_line_decides_rests_on_it() {
    use Verdict::{BootDrift, InSync, Unknown};
    let stale = with_initrd().changed("/etc/sysctl.d", 101);
    // The loader writes the line after the copies.
    assert_eq!(verdicts(r#"{"settings": {"nf_conntrack_max": 98000}}"#, &stale), [InSync; 2]);
    assert_eq!(verdicts(r#"{"at_least": {"nf_conntrack_max": 5}}"#, &stale), [InSync; 2]);
    // The file has to change first, and then decides.
    assert_eq!(verdicts(r#"{"settings": {"nf_conntrack_udp_timeout": 30}}"#, &stale), [BootDrift, InSync]);
    assert_eq!(verdicts(ABSENT, &stale), [Unknown; 2]);
    assert_eq!(verdicts(r#"{"settings": {"nf_conntrack_buckets": 65536}, "persist": false}"#, &stale), [InSync; 2]);
    // No file holds the last one, but a copy may.
    let shown: Vec<Verdict> = inventory(&stale).settings.into_iter().map(|setting| setting.verdict).collect();
    assert_eq!(shown, [Unknown, Unknown, InSync, Unknown], "buckets, expect_max, max, udp_timeout");
}

#[test]
fn a_line_that_apply_removes_is_in_the_initrd_still() {
    let line = "net.netfilter.nf_conntrack_udp_timeout = 77\n";
    let machine = with_initrd().file("/etc/sysctl.d/90-conntrack.conf", line);
    assert_eq!(verdicts(ABSENT, &machine), [Verdict::BootDrift, Verdict::Unknown]);
    assert_eq!(verdicts(TAKE_AWAY, &machine), [Verdict::BootDrift, Verdict::InSync]);
    let steps = planned(TAKE_AWAY, &machine).steps;
    assert!(matches!(&steps[..], [Step::ReplaceFile { .. }, Step::MakeInitrd { .. }]), "{steps:?}");
}

#[test]
fn it_is_made_anew_where_the_request_asks_for_that_and_a_setting_rests_on_it() {
    let stale = with_initrd().changed(OPTIONS, 101);
    let [checked, applied] = reports(BUCKETS, &stale);
    assert_eq!((checked.changed, applied.changed, applied.in_sync), (false, false, false));
    assert_eq!(checked.settings[0].doubts[0].reason, Reason::StaleInitrd);
    let advice = checked.settings[0].advice.clone().expect("there is advice");
    assert!(advice.contains("`/usr/bin/dracut --force /boot/initramfs-6.12.1.img 6.12.1`"), "{advice}");

    let plan = planned(REBUILD, &stale);
    let command = ["/usr/bin/dracut", "--force", INITRD, "6.12.1"].map(str::to_owned).to_vec();
    assert_eq!(plan.steps, [Step::MakeInitrd { path: INITRD.into(), command }]);
    assert_eq!(plan.warnings.iter().filter(|it| it.message.contains("initr")).count(), 0);
    let [checked, applied] = reports(REBUILD, &stale);
    assert_eq!((checked.changed, checked.in_sync, checked.settings[0].verdict), (true, false, Verdict::Unknown));
    assert_eq!(checked.settings[0].advice.as_deref(), Some("apply the request"));
    assert_eq!((applied.changed, applied.in_sync), (true, true));
    assert!(planned(REBUILD, &plan.predict(&stale)).steps.is_empty());

    assert!(planned(REBUILD, &with_initrd()).steps.is_empty());
    let max = r#"{"settings": {"nf_conntrack_max": 98000}, "initrd": "rebuild"}"#;
    assert!(planned(max, &stale).steps.is_empty());
    let image = Snapshot { live: None, ..stale.snapshot() };
    assert_eq!(verdicts(&REBUILD.replace("fail", "warn"), &image), [Verdict::Unknown; 2]);
}

/// A world with two kernels, in which dracut's part is played by a script that copies sysctl.d.
fn world() -> World {
    let world = World::new(Network::Private);
    world.sh(r#"
        over() { # an overlay that ends with the world
            mkdir -p "/mnt/over/$1/upper" "/mnt/over/$1/work"
            mount -t overlay none -o "lowerdir=/$1,upperdir=/mnt/over/$1/upper,workdir=/mnt/over/$1/work" "/$1"
        }
        over usr/bin; over usr/lib
        for directory in sysctl.d modules-load.d modprobe.d udev/rules.d; do
            mkdir -p "/usr/lib/$directory"; mount -t tmpfs none "/usr/lib/$directory"
        done
        rm -rf /usr/lib/modules /usr/lib/dracut
        mount -t tmpfs none /boot
        for release in 6.98.0 6.99.0; do
            mkdir -p "/usr/lib/modules/$release"
            touch "/boot/vmlinuz-$release"
        done
        echo nf_conntrack > /etc/modules-load.d/early.conf 2>/dev/null ||
            { mkdir -p /etc/modules-load.d; echo nf_conntrack > /etc/modules-load.d/early.conf; }
        printf '%s\n' 'net.netfilter.nf_conntrack_acct = 1' 'net.netfilter.nf_conntrack_udp_timeout = 77' \
            > /etc/sysctl.d/90-conntrack.conf
        touch -d '2 hours ago' /etc/sysctl.d /etc/sysctl.d/90-conntrack.conf /etc/modules-load.d
        for release in 6.98.0 6.99.0; do
            cp /etc/sysctl.d/90-conntrack.conf "/boot/initramfs-$release.img"
            touch -d '1 hour ago' "/boot/initramfs-$release.img"
        done
        cat > /usr/bin/dracut <<'END'
#!/bin/sh
echo "$*" >> /mnt/calls
[ ! -e "/mnt/fails-on-$3" ] || { echo 'dracut: no space left' >&2; exit 7; }
[ ! -e /mnt/idle ] || exit 0
cat /etc/sysctl.d/*.conf > "$2"
[ ! -e /mnt/fails-from-now-on ] || touch /mnt/fails-on-6.98.0 /mnt/fails-on-6.99.0
END
        chmod 755 /usr/bin/dracut
        "#);
    world
}

/// The files and initrds, by what stands in each, and the calls of dracut.
fn state(world: &World) -> String {
    world.sh("tail -n +1 /etc/sysctl.d/*.conf /boot/initramfs-*; cat /mnt/calls 2>/dev/null || true")
}

fn assert_undone(world: &World, before: &str, ended: &Ended, calls: usize) {
    let report = ended.report();
    let failure = report.failure.expect("it failed");
    assert_eq!((ended.code, report.changed, failure.rolled_back), (1, false, Some(true)), "{}", failure.message);
    let after = state(world);
    assert_eq!(after.lines().filter(|line| line.starts_with("--force")).count(), calls, "{after}");
    assert!(after.starts_with(before), "{after}");
}

privileged!(initrds_are_made_after_the_files, || {
    let world = world();
    let before = state(&world);
    let checked = world.check(TAKE_AWAY).report();
    assert_eq!((checked.changed, checked.in_sync, checked.changes.len()), (true, false, 3));
    assert_eq!(state(&world), before, "a check runs nothing");
    let ended = world.apply(TAKE_AWAY);
    let report = ended.report();
    assert_eq!((ended.code, report.in_sync, report.changes), (0, true, checked.changes), "{}", ended.stdout);
    let after = state(&world);
    assert_eq!(after.matches("acct").count(), 3, "{after}");
    assert_eq!(after.matches("udp_timeout").count(), 0, "{after}");
    let calls = "--force /boot/initramfs-6.98.0.img 6.98.0\n--force /boot/initramfs-6.99.0.img 6.99.0\n";
    assert!(after.ends_with(calls), "{after}");
    let again = world.apply(TAKE_AWAY).report();
    assert_eq!((again.in_sync, again.changed), (true, false));
    assert_eq!(world.check(TAKE_AWAY).code, 0);
});

privileged!(an_initrd_that_is_not_asked_for_is_left_alone, || {
    let world = world();
    let keep = TAKE_AWAY.replace("rebuild", "keep");
    let ended = world.apply(&keep);
    let report = ended.report();
    assert_eq!((ended.code, report.in_sync, report.settings[0].verdict), (0, false, Verdict::Unknown));
    assert!(!state(&world).contains("--force"));
    assert_eq!(world.check(&keep).code, 1);
    // A person runs the command that the advice names.
    let advice = report.settings[0].advice.clone().expect("there is advice");
    world.sh(advice.split('`').find(|part| part.contains("--force")).expect("it names a command"));
    assert_eq!(world.check(&keep).code, 0);
});

privileged!(all_is_undone_where_an_initrd_cannot_be_made, || {
    let world = world();
    let before = state(&world);
    world.sh("touch /mnt/fails-on-6.98.0");
    let ended = world.apply(TAKE_AWAY);
    assert_undone(&world, &before, &ended, 1);
    assert!(ended.stdout.contains("no space left"), "{}", ended.stdout);
    // It says that it succeeded, and made nothing.
    world.sh("rm /mnt/fails-on-*; touch /mnt/idle");
    assert_undone(&world, &before, &world.apply(TAKE_AWAY), 2);
    // The first one is made, the second one is not: the first one is made once more, of the old files.
    world.sh("rm /mnt/idle; touch /mnt/fails-on-6.99.0");
    assert_undone(&world, &before, &world.apply(TAKE_AWAY), 5);
});

privileged!(what_cannot_be_undone_is_named, || {
    let world = world();
    world.sh("touch /mnt/fails-from-now-on");
    let ended = world.apply(TAKE_AWAY);
    let report = ended.report();
    let failure = report.failure.expect("it failed");
    assert_eq!((ended.code, report.changed, failure.rolled_back), (1, true, Some(false)), "{}", failure.message);
    let [file, remains] = &failure.remains[..] else { panic!("{:?}", failure.remains) };
    assert!(file.contains("has its old content and attributes again, but is a new file"), "{file}");
    assert!(remains.contains("run `/usr/bin/dracut --force /boot/initramfs-6.98.0.img 6.98.0`"), "{remains}");
    assert!(state(&world).contains("udp_timeout = 77"), "the file is as it was");
});
