//! The catalog: a row for each setting, with the kernel document or source file that says so.
//!
//! The releases are those of the mainline kernel. A stable series may drop a setting that its release had (6.1.y lost
//! `sctp_timeout_heartbeat_acked`), and a vendor may add one; the running kernel is asked for its settings, not this
//! table. A setting that its release can be built without counts as being there.

use super::modules::{CONNTRACK, REASSEMBLY};
use super::release::Release;
use super::setting::{Access, Raised, Scope, Setting, ValueKind};

/// Most settings are described here.
const DOC: &str = "Documentation/networking/nf_conntrack-sysctl.rst";
const DCCP: &str = "net/netfilter/nf_conntrack_proto_dccp.c";
const ECACHE: &str = "net/netfilter/nf_conntrack_ecache.c";
const HELPER: &str = "net/netfilter/nf_conntrack_helper.c";
const SCTP: &str = "net/netfilter/nf_conntrack_proto_sctp.c";
const STANDALONE: &str = "net/netfilter/nf_conntrack_standalone.c";
const UDPLITE: &str = "net/netfilter/nf_conntrack_proto_udplite.c";

/// The release in which `nf_conntrack` joined `ip_conntrack`, which it replaced in 2.6.22.
const FIRST: Release = v2_6(15);

const fn v2_6(patch: u32) -> Release {
    Release::v2_6(patch)
}

const fn v(major: u32, minor: u32) -> Release {
    Release::new(major, minor)
}

/// The kernel's `INT_MAX`: most settings are an `int`, whatever the machine.
pub(super) const INT_MAX: i64 = 2_147_483_647;

/// A timeout is kept as an `int` of clock ticks, so this is the most seconds that fit at the slowest common clock,
/// 100 ticks a second. A kernel with a faster clock refuses sooner.
const MAX_SECONDS: i64 = INT_MAX / 100;

/// The canonical name, and the other keys, newest first.
type Keys = (&'static str, &'static [&'static str]);

/// The keys of a setting that has only ever had its canonical name.
macro_rules! own {
    ($last:literal) => {
        (concat!("net.netfilter.nf_conntrack_", $last), &[])
    };
}

/// The keys of a timeout of offloaded connections.
macro_rules! flowtable {
    ($last:literal) => {
        (concat!("net.netfilter.nf_flowtable_", $last), &[])
    };
}

/// The keys of a setting that `ip_conntrack` had too; from 2.6.20 to 4.8 `nf_conntrack` could be built to give both.
macro_rules! old {
    ($last:literal) => {
        (concat!("net.netfilter.nf_conntrack_", $last), &[concat!("net.ipv4.netfilter.ip_conntrack_", $last)])
    };
}

const MAX: Keys = (
    "net.netfilter.nf_conntrack_max",
    &["net.nf_conntrack_max", "net.ipv4.netfilter.ip_conntrack_max", "net.ipv4.ip_conntrack_max"],
);

/// A number of each network namespace, from 0 to `max`; the other constructors start from it.
const fn level(keys: Keys, max: i64, since: Release, source: &'static str, summary: &'static str) -> Setting {
    Setting {
        name: keys.0,
        other_keys: keys.1,
        kind: ValueKind::Integer,
        unit: "",
        min: 0,
        max,
        default: None,
        scope: Scope::PerNamespace,
        access: Access::ReadWrite,
        module: CONNTRACK,
        raised: None,
        since: Some(since),
        until: None,
        summary,
        source,
    }
}

/// Kernels before 5.2 accept any `int` for a switch; only 0 and 1 have a meaning in all of them.
const fn switch(keys: Keys, since: Release, source: &'static str, summary: &'static str) -> Setting {
    let mut setting = level(keys, 1, since, source, summary);
    setting.kind = ValueKind::Boolean;
    setting
}

/// A timeout, which is `default` seconds until somebody sets it.
///
/// Kernels also accept a negative number and read it as an enormous one, which is not a timeout that anybody means.
const fn timeout(keys: Keys, default: u32, since: Release, source: &'static str, summary: &'static str) -> Setting {
    let mut setting = level(keys, MAX_SECONDS, since, source, summary);
    setting.kind = ValueKind::Seconds;
    setting.unit = "seconds";
    setting.default = Some(default);
    setting
}

/// A number of bytes: an `unsigned long` in the kernel, limited here to an [`i64`].
const fn bytes(keys: Keys, since: Release, source: &'static str, summary: &'static str) -> Setting {
    let mut setting = level(keys, i64::MAX, since, source, summary);
    setting.unit = "bytes";
    setting
}

/// A number of `unit`s, of which there are at least `min`.
const fn amount(unit: &'static str, min: i64, keys: Keys, since: Release, summary: &'static str) -> Setting {
    let mut setting = level(keys, INT_MAX, since, DOC, summary);
    setting.unit = unit;
    setting.min = min;
    setting
}

impl Setting {
    const fn global(mut self) -> Self {
        self.scope = Scope::Global;
        self
    }

    const fn read_only(mut self) -> Self {
        self.access = Access::ReadOnly;
        self
    }

    /// Makes `min` the smallest value from the release `from` on. The release `not_until` is the last one that is known to
    /// take less.
    const fn raised(mut self, min: i64, not_until: Release, from: Release) -> Self {
        self.raised = Some(Raised { min, not_until, from });
        self
    }

    const fn of_reassembly(mut self) -> Self {
        self.module = REASSEMBLY;
        self
    }

    const fn until(mut self, major: u32, minor: u32) -> Self {
        self.until = Some(v(major, minor));
        self
    }
}

/// Every known connection tracking sysctl, in the order of the names.
///
/// Three bounds are narrower than those of older kernels. `expect_max` starts at the documented 1: a 0 would allow no
/// expectation at all, although a reader of `max` would take it for no limit. `tcp_max_retrans` ends at 255, which is
/// as far as the kernel counts. `tcp_loose` is a switch, though before 2.6.21 it was a number of packets, 3 by default.
#[rustfmt::skip]
pub const CATALOG: &[Setting] = &[
    switch(own!("acct"), v2_6(27), DOC, "count the packets and bytes of each connection"),
    // Read-only before 4.8: there, only the module's hashsize sets it.
    amount("buckets", 1, old!("buckets"), FIRST, "size of the hash table; the kernel rounds it up").global(),
    switch(old!("checksum"), v2_6(18), DOC, "treat packets with a bad checksum as invalid"),
    amount("entries", 0, old!("count"), FIRST, "how many connections are tracked now").read_only(),
    switch(own!("dccp_loose"), v2_6(26), DCCP, "track DCCP connections that are already open").until(6, 16),
    timeout(own!("dccp_timeout_closereq"), 64, v2_6(26), DCCP, "DCCP: after the server asked to close").until(6, 16),
    timeout(own!("dccp_timeout_closing"), 64, v2_6(26), DCCP, "DCCP: while closing").until(6, 16),
    timeout(own!("dccp_timeout_open"), 43_200, v2_6(26), DCCP, "DCCP: idle open connection").until(6, 16),
    timeout(own!("dccp_timeout_partopen"), 480, v2_6(26), DCCP, "DCCP: client has the response, not yet data").until(6, 16),
    timeout(own!("dccp_timeout_request"), 240, v2_6(26), DCCP, "DCCP: request without response").until(6, 16),
    timeout(own!("dccp_timeout_respond"), 480, v2_6(26), DCCP, "DCCP: response without acknowledgement").until(6, 16),
    timeout(own!("dccp_timeout_timewait"), 240, v2_6(26), DCCP, "DCCP: after the reset that ends it").until(6, 16),
    switch(own!("default_on"), v(4, 10), DOC, "track in every new network namespace").global().until(4, 13),
    level(own!("events"), 2, v2_6(31), DOC, "send events: 0 never, 1 always, 2 while a program listens"),
    timeout(own!("events_retry_timeout"), 15, v2_6(31), ECACHE, "longest wait before an event is sent again").until(3, 16),
    amount("entries", 1, own!("expect_max"), v2_6(23), "maximum number of expectations").global(),
    bytes(own!("frag6_high_thresh"), FIRST, DOC, "memory for IPv6 fragments, above which they are dropped").of_reassembly(),
    bytes(own!("frag6_low_thresh"), FIRST, DOC, "memory for IPv6 fragments after dropping; unused since 4.17").of_reassembly(),
    timeout(own!("frag6_timeout"), 60, FIRST, DOC, "how long an IPv6 fragment waits for the rest").of_reassembly(),
    timeout(old!("generic_timeout"), 600, FIRST, DOC, "idle connection of a protocol that has no tracker"),
    timeout(own!("gre_timeout"), 30, v(5, 0), DOC, "GRE: no answer seen"),
    timeout(own!("gre_timeout_stream"), 180, v(5, 0), DOC, "GRE: answered"),
    switch(own!("helper"), v(3, 5), HELPER, "assign helpers by port, without a rule").until(5, 19),
    timeout(old!("icmp_timeout"), 30, FIRST, DOC, "ICMP: no reply seen"),
    timeout(own!("icmpv6_timeout"), 30, FIRST, DOC, "ICMPv6: no reply seen"),
    level(old!("log_invalid"), 255, FIRST, DOC, "log invalid packets of this protocol number; 255 all, 0 none"),
    amount("entries", 0, MAX, FIRST, "how many connections may be tracked at once; 0 means no limit").global().raised(1, v(6, 18), v(7, 2)),
    timeout(old!("sctp_timeout_closed"), 10, FIRST, SCTP, "SCTP: closed"),
    timeout(old!("sctp_timeout_cookie_echoed"), 3, FIRST, SCTP, "SCTP: cookie echoed, not acknowledged"),
    timeout(old!("sctp_timeout_cookie_wait"), 3, FIRST, SCTP, "SCTP: opening, no cookie echoed yet"),
    timeout(old!("sctp_timeout_established"), 210, FIRST, SCTP, "SCTP: idle established association"),
    timeout(own!("sctp_timeout_heartbeat_acked"), 210, v(4, 3), SCTP, "SCTP: idle secondary path").until(6, 1),
    timeout(own!("sctp_timeout_heartbeat_sent"), 30, v(4, 3), SCTP, "SCTP: heartbeat on a new path, no answer"),
    timeout(old!("sctp_timeout_shutdown_ack_sent"), 3, FIRST, SCTP, "SCTP: shutdown acknowledged, not complete"),
    timeout(old!("sctp_timeout_shutdown_recd"), 3, FIRST, SCTP, "SCTP: shutdown seen from the answering side"),
    timeout(old!("sctp_timeout_shutdown_sent"), 3, FIRST, SCTP, "SCTP: shutdown seen from the opening side"),
    switch(old!("tcp_be_liberal"), FIRST, DOC, "treat only resets outside the window as invalid"),
    switch(own!("tcp_ignore_invalid_rst"), v(5, 14), DOC, "do not treat resets outside the window as invalid"),
    switch(old!("tcp_loose"), FIRST, DOC, "track TCP connections that are already open"),
    level(old!("tcp_max_retrans"), 255, FIRST, DOC, "retransmissions after which timeout_max_retrans counts"),
    timeout(old!("tcp_timeout_close"), 10, FIRST, DOC, "TCP: closed or reset"),
    timeout(old!("tcp_timeout_close_wait"), 60, FIRST, DOC, "TCP: one side closed, the other has not"),
    timeout(old!("tcp_timeout_established"), 432_000, FIRST, DOC, "TCP: idle established connection"),
    timeout(old!("tcp_timeout_fin_wait"), 120, FIRST, DOC, "TCP: first FIN seen, not acknowledged"),
    timeout(old!("tcp_timeout_last_ack"), 30, FIRST, DOC, "TCP: both FINs seen, last one not acknowledged"),
    timeout(old!("tcp_timeout_max_retrans"), 300, FIRST, DOC, "TCP: after tcp_max_retrans retransmissions unanswered"),
    timeout(old!("tcp_timeout_syn_recv"), 60, FIRST, DOC, "TCP: SYN answered, not acknowledged"),
    timeout(old!("tcp_timeout_syn_sent"), 120, FIRST, DOC, "TCP: SYN not answered"),
    timeout(old!("tcp_timeout_time_wait"), 120, FIRST, DOC, "TCP: closed by both sides"),
    timeout(own!("tcp_timeout_unacknowledged"), 300, v2_6(27), DOC, "TCP: data sent, not acknowledged"),
    switch(own!("timestamp"), v2_6(39), DOC, "keep the start time of each connection"),
    timeout(old!("udp_timeout"), 30, FIRST, DOC, "UDP: traffic in one direction only"),
    timeout(old!("udp_timeout_stream"), 120, FIRST, DOC, "UDP: traffic in both directions"),
    timeout(own!("udplite_timeout"), 30, v2_6(23), UDPLITE, "UDP-Lite: traffic in one direction only").until(4, 10),
    timeout(own!("udplite_timeout_stream"), 180, v2_6(23), UDPLITE, "UDP-Lite: traffic in both directions").until(4, 10),
    // Only in kernels that are built with flow tables (CONFIG_NF_FLOW_TABLE). The module nf_conntrack makes both keys.
    timeout(flowtable!("tcp_timeout"), 30, v(5, 14), STANDALONE, "flow table: idle offloaded TCP connection"),
    timeout(flowtable!("udp_timeout"), 30, v(5, 14), STANDALONE, "flow table: idle offloaded UDP connection"),
];

/// The row of every setting that is not in the catalog: a plain number, which each network namespace may have.
pub(super) const UNCATALOGUED: &Setting = &Setting {
    name: "net.netfilter.nf_conntrack_*",
    other_keys: &[],
    kind: ValueKind::Integer,
    unit: "",
    min: i64::MIN,
    max: i64::MAX,
    default: None,
    scope: Scope::PerNamespace,
    access: Access::ReadWrite,
    module: CONNTRACK,
    raised: None,
    since: None,
    until: None,
    summary: "not in the catalog: a plain number",
    source: "",
};
