//! Puts sources and analysis together: reads the table of this machine, or a saved one, and has it analysed.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::host::{ethtool, pages, restraint};
use crate::table::analysis::diagnosis::{self, Diagnosis, Observations};
use crate::table::analysis::gap::{self, Gap};
use crate::table::analysis::losses::{self, LossInterval, with_losses};
use crate::table::analysis::namespaces::were_never_full;
use crate::table::analysis::profile::Profile;
use crate::table::analysis::status::{self, Evictable, Status, Thresholds};
use crate::table::analysis::tally::Tally;
use crate::table::model::entry::TableEntry;
use crate::table::model::log::Log;
use crate::table::model::reading::{LossCounters, Sizes, TableSource, Unread};
use crate::table::offline::{self, Evidence};
use crate::table::source::log::{self, kmsg};
use crate::table::source::netlink::message::Query;
use crate::table::source::presence::Ctnetlink;
use crate::table::source::proc::{self, drivers, listeners, namespaces};
use crate::table::source::{netlink, netns};
use crate::text::utc;

/// The options of `status`.
#[derive(Clone, Debug)]
pub struct StatusOptions {
    /// The time between two readings; None: there is one reading.
    pub interval: Option<Duration>,
    /// Whether to read which entries could be evicted.
    pub evictable: bool,
    /// The fill in percent that is a warning.
    pub warn: Option<f64>,
    /// The fill in percent that is critical.
    pub crit: Option<f64>,
    /// A saved log to search instead of the kernel's own.
    pub log: Option<PathBuf>,
}

/// The options of `diagnose`.
#[derive(Clone, Debug, Default)]
pub struct DiagnoseOptions {
    /// The time over which the counters are compared, including the time to read the table.
    pub interval: Duration,
    /// Whether to read the whole table, not a sample of it.
    pub all: bool,
    /// Saved files instead of the live table.
    pub evidence: Option<Evidence>,
    /// The process whose network namespace is diagnosed; None: this one.
    pub pid: Option<u32>,
    /// A saved log to search instead of the kernel's own.
    pub log: Option<PathBuf>,
}

/// The thresholds that most plugins have. They are used if only one of the two is given.
const THRESHOLDS: Thresholds = Thresholds { warn: 75.0, crit: 90.0 };

/// Reads how full the table is and what it has dropped.
#[must_use]
pub fn status(options: &StatusOptions) -> Status {
    let mut unread = Vec::new();
    // Before the restraint: Landlock also prevents a process from reading about processes outside its own domain.
    let mut namespaces = namespaces::namespaces(&mut unread);
    restraint::confine_to_reading();
    let before = options.interval.map(|interval| {
        let before = proc::read();
        namespaces::take_own(&mut namespaces, &before);
        std::thread::sleep(interval);
        namespaces::read_again(&mut namespaces);
        before
    });
    let reading = proc::read();
    if before.is_none() {
        namespaces::take_own(&mut namespaces, &reading);
    }
    let losses = loss_counters(&mut unread);
    let mut status = with_losses(status::status(now(), &reading, before.as_ref(), &sizes()), &losses);
    status.unread.extend(unread);
    if options.evictable && status.is_loaded {
        let profile = live_profile(SAMPLE, status.count, &mut status.unread).profile;
        status.evictable = profile.map(|profile| Evictable::new(&profile, status.count, status.limit));
    }
    status.namespaces = namespaces;
    // The log costs more than all the rest: it is read if a table was full, or if nobody knows.
    if options.log.is_some() || !were_never_full(&status) {
        status.log = log(options.log.as_deref(), &mut status.unread);
    }
    if options.warn.is_some() || options.crit.is_some() {
        let warn = options.warn.unwrap_or(THRESHOLDS.warn);
        let crit = options.crit.unwrap_or(THRESHOLDS.crit);
        status.alert = Some(status::alert(&status, Thresholds { warn, crit }));
    }
    status
}

/// Finds out what fills the table and why packets are dropped. The error names a saved table that cannot be read.
pub fn diagnose(options: &DiagnoseOptions) -> io::Result<Diagnosis> {
    if let Some(pid) = options.pid {
        netns::enter(pid).map_err(|error| {
            let need = match error.kind() {
                io::ErrorKind::PermissionDenied => "; that takes CAP_SYS_ADMIN and CAP_SYS_PTRACE: run as root",
                _ => "",
            };
            let reason = format!("the network namespace of process {pid} cannot be entered: {error}{need}");
            io::Error::new(error.kind(), reason)
        })?;
    }
    let observations = match &options.evidence {
        // Nobody names saved files to a binary without commands, so it does without the code that reads them.
        Some(evidence) if cfg!(feature = "commands") => offline::observe(evidence, now())?,
        _ => live(options),
    };
    Ok(diagnosis::diagnose(observations))
}

/// The sizes, but for the memory of the machine.
fn sizes() -> Sizes {
    Sizes { bucket_bytes: Some(pages().bucket_bytes()), ..proc::sizes() }
}

/// Observes the live table: its entries in one pass, between two readings of the counters.
fn live(options: &DiagnoseOptions) -> Observations {
    let mut unread = Vec::new();
    let mut namespaces = namespaces::namespaces(&mut unread);
    restraint::confine_to_reading();
    let sizes = Sizes { memory: proc::memory(), ..sizes() };
    let before_losses = LossCounters { interfaces: proc::interface_losses(&mut unread), ..loss_counters(&mut unread) };
    let before = proc::read();
    namespaces::take_own(&mut namespaces, &before);
    let most = if options.all { u64::MAX } else { SAMPLE };
    let filled = if before.is_loaded { live_profile(most, before.count, &mut unread) } else { Filled::NOTHING };
    let gap = filled.profile.as_ref().and_then(|profile| gap(before.count, profile, &unread));
    std::thread::sleep(options.interval.saturating_sub(before.at.elapsed()));
    let after = proc::read();
    namespaces::read_again(&mut namespaces);
    // The files that cannot be read are listed already.
    let mut again = Vec::new();
    let after_losses = LossCounters { interfaces: proc::interface_losses(&mut again), ..loss_counters(&mut again) };
    let mut status = with_losses(status::status(now(), &after, Some(&before), &sizes), &after_losses);
    status.unread.extend(unread);
    status.log = log(options.log.as_deref(), &mut status.unread);
    status.namespaces = namespaces;
    Observations {
        source: filled.source,
        status,
        profile: filled.profile,
        gap,
        other_losses: Some(LossInterval { before: before_losses, after: after_losses }),
        sizes,
        since_boot: options.log.is_none().then(kmsg::since_boot),
        pid: options.pid,
        saved_options: None,
    }
}

/// Reads the counters of packets that were lost outside of connection tracking, those of drivers too.
fn loss_counters(unread: &mut Vec<Unread>) -> LossCounters {
    let mut losses = proc::loss_counters(&losses::NETWORK.map(|(name, _)| name), unread);
    for interface in drivers::interfaces(Path::new("/")) {
        match ethtool::statistics(&interface) {
            Ok(text) => losses.drivers.extend(drivers::statistics(&interface, &text)),
            Err(error) => unread.push(Unread::Driver(interface, Arc::new(error))),
        }
    }
    losses
}

/// The number of entries that are read of a large table: shares are then accurate to 0.77 points in 19 of 20 runs, and
/// a host in trouble does not have to walk through its whole table.
const SAMPLE: u64 = 16_384;

/// A profile, and the source that it was read from.
struct Filled {
    source: TableSource,
    profile: Option<Profile>,
}

impl Filled {
    const NOTHING: Filled = Filled { source: TableSource::Nothing, profile: None };
}

/// Profiles the live table, by at most `most` of its `count` entries.
fn live_profile(most: u64, count: Option<u64>, unread: &mut Vec<Unread>) -> Filled {
    let asked = Ctnetlink::find().and_then(|ctnetlink| netlink_profile(ctnetlink, most, count, unread));
    let refused = match asked {
        Ok(profile) => return Filled { source: TableSource::Ctnetlink, profile: Some(profile) },
        Err(error) => error,
    };
    for path in proc::TABLES {
        let mut tally = Tally::new(proc::timeouts());
        let mut is_sample = false;
        let read = proc::table(path, |entry| {
            is_sample = tally.entries() >= most;
            take(&mut tally, most, entry)
        });
        if read.is_ok() {
            let profile = tally.profile(sampled(&tally, count, is_sample));
            return Filled { source: TableSource::File(path.into()), profile: Some(profile) };
        }
    }
    unread.push(Unread::Table(Arc::new(refused)));
    Filled::NOTHING
}

/// The entries that are counted now and were `before`, and that the kernel does not list. A sample cannot show that.
fn gap(before: Option<u64>, profile: &Profile, unread: &[Unread]) -> Option<Gap> {
    if profile.sample_of.is_some() {
        return None;
    }
    let of_unknown_form = unread.iter().map(|unread| if let Unread::Entries(count) = unread { *count } else { 0 });
    let entries = gap::missing(before, proc::count(), profile.entries + of_unknown_form.sum::<u64>())?;
    let waiting = |query| Ctnetlink::find().and_then(|ctnetlink| netlink::count(ctnetlink, query)).ok();
    let (dying, unconfirmed) = (waiting(Query::Dying), waiting(Query::Unconfirmed));
    let listener = dying.filter(|dying| *dying > 0).and_then(|_| listeners::program());
    Some(Gap { entries, dying, unconfirmed, listener })
}

/// Adds `entry` to a tally of at most `most` entries.
fn take(tally: &mut Tally, most: u64, entry: &TableEntry) -> ControlFlow<()> {
    if tally.entries() >= most {
        return ControlFlow::Break(());
    }
    tally.add(entry);
    ControlFlow::Continue(())
}

/// The size of the table that the tally is a sample of. The table may have shrunk below the sample since it was counted.
fn sampled(tally: &Tally, count: Option<u64>, is_sample: bool) -> Option<u64> {
    count.filter(|_| is_sample).map(|count| count.max(tally.entries()))
}

fn netlink_profile(
    ctnetlink: Ctnetlink,
    most: u64,
    count: Option<u64>,
    unread: &mut Vec<Unread>,
) -> io::Result<Profile> {
    let mut tally = Tally::new(proc::timeouts());
    let mut is_sample = false;
    let dumped = netlink::dump(ctnetlink, |entry| {
        is_sample = tally.entries() >= most;
        take(&mut tally, most, entry)
    })?;
    if dumped.interrupted {
        unread.push(Unread::ExactTable);
    }
    if dumped.unread > 0 {
        unread.push(Unread::Entries(dumped.unread));
    }
    Ok(tally.profile(sampled(&tally, count, is_sample)))
}

/// The messages in the log at `path`, or in the kernel's.
fn log(path: Option<&Path>, unread: &mut Vec<Unread>) -> Option<Log> {
    let (name, read) = match path {
        Some(path) => (path.display().to_string(), log::file(path)),
        None => (kmsg::KMSG.to_owned(), kmsg::kernel()),
    };
    read.map_err(|error| unread.push(Unread::Log(name, Arc::new(error)))).ok()
}

/// The present time in UTC.
pub(super) fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    utc(i64::try_from(since).unwrap_or(i64::MAX))
}
