//! Renders a status in Prometheus' text format, for the textfile collector of `node_exporter`.

use std::collections::BTreeMap;

use crate::exposition::{Exposition, labels};
use crate::table::analysis::status::Status;

/// The metrics of a status, without a line end at its end. Numbers that are not known are left out.
#[must_use]
pub fn metrics(status: &Status) -> String {
    let mut text = Exposition::default();
    let plain = |value: Option<u64>| value.map(|value| (String::new(), value.to_string())).into_iter();
    let loaded = [(String::new(), u64::from(status.is_loaded).to_string())].into_iter();
    text.family("conntrack_loaded", "gauge", "Whether the kernel has connection tracking.", loaded);
    text.family("conntrack_entries", "gauge", "Entries in the connection tracking table.", plain(status.count));
    text.family("conntrack_entries_limit", "gauge", "Most entries; 0 means no limit.", plain(status.limit));
    let evictable = plain(status.evictable.map(|evictable| evictable.entries));
    text.family("conntrack_entries_evictable", "gauge", "Entries that a full table may remove.", evictable);
    text.family("conntrack_buckets", "gauge", "Buckets of the hash table.", plain(status.buckets));
    if let Some(memory) = &status.memory {
        let parts = [("entries", memory.entries), ("buckets", memory.buckets)];
        let parts = parts.map(|(part, bytes)| (labels(&[("part", part)]), bytes.to_string()));
        text.family("conntrack_memory_bytes", "gauge", "Memory that the table takes.", parts.into_iter());
        let full = plain(memory.when_full);
        text.family("conntrack_memory_full_bytes", "gauge", "Memory that the table takes when full.", full);
    }
    if let Some(counted) = &status.since_boot {
        let rows = counted.cpus.iter().enumerate().flat_map(|(index, cpu)| {
            let cpu_label = index.to_string();
            let row = move |(name, value): (&String, &u64)| {
                (labels(&[("counter", name), ("cpu", &cpu_label)]), value.to_string())
            };
            cpu.iter().map(row).collect::<Vec<_>>()
        });
        text.family("conntrack_stat_total", "counter", "The kernel's counters, by name.", rows);
    }
    if let Some(log) = &status.log {
        let count = [(String::new(), log.messages.to_string())].into_iter();
        text.family("conntrack_table_full_messages", "gauge", "Messages of a full table in the log.", count);
    }
    // A namespace has a new number whenever its container starts, and so has the program in it. As a label each would start a
    // new series. The name stays; several namespaces may share one, or have none.
    let mut namespaces: BTreeMap<&str, u64> = BTreeMap::new();
    for namespace in &status.namespaces {
        let container = namespace.container.as_ref().and_then(|container| container.name.as_deref());
        let name = namespace.name.as_deref().or(container).unwrap_or_default();
        if let Some(latest) = namespace.latest() {
            let most = namespaces.entry(name).or_default();
            *most = latest.entries.max(*most);
        }
    }
    let rows = namespaces.into_iter().map(|(name, most)| (labels(&[("name", name)]), most.to_string()));
    let about = "Entries in a network namespace; the most of those with this name.";
    text.family("conntrack_namespace_entries", "gauge", about, rows);
    let unread = [(String::new(), status.unread.len().to_string())].into_iter();
    text.family("conntrack_unread", "gauge", "Things that could not be read.", unread);
    text.finish()
}
