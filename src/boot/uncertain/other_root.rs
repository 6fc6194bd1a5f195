//! Finds the settings that come out otherwise if the next boot uses another root than the present one.

use super::Played;
use crate::boot::doubt::{About, Doubt, Reason};
use crate::boot::next_root;
use crate::snapshot::Snapshot;

pub(super) fn doubts(played: &Played) -> Vec<Doubt> {
    let Snapshot { tree, fleeting, other_roots, .. } = played.snapshot;
    let unknown = next_root::unknown(tree, fleeting).map(|sign| Doubt::of_file(Reason::OtherRootUnknown, &sign));
    let differs = other_roots.iter().filter_map(|other| {
        let Some(files) = next_root::files(tree, other) else {
            return Some(Doubt::of_file(Reason::OtherRootUnknown, &other.path));
        };
        let names = played.differing(&played.with_files(files, other.module));
        let doubt = Doubt::of_file(Reason::OtherRoot, &other.path);
        (!names.is_empty()).then(|| doubt.about(About::Only(names)))
    });
    unknown.into_iter().chain(differs).collect()
}
