//! Finds the lines outside sysctl.d that a boot carries out before the loader or after it, where they make a difference.

use std::collections::{BTreeMap, BTreeSet};

use super::Played;
use crate::boot::doubt::{About, Doubt, Reason};
use crate::boot::systems::SYSTEMD;
use crate::boot::tmpfiles;
use crate::kernel::catalog::Name;
use crate::snapshot::Snapshot;
use crate::tree::Place;

pub(super) fn doubts(played: &Played) -> Vec<Doubt> {
    let tree = &played.snapshot.tree;
    // Other init systems do not carry them out.
    if *played.system != SYSTEMD || tmpfiles::files(tree).is_empty() {
        return Vec::new();
    }
    let mut last: BTreeMap<Name, (Place, Option<i64>)> = BTreeMap::new();
    for write in tmpfiles::writes(tree, played.keys) {
        let Some(name) = write.key.name() else { continue };
        let number = write.text.as_ref().map(|text| played.number(&name, text.as_bytes()));
        // The kernel refuses what is no number.
        if number != Some(None) {
            last.insert(name, (write.place, number.flatten()));
        }
    }
    let mut by_line: BTreeMap<Place, BTreeSet<Name>> = BTreeMap::new();
    for (name, (place, number)) in last {
        if number.is_none_or(|number| played.differs(&name, number)) {
            by_line.entry(place).or_default().insert(name);
        }
    }
    let of_line = |(place, names): (Place, BTreeSet<Name>)| doubt(&place).about(About::Only(names));
    let of_change = |change: tmpfiles::Change| match change.tree {
        None => Some(doubt(&change.place)),
        Some(tree) => {
            let names = played.differing(&Snapshot { tree, ..played.snapshot.clone() });
            (!names.is_empty()).then(|| doubt(&change.place).about(About::Only(names)))
        }
    };
    by_line.into_iter().map(of_line).chain(tmpfiles::changes(tree).into_iter().filter_map(of_change)).collect()
}

fn doubt(place: &Place) -> Doubt {
    Doubt::of_line(Reason::UnorderedLine, place).detail("systemd-tmpfiles")
}
