//! Runs the binary in hostile surroundings: with other writers, signals, and planted links.

use std::fs;
use std::thread;

use crate::support::world::{Network, World, privileged};
use conntrack_sysctl::failure::Kind;

const CLOSE_WAIT: &str = "net.netfilter.nf_conntrack_tcp_timeout_close_wait";
const FILE: &str = "/etc/sysctl.d/90-conntrack.conf";

fn request(seconds: i64) -> String {
    format!(r#"{{"settings": {{"nf_conntrack_tcp_timeout_close_wait": {seconds}}}}}"#)
}

fn file_of(world: &World) -> String {
    fs::read_to_string(world.path(FILE)).expect("the file is there")
}

privileged!(a_check_during_an_apply_sees_old_or_new, || {
    let world = World::new(Network::Private);
    assert!(world.apply(&request(100)).report().in_sync);
    thread::scope(|scope| {
        let world = &world;
        let writer = scope.spawn(move || {
            for n in 0..60 {
                assert!(world.apply(&request(if n % 2 == 0 { 200 } else { 100 })).report().in_sync);
            }
        });
        let mut checks = 0;
        while !writer.is_finished() {
            let report = world.check(&request(100)).report();
            let setting = &report.settings[0];
            assert!([Some(100), Some(200)].contains(&setting.live.before), "{setting:?}");
            assert!([Some(100), Some(200)].contains(&setting.boot.before), "{setting:?}");
            checks += 1;
        }
        writer.join().expect("the writer ends");
        assert!(checks > 5, "only {checks} checks met an apply");
    });
});

privileged!(one_run_at_a_time, || {
    let world = World::new(Network::Private);
    world.sh("mkdir -m 700 /run/conntrack-sysctl");
    let ended = world.try_sh("flock /run/conntrack-sysctl $BIN apply", &request(240));
    let failure = ended.report().failure.expect("it is refused");
    assert_eq!((failure.kind, ended.code), (Kind::Busy, 1));
    assert_eq!(world.sysctl(CLOSE_WAIT), "60");
    assert!(!world.path(FILE).exists());
    // A run that has nothing to do takes no lock.
    assert!(world.apply(&request(240)).report().in_sync);
    let ended = world.try_sh("flock /run/conntrack-sysctl $BIN apply", &request(240));
    assert!(ended.report().in_sync);
});

privileged!(another_users_lock_does_not_hold_a_run_up, || {
    for make in ["mkfifo", "touch", "mkdir -m 700", "ln -s /mnt"] {
        let world = World::new(Network::Private);
        let script = format!(
            "chmod 1777 /run && setpriv --reuid 65534 --clear-groups {make} /run/conntrack-sysctl || exit 9
             timeout 5 $BIN apply"
        );
        let ended = world.try_sh(&script, &request(240));
        let failure = ended.report().failure.expect("it is refused");
        assert_eq!((failure.kind, ended.code), (Kind::Permission, 1), "{make}: {failure}");
        assert!(failure.message.contains("/run/conntrack-sysctl`"), "{failure}");
        assert_eq!(world.sysctl(CLOSE_WAIT), "60", "{make}");
    }
});

privileged!(a_signal_in_mid_run_does_not_stop_it_half_done, || {
    for signal in ["TERM", "INT", "HUP"] {
        let world = World::new(Network::Private);
        // strace delays the run at its first sync. The live value has been set by then.
        let script = format!(
            "strace -qq -o /dev/null -e inject=fsync:delay_enter=600000:when=1 $BIN apply /mnt/request > /mnt/report &
             until [ $(sysctl -n {CLOSE_WAIT}) = 240 ]; do sleep 0.02; done
             kill -{signal} $(pgrep -x -P $! conntrack-sysct) || exit 9
             wait $!; echo $? >&2; cat /mnt/report"
        );
        let ended = world.try_sh(&format!("cat > /mnt/request; {script}"), &request(240));
        assert_eq!(ended.stderr.trim(), "0", "{signal}: {}", ended.stdout);
        assert!(ended.report().in_sync, "{signal}");
        assert_eq!((world.sysctl(CLOSE_WAIT), file_of(&world)), ("240".into(), format!("{CLOSE_WAIT} = 240\n")));
    }
});

privileged!(a_report_that_nobody_reads_is_an_error, || {
    let world = World::new(Network::Private);
    let ended = world.try_sh("($BIN apply; echo $? >&2) | true", &request(240));
    assert!(
        ended.stderr.contains("its report cannot be printed") && ended.stderr.ends_with("\n1\n"),
        "{}",
        ended.stderr
    );
    assert_eq!((world.sysctl(CLOSE_WAIT), file_of(&world)), ("240".into(), format!("{CLOSE_WAIT} = 240\n")));
});

privileged!(another_writer_in_between_is_not_overwritten, || {
    for (before, call) in [("# old\n", "renameat2"), ("", "renameat2")] {
        let world = World::new(Network::Private);
        if !before.is_empty() {
            fs::write(world.path(FILE), before).expect("a file can be written");
        }
        let script = format!(
            "cat > /mnt/request
             strace -qq -o /dev/null -e inject={call}:delay_enter=600000:when=1 $BIN apply /mnt/request > /mnt/report &
             until ls -A /etc/sysctl.d | grep -q tmp; do sleep 0.02; done; echo '# theirs' > {FILE}; wait $!; cat /mnt/report"
        );
        let ended = world.try_sh(&script, &request(240));
        let failure = ended.report().failure.unwrap_or_else(|| panic!("{}", ended.stdout));
        assert_eq!(failure.kind, Kind::WriteFailed);
        assert!(failure.message.contains("another writer"), "{}", failure.message);
        assert_eq!(failure.rolled_back, Some(true));
        assert_eq!(file_of(&world), "# theirs\n");
        assert_eq!(world.sysctl(CLOSE_WAIT), "60");
        assert_eq!(world.sh("ls -A /etc/sysctl.d"), "90-conntrack.conf\n");
        assert!(world.apply(&request(240)).report().in_sync, "the next run does it");
    }
});

privileged!(an_immutable_file, || {
    let world = World::new(Network::Private);
    // The flag is one of the file system below, and not of a layer over it.
    world.sh("mkdir /mnt/disk/files/d && mount --bind /mnt/disk/files/d /etc/sysctl.d");
    world.sh("echo /disk /etc/sysctl.d ext4 x-initrd.mount > /etc/fstab");
    world.sh(&format!("echo '# old' > {FILE}; chattr +i {FILE}"));
    let failure = world.apply(&request(240)).report().failure.expect("it is refused");
    world.sh(&format!("chattr -i {FILE}"));
    assert_eq!((failure.kind, failure.rolled_back), (Kind::Permission, Some(true)), "{failure:?}");
    assert_eq!((world.sysctl(CLOSE_WAIT), file_of(&world)), ("60".into(), "# old\n".into()));
    // A directory on another file system than /etc works as well.
    assert!(world.apply(&request(240)).report().in_sync);
});

privileged!(without_the_capability_to_administer_the_network, || {
    let world = World::new(Network::Private);
    let script = "exec setpriv --bounding-set -net_admin --inh-caps -net_admin $BIN apply";
    let report = world.try_sh(script, &request(240)).report();
    let live = world.sysctl(CLOSE_WAIT);
    match report.failure {
        // The kernel lets the owner of the network namespace write its sysctls without the capability.
        None => assert_eq!((report.in_sync, live.as_str()), (true, "240")),
        Some(failure) => assert_eq!((failure.kind, live.as_str(), report.changed), (Kind::Permission, "60", false)),
    }
});

privileged!(links_that_others_could_have_put_are_not_followed, || {
    let world = World::new(Network::Private);
    world.sh(&format!(
        "mkdir -m 1777 /etc/shared; echo '# secret' > /etc/secret; ln -s ../secret /etc/shared/link
         ln -s ../shared/link {FILE}"
    ));
    let failure = world.apply(&request(240)).report().failure.expect("it is refused");
    assert_eq!(failure.kind, Kind::Permission, "{failure:?}");
    assert!(failure.message.contains("/etc/shared"), "{}", failure.message);
    assert_eq!(world.sh("cat /etc/secret"), "# secret\n");
    assert_eq!(world.sysctl(CLOSE_WAIT), "60");
});

privileged!(the_process_bars_itself_from_what_it_does_not_need, || {
    let world = World::new(Network::Private);
    let traced = |command: &str| {
        let script = format!("strace -qq -e trace=landlock_restrict_self,prctl -o /mnt/trace $BIN {command}");
        assert_ne!(world.try_sh(&script, &request(240)).code, 1);
        world.sh("cat /mnt/trace")
    };
    for command in ["check", "apply", "show", "explain nf_conntrack_max", "dsc get"] {
        let trace = traced(command);
        assert!(trace.contains("PR_SET_NO_NEW_PRIVS"), "{command}: {trace}");
        let restricts = |line: &str| line.starts_with("landlock_restrict_self") && line.ends_with("= 0");
        assert!(trace.lines().any(restricts), "{command}: {trace}");
    }
    // An older kernel lacks this system call; the run goes on without it.
    let script = "strace -qq -o /dev/null -e inject=landlock_create_ruleset:error=ENOSYS $BIN apply";
    assert!(world.try_sh(script, &request(300)).report().in_sync);
});
