//! What a run leaves beside its own change: files and values of others, flags, staged files, copies.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::support::world::{Network, World, privileged};
use conntrack_sysctl::failure::{Failure, Kind};
use conntrack_sysctl::warning::Code;

const CLOSE_WAIT: &str = "net.netfilter.nf_conntrack_tcp_timeout_close_wait";
const FILE: &str = "/etc/sysctl.d/90-conntrack.conf";
const VENDOR: &str = "/etc/sysctl.d/95-vendor.conf";

fn request(seconds: i64) -> String {
    format!(r#"{{"settings": {{"nf_conntrack_tcp_timeout_close_wait": {seconds}}}, "conflicts": "comment_out"}}"#)
}

/// An apply under strace(1), with a fault.
fn disturbed(world: &World, fault: &str, request: &str) -> Failure {
    let script = format!("exec strace -qq -o /dev/null -e inject={fault} $BIN apply");
    let ended = world.try_sh(&script, request);
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    ended.report().failure.expect("it fails")
}

fn names(world: &World) -> BTreeSet<String> {
    world.sh("ls -A /etc/sysctl.d").lines().map(str::to_owned).collect()
}

/// The directory /etc/sysctl.d on a file system with flags, and not in a layer over it.
fn with_flags() -> World {
    let world = World::new(Network::Private);
    world.sh("mkdir /mnt/disk/files/d && mount --bind /mnt/disk/files/d /etc/sysctl.d");
    world.sh("echo /disk /etc/sysctl.d ext4 x-initrd.mount > /etc/fstab");
    world
}

privileged!(a_value_that_another_program_sets_meanwhile_stays, || {
    let world = World::new(Network::Private);
    let script = format!(
        "cat > /mnt/request
         strace -qq -o /dev/null -e inject=renameat2:delay_enter=600000:error=EIO $BIN apply /mnt/request > /mnt/report &
         until [ $(sysctl -n {CLOSE_WAIT}) = 240 ]; do sleep 0.02; done
         sysctl -qw {CLOSE_WAIT}=99; wait $!; cat /mnt/report"
    );
    let report = world.try_sh(&script, &request(240)).report();
    let failure = report.failure.clone().expect("it fails");
    assert_eq!((failure.kind, failure.rolled_back), (Kind::WriteFailed, Some(false)), "{failure:?}");
    assert!(failure.remains[0].contains("is 99, was 60: another program set it"), "{failure:?}");
    assert_eq!((world.sysctl(CLOSE_WAIT).as_str(), names(&world).len()), ("99", 0));
    assert!(!report.changed);
});

privileged!(whatever_another_program_puts_in_the_place_of_a_file_stays, || {
    // The content is that of our new file, so that only the file itself tells whose it is.
    let theirs = [
        format!("rm {FILE}"),
        format!("cp {FILE} /etc/theirs; mv /etc/theirs {FILE}"),
        format!("cp {FILE} /etc/theirs; ln -sf /etc/theirs {FILE}"),
        format!("ln -sf /etc/nowhere {FILE}"),
        format!("rm {FILE}; mkdir {FILE}"),
        format!("rm {FILE}; mkfifo {FILE}"),
        format!("echo '# theirs' > {FILE}"),
        format!("echo '# theirs' >> {FILE}"),
    ];
    for before in ["", "# old\n"] {
        for theirs in &theirs {
            let world = World::new(Network::Private);
            world.sh(&format!(
                "printf '%s' '{before}' > {FILE}; [ -s {FILE} ] || rm {FILE}; echo '{CLOSE_WAIT} = 77' > {VENDOR}"
            ));
            let state = format!("stat -c '%F %N %i' {FILE} /etc/theirs; cat /etc/theirs; timeout 1 cat {FILE}; true");
            let script = format!(
                "cat > /mnt/request
                 strace -qq -o /dev/null -e inject=renameat2:delay_enter=600000:error=EIO:when=2 $BIN apply /mnt/request > /mnt/report &
                 until grep -qs 240 {FILE}; do sleep 0.02; done
                 {theirs}; ({state}) > /mnt/state 2>&1; wait $!; cat /mnt/report"
            );
            let failure = world.try_sh(&script, &request(240)).report().failure.expect("it fails");
            assert_eq!(world.sh(&format!("({state}) 2>&1")), world.sh("cat /mnt/state"), "{theirs}: {failure:?}");
            assert_eq!(failure.kind, Kind::WriteFailed, "{theirs}: {failure:?}");
            // A file that was not there before is not there again: nothing is left to say.
            let is_as_it_was = before.is_empty() && theirs.starts_with("rm") && !theirs.contains(';');
            assert_eq!(failure.rolled_back, Some(is_as_it_was), "{theirs}: {failure:?}");
            let told =
                failure.remains.iter().filter(|text| text.contains("another program changed it meanwhile")).count();
            assert_eq!(told, usize::from(!is_as_it_was), "{theirs}: {failure:?}");
            assert!(names(&world).iter().all(|name| !name.ends_with(".tmp")), "{theirs}: {:?}", names(&world));
            assert_eq!(world.sh(&format!("cat {VENDOR}")), format!("{CLOSE_WAIT} = 77\n"));
        }
    }
});

privileged!(the_file_of_another_writer_goes_back_to_its_place, || {
    let world = World::new(Network::Private);
    world.sh(&format!("echo '# old' > {FILE}"));
    let script = format!(
        "cat > /mnt/request
         strace -qq -o /dev/null -e inject=fsync:delay_enter=600000:when=1 -e inject=renameat2:error=EIO:when=2 \\
             $BIN apply /mnt/request > /mnt/report &
         until ls -A /etc/sysctl.d | grep -q tmp; do sleep 0.02; done; echo '# theirs' > /etc/t; mv /etc/t {FILE}
         wait $!; cat /mnt/report"
    );
    let failure = world.try_sh(&script, &request(240)).report().failure.expect("it fails");
    assert!(failure.message.contains("another writer"), "{failure:?}");
    assert_eq!((world.sh(&format!("cat {FILE}")).as_str(), names(&world).len()), ("# theirs\n", 1), "{failure:?}");
});

privileged!(what_stands_in_the_place_of_a_removed_file_stays, || {
    let absent = r#"{"settings": {"nf_conntrack_tcp_timeout_close_wait": null}, "state": "absent"}"#;
    for theirs in ["echo '# theirs' >", "ln -s /etc/nowhere", "mkdir", "mkfifo"] {
        let world = World::new(Network::Private);
        world.sh(&format!("echo '{CLOSE_WAIT} = 240' > {FILE}"));
        let script = format!(
            "cat > /mnt/request
             strace -qq -o /dev/null -e inject=fsync:delay_enter=600000:error=EIO:when=1 $BIN apply /mnt/request > /mnt/report &
             while [ -e {FILE} ]; do sleep 0.02; done
             {theirs} {FILE}; stat -c '%F %N %i' {FILE} > /mnt/state; wait $!; cat /mnt/report"
        );
        let failure = world.try_sh(&script, absent).report().failure.expect("it fails");
        assert_eq!(
            world.sh(&format!("stat -c '%F %N %i' {FILE}")),
            world.sh("cat /mnt/state"),
            "{theirs}: {failure:?}"
        );
        assert_eq!(names(&world).len(), 1, "{theirs}: {failure:?}");
        assert_eq!((failure.kind, failure.rolled_back), (Kind::WriteFailed, Some(false)), "{theirs}: {failure:?}");
        assert!(failure.remains[0].contains("another program changed it meanwhile"), "{theirs}: {failure:?}");
    }
});

privileged!(an_undo_brings_the_old_file_back_itself, || {
    let world = World::new(Network::Private);
    world.sh(&format!(
        "echo '# ours' > {FILE}; echo '{CLOSE_WAIT} = 77' > {VENDOR}; touch -d 2001-02-03 {FILE} {VENDOR}; ln {FILE} /etc/other"
    ));
    let state = |path: &str| {
        let metadata = fs::metadata(world.path(path)).expect("the file is there");
        let content = fs::read(world.path(path)).expect("the file is there");
        (metadata.ino(), metadata.mtime(), metadata.nlink(), metadata.mode(), content)
    };
    let before = [FILE, VENDOR].map(state);
    assert_eq!((before[0].1, before[0].2), (981_158_400, 2), "the test has a link and an old time");
    for fault in ["renameat2:error=EIO:when=2", "fsync:error=EIO:when=2", "fsync:error=EIO:when=4"] {
        let failure = disturbed(&world, fault, &request(240));
        assert_eq!((failure.rolled_back, failure.remains.len()), (Some(true), 0), "{fault}: {failure:?}");
        assert_eq!([FILE, VENDOR].map(state), before, "{fault}");
        assert_eq!(names(&world).len(), 2, "{fault}");
    }
    // A removed file comes back too.
    world.sh(&format!("echo '{CLOSE_WAIT} = 240' > {FILE}; rm {VENDOR}; touch -d 2001-02-03 {FILE}"));
    let before = state(FILE);
    let absent = r#"{"settings": {"nf_conntrack_tcp_timeout_close_wait": null}, "state": "absent"}"#;
    let failure = disturbed(&world, "fsync:error=EIO:when=1", absent);
    assert_eq!((failure.rolled_back, failure.remains.len()), (Some(true), 0), "{failure:?}");
    assert_eq!(state(FILE), before);
    // Where the file system cannot exchange two files, a second name keeps the old one.
    let failure = disturbed(&world, "renameat2:error=EINVAL -e inject=fsync:error=EIO:when=2", &request(99));
    assert_eq!((failure.rolled_back, failure.remains.len()), (Some(true), 0), "{failure:?}");
    assert_eq!(state(FILE), before);
    // Without hard links the content comes back, and the report says that the file is a new one.
    let faults = "renameat2:error=EINVAL -e inject=linkat:error=EPERM -e inject=fsync:error=EIO:when=2";
    let failure = disturbed(&world, faults, &request(99));
    assert_eq!(failure.rolled_back, Some(true), "{failure:?}");
    assert!(failure.remains[0].contains("is a new file"), "{failure:?}");
    assert_eq!(state(FILE).4, before.4);
    assert!(world.apply(&request(240)).report().in_sync);
    assert_eq!(names(&world).len(), 1);
});

privileged!(flags_of_a_file_are_carried_over_or_named, || {
    let world = with_flags();
    world.sh(&format!("echo '# old' > {FILE}; chattr +dA {FILE}"));
    assert!(world.apply(&request(240)).report().in_sync);
    let flags = world.sh(&format!("lsattr {FILE} | cut -d' ' -f1"));
    assert!(flags.contains('d') && flags.contains('A'), "{flags}");
    // The file system refuses them for the new file, at one of the first calls.
    let mut named = 0;
    for call in 1..=6 {
        let script = format!("exec strace -qq -o /dev/null -e inject=ioctl:error=EPERM:when={call} $BIN apply");
        let report = world.try_sh(&script, &request(100 + call)).report();
        if let Some(failure) = report.failure {
            assert_eq!(failure.rolled_back, Some(true), "{failure:?}");
            named += i32::from(failure.message.contains("flags of chattr: `dA` would differ"));
        }
        let flags = world.sh(&format!("lsattr {FILE} | cut -d' ' -f1"));
        assert!(flags.contains('d') && flags.contains('A'), "{flags}");
        assert_eq!(names(&world).len(), 1);
    }
    assert_eq!(named, 1);
});

privileged!(a_staged_file_that_cannot_be_removed_is_named, || {
    let world = with_flags();
    world.sh(&format!("echo '# old' > {FILE}; chattr +a /etc/sysctl.d"));
    let ended = world.try_sh("exec $BIN apply --output text", &request(240));
    assert!(ended.stdout.contains("remains: `/etc/sysctl.d/.90-conntrack.conf.conntrack-sysctl."), "{}", ended.stdout);
    assert!(ended.stdout.ends_with("not everything is as it was before\n"), "{}", ended.stdout);
    assert_eq!(names(&world).len(), 2);
    assert_eq!((world.sysctl(CLOSE_WAIT).as_str(), world.sh(&format!("cat {FILE}")).as_str()), ("60", "# old\n"));
    // Every run says so, and it bars nothing that is possible.
    let live_only = request(99).replacen('{', r#"{"persist": false, "#, 1);
    let reports = [world.check(&request(240)).report(), world.apply(&live_only).report()];
    for report in &reports {
        let warning = report.warnings.iter().find(|warning| warning.code == Code::Leftover);
        let warning = warning.unwrap_or_else(|| panic!("{report:?}"));
        assert!(warning.message.contains("has the flag `a` of chattr"), "{warning:?}");
    }
    assert!(reports[1].changed && reports[1].failure.is_none(), "{:?}", reports[1]);
    world.sh("chattr -a /etc/sysctl.d");
    assert!(world.apply(&request(240)).report().in_sync);
    assert_eq!(names(&world).len(), 1);
});

privileged!(leftovers_are_found_wherever_a_run_leaves_them, || {
    let world = World::new(Network::Private);
    let directories = ["/etc", "/etc/sysctl.d", "/etc/modules-load.d", "/etc/modprobe.d", "/etc/firewall"];
    let name = ".x.conntrack-sysctl.1-0.tmp";
    for directory in directories {
        world.sh(&format!("mkdir -p {directory}; touch {directory}/{name}"));
    }
    world.sh("touch /etc/firewall/ct; ln -s ../firewall/ct /etc/sysctl.d/50-ct.conf");
    // The directory of the drop-ins may be a link itself.
    world.sh("mv /etc/sysctl.d /etc/own; ln -s own /etc/sysctl.d");
    let live_only = request(60).replacen('{', r#"{"persist": false, "#, 1);
    let report = world.apply(&live_only).report();
    assert!(report.failure.is_none() && !report.changed, "{report:?}");
    assert_eq!(world.sh(&format!("find /etc -name '{name}'")), "");
});

privileged!(what_is_not_a_staged_file_is_named_and_bars_nothing, || {
    let world = World::new(Network::Private);
    world.sh("cd /etc/sysctl.d; mkdir .a.conntrack-sysctl.b.tmp; ln -s ../hosts .c.conntrack-sysctl.d.tmp
         mkfifo .e.conntrack-sysctl.f.tmp; touch ../hosts");
    for report in [world.check(&request(100)).report(), world.apply(&request(100)).report()] {
        let named: Vec<&str> = report.warnings.iter().map(|warning| warning.message.as_str()).collect();
        assert!(report.failure.is_none() && named.len() == 3, "{report:?}");
        assert!(named.iter().all(|text| text.contains("is not removed: it is not a regular file")), "{named:?}");
    }
    assert_eq!(names(&world).len(), 4);
    assert!(world.path("/etc/hosts").exists());
});

privileged!(a_file_that_is_a_mount_of_its_own, || {
    let world = World::new(Network::Private);
    world.sh(&format!("echo '# theirs' > /mnt/theirs; touch {FILE}; mount --bind /mnt/theirs {FILE}"));
    for command in ["apply", "check"] {
        let failure = world.try_sh(&format!("exec $BIN {command}"), &request(240)).report().failure;
        let failure = failure.expect("it is refused");
        assert_eq!((failure.kind, failure.rolled_back), (Kind::ReadOnly, None), "{failure:?}");
        assert!(failure.message.contains(FILE) && failure.message.contains("a mount point"), "{failure:?}");
    }
    assert_eq!((world.sysctl(CLOSE_WAIT).as_str(), world.sh("cat /mnt/theirs").as_str()), ("60", "# theirs\n"));
    // Another file that has to give way.
    world.sh(&format!("umount {FILE}; rm {FILE}; echo '{CLOSE_WAIT} = 77' > /mnt/theirs; touch {VENDOR}"));
    world.sh(&format!("mount --bind /mnt/theirs {VENDOR}"));
    let failure = world.apply(&request(240)).report().failure.expect("it is refused");
    assert!(failure.message.contains(VENDOR), "{failure:?}");
    assert_eq!((failure.rolled_back, names(&world).len()), (None, 1), "{failure:?}");
    // It is mounted after the plan was made.
    let failure = disturbed(&world_with_file(), "renameat2:error=EBUSY:when=1", &request(240));
    assert!(failure.hint.is_some_and(|hint| hint.contains("the file is a mount point")), "{:?}", failure.message);
});

privileged!(files_that_are_mounted_read_only, || {
    let world = World::new(Network::Private);
    world.sh(&format!(
        "mkdir -p /etc/modules-load.d /etc/own; echo '{CLOSE_WAIT} = 77' > /etc/own/v; ln -s ../own/v {VENDOR}"
    ));
    let read_only =
        |directory: &str| format!("mount --bind {directory} {directory}; mount -o remount,ro,bind {directory}");
    // All of /etc, the directory of our file, and that of another file that has to give way.
    for directory in ["/etc", "/etc/sysctl.d", "/etc/own"] {
        world.sh(&read_only(directory));
        for command in ["apply", "check"] {
            let failure = world.try_sh(&format!("exec $BIN {command}"), &request(240)).report().failure;
            let failure = failure.expect("it is refused");
            // Nothing is set first, and then undone.
            assert_eq!((failure.kind, failure.rolled_back), (Kind::ReadOnly, None), "{directory}: {failure:?}");
            assert!(failure.message.contains(&format!("mounted on `{directory}` is read-only")), "{failure:?}");
        }
        let live_only = request(61).replacen('{', r#"{"persist": false, "#, 1);
        assert_eq!(world.apply(&live_only).report().failure, None, "{directory}");
        world.sh(&format!("umount {directory}; sysctl -qw {CLOSE_WAIT}=60"));
    }
    // What the boot only reads may be so.
    world.sh(&read_only("/usr/lib"));
    assert!(world.apply(&request(240)).report().in_sync);
});

privileged!(a_directory_that_is_a_link_to_nowhere, || {
    let world = World::new(Network::Private);
    world.sh("rmdir /etc/sysctl.d; ln -s own/sysctl.d /etc/sysctl.d");
    let failure = world.apply(&request(240)).report().failure.expect("it is refused");
    assert_eq!((failure.kind, failure.rolled_back), (Kind::WriteFailed, Some(true)), "{failure:?}");
    assert!(failure.hint.as_ref().is_some_and(|hint| hint.contains("a link to nothing")), "{failure:?}");
    assert_eq!(world.sysctl(CLOSE_WAIT), "60");
    world.sh("mkdir /etc/own");
    assert!(world.apply(&request(240)).report().in_sync);
});

fn world_with_file() -> World {
    let world = World::new(Network::Private);
    world.sh(&format!("echo '# old' > {FILE}"));
    world
}

privileged!(a_message_names_the_path_that_the_user_knows, || {
    let world = World::new(Network::Private);
    world.sh("mkdir /etc/own; rmdir /etc/sysctl.d; ln -s own /etc/sysctl.d; mount -t tmpfs -o ro none /etc/own");
    world.sh("echo 'none /etc/own tmpfs x-initrd.mount' > /etc/fstab");
    for fault in ["", "strace -qq -o /dev/null -e inject=openat:error=EMFILE:when=250+"] {
        let ended = world.try_sh(&format!("exec {fault} $BIN apply"), &request(240));
        assert_eq!(ended.code, 1, "{}", ended.stdout);
        assert!(!ended.stdout.contains("/proc/self/fd"), "{}", ended.stdout);
    }
    let failure = world.apply(&request(240)).report().failure.expect("it is refused");
    assert_eq!(failure.kind, Kind::ReadOnly, "{failure:?}");
    assert!(failure.message.contains(FILE), "{failure:?}");
    assert_eq!(world.sysctl(CLOSE_WAIT), "60");
});

privileged!(the_machine_under_another_name_is_the_machine, || {
    let world = World::new(Network::Private);
    world.sh("mkdir /mnt/all; mount --rbind / /mnt/all");
    for (index, root) in ["/proc/self/root", "/tmp/..", "/mnt/all", "//", "/etc/../."].iter().enumerate() {
        let seconds = 100 + i64::try_from(index).expect("a small number");
        let report = world.try_sh(&format!("exec $BIN apply --root {root}"), &request(seconds)).report();
        assert!(report.in_sync && report.settings[0].live.after == Some(seconds), "{root}: {report:?}");
        assert_eq!(world.sysctl(CLOSE_WAIT), seconds.to_string(), "{root}");
        let held = format!("exec flock /run/conntrack-sysctl $BIN apply --root {root}");
        let failure = world.try_sh(&held, &request(99)).report().failure.expect("the lock is the machine's");
        assert_eq!(failure.kind, Kind::Busy, "{root}: {failure:?}");
    }
    // The same directory with another /etc in it is an image.
    world.sh("mkdir /mnt/etc; mount --bind /mnt/etc /mnt/all/etc");
    let report = world.try_sh("exec $BIN check --root /mnt/all", &request(100)).report();
    assert_eq!(report.settings.first().and_then(|setting| setting.live.before), None, "{report:?}");
});

privileged!(copies_are_bounded, || {
    let world = World::new(Network::Private);
    let others = ["90-conntrack.conf~", "90-conntrack.conf.1~", "95-vendor.conf.1795572000123~", "note.1795572000123~"];
    world.sh(&format!("cd /etc/sysctl.d; touch {}; mkdir 90-conntrack.conf.1000000000000~", others.join(" ")));
    let copies = |world: &World| {
        let names = names(world).into_iter();
        names.filter(|name| name.starts_with("90-conntrack.conf.1") && name.len() > 25).collect::<Vec<_>>()
    };
    let mut last = Vec::new();
    for (backup, most, times) in [("true", 10, 14), ("3", 3, 2), ("12", 12, 14), ("1", 1, 2)] {
        for time in 0..times {
            let request = request(100 + time).replacen('{', &format!(r#"{{"backup": {backup}, "#), 1);
            let checked = world.check(&request).report();
            let report = world.apply(&request).report();
            assert!(report.in_sync && report.backup_files.len() <= 1, "{report:?}");
            assert_eq!((checked.changes, checked.diff), (report.changes, report.diff));
            last.extend(report.backup_files);
        }
        let left = copies(&world);
        // The directory with such a name is nobody's copy.
        assert_eq!(left.len(), most + 1, "{backup}: {left:?}");
        let newest = last.last().and_then(|path| path.file_name()).expect("there was a copy");
        assert_eq!(left.last().map(String::as_str), newest.to_str());
    }
    let left = names(&world);
    assert!(others.iter().all(|name| left.contains(*name)), "{left:?}");
    // What an undone run has removed comes back.
    let request = request(77).replacen('{', r#"{"backup": 1, "#, 1);
    let failure = disturbed(&world, "renameat2:error=EIO:when=3", &request);
    assert_eq!((failure.rolled_back, names(&world)), (Some(true), left), "{failure:?}");
});
