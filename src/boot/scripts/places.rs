//! Lists the places at which a boot finds commands, but for units: a row for each.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::{
    GENERATORS, KNOWN_SERVICES, Line, RUNS_SERVICES, WORDS, WORDS_AND_SCRIPTS, assigned, lines_of, service, units,
};
use crate::boot::systems::{ALPINE, CHIMERA, FINIT, OPENRC, OPENWRT, SYSTEMD, SYSVINIT, System, VOID, may_be_another};
use crate::tree::{Picked, Read, Tree};

/// How a file is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A shell or another interpreter runs the whole file.
    Script,
    /// The same, some time after the boot: the scripts that its lines run are not looked through.
    Periodic,
    /// A shell script reads the whole file into itself, so that it need not be executable.
    Sourced,
    /// The script of an LSB service, by a link to it.
    Service,
    /// The script of a service of OpenRC, by a link to it.
    Runlevel,
    /// The script `run` in each directory, by a link to the directory (runsv(8)).
    Supervised,
    /// Scripts run by their lines `up`, `post-up` and the like (interfaces(5)).
    Interfaces,
    /// A shell runs the commands of its lines `PreUp` and `PostUp` (wg-quick(8)).
    Tunnel,
    /// Each line is a job (crontab(5)).
    Jobs,
    /// A command stands behind the third colon of a line (inittab(5)).
    Inittab,
    /// A program runs the commands that its configuration names.
    Configuration,
    /// A unit that systemd gets from a container's description: its lines `Exec` are commands (podman-systemd.unit(5)).
    Container,
    /// Each line assigns a value to a file of /sys (sysfs.conf).
    Sysfs,
    /// Each line assigns a value to a sysctl; other lines are about other things (saptune-note(5)).
    Sysctls,
    /// A variable names the keys of which the service iptables loads the lines of sysctl.d again, after its rules.
    Iptables,
}

/// The init systems that look at a place.
enum On {
    All,
    /// All but systemd.
    Others,
    These(fn(&System) -> bool),
}

/// One place at which a boot finds commands.
pub(super) struct Source {
    path: &'static str,
    suffix: &'static str,
    pub(super) kind: Kind,
    on: On,
    /// The file without which it is not read: a machine of another kind has something else there.
    sign: Option<&'static str>,
}

const fn of(kind: Kind, path: &'static str) -> Source {
    Source { path, suffix: "", kind, on: On::All, sign: None }
}

const fn on(systems: fn(&System) -> bool, kind: Kind, path: &'static str) -> Source {
    Source { on: On::These(systems), ..of(kind, path) }
}

const WITH_INITTAB: fn(&System) -> bool = |system| [&SYSVINIT, &OPENRC, &ALPINE].contains(&system);
const WITH_CONF_D: fn(&System) -> bool = |system| [&OPENRC, &ALPINE].contains(&system);
const WITH_RUNIT: fn(&System) -> bool = |system| [&SYSVINIT, &VOID].contains(&system);

/// The scripts of distributions that run the loader: that of Void's boot, and that of OpenWrt for what the files say about a
/// device that comes.
const OF_LOADER: [&str; 2] = ["/etc/runit/core-services/08-sysctl.sh", "/etc/hotplug.d/net/00-sysctl"];

/// What only OpenWrt has. Its boot runs rc.local whether it is executable or not.
const OF_OPENWRT: &str = "/etc/openwrt_release";

/// The script of a service in its directory.
const RUN: &str = "run";

/// Every place but the units.
pub(super) const SOURCES: &[Source] = &[
    of(Kind::Script, "/etc/rc.local"),
    of(Kind::Script, "/etc/rc.d/rc.local"),
    of(Kind::Script, "/etc/network/if-pre-up.d"),
    of(Kind::Script, "/etc/network/if-up.d"),
    of(Kind::Script, "/etc/networkd-dispatcher/carrier.d"),
    of(Kind::Script, "/etc/networkd-dispatcher/configured.d"),
    of(Kind::Script, "/etc/networkd-dispatcher/configuring.d"),
    of(Kind::Script, "/etc/networkd-dispatcher/degraded.d"),
    of(Kind::Script, "/etc/networkd-dispatcher/no-carrier.d"),
    of(Kind::Script, "/etc/networkd-dispatcher/off.d"),
    of(Kind::Script, "/etc/networkd-dispatcher/routable.d"),
    of(Kind::Script, "/etc/NetworkManager/dispatcher.d"),
    of(Kind::Script, "/etc/NetworkManager/dispatcher.d/no-wait.d"),
    of(Kind::Script, "/etc/NetworkManager/dispatcher.d/pre-up.d"),
    of(Kind::Script, "/usr/lib/NetworkManager/dispatcher.d"),
    of(Kind::Script, "/usr/lib/NetworkManager/dispatcher.d/no-wait.d"),
    of(Kind::Script, "/usr/lib/NetworkManager/dispatcher.d/pre-up.d"),
    of(Kind::Script, "/usr/lib/networkd-dispatcher/configured.d"),
    of(Kind::Script, "/usr/lib/networkd-dispatcher/routable.d"),
    of(Kind::Script, "/etc/ppp/ip-up.d"),
    of(Kind::Script, "/etc/ppp/ip-pre-up"),
    of(Kind::Script, "/etc/ppp/ip-up"),
    of(Kind::Script, "/etc/ppp/ip-up.local"),
    of(Kind::Script, "/etc/ppp/ipv6-up"),
    of(Kind::Script, "/etc/ppp/ipv6-up.d"),
    of(Kind::Script, "/etc/ppp/ipv6-up.local"),
    // The network scripts of RHEL and of SUSE.
    of(Kind::Script, "/sbin/ifup-local"),
    of(Kind::Script, "/sbin/ifup-pre-local"),
    of(Kind::Sourced, "/etc/sysconfig/network-scripts"),
    of(Kind::Script, "/etc/sysconfig/network/scripts"),
    of(Kind::Script, "/etc/sysconfig/network/if-up.d"),
    of(Kind::Iptables, "/etc/sysconfig/iptables-config"),
    of(Kind::Script, "/etc/resolvconf/update.d"),
    of(Kind::Script, "/etc/ifplugd/action.d"),
    of(Kind::Script, "/etc/netplug.d"),
    of(Kind::Script, "/etc/ppp/ip-pre-up.d"),
    of(Kind::Script, "/etc/resolvconf/update-libc.d"),
    of(Kind::Script, "/etc/vpnc/post-connect.d"),
    of(Kind::Script, "/etc/udhcpc"),
    of(Kind::Script, "/etc/udhcpc/post-bound"),
    of(Kind::Sourced, "/etc/dhcp/dhclient-enter-hooks.d"),
    of(Kind::Sourced, "/etc/dhcp/dhclient-exit-hooks.d"),
    of(Kind::Sourced, "/etc/dhcpcd.enter-hook"),
    of(Kind::Sourced, "/etc/dhcpcd.exit-hook"),
    of(Kind::Script, "/etc/libvirt/hooks"),
    of(Kind::Script, "/etc/libvirt/hooks/network.d"),
    of(Kind::Script, "/etc/libvirt/hooks/qemu.d"),
    of(Kind::Script, "/etc/init.d/boot.local"),
    of(Kind::Script, "/etc/init.d/after.local"),
    of(Kind::Script, "/usr/share/netfilter-persistent/plugins.d"),
    of(Kind::Sourced, "/etc/shorewall"),
    of(Kind::Sourced, "/etc/shorewall6"),
    of(Kind::Configuration, "/etc/ferm"),
    of(Kind::Configuration, "/etc/keepalived"),
    of(Kind::Configuration, "/etc/monit/conf-enabled"),
    of(Kind::Configuration, "/etc/monit/conf.d"),
    of(Kind::Configuration, "/etc/monit/monitrc"),
    of(Kind::Configuration, "/etc/monit.d"),
    of(Kind::Configuration, "/etc/monitrc"),
    of(Kind::Configuration, "/etc/openvpn"),
    of(Kind::Configuration, "/etc/openvpn/client"),
    of(Kind::Configuration, "/etc/openvpn/server"),
    of(Kind::Configuration, "/etc/supervisor/conf.d"),
    of(Kind::Configuration, "/etc/supervisor/supervisord.conf"),
    of(Kind::Configuration, "/etc/supervisord.conf"),
    of(Kind::Configuration, "/etc/supervisord.d"),
    of(Kind::Script, "/etc/csf/csfpre.sh"),
    of(Kind::Script, "/etc/csf/csfpost.sh"),
    // The configurations of these firewalls are scripts.
    of(Kind::Sourced, "/etc/firehol/firehol.conf"),
    of(Kind::Sourced, "/etc/firehol/services"),
    of(Kind::Sourced, "/etc/arno-iptables-firewall/custom-rules"),
    of(Kind::Sourced, "/etc/arno-iptables-firewall/conf.d"),
    of(Kind::Sourced, "/etc/apf-firewall/preroute.rules"),
    of(Kind::Sourced, "/etc/apf-firewall/postroute.rules"),
    of(Kind::Sourced, "/etc/uruk/rc"),
    // The scripts of appliances.
    of(Kind::Script, "/config/scripts"),
    of(Kind::Script, "/config/scripts/post-config.d"),
    of(Kind::Script, "/config/scripts/pre-config.d"),
    of(Kind::Script, "/data/on_boot.d"),
    of(Kind::Script, "/var/lib/dietpi/postboot.d"),
    of(Kind::Container, "/etc/containers/systemd"),
    of(Kind::Container, "/usr/share/containers/systemd"),
    of(Kind::Sysctls, "/etc/saptune/extra"),
    of(Kind::Sysctls, "/etc/saptune/override"),
    of(Kind::Sysfs, "/etc/sysfs.conf"),
    of(Kind::Sysfs, "/etc/sysfs.d"),
    of(Kind::Script, GENERATORS[0]),
    of(Kind::Script, GENERATORS[1]),
    // systemd starts the services of all four, and sysvinit those of one, which /etc/inittab names.
    of(Kind::Service, "/etc/rc2.d"),
    of(Kind::Service, "/etc/rc3.d"),
    of(Kind::Service, "/etc/rc4.d"),
    of(Kind::Service, "/etc/rc5.d"),
    // systemd passes over the services that start first.
    Source { on: On::Others, ..of(Kind::Service, "/etc/rcS.d") },
    Source { suffix: ".conf", ..of(Kind::Tunnel, "/etc/wireguard") },
    of(Kind::Script, "/etc/ufw/before.init"),
    of(Kind::Script, "/etc/ufw/after.init"),
    of(Kind::Script, "/var/lib/cloud/scripts/per-boot"),
    Source { suffix: ".start", on: On::Others, ..of(Kind::Script, "/etc/local.d") },
    on(WITH_INITTAB, Kind::Inittab, "/etc/inittab"),
    on(WITH_INITTAB, Kind::Runlevel, "/etc/runlevels/boot"),
    on(WITH_INITTAB, Kind::Runlevel, "/etc/runlevels/default"),
    on(WITH_INITTAB, Kind::Runlevel, "/etc/runlevels/sysinit"),
    on(WITH_RUNIT, Kind::Supervised, "/etc/runit/runsvdir/default"),
    on(|system| *system == VOID, Kind::Sourced, "/etc/runit/core-services"),
    on(|system| *system == OPENWRT, Kind::Service, "/etc/rc.d"),
    on(|system| *system == OPENWRT, Kind::Sourced, "/etc/firewall.user"),
    Source { sign: Some(OF_OPENWRT), ..on(|system| *system == OPENWRT, Kind::Sourced, "/etc/rc.local") },
    on(|system| *system == OPENWRT, Kind::Sourced, "/etc/udhcpc.user"),
    on(|system| *system == OPENWRT, Kind::Jobs, "/etc/crontabs/root"),
    on(WITH_CONF_D, Kind::Sourced, "/etc/conf.d"),
    on(|system| *system == ALPINE, Kind::Jobs, "/etc/crontabs/root"),
    on(|system| *system == ALPINE, Kind::Periodic, "/etc/periodic/15min"),
    on(|system| *system == ALPINE, Kind::Periodic, "/etc/periodic/hourly"),
    on(|system| *system == ALPINE, Kind::Periodic, "/etc/periodic/daily"),
    on(|system| *system == ALPINE, Kind::Periodic, "/etc/periodic/weekly"),
    on(|system| *system == ALPINE, Kind::Periodic, "/etc/periodic/monthly"),
    on(|system| *system == OPENWRT, Kind::Sourced, "/etc/hotplug.d/iface"),
    on(|system| *system == OPENWRT, Kind::Sourced, "/etc/hotplug.d/block"),
    on(|system| *system == OPENWRT, Kind::Sourced, "/etc/hotplug.d/firewall"),
    on(|system| *system == OPENWRT, Kind::Sourced, "/etc/hotplug.d/net"),
    on(|system| *system == OPENWRT, Kind::Sourced, "/etc/hotplug.d/ntp"),
    on(|system| *system == OPENWRT, Kind::Sourced, "/etc/hotplug.d/online"),
    on(|system| *system == OPENWRT, Kind::Sourced, "/etc/udhcpc.user.d"),
    on(|system| *system == OPENWRT, Kind::Sourced, "/etc/uci-defaults"),
    on(|system| *system == OPENWRT, Kind::Configuration, "/etc/config/firewall"),
    on(|system| *system == FINIT, Kind::Configuration, "/etc/finit.conf"),
    on(|system| *system == FINIT, Kind::Configuration, "/etc/finit.d"),
    on(|system| *system == FINIT, Kind::Configuration, "/etc/finit.d/enabled"),
    on(|system| *system == CHIMERA, Kind::Configuration, "/etc/dinit.d"),
    of(Kind::Interfaces, "/etc/network/interfaces"),
    of(Kind::Interfaces, "/etc/network/interfaces.d"),
    of(Kind::Jobs, "/etc/crontab"),
    of(Kind::Jobs, "/etc/cron.d"),
    of(Kind::Periodic, "/etc/cron.hourly"),
    of(Kind::Periodic, "/etc/cron.daily"),
    of(Kind::Periodic, "/etc/cron.weekly"),
    of(Kind::Periodic, "/etc/cron.monthly"),
    of(Kind::Jobs, "/var/spool/cron/crontabs/root"),
    of(Kind::Jobs, "/var/spool/cron/root"),
    of(Kind::Jobs, "/var/spool/cron/tabs/root"),
    of(Kind::Periodic, "/var/spool/cron/atjobs"),
    of(Kind::Periodic, "/var/spool/at"),
    of(Kind::Periodic, "/var/spool/atjobs"),
];

impl Source {
    /// Whether a boot of `system` looks at it.
    pub(super) fn is_of(&self, tree: &Tree, system: &System) -> bool {
        let is_systemd = *system == SYSTEMD;
        let has_program = || RUNS_SERVICES.iter().any(|program| tree.get(program).is_some());
        let is_run = self.kind != Kind::Service || !is_systemd || has_program();
        is_run
            && match self.on {
                On::All => true,
                On::Others => !is_systemd,
                On::These(systems) => systems(system),
            }
    }

    /// The read of the names in it, if it has links to LSB services.
    pub(super) fn links(&self, tree: &Tree) -> Option<Read> {
        (self.kind == Kind::Service && self.may_count(tree)).then(|| Read::Names(self.path.into()))
    }

    /// Whether the reads so far leave it open that the machine boots with a system that looks at it.
    pub(super) fn may_count(&self, tree: &Tree) -> bool {
        let is_there = self.sign.is_none_or(|path| tree.get(path).is_some());
        is_there && (!matches!(self.on, On::These(_)) || may_be_another(tree))
    }

    /// The reads of its lines. Of the links to LSB services, those to `services` are followed.
    ///
    /// Lines with one of `names` count too: they are those of programs.
    pub(super) fn reads(&self, tree: &Tree, services: &BTreeSet<&str>, names: &[String]) -> Vec<Read> {
        let directory = Path::new(self.path);
        let read = |path: &Path| self.read(path, names);
        match self.kind {
            _ if !self.may_count(tree) => Vec::new(),
            Kind::Service => {
                let links = self.files(tree).filter(|link| service(link).is_some_and(|name| services.contains(name)));
                links.map(read).collect()
            }
            Kind::Supervised => {
                let scripts = tree.in_directory(directory).map(|(service, _)| read(&service.join(RUN)));
                [Read::Names(directory.to_owned())].into_iter().chain(scripts).collect()
            }
            Kind::Interfaces => {
                sourced_directories(tree, directory).iter().map(PathBuf::as_path).chain([directory]).map(read).collect()
            }
            _ => vec![read(directory)],
        }
    }

    fn read(&self, path: &Path, names: &[String]) -> Read {
        let (files, words) = match self.kind {
            Kind::Script | Kind::Supervised => (Picked::Executable, WORDS_AND_SCRIPTS),
            Kind::Periodic | Kind::Service | Kind::Runlevel => (Picked::Executable, WORDS),
            _ => (Picked::All, WORDS_AND_SCRIPTS),
        };
        Read::Mentions { path: path.to_owned(), suffix: self.suffix, files, words, names: names.to_vec() }
    }

    /// Its files, without those that are known to start the loader.
    pub(super) fn files<'a>(&'a self, tree: &'a Tree) -> impl Iterator<Item = &'a Path> {
        let directory = Path::new(self.path);
        let own = tree.get(directory).map(|_| directory);
        let inside = tree.in_directory(directory).map(|(path, _)| path);
        let services = (self.kind == Kind::Supervised).then(|| tree.in_directory(directory));
        let scripts = services.into_iter().flatten().flat_map(|(service, _)| tree.in_directory(service));
        let scripts = scripts.map(|(path, _)| path);
        let sourced = if self.kind == Kind::Interfaces { sourced_files(tree, directory) } else { Vec::new() };
        own.into_iter().chain(inside.chain(scripts).chain(sourced).filter(|path| {
            let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            let is_known = (self.kind == Kind::Runlevel && KNOWN_SERVICES.contains(&name))
                || (self.kind == Kind::Service && service(path).is_none());
            !is_known && !OF_LOADER.iter().any(|known| *path == Path::new(known)) && name.ends_with(self.suffix)
        }))
    }

    /// The commands in its files.
    pub(super) fn lines(&self, tree: &Tree) -> Vec<Line> {
        // Of the services, only the scripts of those that a boot starts have been read.
        let files = self.files(tree).filter(|path| tree.bytes(path).is_some());
        let command = |line: &str| match self.kind {
            Kind::Script | Kind::Periodic | Kind::Sourced | Kind::Service | Kind::Runlevel | Kind::Supervised => {
                Some(line.to_owned())
            }
            Kind::Inittab => line.splitn(4, ':').nth(3).map(str::to_owned),
            Kind::Container => units::command(line),
            Kind::Sysfs => {
                let (attribute, value) = line.split_once('=')?;
                Some(format!("echo {} > /sys/{}", value.trim(), attribute.trim()))
            }
            Kind::Sysctls => {
                let (key, value) = line.split_once('=')?;
                let (key, value) = (key.trim(), value.trim());
                (key.contains(['.', '/']) && !key.contains([' ', '\t'])).then(|| format!("sysctl -w '{key}={value}'"))
            }
            Kind::Iptables => {
                let (name, keys) = assigned(line)?;
                let loads = name == "IPTABLES_SYSCTL_LOAD_LIST" && !keys.trim_matches(['"', '\'']).is_empty();
                loads.then(|| "sysctl -p /etc/sysctl.d/*.conf".to_owned())
            }
            Kind::Configuration => Some(assigned(line).map_or(line, |(_, command)| command).to_owned()),
            Kind::Tunnel => {
                let (option, command) = line.split_once('=')?;
                let is_up = ["preup", "postup"].contains(&option.trim().to_ascii_lowercase().as_str());
                is_up.then(|| command.trim().to_owned())
            }
            Kind::Interfaces => {
                let (option, command) = line.split_once([' ', '\t'])?;
                ["up", "pre-up", "post-up"].contains(&option).then(|| command.to_owned())
            }
            // The times of a job stand before its command.
            Kind::Jobs => {
                let is_at_boot = line.starts_with('@');
                let times = if is_at_boot { 1 } else { 5 };
                // The scripts of the other jobs are not looked through.
                let counts = is_at_boot || WORDS.iter().any(|word| line.contains(word));
                counts.then(|| line.split_whitespace().skip(times).collect::<Vec<_>>().join(" "))
            }
        };
        files.flat_map(|file| lines_of(tree, file, command)).collect()
    }
}

/// The directories from which a file of interfaces(5) takes other files.
fn sourced_directories(tree: &Tree, file: &Path) -> Vec<PathBuf> {
    let text = tree.text(file);
    // A relative path is one beside the file.
    let beside = |path: &str| file.parent().unwrap_or(file).join(path.trim());
    let of_line = |line: &str| match line.trim().split_once([' ', '\t'])? {
        ("source", pattern) => Some(beside(pattern).parent()?.to_owned()),
        ("source-directory", directory) => Some(beside(directory)),
        _ => None,
    };
    let is_plain = |path: &PathBuf| !path.to_string_lossy().contains(['*', '?', '[']);
    text.lines().filter_map(of_line).filter(is_plain).collect()
}

/// The files in these directories.
fn sourced_files<'a>(tree: &'a Tree, file: &Path) -> Vec<&'a Path> {
    let directories = sourced_directories(tree, file).into_iter();
    directories.flat_map(|directory| tree.in_directory(&directory)).map(|(path, _)| path).collect()
}
