//! Renders `status` and `diagnose` as JSON, whose documents have the values of the analysis beside the words for them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answer::json;
use crate::table::analysis::diagnosis::{Diagnosis, Health};
use crate::table::analysis::gap::Gap;
use crate::table::analysis::loss::Loss;
use crate::table::analysis::namespaces::fill_of;
use crate::table::analysis::profile::Profile;
use crate::table::analysis::proposal::Proposal;
use crate::table::analysis::status::{Alert, AlertLevel, Counted, Evictable, Interval, Memory, Status};
use crate::table::model::counters::Counts;
use crate::table::model::log::Log;
use crate::table::model::reading::{Container, Namespace, Unread};
use crate::table::view::{losses, notrack, places, unread, words};

/// The status as JSON.
#[must_use]
pub fn status(status: &Status) -> String {
    json(&StatusDocument::from(status))
}

/// The diagnosis as JSON.
#[must_use]
pub fn diagnosis(diagnosis: &Diagnosis) -> String {
    json(&DiagnosisDocument::from(diagnosis))
}

/// The request that carries the proposal out; empty if the diagnosis proposes nothing.
#[must_use]
pub fn request(diagnosis: &Diagnosis) -> String {
    diagnosis.proposal.request().as_ref().map_or_else(String::new, json)
}

/// The JSON of `status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusDocument {
    /// The time, in UTC.
    pub time: String,
    /// The level, if thresholds are given.
    pub level: Option<AlertDocument>,
    /// Whether the kernel has connection tracking now. Without it no table exists.
    pub loaded: bool,
    /// The entries in the table of this network namespace.
    pub count: Option<u64>,
    /// The limit; 0: there is none.
    pub limit: Option<u64>,
    /// The used part of the limit, in percent; null: not known, or no limit.
    pub fill_percent: Option<f64>,
    /// The buckets of the hash table.
    pub buckets: Option<u64>,
    /// The entries that a bucket has on average; each entry is in two, once for each direction.
    pub entries_per_bucket: Option<f64>,
    /// The entries that a full table may remove to make room; null: they were not asked for.
    pub evictable: Option<Evictable>,
    /// The memory that the table takes.
    pub memory: Option<Memory>,
    /// The counts since the boot, or since this network namespace was made.
    pub since_boot: Option<Counted>,
    /// The changes during this run.
    pub interval: Option<Interval>,
    /// The packets that were lost outside of connection tracking since the boot, or since this network namespace was made.
    pub elsewhere: Vec<LossDocument>,
    /// The connections that the cloud still has room for in its own tracking, by interface; empty: no driver says it.
    pub cloud_room: Counts,
    /// The kernel's messages of a full table.
    pub log: Option<Log>,
    /// The network namespaces that share the limit's number.
    pub namespaces: Vec<NamespaceDocument>,
    /// The readings that failed.
    pub unread: Vec<UnreadDocument>,
}

/// The JSON of an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertDocument {
    /// The level.
    pub level: AlertLevel,
    /// The reason.
    pub reason: String,
    /// The number of the network namespace that the reason is about; null: that of this run.
    pub namespace: Option<u64>,
    /// The threshold of a warning, in percent of the limit.
    pub warn: f64,
    /// The threshold of a critical state.
    pub crit: f64,
}

/// The JSON of a network namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamespaceDocument {
    /// Its number, as in the kernel's messages (`in netns N`).
    pub id: u64,
    /// Its name under /run/netns; null: it has none there.
    pub name: Option<String>,
    /// A program that runs in it, with its process number; null: none does.
    pub program: Option<String>,
    /// The number of that process.
    pub pid: Option<u32>,
    /// The container of that process; null: it is in none that is known.
    pub container: Option<Container>,
    /// The entries in its table; null: its table cannot be read from here.
    pub count: Option<u64>,
    /// The used part of the limit, in percent; null: not known, or no limit.
    pub fill_percent: Option<f64>,
    /// The packets dropped since it was made; null: not known.
    pub drop: Option<u64>,
    /// The entries evicted since it was made, to make room; null: not known.
    pub early_drop: Option<u64>,
    /// Whether it is the namespace of this run.
    pub own: bool,
    /// The beginning of a command that runs in it; null: nothing leads there.
    pub enter: Option<String>,
}

/// The JSON of a reading that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnreadDocument {
    /// The facts that are not known.
    pub what: String,
    /// The reason.
    pub why: String,
}

/// The JSON of `diagnose`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiagnosisDocument {
    /// The source of the entries: the kernel's table, or a file.
    pub source: String,
    /// The verdict.
    pub verdict: Health,
    /// The verdict in a sentence.
    pub summary: String,
    /// The fill of the table, and the counts of the run.
    pub status: StatusDocument,
    /// The mix of entries in the table.
    pub profile: Option<Profile>,
    /// The entries that are counted and not listed; null: none are missing.
    pub gap: Option<Gap>,
    /// The seconds until the table is full at the present rate; null: it does not grow, or has no limit.
    pub seconds_until_full: Option<u64>,
    /// The counters of lost packets that grew during the run.
    pub drops: Vec<LossDocument>,
    /// The settings that the table needs.
    pub proposal: ProposalDocument,
    /// The rules that would end the tracking of traffic that fills the table; null: the table needs no room, or no traffic
    /// stands out. Nothing applies them.
    pub without_tracking: Option<UntrackedDocument>,
    /// Whether the limit can be set from this network namespace.
    pub limit_is_ours: bool,
}

/// The JSON of a counter of lost packets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossDocument {
    /// The counter: `TcpExt.ListenOverflows`, `eth0.rx_drop`, `softnet.dropped`, `conntrack.insert_failed`.
    pub counter: String,
    /// The packets.
    pub count: u64,
    /// Whether that is more than a healthy host shows.
    pub significant: bool,
    /// The cause that it points to, and the place to look at next.
    pub look: String,
}

/// The JSON of the rules that would end the tracking of some traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UntrackedDocument {
    /// The traffic and the arithmetic, a line each.
    pub arithmetic: Vec<String>,
    /// The commands of nft.
    pub nft: Vec<String>,
    /// The commands of iptables; ip6tables takes the same.
    pub iptables: Vec<String>,
    /// What the rules cost.
    pub cost: String,
}

/// The JSON of a proposal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposalDocument {
    /// The least limit; null: the table has none, or it is not known.
    pub limit: Option<u64>,
    /// The least number of buckets; null: the present ones are enough.
    pub buckets: Option<u64>,
    /// Timeouts to shorten, in seconds, by setting.
    pub timeouts: BTreeMap<String, u32>,
    /// The memory of a full table of that limit.
    pub memory: Option<u64>,
    /// The arithmetic of each number, a line each.
    pub arithmetic: Vec<String>,
    /// The proposal as a request that `apply` takes; null: there is nothing to ask for.
    pub request: Option<Value>,
}

impl From<&Status> for StatusDocument {
    fn from(status: &Status) -> StatusDocument {
        StatusDocument {
            time: status.time.clone(),
            level: status.alert.map(|alert| AlertDocument::new(status, alert)),
            loaded: status.is_loaded,
            count: status.count,
            limit: status.limit,
            fill_percent: status.fill_percent,
            buckets: status.buckets,
            entries_per_bucket: status.entries_per_bucket,
            evictable: status.evictable,
            memory: status.memory,
            since_boot: status.since_boot.clone(),
            interval: status.interval.clone(),
            elsewhere: status.elsewhere.iter().map(LossDocument::from).collect(),
            cloud_room: status.cloud_room.clone(),
            log: status.log.clone(),
            namespaces: status
                .namespaces
                .iter()
                .map(|namespace| NamespaceDocument::new(namespace, status.limit))
                .collect(),
            unread: status.unread.iter().map(UnreadDocument::from).collect(),
        }
    }
}

impl NamespaceDocument {
    fn new(namespace: &Namespace, limit: Option<u64>) -> NamespaceDocument {
        let counts = namespace.latest();
        NamespaceDocument {
            id: namespace.id,
            name: namespace.name.clone(),
            program: places::program(namespace),
            pid: namespace.pid,
            container: namespace.container.clone(),
            count: counts.map(|counts| counts.entries),
            fill_percent: fill_of(namespace, limit),
            drop: namespace.counts.map(|counts| counts.drop),
            early_drop: namespace.counts.map(|counts| counts.early_drop),
            own: namespace.own,
            enter: places::enter(namespace),
        }
    }
}

impl AlertDocument {
    fn new(status: &Status, alert: Alert) -> AlertDocument {
        AlertDocument {
            level: alert.level,
            reason: words::alert_reason(status, alert),
            namespace: alert.namespace,
            warn: alert.thresholds.warn,
            crit: alert.thresholds.crit,
        }
    }
}

impl From<&Unread> for UnreadDocument {
    fn from(unread: &Unread) -> UnreadDocument {
        UnreadDocument { what: unread::facts(unread).into_owned(), why: unread::reason(unread).into_owned() }
    }
}

impl From<&Diagnosis> for DiagnosisDocument {
    fn from(diagnosis: &Diagnosis) -> DiagnosisDocument {
        DiagnosisDocument {
            source: words::source(&diagnosis.source),
            summary: words::summary(diagnosis),
            verdict: diagnosis.verdict,
            status: StatusDocument::from(&diagnosis.status),
            profile: diagnosis.profile.clone(),
            gap: diagnosis.gap.clone(),
            seconds_until_full: diagnosis.seconds_until_full,
            drops: diagnosis.losses.iter().map(LossDocument::from).collect(),
            proposal: ProposalDocument::from(&diagnosis.proposal),
            without_tracking: UntrackedDocument::new(diagnosis),
            limit_is_ours: diagnosis.limit_is_ours,
        }
    }
}

impl UntrackedDocument {
    fn new(diagnosis: &Diagnosis) -> Option<UntrackedDocument> {
        let untracked = diagnosis.untracked();
        (!untracked.is_empty()).then(|| UntrackedDocument {
            arithmetic: words::without(diagnosis).collect(),
            nft: notrack::nft(untracked),
            iptables: notrack::iptables(untracked),
            cost: notrack::COST.to_owned(),
        })
    }
}

impl From<&Loss> for LossDocument {
    fn from(loss: &Loss) -> LossDocument {
        LossDocument {
            look: losses::next_step(loss).into_owned(),
            counter: loss.counter.clone(),
            count: loss.count,
            significant: loss.significant,
        }
    }
}

impl From<&Proposal> for ProposalDocument {
    fn from(proposal: &Proposal) -> ProposalDocument {
        ProposalDocument {
            request: proposal.request(),
            arithmetic: proposal.arithmetic.iter().map(words::calculation).collect(),
            limit: proposal.limit,
            buckets: proposal.buckets,
            timeouts: proposal.timeouts.clone(),
            memory: proposal.memory,
        }
    }
}
