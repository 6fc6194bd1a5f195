//! Puts a failed reading into words: the facts that are not known for that, and the reason.

use std::borrow::Cow;
use std::io;

use crate::table::model::reading::{Quantity, Unread};
use crate::text::grouped;

/// The facts that a failed reading would have given.
#[must_use]
pub fn facts(unread: &Unread) -> Cow<'static, str> {
    match unread {
        Unread::Quantity(Quantity::Count, _) => "the number of entries".into(),
        Unread::Quantity(Quantity::Limit, _) | Unread::SavedLimit => "the limit".into(),
        Unread::Counters(_) => "the counters of connection tracking".into(),
        Unread::LossCounters(..) => "some counters of lost packets".into(),
        Unread::Driver(interface, _) => format!("what the cloud's own limits have dropped ({interface})").into(),
        Unread::Namespaces { .. } => "some network namespaces".into(),
        Unread::Log(..) => "the kernel's messages".into(),
        Unread::Table(_) => "the entries of the table".into(),
        Unread::ExactTable => "the exact table".into(),
        Unread::Entries(count) => format!("{count} entries").into(),
        Unread::Lines { count, .. } => format!("{count} lines of the file").into(),
        Unread::Excerpt { entries, shown } => format!("{} entries", grouped(shown - entries)).into(),
        Unread::BeforeEvents(_) => "the connections from before the first event".into(),
        Unread::Answers(count) => format!("whether {} connections were answered", grouped(*count)).into(),
        Unread::Addresses(count) => format!("the addresses of {} entries", grouped(*count)).into(),
        Unread::Events(count) => format!("{} events", grouped(*count)).into(),
        Unread::SavedCounters => "the counters and the rate".into(),
    }
}

/// The reason why a reading failed.
#[must_use]
pub fn reason(unread: &Unread) -> Cow<'static, str> {
    match unread {
        Unread::Quantity(_, error) => {
            format!("the kernel has no such key here, and ctnetlink does not answer: {error}").into()
        }
        Unread::Counters(error) => {
            format!("`/proc/net/stat/nf_conntrack` does not exist, and ctnetlink does not answer: {error}").into()
        }
        Unread::LossCounters(path, error) => format!("`{path}`: {error}").into(),
        Unread::Driver(interface, error) => format!("`ethtool -S {interface}`: {error}").into(),
        Unread::Namespaces { processes, .. } => {
            format!("{processes} processes hide their namespace from this one; that takes CAP_SYS_PTRACE: run as root")
                .into()
        }
        Unread::Log(name, error) => {
            let need = match error.kind() {
                io::ErrorKind::PermissionDenied if name == "/dev/kmsg" => "; that takes CAP_SYSLOG: run as root",
                _ => "",
            };
            format!("`{name}`: {error}{need}").into()
        }
        Unread::Table(error) => {
            let need = match error.kind() {
                io::ErrorKind::PermissionDenied => "; that takes CAP_NET_ADMIN: run as root",
                _ => "",
            };
            format!("ctnetlink does not answer: {error}, and /proc/net/nf_conntrack cannot be read{need}").into()
        }
        Unread::ExactTable => "it changed while it was read: entries may be missing or counted twice".into(),
        Unread::Entries(_) => "they have an unknown form".into(),
        Unread::Lines { first, .. } => format!("they are no entries; the first is number {first}").into(),
        Unread::Excerpt { entries, shown } => format!(
            "the file says that {} were shown, and has {}: the shares below are of these",
            grouped(*shown),
            grouped(*entries)
        )
        .into(),
        Unread::BeforeEvents(events) => {
            format!("the file has {} events and no table: the entries below are those that they left", grouped(*events))
                .into()
        }
        Unread::Answers(_) => "their lines are cut off, or have a form that does not say it".into(),
        Unread::Addresses(_) => "somebody has made them unreadable; the lists of addresses leave them out".into(),
        Unread::Events(_) => "more connections were open at once than are kept".into(),
        Unread::SavedCounters => "a saved table does not have them; --stat gives the counters".into(),
        Unread::SavedLimit => "a saved table does not have it; --limit or --sysctl gives it".into(),
    }
}
