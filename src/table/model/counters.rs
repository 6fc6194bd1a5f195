//! Reads the kernel's counters as the proc files print them: columns by name, never by place.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Counters by name, of one CPU or summed.
pub type Names = BTreeMap<String, u64>;

/// The statistics of connection tracking, a row for each CPU.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counters {
    /// The entries of the table, which each row repeats; null where the source does not say.
    pub entries: Option<u64>,
    /// The counters of each CPU, in the kernel's order.
    pub cpus: Vec<Names>,
}

/// The counters that have other names in some kernel, or that its column heads misname.
///
/// The column of chains that grew too long is headed `chainlength` (`net/netfilter/nf_conntrack_standalone.c`, 5.15 and
/// later).
const RENAMED: [(&str, &str); 5] = [
    ("chainlength", "chain_toolong"),
    ("chaintoolong", "chain_toolong"),
    ("clashres", "clash_resolve"),
    ("icmp_error", "error"),
    ("searchrestart", "search_restart"),
];

/// Columns that a kernel of today prints as a constant 0 for the sake of old readers.
const DEAD: [&str; 5] = ["new", "ignore", "delete", "delete_list", "searched"];

impl Counters {
    /// The counters in the text of `/proc/net/stat/nf_conntrack` (or `ip_conntrack`); None: it is no such text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Counters> {
        let mut lines = text.lines();
        let heads: Vec<&str> = lines.next()?.split_whitespace().collect();
        if heads.first() != Some(&"entries") {
            return None;
        }
        let mut counters = Counters::default();
        for line in lines {
            let row: Option<Vec<u64>> =
                line.split_whitespace().map(|word| u64::from_str_radix(word, 16).ok()).collect();
            let row = row?;
            if row.is_empty() {
                continue;
            }
            counters.entries = counters.entries.or(row.first().copied());
            let named = heads.iter().zip(&row).skip(1);
            counters.cpus.push(named.map(|(name, value)| (current_name(name).to_owned(), *value)).collect());
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

    /// The counters summed over the CPUs.
    #[must_use]
    pub fn sum(&self) -> Names {
        let mut sum = Names::new();
        for (name, value) in self.cpus.iter().flatten() {
            let total: &mut u64 = sum.entry(name.clone()).or_default();
            *total = total.saturating_add(*value);
        }
        sum
    }

    /// What was counted since `before`, for each CPU. The kernel's counters are 32 bits wide and begin again at 0.
    #[must_use]
    pub fn since(&self, before: &Counters) -> Vec<Names> {
        let none = Names::new();
        let earlier = before.cpus.iter().chain(std::iter::repeat(&none));
        let rows = self.cpus.iter().zip(earlier);
        rows.map(|(cpu, earlier)| {
            let since = |(name, value): (&String, &u64)| {
                let change = value.wrapping_sub(earlier.get(name).copied().unwrap_or(0));
                (name.clone(), change & u64::from(u32::MAX))
            };
            cpu.iter().map(since).collect()
        })
        .collect()
    }
}

/// The sum of `rows` by name.
#[must_use]
pub fn sum(rows: &[Names]) -> Names {
    Counters { entries: None, cpus: rows.to_vec() }.sum()
}

fn current_name(name: &str) -> &str {
    RENAMED.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| new)
}

/// The counters of `/proc/net/netstat` or `/proc/net/snmp`: `Section.Name` to the number.
#[must_use]
pub fn parse_netstat(text: &str) -> Names {
    let mut names = Names::new();
    let lines: Vec<&str> = text.lines().collect();
    for pair in lines.chunks_exact(2) {
        let (Some((section, heads)), Some((again, values))) = (pair[0].split_once(':'), pair[1].split_once(':')) else {
            continue;
        };
        if section == again {
            for (head, value) in heads.split_whitespace().zip(values.split_whitespace()) {
                // Some are signed (MaxConn is -1); none of those counts anything.
                if let Ok(value) = value.parse() {
                    names.insert(format!("{section}.{head}"), value);
                }
            }
        }
    }
    names
}

/// The packets that the CPUs' input queues dropped, and how often a CPU ran out of its budget: `/proc/net/softnet_stat`.
#[must_use]
pub fn parse_softnet(text: &str) -> Names {
    let mut names = Names::from([("dropped".to_owned(), 0), ("time_squeeze".to_owned(), 0)]);
    for line in text.lines() {
        // This file has no heads; its second and third column have kept their meaning since 2.6.
        for (name, word) in ["dropped", "time_squeeze"].iter().zip(line.split_whitespace().skip(1)) {
            if let (Some(sum), Ok(value)) = (names.get_mut(*name), u64::from_str_radix(word, 16)) {
                *sum = sum.saturating_add(value);
            }
        }
    }
    names
}

/// The packets that each interface dropped: `NAME.rx_drop`, `NAME.tx_drop`, and errors, of `/proc/net/dev`.
#[must_use]
pub fn parse_interfaces(text: &str) -> Names {
    let mut names = Names::new();
    let Some(heads) = text.lines().nth(1) else { return names };
    // `Inter-| Receive | Transmit` stands above ` face |bytes packets ... |bytes packets ...`.
    let groups: Vec<&str> = heads.split('|').collect();
    let columns: Vec<String> = ["rx", "tx"]
        .iter()
        .zip(groups.iter().skip(1))
        .flat_map(|(way, group)| group.split_whitespace().map(move |head| format!("{way}_{head}")))
        .collect();
    for line in text.lines().skip(2) {
        let Some((interface, values)) = line.rsplit_once(':') else { continue };
        for (column, value) in columns.iter().zip(values.split_whitespace()) {
            if !matches!(column.as_str(), "rx_drop" | "tx_drop" | "rx_errs" | "tx_errs" | "rx_fifo") {
                continue;
            }
            if let Ok(value) = value.parse() {
                names.insert(format!("{}.{column}", interface.trim()), value);
            }
        }
    }
    names
}

/// What grew between two readings of counters that do not wrap.
#[must_use]
pub fn growth(before: &Names, after: &Names) -> Names {
    let grown = after.iter().filter_map(|(name, value)| {
        let change = value.saturating_sub(*before.get(name)?);
        (change > 0).then(|| (name.clone(), change))
    });
    grown.collect()
}
