//! Decides which initrds are made anew.

use std::collections::BTreeMap;

use super::Step;
use crate::boot::{self, Boot, Stale};
use crate::order::InOrder;
use crate::request::{Desired, Initrd};
use crate::snapshot::Snapshot;
use crate::verify::{Reason, judge};

/// The steps that make the stale initrds of `after` anew, if the request asks for that and a setting rests on them.
///
/// An image has none: the programs that make initrds look at the machine that they run on.
pub(super) fn steps(desired: &Desired, after: &Snapshot, boots: &[Boot]) -> Vec<Step> {
    if desired.initrd == Initrd::Keep || after.live.is_none() {
        return Vec::new();
    }
    let doubts = desired.wants.values().flat_map(|want| judge(want, desired, after, boots).doubts);
    if !doubts.into_iter().any(|doubt| doubt.reason == Reason::StaleInitrd) {
        return Vec::new();
    }
    let stale = boots.iter().flat_map(|boot| boot::stale(&after.tree, boot.system));
    let commands: BTreeMap<_, _> = stale.map(|Stale { initrd, command, .. }| (initrd, command)).into_map();
    commands.into_iter().map(|(path, command)| Step::MakeInitrd { path, command }).collect()
}
