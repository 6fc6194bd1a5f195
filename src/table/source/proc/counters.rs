//! Reads the proc files of counters: columns by name, never by place.

use std::path::Path;

use crate::order::InOrder;
use crate::table::model::counters::{Counters, Counts};
use crate::table::model::reading::NamespaceCounts;
use crate::table::source::proc::text;

/// The names in column heads and old kernels, and today's name of the same counter.
///
/// The column of `chain_toolong` is headed `chainlength` (`net/netfilter/nf_conntrack_standalone.c`, 5.15 and later).
const RENAMED: [(&str, &str); 5] = [
    ("chainlength", "chain_toolong"),
    ("chaintoolong", "chain_toolong"),
    ("clashres", "clash_resolve"),
    ("icmp_error", "error"),
    ("searchrestart", "search_restart"),
];

/// Columns in which today's kernels print a constant 0, for programs that read columns by place.
const DEAD: [&str; 5] = ["new", "ignore", "delete", "delete_list", "searched"];

/// The counters in the file `path` of connection tracking; None: it cannot be read, or has another form.
#[must_use]
pub fn read(path: &Path) -> Option<Counters> {
    statistics(&text(path).ok()?)
}

/// The few numbers of such a file that tell of another namespace. A machine may have hundreds of them, and nobody looks at the
/// rest.
#[must_use]
pub fn read_namespace(path: &Path) -> Option<NamespaceCounts> {
    namespace(&text(path).ok()?)
}

/// The few numbers in the text of such a file.
#[must_use]
pub fn namespace(text: &str) -> Option<NamespaceCounts> {
    let mut lines = text.lines();
    let heads = lines.next().filter(|line| is_head(line))?;
    let (mut entries, mut drop, mut early_drop, mut expect_create) = (None, 0_u64, 0_u64, 0_u64);
    for line in lines {
        for (head, word) in heads.split_ascii_whitespace().zip(line.split_ascii_whitespace()) {
            let number = || u64::from_str_radix(word, 16).ok();
            match head {
                "entries" if entries.is_none() => entries = Some(number()?),
                "drop" => drop = drop.saturating_add(number()?),
                "early_drop" => early_drop = early_drop.saturating_add(number()?),
                "expect_create" => expect_create = expect_create.saturating_add(number()?),
                _ => {}
            }
        }
    }
    Some(NamespaceCounts { entries: entries?, drop, early_drop, expect_create })
}

/// The counters in the text of `/proc/net/stat/nf_conntrack` (or `ip_conntrack`); None: the text has another form.
#[must_use]
pub fn statistics(text: &str) -> Option<Counters> {
    let mut lines = text.lines();
    let heads: Vec<&str> = lines.next()?.split_ascii_whitespace().collect();
    is_head(text.lines().next()?).then_some(())?;
    let mut counters = Counters::default();
    for line in lines {
        let row: Option<Vec<u64>> =
            line.split_ascii_whitespace().map(|word| u64::from_str_radix(word, 16).ok()).collect();
        let row = row?;
        if row.is_empty() {
            continue;
        }
        counters.entries = counters.entries.or(row.first().copied());
        let named = heads.iter().zip(&row).skip(1);
        counters.cpus.push(named.map(|(name, value)| (current_name(name).to_owned(), *value)).into_map());
    }
    for dead in DEAD {
        if counters.cpus.iter().all(|cpu| cpu.get(dead).is_none_or(|value| *value == 0)) {
            for cpu in &mut counters.cpus {
                cpu.remove(dead);
            }
        }
    }
    Some(counters)
}

/// Whether a line has the heads of these columns.
#[must_use]
pub fn is_head(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace();
    words.next() == Some("entries") && words.any(|word| word == "found")
}

/// Today's name of the counter `name`.
#[must_use]
pub fn current_name(name: &str) -> &str {
    RENAMED.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| new)
}

/// The counters of `/proc/net/netstat` or `/proc/net/snmp` that have one of these names, `Section.Name`. The files have some
/// 400, and this program runs once a minute.
#[must_use]
pub fn netstat(text: &str, names: &[&str]) -> Counts {
    let mut counts = Counts::new();
    let mut lines = text.lines();
    while let (Some(heads), Some(values)) = (lines.next(), lines.next()) {
        let (Some((section, heads)), Some((again, values))) = (heads.split_once(':'), values.split_once(':')) else {
            continue;
        };
        if section != again {
            continue;
        }
        let wanted = names.iter().filter_map(|name| Some((*name, name.strip_prefix(section)?.strip_prefix('.')?)));
        let wanted: Vec<(&str, &str)> = wanted.collect();
        if wanted.is_empty() {
            continue;
        }
        for (head, value) in heads.split_ascii_whitespace().zip(values.split_ascii_whitespace()) {
            let Some((name, _)) = wanted.iter().find(|(_, own)| *own == head) else { continue };
            // The signed numbers are no counters: MaxConn is a limit, -1.
            if let Ok(value) = value.parse() {
                counts.insert((*name).to_owned(), value);
            }
        }
    }
    counts
}

/// The counters of `/proc/net/softnet_stat`, summed over the CPUs: packets that the input queues dropped, and how often a
/// CPU ran out of its budget.
#[must_use]
pub fn softnet(text: &str) -> Counts {
    let mut counts = Counts::from([("dropped".to_owned(), 0), ("time_squeeze".to_owned(), 0)]);
    for line in text.lines() {
        // The file has no heads, but its second and third column have had the same meaning since 2.6.
        for (name, word) in ["dropped", "time_squeeze"].iter().zip(line.split_ascii_whitespace().skip(1)) {
            if let (Some(sum), Ok(value)) = (counts.get_mut(*name), u64::from_str_radix(word, 16)) {
                *sum = sum.saturating_add(value);
            }
        }
    }
    counts
}

/// The drops and errors of each interface in `/proc/net/dev`: `NAME.rx_drop`, `NAME.tx_errs`.
#[must_use]
pub fn interfaces(text: &str) -> Counts {
    let mut counts = Counts::new();
    let Some(heads) = text.lines().nth(1) else { return counts };
    // `Inter-| Receive | Transmit` stands above ` face |bytes packets ... |bytes packets ...`.
    let groups: Vec<&str> = heads.split('|').collect();
    let columns: Vec<String> = ["rx", "tx"]
        .iter()
        .zip(groups.iter().skip(1))
        .flat_map(|(way, group)| group.split_ascii_whitespace().map(move |head| format!("{way}_{head}")))
        .collect();
    for line in text.lines().skip(2) {
        let Some((interface, values)) = line.rsplit_once(':') else { continue };
        for (column, value) in columns.iter().zip(values.split_ascii_whitespace()) {
            if !matches!(column.as_str(), "rx_drop" | "tx_drop" | "rx_errs" | "tx_errs" | "rx_fifo") {
                continue;
            }
            if let Ok(value) = value.parse() {
                counts.insert(format!("{}.{column}", interface.trim()), value);
            }
        }
    }
    counts
}
