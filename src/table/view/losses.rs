//! Puts lost packets into words: the cause that a counter points to, and the place to look at next.

use std::borrow::Cow;

use crate::table::analysis::loss::{Loss, NextStep};
use crate::text::grouped;

/// The cause that a loss points to, and the place to look at next.
#[must_use]
pub fn next_step(loss: &Loss) -> Cow<'static, str> {
    Cow::Borrowed(match &loss.next_step {
        NextStep::AcceptQueue => {
            "a listening socket's accept queue is full: `ss -ltn` (Recv-Q at Send-Q); the program's backlog, \
             net.core.somaxconn"
        }
        NextStep::Listener => {
            "a listening socket refused connections: `ss -ltn`, then the program that should accept them"
        }
        NextStep::HalfOpenQueue => {
            "the queue of half-open connections is full: net.ipv4.tcp_max_syn_backlog, a SYN flood"
        }
        NextStep::SocketBacklog => "a socket's backlog is full: the program or its CPU is too slow; net.core.rmem_max",
        NextStep::ReceiveQueue => {
            "a socket's receive queue is full: the program is too slow, or net.ipv4.tcp_mem is reached"
        }
        NextStep::TimeWaitSockets => "too many sockets in TIME-WAIT: net.ipv4.tcp_max_tw_buckets",
        NextStep::ReversePathFilter => "the reverse path filter drops packets: routes, or net.ipv4.conf.*.rp_filter",
        NextStep::UdpReceiveBuffer => {
            "a UDP socket's receive buffer is full: the program is too slow; net.core.rmem_max"
        }
        NextStep::UdpMemory => "UDP's memory is used up: net.ipv4.udp_mem",
        NextStep::IpInput => "IP discarded packets on input: memory, or the interface's queue",
        NextStep::IpOutput => "IP discarded packets on output: the interface's queue (`tc -s qdisc`)",
        NextStep::Routes => "there is no route: `ip route get ADDRESS`",
        NextStep::InputQueue => "a CPU's input queue is full: net.core.netdev_max_backlog, spread of interrupts (RPS)",
        NextStep::InputBudget => {
            "a CPU used up its budget and continued later; nothing is lost: net.core.netdev_budget"
        }
        NextStep::Interface(name) => {
            return format!("the interface or its driver drops packets: `ip -s -s link show {name}`, `ethtool -S`")
                .into();
        }
        NextStep::SendingQueue(name) => {
            return format!(
                "the interface's queue for sending is full, or its rules drop packets: `tc -s qdisc show dev {name}`"
            )
            .into();
        }
        NextStep::CloudTracking => {
            "the cloud's own connection tracking is full, outside of this machine; no sysctl here changes that: a larger \
             instance, a security group that needs no tracking, fewer or shorter connections"
        }
        NextStep::CloudBandwidth => {
            "more bandwidth than the cloud allows this instance: packets wait or are lost outside of this machine"
        }
        NextStep::CloudPackets => {
            "more packets a second than the cloud allows this instance: they wait or are lost outside of this machine"
        }
        NextStep::CloudServices => {
            "more packets a second than the cloud allows to its DNS, time and metadata services: a local cache of DNS"
        }
        NextStep::Trackers => {
            "connection tracking refused packets although its table has room: a protocol's tracker, or a clash of two \
             packets of one new connection"
        }
        NextStep::FullOrTrackers => {
            "connection tracking refused packets at some time: its table was full then (--log), or a protocol's tracker \
             refused them, or two packets of one new connection clashed"
        }
        NextStep::Insertion => {
            "entries could not be inserted: two packets of one connection at once (DNS over UDP is the usual one), or \
             NAT has no free port"
        }
        NextStep::Clash => "two packets of one new connection came at once and were resolved; nothing is lost",
        NextStep::Buckets => "chains of the hash table are too long: raise nf_conntrack_buckets",
        NextStep::InvalidPackets => {
            "packets fit no connection; a rule `ct state invalid drop` drops them: nf_conntrack_log_invalid logs the reason"
        }
    })
}

/// The connections that the cloud still has room for.
#[must_use]
pub fn cloud_room(interface: &str, room: u64) -> String {
    format!("room for {} more connections in the cloud's own connection tracking ({interface})", grouped(room))
}
