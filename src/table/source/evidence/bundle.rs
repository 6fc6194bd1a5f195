//! Finds the saved files of one machine in a directory: one that `conntrack-sysctl collect` made, or the report of sos.
//!
//! Somebody else made the directory. So no link is followed, only plain files count, and the search is bounded.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The files that were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The table.
    pub table: PathBuf,
    /// The sysctls.
    pub sysctls: Option<PathBuf>,
    /// The counters.
    pub statistics: Option<PathBuf>,
    /// The log.
    pub log: Option<PathBuf>,
    /// The counters of packets that were lost elsewhere.
    pub losses: SavedLosses,
}

/// The saved files of counters of lost packets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedLosses {
    /// A copy of /proc/net/netstat.
    pub netstat: Option<PathBuf>,
    /// A copy of /proc/net/snmp.
    pub snmp: Option<PathBuf>,
    /// A copy of /proc/net/softnet_stat.
    pub softnet: Option<PathBuf>,
    /// What `ethtool -S` printed, for each interface.
    pub drivers: Vec<(String, PathBuf)>,
}

/// The files that have each kind of evidence, by the end of their path, the best first. `*` at the end stands for any rest of
/// a name.
///
/// The report of sos names a file after its command (`_mangle_command` in `sos/report/plugins/__init__.py`): `conntrack -L -o
/// extended` and `conntrack -S` of the plugin conntrack, `sysctl -a`, `dmesg` and `dmesg -T` of kernel, `journalctl
/// --no-pager` of logs, `dpctl/dump-conntrack -m` of openvswitch. It copies /proc/net from the process that /proc/self is.
/// What it runs in other network namespaces begins with `ip_netns_exec_`, and is left out.
const TABLES: [&str; 8] = [
    "table.txt",
    "conntrack_-L_-o_extended",
    "conntrack_-L*",
    "net/nf_conntrack",
    "net/ip_conntrack",
    "conntrack-L*",
    "conntrack.txt",
    "ovs-appctl_dpctl.dump-conntrack*",
];
const SYSCTLS: [&str; 4] = ["sysctl.txt", "kernel/sysctl_-a", "sysctl_-a*", "sysctl-a*"];
const STATISTICS: [&str; 4] = ["stat.txt", "conntrack_-S*", "net/stat/nf_conntrack", "conntrack-S*"];
const LOGS: [&str; 9] = [
    "log.txt",
    "kernel/dmesg_-T*",
    "kernel/dmesg",
    "dmesg*",
    "var/log/kern.log",
    "var/log/messages",
    "var/log/syslog",
    "logs/journalctl_--no-pager*",
    "journalctl*",
];
const NETSTAT: [&str; 2] = ["netstat.txt", "net/netstat"];
const SNMP: [&str; 2] = ["snmp.txt", "net/snmp"];
const SOFTNET: [&str; 2] = ["softnet_stat.txt", "net/softnet_stat"];
/// The beginning of the names of what `ethtool -S INTERFACE` printed.
pub const DRIVER: &str = "ethtool_-S_";
/// The interfaces of a machine that are looked at.
const INTERFACES: usize = 256;

/// The files that are looked at. A report of sos has some 10,000.
const MOST: usize = 100_000;
/// The depth of directories that are looked into.
const DEPTH: usize = 10;

/// The evidence below `directory`.
pub fn find(directory: &Path) -> io::Result<Bundle> {
    let mut files = Vec::new();
    walk(directory, 0, &mut files)?;
    files.sort();
    let find = |patterns: &[&str]| {
        let of =
            |pattern: &&str| files.iter().find(|file| ends_with(file.strip_prefix(directory).unwrap_or(file), pattern));
        patterns.iter().find_map(of).cloned()
    };
    let Some(table) = find(&TABLES) else {
        let expected = "no saved table is in it; expected a directory that `conntrack-sysctl collect` made, the report of \
                        sos, or files with names such as conntrack_-L, sysctl_-a and dmesg";
        return Err(io::Error::new(io::ErrorKind::InvalidData, expected));
    };
    let interface = |file: &PathBuf| Some(file.file_name()?.to_str()?.strip_prefix(DRIVER)?.to_owned());
    let drivers = files.iter().filter_map(|file| Some((interface(file)?, file.clone()))).take(INTERFACES).collect();
    let losses = SavedLosses { netstat: find(&NETSTAT), snmp: find(&SNMP), softnet: find(&SOFTNET), drivers };
    Ok(Bundle { table, sysctls: find(&SYSCTLS), statistics: find(&STATISTICS), log: find(&LOGS), losses })
}

fn walk(directory: &Path, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let Ok(entry) = entry else { continue };
        if files.len() >= MOST {
            break;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_file() => files.push(entry.path()),
            // A directory that cannot be read hides its files only. The tables of other namespaces are not this one.
            Ok(kind) if kind.is_dir() && depth < DEPTH && entry.file_name() != "namespaces" => {
                let _ = walk(&entry.path(), depth + 1, files);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether the last parts of `path` are those of `pattern`.
fn ends_with(path: &Path, pattern: &str) -> bool {
    let Some(start) = pattern.strip_suffix('*') else { return path.ends_with(pattern) };
    let (directory, name) = start.rsplit_once('/').unwrap_or(("", start));
    path.file_name().is_some_and(|own| own.to_string_lossy().starts_with(name))
        && path.parent().is_some_and(|parent| directory.is_empty() || parent.ends_with(directory))
}
