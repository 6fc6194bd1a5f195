//! Puts the values of the analysis into words.

use std::borrow::Cow;
use std::io;

use crate::table::analysis::diagnosis::{Diagnosis, Health};
use crate::table::analysis::gap::Gap;
use crate::table::analysis::loss::{Loss, NextStep};
use crate::table::analysis::namespaces::fullest_other;
use crate::table::analysis::profile::Profile;
use crate::table::analysis::proposal::Calculation;
use crate::table::analysis::status::{Alert, AlertLevel, AlertReason, Evictable, Status};
use crate::table::model::log::{Log, LogMessage};
use crate::table::model::reading::{Quantity, TableSource, Unread};
use crate::table::view::{notrack, offline, places};
use crate::text::{duration_text, grouped, percent, printable, size};

/// The entries, the limit and the fill: `123 of 262,144 (0.05%)`.
#[must_use]
pub fn occupancy(status: &Status) -> String {
    if !status.is_loaded {
        return "none: connection tracking is not loaded".to_owned();
    }
    match (status.count, status.limit, status.fill_percent) {
        (Some(count), Some(limit), Some(fill)) => format!("{} of {} ({fill:.2}%)", grouped(count), grouped(limit)),
        (Some(count), Some(_), None) => format!("{}, and no limit", grouped(count)),
        (Some(count), None, _) => format!("{}, the limit is not known", grouped(count)),
        (None, Some(limit), _) => format!("not known; the limit is {}", grouped(limit)),
        (None, None, _) => "not known".to_owned(),
    }
}

/// The word that a monitoring plugin prints.
#[must_use]
pub fn alert_level(level: AlertLevel) -> &'static str {
    match level {
        AlertLevel::Ok => "OK",
        AlertLevel::Warning => "WARNING",
        AlertLevel::Critical => "CRITICAL",
        AlertLevel::Unknown => "UNKNOWN",
    }
}

/// The reason for the alert of a status, and the namespace that it is about if that is another one.
#[must_use]
pub fn alert_reason(status: &Status, alert: Alert) -> String {
    let reason = reason(alert.reason);
    let namespace = alert.namespace.and_then(|id| status.namespaces.iter().find(|namespace| namespace.id == id));
    namespace.map_or(reason.clone(), |namespace| format!("{}: {reason}", places::place(namespace)))
}

fn reason(reason: AlertReason) -> String {
    match reason {
        AlertReason::Dropped(packets) => format!("{packets} packets dropped during this run"),
        AlertReason::AtOrAbove { fill, threshold } => format!("{fill:.1}% is at or above {threshold}%"),
        AlertReason::Below { fill, threshold } => format!("{fill:.1}% is below {threshold}%"),
        AlertReason::NoLimit => "there is no limit".to_owned(),
        AlertReason::NotLoaded => "connection tracking is not loaded".to_owned(),
        AlertReason::NotKnown => "the count or the limit cannot be read".to_owned(),
    }
}

/// The source of a table's entries.
#[must_use]
pub fn source(source: &TableSource) -> String {
    match source {
        TableSource::Ctnetlink => "the kernel's table (ctnetlink)".to_owned(),
        TableSource::File(path) | TableSource::Saved(path) => path.display().to_string(),
        TableSource::StandardInput => "standard input".to_owned(),
        TableSource::Nothing => "nothing".to_owned(),
    }
}

/// The facts that a failed reading would have given.
#[must_use]
pub fn unread_facts(unread: &Unread) -> Cow<'static, str> {
    match unread {
        Unread::Quantity(Quantity::Count, _) => "the number of entries".into(),
        Unread::Quantity(Quantity::Limit, _) | Unread::SavedLimit => "the limit".into(),
        Unread::Counters(_) => "the counters of connection tracking".into(),
        Unread::LossCounters(..) => "some counters of lost packets".into(),
        Unread::Driver(interface, _) => format!("what the cloud's own limits have dropped ({interface})").into(),
        Unread::Namespaces { .. } => "some network namespaces".into(),
        Unread::Log(..) => "the kernel's messages".into(),
        Unread::Table(_) => "the entries of the table".into(),
        Unread::ExactTable => "the exact table".into(),
        Unread::Entries(count) => format!("{count} entries").into(),
        Unread::Lines { count, .. } => format!("{count} lines of the file").into(),
        Unread::Excerpt { entries, shown } => format!("{} entries", grouped(shown - entries)).into(),
        Unread::BeforeEvents(_) => "the connections from before the first event".into(),
        Unread::Answers(count) => format!("whether {} connections were answered", grouped(*count)).into(),
        Unread::Addresses(count) => format!("the addresses of {} entries", grouped(*count)).into(),
        Unread::Events(count) => format!("{} events", grouped(*count)).into(),
        Unread::SavedCounters => "the counters and the rate".into(),
    }
}

/// The reason why a reading failed.
#[must_use]
pub fn unread_reason(unread: &Unread) -> Cow<'static, str> {
    match unread {
        Unread::Quantity(_, error) => {
            format!("the kernel has no such key here, and ctnetlink does not answer: {error}").into()
        }
        Unread::Counters(error) => {
            format!("`/proc/net/stat/nf_conntrack` does not exist, and ctnetlink does not answer: {error}").into()
        }
        Unread::LossCounters(path, error) => format!("`{path}`: {error}").into(),
        Unread::Driver(interface, error) => format!("`ethtool -S {interface}`: {error}").into(),
        Unread::Namespaces { processes, .. } => {
            format!("{processes} processes hide their namespace from this one; that takes CAP_SYS_PTRACE: run as root")
                .into()
        }
        Unread::Log(name, error) => {
            let need = match error.kind() {
                io::ErrorKind::PermissionDenied if name == "/dev/kmsg" => "; that takes CAP_SYSLOG: run as root",
                _ => "",
            };
            format!("`{name}`: {error}{need}").into()
        }
        Unread::Table(error) => {
            let need = match error.kind() {
                io::ErrorKind::PermissionDenied => "; that takes CAP_NET_ADMIN: run as root",
                _ => "",
            };
            format!("ctnetlink does not answer: {error}, and /proc/net/nf_conntrack cannot be read{need}").into()
        }
        Unread::ExactTable => "it changed while it was read: entries may be missing or counted twice".into(),
        Unread::Entries(_) => "they have an unknown form".into(),
        Unread::Lines { first, .. } => format!("they are no entries; the first is number {first}").into(),
        Unread::Excerpt { entries, shown } => format!(
            "the file says that {} were shown, and has {}: the shares below are of these",
            grouped(*shown),
            grouped(*entries)
        )
        .into(),
        Unread::BeforeEvents(events) => {
            format!("the file has {} events and no table: the entries below are those that they left", grouped(*events))
                .into()
        }
        Unread::Answers(_) => "their lines are cut off, or have a form that does not say it".into(),
        Unread::Addresses(_) => "somebody has made them unreadable; the lists of addresses leave them out".into(),
        Unread::Events(_) => "more connections were open at once than are kept".into(),
        Unread::SavedCounters => "a saved table does not have them; --stat gives the counters".into(),
        Unread::SavedLimit => "a saved table does not have it; --limit or --sysctl gives it".into(),
    }
}

/// The moment of a message: `at Nov 20 22:30:22`, `123.5 s after the boot`.
#[must_use]
pub fn moment(message: &LogMessage) -> String {
    match (&message.time, message.since_boot) {
        (Some(time), _) => format!("at {}", printable(time)),
        (None, Some(micros)) => format!("{} s after the boot", micros / 1_000_000),
        (None, None) => "at an unknown time".to_owned(),
    }
}

/// What a log says beside its messages of a full table.
#[must_use]
pub fn log_remarks(log: &Log) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(full) = &log.expectations {
        remarks.push(format!(
            "{} of a full table of expectations, the last {}: raise nf_conntrack_expect_max (the helpers of FTP, SIP \
             and the like wait there for connections)",
            counted(full.messages, "message"),
            moment(&full.last)
        ));
    }
    if log.suppressed > 0 {
        remarks.push(format!(
            "{} of the network not printed, because there were too many (`callbacks suppressed`); some may be of a full table",
            counted(log.suppressed, "message")
        ));
    }
    if let Some(example) = &log.example {
        remarks.push(format!(
            "{} with the words of a full table not counted, because another program wrote it or its form is unknown: {}",
            counted(log.not_understood, "line"),
            printable(example)
        ));
    }
    remarks
}

fn counted(count: u64, word: &str) -> String {
    format!("{} {word}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// The word for a verdict that a diagnosis begins with.
#[must_use]
pub fn verdict(verdict: Health) -> &'static str {
    match verdict {
        Health::Full => "FULL",
        Health::FullInNamespace => "FULL IN ANOTHER NAMESPACE",
        Health::DroppingElsewhere => "DROPPING ELSEWHERE",
        Health::Near => "NEARLY FULL",
        Health::NearInNamespace => "NEARLY FULL IN ANOTHER NAMESPACE",
        Health::WasFull => "WAS FULL",
        Health::Healthy => "HEALTHY",
        Health::NotLoaded => "NOT LOADED",
        Health::Unknown => "UNKNOWN",
    }
}

/// The verdict in a sentence.
#[must_use]
pub fn summary(diagnosis: &Diagnosis) -> String {
    let saved = offline::summary(diagnosis, &occupancy(&diagnosis.status));
    format!("{}{}", offline::lead(diagnosis), saved.unwrap_or_else(|| live_summary(diagnosis)))
}

fn live_summary(diagnosis: &Diagnosis) -> String {
    let profile = diagnosis.profile.as_ref();
    let occupancy = occupancy(&diagnosis.status);
    match diagnosis.verdict {
        Health::Full => full(&diagnosis.status, profile),
        Health::FullInNamespace => in_namespace(&diagnosis.status, "full"),
        Health::NearInNamespace => in_namespace(&diagnosis.status, "nearly full"),
        Health::DroppingElsewhere => {
            let significant = diagnosis.losses.iter().filter(|loss| loss.significant);
            let counters: Vec<&str> = significant.map(|loss| loss.counter.as_str()).collect();
            let counters = counters.join(", ");
            format!("packets are dropped, but not by a full connection tracking table ({occupancy}): {counters}")
        }
        Health::Near => {
            let until = diagnosis.seconds_until_full.map(until_full).unwrap_or_default();
            format!("the table is nearly full ({occupancy}){until}")
        }
        Health::WasFull => {
            let last = diagnosis.full_at.as_deref().unwrap_or("an unknown time");
            format!("the table has room now ({occupancy}), but it was full, last at {last}")
        }
        Health::Healthy => {
            let is_counted = diagnosis.status.interval.as_ref().is_some_and(|interval| interval.counted.is_some());
            let drops = if is_counted { "dropped nothing during this run" } else { "does not report drops here" };
            format!("the table has room ({occupancy}), and connection tracking {drops}")
        }
        Health::NotLoaded => {
            "connection tracking is not loaded in this kernel: there is no table, and it drops nothing".to_owned()
        }
        Health::Unknown => format!("the count or the limit cannot be read (entries: {occupancy})"),
    }
}

fn full(status: &Status, profile: Option<&Profile>) -> String {
    let occupancy = occupancy(status);
    let Some(interval) = status.interval.as_ref() else {
        return format!("the table is full ({occupancy}): new connections are dropped here");
    };
    let (dropped, evicted, seconds) = (interval.count("drop"), interval.count("early_drop"), interval.seconds);
    let evictable = profile.filter(|profile| profile.entries > 0).map(|profile| profile.evictable + profile.closing);
    let share = evictable.zip(profile).map(|(part, profile)| format!(" ({}% of them)", percent(part, profile.entries)));
    let share = share.unwrap_or_default();
    match (dropped, evicted) {
        (0, 0) if evictable == Some(0) => {
            format!("the table is full ({occupancy}), and no entry can be evicted: every new connection is dropped")
        }
        (0, 0) => format!(
            "the table is full ({occupancy}); nothing was lost within {seconds} s, but a new connection evicts an entry that has \
             not seen traffic both ways{share}, or is dropped"
        ),
        (0, _) => format!(
            "the table is full ({occupancy}): {} entries evicted within {seconds} s to make room, and no packet dropped; \
             entries that have not seen traffic both ways{share} are the ones that go",
            grouped(evicted)
        ),
        _ => format!(
            "the table is full ({occupancy}): {} packets of new connections dropped and {} entries evicted within \
             {seconds} s; the drops are on this host",
            grouped(dropped),
            grouped(evicted)
        ),
    }
}

/// The entries that are counted and not listed, and the causes.
#[must_use]
pub fn gap(gap: &Gap) -> String {
    let mut text = format!("{} entries are counted, and the kernel does not list them", grouped(gap.entries));
    if let Some(dying) = gap.dying.filter(|dying| *dying > 0) {
        text += &format!(
            "; {} have ended, and stay until a program has read the event of their end: a listener with unread events ({}) \
             holds them",
            grouped(dying),
            gap.listener.as_deref().unwrap_or("see Rmem in /proc/net/netlink, Eth 12")
        );
    }
    if let Some(unconfirmed) = gap.unconfirmed.filter(|unconfirmed| *unconfirmed > 0) {
        text += &format!(
            "; {} wait for their first packet, which a program may hold in a queue of netfilter (NFQUEUE)",
            grouped(unconfirmed)
        );
    }
    if gap.dying.unwrap_or(0) + gap.unconfirmed.unwrap_or(0) == 0 {
        text += "; their first packet may wait in a queue of netfilter (NFQUEUE), or they have ended and a listener of events \
                 holds them";
    }
    text
}

/// The arithmetic of a table without the traffic that need not be tracked.
pub fn without(diagnosis: &Diagnosis) -> impl Iterator<Item = String> {
    let (untracked, status) = (diagnosis.untracked(), &diagnosis.status);
    let scaled = |entries| diagnosis.profile.as_ref().map_or(entries, |profile| profile.scaled(entries));
    let traffic = untracked
        .iter()
        .map(move |own| format!("{}: {} entries ({}%)", notrack::name(own), grouped(scaled(own.entries)), own.percent));
    let count = status.count.unwrap_or(0);
    let gone: u64 = untracked.iter().map(|own| scaled(own.entries)).sum();
    let (stay, limit) = (count.saturating_sub(gone), status.limit.unwrap_or(0));
    let room = stay.saturating_mul(2);
    let fits = if room <= limit { "fits into" } else { "does not fit into" };
    let sum = format!(
        "{} entries - {} = {} that stay; 2 x {} = {} {fits} the limit of {}",
        grouped(count),
        grouped(gone),
        grouped(stay),
        grouped(stay),
        grouped(room),
        grouped(limit)
    );
    traffic.chain(std::iter::once(sum))
}

/// The entries that can be evicted: `1,234 (12.3%)`.
#[must_use]
pub fn evictable(evictable: &Evictable) -> String {
    let margin = match evictable.margin_points {
        points if points > 0.0 => format!(", accurate to {points} points"),
        _ => String::new(),
    };
    let firm = evictable.firm_percent.map(|fill| format!("; the others fill {fill:.2}% of the limit"));
    format!("{} ({}%{margin}){}", grouped(evictable.entries), evictable.percent, firm.unwrap_or_default())
}

/// The words for a table of another namespace, which is the fullest.
fn in_namespace(status: &Status, fullness: &str) -> String {
    let own = occupancy(status);
    let Some(namespace) = fullest_other(status) else { return own };
    let entries = grouped(namespace.latest().map_or(0, |counts| counts.entries));
    let limit = grouped(status.limit.unwrap_or(0));
    let lost = namespace.during_run.filter(|run| run.drop + run.early_drop > 0).map(|run| {
        format!("; {} packets dropped and {} entries evicted in this run", grouped(run.drop), grouped(run.early_drop))
    });
    let command = places::diagnose(namespace).map(|command| format!("; look into it: {command}"));
    format!(
        "the table of {} is {fullness} ({entries} of {limit}{}); this one has {own}{}",
        places::place(namespace),
        lost.unwrap_or_default(),
        command.unwrap_or_default()
    )
}

fn until_full(seconds: u64) -> String {
    match seconds {
        0 => "; at this rate it is full within a second".to_owned(),
        _ => format!("; at this rate it is full in {}", duration_text(i64::try_from(seconds).unwrap_or(i64::MAX))),
    }
}

/// The cause that a loss points to, and the place to look at next.
#[must_use]
pub fn next_step(loss: &Loss) -> Cow<'static, str> {
    Cow::Borrowed(match &loss.next_step {
        NextStep::AcceptQueue => {
            "a listening socket's accept queue is full: `ss -ltn` (Recv-Q at Send-Q); the program's backlog, \
             net.core.somaxconn"
        }
        NextStep::Listener => {
            "a listening socket refused connections: `ss -ltn`, then the program that should accept them"
        }
        NextStep::HalfOpenQueue => {
            "the queue of half-open connections is full: net.ipv4.tcp_max_syn_backlog, a SYN flood"
        }
        NextStep::SocketBacklog => "a socket's backlog is full: the program or its CPU is too slow; net.core.rmem_max",
        NextStep::ReceiveQueue => {
            "a socket's receive queue is full: the program is too slow, or net.ipv4.tcp_mem is reached"
        }
        NextStep::TimeWaitSockets => "too many sockets in TIME-WAIT: net.ipv4.tcp_max_tw_buckets",
        NextStep::ReversePathFilter => "the reverse path filter drops packets: routes, or net.ipv4.conf.*.rp_filter",
        NextStep::UdpReceiveBuffer => {
            "a UDP socket's receive buffer is full: the program is too slow; net.core.rmem_max"
        }
        NextStep::UdpMemory => "UDP's memory is used up: net.ipv4.udp_mem",
        NextStep::IpInput => "IP discarded packets on input: memory, or the interface's queue",
        NextStep::IpOutput => "IP discarded packets on output: the interface's queue (`tc -s qdisc`)",
        NextStep::Routes => "there is no route: `ip route get ADDRESS`",
        NextStep::InputQueue => "a CPU's input queue is full: net.core.netdev_max_backlog, spread of interrupts (RPS)",
        NextStep::InputBudget => {
            "a CPU used up its budget and continued later; nothing is lost: net.core.netdev_budget"
        }
        NextStep::Interface(name) => {
            return format!("the interface or its driver drops packets: `ip -s -s link show {name}`, `ethtool -S`")
                .into();
        }
        NextStep::SendingQueue(name) => {
            return format!(
                "the interface's queue for sending is full, or its rules drop packets: `tc -s qdisc show dev {name}`"
            )
            .into();
        }
        NextStep::CloudTracking => {
            "the cloud's own connection tracking is full, outside of this machine; no sysctl here changes that: a larger \
             instance, a security group that needs no tracking, fewer or shorter connections"
        }
        NextStep::CloudBandwidth => {
            "more bandwidth than the cloud allows this instance: packets wait or are lost outside of this machine"
        }
        NextStep::CloudPackets => {
            "more packets a second than the cloud allows this instance: they wait or are lost outside of this machine"
        }
        NextStep::CloudServices => {
            "more packets a second than the cloud allows to its DNS, time and metadata services: a local cache of DNS"
        }
        NextStep::Trackers => {
            "connection tracking refused packets although its table has room: a protocol's tracker, or a clash of two \
             packets of one new connection"
        }
        NextStep::Insertion => {
            "entries could not be inserted: two packets of one connection at once (DNS over UDP is the usual one), or \
             NAT has no free port"
        }
        NextStep::Clash => "two packets of one new connection came at once and were resolved; nothing is lost",
        NextStep::Buckets => "chains of the hash table are too long: raise nf_conntrack_buckets",
        NextStep::InvalidPackets => {
            "packets fit no connection; a rule `ct state invalid drop` drops them: nf_conntrack_log_invalid logs the reason"
        }
    })
}

/// The connections that the cloud still has room for.
#[must_use]
pub fn cloud_room(interface: &str, room: u64) -> String {
    format!("room for {} more connections in the cloud's own connection tracking ({interface})", grouped(room))
}

/// A calculation of the proposal.
#[must_use]
pub fn calculation(calculation: &Calculation) -> String {
    match calculation {
        Calculation::Shorten { setting, from, to, entries, percent } => format!(
            "{setting}: {} -> {}; {} entries ({percent}%) have been idle for longer and would be gone",
            from.map_or_else(String::new, |seconds| duration_text(seconds.into())),
            duration_text((*to).into()),
            grouped(*entries)
        ),
        Calculation::Stay { count, gone, stay } => {
            format!("{} entries - {} gone = {} that stay", grouped(*count), grouped(*gone), grouped(*stay))
        }
        Calculation::StayOfFull { limit, share, stay } => format!(
            "the table was full with {} entries; with the present mix, {:.0}% of them would stay: {}",
            grouped(*limit),
            share * 100.0,
            grouped(*stay)
        ),
        Calculation::OneSource(opened) => offline::one_source(opened),
        Calculation::Kept { limit } => format!("the limit of {} is large enough and stays", grouped(*limit)),
        Calculation::Fits { stay, room, limit } => {
            format!("2 x {} = {} fits into the limit of {}", grouped(*stay), grouped(*room), grouped(*limit))
        }
        Calculation::Raised { stay, room, limit } => format!(
            "2 x {} = {}, up to a power of two: {} (a full table does not show the demand that it turned away; \
             diagnose again later)",
            grouped(*stay),
            grouped(*room),
            grouped(*limit)
        ),
        Calculation::BoundByMemory { limit, memory } => {
            format!("an eighth of this machine's memory ({}) holds at most {}", size(*memory), grouped(*limit))
        }
        Calculation::Memory { limit, entry_bytes, buckets, bucket_bytes, bytes } => format!(
            "memory when full: {} x {entry_bytes} bytes + {} buckets x {bucket_bytes} bytes = {}",
            grouped(*limit),
            grouped(*buckets),
            size(*bytes)
        ),
    }
}
