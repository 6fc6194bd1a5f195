//! The lines of scripts, units and jobs that a boot runs: which settings they leave in doubt, and which lines are plain.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::Run;
use crate::support::machine::Machine;
use crate::support::world::{inside, privileged};
use conntrack_sysctl::boot::systems::{ALPINE, CHIMERA, FINIT, OPENRC, OPENWRT, SYSTEMD, SYSVINIT, System, VOID};
use conntrack_sysctl::boot::{About, Doubt, Reason, boot};
use conntrack_sysctl::kernel::catalog::PREFIX;
use conntrack_sysctl::tree::Entry;
use conntrack_sysctl::verify::Verdict;

/// A machine on which the loader sets the limit to 65536, and some others.
pub(crate) fn machine() -> Machine {
    let lines = "net.netfilter.nf_conntrack_max = 65536\nnet.netfilter.nf_conntrack_udp_timeout = 33\n\
        net.netfilter.nf_conntrack_buckets = 16384\n";
    Machine::modern()
        .max(65536)
        .buckets(16384)
        .live("udp_timeout", 33)
        .file("/etc/modules-load.d/a.conf", "nf_conntrack\n")
        .file("/etc/sysctl.d/90-conntrack.conf", lines)
}

/// What is in doubt at a boot of `machine`, each with the place: the short names of the settings, or `anything`.
pub(crate) fn in_doubt_under(machine: &Machine, system: &'static System) -> Vec<String> {
    let doubts = boot(machine, system).doubts;
    let told = |doubt: &Doubt| {
        let about: Vec<&str> = match &doubt.about {
            About::Only(names) => {
                names.iter().map(|name| name.as_str().strip_prefix(PREFIX).expect("it is ours")).collect()
            }
            _ => vec!["anything"],
        };
        let file = doubt.file.as_ref().expect("it has a file").display();
        format!("{file}:{} {}", doubt.line.expect("it has a line"), about.join(" "))
    };
    doubts.iter().filter(|doubt| doubt.reason == Reason::BootScript).map(told).collect()
}

pub(crate) fn in_doubt(machine: &Machine) -> Vec<String> {
    in_doubt_under(machine, &SYSTEMD)
}

/// What the line leaves in doubt that rc.local has.
fn of_line(line: &str) -> String {
    let machine = machine()
        .file("/etc/rc.local", &format!("#!/bin/sh\n{line}\n"))
        .file("/etc/sysctl.conf", "net.netfilter.nf_conntrack_max = 5\n")
        .file("/etc/same.conf", "net.netfilter.nf_conntrack_max = 5\nnet.netfilter.nf_conntrack_max = 65536\n");
    in_doubt(&machine).into_iter().map(|told| told.replace("/etc/rc.local:2 ", "")).collect::<Vec<_>>().join("; ")
}

#[test]
fn a_line_that_may_write_another_value_leaves_a_doubt() {
    let cases = [
        ("sysctl -w net.netfilter.nf_conntrack_max=5", "max"),
        ("/sbin/sysctl -q net/netfilter/nf_conntrack_max=5 net.netfilter.nf_conntrack_udp_timeout=33", "max"),
        ("sysctl -w net.nf_conntrack_max=5 >/dev/null 2>&1 || true", "max"),
        ("echo 5 > /proc/sys/net/netfilter/nf_conntrack_max", "max"),
        ("echo -n \"5\" >/proc/sys/net/ipv4/netfilter/ip_conntrack_max", "max"),
        ("echo 32768 > /sys/module/nf_conntrack/parameters/hashsize", "buckets"),
        ("modprobe nf_conntrack hashsize=32768", "buckets max"),
        ("rmmod nf_conntrack", "anything"),
        ("modprobe -qr nf_nat", "anything"),
        ("modprobe --remove xt_conntrack", "anything"),
        ("/sbin/modprobe -r nf_conntrack && modprobe nf_conntrack", "anything"),
        ("sysctl -w net.netfilter.nf_conntrack_max=$MAX", "max"),
        ("[ -e /x ] && echo $MAX > /proc/sys/net/netfilter/nf_conntrack_max", "max"),
        ("echo 65536 | tee /proc/sys/net/netfilter/nf_conntrack_max", "max"),
        ("sysctl -w net.netfilter.nf_conntrack_udp_timeout=33; sysctl -w net.netfilter.nf_conntrack_max=5", "max"),
        ("for f in /proc/sys/net/netfilter/nf_conntrack_udp*; do echo 5 > $f; done", "anything"),
        ("echo 5 > /proc/sys/net/netfilter/$KEY", "anything"),
        ("cd /proc/sys/net/netfilter", "anything"),
        ("sysctl -w 'net.netfilter.nf_conntrack_*=5'", "anything"),
        ("sysctl -p", "max"),
        ("sysctl -q --system", "max"),
        ("sysctl -p $FILE", "anything"),
        ("sysctl -w $SETTING", "anything"),
        ("sysctl -qw \"$key=$value\" >/dev/null", "anything"),
        ("/sbin/sysctl \"net.$1=5\"", "anything"),
        ("echo \"$2\" > /proc/sys/$1", "anything"),
        ("printf %s 5 >/proc/sys/net/${KEY}", "anything"),
        ("sh -c 'sysctl -w net.netfilter.nf_conntrack_max=5'", "max"),
        ("net.netfilter.nf_conntrack_max = 5", "max"),
        ("set_value nf_conntrack_max 5", "max"),
        ("P=/proc/sys/net; echo 5 > $P/netfilter/nf_conntrack_max", "max"),
        ("echo 5 > \"${P}netfilter/nf_conntrack_max\"", "max"),
        // The same values, and what writes none.
        ("sysctl -w net.netfilter.nf_conntrack_max=65536", ""),
        ("sysctl -w net.netfilter.nf_conntrack_max=0x10000 >/dev/null # our limit", ""),
        ("echo 65536 > /proc/sys/net/netfilter/nf_conntrack_max", ""),
        ("echo 16000 > /sys/module/nf_conntrack/parameters/hashsize", ""),
        (
            "sh -c \"sysctl -w net.netfilter.nf_conntrack_max=65536; echo 33 > /proc/sys/net/netfilter/nf_conntrack_udp_timeout\"",
            "",
        ),
        ("sysctl -p /etc/same.conf", ""),
        ("sysctl -n net.netfilter.nf_conntrack_max", ""),
        ("cat /proc/sys/net/netfilter/nf_conntrack_count /proc/sys/net/netfilter/nf_conntrack_max", ""),
        ("sysctl -w net.ipv4.ip_forward=1", ""),
        ("echo 1 > /proc/sys/net/ipv4/conf/$DEV/rp_filter", ""),
        ("sysctl -w net.ipv4.conf.$DEV.rp_filter=1 \"vm.$KEY=1\"", ""),
        ("old=$(sysctl -n $KEY)", ""),
        ("sysctl -w net.ipv4.ip_forward=$FORWARD", ""),
        ("modprobe nf_conntrack_ftp; modprobe -a nf_conntrack nf_nat", ""),
        ("modprobe -r pcspkr; rmmod nf_nat", ""),
        ("iptables -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT", ""),
        ("conntrack -F; wc -l /proc/net/nf_conntrack", ""),
        ("# sysctl -w net.netfilter.nf_conntrack_max=5", ""),
        ("cat /proc/sys/net/netfilter/nf_conntrack_max > /run/max.prom", ""),
        ("sysctl -n net.netfilter.nf_conntrack_max >> /var/log/max", ""),
        ("/bin/cat /proc/sys/net/netfilter/nf_conntrack_max | logger", ""),
        ("x=$(cat /proc/sys/net/netfilter/nf_conntrack_count)", ""),
    ];
    for (line, expected) in cases {
        assert_eq!(of_line(line), expected, "{line}");
    }
}

pub(crate) const LINE: &str = "sysctl -w net.netfilter.nf_conntrack_max=5\n";

#[test]
fn every_place_of_an_administrator_s_commands_is_known() {
    for path in [
        "/etc/rc.local",
        "/etc/rc.d/rc.local",
        "/etc/network/if-up.d/tune",
        "/etc/network/if-pre-up.d/tune",
        "/etc/networkd-dispatcher/routable.d/50-tune",
        "/etc/NetworkManager/dispatcher.d/50-tune",
        "/etc/NetworkManager/dispatcher.d/pre-up.d/50-tune",
        "/etc/ppp/ip-up.d/tune",
        "/etc/dhcpcd.exit-hook",
        "/etc/libvirt/hooks/network",
        "/etc/libvirt/hooks/qemu.d/tune",
        "/etc/init.d/after.local",
        "/usr/share/netfilter-persistent/plugins.d/90-tune",
        "/etc/shorewall/started",
        "/etc/csf/csfpost.sh",
        "/var/spool/cron/atjobs/a00001",
        "/etc/ufw/after.init",
        "/var/lib/cloud/scripts/per-boot/tune",
        "/etc/systemd/system-generators/tune",
        "/usr/local/lib/systemd/system-generators/tune",
    ] {
        assert_eq!(in_doubt(&machine().file(path, LINE)), [format!("{path}:1 max")]);
    }
    let local = machine().file("/etc/local.d/tune.start", LINE).file("/etc/local.d/README", LINE);
    assert_eq!(in_doubt_under(&local, &SYSVINIT), ["/etc/local.d/tune.start:1 max"]);
    assert_eq!(in_doubt(&local), [""; 0]);
    let jobs = format!("MAILTO=root\n@reboot root {LINE}0 * * * * root {LINE}");
    assert_eq!(
        in_doubt(&machine().file("/etc/cron.d/tune", &jobs)),
        ["/etc/cron.d/tune:2 max", "/etc/cron.d/tune:3 max"]
    );
    let own = format!("@reboot {LINE}");
    assert_eq!(
        in_doubt(&machine().file("/var/spool/cron/crontabs/root", &own)),
        ["/var/spool/cron/crontabs/root:1 max"]
    );
    let interfaces = format!("iface eth0 inet dhcp\n    post-up {LINE}    down {LINE}");
    assert_eq!(in_doubt(&machine().file("/etc/network/interfaces", &interfaces)), ["/etc/network/interfaces:2 max"]);
}

#[test]
fn a_script_that_a_line_runs_is_looked_through() {
    let with =
        |path: &str, line: &str| machine().file(path, line).file("/usr/local/sbin/tune", &format!("#!/bin/sh\n{LINE}"));
    let expected = ["/usr/local/sbin/tune:2 max"];
    assert_eq!(
        in_doubt(&with("/etc/rc.local", "test -x /usr/local/sbin/tune && /usr/local/sbin/tune --all\n")),
        expected
    );
    assert_eq!(in_doubt(&with("/etc/crontab", "@reboot root /usr/local/sbin/tune\n")), expected);
    assert_eq!(in_doubt(&with("/etc/network/interfaces", "  up \"/usr/local/sbin/tune\" || true\n")), expected);
    assert_eq!(in_doubt(&with("/etc/crontab", "0 4 * * * root /usr/local/sbin/tune\n")), [""; 0]);
}

#[test]
fn all_files_of_a_directory_are_looked_through_that_a_line_runs() {
    let with = |line: &str| in_doubt(&machine().file("/etc/boot.d/tune", LINE).file("/etc/rc.local", line));
    let expected = ["/etc/boot.d/tune:1 max"];
    assert_eq!(with("run-parts --regex=. /etc/boot.d\n"), expected);
    assert_eq!(with("for it in /etc/boot.d/*; do . $it; done\n"), expected);
    assert_eq!(with("for it in /etc/boot.d/*.sh; do sh \"$it\"; done\n"), expected);
    assert_eq!(with("ls /etc/boot.d\n"), [""; 0]);
    assert_eq!(in_doubt(&machine().file("/etc/rc.local", "cat /etc/sysctl.d/*\n")), [""; 0]);
}

#[test]
fn a_script_of_a_package_is_looked_through_that_a_line_runs() {
    for path in ["/usr/sbin/tune", "/sbin/tune", "/usr/share/tune/start", "/usr/libexec/tune"] {
        let machine = machine().file(path, LINE).file("/etc/rc.local", &format!("[ -x {path} ] && {path} start\n"));
        assert_eq!(in_doubt(&machine), [format!("{path}:1 max")]);
    }
}

#[test]
fn a_program_of_the_administrator_is_found_by_its_name() {
    for directory in ["/usr/local/sbin", "/usr/local/bin"] {
        let tool = format!("{directory}/tune-net");
        let with = |path: &str, line: &str| in_doubt(&machine().file(&tool, LINE).file(path, line));
        assert_eq!(with("/etc/rc.local", "#!/bin/sh\ntune-net --all\n"), [format!("{tool}:1 max")]);
        assert_eq!(with("/etc/crontab", "@reboot root sleep 5; tune-net\n"), [format!("{tool}:1 max")]);
        assert_eq!(with("/etc/rc.local", "#!/bin/sh\ntune-network\n"), [""; 0]);
    }
}

#[test]
fn interfaces_takes_other_files() {
    let hook = format!("iface eth0 inet dhcp\n  up {LINE}");
    for line in ["source /etc/network/more/*.cfg", "source-directory /etc/network/more", "source more/*"] {
        let machine = machine().file("/etc/network/interfaces", line).file("/etc/network/more/a.cfg", &hook);
        assert_eq!(in_doubt(&machine), ["/etc/network/more/a.cfg:2 max"], "{line}");
    }
}

#[test]
fn a_program_runs_the_commands_that_its_configuration_names() {
    let script = |path: &str, text: &str| in_doubt(&machine().file(path, text).file("/opt/tune", LINE));
    for (path, text) in [
        ("/etc/keepalived/keepalived.conf", "vrrp_instance a {\n  notify_master \"/opt/tune\"\n}\n"),
        ("/etc/openvpn/server.conf", "script-security 2\nup /opt/tune\n"),
        ("/etc/openvpn/client/office.conf", "up /opt/tune\n"),
        ("/etc/supervisor/conf.d/tune.conf", "[program:tune]\ncommand=/opt/tune --once\n"),
        ("/etc/monit/conf.d/tune", "if failed then exec \"/opt/tune\"\n"),
    ] {
        assert_eq!(script(path, text), ["/opt/tune:1 max"], "{path}");
    }
    let hook = "@hook post \"sysctl -w net.netfilter.nf_conntrack_max=5\";\n";
    assert_eq!(in_doubt(&machine().file("/etc/ferm/ferm.conf", hook)), ["/etc/ferm/ferm.conf:1 max"]);
}

#[test]
fn each_init_system_has_places_of_its_own() {
    let places: [(&[&'static System], &str, &str); 9] = [
        (&[&SYSVINIT, &OPENRC, &ALPINE], "/etc/inittab", "tu:2345:once:/sbin/"),
        (&[&SYSVINIT, &OPENRC, &ALPINE], "/etc/runlevels/default/tune", ""),
        (&[&SYSVINIT, &VOID], "/etc/runit/runsvdir/default/tune/run", ""),
        (&[&VOID], "/etc/runit/core-services/99-tune.sh", ""),
        (&[&OPENWRT], "/etc/rc.d/S99tune", ""),
        (&[&OPENWRT], "/etc/firewall.user", ""),
        (&[&FINIT], "/etc/finit.d/tune.conf", "task [S] /sbin/"),
        (&[&FINIT], "/etc/finit.conf", "run [S] "),
        (&[&CHIMERA], "/etc/dinit.d/tune", "command = /usr/bin/"),
    ];
    for (systems, path, before) in places {
        let mut machine = machine().file(path, &format!("{before}{LINE}"));
        for directory in Path::new(path).ancestors().skip(1).filter(|path| path.parent().is_some()) {
            machine = machine.entry(directory, Entry::Directory);
        }
        for system in [&SYSTEMD, &SYSVINIT, &OPENRC, &ALPINE, &OPENWRT, &FINIT, &VOID, &CHIMERA] {
            let expected = if systems.contains(&system) { vec![format!("{path}:1 max")] } else { Vec::new() };
            assert_eq!(in_doubt_under(&machine, system), expected, "{path} under {}", system.name);
        }
    }
    let loader = machine().file("/etc/runlevels/boot/sysctl", "sysctl -p $conf\n");
    assert_eq!(in_doubt_under(&loader, &OPENRC), [""; 0]);
    let script_of_void = |path: &str| machine().file(path, "sysctl -p $conf\n");
    assert_eq!(in_doubt_under(&script_of_void("/etc/runit/core-services/08-sysctl.sh"), &VOID), [""; 0]);
    let of_another = "/etc/network/if-up.d/08-sysctl.sh";
    assert_eq!(in_doubt(&script_of_void(of_another)), [format!("{of_another}:1 anything")]);
}

#[test]
fn scripts_are_looked_through_one_behind_the_other() {
    let behind = |scripts: usize| {
        let mut machine = machine().file("/etc/rc.local", "#!/bin/sh\n. /opt/1.sh\n");
        for n in 1..scripts {
            machine = machine.file(format!("/opt/{n}.sh"), &format!("[ -e /x ] || . /opt/{}.sh\n", n + 1));
        }
        in_doubt(&machine.file(format!("/opt/{scripts}.sh"), LINE))
    };
    assert_eq!(behind(1), ["/opt/1.sh:1 max"]);
    assert_eq!(behind(3), ["/opt/3.sh:1 max"]);
    let circle = machine().file("/etc/rc.local", ". /opt/a\n").file("/opt/a", &format!(". /opt/a\n{LINE}"));
    assert_eq!(in_doubt(&circle), ["/opt/a:2 max"]);
}

#[test]
fn cloud_init_runs_commands_at_each_boot_and_others_at_the_first() {
    let at = "/etc/cloud/cloud.cfg.d/50-site.cfg";
    let with = |text: &str| machine().file(at, text).entry("/usr/bin/cloud-init", Entry::Program);
    let booted = |machine: Machine| machine.entry("/var/lib/cloud/instance", Entry::Program);
    let told = [format!("{at}:3 max")];
    let each = with("#cloud-config\nbootcmd:\n - sysctl -w net.netfilter.nf_conntrack_max=5\n");
    let list = with("bootcmd:\n# ours\n  - [ sysctl, -w, \"net.netfilter.nf_conntrack_max=5\" ]\n");
    let written = with(
        "write_files:\n- path: /etc/sysctl.d/99.conf\n  content: net.netfilter.nf_conntrack_max=5\nbootcmd:\n- modprobe nf_nat\n",
    );
    let first = with("users: [default]\nruncmd:\n - echo 5 > /proc/sys/net/netfilter/nf_conntrack_max\n");
    let repeated =
        with("cloud_final_modules: [[scripts-user, always]]\nruncmd:\n - sysctl -w net.netfilter.nf_conntrack_max=5\n");
    for machine in [each.clone(), booted(each.clone()), list.clone(), booted(list), written.clone(), first.clone()] {
        assert_eq!(in_doubt(&machine), told);
    }
    assert_eq!(in_doubt(&booted(repeated)), told);
    for machine in [
        booted(written),
        booted(first),
        with("bootcmd:\n - sysctl -w net.netfilter.nf_conntrack_max=65536\nruncmd:\n"),
        with("cloud_init_modules:\n - bootcmd\n - write_files\nsystem_info:\n  default_user: {name: debian}\n"),
        each.entry("/etc/cloud/cloud-init.disabled", Entry::Program),
        machine().file(at, "bootcmd:\n - sysctl -w net.netfilter.nf_conntrack_max=5\n"),
    ] {
        assert_eq!(in_doubt(&machine), [""; 0]);
    }
}

#[test]
fn cloud_init_is_read_in_every_form_of_yaml() {
    let key = "net.netfilter.nf_conntrack_max=5";
    let at = "/etc/cloud/cloud.cfg.d/50-site.cfg";
    let with = |path: &str, text: &str| machine().file(path, text).entry("/usr/bin/cloud-init", Entry::Program);
    for (text, line) in [
        (format!("runcmd: [[sysctl, -w, '{key}']]\n"), 1),
        (format!("bootcmd:\n  - [\n    sysctl,\n    -w,\n    \"{key}\",\n  ]\n"), 5),
        (format!("runcmd:\n- - sysctl\n  - -w\n  - {key}\n"), 4),
        (format!("runcmd:\n  - |\n    set -e\n    sysctl -w {key}\n"), 4),
        (format!("runcmd:\n  - >-\n    sysctl\n    -w {key}\nusers: []\n"), 4),
        (format!("\"runcmd\":\n  - sysctl -w {key}\n"), 2),
        (format!("{{\"bootcmd\": [\n  [\"sysctl\", \"-w\", \"{key}\"]]}}\n"), 2),
        (format!("mine: &mine [sysctl, -w, {key}]\nruncmd:\n  - *mine\n"), 1),
        (format!("## template: jinja\n{{% if 1 %}}\nruncmd:\n  - sysctl -w {key}\n{{% endif %}}\n"), 4),
    ] {
        assert_eq!(in_doubt(&with(at, &text)), [format!("{at}:{line} max")], "{text}");
    }
    for seed in ["/var/lib/cloud/seed/nocloud/user-data", "/boot/firmware/user-data"] {
        let config = format!("#cloud-config\nruncmd:\n  - sysctl -w {key}\n");
        assert_eq!(in_doubt(&with(seed, &config)), [format!("{seed}:3 max")]);
        let script = with(seed, &format!("#!/bin/sh\nsysctl -w {key}\n"));
        assert_eq!(in_doubt(&script), [format!("{seed}:2 max")]);
        assert_eq!(in_doubt(&script.entry("/var/lib/cloud/instance", Entry::Program)), [""; 0]);
    }
    let elsewhere = format!("ssh_keys:\n  note: {key}\nruncmd:\n  - echo '*'\n");
    assert_eq!(in_doubt(&with(at, &elsewhere)), [""; 0]);
}

#[test]
fn the_boot_starts_units_of_root_s_own_manager_where_root_lingers() {
    let unit = "/root/.config/systemd/user/tune.service";
    let link = "/root/.config/systemd/user/default.target.wants";
    let machine = machine()
        .file(unit, &format!("[Service]\nExecStart=/usr/sbin/{LINE}"))
        .entry(link, Entry::Directory)
        .entry(format!("{link}/tune.service"), Entry::Program);
    assert_eq!(in_doubt(&machine), [""; 0]);
    let lingers = machine.entry("/var/lib/systemd/linger/root", Entry::Program);
    assert_eq!(in_doubt(&lingers), [format!("{unit}:2 max")]);
}

#[test]
fn a_rule_of_udev_may_start_a_unit_or_a_script() {
    let rules = "/etc/udev/rules.d/70-net.rules";
    let unit = format!("[Service]\nExecStart=/usr/sbin/{LINE}");
    let with = |rule: &str| {
        machine()
            .file(rules, rule)
            .file("/etc/systemd/system/tune.service", &unit)
            .file("/usr/local/sbin/tune", &format!("#!/bin/sh\n{LINE}"))
            .file("/etc/more.conf", "net.netfilter.nf_conntrack_max = 5\n")
    };
    for (rule, told) in [
        ("SUBSYSTEM==\"net\", ENV{SYSTEMD_WANTS}+=\"tune.service\"", "/etc/systemd/system/tune.service:2 max"),
        ("SUBSYSTEM==\"net\", RUN+=\"/usr/local/sbin/tune $name\"", "/usr/local/sbin/tune:2 max"),
        ("SUBSYSTEM==\"net\", RUN+=\"/usr/sbin/sysctl -p /etc/more.conf\"", "/etc/udev/rules.d/70-net.rules:1 max"),
    ] {
        assert_eq!(in_doubt(&with(rule)), [told], "{rule}");
    }
    for rule in [
        "SUBSYSTEM==\"net\", ENV{SYSTEMD_WANTS}==\"tune.service\", NAME=\"lan\"",
        "SUBSYSTEM==\"net\", RUN+=\"/usr/lib/systemd/systemd-sysctl --prefix=/net/ipv4/conf/$name\"",
        "SUBSYSTEM==\"usb\", RUN+=\"/usr/bin/logger %E{ID}\"",
    ] {
        assert_eq!(in_doubt(&with(rule)), [""; 0], "{rule}");
    }
}

#[test]
fn a_rule_of_udev_for_another_event_counts() {
    let of = |rule: &str| in_doubt(&machine().file("/etc/udev/rules.d/70-net.rules", &format!("# net\n{rule}\n")));
    let expected = ["/etc/udev/rules.d/70-net.rules:2 max"];
    for rule in [
        "ACTION==\"add\", SUBSYSTEM==\"net\", SYSCTL{net/netfilter/nf_conntrack_max}=\"5\"",
        "SUBSYSTEM==\"net\", RUN+=\"/usr/sbin/sysctl -w net.netfilter.nf_conntrack_max=5\"",
        "SUBSYSTEM==\"net\", RUN+=\"/bin/sh -c 'echo $env{MAX} > /proc/sys/net/netfilter/nf_conntrack_max'\"",
    ] {
        assert_eq!(of(rule), expected, "{rule}");
    }
    let buckets = "SUBSYSTEM==\"net\", ATTR{[module/nf_conntrack]parameters/hashsize}=\"32768\"";
    assert_eq!(of(buckets), ["/etc/udev/rules.d/70-net.rules:2 buckets"]);
    for rule in [
        "SUBSYSTEM==\"net\", SYSCTL{net/netfilter/nf_conntrack_max}=\"65536\"",
        "ACTION==\"remove\", SUBSYSTEM==\"net\", SYSCTL{net/netfilter/nf_conntrack_max}=\"5\"",
        "SUBSYSTEM==\"net\", RUN+=\"/usr/sbin/modprobe nf_conntrack_ftp\"",
        "SUBSYSTEM==\"module\", KERNEL==\"nf_conntrack_ftp\", RUN+=\"/usr/lib/systemd/systemd-sysctl --prefix=/net/netfilter\"",
    ] {
        assert_eq!(of(rule), [""; 0], "{rule}");
    }
}

const UNIT: &str = "/etc/systemd/system/tune.service";

/// A machine with a unit of the administrator, and what enables it.
fn with_unit(text: &str, link: Option<&str>) -> Machine {
    let wants = ["multi-user.target.wants", "timers.target.wants", "docker.service.requires"];
    let directories = wants.map(|name| (format!("/etc/systemd/system/{name}"), Entry::Directory));
    let machine = directories.into_iter().fold(machine(), |machine, (path, entry)| machine.entry(path, entry));
    let machine = machine.file(UNIT, text);
    match link {
        Some(link) => machine.entry(format!("/etc/systemd/system/{link}"), Entry::Program),
        None => machine,
    }
}

#[test]
fn a_unit_counts_where_it_is_enabled() {
    let unit = format!("[Unit]\nDescription=net.netfilter.nf_conntrack_max\n[Service]\nExecStart=-/sbin/{LINE}");
    let expected = [format!("{UNIT}:4 max")];
    assert_eq!(in_doubt(&with_unit(&unit, None)), [""; 0]);
    for link in [
        "multi-user.target.wants/tune.service",
        "timers.target.wants/tune.timer",
        "docker.service.requires/tune.service",
    ] {
        let machine = with_unit(&unit, Some(link));
        assert_eq!(in_doubt(&machine), expected, "{link}");
        assert_eq!(in_doubt_under(&machine, &SYSVINIT), [""; 0]);
    }
    let enabled = Some("multi-user.target.wants/tune.service");
    assert_eq!(
        in_doubt(&with_unit("ExecStart=/sbin/sysctl -w net.netfilter.nf_conntrack_max=65536\n", enabled)),
        [""; 0]
    );
    let continued = "ExecStart=/bin/sh -c \\\n  'sysctl -w net.netfilter.nf_conntrack_max=5'\n";
    assert_eq!(in_doubt(&with_unit(continued, enabled)), [format!("{UNIT}:2 max")]);
    let script = with_unit("ExecStart=/bin/bash /opt/fw.sh start\n", enabled).file("/opt/fw.sh", LINE);
    assert_eq!(in_doubt(&script), ["/opt/fw.sh:1 max"]);
}

#[test]
fn a_unit_counts_where_another_unit_or_a_script_starts_it() {
    let unit = format!("[Service]\nExecStart=/sbin/{LINE}");
    let expected = [format!("{UNIT}:2 max")];
    let other = |line: &str| {
        let text = format!("[Unit]\n{line}\n[Service]\nExecStart=/bin/true\n");
        with_unit(&unit, None).file("/etc/systemd/system/other.service", &text)
    };
    assert_eq!(in_doubt(&other("OnSuccess=tune.service")), expected);
    assert_eq!(in_doubt(&other("OnFailure=mail.service tune.service")), expected);
    assert_eq!(in_doubt(&other("After=tune.service")), [""; 0]);
    let script = |line: &str| in_doubt(&with_unit(&unit, None).file("/etc/rc.local", line));
    assert_eq!(script("systemctl restart tune\n"), expected);
    assert_eq!(script("/bin/systemctl --no-block start tune.service || true\n"), expected);
    assert_eq!(script("systemctl stop tune\n"), [""; 0]);
}

#[test]
fn a_unit_of_a_package_counts_where_it_is_enabled() {
    let unit = "/usr/lib/systemd/system/tune.service";
    let text = format!("[Service]\nExecStart=/sbin/{LINE}");
    let package = |link: &str| {
        let directory = Path::new(link).parent().expect("it is in a directory");
        machine().file(unit, &text).entry(directory, Entry::Directory).entry(link, Entry::Program)
    };
    for link in [
        "/etc/systemd/system/multi-user.target.wants/tune.service",
        "/etc/systemd/system/timers.target.wants/tune.timer",
        "/usr/lib/systemd/system/multi-user.target.wants/tune.service",
    ] {
        let enabled = package(link);
        assert_eq!(in_doubt(&enabled), [format!("{unit}:2 max")], "{link}");
        let masked = enabled.clone().entry("/etc/systemd/system/tune.service", Entry::Null);
        assert_eq!(in_doubt(&masked), [""; 0], "{link}");
        let replaced = enabled.file("/etc/systemd/system/tune.service", "[Service]\nExecStart=/bin/true\n");
        assert_eq!(in_doubt(&replaced), [""; 0], "{link}");
    }
    assert_eq!(in_doubt(&machine().file(unit, &text)), [""; 0]);
    let request = package("/etc/systemd/system/timers.target.wants/check.timer")
        .file("/usr/lib/systemd/system/check.service", "[Service]\nExecStart=/usr/bin/check /etc/check/request.json\n")
        .file("/etc/check/request.json", "{\"settings\": {\"nf_conntrack_max\": 5}}\n");
    assert_eq!(in_doubt(&request), [""; 0]);
    let instance = package("/etc/systemd/system/multi-user.target.wants/tune@eth0.service");
    let template = "/usr/lib/systemd/system/tune@.service";
    assert_eq!(in_doubt(&instance.file(template, &text)), [format!("{template}:2 max")]);
}

#[test]
fn a_unit_of_a_package_counts_where_another_unit_starts_it() {
    let packages = "/usr/lib/systemd/system";
    let unit = format!("{packages}/tune.service");
    let text = format!("[Service]\nExecStart=/sbin/{LINE}");
    let wants = "/etc/systemd/system/multi-user.target.wants";
    let enabled = |name: &str| {
        let machine = machine().file(&unit, &text).entry(wants, Entry::Directory);
        machine.entry(format!("{wants}/{name}"), Entry::Program)
    };
    let front = enabled("front.service").file(format!("{packages}/front.service"), "[Unit]\nWants=tune.service\n");
    let target = enabled("site.target").file(format!("{packages}/site.target"), "[Unit]\nRequires=tune.service\n");
    let linked = enabled("site.target").entry(format!("{packages}/site.target.wants/tune.service"), Entry::Program);
    let timed = enabled("site.timer").file(format!("{packages}/site.timer"), "[Timer]\nUnit=tune.service\n");
    let by_own = machine().file(&unit, &text).file("/etc/rc.local", "systemctl start tune\n");
    for machine in [front, target, linked, timed, by_own] {
        assert_eq!(in_doubt(&machine), [format!("{unit}:2 max")]);
    }
    assert_eq!(in_doubt(&enabled("site.service")), [""; 0]);
    let with_drop_in = |name: &str| {
        let drop_in = format!("{packages}/{name}.d");
        let machine = enabled("front.service").entry(&drop_in, Entry::Directory);
        machine.file(format!("{drop_in}/tune.conf"), &format!("[Service]\nExecStartPre=/sbin/{LINE}"))
    };
    for name in ["front.service", "cron.service"] {
        assert_eq!(in_doubt(&with_drop_in(name)), [format!("{packages}/{name}.d/tune.conf:2 max")]);
    }
    assert_eq!(in_doubt(&with_drop_in("other.service")), [""; 0]);
}

#[test]
fn a_drop_in_of_any_unit_counts() {
    let directory = "/etc/systemd/system/nftables.service.d";
    let machine = machine().entry(directory, Entry::Directory);
    let with = machine.file(format!("{directory}/tune.conf"), &format!("[Service]\nExecStartPost=/sbin/{LINE}"));
    assert_eq!(in_doubt(&with), [format!("{directory}/tune.conf:2 max")]);
}

/// A root on disk that boots with systemd and holds the limit.
fn root() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let files = [
        ("usr/lib/systemd/systemd-sysctl", ""),
        ("etc/modules-load.d/a.conf", "nf_conntrack\n"),
        ("etc/sysctl.d/90-conntrack.conf", "net.netfilter.nf_conntrack_max = 65536\n"),
    ];
    for (path, text) in files {
        write(directory.path(), path, text, 0o644);
    }
    directory
}

fn write(root: &Path, path: &str, text: &str, mode: u32) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("it is no root")).expect("a directory can be made");
    fs::write(&path, text).expect("a file can be written");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode can be set");
}

/// The verdict of a check on the limit, with the places of the doubts.
fn checked(root: &Path) -> (Verdict, BTreeSet<String>) {
    let request = r#"{"settings": {"nf_conntrack_max": 65536}}"#;
    let (report, _) = Run::new(&["check"]).root(root).input(request).report();
    let doubts = report.settings[0].doubts.iter().filter_map(conntrack_sysctl::report::DoubtReport::place);
    (report.settings[0].verdict, doubts.collect())
}

#[test]
fn only_what_can_be_executed_or_is_enabled_counts() {
    let root = root();
    let root = root.path();
    write(root, "etc/rc.local", LINE, 0o644);
    write(root, "etc/network/if-up.d/tune", LINE, 0o644);
    let vendor = "/usr/lib/systemd/system/vendor.service";
    write(root, &vendor[1..], &format!("ExecStart=/sbin/{LINE}"), 0o644);
    write(root, "etc/systemd/system/own.service", &format!("[Service]\nExecStart=/sbin/{LINE}"), 0o644);
    let wants = root.join("etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants).expect("a directory can be made");
    let link = |target: &str, name: &str| symlink(target, wants.join(name)).expect("a link can be made");
    symlink(vendor, root.join("etc/systemd/system/alias.service")).expect("a link");
    assert_eq!(checked(root), (Verdict::InSync, BTreeSet::new()));
    link(vendor, "vendor.service");
    assert_eq!(checked(root), (Verdict::Unknown, BTreeSet::from([format!("{vendor}:1")])));
    let mask = root.join("etc/systemd/system/vendor.service");
    symlink("/dev/null", &mask).expect("a link can be made");
    assert_eq!(checked(root), (Verdict::InSync, BTreeSet::new()));
    link("/etc/systemd/system/own.service", "own.service");
    let own = "/etc/systemd/system/own.service:2".to_owned();
    assert_eq!(checked(root), (Verdict::Unknown, BTreeSet::from([own.clone()])));
    write(root, "etc/rc.local", &format!("#!/bin/sh\n\n/opt/a/tune.sh\n{LINE}"), 0o755);
    write(root, "opt/a/tune.sh", "#!/bin/sh\nsysctl -p /opt/a/sysctl.conf\n", 0o755);
    write(root, "opt/a/sysctl.conf", "net.netfilter.nf_conntrack_max=6\n", 0o644);
    let expected = BTreeSet::from([own, "/etc/rc.local:4".to_owned(), "/opt/a/tune.sh:2".to_owned()]);
    assert_eq!(checked(root), (Verdict::Unknown, expected));
}

#[test]
fn a_fifo_a_loop_and_a_large_file_hold_nobody_up() {
    let root = root();
    let root = root.path();
    for directory in ["etc/network/if-up.d", "etc/cron.d", "etc/systemd/system", "usr/lib/tmpfiles.d"] {
        let directory = root.join(directory);
        fs::create_dir_all(&directory).expect("a directory can be made");
        let made = Command::new("mkfifo").arg(directory.join("a.service")).arg(directory.join("a.conf")).status();
        assert!(made.expect("mkfifo starts").success());
        symlink("loop.service", directory.join("loop.service")).expect("a link can be made");
        let huge = fs::File::create(directory.join("huge.service")).expect("a file can be made");
        huge.set_len(1 << 40).expect("it can have a hole");
    }
    symlink("rc.local", root.join("etc/rc.local")).expect("a link can be made");
    // A job may stand in the large file.
    assert_eq!(checked(root).0, Verdict::Unknown);
    fs::remove_file(root.join("etc/cron.d/huge.service")).expect("a file can be removed");
    // systemd-tmpfiles waits for a FIFO, but cron and the others leave it out.
    assert_eq!(checked(root).0, Verdict::Unknown);
    fs::remove_file(root.join("usr/lib/tmpfiles.d/a.conf")).expect("a file can be removed");
    assert_eq!(checked(root).0, Verdict::InSync);
}

privileged!(a_line_that_a_shell_changes_a_setting_with_leaves_a_doubt, || {
    inside("scripts::a_line_that_a_shell_changes_a_setting_with_leaves_a_doubt", judge);
});

/// Lines of words that meet in every order, as a shell of the world runs them.
fn judge() {
    const WORDS: [&str; 26] = [
        "sysctl -w net.netfilter.nf_conntrack_udp_timeout=5 ",
        "/sbin/sysctl -q -e net/netfilter/nf_conntrack_udp_timeout=5 ",
        "sysctl -w \"net.netfilter.nf_conntrack_udp_timeout=33\" ",
        "echo 5 > /proc/sys/net/netfilter/nf_conntrack_udp_timeout ",
        "echo -n 33 >/proc/sys/net/netfilter/nf_conntrack_udp_timeout ",
        "echo 5 | tee /proc/sys/net/netfilter/nf_conntrack_udp_timeout ",
        "cat /proc/sys/net/netfilter/nf_conntrack_udp_timeout ",
        "cd /proc/sys/net/netfilter; echo 5 > nf_conntrack_udp_timeout ",
        "sysctl ",
        "sysctl -w ",
        "echo ",
        "sh -c '",
        "'",
        "\"",
        "5 ",
        "0x21 ",
        "> ",
        ">> ",
        ">/dev/null ",
        "2>&1 ",
        "; ",
        "&& ",
        "|| ",
        "| ",
        "# ",
        "net.netfilter.nf_conntrack_udp_timeout=6 ",
    ];
    let key = "/proc/sys/net/netfilter/nf_conntrack_udp_timeout";
    let home = std::env::var("HOME").expect("a world has a home");
    let lines = proptest::collection::vec(proptest::sample::select(&WORDS[..]), 0..5).prop_map(|words| words.concat());
    let changed = Cell::new(0);
    let mut runner = TestRunner::new(Config { cases: 1500, failure_persistence: None, ..Config::default() });
    runner
        .run(&lines, |line| {
            fs::write(key, "33\n").expect("the key can be written");
            let ended = Command::new("sh").args(["-c", &line]).current_dir(&home).stdin(Stdio::null()).output();
            ended.expect("sh starts");
            let is_changed = fs::read_to_string(key).expect("the key can be read").trim() != "33";
            changed.set(changed.get() + u32::from(is_changed));
            let told = in_doubt(&machine().file("/etc/rc.local", &format!("#!/bin/sh\n{line}\n")));
            prop_assert!(!is_changed || !told.is_empty(), "{}", line);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(changed.get() > 30, "only {} lines changed the setting", changed.get());
}
