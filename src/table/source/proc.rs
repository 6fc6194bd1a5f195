//! Reads the numbers, counters and sizes in /proc and /sys. A reading that fails is listed as [`Unread`]; the others are
//! given.

pub mod container;
pub mod counters;
pub mod drivers;
pub mod listeners;
pub mod namespaces;
pub mod processes;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rustix::buffer::spare_capacity;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::kernel::catalog::{self, BUCKETS, COUNT, MAX, Name};
use crate::kernel::modules::HASHSIZE;
use crate::order::InOrder;
use crate::table::model::counters::{Counters, Counts};
use crate::table::model::entry::TableEntry;
use crate::table::model::reading::{LossCounters, Quantity, ReadError, Reading, Sizes, Unread};
use crate::table::source::presence::{self, Ctnetlink};
use crate::table::source::{netlink, saved};

/// The sysctl files of the limit: today's, and that of old kernels.
const LIMITS: [&str; 2] = ["/proc/sys/net/netfilter/nf_conntrack_max", "/proc/sys/net/ipv4/netfilter/ip_conntrack_max"];

/// The files of connection tracking's counters: today's, and that of old kernels.
const STATISTICS: [&str; 2] = ["/proc/net/stat/nf_conntrack", "/proc/net/stat/ip_conntrack"];

/// The files of the table: today's, and that of old kernels.
pub const TABLES: [&str; 2] = ["/proc/net/nf_conntrack", "/proc/net/ip_conntrack"];

/// The bytes of nearly every file in /proc that is read here.
const FILE: usize = 8 << 10;

/// The text of a file in /proc or /sys, in two system calls beside its opening and its end. The standard library asks for
/// the size, which these files do not have, and reads their first kilobyte in six parts.
fn text(path: impl AsRef<Path>) -> io::Result<String> {
    let file = rustix::fs::open(path.as_ref(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut bytes = Vec::with_capacity(FILE);
    loop {
        if bytes.len() == bytes.capacity() {
            bytes.reserve(bytes.len());
        }
        match rustix::io::read(&file, spare_capacity(&mut bytes)) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Gives the entries in the file `path` of the table to `each`, until `each` stops. They come in the order of the hash table,
/// as ctnetlink's do.
pub fn table(path: &str, mut each: impl FnMut(&TableEntry) -> ControlFlow<()>) -> io::Result<()> {
    let is_over = Cell::new(false);
    let source = Until { source: File::open(path)?, is_over: &is_over };
    saved::read_text(source, |entry| is_over.set(is_over.get() || each(entry).is_break()))
}

/// A file that ends where its reader has enough: a large table costs the kernel time for each line.
struct Until<'a> {
    source: File,
    is_over: &'a Cell<bool>,
}

impl io::Read for Until<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_over.get() { Ok(0) } else { self.source.read(buffer) }
    }
}

/// Reads the numbers that change.
#[must_use]
pub fn read() -> Reading {
    let at = Instant::now();
    let mut unread = Vec::new();
    let (mut count, mut limit) = (sysctl(&COUNT), sysctl(&MAX));
    if count.is_none() && !presence::has_tracking(Path::new("/")) {
        return Reading { at, is_loaded: false, count: None, limit: None, counters: None, unread };
    }
    let counters = read_counters(&mut unread);
    if count.is_none() || limit.is_none() {
        // A container may hide /proc/sys; ctnetlink still answers for this namespace.
        match Ctnetlink::find().and_then(netlink::totals) {
            Ok(totals) => (count, limit) = (count.or(Some(totals.entries)), limit.or(totals.limit)),
            Err(error) => {
                count = count.or(counters.as_ref().and_then(|counters| counters.entries));
                unread.extend(unread_quantities(count, limit, &Arc::new(error)));
            }
        }
    }
    Reading { at, is_loaded: true, count, limit, counters, unread }
}

fn unread_quantities(count: Option<u64>, limit: Option<u64>, error: &ReadError) -> Vec<Unread> {
    let unread = |quantity| Unread::Quantity(quantity, Arc::clone(error));
    let numbers = [(Quantity::Count, count), (Quantity::Limit, limit)];
    numbers.into_iter().filter(|(_, number)| number.is_none()).map(|(quantity, _)| unread(quantity)).collect()
}

fn read_counters(unread: &mut Vec<Unread>) -> Option<Counters> {
    let file = STATISTICS.iter().find_map(|path| counters::read(Path::new(path)));
    if file.is_some() {
        return file;
    }
    let answer = Ctnetlink::find().and_then(netlink::counters);
    answer.map_err(|error| unread.push(Unread::Counters(Arc::new(error)))).ok()
}

/// The number of entries at this moment.
#[must_use]
pub fn count() -> Option<u64> {
    sysctl(&COUNT)
}

/// The number in the live setting `name`, under the newest of its keys that the kernel has.
#[must_use]
pub fn sysctl(name: &Name) -> Option<u64> {
    name.keys().find_map(|key| number(Path::new("/proc/sys").join(key.path())))
}

/// All live sysctls of connection tracking, by the keys that this kernel has, with their text.
#[must_use]
pub fn conntrack_sysctls() -> BTreeMap<String, String> {
    let directories = ["/proc/sys/net/netfilter", "/proc/sys/net/ipv4/netfilter"];
    let files = directories.iter().filter_map(|directory| std::fs::read_dir(directory).ok()).flatten().flatten();
    let conntrack = files.map(|file| file.path()).filter(|path| path.to_string_lossy().contains("conntrack"));
    let read = conntrack.filter_map(|path| {
        let key = path.strip_prefix("/proc/sys").ok()?.to_str()?.replace('/', ".");
        Some((key, text(&path).ok()?.trim().to_owned()))
    });
    read.collect()
}

fn number(path: impl AsRef<Path>) -> Option<u64> {
    text(path).ok()?.trim().parse().ok()
}

/// The live timeouts in seconds, by the canonical name of the setting.
#[must_use]
pub fn timeouts() -> BTreeMap<String, u32> {
    let settings = catalog::CATALOG.iter().filter(|setting| setting.name.contains("_timeout"));
    let live = settings.filter_map(|setting| {
        let seconds = u32::try_from(sysctl(&setting.into())?).ok()?;
        Some((setting.name.to_string(), seconds))
    });
    live.into_map()
}

/// Reads the sizes, but for the memory of the machine.
#[must_use]
pub fn sizes() -> Sizes {
    let slabs = ["nf_conntrack", "ip_conntrack"].iter();
    let is_writable = |path: &str| std::fs::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o200 != 0);
    Sizes {
        buckets: sysctl(&BUCKETS).or_else(|| number(HASHSIZE)),
        entry_bytes: slabs.map(|name| Path::new("/sys/kernel/slab").join(name).join("slab_size")).find_map(number),
        bucket_bytes: None,
        memory: None,
        limit_is_ours: LIMITS.iter().any(|path| is_writable(path)),
    }
}

/// The memory of the machine. The kernel counts a lot for this file.
#[must_use]
pub fn memory() -> Option<u64> {
    let memory = text("/proc/meminfo").ok()?;
    let line = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.trim();
    line.strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Reads the counters of packets that were lost outside of connection tracking, but for those of interfaces and their
/// drivers; `names` are those of TCP, UDP and IP.
pub fn loss_counters(names: &[&str], unread: &mut Vec<Unread>) -> LossCounters {
    let mut network = counters::netstat(&losses_in("/proc/net/netstat", unread), names);
    network.extend(counters::netstat(&losses_in("/proc/net/snmp", unread), names));
    let softnet = counters::softnet(&losses_in("/proc/net/softnet_stat", unread));
    let queues = netlink::qdisc::drops().unwrap_or_else(|error| {
        unread.push(Unread::LossCounters("rtnetlink, of qdiscs".into(), Arc::new(error)));
        Counts::new()
    });
    LossCounters { network, softnet, queues, ..LossCounters::default() }
}

/// Reads the drops and errors of the interfaces.
pub fn interface_losses(unread: &mut Vec<Unread>) -> Counts {
    counters::interfaces(&losses_in("/proc/net/dev", unread))
}

/// The text of a file with counters of lost packets; none: it cannot be read.
fn losses_in(path: &'static str, unread: &mut Vec<Unread>) -> String {
    text(path).unwrap_or_else(|error| {
        unread.push(Unread::LossCounters(path.into(), Arc::new(error)));
        String::new()
    })
}
