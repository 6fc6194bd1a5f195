//! Puts the network namespaces of a machine into words: what runs in each, and the commands that look into it.

use crate::order::sorted_by;
use crate::table::analysis::namespaces::{Room, fill_of, room};
use crate::table::model::reading::{Container, Namespace};
use crate::text::{grouped, printable};

/// The namespaces that a text lists: the fullest.
const LISTED: usize = 20;

/// What is known of a namespace: `netns 4026532178 (docker web, nginx (pid 4711))`.
#[must_use]
pub fn place(namespace: &Namespace) -> String {
    let known = known(namespace);
    if known.is_empty() { format!("netns {}", namespace.id) } else { format!("netns {} ({known})", namespace.id) }
}

fn known(namespace: &Namespace) -> String {
    let parts = [namespace.name.clone(), namespace.container.as_ref().map(container), program(namespace)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The first program in a namespace: `nginx (pid 4711)`.
#[must_use]
pub fn program(namespace: &Namespace) -> Option<String> {
    let (program, pid) = (namespace.program.as_ref()?, namespace.pid?);
    Some(format!("{program} (pid {pid})"))
}

/// A container: `docker web`, or the beginning of its number as its engine prints it.
#[must_use]
pub fn container(container: &Container) -> String {
    let id = container.id.as_deref().map(|id| id.get(..12).unwrap_or(id));
    let name = container.name.as_deref().or(id).unwrap_or("of unknown name");
    format!("{} {name}", container.engine)
}

/// The command that runs another one in the namespace; None: nothing leads there.
#[must_use]
pub fn enter(namespace: &Namespace) -> Option<String> {
    if let Some(pid) = namespace.pid {
        return Some(format!("nsenter --target {pid} --net"));
    }
    namespace.name.as_deref().map(|name| format!("nsenter --net={}", quoted(&format!("/run/netns/{name}"))))
}

/// The command that diagnoses the table of the namespace.
#[must_use]
pub fn diagnose(namespace: &Namespace) -> Option<String> {
    match namespace.pid {
        Some(pid) => Some(format!("conntrack-sysctl diagnose --pid {pid}")),
        None => Some(format!("{} conntrack-sysctl diagnose", enter(namespace)?)),
    }
}

/// `text` as one word for a shell.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./@:".contains(c);
    if text.chars().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// The lines of a status about the namespaces, the fullest first. A machine with one namespace has none.
#[must_use]
pub fn lines(namespaces: &[Namespace], limit: Option<u64>) -> Vec<String> {
    if namespaces.len() < 2 {
        return Vec::new();
    }
    let mut lines =
        vec![format!("namespaces: {}; each has its own table, and the limit applies to each", namespaces.len())];
    let entries = |namespace: &Namespace| namespace.latest().map(|counts| counts.entries);
    let sorted = sorted_by(namespaces.iter().collect(), |one, other| entries(other).cmp(&entries(one)));
    for namespace in sorted.iter().take(LISTED) {
        let count = namespace.latest().map(|counts| grouped(counts.entries));
        let count = match (count, fill_of(namespace, limit)) {
            (Some(count), Some(fill)) => format!("{count} ({fill:.2}%)"),
            (Some(count), None) => count,
            (None, _) => "not known".to_owned(),
        };
        let own = if namespace.own { "  <- this one" } else { "" };
        lines.push(format!("  netns {}  {count}  {}{own}", namespace.id, printable(&known(namespace))));
        if !namespace.own && room(namespace, limit) != Room::Some {
            lines.extend(diagnose(namespace).map(|command| format!("    look into it: {}", printable(&command))));
        }
    }
    if let Some(more) = sorted.len().checked_sub(LISTED).filter(|more| *more > 0) {
        lines.push(format!("  and {more} with fewer entries"));
    }
    lines
}
