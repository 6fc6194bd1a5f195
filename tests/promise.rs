//! The promise of an apply: what it predicted, against what a boot made of it.

use crate::support::machine::Machine;
use crate::support::world::{Network, World, privileged};
use conntrack_sysctl::answer::{Exit, Printed};
use conntrack_sysctl::origin::Origin;
use conntrack_sysctl::plan::plan;
use conntrack_sysctl::promise::{Outcome, Promise, Verification, compare};
use conntrack_sysctl::report::{Mode, Report};
use conntrack_sysctl::request;
use conntrack_sysctl::snapshot::{Module, Snapshot};
use conntrack_sysctl::tree::Entry;
use serde_json::Value;

const REQUEST: &str = r#"{"settings": {"nf_conntrack_acct": 1}}"#;
const DROP_IN: &str = "/etc/sysctl.d/90-conntrack.conf";

fn origin(boot: &str) -> Origin {
    Origin {
        host: "h".to_owned(),
        time: "2026-11-28T12:00:00Z".to_owned(),
        version: "0".to_owned(),
        kernel: "6.12.1".to_owned(),
        boot_id: Some(boot.to_owned()),
        request: Some("77".to_owned()),
    }
}

/// A machine that loads the module early, with `acct` live and in a drop-in.
fn machine(acct: i64, in_file: i64) -> Machine {
    let line = format!("net.netfilter.nf_conntrack_acct = {in_file}\n");
    let machine = Machine::modern().max(65536).live("acct", acct).file(DROP_IN, &line);
    machine.file("/etc/modules-load.d/early.conf", "nf_conntrack\n")
}

/// What an apply to `machine` promises, during the boot `a`.
fn promised(machine: &Snapshot) -> Promise {
    let desired = request::from_slice(REQUEST.as_bytes()).expect("it is a request");
    let plan = plan(&desired, machine).expect("it can be planned");
    let report = Report::new(Mode::Apply, &desired, machine, &plan.predict(machine), &plan);
    Promise::of(&report, vec!["systemd".to_owned()], origin("a"))
}

/// The comparison of what an apply to a machine with `acct` promised with `machine`.
fn verified(machine: &Snapshot, now: Origin) -> Verification {
    compare(Some(promised(&self::machine(1, 1))), machine, now, &[])
}

fn cause(machine: &Snapshot, now: Origin) -> String {
    let verification = verified(machine, now);
    assert_eq!((verification.outcome, verification.exit()), (Outcome::Broken, Exit::Broken));
    let setting = &verification.settings[0];
    assert!(!setting.held && setting.predicted == 1, "{setting:?}");
    setting.cause.clone().expect("it has a cause")
}

#[test]
fn a_promise_is_held_if_each_setting_is_as_predicted() {
    let verification = verified(&machine(1, 1), origin("b"));
    assert_eq!((verification.outcome, verification.exit().code()), (Outcome::Held, 0));
    assert_eq!(verification.settings.len(), 1);
    // The same boot says nothing yet.
    let same = verified(&machine(0, 1), origin("a"));
    assert_eq!((same.outcome, same.exit().code(), same.settings.len()), (Outcome::NotYet, 1, 0));
    let machine = machine(1, 1);
    let none = compare(None, &machine, origin("b"), &[]);
    assert_eq!((none.outcome, none.exit().code()), (Outcome::NoPromise, 1));
}

#[test]
fn a_broken_promise_names_the_likely_cause() {
    let now = || origin("b");
    assert!(cause(&machine(0, 0), now()).contains("`/etc/sysctl.d/90-conntrack.conf:1` sets it now"));
    assert!(cause(&machine(0, 1), now()).contains("a program wrote it after the loader"));
    assert!(cause(&machine(0, 1), Origin { kernel: "7.2".to_owned(), ..now() }).contains("7.2 instead of 6.12.1"));
    assert_eq!(cause(&machine(0, 1).module(Module::Absent), now()), "connection tracking is not loaded");
    let late = machine(0, 1).file("/etc/modules-load.d/early.conf", "");
    assert!(cause(&late, now()).contains("the files changed since"));
    let ufw = machine(0, 1)
        .file("/etc/ufw/ufw.conf", "ENABLED=yes\n")
        .file("/etc/default/ufw", "IPT_SYSCTL=/etc/ufw/sysctl.conf\n")
        .file("/etc/ufw/sysctl.conf", "net/netfilter/nf_conntrack_acct=0\n")
        .entry("/usr/lib/ufw/ufw-init", Entry::Program)
        .entry("/etc/systemd/system/multi-user.target.wants/ufw.service", Entry::Program);
    let of_ufw = cause(&ufw, now());
    assert!(of_ufw.contains("ufw") || of_ufw.contains("a program wrote it"), "{of_ufw}");
}

#[test]
fn what_nobody_can_tell_is_not_promised() {
    assert_eq!(promised(&machine(1, 1)).settings.len(), 1);
    let unknown = machine(1, 1).entry("/sbin/init", Entry::Link { target: "/sbin/other".into(), bytes: Vec::new() });
    let doubtful = Snapshot {
        tree: {
            let mut tree = unknown.tree.clone();
            tree.remove("/run/systemd/system");
            tree
        },
        ..unknown.snapshot()
    };
    assert_eq!(promised(&doubtful).settings.len(), 0);
}

#[test]
fn a_promise_is_like_another_of_the_same_request_and_kernel() {
    let promise = promised(&machine(1, 1));
    let later = Promise { origin: Origin { time: "later".to_owned(), ..origin("b") }, ..promise.clone() };
    assert!(promise.is_like(&later));
    let other = Promise { origin: Origin { request: None, ..origin("a") }, ..promise.clone() };
    assert!(!promise.is_like(&other) && !promise.is_like(&Promise { settings: Vec::new(), ..promise.clone() }));
}

#[test]
fn the_metrics_have_one_outcome() {
    let metrics = Verification::output("prometheus").expect("it has metrics");
    let text = (metrics.render)(&verified(&machine(0, 1), origin("b")));
    assert_eq!(
        text.lines().filter(|line| line.starts_with("conntrack_sysctl_promise{") && line.ends_with(" 1")).count(),
        1
    );
    assert!(text.contains("conntrack_sysctl_promise{outcome=\"broken\"} 1"), "{text}");
    assert!(text.contains("setting_held{setting=\"net.netfilter.nf_conntrack_acct\"} 0"), "{text}");
}

const FILE: &str = "/var/lib/conntrack-sysctl/promise.json";

privileged!(an_apply_keeps_its_promise_and_verify_compares_it, || {
    let world = World::new(Network::Private);
    let verify = |arguments: &str| world.try_sh(&format!("$BIN verify {arguments}"), "");
    assert_eq!(verify("--output text").code, 1);
    let request = r#"{"settings": {"nf_conntrack_tcp_timeout_close_wait": 240}}"#;
    assert_eq!(world.apply(request).code, 0);
    assert_eq!(world.sh(&format!("stat -c '%a %U' {FILE} /var/lib/conntrack-sysctl")), "600 root\n700 root\n");
    let promise: Value = serde_json::from_str(&world.sh(&format!("cat {FILE}"))).expect("it is JSON");
    assert_eq!(promise["settings"][0]["value"], 240);
    // An apply that changes nothing does not write it anew.
    let moment = || world.sh(&format!("stat -c '%y %i' {FILE}"));
    let before = moment();
    assert_eq!(world.apply(request).code, 0);
    assert_eq!(moment(), before);
    assert!(verify("--output text").stdout.contains("was not booted since"));
    // As after a boot.
    world.sh(&format!("sed -i 's/\"boot_id\": \".*\"/\"boot_id\": \"another\"/' {FILE}"));
    let held = verify("--output text --bundle /mnt/bundle.json");
    assert_eq!((held.code, held.stdout.starts_with("held: 1 setting as predicted")), (0, true), "{}", held.stdout);
    assert_eq!(world.try_sh("test -e /mnt/bundle.json", "").code, 1);
    world.sh("sysctl -qw net.netfilter.nf_conntrack_tcp_timeout_close_wait=77");
    let broken = verify("--output text --bundle /mnt/bundle.json");
    assert_eq!(broken.code, 2);
    assert!(broken.stdout.contains("predicted 240") && broken.stdout.contains("seen 77"), "{}", broken.stdout);
    let bundle: Value = serde_json::from_str(&world.sh("cat /mnt/bundle.json")).expect("it is JSON");
    assert_eq!(bundle["verification"]["outcome"], "broken");
    assert_eq!(world.sh("stat -c %a /mnt/bundle.json"), "600\n");
    // The journal names the writer, although `verify` may not write anywhere but beside the bundle.
    let line = r#"{"MESSAGE": "net.netfilter.nf_conntrack_tcp_timeout_close_wait = 77", "_UID": "0", "_SYSTEMD_UNIT": "late"}"#;
    let journal = format!("#!/bin/sh\necho noise >&2\nyes '{line}'\n");
    std::fs::write(world.path("/usr/bin/journalctl"), journal).expect("a file can be written");
    world.sh("chmod 755 /usr/bin/journalctl");
    for further in ["", " --bundle /mnt/bundle.json"] {
        let broken = verify(&format!("--output text{further}"));
        assert!(broken.stdout.contains("seen 77: `late` says in the journal: `net."), "{}", broken.stdout);
        assert_eq!(broken.stderr, "");
    }
    assert!(world.sh("cat /mnt/bundle.json").contains("\"by\": \"late\""));
    // The file is named from here, and never one of another kind.
    world.sh("cd /mnt && mkfifo fifo && ln -s bundle.json link && mkdir new");
    let from_mnt = |file: &str| world.try_sh(&format!("cd /mnt && $BIN verify --output text --bundle {file}"), "");
    assert_eq!(from_mnt("new/here.json").code, 2);
    assert_eq!(world.sh("ls -A /mnt/new"), "here.json\n");
    for other in ["fifo", "link", "new", "none/bundle.json"] {
        let refused = from_mnt(other);
        assert_eq!(refused.code, 1, "{other}");
        assert!(refused.stderr.contains("cannot be written"), "{other}: {}", refused.stderr);
    }
    // What cannot be read is no promise.
    world.sh(&format!("echo '{{' > {FILE}"));
    assert_eq!(verify("--output json").code, 1);
    world.sh(&format!("rm {FILE}; mkfifo {FILE}"));
    assert_eq!(verify("--output json").code, 1);
    let warned = world.apply(request).report();
    assert_eq!(warned.warnings.len(), 1, "{:?}", warned.warnings);
    assert!(warned.failure.is_none() && warned.in_sync);
});

privileged!(a_promise_is_the_old_or_the_new_one, || {
    let world = World::new(Network::Private);
    let apply = |value: i64| {
        let request = format!("{{\"settings\": {{\"nf_conntrack_tcp_timeout_close_wait\": {value}}}}}");
        world.try_sh("strace -qq -f -o /mnt/calls -e trace=%file $BIN apply", &request)
    };
    let promised = || world.try_sh(&format!("grep -o '\"value\": .*[0-9]' {FILE}"), "").stdout;
    let writes =
        || world.sh("grep -c -E 'O_WRONLY|O_RDWR|O_CREAT|[0-9] (rename|unlink|mkdir|link|symlink)' /mnt/calls || :");
    assert_eq!(apply(240).code, 0);
    assert_eq!(promised(), "\"value\": 240\n");
    // An apply with nothing to do opens nothing for writing, and takes no lock.
    world.sh("rm -r /run/conntrack-sysctl");
    assert_eq!((apply(240).code, writes().as_str()), (0, "0\n"), "{}", world.sh("cat /mnt/calls"));
    assert_eq!(world.try_sh("test -e /run/conntrack-sysctl", "").code, 1);
    // Without a promise it makes one. The staged one of a run that was killed goes then, and nothing else.
    let beside = "/var/lib/conntrack-sysctl";
    world.sh(&format!("rm {FILE}; cd {beside}; touch .promise.json.conntrack-sysctl.1-0.tmp broken.json"));
    world.sh(&format!("mkdir {beside}/.promise.json.conntrack-sysctl.1-1.tmp"));
    let ended = apply(240);
    assert!(ended.code == 0 && ended.report().warnings.is_empty() && !ended.report().changed, "{}", ended.stdout);
    assert_eq!(promised(), "\"value\": 240\n");
    assert_eq!(
        world.sh(&format!("ls -A {beside}")),
        ".promise.json.conntrack-sysctl.1-1.tmp\nbroken.json\npromise.json\n"
    );
    // A new file stands in the place of the old one.
    let inode = || world.sh(&format!("stat -c '%i %a' {FILE}"));
    let old = inode();
    assert_eq!(apply(300).code, 0);
    assert_ne!(inode(), old);
    assert_eq!(promised(), "\"value\": 300\n");
    // Without the lock nothing is written, and the apply has not failed.
    world.sh(&format!("rm -r {FILE} /run/conntrack-sysctl; touch /run/conntrack-sysctl"));
    let ended = apply(300);
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    let warnings = ended.report().warnings;
    assert!(warnings.len() == 1 && warnings[0].message.contains("the lock"), "{warnings:?}");
    assert_eq!(promised(), "");
    // Neither is anything at the end of a link.
    world.sh(&format!("rm /run/conntrack-sysctl; echo mine >/mnt/mine; ln -s /mnt/mine {FILE}"));
    assert_eq!(apply(300).report().warnings.len(), 1);
    assert_eq!(world.sh("cat /mnt/mine"), "mine\n");
});
