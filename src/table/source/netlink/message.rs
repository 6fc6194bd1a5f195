//! Reads and makes the messages of ctnetlink, the kernel's binary interface to the table
//! (`include/uapi/linux/netfilter/nfnetlink_conntrack.h`). Bytes in, entries out: no I/O, and no input makes it panic.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::order::InOrder;
use crate::table::model::counters::Counts;
use crate::table::model::entry::{Marks, ProtocolState, TableEntry, has_ports};

/// The bytes before a message's payload, and the boundary that messages and attributes start on.
pub(super) const HEADER: usize = 16;
const ALIGNMENT: usize = 4;
/// The bytes of `struct nfgenmsg`, which every message of netfilter begins with.
const FAMILY_HEADER: usize = 4;
/// The bytes of a request, which has no attributes.
const REQUEST_BYTES: u32 = 20;

const ERROR: u16 = 2;
const DONE: u16 = 3;
const CONNTRACK: u16 = 1 << 8;
/// The dump changed under the reader: entries may be missing or twice.
const INTERRUPTED: u16 = 0x10;
const REQUEST: u16 = 1;
const DUMP: u16 = 0x300;

/// A question that ctnetlink answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query {
    /// All entries.
    Entries,
    /// The counters of each CPU.
    Counters,
    /// The number of entries, and the limit.
    Totals,
    /// The entries that have ended and wait for a listener to take the event.
    Dying,
    /// The entries of connections whose first packet is still on its way.
    Unconfirmed,
}

impl Query {
    fn number(self) -> u16 {
        match self {
            Query::Entries => 1,
            Query::Counters => 4,
            Query::Totals => 5,
            Query::Dying => 6,
            Query::Unconfirmed => 7,
        }
    }
}

/// The message that asks for `query`.
#[must_use]
pub fn request(query: Query, sequence: u32) -> [u8; HEADER + FAMILY_HEADER] {
    let mut message = [0; HEADER + FAMILY_HEADER];
    let flags = if query == Query::Totals { REQUEST } else { REQUEST | DUMP };
    message[0..4].copy_from_slice(&REQUEST_BYTES.to_ne_bytes());
    message[4..6].copy_from_slice(&(CONNTRACK | query.number()).to_ne_bytes());
    message[6..8].copy_from_slice(&flags.to_ne_bytes());
    message[8..12].copy_from_slice(&sequence.to_ne_bytes());
    message
}

/// One message of the kernel's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// Data that was asked for: the attributes, and the number before them (the CPU's, with counters).
    Data(Attributes<'a>, u16),
    /// The end of the answer.
    Done,
    /// The kernel refuses with this errno; 0 acknowledges.
    Error(i32),
}

/// The messages in one datagram.
#[derive(Clone, Debug)]
pub struct Replies<'a> {
    bytes: &'a [u8],
    sequence: u32,
    /// Whether a message said that the table changed under the dump.
    pub interrupted: bool,
}

/// The messages in `bytes` that answer the request numbered `sequence`.
#[must_use]
pub fn replies(bytes: &[u8], sequence: u32) -> Replies<'_> {
    Replies { bytes, sequence, interrupted: false }
}

impl<'a> Iterator for Replies<'a> {
    type Item = Reply<'a>;

    fn next(&mut self) -> Option<Reply<'a>> {
        loop {
            let bytes = self.bytes;
            let length = usize::try_from(u32_at(bytes, 0)?).ok()?;
            let message = bytes.get(..length).filter(|message| message.len() >= HEADER)?;
            self.bytes = bytes.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
            if u32_at(message, 8) != Some(self.sequence) {
                continue;
            }
            let payload = &message[HEADER..];
            self.interrupted |= u16_at(message, 6)? & INTERRUPTED != 0;
            match u16_at(message, 4)? {
                ERROR => return Some(Reply::Error(errno(payload))),
                // A dump that fails midway ends with the error.
                DONE if errno(payload) != 0 => return Some(Reply::Error(errno(payload))),
                DONE => return Some(Reply::Done),
                kind if kind & 0xff00 == CONNTRACK => {
                    let head = payload.get(2..FAMILY_HEADER).and_then(|bytes| bytes.try_into().ok());
                    let attributes = Attributes(payload.get(FAMILY_HEADER..).unwrap_or_default());
                    return Some(Reply::Data(attributes, u16::from_be_bytes(head.unwrap_or_default())));
                }
                _ => {}
            }
        }
    }
}

fn errno(payload: &[u8]) -> i32 {
    payload.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes).wrapping_neg())
}

/// The messages in a datagram of any netlink family: the kind and the payload of each.
pub(super) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::try_from(u32_at(bytes, 0)?).ok()?;
        let message = bytes.get(..length).filter(|message| message.len() >= HEADER)?;
        bytes = bytes.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
        Some((u16_at(message, 4)?, &message[HEADER..]))
    })
}

/// Attributes, each with its number and its value. An attribute that is cut off is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(u16_at(self.0, 0)?);
        // The two high bits say that the value is nested, or in network order.
        let number = u16_at(self.0, 2)? & 0x3fff;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
        Some((number, value))
    }
}

impl<'a> Attributes<'a> {
    pub(super) fn get(mut self, number: u16) -> Option<&'a [u8]> {
        self.find(|(own, _)| *own == number).map(|(_, value)| value)
    }
}

/// The attributes of an entry (`enum ctattr_type`).
mod attribute {
    pub(super) const ORIGINAL: u16 = 1;
    pub(super) const STATUS: u16 = 3;
    pub(super) const PROTOCOL_STATE: u16 = 4;
    pub(super) const TIMEOUT: u16 = 7;
    pub(super) const ZONE: u16 = 18;
    pub(super) const TUPLE_IP: u16 = 1;
    pub(super) const TUPLE_PROTOCOL: u16 = 2;
    pub(super) const TUPLE_ZONE: u16 = 3;
    pub(super) const PROTOCOL_NUMBER: u16 = 1;
    pub(super) const DESTINATION_PORT: u16 = 3;
}

/// The bits of an entry's status (`enum ip_conntrack_status`).
const SEEN_REPLY: u32 = 1 << 1;
const ASSURED: u32 = 1 << 2;
const OFFLOAD: u32 = (1 << 14) | (1 << 15);

/// The entry that the attributes of a message describe; None: they lack the addresses or the protocol.
#[must_use]
pub fn entry(attributes: Attributes<'_>) -> Option<TableEntry> {
    let mut original = None;
    let (mut status, mut remaining, mut zone, mut state) = (0, None, None, None);
    for (number, value) in attributes {
        match number {
            attribute::ORIGINAL => original = Some(Attributes(value)),
            attribute::STATUS => status = be32(value).unwrap_or(0),
            attribute::TIMEOUT => remaining = be32(value),
            attribute::ZONE => zone = be16(value),
            // TCP, DCCP or SCTP, within which the state is the first attribute of each.
            attribute::PROTOCOL_STATE => {
                state = Attributes(value).next().and_then(|(_, value)| Attributes(value).get(1)?.first().copied());
            }
            _ => {}
        }
    }
    let (mut addresses, mut protocol, mut port) = (None, None, None);
    for (number, value) in original? {
        match number {
            attribute::TUPLE_IP => addresses = ip_addresses(Attributes(value)),
            attribute::TUPLE_PROTOCOL => {
                for (number, value) in Attributes(value) {
                    match number {
                        attribute::PROTOCOL_NUMBER => protocol = value.first().copied(),
                        attribute::DESTINATION_PORT => port = be16(value),
                        _ => {}
                    }
                }
            }
            // A zone for one direction only is in the tuple of that direction.
            attribute::TUPLE_ZONE => zone = zone.or(be16(value)),
            _ => {}
        }
    }
    let ((source, destination), protocol) = (addresses?, protocol?);
    let offloaded = status & OFFLOAD != 0;
    Some(TableEntry {
        protocol,
        state: state.and_then(|number| ProtocolState::numbered(protocol, number)),
        remaining: remaining.filter(|_| !offloaded),
        source: Some(source),
        destination: Some(destination),
        port: port.filter(|_| has_ports(protocol)),
        zone: zone.unwrap_or(0),
        marks: Marks { replied: status & SEEN_REPLY != 0, assured: status & ASSURED != 0, offloaded },
    })
}

fn ip_addresses(attributes: Attributes<'_>) -> Option<(IpAddr, IpAddr)> {
    let (mut source, mut destination) = (None, None);
    for (number, value) in attributes {
        let v4 = || value.first_chunk::<4>().map(|octets| IpAddr::V4(Ipv4Addr::from(*octets)));
        let v6 = || value.first_chunk::<16>().map(|octets| IpAddr::V6(Ipv6Addr::from(*octets)));
        match number {
            1 => source = v4(),
            2 => destination = v4(),
            3 => source = v6(),
            4 => destination = v6(),
            _ => {}
        }
    }
    Some((source?, destination?))
}

/// The names of a CPU's counters, by the numbers of their attributes (`enum ctattr_stats_cpu`). Counters that today's
/// kernels never raise are left out.
const COUNTERS: [(u16, &str); 10] = [
    (2, "found"),
    (4, "invalid"),
    (8, "insert"),
    (9, "insert_failed"),
    (10, "drop"),
    (11, "early_drop"),
    (12, "error"),
    (13, "search_restart"),
    (14, "clash_resolve"),
    (15, "chain_toolong"),
];

/// The counters of one CPU.
#[must_use]
pub fn counters(attributes: Attributes<'_>) -> Counts {
    let named = attributes.filter_map(|(number, value)| {
        let (_, name) = COUNTERS.iter().find(|(own, _)| *own == number)?;
        Some(((*name).to_owned(), be32(value)?.into()))
    });
    named.into_map()
}

/// The size of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// The number of entries.
    pub entries: u64,
    /// The limit, where the kernel gives it (4.18 and later).
    pub limit: Option<u64>,
}

/// The totals in the attributes of a message.
#[must_use]
pub fn totals(attributes: Attributes<'_>) -> Option<Totals> {
    let entries = be32(attributes.clone().get(1)?)?.into();
    Some(Totals { entries, limit: attributes.get(2).and_then(be32).map(u64::from) })
}

pub(super) fn u32_at(bytes: &[u8], place: usize) -> Option<u32> {
    bytes.get(place..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

fn u16_at(bytes: &[u8], place: usize) -> Option<u16> {
    bytes.get(place..)?.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

fn be32(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

fn be16(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}
