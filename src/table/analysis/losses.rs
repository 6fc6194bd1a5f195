//! Names the counters of lost packets that grew, and for each the next step of a search for the cause.

use crate::order::InOrder;
use crate::table::analysis::loss::{Loss, NextStep};
use crate::table::analysis::status::{Interval, Status};
use crate::table::model::counters::{Counts, growth};
use crate::table::model::reading::LossCounters;
use crate::text::to_f64;

/// The counters of lost packets, before and after an interval.
#[derive(Clone, Debug, Default)]
pub struct LossInterval {
    /// At the start.
    pub before: LossCounters,
    /// At the end.
    pub after: LossCounters,
}

/// The counters of lost packets in /proc/net/netstat and /proc/net/snmp.
pub const NETWORK: [(&str, NextStep); 12] = [
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

/// The counters of drivers that tell of a cloud's own limits, by the names that Amazon's network driver gives them, and
/// whether each packet there is lost. (A packet beyond the bandwidth may only have waited.)
const DRIVERS: [(&str, bool, NextStep); 5] = [
    ("conntrack_allowance_exceeded", true, NextStep::CloudTracking),
    ("linklocal_allowance_exceeded", true, NextStep::CloudServices),
    ("pps_allowance_exceeded", false, NextStep::CloudPackets),
    ("bw_in_allowance_exceeded", false, NextStep::CloudBandwidth),
    ("bw_out_allowance_exceeded", false, NextStep::CloudBandwidth),
];
/// The connections that the cloud still has room for.
const CLOUD_ROOM: &str = "conntrack_allowance_available";

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
    losses.extend(queues(&growth(&before.queues, &after.queues), interval));
    losses.extend(drivers(&growth(&before.drivers, &after.drivers), interval));
    losses
}

/// `status`, with what `counters` tell of packets lost outside of connection tracking.
#[must_use]
pub fn with_losses(status: Status, counters: &LossCounters) -> Status {
    Status { elsewhere: since_boot(counters), cloud_room: cloud_room(&counters.drivers), ..status }
}

/// The losses outside of connection tracking since the boot. The counters that every host raises are left out.
fn since_boot(counters: &LossCounters) -> Vec<Loss> {
    let mut losses: Vec<Loss> = network(&above_zero(&counters.network), None).collect();
    losses.retain(|loss| !BACKGROUND.contains(&&*loss.counter));
    losses.extend(softnet(&above_zero(&counters.softnet)).filter(|loss| loss.significant));
    losses.extend(queues(&above_zero(&counters.queues), None));
    losses.extend(drivers(&above_zero(&counters.drivers), None));
    losses
}

fn above_zero(counts: &Counts) -> Counts {
    counts.iter().filter(|(_, count)| **count > 0).map(|(name, count)| (name.clone(), *count)).into_map()
}

/// The connections that the cloud still has room for, by interface.
fn cloud_room(drivers: &Counts) -> Counts {
    let rooms = drivers.iter().filter_map(|(counter, count)| {
        let (interface, name) = counter.rsplit_once('.')?;
        (name == CLOUD_ROOM).then(|| (interface.to_owned(), *count))
    });
    rooms.into_map()
}

/// The significant losses of connection tracking itself in counts since the boot. Nobody can tell when they were.
#[must_use]
pub fn counted(total: &Counts, explained: &[&str]) -> Vec<Loss> {
    let significant = CONNTRACK.into_iter().filter(|(name, significant, _)| *significant && !explained.contains(name));
    let lost = significant.filter_map(|(name, significant, next_step)| {
        let count = total.get(name).copied().filter(|count| *count > 0)?;
        let next_step = if next_step == NextStep::Trackers { NextStep::FullOrTrackers } else { next_step };
        Some(Loss { counter: format!("conntrack.{name}"), count, significant, next_step })
    });
    lost.collect()
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

/// The interface in the name of a counter of it.
fn interface(counter: &str) -> String {
    counter.rsplit_once('.').map_or(counter, |(interface, _)| interface).to_owned()
}

fn interfaces(grown: &Counts, interval: Option<&Interval>) -> impl Iterator<Item = Loss> {
    of_interfaces(grown, interval, NextStep::Interface)
}

fn queues(grown: &Counts, interval: Option<&Interval>) -> impl Iterator<Item = Loss> {
    of_interfaces(grown, interval, NextStep::SendingQueue)
}

fn of_interfaces(
    grown: &Counts,
    interval: Option<&Interval>,
    next_step: fn(String) -> NextStep,
) -> impl Iterator<Item = Loss> {
    grown.iter().map(move |(counter, count)| Loss {
        counter: counter.clone(),
        count: *count,
        significant: !is_background(*count, interval),
        next_step: next_step(interface(counter)),
    })
}

fn drivers(grown: &Counts, interval: Option<&Interval>) -> impl Iterator<Item = Loss> {
    grown.iter().filter_map(move |(counter, count)| {
        let name = counter.rsplit_once('.').map_or(counter.as_str(), |(_, name)| name);
        let (_, is_lost, next_step) = DRIVERS.into_iter().find(|(own, ..)| *own == name)?;
        let significant = is_lost || !is_background(*count, interval);
        Some(Loss { counter: counter.clone(), count: *count, significant, next_step })
    })
}
