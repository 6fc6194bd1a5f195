//! Puts the values of the analysis into words.

use crate::table::analysis::diagnosis::{Diagnosis, Health};
use crate::table::analysis::gap::Gap;
use crate::table::analysis::namespaces::fullest_other;
use crate::table::analysis::profile::Profile;
use crate::table::analysis::proposal::Calculation;
use crate::table::analysis::status::{Alert, AlertLevel, AlertReason, Evictable, Status};
use crate::table::model::log::{Log, LogMessage};
use crate::table::model::reading::TableSource;
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
