//! Defines an entry of the table, as far as a diagnosis looks at it, and which timeout rules it.

use std::net::IpAddr;

/// One tracked connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The number of the protocol above IP.
    pub protocol: u8,
    /// The state, for the protocols that have one.
    pub state: Option<State>,
    /// The seconds until it expires; None where the table does not say (a flow that is offloaded).
    pub remaining: Option<u32>,
    /// Who opened it.
    pub source: IpAddr,
    /// To whom.
    pub destination: IpAddr,
    /// The port at the destination, for the protocols that have ports.
    pub port: Option<u16>,
    /// The conntrack zone.
    pub zone: u16,
    /// What has happened to it.
    pub marks: Marks,
}

/// What has happened to an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// A packet came back.
    pub replied: bool,
    /// It has seen traffic both ways; a full table does not evict it.
    pub assured: bool,
    /// A flow table forwards it, and the timeouts here do not count for it.
    pub offloaded: bool,
}

/// A state of a protocol, by the name that the tools print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State(&'static str);

/// TCP.
pub const TCP: u8 = 6;
/// UDP.
pub const UDP: u8 = 17;

/// The protocols that the tools print by name, and the beginning of their timeouts' names.
const PROTOCOLS: [(u8, &str, &str); 8] = [
    (1, "icmp", "icmp_timeout"),
    (TCP, "tcp", "tcp_timeout"),
    (UDP, "udp", "udp_timeout"),
    (33, "dccp", "dccp_timeout"),
    (47, "gre", "gre_timeout"),
    (58, "icmpv6", "icmpv6_timeout"),
    (132, "sctp", "sctp_timeout"),
    (136, "udplite", "udplite_timeout"),
];

/// The states of TCP in the order of their numbers (`enum tcp_conntrack`, `include/uapi/linux/netfilter/nf_conntrack_tcp.h`),
/// each with the end of its timeout's name.
const TCP_STATES: [(&str, &str); 10] = [
    ("NONE", ""),
    ("SYN_SENT", "syn_sent"),
    ("SYN_RECV", "syn_recv"),
    ("ESTABLISHED", "established"),
    ("FIN_WAIT", "fin_wait"),
    ("CLOSE_WAIT", "close_wait"),
    ("LAST_ACK", "last_ack"),
    ("TIME_WAIT", "time_wait"),
    ("CLOSE", "close"),
    // It was LISTEN until 2.6.31, and nothing ever was in that.
    ("SYN_SENT2", "syn_sent"),
];

/// The same of SCTP (`enum sctp_conntrack`).
const SCTP_STATES: [(&str, &str); 10] = [
    ("NONE", ""),
    ("CLOSED", "closed"),
    ("COOKIE_WAIT", "cookie_wait"),
    ("COOKIE_ECHOED", "cookie_echoed"),
    ("ESTABLISHED", "established"),
    ("SHUTDOWN_SENT", "shutdown_sent"),
    ("SHUTDOWN_RECD", "shutdown_recd"),
    ("SHUTDOWN_ACK_SENT", "shutdown_ack_sent"),
    ("HEARTBEAT_SENT", "heartbeat_sent"),
    ("HEARTBEAT_ACKED", "heartbeat_acked"),
];

/// The same of DCCP (`enum ct_dccp_states`).
const DCCP_STATES: [(&str, &str); 10] = [
    ("NONE", ""),
    ("REQUEST", "request"),
    ("RESPOND", "respond"),
    ("PARTOPEN", "partopen"),
    ("OPEN", "open"),
    ("CLOSEREQ", "closereq"),
    ("CLOSING", "closing"),
    ("TIMEWAIT", "timewait"),
    ("IGNORE", ""),
    ("INVALID", ""),
];

fn states(protocol: u8) -> &'static [(&'static str, &'static str)] {
    match protocol {
        TCP => &TCP_STATES,
        132 => &SCTP_STATES,
        33 => &DCCP_STATES,
        _ => &[],
    }
}

impl State {
    /// The state that `protocol` numbers `number`.
    #[must_use]
    pub fn numbered(protocol: u8, number: u8) -> Option<State> {
        states(protocol).get(usize::from(number)).map(|(name, _)| State(name))
    }

    /// The state that `protocol` calls `name`.
    #[must_use]
    pub fn named(protocol: u8, name: &str) -> Option<State> {
        states(protocol).iter().find(|(own, _)| *own == name).map(|(own, _)| State(own))
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0
    }
}

/// The name of the protocol `number`, as the tools print it; `protocol 50` where they have none.
#[must_use]
pub fn protocol_name(number: u8) -> String {
    let own = PROTOCOLS.iter().find(|(own, ..)| *own == number);
    own.map_or_else(|| format!("protocol {number}"), |(_, name, _)| (*name).to_owned())
}

/// A timeout, as the end of its setting's name: `tcp_timeout_established`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timeout {
    start: &'static str,
    end: &'static str,
}

impl Timeout {
    /// The canonical name of the setting.
    #[must_use]
    pub fn setting(self) -> String {
        let Timeout { start, end } = self;
        let joint = if end.is_empty() { "" } else { "_" };
        format!("{}{start}{joint}{end}", crate::kernel::catalog::PREFIX)
    }

    /// The timeout that rules the same entries on the kernels that have lost this one: since 4.11, UDP-Lite has UDP's.
    #[must_use]
    pub fn successor(self) -> Option<Timeout> {
        (self.start == "udplite_timeout").then_some(Timeout { start: "udp_timeout", ..self })
    }
}

/// The timeout of established TCP connections.
pub const ESTABLISHED: Timeout = Timeout { start: "tcp_timeout", end: "established" };

/// The timeout that rules an entry in the kernel's own code (`net/netfilter/nf_conntrack_proto_*.c`); None: none does.
///
/// `udp_timeout` is in seconds; where a kernel before 5.0 gives the longer stream timeout at the first reply already,
/// the time that remains betrays it.
#[must_use]
pub fn timeout(entry: &Entry, udp_timeout: u32) -> Option<Timeout> {
    let Marks { replied, assured, offloaded } = entry.marks;
    if offloaded {
        return None;
    }
    let start = PROTOCOLS.iter().find(|(own, ..)| *own == entry.protocol).map(|(_, _, start)| *start);
    let Some(start) = start else { return Some(Timeout { start: "generic_timeout", end: "" }) };
    let end = match (entry.protocol, entry.state) {
        // A connection that was picked up in the middle and never answered gets the shorter time.
        (TCP, Some(State("ESTABLISHED"))) if !replied => "unacknowledged",
        (TCP | 132 | 33, Some(state)) => {
            let (_, end) = states(entry.protocol).iter().find(|(own, _)| *own == state.0)?;
            (!end.is_empty()).then_some(*end)?
        }
        (TCP | 132 | 33, None) => return None,
        (UDP, _) if assured || (replied && entry.remaining.is_some_and(|seconds| seconds > udp_timeout)) => "stream",
        (47 | 136, _) if assured => "stream",
        _ => "",
    };
    Some(Timeout { start, end })
}
