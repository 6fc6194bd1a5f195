//! Defines the readings of a table and its machine, and the readings that failed.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::table::model::counters::{Counters, Counts};

/// The source of a table's entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableSource {
    /// The kernel, over ctnetlink.
    Ctnetlink,
    /// A file in /proc.
    File(PathBuf),
    /// A saved file.
    Saved(PathBuf),
    /// Standard input.
    StandardInput,
    /// Nothing could be read.
    Nothing,
}

/// One reading of the numbers that change.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The moment, on the clock that only runs forward.
    pub at: Instant,
    /// Whether the kernel has connection tracking now. Without it no table exists, and nothing is read.
    pub is_loaded: bool,
    /// The entries in the table of this network namespace.
    pub count: Option<u64>,
    /// The limit; 0: none.
    pub limit: Option<u64>,
    /// The counters of connection tracking.
    pub counters: Option<Counters>,
    /// The readings that failed.
    pub unread: Vec<Unread>,
}

impl Reading {
    /// The numbers of this namespace's table; None: they are not known.
    #[must_use]
    pub fn namespace_counts(&self) -> Option<NamespaceCounts> {
        Some(NamespaceCounts::new(self.count?, self.counters.as_ref()?))
    }
}

/// The sizes that change only when somebody sets them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// The buckets of the hash table.
    pub buckets: Option<u64>,
    /// The bytes of an entry in the kernel's slab.
    pub entry_bytes: Option<u64>,
    /// The bytes of a bucket. None: those of a 64-bit kernel are assumed.
    pub bucket_bytes: Option<u64>,
    /// The memory of the machine.
    pub memory: Option<u64>,
    /// Whether the limit can be written from this network namespace: only the first one can.
    pub limit_is_ours: bool,
}

/// The counters of packets that were lost outside of connection tracking.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LossCounters {
    /// Of TCP, UDP and IP in this network namespace: `Section.Name`.
    pub network: Counts,
    /// Of the CPUs' input queues, for the whole machine.
    pub softnet: Counts,
    /// Of the interfaces of this network namespace: `NAME.rx_drop`.
    pub interfaces: Counts,
    /// Of the interfaces' queues for sending: `NAME.qdisc_drops`.
    pub queues: Counts,
    /// Of the drivers that tell of a cloud's own limits, in the driver's words: `NAME.conntrack_allowance_exceeded`.
    pub drivers: Counts,
}

/// A network namespace of this machine. Each has a table of its own; the limit is one number for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Its number, as in the kernel's messages (`in netns N`).
    pub id: u64,
    /// Its name under /run/netns; None: it has none there.
    pub name: Option<String>,
    /// The first program that runs in it; None: none does.
    pub program: Option<String>,
    /// The number of that program's process.
    pub pid: Option<u32>,
    /// The container of that process.
    pub container: Option<Container>,
    /// The numbers of its table, the losses since it was made; None: its table cannot be read from here.
    pub counts: Option<NamespaceCounts>,
    /// The numbers at the end of the run, the losses of the run; None: they were read once.
    pub during_run: Option<NamespaceCounts>,
    /// Whether it is the namespace of this run.
    pub own: bool,
}

/// The numbers of one namespace's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamespaceCounts {
    /// The entries.
    pub entries: u64,
    /// The dropped packets.
    pub drop: u64,
    /// The evicted entries.
    pub early_drop: u64,
    /// The expected connections that were made, of helpers (FTP, SIP).
    pub expect_create: u64,
}

impl NamespaceCounts {
    /// The numbers of a table with so many entries and these counters.
    #[must_use]
    pub fn new(entries: u64, counters: &Counters) -> NamespaceCounts {
        NamespaceCounts {
            entries,
            drop: counters.total("drop"),
            early_drop: counters.total("early_drop"),
            expect_create: counters.total("expect_create"),
        }
    }
}

/// A container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// The program that runs it: `docker`, `containerd`, `podman`, `cri-o`, `systemd-nspawn`, `lxc`; `kubernetes` or
    /// `container` if the control group does not say more.
    pub engine: String,
    /// Its number; null: it has none.
    pub id: Option<String>,
    /// Its name; null: it cannot be read.
    pub name: Option<String>,
}

impl Namespace {
    /// A namespace of which nothing but the numbers is known.
    #[must_use]
    pub fn new(id: u64, counts: Option<NamespaceCounts>) -> Namespace {
        let (name, program, pid, container) = (None, None, None, None);
        Namespace { id, name, program, pid, container, counts, during_run: None, own: false }
    }

    /// The latest numbers of its table.
    #[must_use]
    pub fn latest(&self) -> Option<NamespaceCounts> {
        self.during_run.or(self.counts)
    }
}

/// The reason for which the machine refused a reading.
pub type ReadError = Arc<io::Error>;

/// A reading that failed, and the reason.
#[derive(Clone, Debug)]
pub enum Unread {
    /// The count or the limit: the kernel has no such key here, and ctnetlink does not answer.
    Quantity(Quantity, ReadError),
    /// The counters of connection tracking: their proc file is missing, and ctnetlink does not answer.
    Counters(ReadError),
    /// The counters of packets lost elsewhere that the file at this path has.
    LossCounters(Cow<'static, str>, ReadError),
    /// The counters of a cloud's own limits that the driver of this interface has.
    Driver(String, ReadError),
    /// The network namespaces of some processes.
    Namespaces {
        /// The number of the processes.
        processes: u64,
        /// Whether the counters of all these tables can be read all the same, and show that none was ever full.
        never_full: bool,
    },
    /// The messages in the log of this name.
    Log(String, ReadError),
    /// The entries of the table: ctnetlink does not answer, and there is no proc file of them.
    Table(ReadError),
    /// The exact table: it changed while it was read.
    ExactTable,
    /// This many entries, which the kernel sent in an unknown form.
    Entries(u64),
    /// Lines of a saved table that are no entries.
    Lines {
        /// The number of such lines.
        count: u64,
        /// The number of the first of them in the file, from 1.
        first: u64,
    },
    /// The other entries of a saved table that is an excerpt.
    Excerpt {
        /// The entries that it has.
        entries: u64,
        /// The entries that conntrack(8) says it has printed.
        shown: u64,
    },
    /// The connections from before the first of this many events.
    BeforeEvents(u64),
    /// Whether this many connections of a saved table were answered.
    Answers(u64),
    /// The addresses of this many entries, which somebody has made unreadable.
    Addresses(u64),
    /// This many events of more connections than are kept at once.
    Events(u64),
    /// The counters and the rate: a saved table does not have them.
    SavedCounters,
    /// The limit: a saved table does not have it.
    SavedLimit,
}

/// A number that says how full the table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// The number of entries.
    Count,
    /// The limit.
    Limit,
}
