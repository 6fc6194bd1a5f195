//! Finds the network namespaces of this machine, the process and the container in each, and the numbers of its table.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::order::InOrder;
use crate::table::model::counters::Counters;
use crate::table::model::reading::{Namespace, NamespaceCounts, Unread};
use crate::table::source::netns;
use crate::table::source::proc::{container, counters};
use crate::text::printable;

/// The directory in which network namespaces have names.
const NAMED: &str = "/run/netns";

/// The processes of a hidden namespace whose counters are read.
const FEW: u64 = 4;

/// The network namespaces that a process in /proc runs in, or that have a name, by number.
#[must_use]
pub fn namespaces(unread: &mut Vec<Unread>) -> Vec<Namespace> {
    let own = std::fs::metadata("/proc/self/ns/net").map(|metadata| metadata.ino()).ok();
    let mut named: BTreeMap<u64, String> = directory(NAMED)
        .filter_map(|item| Some((item.metadata().ok()?.ino(), item.file_name().to_string_lossy().into_owned())))
        .into_map();
    let mut found: BTreeMap<u64, Namespace> = BTreeMap::new();
    let (mut hidden, mut never_full) = (0, true);
    for item in directory("/proc") {
        let Some(pid) = item.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        match std::fs::read_link(item.path().join("ns/net")) {
            Ok(link) => {
                let Some(id) = number(&link) else { continue };
                found.entry(id).or_insert_with(|| of_process(&item.path(), pid, id, named.remove(&id)));
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                hidden += 1;
                // For root it is the first process at most; a user has too many to ask each.
                never_full &= hidden <= FEW
                    && counts(&item.path().join("net"))
                        .is_some_and(|counts| counts.drop + counts.early_drop + counts.expect_create == 0);
            }
            Err(_) => {}
        }
    }
    for (id, name) in named {
        let counts = netns::within(&Path::new(NAMED).join(&name), || counts(Path::new("/proc/thread-self/net")));
        let counts = counts.ok().flatten();
        found.insert(id, Namespace { name: Some(name), ..Namespace::new(id, counts) });
    }
    if hidden > 0 {
        unread.push(Unread::Namespaces { processes: hidden, never_full });
    }
    found.into_values().map(|namespace| Namespace { own: Some(namespace.id) == own, ..namespace }).collect()
}

/// The namespace `id`, in which the process at `process` runs.
fn of_process(process: &Path, pid: u32, id: u64, name: Option<String>) -> Namespace {
    let program = std::fs::read_to_string(process.join("comm")).unwrap_or_default();
    let groups = std::fs::read_to_string(process.join("cgroup")).unwrap_or_default();
    let container = container::of_groups(&groups).map(|mut container| {
        container.name = container.name.take().or_else(|| container::name(Path::new("/"), &container));
        container
    });
    Namespace {
        name,
        program: Some(printable(program.trim_end()).into_owned()),
        pid: Some(pid),
        container,
        ..Namespace::new(id, counts(&process.join("net")))
    }
}

/// Reads the numbers of each namespace again that a process showed, and keeps what they grew by.
pub fn read_again(namespaces: &mut [Namespace]) {
    for namespace in namespaces {
        let net = namespace.pid.map(|pid| PathBuf::from(format!("/proc/{pid}/net")));
        let Some((before, after)) = namespace.counts.zip(net.and_then(|net| counts(&net))) else { continue };
        namespace.during_run = Some(NamespaceCounts {
            entries: after.entries,
            drop: after.drop.saturating_sub(before.drop),
            early_drop: after.early_drop.saturating_sub(before.early_drop),
            expect_create: after.expect_create.saturating_sub(before.expect_create),
        });
    }
}

/// The number in the link `net:[4026531840]`.
fn number(link: &Path) -> Option<u64> {
    link.to_str()?.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok()
}

fn counts(net: &Path) -> Option<NamespaceCounts> {
    let text = std::fs::read_to_string(net.join("stat/nf_conntrack")).ok()?;
    let counters: Counters = counters::statistics(&text)?;
    let sum = counters.sum();
    let count = |name: &str| sum.get(name).copied().unwrap_or(0);
    Some(NamespaceCounts {
        entries: counters.entries?,
        drop: count("drop"),
        early_drop: count("early_drop"),
        expect_create: count("expect_create"),
    })
}

fn directory(path: &str) -> impl Iterator<Item = std::fs::DirEntry> {
    std::fs::read_dir(path).into_iter().flatten().flatten()
}
