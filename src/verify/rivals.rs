//! Finds the lines of other files that must all go before the boot makes a setting as desired, and the remedy for them.

use std::fmt;
use std::path::Path;

use super::remedy::{Remedy, remedy};
use super::satisfies;
use crate::boot::{self, Boot, Lost, System};
use crate::request::{Desired, Want};
use crate::snapshot::Snapshot;
use crate::tree::{Entry, Place, Tree};

/// How many lines are named at most. The boot is played through once more for each, and nobody reads a longer list.
const MOST: usize = 16;

/// The lines that are in the way of a setting, in the order in which they win: each wins if those before it are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rivals {
    /// Each with its remedy; the first wins now.
    lines: Vec<(Place, Remedy)>,
    /// Whether there are more than are named.
    has_more: bool,
}

/// The rivals of our line for `want`: `winner`, which wins at boot, and the lines that win once it is gone.
#[must_use]
pub fn rivals(want: &Want, desired: &Desired, snapshot: &Snapshot, winner: &Place) -> Rivals {
    let with_remedy = |place: Place| {
        let remedy = remedy(&snapshot.tree, &place, &want.name);
        (place, remedy)
    };
    let mut machine = snapshot.clone();
    // Only a line that is read after our file is in its way.
    if machine.tree.get(&desired.file).is_none() {
        machine.tree.insert(&desired.file, Entry::File(Vec::new()));
    }
    let mut places = vec![winner.clone()];
    while places.len() <= MOST {
        let Some(gone) = places.last() else { break };
        take_away(&mut machine.tree, gone);
        let Some(next) = rival(want, desired, &machine).filter(|next| !places.contains(next)) else { break };
        places.push(next);
    }
    let has_more = places.len() > MOST;
    Rivals { lines: places.into_iter().take(MOST).map(with_remedy).collect(), has_more }
}

/// The line that wins over our file at a boot of `machine` that does not make the setting as desired.
fn rival(want: &Want, desired: &Desired, machine: &Snapshot) -> Option<Place> {
    let systems = desired.loader.systems(&machine.tree).into_iter();
    let mut boots = systems.flat_map(|system| boot::boots_in_time(machine, system));
    boots.find_map(|boot| {
        let outlook = boot.outlook(&want.name);
        let place = match (&outlook.winner, &outlook.lost) {
            _ if satisfies(want, outlook.value, boot.bounds.pages) => return None,
            (Some(winner), _) => winner,
            (
                None,
                Some(Lost::Refused(place) | Lost::Excluded { by: place, .. } | Lost::FileEnded { by: place, .. }),
            ) => place,
            (None, _) => return None,
        };
        comes_after(place, &desired.file, &machine.tree, boot.system, &boot).then(|| place.clone())
    })
}

/// Whether a boot reads the line at `place` after `ours`, another file.
fn comes_after(place: &Place, ours: &Path, tree: &Tree, system: &System, boot: &Boot) -> bool {
    let files = system.runs(tree).concat();
    let position = |file: &Path| files.iter().rposition(|path| tree.real(path) == tree.real(file));
    match position(&place.file) {
        Some(theirs) => position(ours).is_none_or(|ours| theirs > ours),
        None => boot.is_written_later(place),
    }
}

/// Takes the line at `place` out of its file; the lines below it keep their numbers.
fn take_away(tree: &mut Tree, place: &Place) {
    let bytes = tree.bytes(&place.file).unwrap_or_default();
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').enumerate();
    let without: Vec<u8> =
        lines.flat_map(|(index, line)| if index + 1 == place.line { &b"\n"[..] } else { line }).copied().collect();
    tree.write(&place.file, Some(&without));
}

impl Rivals {
    /// The other lines, as a part of a sentence about the first; nothing if there are none.
    #[must_use]
    pub fn others(&self) -> Option<String> {
        let mut names: Vec<String> = self.lines.iter().skip(1).map(|(place, _)| format!("`{place}`")).collect();
        names.extend(self.has_more.then(|| "further lines".to_owned()));
        let last = names.pop()?;
        Some(if names.is_empty() { last } else { format!("{} and {last}", names.join(", ")) })
    }

    /// Whether one edit of each line, which `conflicts` allows, does away with all of them.
    #[must_use]
    pub fn can_be_changed(&self) -> bool {
        self.lines.iter().all(|(_, remedy)| *remedy == Remedy::ChangeLine)
    }
}

/// The remedy for all of them.
impl fmt::Display for Rivals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [(_, remedy)] = &self.lines[..] {
            return remedy.fmt(f);
        }
        if self.can_be_changed() {
            return f.write_str(
                "remove these lines, or set `conflicts` to comment_out, or choose a `file` that is read later",
            );
        }
        let lines = |picked: &Remedy| -> Vec<String> {
            let lines = self.lines.iter().filter(|(_, remedy)| remedy == picked);
            lines.map(|(place, _)| format!("`{place}`")).collect()
        };
        let parts = [
            (lines(&Remedy::ChangeLine), "remove", ""),
            (lines(&Remedy::ReadLater), "choose a `file` that is read later than", ""),
            (lines(&Remedy::AgreeWithProgram), "give", " the same value"),
            (lines(&Remedy::ChangeCluster), "give", " the same value in that ConfigMap of the cluster"),
        ];
        let parts = parts.iter().filter(|(lines, ..)| !lines.is_empty());
        let parts: Vec<String> =
            parts.map(|(lines, verb, rest)| format!("{verb} {}{rest}", lines.join(" and "))).collect();
        f.write_str(&parts.join(", and "))
    }
}
