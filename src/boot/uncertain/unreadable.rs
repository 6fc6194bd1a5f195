//! Finds the files that a boot reads and that could not be read here, with the settings that they may decide.

use std::collections::BTreeSet;
use std::path::Path;

use super::Played;
use crate::boot::arrival::Arrival;
use crate::boot::doubt::{About, Doubt, Reason};
use crate::boot::parameters::MODPROBE;
use crate::boot::systems::Stage;
use crate::boot::writers::{self, Certainty, Evidence};
use crate::boot::{scripts, tmpfiles, udev};
use crate::kernel::catalog::{FRAG6_HIGH, FRAG6_LOW, Name};
use crate::order::InOrder;
use crate::tree::{Entry, Tree, drop_ins};

pub(super) fn doubts(played: &Played) -> Vec<Doubt> {
    let tree = &played.snapshot.tree;
    if !tree.iter().any(|(_, entry)| matches!(entry, Entry::Unreadable(_))) {
        return Vec::new();
    }
    let mut doubts = of_loader(played);
    if *played.arrival != Arrival::BuiltIn {
        doubts.extend(of_module(played));
    }
    for path in writers::files(tree).chain(tmpfiles::files(tree)) {
        doubts.extend(doubt(tree, &path));
    }
    // A shell, cron and the like run only regular files.
    let of_scripts = scripts::files(tree, played.system);
    let of_scripts = of_scripts.iter().filter_map(|path| doubt(tree, path));
    doubts.extend(of_scripts.filter(|doubt| doubt.reason != Reason::NotRegularFile));
    doubts
}

/// The doubt about every setting that the entry at `path` raises, if the boot reads it and it cannot be read here.
fn doubt(tree: &Tree, path: &Path) -> Option<Doubt> {
    let Some(Entry::Unreadable(obstacle)) = tree.get(path) else { return None };
    Some(Doubt::of_obstacle(obstacle, path))
}

/// The doubts about the files of the loader.
fn of_loader(played: &Played) -> Vec<Doubt> {
    let tree = &played.snapshot.tree;
    // Every write before the module is loaded is lost, whatever a file says.
    let is_lost = matches!(played.arrival, Arrival::Late { .. });
    let mut doubts = Vec::new();
    for (run, files) in played.files.iter().enumerate() {
        for (position, path) in files.iter().enumerate() {
            let Some(doubt) = doubt(tree, path) else { continue };
            if doubt.reason == Reason::NotRegularFile {
                // A loader reads all its files before it writes.
                doubts.push(doubt);
            } else if !is_lost {
                doubts.push(doubt.about(About::AllBut(decided_after(played, run, position))));
            }
        }
    }
    doubts
}

/// The settings that no line of the file at `position` of a run can decide, whatever it says.
///
/// A setting with two keys is not among them: systemd-sysctl leaves a key in its place that a later line assigns with an
/// equal value, so that a line of the file about the other key may be written after it.
fn decided_after(played: &Played, run: usize, position: usize) -> BTreeSet<Name> {
    let is_decided = |name: &Name| {
        let outlook = &played.outlooks[name];
        let Some(winner) = outlook.winner.as_ref().filter(|_| outlook.lost.is_none()) else { return false };
        let has_one_key = name.keys().filter(|key| played.keys.contains(key)).count() == 1;
        // The kernel compares one threshold with the other.
        let stands_alone = ![FRAG6_LOW, FRAG6_HIGH].contains(name);
        let is_read_later = || {
            let mut later = played.files[run][position + 1..].iter().chain(played.files[run + 1..].iter().flatten());
            later.any(|file| **file == *winner.file)
        };
        // A file may say that a glob leaves a key out.
        let is_named = || {
            let mut placed = played.runs.iter().flatten().filter(|placed| placed.place == *winner);
            placed.any(|placed| placed.assignment.name() == Some(name))
        };
        let is_written_later = || {
            let line = Evidence::Line(winner.clone());
            played.later.iter().any(|later| later.certainty == Certainty::Surely && later.evidence == line)
        };
        stands_alone && (is_written_later() || (has_one_key && is_read_later() && is_named()))
    };
    played.outlooks.keys().filter(|name| is_decided(name)).cloned().into_set()
}

/// The doubts about the files that decide when the module is loaded, and with which options.
fn of_module(played: &Played) -> Vec<Doubt> {
    let tree = &played.snapshot.tree;
    let is_early = matches!(played.arrival, Arrival::Early(_));
    let mut doubts: Vec<Doubt> =
        drop_ins(tree, &MODPROBE, ".conf").iter().filter_map(|path| doubt(tree, path)).collect();
    for stage in played.system.order {
        match stage {
            Stage::Modules(lists) => {
                let found = lists.read(tree).into_iter().filter_map(|path| doubt(tree, &path));
                // A list can only add modules, so it changes nothing once another list names this one.
                doubts.extend(found.filter(|doubt| !is_early || doubt.reason == Reason::NotRegularFile));
            }
            Stage::Udev => {
                doubts.extend(drop_ins(tree, &udev::RULES, ".rules").iter().filter_map(|path| doubt(tree, path)));
            }
            Stage::Loader(_) => {}
        }
    }
    doubts
}
