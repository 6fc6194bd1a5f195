//! The table itself: how full it is (`status`), what fills it and what to do (`diagnose`), and how it moves (`watch`).
//!
//! The kernel is read here and never changed: what `diagnose` proposes is a request, which `apply` takes. What cannot
//! be read is listed in the answer, and the rest is given. `docs/table.md` tells what each line means.

pub mod analysis;
pub mod model;
pub mod source;
pub mod view;
pub mod watch;

use std::fs::File;
use std::io::{self, BufReader};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::host::restraint;
use crate::kernel::sizes::ENTRY_BYTES;
use analysis::diagnosis::{self, Diagnosis, Findings};
use analysis::profile::{self, Tally, Timeouts};
use analysis::status::{self, Status};
use source::log as log_reader;
use source::log::lines::Log;
use source::proc::{self as reading, Reading, Sizes, Unread};
use source::{netlink as socket, saved};

/// The options of `status`.
#[derive(Clone, Debug)]
pub struct StatusOptions {
    /// The time between two looks; without it, there is one look.
    pub interval: Option<Duration>,
    /// The fill in percent that is a warning.
    pub warn: Option<f64>,
    /// The fill in percent that is critical.
    pub crit: Option<f64>,
    /// A saved log to search instead of the kernel's own.
    pub log: Option<PathBuf>,
}

/// The options of `diagnose`.
#[derive(Clone, Debug)]
pub struct DiagnoseOptions {
    /// How long to look at the counters; the time of reading the table counts towards it.
    pub interval: Duration,
    /// Whether to read the whole table and not a sample of it.
    pub all: bool,
    /// A saved table instead of the live one; `-` for standard input.
    pub from: Option<PathBuf>,
    /// The limit that the saved table had.
    pub limit: Option<u64>,
    /// A saved log to search instead of the kernel's own.
    pub log: Option<PathBuf>,
}

/// The thresholds where only one of them is given: those that most plugins have.
const THRESHOLDS: (f64, f64) = (75.0, 90.0);

/// Reads how full the table is and what it has dropped.
#[must_use]
pub fn status(options: &StatusOptions) -> Status {
    let mut unread = Vec::new();
    // Before the restraint: Landlock also bars a process from looking at processes outside of its own domain.
    let namespaces = reading::namespaces(&mut unread);
    restraint::only_look();
    let before = options.interval.map(|interval| {
        let before = reading::read();
        std::thread::sleep(interval);
        before
    });
    let reading = reading::read();
    let mut status = status::status(now(), &reading, before.as_ref(), &reading::sizes());
    status.unread.extend(unread);
    status.log = log(options.log.as_deref(), &mut status.unread);
    status.namespaces = namespaces;
    if options.warn.is_some() || options.crit.is_some() {
        let (warn, crit) = (options.warn.unwrap_or(THRESHOLDS.0), options.crit.unwrap_or(THRESHOLDS.1));
        status.level = Some(status::judge(&status, warn, crit));
    }
    status
}

/// Finds out what fills the table and why packets are dropped. The error names a saved table that cannot be read.
pub fn diagnose(options: &DiagnoseOptions) -> io::Result<Diagnosis> {
    let findings = match &options.from {
        Some(path) => saved_findings(path, options)
            .map_err(|error| io::Error::new(error.kind(), format!("`{}` cannot be read: {error}", path.display())))?,
        None => live_findings(options),
    };
    Ok(diagnosis::diagnose(findings))
}

/// What the live table shows: its entries in one pass between two readings of the counters.
fn live_findings(options: &DiagnoseOptions) -> Findings {
    let mut unread = Vec::new();
    let namespaces = reading::namespaces(&mut unread);
    restraint::only_look();
    let sizes = reading::sizes();
    let doors = reading::elsewhere(&mut unread);
    let before = reading::read();
    let most = if options.all { u64::MAX } else { SAMPLE };
    let (source, profile) = live_profile(most, before.count, &mut unread);
    let wait = options.interval.saturating_sub(before.at.elapsed());
    std::thread::sleep(wait);
    let after = reading::read();
    let elsewhere = Some((doors, reading::elsewhere(&mut Vec::new())));
    let mut status = status::status(now(), &after, Some(&before), &sizes);
    status.unread.extend(unread);
    status.log = log(options.log.as_deref(), &mut status.unread);
    status.namespaces = namespaces;
    let since_boot = options.log.is_none().then(log_reader::since_boot);
    Findings { source, status, profile, elsewhere, sizes, since_boot }
}

/// How many entries are read of a large table: shares are then right to 0.77 points in 19 of 20 runs, and a host in
/// trouble is not made to walk through its whole table.
const SAMPLE: u64 = 16_384;

/// What fills the live table, by at most `most` of its `count` entries, and what that was read from.
fn live_profile(most: u64, count: Option<u64>, unread: &mut Vec<Unread>) -> (String, Option<profile::Profile>) {
    let mut tally = Tally::new(reading::timeouts());
    let mut is_sample = false;
    let refused = match socket::dump(|entry| {
        is_sample = tally.entries() >= most;
        if is_sample {
            return ControlFlow::Break(());
        }
        tally.add(entry);
        ControlFlow::Continue(())
    }) {
        Ok(dumped) => {
            if dumped.interrupted {
                unread.push(Unread::new(
                    "the exact table",
                    "it changed while it was read: entries may be twice or missing",
                ));
            }
            if dumped.unread > 0 {
                unread.push(Unread::new(format!("{} entries", dumped.unread), "they are in no form known here"));
            }
            // The table may have shrunk below the sample since it was counted.
            let whole = count.filter(|_| is_sample).map(|count| count.max(tally.entries()));
            return ("the kernel's table (ctnetlink)".to_owned(), Some(tally.profile(whole)));
        }
        Err(error) => error,
    };
    for path in ["/proc/net/nf_conntrack", "/proc/net/ip_conntrack"] {
        let mut tally = Tally::new(reading::timeouts());
        let read = File::open(path).and_then(|file| saved::read(BufReader::new(file), |entry| tally.add(entry)));
        if read.is_ok() {
            return (path.to_owned(), Some(tally.profile(None)));
        }
    }
    let need = match refused.kind() {
        io::ErrorKind::PermissionDenied => "; that takes CAP_NET_ADMIN: run as root",
        _ => "",
    };
    let why = format!("the kernel's socket says: {refused}, and /proc/net/nf_conntrack cannot be read{need}");
    unread.push(Unread::new("what fills the table", why));
    ("nothing".to_owned(), None)
}

/// What a saved table shows. Of its machine nothing else is known, so that the kernel's defaults stand in.
fn saved_findings(path: &Path, options: &DiagnoseOptions) -> io::Result<Findings> {
    restraint::only_look();
    let mut tally = Tally::new(Timeouts::new());
    let from_stdin = path == Path::new("-");
    let read = if from_stdin {
        saved::read(io::stdin().lock(), |entry| tally.add(entry))?
    } else {
        saved::read(BufReader::new(File::open(path)?), |entry| tally.add(entry))?
    };
    if tally.entries() == 0 && read.unread > 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "no line of it is an entry of a conntrack table"));
    }
    let mut unread = vec![Unread::new("the counters and the rate", "a saved table does not have them")];
    if let Some(first) = read.first_unread {
        let why = format!("they are no entries; the first is number {first}");
        unread.push(Unread::new(format!("{} lines of the file", read.unread), why));
    }
    if options.limit.is_none() {
        unread.push(Unread::new("the limit", "a saved table does not have it; --limit gives it"));
    }
    let (count, limit) = (Some(tally.entries()), options.limit);
    let reading = Reading { at: Instant::now(), count, limit, counters: None, unread };
    let sizes = Sizes { buckets: None, entry_bytes: (ENTRY_BYTES, false), memory: None, limit_is_ours: true };
    let mut status = status::status(now(), &reading, None, &sizes);
    if options.log.is_some() {
        status.log = log(options.log.as_deref(), &mut status.unread);
    }
    let source = if from_stdin { "standard input".to_owned() } else { path.display().to_string() };
    Ok(Findings { source, status, profile: Some(tally.profile(None)), elsewhere: None, sizes, since_boot: None })
}

/// The messages in the log at `path`, or in the kernel's.
fn log(path: Option<&Path>, unread: &mut Vec<Unread>) -> Option<Log> {
    let (name, read) = match path {
        Some(path) => (path.display().to_string(), log_reader::file(path)),
        None => ("/dev/kmsg".to_owned(), log_reader::kernel()),
    };
    read.map_err(|error| unread.push(Unread::new("the kernel's messages", format!("`{name}`: {error}")))).ok()
}

/// The present time in UTC.
fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    crate::text::utc(i64::try_from(since).unwrap_or(i64::MAX))
}
