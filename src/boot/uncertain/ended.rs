//! Finds the lines that a loader may not come to, because the kernel may refuse the value of a line before them: busybox ends there.
//!
//! The bounds of other keys are not known here. Of a few switches that many files set it is known that every kernel takes 0 and 1.

use std::collections::BTreeMap;

use super::Played;
use crate::boot::arrival::Arrival;
use crate::boot::doubt::{About, Doubt, Reason};
use crate::kernel::bounds::Takes;
use crate::kernel::catalog::Name;
use crate::order::InOrder;
use crate::sysctl_d::{self, Assignment, OnRefusal};
use crate::tree::Place;

/// The last parts of the keys of switches.
const SWITCHES: [&str; 20] = [
    "accept_ra",
    "accept_redirects",
    "accept_source_route",
    "disable_ipv6",
    "forwarding",
    "icmp_echo_ignore_broadcasts",
    "icmp_ignore_bogus_error_responses",
    "ip_forward",
    "kptr_restrict",
    "log_martians",
    "panic_on_oops",
    "protected_hardlinks",
    "protected_symlinks",
    "rp_filter",
    "secure_redirects",
    "send_redirects",
    "swappiness",
    "sysrq",
    "tcp_syncookies",
    "unprivileged_bpf_disabled",
];

pub(super) fn doubts(played: &Played) -> Vec<Doubt> {
    let tree = &played.snapshot.tree;
    let dialect = played.system.dialect(tree);
    // Every write before the module is loaded is lost, whether the loader comes to it or not.
    if dialect.on_refusal == OnRefusal::GoesOn || matches!(played.arrival, Arrival::Late { .. }) {
        return Vec::new();
    }
    let mut behind: BTreeMap<Place, Vec<Name>> = BTreeMap::new();
    for run in played.files {
        let mut ending: Option<Place> = None;
        for file in run {
            let place = Place::within(file);
            for assignment in sysctl_d::parse(tree.bytes(file).unwrap_or_default(), dialect) {
                let place = place(assignment.line);
                match &ending {
                    None => ending = may_end(played, &assignment).then_some(place),
                    Some(ending) => {
                        let decides = |name: &Name| {
                            played.outlooks.get(name).is_some_and(|outlook| outlook.winner.as_ref() == Some(&place))
                        };
                        behind
                            .entry(ending.clone())
                            .or_default()
                            .extend(assignment.name().filter(|name| decides(name)).cloned());
                    }
                }
            }
        }
    }
    let behind = behind.into_iter().filter(|(_, names)| !names.is_empty());
    behind
        .map(|(place, names)| {
            Doubt::of_line(Reason::FileMayEnd, &place).about(About::Only(names.into_iter().into_set()))
        })
        .collect()
}

/// Whether the kernel may refuse the value of a line. A line for a key that the kernel does not have ends nothing.
fn may_end(played: &Played, assignment: &Assignment) -> bool {
    let Some(text) = &assignment.value else { return false };
    let Some(name) = assignment.name() else {
        let last = assignment.subject.path.rsplit(|byte| matches!(byte, b'/' | b'.')).next().unwrap_or_default();
        let is_switch = SWITCHES.iter().any(|switch| switch.as_bytes() == last);
        return !(is_switch && matches!(&**text, b"0" | b"1"));
    };
    played.number(name, text).is_some_and(|number| played.bounds.take(name, number) == Takes::Perhaps)
}
