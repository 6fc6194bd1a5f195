//! Defines an entry while its words are read, and reads the words that several forms share.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr};

use crate::table::model::entry::{Marks, ProtocolState, TableEntry, has_ports};

/// An entry as far as it has been read.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub(super) protocol: Option<u8>,
    pub(super) state: Option<ProtocolState>,
    pub(super) remaining: Option<u32>,
    pub(super) source: Option<Address>,
    pub(super) destination: Option<Address>,
    pub(super) source_port: Option<u16>,
    pub(super) port: Option<u16>,
    pub(super) zone: Option<u16>,
    pub(super) marks: Marks,
    /// Whether the table says if the connection was answered.
    pub(super) knows_answers: bool,
    /// The number that tells apart what the addresses and ports do not: of an echo, or of the entry itself.
    pub(super) number: Option<u32>,
}

/// An address that opened a connection, or that it was opened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Known(IpAddr),
    /// Somebody made it unreadable: `10.0.0.***`.
    Hidden,
}

impl Address {
    pub(super) fn parse(text: &[u8]) -> Address {
        let v6 = || std::str::from_utf8(text).ok()?.parse().ok();
        ipv4(text).map(IpAddr::V4).or_else(v6).map_or(Address::Hidden, Address::Known)
    }

    fn known(self) -> Option<IpAddr> {
        match self {
            Address::Known(address) => Some(address),
            Address::Hidden => None,
        }
    }
}

impl Draft {
    /// The entry; None: the text lacks the protocol or an address.
    pub(super) fn entry(&self) -> Option<TableEntry> {
        let (source, destination) = (self.source?, self.destination?);
        let protocol = self.protocol?;
        let offloaded = self.marks.offloaded;
        let is_syn = self.state.is_some_and(|state| state.name() == "SYN_SENT");
        let replied = if self.knows_answers { self.marks.replied } else { !is_syn };
        Some(TableEntry {
            protocol,
            state: self.state,
            remaining: self.remaining.filter(|_| !offloaded),
            source: source.known(),
            destination: destination.known(),
            port: self.port.filter(|_| has_ports(protocol)),
            zone: self.zone.unwrap_or(0),
            marks: Marks { replied, ..self.marks },
        })
    }

    /// A number that no other connection has at the same time.
    pub(super) fn identity(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let address = |address: Option<Address>| address.and_then(Address::known);
        let ends = (address(self.source), address(self.destination), self.source_port, self.port);
        (self.protocol, self.zone, ends, self.number).hash(&mut hasher);
        hasher.finish()
    }
}

/// The protocols by the names that conntrack(8) and Open vSwitch print.
const PROTOCOLS: [(&[u8], u8); 15] = [
    (b"tcp", 6),
    (b"udp", 17),
    (b"icmp", 1),
    (b"icmpv6", 58),
    (b"ipv6-icmp", 58),
    (b"sctp", 132),
    (b"dccp", 33),
    (b"gre", 47),
    (b"udplite", 136),
    (b"igmp", 2),
    (b"esp", 50),
    (b"ah", 51),
    (b"ipip", 4),
    (b"ospf", 89),
    (b"vrrp", 112),
];

/// The number of a protocol that is given by name or number.
pub(super) fn protocol(text: &[u8]) -> Option<u8> {
    let named = PROTOCOLS.iter().find(|(name, _)| *name == text).map(|(_, number)| *number);
    named.or_else(|| number(text))
}

/// Whether conntrack(8) calls a protocol so.
pub(super) fn is_protocol_name(text: &[u8]) -> bool {
    text == b"unknown" || PROTOCOLS.iter().any(|(name, _)| *name == text)
}

/// A decimal number.
pub(super) fn number<T: TryFrom<u32>>(text: &[u8]) -> Option<T> {
    if text.is_empty() || text.len() > 10 {
        return None;
    }
    let mut number: u32 = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(digit.into())?;
    }
    T::try_from(number).ok()
}

/// An address of IPv4. A dump has four of them a line, and the standard parser takes three times as long.
fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let (mut octets, mut place, mut value, mut digits) = ([0_u8; 4], 0, 0_u16, 0);
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            value = value * 10 + u16::from(digit);
            digits += 1;
            if digits > 3 {
                return None;
            }
        } else if *byte == b'.' && digits > 0 && place < 3 {
            octets[place] = u8::try_from(value).ok()?;
            (place, value, digits) = (place + 1, 0, 0);
        } else {
            return None;
        }
    }
    (place == 3 && digits > 0).then_some(())?;
    octets[3] = u8::try_from(value).ok()?;
    Some(Ipv4Addr::from(octets))
}
