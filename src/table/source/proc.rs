//! Reads what the kernel says of the table: numbers, counters, sizes, namespaces. What cannot be read is listed, and
//! the rest is given.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::kernel::catalog::{self, BUCKETS, COUNT, MAX};
use crate::kernel::sizes::ENTRY_BYTES;
use crate::table::model::counters::{self, Counters, Names};
use crate::table::source::netlink;

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unread {
    /// What is not known for that reason.
    pub what: String,
    /// Why.
    pub why: String,
}

impl Unread {
    /// `what` is not known because of `why`.
    pub fn new(what: impl Into<String>, why: impl Into<String>) -> Unread {
        Unread { what: what.into(), why: why.into() }
    }
}

/// One reading of the numbers that change.
#[derive(Clone, Debug)]
pub struct Reading {
    /// When, on the clock that only runs forward.
    pub at: Instant,
    /// The entries in the table of this network namespace.
    pub count: Option<u64>,
    /// The limit; 0: none.
    pub limit: Option<u64>,
    /// The counters of connection tracking.
    pub counters: Option<Counters>,
    /// What could not be read.
    pub unread: Vec<Unread>,
}

/// Reads the numbers that change.
#[must_use]
pub fn read() -> Reading {
    let at = Instant::now();
    let mut unread = Vec::new();
    let (mut count, mut limit) = (sysctl(COUNT), sysctl(MAX));
    let counters = read_counters(&mut unread);
    if count.is_none() || limit.is_none() {
        // A container may hide /proc/sys; the socket of this namespace still answers.
        match netlink::totals() {
            Ok((entries, most)) => (count, limit) = (count.or(Some(entries)), limit.or(most)),
            Err(error) => {
                count = count.or(counters.as_ref().and_then(|counters| counters.entries));
                let why = if no_conntrack() {
                    "connection tracking is not loaded in this kernel: no nf_conntrack_* key, and no table".to_owned()
                } else {
                    format!("the kernel has no such key here, and its socket says: {error}")
                };
                for (name, number) in [("the number of entries", count), ("the limit", limit)] {
                    if number.is_none() {
                        unread.push(Unread::new(name, why.as_str()));
                    }
                }
            }
        }
    }
    Reading { at, count, limit, counters, unread }
}

fn no_conntrack() -> bool {
    !["/proc/sys/net/netfilter/nf_conntrack_max", "/proc/net/stat/nf_conntrack", "/proc/net/nf_conntrack"]
        .iter()
        .chain(&["/proc/net/ip_conntrack", "/proc/sys/net/ipv4/netfilter/ip_conntrack_max"])
        .any(|path| Path::new(path).exists())
}

fn read_counters(unread: &mut Vec<Unread>) -> Option<Counters> {
    let files = ["/proc/net/stat/nf_conntrack", "/proc/net/stat/ip_conntrack"];
    let file = files.iter().find_map(|path| Counters::parse(&std::fs::read_to_string(path).ok()?));
    if file.is_some() {
        return file;
    }
    match netlink::counters() {
        Ok(counters) => Some(counters),
        Err(error) => {
            let why = format!("`{}` is not there, and the kernel's socket says: {error}", files[0]);
            unread.push(Unread::new("the counters of connection tracking", why));
            None
        }
    }
}

/// The number in the live setting `name`, under whichever of its names the kernel has.
#[must_use]
pub fn sysctl(name: &str) -> Option<u64> {
    let setting = catalog::by_key(name)?;
    setting.keys().find_map(|key| number(Path::new("/proc/sys").join(key.replace('.', "/"))))
}

fn number(path: impl AsRef<Path>) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The live timeouts in seconds, by the canonical name of the setting.
#[must_use]
pub fn timeouts() -> BTreeMap<String, u32> {
    let settings = catalog::CATALOG.iter().filter(|setting| setting.name.contains("_timeout"));
    let live = settings.filter_map(|setting| {
        let seconds = u32::try_from(sysctl(&setting.name)?).ok()?;
        Some((setting.name.to_string(), seconds))
    });
    live.collect()
}

/// The sizes that change only by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The buckets of the hash table.
    pub buckets: Option<u64>,
    /// The bytes that an entry takes in the kernel's slabs, and whether the kernel said so.
    pub entry_bytes: (u64, bool),
    /// The memory of the machine.
    pub memory: Option<u64>,
    /// Whether the limit can be written from this network namespace: only the first one can.
    pub limit_is_ours: bool,
}

/// Reads the sizes.
#[must_use]
pub fn sizes() -> Sizes {
    let slab = ["nf_conntrack", "ip_conntrack"]
        .iter()
        .find_map(|name| number(Path::new("/sys/kernel/slab").join(name).join("slab_size")));
    let memory = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.trim();
        line.strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
    });
    Sizes {
        buckets: sysctl(BUCKETS).or_else(|| number("/sys/module/nf_conntrack/parameters/hashsize")),
        entry_bytes: (slab.unwrap_or(ENTRY_BYTES), slab.is_some()),
        memory,
        limit_is_ours: ["/proc/sys/net/netfilter/nf_conntrack_max", "/proc/sys/net/ipv4/netfilter/ip_conntrack_max"]
            .iter()
            .any(|path| std::fs::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o200 != 0)),
    }
}

/// The drop counters outside of connection tracking: which other door may be shut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elsewhere {
    /// Of TCP and IP in this network namespace.
    pub network: Names,
    /// Of the CPUs' input queues, for the machine.
    pub softnet: Names,
    /// Of the interfaces of this network namespace.
    pub interfaces: Names,
}

/// Reads them.
pub fn elsewhere(unread: &mut Vec<Unread>) -> Elsewhere {
    let mut text = |path: &str| {
        std::fs::read_to_string(path).unwrap_or_else(|error| {
            unread.push(Unread::new("some counters of lost packets", format!("`{path}`: {error}")));
            String::new()
        })
    };
    let mut network = counters::parse_netstat(&text("/proc/net/netstat"));
    network.extend(counters::parse_netstat(&text("/proc/net/snmp")));
    Elsewhere {
        network,
        softnet: counters::parse_softnet(&text("/proc/net/softnet_stat")),
        interfaces: counters::parse_interfaces(&text("/proc/net/dev")),
    }
}

/// A network namespace of this machine. Each has a table of its own; the limit is one number for all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Namespace {
    /// Its number, as in the kernel's messages (`in netns N`).
    pub id: u64,
    /// Its name under /run/netns; null: it has none there.
    pub name: Option<String>,
    /// A program that runs in it, with its process number; null: none does.
    pub program: Option<String>,
    /// The entries in its table; null: its table cannot be read from here.
    pub count: Option<u64>,
    /// Whether it is the one that this run looks from.
    pub own: bool,
}

/// The network namespaces that a process of this machine's /proc runs in, or that has a name, by number.
#[must_use]
pub fn namespaces(unread: &mut Vec<Unread>) -> Vec<Namespace> {
    let own = std::fs::metadata("/proc/self/ns/net").map(|metadata| metadata.ino()).ok();
    let named: BTreeMap<u64, String> = directory("/run/netns")
        .filter_map(|item| Some((item.metadata().ok()?.ino(), item.file_name().to_string_lossy().into_owned())))
        .collect();
    let mut found: BTreeMap<u64, Namespace> = BTreeMap::new();
    let mut hidden = 0_u64;
    for item in directory("/proc") {
        let name = item.file_name();
        let Some(pid) = name.to_str().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) else { continue };
        let process = item.path();
        let id = match std::fs::read_link(process.join("ns/net")) {
            Ok(link) => link.to_str().and_then(|link| link.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok()),
            Err(error) => {
                hidden += u64::from(error.kind() == io::ErrorKind::PermissionDenied);
                None
            }
        };
        let Some(id) = id else { continue };
        found.entry(id).or_insert_with(|| {
            let program = std::fs::read_to_string(process.join("comm")).unwrap_or_default();
            let program = Some(format!("{} (pid {pid})", program.trim_end()));
            let text = std::fs::read_to_string(process.join("net/stat/nf_conntrack")).unwrap_or_default();
            let count = Counters::parse(&text).and_then(|counters| counters.entries);
            Namespace { id, name: named.get(&id).cloned(), program, count, own: Some(id) == own }
        });
    }
    for (id, name) in named {
        let unseen = Namespace { id, name: Some(name), program: None, count: None, own: Some(id) == own };
        found.entry(id).or_insert(unseen);
    }
    if hidden > 0 {
        unread.push(Unread::new("some network namespaces", format!("{hidden} processes do not let this one look")));
    }
    found.into_values().collect()
}

fn directory(path: &str) -> impl Iterator<Item = std::fs::DirEntry> {
    std::fs::read_dir(path).into_iter().flatten().flatten()
}
