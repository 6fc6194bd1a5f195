//! Defines an entry while its words are read, and reads the words that several forms share.

use std::hash::BuildHasher as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::table::model::entry::{Marks, ProtocolState, TableEntry, has_ports};
use crate::table::model::folding::Folding;

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
        let address = ipv4(text).map(IpAddr::V4).or_else(|| ipv6(text).map(IpAddr::V6)).or_else(v6);
        address.map_or(Address::Hidden, Address::Known)
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
        let is_syn = || self.state.is_some_and(|state| state.name() == "SYN_SENT");
        let replied = if self.knows_answers { self.marks.replied } else { !is_syn() };
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
    pub(super) fn identity(&self, key: Folding) -> u64 {
        let address = |address: Option<Address>| address.and_then(Address::known);
        let ends = (address(self.source), address(self.destination), self.source_port, self.port);
        key.hash_one((self.protocol, self.zone, ends, self.number))
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

/// An address of IPv4.
fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    ipv4_at(text).filter(|(_, length)| *length == text.len()).map(|(address, _)| address)
}

/// The address of IPv4 that `text` begins with, up to a blank or to the end, and its length. A dump has four of them a line,
/// and the standard parser takes three times as long.
pub(super) fn ipv4_at(text: &[u8]) -> Option<(Ipv4Addr, usize)> {
    let (mut address, mut octets, mut octet, mut digits) = (0_u32, 0, 0_u32, 0);
    let mut length = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            octet = octet * 10 + u32::from(digit);
            digits += 1;
            if digits > 3 {
                return None;
            }
        } else if *byte == b'.' && digits > 0 && octet < 256 {
            address = address << 8 | octet;
            (octets, octet, digits) = (octets + 1, 0, 0);
        } else if *byte == b' ' {
            break;
        } else {
            return None;
        }
        length += 1;
    }
    (octets == 3 && digits > 0 && octet < 256).then(|| (Ipv4Addr::from(address << 8 | octet), length))
}

/// The port that `text` begins with, up to a blank or to the end, and its length.
pub(super) fn port_at(text: &[u8]) -> Option<(u16, usize)> {
    let (mut port, mut length) = (0_u32, 0);
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 && length < 5 {
            port = port * 10 + u32::from(digit);
            length += 1;
        } else if *byte == b' ' {
            break;
        } else {
            return None;
        }
    }
    (length > 0).then_some(())?;
    Some((u16::try_from(port).ok()?, length))
}

/// An address of IPv6 in groups of digits, of which one row of zeros may be left out. The standard parser reads the others, and
/// it tries them first as addresses of IPv4.
fn ipv6(text: &[u8]) -> Option<Ipv6Addr> {
    let (mut groups, mut count, mut gap) = ([0_u16; 8], 0, None);
    let (mut value, mut digits) = (0_u16, 0);
    let mut bytes = text.iter().enumerate().peekable();
    while let Some((place, byte)) = bytes.next() {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b':' => {
                if digits > 0 {
                    *groups.get_mut(count)? = value;
                    (count, value, digits) = (count + 1, 0, 0);
                } else if place > 0 {
                    return None;
                }
                if bytes.next_if(|(_, next)| **next == b':').is_some() {
                    if gap.replace(count).is_some() {
                        return None;
                    }
                } else if place == 0 || bytes.peek().is_none() {
                    return None;
                }
                continue;
            }
            _ => return None,
        };
        value = value << 4 | u16::from(digit);
        digits += 1;
        if digits > 4 {
            return None;
        }
    }
    if digits > 0 {
        *groups.get_mut(count)? = value;
        count += 1;
    }
    match gap {
        None => (count == 8).then_some(())?,
        Some(start) => {
            (count < 8).then_some(())?;
            let moved = count - start;
            groups.copy_within(start..count, 8 - moved);
            groups[start..8 - moved].fill(0);
        }
    }
    Some(Ipv6Addr::from(groups))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standard(text: &str) -> Option<Ipv6Addr> {
        text.parse().ok()
    }

    #[test]
    fn an_address_of_ipv4_ends_at_a_blank() {
        let address = Some(Ipv4Addr::new(10, 0, 255, 9));
        for rest in ["", " ", " sport=1", " 1"] {
            let text = format!("10.0.255.9{rest}");
            assert_eq!(ipv4_at(text.as_bytes()), address.map(|address| (address, 10)), "{text}");
            assert_eq!(ipv4(text.as_bytes()), address.filter(|_| rest.is_empty()), "{text}");
        }
        for text in [
            "",
            " ",
            "10.0.0",
            "10.0.0.",
            ".10.0.0",
            "1.2.3.4.5",
            "1..2.3",
            "10.0.0.256",
            "256.0.0.1",
            "10.0.0.0001",
            "10.0.0.9,",
            "10.0.0.9\t",
            "::1",
        ] {
            assert_eq!(ipv4_at(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_port_ends_at_a_blank() {
        assert_eq!(port_at(b"53 dport=1"), Some((53, 2)));
        assert_eq!(port_at(b"65535"), Some((65535, 5)));
        for text in ["", " ", "x", "53,", "65536", "000053", "53\t"] {
            assert_eq!(port_at(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn addresses_of_ipv6_are_as_the_standard_parser_reads_them() {
        for text in [
            "::",
            "::1",
            "1::",
            "fe80::1",
            "1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7::",
            "::2:3:4:5:6:7:8",
            "2001:db8::ff00:42:8329",
            "",
            ":",
            ":1",
            "1:",
            "1:2",
            ":::",
            "1::2::3",
            "1:2:3:4:5:6:7:8:9",
            "1::2:3:4:5:6:7:8",
            "12345::",
            "g::",
            "1:2:3:4:5:6:7:8::",
            "::1:",
            "1:::2",
            "fe80::1%eth0",
            "0:0:0:0:0:0:0:0",
            "::ffff",
        ] {
            assert_eq!(ipv6(text.as_bytes()), standard(text), "{text}");
        }
    }

    #[test]
    fn many_texts_are_as_the_standard_parser_reads_them() {
        // All texts of up to seven of these characters.
        let mut texts = vec![String::new()];
        for _ in 0..7 {
            let longer = texts.iter().flat_map(|text| ["1", "a", ":"].map(|c| format!("{text}{c}"))).collect();
            for text in &texts {
                assert_eq!(ipv6(text.as_bytes()), standard(text), "{text}");
            }
            texts = longer;
        }
    }
}
