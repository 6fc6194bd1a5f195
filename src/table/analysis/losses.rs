//! Names the counters of lost packets that grew, and for each the next step of a search for the cause.

use crate::table::analysis::status::Interval;
use crate::table::model::counters::{Counts, growth};
use crate::table::model::reading::LossCounters;
use crate::text::to_f64;

/// A counter of lost packets that grew during the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The counter: `TcpExt.ListenOverflows`, `eth0.rx_drop`, `softnet.dropped`, `conntrack.insert_failed`.
    pub counter: String,
    /// The growth.
    pub count: u64,
    /// Whether that is more than a healthy host shows.
    pub significant: bool,
    /// The place to look at next.
    pub next_step: NextStep,
}

/// The counters of lost packets, before and after an interval.
#[derive(Clone, Debug, Default)]
pub struct LossInterval {
    /// At the start.
    pub before: LossCounters,
    /// At the end.
    pub after: LossCounters,
}

/// The place to look at next, which is where the packets were lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// The accept queue of a listening socket, which is full.
    AcceptQueue,
    /// The program that should accept connections.
    Listener,
    /// The queue of half-open connections.
    HalfOpenQueue,
    /// The backlog of a TCP socket.
    SocketBacklog,
    /// The receive queue of a TCP socket.
    ReceiveQueue,
    /// The sockets in TIME-WAIT.
    TimeWaitSockets,
    /// The reverse path filter.
    ReversePathFilter,
    /// The receive buffer of a UDP socket.
    UdpReceiveBuffer,
    /// The memory of all UDP sockets.
    UdpMemory,
    /// IP on input.
    IpInput,
    /// IP on output.
    IpOutput,
    /// The routes.
    Routes,
    /// The input queue of a CPU.
    InputQueue,
    /// The time that a CPU may spend on its input queue.
    InputBudget,
    /// The interface of this name.
    Interface(String),
    /// The protocol trackers of connection tracking.
    Trackers,
    /// The insertion of new entries.
    Insertion,
    /// The buckets of the hash table.
    Buckets,
    /// The rules that drop invalid packets.
    InvalidPackets,
    /// Two packets of one new connection at the same time, of which one entry was made: nothing is lost.
    Clash,
}

/// The counters of lost packets in /proc/net/netstat and /proc/net/snmp.
const NETWORK: [(&str, NextStep); 12] = [
    ("TcpExt.ListenOverflows", NextStep::AcceptQueue),
    ("TcpExt.ListenDrops", NextStep::Listener),
    ("TcpExt.TCPReqQFullDrop", NextStep::HalfOpenQueue),
    ("TcpExt.TCPBacklogDrop", NextStep::SocketBacklog),
    ("TcpExt.TCPRcvQDrop", NextStep::ReceiveQueue),
    ("TcpExt.TCPTimeWaitOverflow", NextStep::TimeWaitSockets),
    ("TcpExt.IPReversePathFilter", NextStep::ReversePathFilter),
    ("Udp.RcvbufErrors", NextStep::UdpReceiveBuffer),
    ("Udp.MemErrors", NextStep::UdpMemory),
    ("Ip.InDiscards", NextStep::IpInput),
    ("Ip.OutDiscards", NextStep::IpOutput),
    ("Ip.OutNoRoutes", NextStep::Routes),
];

/// Connection tracking's own counters, and whether a loss there is significant. (Packets that fit no connection come to
/// every host.)
const CONNTRACK: [(&str, bool, NextStep); 5] = [
    ("drop", true, NextStep::Trackers),
    ("insert_failed", true, NextStep::Insertion),
    ("chain_toolong", true, NextStep::Buckets),
    ("clash_resolve", false, NextStep::Clash),
    ("invalid", false, NextStep::InvalidPackets),
];

/// The counters of the CPUs' input queues. A CPU that runs out of its budget continues later, and loses nothing.
const SOFTNET: [(&str, bool, NextStep); 2] =
    [("dropped", true, NextStep::InputQueue), ("time_squeeze", false, NextStep::InputBudget)];

/// The counters that a healthy host raises too, like those of interfaces: broadcasts for others, protocols that nobody
/// here speaks, a program that tries an address again and again.
const BACKGROUND: [&str; 2] = ["TcpExt.IPReversePathFilter", "Ip.OutNoRoutes"];
/// From this rate on, such losses are more than background.
const BACKGROUND_PER_SECOND: f64 = 10.0;

fn is_background(count: u64, interval: Option<&Interval>) -> bool {
    let seconds = interval.map_or(1.0, |interval| interval.seconds.max(1.0));
    to_f64(count) / seconds < BACKGROUND_PER_SECOND
}

/// The losses that `counters` show, and those that connection tracking counted in `interval`. The counters of the latter
/// that are named in `explained` are left out: their cause is known.
#[must_use]
pub fn losses(counters: &LossInterval, interval: Option<&Interval>, explained: &[&str]) -> Vec<Loss> {
    let LossInterval { before, after } = counters;
    let mut losses = Vec::new();
    if let Some(interval) = interval {
        losses.extend(conntrack(interval).filter(|(name, _)| !explained.contains(name)).map(|(_, loss)| loss));
    }
    losses.extend(network(&growth(&before.network, &after.network), interval));
    losses.extend(softnet(&growth(&before.softnet, &after.softnet)));
    losses.extend(interfaces(&growth(&before.interfaces, &after.interfaces), interval));
    losses
}

fn conntrack(interval: &Interval) -> impl Iterator<Item = (&'static str, Loss)> {
    CONNTRACK.into_iter().filter_map(|(name, significant, next_step)| {
        let count = interval.count(name);
        (count > 0).then(|| (name, Loss { counter: format!("conntrack.{name}"), count, significant, next_step }))
    })
}

fn network(grown: &Counts, interval: Option<&Interval>) -> impl Iterator<Item = Loss> {
    NETWORK.into_iter().filter_map(move |(name, next_step)| {
        let count = *grown.get(name)?;
        let significant = !(BACKGROUND.contains(&name) && is_background(count, interval));
        Some(Loss { counter: name.to_owned(), count, significant, next_step })
    })
}

fn softnet(grown: &Counts) -> impl Iterator<Item = Loss> {
    SOFTNET.into_iter().filter_map(|(name, significant, next_step)| {
        Some(Loss { counter: format!("softnet.{name}"), count: *grown.get(name)?, significant, next_step })
    })
}

fn interfaces(grown: &Counts, interval: Option<&Interval>) -> impl Iterator<Item = Loss> {
    grown.iter().map(move |(counter, count)| {
        let interface = counter.rsplit_once('.').map_or(counter.as_str(), |(interface, _)| interface);
        Loss {
            counter: counter.clone(),
            count: *count,
            significant: !is_background(*count, interval),
            next_step: NextStep::Interface(interface.to_owned()),
        }
    })
}
