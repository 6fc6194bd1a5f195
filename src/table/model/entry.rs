//! Defines an entry of the table, as far as a diagnosis looks at it, and which timeout the kernel applies to it.

use std::fmt;
use std::net::IpAddr;

/// An entry of the connection tracking table: one tracked connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableEntry {
    /// The number of the protocol above IP.
    pub protocol: u8,
    /// The state, for the protocols that have one.
    pub state: Option<ProtocolState>,
    /// The seconds until the entry expires; None: the table does not say (an offloaded flow).
    pub remaining: Option<u32>,
    /// The address that opened the connection; None: a saved table hides it.
    pub source: Option<IpAddr>,
    /// The address that it was opened to, likewise.
    pub destination: Option<IpAddr>,
    /// The port at the destination, for the protocols that have ports.
    pub port: Option<u16>,
    /// The conntrack zone.
    pub zone: u16,
    /// The status bits.
    pub marks: Marks,
}

/// The status bits of an entry, as far as a diagnosis needs them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// A packet came back.
    pub replied: bool,
    /// The connection has seen traffic both ways; a full table does not evict its entry.
    pub assured: bool,
    /// A flow table forwards the packets, and conntrack's timeouts do not apply.
    pub offloaded: bool,
}

/// A state of a protocol: the place of its row among those of all protocols, so that it costs nothing to compare two.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProtocolState(u8);

/// TCP.
pub const TCP: u8 = 6;
/// UDP.
pub const UDP: u8 = 17;
const DCCP: u8 = 33;
/// GRE.
pub const GRE: u8 = 47;
/// IP in IP.
pub const IPIP: u8 = 4;
const SCTP: u8 = 132;
const UDP_LITE: u8 = 136;

/// The protocols that the tools print by name, each with the start of its timeouts' names.
const PROTOCOLS: [(u8, &str, &str); 8] = [
    (1, "icmp", "icmp_timeout"),
    (TCP, "tcp", "tcp_timeout"),
    (UDP, "udp", "udp_timeout"),
    (DCCP, "dccp", "dccp_timeout"),
    (GRE, "gre", "gre_timeout"),
    (58, "icmpv6", "icmpv6_timeout"),
    (SCTP, "sctp", "sctp_timeout"),
    (UDP_LITE, "udplite", "udplite_timeout"),
];

/// The states of each protocol that has some.
const STATES: usize = 10;

/// The states of TCP in the order of their numbers (`enum tcp_conntrack`, `include/uapi/linux/netfilter/nf_conntrack_tcp.h`),
/// each with the end of its timeout's name.
const TCP_STATES: [(&str, &str); STATES] = [
    ("NONE", ""),
    ("SYN_SENT", "syn_sent"),
    ("SYN_RECV", "syn_recv"),
    ("ESTABLISHED", "established"),
    ("FIN_WAIT", "fin_wait"),
    ("CLOSE_WAIT", "close_wait"),
    ("LAST_ACK", "last_ack"),
    ("TIME_WAIT", "time_wait"),
    ("CLOSE", "close"),
    // Until 2.6.31 this number was LISTEN, which no connection ever reached.
    ("SYN_SENT2", "syn_sent"),
];

/// The states of SCTP (`enum sctp_conntrack`), likewise.
const SCTP_STATES: [(&str, &str); STATES] = [
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

/// The states of DCCP (`enum ct_dccp_states`), likewise.
const DCCP_STATES: [(&str, &str); STATES] = [
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

/// Whether a protocol has ports that say which service is meant. (ctnetlink gives the keys of GRE in the same attributes.)
#[must_use]
pub fn has_ports(protocol: u8) -> bool {
    matches!(protocol, TCP | UDP | DCCP | SCTP | UDP_LITE)
}

/// The protocols that have states.
const WITH_STATES: [(u8, &[(&str, &str); STATES]); 3] =
    [(TCP, &TCP_STATES), (SCTP, &SCTP_STATES), (DCCP, &DCCP_STATES)];

/// The place of the first state of `protocol` among the states of all, and its states.
fn states(protocol: u8) -> Option<(usize, &'static [(&'static str, &'static str); STATES])> {
    let place = WITH_STATES.iter().position(|(own, _)| *own == protocol)?;
    Some((place * STATES, WITH_STATES[place].1))
}

/// The states of a connection that is closing. A kernel whose table is nearly full removes such entries too, although they
/// have seen traffic both ways (`can_early_drop` in `net/netfilter/nf_conntrack_proto_*.c`, 4.12 and later).
const CLOSING: [(u8, &[&str]); 3] = [
    (TCP, &["FIN_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "CLOSE_WAIT"]),
    (SCTP, &["SHUTDOWN_SENT", "SHUTDOWN_RECD", "SHUTDOWN_ACK_SENT"]),
    (DCCP, &["CLOSEREQ", "CLOSING", "TIMEWAIT"]),
];

impl TableEntry {
    /// Whether the connection is over, and its entry only waits for late packets.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state.is_some_and(|state| matches!(state.name(), "TIME_WAIT" | "CLOSE"))
    }

    /// Whether the connection is closing.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        let states = CLOSING.iter().find(|(protocol, _)| *protocol == self.protocol);
        states.zip(self.state).is_some_and(|((_, states), state)| states.contains(&state.name()))
    }
}

impl ProtocolState {
    /// The state that has the number `number` in `protocol`.
    #[must_use]
    pub fn numbered(protocol: u8, number: u8) -> Option<ProtocolState> {
        let (first, states) = states(protocol)?;
        let number = usize::from(number);
        (number < states.len()).then(|| u8::try_from(first + number).ok().map(ProtocolState))?
    }

    /// The state that `protocol` calls `name`.
    #[must_use]
    pub fn named(protocol: u8, name: &str) -> Option<ProtocolState> {
        let number = states(protocol)?.1.iter().position(|(own, _)| *own == name)?;
        ProtocolState::numbered(protocol, u8::try_from(number).ok()?)
    }

    /// The number of the state among those of all protocols.
    #[must_use]
    pub fn place(self) -> u8 {
        self.0
    }

    /// The name that the tools print.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().0
    }

    fn row(self) -> (&'static str, &'static str) {
        let place = usize::from(self.0);
        WITH_STATES[place / STATES].1[place % STATES]
    }
}

impl fmt::Debug for ProtocolState {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.name())
    }
}

/// The name of the protocol `number`, as the tools print it; `protocol 50` if they have no name.
#[must_use]
pub fn protocol_name(number: u8) -> String {
    let own = PROTOCOLS.iter().find(|(own, ..)| *own == number);
    own.map_or_else(|| format!("protocol {number}"), |(_, name, _)| (*name).to_owned())
}

/// Whether the kernel has no tracker of its own for the entry's protocol any more, and so neither a state nor ports: for DCCP
/// since 6.16, and for UDP-Lite since 7.2 (seen on 6.18 and 7.2).
fn is_generic(entry: &TableEntry) -> bool {
    match entry.protocol {
        DCCP => entry.state.is_none(),
        UDP_LITE => entry.port.is_none_or(|port| port == 0),
        _ => false,
    }
}

/// A timeout, as the end of the name of its setting: `tcp_timeout_established`.
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

    /// Whether it is a timeout of TCP, whose entries may be under a shorter timer of their own.
    #[must_use]
    pub fn is_of_tcp(self) -> bool {
        self.start == "tcp_timeout"
    }

    /// The timeout of the same entries on the kernels that no longer have this one: since 4.11, UDP-Lite uses UDP's.
    #[must_use]
    pub fn successor(self) -> Option<Timeout> {
        (self.start == "udplite_timeout").then_some(Timeout { start: "udp_timeout", ..self })
    }
}

/// The timeout of established TCP connections.
pub const ESTABLISHED: Timeout = Timeout { start: "tcp_timeout", end: "established" };

/// The timeout that the kernel's own code applies to an entry (`net/netfilter/nf_conntrack_proto_*.c`); None: none.
///
/// `udp_timeout` is in seconds. Kernels before 5.0 switch to the stream timeout at the first reply; a remaining time above
/// `udp_timeout` shows that.
#[must_use]
pub fn timeout(entry: &TableEntry, udp_timeout: u32) -> Option<Timeout> {
    let Marks { replied, assured, offloaded } = entry.marks;
    if offloaded {
        return None;
    }
    let start = PROTOCOLS.iter().find(|(own, ..)| *own == entry.protocol).map(|(_, _, start)| *start);
    let Some(start) = start.filter(|_| !is_generic(entry)) else {
        return Some(Timeout { start: "generic_timeout", end: "" });
    };
    let end = match (entry.protocol, entry.state) {
        // A connection that was picked up in the middle and never answered gets the shorter time.
        (TCP, Some(state)) if state.name() == "ESTABLISHED" && !replied => "unacknowledged",
        (TCP | SCTP | DCCP, Some(state)) => {
            let (_, end) = state.row();
            (!end.is_empty()).then_some(end)?
        }
        (TCP | SCTP, None) => return None,
        (UDP, _) if assured || (replied && entry.remaining.is_some_and(|seconds| seconds > udp_timeout)) => "stream",
        (GRE | UDP_LITE, _) if assured => "stream",
        _ => "",
    };
    Some(Timeout { start, end })
}
