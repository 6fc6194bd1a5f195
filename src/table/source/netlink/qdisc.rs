//! Asks rtnetlink for the packets that the interfaces' queues for sending (qdiscs) have dropped
//! (`include/uapi/linux/pkt_sched.h`, `gen_stats.h`). The question loads no module, and needs no rights.

use std::io;
use std::os::fd::AsFd;

use rustix::net::netdevice::index_to_name;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};

use crate::table::model::counters::Counts;
use crate::table::source::netlink::message::{Attributes, HEADER, messages, u32_at};

/// The bytes of `struct tcmsg`, which each of these messages begins with, and of a request.
const QUEUE_HEADER: usize = 20;
const REQUEST: usize = HEADER + QUEUE_HEADER;
/// `RTM_GETQDISC` and `RTM_NEWQDISC`; the flags of a request for all; the messages that end the answer.
const GET: u16 = 38;
const NEW: u16 = 36;
const REQUEST_ALL: u16 = 0x301;
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// The parent of the queue at the root of an interface. Its drops include those of the queues below it.
const ROOT: u32 = u32::MAX;
/// `TCA_STATS2`, and the counters of a queue within it, of which the third is the drops.
const STATISTICS: u16 = 7;
const QUEUE: u16 = 3;
const DROPS: usize = 8;
/// The kernel makes parts that fit into the buffer of their reader, unless that is smaller than this.
const BUFFER: usize = 8 << 10;

/// The message that asks for all queues.
#[must_use]
pub fn request() -> [u8; REQUEST] {
    let mut message = [0; REQUEST];
    message[0..4].copy_from_slice(&36_u32.to_ne_bytes());
    message[4..6].copy_from_slice(&GET.to_ne_bytes());
    message[6..8].copy_from_slice(&REQUEST_ALL.to_ne_bytes());
    message
}

/// The queues at the roots of interfaces that one datagram of the answer tells of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roots {
    /// The number of the interface, and the packets that its queue has dropped.
    pub drops: Vec<(u32, u64)>,
    /// Whether the answer ends here.
    pub is_last: bool,
}

/// The queues in a datagram.
#[must_use]
pub fn roots(bytes: &[u8]) -> Roots {
    let mut roots = Roots::default();
    for (kind, payload) in messages(bytes) {
        match kind {
            ERROR | DONE => roots.is_last = true,
            NEW => roots.drops.extend(root(payload)),
            _ => {}
        }
    }
    roots
}

fn root(payload: &[u8]) -> Option<(u32, u64)> {
    let (interface, parent) = (u32_at(payload, 4)?, u32_at(payload, 12)?);
    let statistics = Attributes(payload.get(QUEUE_HEADER..)?).get(STATISTICS)?;
    let drops = u32_at(Attributes(statistics).get(QUEUE)?, DROPS)?;
    (parent == ROOT).then_some((interface, drops.into()))
}

/// The drops of the queues of this network namespace: `NAME.qdisc_drops`.
pub fn drops() -> io::Result<Counts> {
    // rtnetlink is the protocol 0 of netlink.
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    rustix::net::sendto(&socket, &request(), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut counts = Counts::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = super::received(socket.as_fd(), &mut buffer)?;
        let roots = roots(&buffer[..length]);
        for (interface, drops) in roots.drops {
            // An interface may have gone since.
            if let Ok(name) = index_to_name(&socket, interface) {
                counts.insert(format!("{name}.qdisc_drops"), drops);
            }
        }
        if roots.is_last {
            return Ok(counts);
        }
    }
}
