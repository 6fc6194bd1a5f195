//! Diagnoses a table from saved files: the table itself, and beside it the sysctls, counters and log of its machine.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crate::host::restraint;
use crate::table::analysis::diagnosis::Observations;
use crate::table::analysis::losses::{self, with_losses};
use crate::table::analysis::status;
use crate::table::analysis::tally::Tally;
use crate::table::model::counters::{Counters, Counts};
use crate::table::model::log::Log;
use crate::table::model::reading::{LossCounters, Reading, Sizes, TableSource, Unread};
use crate::table::source::evidence::bundle::SavedLosses;
use crate::table::source::evidence::sysctls::Sysctls;
use crate::table::source::evidence::{self, bundle, statistics, sysctls};
use crate::table::source::log;
use crate::table::source::proc::{counters, drivers};
use crate::table::source::saved::{self, Saved};

/// The saved files of one machine.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The table; `-` for standard input.
    pub table: PathBuf,
    /// The limit that the table had, if it is known.
    pub limit: Option<u64>,
    /// The sysctls.
    pub sysctls: Option<PathBuf>,
    /// The counters.
    pub statistics: Option<PathBuf>,
    /// The log.
    pub log: Option<PathBuf>,
    /// The counters of packets that were lost elsewhere.
    pub losses: SavedLosses,
}

impl Evidence {
    /// The evidence in the directory `bundle`, with what the other options name in its place.
    pub fn in_bundle(bundle: &Path, named: Evidence) -> io::Result<Evidence> {
        let found = bundle::find(bundle).map_err(|error| refused(bundle, &error))?;
        Ok(Evidence {
            table: found.table,
            limit: named.limit,
            sysctls: named.sysctls.or(found.sysctls),
            statistics: named.statistics.or(found.statistics),
            log: named.log.or(found.log),
            losses: found.losses,
        })
    }

    /// The options that name this evidence, for a shell.
    fn options(&self) -> String {
        let path =
            |option: &str, path: &Option<PathBuf>| path.as_ref().map(|path| format!(" --{option} {}", quoted(path)));
        let limit = self.limit.map(|limit| format!(" --limit {limit}"));
        let rest = [limit, path("sysctl", &self.sysctls), path("stat", &self.statistics), path("log", &self.log)];
        format!("--from {}{}", quoted(&self.table), rest.into_iter().flatten().collect::<String>())
    }
}

/// The error of a file that cannot be read, or that is not what it should be.
fn refused(path: &Path, error: &io::Error) -> io::Error {
    let verb = if error.kind() == io::ErrorKind::InvalidData { "cannot be used" } else { "cannot be read" };
    io::Error::new(error.kind(), format!("`{}` {verb}: {error}", path.display()))
}

/// A path as a word of a shell.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if path.chars().all(is_plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

/// Observes the evidence at the present time. What it does not have is not known: the timeouts are then inferred from the entries.
pub fn observe(evidence: &Evidence, time: String) -> io::Result<Observations> {
    restraint::confine_to_reading();
    let sysctls: Option<Sysctls> = optional(evidence.sysctls.as_deref(), sysctls::read)?;
    let counters: Option<Counters> = optional(evidence.statistics.as_deref(), statistics::read)?;
    let log = match evidence.log.as_deref() {
        Some(path) => Some(log::file(path).map_err(|error| refused(path, &error))?),
        None => None,
    };
    let mut tally = Tally::new(sysctls.as_ref().map(Sysctls::timeouts).unwrap_or_default());
    let table = &evidence.table;
    let read = evidence::open(table).and_then(|file| saved::read(file, |entry| tally.add(entry)));
    let read = read.and_then(|read| expect_table(read, tally.entries())).map_err(|error| refused(table, &error))?;
    let known = Known { evidence, sysctls: sysctls.as_ref(), counters, log };
    Ok(known.observations(&read, &tally, time))
}

fn optional<T>(path: Option<&Path>, read: impl Fn(Box<dyn io::Read>) -> io::Result<T>) -> io::Result<Option<T>> {
    let Some(path) = path else { return Ok(None) };
    evidence::open(path).and_then(read).map(Some).map_err(|error| refused(path, &error))
}

/// What is known of the machine beside its table.
struct Known<'a> {
    evidence: &'a Evidence,
    sysctls: Option<&'a Sysctls>,
    counters: Option<Counters>,
    log: Option<Log>,
}

impl Known<'_> {
    fn observations(self, read: &Saved, tally: &Tally, time: String) -> Observations {
        let Evidence { table, limit, .. } = self.evidence;
        let limit = limit.or_else(|| self.sysctls?.limit());
        let mut unread = Vec::new();
        if self.counters.is_none() {
            unread.push(Unread::SavedCounters);
        }
        unread.extend(unread_parts(read, tally.entries()));
        unread.extend(limit.is_none().then_some(Unread::SavedLimit));
        // The count was read at another moment than the table; the table decides, unless it is an excerpt.
        let shown = read.shown.unwrap_or(0).max(tally.entries());
        let counted = self.sysctls.and_then(Sysctls::count).filter(|_| tally.entries() == 0);
        let count = counted.unwrap_or(shown);
        let reading =
            Reading { at: Instant::now(), is_loaded: true, count: Some(count), limit, counters: self.counters, unread };
        let sizes = Sizes { limit_is_ours: true, buckets: self.sysctls.and_then(Sysctls::buckets), ..Sizes::default() };
        let mut status = status::status(time, &reading, None, &sizes);
        let losses = loss_counters(&self.evidence.losses, &mut status.unread);
        status = with_losses(status, &losses);
        status.log = self.log;
        let source =
            if table == Path::new("-") { TableSource::StandardInput } else { TableSource::Saved(table.clone()) };
        Observations {
            source,
            status,
            profile: Some(tally.profile(None)),
            gap: None,
            other_losses: None,
            sizes,
            since_boot: None,
            pid: None,
            saved_options: Some(self.evidence.options()),
        }
    }
}

/// The counters of lost packets in saved files. Those that a bundle does not have are left out without a word: it is of a
/// machine, and the table is what it was saved for.
fn loss_counters(saved: &SavedLosses, unread: &mut Vec<Unread>) -> LossCounters {
    let mut text = |path: &Path| {
        let mut text = Vec::new();
        let read = evidence::open(path).and_then(|file| file.take(MOST).read_to_end(&mut text));
        if let Err(error) = read {
            unread.push(Unread::LossCounters(path.display().to_string().into(), Arc::new(error)));
        }
        String::from_utf8_lossy(&text).into_owned()
    };
    let mut of = |path: &Option<PathBuf>| path.as_deref().map(&mut text).unwrap_or_default();
    let names = losses::NETWORK.map(|(name, _)| name);
    let mut network = counters::netstat(&of(&saved.netstat), &names);
    network.extend(counters::netstat(&of(&saved.snmp), &names));
    let softnet = counters::softnet(&of(&saved.softnet));
    let mut drivers = Counts::new();
    for (interface, path) in &saved.drivers {
        drivers.extend(drivers::statistics(interface, &text(path)));
    }
    LossCounters { network, softnet, drivers, ..LossCounters::default() }
}

/// The most bytes of such a file that are read: they have some 10 KiB.
const MOST: u64 = 1 << 20;

/// The forms that are read, for a file that has none of them.
const EXPECTED: &str = "expected what `conntrack -L` prints (also with -o extended, xml or save), `conntrack -E`, \
                        /proc/net/nf_conntrack, or `ovs-appctl dpctl/dump-conntrack`";

/// `read`, if it was a table. An empty one says so by a line at its end.
fn expect_table(read: Saved, entries: u64) -> io::Result<Saved> {
    if entries > 0 || read.events > 0 || read.shown.is_some() {
        return Ok(read);
    }
    let reason = match read.foreign {
        Some(foreign) => format!("it looks like {}; {}", foreign.name, foreign.advice),
        None if read.unread == 0 => format!("it is empty; {EXPECTED}"),
        None => format!("no line of it is an entry of a conntrack table; {EXPECTED}"),
    };
    Err(io::Error::new(io::ErrorKind::InvalidData, reason))
}

/// The parts of a saved table that are not known, of which `entries` have been read.
fn unread_parts(read: &Saved, entries: u64) -> impl Iterator<Item = Unread> {
    let some = |count: u64, unread: fn(u64) -> Unread| (count > 0).then(|| unread(count));
    let excerpt = read.shown.filter(|shown| *shown > entries);
    [
        read.first_unread.map(|first| Unread::Lines { count: read.unread, first }),
        excerpt.map(|shown| Unread::Excerpt { entries, shown }),
        some(read.events, Unread::BeforeEvents),
        some(read.answers_unknown, Unread::Answers),
        some(read.hidden, Unread::Addresses),
        some(read.events_left_out, Unread::Events),
    ]
    .into_iter()
    .flatten()
}
