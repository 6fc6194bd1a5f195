//! Finds the network namespaces of this machine, and the entries in the table of each.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::table::model::reading::{Namespace, Unread};
use crate::table::source::proc::counters;

/// The network namespaces that a process in /proc runs in, or that have a name, by number.
#[must_use]
pub fn namespaces(unread: &mut Vec<Unread>) -> Vec<Namespace> {
    let own = std::fs::metadata("/proc/self/ns/net").map(|metadata| metadata.ino()).ok();
    let mut named: BTreeMap<u64, String> = directory("/run/netns")
        .filter_map(|item| Some((item.metadata().ok()?.ino(), item.file_name().to_string_lossy().into_owned())))
        .collect();
    let mut found: BTreeMap<u64, Namespace> = BTreeMap::new();
    let mut hidden = 0;
    for item in directory("/proc") {
        let name = item.file_name();
        let Some(pid) = name.to_str().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) else { continue };
        match std::fs::read_link(item.path().join("ns/net")) {
            Ok(link) => {
                let Some(id) = number(&link) else { continue };
                found.entry(id).or_insert_with(|| {
                    let (program, count) = (Some(program(&item.path(), pid)), count(&item.path()));
                    Namespace { id, name: named.remove(&id), program, count, own: Some(id) == own }
                });
            }
            Err(error) => hidden += u64::from(error.kind() == io::ErrorKind::PermissionDenied),
        }
    }
    let empty = named
        .into_iter()
        .map(|(id, name)| (id, Namespace { id, name: Some(name), program: None, count: None, own: Some(id) == own }));
    found.extend(empty);
    if hidden > 0 {
        unread.push(Unread::Namespaces(hidden));
    }
    found.into_values().collect()
}

/// The number in the link `net:[4026531840]`.
fn number(link: &Path) -> Option<u64> {
    link.to_str()?.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok()
}

fn program(process: &Path, pid: &str) -> String {
    let name = std::fs::read_to_string(process.join("comm")).unwrap_or_default();
    format!("{} (pid {pid})", name.trim_end())
}

fn count(process: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(process.join("net/stat/nf_conntrack")).ok()?;
    counters::statistics(&text)?.entries
}

fn directory(path: &str) -> impl Iterator<Item = std::fs::DirEntry> {
    std::fs::read_dir(path).into_iter().flatten().flatten()
}
