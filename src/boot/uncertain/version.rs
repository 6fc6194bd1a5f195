//! Finds the settings that another version of the loader would write differently, if the version cannot be told.

use std::collections::{BTreeMap, BTreeSet};

use super::Played;
use crate::boot::arrival::Arrival;
use crate::boot::doubt::{About, Doubt, Reason};
use crate::boot::systems::SYSTEMD;
use crate::kernel::catalog::Name;
use crate::order::InOrder;
use crate::sysctl_d::{self, Dialect, Placed, Write};
use crate::tree::Place;

pub(super) fn doubts(played: &Played) -> Vec<Doubt> {
    of_loader(played).into_iter().chain(of_rules(played)).collect()
}

/// The doubts about the loaders that udev's rules run as the module comes.
fn of_rules(played: &Played) -> Vec<Doubt> {
    let reruns = played.arrival.reruns().iter().filter(|rerun| !rerun.reads_all());
    let doubts = reruns.filter_map(|rerun| {
        let names = rerun.unsure(&played.snapshot.tree, played.keys);
        let doubt = Doubt::of_line(Reason::UnknownVersion, &rerun.rule).detail(rerun.dialect.command);
        (!names.is_empty()).then(|| doubt.about(About::Only(names)))
    });
    doubts.collect()
}

fn of_loader(played: &Played) -> Vec<Doubt> {
    let tree = &played.snapshot.tree;
    let others = (played.system.others)(tree);
    // Every write before the module is loaded is lost, whoever makes it.
    if others.is_empty() || matches!(played.arrival, Arrival::Late { .. }) {
        return Vec::new();
    }
    let assumed = last_writes(played.system.dialect(tree), played.runs, played);
    let differing = |other: &&Dialect| {
        let files = played.system.runs_in(other, tree);
        let runs: Vec<_> = files.iter().map(|files| sysctl_d::assignments(tree, other, files)).collect();
        let doubt = doubt(&assumed, &last_writes(other, &runs, played), other)?;
        let of_link = "remove the link of that name that cannot be followed, or let it lead to /dev/null";
        let remedy = (*played.system == SYSTEMD).then(|| of_link.to_owned());
        Some(Doubt { remedy, ..doubt })
    };
    others.iter().filter_map(differing).collect()
}

/// The last write to each key of a setting.
type LastWrites = BTreeMap<Name, BTreeMap<Vec<u8>, (Vec<u8>, Place)>>;

fn last_writes(dialect: &Dialect, runs: &[Vec<Placed>], played: &Played) -> LastWrites {
    let mut last = LastWrites::new();
    for Write { key, text, place } in runs.iter().flat_map(|read| sysctl_d::writes(read, dialect, played.keys)) {
        if let Some(name) = key.name() {
            last.entry(name).or_default().insert(key.as_str().into(), (text, place));
        }
    }
    last
}

/// The doubt about the settings of which the writes differ, with a line that only one of the two writes.
fn doubt(assumed: &LastWrites, otherwise: &LastWrites, other: &Dialect) -> Option<Doubt> {
    let names: BTreeSet<Name> = assumed.keys().chain(otherwise.keys()).cloned().into_set();
    let names: BTreeSet<Name> = names.into_iter().filter(|name| assumed.get(name) != otherwise.get(name)).into_set();
    let first = names.first()?;
    let places = |writes: &LastWrites| -> Vec<Place> {
        writes.get(first).into_iter().flat_map(BTreeMap::values).map(|(_, place)| place.clone()).collect()
    };
    let (ours, theirs) = (places(assumed), places(otherwise));
    let place = theirs.iter().find(|place| !ours.contains(place)).or(ours.first())?;
    Some(Doubt::of_line(Reason::UnknownVersion, place).detail(other.command).about(About::Only(names.clone())))
}
