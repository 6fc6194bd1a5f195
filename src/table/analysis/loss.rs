//! Defines what a counter of lost packets points to.

/// A counter of lost packets that is above zero, or that grew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The counter: `TcpExt.ListenOverflows`, `eth0.rx_drop`, `softnet.dropped`, `conntrack.insert_failed`.
    pub counter: String,
    /// The packets.
    pub count: u64,
    /// Whether that is more than a healthy host shows.
    pub significant: bool,
    /// The place to look at next.
    pub next_step: NextStep,
}

/// The place to look at next, which is where the packets were lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// The accept queue of a listening socket, which is full.
    AcceptQueue,
    /// The program that should accept connections.
    Listener,
    /// The queue of half-open connections.
    HalfOpenQueue,
    /// The backlog of a TCP socket.
    SocketBacklog,
    /// The receive queue of a TCP socket.
    ReceiveQueue,
    /// The sockets in TIME-WAIT.
    TimeWaitSockets,
    /// The reverse path filter.
    ReversePathFilter,
    /// The receive buffer of a UDP socket.
    UdpReceiveBuffer,
    /// The memory of all UDP sockets.
    UdpMemory,
    /// IP on input.
    IpInput,
    /// IP on output.
    IpOutput,
    /// The routes.
    Routes,
    /// The input queue of a CPU.
    InputQueue,
    /// The time that a CPU may spend on its input queue.
    InputBudget,
    /// The interface of this name.
    Interface(String),
    /// The queue for sending of the interface of this name.
    SendingQueue(String),
    /// The cloud's own connection tracking, outside of this machine.
    CloudTracking,
    /// The bandwidth that the cloud allows this machine.
    CloudBandwidth,
    /// The packets a second that the cloud allows this machine.
    CloudPackets,
    /// The packets a second that the cloud allows to its own services: DNS, time, metadata.
    CloudServices,
    /// The protocol trackers of connection tracking.
    Trackers,
    /// The same, or the table, if it was full at another time.
    FullOrTrackers,
    /// The insertion of new entries.
    Insertion,
    /// The buckets of the hash table.
    Buckets,
    /// The rules that drop invalid packets.
    InvalidPackets,
    /// Two packets of one new connection at the same time, of which one entry was made: nothing is lost.
    Clash,
}
