//! The less common ways in which a boot comes to a command: units under the names of others, paths that a script puts together,
//! arguments of the kernel, containers, and the scripts of further distributions.

use crate::scripts::{LINE, in_doubt, in_doubt_under, machine};
use crate::support::machine::Machine;
use conntrack_sysctl::boot::systems::{ALPINE, OPENRC, OPENWRT, SYSVINIT};
use conntrack_sysctl::tree::Entry;

const UNITS: &str = "/etc/systemd/system";
const OF_PACKAGES: &str = "/usr/lib/systemd/system";

/// `machine` with a link by which a target starts a unit.
fn linked(machine: Machine, target: &str, unit: &str) -> Machine {
    let directory = format!("{target}.wants");
    machine.entry(&directory, Entry::Directory).entry(format!("{directory}/{unit}"), Entry::Program)
}

/// The text of a unit that runs `command`.
fn unit(command: &str) -> String {
    format!("[Service]\nExecStart={command}\n")
}

#[test]
fn the_administrator_s_unit_counts_under_any_name() {
    for name in ["docker.service", "rsyslog.service", "systemd-networkd.service", "procps.service", "tune.socket"] {
        let path = format!("{UNITS}/{name}");
        let machine = machine().file(&path, &unit(&format!("/usr/sbin/{LINE}")));
        let machine = linked(machine, &format!("{UNITS}/multi-user.target"), name);
        assert_eq!(in_doubt(&machine), [format!("{path}:2 max")]);
    }
    // The writes of ufw have a row of their own.
    let ufw = machine().file(format!("{UNITS}/ufw.service"), &unit("/usr/lib/ufw/ufw-init start"));
    let ufw = linked(ufw, &format!("{UNITS}/multi-user.target"), "ufw.service")
        .file("/usr/lib/ufw/ufw-init", "sysctl -p $X\n");
    assert_eq!(in_doubt(&ufw), [""; 0]);
}

#[test]
fn a_package_links_units_to_any_target_of_a_boot() {
    let path = format!("{OF_PACKAGES}/tune.service");
    for target in ["default", "local-fs", "multi-user", "network-online", "remote-fs", "sockets", "timers"] {
        let machine = machine().file(&path, &unit(&format!("/usr/sbin/{LINE}")));
        let machine = linked(machine, &format!("{OF_PACKAGES}/{target}.target"), "tune.service");
        assert_eq!(in_doubt(&machine), [format!("{path}:2 max")], "{target}");
    }
}

#[test]
fn the_output_of_a_unit_may_go_into_a_key() {
    let path = format!("{UNITS}/tune.service");
    let text = unit("/bin/echo 5") + "StandardOutput=truncate:/proc/sys/net/netfilter/nf_conntrack_max\n";
    let machine = linked(machine().file(&path, &text), &format!("{UNITS}/multi-user.target"), "tune.service");
    assert_eq!(in_doubt(&machine), [format!("{path}:3 max")]);
}

#[test]
fn a_path_may_be_put_together_from_what_the_file_says() {
    let script =
        |text: &str| machine().file("/etc/rc.local", &format!("#!/bin/sh\n{text}\n")).file("/opt/x/tune.sh", LINE);
    for text in [
        "cd /opt/x && ./tune.sh",
        "cd /opt/x\nsh tune.sh",
        "cd \"/opt/x/y\"\n../tune.sh --all",
        "DIR=/opt/x\nsh \"${DIR}/tune.sh\"",
        "export DIR=\"/opt/x\"; \"$DIR\"/tune.sh",
        "A=/opt\nAB=$A/x\n. $AB/tune.sh",
        "TUNE=/opt/x/tune.sh\n$TUNE",
    ] {
        assert_eq!(in_doubt(&script(text)), ["/opt/x/tune.sh:1 max"], "{text}");
    }
    for text in ["cd /opt/y && ./tune.sh", "DIR=/opt/y\nsh $DIR/tune.sh", "sh tune.sh", "$OTHER/x/tune.sh"] {
        assert_eq!(in_doubt(&script(text)), [""; 0], "{text}");
    }
    for beside in ["$(dirname \"$0\")/tune.sh", "${0%/*}/tune.sh", "`dirname $0`/tune.sh"] {
        let machine = machine().file("/etc/rc.local", "/opt/x/start\n").file("/opt/x/start", &format!(". {beside}\n"));
        assert_eq!(in_doubt(&machine.file("/opt/x/tune.sh", LINE)), ["/opt/x/tune.sh:1 max"], "{beside}");
    }
    let sourced = machine().file("/etc/rc.local", ". /etc/tune.conf\n").file("/etc/tune.conf", LINE);
    assert_eq!(in_doubt(&sourced), ["/etc/tune.conf:1 max"]);
}

#[test]
fn a_script_may_stand_outside_of_the_system() {
    for path in ["/var/lib/tune/start", "/data/tune", "/config/tune", "/mnt/tune", "/boot/tune"] {
        let machine = machine().file("/etc/rc.local", &format!("#!/bin/sh\nsh {path}\n")).file(path, LINE);
        assert_eq!(in_doubt(&machine), [format!("{path}:1 max")]);
    }
}

#[test]
fn the_path_in_a_unit_may_depend_on_its_name_or_on_its_directory() {
    let with = |name: &str, link: &str, text: &str| {
        let machine = machine().file(format!("{UNITS}/{name}"), text).file("/opt/net.sh", LINE);
        in_doubt(&linked(machine, &format!("{UNITS}/multi-user.target"), link))
    };
    let told = ["/opt/net.sh:1 max"];
    assert_eq!(with("net.service", "net.service", &unit("/opt/%N.sh")), told);
    assert_eq!(with("net.service", "net.service", &unit("/opt/%p.sh")), told);
    assert_eq!(with("tune@.service", "tune@net.service", &unit("/opt/%i.sh")), told);
    assert_eq!(with("tune@.service", "tune@other.service", &unit("/opt/%i.sh")), [""; 0]);
    let relative = unit("/bin/sh -c './net.sh'") + "WorkingDirectory=/opt\n";
    assert_eq!(with("net.service", "net.service", &relative), told);
}

#[test]
fn the_kernel_command_line_may_have_systemd_start_more() {
    let path = format!("{UNITS}/tune.service");
    let with = |arguments: &str| {
        let machine = machine().file(&path, &unit(&format!("/usr/sbin/{LINE}"))).file("/opt/tune", LINE);
        let entry = format!("title x\nlinux /vmlinuz\noptions root=/dev/sda1 {arguments}\n");
        let of_boot = machine.clone().file("/proc/cmdline", &format!("root=/dev/sda1 {arguments}\n"));
        [in_doubt(&of_boot), in_doubt(&machine.file("/boot/loader/entries/a.conf", &entry))]
    };
    assert_eq!(with("quiet"), [[""; 0], [""; 0]]);
    for wants in ["systemd.wants=tune.service", "systemd.wants=tune"] {
        assert_eq!(with(wants), [[format!("{path}:2 max")], [format!("{path}:2 max")]]);
    }
    assert_eq!(with("systemd.run=\"/opt/tune --all\""), [["/opt/tune:1 max"], ["/opt/tune:1 max"]]);
}

#[test]
fn a_container_that_systemd_starts_has_commands() {
    let path = "/etc/containers/systemd/tune.container";
    let with = |lines: &str| in_doubt(&machine().file(path, &format!("[Container]\nImage=alpine\n{lines}")));
    assert_eq!(with(&format!("Network=host\nExec={LINE}")), [format!("{path}:4 max")]);
    assert_eq!(with(&format!("[Service]\nExecStartPre=/usr/sbin/{LINE}")), [format!("{path}:4 max")]);
    // That is the container's own network.
    assert_eq!(with("Sysctl=net.netfilter.nf_conntrack_udp_timeout=5\n"), [""; 0]);
}

#[test]
fn a_program_that_a_rule_of_udev_asks_may_write() {
    for pair in ["PROGRAM==\"/opt/tune $name\"", "IMPORT{program}=\"/opt/tune\""] {
        let machine = machine().file("/etc/udev/rules.d/70-net.rules", &format!("SUBSYSTEM==\"net\", {pair}\n"));
        assert_eq!(in_doubt(&machine.file("/opt/tune", LINE)), ["/opt/tune:1 max"], "{pair}");
    }
}

#[test]
fn sysfsutils_writes_the_parameters_of_modules() {
    let with = |value: &str| {
        let line = format!("module/nf_conntrack/parameters/hashsize = {value}\n");
        in_doubt(&machine().file("/etc/sysfs.d/tune.conf", &line))
    };
    assert_eq!(with("32768"), ["/etc/sysfs.d/tune.conf:1 buckets"]);
    assert_eq!(with("16384"), [""; 0]);
}

#[test]
fn saptune_writes_the_sysctls_of_its_notes() {
    let with = |value: &str| {
        let note = format!("[version]\n# version = 1\n[sysctl]\nnet.netfilter.nf_conntrack_max = {value}\n");
        in_doubt(&machine().file("/etc/saptune/extra/site.conf", &note))
    };
    assert_eq!(with("5"), ["/etc/saptune/extra/site.conf:4 max"]);
    assert_eq!(with("65536"), [""; 0]);
}

#[test]
fn further_distributions_have_places_of_their_own() {
    for path in [
        "/sbin/ifup-local",
        "/etc/sysconfig/network-scripts/ifcfg-eth0",
        "/etc/sysconfig/network/scripts/tune",
        "/etc/ppp/ip-up.local",
        "/etc/ppp/ipv6-up.d/tune",
        "/usr/lib/NetworkManager/dispatcher.d/50-tune",
        "/etc/cron.weekly/tune",
        "/var/spool/atjobs/a00001",
        "/etc/monit.d/tune",
        "/etc/firehol/firehol.conf",
        "/etc/arno-iptables-firewall/custom-rules",
        "/config/scripts/vyos-postconfig-bootup.script",
        "/data/on_boot.d/10-tune.sh",
    ] {
        assert_eq!(in_doubt(&machine().file(path, LINE)), [format!("{path}:1 max")]);
    }
    for (system, path) in [
        (&OPENWRT, "/etc/rc.local"),
        (&OPENWRT, "/etc/udhcpc.user"),
        (&OPENWRT, "/etc/hotplug.d/firewall/50-tune"),
        (&OPENWRT, "/etc/uci-defaults/50-tune"),
        (&OPENRC, "/etc/conf.d/net"),
        (&ALPINE, "/etc/conf.d/local"),
        (&ALPINE, "/etc/periodic/daily/tune"),
    ] {
        let with = in_doubt_under(&machine().file("/etc/openwrt_release", "").file(path, LINE), system);
        assert_eq!(with, [format!("{path}:1 max")]);
    }
    let included = machine()
        .file("/etc/config/firewall", "config include\n\toption path '/etc/tune.fw'\n")
        .file("/etc/tune.fw", LINE);
    assert_eq!(in_doubt_under(&included, &OPENWRT), ["/etc/tune.fw:1 max"]);
    let jobs = machine().file("/etc/crontabs/root", &format!("0 1 * * * {LINE}"));
    assert_eq!(in_doubt_under(&jobs, &ALPINE), ["/etc/crontabs/root:1 max"]);
    assert_eq!(in_doubt_under(&jobs, &SYSVINIT), [""; 0]);
    assert_eq!(in_doubt(&machine().file("/var/spool/cron/tabs/root", &format!("@reboot {LINE}"))).len(), 1);
}

#[test]
fn scripts_of_distributions_that_could_run_a_loader_are_known() {
    let of_device = "sed -n \"/$DEVICENAME/p\" \"$CONF\" |\n\tsysctl -e -p - | logger -t sysctl\n";
    let openwrt = machine().file("/etc/hotplug.d/net/00-sysctl", of_device);
    assert_eq!(in_doubt_under(&openwrt, &OPENWRT), [""; 0]);
    let loops = "for file in /etc/sysctl.d/*.conf; do\nsysctl -e -p $file\ndone\n";
    let rhel =
        machine().file("/etc/init.d/boot.local", ". /etc/init.d/functions\n").file("/etc/init.d/functions", loops);
    assert_eq!(in_doubt(&rhel), [""; 0]);
    let start = "/usr/libexec/iptables/iptables.init";
    let iptables = machine()
        .file(format!("{OF_PACKAGES}/iptables.service"), &unit(&format!("{start} start")))
        .file(start, "fgrep -hs $item /etc/sysctl.d/* | sysctl -p - >/dev/null\n");
    let iptables = linked(iptables, &format!("{OF_PACKAGES}/multi-user.target"), "iptables.service");
    let with = |list: &str| {
        let machine = iptables.clone().file("/etc/sysconfig/iptables-config", &format!("{list}\n"));
        in_doubt(
            &machine
                .file("/etc/sysctl.d/95-a.conf", "net.netfilter.nf_conntrack_max = 5\n")
                .file("/usr/lib/sysctl.d/99-b.conf", "net.netfilter.nf_conntrack_max = 65536\n"),
        )
    };
    assert_eq!(with("IPTABLES_SYSCTL_LOAD_LIST=\"\""), [""; 0]);
    assert_eq!(with("#IPTABLES_SYSCTL_LOAD_LIST=\".nf_conntrack\""), [""; 0]);
    assert_eq!(with("IPTABLES_SYSCTL_LOAD_LIST=\".nf_conntrack\""), ["/etc/sysconfig/iptables-config:1 max"]);
}

#[test]
fn units_of_suse_load_a_file_of_each_kernel() {
    let release = "6.4.0-default";
    let path = format!("/usr/lib/modules/{release}/sysctl.conf");
    let load = unit("/usr/lib/systemd/systemd-sysctl /usr/lib/modules/%v/sysctl.conf");
    let with = |text: &str| {
        let machine = machine()
            .entry(format!("/usr/lib/modules/{release}"), Entry::Directory)
            .file(format!("{OF_PACKAGES}/kernel-sysctl.service"), &load)
            .file(&path, text);
        in_doubt(&linked(machine, &format!("{UNITS}/systemd-sysctl.service"), "kernel-sysctl.service"))
    };
    assert_eq!(with("vm.dirty_ratio = 20\n"), [""; 0]);
    assert_eq!(with("net.netfilter.nf_conntrack_max = 5\n"), [format!("{OF_PACKAGES}/kernel-sysctl.service:2 max")]);
}

#[test]
fn a_pattern_means_the_files_of_a_directory_of_sysctl_d() {
    let with = |line: &str, value: &str| {
        let machine = machine().file("/etc/rc.local", &format!("#!/bin/sh\n{line}\n"));
        in_doubt(&machine.file("/etc/sysctl.d/91.conf", &format!("net.netfilter.nf_conntrack_udp_timeout = {value}\n")))
    };
    for line in ["sysctl -p /etc/sysctl.d/*.conf", "sysctl -e -q -p /etc/sysctl.d/*.conf >/dev/null 2>&1"] {
        assert_eq!(with(line, "33"), [""; 0], "{line}");
        let written = machine()
            .file("/etc/rc.local", &format!("{line}\n"))
            .file("/etc/sysctl.conf", "net.netfilter.nf_conntrack_max = 5\n");
        assert_eq!(in_doubt(&written), [""; 0]);
    }
    assert_eq!(with("sysctl -p /etc/*.conf", "33"), ["/etc/rc.local:2 anything"]);
}
