//! Finds traffic that fills the table and that a host usually need not track. Nothing here is applied: a rule that ends
//! tracking takes the state and the translation of addresses from this traffic, and only an administrator knows whether it
//! needs them.

use serde::{Deserialize, Serialize};

use crate::order::sorted_by;
use crate::table::analysis::ports::PortCount;
use crate::table::model::entry::{GRE, IPIP, TCP, UDP};
use crate::text::percent;

/// Traffic is worth a rule from this share of all entries on.
const WORTHWHILE_PERCENT: f64 = 10.0;

/// One port is a one-way service, or one of short connections, if this share of its entries is so.
const MOSTLY_PERCENT: f64 = 90.0;

/// Traffic that need not be tracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Traffic {
    /// Packets of a tunnel, whose inner connections are tracked where they end.
    Tunnel,
    /// Questions to a name server, each with a port of its own.
    Dns,
    /// UDP without answers: logs, metrics, flows.
    OneWay,
    /// TCP connections that are over as soon as they are made: health checks, calls without keep-alive.
    Short,
}

/// Traffic that fills the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Untracked {
    /// The kind.
    pub traffic: Traffic,
    /// The number of the protocol above IP.
    pub protocol: u8,
    /// The port at the destination; null: the protocol has none.
    pub port: Option<u16>,
    /// The entries, of those that were read.
    pub entries: u64,
    /// Of all entries, in percent.
    pub percent: f64,
}

/// The tunnels with a port of UDP: VXLAN (that of IANA, and Linux' own), GENEVE.
const TUNNEL_PORTS: [u16; 3] = [4789, 8472, 6081];

/// The tunnels that are protocols of their own.
const TUNNEL_PROTOCOLS: [u8; 2] = [GRE, IPIP];

const DNS_PORT: u16 = 53;

/// The traffic among `entries` entries that need not be tracked, the most frequent first. `ports` are ranked; `protocols`
/// has the entries of each protocol.
#[must_use]
pub fn candidates(entries: u64, ports: &[((u8, u16), PortCount)], protocols: impl Fn(u8) -> u64) -> Vec<Untracked> {
    let candidate = |traffic, protocol, port, own: u64| {
        let percent = percent(own, entries);
        (percent >= WORTHWHILE_PERCENT).then_some(Untracked { traffic, protocol, port, entries: own, percent })
    };
    let by_port = ports.iter().filter_map(|((protocol, port), count)| {
        candidate(traffic(*protocol, *port, *count)?, *protocol, Some(*port), count.entries.into())
    });
    let by_protocol = TUNNEL_PROTOCOLS
        .iter()
        .filter_map(|protocol| candidate(Traffic::Tunnel, *protocol, None, protocols(*protocol)));
    let found: Vec<Untracked> = by_port.chain(by_protocol).collect();
    sorted_by(found, |one, other| other.entries.cmp(&one.entries))
}

fn traffic(protocol: u8, port: u16, count: PortCount) -> Option<Traffic> {
    let is_mostly_passing = percent(count.passing.into(), count.entries.into()) >= MOSTLY_PERCENT;
    match protocol {
        UDP if TUNNEL_PORTS.contains(&port) => Some(Traffic::Tunnel),
        UDP if port == DNS_PORT => Some(Traffic::Dns),
        UDP if is_mostly_passing => Some(Traffic::OneWay),
        TCP if is_mostly_passing => Some(Traffic::Short),
        _ => None,
    }
}

impl Untracked {
    /// The sides of a packet on which the port stands: all packets of a tunnel and of a one-way service go to it, and the
    /// answers of the others come from it.
    #[must_use]
    pub fn sides(&self) -> &'static [&'static str] {
        match (self.port, self.traffic) {
            (None, _) => &[],
            (Some(_), Traffic::Tunnel | Traffic::OneWay) => &["dport"],
            (Some(_), Traffic::Dns | Traffic::Short) => &["dport", "sport"],
        }
    }
}
