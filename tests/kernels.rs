//! Judges which kernels a boot is judged by, where one of them runs: what it shows of itself, and what the others change.

use crate::support::machine::Machine;
use conntrack_sysctl::failure::Kind;
use conntrack_sysctl::plan::plan;
use conntrack_sysctl::report::{Mode, Report};
use conntrack_sysctl::request;
use conntrack_sysctl::tree::Entry;
use conntrack_sysctl::verify::{Reason, Verdict};

const RUNNING: &str = "6.12.1";
const NEWER: &str = "7.2.13";

/// A machine that runs 6.12.1, and has the directory of its modules.
fn machine() -> Machine {
    on_disk(Machine::modern().kernel(6, 12).max(65536), RUNNING)
        .file("/proc/sys/kernel/osrelease", &format!("{RUNNING}\n"))
        .file("/etc/modules-load.d/a.conf", "nf_conntrack\n")
}

/// The same machine with the modules and the image of a kernel.
fn on_disk(machine: Machine, release: &str) -> Machine {
    let directory = format!("/usr/lib/modules/{release}");
    machine
        .entry(&directory, Entry::Directory)
        .entry(format!("/boot/vmlinuz-{release}"), Entry::Program)
        .file(format!("{directory}/modules.dep"), "kernel/nf_conntrack.ko: kernel/nf_defrag_ipv6.ko\n")
}

fn with_clock(machine: Machine, release: &str, hz: u32) -> Machine {
    machine.file(format!("/boot/config-{release}"), &format!("CONFIG_HZ={hz}\n"))
}

/// The same machine with a line in our file.
fn with_line(machine: Machine, name: &str, value: i64) -> Machine {
    machine.file("/etc/sysctl.d/90-conntrack.conf", &format!("net.netfilter.nf_conntrack_{name} = {value}\n"))
}

fn checked(machine: &Machine, name: &str, value: i64) -> Report {
    let request = format!(r#"{{"settings": {{"nf_conntrack_{name}": {value}}}}}"#);
    let desired = request::from_slice(request.as_bytes()).expect("the request is well formed");
    match plan(&desired, machine) {
        Ok(plan) => Report::new(Mode::Check, &desired, machine, &plan.predict(machine), &plan),
        Err(failure) => Report::failed(Mode::Check, &desired, machine, machine, failure),
    }
}

fn verdict(machine: &Machine, name: &str, value: i64) -> Verdict {
    checked(machine, name, value).settings[0].verdict
}

/// The reason why the boot of the first setting is not known.
fn reason(report: &Report) -> Option<Reason> {
    report.settings[0].doubts.first().map(|doubt| doubt.reason)
}

#[test]
fn a_timeout_that_the_running_kernel_holds_is_not_in_doubt() {
    let live = |value| with_line(machine().live("udp_timeout", value), "udp_timeout", 5_000_000);
    assert_eq!(verdict(&live(5_000_000), "udp_timeout", 5_000_000), Verdict::InSync);
    let drifted = checked(&live(30), "udp_timeout", 5_000_000);
    assert_eq!((drifted.settings[0].verdict, reason(&drifted)), (Verdict::LiveDrift, Some(Reason::UnknownClock)));
    // Another kernel has another clock.
    let two = on_disk(live(5_000_000), "6.12.2");
    assert_eq!(reason(&checked(&two, "udp_timeout", 5_000_000)), Some(Reason::UnknownClock));
    let known = with_clock(two, "6.12.2", 250);
    assert_eq!(verdict(&known, "udp_timeout", 5_000_000), Verdict::InSync);
}

#[test]
fn what_the_running_kernel_refuses_is_refused_before_it_is_asked() {
    let kind = |machine: &Machine, name, value| checked(machine, name, value).failure.map(|failure| failure.kind);
    let live = with_clock(machine().live("udp_timeout", 30), RUNNING, 250);
    assert_eq!(kind(&live, "udp_timeout", 8_589_934), None);
    assert_eq!(kind(&live, "udp_timeout", 8_589_935), Some(Kind::OutOfRange));
    let running = |major, minor| Machine::modern().kernel(major, minor).max(65536).built_in();
    assert_eq!(kind(&running(6, 18), "max", 0), None);
    // Of 7.0 nobody knows; the kernel itself says it.
    assert_eq!(kind(&running(7, 0), "max", 0), None);
    assert_eq!(kind(&running(7, 2), "max", 0), Some(Kind::OutOfRange));
    let request = r#"{"settings": {"nf_conntrack_max": 0}, "live": false}"#;
    let desired = request::from_slice(request.as_bytes()).expect("the request is well formed");
    assert_eq!(plan(&desired, &running(7, 2)).map_err(|failure| failure.kind), Err(Kind::OutOfRange));
}

#[test]
fn a_kernel_that_boots_next_may_have_other_settings() {
    let line = with_line(machine().live("dccp_loose", 0), "dccp_loose", 0);
    assert_eq!(verdict(&line, "dccp_loose", 0), Verdict::InSync);
    let upgraded = checked(&on_disk(line, NEWER), "dccp_loose", 0);
    assert_eq!((upgraded.settings[0].verdict, reason(&upgraded)), (Verdict::Unknown, Some(Reason::AnotherKernel)));
    // A setting that both have is not in doubt.
    let both = on_disk(with_line(machine(), "max", 65536), NEWER);
    assert_eq!(verdict(&both, "max", 65536), Verdict::InSync);
}

#[test]
fn a_built_in_module_may_be_one_that_is_loaded_at_the_next_boot() {
    let running = || with_line(Machine::modern().max(65536).built_in(), "max", 65536);
    let handed_over = || running().file("/proc/sys/kernel/osrelease", RUNNING);
    assert_eq!(verdict(&running(), "max", 65536), Verdict::InSync);
    assert_eq!(verdict(&handed_over(), "max", 65536), Verdict::InSync);
    let upgraded = on_disk(handed_over(), NEWER);
    assert_eq!(verdict(&upgraded, "max", 65536), Verdict::LostAtBoot);
    let named = upgraded.file("/etc/modules-load.d/a.conf", "nf_conntrack\n");
    assert_eq!(verdict(&named, "max", 65536), Verdict::InSync);
}

#[test]
fn the_keys_of_reassembly_do_not_stand_for_connection_tracking() {
    use conntrack_sysctl::snapshot::Module;
    let machine = Machine::modern().module(Module::Absent).live("frag6_timeout", 90);
    assert_eq!(checked(&machine, "max", 65536).settings[0].drifts, [Verdict::LiveDrift, Verdict::BootDrift]);
    let held = with_line(machine, "frag6_timeout", 90);
    assert_eq!(verdict(&held, "frag6_timeout", 90), Verdict::LostAtBoot);
    assert_eq!(
        verdict(&held.file("/etc/modules-load.d/a.conf", "nf_conntrack\n"), "frag6_timeout", 90),
        Verdict::InSync
    );
}
