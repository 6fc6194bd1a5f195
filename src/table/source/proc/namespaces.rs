//! Finds the network namespaces of this machine, the process and the container in each, and the numbers of its table.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::order::InOrder;
use crate::table::model::reading::{Namespace, NamespaceCounts, Reading, Unread};
use crate::table::source::netns;
use crate::table::source::proc::{container, counters, processes, text};
use crate::text::printable;

/// The directory in which network namespaces have names.
const NAMED: &str = "/run/netns";

/// The processes of a hidden namespace whose counters are read.
const FEW: u64 = 4;

/// The network namespaces that a process in /proc runs in, or that have a name, by number. The numbers of this one's table are
/// left to the reading of it.
#[must_use]
pub fn namespaces(unread: &mut Vec<Unread>) -> Vec<Namespace> {
    let own = processes::own_namespace();
    let mut named: BTreeMap<u64, String> = directory(NAMED)
        .filter_map(|item| Some((item.metadata().ok()?.ino(), item.file_name().to_string_lossy().into_owned())))
        .into_map();
    let mut found: BTreeMap<u64, Namespace> = BTreeMap::new();
    let (mut hidden, mut never_full) = (0, true);
    processes::with_namespaces(|pid, namespace| match namespace {
        Ok(id) => {
            found.entry(id).or_insert_with(|| {
                let own = own == Some(id);
                let counts = if own { None } else { counts(&net_of(pid)) };
                Namespace { counts, own, ..of_process(pid, id, named.remove(&id)) }
            });
        }
        Err(Errno::ACCESS | Errno::PERM) => {
            hidden += 1;
            // For root it is the first process at most; a user has too many to ask each.
            never_full &= hidden <= FEW
                && counts(&net_of(pid))
                    .is_some_and(|counts| counts.drop + counts.early_drop + counts.expect_create == 0);
        }
        Err(_) => {}
    });
    for (id, name) in named {
        let counts = netns::within(&Path::new(NAMED).join(&name), || counts(Path::new("/proc/thread-self/net")));
        let counts = counts.ok().flatten();
        found.insert(id, Namespace { name: Some(name), ..Namespace::new(id, counts) });
    }
    if hidden > 0 {
        unread.push(Unread::Namespaces { processes: hidden, never_full });
    }
    found.into_values().collect()
}

/// The namespace `id`, in which the process `pid` runs, without the numbers of its table.
fn of_process(pid: u32, id: u64, name: Option<String>) -> Namespace {
    let read = |name: &str| text(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let container = container::of_groups(&read("cgroup")).map(|mut container| {
        container.name = container.name.take().or_else(|| container::name(Path::new("/"), &container));
        container
    });
    let program = Some(printable(read("comm").trim_end()).into_owned());
    Namespace { name, program, pid: Some(pid), container, ..Namespace::new(id, None) }
}

/// Gives the namespace of this run its numbers.
pub fn take_own(namespaces: &mut [Namespace], reading: &Reading) {
    for namespace in namespaces.iter_mut().filter(|namespace| namespace.own) {
        namespace.counts = reading.namespace_counts();
    }
}

/// Reads the numbers of each namespace again that a process showed, and keeps what they grew by.
pub fn read_again(namespaces: &mut [Namespace]) {
    for namespace in namespaces {
        let after = namespace.pid.and_then(|pid| counts(&net_of(pid)));
        let Some((before, after)) = namespace.counts.zip(after) else { continue };
        namespace.during_run = Some(NamespaceCounts {
            entries: after.entries,
            drop: after.drop.saturating_sub(before.drop),
            early_drop: after.early_drop.saturating_sub(before.early_drop),
            expect_create: after.expect_create.saturating_sub(before.expect_create),
        });
    }
}

fn net_of(pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/net"))
}

fn counts(net: &Path) -> Option<NamespaceCounts> {
    counters::read_namespace(&net.join("stat/nf_conntrack"))
}

fn directory(path: &str) -> impl Iterator<Item = std::fs::DirEntry> {
    std::fs::read_dir(path).into_iter().flatten().flatten()
}
