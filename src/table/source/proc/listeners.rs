//! Finds the programs that listen to connection tracking's events, in /proc/net/netlink.

use crate::table::source::proc::text;
use crate::text::printable;

/// The number of netfilter's family, and the bit of the group that tells of ended connections
/// (`NFNLGRP_CONNTRACK_DESTROY`).
const NETFILTER: &str = "12";
const ENDED: u32 = 1 << 2;

/// The number by which the listener is known that has the most unread bytes of such events; None: nobody listens.
#[must_use]
pub fn fullest(sockets: &str) -> Option<u32> {
    let mut lines = sockets.lines();
    let heads: Vec<&str> = lines.next()?.split_whitespace().collect();
    let column = |name: &str| heads.iter().position(|head| *head == name);
    let (family, port, groups, unread) = (column("Eth")?, column("Pid")?, column("Groups")?, column("Rmem")?);
    let listeners = lines.filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_listener =
            *words.get(family)? == NETFILTER && u32::from_str_radix(words.get(groups)?, 16).ok()? & ENDED != 0;
        let numbers = (words.get(unread)?.parse::<u64>().ok()?, words.get(port)?.parse::<u32>().ok()?);
        is_listener.then_some(numbers)
    });
    listeners.max().map(|(_, port)| port)
}

/// The program that listens and has the most unread events: `conntrackd (pid 4711)`. The number of a first netlink socket is
/// that of its process.
#[must_use]
pub fn program() -> Option<String> {
    let port = fullest(&text("/proc/net/netlink").ok()?)?;
    let name = text(format!("/proc/{port}/comm")).ok()?;
    Some(format!("{} (pid {port})", printable(name.trim_end())))
}
