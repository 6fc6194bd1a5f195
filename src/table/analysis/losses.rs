//! Names the other doors at which packets are dropped, and where to look next. Pure.

use serde::{Deserialize, Serialize};

use crate::table::analysis::status::Interval;
use crate::table::model::counters::{Names, growth};
use crate::table::source::proc::Elsewhere;

/// A counter that grew while looking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drops {
    /// The counter: `TcpExt.ListenOverflows`, `eth0.rx_drop`, `softnet.dropped`, `conntrack.insert_failed`.
    pub counter: String,
    /// By how much it grew.
    pub count: u64,
    /// Whether that is more than a healthy host shows.
    pub significant: bool,
    /// What it means, and where to look next.
    pub look: String,
}

/// The counters of /proc/net/netstat and /proc/net/snmp that count lost packets, and where to look.
const NETWORK: [(&str, &str); 12] = [
    (
        "TcpExt.ListenOverflows",
        "a listening socket's accept queue is full: `ss -ltn` (Recv-Q at Send-Q); the program's backlog, \
         net.core.somaxconn",
    ),
    (
        "TcpExt.ListenDrops",
        "a listening socket refused connections: `ss -ltn`, then the program that should accept them",
    ),
    ("TcpExt.TCPReqQFullDrop", "the queue of half-open connections is full: net.ipv4.tcp_max_syn_backlog, a SYN flood"),
    ("TcpExt.TCPBacklogDrop", "a socket's backlog is full: the program or its CPU is too slow; net.core.rmem_max"),
    ("TcpExt.TCPRcvQDrop", "a socket's receive queue is full: the program is too slow, or net.ipv4.tcp_mem is reached"),
    ("TcpExt.TCPTimeWaitOverflow", "too many sockets in TIME-WAIT: net.ipv4.tcp_max_tw_buckets"),
    ("TcpExt.IPReversePathFilter", "the reverse path filter drops packets: routes, or net.ipv4.conf.*.rp_filter"),
    ("Udp.RcvbufErrors", "a UDP socket's receive buffer is full: the program is too slow; net.core.rmem_max"),
    ("Udp.MemErrors", "UDP's memory is used up: net.ipv4.udp_mem"),
    ("Ip.InDiscards", "IP threw packets away on input: memory, or the interface's queue"),
    ("Ip.OutDiscards", "IP threw packets away on output: the interface's queue (`tc -s qdisc`)"),
    ("Ip.OutNoRoutes", "there is no route: `ip route get ADDRESS`"),
];

/// Of these, and of an interface's drops, a few a second come to every host: broadcasts of others, protocols that nobody
/// here speaks, a program that tries an address again and again. That is no illness.
const STRAY: [&str; 2] = ["TcpExt.IPReversePathFilter", "Ip.OutNoRoutes"];
const STRAY_PER_SECOND: f64 = 10.0;

fn is_stray(count: u64, interval: Option<&Interval>) -> bool {
    let seconds = interval.map_or(1.0, |interval| interval.seconds.max(1.0));
    crate::text::to_f64(count) / seconds < STRAY_PER_SECOND
}

/// What was dropped outside of a full table from `before` to `after`; `interval` has connection tracking's own counters
/// of the same time, and `is_full` says whether they are the full table's.
#[must_use]
pub fn drops(before: &Elsewhere, after: &Elsewhere, interval: Option<&Interval>, is_full: bool) -> Vec<Drops> {
    let mut drops = Vec::new();
    if let Some(interval) = interval {
        drops.extend(conntrack(interval, is_full));
    }
    let network = growth(&before.network, &after.network);
    for (name, look) in NETWORK {
        let is_stray = |count: u64| STRAY.contains(&name) && is_stray(count, interval);
        drops.extend(network.get(name).map(|count| drop_of(name.to_owned(), *count, !is_stray(*count), look)));
    }
    for (name, count) in growth(&before.softnet, &after.softnet) {
        let dropped = name == "dropped";
        let look = if dropped {
            "a CPU's input queue is full: net.core.netdev_max_backlog, spread of interrupts (RPS)"
        } else {
            "a CPU ran out of its budget and went on later: net.core.netdev_budget; nothing is lost by that"
        };
        drops.push(drop_of(format!("softnet.{name}"), count, dropped, look));
    }
    drops.extend(interfaces(&growth(&before.interfaces, &after.interfaces), interval));
    drops
}

fn drop_of(counter: String, count: u64, significant: bool, look: impl Into<String>) -> Drops {
    Drops { counter, count, significant, look: look.into() }
}

fn interfaces(grown: &Names, interval: Option<&Interval>) -> Vec<Drops> {
    let named = grown.iter().map(|(name, count)| {
        let interface = name.rsplit_once('.').map_or(name.as_str(), |(interface, _)| interface);
        let look = format!("the interface or its driver drops packets: `ip -s -s link show {interface}`, `ethtool -S`");
        drop_of(name.clone(), *count, !is_stray(*count, interval), look)
    });
    named.collect()
}

/// What connection tracking dropped for reasons other than its limit.
fn conntrack(interval: &Interval, is_full: bool) -> Vec<Drops> {
    let looks = [
        (
            "drop",
            !is_full,
            "connection tracking refused packets although its table has room: a protocol's tracker, or a clash of two \
             packets of one new connection",
        ),
        (
            "insert_failed",
            true,
            "entries could not be inserted: two packets of one connection at once (DNS over UDP is the usual one), or \
             NAT has no free port",
        ),
        ("chain_toolong", true, "chains of the hash table are too long: raise nf_conntrack_buckets"),
        (
            "invalid",
            false,
            "packets fit no connection; a rule `ct state invalid drop` drops them: nf_conntrack_log_invalid tells why",
        ),
    ];
    let counted = looks.into_iter().filter(|(name, wanted, _)| *wanted || *name == "invalid").filter_map(
        |(name, significant, look)| {
            let count = interval.count(name);
            (count > 0).then(|| drop_of(format!("conntrack.{name}"), count, significant, look))
        },
    );
    counted.collect()
}
